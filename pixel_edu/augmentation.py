"""Augmentation: other views of the same sprites, so that a small set is not learned by heart.

Each function takes a batch and a generator, and changes every sprite by its own chance: the same for the same state of
the generator, on any machine. Only whole pixels are moved and whole channels exchanged, so no colour is blended.
"""

from __future__ import annotations

import numpy as np
import torch


def balanced_rows(labels: np.ndarray, count: int, generator: torch.Generator) -> np.ndarray:
    """Rows drawn with replacement, so that all classes come equally often, however many sprites each has.

    Args:
        labels: (N,) int64; classes without a sprite are not drawn.
        count: B, how many rows to draw.
        generator: the source of chance.

    Returns:
        (B,) int64 in 0 .. N-1.

    >>> rows = balanced_rows(np.array([0, 0, 0, 0, 0, 0, 7]), 1000, torch.Generator().manual_seed(0))
    >>> round(float((rows == 6).mean()), 1)
    0.5
    """
    order = np.argsort(labels, kind="stable")  # the rows of one class after those of another
    sizes = np.bincount(labels)
    sizes = sizes[sizes > 0]
    chosen = torch.randint(len(sizes), (count,), generator=generator).numpy()
    place = torch.rand(count, generator=generator, dtype=torch.float64).numpy() * sizes[chosen]
    return order[(np.cumsum(sizes) - sizes)[chosen] + place.astype(np.int64)]


def mirrored(images: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Every second sprite, by chance, as in a mirror: (B, H, W, C) uint8 to the same.

    >>> pair = np.arange(2, dtype=np.uint8).reshape(1, 1, 2, 1).repeat(100, axis=0)
    >>> np.unique(mirrored(pair, torch.Generator().manual_seed(0))[..., 0], axis=0).tolist()
    [[[0, 1]], [[1, 0]]]
    """
    turned = torch.randint(2, (len(images),), generator=generator).numpy().astype(bool)
    return np.where(turned[:, None, None, None], images[:, :, ::-1], images)


def shifted(images: np.ndarray, most: int, generator: torch.Generator) -> np.ndarray:
    """Every sprite moved up or down and left or right, as far as nothing but its background leaves the picture.

    The background is what has the colour of the upper left corner.

    Args:
        images: (B, H, W, C) uint8.
        most: pixels in each direction.
        generator: the source of chance.

    Returns:
        (B, H, W, C) uint8.

    >>> dot = np.zeros((1, 4, 4, 1), np.uint8)
    >>> dot[0, 1, 0] = 9  # at the left edge: it moves to the right at most
    >>> draws = (shifted(dot, 1, torch.Generator().manual_seed(seed)) for seed in range(40))
    >>> sorted({tuple(int(place) for place in np.argwhere(each[0, ..., 0])[0]) for each in draws})
    [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    """
    drawn = (images != images[:, :1, :1]).any(axis=3)  # (B, H, W)
    batch, height, width = drawn.shape
    down = _moves(drawn.any(axis=2), most, generator)
    right = _moves(drawn.any(axis=1), most, generator)
    # What leaves on one side is background, and comes in as such on the other.
    rows = (np.arange(height) - down[:, None]) % height
    columns = (np.arange(width) - right[:, None]) % width
    return images[np.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _moves(used: np.ndarray, most: int, generator: torch.Generator) -> np.ndarray:
    """For each of B sprites a move along an axis, (B,) int64, from the places that it uses, (B, L) bool."""
    before = np.where(used.any(axis=1), used.argmax(axis=1), 0)
    after = np.where(used.any(axis=1), used[:, ::-1].argmax(axis=1), 0)
    before, after = np.minimum(before, most), np.minimum(after, most)
    chance = torch.rand(len(used), generator=generator, dtype=torch.float64).numpy()
    return np.floor(chance * (before + after + 1)).astype(np.int64) - before


ORDERS = np.array([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
"""All orders of red, green and blue; the first changes nothing."""


def recolored(images: np.ndarray, share: float, generator: torch.Generator) -> np.ndarray:
    """Some sprites in other hues: their red, green and blue change places. Greys, white and alpha are as they were.

    Args:
        images: (B, H, W, 3 or 4) uint8.
        share: of sprites that are changed, 0 to 1.
        generator: the source of chance.

    Returns:
        (B, H, W, C) uint8.

    >>> red = np.array([255, 0, 0, 128], np.uint8).reshape(1, 1, 1, 4).repeat(100, axis=0)
    >>> seen = recolored(red, 1.0, torch.Generator().manual_seed(0))[:, 0, 0]
    >>> np.unique(seen, axis=0).tolist()
    [[0, 0, 255, 128], [0, 255, 0, 128], [255, 0, 0, 128]]
    """
    batch, channels = len(images), images.shape[3]
    changed = torch.rand(batch, generator=generator).numpy() < share
    which = torch.randint(1, len(ORDERS), (batch,), generator=generator).numpy() * changed
    order = np.broadcast_to(np.arange(channels), (batch, channels)).copy()
    order[:, :3] = ORDERS[which]
    return np.take_along_axis(images, order[:, None, None], axis=3)
