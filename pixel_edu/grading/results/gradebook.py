"""The gradebook: results, marks by hand and deadlines as a table, and that table in the formats of other systems.

Everything here is computed afresh from what is stored, so an export never changes a mark.
"""

from __future__ import annotations

import json
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from pixel_edu.config import UserError
from pixel_edu.files import replacing
from pixel_edu.grading.assignment import Assignment, Task
from pixel_edu.grading.marking import BY_HAND, UNWRITTEN, Mark
from pixel_edu.grading.names import name_key
from pixel_edu.grading.results import tables
from pixel_edu.grading.results.late import Policy
from pixel_edu.grading.results.manual import ByHand
from pixel_edu.grading.results.store import Result
from pixel_edu.grading.results.tables import Line, Table, number

NBGRADER = (
    "assignment",
    "duedate",
    "timestamp",
    "student_id",
    "last_name",
    "first_name",
    "email",
    "raw_score",
    "late_submission_penalty",
    "score",
    "max_score",
)
GRADES = ("grade", "bewertung", "note", "calificación", "valutazione", "評点")
"""What Moodle calls the column of grades in English, German, French, Spanish, Italian and Japanese."""
MAXIMUM = re.compile("max|mass|best|hochst|最")
"""How Moodle calls the column behind it, with the most that one can get, has this in it, without accents."""


@dataclass
class Row:
    """A submission in the gradebook.

    Attributes:
        result: what it got.
        marks: its marks, those by hand included.
        days: how many days late.
        penalty: points lost for that.
        comments: by hand, by exercise.
    """

    result: Result
    marks: list[Mark]
    days: int = 0
    penalty: float = 0
    comments: dict[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> float | None:
        """Points before the penalty; None where nothing is known."""
        known = [mark.points for mark in self.marks if mark.points is not None]
        return sum(known) if known else None

    @property
    def score(self) -> float | None:
        """Points that count."""
        return None if self.raw is None else round(self.raw - self.penalty, 4)


def rows(results: Iterable[Result], manual: dict[tuple[str, str], ByHand], policy: Policy) -> list[Row]:
    """The gradebook's rows, by student.

    Args:
        results: one for each file handed in.
        manual: marks by hand, see `manual.read`.
        policy: deadlines.
    """
    made = []
    for result in sorted(results, key=lambda each: (each.student, each.file)):
        marks, comments = [], {}
        for mark in result.marks:
            by_hand = manual.get((result.file, mark.id), ByHand())
            if mark.status == BY_HAND and by_hand.points is not None:
                mark = replace(mark, points=by_hand.points, message="Marked by a person.")
            if by_hand.comment:
                comments[mark.id] = by_hand.comment
            marks.append(mark)
        row = Row(result, marks, policy.days(result.student, result.time, result.number), comments=comments)
        row.penalty = policy.penalty(row.raw or 0, row.days)
        made.append(row)
    return made


def one_each(rows: list[Row]) -> list[Row]:
    """Each student's row: the last one handed in that could be graded. Two students of one name differ in number."""
    chosen: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: (row.raw is not None, row.result.time)):
        chosen[name_key(row.result.student), row.result.number] = row
    return [chosen[key] for key in sorted(chosen)]


class Tally(NamedTuple):
    """How an exercise went.

    Attributes:
        task: the exercise.
        marked: how many have a mark.
        mean: of their points; None without any.
        right: how many got all points.
        blank: how many wrote nothing.
    """

    task: Task
    marked: int
    mean: float | None
    right: int
    blank: int

    @property
    def wrong(self) -> int:
        """How many wrote something that does not get all points."""
        return self.marked - self.right - self.blank


def tally(rows: Iterable[Row], task: Task) -> Tally:
    """Count how an exercise went; marks without points, such as those that wait for a person, do not count."""
    marks = [mark for row in rows for mark in row.marks if mark.id == task.id and mark.points is not None]
    mean = statistics.mean(mark.points or 0 for mark in marks) if marks else None
    right = sum(mark.points == mark.most for mark in marks)
    return Tally(task, len(marks), mean, right, sum(mark.status == UNWRITTEN for mark in marks))


