"""Who handed in what: files as nbgrader, Canvas, Moodle or a plain folder name them."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from pixel_edu.config import UserError
from pixel_edu.grading.merge import LARGEST
from pixel_edu.grading.names import legible

CANVAS = re.compile(r"(?P<name>[^_]+)_(?:(?P<late>LATE)_)?(?P<id>\d+)_(?P<file>\d+)_.+")
MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<kind>file|onlinetext)(?:_.*)?")
IGNORED = {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "timestamp.txt"}
NOBODY = {"late.yaml", "late.yml", "manual.csv", "readme", "readme.md", "readme.txt"}
"""Files of the instructor's beside those handed in, in small letters."""
FILE_TIME = "the file's own time"
BLOCK = 1 << 20
"""How much of a file is in memory at once while its key is made, in bytes."""
KINDS = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


Source = bytes | Path
"""Where a submission's bytes are: in memory, or in a file."""


@dataclass(frozen=True)
class Submission:
    """A file that was handed in. Its bytes are read when they are needed, and not kept.

    Attributes:
        file: its path below the folder of submissions.
        student: who handed it in.
        number: the learning platform's number of the student, or "".
        time: when it was handed in, ISO 8601 in UTC.
        source: where its bytes are; b"" if there is a problem.
        problem: why it cannot be read, or "".
        time_from: where the time is known from.
        notes: a sentence for each guess about it.
    """

    file: str
    student: str
    number: str
    time: str
    source: Source
    problem: str = ""
    time_from: str = FILE_TIME
    notes: tuple[str, ...] = ()

    def open(self) -> BinaryIO:
        """Its bytes, as a stream.

        Raises:
            OSError: they cannot be read.
        """
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")

    def read(self) -> bytes:
        """Its bytes, but not many more than may be handed in.

        Raises:
            OSError: they cannot be read.
        """
        with self.open() as stream:
            return stream.read(LARGEST + 1)

    def loaded(self) -> Submission:
        """The same with its bytes in memory, for a machine that does not have the file."""
        return replace(self, source=self.read())

    @cached_property
    def key(self) -> str:
        """A digest of whose file it is and what stands in it, or why it cannot be read.

        Raises:
            OSError: it cannot be read, which should have been a problem.
        """
        digest = hashlib.sha256(f"{self.student}\0{self.file}\0".encode())
        if self.problem:
            digest.update(self.problem.encode())
        else:
            with self.open() as stream:
                while block := stream.read(BLOCK):
                    digest.update(block)
        return digest.hexdigest()[:16]


def find(folder: Path) -> list[Submission]:
    """All files handed in, in the order of their names.

    A student's folder counts by its notebooks; one without any counts once, by whatever is in it. Links are followed
    only inside a student's own folder, and pipes, sockets and devices are never opened. Results of an earlier
    grading are passed over, and so are the instructor's own files.

    Raises:
        UserError: there is no such folder, or it is empty.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder: give the folder of the files handed in")
    canvas = {in_folder: _from_canvas(_names(folder, in_folder)) for in_folder in (False, True)}
    found = [_submission(folder, path, canvas) for path in _files(folder)]
    if not found:
        raise UserError(f"{folder}: this folder is empty: give the folder of the files handed in")
    found = _without_texts(found)
    return sorted(found, key=lambda each: (each.student, each.file))


def _files(folder: Path) -> Iterator[Path]:
    for top in sorted(folder.iterdir()):
        if _ignored(top) or _not_handed_in(top):
            continue
        if top.is_symlink() or not top.is_dir():
            yield top
            continue
        inside = [
            path
            for path in sorted(top.rglob("*"))
            if (path.is_symlink() or not path.is_dir())
            and not any(map(_ignored, [path, *path.relative_to(top).parents]))
        ]
        notebooks = [path for path in inside if path.suffix == ".ipynb"]
        yield from notebooks or inside[:1] or [top]


def _ignored(path: Path) -> bool:
    return path.name in IGNORED or (path.name.startswith(".") and path.name != ".")


def _not_handed_in(top: Path) -> bool:
    """Whether it is a file of the instructor's, or the results of an earlier grading."""
    if top.is_symlink() or not top.is_dir():
        return top.name.lower() in NOBODY
    return any(re.fullmatch(r"[0-9a-f]{16}\.json", path.name) for path in top.glob("marks/*.json"))


