"""Is it any good, and is it new? Every answer with an interval, and beside it the same answer for real sprites.

Three disjoint sets of real sprites take part. The model learned from `train`. The sprites of `real`, which it never
saw, are what its own are compared with. Those of `other`, never seen either, are measured just as the model's are: what
they get is the floor, the best that a perfect model of these data could hope for with as many sprites. Where too few
sprites are held out for two sets, `real` is `train`, and `Yardstick.comparison` says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from pixel_edu import sprites
from pixel_edu.classifier import (
    Head,
    Seen,
    SpriteClassifier,
    accuracy,
    class_heads,
    fit,
    load_classifier,
    turned,
)
from pixel_edu.config import CHANNELS, CLASSES, IMAGE_SIZE, UserError
from pixel_edu.data import SpriteData, base_ids, load, split
from pixel_edu.denoiser import Denoiser
from pixel_edu.distances import (
    NEAR,
    NEIGHBOURS,
    Nearest,
    Score,
    bootstrap,
    frechet_distance,
    inside,
    kernel_distance,
    nearest_rows,
    nearest_sprites,
    plus_minus,
)
from pixel_edu.images import WHITE, count_colors
from pixel_edu.palette import distances, find_palette, nearest, opaque
from pixel_edu.parts import equal_eyes, off_ramp, seen_parts
from pixel_edu.pixelart import (
    exact_background,
    flat_pixels,
    mirror_difference,
    outline,
    stray_pixels,
    white_border,
)
from pixel_edu.two_sample import LEAST, TwoSample, steps_for, two_sample


@dataclass(frozen=True)
class Measure:
    """What is measured.

    Attributes:
        key: its name in JSON.
        name: its name in a table.
        better: "higher" or "lower"; "real" is best where it equals that of real sprites.
        unit: "%" for shares, or "".
        procedural: it is defined for procedural sprites only.
        alpha: whether it is defined for sprites with alpha only, or for those without; None is both.
    """

    key: str
    name: str
    better: Literal["higher", "lower", "real"]
    unit: str = ""
    procedural: bool = False
    alpha: bool | None = None


MEASURES = (
    Measure("two_sample", "told from real", "lower", "%"),
    Measure("label_accuracy", "right class", "higher", "%"),
    Measure("fid", "Fréchet distance, FID", "lower"),
    Measure("kid", "kernel distance, KID", "lower"),
    Measure("density", "density", "higher"),
    Measure("coverage", "coverage", "higher", "%"),
    Measure("colors", "colours a sprite", "real"),
    Measure("palette_distance", "off the palette", "lower"),
    Measure("flat", "flat pixels", "real", "%"),
    Measure("stray", "stray pixels", "real", "%"),
    Measure("mirror", "mirror difference", "real", "%"),
    Measure("white_border", "white border pixels", "real", "%", alpha=False),
    Measure("background", "exact background", "higher", "%", alpha=False),
    Measure("clear", "transparent pixels", "real", "%", alpha=True),
    Measure("clear_border", "transparent border pixels", "real", "%", alpha=True),
    Measure("closed", "closed outlines", "higher", "%", procedural=True),
    Measure("off_ramp", "off their part's ramp", "lower", "%", procedural=True),
    Measure("fronts", "mirror difference, fronts", "real", "%", procedural=True),
    Measure("eyes", "equal eyes, fronts", "higher", "%", procedural=True),
    Measure("pairs", "pairs of parts seen", "higher", "%", procedural=True),
    Measure("nearest", "nearest training sprite", "real"),
    Measure("near_copies", "near copies", "lower", "%"),
)
"""In the order of a table. The first comes from `tell_apart`, all others from `evaluate`, in less time.

Of sprites of one class, `label_accuracy` would say nothing, and is not measured.

