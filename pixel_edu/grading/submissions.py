"""Who handed in what, and when: one submission for each student, whatever stands in the folder.

`collect` looks at what there is (`places`), at whose it is (`platforms`), and at which of several files counts
(`choosing`). Each guess on the way is a note of the submission.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pixel_edu.config import UserError
from pixel_edu.grading import archives, choosing, places, platforms
from pixel_edu.grading.archives import Source
from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.merge import merge
from pixel_edu.grading.names import name_key
from pixel_edu.grading.places import Entry, Place
from pixel_edu.grading.platforms import Owner
from pixel_edu.notebooks.reading import LARGEST, Unreadable, parse

TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".yaml", ".yml")
"""Suffixes of what an instructor keeps beside the files handed in; with a platform's name it was handed in."""
AT_ONCE = timedelta(minutes=10)
LATEST = 253402300799
"""The last second of the year 9999; some file systems go further."""
BLOCK = 1 << 20
"""How much of a file is in memory at once while its key is made, in bytes."""


@dataclass(frozen=True)
class Submission:
    """What a student handed in. Its bytes are read when they are needed, and not kept.

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
    time_from: str = places.FILE_TIME
    notes: tuple[str, ...] = ()

    def read(self) -> bytes:
        """Its bytes, but not many more than may be handed in.

        Raises:
            OSError: they cannot be read.
        """
        with archives.opened(self.source) as stream:
            return stream.read(LARGEST + 1)

    def fault(self, assignment: Assignment | None = None) -> str:
        """Why it cannot be graded, or "".

        Args:
            assignment: what it is to be graded for; None only looks whether it is a notebook.
        """
        if self.problem:
            return self.problem
        try:
            content = self.read()
            if assignment:
                merge(content, assignment.of_student(self.student))
            else:
                parse(content)
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        except Unreadable as error:
            return str(error)
        return ""

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
            with archives.opened(self.source) as stream:
                while block := stream.read(BLOCK):
                    digest.update(block)
        return digest.hexdigest()[:16]


class Collection(NamedTuple):
    """What stands in a folder.

    Attributes:
        submissions: one for each student, by name and file.
        layouts: how many names have each of the forms `platforms.LAYOUTS`.
        passed_over: what else stands there, and why it does not count.
    """

    submissions: list[Submission]
    layouts: Counter[str]
    passed_over: list[str]

    @property
    def came_at_once(self) -> bool:
        """Whether several files have nearly one time: then that may be when they were downloaded or cloned."""
        known = (places.FILE_TIME, places.ZIP_TIME)
        times = [datetime.fromisoformat(each.time) for each in self.submissions if each.time_from in known]
        return len(times) > 2 and max(times) - min(times) < AT_ONCE


def find(folder: Path, assignment: Assignment | None = None, layout: str = "") -> list[Submission]:
    """The submissions of `collect`."""
    return collect(folder, assignment, layout).submissions


def collect(folder: Path, assignment: Assignment | None = None, layout: str = "") -> Collection:
    """One submission for each student, in the order of their names.

    Args:
        folder: of the files handed in, or a zip archive of it, or a single notebook.
        assignment: what they were handed in for, to choose among several files; None chooses the newest.
        layout: one of `platforms.LAYOUTS`, or "" to judge from the names.

    Raises:
        UserError: there is no such folder, it is empty, or it cannot be read.
    """
    found, passed = _places(folder)
    owners = platforms.owners(found, layout, folder.resolve().stem, assignment.name if assignment else "")
    tables = [
        owner.layout == "plain" and each.file.lower().endswith(TABLES)
        for each, owner in zip(found, owners, strict=True)
    ]
    passed += [
        f"{each.file}: a table or settings, not a hand-in"
        for each, is_table in zip(found, tables, strict=True)
        if is_table
    ]
    students: dict[tuple[str, str], list[tuple[Place, Owner]]] = {}
    for place, owner, is_table in zip(found, owners, tables, strict=True):
        if not is_table:
            students.setdefault((name_key(owner.student), owner.number), []).append((place, owner))
    if not students:
        raise UserError(f"{folder}: {_kind(folder)} is empty: give the folder of the files handed in")
    made = [_submission(each, assignment) for each in students.values()]
    layouts = Counter(owner.layout for _, owner in itertools.chain(*students.values()))
    return Collection(sorted(made, key=lambda each: (each.student, each.file)), layouts, passed)


def _places(folder: Path) -> tuple[list[Place], list[str]]:
    """What stands in a folder or an archive; an archive of a class that is alone in a folder is as good as that."""
    if not folder.exists():
        raise UserError(f"{folder}: there is no such folder: give the folder of the files handed in")
    try:
        if folder.suffix.lower() == ".ipynb" and not folder.is_dir():
            return [places.of_file(folder)], []
        if not folder.is_dir():
            if other := places.other_archive(folder.name):
                raise UserError(
                    f"{folder}: it is a {other} archive, which is not opened: unpack it, and give its folder"
                )
            return places.of_archive(folder, platforms.is_sure)
        found, passed = places.of_folder(folder)
        if len(found) == 1 and found[0].file.lower().endswith(".zip") and not found[0].entries[0].problem:
            inside, more = places.of_archive(folder / found[0].file, platforms.is_sure)
            if platforms.is_class([each.name for each in inside]):
                return inside, passed + more
        return found, passed
    except OSError as error:
        what = error.strerror
        raise UserError(
            f"{folder}: {what}: give the folder of the files handed in, or a zip archive"
        ) from None


def _kind(folder: Path) -> str:
    return "this folder" if folder.is_dir() else "this archive"


def _submission(handed_in: list[tuple[Place, Owner]], assignment: Assignment | None) -> Submission:
    """The submission of a student, from the student's places."""
    handed_in = [each for each in handed_in if not each[1].is_text] or handed_in
    student, number = handed_in[0][1].student, handed_in[0][1].number
    name, folder = (assignment.name, assignment.folder) if assignment else ("", "")
    mine = assignment and assignment.of_student(student)
    candidates: list[tuple[Entry, tuple[str, ...]]] = []
    for place, owner in handed_in:
        if not owner.assignment or not name or owner.assignment in (name, folder):
            candidates += _timed(_of_assignment(place.entries, name, folder), owner)
    if not candidates:
        return _nothing(handed_in, folder or name)
    choice = choosing.choose([entry for entry, _ in candidates], mine)
    entry = choice.entry
    notes = next(notes for each, notes in candidates if each is entry)
    if entry.time_from == places.ZIP_TIME:
        notes = (*notes, f"the zip archive's time, {places.LOCAL}")
    problem = choice.problem or entry.problem
    return _with_key(
        Submission(
            "/".join(entry.parts),
            student,
            number,
            _iso(entry.time),
            b"" if problem else entry.source,
            problem,
            entry.time_from,
            (*entry.notes, *notes, *choice.notes),
        )
    )


