"""Read pictures in folders: the JPEGs of the Kaggle layout, or your own <class name>/<picture>."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pixel_edu.config import CLASSES, IMAGE_SIZE
from pixel_edu.data.core import JPEGS, SHAPE, TABLE, DataError, SpriteData
from pixel_edu.data.table import read_table

PICTURES = {".png", ".gif", ".bmp", ".webp", ".jpg", ".jpeg"}
FORMATS = ("PNG", "GIF", "BMP", "WEBP", "JPEG")
LARGEST = 4096
"""Pixels a side. A larger picture is not a sprite, and a small file can unpack into gigabytes."""


def find_jpegs(folder: Path) -> dict[int, Path]:
    """The files image_<k>.JPEG of the Kaggle layout, by k in ascending order."""
    for place in (folder / JPEGS, folder / "images", folder):
        files = place.iterdir() if place.is_dir() else ()
        found = {
            int(m[1]): file for file in files if (m := re.fullmatch(r"(?i)image_(\d+)\.jpe?g", file.name))
        }
        if found:
            return dict(sorted(found.items()))
    return {}


def load_jpegs(folder: Path, skip_bad: bool, undo_overflow: bool, track: Callable) -> SpriteData:
    """Read image_<k>.JPEG with the label of `Image Index` k + 1 (k, in a table that counts from 0)."""
    if not (folder / TABLE).is_file():
        raise DataError(f"{folder} holds JPEGs but no {TABLE}: put the {TABLE} of the download there")
    index, labels, _ = read_table(folder / TABLE)
    files = find_jpegs(folder)
    if not files:
        raise DataError(
            f"{folder} holds no image_<k>.JPEG next to {TABLE}: put the images of the download there"
        )
    first = min(1, int(index.min()))  # a table that counts from 0 is understood, too
    label_of = dict(zip((index - first).tolist(), labels.tolist(), strict=True))
    lost = next((k for k in files if k not in label_of), None)
    if lost is not None:
        raise DataError(f"{files[lost]} has no row in {folder / TABLE}: add its Image Index, {lost + first}")
    images, kept, notes = read_pictures(list(files.values()), skip_bad, track)
    labels = np.array([label_of[k] for k in files], np.int64)[kept]
    if overflowed(images):
        notes += ("the JPEGs look like (-x) mod 256: use sprites.npy, or load with undo_overflow",)
        images = restored(images) if undo_overflow else images
    return SpriteData(images, labels, CLASSES, folder, "jpegs", notes)


def load_folders(folder: Path, skip_bad: bool, track: Callable) -> SpriteData:
    """Read <class name>/<picture>; files of other kinds are ignored."""
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not names:
        raise DataError(
            f"{folder} holds no sprites: give a folder with {TABLE}, sprites.npy or a folder for each class"
        )
    classes = CLASSES if set(names) == set(CLASSES) else tuple(names)
    files, labels = [], []
    for label, name in enumerate(classes):
        found = sorted(
            p for p in (folder / name).iterdir() if p.suffix.lower() in PICTURES and p.name[0] != "."
        )
        if not found:
            raise DataError(f"{folder / name} holds no pictures: add some, or remove that folder")
        files += found
        labels += [label] * len(found)
    images, kept, notes = read_pictures(files, skip_bad, track)
    return SpriteData(images, np.array(labels, np.int64)[kept], classes, folder, "folders", notes)


def read_pictures(
    files: list[Path], skip_bad: bool = False, track: Callable = iter
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read files as sprites.

    Returns:
        images (M, 16, 16, 3) uint8; their positions in files, (M,) int64; a note for each skipped file.

    Raises:
        DataError: a picture cannot be read and skip_bad is False, or none can be read.
    """
    images, kept, notes = np.empty((len(files), *SHAPE), np.uint8), [], []
    for i, file in enumerate(track(files)):
        try:
            images[len(kept)] = read_picture(file)
            kept.append(i)
        except DataError as error:
            if not skip_bad:
                all_of_them = "pixel-edu data check FOLDER --skip-bad lists all such pictures"
                raise DataError(f"{error}, or take it out of the folder ({all_of_them})") from None
            notes.append(f"skipped: {error}")
    if not kept:
        raise DataError(
            f"none of the {len(files)} pictures can be read (the first is {files[0]}): check the folder"
        )
    return images[: len(kept)], np.array(kept, np.int64), tuple(notes)


def read_picture(path: Path) -> np.ndarray:
    """One picture as a sprite, (16, 16, 3) uint8: on white, padded to a square, NEAREST, EXIF ignored."""
    from PIL import Image

    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path} is not a file: replace it")
    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as picture:
            # Pillow warns of large sizes, which are checked here, and of odd metadata
            warnings.simplefilter("ignore")
            if max(picture.size) > LARGEST:
                raise DataError(
                    f"{path} has {picture.width} x {picture.height} pixels: resize it to at most {LARGEST} a side"
                )
            if (frames := getattr(picture, "n_frames", 1)) > 1:
                raise DataError(f"{path} is an animation of {frames} frames: save one of them as a picture")
            return np.asarray(
                _square(_on_white(picture)).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.NEAREST)
            )
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(f"{path} is far too large: resize it to at most {LARGEST} pixels a side") from None
    except Exception:  # Pillow raises many kinds for a damaged file
        raise DataError(f"{path} cannot be read as a picture: replace it") from None


def _on_white(picture):
    """A Pillow picture of any mode as RGB on white."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey: keep the upper byte
        return Image.fromarray((np.asarray(picture) // 256).astype(np.uint8)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def _square(picture):
    """An RGB picture centred on a white square."""
    from PIL import Image

    side = max(picture.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def overflowed(images: np.ndarray) -> bool:
    """Whether these look like sprites stored as (-x) mod 256: white, 255, became 1, so corners are black."""
    return bool(np.median(images[:, :: IMAGE_SIZE - 1, :: IMAGE_SIZE - 1]) <= 8)


def restored(images: np.ndarray) -> np.ndarray:
    """Turn (-x) mod 256 back into x; a stored 0, which JPEG made of black or white, becomes 255."""
    return (256 - np.arange(256)).clip(0, 255).astype(np.uint8)[images]
