"""pixel-edu train: one run in one folder, which can be stopped at any moment and goes on where it was."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pixel_edu.addresses import hide_password
from pixel_edu.cli import options, showing
from pixel_edu.cli.names import registered
from pixel_edu.files import quoted

if TYPE_CHECKING:
    import numpy as np

    from pixel_edu.data import SpriteData
    from pixel_edu.runs import TrainingRun
    from pixel_edu.training import TrainConfig, TrainStep

RECIPES = "the recipe's"
FIELDS = (
    "schedule",
    "prediction",
    "steps",
    "batch_size",
    "learning_rate",
    "min_snr",
    "precision",
    "mirror",
    "shift",
    "recolor",
    "balance",
)
"""Of a `TrainConfig`: what options of these names replace in a recipe."""

Data = Annotated[
    Path | None,
    typer.Argument(help="A dataset's folder; default: procedural sprites.", show_default=False),
]
Preset = Annotated[
    Literal[registered("unet", "PRESETS")] | None,
    typer.Option(help="The network, with its recipe.", show_default="tiny, or that of --from"),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Fine-tune from this model instead of random weights: a run's folder, a checkpoint, or "
        f"{options.SHIPPED}.",
        metavar="MODEL",
        show_default=False,
    ),
]
Schedule = Annotated[
    Literal[registered("schedules", "SCHEDULES")] | None,
    typer.Option(help="The noise schedule.", show_default=RECIPES),
]
Out = Annotated[
    Path | None, typer.Option(help="The run's folder.", show_default="runs/PRESET, or runs/from-MODEL")
]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Total number of steps; with more than it has, a finished run goes on.",
        show_default=RECIPES,
    ),
]
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
    typer.Option(
        help="bf16 is faster where the processor or GPU has instructions for it; auto asks.",
        show_default=RECIPES,
    ),
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
Mirror = Annotated[
    bool | None,
    typer.Option(
        "--mirror/--no-mirror", help="Show half of the sprites as in a mirror.", show_default=RECIPES
    ),
]
Shift = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=8,
        help="Show sprites moved by at most so many pixels, within the picture.",
        show_default=RECIPES,
    ),
]
Recolor = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Show this share of the sprites in other hues.", show_default=RECIPES),
]
Balance = Annotated[
    bool | None,
    typer.Option(
        "--balance/--no-balance",
        help="Show all classes equally often, however many sprites each has.",
        show_default=RECIPES,
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
Compiled = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the network first, which takes a minute or two: for long runs, whose steps then take less time. "
        "On a CPU it needs a C++ compiler.",
    ),
]
Device = Annotated[Literal["auto", "cpu"], typer.Option(help="auto uses a GPU if there is one.")]
Restart = Annotated[bool, typer.Option("--restart", help="Start over and discard what is in the folder.")]


def train(
    data: Data = None,
    preset: Preset = None,
    start: Start = None,
    out: Out = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    schedule: Schedule = None,
    prediction: Prediction = None,
    min_snr: MinSnr = None,
    precision: Precision = None,
    bits: Bits = False,
    mirror: Mirror = None,
    shift: Shift = None,
    recolor: Recolor = None,
    balance: Balance = None,
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
    compiled: Compiled = False,
    restart: Restart = False,
) -> None:
    """Train a model. Repeat the same command to continue a run where it stopped, even after a crash.

    The folder gets run.safetensors (to continue), model.safetensors (to sample from), log.csv and samples.png.
    On several GPUs: accelerate launch --multi_gpu -m pixel_edu.cli train ...
    """
    config, out, sprites = _asked(locals())
    with _locked(out):
        address, read = _reached(mlflow), _read(data, resize, frames)
        run = _open(out, _for(read, config), data, validation, sprites, restart, read, start)
        _go_on(run, read, validation, sprites, licence, address, device, locals(), restart)


def _asked(given: dict[str, Any]) -> tuple[TrainConfig, Path, int]:
    """The settings, the run's folder, and the number of procedural sprites."""
    preset, start = given["preset"], given["start"]
    config = _config(preset, start, given["seed"], given["bits"], given)
    return config, *_defaults(given["out"], given["sprites"], preset, start)


def _defaults(out: Path | None, count: int | None, preset: str | None, start: str | None) -> tuple[Path, int]:
    """The run's folder and the number of procedural sprites, where they were not asked for."""
    name = f"from-{Path(start).stem}" if start else preset or "tiny"
    return out or Path("runs") / name, count or (20_000 if name == "tiny" else 100_000)