def _of_assignment(entries: list[Entry], name: str, folder: str) -> list[Entry]:
    """Files for an assignment, where a student handed in several as nbgrader collects them; else all.

    That is a folder of the assignment's name, or a notebook of that name beside a `timestamp.txt`. Where the
    assignment is a notebook of a folder of several, other folders of that kind do not count.
    """
    stamps = {each.parts[:-1]: each for each in entries if each.name == places.TIMESTAMP}
    inside = [each for each in entries if len(each.parts) > 2 and each.parts[1] in (folder or name, name)]
    if any(each.is_notebook for each in inside):
        return inside
    named = [each for each in entries if each.parts[:-1] in stamps and each.name == f"{name}.ipynb"]
    return [*named, *stamps.values()] if named else entries


def _nothing(handed_in: list[tuple[Place, Owner]], name: str) -> Submission:
    """The submission of a student who handed in no file for the assignment."""
    place, owner = handed_in[0]
    others = sorted(
        {each.parts[1] for place, _ in handed_in for each in place.entries if len(each.parts) > 2}
    )
    others += sorted({owner.assignment for _, owner in handed_in if owner.assignment})
    problem = (
        f"there is nothing for {name} in it, only for {', '.join(others[:8])}" if others else "it is empty"
    )
    return Submission(place.file, owner.student, owner.number, owner.time or _iso(place.time), b"", problem)


def _timed(entries: list[Entry], owner: Owner) -> list[tuple[Entry, tuple[str, ...]]]:
    """Files with the time that is known best, and notes on whose and when."""
    stamps = {each.parts[:-1]: each for each in entries if each.name == places.TIMESTAMP and not each.problem}
    made = []
    for entry in entries:
        if entry.name == places.TIMESTAMP:
            continue
        time, time_from, notes = owner.time, "its name", owner.notes
        stamp = next(
            (stamps[each] for n in range(len(entry.parts)) if (each := entry.parts[: -1 - n]) in stamps), None
        )
        if not time and stamp:
            time, note = platforms.timestamp(_text(stamp))
            time_from, notes = places.TIMESTAMP, (*notes, *filter(None, [note]))
        if time:
            entry = entry._replace(time=datetime.fromisoformat(time).timestamp(), time_from=time_from)
        made.append((entry, notes))
    return made


def _text(entry: Entry) -> str:
    """The beginning of a small text file."""
    try:
        with archives.opened(entry.source) as stream:
            return stream.read(200).decode(errors="replace")
    except OSError:
        return ""


def _iso(time: float) -> str:
    return datetime.fromtimestamp(min(max(time, 0), LATEST), UTC).isoformat(timespec="seconds")


def _with_key(submission: Submission) -> Submission:
    """The same, read once; if it cannot be read, with that as its problem."""
    try:
        _ = submission.key
    except OSError as error:
        return replace(submission, source=b"", problem=f"it cannot be read: {error.strerror}")
    return submission
