"""pixel-edu train: one run in one folder, which can be stopped at any moment and goes on where it was."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pixel_edu.addresses import hide_password
from pixel_edu.cli import options, showing
from pixel_edu.cli.names import registered
from pixel_edu.files import quoted

if TYPE_CHECKING:
    from pixel_edu.data import SpriteData
    from pixel_edu.runs import TrainingRun
    from pixel_edu.training import TrainConfig, TrainStep

RECIPES = "the recipe's"
FIELDS = ("schedule", "prediction", "steps", "batch_size", "learning_rate", "min_snr", "precision")
"""Of a `TrainConfig`: what options of these names replace in a recipe."""

Data = Annotated[
    Path | None,
    typer.Argument(help="A dataset's folder; default: procedural sprites.", show_default=False),
]
Preset = Annotated[Literal[registered("unet", "PRESETS")], typer.Option(help="The recipe to start from.")]
Schedule = Annotated[
    Literal[registered("schedules", "SCHEDULES")] | None,
    typer.Option(help="The noise schedule.", show_default=RECIPES),
]
Out = Annotated[Path | None, typer.Option(help="The run's folder.", show_default="runs/PRESET")]
Steps = Annotated[int | None, typer.Option(min=1, help="Total number of steps.", show_default=RECIPES)]
BatchSize = Annotated[
    int | None, typer.Option(min=1, max=4096, help="Sprites per step.", show_default=RECIPES)
]
LearningRate = Annotated[
    float | None, typer.Option(min=0, help="Peak learning rate, after the warm-up.", show_default=RECIPES)
]
Prediction = Annotated[
    Literal["eps", "x0", "v"] | None,
    typer.Option(help="What the network predicts.", show_default=RECIPES),
]
MinSnr = Annotated[
    float | None,
    typer.Option(min=0.01, help="Weight the loss by min-SNR with this γ, such as 5.", show_default="off"),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"] | None,
    typer.Option(help="bf16 is faster; auto uses it on a GPU.", show_default=RECIPES),
]
Bits = Annotated[
    bool, typer.Option("--bits", help="Draw the bits of palette indices instead of colours; see chapter 8.")
]
Licence = Annotated[
    str,
    typer.Option(
        help="The sprites' licence, such as CC0-1.0, for the model's record.",
        show_default="the first line of a LICENSE file in the folder",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**31 - 1, help="Seed for the initial weights and every batch.")
]
Sprites = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=2_000_000,
        help="Number of procedural sprites to draw when no folder is given.",
        show_default="20,000 for tiny, otherwise 100,000",
    ),
]
SampleEvery = Annotated[int, typer.Option(min=1, help="Steps between pictures of samples.")]
SaveEvery = Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")]
MLflow = Annotated[
    str,
    typer.Option(
        help="Track the run in MLflow: a server's address, or a database such as sqlite:///mlflow.db.",
        show_default=False,
    ),
]
Device = Annotated[Literal["auto", "cpu"], typer.Option(help="auto uses a GPU if there is one.")]
Restart = Annotated[bool, typer.Option("--restart", help="Start over and discard what is in the folder.")]


def train(
    data: Data = None,
    preset: Preset = "tiny",
    out: Out = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    schedule: Schedule = None,
    prediction: Prediction = None,
    min_snr: MinSnr = None,
    precision: Precision = None,
    bits: Bits = False,
    seed: Seed = 0,
    sprites: Sprites = None,
    licence: Licence = "",
    validation: options.Validation = 0.1,
    resize: options.Resize = None,
    frames: options.Frames = False,
    sample_every: SampleEvery = 500,
    save_every: SaveEvery = 250,
    mlflow: MLflow = "",
    device: Device = "auto",
    restart: Restart = False,
) -> None:
    """Train a model. Repeat the same command to continue a run where it stopped, even after a crash.

    The folder gets run.safetensors (to continue), model.safetensors (to sample from), log.csv and samples.png.
    On several GPUs: accelerate launch --multi_gpu -m pixel_edu.cli train ...
    """
    asked = (schedule, prediction, steps, batch_size, learning_rate, min_snr, precision)
    config = _config(preset, seed, bits, dict(zip(FIELDS, asked, strict=True)))
    sprites, out = sprites or (20_000 if preset == "tiny" else 100_000), out or Path("runs") / preset
    from pixel_edu import runs

    with runs.locked(out):
        address, read = _reached(mlflow), _read(data, resize, frames)
        run = _open(out, _for(read, config), data, validation, sprites, restart)
        if run.finished:
            return _send_the_rest(run, address)
        images, labels = _load(run, read, validation, sprites, licence)
        with _tracked(run, images, labels, address, restart) as tracked:
            _train(run, images, labels, device, sample_every, save_every, tracked)


def _config(preset: str, seed: int, bits: bool, asked: dict[str, Any]) -> TrainConfig:
    """A recipe, with what was asked for instead; None asks for nothing."""
    import dataclasses

    from pixel_edu import palette
    from pixel_edu.training import RECIPES

    asked = {name: value for name, value in asked.items() if value is not None}
    config = dataclasses.replace(RECIPES[preset], seed=seed, **asked)
    if bits:
        unet = dataclasses.replace(config.unet, image_channels=palette.BITS)
        config = dataclasses.replace(config, unet=unet)
    return config


def _read(folder: Path | None, resize: int | None, frames: bool) -> SpriteData | None:
    """The dataset, if it is not to be drawn; what is to be known about its files is said."""
    if folder is None:
        return None
    from pixel_edu import data

    with showing.busy(f"reading {folder}"):
        read = data.load(folder, resize=resize, frames=frames)
    for note in read.notes:
        typer.echo(f"note: {note}", err=True)
    return read


def _for(read: SpriteData | None, config: TrainConfig) -> TrainConfig:
    """The settings, for a network that knows as many classes as the dataset has, and its channels."""
    import dataclasses

    from pixel_edu.config import CHANNELS

    if read is None:
        return config
    channels = config.unet.image_channels + read.channels - CHANNELS  # alpha is one more
    unet = dataclasses.replace(config.unet, classes=len(read.classes), image_channels=channels)
    return dataclasses.replace(config, unet=unet)


def _reached(uri: str) -> str:
    """The address of an MLflow that answers, asked before anything that takes long; "" where nothing is tracked."""
    from pixel_edu.training import is_main_process

    if not uri or not is_main_process():
        return ""
    from pixel_edu import tracking

    with showing.busy(f"opening {hide_password(uri)}"):
        return tracking.connect(uri).tracking_uri


def _open(
    out: Path, config: TrainConfig, folder: Path | None, validation: float, count: int, restart: bool
) -> TrainingRun:
    from pixel_edu import runs

    source = runs.folder_source(folder, validation) if folder else f"{count:,} procedural sprites, seed 0"
    command = " ".join(["pixel-edu", *map(hide_password, sys.argv[1:])])
    run = runs.TrainingRun(out, config, source, restart, {"command": command})
    if run.finished:
        typer.echo(f"{out} is finished after {config.steps:,} steps: for more --steps, choose another --out")
    elif run.state.step:
        typer.echo(f"{out}: continuing after step {run.state.step:,} of {config.steps:,}", err=True)
    return run


def _load(run: TrainingRun, read: SpriteData | None, validation: float, count: int, licence: str):
    """The images and labels to learn from, which are those that the run was begun with."""
    from pixel_edu import facts, runs, sprites
    from pixel_edu.config import CLASSES

    if read is None:
        with showing.busy(f"drawing {count:,} sprites"):
            images, labels, *_ = sprites.make(count)
        classes = CLASSES
    else:
        images, labels = runs.training_part(read, validation, run.state.config.unet.classes)
        classes, licence = read.classes, licence or facts.licence_in(read.source)
    run.check_data(images, labels, classes, licence, procedural=read is None)
    return images, labels


def _tracked(run: TrainingRun, images, labels, uri: str, restart: bool):
    """The run in MLflow, if it is to be tracked."""
    if not uri:
        return nullcontext()
    from pixel_edu import tracking

    if restart:
        tracking.forget(run.folder)
    source, facts = run.record["data"], run.state.data
    return tracking.Run(run.folder, run.state.config, images, labels, uri, source, facts=facts)


def _send_the_rest(run: TrainingRun, uri: str) -> None:
    """Send what MLflow had not received when the run ended."""
    if uri:
        from pixel_edu import tracking

        if count := tracking.send_the_rest(run.folder, uri):
            typer.echo(f"sent to MLflow what had waited: {count:,} metrics and pictures")


def _train(run: TrainingRun, images, labels, device: str, sample_every: int, save_every: int, tracked):
    """Train to the end, or until Ctrl-C or SIGTERM, and say which."""
    from pixel_edu import runs
    from pixel_edu.training import is_main_process

    total, main = run.state.config.steps, is_main_process()
    with runs.interruptible() as until_asked, showing.training(total, run.state.step, main) as show:

        def track(steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
            for step in until_asked(tracked.follow(steps) if tracked else steps):
                show(step)
                yield step

        picture = tracked.show if tracked else None
        finished = run.train(images, labels, device, sample_every, save_every, track, picture)
    if not main:
        return
    if not finished:
        typer.echo(f"stopped after step {run.state.step:,}; the same command continues from there", err=True)
        if until_asked.signal == signal.SIGTERM:
            raise typer.Exit(128 + signal.SIGTERM)
        raise KeyboardInterrupt
    took, model = showing.duration(float(run.record["seconds"])), run.folder / runs.MODEL
    typer.echo(f"{total:,} steps in {took}; sprites: pixel-edu sample --checkpoint {quoted(model)}")
