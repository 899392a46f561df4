"""Read sprites.npy and sprites_labels.npy, the preferred layout."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from pixel_edu.config import CLASSES, class_names
from pixel_edu.data.core import IMAGES, LABELS, NAMES, DataError, SpriteData, check_count, read_names
from pixel_edu.data.sizes import refusal, resized, with_white_under_alpha

HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
UNNAMED = f"the classes have no names: write them to {NAMES}, one a line"


def load_arrays(folder: Path, resize: int | None = None) -> SpriteData:
    """Read the two arrays, the images memory-mapped, and check that they belong together."""
    images, names = read_images(folder / IMAGES, resize), read_names(folder)
    labels, count = read_labels(folder / LABELS, len(names) if names else None)
    if len(images) != len(labels):
        raise DataError(
            f"{folder / LABELS} has {len(labels)} rows but {IMAGES} has {len(images)}: "
            "take both from one download"
        )
    unnamed = (UNNAMED,) if not names and count != len(CLASSES) else ()
    return SpriteData(images, labels, names or class_names(count), folder, "arrays", unnamed)


def read_images(path: Path, resize: int | None = None) -> np.ndarray:
    """The images (N, S, S, 3 or 4) uint8, memory-mapped unless they had to be changed."""
    array = map_array(path)
    if array.ndim != 4 or array.shape[3] not in (3, 4) or array.dtype != np.uint8:
        raise DataError(
            f"{path} holds {array.dtype} {array.shape}, expected uint8 (N, S, S, 3) or (N, S, S, 4), "
            "such as (1000, 16, 16, 3): save it in that form"
        )
    images = resized(array, resize) if resize else array
    if wrong := refusal(Counter({(images.shape[2], images.shape[1]): len(images)})):
        raise DataError(f"{path} {wrong}")
    return with_white_under_alpha(images)


def read_labels(path: Path, classes: int | None = None) -> tuple[np.ndarray, int]:
    """Labels from one-hot rows (N, K), or from class numbers (N,).

    Args:
        path: of the file.
        classes: the number of classes, where it is known; otherwise it is K, and 5 for class numbers.

    Returns:
        class numbers (N,) int64; the number of classes.
    """
    array = map_array(path)
    expected = classes or "K"
    if array.dtype.kind not in "buif":
        raise DataError(f"{path} holds {array.dtype}, expected numbers: save one-hot rows (N, {expected})")
    if array.ndim not in (1, 2) or (array.ndim == 2 and classes not in (None, array.shape[1])):
        raise DataError(f"{path} has the shape {array.shape}: reshape it to one-hot rows (N, {expected})")
    if (row := _first(~np.isfinite(array))) is not None:
        raise DataError(
            f"{path} has NaN or infinity in row {row}: fix that label, or download the file again"
        )
    if array.ndim == 2:
        check_count(array.shape[1], path)
        return _from_one_hot(array, path), array.shape[1]
    return _from_numbers(array, path, classes or len(CLASSES)), classes or len(CLASSES)


def _from_one_hot(array: np.ndarray, path: Path) -> np.ndarray:
    bad = ((array != 0) & (array != 1)).any(axis=1) | (array.sum(axis=1) != 1)
    if (row := _first(bad)) is not None:
        raise DataError(
            f"{path} is not one-hot in row {row}, {array[row].tolist()}: write a single 1 and zeros"
        )
    return array.argmax(axis=1).astype(np.int64)


def _from_numbers(array: np.ndarray, path: Path, classes: int) -> np.ndarray:
    row = _first((array < 0) | (array >= classes) | (array != np.floor(array)))
    if row is not None:
        raise DataError(
            f"{path} has the class {array[row]} in row {row}: classes run from 0 to {classes - 1}, "
            f"unless {NAMES} names others, one a line"
        )
    return array.astype(np.int64)


def _first(bad: np.ndarray) -> int | None:
    """The first row in which anything is True."""
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    return int(rows[0]) if len(rows) else None


def map_array(path: Path) -> np.ndarray:
    """Memory-map a .npy file read-only, after checking that it needs no unpickling and that no bytes are missing."""
    shape, fortran, dtype, start, size = _read_header(path)
    if dtype.hasobject:
        raise _pickled(path)
    needed = math.prod(shape) * dtype.itemsize
    if not shape or needed <= 0:
        raise DataError(f"{path} holds no rows: save at least one sprite in it")
    if size < needed:
        raise DataError(f"{path} is cut short, {size:,} bytes of {needed:,}: download or copy it again")
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def _read_header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype, int, int]:
    """Shape, Fortran order and dtype; where the numbers start; how many bytes of them there are."""
    if not path.is_file():
        raise DataError(
            f"{path} is missing: {IMAGES} and {LABELS} belong together, so take both from one download"
        )
    with open(path, "rb") as file:
        if file.read(1) == b"\x80":  # a pickle begins so
            raise _pickled(path)
        file.seek(0)
        try:
            header = HEADER_READERS[npy.read_magic(file)](file)
        except Exception:  # numpy reads the header as a Python literal, and a damaged one fails in many ways
            raise DataError(
                f"{path} is not a .npy file: save it with numpy.save, or download it again"
            ) from None
        start = file.tell()
        return *header, start, file.seek(0, os.SEEK_END) - start


def _pickled(path: Path) -> DataError:
    return DataError(f"{path} holds pickled Python objects, which are never loaded: save it as a plain array")