Fronts are heroes seen from the front, the class `characters`: their left half mirrors the right, but for some lights.
"""


@dataclass(frozen=True)
class Yardstick:
    """Real sprites to measure by.

    Attributes:
        train: (N, S, S, C) uint8, what the model learned from.
        real: the same, held out, to compare with; `train` itself where too few are held out.
        other: the same, held out too, for the floor; as many as the model will draw.
        other_labels: (M,) int64, their classes.
        classifier: gives the features.
        palette: (P, 3) uint8, the colours of the data.
        procedural: whether these are the procedural sprites, about which more is known.
    """

    train: np.ndarray
    real: np.ndarray
    other: np.ndarray
    other_labels: np.ndarray
    classifier: SpriteClassifier
    palette: np.ndarray
    procedural: bool = False

    @property
    def comparison(self) -> str:
        """What is compared with what, in a sentence or two; every report says it."""
        train, real, other = (f"{len(part):,}" for part in (self.train, self.real, self.other))
        if self.real is self.train:
            return (
                f"Too few sprites are held out to compare with: the model's are compared with the {train} training "
                "sprites themselves, which flatters a model that copies them. "
                f'The column "real" shows the {other} held-out sprites.'
            )
        return (
            f"The model's sprites are compared with {real} real ones held out from training, and the column "
            f'"real" shows {other} others, held out too. Near copies are sought among the {train} training sprites.'
        )

    @cached_property
    def real_seen(self) -> Seen:
        """What the classifier sees in `real`."""
        return self.classifier.look(self.real)

    @cached_property
    def real_features(self) -> np.ndarray:
        """The features of `real`, (N, F) float32."""
        return self.real_seen.features

    @cached_property
    def floor(self) -> Report:
        """The measures of `other`."""
        return evaluate(self.other, self.other_labels, self)


def check_model(denoiser: Denoiser, data: SpriteData | None = None) -> None:
    """Compare a model with sprites like its own only: of its classes and size, and with alpha where it draws that.

    Args:
        denoiser: the model.
        data: the real sprites; None stands for the procedural ones.

    Raises:
        UserError: they are of another kind; it says what differs.
    """
    if data is None:
        whose, wanted = "the procedural set holds", "give its dataset with --data FOLDER"
        classes, size, channels = CLASSES, IMAGE_SIZE, CHANNELS
    else:
        whose, wanted = f"{data.source} holds", "give the data that it was trained on"
        classes, size, channels = data.classes, data.size, data.channels
    mine, kinds = denoiser.size, ("sprites without alpha", "sprites with alpha")
    for model, real in (
        (f"sprites of {', '.join(denoiser.classes)}", f"sprites of {', '.join(classes)}"),
        (f"{mine}x{mine} pixels", f"{size}x{size} pixels"),
        (kinds[denoiser.alpha], kinds[channels == 4]),
    ):
        if model != real:
            raise UserError(f"the model draws {model}, but {whose} {real}: {wanted}")


REAL_SEED, OTHER_SEED = 8001, 8002


def procedural_yardstick(n: int = 5000, train: int = 100_000, real: int = 10_000) -> Yardstick:
    """The yardstick for models of the procedural sprites, as `pixel-edu train` draws them.

    Args:
        n: sprites that the model will draw.
        train: sprites that it learned from.
        real: sprites to compare with.
    """
    other = sprites.make(n, OTHER_SEED)
    return Yardstick(
        train=sprites.make(train).images,
        real=sprites.make(real, REAL_SEED).images,
        other=other.images,
        other_labels=other.labels,
        classifier=load_classifier(),
        palette=sprites.colors(),
        procedural=True,
    )


CLASSIFIER_STEPS = 1000
ENOUGH = 25
"""So many held-out sprites are needed in each half; with fewer, the halves are not made."""


def folder_yardstick(
    data: SpriteData | str | os.PathLike,
    validation: float = 0.1,
    palette: np.ndarray | None = None,
    steps: int = CLASSIFIER_STEPS,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Yardstick:
    """The yardstick for models of a dataset, with a classifier trained on its training part.

    The classifier learns the classes; of one class, see `classifier.turned`, it learns which way up a sprite is.

    Copies and mirrors are dropped: one sprite stands for each base sprite. `train` holds those that
    `pixel-edu train FOLDER` learns from with the same `validation`. What it holds out is halved, class by class, into
    `real` and `other`; with fewer than 2 x `ENOUGH` sprites it all becomes `other`, and `real` is `train`.

    Args:
        data: a dataset, or its folder.
        validation: share of the base sprites held out, as in training.
        palette: (P, 3) uint8; default: that of the training part.
        steps: for the classifier; its `record` gets "held_out_accuracy".
        track: wraps the classifier's steps, for a progress bar.

    Raises:
        UserError: the folder cannot be read, or hardly a sprite is held out or left to learn from.
    """
    read = data if isinstance(data, SpriteData) else load(data)
    ids = base_ids(read.images)
    parts = split(read.images, read.labels, validation)
    train, held_out = (part[np.unique(ids[part], return_index=True)[1]] for part in parts)
    least = max(10, 2 * len(read.classes))
    for part, what, other in ((held_out, "held out", "larger"), (train, "left to learn from", "smaller")):
        if len(part) < least:
            raise UserError(
                f"only {len(part)} base sprites of {read.source} are {what}: "
                f"use a {other} validation share, in training too, or a larger set"
            )
    real, other = _halves(held_out, read.labels)
    if min(len(real), len(other)) < ENOUGH:
        real, other = train, held_out
    images = np.asarray(read.images[train])
    seen, heads, truth = _questions(read, train)
    fitting = fit(seen, heads, truth, steps)
    for _, fitted in zip(track(range(steps)), fitting, strict=True):
        classifier = fitted.classifier
    classifier.requires_grad_(False)
    seen, _, truth = _questions(read, held_out)
    right = accuracy(classifier.look(seen), truth)
    classifier.record["held_out_accuracy"] = right[heads[-1].name]
    return Yardstick(
        train=images,
        real=images if real is train else np.asarray(read.images[real]),
        other=np.asarray(read.images[other]),
        other_labels=read.labels[other],
        classifier=classifier,
        palette=find_palette(images) if palette is None else palette,
    )


def _questions(read: SpriteData, rows: np.ndarray) -> tuple[np.ndarray, list[Head], np.ndarray]:
    """What a classifier learns from these rows: images, questions, and their answers."""
    images, labels = np.asarray(read.images[rows]), read.labels[rows]
    if len(read.classes) == 1:
        return turned(images, labels, read.classes)
    return images, *class_heads(labels, read.classes)


def _halves(rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every second row of each class, and the rest."""
    rank = np.empty(len(rows), np.int64)
    for c in np.unique(labels[rows]):
        members = np.flatnonzero(labels[rows] == c)
        rank[members] = np.arange(len(members))
    return rows[rank % 2 == 0], rows[rank % 2 == 1]


