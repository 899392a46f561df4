"""Sprites as an Aseprite file: one layer, a frame for each sprite, and a tag for each frame that says its name.

The numbers are those of the "Aseprite File Format (.ase/.aseprite) Specifications",
https://github.com/aseprite/aseprite/blob/main/docs/ase-file-specs.md, which calls what a frame consists of its chunks:
a layer (0x2004), a cel (0x2005), which is the picture of a layer in a frame, tags (0x2018) and a palette (0x2019).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

from pixel_edu.images import indexed

MOST_FRAMES = 65_535
MOST_COLORS = 255
"""That a file can list; number 0 is the transparent one."""
MILLISECONDS = 100
"""For which a frame is shown when somebody plays them."""


def aseprite_bytes(sprites: np.ndarray, names: Sequence[str]) -> bytes:
    """Sprites as a file of Aseprite, indexed where they have at most 255 colours together, RGBA where they have more.

    Args:
        sprites: (N, H, W, 3 or 4) uint8.
        names: one for each sprite.

    Raises:
        ValueError: there are more sprites than a file has frames.
    """
    count, height, width, channels = sprites.shape
    if count > MOST_FRAMES:
        raise ValueError(f"an .aseprite file holds {MOST_FRAMES} sprites, not {count}: write several")
    if channels == 3:
        sprites = np.concatenate([sprites, np.full((*sprites.shape[:3], 1), 255, np.uint8)], axis=-1)
    found, index = indexed(sprites.reshape(count * height, width, 4))
    colors = found[found[:, 3] > 0]  # the transparent ones come first, and are all number 0
    few = len(colors) <= MOST_COLORS
    if few:
        shift = 1 + len(colors) - len(found)
        pixels = np.maximum(index + shift, 0).reshape(count, height, width, 1).astype(np.uint8)
    else:
        colors, pixels = colors[:MOST_COLORS], sprites
    listed = np.concatenate([np.zeros((1, 4), np.uint8), colors])
    first = [_palette(listed), _layer("sprites"), _tags(names)]
    frames = b"".join(_frame([*(first if i == 0 else ()), _cel(each)]) for i, each in enumerate(pixels))
    return _header(count, width, height, 8 if few else 32, len(listed), len(frames)) + frames


def _header(frames: int, width: int, height: int, depth: int, colors: int, length: int) -> bytes:
    opacity_is_valid, square = 1, (1, 1)
    known = struct.pack(
        "<IHHHHHIHIIB3xHBBhhHH",
        *(128 + length, 0xA5E0, frames, width, height, depth, opacity_is_valid, MILLISECONDS),
        *(0, 0, 0, colors, *square, 0, 0, width, height),
    )
    return known.ljust(128, b"\0")


def _frame(chunks: Sequence[bytes]) -> bytes:
    body = b"".join(chunks)
    return struct.pack("<IHHH2xI", 16 + len(body), 0xF1FA, len(chunks), MILLISECONDS, len(chunks)) + body


def _chunk(kind: int, body: bytes) -> bytes:
    return struct.pack("<IH", 6 + len(body), kind) + body


def _layer(name: str) -> bytes:
    visible_and_editable, opaque = 3, 255
    return _chunk(
        0x2004, struct.pack("<HHHHHHB3x", visible_and_editable, 0, 0, 0, 0, 0, opaque) + _text(name)
    )


def _cel(pixels: np.ndarray) -> bytes:
    opaque, compressed = 255, 2
    place = struct.pack("<HhhBHh5xHH", 0, 0, 0, opaque, compressed, 0, pixels.shape[1], pixels.shape[0])
    return _chunk(0x2005, place + zlib.compress(pixels.tobytes()))


def _palette(colors: np.ndarray) -> bytes:
    entries = b"".join(struct.pack("<H4B", 0, *color) for color in colors.tolist())
    return _chunk(0x2019, struct.pack("<III8x", len(colors), 0, len(colors) - 1) + entries)


def _tags(names: Sequence[str]) -> bytes:
    tags = b"".join(
        struct.pack("<HHBH6x3Bx", i, i, 0, 0, 0, 0, 0) + _text(name) for i, name in enumerate(names)
    )
    return _chunk(0x2018, struct.pack("<H8x", len(names)) + tags)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<H", len(raw)) + raw
