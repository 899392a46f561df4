"""manual.csv: the answers that a person marks, with room for points and a comment.

A person fills it in, in whatever spreadsheet; nothing here changes what they wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pixel_edu.config import UserError
from pixel_edu.grading.marking import BY_HAND
from pixel_edu.grading.results import tables
from pixel_edu.grading.results.store import Result
from pixel_edu.grading.results.tables import Cell, Line, Table, number

TITLES = ("file", "student", "exercise", "most", "points", "comment", "answer")
NEEDED = ("file", "exercise", "most", "points")
LONGEST = 32_000
"""Characters of an answer that are shown; Excel's cells hold 32,767."""
WORKBOOKS = (".xlsx", ".xls", ".ods", ".numbers")
NAMED = 5
"""How many lines without effect are named."""


@dataclass(frozen=True)
class ByHand:
    """A person's mark for an answer.

    Attributes:
        points: None while there are none.
        comment: for the student, or "".
        place: where in the table it stands, as the beginning of a sentence.
    """

    points: float | None = None
    comment: str = ""
    place: str = ""


def read(path: Path) -> dict[tuple[str, str], ByHand]:
    """Marks by hand, by file and exercise; none if there is no such table yet.

    Raises:
        UserError: it is not that table, a mark is not a number from 0 to the most there is, or an answer has two.
    """
    return _marks(_table(path))


def write(path: Path, results: Iterable[Result]) -> int:
    """Add what a person has to mark to the table, in the form that it has, without changing what is there.

    Returns:
        How many answers of the table are not marked yet.
    """
    table = _table(path)
    marks = _marks(table)
    new = {
        (result.file, mark.id): _asked(result, mark.id, mark.most)
        for result in results
        for mark in result.marks
        if mark.status == BY_HAND and (result.file, mark.id) not in marks
    }
    for values in new.values():
        cells = [""] * len(table.header)
        for title, value in values.items():
            if (column := table.column(title)) is not None:
                cells[column] = tables.cell_text(value, table.form)
        table.lines.append(Line(cells, 0, 0))
    if new:
        table.save(path)
    return len(new) + sum(mark.points is None for mark in marks.values())


def notes(path: Path, marks: dict[tuple[str, str], ByHand], results: Iterable[Result]) -> list[str]:
    """Sentences on what a person wrote and what does not count.

    Such is a mark that no answer waits for, since its file is gone or a spreadsheet changed a name; and a workbook
    beside the table, which is not read.

    Args:
        path: of the table.
        marks: that stand in it.
        results: of all files.
    """
    asked = {(result.file, mark.id) for result in results for mark in result.marks if mark.status == BY_HAND}
    lost = [
        f"{mark.place}: these {number(mark.points)} points do not count, since no answer to {exercise!r} in {file!r} "
        "is marked by hand: correct the names, or delete the line"
        for (file, exercise), mark in marks.items()
        if mark.points is not None and (file, exercise) not in asked
    ]
    rest = len(lost) - NAMED
    books = [book for kind in WORKBOOKS if (book := path.with_suffix(kind)).exists()]
    unread = [f"{book}: it is not read: save it as {path.name}, in the form CSV UTF-8" for book in books]
    return lost[:NAMED] + [f"... and {rest} more such lines"] * (rest > 0) + unread


def _asked(result: Result, exercise: str, most: float) -> dict[str, Cell]:
    """A line for an answer."""
    answer = result.answers.get(exercise, "")
    if len(answer) > LONGEST:
        answer = f"{answer[:LONGEST]}\n[cut off here; all of it is in executed/{result.key}.ipynb]"
    file, student = result.file, result.student
    return {"file": file, "student": student, "exercise": exercise, "most": most, "answer": answer}


def _table(path: Path) -> Table:
    """The table, or a new one without lines."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return Table(path, list(TITLES))
    table = tables.read(path, TITLES)
    if lacks := [title for title in NEEDED if table.column(title) is None]:
        raise UserError(
            f"{path}: its first line lacks the titles {', '.join(lacks)}: make it {', '.join(TITLES)} again"
        )
    return table


def _marks(table: Table) -> dict[tuple[str, str], ByHand]:
    found: dict[tuple[str, str], ByHand] = {}
    for line in table.lines:
        key = table.text(line, "file"), table.text(line, "exercise").strip()
        if not all(each.strip() for each in key):  # a line of sums, or of notes
            continue
        mark = ByHand(_points(table, line), table.text(line, "comment").strip(), table.place(line))
        other = found.get(key, mark)
        if None not in (mark.points, other.points) and mark.points != other.points:
            raise UserError(
                f"{mark.place}: {key[0]} has another mark for {key[1]} in line "
                f"{other.place.rpartition(' ')[2]}: delete one of the two"
            )
        points = other.points if mark.points is None else mark.points
        found[key] = ByHand(points, mark.comment or other.comment, mark.place)
    return found


def _points(table: Table, line: Line) -> float | None:
    """A line's mark, which may be a share of the most there is, such as 50 %."""
    text = table.text(line, "points").strip()
    if not text:
        return None
    most = next(iter(tables.readings(table.text(line, "most"), table.form.decimal)), None)
    if most is None:
        where = table.place(line, table.column("most"))
        raise UserError(f"{where}: {table.text(line, 'most')!r} is not a number: write the most points again")
    share = text.endswith(("%", "％"))
    values = tables.readings(text.rstrip("%％"), table.form.decimal)
    points = [value * most / 100 if share else value for value in values]
    fits = next((value for value in points if 0 <= value <= most), None)
    if fits is None:
        where = table.place(line, table.column("points"))
        raise UserError(f"{where}: {text!r} is not a mark: write a number from 0 to {number(most)}")
    return fits
