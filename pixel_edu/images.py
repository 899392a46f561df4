"""Images as numbers: bytes for files and eyes, floats in [-1, 1] for the model, and the key of a base sprite."""

from __future__ import annotations

import base64
import io
import os
from typing import TYPE_CHECKING

import numpy as np

from pixel_edu.files import replacing

if TYPE_CHECKING:  # torch takes seconds to import, and the data commands do not need it
    import torch

WHITE = 255
GREY = 160
"""Behind sprites with alpha where they are looked at: neither white nor dark ones vanish on it."""


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """Bytes to the model's range.

    Args:
        images: (N, H, W, C) uint8.

    Returns:
        (N, C, H, W) float32 in [-1, 1]: 0 becomes -1 and 255 becomes 1.

    >>> to_tensor(np.full((1, 16, 16, 3), 255, np.uint8)).unique()
    tensor([1.])
    """
    import torch

    return torch.from_numpy(np.moveaxis(images, -1, 1) / np.float32(127.5) - np.float32(1))


def to_uint8(x: torch.Tensor) -> np.ndarray:
    """The model's range to bytes, clamped and rounded; undoes `to_tensor` exactly.

    Args:
        x: (N, C, H, W) float, nominally in [-1, 1].

    Returns:
        (N, H, W, C) uint8.
    """
    return ((x.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def mirror_keys(images: np.ndarray) -> np.ndarray:
    """A key for each image that is equal for its copies and its left-right mirror, and different for all others.

    The key is the smaller of the two byte strings: the image's and its mirror's.

    Args:
        images: (N, H, W, C) uint8.

    Returns:
        (N,) fixed-width byte strings, H * W * C long.

    >>> image = np.arange(768, dtype=np.uint8).reshape(1, 16, 16, 3)
    >>> bool(mirror_keys(image)[0] == mirror_keys(image[:, :, ::-1])[0])
    True
    """
    here = _as_bytes(images)
    there = _as_bytes(images[:, :, ::-1])
    rows = np.arange(len(images))
    differ = here != there
    first = differ.argmax(axis=1)  # where the two strings first differ; 0 when they are equal
    keys = np.where((here[rows, first] <= there[rows, first])[:, None], here, there)
    return np.ascontiguousarray(keys).view(f"V{keys.shape[1]}").ravel()


def _as_bytes(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images).reshape(len(images), -1)


def count_colors(images: np.ndarray) -> np.ndarray:
    """The number of different colours in each image: (N, H, W, 3 or 4) uint8 to (N,) int64."""
    packed = images.astype(np.int64) @ 256 ** np.arange(images.shape[-1])
    ordered = np.sort(packed.reshape(len(images), -1), axis=1)
    return 1 + np.count_nonzero(np.diff(ordered, axis=1), axis=1)


def over(images: np.ndarray, background: int | np.ndarray = GREY) -> np.ndarray:
    """Lay images with alpha on a grey, or on another picture; those without stay as they are.

    Args:
        images: (..., 3 or 4) uint8, alpha not multiplied in.
        background: its level, 0 .. 255, or levels (..., 1 or 3).

    Returns:
        (..., 3) uint8.

    >>> over(np.array([255, 255, 255, 0], np.uint8), 7).tolist()
    [7, 7, 7]
    """
    if images.shape[-1] == 3:
        return images
    share = images[..., 3:] / np.float32(255)
    return np.rint(images[..., :3] * share + background * (1 - share)).astype(np.uint8)


def upscale(image: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge by repeating pixels (NEAREST): (..., H, W, C) to (..., factor * H, factor * W, C)."""
    return image.repeat(factor, axis=-3).repeat(factor, axis=-2)


def grid(images: np.ndarray, columns: int, gap: int = 1, background: int = 210) -> np.ndarray:
    """Lay images out in rows.

    Args:
        images: (N, H, W, 3 or 4) uint8.
        columns: images a row.
        gap: pixels between them.
        background: grey level of the gaps and of the places left over, 0 .. 255; beside images with alpha these are
            transparent instead.

    Returns:
        (rows * (H + gap) - gap, columns * (W + gap) - gap, 3 or 4) uint8.
    """
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    color = [WHITE, WHITE, WHITE, 0] if channels == 4 else background
    sheet = np.full((rows, height + gap, columns, width + gap, channels), color, np.uint8)
    for i, image in enumerate(images):
        sheet[i // columns, :height, i % columns, :width] = image
    sheet = sheet.reshape(rows * (height + gap), columns * (width + gap), channels)
    return sheet[: -gap or None, : -gap or None]


def on_checkerboard(images: np.ndarray, square: int = 4) -> np.ndarray:
    """Lay images with alpha on a board of two greys, so that what is transparent is seen, and white on it, too.

    Args:
        images: (..., H, W, 4) uint8; (..., H, W, 3) comes back as it is.
        square: pixels a side of a square.

    Returns:
        (..., H, W, 3) uint8.

    >>> on_checkerboard(np.zeros((2, 4, 4), np.uint8), square=2)[..., 0]
    array([[230, 230, 195, 195],
           [230, 230, 195, 195]], dtype=uint8)
    """
    rows, columns = np.indices(images.shape[-3:-1]) // square
    return over(images, np.where((rows + columns) % 2, 195, 230)[..., None])


def png_bytes(image: np.ndarray) -> bytes:
    """An (H, W, 3 or 4) uint8 image as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def indexed_png_bytes(image: np.ndarray) -> bytes:
    """An image as a PNG file with a palette, as pixel artists store theirs.

    Args:
        image: (H, W, 3 or 4) uint8; the opacity of each colour with alpha stands in the file's tRNS chunk.

    Raises:
        ValueError: it has more colours than the 256 that such a file can list.
    """
    from PIL import Image

    colors, index = indexed(image)
    if len(colors) > 256:
        raise ValueError(
            f"the image has {len(colors)} colours, but an indexed PNG lists at most 256: snap it first"
        )
    picture = Image.fromarray(index.astype(np.uint8), "P")
    picture.putpalette(np.ascontiguousarray(colors[:, :3]).tobytes())
    opacity = {"transparency": colors[:, 3].tobytes()} if image.shape[-1] == 4 else {}
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True, **opacity)
    return buffer.getvalue()


def indexed(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An image as its colours and their numbers.

    Args:
        image: (H, W, C) uint8.

    Returns:
        (P, C) uint8, the colours in order, the transparent ones first; (H, W) int64, the number of each pixel's colour.

    >>> colors, index = indexed(np.array([[[9, 9, 9, 255], [255, 255, 255, 0]]], np.uint8))
    >>> colors[:, 3].tolist(), index.tolist()
    ([0, 255], [[1, 0]])
    """
    weights = 256 ** np.arange(image.shape[-1])[::-1]
    if image.shape[-1] == 4:
        weights = np.roll(weights, -1)  # by opacity first
    numbers = image.reshape(-1, image.shape[-1]) @ weights  # each colour as one: rows take ten times as long
    found, index = np.unique(numbers, return_inverse=True)
    colors = (found[:, None] // weights % 256).astype(np.uint8)
    return colors, index.reshape(image.shape[:2])


PNG_URL = "data:image/png;base64,"
"""How an address begins that is a PNG file itself."""


def png_url(png: bytes) -> str:
    """A PNG file as an address, so that a page holds its pictures itself.

    >>> png_url(b"a file")
    'data:image/png;base64,YSBmaWxl'
    """
    return PNG_URL + base64.b64encode(png).decode()


def write_png(path: str | os.PathLike, image: np.ndarray, indexed: bool = False) -> None:
    """Write an (H, W, 3 or 4) uint8 image as a PNG file, whole or not at all; `indexed` as `indexed_png_bytes` does."""
    with replacing(path) as temporary:
        temporary.write_bytes(indexed_png_bytes(image) if indexed else png_bytes(image))
