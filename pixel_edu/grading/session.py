"""Grade a class, from a folder of files to marks, tables and pages: what `pixel-edu grade` does, as one call.

options = session.GradingOptions(Path("submissions"), "05_training")
summary = session.grade(options, track=print)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from pixel_edu.config import UserError, cores
from pixel_edu.files import sweep_sockets
from pixel_edu.grading import assignment as assignments
from pixel_edu.grading import batch, cluster, demo, submissions
from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.batch import GradingJob
from pixel_edu.grading.results import gradebook, late, manual, pages, tables, tracked
from pixel_edu.grading.results.gradebook import Filled, Row
from pixel_edu.grading.results.store import Result, Store
from pixel_edu.grading.sandbox import plain
from pixel_edu.grading.sandbox.forkserver import ForkServer
from pixel_edu.grading.sandbox.isolation import LEVELS
from pixel_edu.grading.sandbox.restrictions import ResourceLimits


class OptionError(UserError):
    """An option with a value that cannot be used; the message begins with the option's name."""


@dataclass(frozen=True)
class Selection:
    """Which files and exercises to grade; everything that has not been graded yet if omitted.

    Attributes:
        students: grade these again, and nobody else.
        exercises: mark these again, and no others.
        shard: (i, n) grades only the i-th of n parts, and writes no tables.
    """

    students: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Workers:
    """Where to grade.

    Attributes:
        jobs: number of workers on this machine; None is one per core.
        sandbox: one of `isolation.LEVELS`, or "auto".
        scheduler: address of a dask.distributed scheduler; "" grades on this machine.
    """

    jobs: int | None = None
    sandbox: str = "auto"
    scheduler: str = ""


@dataclass(frozen=True)
class Exports:
    """Where else the marks go.

    Attributes:
        canvas: gradebook exported from Canvas, to fill in a copy of.
        moodle: grading worksheet from Moodle, to fill in a copy of.
        column: title of the column to fill in; "" finds it.
        mlflow: tracking URI to log the run to, or "".
    """

    canvas: Path | None = None
    moodle: Path | None = None
    column: str = ""
    mlflow: str = ""


@dataclass(frozen=True)
class GradingOptions:
    """What to grade, how, and where the results go.

    Attributes:
        submissions: folder of the files handed in, or a zip archive of it; only a demo can do without.
        assignment: such as "05_training"; only a demo can do without.
        out: folder for marks, tables and pages.
        source: folder of the solution notebooks, with their hidden tests.
        seed: that variants were handed out with, if there are any.
        late: YAML file of deadlines.
        limits: for each submission.
        selection: which files and exercises.
        workers: where.
        exports: where else the marks go.
        demo: make up a class first.
        layout: how names are to be read, one of `platforms.LAYOUTS`; "" judges from the names.
    """

    submissions: Path | None = None
    assignment: str = ""
    out: Path = Path("results")
    source: Path = Path("solutions")
    seed: int | None = None
    late: Path | None = None
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    selection: Selection = Selection()
    workers: Workers = Workers()
    exports: Exports = Exports()
    demo: bool = False
    layout: str = ""


class Preparing(NamedTuple):
    """Workers are being started, the sandbox is tested, and the solution is graded.

    Attributes:
        assignment: its name.
        files: how many there are to grade.
        scheduler: of the cluster that grades them, or "".
        exposed: whether others on the network could read what is sent to it.
    """

    assignment: str
    files: int
    scheduler: str = ""
    exposed: bool = False


class Started(NamedTuple):
    """Everything is ready on this machine.

    Attributes:
        assignment: its name.
        files: how many there are to grade.
        level: of the sandbox.
        workers: how many.
        rejected: stricter levels, and why not these.
    """

    assignment: str
    files: int
    level: str
    workers: int
    rejected: list[str]


class Graded(NamedTuple):
    """A file has been graded, and its result is stored."""

    result: Result


Event = Preparing | Started | Graded


class Change(NamedTuple):
    """A mark that grading again changed: points before and after, None where unknown, of the most there are."""

    student: str
    exercise: str
    before: float | None
    after: float | None
    most: float


