"""Class lists: one student per line, or a table with a column of names, as spreadsheets save them."""

from __future__ import annotations

import re
from pathlib import Path

from pixel_edu.config import UserError
from pixel_edu.grading.names import name_key
from pixel_edu.grading.results import tables
from pixel_edu.grading.results.tables import Line, Table

HEADINGS = {
    *("student", "students", "student name", "name", "names", "full name"),
    *(
        "vollständiger name",
        "studierende",
        "schüler",
        "nom",
        "nom complet",
        "étudiant",
        "氏名",
        "名前",
        "学生",
    ),
}
"""What a column of names may be called, in the languages of Canvas's and Moodle's files; see `tables.title_key`."""
PARTS = (
    *(("first name", "last name"), ("first name", "surname"), ("given name", "family name")),
    *(("vorname", "nachname"), ("prénom", "nom"), ("prénom", "nom de famille")),
    *(("nombre", "apellidos"), ("nombre", "apellido(s)"), ("姓", "名")),
)
"""What two columns may be called that make a name, in the order in which it is written."""
MARKER = re.compile(r"(?:[-*+•–]|\d+[.)]) +")
"""What stands before each name in a list with bullets or numbers."""
POINTS = "points possible"
"""What Canvas writes in the place of a name in the line of the most points."""
TOP = 10
"""In how many lines at the top the titles may stand, below a title of the whole list."""
NONE = "\x1f"
"""A separator that no list has."""
LONGEST = 255
"""Bytes of a folder's name."""


def read(path: Path) -> list[str]:
    """The students of a class, in the order of the list.

    Args:
        path: a file with one student per line, or a table with a column called name or student, or with one for each
            part of a name.

    Raises:
        UserError: it cannot be read, it is unclear which column has the names, or a name cannot be that of a folder
            or stands there twice.
    """
    table = _table(path)
    columns, lines = _names(table)
    found: dict[str, Line] = {}
    names = []
    texts = [name_key(" ".join(tables.plain(line.cells[column]) for column in columns)) for line in lines]
    for line, name in zip(lines, _without_markers(texts), strict=True):
        if not any(map(str.isalnum, name)) or name.startswith("#") or name.casefold() == POINTS:
            continue
        if name.startswith(".") or set(name) & set("/\\\0") or len(name.encode()) > LONGEST:
            raise UserError(
                f"{table.place(line)}: {name!r} cannot be the name of a folder: use no / and no dot at the beginning, "
                f"and at most {LONGEST} bytes"
            )
        if other := found.get(name.casefold()):
            raise UserError(
                f"{table.place(line)}: {name} is already in line {other.line}: give each student a name of their own"
            )
        found[name.casefold()] = line
        names.append(name)
    if not names:
        raise UserError(f"{path}: it names no student: write one per line")
    return names


def _without_markers(names: list[str]) -> list[str]:
    """Names without the bullets or numbers of a list, where all of them have one."""
    full = [name for name in names if name and not name.startswith("#")]
    if not all(map(MARKER.match, full)):
        return names
    return [MARKER.sub("", name, count=1) for name in names]


def _table(path: Path) -> Table:
    """The list as a table. A comma or semicolon with a space after it belongs to a name, as in `Lovelace, Ada`."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file: give a file with one student per line")
    decoded = tables.read_text(path)
    outside = re.sub(r'"(?:[^"]|"")*"', "", decoded.text)
    separators = [sign for sign in ",;\t" if re.search(f"{sign}(?! )", outside)]
    return tables.parse(path, decoded, HEADINGS.union(*PARTS), separators or [NONE])


def _names(table: Table) -> tuple[tuple[int, ...], list[Line]]:
    """The columns that make a name, by their titles or as the only one with anything in it, and the lines below."""
    lines = [Line(table.header, table.line, 1), *table.lines]
    for place, line in enumerate(lines[:TOP], 1):
        titles = [tables.title_key(cell) for cell in line.cells]
        if (place == 1 or len(list(filter(None, titles))) > 1) and (columns := _titled(titles)):
            return columns, lines[place:]
    full = [i for i in range(len(table.header)) if any(line.cells[i].strip() for line in lines)]
    if len(full) != 1:
        raise UserError(
            f"{table.path}: it has {len(full)} columns, and it is unclear which has the names: call one of them name, "
            "or give one name per line"
        )
    return tuple(full), lines


def _titled(titles: list[str]) -> tuple[int, ...]:
    """Which columns make a name, by their titles; none if that is not clear."""
    for parts in PARTS:
        if all(titles.count(each) == 1 for each in parts):
            return tuple(map(titles.index, parts))
    found = [i for i, title in enumerate(titles) if title in HEADINGS]
    return tuple(found) if len(found) == 1 else ()
