"""The choices of the recipe, one changed at a time: target, schedule, attention, p_uncond, EMA, guidance.

OMP_NUM_THREADS=1 python benchmarks/ablations.py                an hour and a half on one thread
OMP_NUM_THREADS=1 python benchmarks/ablations.py --only eps     the runs whose names hold this, and no table
OMP_NUM_THREADS=1 python benchmarks/ablations.py --table        of the runs that are finished
OMP_NUM_THREADS=1 python benchmarks/ablations.py --out book/measured/ablations.md

Every run is the `tiny` network with its recipe but for one change. Runs of one seed see the same sprites, timesteps,
noise and hidden labels, and draw the same classes from the same noise, so they are compared pair by pair. What was
drawn is kept in runs/ablations: the same command goes on where it was stopped, at the run that was not finished.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from transformer import interval

from pixel_edu import palette, sprites
from pixel_edu.classifier import load_classifier
from pixel_edu.config import CLASSES, SampleConfig, hardware
from pixel_edu.denoiser import Denoiser
from pixel_edu.distances import frechet_distance
from pixel_edu.ema import EMA
from pixel_edu.files import replacing
from pixel_edu.generate import generate
from pixel_edu.schedules import SCHEDULES, cosine, shifted
from pixel_edu.training import RECIPES, TrainConfig, TrainState, train

RECIPE = RECIPES["tiny"]
SEEDS = (0, 1, 2)
DRAWN = 500
"""Sprites a run, of all classes in turn: the Fréchet distance is compared between runs of as many."""
FIRST_SEED, REAL_SEED, OTHER_SEED = 1_000_000, 11, 12
DEFAULT = SampleConfig("dpmpp_2m")

SCHEDULES["cosine, factor 2"] = lambda: shifted(cosine(), 2.0)
SCHEDULES["cosine, factor 1/2"] = lambda: shifted(cosine(), 0.5)


@dataclass(frozen=True)
class Drawing:
    """How to draw from what was trained: the name of its row, whose weights, and how to sample.

    Attributes:
        key: names its files.
        name: in the table.
        decay: of the running average; None draws with the weights of the last step.
        sample: how.
    """

    key: str
    name: str
    decay: float | None = RECIPE.ema_decay
    sample: SampleConfig = DEFAULT


@dataclass(frozen=True)
class Run:
    """The recipe with one change, and what to draw with it.

    Attributes:
        change: of the recipe.
        drawings: rows of the table; each group of rows has a title there.
    """

    change: dict[str, Any]
    drawings: tuple[Drawing, ...] = field(default=())

    @property
    def config(self) -> TrainConfig:
        """Its recipe."""
        return replace(RECIPE, **self.change)


BASE = Drawing("recipe", "the recipe: v, cosine, attention, p_uncond 0.1, EMA 0.999, w = 3 in an interval")
GROUPS: dict[str, tuple[Run, ...]] = {
    "": (Run({}, (BASE,)),),
    "what the network answers": (
        Run({"prediction": "eps"}, (Drawing("eps", "ε"),)),
        Run({"prediction": "x0"}, (Drawing("x0", "x₀"),)),
    ),
    "schedule": (
        Run({"schedule": "linear"}, (Drawing("linear", "linear"),)),
        Run({"schedule": "sigmoid"}, (Drawing("sigmoid", "sigmoid"),)),
        Run({"schedule": "cosine, factor 2"}, (Drawing("clearer", "cosine, signal / noise times 2"),)),
        Run({"schedule": "cosine, factor 1/2"}, (Drawing("noisier", "cosine, signal / noise times 1/2"),)),
    ),
    "network": (
        Run(
            {"unet": replace(RECIPE.unet, attention=(False, False, False))},
            (Drawing("no-attention", "no attention"),),
        ),
    ),
    "weights of the loss": (Run({"min_snr": 5.0}, (Drawing("min-snr", "min-SNR, γ = 5"),)),),
    "labels hidden": (
        Run(
            {"p_uncond": 0.0},
            (Drawing("p0", "p_uncond 0, so w = 1", sample=replace(DEFAULT, guidance_scale=1.0)),),
        ),
        Run({"p_uncond": 0.3}, (Drawing("p03", "p_uncond 0.3"),)),
    ),
    "weights averaged": (
        Run({}, (Drawing("last", "those of the last step", None), Drawing("ema-99", "EMA 0.99", 0.99))),
    ),
    "guidance": (
        Run(
            {},
            (
                Drawing("w1", "w = 1", sample=replace(DEFAULT, guidance_scale=1.0)),
                Drawing("w3-everywhere", "w = 3 at all noise levels", sample=replace(DEFAULT, interval=None)),
            ),
        ),
    ),
}
"""The rows of the table, by the choice that they change."""


def all_drawings() -> dict[TrainConfig, list[Drawing]]:
    """What to draw of each recipe: each is trained once."""
    asked: dict[TrainConfig, list[Drawing]] = {}
    for runs in GROUPS.values():
        for run in runs:
            asked.setdefault(run.config, []).extend(run.drawings)
    return asked


def made(
    config: TrainConfig, drawings: Sequence[Drawing], seed: int, seen: sprites.Sprites, folder: Path
) -> None:
    """Train a recipe, and keep what it draws in `folder`, unless it is there."""
    paths = {drawing: folder / f"{drawing.key}-{seed}.npz" for drawing in drawings}
    if all(path.exists() for path in paths.values()):
        return
    state = TrainState(replace(config, seed=seed))
    decays = {drawing.decay for drawing in drawings} - {None, config.ema_decay}
    averages = {decay: EMA(state.network, decay) for decay in decays}
    began = time.process_time()
    steps = train(seen.images, seen.labels, state=state, device="cpu")
    for step in track(steps, f"{drawings[0].key}, seed {seed}", total=config.steps, transient=True):
        for average in averages.values():
            average.update(state.network, step.step)
    seconds = time.process_time() - began
    networks = {None: state.network.eval(), config.ema_decay: state.ema.network} | {
        decay: average.network for decay, average in averages.items()
    }
    seeds = range(FIRST_SEED + seed * DRAWN, FIRST_SEED + (seed + 1) * DRAWN)
    for drawing, path in paths.items():
        denoiser: Denoiser = config.denoiser(networks[drawing.decay])
        images = palette.snap(generate(denoiser, classes_in_turn(), seeds, drawing.sample), sprites.colors())
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, images=images, seconds=seconds)
        print(f"{drawing.key}, seed {seed}: {seconds:.0f} s of the processor", flush=True)


def classes_in_turn() -> list[int]:
    """The classes that a run draws."""
    return [i % len(CLASSES) for i in range(DRAWN)]


def measured(folder: Path, real: np.ndarray, look: Callable) -> dict[str, dict[int, tuple[float, float]]]:
    """Of what is there, by drawing and seed: the Fréchet distance, and the share of the right class in %."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for drawings in all_drawings().values():
        for drawing in drawings:
            for seed in SEEDS:
                path = folder / f"{drawing.key}-{seed}.npz"
                if path.exists():
                    with np.load(path) as file:
                        found.setdefault(drawing.key, {})[seed] = scores(file["images"], real, look)
    return found


