"""pixel-edu data: make, check, look at, split, slice and fetch datasets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixel_edu.cli import options, showing
from pixel_edu.files import quoted, replacing, writing

if TYPE_CHECKING:
    from pixel_edu.data import SpriteData

app = typer.Typer(help="Make, check, look at, split, slice and fetch datasets.", no_args_is_help=True)

Folder = Annotated[
    Path, typer.Argument(help="A dataset's folder, in any of the three layouts.", show_default=False)
]


@app.command()
def make(
    out: Annotated[Path, typer.Argument(help="The folder to make.", show_default=False)],
    n: Annotated[int, typer.Option("-n", "--n", min=1, max=2_000_000, help="Number of sprites.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the dataset.")] = 0,
    jpegs: Annotated[int, typer.Option(min=0, help="Number of rows to write as JPEGs too.")] = 0,
    like_kaggle: Annotated[
        bool,
        typer.Option(
            "--like-kaggle", help="894 sprites, mirrored, each 50 times: with the traps of the real dataset."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing dataset.")] = False,
) -> None:
    """Draw procedural sprites and write them in the layout of the Kaggle dataset."""
    from pixel_edu import data, sprites
    from pixel_edu.data.writing import check_free

    check_free(out, force)
    with showing.busy(f"drawing {894 if like_kaggle else n:,} sprites"):
        drawn = sprites.make_like_kaggle(seed) if like_kaggle else sprites.make(n, seed)
    like = {"copies": 50, "mirrored": True, "overflow": True} if like_kaggle else {}
    data.write_kaggle(
        out, drawn.images, drawn.labels, jpegs, **like, force=force, track=showing.bar("writing JPEGs")
    )
    rows = len(drawn.labels) * (100 if like_kaggle else 1)
    typer.echo(f"{rows:,} rows in {out}; look at them with: pixel-edu data show {quoted(out)} sprites.png")


@app.command()
def check(
    path: Folder,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    accept: Annotated[
        list[str] | None, typer.Option(help="Name of a trap to accept; may be repeated.")
    ] = None,
    skip_bad: options.SkipBad = False,
    resize: options.Resize = None,
    frames: options.Frames = False,
) -> None:
    """Report what a dataset holds. Exit code 1: it cannot be read, or a trap in it would mislead you."""
    from pixel_edu import audit

    if unknown := set(accept or ()) - set(audit.FIX):
        raise typer.BadParameter(
            f"{min(unknown)} is not one of {', '.join(audit.FIX)}", param_hint="--accept"
        )
    report = audit.check(path, skip_bad, showing.bar("reading pictures"), resize, frames)
    wrong = [trap for trap in report.traps if trap.wrong and trap.name not in (accept or ())]
    if json:
        import json as writer

        typer.echo(writer.dumps(report.as_dict(), indent=2))
    else:
        _print(report, wrong)
    raise typer.Exit(1 if wrong else 0)


def _print(report, wrong: list) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True, highlight=False)
    console.print(f"[bold]{escape(report.source)}[/] ({report.layout})")
    alpha = (
        f"{report.transparent:,} of {report.base_sprites:,} base sprites with"
        if report.transparent
        else "without"
    )
    console.print(f"{report.size}x{report.size} pixels, {alpha} transparency")
    console.print(
        f"{report.rows:,} rows, {report.distinct:,} distinct images,"
        f" {report.rows - report.distinct:,} duplicates,"
        f" {report.base_sprites:,} base sprites, {report.mirrored_pairs:,} mirrored pairs"
    )
    table = showing.table(("class", "rows", "share", "base sprites", "colours", "median"), left=("class",))
    for c in report.classes:
        least, median, most = c.colors
        share, colors = f"{c.rows / report.rows:.1%}", f"{least} to {most}"
        table.add_row(escape(c.name), f"{c.rows:,}", share, f"{c.base_sprites:,}", colors, f"{median:.0f}")
    console.print(table)
    for note in report.notes:
        console.print(f"note: {escape(note)}")
    for trap in report.traps:
        state = (
            "[bold red]wrong[/]" if trap in wrong else "[green]known[/]" if trap.wrong else "[dim]note[/] "
        )
        console.print(f"{state} [bold]{trap.name}[/]: {escape(trap.says)}\n      → {escape(trap.fix)}")
    console.print(f"\n[bold]{len(wrong)} wrong[/]" if wrong else "\n[green]nothing wrong[/]")


@app.command()
def show(
    path: Folder,
    out: Annotated[Path, typer.Argument(help="The PNG file to write.", callback=options.png)] = Path(
        "sprites.png"
    ),
    columns: Annotated[int, typer.Option(min=1, max=200, help="Sprites per row.")] = 20,
    rows: Annotated[int, typer.Option(min=1, max=200, help="Rows for each class.")] = 2,
    scale: Annotated[int, typer.Option(min=1, max=32, help="Screen pixels per sprite pixel.")] = 4,
    skip_bad: options.SkipBad = False,
    resize: options.Resize = None,
    frames: options.Frames = False,
) -> None:
    """Draw a picture of different sprites of each class, class by class; what is transparent is a checkerboard."""
    import numpy as np

    from pixel_edu import data, images

    sprites = _load(path, skip_bad, resize, frames)
    _, first = np.unique(data.base_ids(sprites.images), return_index=True)  # in the order of their hashes
    sheets = []
    for c in range(len(sprites.classes)):
        chosen = first[sprites.labels[first] == c][: columns * rows]
        if len(chosen):
            sheets += [
                images.grid(images.on_checkerboard(sprites.images[chosen]), columns),
                np.full((4, columns * (sprites.size + 1) - 1, 3), 255, np.uint8),
            ]
    sheet = np.concatenate(sheets[:-1])
    options.check_size(*(scale * side for side in sheet.shape[1::-1]))
    with writing(out):
        images.write_png(out, images.upscale(sheet, scale))
    for c, name in enumerate(sprites.classes[: showing.rows_of_sprites(sprites.size)]):
        showing.sprites(sprites.images[first[sprites.labels[first] == c]], name)
    typer.echo(f"{out}: from the top, {', '.join(sprites.classes)}")


def _load(path: Path, skip_bad: bool, resize: int | None, frames: bool) -> SpriteData:
    from pixel_edu import data

    return data.load(path, skip_bad, track=showing.bar("reading pictures"), resize=resize, frames=frames)


@app.command()
def split(
    path: Folder,
    validation: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the base sprites held out.")
    ] = 0.1,
    out: Annotated[
        Path | None, typer.Option(help="Write the row numbers to this .npz file.", callback=options.new_file)
    ] = None,
    skip_bad: options.SkipBad = False,
    resize: options.Resize = None,
    frames: options.Frames = False,
) -> None:
    """Divide rows by base sprite, so that no sprite is on both sides, not even mirrored."""
    import numpy as np

    from pixel_edu import data

    sprites = _load(path, skip_bad, resize, frames)
    parts = data.split(sprites.images, sprites.labels, validation)
    ids = data.base_ids(sprites.images)
    for name, part in zip(parts._fields, parts, strict=True):
        typer.echo(f"{name}: {len(part):,} rows, {len(np.unique(ids[part])):,} base sprites")
    if out:
        with writing(out), replacing(out) as temporary, open(temporary, "wb") as file:
            np.savez(file, train=parts.train, validation=parts.validation)


def _size(text: str) -> tuple[int, int]:
    """Width and height, from text such as 16 or 16x24."""
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text)
    sides = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if min(sides) < 4:
        raise typer.BadParameter(f"{text} is not a size: write it as 16, or as 16x24 for width and height")
    return sides


@app.command("slice")
def cut(
    sheets: Annotated[list[Path], typer.Argument(help="Pictures of many sprites each.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder to make.", callback=options.new_folder)],
    size: Annotated[
        str | None,
        typer.Option(
            help="Pixels a side of a tile, or its width and height, such as 16x24.", show_default="looked for"
        ),
    ] = None,
    gap: Annotated[int, typer.Option(min=0, max=64, help="Pixels between two tiles.")] = 0,
    margin: Annotated[int, typer.Option(min=0, max=512, help="Pixels around all tiles.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a folder of tiles.")] = False,
) -> None:
    """Cut sheets into sprites named by row and column. Empty tiles are dropped, and odd sizes padded, not resized."""
    from pixel_edu.data import slicing
    from pixel_edu.data.sizes import SIZES, nearest

    if size is None and (gap or margin):
        raise typer.BadParameter("give --size as well, or neither --gap nor --margin", param_hint="--size")
    grid = slicing.Grid(*_size(size), gap, margin) if size else None
    cuts = slicing.cut_sheets(sheets, out, grid, force)
    for each in cuts:
        seen = "" if grid else ", as its lines seem to be (if not, give --size)"
        padded = "" if each.grid[:2] == (each.size, each.size) else f", padded to {each.size}x{each.size}"
        empty = each.rows * each.columns - each.kept
        typer.echo(f"{each.sheet}: tiles of {each.grid}{seen}{padded}: {each.kept:,} kept, {empty:,} empty")
    total = sum(each.kept for each in cuts)
    if large := next((each.size for each in cuts if each.size not in SIZES), None):
        resize = f"such as pixel-edu train {quoted(out)} --resize {nearest(large)}"
        typer.echo(
            f"a network takes up to {SIZES[-1]} pixels a side, not {large}: choose a smaller size, {resize}"
        )
    typer.echo(
        f"{total:,} sprites in {out}; look at them with: pixel-edu data show {quoted(out)} sprites.png"
    )


@app.command()
def fetch(
    out: Annotated[
        Path | None,
        typer.Argument(
            help="Folder to copy the dataset to; default: the download's cache.", callback=options.new_folder
        ),
    ] = None,
) -> None:
    """Download the real dataset from Kaggle, or its mirror, and verify it."""
    from pixel_edu.fetch import fetch as download

    typer.echo(download(out))
