"""What stands in a folder or an archive of submissions: a place for each file or folder at its top.

Links are followed only inside a student's own folder; pipes, sockets and devices are never opened.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pixel_edu.grading import archives
from pixel_edu.grading.archives import Found, Source
from pixel_edu.grading.names import legible
from pixel_edu.grading.results.store import MARKER
from pixel_edu.notebooks.reading import LARGEST

IGNORED = {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "Icon\r", "__pycache__", "node_modules"}
IGNORED_ENDS = (":Zone.Identifier", "~")
"""How files end that Windows and editors put beside others."""
BESIDE = ("._", ".~", ".#", ".nfs")
"""How hidden files begin that macOS, JupyterLab, Emacs and NFS put beside others of the same suffix."""
NOBODY = {"late.yaml", "late.yml", "manual.csv", "readme", "readme.md", "readme.txt", "index.html"}
NOBODY |= {
    "deadline.txt",
    "deadlines.txt",
    "notes.txt",
    "class.txt",
    "students.txt",
    "roster.txt",
    "timestamp.txt",
}
"""Files of the instructor's, or the platform's, beside those handed in, in small letters."""
NOT_HANDED_IN = "an instructor's or a platform's file by its name, not a hand-in"
TIMESTAMP = "timestamp.txt"
KINDS = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
DEEPEST, DEEPEST_FOLDER = 2, 50
"""How many archives, and how many folders, deep a student's file may be."""
RESULT = re.compile(r"[0-9a-f]{16}\.json")
FILE_TIME, ZIP_TIME = "the file's own time", "the zip archive"
LOCAL = "taken as this machine's time zone"


class Entry(NamedTuple):
    """A file that a student handed in.

    Attributes:
        parts: its path below the folder of submissions; that of an archive in it counts as a folder's.
        source: where its bytes are.
        time: when it came, as a timestamp; for what is in a student's archive, when that came.
        time_from: where the time is known from.
        changed: when it was last changed, as a timestamp.
        problem: why it cannot be read, or "".
        notes: a sentence for each guess.
    """

    parts: tuple[str, ...]
    source: Source
    time: float
    time_from: str
    changed: float
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.parts[-1]

    @property
    def is_notebook(self) -> bool:
        """Whether it is named as one."""
        return self.name.lower().endswith(".ipynb")


@dataclass
class Place:
    """A file or a folder at the top, which names its student.

    Attributes:
        name: of the folder, or of the file without its suffix.
        file: its whole name.
        is_folder: whether it is a folder, and not a file or an archive.
        is_repository: whether it is a clone of a git repository.
        entries: its files. An empty folder has none.
        time: when it was changed, as a timestamp.
    """

    name: str
    file: str
    is_folder: bool
    is_repository: bool = False
    entries: list[Entry] = field(default_factory=list)
    time: float = 0


def of_folder(folder: Path) -> tuple[list[Place], list[str]]:
    """The places in a folder, by name, and what of it was passed over, and why."""
    found, passed = [], []
    for top in sorted(folder.iterdir()):
        if _ignored(top.name):
            continue
        if top.name.lower() in NOBODY:
            passed.append(f"{legible(top.name)}: {NOT_HANDED_IN}")
            continue
        is_folder = os.path.isdir(top) and not top.is_symlink()  # it does not raise where a folder is closed
        if is_folder and _is_results(top):
            passed.append(f"{legible(top.name)}: results of an earlier grading")
        elif is_folder:
            place = Place(
                legible(top.name), legible(top.name), True, os.path.exists(top / ".git"), time=_time(top)
            )
            place.entries = list(_expanded(_inside(top, folder)))
            found.append(place)
        else:
            found.append(_of_file(_entry(top, folder, top)))
    return found, passed


def of_file(path: Path) -> Place:
    """The place of a file by itself."""
    return _of_file(_entry(path, path.parent, path))


def of_archive(archive: Path, is_student: Callable[[str], bool]) -> tuple[list[Place], list[str]]:
    """The places in an archive of the whole class, and what of it was passed over, and why.

    Args:
        archive: a zip.
        is_student: whether a folder's name surely is that of a student's. Any other folder that is alone at the
            top is what a packer put around everything.

    Raises:
        OSError: it cannot be read.
    """
    changed = archive.stat().st_mtime
    entries = [
        Entry(
            tuple(map(legible, each.name.split("/"))),
            each.source,
            time,
            ZIP_TIME,
            time,
            each.problem,
            each.notes,
        )
        for each in archives.members(archive, limited=False)
        for time in [each.changed or changed]
    ]
    entries = [each for each in entries if not any(map(_ignored, each.parts))]
    tops = {each.parts[0] for each in entries}
    if len(tops) == 1 and not is_student(*tops):
        entries = _without_wrapping(entries, archive.stem)
    places: dict[str, Place] = {}
    passed = []
    for entry in sorted(entries, key=lambda each: each.parts):
        top = entry.parts[0]
        if len(entry.parts) == 1:
            if top.lower() in NOBODY:
                passed.append(f"{top}: {NOT_HANDED_IN}")
            else:
                places[f"{top}/{len(places)}"] = _of_file(entry)
        else:
            place = places.setdefault(top, Place(top, top, True, time=entry.time))
            place.entries += _expanded([entry])
    return list(places.values()), passed


