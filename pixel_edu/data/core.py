"""What a dataset is, and the error for one that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pixel_edu.config import IMAGE_SIZE, UserError

IMAGES, LABELS, TABLE, JPEGS = "sprites.npy", "sprites_labels.npy", "labels.csv", Path("images/images")
SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)


class DataError(UserError, ValueError):
    """Data that cannot be used as it is."""


@dataclass(frozen=True)
class SpriteData:
    """Labelled sprites.

    Attributes:
        images: (N, S, S, C) uint8, RGB or RGBA, memory-mapped when read from a .npy file.
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
