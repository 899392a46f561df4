"""Procedural sprites as a text small enough to travel in a widget's state."""

from __future__ import annotations

import base64

import numpy as np

from pixel_edu.config import CLASSES
from pixel_edu.images import grid, indexed_png_bytes
from pixel_edu.sprites import draw


def sheet(each: int) -> str:
    """The first sprites of every class: a PNG file in base64, without gaps, a class in each row.

    Args:
        each: sprites of a class, whose seeds are 0, 1 and so on.

    >>> len(sheet(8)) < 8000
    True
    """
    rows = np.concatenate([draw(label, np.arange(each)) for label in range(len(CLASSES))])
    return base64.b64encode(indexed_png_bytes(grid(rows, each, gap=0))).decode()
