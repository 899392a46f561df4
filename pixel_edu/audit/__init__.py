"""Is this dataset what it says it is? Numbers, and every trap that is known to hide in this one, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pixel_edu import data
from pixel_edu.audit.traps import MEND, Bases, ClassReport, Trap, jpegs, labels, pixels, repeats, table
from pixel_edu.images import count_colors

__all__ = ["MEND", "ClassReport", "Report", "Trap", "check"]


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
        *repeats(sprites, bases),
        *labels(sprites, bases, classes),
        *pixels(bases, classes),
        *table(sprites),
        *jpegs(sprites),
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


def _find_bases(sprites: data.SpriteData) -> Bases:
    ids = data.base_ids(sprites.images)
    _, first, group = np.unique(ids, return_index=True, return_inverse=True)
    both_ways = np.zeros((2, len(first)), bool)
    both_ways[_differs_from(sprites.images, first[group]).astype(int), group] = True
    images = sprites.images[first]
    colors = np.concatenate([count_colors(images[i : i + 4096]) for i in range(0, len(images), 4096)])
    return Bases(group, images, sprites.labels[first], colors, int(both_ways.all(axis=0).sum()))


def _differs_from(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Whether row i differs from row reference[i]: (N,) bool, a piece at a time to keep memory flat."""
    pieces = []
    for start in range(0, len(images), 4096):
        rows = slice(start, start + 4096)
        other = images[reference[rows]]
        pieces.append((images[rows] != other).reshape(len(other), -1).any(axis=1))
    return np.concatenate(pieces)


def _describe_classes(sprites: data.SpriteData, bases: Bases) -> tuple[ClassReport, ...]:
    reports = []
    for c, name in enumerate(sprites.classes):
        colors = bases.colors[bases.labels == c]
        spread = (
            (int(colors.min()), float(np.median(colors)), int(colors.max())) if len(colors) else (0, 0.0, 0)
        )
        reports.append(ClassReport(name, int((sprites.labels == c).sum()), len(colors), spread))
    return tuple(reports)
