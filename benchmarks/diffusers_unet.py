"""Our network beside diffusers' UNet2DModel, with as many parameters and in the same training loop.

python benchmarks/diffusers_unet.py                 about an hour and a half on one thread

Ours trains for --minutes; diffusers' as many steps, and again as many seconds. Seconds are of the processor, so that
other programs on the machine do not count. Everything is kept in runs/diffusers_unet: the same command goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from architectures import describe, held_out_loss
from diffusers import UNet2DModel
from rich.progress import track
from speed import diffusers_network
from torch import Tensor, nn

from pixel_edu import evaluation, palette, report, sprites
from pixel_edu.config import SampleConfig, hardware
from pixel_edu.files import replacing
from pixel_edu.generate import generate
from pixel_edu.training import RECIPES, TrainState, train
from pixel_edu.unet import ContextUNet, UNetConfig

RECIPE = replace(RECIPES["reference"], unet=UNetConfig(), precision="fp32")
"""Of our network with attention at 4x4 alone and without places: it has as many parameters as diffusers'."""
SHOWN = ("label_accuracy", "fid", "closed")
FIRST_SEED = 1_000_000
SAVE_EVERY = 50


class Theirs(nn.Module):
    """diffusers' network, called as ours is."""

    def __init__(self) -> None:
        super().__init__()
        self.unet: UNet2DModel = diffusers_network()

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """(B, 3, 16, 16), (B,) and (B,) to (B, 3, 16, 16)."""
        return self.unet(x, t, class_labels=c).sample


def ours() -> ContextUNet:
    """Ours, of the reference's widths."""
    return ContextUNet(RECIPE.unet)


@dataclass(frozen=True)
class Case:
    """A network to train.

    Attributes:
        key: names its files.
        name: in the table.
        make: builds it.
        steps: batches.
        a_step: seconds, from `seconds_a_step`.
    """

    key: str
    name: str
    make: Callable[[], nn.Module]
    steps: int
    a_step: float


def fresh(make: Callable[[], nn.Module], steps: int = RECIPE.steps) -> TrainState:
    """A run that begins, always with the same weights."""
    torch.manual_seed(RECIPE.seed)
    return TrainState(replace(RECIPE, steps=steps), make())


def seconds_a_step(states: Sequence[TrainState], drawn: sprites.Sprites, rounds: int = 5) -> list[float]:
    """Of the processor, for each run; they take turns, so that what disturbs one disturbs the others too."""
    runs = [train(drawn.images, drawn.labels, state=state, device="cpu") for state in states]
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds + 1):
        for run, times in zip(runs, taken, strict=True):
            began = time.process_time()
            for _ in range(3):
                next(run)
            times.append((time.process_time() - began) / 3)
    return [median(times[1:]) for times in taken]


def parts(state: TrainState) -> dict[str, nn.Module | torch.optim.Optimizer]:
    """The state of a run; `checkpoints` can only store our own network."""
    return {"network": state.network, "average": state.ema.network, "optimizer": state.optimizer}


def keep(state: TrainState, path: Path, seconds: float) -> None:
    """Write a run, and how long it took so far."""
    with replacing(path) as temporary:
        held = {name: part.state_dict() for name, part in parts(state).items()}
        torch.save(held | {"step": state.step, "seconds": seconds}, temporary)


def restored(state: TrainState, path: Path) -> float:
    """Load what was written there, if anything; returns the seconds that it took."""
    if not path.exists():
        return 0.0
    held = torch.load(path)
    for name, part in parts(state).items():
        part.load_state_dict(held[name])
    state.step = held["step"]
    return held["seconds"]


