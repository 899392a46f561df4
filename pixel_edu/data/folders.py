"""Read your own folders of pictures: one for each class, or one folder alone."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pixel_edu.config import CLASSES
from pixel_edu.data.core import IMAGES, TABLE, DataError, SpriteData, check_count
from pixel_edu.data.pictures import ENDINGS, read_pictures

CLUTTER = {"__macosx", "@eadir", "#recycle", "thumbs.db", "desktop.ini", "ehthumbs.db"}
"""What systems put beside people's files, in small letters; hidden files are theirs, too."""


def load_folders(
    folder: Path,
    skip_bad: bool = False,
    track: Callable = iter,
    resize: int | None = None,
    frames: bool = False,
) -> SpriteData:
    """Read <class name>/<picture>, or pictures of a single class; folders within a class are part of it."""
    home = _unwrapped(folder)
    found, others = _sorted_out(home)
    if not found:
        what = f"no sprites, only {_listed(others)}" if others else "no sprites"
        raise DataError(
            f"{folder} holds {what}: give a folder of pictures, such as PNGs, or of {IMAGES} or {TABLE}"
        )
    check_count(len(found), folder)
    classes = CLASSES if set(found) == set(CLASSES) else tuple(found)
    files = [file for name in classes for file in found[name]]
    label_of_file = np.repeat(np.arange(len(classes)), [len(found[name]) for name in classes])
    images, positions, notes = read_pictures(files, skip_bad, track, resize, frames)
    if others:
        notes += (f"passed over: {_listed(others)}",)
    return SpriteData(images, label_of_file[positions].astype(np.int64), classes, folder, "folders", notes)


def _unwrapped(folder: Path) -> Path:
    """The folder itself or, where all that it holds is one folder of folders, as archives do, that one."""
    inside = [each for each in folder.iterdir() if not _is_clutter(each)]
    if len(inside) == 1 and inside[0].is_dir():
        within = [each for each in inside[0].iterdir() if not _is_clutter(each)]
        if within and all(each.is_dir() for each in within):
            return _unwrapped(inside[0])
    return folder


def _sorted_out(home: Path) -> tuple[dict[str, list[Path]], Counter[str]]:
    """The pictures of each class, in the order in which people count, and how many files there are of other kinds."""
    here, others = _pictures(each for each in home.iterdir() if not each.is_dir() and not _is_clutter(each))
    found = {}
    for each in sorted((p for p in home.iterdir() if p.is_dir() and not _is_clutter(p)), key=in_order):
        found[each.name], passed_over = _pictures(_all_files(each))
        others += passed_over
    inside = sum(map(len, found.values()))
    if here and not inside:
        return {home.resolve().name or "sprites": here}, others
    if len(here) > inside:
        raise DataError(
            f"{home} holds {len(here)} pictures, and {inside} more in folders such as {next(iter(found))}: "
            "move them into a folder for each class, or all into one folder"
        )
    if empty := next((name for name, files in found.items() if not files), None):
        raise DataError(f"{home / empty} holds no pictures: add some, or remove that folder")
    if here:
        others["in no class's folder"] += len(here)
    return found, others


def _all_files(folder: Path) -> Iterator[Path]:
    for place, inside, files in os.walk(folder, onerror=_raise):
        inside[:] = [name for name in inside if not _is_clutter(Path(name))]
        yield from (Path(place, name) for name in files if not _is_clutter(Path(name)))


def _raise(error: OSError) -> None:
    raise error


def _pictures(files: Iterator[Path]) -> tuple[list[Path], Counter[str]]:
    """The pictures among some files, in order, and the number of the others by their endings."""
    found, others = [], Counter()
    for file in files:
        ending = file.suffix.lower()
        if ending in ENDINGS:
            found.append(file)
        else:
            others[ending or "without an ending"] += 1
    return sorted(found, key=lambda file: [in_order(Path(part)) for part in file.parts]), others


def _is_clutter(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in CLUTTER


def _listed(others: Counter[str]) -> str:
    """Files in words.

    >>> _listed(Counter({".txt": 1, ".psd": 3}))
    '3 .psd, 1 .txt'
    """
    return ", ".join(f"{count:,} {kind}" for kind, count in others.most_common())


def in_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """A key that sorts names as people count.

    >>> [path.name for path in sorted(map(Path, ["walk10", "walk2", "Walk1"]), key=in_order)]
    ['Walk1', 'walk2', 'walk10']
    """
    pieces = re.findall(r"[0-9]+|[^0-9]+", path.name)
    return [
        (int(each), "") if each.isdecimal() and each.isascii() else (-1, each.casefold()) for each in pieces
    ], path.name
