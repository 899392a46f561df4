"""pixel-edu course: run the notebooks, draw the artwork of the pages."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Run the course's notebooks and draw its pages' artwork.", no_args_is_help=True)


class Profile(StrEnum):
    """How much a chapter computes."""

    smoke = "smoke"
    cpu = "cpu"
    gpu = "gpu"


@app.command()
def notebooks(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Chapters, as 01, 01_pixels or a path; left out: all.", show_default=False),
    ] = None,
    profile: Annotated[
        Profile | None,
        typer.Option(help="Use this profile and not the chapter's own; needs --out.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write to this folder; left out: in place.", show_default=False)
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when a stored chapter is out of date.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the chapters are.")] = Path("chapters"),
) -> None:
    """Run chapters and store their outputs; an unchanged chapter stays the same, byte for byte."""
    if profile and not out:
        raise typer.BadParameter("a profile of your own goes to a folder of your own: add --out FOLDER")
    if check and out:
        raise typer.BadParameter("--check compares and writes nothing: leave out --out")
    from pixel_edu.course import notebooks as course

    chosen = _choose(names or [], folder)
    stale = [path for path in chosen if not _run_one(course, path, profile, out, check)]
    if stale:
        typer.echo(f"out of date: {', '.join(map(str, stale))}; run: make notebooks", err=True)
        raise typer.Exit(1)


def _choose(names: list[str], folder: Path) -> list[Path]:
    from pixel_edu.config import UserError

    there = sorted(folder.glob("[0-9]*.ipynb"))
    if not there and not names:
        raise UserError(
            f"{folder}: there are no chapters here: run this in the course's folder, or give --folder"
        )
    chosen = []
    for name in names:
        found = [path for path in there if path.stem == name or path.stem.split("_")[0] == name]
        if not found and not name.endswith(".ipynb"):
            raise UserError(
                f"{name!r} is no chapter in {folder}: use one of {', '.join(p.stem for p in there) or '-'}"
            )
        chosen += found or [Path(name)]
    return chosen or there


def _run_one(course, path: Path, profile: Profile | None, out: Path | None, check: bool) -> bool:
    """Run one chapter with a progress bar; False when it is out of date."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(path.stem, total=None)
        parameters = {"profile": str(profile)} if profile else {}
        run = course.run(
            path, parameters, lambda done, total: progress.update(task, completed=done, total=total)
        )
    same = course.text(run.notebook) == path.read_text(encoding="utf-8")
    target = out / path.name if out else path
    if not check and (out or not same):
        course.write(run.notebook, target)
    state = "unchanged" if same and not out else "out of date" if check else f"written to {target}"
    typer.echo(f"{path.stem}: {run.seconds:.1f} s, {state}")
    for number, line in run.complaints:
        typer.echo(f"{path.stem}: cell {number} wrote to stderr: {line}", err=True)
    return same or not check


@app.command()
def artwork(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when something stored is out of date.")
    ] = False,
    book: Annotated[Path, typer.Option(help="The book's folder.")] = Path("book"),
) -> None:
    """Draw the pictures of the book's pages and count the numbers of the dataset card."""
    from pixel_edu.course import artwork as art

    changed = art.stale(book) if check else art.draw_all(book)
    if check and changed:
        typer.echo(f"out of date: {', '.join(changed)}; run: pixel-edu course artwork", err=True)
        raise typer.Exit(1)
    typer.echo(f"{book}: {', '.join(changed) + ' written' if changed else 'up to date'}")
