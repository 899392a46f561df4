"""Run an exercise's tests on a student's answers, and give points.

The tests run here, in the grader's process. Names that neither they nor the notebook's first cells define are the
student's, and stand for functions at the other end of an RPC connection.
"""

from __future__ import annotations

import ast
import contextlib
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixel_edu.course.calling import Crash, TooSlow, Unwritten
from pixel_edu.course.values import Wrong
from pixel_edu.files import write_all
from pixel_edu.grading import scopes
from pixel_edu.grading.assignment import Assignment, Task, is_answer
from pixel_edu.grading.rpc.client import Answer, Client, KernelFault, KernelLost
from pixel_edu.notebooks.handouts import ExerciseError

PASSED, PART, FAILED, UNWRITTEN, NOT_RUN, BY_HAND = (
    "passed",
    "part",
    "failed",
    "not written",
    "not run",
    "by hand",
)
SKIPPED, ENDED = "was skipped: ", "ended its kernel: "
"""What a note on an accident says before its reason."""
NOTHING = "There is no answer yet."
ELSEWHERE = (
    "It passes the check in the notebook, but not with other values: is something fixed in your answer that should "
    "follow from its inputs?"
)


@dataclass
class Mark:
    """What an exercise got.

    Attributes:
        id: of the exercise.
        points: that it got; None if unknown: not run, or not yet marked by hand.
        most: the maximum.
        status: "passed", "part", "failed", "not written", "not run" or "by hand".
        message: for the student.
        remark: for the instructor: what a hidden test said.
        picture: HTML that shows the difference, or "".
        unsafe: whether the tests ran in the answers' own process, which could have forged the result.
        tests_key: see `assignment.Task`.
    """

    id: str
    points: float | None
    most: float
    status: str
    message: str
    remark: str = ""
    picture: str = ""
    unsafe: bool = False
    tests_key: str = ""


class Examiner:
    """An assignment's tests, with the names that its given cells define.

    Attributes:
        names: what the tests may use besides the answers.
        inside: exercises whose tests only work in the answers' own process, where their result can be forged.

    Raises:
        ExerciseError: these cells fail.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.names: dict[str, Any] = {"__name__": "tests"}
        _set_up(assignment, self.names)
        cells = [cell for cell in assignment.notebook.cells if cell.cell_type == "code"]
        answers = [scopes.python(cell.source) for cell in cells if is_answer(cell)]
        self._functions = {name for source in answers for name in scopes.defined(source)}
        self._values = {name for source in answers for name in scopes.variables(source)} - self._functions
        for name in self._functions | self._values:
            self.names.pop(name, None)
        given = [
            scopes.python(cell.source) for cell in cells if not cell.metadata.get("nbgrader", {}).get("grade")
        ]
        self._values |= {name for source in given for name in scopes.variables(source)} - self.names.keys()
        away = [task for task in assignment.tasks if scopes.takes_away(task.tests, self._functions)]
        self.inside = frozenset(task.id for task in assignment.tasks if task.unsafe or task in away)

    def mark(self, task: Task, client: Client) -> Mark:
        """Mark an exercise.

        Args:
            task: the exercise.
            client: of the student's kernel.

        Raises:
            KernelLost: the connection was lost before.
        """
        try:
            return self._mark(task, client)
        except KernelFault as fault:
            message = (
                f"It was not run, through no fault of the answer's: the tests do not reach it ({fault})."
            )
            return Mark(task.id, None, task.points, NOT_RUN, message)

    def _mark(self, task: Task, client: Client) -> Mark:
        if task.id in self.inside:
            return self._mark_inside(task, client)
        wanted = {*scopes.unknown(task.tests, self.names), *(self._values & scopes.bound(task.tests))}
        names = self.names | {name: self._of_student(name, client) for name in wanted}
        value, hidden = None, False
        for statement in ast.parse(task.tests).body:
            hidden = statement.lineno in task.hidden
            try:
                value = self._run(statement, names)
            except (KernelLost, KernelFault):
                raise
            except Exception as error:
                if isinstance(error, AssertionError) and isinstance(statement, ast.Assert) and not str(error):
                    error = AssertionError(f"This does not hold: {ast.unparse(statement.test)}")
                return _failed(task, error, hidden)
        return _worth(task, value)

    def _run(self, statement: ast.stmt, names: dict[str, Any]) -> Any:
        if isinstance(statement, ast.Expr):
            return eval(compile(ast.Expression(statement.value), "tests", "eval"), names)
        exec(compile(ast.Module([statement], []), "tests", "exec"), names)
        return None

    def _of_student(self, name: str, client: Client) -> Any:
        """What a name stands for in the student's notebook: the value of a variable, or a function to call there."""
        if name in self._values:
            with contextlib.suppress(Crash, TooSlow, Unwritten, Wrong):
                return client.request("look", name)
        return Answer(client, name)

    def _mark_inside(self, task: Task, client: Client) -> Mark:
        """Run the tests in the student's own process."""
        try:
            mark = _worth(task, client.request("run", task.tests))
        except (Crash, TooSlow, Unwritten, Wrong) as error:
            said = (
                AssertionError(error.said)
                if isinstance(error, Crash) and error.kind == "AssertionError"
                else error
            )
            mark = _failed(task, said, hidden=bool(task.hidden))
        mark.unsafe = True
        return mark


def _set_up(assignment: Assignment, names: dict[str, Any]) -> None:
    """Run the given cells, beside the files that stand beside the notebook."""
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            write_all(Path(folder), assignment.files)
            exec(compile(assignment.setup, f"{assignment.name}: setup", "exec"), names)
    except Exception as error:
        what = "put that file beside the notebook, in the assignment's own folder"
        raise ExerciseError(
            f"{assignment.name}: its given cells stop with {type(error).__name__}: {error}: "
            f"{what if isinstance(error, FileNotFoundError) else 'fix them'}"
        ) from error


def _worth(task: Task, value: Any) -> Mark:
    """All points; or as many as the last line of the tests evaluates to, as in nbgrader."""
    points = task.points
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not (math.isfinite(value) and 0 <= value <= task.points):
            raise ValueError(f"{task.id}: its tests give {value} points of {task.points:g}: fix the tests")
        points = value
    if points == task.points:
        return Mark(task.id, points, task.points, PASSED, "Passed.")
    message = f"{points:g} of {task.points:g} points."
    return Mark(task.id, points, task.points, PART if points else FAILED, message)


def _failed(task: Task, error: Exception, hidden: bool) -> Mark:
    """No points, and why: everything for the instructor, and for the student nothing that gives a hidden test away."""
    status, message = FAILED, " ".join(str(error).split()) or f"The test stopped with {type(error).__name__}."
    if isinstance(error, NotImplementedError | Unwritten):
        status, message = UNWRITTEN, NOTHING
    elif isinstance(error, TimeoutError | TooSlow):
        message = "It took too long and was stopped: is there an endless loop?"
    elif isinstance(error, Crash):
        message = f"It stopped with {error.kind}: {error.said}"
    elif not isinstance(error, AssertionError | Wrong):
        message = f"The test stopped with {type(error).__name__}: {message}"
    message = message.removeprefix(f"{task.id}: ")
    if hidden and status == FAILED:
        return Mark(task.id, 0, task.points, status, ELSEWHERE, remark=message)
    picture = getattr(getattr(error, "feedback", None), "picture", None)
    return Mark(task.id, 0, task.points, status, message, picture=picture._repr_html_() if picture else "")
