"""pixel-edu exercises: hand-outs from solution notebooks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make the students' notebooks from the solutions.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `build` a command of a group, however few there are."""


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when a notebook is out of date.")
    ] = False,
    source: Annotated[Path, typer.Option(help="Folder of the solution notebooks.")] = Path("solutions"),
    out: Annotated[Path, typer.Option(help="Folder to write the students' notebooks to.")] = Path(
        "exercises"
    ),
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Write over notebooks that hold answers; they are kept beside the new ones."
        ),
    ] = False,
    students: Annotated[
        Path | None,
        typer.Option(
            help="File with a student a line: each gets a folder, with variants of their own.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of who gets which variant; grade needs the same.")] = 0,
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
        typer.echo(f"out of date: {', '.join(map(str, stale))}; run: pixel-edu exercises build", err=True)
        raise typer.Exit(1)


def _copies(students: Path, seed: int) -> dict[str, Callable]:
    """What makes each student's source."""
    from pixel_edu.config import UserError
    from pixel_edu.grading import variants

    try:
        names = [line.strip() for line in students.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise UserError(f"{students}: {error.strerror}: give a file with a student a line") from None
    for name in names:
        if "/" in name or name.startswith("."):
            raise UserError(f"{students}: {name!r} cannot be a folder's name: leave out / and a first dot")
    return {name: functools.partial(variants.of_student, student=name, seed=seed) for name in names}