@dataclass(frozen=True)
class Summary:
    """What a session did.

    Attributes:
        assignment: what for.
        files: how many were handed in.
        graded: how many of them were graded now.
        regraded: how many of these had been graded before.
        changes: marks that differ from before.
        seconds: wall-clock time.
        rows: the gradebook; empty for one shard of several.
        by_hand: answers that a person still has to mark.
        filled: what was filled in, by the file that was the template; the copy is in `Filled.path`.
        notes: a sentence for each thing in a file of the instructor's that has no effect.
        untracked: why MLflow has no run of it, in one sentence; "" if it has, or was not asked for.
    """

    assignment: Assignment
    files: int
    graded: int
    regraded: int
    changes: list[Change]
    seconds: float
    rows: list[Row] = field(default_factory=list)
    by_hand: int = 0
    filled: dict[Path, Filled] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    untracked: str = ""

    @property
    def complete(self) -> bool:
        """Whether every file is graded."""
        return all(row.result.status == "graded" for row in self.rows)


def grade(options: GradingOptions, track: Callable[[Event], None] = lambda event: None) -> Summary:
    """Grade what has not been graded yet, and write all tables and pages.

    Args:
        options: what, how, and where to.
        track: is called as the session goes on: `Preparing`, then `Started` (on this machine), then `Graded` for
            each file. Without a file to grade it is not called.

    Raises:
        OptionError: an option has a value that cannot be used.
        UserError: a file cannot be used; or no sandbox holds, or the solution does not get all points.
    """
    began = time.monotonic()
    if options.demo:
        options = _with_demo(options)
    if options.submissions is None:
        raise UserError(
            "what was handed in is missing: give its folder, as in pixel-edu grade submissions -a 05_training"
        )
    if not options.assignment:
        raise OptionError("assignment is missing: give a name such as 05_training")
    what = assignments.from_folder(options.source, options.assignment, options.seed)
    found = submissions.find(options.submissions, what, options.layout)
    _check(options, what, found)
    policy = late.read_policy(options.late) if options.late else late.Policy()
    manual.read(options.out / "manual.csv")  # a mistake in it shows now, not after an hour
    list(fill(options, [], what.name, save=False))  # nor one in these
    store, selection = Store(options.out), options.selection
    students, exercises = list(selection.students), list(selection.exercises)
    jobs = batch.plan(found, what, store, students, exercises, selection.shard)
    _run(options, what, jobs, store, track)
    regraded = [job for job in jobs if job.before]
    changes = list(_changes(regraded, store))
    rows, by_hand, filled, notes = [], 0, {}, []
    if selection.shard[1] == 1:
        results = [_as_found(each, result) for each in found if (result := store.load(each.key))]
        by_hand = manual.write(options.out / "manual.csv", results)
        marks_by_hand = manual.read(options.out / "manual.csv")
        rows = gradebook.rows(results, marks_by_hand, policy)
        notes = manual.notes(options.out / "manual.csv", marks_by_hand, results)
        if options.late:
            notes += late.notes(
                options.late, policy, {name for r in results for name in (r.student, r.number)}
            )
        write(options.out, rows, what, policy)
        filled = dict(fill(options, rows, what.name))
    seconds = time.monotonic() - began
    summary = Summary(
        what, len(found), len(jobs), len(regraded), changes, seconds, rows, by_hand, filled, notes
    )
    if options.exports.mlflow and rows:  # last: whatever becomes of it, the tables are on the disk
        try:
            tracked.log(options.exports.mlflow, rows, what, options.out / "report.html")
        except UserError as error:
            return replace(summary, untracked=str(error))
    return summary


def _as_found(submission: submissions.Submission, result: Result) -> Result:
    """A stored result with what collecting found out: number, time and notes may be known better by now."""
    notes = [*submission.notes, *result.notes]
    return replace(result, number=submission.number, time=submission.time, notes=notes)


def _with_demo(options: GradingOptions) -> GradingOptions:
    """The options with a made-up class in the place of what is not given."""
    name = options.assignment or demo.ASSIGNMENT
    folder = options.submissions or options.out / "submissions"
    demo.make(folder, assignments.from_folder(options.source, name))
    late = options.late or folder.parent / demo.DEADLINES
    return replace(options, submissions=folder, assignment=name, late=late)


def write(out: Path, rows: list[Row], assignment: Assignment, policy: late.Policy) -> None:
    """Write every table and page of a gradebook."""
    gradebook.grades(out / "grades.csv", rows, assignment)
    gradebook.nbgrader(out / "nbgrader.csv", rows, assignment, policy)
    gradebook.gradescope(out / "gradescope", rows)
    pages.feedback(out / "feedback", rows, assignment)
    pages.report(out / "report.html", rows, assignment)
    pages.index(out / "index.html", rows, assignment)
    changes = gradebook.changes(row.result for row in rows)
    if changes:
        header = ("time", "student", "file", "exercise", "before", "after")
        tables.write(out / "changes.csv", header, changes)


