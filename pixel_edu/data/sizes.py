"""Which sizes of pictures a network takes, and how a picture of another size becomes one of them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pixel_edu.config import MAX_SIZE, MIN_SIZE, SIZE_STEP

SIZES = tuple(range(MIN_SIZE, MAX_SIZE + 1, SIZE_STEP))
"""Pixels a side: 8, 12, ..., 32."""
IN_WORDS = f"{', '.join(map(str, SIZES[:-1]))} or {SIZES[-1]} pixels a side"
NAMED = 4
"""This many sizes are named in a message; the others are counted."""

Sizes = Counter[tuple[int, int]]
"""How many pictures have a size: (width, height)."""


def takes(width: int, height: int) -> bool:
    """Whether a network draws pictures of this size.

    >>> takes(24, 24), takes(16, 24), takes(18, 18)
    (True, False, False)
    """
    return width == height and width in SIZES


def refusal(sizes: Sizes) -> str | None:
    """What is wrong with pictures of these sizes, and what to do about it; None if they are alike and can be learned.

    >>> print(refusal(Counter({(24, 24): 70, (17, 30): 2})))
    has pictures of several sizes, 24x24 (70) and 17x30 (2): ask for one with --resize 24, or cut sheets with ...
    """
    cut = "or cut sheets with pixel-edu data slice"
    side = nearest(max(sizes.most_common(1)[0][0]))
    if len(sizes) > 1:
        return f"has pictures of several sizes, {_listed(sizes)}: ask for one with --resize {side}, {cut}"
    if not takes(*next(iter(sizes))):
        found = f"has pictures of {_listed(sizes)}, and a network takes squares of {IN_WORDS}"
        return f"{found}: ask for one of these with --resize {side}, {cut}"
    return None


def _listed(sizes: Sizes) -> str:
    common = sizes.most_common(NAMED)
    words = [f"{width}x{height} ({count:,})" for (width, height), count in common]
    if more := len(sizes) - len(common):
        words.append(f"{more} other{'s' * (more > 1)}")
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def nearest(side: int) -> int:
    """The size that keeps most of pictures so large: the same, the largest that divides it, or the nearest.

    >>> nearest(24), nearest(48), nearest(17)
    (24, 24, 16)
    """
    dividing = [size for size in SIZES if side % size == 0]
    return max(dividing) if dividing else min(SIZES, key=lambda size: abs(size - side))


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Pictures padded to squares and resized with NEAREST: (..., H, W, C) uint8 to (..., size, size, C) uint8.

    What is added is white, and transparent where a picture has transparent pixels.

    >>> resized(np.zeros((2, 4, 3), np.uint8), 4)[..., 0]
    array([[255, 255, 255, 255],
           [  0,   0,   0,   0],
           [  0,   0,   0,   0],
           [255, 255, 255, 255]], dtype=uint8)
    """
    square = padded(images, max(images.shape[-3:-1]))
    nearest = ((np.arange(size) + 0.5) * square.shape[-2] / size).astype(int)
    return square[..., nearest[:, None], nearest, :]


def padded(images: np.ndarray, side: int) -> np.ndarray:
    """Pictures in the middle of white, or transparent, squares: (..., H, W, C) uint8 to (..., side, side, C) uint8."""
    *many, height, width, channels = images.shape
    if height == width == side:
        return images
    square = np.full((*many, side, side, channels), 255, np.uint8)
    if channels == 4 and (images[..., 3] < 255).any():
        square[..., 3] = 0
    top, left = (side - height) // 2, (side - width) // 2
    square[..., top : top + height, left : left + width, :] = images
    return square


def with_white_under_alpha(images: np.ndarray) -> np.ndarray:
    """Pictures whose fully transparent pixels are white, and without alpha if all of them are opaque.

    Args:
        images: (..., H, W, 3 or 4) uint8.

    Returns:
        (..., H, W, 3 or 4) uint8: what the eye cannot see is the same in all of them.

    >>> with_white_under_alpha(np.array([[[9, 9, 9, 0], [9, 9, 9, 255]]], np.uint8)).tolist()
    [[[255, 255, 255, 0], [9, 9, 9, 255]]]
    """
    if images.shape[-1] == 3:
        return images
    if (images[..., 3] == 255).all():
        return images[..., :3]
    return np.where(images[..., 3:] == 0, np.array([255, 255, 255, 0], np.uint8), images)
