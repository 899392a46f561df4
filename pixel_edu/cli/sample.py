"""pixel-edu sample: draw sprites with a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pixel_edu.cli import options, places, showing
from pixel_edu.config import CLASSES
from pixel_edu.files import writing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch

    from pixel_edu.config import SampleConfig
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
Out = Annotated[
    str,
    typer.Option(
        metavar="PATH",
        help="What to write, by its ending: a sheet (.png, .webp, .gif, .bmp), frames to edit (.aseprite), a dataset "
        "(.npy), or a folder that gets a picture for each sprite; - is a PNG on standard output.",
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
Scale = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="Screen pixels per sprite pixel.",
        show_default="8; with --atlas and in .aseprite 1",
    ),
]
Gap = Annotated[
    int | None,
    typer.Option(
        min=0, max=64, help="Sprite pixels between the sprites of a sheet.", show_default="1; with --atlas 0"
    ),
]
Atlas = Annotated[
    bool,
    typer.Option(
        "--atlas",
        help="A sheet for a game: true size, no gaps, and beside it a .json file that says where each sprite is, as "
        "Phaser, PixiJS and importers of Godot and Unity read it.",
    ),
]
Name = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help="What each sprite in a folder, an atlas or an .aseprite file is called, with {class}, {seed} and {n}, its "
        "number; / makes folders, an ending such as .webp the format.",
    ),
]
Transparent = Annotated[
    bool,
    typer.Option(
        "--transparent", help="Make the background transparent: the white that is reached from the border."
    ),
]
NAMED = "{class}-{seed}"


def sample(
    context: typer.Context,
    class_: Class = None,
    n: Count = 10,
    out: Out = "sprites.png",
    checkpoint: Checkpoint = "reference",
    seed: Seed = 0,
    sampler: options.Sampler = options.DEFAULT.sampler,
    steps: options.SamplingSteps = options.DEFAULT.num_steps,
    guidance: options.Guidance = options.DEFAULT.guidance_scale,
    interval: options.Interval = options.DEFAULT.interval,  # pyright: ignore[reportArgumentType] typer parses text
    palette: options.Palette = "auto",
    transparent: Transparent = False,
    columns: Columns = 10,
    scale: Scale = None,
    gap: Gap = None,
    atlas: Atlas = False,
    name: Name = NAMED,
    device: options.Device = "auto",
) -> None:
    """Draw sprites and write them as PNG. The same seed draws the same sprite, however many there are.

    Unless the palette is off, the files are indexed: they list their colours, as pixel artists expect.
    As sprites.npy, with sprites_labels.npy beside it, they are a dataset that pixel-edu data reads.
    """
    place = places.place_of(out)
    look = _look(place, n, columns, scale, gap, atlas, palette)
    _check_together(place, look, name, transparent)
    from pixel_edu.serving import engine

    denoiser, chosen = engine.open_model(checkpoint, device)
    config = options.sample_config(context, denoiser, sampler, steps, guidance, interval)
    places.check_size(place, n, denoiser.size, look)
    asked = _asked(denoiser, class_, range(seed, seed + n), name)
    drawn = _draw(denoiser, asked, config, chosen, palette, transparent)
    with writing(out):
        beside = places.write(place, drawn, asked, look)
    _tell(place, drawn, out, beside)


def _look(
    place: places.Place,
    n: int,
    columns: int,
    scale: int | None,
    gap: int | None,
    atlas: bool,
    palette: str,
) -> places.Look:
    true_size = atlas or place.is_aseprite
    return places.Look(
        columns=min(n, columns),
        scale=scale or (1 if true_size else 8),
        gap=gap if gap is not None else int(not atlas),
        listed=palette != "off",
        atlas=atlas,
    )


def _check_together(place: places.Place, look: places.Look, name: str, transparent: bool) -> None:
    """Refuse options that do not go with the form that is asked for."""
    if look.atlas and not (place.is_sheet and place.path):
        raise typer.BadParameter("an atlas lies beside a sheet: write --out sheet.png", param_hint="--atlas")
    if name != NAMED and (place.ending == ".npy" or (place.is_sheet and not look.atlas)):
        raise typer.BadParameter(
            "nothing here has a name: write a folder, an .aseprite file or a sheet with --atlas",
            param_hint="--name",
        )
    if transparent and place.ending == ".bmp":
        raise typer.BadParameter("a .bmp file holds no transparent pixels: write .png or .webp")


def _asked(denoiser: Denoiser, class_: str | None, seeds: range, template: str) -> places.Asked:
    """What to draw: of the class that was asked for, or of all in turn."""
    if class_ is not None and class_ not in denoiser.classes:
        known = ", ".join(map(repr, denoiser.classes))
        raise typer.BadParameter(f"{class_!r} is not one of {known}", param_hint="--class")
    classes = [class_ or denoiser.classes[i % denoiser.null_label] for i in range(len(seeds))]
    labels = [denoiser.label_of(each) for each in classes]
    return places.Asked(classes, labels, seeds, places.names_of(template, classes, seeds))


def _draw(
    denoiser: Denoiser,
    asked: places.Asked,
    config: SampleConfig,
    device: torch.device,
    palette: Literal["auto", "own", "off"],
    transparent: bool,
) -> np.ndarray:
    from pixel_edu import generate, pixelart
    from pixel_edu.palette import in_colors

    bar = showing.bar("drawing", over=20)
    drawn = generate.generate(denoiser, asked.labels, asked.seeds, config, device, track=bar)
    drawn = in_colors(drawn, denoiser.palette, palette)
    return pixelart.cut_out(drawn) if transparent else drawn


def _tell(place: places.Place, drawn: np.ndarray, out: str, beside: Path | None) -> None:
    """Show the first sprites on a terminal, and say where they are."""
    n = len(drawn)
    showing.sprites(drawn)
    told = f"{n} sprite{'s' * (n > 1)} in {out if place.path else 'standard output'}"
    typer.echo(f"{told}, and where each is in {beside}" if beside else told, err=place.path is None)
