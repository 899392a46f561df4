"""Grade many submissions in several processes: only those that need it, and none stops the others."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import nbformat

from pixel_edu.course.calling import Countdown
from pixel_edu.grading import selftest
from pixel_edu.grading.assignment import Assignment, Task
from pixel_edu.grading.marking import FAILED, NOTHING, PASSED, UNWRITTEN, Examiner, Mark
from pixel_edu.grading.merge import Merged, merge, untouched
from pixel_edu.grading.results.store import ERROR, GRADED, PARTLY, UNREADABLE, Result, Store
from pixel_edu.grading.running import SubmissionOutcome, SubmissionRun
from pixel_edu.grading.sandbox import plain, restrictions
from pixel_edu.grading.sandbox.forkserver import ForkServer
from pixel_edu.grading.sandbox.isolation import SandboxError
from pixel_edu.grading.sandbox.restrictions import ResourceLimits
from pixel_edu.grading.submissions import Submission
from pixel_edu.notebooks.handouts import ExerciseError, grade_id
from pixel_edu.notebooks.reading import Unreadable

COLD = ("pixel_edu.grading.rpc.server",)
"""The least that a kernel needs to have imported."""
IMPORTS = 60
"""Extra seconds for a kernel that has imported no more than that: a student's own cell then imports torch."""
TRIES = 2
"""How often a submission may take its worker down."""
SLACK = 60 + IMPORTS
"""Seconds beyond a notebook's time limit after which its worker is given up."""


@dataclass(frozen=True)
class GradingJob:
    """A submission to grade.

    Attributes:
        submission: the file.
        ids: of the exercises to mark.
        before: the result that the others' marks are kept from, or None.
    """

    submission: Submission
    ids: tuple[str, ...]
    before: Result | None = None


def plan(
    submissions: list[Submission],
    assignment: Assignment,
    store: Store,
    students: list[str] | None = None,
    exercises: list[str] | None = None,
    shard: tuple[int, int] = (1, 1),
) -> list[GradingJob]:
    """What has to be graded: new files, those that the grader itself failed at, and those that a changed test affects.

    Args:
        submissions: all of them.
        assignment: what they are graded for.
        store: what is graded already.
        students: grade these again, and nobody else.
        exercises: mark these again, and no others.
        shard: (i, n): only the i-th of n parts.
    """
    jobs = []
    for submission in submissions:
        if students and submission.student not in students:
            continue
        if int(submission.key, 16) % shard[1] != shard[0] - 1:
            continue
        before, what = store.load(submission.key), assignment.of_student(submission.student)
        if before and before.run_key != what.key:
            before = before if before.marks else None
            ids = [task.id for task in what.tasks]
        elif before and before.status == UNREADABLE:
            ids = []
        else:
            known = {mark.id: mark.tests_key for mark in before.marks} if before else {}
            ids = [task.id for task in what.tasks if known.get(task.id) != task.tests_key]
        if (students or exercises) and not (before and before.status == UNREADABLE):
            wanted = [task.id for task in assignment.tasks if not exercises or task.id in exercises]
            ids = wanted if before or not exercises else ids
        if ids:
            jobs.append(GradingJob(submission, tuple(ids), before))
    return jobs


