"""Whose a file is, from the name that a learning platform gave it.

A pattern that no own name has by chance, such as Moodle's, always counts. Another counts when the folder as a whole
follows it, or when it is asked for.

Sources of the forms: Canvas, `lib/content_zipper.rb` of instructure/canvas-lms; nbgrader, `nbgrader/exchange/default/`
and `docs/source/user_guide` of jupyter/nbgrader; Blackboard, README of kwurst/bb-file-cleanup; GitHub Classroom,
`cmd/gh-classroom/clone/student-repos` of github/gh-classroom; "name - title", Apple's
https://support.apple.com/en-gw/guide/schoolwork-teacher/phxd943e905d/ios. Brightspace's and Moodle's forms are those of
real downloads that public scripts read. No public description of the names in Google Classroom's folders was found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pixel_edu.config import UserError
from pixel_edu.grading.names import name_key
from pixel_edu.grading.places import LOCAL, Place

MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_.*)?")
CANVAS = re.compile(r"(?P<name>.+?)_(?:(?P<late>LATE)_)?(?P<id>\d+)_(?:(?P<file>\d+)_.+|(?:text|link))")
BLACKBOARD = re.compile(r"(?P<head>.+?_(?P<name>[^_]+))_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_.*)?")
BRIGHTSPACE = re.compile(r"(?P<id>\d+)-\d+ - (?P<name>.+?) - (?P<time>[^-]*\b\d{4}\b[^-]*?)(?: - .+)?")
EXCHANGE = re.compile(
    r"(?P<name>.+)\+(?P<assignment>[^+]+)\+(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^+]*(?:\+\d{4})?)(?:\+[^+]*)?"
)
CLASSROOM = re.compile(r"(?P<name>.+?) - (?P<title>.+?)(?: \(\d+\))?")
COPY = re.compile(
    r"(?P<name>.+?)(?: ?\(\d+\)|-Copy\d+| - (?:Copy|Kopie|Copie|Copia)(?: \(\d+\))?| copy(?: \d+)?)"
    r"|(?:Copy of|Kopie von|Copie de|Copia de) (?P<of>.+)"
)
"""How browsers, JupyterLab, Colab and desktops name a copy of a file."""
LAYOUTS = ("plain", "moodle", "canvas", "blackboard", "brightspace", "nbgrader", "github", "classroom")
"""Names of the forms; "nbgrader" is its exchange's, since its tree `submitted` needs no pattern."""


class Owner(NamedTuple):
    """What a name says.

    Attributes:
        student: who handed it in.
        number: the platform's number of the student, or "".
        time: when, ISO 8601 in UTC, or "".
        notes: a sentence for each guess.
        is_text: whether it is what was typed into a form, and not a file.
        assignment: what it was handed in for, or "".
        layout: the form that the name has.
    """

    student: str
    number: str = ""
    time: str = ""
    notes: tuple[str, ...] = ()
    is_text: bool = False
    assignment: str = ""
    layout: str = "plain"


Reader = Callable[[str], Owner | None]


def owners(places: list[Place], layout: str = "", folder: str = "", assignment: str = "") -> list[Owner]:
    """Whose each place is.

    Args:
        places: all of the folder.
        layout: one of `LAYOUTS`, or "" to judge from the names.
        folder: name of the folder.
        assignment: name of what was handed in.

    Raises:
        UserError: there is no such layout.
    """
    if layout and layout not in LAYOUTS:
        raise UserError(f"layout {layout}: use one of {', '.join(LAYOUTS)}")
    found: list[Owner] = []
    originals = _originals(places) if layout != "plain" else {}
    kinds = {kind: [place for place in places if place.is_folder is kind] for kind in (False, True)}
    readers = {kind: _readers(each, layout, folder, assignment) for kind, each in kinds.items()}
    for place in places:
        read = [
            owner._replace(layout=form)
            for form, reader in readers[place.is_folder].items()
            if (owner := reader(place.name))
        ]
        notes = (f"its name is not in the form of {layout}: taken whole",) * (layout not in ("", "plain"))
        if place.name == assignment and len(places) > 1 and not place.is_folder:
            notes = (*notes, "it is named as the assignment: it may be the hand-out or the solution")
        found.append(read[0] if read else _plain(place.name, originals, notes))
    return found


