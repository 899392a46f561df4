"""pixel-edu sample: draw sprites with a trained model."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixel_edu.cli import options, showing
from pixel_edu.config import CLASSES
from pixel_edu.files import replacing, writing

if TYPE_CHECKING:
    import numpy as np

    from pixel_edu.denoiser import Denoiser

Class = Annotated[
    str | None,
    typer.Option(
        "--class",
        help=f"What to draw; default: all classes in turn. A shipped model knows {', '.join(CLASSES)}.",
        show_default=False,
    ),
]
Count = Annotated[int, typer.Option("-n", "--n", min=1, max=100_000, help="Number of sprites.")]


def _known(out: Path) -> Path:
    if out.is_dir() or not out.suffix:
        return options.new_folder(out)
    return options.new_file(out) if out.suffix == ".npy" else options.png(out)


Out = Annotated[
    Path,
    typer.Option(
        help="The PNG or .npy file to write, or a folder that gets a PNG file per sprite.", callback=_known
    ),
]
Checkpoint = Annotated[
    str,
    typer.Option(
        help=f"A run's folder, a file that pixel-edu train or pixel-edu export wrote, or {options.SHIPPED}."
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**31 - 1, help="Seed of the first sprite; the next has seed + 1.")
]
Columns = Annotated[int, typer.Option(min=1, max=200, help="Sprites per row.")]
Scale = Annotated[int, typer.Option(min=1, max=64, help="Screen pixels per sprite pixel.")]
SHOWN = 4
"""This many sprites fit side by side in a terminal."""


def sample(
    class_: Class = None,
    n: Count = 10,
    out: Out = Path("sprites.png"),
    checkpoint: Checkpoint = "reference",
    seed: Seed = 0,
    sampler: options.Sampler = options.DEFAULT.sampler,
    steps: options.SamplingSteps = options.DEFAULT.num_steps,
    guidance: options.Guidance = options.DEFAULT.guidance_scale,
    interval: options.Interval = options.DEFAULT.interval,  # pyright: ignore[reportArgumentType] typer parses text
    palette: options.Palette = "auto",
    columns: Columns = 10,
    scale: Scale = 8,
    device: options.Device = "auto",
) -> None:
    """Draw sprites and write them as PNG. The same seed draws the same sprite, however many there are.

    Unless the palette is off, the files are indexed: they list their colours, as pixel artists expect.
    As sprites.npy, with sprites_labels.npy beside it, they are a dataset that pixel-edu data reads.
    """
    if out.suffix.lower() == ".png" and not out.is_dir():
        _check_sheet(n, columns, scale)
    from pixel_edu import generate, images
    from pixel_edu.palette import in_colors
    from pixel_edu.serving import engine

    denoiser, chosen = engine.open_model(checkpoint, device)
    config = options.sample_config(denoiser, sampler, steps, guidance, interval)
    names = _names(denoiser, class_, n)
    seeds, bar = range(seed, seed + n), showing.bar("drawing", over=20)
    drawn = generate.generate(denoiser, names, seeds, config, chosen, track=bar)
    drawn = in_colors(drawn, denoiser.palette, palette)
    with writing(out):
        if out.suffix == ".npy" and not out.is_dir():
            write_arrays(out, drawn, [denoiser.label_of(name) for name in names])
        else:
            _write(out, drawn, names, seeds, min(n, columns), scale, indexed=palette != "off")
    if sys.stdout.isatty() and n <= SHOWN:
        typer.echo(in_terminal(images.grid(drawn, n)))
    typer.echo(f"{n} sprite{'s' * (n > 1)} in {out}")


def _names(denoiser: Denoiser, asked: str | None, n: int) -> list[str]:
    """The class of each sprite: the one that was asked for, or all in turn."""
    if asked is not None and asked not in denoiser.classes:
        known = ", ".join(map(repr, denoiser.classes))
        raise typer.BadParameter(f"{asked!r} is not one of {known}", param_hint="--class")
    return [asked or denoiser.classes[i % denoiser.null_label] for i in range(n)]


def _check_sheet(n: int, columns: int, scale: int) -> None:
    width, height = (scale * (17 * each - 1) for each in (min(n, columns), -(-n // columns)))
    options.check_size(width, height)


def _write(
    out: Path, drawn: np.ndarray, names: list[str], seeds: range, columns: int, scale: int, indexed: bool
):
    """Write pictures: one for each sprite in a folder, or a sheet."""
    from pixel_edu import images

    if out.is_dir() or not out.suffix:
        _write_each(out, drawn, names, seeds, scale, indexed)
    else:
        sheet = images.upscale(images.grid(drawn, columns), scale)
        images.write_png(out, sheet, indexed=images.count_colors(sheet[None])[0] <= 256)


def _write_each(folder: Path, drawn: np.ndarray, names: list[str], seeds: range, scale: int, indexed: bool):
    """Write a PNG file per sprite, named by class and seed."""
    from pixel_edu import images

    folder.mkdir(parents=True, exist_ok=True)
    for sprite, name, seed in zip(drawn, names, seeds, strict=True):
        images.write_png(
            folder / f"{_in_a_file_name(name)}-{seed}.png", images.upscale(sprite, scale), indexed=indexed
        )


def _in_a_file_name(name: str) -> str:
    """A class's name without what would lead out of a folder, or what Windows refuses."""
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name)


def write_arrays(path: Path, drawn, labels: list[int]) -> None:
    """Write sprites (N, 16, 16, 3) uint8, and their classes (N,) int64 beside them, each whole or not at all."""
    import numpy as np

    beside = path.with_name(f"{path.stem}_labels.npy")
    for name, array in ((path, drawn), (beside, np.array(labels, np.int64))):
        with replacing(name) as temporary, open(temporary, "wb") as file:
            np.save(file, array)


def in_terminal(image) -> str:
    """An (H, W, 3) uint8 image in coloured half blocks, two pixels a character."""
    lines = []
    for upper, lower in zip(image[::2], [*image[1::2], image[-1]], strict=False):
        cells = (
            "\x1b[38;2;{};{};{};48;2;{};{};{}m▀".format(*map(int, a), *map(int, b))
            for a, b in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