class Grader:
    """Grades one submission after another.

    Args:
        assignment: what for.
        tests: of the assignment.
        fork_server: makes kernels.
        level: of the sandbox.
        limits: for each submission.
    """

    def __init__(
        self,
        assignment: Assignment,
        tests: Examiner,
        fork_server: plain.Server,
        level: str,
        limits: ResourceLimits,
    ) -> None:
        self.assignment, self.tests, self.fork_server, self.level, self.limits = (
            assignment,
            tests,
            fork_server,
            level,
            limits,
        )

    def grade(self, job: GradingJob) -> tuple[Result, str]:
        """Grade a submission; whatever it does, there is a result.

        Returns:
            Its result, and the notebook that was executed, as text.
        """
        started, submission = time.monotonic(), job.submission
        what = self.assignment.of_student(submission.student)
        result = Result(
            submission.key, submission.file, submission.student, submission.number, submission.time
        )
        result.level, result.run_key = self.level, what.key
        executed = ""
        try:
            if submission.problem:
                raise Unreadable(submission.problem)
            merged = merge(submission.read(), what)
            tasks = [task for task in what.tasks if task.id in job.ids]
            outcome = self._run(merged, tasks)
            result.marks, result.notes, result.sandboxes = outcome.marks, outcome.notes, outcome.sandboxes
            result.answers = merged.answers
            given = {grade_id(cell): cell for cell in what.hand_out.cells}
            blank = {id for id, answer in merged.answers.items() if untouched(given[id], answer)}
            for mark, task in zip(result.marks, tasks, strict=True):
                if mark.status == FAILED and task.answer in blank:
                    mark.status, mark.message, mark.remark = UNWRITTEN, NOTHING, ""
            executed = nbformat.writes(outcome.notebook)
        except Unreadable as error:
            result.status, result.reason = UNREADABLE, str(error)
        except Exception as error:
            result.status, result.reason = ERROR, f"{type(error).__name__}: {error}"
        result.seconds = round(time.monotonic() - started, 2)
        return joined(result, job, what), executed

    def _run(self, merged: Merged, tasks: list[Task]) -> SubmissionOutcome:
        """Run it; if no kernel can be forked, in one that starts from scratch."""
        try:
            return SubmissionRun(merged, self.tests, self.fork_server, self.level, self.limits).outcome(tasks)
        except (SandboxError, OSError):
            slow = self.limits._replace(
                cell=self.limits.cell + IMPORTS, notebook=self.limits.notebook + IMPORTS
            )
            with contextlib.closing(plain.server(COLD)) as cold:
                outcome = SubmissionRun(merged, self.tests, cold, self.level, slow).outcome(tasks)
            outcome.notes.append("its kernel could not be forked, and was started from scratch")
            return outcome


def joined(result: Result, job: GradingJob, assignment: Assignment) -> Result:
    """A result completed with earlier marks of the exercises that were not marked now, and the history of changes.

    Where grading again failed through a fault of the grader, the earlier marks stay.
    """
    if result.status == ERROR and job.before and job.before.marks:
        return replace(
            job.before, reason=f"grading it again failed, so its marks are unchanged: {result.reason}"
        )
    new, old = {mark.id: mark for mark in result.marks}, {}
    for task in assignment.tasks:
        if task.id in new:
            new[task.id].tests_key = task.tests_key
    if job.before:
        old = {mark.id: mark for mark in job.before.marks}
        result.history = job.before.history
        changed = {id: old[id].points for id in new if id in old and old[id].points != new[id].points}
        if changed:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            result.history = [*result.history, {"at": now, "points": changed}]
    if result.status == GRADED:
        marks = [new.get(task.id) or old.get(task.id) for task in assignment.tasks]
        missing = [task for task, mark in zip(assignment.tasks, marks, strict=True) if mark is None]
        result.marks = [mark for mark in marks if mark]
        result.marks += [Mark(task.id, None, task.points, "not run", "It was not run.") for task in missing]
        unknown = [mark.id for mark in result.marks if mark.status == "not run"]
        if unknown:
            result.status, result.reason = PARTLY, f"not run: {', '.join(unknown)}"
    return result


def given_up(job: GradingJob, assignment: Assignment, why: str) -> Result:
    """The result of a submission that could not be graded, through no fault of the student's."""
    submission = job.submission
    result = Result(submission.key, submission.file, submission.student, submission.number, submission.time)
    result.status, result.reason = ERROR, why
    return joined(result, job, assignment)


def prove(grader: Grader) -> None:
    """Grade the instructor's own solution, which must get all points; otherwise the tests are wrong.

    Tests that only work in the answers' own process are noted in `Examiner.inside`, and from then on run there.

    Raises:
        ExerciseError: it does not.
    """
    for variant in grader.assignment.variants:
        prove(Grader(variant, grader.tests, grader.fork_server, grader.level, grader.limits))
    if grader.assignment.variants:
        return
    assignment = grader.assignment
    content = nbformat.writes(assignment.notebook).encode()
    submission = Submission("solution", "the solution", "", "", content)
    lost = _lost(grader, submission, assignment.tasks)
    outside = lost.keys() - grader.tests.inside
    if outside:
        grader.tests.inside |= outside
        still = _lost(grader, submission, [task for task in assignment.tasks if task.id in outside])
        lost = {id: mark for id, mark in lost.items() if id in still or id not in outside}
    for mark in lost.values():
        raise ExerciseError(
            f"{assignment.name}, {mark.id}: its own solution gets {mark.points or 0:g} of {mark.most:g} points "
            f"({mark.remark or mark.message}): fix the solution or the test"
        )