def _locked(out: Path) -> AbstractContextManager[None]:
    """The folder, for this program alone."""
    from pixel_edu import runs

    return runs.locked(out)


def _go_on(
    run: TrainingRun,
    read: SpriteData | None,
    validation: float,
    count: int,
    licence: str,
    address: str,
    device: str,
    given: dict[str, Any],
    restart: bool,
) -> None:
    """Train what is still to be trained, and send to MLflow what is still to be sent."""
    if run.finished:
        return _send_the_rest(run, address)
    if run.continues:  # as another run of MLflow, whose parameters cannot change
        _send_the_rest(run, address)
    run.check_room()
    images, labels = _load(run, read, validation, count, licence)
    _say_precision(run, device)
    with _tracked(run, images, labels, address, restart or run.continues) as tracked:
        how = {name: given[name] for name in ("sample_every", "save_every", "compiled")}
        _train(run, images, labels, device, how, tracked)


def _say_precision(run: TrainingRun, device: str) -> None:
    """Decide the precision before anything notes it, and say what it is where that may surprise."""
    from pixel_edu.training import is_main_process

    line = run.settle_precision(device)
    if line and is_main_process():
        typer.echo(line, err=True)


def _config(
    preset: str | None, start: str | None, seed: int, bits: bool, given: dict[str, Any]
) -> TrainConfig:
    """The recipe of a preset, or of fine-tuning from a model, with the `FIELDS` that were asked for instead."""
    import dataclasses

    from pixel_edu import checkpoints, palette
    from pixel_edu.training import RECIPES, fine_tuning

    if start and preset:
        raise typer.BadParameter("a run that starts from a model has its network: omit --preset or --from")
    recipe = RECIPES[preset or "tiny"]
    if start:
        recipe = fine_tuning(checkpoints.read_about(checkpoints.find(start)).config)
    asked = {name: given[name] for name in FIELDS if given[name] is not None}
    config = dataclasses.replace(recipe, seed=seed, **asked)
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
    out: Path,
    config: TrainConfig,
    folder: Path | None,
    validation: float,
    count: int,
    restart: bool,
    read: SpriteData | None = None,
    start: str | None = None,
) -> TrainingRun:
    from pixel_edu import runs

    source = runs.folder_source(folder, validation) if folder else f"{count:,} procedural sprites, seed 0"
    command = " ".join(["pixel-edu", *map(hide_password, sys.argv[1:])])
    classes = read.classes if read else ()
    run = runs.TrainingRun(out, config, source, restart, {"command": command}, start, classes)
    if run.finished:
        typer.echo(f"{out} is finished after {config.steps:,} steps: to go on with it, ask for more --steps")
    elif run.continues:
        typer.echo(
            f"{out}: going on after step {run.state.step:,}, where it was finished, to {config.steps:,}; the learning "
            f"rate rises to {config.learning_rate:g} again within {config.warmup} steps, and falls to 0 at the last",
            err=True,
        )
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


def _train(run: TrainingRun, images, labels, device: str, how: dict[str, Any], tracked):
    """Train to the end, or until Ctrl-C or SIGTERM, and say which."""
    from pixel_edu import runs
    from pixel_edu.training import is_main_process

    total, main = run.state.config.steps, is_main_process()
    if how["compiled"] and main:
        typer.echo("compiling the network: the first step takes a minute or two", err=True)
    with runs.interruptible() as until_asked, showing.training(total, run.state.step, main) as show:

        def track(steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
            for step in until_asked(tracked.follow(steps) if tracked else steps):
                show.step(step)
                yield step

        def pictures(sheet: np.ndarray, step: int) -> None:
            show.pictures(runs.first_of_each_class(sheet, images.shape[1]), f"step {step:,}")
            if tracked:
                tracked.show(sheet, step)

        finished = run.train(images, labels, device, track=track, on_picture=pictures, **how)
    if not main:
        return
    if not finished:
        typer.echo(f"stopped after step {run.state.step:,}; the same command continues from there", err=True)
        if until_asked.signal == signal.SIGTERM:
            raise typer.Exit(128 + signal.SIGTERM)
        raise KeyboardInterrupt
    took, model = showing.duration(float(run.record["seconds"])), run.folder / runs.MODEL
    typer.echo(
        f"{total:,} step{'s' * (total > 1)} in {took}; sprites: pixel-edu sample --checkpoint {quoted(model)}"
    )