def grades(path: Path, rows: list[Row], assignment: Assignment) -> None:
    """grades.csv: a line for each file handed in."""
    ids = [task.id for task in assignment.tasks]
    header = ["student", "number", "file", "handed in", "status", "reason", *ids]
    lines = []
    for row in rows:
        points = {mark.id: mark.points for mark in row.marks}
        result = row.result
        start = [result.student, result.number, result.file, result.time, result.status, result.reason]
        end = [row.raw, row.days, row.penalty, row.score, assignment.points]
        about = [result.level, f"{result.seconds:g}", "; ".join(result.notes)]
        lines.append([*start, *(points.get(id) for id in ids), *end, *about])
    tables.write(
        path,
        [*header, "points", "days late", "penalty", "score", "most", "sandbox", "seconds", "notes"],
        lines,
    )


def nbgrader(path: Path, rows: list[Row], assignment: Assignment, policy: Policy) -> None:
    """The columns of `nbgrader export`."""
    due = policy.deadline.isoformat() if policy.deadline else ""
    lines = []
    for row in one_each(rows):
        scores = (row.raw, row.penalty, row.score, assignment.points)
        lines.append([assignment.name, due, row.result.time, row.result.student, "", "", "", *scores])
    tables.write(path, NBGRADER, lines, tables.FOR_PROGRAMS)