def _check(options: GradingOptions, assignment: Assignment, found: list[submissions.Submission]) -> None:
    if options.workers.sandbox not in ("auto", *LEVELS):
        raise OptionError(f"sandbox {options.workers.sandbox}: use auto, {', '.join(LEVELS)}")
    if options.exports.column and not (options.exports.canvas or options.exports.moodle):
        raise OptionError(
            f"column {options.exports.column}: give the table with it too, by --canvas or --moodle"
        )
    know("student", options.selection.students, {each.student for each in found}, "handed in a file")
    know(
        "exercise",
        options.selection.exercises,
        {task.id for task in assignment.tasks},
        f"is in {assignment.name}",
    )
    if options.limits.cell > options.limits.notebook:
        raise OptionError(
            f"cell-seconds {options.limits.cell:g}: its notebook may run for {options.limits.notebook:g} s only: "
            "give --notebook-seconds at least as many"
        )


def know(option: str, wanted: Iterable[str], known: set[str], where: str) -> None:
    """Refuse what an option names and is not known, and name some that are.

    Raises:
        OptionError: one is not known.
    """
    for name in wanted:
        if name not in known:
            some = ", ".join(sorted(known)[:8]) + (", ..." if len(known) > 8 else "")
            raise OptionError(f"{option} {name}: no {option} of that name {where}; use one of {some}")


def _run(
    options: GradingOptions, assignment: Assignment, jobs: list[GradingJob], store: Store, track: Callable
) -> None:
    """Grade and store, file by file."""
    if not jobs:
        return
    plain.must_fork()
    with contextlib.ExitStack() as stack:
        if options.workers.scheduler:
            exposed = not cluster.is_local(options.workers.scheduler)
            track(Preparing(assignment.name, len(jobs), options.workers.scheduler, exposed))
            graded = cluster.grade(
                options.workers.scheduler, jobs, assignment, options.workers.sandbox, options.limits
            )
        else:
            track(Preparing(assignment.name, len(jobs)))
            graded = _on_this_machine(stack, options, assignment, jobs, track)
        for result, notebook in graded:
            store.save(result, notebook)
            track(Graded(result))


def _on_this_machine(
    stack: contextlib.ExitStack,
    options: GradingOptions,
    assignment: Assignment,
    jobs: list[GradingJob],
    track: Callable,
) -> Iterator[tuple[Result, str]]:
    """Start workers, which end with the stack, and let them grade."""
    sweep_sockets()
    workers = min(options.workers.jobs or cores(), len(jobs))
    fork_server = stack.enter_context(contextlib.closing(ForkServer()))
    pool = stack.enter_context(batch.Pool(assignment, fork_server, options.limits, workers))
    level, rejected = batch.ready(assignment, fork_server, pool, options.workers.sandbox, options.limits)
    track(Started(assignment.name, len(jobs), level, workers, rejected))
    return pool.grade(jobs, level)


def _changes(jobs: list[GradingJob], store: Store) -> Iterator[Change]:
    for job in jobs:
        before = {mark.id: mark.points for mark in job.before.marks} if job.before else {}
        if now := store.load(job.submission.key):
            for mark in now.marks:
                if mark.id in before and before[mark.id] != mark.points:
                    yield Change(now.student, mark.id, before[mark.id], mark.points, mark.most)


def fill(
    options: GradingOptions, rows: list[Row], name: str, save: bool = True
) -> Iterator[tuple[Path, Filled]]:
    """Fill the platforms' tables with the scores of an assignment; without `save`, only look whether that can be done.

    Args:
        options: name the tables.
        rows: of the gradebook.
        name: of the assignment.
        save: write the copies.

    Yields:
        A table, and what filling it did.

    Raises:
        UserError: a file is not such a table, or it is unclear which column to fill in.
    """
    exports = options.exports
    for template, filled_by in ((exports.canvas, gradebook.canvas), (exports.moodle, gradebook.moodle)):
        if template:
            copy = options.out / f"{filled_by.__name__}.csv" if save else None
            yield template, filled_by(template, copy, rows, name, exports.column)
