"""pixel-edu exercises: hand-outs from solution notebooks."""

from __future__ import annotations

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
) -> None:
    """Write a student's copy of every solution notebook: without solutions, hidden tests and outputs."""
    from pixel_edu.course import exercises, repository

    stale = []
    for path, state in exercises.build(source, out, repository(), check, force):
        typer.echo(f"{path}: {state}")
        stale += [path] if state == "out of date" else []
    if stale:
        typer.echo(f"out of date: {', '.join(map(str, stale))}; run: pixel-edu exercises build", err=True)
        raise typer.Exit(1)