class Report(NamedTuple):
    """What `evaluate` found.

    Attributes:
        scores: by the key of a measure.
        nearest: of each image in the training set.
        oddness: (N,) float32, distance to the nearest real sprite in feature space.
        seen: what the classifier saw.
    """

    scores: dict[str, Score]
    nearest: Nearest
    oddness: np.ndarray
    seen: Seen


def evaluate(
    images: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    yardstick: Yardstick,
    resamples: int = 200,
    seed: int = 0,
) -> Report:
    """Measure sprites.

    Args:
        images: (N, S, S, C) uint8, as the yardstick's.
        labels: (N,) the class that was asked for.
        yardstick: real sprites to compare with.
        resamples: for each interval.
        seed: of the resampling.

    Raises:
        ValueError: fewer than 10 images, or not one label an image.
    """
    labels = np.asarray(labels)
    if len(images) != len(labels) or len(images) < 10:
        raise ValueError(
            f"there are {len(images)} images and {len(labels)} labels: give a label an image, for at least 10"
        )
    draw = np.random.default_rng(seed)
    seen, real = yardstick.classifier.look(images), yardstick.real_features
    near_features = nearest_rows(seen.features, real)[:, 0]
    closest = nearest_sprites(images, yardstick.train)
    within = inside(seen.features, real)

    def mean(values: np.ndarray) -> Score:
        return bootstrap(values, resamples, draw)

    scores = {
        "label_accuracy": mean(seen.labels == labels),
        "fid": frechet_distance(seen.features, real, resamples, draw),
        "kid": kernel_distance(seen.features, real, resamples, draw),
        "density": mean(within.per_image / NEIGHBOURS),
        "coverage": mean(within.reached),
        "colors": mean(count_colors(images)),
        "palette_distance": mean(distances(images, yardstick.palette).mean(axis=(1, 2))),
        "flat": mean(flat_pixels(images).mean(axis=(1, 2))),
        **_background(images, mean),
        "nearest": mean(closest.distance),
        "near_copies": mean(closest.distance < NEAR),
    }
    if len(yardstick.classifier.heads[0].words) == 1:
        del scores["label_accuracy"]
    if yardstick.procedural:
        scores["closed"] = mean(outline(images) == 1)
        scores["pairs"] = pairs_seen(seen, yardstick.classifier, resamples, draw)
        scores |= _parts(images, labels, seen_parts(seen, yardstick.classifier.heads), mean)
    scores["stray"] = mean(stray_pixels(images).mean(axis=(1, 2)))
    scores["mirror"] = mean(mirror_difference(images))
    scores = {measure.key: scores[measure.key] for measure in MEASURES if measure.key in scores}
    return Report(scores, closest, near_features, seen)


class Told(NamedTuple):
    """What two-sample tests found: of the model's sprites, and, for the floor, of other real ones.

    Attributes:
        model: of the model's sprites against real ones.
        real: of the same real ones against others.
        sprites: how many of each there were; half of them were learned from.
    """

    model: TwoSample
    real: TwoSample
    sprites: int


