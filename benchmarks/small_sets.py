"""A small set of sprites, learned from scratch and from a trained model, at equal minutes of the processor.

python benchmarks/small_sets.py SPRITES.npz        338 and 80 sprites of a file with images and labels, or of a folder
python benchmarks/small_sets.py SPRITES.npz --only 338-reference-5      the runs whose names hold this
python benchmarks/small_sets.py SPRITES.npz --only shift                80 sprites, one setting changed, see CHANGES
python benchmarks/small_sets.py SPRITES.npz --table --out book/measured/small_sets.md     of the runs that are finished

Half of the sprites are held out: a judge learns the classes from them, and what is drawn is compared with them. Runs
are kept in runs/small_sets: the same command goes on where it was stopped. Of the sprites only numbers are written.
Minutes are those that one core computes (`OMP_NUM_THREADS=1`), whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from pixel_edu import classifier, data, palette
from pixel_edu.checkpoints import find, load_model, read_about
from pixel_edu.config import SampleConfig, hardware
from pixel_edu.distances import NEAR, frechet_distance, nearest_sprites
from pixel_edu.files import replacing
from pixel_edu.generate import generate
from pixel_edu.runs import MODEL, RUN, TrainingRun
from pixel_edu.training import TrainConfig, TrainStep, fine_tuning, train

COUNTS, MINUTES, SEEDS = (338, 80), (1, 5, 20), (0, 1)
STARTS = {"reference": "from `reference`", "": "from scratch"}
RECIPE = fine_tuning(read_about(find("reference")).config)
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "no-mirror": ("never mirrored", {"mirror": False}),
    "no-balance": ("classes as often as they are", {"balance": False}),
    "shift": ("shifted by a pixel at most", {"shift": 1}),
    "recolor": ("a fifth in other hues", {"recolor": 0.2}),
}
"""What is changed in the recipe, one at a time, for the smallest set from `reference` in CHANGED_MINUTES."""
CHANGED_MINUTES = 5
SAME = 0.02
"""Colours closer than this in OKLab look the same."""
FIRST_SEED = 1_000_000
RESAMPLES = 200


@dataclass(frozen=True)
class Sprites:
    """What is learned from, and what is compared with: images (N, S, S, 3) uint8, labels (N,) int64."""

    images: np.ndarray
    labels: np.ndarray

    def first(self, count: int) -> Sprites:
        """As many of them."""
        return Sprites(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Case:
    """A run: how many sprites it learns from, the model it starts from, its minutes, seed and a name in CHANGES."""

    count: int
    start: str
    minutes: float
    seed: int
    change: str = ""

    @property
    def key(self) -> str:
        """The name of its folder."""
        changed = f"-{self.change}" if self.change else ""
        return f"{self.count}-{self.start or 'scratch'}-{self.minutes:g}-{self.seed}{changed}"


def read(path: Path) -> tuple[Sprites, Sprites, tuple[str, ...]]:
    """The sprites to learn from, those held out, in an order by chance, and the names of the classes."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            images, labels = file["images"], file["labels"].astype(np.int64)
        classes = tuple(str(label) for label in range(labels.max() + 1))
    else:
        found = data.load(path)
        rows = np.unique(data.base_ids(found.images), return_index=True)[1]
        images, labels, classes = np.asarray(found.images[rows]), found.labels[rows], found.classes
    order = np.random.default_rng(0).permutation(len(images))
    held_out, known = np.array_split(order, 2)
    return Sprites(images[known], labels[known]), Sprites(images[held_out], labels[held_out]), classes


