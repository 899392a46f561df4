"""pixel-edu submit: look before you hand in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def submit(
    notebook: Annotated[Path, typer.Argument(help="The notebook that you want to hand in.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is missing; hand nothing in.")] = False,
    cell_seconds: Annotated[float, typer.Option(min=0.1, help="A cell may run as long.")] = 30,
) -> None:
    """Run your notebook from top to bottom in a fresh kernel, with the visible tests, and say what is missing.

    Exit code 0: all of them pass. 1: something is missing.
    """
    if not dry_run:
        raise typer.BadParameter(
            "this program hands nothing in: that is done on your course's page. Add --dry-run to look before you do"
        )
    os.environ["OMP_NUM_THREADS"] = "1"  # the kernel is forked, and threads do not come along
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from pixel_edu.grading import dry_run as dry
    from pixel_edu.grading.sandbox.restrictions import ResourceLimits

    console = Console(highlight=False)
    with console.status("running your notebook"):
        look = dry.look(notebook, ResourceLimits(cell=cell_seconds))
    table = Table(box=None, pad_edge=False, show_header=False)
    for mark in look.result.marks:
        sign = {"passed": "✓", "not written": "–"}.get(mark.status, "✗")
        said = "" if mark.status == "passed" else escape(mark.message)
        table.add_row(sign, mark.id, escape(look.titles[mark.id]), said)
    console.print(table)
    if look.result.reason:
        console.print(f"{notebook.name}: {look.result.reason}", markup=False)
    if look.changed:
        console.print(f"changed or missing, and put back when it is graded: {', '.join(look.changed)}")
    for note in look.result.notes:
        if "left out" in note or "ended its kernel" in note:
            console.print(note, markup=False)
    passed = sum(mark.status == "passed" for mark in look.result.marks)
    console.print(
        f"{passed} of {len(look.result.marks)} pass the visible tests; the grader also tries other values"
    )
    if passed < len(look.result.marks):
        raise typer.Exit(1)
