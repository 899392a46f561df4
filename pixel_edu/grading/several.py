"""Grade an assignment of several notebooks, as nbgrader's folders have them: each by itself, then a row for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pixel_edu.grading import assignment as assignments
from pixel_edu.grading import session
from pixel_edu.grading.results import combined
from pixel_edu.grading.results.gradebook import Filled, Row
from pixel_edu.grading.results.store import MARKER
from pixel_edu.grading.session import Exports, GradingOptions, Selection, Summary


@dataclass(frozen=True)
class Combined:
    """What grading several notebooks did.

    Attributes:
        parts: the summary of each notebook, by its name.
        rows: a row for each student, with the marks of all notebooks; empty for one shard of several.
        points: of all notebooks together.
        filled: see `session.Summary`.
    """

    parts: dict[str, Summary]
    rows: list[Row]
    points: float
    filled: dict[Path, Filled] = field(default_factory=dict)


def options_of(options: GradingOptions) -> dict[str, GradingOptions]:
    """The options for each notebook of an assignment, by its name; none unless there are several.

    Each has a folder of its own in `options.out`. An exercise is marked again in the notebooks that have it.

    Raises:
        OptionError: no notebook has an exercise that is to be marked again.
        UserError: a solution notebook cannot be used.
    """
    if options.demo or not options.assignment:
        return {}
    names = assignments.notebooks_of(options.source, options.assignment)
    if len(names) == 1:
        return {}
    exports = Exports(mlflow=options.exports.mlflow)
    wanted = options.selection.exercises
    known: set[str] = set()
    made = {}
    for name in names:
        what = assignments.from_folder(options.source, name, options.seed)
        tasks = {task.id for task in what.tasks}
        known |= tasks
        mine = tuple(id for id in wanted if id in tasks)
        students = options.selection.students if mine or not wanted else ()
        selection = Selection(students, mine, options.selection.shard)
        made[what.name] = replace(
            options, assignment=name, out=options.out / what.name, selection=selection, exports=exports
        )
    session.know("exercise", wanted, known, f"is in {options.assignment}")
    return made


def grade(
    options: GradingOptions,
    parts: dict[str, GradingOptions],
    one: Callable[[GradingOptions], Summary] = session.grade,
) -> Combined:
    """Grade every notebook of an assignment, and write the tables of all.

    Args:
        options: of the assignment.
        parts: of its notebooks, see `options_of`.
        one: grades a notebook.

    Raises:
        UserError: see `session.grade`.
    """
    list(session.fill(options, [], options.assignment, save=False))  # a mistake in it shows now
    done = {name: one(each) for name, each in parts.items()}
    points = sum(summary.assignment.points for summary in done.values())
    if options.selection.shard[1] > 1:
        return Combined(done, [], points)
    books = {name: summary.rows for name, summary in done.items()}
    rows = combined.rows(books)
    (options.out / MARKER).touch()
    combined.grades(options.out / "grades.csv", books, points)
    return Combined(done, rows, points, dict(session.fill(options, rows, options.assignment)))
