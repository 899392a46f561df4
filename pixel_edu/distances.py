"""Distances between sets of images, with intervals: Fréchet, kernel, density and coverage, nearest sprites."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixel_edu.images import WHITE


class Score(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def bootstrap(values: np.ndarray, resamples: int, draw: np.random.Generator) -> Score:
    """The mean, with the 95 % interval of the means of resampled values (Efron's percentile bootstrap).

    A share of exactly 0 or 1 gets an interval of no width: from n sprites without a single case it only follows that
    the true share is likely below 3 / n.

    Args:
        values: (N,) numbers or booleans.
        resamples: how many times to draw N of them, with replacement.
        draw: the source of chance.
    """
    values = np.asarray(values, np.float64)
    n = len(values)
    means = [values[draw.integers(n, size=n)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, (0.025, 0.975))
    return Score(float(values.mean()), float(low), float(high))


def plus_minus(value: float, resampled: Sequence[float]) -> Score:
    """The interval of a statistic that resampling shifts, as it does a distance: its spread, around the value."""
    half = 1.96 * float(np.std(resampled))
    return Score(value, value - half, value + half)


def frechet_distance(
    features: np.ndarray, real: np.ndarray, resamples: int, draw: np.random.Generator
) -> Score:
    """The Fréchet distance of two clouds of features (Heusel et al. 2017, arXiv:1706.08500).

    It grows when there are fewer images, so compare only numbers from as many, and with the floor.

    Args:
        features: (N, F) float32.
        real: (M, F) float32.
        resamples: of `features`, for the interval.
        draw: the source of chance.
    """
    rows, distance = features.astype(np.float64), _frechet_to(real.astype(np.float64))
    n = len(rows)
    return plus_minus(distance(rows), [distance(rows[draw.integers(n, size=n)]) for _ in range(resamples)])


def _frechet_to(real: np.ndarray) -> Callable[[np.ndarray], float]:
    """The distance of any cloud to one cloud, whose root is taken once: what is left is ten times as fast.

    The formula asks for the trace of (C R)^(1/2), with R the covariance of `real`. The symmetric R^(1/2) C R^(1/2) has
    the same eigenvalues as C R, and those of a symmetric matrix are cheap, real and never far below 0.
    """
    mean, covariance = real.mean(axis=0), np.atleast_2d(np.cov(real, rowvar=False))
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T

    def distance(rows: np.ndarray) -> float:
        own = np.atleast_2d(np.cov(rows, rowvar=False))
        roots = np.sqrt(np.linalg.eigvalsh(root @ own @ root).clip(min=0)).sum()
        apart = np.square(rows.mean(axis=0) - mean).sum()
        return float(apart + own.trace() + covariance.trace() - 2 * roots)

    return distance


def kernel_distance(
    features: np.ndarray, real: np.ndarray, resamples: int, draw: np.random.Generator, blocks: int = 20
) -> Score:
    """The kernel distance of two clouds of features (Bińkowski et al. 2018, arXiv:1801.01401), from torchmetrics.

    Unlike the Fréchet distance it does not grow when there are fewer images. The value is its mean over blocks, and the
    interval comes from resampling the blocks. Both are multiplied by 1000, as is customary.

    Args:
        features: (N, F) float32.
        real: (M, F) float32.
        resamples: of the blocks, for the interval.
        draw: the source of chance.
        blocks: how many.
    """
    # Undocumented: torchmetrics' own class draws its subsets from a global generator: no interval could be repeated.
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


NEIGHBOURS = 5


class Inside(NamedTuple):
    """How many balls of real sprites each image lies in, (N,), and which balls hold an image, (M,) bool."""

    per_image: np.ndarray
    reached: np.ndarray


def inside(features: np.ndarray, real: np.ndarray) -> Inside:
    """Where images lie among as many real sprites, in feature space.

    Around each real sprite stands a ball that just holds its k nearest real neighbours. The mean number of balls that
    an image is in, over k, is the density, and the share of balls with an image the coverage, of Naeem et al. 2020
    (arXiv:2002.09797).
    """
    real = real[: len(features)]
    radii = torch.from_numpy(nearest_rows(real, real, k=NEIGHBOURS + 1)[:, -1])  # each is nearest to itself
    per_image, reached = np.zeros(len(features)), np.zeros(len(real), bool)
    for start in range(0, len(features), CHUNK):
        part = torch.from_numpy(features[start : start + CHUNK])
        inside = torch.cdist(part, torch.from_numpy(real)) < radii
        per_image[start : start + CHUNK] = inside.sum(dim=1).numpy()
        reached |= inside.any(dim=0).numpy()
    return Inside(per_image, reached)


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


NEAR = 12.0
"""Root mean square difference, in levels of 255, below which a sprite counts as a near copy of another."""


CHUNK = 2000
"""Rows compared with all others at a time, which keeps memory flat."""


def nearest_rows(points: np.ndarray, others: np.ndarray, k: int = 1) -> np.ndarray:
    """The k smallest distances of each point to the others, in rising order: (N, k) float32."""
    there = torch.from_numpy(others)
    parts = [
        torch.cdist(part, there).topk(k, largest=False).values
        for part in torch.from_numpy(points).split(CHUNK)
    ]
    return torch.cat(parts).numpy()


def nearest_sprites(images: np.ndarray, others: np.ndarray) -> Nearest:
    """Find for each image the nearest of another set, mirrored or not; alpha counts as a fourth colour.

    Args:
        images: (N, H, W, C) uint8.
        others: (M, H, W, C) uint8.
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
    """A row of numbers an image, 0 for white or transparent white: small numbers keep float32 exact."""
    background = np.array([WHITE, WHITE, WHITE, 0][: images.shape[-1]], np.float32)
    return torch.from_numpy((images - background).reshape(len(images), -1))
