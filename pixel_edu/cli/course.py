"""pixel-edu course: run the notebooks, draw the artwork of the pages, and tell how the course fares."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from pixel_edu.cli import options, showing

app = typer.Typer(help="Run the course's notebooks and draw its pages' artwork.", no_args_is_help=True)


Profile = Literal["smoke", "cpu", "gpu"]
"""How much a notebook computes."""

Chapters = Annotated[
    list[str] | None,
    typer.Argument(help="Chapters, as 01, 01_pixels or a path; default: all.", show_default=False),
]
OtherProfile = Annotated[
    Profile | None,
    typer.Option(help="Use this profile instead of the chapter's own; needs --out.", show_default=False),
]
OtherFolder = Annotated[
    Path | None,
    typer.Option(help="The folder to write to.", show_default="in place", callback=options.new_folder),
]
CheckChapters = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit code 1 when a stored chapter is out of date.")
]
ChaptersFolder = Annotated[Path, typer.Option(help="The folder with the chapters.")]

Notebooks = Annotated[
    list[str] | None,
    typer.Argument(
        help="Notebooks, as 05, 05_training or chapters/05_training; default: all.", show_default=False
    ),
]
RunProfile = Annotated[Profile, typer.Option(help="How much to compute; gpu needs a GPU.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="The folder to write to.", show_default="runs/course-PROFILE", callback=options.new_folder
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Notebooks at a time.", show_default="1 for gpu, otherwise one per processor"),
]
Quality = Annotated[
    bool | None,
    typer.Option(help="Measure the shipped model too.", show_default="when all notebooks run"),
]
Root = Annotated[Path, typer.Option(help="The course's folder.")]

Kept = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders of runs to keep as the ones that the page shows.", show_default=False),
]
CheckPage = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit code 1 when the page is out of date.")
]
CheckArtwork = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit code 1 when something stored is out of date.")
]
Book = Annotated[Path, typer.Option(help="The book's folder.")]


@app.command()
def notebooks(
    names: Chapters = None,
    profile: OtherProfile = None,
    out: OtherFolder = None,
    check: CheckChapters = False,
    folder: ChaptersFolder = Path("chapters"),
) -> None:
    """Run chapters and store their outputs; an unchanged chapter stays the same, byte for byte."""
    if profile and not out:
        raise typer.BadParameter("a profile of your own goes to a folder of your own: add --out FOLDER")
    if check and out:
        raise typer.BadParameter("--check compares and writes nothing: omit --out")
    from pixel_edu import notebooks as course

    chosen = _choose(names or [], folder)
    stale = [path for path in chosen if not _run_one(course, path, profile, out, check)]
    if stale:
        typer.echo(f"out of date: {', '.join(map(str, stale))}; run the same without --check", err=True)
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
            raise typer.BadParameter(
                f"{name!r} is not a chapter in {folder}: use one of {', '.join(p.stem for p in there) or '-'}"
            )
        chosen += found or [Path(name)]
    return chosen or there


def _run_one(course, path: Path, profile: Profile | None, out: Path | None, check: bool) -> bool:
    """Run one chapter with a progress bar; False when it is out of date."""
    from rich.console import Console

    with showing.bars(Console(stderr=True)) as progress:
        task = progress.add_task(path.stem, total=None)
        parameters = {"profile": profile} if profile else {}
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


@app.command("run")
def run_all(
    names: Notebooks = None,
    profile: RunProfile = "smoke",
    out: Out = None,
    jobs: Jobs = None,
    quality: Quality = None,
    root: Root = Path(),
) -> None:
    """Run every chapter and every solution, as CI does, and tell how long each took and whether it is as declared.

    The executed notebooks are in the folder, beside run.md and run.json. Exit code 1: one of them failed, or says
    something else than its stored outputs; the others ran all the same.
    """
    from pixel_edu import config
    from pixel_edu.making import rehearsal, status

    began = time.perf_counter()
    if profile == "gpu" and (jobs or 1) > 1:
        raise typer.BadParameter("notebooks that share a GPU wait for each other: omit --jobs")
    jobs = jobs or (1 if profile == "gpu" else config.cores())
    out = out or Path("runs") / f"course-{profile}"
    try:
        paths = rehearsal.find(names or [], root)
    except rehearsal.UnknownNotebook as error:
        raise typer.BadParameter(str(error)) from None
    if profile == "gpu" and config.pick_device().type == "cpu":
        raise config.UserError("there is no GPU on this machine: use --profile cpu")
    measured, results = None, []
    if quality or (quality is None and not names):
        typer.echo("measuring the reference", err=True)
        measured = status.quality(profile)
    for outcome in _watch(rehearsal, paths, profile, out, jobs, status.references(root / "book")):
        results.append(outcome)  # noted at once: a run that is cut off tells of what it did
        seconds = time.perf_counter() - began
        found = status.record(results, profile, seconds, jobs, config.hardware(), measured)
        table = status.write_run(out, found)
    _tell(results, table, out)


def _tell(results: list, table: str, out: Path) -> None:
    """Print the table, also where GitHub shows it.

    Raises:
        UserError: a notebook failed.
    """
    import os

    from pixel_edu.config import UserError

    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(summary, "a", encoding="utf-8") as file:
            file.write(table)
    typer.echo(table)
    if failed := [each for each in results if each.failures]:
        told = "; ".join(f"{each.name}: {each.failures[0]}" for each in failed)
        raise UserError(f"{len(failed)} of {len(results)} notebooks failed, see {out / 'run.md'}: {told}")


def _watch(rehearsal, paths: list[Path], profile: Profile, out: Path, jobs: int, references) -> Iterator:
    """Run notebooks and say of each how it went, as soon as it is known; a terminal shows bars as well."""
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True)
    bars: dict = {}
    with showing.bars(console) as progress:

        def on_cell(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total)
            progress.update(bars[name], completed=done)

        outcomes = rehearsal.rehearse(paths, profile, out, jobs, references, on_cell)
        for count, each in enumerate(outcomes, 1):
            if each.name in bars:
                progress.remove_task(bars[each.name])
            told = "; ".join(each.failures) or f"{each.seconds:.1f} s"
            console.print(f"{count:2} of {len(paths)}  {each.name}: {told}", highlight=False, markup=False)
            yield each


def _there(book: Path, option: str) -> Path:
    """The book's folder, if there is one."""
    from pixel_edu.config import UserError

    if not book.is_dir():
        raise UserError(f"{book}: there is no such folder: run this in the course's folder, or give {option}")
    return book


