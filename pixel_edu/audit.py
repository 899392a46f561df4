"""Is this dataset what it says it is? Numbers, and every trap that is known to hide in this one, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pixel_edu import data
from pixel_edu.config import CLASSES
from pixel_edu.data.core import TABLE
from pixel_edu.data.pictures import find_jpegs, overflowed, read_pictures
from pixel_edu.data.table import read_table
from pixel_edu.images import count_colors

MEND = {
    "repeated-rows": "split by base sprite (pixel_edu.data.split), and count epochs in base sprites",
    "mirrored-rows": "keep a sprite and its mirror on one side of a split; random flips add nothing new",
    "twin-base-sprites": "group rows by content (pixel_edu.data.base_ids), not by row number",
    "few-base-sprites": "ask of every good sample whether it is new: look at its nearest training sprite",
    "two-labels": "look at them, and keep one label for each",
    "empty-class": "add some, or leave the class out",
    "unbalanced-classes": "draw classes with equal chance or weigh them, and report quality by class",
    "unnamed-classes": "class 4 is the people of class 0 from the side, not fighters or player classes",
    "soft-class": "judge palettes class by class",
    "marked-corner": "expect a model to learn it, or paint it over",
    "background-not-white": "do not take == 255 for the background",
    "csv-text-labels": "pick out the numbers, as pixel_edu.data.load does",
    "csv-counts-from-one": "image k belongs to Image Index k + 1, as pixel_edu.data.load knows",
    "csv-dummy-paths": "ignore that column, as pixel_edu.data.load does",
    "csv-disagrees": "trust neither file before you know which is right; download both again",
    "jpeg-noise": "use sprites.npy to split: here a sprite can be in training and its mirror in validation",
    "overflowed-jpegs": "use sprites.npy, or load with undo_overflow, which cannot bring back black",
}
"""What to do about each trap that `check` knows."""
FEW, CLEAN_COLORS, UNBALANCED = 2000, 32, 2
"""Fewer base sprites than this are few; hand-drawn pixel art seldom has more colours; most rows to fewest."""
RARE, OFTEN = 0.01, 0.1
"""Shares of rows or sprites below which a repeat is chance, and above which a flaw belongs to the class."""
JPEGS_LOOKED_AT = 64


@dataclass(frozen=True)
class Trap:
    """Something that gives wrong results if it is not known.

    Attributes:
        name: one of `MEND`, to be named with `--accept`.
        says: what was found, with its numbers.
        wrong: False where `data.load` takes care of it or only the reader needs to know; then it is a note.
    """

    name: str
    says: str
    wrong: bool = True

    @property
    def mend(self) -> str:
        """What to do about it."""
        return MEND[self.name]


@dataclass(frozen=True)
class ClassReport:
    """One class: its rows, its base sprites, and colours a base sprite (least, median, most)."""

    name: str
    rows: int
    base_sprites: int
    colors: tuple[int, float, int]


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        source, layout: where, and in which of the three layouts.
        rows: N.
        distinct: different images.
        base_sprites: different images when a mirrored one counts as the same.
        mirrored_pairs: base sprites that are there both ways round.
        classes: one report a class, in label order.
        traps: what would mislead you, what is wrong first.
        notes: what the reader saw.
    """

    source: str
    layout: str
    rows: int
    distinct: int
    base_sprites: int
    mirrored_pairs: int
    classes: tuple[ClassReport, ...]
    traps: tuple[Trap, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict:
        """The report as plain dicts and lists, for JSON."""
        return asdict(self) | {"traps": [asdict(trap) | {"mend": trap.mend} for trap in self.traps]}


@dataclass(frozen=True)
class _Bases:
    """Base sprites: `group` (N,) names each row's; images, labels, colors are those of their first rows."""

    group: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    colors: np.ndarray
    pairs: int

    def __len__(self) -> int:
        return len(self.labels)


def check(path: str | Path, skip_bad: bool = False, track: Callable = iter) -> Report:
    """Read a dataset and look for what could mislead whoever trains on it.

    Args:
        path: a folder in any layout that `data.load` reads.
        skip_bad: leave out pictures that cannot be read.
        track: wraps the list of pictures while they are read.

    Raises:
        DataError: it cannot be read at all.
    """
    sprites = data.load(path, skip_bad, track=track)
    bases = _find_bases(sprites)
    classes = _describe_classes(sprites, bases)
    traps = [
        *_repeats(sprites, bases),
        *_labels(sprites, bases, classes),
        *_pixels(bases, classes),
        *_table(sprites),
        *_jpegs(sprites),
    ]
    return Report(
        source=str(sprites.source),
        layout=sprites.layout,
        rows=len(sprites),
        distinct=len(bases) + bases.pairs,
        base_sprites=len(bases),
        mirrored_pairs=bases.pairs,
        classes=classes,
        traps=tuple(sorted(traps, key=lambda trap: not trap.wrong)),
        notes=sprites.notes,
    )


def _find_bases(sprites: data.SpriteData) -> _Bases:
    ids = data.base_ids(sprites.images)
    _, first, group = np.unique(ids, return_index=True, return_inverse=True)
    both_ways = np.zeros((2, len(first)), bool)
    both_ways[_differs_from(sprites.images, first[group]).astype(int), group] = True
    images = sprites.images[first]
    colors = np.concatenate([count_colors(images[i : i + 4096]) for i in range(0, len(images), 4096)])
    return _Bases(group, images, sprites.labels[first], colors, int(both_ways.all(axis=0).sum()))


def _differs_from(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Whether row i differs from row reference[i]: (N,) bool, a piece at a time to keep memory flat."""
    pieces = []
    for start in range(0, len(images), 4096):
        rows = slice(start, start + 4096)
        other = images[reference[rows]]
        pieces.append((images[rows] != other).reshape(len(other), -1).any(axis=1))
    return np.concatenate(pieces)


def _describe_classes(sprites: data.SpriteData, bases: _Bases) -> tuple[ClassReport, ...]:
    reports = []
    for c, name in enumerate(sprites.classes):
        colors = bases.colors[bases.labels == c]
        spread = (
            (int(colors.min()), float(np.median(colors)), int(colors.max())) if len(colors) else (0, 0.0, 0)
        )
        reports.append(ClassReport(name, int((sprites.labels == c).sum()), len(colors), spread))
    return tuple(reports)


def _repeats(sprites: data.SpriteData, bases: _Bases) -> Iterator[Trap]:
    rows, distinct = len(sprites), len(bases) + bases.pairs
    if distinct < rows:
        says = f"{rows:,} rows hold {distinct:,} distinct images: {1 - distinct / rows:.2%} are repeats"
        yield Trap("repeated-rows", says, wrong=1 - distinct / rows > RARE)
    if bases.pairs:
        says = f"{bases.pairs:,} of {len(bases):,} base sprites are there mirrored left to right as well"
        yield Trap("mirrored-rows", says, wrong=bases.pairs / len(bases) > RARE)
    if len(bases) < FEW:
        says = f"only {len(bases):,} base sprites are behind {rows:,} rows: a model can learn them by heart"
        yield Trap("few-base-sprites", says, wrong=False)
    period = _period(bases.group)
    if twins := period - len(np.unique(bases.group[:period])):
        a, b = _first_twins(bases.group[:period])
        says = f"rows come again every {period}, but {twins} of those {period} repeat another (row {a} = {b})"
        yield Trap("twin-base-sprites", says)


def _period(group: np.ndarray) -> int:
    """The number of rows after which the base sprites come again in the same order, or 0."""
    for start in np.flatnonzero(group == group[0])[1:]:
        if len(group) % start == 0 and np.array_equal(group[start:], group[:-start]):
            return int(start)
    return 0


def _first_twins(group: np.ndarray) -> tuple[int, int]:
    """Two rows of one base sprite."""
    order = np.argsort(group, kind="stable")
    i = np.flatnonzero(np.diff(group[order]) == 0)[0]
    return int(order[i]), int(order[i + 1])


def _labels(sprites: data.SpriteData, bases: _Bases, classes: tuple[ClassReport, ...]) -> Iterator[Trap]:
    torn = np.unique(bases.group[sprites.labels != bases.labels[bases.group]])
    if len(torn):
        yield Trap("two-labels", f"{len(torn):,} base sprites stand under two labels")
    most, least = max(classes, key=lambda c: c.rows), min(classes, key=lambda c: c.rows)
    if not least.rows:
        empty = ", ".join(c.name for c in classes if not c.rows)
        yield Trap("empty-class", f"there is no row of {empty}")
    elif most.rows >= UNBALANCED * least.rows:
        says = f"{most.name} has {most.rows / least.rows:.1f} times as many rows as {least.name}"
        yield Trap("unbalanced-classes", says)
    if sprites.layout != "folders":
        says = f"the files hold class numbers only, taken for {', '.join(CLASSES)}"
        yield Trap("unnamed-classes", says, wrong=False)


def _pixels(bases: _Bases, classes: tuple[ClassReport, ...]) -> Iterator[Trap]:
    soft = [f"{c.name} has {c.colors[1]:.0f}" for c in classes if c.colors[1] > CLEAN_COLORS]
    if soft:
        yield Trap("soft-class", f"{', '.join(soft)} colours in a typical sprite: not clean pixel art")
    if shares := _shares(_marked_corner(bases.images), bases, classes):
        yield Trap(
            "marked-corner", f"{shares} have one dark pixel alone in a corner, like a watermark's edge"
        )
    corners = bases.images[:, [0, 0, -1, -1], [0, -1, 0, -1]].reshape(len(bases), -1).astype(int)
    near_white = ((corners != 255) & (corners >= 240)).sum(axis=1) > corners.shape[1] / 2
    if shares := _shares(near_white, bases, classes):
        yield Trap("background-not-white", f"{shares} have a background near white, but not white")


def _shares(flawed: np.ndarray, bases: _Bases, classes: tuple[ClassReport, ...]) -> str:
    """The classes that often have a flaw, in words; "" when none has. `flawed` is (base sprites,) bool."""
    shares = {c.name: flawed[bases.labels == i].mean() for i, c in enumerate(classes) if c.base_sprites}
    return ", ".join(f"{share:.0%} of {name}" for name, share in shares.items() if share > OFTEN)


def _marked_corner(images: np.ndarray) -> np.ndarray:
    """Whether a corner pixel is darker than its three neighbours, which are nearly white: (N,) bool."""
    marked = np.zeros(len(images), bool)
    for view in (images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]):
        corner = view[:, :2, :2].reshape(len(view), 4, 3).min(axis=-1).astype(int)
        around = corner[:, 1:].min(axis=1)
        marked |= (around >= 224) & (around - corner[:, 0] > 16)
    return marked


def _table(sprites: data.SpriteData) -> Iterator[Trap]:
    """What labels.csv would do to whoever joins it by its first column."""
    if not (sprites.source / TABLE).is_file() or sprites.layout == "folders":
        return
    index, labels, paths = read_table(sprites.source / TABLE)
    yield Trap("csv-text-labels", "Label is text, [1. 0. 0. 0. 0.], that json cannot read", wrong=False)
    if not any((sprites.source / path).is_file() for path in (paths[0], paths[-1])):
        yield Trap("csv-dummy-paths", f"Image Path names files that are not there ({paths[0]})", wrong=False)
    in_order = labels[np.argsort(index)]
    if sprites.layout == "arrays" and not np.array_equal(in_order, sprites.labels):
        count = min(len(in_order), len(sprites))
        wrong = np.count_nonzero(in_order[:count] != sprites.labels[:count])
        says = f"{TABLE} has {len(labels):,} labels for {len(sprites):,} rows, {wrong:,} of another class"
        yield Trap("csv-disagrees", says)
    if index.min() == 1:
        wrong = np.count_nonzero(in_order[1:] != in_order[:-1])
        says = f"Image Index counts from 1 and image_<k> from 0: a join by number mislabels {wrong:,} rows"
        yield Trap("csv-counts-from-one", says, wrong=False)


def _jpegs(sprites: data.SpriteData) -> Iterator[Trap]:
    if sprites.layout == "jpegs":
        yield Trap(
            "jpeg-noise", "JPEG changes pixels, so a sprite and its mirror are no longer the same pixels"
        )
    files = list(find_jpegs(sprites.source).values())[:JPEGS_LOOKED_AT] if sprites.layout != "folders" else []
    if not files:
        return
    try:
        images, _, _ = read_pictures(files, skip_bad=True)
    except data.DataError:  # none can be read; the arrays can, or this report would not be
        return
    if overflowed(images):
        says = f"the JPEGs hold (-x) mod 256 in place of x, as the first {len(images)} show"
        yield Trap("overflowed-jpegs", says, wrong=sprites.layout == "jpegs")
