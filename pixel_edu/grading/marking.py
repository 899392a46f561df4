"""Run an exercise's tests on a student's answers, and give points.

The tests run here, in the grader's process. Names that neither they nor the notebook's first cells define are the
student's, and stand for functions at the other end of an RPC connection.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pixel_edu.course.calling import Crash, TooSlow, Unwritten
from pixel_edu.course.values import Wrong
from pixel_edu.grading.assignment import Assignment, Task
from pixel_edu.grading.rpc.client import Answer, Client, KernelFault, KernelLost

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
    """An assignment's tests, with the names that its first cells define.

    Raises:
        Exception: whatever these cells raise.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.names: dict[str, Any] = {"__name__": "tests"}
        exec(compile(assignment.setup, f"{assignment.name}: setup", "exec"), self.names)

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
        if task.unsafe:
            return self._mark_unsafe(task, client)
        names = self.names | {name: Answer(client, name) for name in unknown(task.tests, self.names)}
        value, hidden = None, False
        for statement in ast.parse(task.tests).body:
            hidden = statement.lineno in task.hidden
            try:
                value = self._run(statement, names)
            except (KernelLost, KernelFault):
                raise
            except Exception as error:
                return _failed(task, error, hidden)
        return _worth(task, value)

    def _run(self, statement: ast.stmt, names: dict[str, Any]) -> Any:
        if isinstance(statement, ast.Expr):
            return eval(compile(ast.Expression(statement.value), "tests", "eval"), names)
        exec(compile(ast.Module([statement], []), "tests", "exec"), names)
        return None

    def _mark_unsafe(self, task: Task, client: Client) -> Mark:
        """Run the tests in the student's own process."""
        try:
            client.request("run", task.tests)
        except (Crash, TooSlow, Unwritten, Wrong) as error:
            mark = _failed(task, error, hidden=bool(task.hidden))
        else:
            mark = _worth(task, None)
        mark.unsafe = True
        return mark


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


def unknown(source: str, names: dict[str, Any]) -> Iterator[str]:
    """Names that a test reads and that only the student can define."""
    tree = ast.parse(source)
    every = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in every if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            own |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name:
            own.add(node.name)
    read = {node.id for node in every if isinstance(node.ctx, ast.Load)}
    yield from sorted(read - own - names.keys() - vars(builtins).keys())
