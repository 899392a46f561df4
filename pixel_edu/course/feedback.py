"""What a check tells a reader: a sentence or two, and a picture if there is something to see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from pixel_edu.course.values import as_numbers


@dataclass(frozen=True)
class Feedback:
    """What `check` says. It is true if the answer passed.

    Attributes:
        exercise: its id.
        passed: whether the answer is right.
        message: what to tell the reader.
        picture: a figure that shows the difference, or None.
    """

    exercise: str
    passed: bool
    message: str
    picture: Any = None

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{self.exercise}: {'passed' if self.passed else 'not yet'}. {self.message}"

    def _repr_html_(self) -> str:
        mark, color = ("✓ passed", "#2f7d4f") if self.passed else ("✗ not yet", "#b3541e")
        words = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(self.message, quote=False))
        style = f"border-left:4px solid {color};padding:.3em .8em;margin:.3em 0"
        picture = self.picture._repr_html_() if self.picture else ""
        return f'<div role="status" style="{style}"><b>{self.exercise} {mark}.</b> {words}{picture}</div>'


def picture(given: Any, expected: Any) -> Any:
    """Draw the reader's values, the right ones and the difference, for sprites and curves; None for anything else."""
    if given is None or expected is None:
        return None
    try:
        g, e = as_numbers(given), as_numbers(expected)
    except (TypeError, ValueError):
        return None
    if g.shape != e.shape or not np.isfinite(g).all():
        return None
    if e.ndim == 4 and e.shape[1] == 3 and min(e.shape[2:]) >= 8:
        g, e = ((np.moveaxis(each, 1, -1) + 1) * 127.5 for each in (g, e))
    elif not (e.ndim == 4 and e.shape[-1] == 3 and min(e.shape[1:3]) >= 8):
        return _curves(g, e) if e.ndim == 1 and len(e) >= 8 else None
    from pixel_edu import figures

    rows = [g[:8], e[:8], 255 - np.abs(g - e)[:8]]
    tiles = np.concatenate(rows).round().clip(0, 255).astype(np.uint8)
    alt = "Three rows of images: yours, the right ones, and where they differ."
    return figures.sprites(tiles, alt, columns=len(rows[0]), row_captions=["yours", "right", "difference"])


def _curves(given: np.ndarray, expected: np.ndarray) -> Any:
    from pixel_edu import figures

    canvas, ax = figures.axes("index", "value", height=1.8)
    ax.plot(expected, label="right")
    ax.plot(given, "--", label="yours")
    ax.legend()
    return figures.plot(canvas, "Two curves: the right one, and yours, dashed.")
