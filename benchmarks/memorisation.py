"""How many sprites does it take to draw new ones? Trains small models on few sprites, and counts what they copy.

python benchmarks/memorisation.py                                    procedural sprites, half an hour on one core
python benchmarks/memorisation.py --real SPRITES.npz                 and a file of real ones: images, labels

What was drawn is kept in runs/memorisation, so that the same command goes on where it was stopped. Of real sprites only
numbers are written, and drawings of the models that saw them stay in that folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from pixel_edu import evaluation, palette, sprites
from pixel_edu.config import SampleConfig, hardware
from pixel_edu.evaluation import bootstrap, nearest_sprites
from pixel_edu.files import replacing
from pixel_edu.generate import generate
from pixel_edu.training import RECIPES, train

RECIPE = replace(RECIPES["tiny"], steps=8_000)
LOOKS = (1_000, 2_000, 4_000, 8_000)
DRAWN = 500
SEEDS = range(1_000_000, 1_000_000 + DRAWN)
RESAMPLES = 500


@dataclass(frozen=True)
class Case:
    """A model to train.

    Attributes:
        key: names its files.
        name: in the table.
        images: (N, 16, 16, 3) uint8, the base sprites it learns from.
        labels: (N,) int64.
        unseen: (M, 16, 16, 3) uint8, sprites of the same kind that it never sees, ideally as many.
        shifted: learn from every sprite in nine places, at most one pixel away.
        weight_decay: of the optimiser.
        looks: steps after which to draw.
    """

    key: str
    name: str
    images: np.ndarray
    labels: np.ndarray
    unseen: np.ndarray
    shifted: bool = False
    weight_decay: float = RECIPE.weight_decay
    looks: tuple[int, ...] = LOOKS[-1:]


def shifts(images: np.ndarray) -> np.ndarray:
    """Every image in nine places, edges repeated: (N, H, W, 3) to (9 N, H, W, 3)."""
    _, height, width, _ = images.shape
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    return np.concatenate([wide[:, y : y + height, x : x + width] for y in range(3) for x in range(3)])


def drawn(case: Case, asked: list[int], folder: Path) -> Iterator[tuple[int, np.ndarray]]:
    """What the model draws of these classes after each number of steps, snapped to few colours."""
    paths = {step: folder / f"{case.key}-{step}.npy" for step in case.looks}
    if not all(path.exists() for path in paths.values()):
        images = shifts(case.images) if case.shifted else case.images
        labels = np.tile(case.labels, 9) if case.shifted else case.labels
        config = replace(RECIPE, weight_decay=case.weight_decay)
        steps = train(images, labels, config, device="cpu")
        for step in track(steps, case.name, total=config.steps, transient=True):
            if step.step in paths:
                made = generate(
                    step.state.denoiser(),
                    asked,
                    SEEDS,
                    SampleConfig("dpmpp_2m", guidance_scale=2.0, interval=None),
                )
                with replacing(paths[step.step]) as temporary, open(temporary, "wb") as file:
                    np.save(file, made)
    for step, path in paths.items():
        yield step, palette.snap(np.load(path))


def in_words(share: evaluation.Score) -> str:
    """A share with its interval."""
    return f"{share.value:.1%} ({share.low:.0%} to {share.high:.0%})"


def table(
    title: str, whose: str, cases: list[Case], held_out: np.ndarray, classes: np.ndarray, folder: Path
) -> list[str]:
    """Train, draw as many of each class as are held out, and count; the held-out sprites, `whose`, stand below."""
    asked = np.resize(classes, DRAWN).tolist()
    lines = [
        f"**{title}** ({DRAWN} drawn sprites a row)",
        "",
        "| sprites to learn from | steps | times each was seen | near copies | nearest, median levels "
        "| nearer to a sprite it saw |",
        "| :--- | ---: | ---: | ---: | ---: | ---: |",
    ]

    def row(first: str, images: np.ndarray, case: Case) -> None:
        chance = np.random.default_rng(0)
        distance = nearest_sprites(images, shifts(case.images)).distance
        near = bootstrap(distance < evaluation.NEAR, RESAMPLES, chance)
        count = min(len(case.images), len(case.unseen))
        seen, unseen = (
            nearest_sprites(images, shifts(each[chance.permutation(len(each))[:count]])).distance
            for each in (case.images, case.unseen)
        )
        nearer = bootstrap((seen < unseen) + (seen == unseen) / 2, RESAMPLES, chance)
        shares = f"{in_words(near)} | {np.median(distance):.1f}"
        lines.append(f"{first} | {shares} | {'' if images is case.unseen else in_words(nearer)} |")
        print(lines[-1], flush=True)

    for case in cases:
        seen = RECIPE.batch_size / len(case.images)
        for step, images in drawn(case, asked, folder):
            row(f"| {case.name} | {step:,} | {step * seen:,.0f}", images, case)
    row(f"| {whose} sprites that no model saw | | ", held_out, cases[0])
    return [*lines, ""]


def main() -> None:
    """Train, draw, count, print, and write with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, help="an .npz with images (N, 16, 16, 3) uint8 and labels (N,)")
    parser.add_argument(
        "--out", type=Path, help="write the tables here, such as book/measured/memorisation.md"
    )
    parser.add_argument("--kept", type=Path, default=Path("runs/memorisation"), help="for what was drawn")
    parser.add_argument("--only", choices=("procedural", "real"), help="one of the two tables, and no --out")
    options = parser.parse_args()
    options.kept.mkdir(parents=True, exist_ok=True)
    lines = [
        "<!-- Generated by `python benchmarks/memorisation.py --out`; measure again instead of editing. -->",
        f"The `tiny` network, on {hardware()}. A near copy is less than {evaluation.NEAR:g} levels from a sprite that "
        "the model learned from, mirrored and moved by a pixel as need be; by chance there are the fewer, the fewer "
        "sprites there are to be near to. The last column compares with as many sprites of the same kind that it never "
        "saw: without any memory, half of its own are nearer to one that it saw. Intervals of 95 %.",
        "",
    ]
    if options.only != "real":
        few, more_few = sprites.make_like_kaggle(), sprites.make_like_kaggle(1).images
        many = sprites.make(20_000)
        cases = [
            Case("894", "894", few.images, few.labels, more_few, looks=LOOKS),
            Case("894-decay", "894, weight decay 0.1", few.images, few.labels, more_few, weight_decay=0.1),
            Case("894-shifted", "894, each in nine places", few.images, few.labels, more_few, shifted=True),
            Case(
                "20000", "20,000", many.images, many.labels, sprites.make(20_000, evaluation.REAL_SEED).images
            ),
        ]
        held_out = sprites.make(DRAWN, evaluation.OTHER_SEED)
        lines += table(
            "Procedural sprites, as many as the real dataset has, and more",
            "procedural",
            cases,
            held_out.images,
            held_out.labels,
            options.kept,
        )
    if options.real and options.only != "procedural":
        with np.load(options.real) as file:
            images, labels = file["images"], file["labels"].astype(np.int64)
        order = np.random.default_rng(0).permutation(len(images))
        test, rest = np.array_split(order, 2)
        known = {"images": images[rest], "labels": labels[rest], "unseen": images[test]}
        cases = [
            Case("real", f"{len(rest)}", **known, looks=LOOKS),
            Case("real-shifted", f"{len(rest)}, each in nine places", **known, shifted=True),
        ]
        lines += table(
            "Sprites of the real dataset", "the dataset's", cases, cases[0].unseen, labels[test], options.kept
        )
    if options.out and not options.only:
        with replacing(options.out) as temporary:
            temporary.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