def _lost(grader: Grader, solution: Submission, tasks: Sequence[Task]) -> dict[str, Mark]:
    """The marks of a solution's exercises that do not get all points, by id."""
    result, _ = grader.grade(GradingJob(solution, tuple(task.id for task in tasks)))
    if result.status in (ERROR, UNREADABLE):
        raise ExerciseError(f"{grader.assignment.name}: its own solution cannot be graded: {result.reason}")
    wanted = {task.id for task in tasks if not task.by_hand}
    return {mark.id: mark for mark in result.marks if mark.id in wanted and mark.status != PASSED}


class Pool:
    """Workers that grade, forked from this process with all that it has loaded.

    Args:
        assignment: what for.
        fork_server: theirs are forked from it.
        limits: for each submission.
        jobs: how many workers.
    """

    def __init__(
        self, assignment: Assignment, fork_server: ForkServer, limits: ResourceLimits, jobs: int
    ) -> None:
        self.assignment, self.fork_server, self.limits = assignment, fork_server, limits
        self.tests = Examiner(assignment)
        self.context = multiprocessing.get_context("fork")
        gc.collect()
        gc.freeze()  # a worker's collections then leave alone what it shares with this process, and copy none of it
        self.workers = [self._worker() for _ in range(jobs)]

    def _worker(self) -> tuple[Connection, BaseProcess]:
        connection = self.fork_server.clone()
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=self._work, args=(theirs, ours, connection), daemon=True)
        process.start()
        theirs.close()
        connection.close()
        return ours, process  # pyright: ignore[reportReturnType] a pipe's ends have another name on Windows

    def _work(self, pipe: Connection, other_end: Connection, connection: socket.socket) -> None:
        """In the worker: grade what comes until nothing does."""
        restrictions.die_with_parent()
        other_end.close()
        fork_server = ForkServer(connection=connection)
        try:
            while True:
                level, self.tests.inside, job = pipe.recv()
                pipe.send(Grader(self.assignment, self.tests, fork_server, level, self.limits).grade(job))
        except (EOFError, OSError):  # whoever asked has gone
            os._exit(0)

    def grade(self, jobs: list[GradingJob], level: str) -> Iterator[tuple[Result, str]]:
        """Grade them all, and yield each result as soon as it is known."""
        todo, tries = list(reversed(jobs)), dict.fromkeys((job.submission.key for job in jobs), 0)
        busy: dict[Connection, tuple[GradingJob, Countdown]] = {}
        while todo or busy:
            for pipe, _ in list(self.workers):
                if todo and pipe not in busy:
                    job = todo.pop()
                    tries[job.submission.key] += 1
                    busy[pipe] = (job, Countdown(self.limits.notebook + SLACK, step=2))
                    with contextlib.suppress(OSError):  # a worker that has died is seen below
                        pipe.send((level, self.tests.inside, job))
            ready = wait(list(busy), timeout=1)
            late = [pipe for pipe, (_, countdown) in busy.items() if countdown.tick() <= 0]
            for pipe in {*ready, *late}:
                job, _ = busy.pop(pipe)
                try:
                    if pipe in late:
                        raise EOFError
                    yield pipe.recv()
                except (EOFError, OSError):
                    self._replace(pipe)
                    if tries[job.submission.key] < TRIES:
                        todo.append(job)
                    else:
                        yield given_up(job, self.assignment, "the process that graded it ended, twice"), ""

    def _replace(self, pipe: Connection) -> None:
        for i, (theirs, process) in enumerate(self.workers):
            if theirs is pipe:
                process.kill()
                process.join()
                pipe.close()
                self.workers[i] = self._worker()

    def close(self) -> None:
        """End the workers."""
        gc.unfreeze()
        for pipe, process in self.workers:
            pipe.close()
            process.kill()
            process.join()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ready(
    assignment: Assignment, fork_server: ForkServer, pool: Pool, sandbox: str, limits: ResourceLimits
) -> selftest.Choice:
    """Choose a level that holds, and make sure that the solution gets full marks in it.

    Returns:
        The level, and why no stricter one.

    Raises:
        SandboxError: none holds.
        ExerciseError: the solution does not get all points.
    """
    choice = selftest.choose(sandbox, fork_server)
    prove(Grader(assignment, pool.tests, fork_server, choice.level, limits))
    return choice
