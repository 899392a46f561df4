"""The gradebook: results, marks by hand and deadlines as a table, and that table in the formats of other systems.

Everything here is computed afresh from what is stored, so an export never changes a mark.
"""

from __future__ import annotations

import csv
import io
import json
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pixel_edu.config import UserError
from pixel_edu.files import replacing
from pixel_edu.grading.assignment import Assignment, Task
from pixel_edu.grading.marking import BY_HAND, UNWRITTEN, Mark
from pixel_edu.grading.names import name_key
from pixel_edu.grading.results.late import Policy
from pixel_edu.grading.results.store import Result

MANUAL = ("file", "student", "exercise", "most", "points", "comment", "answer")
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


def rows(results: Iterable[Result], manual: dict[tuple[str, str], dict], policy: Policy) -> list[Row]:
    """The gradebook's rows, by student.

    Args:
        results: one for each file handed in.
        manual: marks by hand, see `read_manual`.
        policy: deadlines.
    """
    made = []
    for result in sorted(results, key=lambda each: (each.student, each.file)):
        marks, comments = [], {}
        for mark in result.marks:
            by_hand = manual.get((result.file, mark.id), {})
            if mark.status == BY_HAND and by_hand.get("points"):
                mark = Mark(
                    **vars(mark) | {"points": float(by_hand["points"]), "message": "Marked by a person."}
                )
            if by_hand.get("comment"):
                comments[mark.id] = by_hand["comment"]
            marks.append(mark)
        row = Row(result, marks, policy.days(result.student, result.time), comments=comments)
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


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def number(value: float | None) -> str:
    """A number with up to four decimals, as short as possible; "" for None."""
    return "" if value is None else f"{value:.4f}".rstrip("0").rstrip(".")


def write_csv(path: Path, header: Iterable[str], lines: Iterable[Iterable[Any]]) -> None:
    """Write a table, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")


def grades(path: Path, rows: list[Row], assignment: Assignment) -> None:
    """grades.csv: a line for each file handed in."""
    ids = [task.id for task in assignment.tasks]
    header = ["student", "number", "file", "handed in", "status", "reason", *ids]
    lines = []
    for row in rows:
        points = {mark.id: mark.points for mark in row.marks}
        result = row.result
        start = [safe(result.student), result.number, safe(result.file), result.time, result.status]
        end = [number(row.raw), row.days, number(row.penalty), number(row.score), number(assignment.points)]
        about = [result.level, f"{result.seconds:g}", safe("; ".join(result.notes))]
        lines.append([*start, safe(result.reason), *(number(points.get(id)) for id in ids), *end, *about])
    write_csv(
        path,
        [*header, "points", "days late", "penalty", "score", "most", "sandbox", "seconds", "notes"],
        lines,
    )


def nbgrader(path: Path, rows: list[Row], assignment: Assignment, policy: Policy) -> None:
    """The columns of `nbgrader export`."""
    due = policy.deadline.isoformat() if policy.deadline else ""
    lines = []
    for row in one_each(rows):
        scores = [number(row.raw), number(row.penalty), number(row.score), number(assignment.points)]
        lines.append([assignment.name, due, row.result.time, safe(row.result.student), "", "", "", *scores])
    write_csv(path, NBGRADER, lines)


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
    """

    path: Path
    students: int
    without: list[str]


def canvas(template: Path, out: Path, rows: list[Row], assignment: Assignment, column: str = "") -> Filled:
    """Fill one column of a gradebook exported from Canvas.

    Args:
        template: the export; it is not changed.
        out: the copy to import.
        rows: of the gradebook.
        assignment: what for.
        column: its title; "" finds the one that names the assignment.

    Raises:
        UserError: the file is not such an export, or it is unclear which column to fill in.
    """
    header, lines = _table(template)
    if "ID" not in header:
        raise UserError(
            f"{template}: it has no column ID: export the gradebook from Canvas and give that file"
        )
    titled = [title for title in header if re.search(r"\(\d+\)$", title)]
    place = _column(template, header, column, titled, assignment.name)
    keys = [name for name in ("ID", "SIS Login ID", "SIS User ID", "Student") if name in header]
    return _fill(header, lines, out, rows, place, [header.index(name) for name in keys])


