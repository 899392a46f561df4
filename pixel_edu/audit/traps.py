"""What can mislead you in a dataset, and how each of these traps is detected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pixel_edu import data
from pixel_edu.config import CLASSES
from pixel_edu.data.core import TABLE
from pixel_edu.data.pictures import find_jpegs, overflowed, read_pictures
from pixel_edu.data.table import read_table

FIX = {
    "repeated-rows": "split by base sprite (pixel_edu.data.split), and count epochs in base sprites",
    "mirrored-rows": "keep a sprite and its mirror image on one side of a split; random flips add nothing new",
    "twin-base-sprites": "group rows by content (pixel_edu.data.base_ids), not by row number",
    "few-base-sprites": "check whether a good sample is new: compare it with its nearest training sprite",
    "two-labels": "look at these sprites, and keep one label for each",
    "empty-class": "add some sprites, or drop the class",
    "unbalanced-classes": "sample classes equally often or weight them, and report quality by class",
    "unnamed-classes": "class 4 is the people of class 0 from the side, not fighters or player classes",
    "soft-class": "judge palettes class by class",
    "many-colours": "reduce their colours in a drawing program to an indexed palette of 32 or fewer, or take them out",
    "some-transparent": "cut the others out of their backgrounds (pixel_edu.pixelart.cut_out, where that is white)",
    "half-transparent": "give them hard edges: pixel art is opaque or not there",
    "marked-corner": "expect a model to learn it, or paint over it",
    "background-not-white": "do not detect the background by == 255",
    "csv-text-labels": "parse the numbers, as pixel_edu.data.load does",
    "csv-counts-from-one": "image k belongs to Image Index k + 1, as pixel_edu.data.load knows",
    "csv-dummy-paths": "ignore that column, as pixel_edu.data.load does",
    "csv-disagrees": "trust neither file before you know which is right; download both again",
    "jpeg-noise": "split sprites.npy: here a sprite can be in training and its mirror image in validation",
    "overflowed-jpegs": "use sprites.npy, or load with undo_overflow, which cannot restore black",
}
"""What to do about each trap that `check` can find, by its name."""
FEW, CLEAN_COLORS, MANY_COLORS, UNBALANCED = 2000, 32, 64, 2
"""Fewer base sprites than this are few; a class of pixel art seldom has more colours than this in its median, and a
sprite hardly ever more than the second number; a larger ratio of the largest class to the smallest is unbalanced."""
RARE, OFTEN = 0.01, 0.1
"""Up to this share of rows, repeats are chance; above this share of a class's sprites, a flaw is the class's own."""
JPEGS_LOOKED_AT = 64


@dataclass(frozen=True)
class Trap:
    """Something that leads to wrong results if you do not know about it.

    Attributes:
        name: one of `FIX`; `--accept` takes it.
        says: what was found, with its numbers.
        wrong: False for a note: `data.load` takes care of it, or it is enough to know about it.
    """

    name: str
    says: str
    wrong: bool = True

    @property
    def fix(self) -> str:
        """What to do about it."""
        return FIX[self.name]


@dataclass(frozen=True)
class ClassReport:
    """One class.

    Attributes:
        name: of the class.
        rows: the number of its images.
        base_sprites: the number of its base sprites.
        colors: colours of a base sprite: the fewest, the median, the most.
    """

    name: str
    rows: int
    base_sprites: int
    colors: tuple[int, float, int]


@dataclass(frozen=True)
class Bases:
    """The base sprites of a dataset, B of them.

    Attributes:
        group: (N,) int, the base sprite of each row, 0 .. B-1.
        images: (B, S, S, 3 or 4) uint8, each base sprite as it first appears.
        labels: (B,) int64, the label there.
        colors: (B,) int, the number of its colours.
        pairs: how many of them appear both ways round.
    """

    group: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    colors: np.ndarray
    pairs: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def transparent(self) -> np.ndarray:
        """Whether a base sprite has a pixel that is not opaque: (B,) bool."""
        return np.any(self.images[..., 3:] < 255, axis=(1, 2, 3))


def repeats(sprites: data.SpriteData, bases: Bases) -> Iterator[Trap]:
    """Rows, mirror images and base sprites that appear more than once."""
    rows, distinct = len(sprites), len(bases) + bases.pairs
    if distinct < rows:
        says = f"{rows:,} rows hold {distinct:,} distinct images: {1 - distinct / rows:.2%} are repeats"
        yield Trap("repeated-rows", says, wrong=1 - distinct / rows > RARE)
    if bases.pairs:
        says = f"{bases.pairs:,} of {len(bases):,} base sprites also appear mirrored left to right"
        yield Trap("mirrored-rows", says, wrong=bases.pairs / len(bases) > RARE)
    if len(bases) < FEW:
        behind = "1 base sprite is" if len(bases) == 1 else f"{len(bases):,} base sprites are"
        says = f"only {behind} behind {rows:,} row{'s' * (rows > 1)}: a model can memorize them"
        yield Trap("few-base-sprites", says, wrong=False)
    period = _period(bases.group)
    if twins := period - len(np.unique(bases.group[:period])):
        a, b = _first_twins(bases.group[:period])
        says = f"the rows repeat every {period}, but {twins} of those {period} repeat another (row {a} = {b})"
        yield Trap("twin-base-sprites", says)


def _period(group: np.ndarray) -> int:
    """The number of rows after which the base sprites repeat in the same order, or 0."""
    for start in np.flatnonzero(group == group[0])[1:]:
        if len(group) % start == 0 and np.array_equal(group[start:], group[:-start]):
            return int(start)
    return 0


def _first_twins(group: np.ndarray) -> tuple[int, int]:
    """Two rows of one base sprite."""
    order = np.argsort(group, kind="stable")
    i = np.flatnonzero(np.diff(group[order]) == 0)[0]
    return int(order[i]), int(order[i + 1])


def labels(sprites: data.SpriteData, bases: Bases, classes: tuple[ClassReport, ...]) -> Iterator[Trap]:
    """Labels that contradict each other, are missing, or are unbalanced."""
    torn = np.unique(bases.group[sprites.labels != bases.labels[bases.group]])
    if len(torn):
        yield Trap("two-labels", f"{len(torn):,} base sprites have two labels")
    most, least = max(classes, key=lambda c: c.rows), min(classes, key=lambda c: c.rows)
    if not least.rows:
        empty = ", ".join(c.name for c in classes if not c.rows)
        yield Trap("empty-class", f"there are no rows of {empty}")
    elif most.rows >= UNBALANCED * least.rows:
        says = f"{most.name} has {most.rows / least.rows:.1f} times as many rows as {least.name}"
        yield Trap("unbalanced-classes", says)
    if sprites.layout != "folders" and sprites.classes == CLASSES:
        says = f"the files hold only class numbers, read as {', '.join(CLASSES)}"
        yield Trap("unnamed-classes", says, wrong=False)


def pixels(bases: Bases, classes: tuple[ClassReport, ...]) -> Iterator[Trap]:
    """Classes, and single sprites, whose pixels are not those of clean pixel art."""
    soft = [f"{c.name} has {c.colors[1]:.0f}" for c in classes if c.colors[1] > CLEAN_COLORS]
    if soft:
        yield Trap("soft-class", f"{', '.join(soft)} colours in a typical sprite: not clean pixel art")
    clean = np.array([c.colors[1] <= CLEAN_COLORS for c in classes])
    if many := int((clean[bases.labels] & (bases.colors > MANY_COLORS)).sum()):
        most = int(bases.colors[clean[bases.labels]].max())
        says = f"{many:,} of {len(bases):,} base sprites have more than {MANY_COLORS} colours, up to {most}: "
        yield Trap(
            "many-colours", says + "they are not pixel art, or were enlarged with smoothing", wrong=False
        )
    if shares := _shares(_marked_corner(bases.images), bases, classes):
        yield Trap(
            "marked-corner", f"{shares} have a single dark pixel in a corner, like the edge of a watermark"
        )
    corners = bases.images[:, [0, 0, -1, -1], [0, -1, 0, -1], :3].reshape(len(bases), -1).astype(int)
    near_white = ((corners != 255) & (corners >= 240)).sum(axis=1) > corners.shape[1] / 2
    if shares := _shares(near_white, bases, classes):
        yield Trap("background-not-white", f"{shares} have a background that is nearly white, but not white")


def _shares(flawed: np.ndarray, bases: Bases, classes: tuple[ClassReport, ...]) -> str:
    """The classes that often have a flaw, in words; "" if none has. `flawed` is (base sprites,) bool."""
    shares = {c.name: flawed[bases.labels == i].mean() for i, c in enumerate(classes) if c.base_sprites}
    return ", ".join(f"{share:.0%} of {name}" for name, share in shares.items() if share > OFTEN)


def _marked_corner(images: np.ndarray) -> np.ndarray:
    """Whether a corner pixel is darker than its three neighbours, which are nearly white: (N,) bool."""
    marked = np.zeros(len(images), bool)
    for view in (images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]):
        corner = view[:, :2, :2, :3].reshape(len(view), 4, 3).min(axis=-1).astype(int)
        around = corner[:, 1:].min(axis=1)
        marked |= (around >= 224) & (around - corner[:, 0] > 16)
    return marked


def alpha(bases: Bases) -> Iterator[Trap]:
    """Transparency that only some sprites have, or that is neither there nor not."""
    opaque = len(bases) - int(bases.transparent.sum())
    if 0 < opaque < len(bases):
        says = (
            f"{opaque:,} of {len(bases):,} base sprites have no transparent pixels, and the others have some"
        )
        flat = (bases.images[:, [0, 0, -1], [0, -1, 0]] == bases.images[:, -1:, -1]).all(axis=(1, 2))
        yield Trap("some-transparent", says, wrong=(flat & ~bases.transparent).sum() > OFTEN * len(bases))
    between = (bases.images[..., 3:] > 0) & (bases.images[..., 3:] < 255)
    if count := int(between.any(axis=(1, 2, 3)).sum()):
        says = f"{count:,} of {len(bases):,} base sprites have half-transparent pixels, as soft edges or shadows do"
        yield Trap("half-transparent", says, wrong=False)


def table(sprites: data.SpriteData) -> Iterator[Trap]:
    """What would go wrong with labels.csv for anybody who joins it by its first column."""
    if not (sprites.source / TABLE).is_file() or sprites.layout == "folders":
        return
    index, labels, paths = read_table(sprites.source / TABLE, len(sprites.classes))
    yield Trap(
        "csv-text-labels", "Label is text that json cannot read, such as [1. 0. 0. 0. 0.]", wrong=False
    )
    if not any((sprites.source / path).is_file() for path in (paths[0], paths[-1])):
        yield Trap("csv-dummy-paths", f"Image Path names files that do not exist ({paths[0]})", wrong=False)
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


def jpegs(sprites: data.SpriteData) -> Iterator[Trap]:
    """What JPEG files, if there are any, have lost."""
    if sprites.layout == "jpegs":
        yield Trap("jpeg-noise", "JPEG changes pixels, so a sprite and its mirror image no longer match")
    files = list(find_jpegs(sprites.source).values())[:JPEGS_LOOKED_AT] if sprites.layout != "folders" else []
    if not files:
        return
    try:
        images, _, _ = read_pictures(files, skip_bad=True)
    except data.DataError:  # no JPEG can be read; the arrays can, or there would be no report
        return
    if overflowed(images):
        says = f"the JPEGs hold (-x) mod 256 instead of x, as the first {len(images)} show"
        yield Trap("overflowed-jpegs", says, wrong=sprites.layout == "jpegs")
