"""Options that several commands share, each defined once. A command that alone has an option defines it itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from pixel_edu.cli.names import registered
from pixel_edu.config import SampleConfig
from pixel_edu.files import check_writable

if TYPE_CHECKING:
    from pixel_edu.denoiser import Denoiser

DEFAULT = SampleConfig()

Place = TypeVar("Place", bound=Path | None)
MOST_PIXELS = 89_000_000
"""Of a picture: Pillow warns when it opens a larger one."""
SHIPPED = "the name of a model that comes with the package, such as reference or tiny"

Checkpoint = Annotated[
    str,
    typer.Argument(
        help=f"A run's folder, a file that pixel-edu train or pixel-edu export wrote, or {SHIPPED}.",
        metavar="MODEL",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Validation = Annotated[
    float,
    typer.Option(min=0, max=0.9, help="Share of the folder's base sprites to hold out for evaluation."),
]
Resize = Annotated[
    int | None,
    typer.Option(
        help="Pad pictures to squares, and resize them (NEAREST) to so many pixels a side: 8, 12, ..., 32.",
        show_default="their own size",
    ),
]
Frames = Annotated[bool, typer.Option("--frames", help="Take each frame of an animation as a sprite.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip pictures that cannot be read.")]
HeldOut = Annotated[
    float,
    typer.Option(min=0.01, max=0.9, help="Share of the folder that was held out; the same as in training."),
]
TrainedOn = Annotated[
    int, typer.Option(min=1, max=2_000_000, help="Number of procedural sprites the model was trained on.")
]
RunFolder = Annotated[
    Path, typer.Argument(help="The folder of a training run tracked in MLflow, such as runs/tiny.")
]
Sampler = Annotated[
    Literal[registered("samplers", "SAMPLERS")], typer.Option(help="How to get from noise to a sprite.")
]
SamplingSteps = Annotated[int, typer.Option(min=1, max=1000, help="Number of model calls.")]
Guidance = Annotated[
    float,
    typer.Option(
        min=-20, max=20, help="Guidance scale: 1 follows the class as learned, above 1 exaggerates it."
    ),
]
Interval = Annotated[
    tuple[float, float],
    typer.Option(
        metavar="LOW HIGH", help="Guide where half the log-SNR is in this range; everywhere: -99 99."
    ),
]
Palette = Annotated[
    Literal["auto", "own", "off"],
    typer.Option(
        help="Which colours a sprite may have: those of the data (auto), a few of its own (own), or any (off)."
    ),
]


def new_file(path: Place) -> Place:
    """A file to write, tried before any work, if one is named."""
    if path is not None:
        check_writable(path)
    return path


def new_folder(path: Place) -> Place:
    """A folder to write files to, tried before any work, if one is named."""
    if path is not None:
        check_writable(path, folder=True)
    return path


def png(path: Path) -> Path:
    """The path of a picture to write, whose name must not promise another format than it gets."""
    if path.suffix.lower() != ".png":
        raise typer.BadParameter(f"{path} would be a PNG under another name: end it with .png")
    check_writable(path)
    return path


def check_size(width: int, height: int) -> None:
    """Refuse a picture that would fill the memory, and that other programs would not open."""
    if width * height > MOST_PIXELS:
        raise typer.BadParameter(
            f"the picture would have {width:,} x {height:,} pixels, and at most {MOST_PIXELS:,} in all are "
            "written: choose fewer sprites or a smaller --scale"
        )


def sample_config(
    context: typer.Context,
    denoiser: Denoiser,
    sampler: str,
    steps: int,
    guidance: float,
    interval: tuple[float, float],
) -> SampleConfig:
    """How to sample, once the interval is known to hold some timestep of the model's."""
    from pixel_edu.guidance import timesteps_between

    try:
        timesteps_between(denoiser.schedule, *interval)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--interval") from None
    fields = {"steps": "num_steps", "guidance": "guidance_scale", "sampler": "sampler"}
    sources = {name: context.get_parameter_source(name) for name in fields}
    typed = [fields[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    try:
        return denoiser.sampling(SampleConfig(sampler, steps, guidance, interval), typed)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--steps, --guidance, --sampler") from None
