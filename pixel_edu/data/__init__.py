"""Labelled sprites on disk: the Kaggle arrays, its JPEGs with a CSV, or your own folders of pictures.

Every reader checks what it reads and raises `DataError`: one sentence that says what is wrong, where, and
what to do. Nothing is unpickled, and nothing is left half-written.

Modules of this room: `core` says what a dataset is, and `sizes` which pictures a network takes; `arrays`, `table`,
`pictures` and `folders` read; `slicing` cuts sheets into sprites; `writing` writes; `splitting` keeps the copies and
mirror images of a sprite in one part.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from pixel_edu.data.arrays import load_arrays
from pixel_edu.data.core import IMAGES, LABELS, TABLE, DataError, SpriteData
from pixel_edu.data.folders import load_folders
from pixel_edu.data.pictures import ENDINGS, find_jpegs, load_jpegs
from pixel_edu.data.sizes import IN_WORDS, SIZES
from pixel_edu.data.splitting import Split, base_ids, split
from pixel_edu.data.writing import write_kaggle

__all__ = ["DataError", "Split", "SpriteData", "base_ids", "load", "split", "write_kaggle"]


def load(
    path: str | PathLike,
    skip_bad: bool = False,
    undo_overflow: bool = False,
    track: Callable = iter,
    resize: int | None = None,
    frames: bool = False,
) -> SpriteData:
    """Read a folder of labelled sprites, in whichever of three layouts it has.

    1. `sprites.npy` + `sprites_labels.npy`: memory-mapped. Preferred if there are JPEGs, too.
    2. `images/images/image_<k>.JPEG` + `labels.csv`: file k, from 0, belongs to `Image Index` k + 1.
    3. `<class name>/*.png`, or another format that Pillow reads, or a folder of pictures without classes, which
       become one. Classes in the order in which people count, the course's five in its own order; folders within
       a class belong to it; what a system puts there (`__MACOSX`, `Thumbs.db`, hidden files) is ignored, and files
       of other kinds are counted in `SpriteData.notes`. Transparency is kept, EXIF ignored.

    In the first two, `classes.txt` names other classes than the course's, one a line.

    Args:
        path: the folder, or a download's root with the folder in it.
        skip_bad: skip unreadable pictures; `SpriteData.notes` names them.
        undo_overflow: turn (-x) mod 256, which the published JPEGs hold, back into x. Black becomes
            white: 0 and 255 were stored as 0 and 1, which JPEG cannot tell apart.
        track: wraps the list of pictures while they are read; `rich.progress.track` shows a bar.
        resize: pad the pictures to squares, and resize them with NEAREST to so many pixels a side: 8, 12, ..., 32.
            Otherwise all must have one of these sizes.
        frames: take each frame of an animation as a sprite. Otherwise an animation is refused.

    Raises:
        DataError: the data cannot be used as it is.

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_kaggle(folder, np.full((3, 16, 16, 3), 255, np.uint8), np.array([0, 4, 4]))
    ...     load(folder).labels.tolist()
    [0, 4, 4]
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(_not_a_folder(path))
    if resize is not None and resize not in SIZES:
        raise DataError(f"pictures cannot be resized to {resize} pixels for a network: choose {IN_WORDS}")
    try:
        folder = _find(path)
        if _holds(folder, IMAGES):
            return load_arrays(folder, resize)
        if _holds(folder, TABLE) or any(file.parent != folder for file in find_jpegs(folder).values()):
            return load_jpegs(folder, skip_bad, undo_overflow, track, resize)
        return load_folders(folder, skip_bad, track, resize, frames)
    except OSError as error:
        raise DataError(
            f"{error.filename or path} cannot be read ({error.strerror}): check its permissions"
        ) from None


def _not_a_folder(path: Path) -> str:
    if path.suffix.lower() in ENDINGS and path.is_file():
        return (
            f"{path} is a picture, not a folder: cut a sheet into sprites with pixel-edu data slice, or give the "
            "folder of your pictures"
        )
    return f"{path} is not a folder: give the path of a dataset's folder"


def _find(path: Path) -> Path:
    """The folder itself, or the one folder inside it (kagglehub nests them) that holds the Kaggle files."""
    if any(_holds(path, name) for name in (IMAGES, LABELS, TABLE)):
        return path
    inside = sorted({found.parent for pattern in ("*/", "*/*/") for found in path.glob(pattern + IMAGES)})
    if len(inside) > 1:
        raise DataError(
            f"{path} holds several datasets, {inside[0]} and {inside[1]} among them: give the path of one"
        )
    return inside[0] if inside else path


def _holds(folder: Path, name: str) -> bool:
    return (folder / name).exists()