def tell_apart(
    images: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    yardstick: Yardstick,
    seed: int = 0,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Told | None:
    """Can a network tell the model's sprites from real ones, and those from other real ones? See `two_sample`.

    Of each class as many take part as there are of the fewest: of the images, of `yardstick.real` and of
    `yardstick.other`. So what is told apart is never how frequent a class is.

    Args:
        images: (N, S, S, C) uint8, as the yardstick's.
        labels: (N,) the class that was asked for.
        yardstick: real sprites to compare with; their classes are those that its classifier sees.
        seed: of the tests.
        track: wraps the steps of each of the two trainings, for a progress bar.

    Returns:
        None where there are too few sprites to learn from.
    """
    sets = (
        (images, np.asarray(labels)),
        (yardstick.other, yardstick.other_labels),
        (yardstick.real, yardstick.real_seen.labels),
    )
    rows = _as_many([each for _, each in sets], np.random.default_rng(seed))
    if len(rows[0]) < LEAST:
        return None
    drawn, other, real = ((some[kept], each[kept]) for (some, each), kept in zip(sets, rows, strict=True))
    model, floor = (
        two_sample(*some, *real, steps=steps_for(len(rows[0])), seed=seed, track=track)
        for some in (drawn, other)
    )
    return Told(model, floor, len(rows[0]))


def _as_many(labels: Sequence[np.ndarray], draw: np.random.Generator) -> list[np.ndarray]:
    """Rows of each set, of each class as many as the set with the fewest has, by chance."""
    rows: list[list[np.ndarray]] = [[] for _ in labels]
    for c in np.unique(np.concatenate(labels)):
        members = [draw.permutation(np.flatnonzero(each == c)) for each in labels]
        for kept, some in zip(rows, members, strict=True):
            kept.append(some[: min(map(len, members))])
    return [np.concatenate(each) for each in rows]


def _background(images: np.ndarray, mean: Callable[[np.ndarray], Score]) -> dict[str, Score]:
    """How much of the images is background: white around them, or what is transparent."""
    if images.shape[-1] == CHANNELS:
        return {"white_border": mean(white_border(images)), "background": mean(exact_background(images))}
    clear = np.where(opaque(images), 0, WHITE)[..., None]  # what is transparent, as white
    return {
        "clear": mean((clear == WHITE).mean(axis=(1, 2, 3))),
        "clear_border": mean(white_border(clear)),
    }


FRONT = CLASSES.index("characters")


def _parts(
    images: np.ndarray, labels: np.ndarray, maps: np.ndarray, mean: Callable[[np.ndarray], Score]
) -> dict[str, Score]:
    """Whether parts have colours of one ramp, and the two halves of heroes seen from the front agree."""
    colors, fronts = nearest(images, sprites.colors())[0], labels == FRONT
    scores = {"off_ramp": mean(off_ramp(colors, maps))}
    if fronts.any():
        scores["fronts"] = mean(mirror_difference(images[fronts]))
        scores["eyes"] = mean(equal_eyes(colors[fronts]))
    return scores


def pairs_seen(seen: Seen, classifier: SpriteClassifier, resamples: int, draw: np.random.Generator) -> Score:
    """The share of all pairs of variants, of two parts of one kind, that the classifier sees somewhere.

    A model that has learned single parts but not their combinations, or that has dropped some, sees fewer than real
    sprites do. Colours do not count.

    Args:
        seen: what the classifier saw in N images.
        classifier: whose heads name the parts.
        resamples: for the interval; a resample holds fewer different images, so only its spread is used.
        draw: the source of chance.
    """
    kinds = classifier.heads[1].words
    columns: list[np.ndarray] = []
    total = 0
    for place, kind in enumerate(kinds):
        rows = seen.answers[:, 1] == place
        parts = [
            (i, len(head.words))
            for i, head in enumerate(classifier.heads)
            if head.name.startswith(f"{kind}.") and not head.name.endswith(" ramp")
        ]
        for n, (i, many) in enumerate(parts):
            for j, others in parts[n + 1 :]:
                codes = total + seen.answers[:, i] * others + seen.answers[:, j]
                columns.append(np.where(rows, codes, -1))
                total += many * others
    codes = np.stack(columns, axis=1)

    def share(rows: np.ndarray | slice) -> float:
        found = np.zeros(total + 1, bool)
        found[codes[rows]] = True  # -1 marks the last, which stands for none
        return float(found[:-1].sum()) / total

    n = len(codes)
    return plus_minus(share(slice(None)), [share(draw.integers(n, size=n)) for _ in range(resamples)])
