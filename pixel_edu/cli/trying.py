"""What pixel-edu exercises try does and shows, also under its older name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pixel_edu.grading.dry_run import DryRun

Notebook = Annotated[Path, typer.Argument(help="The notebook that you want to hand in.", show_default=False)]
CellSeconds = Annotated[float, typer.Option(min=0.1, help="Time limit for one cell, in seconds.")]


def run(notebook: Path, cell_seconds: float) -> None:
    """Run a student's notebook, and say what is missing; exit code 1 when something is."""
    os.environ["OMP_NUM_THREADS"] = "1"  # the kernel is forked, and a fork copies no threads
    from rich.console import Console

    from pixel_edu.grading import dry_run
    from pixel_edu.grading.sandbox.restrictions import ResourceLimits

    console = Console(highlight=False)
    with console.status("running your notebook"):
        tried = dry_run.run(notebook, ResourceLimits(cell=cell_seconds))
    _show(console, notebook.name, tried)
    if not tried.passed:
        raise typer.Exit(1)


def _show(console: Console, name: str, tried: DryRun) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    marks = tried.result.marks
    for mark in marks:
        sign = {"passed": "✓", "not written": "–", "by hand": "✎"}.get(mark.status, "✗")
        said = "" if mark.status == "passed" else escape(mark.message)
        table.add_row(sign, mark.id, escape(tried.titles[mark.id]), said)
    console.print(table)
    if tried.result.reason:
        console.print(f"{name}: {tried.result.reason}", markup=False)
    if tried.changed:
        console.print(f"changed or missing, and restored when it is graded: {', '.join(tried.changed)}")
    for note in [*tried.failing, *tried.result.accidents]:
        console.print(note, markup=False)
    passed = sum(mark.status == "passed" for mark in marks)
    tested = len(marks) - len(tried.by_hand)
    console.print(f"{passed} of {tested} pass the visible tests; the grader also tries other values")
