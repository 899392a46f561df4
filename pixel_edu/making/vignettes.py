"""A small picture for each chapter, for its card on the landing page: three sprites' room, in true pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pixel_edu import sprites

WIDTH = 48
INK = (122, 62, 168)
"""The book's colour, in the middle between what stands out on white and on black."""
OTHERS = (201, 96, 150), (70, 140, 190)
SLIME, WIZARD, STRAWBERRY, SWORD, HERO = (1, 25), (0, 15), (2, 16), (3, 22), (4, 23)
"""(label, seed) of sprites."""


def draw(films: np.ndarray, cut_out: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A row for each of the twelve chapters: (192, 48, 4) uint8.

    Args:
        films: (2, F, 16, 16, 3) uint8, two sprites that come out of noise, the noisiest frame first.
        cut_out: makes the white around a sprite transparent, (16, 16, 3) to (16, 16, 4).
    """
    mean = sprites.make(2000, seed=0).images.mean(axis=0)
    slime, wizard, sword = _one(SLIME), _one(WIZARD), _one(SWORD)
    last = films.shape[1] - 1
    mid = last * 3 // 4
    rows = [
        _three(cut_out(wizard), cut_out(_one(STRAWBERRY)), cut_out(sword)),  # 1: the data
        _three(*films[0, [last, mid, 0]]),  # 2: a slime goes
        _three(films[1, 0], mean, wizard),  # 3: the best guess at pure noise is the mean
        _three(*(_coarse(wizard, side) for side in (1, 2, 4))),  # 4: the network's three resolutions
        _curves([INK]),  # 5: a loss that falls
        _three(*(mean + scale * (_one(HERO) - mean) for scale in (0.3, 1, 1.8))),  # 6: away from no label
        _three(*films[1, [0, mid, last]]),  # 7: three steps
        _three(cut_out(slime), _swatches(slime)),  # 8: its colours
        _three(
            cut_out(sword), cut_out(sword[:, ::-1]), cut_out(_one((3, 20)))
        ),  # 9: the same, mirrored, and another
        _curves([INK, *OTHERS]),  # 10: runs, compared
        _window([wizard, slime, sword]),  # 11: a page that draws
        _three(*(cut_out(_one((3, 27))) for _ in range(3))),  # 12: to be carried elsewhere
    ]
    return np.concatenate(rows)


def _one(key: tuple[int, int]) -> np.ndarray:
    label, seed = key
    return sprites.draw(label, np.array([seed]))[0]


def _three(*tiles: np.ndarray) -> np.ndarray:
    """Up to three tiles (16, 16, 3 or 4) side by side, on nothing: (16, 48, 4) uint8."""
    row = np.zeros((16, WIDTH, 4), np.uint8)
    for i, tile in enumerate(tiles):
        place = row[:, 16 * i : 16 * i + 16]
        place[..., 3] = 255
        place[..., : tile.shape[-1]] = np.clip(tile, 0, 255).round()
    return row


def _coarse(image: np.ndarray, side: int) -> np.ndarray:
    """The means of blocks of this side, each as large as its block."""
    blocks = image.reshape(16 // side, side, 16 // side, side, 3).mean(axis=(1, 3))
    return blocks.repeat(side, axis=0).repeat(side, axis=1)


def _swatches(image: np.ndarray) -> np.ndarray:
    """The colours of a sprite, the most frequent first, as squares of 4 x 4 pixels with room between them."""
    colors, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    tile = np.zeros((16, 16, 4), np.uint8)
    for i, color in enumerate(colors[np.argsort(-counts)][:9]):
        y, x = 1 + 5 * (i // 3), 1 + 5 * (i % 3)
        tile[y : y + 4, x : x + 4] = (*color, 255)
    return tile


def _curves(colors: list[tuple[int, int, int]]) -> np.ndarray:
    """Curves that fall, each less far than the one before it."""
    row = np.zeros((16, WIDTH, 4), np.uint8)
    x = np.arange(WIDTH)
    for i, color in reversed(list(enumerate(colors))):
        y = 14 - 3 * i - (13 - 3 * i) * np.exp(-x / (6 + 2 * i))
        for column, height in enumerate(y.round().astype(int)):
            row[height : height + 2, column] = (*color, 255)
    return row


def _window(tiles: list[np.ndarray]) -> np.ndarray:
    """A frame with a bar at its top, and sprites of half the size in it."""
    row = np.zeros((16, WIDTH, 4), np.uint8)
    row[:] = 255
    row[:4] = row[-1:] = row[:, :1] = row[:, -1:] = (*INK, 255)
    row[1:3, 2:4] = row[1:3, 5:7] = 255
    for i, tile in enumerate(tiles):
        row[6:14, 5 + 15 * i : 13 + 15 * i, :3] = _coarse(tile, 2)[::2, ::2]
    return row
