"""Which of several files of one student is the one that was handed in: exactly one, and it says why."""

from __future__ import annotations

import itertools
import re
from enum import IntEnum
from typing import NamedTuple

from pixel_edu.grading.archives import opened
from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.merge import NothingOfIt, merge, untouched
from pixel_edu.grading.places import Entry
from pixel_edu.grading.platforms import is_sure, original_of
from pixel_edu.notebooks.handouts import grade_id
from pixel_edu.notebooks.reading import LARGEST, Unreadable

MOST, NAMED = 50, 5
"""How many files of a student are looked into, the newest first, and how many a note names."""


class Worth(IntEnum):
    """What a file is as a hand-in of an assignment."""

    UNREADABLE = 0
    OTHER = 1
    UNTOUCHED = 2
    ANSWERED = 3


class Look(NamedTuple):
    """What a look into a file showed: its worth, and why it is no more."""

    entry: Entry
    worth: Worth
    why: str


class Choice(NamedTuple):
    """The file that counts.

    Attributes:
        entry: the file.
        problem: why none counts, or "".
        notes: which others were passed over, and why.
    """

    entry: Entry
    problem: str = ""
    notes: tuple[str, ...] = ()


def choose(entries: list[Entry], assignment: Assignment | None) -> Choice:
    """The file that counts: one with an answer rather than an untouched copy, then the newest.

    Args:
        entries: files of one student, at least one.
        assignment: as the student got it; None chooses by names and times alone.
    """
    notebooks = [each for each in entries if each.is_notebook]
    files = [each for each in entries if each.is_notebook or each.problem] if notebooks else entries
    if len(files) == 1 and not _other(files[0], assignment):
        return Choice(files[0])
    newest = sorted(files, key=lambda each: (each.time, each.changed, each.parts), reverse=True)
    looks = [_look(each, assignment) for each in newest[:MOST]]
    best = max(looks, key=lambda look: look.worth)  # the first of equals, which is the newest
    others = [f"{_name(look.entry, files)} ({_why(look, best)})" for look in looks if look is not best]
    others += ["older ones"] * (len(newest) > MOST)
    if assignment and best.worth < Worth.UNTOUCHED:
        if len({look.why for look in looks}) == 1 and best.worth == Worth.UNREADABLE:
            return Choice(best.entry, best.why)
        several = [f"{_name(look.entry, files)} ({_why(look, best)})" for look in looks]
        return Choice(best.entry, f"none of its {len(files)} files is of {assignment.name}: {_list(several)}")
    return Choice(
        best.entry, notes=(f"{_name(best.entry, files)} counts; not {_list(others)}", *_people(looks))
    )


def _people(looks: list[Look]) -> tuple[str, ...]:
    """A note if answers in one folder have names with no word in common: then they may be of several students."""
    answered = [look.entry for look in looks if look.worth == Worth.ANSWERED]
    folders = {entry.parts[:-1] for entry in answered}
    names = {original_of(entry.name.removesuffix(".ipynb")).casefold() for entry in answered}
    words = [set(re.findall(r"[^\W\d_]{2,}", name)) for name in names]
    folder = "/".join(min(folders, default=()))
    if (
        len(words) < 2
        or not all(words)
        or len(folders) > 1
        or not folder
        or is_sure(folder.partition("/")[0])
    ):
        return ()
    if any(one & other for one, other in itertools.combinations(words, 2)):
        return ()
    return (f"if these are of several students, grade the folder {folder} by itself",)


def _look(entry: Entry, assignment: Assignment | None) -> Look:
    if entry.problem:
        return Look(entry, Worth.UNREADABLE, entry.problem)
    if not assignment:
        return Look(entry, Worth.OTHER, "older")
    if other := _other(entry, assignment):
        return Look(entry, Worth.UNREADABLE, f"by its name it is of {other}")
    try:
        with opened(entry.source) as stream:
            answers = merge(stream.read(LARGEST + 1), assignment).answers
    except OSError as error:
        return Look(entry, Worth.UNREADABLE, f"it cannot be read: {error.strerror}")
    except NothingOfIt:
        return Look(entry, Worth.OTHER, f"nothing of {assignment.name}")
    except Unreadable as error:
        return Look(entry, Worth.UNREADABLE, str(error))
    except Exception as error:  # no file stops the class
        return Look(entry, Worth.UNREADABLE, f"{type(error).__name__}: {error}")
    given = {grade_id(cell): cell for cell in assignment.hand_out.cells}
    if all(not answer.strip() or untouched(given[id], answer) for id, answer in answers.items()):
        return Look(entry, Worth.UNTOUCHED, "as it was handed out")
    return Look(entry, Worth.ANSWERED, "older")


def _other(entry: Entry, assignment: Assignment | None) -> str:
    """The other notebook that a file is by its name or folder, where its cells could be the assignment's; or ""."""
    if not assignment:
        return ""
    name = original_of(entry.name.removesuffix(".ipynb"))
    for place in assignment.alike:
        folder, _, notebook = place.rpartition("/")
        if name == notebook if folder == assignment.folder else folder in entry.parts[1:-1]:
            return place
    return ""


def _why(look: Look, best: Look) -> str:
    """Why it does not count beside the best."""
    return "older" if look.worth == best.worth >= Worth.UNTOUCHED else look.why


def _name(entry: Entry, files: list[Entry]) -> str:
    """A file's path without what all have in common."""
    depth = 0
    while len({each.parts[: depth + 1] for each in files}) == 1:
        depth += 1
    return "/".join(entry.parts[depth:])


def _list(texts: list[str]) -> str:
    return ", ".join(texts[:NAMED]) + (f" and {len(texts) - NAMED} more" if len(texts) > NAMED else "")
