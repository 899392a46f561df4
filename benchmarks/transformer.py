"""A small DiT beside the `tiny` ContextUNet: as many steps, and as many seconds of the processor.

OMP_NUM_THREADS=1 python benchmarks/transformer.py                    about a quarter of an hour on one thread
OMP_NUM_THREADS=1 python benchmarks/transformer.py --rates            first: at which learning rate the DiT learns most
OMP_NUM_THREADS=1 python benchmarks/transformer.py --only unet-0     the runs whose names hold this, and no table
OMP_NUM_THREADS=1 python benchmarks/transformer.py --out book/measured/transformer.md

Runs of one seed see the same sprites, timesteps, noise and hidden labels, and are asked the same held-out questions, so
their losses are compared pair by pair. Seconds are of the processor: other programs on the machine do not count.
Everything is kept in runs/transformer, and the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from architectures import describe, held_out_loss
from diffusers_unet import keep, restored, seconds_a_step
from torch import nn

from pixel_edu import sprites
from pixel_edu.config import hardware
from pixel_edu.files import replacing
from pixel_edu.training import RECIPES, TrainConfig, TrainState, train
from pixel_edu.transformer import DiT
from pixel_edu.unet import ContextUNet

RECIPE = RECIPES["tiny"]
SEEDS = (0, 1, 2)
RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
DIT_RATE = 8e-3
"""As `--rates` found: half of it learns less, and twice as much hardly more. The ContextUNet has its recipe's."""
RATE_STEPS, RATE_SEED = 200, 7
"""For `--rates`: as long as the rate is near its highest, from a seed that the comparison does not use."""
SAVE_EVERY = 50
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Of Student's t with one degree of freedom less than there are seeds: 95 % lie within."""


def ours() -> ContextUNet:
    """The network of chapter 5."""
    return ContextUNet(RECIPE.unet)


@dataclass(frozen=True)
class Case:
    """A network to train: the names of its files and in the table, how to build it, steps and learning rate."""

    key: str
    name: str
    make: Callable[[], nn.Module]
    steps: int
    rate: float


def fresh(make: Callable[[], nn.Module], config: TrainConfig) -> TrainState:
    """A run that begins; its seed makes its weights."""
    torch.manual_seed(config.seed)
    return TrainState(config, make())


def trained(
    case: Case, seed: int, seen: sprites.Sprites, unseen: sprites.Sprites, folder: Path
) -> dict[str, float]:
    """Train it, or read what is kept: its seconds, and the held-out loss of its averaged weights."""
    noted, halfway = folder / f"{case.key}-{seed}.json", folder / f"{case.key}-{seed}.pt"
    if noted.exists():
        return json.loads(noted.read_text(encoding="utf-8"))
    state = fresh(case.make, replace(RECIPE, steps=case.steps, learning_rate=case.rate, seed=seed))
    before, began, seconds = restored(state, halfway), time.process_time(), 0.0
    for step in train(seen.images, seen.labels, state=state, device="cpu"):
        seconds = before + time.process_time() - began
        if step.step % SAVE_EVERY == 0:
            keep(state, halfway, seconds)
            print(f"{case.name}, seed {seed}: step {step.step:,} of {case.steps:,}", flush=True)
    numbers = {"seconds": seconds or before, "loss": held_out_loss(state, unseen)}
    with replacing(noted) as temporary:
        temporary.write_text(json.dumps(numbers), encoding="utf-8")
    halfway.unlink(missing_ok=True)
    return numbers


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of paired differences, by Student's t.

    >>> interval([1.0, 1.0, 1.0])
    (1.0, 1.0)
    """
    values = np.asarray(differences)
    half = T_95[len(values)] * values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean() - half), float(values.mean() + half)


def try_rates(seen: sprites.Sprites, unseen: sprites.Sprites) -> None:
    """Print the DiT's held-out loss after a few steps at each learning rate."""
    for rate in RATES:
        config = replace(RECIPE, steps=RATE_STEPS, learning_rate=rate, seed=RATE_SEED)
        state = fresh(DiT, config)
        for _ in train(seen.images, seen.labels, state=state, device="cpu"):
            pass
        state.ema.network = state.network  # the average of so few steps still holds the start
        print(f"learning rate {rate:g}: held-out loss {held_out_loss(state, unseen):.4f}", flush=True)


def table(cases: Sequence[Case], found: dict[str, list[dict[str, float]]]) -> list[str]:
    """The lines of the Markdown table: a row for each case, its difference to the first in pairs."""
    lines = [
        "| network | parameters | MFLOP a call | steps | CPU seconds | held-out loss | more than ContextUNet "
        "| less in pairs |",
        "| :--- |" + " ---: |" * 7,
    ]
    first = [numbers["loss"] for numbers in found[cases[0].key]]
    for case in cases:
        size, flop = describe(case.make())
        losses = [numbers["loss"] for numbers in found[case.key]]
        seconds = np.mean([numbers["seconds"] for numbers in found[case.key]])
        more = [loss - other for loss, other in zip(losses, first, strict=True)]
        low, high = interval(more)
        told = f"{np.mean(more):+.4f} ({low:+.4f} to {high:+.4f}) | {sum(m < 0 for m in more)} of {len(more)}"
        lines.append(
            f"| {case.name} | {size:.2f} M | {flop:.0f} | {case.steps:,} | {seconds:.0f} "
            f"| {np.mean(losses):.4f} | {' | ' if case is cases[0] else told} |"
        )
    return lines


def main() -> None:
    """Time, train, compare, print, and write with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=400, help="of the ContextUNet")
    parser.add_argument("--rates", action="store_true", help="only look for the DiT's learning rate")
    parser.add_argument("--only", default="", help="the runs whose names hold this, and no table")
    parser.add_argument("--kept", type=Path, default=Path("runs/transformer"), help="for what was trained")
    parser.add_argument("--out", type=Path, help="write the table here: book/measured/transformer.md")
    options = parser.parse_args()
    options.kept.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    seen, unseen = sprites.make(20_000), sprites.make(2048, seed=1)
    if options.rates:
        try_rates(seen, unseen)
        return
    speeds = options.kept / "speeds.json"
    if not speeds.exists():
        speeds.write_text(
            json.dumps(seconds_a_step([fresh(make, RECIPE) for make in (ours, DiT)], seen)), encoding="utf-8"
        )
    our_step, their_step = json.loads(speeds.read_text(encoding="utf-8"))
    fewer = round(options.steps * our_step / their_step)
    cases = [
        Case("unet", "ContextUNet, tiny", ours, options.steps, RECIPE.learning_rate),
        Case("same-steps", "DiT, as many steps", DiT, options.steps, DIT_RATE),
        Case("same-seconds", "DiT, as many seconds", DiT, fewer, DIT_RATE),
    ]
    found: dict[str, list[dict[str, float]]] = {case.key: [] for case in cases}
    for seed in SEEDS:
        for case in cases:
            if options.only in f"{case.key}-{seed}":
                found[case.key].append(trained(case, seed, seen, unseen, options.kept))
    if options.only:
        return
    lines = [
        "<!-- Generated by `python benchmarks/transformer.py --out`; measure again instead of editing. -->",
        f"The recipe of `tiny`, {RECIPE.batch_size} sprites a step, on one thread of {hardware()}. Means over "
        f"{len(SEEDS)} seeds; differences in pairs of the same seed, with 95 % intervals.",
        "",
        *table(cases, found),
    ]
    print(*lines, sep="\n")
    if options.out:
        with replacing(options.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
