"""pixel-edu sample: draw sprites with a trained model."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pixel_edu.cli import options, showing
from pixel_edu.config import CLASSES

Class = StrEnum("Class", [(name, name) for name in CLASSES])
Sampler = StrEnum("Sampler", [(name, name) for name in ("ddpm", "ddim", "dpmpp_2m")])


class Palette(StrEnum):
    """Which colours."""

    auto = "auto"
    own = "own"
    off = "off"


def sample(
    class_: Annotated[
        Class | None,
        typer.Option("--class", help="What to draw; left out: all, in turn.", show_default=False),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, max=100_000, help="How many sprites.")] = 10,
    out: Annotated[
        Path,
        typer.Option(help="The PNG or .npy file to write, or a folder: then a PNG file a sprite."),
    ] = Path("sprites.png"),
    checkpoint: Annotated[
        str,
        typer.Option(
            help="A file of pixel-edu train or export, or a shipped model, such as reference or tiny."
        ),
    ] = "reference",
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Of the first sprite; the next has seed + 1.")
    ] = 0,
    sampler: Annotated[Sampler, typer.Option(help="How to walk from noise to sprite.")] = Sampler.dpmpp_2m,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Model calls.")] = 20,
    guidance: Annotated[
        float, typer.Option(min=-20, max=20, help="1 takes the class as it is, above 1 exaggerates it.")
    ] = 3.0,
    interval: Annotated[
        tuple[float, float],
        typer.Option(
            metavar="LOW HIGH", help="Guide where half the log-SNR is in this range; everywhere: -99 99."
        ),
    ] = (-1.0, 1.0),
    palette: Annotated[
        Palette,
        typer.Option(
            help="Which colours a sprite may have: those of the data (auto), some of its own (own), or any (off)."
        ),
    ] = Palette.auto,
    columns: Annotated[int, typer.Option(min=1, max=200, help="Sprites a row.")] = 10,
    scale: Annotated[int, typer.Option(min=1, max=64, help="Screen pixels a sprite pixel.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Draw sprites and write them as PNG. The same seed draws the same sprite, however many there are.

    Unless the palette is off, the files are indexed: they list their colours, as pixel artists expect.

    As sprites.npy, with their classes in sprites_labels.npy beside it, they are a dataset that pixel-edu data reads.
    """
    from pixel_edu import generate, images
    from pixel_edu import palette as palettes
    from pixel_edu.serving import engine

    denoiser, chosen = engine.open_model(checkpoint, device)
    label = None if class_ is None else CLASSES.index(class_)
    labels = [i % denoiser.null_label if label is None else label for i in range(n)]
    settings = options.sample_config(denoiser, sampler.value, steps, guidance, interval)
    seeds = list(range(seed, seed + n))
    drawn = generate.generate(
        denoiser, labels, seeds, settings, chosen, track=showing.bar("drawing", over=20)
    )
    drawn = palettes.in_colors(drawn, denoiser.palette, palette.value)
    if out.is_dir() or not out.suffix:
        out.mkdir(parents=True, exist_ok=True)
        for sprite, c, number in zip(drawn, labels, seeds, strict=True):
            path = out / f"{CLASSES[c]}-{number}.png"
            images.write_png(path, images.upscale(sprite, scale), indexed=palette is not Palette.off)
    elif out.suffix == ".npy":
        write_arrays(out, drawn, labels)
    else:
        sheet = images.upscale(images.grid(drawn, min(n, columns)), scale)
        images.write_png(out, sheet, indexed=images.count_colors(sheet[None])[0] <= 256)
    if sys.stdout.isatty() and n <= SHOWN:
        typer.echo(in_terminal(images.grid(drawn, n)))
    typer.echo(f"{n} sprite{'s' * (n > 1)} in {out}")


def write_arrays(path: Path, drawn, labels: list[int]) -> None:
    """Write sprites (N, 16, 16, 3) uint8, and their classes (N,) int64 beside them, each whole or not at all."""
    import numpy as np

    from pixel_edu.files import replacing

    beside = path.with_name(f"{path.stem}_labels.npy")
    for name, array in ((path, drawn), (beside, np.array(labels, np.int64))):
        with replacing(name) as temporary, open(temporary, "wb") as file:
            np.save(file, array)


SHOWN = 4
"""So many sprites fit side by side in a terminal."""


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