def _originals(places: list[Place]) -> dict[str, tuple[str, bool]]:
    """For each file that is named as a copy: whose it would be, and whether no other file is of that name."""
    files = [place.name for place in places if not place.is_folder]
    names = {name: original for name in files if (original := original_of(name)) != name}
    taken = Counter(name_key(names.get(place.name, place.name)) for place in places)
    return {name: (original, taken[name_key(original)] == 1) for name, original in names.items()}


def original_of(name: str) -> str:
    """The name that a copy was made of, and a copy of a copy; any other name as it is.

    >>> original_of("ada (1) (2)"), original_of("Copy of ada"), original_of("ada")
    ('ada', 'ada', 'ada')
    """
    while match := COPY.fullmatch(name):
        name = match["name"] or match["of"]
    return name


def _plain(name: str, originals: dict[str, tuple[str, bool]], notes: tuple[str, ...]) -> Owner:
    """The owner of a file whose name has no form."""
    original, alone = originals.get(name, ("", False))
    if alone:
        told = f"the student's name is that of {name!r} without what a program adds to a copy"
        return Owner(original, notes=(*notes, told))
    if original:
        notes = (*notes, f"it may be a copy of {original}'s: if so, put both into a folder {original!r}")
    return Owner(name, notes=notes)


def _readers(places: list[Place], layout: str, folder: str, assignment: str) -> dict[str, Reader]:
    """What reads the names of these places, the surest first."""
    names = [place.name for place in places]
    makers: dict[str, tuple[bool, Callable[[], Reader]]] = {
        "moodle": (True, lambda: _moodle),
        "blackboard": (True, lambda: _blackboard(names)),
        "brightspace": (True, lambda: _brightspace),
        "nbgrader": (True, lambda: _exchange),
        "canvas": (is_canvas(names), lambda: _canvas),
        "github": (_is_github(places), lambda: _github(names, folder)),
        "classroom": (_is_classroom(places, assignment), lambda: _classroom),
    }
    if layout:
        return {layout: makers[layout][1]()} if layout in makers else {}
    return {form: maker() for form, (holds, maker) in makers.items() if holds}


def is_sure(name: str) -> bool:
    """Whether a name has a form that no own name has by chance."""
    return any(form.fullmatch(name) for form in (MOODLE, BLACKBOARD, BRIGHTSPACE, EXCHANGE))


def is_class(names: list[str]) -> bool:
    """Whether files of these names are a platform's download of a class."""
    return any(map(is_sure, names)) or is_canvas(names)


def _moodle(name: str) -> Owner | None:
    match = MOODLE.fullmatch(name)
    return match and Owner(match["name"], match["id"], is_text=match["kind"] != "file")


def is_canvas(names: list[str]) -> bool:
    """Whether names follow Canvas's pattern as a whole, and do not just happen to have numbers in them.

    At least half of them do, no two have the same file number, and they are not all of one student, as
    `hw_3_1_ada` and `hw_3_2_bo` would be.
    """
    like = [match for match in map(CANVAS.fullmatch, names) if match]
    files = [match["file"] for match in like if match["file"]]
    students = {(match["name"], match["id"]) for match in like}
    return bool(files) and (
        2 * len(like) >= len(names) and len(set(files)) == len(files) and len(students) > (len(like) > 1)
    )


def _canvas(name: str) -> Owner | None:
    match = CANVAS.fullmatch(name)
    if not match:
        return None
    notes = ("Canvas calls it late",) if match["late"] else ()
    return Owner(match["name"], match["id"], notes=notes, is_text=not match["file"])


def _blackboard(names: Iterable[str]) -> Reader:
    """Blackboard's names begin with the assignment's title, which is what all have in common, and the user's name."""
    heads = {match["head"] for match in map(BLACKBOARD.fullmatch, names) if match}
    title = _common(heads, "_") if len(heads) > 1 else ""

    def read(name: str) -> Owner | None:
        match = BLACKBOARD.fullmatch(name)
        if not match:
            return None
        time = datetime.strptime(match["time"], "%Y-%m-%d-%H-%M-%S")
        student = match["head"].removeprefix(title) if title else match["name"]
        return Owner(student, time=utc(time), notes=(f"Blackboard's time, {LOCAL}",))

    return read


def _brightspace(name: str) -> Owner | None:
    match = BRIGHTSPACE.fullmatch(name)
    if not match:
        return None
    time = _american(match["time"])
    note = f"Brightspace's time, {LOCAL}" if time else f"its time {match['time']!r} is not understood"
    return Owner(match["name"], match["id"], time=utc(time) if time else "", notes=(note,))


