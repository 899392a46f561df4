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
    *("vollständiger name", "nom", "nom complet", "氏名", "名前", "学生"),
}
"""What a column of names may be called, in the languages of Canvas's and Moodle's files; see `tables.title_key`."""
NONE = "\x1f"
"""A separator that no list has."""
LONGEST = 255
"""Bytes of a folder's name."""


def read(path: Path) -> list[str]:
    """The students of a class, in the order of the list.

    Args:
        path: a file with one student per line, or a table with a column called name or student.

    Raises:
        UserError: it cannot be read, it is unclear which column has the names, or a name cannot be that of a folder
            or stands there twice.
    """
    table = _table(path)
    column = _column(table)
    titled = tables.title_key(table.header[column]) in HEADINGS
    top = [] if titled else [Line(table.header, table.line, 1)]
    found: dict[str, Line] = {}
    names = []
    for line in top + table.lines:
        name = name_key(tables.plain(line.cells[column]))
        if not any(map(str.isalnum, name)):
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


def _table(path: Path) -> Table:
    """The list as a table. A comma or semicolon with a space after it belongs to a name, as in `Lovelace, Ada`."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file: give a file with one student per line")
    decoded = tables.read_text(path)
    outside = re.sub(r'"(?:[^"]|"")*"', "", decoded.text)
    separators = [sign for sign in ",;\t" if re.search(f"{sign}(?! )", outside)]
    return tables.parse(path, decoded, HEADINGS, separators or [NONE])


def _column(table: Table) -> int:
    """Where the names stand: under such a title, or in the only column with anything in it."""
    titled = [i for i, title in enumerate(table.header) if tables.title_key(title) in HEADINGS]
    lines = [table.header, *(line.cells for line in table.lines)]
    full = [i for i in range(len(table.header)) if any(cells[i].strip() for cells in lines)]
    if len(found := titled or full) != 1:
        raise UserError(
            f"{table.path}: it has {len(full)} columns, and it is unclear which has the names: call one of them name, "
            "or give one name per line"
        )
    return found[0]
