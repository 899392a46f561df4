"""What people read: a page for each student, and a report on the class.

The templates escape everything that a student wrote or made, and the pages forbid scripts and requests of any kind.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pixel_edu import templates
from pixel_edu.files import replacing
from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.marking import BY_HAND, FAILED, NOT_RUN, PART, PASSED, UNWRITTEN
from pixel_edu.grading.results import similar
from pixel_edu.grading.results.gradebook import Row, number, one_each, slug, tally
from pixel_edu.grading.results.store import ERROR, UNREADABLE, Result

SIGNS = {PASSED: "✓", PART: "◐", FAILED: "✗", UNWRITTEN: "–", NOT_RUN: "?", BY_HAND: "✎"}
NUMBERS = re.compile(r"\[[^\]]*\]|-?\b\d+(\.\d+)?(e-?\d+)?\b")
"""What differs between two students with one mistake."""
MISTAKES, PAIRS = 12, 20
"""How many the report shows at most."""


def feedback(folder: Path, rows: list[Row], assignment: Assignment) -> int:
    """Write a page for each file handed in, and say how many."""
    folder.mkdir(parents=True, exist_ok=True)
    titles = {task.id: task.title for task in assignment.tasks}
    for row in rows:
        page = templates.render(
            "feedback.html.j2",
            row=row,
            assignment=assignment,
            titles=titles,
            signs=SIGNS,
            unknown=_unknown(row.result),
            number=number,
            percent=_percent,
        )
        _write(folder / _page(row.result), page)
    return len(rows)


def index(path: Path, rows: list[Row], assignment: Assignment) -> None:
    """Write whose page is which: a file's name has only letters that every system knows, and 张伟 has none of them."""
    listed = [(row, _page(row.result)) for row in rows]
    _write(path, templates.render("index.html.j2", pages=listed, assignment=assignment))


def _page(result: Result) -> str:
    """The name of a student's page."""
    return f"{slug(result.student)}-{result.key[:6]}.html"


def _unknown(result: Result) -> str:
    """What a student reads in the place of a score."""
    if result.status == UNREADABLE:
        return f"This file could not be graded: {result.reason}."
    if result.status == ERROR:
        return "Something went wrong on our side. This is not a mark: your instructor knows of it."
    return "Nothing is marked yet."


def report(path: Path, rows: list[Row], assignment: Assignment) -> None:
    """Write the report on the class."""
    chosen = one_each(rows)
    scores = [row.score for row in chosen if row.score is not None]
    page = templates.render(
        "class.html.j2",
        assignment=assignment,
        files=len(rows),
        students=len(chosen),
        listed=[_line(row) for row in chosen],
        scores=scores,
        bars=_histogram(scores, assignment.points),
        tallies=[tally(chosen, task) for task in assignment.tasks],
        mistakes=_mistakes(chosen)[:MISTAKES],
        attention=list(_attention(rows)),
        pairs=similar.pairs([row.result for row in chosen], _stubs(assignment))[:PAIRS],
        run_length=similar.RUN,
        seconds=[row.result.seconds for row in rows],
        levels=sorted({row.result.level for row in rows} - {""}),
        number=number,
        percent=_percent,
        median=statistics.median,
    )
    _write(path, page)


class Line(NamedTuple):
    """A student in the report: the row, their page, and the exercises that are not right and not written."""

    row: Row
    page: str
    wrong: list[str]
    blank: list[str]


def _line(row: Row) -> Line:
    wrong, blank = (
        [mark.id for mark in row.marks if mark.status in statuses]
        for statuses in ((FAILED, PART, NOT_RUN), (UNWRITTEN,))
    )
    return Line(row, _page(row.result), wrong, blank)


def _stubs(assignment: Assignment) -> dict[str, str]:
    """What the answer cells hold when they are handed out."""
    facts = ((cell.metadata.get("nbgrader", {}), cell.source) for cell in assignment.hand_out.cells)
    return {each.grade_id: source for each, source in facts if each.get("solution")}


class Bar(NamedTuple):
    """A bar of the histogram: so many students with at least `low` percent, and less than ten more."""

    low: int
    count: int
    x: int
    height: float


def _histogram(scores: list[float], most: float) -> list[Bar]:
    """How many got how much, in ten steps."""
    counts = Counter(min(int(10 * max(score, 0) / (most or 1)), 9) for score in scores)
    top = max(counts.values(), default=1)
    return [Bar(10 * i, counts[i], 40 * i, 80 * counts[i] / top) for i in range(10)]


class Mistake(NamedTuple):
    """A message that several got, but for its numbers."""

    count: int
    exercise: str
    message: str


def _mistakes(rows: list[Row]) -> list[Mistake]:
    """The most common first."""
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for mark in row.marks:
            if mark.status in (FAILED, PART):
                message = mark.remark or mark.message
                alike.setdefault((mark.id, NUMBERS.sub("", message)), []).append(message)
    found = [Mistake(len(messages), id, messages[0]) for (id, _), messages in alike.items()]
    return sorted(found, key=lambda each: -each.count)


def _attention(rows: list[Row]) -> Iterator[tuple[Result, str]]:
    """Files that a person should look at, and why."""
    for row in rows:
        said = [row.result.reason] if row.result.reason else []
        said += [f"{mark.id}: tests ran in the answer's own process" for mark in row.marks if mark.unsafe]
        said += row.result.accidents
        if said:
            yield row.result, "; ".join(said)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}" if whole else "0"


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