def moodle(template: Path, out: Path, rows: list[Row], assignment: Assignment, column: str = "") -> Filled:
    """Fill an offline grading worksheet of Moodle.

    Args:
        template: the worksheet; it is not changed.
        out: the copy to upload.
        rows: of the gradebook.
        assignment: what for.
        column: the title of the grades, in the site's language; "" is "Grade".

    Raises:
        UserError: the file is not such a worksheet, or has no such column.
    """
    header, lines = _table(template)
    place = _column(template, header, column or "Grade", [], assignment.name)
    for line in lines:  # the first column says "Participant 12", in the site's language
        if not re.search(r"\d+$", line[0]):
            raise UserError(
                f"{template}: its first column has no participants' numbers: give Moodle's worksheet"
            )
    return _fill(header, lines, out, rows, place, [0], lambda text: re.findall(r"\d+$", text)[0])


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header, *lines = [line for line in csv.reader(stream) if line]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise UserError(
            f"{path}: it cannot be read as a table ({error}): give the exported CSV file"
        ) from None
    return header, [line + [""] * (len(header) - len(line)) for line in lines]


def _column(path: Path, header: list[str], wanted: str, offered: list[str], name: str) -> int:
    words = name.partition("_")[2]
    plain = [re.sub(r"[^a-z0-9]+", " ", title.lower()) for title in offered]
    fits = [title for title, low in zip(offered, plain, strict=True) if words and words in low.split()]
    found = [title for title in header if title == wanted] if wanted else fits
    if len(found) != 1:
        raise UserError(
            f"{path}: it is unclear which column is for {name}: name it with --column, "
            f"one of {', '.join(offered or header)}"
        )
    return header.index(found[0])


def _fill(
    header: list[str],
    lines: list[list[str]],
    out: Path,
    rows: list[Row],
    place: int,
    keys: list[int],
    plain: Any = str,
) -> Filled:
    """Put each student's score into their line; excused ones and those without a score stay as they are."""
    left = [row for row in one_each(rows) if row.score is not None]
    known: dict[str, list[Row]] = {}
    for row in left:
        for key in {row.result.number, name_key(row.result.student)} - {""}:
            known.setdefault(key, []).append(row)
    filled, seen = 0, []
    for line in lines:
        named = [name_key(plain(line[key])) for key in keys if line[key].strip()]
        # A name that two students have fits neither: nobody's score is guessed.
        if row := next((known[name][0] for name in named if len(known.get(name, [])) == 1), None):
            seen.append(row)
            if line[place].strip().upper() != "EX":
                line[place] = number(row.score)
                filled += 1
    write_csv(out, header, lines)
    return Filled(out, filled, [row.result.student for row in left if row not in seen])


def read_manual(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Marks by hand, by file and exercise.

    Raises:
        UserError: a mark is not a number from 0 to the maximum.
    """
    if not path.exists():
        return {}
    header, lines = _table(path)
    if not set(MANUAL) <= set(header):
        raise UserError(f"{path}: it needs the columns {', '.join(MANUAL)}: put them back")
    found = {}
    for n, line in enumerate(lines, 2):
        entry = dict(zip(header, line, strict=False))
        points = entry["points"].strip()
        try:
            if points and not 0 <= float(points) <= float(entry["most"]):
                raise ValueError
        except ValueError:
            raise UserError(
                f"{path}, line {n}: {points!r} is not a mark: use a number from 0 to {entry['most']}"
            ) from None
        found[entry["file"].removeprefix("'"), entry["exercise"]] = entry
    return found


def write_manual(path: Path, results: Iterable[Result]) -> int:
    """Add what a person has to mark to the list, without changing what is there.

    Returns:
        How many are not marked yet.
    """
    known = read_manual(path)
    for result in results:
        for mark in result.marks:
            if mark.status == BY_HAND and (result.file, mark.id) not in known:
                known[result.file, mark.id] = {
                    "file": safe(result.file),
                    "student": safe(result.student),
                    "exercise": mark.id,
                    "most": number(mark.most),
                    "points": "",
                    "comment": "",
                    "answer": safe(result.answers.get(mark.id, "")),
                }
    if known:
        write_csv(path, MANUAL, ([entry.get(key, "") for key in MANUAL] for entry in known.values()))
    return sum(not entry["points"].strip() for entry in known.values())


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
