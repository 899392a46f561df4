"""pixel-edu distil: from a model that draws in twenty calls to one that draws in one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixel_edu.cli import options, showing
from pixel_edu.files import quoted

if TYPE_CHECKING:
    from pixel_edu.checkpoints import About
    from pixel_edu.distillation import Phase
    from pixel_edu.training import TrainStep

Out = Annotated[Path, typer.Option(help="The folder of the students.")]
Data = Annotated[
    Path | None,
    typer.Option(
        help="The folder that the model was trained on; default: procedural sprites.", show_default=False
    ),
]
Shorter = Annotated[
    float, typer.Option(min=0.0001, max=100, help="Steps of each phase, as a multiple of the recipe's.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed for every batch.")]
Sprites = Annotated[
    int, typer.Option(min=1, max=2_000_000, help="Number of procedural sprites to learn from.")
]


def distil(
    checkpoint: options.Checkpoint = "reference",
    data: Data = None,
    out: Out = Path("runs/instant"),
    length: Shorter = 1.0,
    seed: Seed = 0,
    sprites: Sprites = 100_000,
    validation: options.Validation = 0.1,
    resize: options.Resize = None,
    frames: options.Frames = False,
    device: options.Device = "auto",
) -> None:
    """Teach a network to draw in one call, guidance inside. Repeat the same command to continue where it stopped.

    Phases halve the calls, from 32 to one; then an adversary learns to tell its sprites from real ones, and the model
    polishes them. Each leaves its student in the folder, and the last one's is model.safetensors. The recipe takes
    some hours on one CPU core.
    """
    from pixel_edu import checkpoints, distillation, runs
    from pixel_edu.config import UserError, pick_device

    options.new_folder(out)
    device = str(pick_device(device))
    about = checkpoints.read_about(checkpoints.find(checkpoint))
    phases = [phase._replace(steps=max(round(phase.steps * length), 1)) for phase in distillation.PHASES]
    images, labels, source = _load(about, data, validation, sprites, resize, frames)
    notes = {"command": " ".join(["pixel-edu", *sys.argv[1:]])}
    with runs.interruptible() as until_asked:

        def track(phase: Phase, steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
            typer.echo(f"{phase.calls} call{'s' * (phase.calls > 1)}: {phase.lesson}", err=True)
            with showing.training(phase.steps, 0) as show:
                for step in until_asked(steps):
                    show.step(step)
                    yield step

        finished = runs.distil(out, checkpoint, images, labels, phases, seed, source, notes, device, track)
    if not finished:
        raise UserError("stopped within a phase: the same command begins that phase again")
    typer.echo(f"sprites: pixel-edu sample --checkpoint {quoted(out / runs.MODEL)}")


def _load(about: About, folder: Path | None, validation: float, count: int, resize: int | None, frames: bool):
    """The images and labels to learn from, and where they come from."""
    if folder is None and not about.data.procedural:
        from pixel_edu.config import UserError

        learned = about.record.get("data", "other sprites than procedural ones")
        raise UserError(f"the model was trained on {learned}: give that folder with --data")
    if folder is None:
        from pixel_edu import sprites

        with showing.busy(f"drawing {count:,} sprites"):
            images, labels, *_ = sprites.make(count)
        return images, labels, f"{count:,} procedural sprites, seed 0"
    from pixel_edu import data, runs

    with showing.busy(f"reading {folder}"):
        read = data.load(folder, resize=resize, frames=frames)
        return *runs.training_part(read, validation, about.config.unet.classes), runs.folder_source(
            folder, validation
        )
