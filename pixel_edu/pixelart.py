"""What makes pixel art: flat colours, no stray pixels, symmetry, a white background, a closed outline."""

from __future__ import annotations

import numpy as np

from pixel_edu.images import WHITE

FLAT = 2
"""Levels, of 255, by which two pixels may differ and still count as the same flat colour."""

LIGHT = 240
"""The darkest channel, at least, of a background that is nearly white."""

DARK = 92
"""The brightest channel that an outline may have: the palette's outlines end at 90, give or take `FLAT`."""


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


def stray_pixels(images: np.ndarray) -> np.ndarray:
    """Which pixels have no neighbour of the same colour, to 2 levels, among the eight around them.

    Args:
        images: (N, H, W, C) uint8.

    Returns:
        (N, H, W) bool.
    """
    _, height, width, _ = images.shape
    values = images.astype(np.int16)
    around = np.pad(values, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1 - FLAT)
    stray = np.ones(images.shape[:3], bool)
    for y in range(3):
        for x in range(3):
            if (y, x) != (1, 1):
                beside = around[:, y : y + height, x : x + width]
                stray &= np.abs(values - beside).max(axis=-1) > FLAT
    return stray


def mirror_difference(images: np.ndarray) -> np.ndarray:
    """The share of each image's pixels that differ, by more than 2 levels, from those of its mirror image.

    Args:
        images: (N, H, W, C) uint8.

    Returns:
        (N,) float64; 0 for one that is its own mirror image.
    """
    values = images.astype(np.int16)
    return (np.abs(values - values[:, :, ::-1]).max(axis=-1) > FLAT).mean(axis=(1, 2))


def is_white(images: np.ndarray) -> np.ndarray:
    """Which pixels are white, to 2 levels: (N, H, W, 3) uint8 to (N, H, W) bool."""
    return images.min(axis=-1) >= WHITE - FLAT


def white_border(images: np.ndarray) -> np.ndarray:
    """The share of each image's outermost pixels that are white: (N, H, W, 3) uint8 to (N,) float64."""
    white = is_white(images)
    inner = white[:, 1:-1, 1:-1]
    outermost = white.shape[1] * white.shape[2] - inner.shape[1] * inner.shape[2]
    return (white.sum(axis=(1, 2)) - inner.sum(axis=(1, 2))) / outermost


def exact_background(images: np.ndarray) -> np.ndarray:
    """Whether the background is exactly white: most of the outermost pixels that are nearly white are.

    A few that are not may belong to a sprite that reaches the border.

    Args:
        images: (N, H, W, 3) uint8.

    Returns:
        (N,) bool; False where none of these pixels is nearly white.
    """
    border = _border(images.min(axis=-1))
    return 2 * (border == WHITE).sum(axis=1) > (border >= LIGHT).sum(axis=1)


def outline(images: np.ndarray) -> np.ndarray:
    """How closed each sprite's outline is: the share of dark pixels among those that touch the background.

    The background is all white that is `reached_from_border`.

    Args:
        images: (N, H, W, 3) uint8.

    Returns:
        (N,) float64; 1 where every such pixel is dark, and for an image that is all background.
    """
    white = is_white(images)
    outside = reached_from_border(white)
    rim = _spread(outside) & ~white
    dark = images.max(axis=-1) <= DARK
    count = rim.sum(axis=(1, 2))
    return np.where(count, (rim & dark).sum(axis=(1, 2)) / np.maximum(count, 1), 1.0)


def reached_from_border(mask: np.ndarray) -> np.ndarray:
    """The part of each mask that is reached from the image's border, stepping up, down, left or right within it.

    Args:
        mask: (N, H, W) bool.

    Returns:
        (N, H, W) bool.

    >>> ring = np.pad(np.zeros((1, 3, 3), bool), ((0, 0), (1, 1), (1, 1)), constant_values=True)
    >>> ring[:, 2, 2] = True  # a hole that the border does not reach
    >>> int(reached_from_border(ring).sum()), int(ring.sum())
    (16, 17)
    """
    outside = mask.copy()
    outside[:, 1:-1, 1:-1] = False
    while True:
        grown = _spread(outside) & mask
        if (grown == outside).all():
            return outside
        outside = grown


def cut_out(images: np.ndarray) -> np.ndarray:
    """Sprites without their background: the white that is reached from the border becomes transparent.

    White inside a sprite, which its outline keeps from the border, stays. Where most of the border is nearly white, as
    a small model may leave it, that shade counts as white.

    Args:
        images: (N, H, W, 3) uint8 on white; (N, H, W, 4), which have an alpha of their own, come back as they are.

    Returns:
        (N, H, W, 4) uint8: the colours, and as alpha 0 for the background and 255 for the rest. Transparent pixels
        are pure white.

    >>> sprite = np.full((1, 4, 4, 3), 255, np.uint8)
    >>> sprite[0, 1:3, 1:3] = 0
    >>> cut_out(sprite)[0, :, :, 3].tolist()
    [[0, 0, 0, 0], [0, 255, 255, 0], [0, 255, 255, 0], [0, 0, 0, 0]]
    """
    if images.shape[-1] == 4:
        return images
    outside = reached_from_border(images.min(axis=-1) >= _background(images)[:, None, None])
    alpha = np.where(outside, 0, 255).astype(np.uint8)
    return np.concatenate(
        [np.where(outside[..., None], WHITE, images).astype(np.uint8), alpha[..., None]], -1
    )


def _background(images: np.ndarray) -> np.ndarray:
    """The darkest channel that the background of each sprite may have: (N, H, W, 3) uint8 to (N,) int64."""
    lightness = images.min(axis=-1).astype(np.int64)
    border = np.sort(_border(lightness), axis=1)
    most = border[:, border.shape[1] // 2]
    return np.where((most >= LIGHT) & (most < WHITE - FLAT), most, WHITE) - FLAT


def _border(values: np.ndarray) -> np.ndarray:
    """The outermost pixels of each image: (N, H, W) to (N, 2 H + 2 W - 4)."""
    return np.concatenate((values[:, 0], values[:, -1], values[:, 1:-1, 0], values[:, 1:-1, -1]), axis=1)


def _spread(mask: np.ndarray) -> np.ndarray:
    """A mask and the neighbours of its pixels above, below, left and right."""
    wider = mask.copy()
    wider[:, 1:] |= mask[:, :-1]
    wider[:, :-1] |= mask[:, 1:]
    wider[:, :, 1:] |= mask[:, :, :-1]
    wider[:, :, :-1] |= mask[:, :, 1:]
    return wider
