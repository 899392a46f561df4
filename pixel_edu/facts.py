"""What a model knows of the sprites that it learned from; its checkpoint holds this, and all else reads it there."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from pixel_edu.config import CHANNELS, IMAGE_SIZE, class_names, numbered

CHANNELS_OF = {3: 3, 4: 4, 8: 3, 9: 4}
"""The channels of a picture, by those that a network draws: colours or the bits of a colour's number, without alpha
or with it."""


LONGEST = 200
"""Characters of a licence's first line that are kept."""


@dataclass(frozen=True)
class DataFacts:
    """The facts of a dataset.

    Attributes:
        classes: their names in label order.
        size: edge of a sprite, in pixels.
        channels: of a sprite: 3 for colours, 4 for colours and alpha; also where the network draws bits.
        palette: its colours, such as "17131f"; of more than 256, some that stand for all, see
            `palette.covering_palette`; None where they are not known.
        counts: the number of sprites of each class, as far as it is known.
        licence: of the sprites, as their owner names it; "" where nothing is known.
        fingerprint: of pictures and labels, in their order.
        procedural: whether `pixel_edu.sprites` drew them.
    """

    classes: tuple[str, ...]
    size: int = IMAGE_SIZE
    channels: int = CHANNELS
    palette: tuple[str, ...] | None = None
    counts: tuple[int, ...] = ()
    licence: str = ""
    fingerprint: str = ""
    procedural: bool = False

    @property
    def colors(self) -> np.ndarray | None:
        """The palette as (P, 3) uint8."""
        if self.palette is None:
            return None
        return np.array([tuple(bytes.fromhex(word)) for word in self.palette], np.uint8).reshape(-1, 3)

    @classmethod
    def of(
        cls,
        images: np.ndarray,
        labels: np.ndarray,
        classes: Sequence[str] = (),
        licence: str = "",
        procedural: bool = False,
    ) -> DataFacts:
        """The facts of these sprites, but for the palette.

        Args:
            images: (N, S, S, C) uint8, as sprites or as a network draws them.
            labels: (N,) int64 in 0 .. K-1.
            classes: K names; if omitted, those of `config.class_names` for as many classes as there are labels.
            licence: as their owner names it.
            procedural: whether `pixel_edu.sprites` drew them.

        >>> DataFacts.of(np.zeros((3, 8, 8, 4), np.uint8), np.array([0, 1, 1]), ["cats", "dogs"]).counts
        (1, 2)
        """
        counts = np.bincount(labels, minlength=len(classes)).tolist()
        return cls(
            tuple(classes) or class_names(len(counts)),
            images.shape[1],
            CHANNELS_OF[images.shape[-1]],
            None,
            tuple(counts),
            licence,
            fingerprint(images, labels),
            procedural,
        )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> DataFacts:
        """From what JSON made of `dataclasses.asdict`; entries that this version does not know are passed over."""
        known = {field.name for field in dataclasses.fields(cls)}
        found: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in known
        }
        return cls(**found)

    @classmethod
    def of_record(cls, record: Mapping[str, str], count: int) -> DataFacts:
        """From the notes of a checkpoint of version 1, whose sprites were 16x16 without alpha.

        Where the notes do not name the classes, procedural sprites are of the course's; others get numbers.

        Args:
            record: the notes.
            count: the number of classes.
        """
        source = record.get("data", "")
        procedural = not source or bool(re.fullmatch(r"[\d,]+ procedural sprites, seed \d+", source))
        names = _names(record.get("classes", ""))
        if len(names) != count:
            names = class_names(count) if procedural else numbered(count)
        palette = tuple(record["palette"].split()) if "palette" in record else None
        counted = re.search(r"\(([\d, ]+) a class\)", record.get("sprites", ""))
        counts = tuple(int(each) for each in counted[1].split(", ")) if counted else ()
        fingerprint = record.get("digest", "")
        return cls(names, palette=palette, counts=counts, fingerprint=fingerprint, procedural=procedural)


def licence_in(folder: str | os.PathLike) -> str:
    """The licence that a dataset's folder names: the first line of its LICENSE or LICENCE, .txt or .md; else "".

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "LICENSE.txt").write_text("CC0 1.0 Universal\\n\\nAll of it.\\n")
    ...     licence_in(folder)
    'CC0 1.0 Universal'
    """
    for file in sorted(Path(folder).iterdir()):
        if re.fullmatch(r"(?i)licen[cs]e(\.txt|\.md)?", file.name) and file.is_file():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            return next((line.strip("# \t\ufeff") for line in lines if line.strip("# \t\ufeff")), "")[
                :LONGEST
            ]
    return ""


def fingerprint(images: np.ndarray, labels: np.ndarray) -> str:
    """A hash of pictures and labels, which changes with their order too: 32 hexadecimal digits."""
    found = blake2b(digest_size=16)
    for array in (images, labels):
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _names(line: str) -> tuple[str, ...]:
    """The names of classes in a line of notes: a list in JSON, or names with commas between them."""
    if line.startswith("["):
        with suppress(ValueError):  # the first of them may begin so
            return tuple(json.loads(line))
    return tuple(line.split(", ")) if line else ()
