"""What widgets show on the book's pages before a script makes them live, computed once and stored.

Some pictures take calls of the model, and the cells that judge a formula hold what the exercises' checks compare. Both
need PyTorch, and building the book does not: it reads `book/generated/widgets.json`.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from pixel_edu.images import PNG_URL

DIRECTIVE = re.compile(r"^```\{pixel-widget\} (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A widget's place in a page in Markdown: its class, and its traits as JSON."""
PNG = re.compile(rf"{re.escape(PNG_URL)}([A-Za-z0-9+/=]+)")
RAW = re.compile(r"[A-Za-z0-9+/]{1024}")
"""A sprite of 16x16 pixels, three bytes each, in base64."""
CLOSE = 1e-3
"""Relative difference at which two numbers count as the same: platforms round differently."""


def stored(book: Path) -> str:
    """The text of `widgets.json`: each place's widget, its given traits, its whole state, and its picture.

    Args:
        book: the book's folder, whose pages name widgets; the exercises of one line have a place each as well.
    """
    from pixel_edu import widgets
    from pixel_edu.widgets.formula import STARTS

    named = [
        found
        for page in sorted(book.glob("*.md"))
        for found in DIRECTIVE.findall(page.read_text(encoding="utf-8"))
    ]
    asked = [(name, json.loads(traits or "{}")) for name, traits in named]
    asked += [("FormulaCell", {"exercise": exercise}) for exercise in STARTS]
    places = []
    for name, traits in asked:
        widget = getattr(widgets, name)(**traits)
        told = {"state": widget.settings(), "picture": widget.picture()}
        places.append({"widget": name, "traits": traits} | told)
    return json.dumps(places, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def alike(stored: Any, made: Any) -> bool:
    """Whether two values from JSON say the same: numbers nearly, pictures to one grey level on average.

    >>> alike({"a": [1.0, "b"]}, {"a": [1.0001, "b"]})
    True
    >>> alike({"a": 1}, {"a": 2})
    False
    """
    if isinstance(stored, dict) and isinstance(made, dict):
        return stored.keys() == made.keys() and all(alike(stored[key], made[key]) for key in stored)
    if isinstance(stored, list) and isinstance(made, list):
        return len(stored) == len(made) and all(map(alike, stored, made))
    if isinstance(stored, float) and isinstance(made, float):
        return math.isclose(stored, made, rel_tol=CLOSE, abs_tol=CLOSE)
    if isinstance(stored, str) and isinstance(made, str):
        return stored == made or _alike_in_pixels(stored, made)
    return stored == made


def _alike_in_pixels(stored: str, made: str) -> bool:
    if RAW.fullmatch(stored) and RAW.fullmatch(made):
        return _near(*(np.frombuffer(base64.b64decode(text), np.uint8) for text in (stored, made)))
    if PNG.sub("", stored) != PNG.sub("", made):
        return False
    return all(
        _near(_pixels(one), _pixels(other))
        for one, other in zip(PNG.findall(stored), PNG.findall(made), strict=True)
    )


def _pixels(png: str) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return np.asarray(image.convert("RGBA"))


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(int) - other).mean()) <= 1
