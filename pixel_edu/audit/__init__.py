"""Is this dataset what it claims to be? Its numbers, and every known trap in it, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pixel_edu import data
from pixel_edu.audit.traps import FIX, Bases, ClassReport, Trap, alpha, jpegs, labels, pixels, repeats, table
from pixel_edu.images import count_colors

__all__ = ["FIX", "AuditReport", "ClassReport", "Trap", "check"]


@dataclass(frozen=True)
class AuditReport:
    """What `check` found.

    Attributes:
        source: the folder.
        layout: "arrays", "jpegs" or "folders".
        size: pixels a side.
        transparent: the number of base sprites with a pixel that is not opaque.
        rows: the number of images, N.
        distinct: the number of different images.
        base_sprites: the number of different images if an image and its mirror image count as one.
        mirrored_pairs: the number of base sprites that appear both ways round.
        classes: one report for each class, in label order.
        traps: what could mislead you; those that are wrong come first.
        notes: what else was noticed while reading.
    """

    source: str
    layout: str
    size: int
    transparent: int
    rows: int
    distinct: int
    base_sprites: int
    mirrored_pairs: int
    classes: tuple[ClassReport, ...]
    traps: tuple[Trap, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict:
        """The report as plain dicts and lists, for JSON; each trap comes with its fix."""
        return asdict(self) | {"traps": [asdict(trap) | {"fix": trap.fix} for trap in self.traps]}


def check(
    path: str | Path,
    skip_bad: bool = False,
    track: Callable = iter,
    resize: int | None = None,
    frames: bool = False,
) -> AuditReport:
    """Read a dataset and look for what could mislead whoever trains on it.

    Args:
        path: a folder in any layout that `data.load` reads.
        skip_bad: skip pictures that cannot be read.
        track: wraps the list of pictures while they are read.
        resize: as for `data.load`.
        frames: as for `data.load`.

    Raises:
        DataError: the dataset cannot be read.
    """
    sprites = data.load(path, skip_bad, track=track, resize=resize, frames=frames)
    bases = _find_bases(sprites)
    classes = _describe_classes(sprites, bases)
    traps = [
        *repeats(sprites, bases),
        *labels(sprites, bases, classes),
        *pixels(bases, classes),
        *alpha(bases),
        *table(sprites),
        *jpegs(sprites),
    ]
    return AuditReport(
        source=str(sprites.source),
        layout=sprites.layout,
        size=sprites.size,
        transparent=int(bases.transparent.sum()),
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
    """Whether row i differs from row reference[i]: (N,) bool; in pieces, so that it needs little memory."""
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
