"""Write a dataset in the layout of the Kaggle dataset, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from pixel_edu.config import CLASSES
from pixel_edu.data.core import IMAGES, JPEGS, LABELS, NAMES, TABLE, DataError, check_count
from pixel_edu.data.sizes import IN_WORDS, takes
from pixel_edu.files import check_writable, replacing_folder

OURS = re.compile(rf"{IMAGES}|{LABELS}|{TABLE}|{NAMES}|image_\d+\.JPEG")


def write_kaggle(
    folder: str | Path,
    images: np.ndarray,
    labels: np.ndarray,
    jpegs: int = 0,
    copies: int = 1,
    mirrored: bool = False,
    overflow: bool = False,
    force: bool = False,
    track: Callable = iter,
    classes: Sequence[str] = CLASSES,
) -> Path:
    """Write sprites.npy, sprites_labels.npy, labels.csv and, on request, JPEGs, as in the Kaggle dataset.

    The rows are the images, then their mirror images if asked for, and copies of all of these. labels.csv has the
    quirks of the published one: `Image Index` counts from 1, `Image Path` leads nowhere, `Label` is text. Names of
    classes other than the course's go to classes.txt.

    Args:
        folder: to create; nothing is left of it if anything goes wrong.
        images: (N, S, S, 3) uint8, or with alpha (N, S, S, 4); S is 8, 12, ... or 32.
        labels: (N,) integers in 0 .. K-1.
        jpegs: how many of the first rows to write as images/images/image_<k>.JPEG, too, k from 0.
        copies: how often the rows are repeated.
        mirrored: add the left-right mirror images.
        overflow: store (-x) mod 256 in the JPEGs, as the published ones do.
        force: replace an existing dataset; a folder that holds anything else is never replaced.
        track: wraps the numbers of the JPEGs while they are written; `rich.progress.track` shows a bar.
        classes: K different names in label order.

    Returns:
        The folder.

    Raises:
        DataError: the images or labels have the wrong form, or the folder exists and is not empty.
        UserError: the folder holds something else than a dataset, or cannot be written.
    """
    folder, images, labels = Path(folder), np.asarray(images), np.asarray(labels)
    _check(images, labels, jpegs, copies, classes)
    blocks = [images, images[:, :, ::-1]] if mirrored else [images]
    rows, one_hot = np.tile(labels, len(blocks)), np.eye(len(classes))
    total = copies * len(rows)
    check_free(folder, force)
    with replacing_folder(folder, OURS if force else None) as new:
        _write_array(new / IMAGES, (total, *images.shape[1:]), np.uint8, blocks * copies)
        _write_array(new / LABELS, (total, len(classes)), np.float64, [one_hot[rows]] * copies)
        _write_table(new / TABLE, np.tile(rows, copies), one_hot)
        if tuple(classes) != CLASSES:
            (new / NAMES).write_text("\n".join(classes) + "\n", encoding="utf-8")
        if jpegs:
            _write_jpegs(new / JPEGS, blocks, range(min(jpegs, total)), overflow, track)
    return folder


def check_free(folder: str | Path, force: bool = False) -> None:
    """Refuse a folder that `write_kaggle` would refuse.

    Raises:
        DataError: the folder is not empty, and what it holds is not to be replaced.
        UserError: the folder cannot be written.
    """
    check_writable(folder, folder=True)
    if not force and Path(folder).is_dir() and any(Path(folder).iterdir()):
        raise DataError(
            f"{folder} is already there and not empty: choose another folder, or replace it with --force"
        )


def _check(images: np.ndarray, labels: np.ndarray, jpegs: int, copies: int, classes: Sequence[str]) -> None:
    if images.ndim != 4 or images.shape[3] not in (3, 4) or images.dtype != np.uint8 or not len(images):
        raise DataError(f"the images are {images.dtype} {images.shape}: pass uint8 (N, 16, 16, 3)")
    if not takes(images.shape[2], images.shape[1]):
        raise DataError(f"the images are {images.shape[2]}x{images.shape[1]}: pass squares of {IN_WORDS}")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise DataError(f"the labels are {labels.dtype} {labels.shape}: pass {len(images)} integers")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"the labels run from {labels.min()} to {labels.max()}: pass 0 to {len(classes) - 1}")
    if len(set(classes)) < len(classes) or any(not name.strip() or "\n" in name for name in classes):
        raise DataError(
            f"the classes are {', '.join(classes)}: pass a name of its own, of one line, for each"
        )
    check_count(len(classes), "the dataset")
    if copies < 1 or jpegs < 0:
        raise DataError(f"{copies} copies and {jpegs} JPEGs are too few: ask for at least 1 copy and 0 JPEGs")
    if jpegs and images.shape[3] == 4:
        raise DataError("the images have transparent pixels, which JPEG cannot store: ask for 0 JPEGs")


def _write_array(path: Path, shape: tuple[int, ...], dtype: type, blocks: list[np.ndarray]) -> None:
    """Write blocks of rows one after another, so that the whole array is never in memory."""
    with open(path, "wb") as file:
        descr = npy.dtype_to_descr(np.dtype(dtype))
        npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)


def _write_table(path: Path, labels: np.ndarray, one_hot: np.ndarray) -> None:
    texts = ["[" + " ".join(f"{v:.0f}." for v in row) + "]" for row in one_hot]
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.write("Image Index,Image Path,Label\n")
        file.writelines(f"{i},path/to/image_{i}.jpg,{texts[c]}\n" for i, c in enumerate(labels.tolist(), 1))


def _write_jpegs(
    folder: Path, blocks: list[np.ndarray], rows: range, overflow: bool, track: Callable
) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    for k in track(rows):
        copy, row = divmod(k, len(blocks[0]))
        image = blocks[copy % len(blocks)][row]
        stored = np.negative(image) if overflow else image  # uint8 wraps around: (-x) mod 256
        Image.fromarray(np.ascontiguousarray(stored)).save(folder / f"image_{k}.JPEG", quality=95)
