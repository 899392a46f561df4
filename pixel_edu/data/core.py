"""What a dataset is, and the error for one that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pixel_edu.config import MAX_CLASSES, UserError

IMAGES, LABELS, TABLE, JPEGS = "sprites.npy", "sprites_labels.npy", "labels.csv", Path("images/images")
NAMES = "classes.txt"
"""Names the classes of the files above, one a line; without it they are the course's five."""


class DataError(UserError, ValueError):
    """Data that cannot be used as it is."""


@dataclass(frozen=True)
class SpriteData:
    """Labelled sprites.

    Attributes:
        images: (N, S, S, C) uint8, memory-mapped when read from a .npy file. S is a multiple of 4 in 8 .. 32.
            C is 3, RGB, or 4, RGB and alpha, if some picture has a pixel that is not opaque. Fully transparent
            pixels are white.
        labels: (N,) int64 in 0 .. K-1.
        classes: K names in label order.
        source: the folder they were read from.
        layout: "arrays", "jpegs" or "folders".
        notes: what you should know about the files, one sentence each.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    source: Path
    layout: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """The number of rows, N."""
        return len(self.labels)

    @property
    def size(self) -> int:
        """The edge of a sprite, S, in pixels."""
        return self.images.shape[1]

    @property
    def channels(self) -> int:
        """Those of a picture, C: 3 for colours, 4 for colours and alpha."""
        return self.images.shape[-1]


def read_names(folder: Path) -> tuple[str, ...] | None:
    """The names in a folder's classes.txt; None where there is no such file.

    Raises:
        DataError: it is not a list of different names, or too long.
    """
    path = folder / NAMES
    if not path.is_file():
        return None
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text: save it so, one name a line") from None
    if not names or "" in names or len(set(names)) < len(names):
        raise DataError(
            f"{path} has an empty line, or a name twice: write one name for each class, one a line"
        )
    check_count(len(names), path)
    return names


def check_count(classes: int, where: Path | str) -> None:
    """Refuse more classes than a model can know.

    Raises:
        DataError: there are more than 200.
    """
    if classes > MAX_CLASSES:
        raise DataError(
            f"{where} has {classes} classes, and a model knows up to {MAX_CLASSES}: join some of them"
        )
