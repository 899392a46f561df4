"""pixel-edu exercises: hand-outs from solution notebooks, and a look at one before it is handed in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pixel_edu.cli import options, trying

app = typer.Typer(help="Make the students' notebooks from the solutions, and try one.", no_args_is_help=True)

Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit code 1 when a notebook is out of date.")
]
Source = Annotated[Path, typer.Option(help="Folder of the solution notebooks.")]
Out = Annotated[
    Path, typer.Option(help="Folder to write the students' notebooks to.", callback=options.new_folder)
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Overwrite notebooks that hold answers; these are kept under another name."),
]
Students = Annotated[
    Path | None,
    typer.Option(
        help="File with one student per line, or a table: each gets a folder, with variants of their own.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Decides who gets which variant; grade needs the same seed.")]


@app.command("try")
def try_(notebook: trying.Notebook, cell_seconds: trying.CellSeconds = 30) -> None:
    """Run your notebook from top to bottom in a fresh kernel, with the visible tests, and say what is missing.

    Nothing is handed in: you do that on your course's page. Exit code 0: all tests pass. 1: something is missing.
    """
    trying.run(notebook, cell_seconds)


@app.command()
def build(
    check: Check = False,
    source: Source = Path("solutions"),
    out: Out = Path("exercises"),
    force: Force = False,
    students: Students = None,
    seed: Seed = 0,
) -> None:
    """Write a student's copy of every solution notebook: without solutions, hidden tests and outputs."""
    from pixel_edu.course import repository
    from pixel_edu.notebooks import handouts

    copies = _copies(students, seed) if students else None
    stale = []
    for path, state in handouts.build(source, out, repository(), check, force, copies):
        typer.echo(f"{path}: {state}")
        stale += [path] if state == "out of date" else []
    if stale:
        typer.echo(f"out of date: {', '.join(map(str, stale))}; run the same without --check", err=True)
        raise typer.Exit(1)


def _copies(students: Path, seed: int) -> dict[str, Callable]:
    """For each student, the function that makes the source of their copy."""
    from pixel_edu.grading import class_list, variants

    names = class_list.read(students)
    return {name: functools.partial(variants.of_student, student=name, seed=seed) for name in names}