def _without_wrapping(entries: list[Entry], stem: str) -> list[Entry]:
    """The entries without the folder that a packer puts around everything."""
    inner = {each.parts[1] for each in entries if len(each.parts) > 1}
    top = entries[0].parts[0]
    if min(len(each.parts) for each in entries) < 2 or (stem != top and len(inner) < 2):
        return entries
    note = (f"the folder {top!r} around all files was not taken for a student's",) * (stem != top)
    return [each._replace(parts=each.parts[1:], notes=(*each.notes, *note)) for each in entries]


def _of_file(entry: Entry) -> Place:
    """The place of a file at the top; an archive there is as good as a folder."""
    inside = list(_expanded([entry]))
    suffix = other_archive(entry.name) or Path(entry.name).suffix
    name = entry.name.removesuffix(suffix)
    name = name[: -len(".ipynb")] if name.lower().endswith(".ipynb") else name
    return Place(name or entry.name, entry.name, False, entries=inside, time=entry.time)


def _ignored(name: str) -> bool:
    """Whether nobody hands in what is named so; a notebook may begin with a dot, unless a program put it there."""
    hidden = name.startswith(".")
    if hidden and name.lower().endswith((".ipynb", ".zip")):
        hidden = name.startswith(BESIDE)
    return name in IGNORED or hidden or name.endswith(IGNORED_ENDS)


def _is_results(folder: Path) -> bool:
    """Whether this program wrote a folder. Results that are older than its marker have no notebook of a student."""
    if os.path.isfile(folder / MARKER):
        return True
    old = os.path.isdir(folder / "executed") and any(
        RESULT.fullmatch(path.name) for path in folder.glob("marks/*")
    )
    return old and not any(path.parent.name != "executed" for path in folder.rglob("*.ipynb"))


def _inside(top: Path, folder: Path) -> Iterator[Entry]:
    """What is in a student's folder, in order."""
    unreadable: list[OSError] = []
    for where, folders, files in os.walk(top, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not _ignored(name))
        if len(Path(where).parts) - len(top.parts) > DEEPEST_FOLDER:
            folders.clear()
        links = [name for name in folders if Path(where, name).is_symlink()]
        for name in sorted([*links, *(name for name in files if not _ignored(name))]):
            yield _entry(Path(where, name), folder, top)
    for error in unreadable:
        path = Path(os.fsdecode(error.filename))
        yield _entry(path, folder, top)._replace(source=b"", problem=f"it cannot be read: {error.strerror}")


def _entry(path: Path, folder: Path, own: Path) -> Entry:
    problem, time = _problem(path, own), _time(path)
    source = b"" if problem or os.path.isdir(path) else path
    parts = tuple(map(legible, path.relative_to(folder).parts))
    return Entry(parts, source, time, FILE_TIME, time, problem)


def _time(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0


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


def other_archive(name: str) -> str:
    """The suffix of an archive that is not opened, or ""."""
    return next((name[-len(each) :] for each in OTHER_ARCHIVES if name.lower().endswith(each)), "")


def _is_archive(entry: Entry) -> bool:
    return entry.name.lower().endswith(".zip")


def _expanded(entries: Iterable[Entry], depth: int = 1) -> Iterator[Entry]:
    """The entries, with the files of an archive in its place."""
    for entry in entries:
        other = other_archive(entry.name)
        if other and not entry.problem:
            problem = f"it is a {other} archive, which is not opened: hand in the notebook, or a zip archive"
            yield entry._replace(source=b"", problem=problem)
        elif not _is_archive(entry) or entry.problem or isinstance(entry.source, bytes):
            yield entry
        elif depth > DEEPEST:
            yield entry._replace(
                source=b"", problem=f"it is a zip archive, more than {DEEPEST} archives deep"
            )
        else:
            yield from _unpacked(entry, entry.source, depth)


def _unpacked(entry: Entry, source: Path | archives.Member, depth: int) -> Iterator[Entry]:
    try:
        found = archives.members(source)
    except OSError as error:
        yield entry._replace(source=b"", problem=f"it cannot be read: {error.strerror}")
        return
    inside = [_in_archive(entry, each) for each in found]
    inside = [each for each in inside if not any(map(_ignored, each.parts[len(entry.parts) :]))]
    if not inside:
        yield entry._replace(source=b"", problem="its zip archive is empty")
    yield from _expanded(inside, depth + 1)


def _in_archive(entry: Entry, found: Found) -> Entry:
    parts = (*entry.parts, *map(legible, filter(None, found.name.split("/"))))
    changed = entry.changed if found.changed is None else found.changed
    return Entry(
        parts, found.source, entry.time, entry.time_from, changed, found.problem, (*entry.notes, *found.notes)
    )
