"""Who handed in what: files as nbgrader, Canvas, Moodle or a plain folder name them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pixel_edu.config import UserError

CANVAS = re.compile(r"(?P<name>[^_]+)_(?:(?P<late>LATE)_)?(?P<id>\d+)_\d+_.+")
MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_file_?")
IGNORED = {"__MACOSX", "Thumbs.db", "desktop.ini", "timestamp.txt"}


class Submission(NamedTuple):
    """A file that was handed in.

    Attributes:
        file: its path below the folder of submissions.
        student: who handed it in.
        number: the learning platform's number of the student, or "".
        time: when the file was last changed, ISO 8601 in UTC.
        content: its bytes.
    """

    file: str
    student: str
    number: str
    time: str
    content: bytes

    @property
    def key(self) -> str:
        """A digest of whose file it is and what stands in it."""
        return hashlib.sha256(f"{self.student}\0{self.file}\0".encode() + self.content).hexdigest()[:16]


def find(folder: Path) -> list[Submission]:
    """All files handed in, in the order of their names.

    A student's folder counts by its notebooks; one without any counts once, by whatever is in it.

    Raises:
        UserError: there is no such folder, or it is empty.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder: give the folder of the files handed in")
    found = [_submission(folder, path) for path in _files(folder)]
    if not found:
        raise UserError(f"{folder}: this folder is empty: give the folder of the files handed in")
    return sorted(found, key=lambda each: (each.student, each.file))


def _files(folder: Path) -> Iterator[Path]:
    for top in sorted(folder.iterdir()):
        if _ignored(top):
            continue
        if not top.is_dir():
            yield top
            continue
        inside = [
            path
            for path in sorted(top.rglob("*"))
            if path.is_file() and not any(map(_ignored, [path, *path.relative_to(top).parents]))
        ]
        notebooks = [path for path in inside if path.suffix == ".ipynb"]
        yield from notebooks or inside[:1] or [top]


def _ignored(path: Path) -> bool:
    return path.name in IGNORED or (path.name.startswith(".") and path.name != ".")


def _submission(folder: Path, path: Path) -> Submission:
    file = path.relative_to(folder)
    top = next(iter(file.parts), "")
    name = top if len(file.parts) > 1 or path.is_dir() else path.stem
    platform = MOODLE.fullmatch(name) or CANVAS.fullmatch(name)
    student, number = (platform["name"], platform["id"]) if platform else (name, "")
    time = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    content = b"" if path.is_dir() else path.read_bytes()
    return Submission(str(file), student, number, time, content)
