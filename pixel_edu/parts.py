"""What only the program of the procedural sprites can ask: is each part in one ramp, are the two eyes alike?

Which part a pixel belongs to is known of a sprite that the program drew. Of another it follows from what the classifier
sees in it: a part map is that of the sprite which the program would have drawn with these parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixel_edu import sprites
from pixel_edu.classifier import Head, Seen
from pixel_edu.config import IMAGE_SIZE
from pixel_edu.sprites.engine import SHADES
from pixel_edu.sprites.palette import RAMPS
from pixel_edu.sprites.people import EYES


def seen_factors(seen: Seen, heads: Sequence[Head]) -> dict[str, np.ndarray]:
    """The parts that a classifier sees, in words, as `sprites.factors` has those that a sprite was drawn from.

    Args:
        seen: in N images.
        heads: the classifier's; the second names the kind.

    Returns:
        For "kind" and each factor (N,) strings; "" where nobody asked.
    """
    kinds = np.array(heads[1].words, object)[seen.answers[:, 1]]
    words = {"kind": kinds}
    for i, head in enumerate(heads[2:], start=2):
        kind, _, factor = head.name.partition(".")
        column = words.setdefault(factor, np.full(len(kinds), "", object))
        rows = kinds == kind
        column[rows] = np.array(head.words, object)[seen.answers[rows, i]]
    return words


def seen_parts(seen: Seen, heads: Sequence[Head]) -> np.ndarray:
    """The part map of each image, by what a classifier sees in it: (N, 16, 16) int64, as `sprites.part_maps`."""
    words = seen_factors(seen, heads)
    maps = np.zeros((len(seen.labels), IMAGE_SIZE, IMAGE_SIZE), np.int64)
    for label in np.unique(seen.labels):
        rows = seen.labels == label
        maps[rows] = sprites.part_maps(int(label), {name: column[rows] for name, column in words.items()})
    return maps


def off_ramp(colors: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """The share of a sprite's pixels that are not of the ramp that most pixels of their part are of.

    Pixels of no part do not count.

    Args:
        colors: (N, 16, 16) int64, positions in `sprites.colors()`.
        maps: (N, 16, 16) int64, as `sprites.part_maps`: the part that each pixel belongs to, or 0.

    Returns:
        (N,) float64; 0 for a sprite without parts.

    >>> label, seeds = 2, np.arange(100)
    >>> maps = sprites.part_maps(label, sprites.factors(label, seeds))
    >>> colors = (sprites.draw(label, seeds)[..., None, :] == sprites.colors()).all(axis=-1).argmax(axis=-1)
    >>> float(off_ramp(colors, maps).max())
    0.0
    """
    shape = len(maps), int(maps.max()) + 1, len(RAMPS)
    sprite = np.broadcast_to(np.arange(len(maps))[:, None, None], maps.shape)
    cells = np.ravel_multi_index((sprite, maps, colors // SHADES), shape)
    counts = np.bincount(cells.ravel(), minlength=int(np.prod(shape))).reshape(shape)[:, 1:]
    inside, off = counts.sum(axis=(1, 2)), (counts.sum(axis=2) - counts.max(axis=2)).sum(axis=1)
    return off / np.maximum(inside, 1)


INK = list(RAMPS).index("ink") * SHADES


def equal_eyes(colors: np.ndarray) -> np.ndarray:
    """Whether heroes seen from the front have two eyes alike: the ink, where eyes are drawn, is its own mirror image.

    Args:
        colors: (N, 16, 16) int64, positions in `sprites.colors()`.

    Returns:
        (N,) bool; False where there is no ink.
    """
    where = EYES.codes.any(axis=0).reshape(IMAGE_SIZE, IMAGE_SIZE)
    ink = (colors == INK) & where
    return (ink == ink[:, :, ::-1]).all(axis=(1, 2)) & ink.any(axis=(1, 2))