def scores(images: np.ndarray, real: np.ndarray, look: Callable) -> tuple[float, float]:
    """The Fréchet distance to real sprites, and the share of the right class in %."""
    seen = look(images)
    distance = frechet_distance(seen.features, real, 2, np.random.default_rng(0)).value
    return distance, 100 * float((seen.labels == np.array(classes_in_turn())).mean())


def cells(found: dict[int, tuple[float, float]], base: dict[int, tuple[float, float]] | None) -> str:
    """The numbers of a row: means, and the difference to the recipe in pairs."""
    distances, right = np.transpose(list(found.values()))
    return f"{distances.mean():.2f} | {'' if base is None else pairs(found, base)} | {right.mean():.1f} %"


def pairs(found: dict[int, tuple[float, float]], base: dict[int, tuple[float, float]]) -> str:
    """The mean difference of the Fréchet distance, with its 95 % interval by Student's t."""
    more = [found[seed][0] - base[seed][0] for seed in found if seed in base]
    if len(more) < 2:
        return f"{np.mean(more):+.2f}" if more else ""
    low, high = interval(more)
    return f"{np.mean(more):+.2f} ({low:+.2f} to {high:+.2f})"


def table(found: dict[str, dict[int, tuple[float, float]]], floor: tuple[float, float]) -> list[str]:
    """The lines of the Markdown table: a row for each drawing, titles between the groups."""
    lines = [
        "| changed | to | Fréchet distance | more than the recipe, in pairs | right class |",
        "| :--- | :--- | ---: | ---: | ---: |",
        f"| | real sprites | {floor[0]:.2f} | | {floor[1]:.1f} % |",
    ]
    for title, runs in GROUPS.items():
        for drawing in (drawing for run in runs for drawing in run.drawings):
            if drawing.key in found:
                base = None if drawing is BASE else found[BASE.key]
                lines.append(f"| {title} | {drawing.name} | {cells(found[drawing.key], base)} |")
                title = ""
    return lines


def main() -> None:
    """Train, draw, compare, print, and write with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="the runs whose names hold this, and no table")
    parser.add_argument("--table", action="store_true", help="train nothing: the runs that are finished")
    parser.add_argument("--kept", type=Path, default=Path("runs/ablations"), help="for what was drawn")
    parser.add_argument("--out", type=Path, help="write the table here: book/measured/ablations.md")
    options = parser.parse_args()
    options.kept.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    seen = sprites.make(20_000)
    for seed in () if options.table else SEEDS:
        for config, drawings in all_drawings().items():
            asked = [drawing for drawing in drawings if options.only in f"{drawing.key}-{seed}"]
            if asked:
                made(config, asked, seed, seen, options.kept)
    if options.only:
        return
    look = load_classifier().look
    real = look(sprites.make(10_000, REAL_SEED).images).features
    other = sprites.make(4 * DRAWN, OTHER_SEED)
    rows = np.concatenate(
        [np.flatnonzero(other.labels == c)[: DRAWN // len(CLASSES)] for c in range(len(CLASSES))]
    )
    order = np.argsort(np.tile(np.arange(DRAWN // len(CLASSES)), len(CLASSES)), kind="stable")
    found = measured(options.kept, real, look)
    if BASE.key not in found:
        raise SystemExit(
            f"{options.kept}: no run of the recipe is finished there: run this without --table first"
        )
    counts = {len(each) for each in found.values()}
    lines = [
        "<!-- Generated by `python benchmarks/ablations.py --out`; measure again instead of editing. -->",
        f"The `tiny` network after {RECIPE.steps:,} steps, on one thread of {hardware()}: means over "
        f"{' or '.join(map(str, sorted(counts)))} seeds of {DRAWN} drawn sprites each. Differences are in pairs of the "
        "same seed, with 95 % intervals by Student's t.",
        "",
        *table(found, scores(other.images[rows[order]], real, look)),
    ]
    print(*lines, sep="\n")
    if options.out:
        with replacing(options.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
