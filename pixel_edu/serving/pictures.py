"""Finished sprites in the forms that people and programs want."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixel_edu import images
from pixel_edu.formats import picture_bytes
from pixel_edu.palette import MOST
from pixel_edu.serving.orders import Sprite

COLUMNS = 10


def sheet(sprites: np.ndarray, scale: int) -> bytes:
    """One picture to look at: (N, S, S, C) uint8 to a PNG, ten sprites a row with gaps, enlarged by NEAREST."""
    together = images.grid(sprites, min(len(sprites), COLUMNS))
    return images.png_bytes(images.upscale(together, scale))


def alone(sprite: np.ndarray, scale: int) -> bytes:
    """A sprite by itself, as `pixel-edu sample` writes it: (S, S, C) uint8 to a PNG, enlarged by NEAREST."""
    return picture_bytes(images.upscale(sprite, scale), ".png")


def indexed_sheet(sprites: np.ndarray) -> bytes:
    """One picture for a game: (N, S, S, C) uint8 to an indexed PNG at true size, ten sprites a row without gaps.

    Raises:
        ValueError: they have more than 256 colours together, which only sprites without a common palette can.
    """
    together = images.grid(sprites, min(len(sprites), COLUMNS), gap=0, background=images.WHITE)
    if images.count_colors(together[None])[0] > MOST:
        raise ValueError(f"together these sprites have more than {MOST} colours: ask for fewer, or for json")
    return images.indexed_png_bytes(together)


def each(sprites: np.ndarray, classes: Sequence[str], seeds: Sequence[int]) -> list[Sprite]:
    """Every sprite by itself: its class, its picture, its palette, and its pixels as places in that palette."""
    return [_one(*sprite) for sprite in zip(sprites, classes, seeds, strict=True)]


def _one(sprite: np.ndarray, name: str, seed: int) -> Sprite:
    colors, index = images.indexed(sprite)
    return Sprite(  # pyright: ignore[reportCallIssue] pydantic takes the field's name beside its alias
        class_=name,  # pyright: ignore[reportCallIssue]
        seed=seed,
        png=images.png_url(images.indexed_png_bytes(sprite)),
        palette=[_css(color) for color in colors],
        pixels=index.tolist(),
    )


def _css(color: np.ndarray) -> str:
    """A colour as style sheets write it; how opaque it is stands there only where it is not wholly so."""
    opaque = len(color) == 4 and color[3] == 255
    return f"#{color[: 3 if opaque else None].tobytes().hex()}"


def data_addresses(drawn: np.ndarray) -> list[str]:
    """A PNG at true size for each picture, as a data address: (N, S, S, C) uint8 to N strings."""
    return [images.png_url(images.png_bytes(each)) for each in drawn]
