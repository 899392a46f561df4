"""Is it any good, and is it new? Every answer with an interval, and beside it the same answer for real sprites.

Three sets of real sprites take part. The model learned from `train`. The sprites of `real`, which it never saw, are
what its own are compared with. Those of `other`, never seen either, are measured just as the model's are: what they get
is the floor, the best that a perfect model of these data could hope for with as many sprites.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixel_edu import sprites
from pixel_edu.classifier import Seen, SpriteClassifier, load_classifier
from pixel_edu.images import WHITE, count_colors
from pixel_edu.palette import distances

FLAT = 2
"""Levels, of 255, by which two pixels may differ and still count as the same flat colour."""
DARK = 92
"""The brightest channel that an outline may have: the palette's outlines end at 90, give or take `FLAT`."""
NEAR = 12.0
"""Root mean square difference, in levels of 255, below which a sprite counts as a near copy of another."""


class Score(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Measure:
    """What is measured.

    Attributes:
        key: its name in JSON.
        name: its name in a table.
        better: "higher" or "lower"; "real" is best where it equals that of real sprites.
        unit: "%" for shares, or "".
        procedural: it is defined for procedural sprites only.
    """

    key: str
    name: str
    better: Literal["higher", "lower", "real"]
    unit: str = ""
    procedural: bool = False


MEASURES = (
    Measure("label_accuracy", "right class", "higher", "%"),
    Measure("fid", "Fréchet distance, FID", "lower"),
    Measure("kid", "kernel distance, KID", "lower"),
    Measure("density", "density", "higher"),
    Measure("coverage", "coverage", "higher", "%"),
    Measure("colors", "colours a sprite", "real"),
    Measure("palette_distance", "off the palette", "lower"),
    Measure("flat", "flat pixels", "real", "%"),
    Measure("white_border", "white border pixels", "real", "%"),
    Measure("closed", "closed outlines", "higher", "%", procedural=True),
    Measure("pairs", "pairs of parts seen", "higher", "%", procedural=True),
    Measure("nearest", "nearest training sprite", "real"),
    Measure("near_copies", "near copies", "lower", "%"),
)
"""In the order of a table."""


class Nearest(NamedTuple):
    """For each of N images the nearest of another set, which may be mirrored.

    Attributes:
        distance: (N,) float32, root mean square difference in levels, 0 .. 255.
        index: (N,) int64, which one.
        mirrored: (N,) bool, whether its mirror image is the nearest.
    """

    distance: np.ndarray
    index: np.ndarray
    mirrored: np.ndarray


@dataclass(frozen=True)
class Yardstick:
    """Real sprites to measure by.

    Attributes:
        train: (N, 16, 16, 3) uint8, what the model learned from.
        real: the same, held out, to compare with.
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

    @cached_property
    def real_features(self) -> np.ndarray:
        """What the classifier sees in `real`, (N, F) float32."""
        return self.classifier.look(self.real).features

    @cached_property
    def floor(self) -> Report:
        """The measures of `other`."""
        return evaluate(self.other, self.other_labels, self)


NEIGHBOURS = 5
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
    images: np.ndarray, labels: Sequence[int], yardstick: Yardstick, resamples: int = 200, seed: int = 0
) -> Report:
    """Measure sprites.

    Args:
        images: (N, 16, 16, 3) uint8.
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
    near_features = _nearest_rows(seen.features, real)[:, 0]
    nearest = nearest_sprites(images, yardstick.train)
    inside = _inside(seen.features, real)

    def mean(values: np.ndarray) -> Score:
        return bootstrap(values, resamples, draw)

    scores = {
        "label_accuracy": mean(seen.labels == labels),
        "fid": frechet_distance(seen.features, real, resamples, draw),
        "kid": kernel_distance(seen.features, real, resamples, draw),
        "density": mean(inside.per_image / NEIGHBOURS),
        "coverage": mean(inside.reached),
        "colors": mean(count_colors(images)),
        "palette_distance": mean(distances(images, yardstick.palette).mean(axis=(1, 2))),
        "flat": mean(flat_pixels(images).mean(axis=(1, 2))),
        "white_border": mean(white_border(images)),
        "nearest": mean(nearest.distance),
        "near_copies": mean(nearest.distance < NEAR),
    }
    if yardstick.procedural:
        scores["closed"] = mean(outline(images) == 1)
        scores["pairs"] = pairs_seen(seen, yardstick.classifier, resamples, draw)
    scores = {measure.key: scores[measure.key] for measure in MEASURES if measure.key in scores}
    return Report(scores, nearest, near_features, seen)


def bootstrap(values: np.ndarray, resamples: int, draw: np.random.Generator) -> Score:
    """The mean, with the 95 % interval of the means of resampled values (Efron's percentile bootstrap).

    A share of exactly 0 or 1 gets an interval of no width: from n sprites without a single case it only follows that
    the true share is likely below 3 / n.

    Args:
        values: (N,) numbers or truth values.
        resamples: how many times to draw N of them, with replacement.
        draw: the source of chance.
    """
    values = np.asarray(values, np.float64)
    n = len(values)
    means = [values[draw.integers(n, size=n)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, (0.025, 0.975))
    return Score(float(values.mean()), float(low), float(high))


def _plus_minus(value: float, resampled: Sequence[float]) -> Score:
    """The interval of a statistic that resampling shifts, as it does a distance: its spread, around the value."""
    half = 1.96 * float(np.std(resampled))
    return Score(value, value - half, value + half)


class _PassThrough(torch.nn.Module):
    """Tells torchmetrics that what it gets are the features already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(
    features: np.ndarray, real: np.ndarray, resamples: int, draw: np.random.Generator
) -> Score:
    """The Fréchet distance of two clouds of features (Heusel et al. 2017, arXiv:1706.08500), from torchmetrics.

    It grows when there are fewer images, so compare only numbers from as many, and with the floor.

    Args:
        features: (N, F) float32.
        real: (M, F) float32.
        resamples: of `features`, for the interval.
        draw: the source of chance.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(_PassThrough(features.shape[1]), reset_real_features=False)
    metric.update(torch.from_numpy(real).double(), real=True)

    def distance(rows: np.ndarray) -> float:
        metric.reset()
        metric.update(torch.from_numpy(rows).double(), real=False)
        return metric.compute().item()

    n = len(features)
    return _plus_minus(
        distance(features), [distance(features[draw.integers(n, size=n)]) for _ in range(resamples)]
    )


def kernel_distance(
    features: np.ndarray, real: np.ndarray, resamples: int, draw: np.random.Generator, blocks: int = 20
) -> Score:
    """The kernel distance of two clouds of features (Bińkowski et al. 2018, arXiv:1801.01401), from torchmetrics.

    Unlike the Fréchet distance it does not grow when there are fewer images. Its mean over blocks is given, and the
    interval from resampling the blocks. Times 1000, as is the habit.

    Args:
        features: (N, F) float32.
        real: (M, F) float32.
        resamples: of the blocks, for the interval.
        draw: the source of chance.
        blocks: how many.
    """
    from torchmetrics.image.kid import poly_mmd

    block = min(max(len(features) // blocks, 2), len(real))
    fake, truth = (
        torch.from_numpy(features[draw.permutation(len(features))]).double(),
        torch.from_numpy(real).double(),
    )
    values = [
        1000 * poly_mmd(truth[draw.permutation(len(truth))[:block]], part).item()
        for part in fake.split(block)
        if len(part) == block
    ]
    return bootstrap(np.array(values), resamples, draw)


class _Inside(NamedTuple):
    """How many balls of real sprites each image lies in, (N,), and which balls hold an image, (M,) bool."""

    per_image: np.ndarray
    reached: np.ndarray


def _inside(features: np.ndarray, real: np.ndarray) -> _Inside:
    """Where images lie among as many real sprites, in feature space.

    Around each real sprite stands a ball that just holds its k nearest real neighbours. The mean number of balls that
    an image is in, over k, is the density, and the share of balls with an image the coverage, of Naeem et al. 2020
    (arXiv:2002.09797).
    """
    real = real[: len(features)]
    radii = torch.from_numpy(_nearest_rows(real, real, k=NEIGHBOURS + 1)[:, -1])  # each is nearest to itself
    per_image, reached = np.zeros(len(features)), np.zeros(len(real), bool)
    for start in range(0, len(features), CHUNK):
        part = torch.from_numpy(features[start : start + CHUNK])
        inside = torch.cdist(part, torch.from_numpy(real)) < radii
        per_image[start : start + CHUNK] = inside.sum(dim=1).numpy()
        reached |= inside.any(dim=0).numpy()
    return _Inside(per_image, reached)


CHUNK = 2000
"""Rows compared with all others at a time, which keeps memory flat."""


def _nearest_rows(points: np.ndarray, others: np.ndarray, k: int = 1) -> np.ndarray:
    """The k smallest distances of each point to the others, in rising order: (N, k) float32."""
    there = torch.from_numpy(others)
    parts = [
        torch.cdist(part, there).topk(k, largest=False).values
        for part in torch.from_numpy(points).split(CHUNK)
    ]
    return torch.cat(parts).numpy()


def nearest_sprites(images: np.ndarray, others: np.ndarray) -> Nearest:
    """Find for each image the nearest of another set, mirrored or not.

    Args:
        images: (N, 16, 16, 3) uint8.
        others: (M, 16, 16, 3) uint8.
    """
    found = [_nearest_sprites(images[i : i + CHUNK], others) for i in range(0, len(images), CHUNK)]
    return Nearest(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _nearest_sprites(images: np.ndarray, others: np.ndarray) -> Nearest:
    # |a - b|² = |a|² + |b|² - 2 a·b, so that nearly all the work is a product of matrices
    a = _flat(np.concatenate([images, images[:, :, ::-1]]))
    best, index = torch.full((len(a),), math.inf), torch.zeros(len(a), dtype=torch.int64)
    for start in range(0, len(others), CHUNK):
        b = _flat(others[start : start + CHUNK])
        squares, place = torch.addmm(b.square().sum(dim=1), a, b.T, alpha=-2).min(dim=1)
        closer = squares < best
        best[closer], index[closer] = squares[closer], place[closer] + start
    squares, side = (best + a.square().sum(dim=1)).clamp(min=0).reshape(2, -1).min(dim=0)
    rows = torch.arange(len(images)) + side * len(images)
    return Nearest((squares / a.shape[1]).sqrt().numpy(), index[rows].numpy(), side.numpy().astype(bool))


def _flat(images: np.ndarray) -> Tensor:
    """A row of numbers an image, 0 for white: small numbers keep float32 exact."""
    return torch.from_numpy(images.reshape(len(images), -1).astype(np.float32) - WHITE)


def flat_pixels(images: np.ndarray) -> np.ndarray:
    """Which pixels have a neighbour of the same colour, to 2 levels, above, below, left or right.

    Args:
        images: (N, H, W, 3) uint8.

    Returns:
        (N, H, W) bool.
    """
    values, flat = images.astype(np.int16), np.zeros(images.shape[:3], bool)
    down = np.abs(np.diff(values, axis=1)).max(axis=-1) <= FLAT
    right = np.abs(np.diff(values, axis=2)).max(axis=-1) <= FLAT
    flat[:, 1:] |= down
    flat[:, :-1] |= down
    flat[:, :, 1:] |= right
    flat[:, :, :-1] |= right
    return flat


def is_white(images: np.ndarray) -> np.ndarray:
    """Which pixels are white, to 2 levels: (N, H, W, 3) uint8 to (N, H, W) bool."""
    return images.min(axis=-1) >= WHITE - FLAT


def white_border(images: np.ndarray) -> np.ndarray:
    """The share of each image's outermost pixels that are white: (N, H, W, 3) uint8 to (N,) float64."""
    white = is_white(images)
    inner = white[:, 1:-1, 1:-1]
    outermost = white.shape[1] * white.shape[2] - inner.shape[1] * inner.shape[2]
    return (white.sum(axis=(1, 2)) - inner.sum(axis=(1, 2))) / outermost


def outline(images: np.ndarray) -> np.ndarray:
    """How closed each sprite's outline is: the share of dark pixels among those that touch the background.

    The background is all white that can be reached from the image's border, stepping up, down, left or right.

    Args:
        images: (N, H, W, 3) uint8.

    Returns:
        (N,) float64; 1 where every such pixel is dark, and for an image that is all background.
    """
    white = is_white(images)
    outside = np.ones_like(white)
    outside[:, 1:-1, 1:-1] = False
    outside &= white
    while True:
        grown = _spread(outside) & white
        if (grown == outside).all():
            break
        outside = grown
    rim = _spread(outside) & ~white
    dark = images.max(axis=-1) <= DARK
    count = rim.sum(axis=(1, 2))
    return np.where(count, (rim & dark).sum(axis=(1, 2)) / np.maximum(count, 1), 1.0)


def _spread(mask: np.ndarray) -> np.ndarray:
    """A mask and the neighbours of its pixels above, below, left and right."""
    wider = mask.copy()
    wider[:, 1:] |= mask[:, :-1]
    wider[:, :-1] |= mask[:, 1:]
    wider[:, :, 1:] |= mask[:, :, :-1]
    wider[:, :, :-1] |= mask[:, :, 1:]
    return wider


def pairs_seen(seen: Seen, classifier: SpriteClassifier, resamples: int, draw: np.random.Generator) -> Score:
    """The share of all pairs of variants, of two parts of one kind, that the classifier sees somewhere.

    A model that has learned single parts but not their combinations, or that has dropped some, sees fewer than real
    sprites do. Colours are left out.

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
    return _plus_minus(share(slice(None)), [share(draw.integers(n, size=n)) for _ in range(resamples)])