def trained(
    case: Case, seen: sprites.Sprites, unseen: sprites.Sprites, labels: list[int], folder: Path
) -> dict:
    """Train it and draw with it, or read what is kept: its numbers, and the path of its sprites."""
    noted, drawn = folder / f"{case.key}.json", folder / f"{case.key}.npy"
    if noted.exists():
        return json.loads(noted.read_text())
    state, halfway = fresh(case.make, case.steps), folder / f"{case.key}.pt"
    seconds = before = restored(state, halfway)
    began = time.process_time()
    for step in train(seen.images, seen.labels, state=state, device="cpu"):
        seconds = before + time.process_time() - began
        if step.step % SAVE_EVERY == 0 or step.step == case.steps:
            keep(state, halfway, seconds)
            print(f"{case.name}: step {step.step:,} of {case.steps:,}, loss {step.loss:.3f}", flush=True)
    seeds = range(FIRST_SEED, FIRST_SEED + len(labels))
    images = generate(
        state.denoiser(), labels, seeds, SampleConfig("dpmpp_2m"), track=lambda parts: track(parts, "drawing")
    )
    numbers = {
        "steps": case.steps,
        "seconds": seconds,
        "loss": held_out_loss(state, unseen),
        "sprites": str(drawn),
    }
    with replacing(drawn) as temporary, open(temporary, "wb") as file:
        np.save(file, images)
    with replacing(noted) as temporary:
        temporary.write_text(json.dumps(numbers))
    return numbers


def main() -> None:
    """Time, train, draw, measure, print, and write with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10, help="of the processor, to train ours")
    parser.add_argument("--count", type=int, default=1000, help="sprites to draw and measure")
    parser.add_argument("--kept", type=Path, default=Path("runs/diffusers_unet"), help="for what was trained")
    parser.add_argument(
        "--out", type=Path, help="write the table here, such as book/measured/diffusers_unet.md"
    )
    options = parser.parse_args()
    options.kept.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    seen, unseen = sprites.make(100_000), sprites.make(2048, seed=1)
    speeds = options.kept / "speeds.json"
    if not speeds.exists():
        speeds.write_text(json.dumps(seconds_a_step([fresh(ours), fresh(Theirs)], seen)))
    our_step, their_step = json.loads(speeds.read_text())
    steps = round(options.minutes * 60 / our_step)
    fewer = round(steps * our_step / their_step)
    cases = [
        Case("ours", "ContextUNet, attention at 4 x 4", ours, steps, our_step),
        Case("same-steps", "UNet2DModel, as many steps", Theirs, steps, their_step),
        Case("same-seconds", "UNet2DModel, as many seconds", Theirs, fewer, their_step),
    ]
    labels = [i % 5 for i in range(options.count)]
    yardstick = evaluation.procedural_yardstick(options.count)
    names = {measure.key: measure for measure in evaluation.MEASURES}
    lines = [
        "<!-- Generated by `python benchmarks/diffusers_unet.py --out`; measure again instead of editing. -->",
        f"The same loop, {RECIPE.batch_size} sprites a step, float32 on one thread of {hardware()}; "
        f"{options.count:,} sprites a row, drawn by DPM-Solver++ with 20 calls and snapped; small numbers are 95 % "
        "intervals.",
        "",
        "| network | parameters | MFLOP a call | sprites a second | steps | CPU minutes | held-out loss | "
        + " | ".join(names[key].name for key in SHOWN)
        + " |",
        "| :--- |" + " ---: |" * (6 + len(SHOWN)),
    ]

    def scored(scores: dict[str, evaluation.Score]) -> str:
        cells = (report.in_words(names[key], scores[key]) for key in SHOWN)
        return " | ".join(f"{value}<br><small>{interval}</small>" for value, interval in cells)

    for case in cases:
        numbers = trained(case, seen, unseen, labels, options.kept)
        size, flop = describe(case.make())
        images = palette.snap(np.load(numbers["sprites"]), sprites.colors())
        lines.append(
            f"| {case.name} | {size:.2f} M | {flop:.0f} | {RECIPE.batch_size / case.a_step:.0f} | {case.steps:,} "
            f"| {numbers['seconds'] / 60:.1f} | {numbers['loss']:.4f} "
            f"| {scored(evaluation.evaluate(images, labels, yardstick).scores)} |"
        )
        print(lines[-1], flush=True)
    lines.append(f"| real sprites | | | | | | | {scored(yardstick.floor.scores)} |")
    print(lines[-1])
    if options.out:
        with replacing(options.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