@app.command("status")
def show_status(runs: Kept = None, check: CheckPage = False, root: Root = Path()) -> None:
    """Write the tables of the book's status page from runs of the course."""
    from pixel_edu.files import replacing
    from pixel_edu.making import status

    if check and runs:
        raise typer.BadParameter("--check keeps no runs: omit them")
    book = _there(root / "book", "--root")
    for run in runs or []:
        typer.echo(f"{status.keep(run, book)} written")
    path = book / "generated" / "status.md"
    text = status.page(book, sorted((root / "chapters").glob("[0-9]*.ipynb")))
    if path.exists() and path.read_text(encoding="utf-8") == text:
        typer.echo(f"{path}: up to date")
    elif check:
        typer.echo(f"{path} is out of date; run the same without --check", err=True)
        raise typer.Exit(1)
    else:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        typer.echo(f"{path} written")


@app.command()
def artwork(check: CheckArtwork = False, book: Book = Path("book")) -> None:
    """Draw the pictures of the book's pages and count the numbers of the dataset card."""
    from pixel_edu.making import artwork as art

    _there(book, "--book")
    changed = art.stale(book) if check else art.draw_all(book)
    if check and changed:
        typer.echo(f"out of date: {', '.join(changed)}; run the same without --check", err=True)
        raise typer.Exit(1)
    typer.echo(f"{book}: {', '.join(changed) + ' written' if changed else 'up to date'}")
