"""pixel-edu train: one run in one folder, which can be stopped at any moment and goes on where it was."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixel_edu.cli import showing
from pixel_edu.config import hardware

if TYPE_CHECKING:
    import numpy as np

    from pixel_edu.tracking import Run
    from pixel_edu.training import TrainState, TrainStep

RUN, MODEL, LOG, GRID = "run.safetensors", "model.safetensors", "log.csv", "samples.png"
HEADINGS = "step,loss,grad_norm,learning_rate,seconds"
SHOWN = 8
"""Sprites of each class in the picture."""


class Preset(StrEnum):
    """Which recipe."""

    tiny = "tiny"
    reference = "reference"
    classic = "classic"


class Answer(StrEnum):
    """What the network is trained to answer."""

    eps = "eps"
    x0 = "x0"
    v = "v"


class Precision(StrEnum):
    """What the network computes in."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


def train(
    data: Annotated[
        Path | None,
        typer.Argument(help="A dataset's folder; left out: procedural sprites.", show_default=False),
    ] = None,
    preset: Annotated[Preset, typer.Option(help="The recipe to start from.")] = Preset.tiny,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; left out: runs/PRESET.", show_default=False)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Batches in all.", show_default="the recipe's")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Sprites a batch.", show_default="the recipe's")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Its highest value.", show_default="the recipe's")
    ] = None,
    prediction: Annotated[
        Answer | None, typer.Option(help="What the network answers.", show_default="the recipe's")
    ] = None,
    min_snr: Annotated[
        float | None, typer.Option(min=0.01, help="Weigh the loss by min-SNR with this γ, such as 5.")
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="bf16 is faster; auto uses it on a GPU.", show_default="the recipe's"),
    ] = None,
    bits: Annotated[
        bool, typer.Option("--bits", help="Draw the bits of palette numbers, not colours; see chapter 8.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the weights and the batches.")] = 0,
    sprites: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2_000_000,
            help="Procedural sprites to draw, if no folder is given.",
            show_default="20,000 for tiny, else 100,000",
        ),
    ] = None,
    validation: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Share of a folder's base sprites to hold out, to evaluate by."),
    ] = 0.1,
    sample_every: Annotated[int, typer.Option(min=1, help="Steps between pictures of samples.")] = 500,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 250,
    mlflow: Annotated[
        str,
        typer.Option(
            help="Track the run in MLflow: a server's address, or a database such as sqlite:///mlflow.db.",
            show_default=False,
        ),
    ] = "",
    device: Annotated[str, typer.Option(help="auto or cpu.")] = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over, and give up what is in the folder.")
    ] = False,
) -> None:
    """Train a model. The same command again goes on where the run was, even after a crash.

    The folder gets run.safetensors (to go on), model.safetensors (to sample from), log.csv and samples.png.

    On several GPUs: accelerate launch --multi_gpu -m pixel_edu.cli train ...
    """
    if device not in ("auto", "cpu"):
        raise typer.BadParameter(f"{device} is neither auto nor cpu", param_hint="--device")
    import dataclasses

    from pixel_edu import palette
    from pixel_edu.config import UserError
    from pixel_edu.training import RECIPES

    asked = {
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "prediction": prediction and prediction.value,
        "min_snr": min_snr,
        "precision": precision and precision.value,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    config = dataclasses.replace(RECIPES[preset], seed=seed, **asked)
    if bits:
        config = dataclasses.replace(
            config, unet=dataclasses.replace(config.unet, image_channels=palette.BITS)
        )
    mlflow = _reached(mlflow)
    out = out or Path("runs") / preset
    sprites = sprites or (20_000 if preset is Preset.tiny else 100_000)
    state, record = _open(out, config, restart)
    source = f"{data}, {validation:.0%} held out" if data else f"{sprites:,} procedural sprites, seed 0"
    _same_data(out, record, source)
    record |= {"data": source, "command": "pixel-edu " + " ".join(sys.argv[1:]), "hardware": hardware()}
    if state.step == config.steps and (out / MODEL).exists():
        _send_the_rest(out, mlflow)
        typer.echo(f"{out} is finished after {config.steps:,} steps: for more, --restart with more --steps")
        return
    images, labels = _load(data, validation, sprites, config.unet.classes)
    if len(colors := palette.find_palette(images, palette.MOST + 1)) <= palette.MOST:
        colors = palette.for_bits(colors)
        record["palette"] = palette.to_words(colors)
        images = palette.as_bits(images, colors) if bits else images
    elif bits:
        raise UserError(f"{source} have more than {palette.MOST} colours, too many for --bits: leave it out")
    with _tracked(out, config, images, labels, mlflow, source, restart) as run:
        _loop(out, state, record, images, labels, sample_every, save_every, device, run)


def _reached(uri: str) -> str:
    """The address of an MLflow that answers, asked before anything that takes long; "" where nothing is tracked."""
    from pixel_edu.training import is_main_process

    if not uri or not is_main_process():
        return ""
    from pixel_edu import tracking

    with showing.busy(f"opening {uri}"):
        return tracking.connect(uri).tracking_uri


def _tracked(out: Path, config, images, labels, uri: str, source: str, restart: bool):
    """The run in MLflow, if one is wanted."""
    if not uri:
        return nullcontext()
    from pixel_edu import tracking

    if restart:
        tracking.forget(out)
    return tracking.Run(out, config, images, labels, uri, source)


def _send_the_rest(out: Path, uri: str) -> None:
    """What MLflow had not taken when the run ended."""
    if uri:
        from pixel_edu import tracking

        if count := tracking.send_the_rest(out, uri):
            typer.echo(f"in MLflow now is what had waited: {count:,} metrics and pictures")


def _open(out: Path, config, restart: bool) -> tuple[TrainState, dict[str, str]]:
    """The run in this folder, or a new one."""
    from pixel_edu import checkpoints
    from pixel_edu.training import TrainState

    for half_written in out.glob(".*.part"):  # by a run that was killed
        half_written.unlink(missing_ok=True)
    if (out / RUN).exists() and not restart:
        state = checkpoints.load_run(out / RUN, config)
        typer.echo(f"{out}: going on after step {state.step:,} of {config.steps:,}", err=True)
        return state, checkpoints.read_about(out / RUN).record
    return TrainState(config), {}


def _same_data(out: Path, record: dict[str, str], source: str) -> None:
    from pixel_edu.config import UserError

    if record.get("data", source) != source:
        raise UserError(f"{out} was trained on {record['data']}, not on {source}: use that, or another --out")


def _load(folder: Path | None, validation: float, count: int, classes: int):
    from pixel_edu import data, sprites
    from pixel_edu.config import UserError

    if folder is None:
        with showing.busy(f"drawing {count:,} sprites"):
            drawn = sprites.make(count)
        return drawn.images, drawn.labels
    with showing.busy(f"reading {folder}"):
        read = data.load(folder)
    if len(read.classes) != classes:
        raise UserError(
            f"{folder} has {len(read.classes)} classes, and the network {classes}: use another dataset"
        )
    part = data.split(read.images, read.labels, validation).train
    return read.images[part], read.labels[part]


def _loop(
    out: Path,
    state: TrainState,
    record: dict[str, str],
    images,
    labels,
    sample_every: int,
    save_every: int,
    device: str,
    run: Run | None = None,
) -> None:
    """Train to the end, or to Ctrl-C; then everything up to the last step is on the disk."""
    from pixel_edu import checkpoints
    from pixel_edu.training import is_main_process, train

    total, before = state.config.steps, float(record.get("seconds", 0))
    log, began = Log(out / LOG, state.step), time.perf_counter()
    with _stoppable() as stopped, showing.training(total, state.step) as show:
        steps = train(images, labels, state=state, device=device)
        for step in run.follow(steps) if run else steps:
            last = step.step == total or stopped()
            seconds = before + time.perf_counter() - began
            if is_main_process():
                log.add(step, seconds)
                show(step)
                if step.step % save_every == 0 or last:
                    record["seconds"] = f"{seconds:.0f}"
                    log.write()
                    checkpoints.save_run(out / RUN, state, record)
                if step.step % sample_every == 0 or last:
                    drawn = draw_samples(out / GRID, state, record.get("palette"))
                    if run:
                        run.show(drawn, step.step)
            if last:
                break
    if not is_main_process():
        return
    if state.step < total:
        typer.echo(f"stopped after step {state.step:,}; the same command goes on from there", err=True)
        raise KeyboardInterrupt
    checkpoints.save_model(out / MODEL, state, record=record)
    minutes = float(record["seconds"]) / 60
    typer.echo(
        f"{total:,} steps in {minutes:.1f} minutes; sprites: pixel-edu sample --checkpoint {out / MODEL}"
    )


def draw_samples(path: Path, state: TrainState, colors: str | None = None) -> np.ndarray:
    """A picture of sprites by the averaged network: a row for each class, always with the same noise; gives it back.

    Colours are shown as they come; only bits are read.
    """
    from pixel_edu import generate, images, palette

    classes = state.config.unet.classes
    labels = [c for c in range(classes) for _ in range(SHOWN)]
    device = next(state.ema.network.parameters()).device
    made = generate.generate(state.denoiser(), labels, list(range(len(labels))), device=device)
    if colors and state.config.unet.image_channels == palette.BITS:
        made = palette.from_bits(made, palette.from_words(colors))
    picture = images.upscale(images.grid(made, SHOWN), 4)
    images.write_png(path, picture)
    return picture


class Log:
    """A table of all steps; rows after a run's checkpoint are forgotten when it goes on from there."""

    def __init__(self, path: Path, step: int) -> None:
        self.path, self.rows = path, [HEADINGS]
        if step and path.exists():
            rows = path.read_text().splitlines()[1:]
            self.rows += [row for row in rows if row.count(",") == 4 and int(row.split(",")[0]) <= step]

    def add(self, step: TrainStep, seconds: float) -> None:
        """Remember a step, and the seconds that the run has taken so far."""
        self.rows.append(
            f"{step.step},{step.loss!r},{step.grad_norm:.4f},{step.learning_rate:.3e},{seconds:.1f}"
        )

    def write(self) -> None:
        """Write the table, whole or not at all."""
        from pixel_edu.files import replacing

        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as temporary:
            temporary.write_text("\n".join(self.rows) + "\n")


@contextmanager
def _stoppable():
    """Ctrl-C ends the loop after the step that is running; a second one ends the program at once."""
    asked = []

    def note(number, frame) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