def seconds_a_step(folder: Path, known: Sprites, config: TrainConfig) -> float:
    """What a step costs one core, measured once and kept."""
    path = folder / "seconds_a_step.json"
    if not path.exists():
        steps = train(known.images, known.labels, config, device="cpu")
        next(steps)
        times = [(time.process_time(), next(steps))[0] for _ in range(21)]
        with replacing(path) as temporary:
            temporary.write_text(json.dumps((times[-1] - times[0]) / 20), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def trained(case: Case, known: Sprites, classes: tuple[str, ...], folder: Path, each: float) -> Path:
    """The folder of a case's run, which is trained to the end."""
    config = replace(
        RECIPE,
        unet=replace(RECIPE.unet, classes=len(classes)),
        steps=round(60 * case.minutes / each),
        seed=case.seed,
    )
    if case.change:
        config = replace(config, **CHANGES[case.change][1])
    part = known.first(case.count)
    run = TrainingRun(folder / case.key, config, start=case.start or None, classes=classes)
    if run.finished:
        return run.folder
    before, began = float(run.record.get("processor_seconds", 0)), time.process_time()

    def timed(steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
        for step in track(steps, case.key, total=config.steps - run.state.step, transient=True):
            run.record["processor_seconds"] = f"{before + time.process_time() - began:.0f}"
            yield step

    run.check_data(part.images, part.labels, classes)
    run.train(part.images, part.labels, "cpu", sample_every=config.steps, save_every=100, track=timed)
    return run.folder


def drawn(run: Path, labels: np.ndarray) -> np.ndarray:
    """A sprite of each of these classes, as `pixel-edu sample --sampler dpmpp_2m` draws them."""
    path = run / "drawn.npy"
    if not path.exists():
        model = load_model(run)
        seeds = range(FIRST_SEED, FIRST_SEED + len(labels))
        images = palette.as_sprites(
            generate(model, labels.tolist(), seeds, SampleConfig("dpmpp_2m")), model.palette
        )
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.save(file, images)
    return np.load(path)


def judge(folder: Path, held_out: Sprites, classes: tuple[str, ...]) -> classifier.SpriteClassifier:
    """A classifier that has learned the held-out sprites and their mirror images, and no other."""
    path = folder / "judge.safetensors"
    if not path.exists():
        images = np.concatenate([held_out.images, held_out.images[:, :, ::-1]])
        heads, truth = classifier.class_heads(np.tile(held_out.labels, 2), classes)
        *_, last = track(classifier.fit(images, heads, truth), "judge", total=1000, transient=True)
        classifier.save_classifier(path, last.classifier)
    return classifier.load_classifier(path)


HEADINGS = """\
| sprites | how | min | right class | palette's share | Fréchet distance | near copies |
| ---: | :--- | ---: | ---: | ---: | ---: | ---: |"""


def scores(
    images: np.ndarray, labels: np.ndarray, part: Sprites, held_out: Sprites, eye: classifier.SpriteClassifier
) -> np.ndarray:
    """The four numbers of a row."""
    seen, real, chance = eye.look(images), eye.look(held_out.images).features, np.random.default_rng(0)
    distance = nearest_sprites(images, part.images).distance
    return np.array(
        [
            100 * (seen.labels == labels).mean(),
            100 * (palette.distances(images, palette.find_palette(part.images)) < SAME).mean(),
            frechet_distance(seen.features, real, 2, chance).value,
            100 * (distance < NEAR).mean(),
        ]
    )


def row(first: str, found: list[np.ndarray]) -> str:
    """Means, and where there are several runs the lowest and the highest."""
    cells = []
    for values, unit in zip(np.transpose(found), ("%", "%", "", "%"), strict=True):
        low, high = (f"{value:.1f}" for value in (values.min(), values.max()))
        each = f"<br><small>{low} to {high}</small>" if len(values) > 1 else ""
        cells.append(f"{values.mean():.1f}{' ' if unit else ''}{unit}{each}")
    return f"{first} | {' | '.join(cells)} |"


@dataclass(frozen=True)
class Table:
    """What all rows of the two tables need: the sprites, the folder of the runs, and the judge of classes."""

    known: Sprites
    held_out: Sprites
    folder: Path
    eye: classifier.SpriteClassifier

    def row_of(self, first: str, cases: list[Case]) -> Iterator[str]:
        """The row of one case in all its seeds, of those that are finished; none if none is."""
        done = [case for case in cases if (self.folder / case.key / MODEL).exists()]
        if done:
            runs = [self.folder / case.key for case in done]
            used = np.mean([float(read_about(run / RUN).record["processor_seconds"]) / 60 for run in runs])
            labels, part = self.held_out.labels, self.known.first(done[0].count)
            found = [scores(drawn(run, labels), labels, part, self.held_out, self.eye) for run in runs]
            yield row(f"{first} | {used:.1f}", found)

    def rows(self, counts: list[int]) -> Iterator[str]:
        """From scratch against from `reference`."""
        for count in counts:
            for minutes in MINUTES:
                for start, how in STARTS.items():
                    yield from self.row_of(
                        f"| {count} | {how}", [Case(count, start, minutes, seed) for seed in SEEDS]
                    )
            part, same = self.known.first(count), np.resize(np.arange(count), len(self.held_out.images))
            yield row(
                f"| {count} | the sprites learned | ",
                [scores(part.images[same], part.labels[same], part, self.held_out, self.eye)],
            )
            other = scores(self.held_out.images, self.held_out.labels, part, self.held_out, self.eye)
            yield f"| {count} | held out | | | {other[1]:.1f} % | 0 | {other[3]:.1f} % |"

    def changed_rows(self, count: int) -> Iterator[str]:
        """The recipe, and each of its changes."""
        for name, words in {
            "": "the recipe",
            **{name: words for name, (words, _) in CHANGES.items()},
        }.items():
            cases = [Case(count, "reference", CHANGED_MINUTES, seed, name) for seed in SEEDS]
            yield from self.row_of(f"| {count} | {words}", cases)


def main() -> None:
    """Train, draw, measure, print, and write with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sprites", type=Path, help="an .npz with images and labels, or a dataset's folder")
    parser.add_argument("--only", default="", help="train the runs whose names hold this")
    parser.add_argument("--table", action="store_true", help="train nothing: the runs that are finished")
    parser.add_argument(
        "--out", type=Path, help="write the table here too, such as book/measured/small_sets.md"
    )
    parser.add_argument("--kept", type=Path, default=Path("runs/small_sets"), help="folder for the runs")
    options = parser.parse_args()
    options.kept.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    known, held_out, classes = read(options.sprites)
    counts = sorted({min(count, len(known.images)) for count in COUNTS}, reverse=True)
    cases = [
        Case(count, start, minutes, seed)
        for minutes in MINUTES
        for seed in SEEDS
        for count in counts
        for start in STARTS
    ] + [Case(counts[-1], "reference", CHANGED_MINUTES, seed, change) for change in CHANGES for seed in SEEDS]
    each = seconds_a_step(
        options.kept, known, replace(RECIPE, unet=replace(RECIPE.unet, classes=len(classes)))
    )
    for case in cases:
        if not options.table and options.only in case.key:
            trained(case, known, classes, options.kept, each)
    if options.only and not options.table:
        return  # the table takes a minute, and is asked for when all runs are there
    eye = judge(options.kept, held_out, classes)
    table = Table(known, held_out, options.kept, eye)
    right = (eye.look(known.images).labels == known.labels).mean()
    lines = [
        "<!-- Generated by `python benchmarks/small_sets.py --out`; measure again instead of editing. -->",
        "Each row is the network of `reference`, trained for so many minutes of one core "
        f"({hardware()}); small numbers are the lowest and the highest of two runs. What is drawn is compared with "
        f"{len(held_out.images)} held-out sprites, from which the judge of classes has learned: of "
        f"{len(known.images)} real sprites that it never saw it names {100 * right:.1f} % right. The palette's share "
        f"is that of pixels with one of the {palette.MOST} most frequent colours of the training sprites, or one that "
        f"looks the same (OKLab {SAME:g}). A near copy is less than {NEAR:g} levels from a training sprite.",
        "",
        HEADINGS,
        *table.rows(counts),
        "",
        f"The {counts[-1]} sprites, learned from `reference` with one setting changed at a time:",
        "",
        HEADINGS,
        *table.changed_rows(counts[-1]),
    ]
    print("\n".join(lines))
    if options.out:
        with replacing(options.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