def _american(text: str) -> datetime | None:
    """A time such as `Jan 31, 2024 205 PM`."""
    match = re.fullmatch(
        r"(?P<month>[A-Z][a-z]{2})[a-z]* (?P<rest>\d+, \d{4}) (?P<clock>\d{3,4}) ?(?P<half>[AP]M)", text
    )
    if not match:
        return None
    try:
        return datetime.strptime(
            f"{match['month']} {match['rest']} {match['clock']:0>4} {match['half']}", "%b %d, %Y %I%M %p"
        )
    except ValueError:
        return None


def _exchange(name: str) -> Owner | None:
    match = EXCHANGE.fullmatch(name)
    if not match:
        return None
    time, note = timestamp(match["time"])
    return Owner(match["name"], time=time, notes=(note,) if note else (), assignment=match["assignment"])


def _is_github(places: list[Place]) -> bool:
    return (
        len(places) > 1
        and all(place.is_repository for place in places)
        and bool(_common([place.name for place in places], "-"))
    )


def _github(names: list[str], folder: str) -> Reader:
    """GitHub Classroom names repositories SLUG-USER; `gh classroom` clones them into a folder SLUG-submissions."""
    slug = folder.removesuffix("submissions") if folder.endswith("-submissions") else ""
    if not slug or not all(name.startswith(slug) for name in names):
        slug = _common(names, "-")

    def read(name: str) -> Owner | None:
        if not slug or not name.startswith(slug):
            return None
        return Owner(
            name.removeprefix(slug), notes=(f"the student's name is that of the repository without {slug!r}",)
        )

    return read


def _is_classroom(places: list[Place], assignment: str) -> bool:
    titles = Counter(match["title"] for place in places if (match := CLASSROOM.fullmatch(place.name)))
    if not titles or 2 * titles.total() < len(places):
        return False
    title, count = titles.most_common(1)[0]
    return 2 * count >= titles.total() and (count > 1 or title == assignment)


def _classroom(name: str) -> Owner | None:
    match = CLASSROOM.fullmatch(name)
    return match and Owner(match["name"], notes=("the student's name is what stands before ' - '",))


def _common(names: Iterable[str], end: str) -> str:
    """What all names begin with, up to a separator, where each has more than that."""
    names = list(names)
    first, last = min(names), max(names)  # what these two share, all between them do
    equal = [a == b for a, b in zip(first, last, strict=False)]
    common = first[: equal.index(False) if False in equal else len(equal)]
    common = common[: common.rfind(end) + 1]
    return common if all(len(name) > len(common) for name in names) else ""


def utc(time: datetime) -> str:
    """A time as ISO 8601 in UTC; one without a zone is taken as this machine's."""
    return time.astimezone(UTC).isoformat(timespec="seconds")


def timestamp(text: str) -> tuple[str, str]:
    """The time in nbgrader's `timestamp.txt`, as ISO 8601 in UTC or "", and a note if that is a guess.

    Examples:
        >>> timestamp("2024-01-31 12:00:00.123456 UTC")
        ('2024-01-31T12:00:00+00:00', '')
        >>> timestamp("2024-01-31 12:00:00 +0100")
        ('2024-01-31T11:00:00+00:00', '')
        >>> timestamp("yesterday")
        ('', "its timestamp.txt is not understood: 'yesterday'")
    """
    text = text.strip()
    match = re.fullmatch(r"(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?) ?(?P<zone>.*)", text)
    try:
        if not match:
            raise ValueError
        time = datetime.fromisoformat(match["time"])
    except ValueError:
        return "", f"its timestamp.txt is not understood: {text[:40]!r}"
    zone, note = _zone(match["zone"])
    return utc(time.replace(tzinfo=zone)), note


def _zone(name: str) -> tuple[tzinfo, str]:
    """A time zone by its name or offset; nbgrader takes none for UTC."""
    if name in ("", "UTC", "GMT", "Z"):
        return UTC, ""
    if offset := re.fullmatch(r"([+-])(\d\d):?(\d\d)", name):
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-ahead if offset[1] == "-" else ahead), ""
    try:
        return ZoneInfo(name), ""
    except (ValueError, OSError, KeyError):
        return UTC, f"its timestamp.txt names an unknown time zone {name[:20]!r}: taken as UTC"