def gradescope(folder: Path, rows: list[Row]) -> None:
    """results.json, a folder for each student, as Gradescope's autograder writes it."""
    for row in one_each(rows):
        tests = []
        for mark in row.marks:
            test = {
                "name": mark.id,
                "score": mark.points or 0,
                "max_score": mark.most,
                "output": mark.message,
                "visibility": "visible",
            }
            if mark.points is not None:
                test["status"] = "passed" if mark.points == mark.most else "failed"
            tests.append(test)
        content: dict[str, Any] = {"tests": tests, "stdout_visibility": "hidden"}
        if row.score is not None:
            content["score"] = row.score
        if row.days:
            content["output"] = f"{row.days} days late: {number(row.penalty)} points lost."
        place = folder / f"{slug(row.result.student)}-{row.result.key[:6]}"
        place.mkdir(parents=True, exist_ok=True)
        with replacing(place / "results.json") as temporary:
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def slug(name: str) -> str:
    """A name as part of a file's."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60] or "student"


@dataclass(frozen=True)
class Filled:
    """What filling somebody's table did.

    Attributes:
        path: of the filled copy.
        students: how many lines got a score.
        without: students with a score whom the table does not have.
        over: students whose score is more than the table says one can get.
    """

    path: Path
    students: int
    without: list[str]
    over: list[str]


def canvas(template: Path, out: Path | None, rows: list[Row], name: str, column: str = "") -> Filled:
    """Fill one column of a gradebook exported from Canvas.

    Args:
        template: the export, also as a spreadsheet saved it; it is not changed.
        out: the copy to import, in the form of the template; None writes nothing, and only looks at the template.
        rows: of the gradebook.
        name: of the assignment.
        column: its title; "" finds the one that names the assignment.

    Raises:
        UserError: the file is not such an export, or it is unclear which column to fill in.
    """
    table = tables.read(template, ("Student", "ID"))
    if table.column("ID") is None:
        raise UserError(
            f"{template}: it has no column ID: export the gradebook from Canvas and give that file"
        )
    titled = [title for title in table.header if re.search(r"\(\d+\)\s*$", title)]
    place = _column(table, column, titled, name)
    keys = [table.column(title) for title in ("ID", "SIS Login ID", "SIS User ID", "Student")]
    named = [(line, [line.cells[key] for key in keys if key is not None]) for line in table.lines]
    for _, names in named:
        last, comma, first = names[-1].partition(", ")  # Canvas puts the last name first
        names += [f"{first} {last}"] * bool(comma)
    possible = [line for line in table.lines if line.cells[0].strip().lower() == "points possible"]
    return _fill(table, named, out, rows, place, lambda _: possible[0].cells[place] if possible else "")


def moodle(template: Path, out: Path | None, rows: list[Row], name: str, column: str = "") -> Filled:
    """Fill an offline grading worksheet of Moodle.

    Args:
        template: the worksheet, also as a spreadsheet saved it; it is not changed.
        out: the copy to upload, in the form of the template; None writes nothing, and only looks at the template.
        rows: of the gradebook.
        name: of the assignment.
        column: the title of the grades, in the site's language; "" is one of `GRADES`.

    Raises:
        UserError: the file is not such a worksheet, or has no such column.
    """
    table = tables.read(template, [column] if column else GRADES)
    known = [title for title in table.header if tables.title_key(title) in GRADES]
    place = _column(table, column or "".join(known[:1]), [], name)
    named = []
    for line in table.lines:  # the first column says "Participant 12", in the site's language
        participant = re.search(r"\d+\s*$", line.cells[0])
        if not participant:
            raise UserError(
                f"{table.place(line, 0)}: {line.cells[0]!r} has no participant's number: give Moodle's worksheet"
            )
        addresses = [cell for cell in line.cells[2:] if "@" in cell]
        named.append(
            (line, [participant[0], *line.cells[1:2], *addresses])
        )  # the second column has the whole name
    behind = "".join(table.header[place + 1 : place + 2])
    most = place + 1 if MAXIMUM.search(_without_accents(behind)) else None
    return _fill(table, named, out, rows, place, lambda line: "" if most is None else line.cells[most])


def _without_accents(title: str) -> str:
    """A title in small letters, for a look at what it is about."""
    letters = unicodedata.normalize("NFKD", title).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _column(table: Table, wanted: str, offered: list[str], name: str) -> int:
    """The column of a title, or the offered one that names the assignment."""
    if wanted:
        found = [title for title in table.header if title == wanted] or [
            title for title in table.header if tables.title_key(title) == tables.title_key(wanted)
        ]
    else:
        word = name.partition("_")[2] or name.lower()
        found = [
            title for title in offered if word and word in re.sub(r"[^a-z0-9]+", " ", title.lower()).split()
        ]
    if len(found) > 1 and len(set(found)) == 1:
        raise UserError(
            f"{table.path}: {len(found)} columns are called {found[0]}: give each a title of its own"
        )
    if len(found) != 1:
        titles = offered or [title for title in table.header if title.strip()]
        raise UserError(
            f"{table.path}: it is unclear which column is for {name}: name it with --column, "
            f"one of {', '.join(titles)}"
        )
    return table.header.index(found[0])


def _fill(
    table: Table,
    named: list[tuple[Line, list[str]]],
    out: Path | None,
    rows: list[Row],
    place: int,
    most: Callable[[Line], str],
) -> Filled:
    """Put each student's score into their line; excused ones and those without a score stay as they are.

    Args:
        table: is changed.
        named: its lines, and what may name the student in each: the surest first.
        out: where the filled table goes; None writes nothing.
        rows: of the gradebook.
        place: the column of the scores.
        most: what can be got in a line, as the table writes it.
    """
    left = [row for row in one_each(rows) if row.score is not None]
    known: dict[str, list[Row]] = {}
    for row in left:
        for key in {row.result.number, name_key(row.result.student)} - {""}:
            known.setdefault(key, []).append(row)
    filled, seen, over = 0, [], []
    keys_of = [[name_key(tables.plain(name)) for name in names if name.strip()] for _, names in named]
    lines = Counter(key for keys in keys_of for key in set(keys))
    for (line, _), keys in zip(named, keys_of, strict=True):
        # A name that two students or two lines have fits neither: nobody's score is guessed.
        fits = (known[key][0] for key in keys if lines[key] == 1 and len(known.get(key, [])) == 1)
        if row := next(fits, None):
            seen.append(row)
            if line.cells[place].strip().upper() != "EX":
                line.cells[place] = tables.cell_text(row.score, table.form)
                filled += 1
                limits = tables.readings(most(line), table.form.decimal)
                if limits and (row.score or 0) > max(limits):
                    over.append(row.result.student)
    if out:
        table.save(out)
    return Filled(out or table.path, filled, [row.result.student for row in left if row not in seen], over)


def changes(results: Iterable[Result]) -> list[tuple[str, str, str, str, str, str]]:
    """What regrading changed: (time, student, file, exercise, points before, points after), oldest first."""
    found = []
    for result in results:
        points = {mark.id: mark.points for mark in result.marks}
        for entry in reversed(result.history):
            for id, before in entry["points"].items():
                line = (entry["at"], result.student, result.file, id, number(before), number(points.get(id)))
                found.append(line)
                points[id] = before
    return sorted(found)
