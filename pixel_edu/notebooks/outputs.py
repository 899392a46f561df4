"""How exact a chapter's outputs are: declared by a tag of each cell, shown to the reader, and kept to by the tests.

A cell that shows something carries one of the tags in `KINDS`. A run is compared with what is stored as exactly as the
tag says: the words, the numbers, and sprites by their pixels. A plot is compared by its words, which is its alt text.
What nobody wants compared, such as a time, is taken out first (`PASSING`).
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
from typing import NamedTuple

import numpy as np
from nbformat import NotebookNode

from pixel_edu.images import PNG_URL

KINDS = {
    "exact": "the same on every machine",
    "rounded": "numbers to a thousandth or their last digit",
    "statistical": "numbers to a tenth or three of their last digit",
    "varies": "depends on the machine and its day",
}
"""The tags, and what each promises."""


class Tolerance(NamedTuple):
    """How far a run may be from what is stored.

    Attributes:
        share: of a number.
        digits: units of the last digit that is printed; a number may be off by this or by its share, whichever is more.
        zero: numbers up to this size are as good as 0.
        levels: mean difference of a picture's pixels, 0 to 255.
    """

    share: float
    digits: int
    zero: float
    levels: float


TOLERANCES = {"rounded": Tolerance(0.001, 1, 1e-4, 1), "statistical": Tolerance(0.1, 3, 1e-4, 5)}

PASSING = (
    (re.compile(r"\b\d[\d,]*(\.\d+)?\s?(ns|µs|us|ms|s|min|seconds|minutes)\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?\b"), "DATE"),
    (re.compile(r"\b0x([0-9a-f]{6,}|\.\.\.)"), "ADDRESS"),
    (re.compile(r"(?<![\w<])/[\w.+-]+(/[\w.+-]+)+"), "PATH"),
    (re.compile(r"\b\d+\.\d+\.\d+(\.?(dev|post|rc|a|b)\d+)?(\+[\w.]+)?"), "VERSION"),
)
"""What differs from run to run in any output, and what stands in its place."""
NUMBER = re.compile(r"(?<![\w.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?")
PICTURE = re.compile(rf"{re.escape(PNG_URL)}([A-Za-z0-9+/=]+)")


def declared(cell: NotebookNode) -> str | None:
    """The tag in `KINDS` that a cell carries, the first if there are several."""
    return next((tag for tag in cell.metadata.get("tags", []) if tag in KINDS), None)


def digest(notebook: NotebookNode) -> str:
    """A fingerprint of all code cells' sources: outputs belong to the sources that have the same."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


def said(outputs: list[NotebookNode]) -> str:
    """What outputs say in words: what was printed, and the plain text of what was shown, without stderr."""
    parts = [
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for output in outputs
        if output.get("name") != "stderr"
    ]
    return "\n".join(part.strip("\n") for part in parts if part)


def pictures(outputs: list[NotebookNode]) -> list[np.ndarray]:
    """The PNGs in what outputs show, each (H, W, 3) uint8."""
    from PIL import Image

    shown = [output.get("data", {}).get("text/html", "") for output in outputs]
    files = [base64.b64decode(found) for html in shown for found in PICTURE.findall(html)]
    return [np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]


def difference(kind: str, stored: list[NotebookNode], new: list[NotebookNode]) -> str | None:
    """How new outputs break what their cell's tag promises: half a sentence, or None where they keep it."""
    found = text_difference(kind, said(stored), said(new))
    if found or kind == "varies":
        return found
    old, now = pictures(stored), pictures(new)
    if [picture.shape for picture in old] != [picture.shape for picture in now]:
        return "the pictures have other sizes"
    limit = TOLERANCES[kind].levels if kind in TOLERANCES else 0
    for a, b in zip(old, now, strict=True):
        off = float(np.abs(a.astype(int) - b.astype(int)).mean())
        if off > limit:
            return f"pixels differ by {off:.2g} of 255 on average, and {limit:g} is allowed"
    return None


def text_difference(kind: str, stored: str, new: str) -> str | None:
    """As `difference`, of the words alone.

    >>> text_difference("rounded", "loss 0.7975", "loss 0.7976")
    >>> text_difference("rounded", "loss 0.7975", "loss 0.8175")
    '0.7975 became 0.8175'
    >>> text_difference("exact", "5 food", "5  items")
    '`5 food` became `5 items`'
    """
    if kind == "varies":
        return None
    stored, new = _plain(stored), _plain(new)
    if kind == "exact":
        return None if stored == new else _first_line_that_differs(stored, new)
    if _words(kind, stored) != _words(kind, new):
        return _first_line_that_differs(stored, new)
    for old, now in zip(NUMBER.findall(stored), NUMBER.findall(new), strict=True):
        if not _near(old, now, TOLERANCES[kind]):
            return f"{old} became {now}"
    return None


def _plain(text: str) -> str:
    """Without what passes, and with one space where there are several: columns are as wide as their numbers."""
    for pattern, name in PASSING:
        text = pattern.sub(name, text)
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def _words(kind: str, text: str) -> list[str]:
    """What stands between the numbers; of what is statistical without signs, such as a star beside a number."""
    between = NUMBER.split(text)
    return [re.sub(r"[^\w%]+", " ", part).strip() for part in between] if kind == "statistical" else between


def _near(old: str, now: str, tolerance: Tolerance) -> bool:
    a, b = (float(each.replace(",", "").replace("−", "-")) for each in (old, now))
    digits, _, exponent = old.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    allowed = max(tolerance.share * abs(a), tolerance.digits * unit, tolerance.zero)
    return abs(a - b) <= allowed or math.isclose(abs(a - b), allowed)


def _first_line_that_differs(stored: str, new: str) -> str:
    old, now = stored.splitlines(), new.splitlines()
    for a, b in zip(old, now, strict=False):
        if a != b:
            return f"`{a}` became `{b}`"
    return f"{len(old)} lines became {len(now)}"
