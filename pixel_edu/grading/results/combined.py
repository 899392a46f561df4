"""One gradebook of several: an assignment of several notebooks, as nbgrader's folders have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pixel_edu.grading.names import name_key
from pixel_edu.grading.results import tables
from pixel_edu.grading.results.gradebook import Row, one_each
from pixel_edu.grading.results.store import GRADED, PARTLY

HEADER = ("student", "number", "status", "reason")
END = ("points", "days late", "penalty", "score", "most")


def rows(parts: Mapping[str, Sequence[Row]]) -> list[Row]:
    """A row for each student, with the marks of all notebooks.

    Args:
        parts: the rows of each notebook's gradebook, by its name.

    Returns:
        Rows by student. Where a notebook is not graded, the reason says which. The time is the latest of them.
    """
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for name, each in parts.items():
        for row in one_each(list(each)):
            found.setdefault((name_key(row.result.student), row.result.number), {})[name] = row
    return [_joined(found[key], list(parts)) for key in sorted(found)]


def _joined(mine: dict[str, Row], names: list[str]) -> Row:
    """The row of a student, from the student's row of each notebook."""
    every = list(mine.values())
    first = every[0].result
    faults = [f"{name}: nothing was handed in" for name in names if name not in mine]
    faults += [
        f"{name}: {row.result.status}: {row.result.reason}"
        for name, row in mine.items()
        if row.result.status != GRADED
    ]
    marks = [replace(mark, id=f"{name}/{mark.id}") for name, row in mine.items() for mark in row.marks]
    known = any(mark.points is not None for mark in marks)
    status = GRADED if not faults else PARTLY if known else first.status
    result = replace(
        first,
        time=max(row.result.time for row in every),
        status=status,
        reason="; ".join(faults),
        marks=marks,
    )
    return Row(result, marks, max(row.days for row in every), sum(row.penalty for row in every))


def grades(path: Path, parts: Mapping[str, Sequence[Row]], most: float) -> None:
    """grades.csv: a line for each student, with the score of each notebook and of all.

    Args:
        path: of the table.
        parts: the rows of each notebook's gradebook, by its name.
        most: points of all notebooks together.
    """
    scores = {
        name: {(name_key(row.result.student), row.result.number): row.score for row in one_each(list(each))}
        for name, each in parts.items()
    }
    lines = []
    for row in rows(parts):
        result = row.result
        key = (name_key(result.student), result.number)
        each = (scores[name].get(key) for name in parts)
        start = [result.student, result.number, result.status, result.reason]
        lines.append([*start, *each, row.raw, row.days, row.penalty, row.score, most])
    tables.write(path, [*HEADER, *parts, *END], lines)
