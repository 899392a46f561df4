"""Who handed in what: files as nbgrader, Canvas, Moodle or a plain folder name them."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pixel_edu.config import UserError
from pixel_edu.grading.merge import LARGEST
from pixel_edu.grading.names import legible

CANVAS = re.compile(r"(?P<name>[^_]+)_(?:(?P<late>LATE)_)?(?P<id>\d+)_(?P<file>\d+)_.+")
MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<kind>file|onlinetext)(?:_.*)?")
IGNORED = {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "timestamp.txt"}
NOBODY = {"late.yaml", "late.yml", "manual.csv", "readme", "readme.md", "readme.txt"}
"""Files of the instructor's beside those handed in, in small letters."""
KINDS = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}


class Submission(NamedTuple):
    """A file that was handed in.

    Attributes:
        file: its path below the folder of submissions.
        student: who handed it in.
        number: the learning platform's number of the student, or "".
        time: when the file was last changed, ISO 8601 in UTC.
        content: its bytes; none if there is a problem.
        problem: why it cannot be read, or "".
    """

    file: str
    student: str
    number: str
    time: str
    content: bytes
    problem: str = ""

    @property
    def key(self) -> str:
        """A digest of whose file it is and what stands in it, or why it cannot be read."""
        content = self.content or self.problem.encode()
        return hashlib.sha256(f"{self.student}\0{self.file}\0".encode() + content).hexdigest()[:16]


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
    content = b""
    if not problem and not path.is_dir():
        try:
            content = path.read_bytes()
        except OSError as error:
            problem = f"it cannot be read: {error.strerror}"
    return Submission(legible(str(file)), student, number, time, content, problem)


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
