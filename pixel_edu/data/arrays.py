"""Read sprites.npy and sprites_labels.npy, the preferred layout."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from pixel_edu.config import CLASSES
from pixel_edu.data.core import IMAGES, LABELS, SHAPE, DataError, SpriteData

HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def load_arrays(folder: Path) -> SpriteData:
    """Read the two arrays, the images memory-mapped, and check that they belong together."""
    images, labels = map_array(folder / IMAGES), read_labels(folder / LABELS)
    if images.shape[1:] != SHAPE or images.dtype != np.uint8:
        raise DataError(
            f"{folder / IMAGES} holds {images.dtype} {images.shape}, expected uint8 (N, 16, 16, 3): "
            "save it in that form"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{folder / LABELS} has {len(labels)} rows but {IMAGES} has {len(images)}: "
            "take both from one download"
        )
    return SpriteData(images, labels, CLASSES, folder, "arrays")


def read_labels(path: Path) -> np.ndarray:
    """Class numbers (N,) int64 from one-hot rows (N, 5), or from class numbers (N,)."""
    array = map_array(path)
    if array.dtype.kind not in "buif":
        raise DataError(
            f"{path} holds {array.dtype}, expected numbers: save one-hot rows (N, {len(CLASSES)})"
        )
    if array.shape[1:] not in ((), (len(CLASSES),)):
        raise DataError(f"{path} has the shape {array.shape}: reshape it to one-hot rows (N, {len(CLASSES)})")
    if (row := _first(~np.isfinite(array))) is not None:
        raise DataError(
            f"{path} has NaN or infinity in row {row}: fix that label, or download the file again"
        )
    return _from_one_hot(array, path) if array.ndim == 2 else _from_numbers(array, path)


def _from_one_hot(array: np.ndarray, path: Path) -> np.ndarray:
    bad = ((array != 0) & (array != 1)).any(axis=1) | (array.sum(axis=1) != 1)
    if (row := _first(bad)) is not None:
        raise DataError(
            f"{path} is not one-hot in row {row}, {array[row].tolist()}: write a single 1 and zeros"
        )
    return array.argmax(axis=1).astype(np.int64)


def _from_numbers(array: np.ndarray, path: Path) -> np.ndarray:
    row = _first((array < 0) | (array >= len(CLASSES)) | (array != np.floor(array)))
    if row is not None:
        raise DataError(
            f"{path} has the class {array[row]} in row {row}: classes run from 0 to {len(CLASSES) - 1}"
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