def _names(folder: Path, in_folder: bool) -> list[str]:
    """What may name a student: the folders' names, or those of the notebooks beside them."""
    tops = [path for path in folder.iterdir() if not (_ignored(path) or _not_handed_in(path))]
    if in_folder:
        return [path.name for path in tops if path.is_dir()]
    return [path.stem for path in tops if path.suffix == ".ipynb" and not path.is_dir()]


def _from_canvas(names: list[str]) -> bool:
    """Whether names follow Canvas's pattern as a whole, and do not just happen to have numbers in them.

    At least half of them do, no two have the same file number, and they are not all of one student, as
    `hw_3_1_ada.ipynb` and `hw_3_2_bo.ipynb` would be.
    """
    like = [match for match in map(CANVAS.fullmatch, names) if match]
    files, students = {match["file"] for match in like}, {(match["name"], match["id"]) for match in like}
    return 2 * len(like) >= len(names) and len(files) == len(like) and len(students) > (len(like) > 1)


def _without_texts(found: list[Submission]) -> list[Submission]:
    """Without the texts that Moodle keeps beside the files of the same student."""
    with_file = {(each.student, each.number) for each in found if not _is_text(each)}
    return [each for each in found if not (_is_text(each) and (each.student, each.number) in with_file)]


def _is_text(submission: Submission) -> bool:
    platform = MOODLE.fullmatch(submission.file.split("/")[0])
    return bool(platform and platform["kind"] == "onlinetext")


def _submission(folder: Path, path: Path, canvas: dict[bool, bool]) -> Submission:
    file = path.relative_to(folder)
    top = folder / file.parts[0]
    in_folder = len(file.parts) > 1 or (top.is_dir() and not top.is_symlink())
    name = legible(top.name if in_folder else path.stem)
    platform = MOODLE.fullmatch(name) or (canvas[in_folder] and CANVAS.fullmatch(name))
    student, number = (platform["name"], platform["id"]) if platform else (name, "")
    time = datetime.fromtimestamp(path.lstat().st_mtime, UTC).isoformat(timespec="seconds")
    problem = _problem(path, top if in_folder else path)
    source = b"" if problem or path.is_dir() else path
    return _with_key(Submission(legible(str(file)), student, number, time, source, problem))


def _with_key(submission: Submission) -> Submission:
    """The same, read once; if it cannot be read, with that as its problem."""
    try:
        _ = submission.key
    except OSError as error:
        return replace(submission, source=b"", problem=f"it cannot be read: {error.strerror}")
    return submission


def _problem(path: Path, own: Path) -> str:
    """Why a file is not opened, or "".

    Args:
        path: of the file.
        own: the student's folder, or the file itself where there is no folder.
    """
    try:
        target = Path(os.path.realpath(path, strict=True))
        if path.is_symlink() and not target.is_relative_to(own.parent.resolve() / own.name):
            return "it is a link to something outside the student's own folder: hand in the file itself"
        status = target.stat()
    except OSError as error:
        if path.is_symlink():
            return "it is a link that leads nowhere: hand in the file itself"
        return f"it cannot be read: {error.strerror}"
    kind = stat.S_IFMT(status.st_mode)
    if kind in KINDS:
        return f"it is not a file but a {KINDS[kind]}"
    if kind == stat.S_IFREG and status.st_size > LARGEST:
        size, most = status.st_size >> 20, LARGEST >> 20
        return f"it is {size} MiB large, more than {most} MiB: clear the outputs"
    return ""
