"""Check a reader's answer, and say what is wrong with it in the reader's terms.

A check is a function of an `Ask`. It calls the answer as a function of plain values, arrays, tensors and functions,
and compares what it returns; it never looks into the namespace that the answer came from. So the same check serves the
notebook, where answer and check share a process, and the grader, where they do not: only the caller differs.

A check knows likely mistakes ("slips") by the values that they give. An answer that agrees with one of these gets the
message of that slip; any other wrong answer is told where it is furthest off.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixel_edu.config import EXERCISE_ID, UserError
from pixel_edu.course.calling import Caller, Crash, TooSlow, Unwritten, caller
from pixel_edu.course.feedback import Feedback, picture
from pixel_edu.course.values import Wrong, close, copied, difference, formed, unchanged

LIMIT = 3.0
"""Seconds that one call of an answer may take."""

"""An exercise's id: its chapter, and its number there."""

Slips = Sequence[tuple[Any, str]]
"""Known mistakes: the value that an answer with the mistake gives, and the message for it."""


@dataclass(frozen=True)
class Exercise:
    """An exercise, and how its answer is checked.

    Attributes:
        id: "ex-" chapter "-" number.
        signature: how the answer is called, such as "add_noise(x0, eps, level)".
        run: raises `Wrong` when an answer is; may return a sentence for the praise, such as what was measured.
        praise: what to say when it is right.
    """

    id: str
    signature: str
    run: Callable[[Ask], str | None]
    praise: str

    @property
    def name(self) -> str:
        """The answer's name."""
        return self.signature.partition("(")[0]

    @property
    def arguments(self) -> list[str]:
        """The names of its arguments."""
        inside = self.signature.partition("(")[2].rstrip(")")
        return [each.partition("=")[0].strip() for each in inside.split(",") if each.strip()]


EXERCISES: dict[str, Exercise] = {}
"""By id; a chapter's are here once its module of checks is imported. Use `find`."""


def exercise(id: str, signature: str, praise: str) -> Callable:
    """Register a check, a function of an `Ask` that raises `Wrong`; the arguments are those of `Exercise`."""

    def register(run: Callable[[Ask], str | None]) -> Callable[[Ask], str | None]:
        EXERCISES[id] = Exercise(id, signature, run, praise)
        return run

    return register


def find(id: str) -> Exercise:
    """The exercise of an id, such as "ex-02-1".

    Raises:
        UserError: there is no such exercise.
    """
    known = EXERCISE_ID.fullmatch(str(id))
    module = f"pixel_edu.course.checks.ch{known['chapter']}" if known else ""
    if module and importlib.util.find_spec(module):
        importlib.import_module(module)
        importlib.import_module("pixel_edu.course.checks.reporting")  # of every chapter
    if id not in EXERCISES:
        raise UserError(
            f"there is no exercise {id!r}: use the id that stands above the exercise, such as ex-02-1"
        )
    return EXERCISES[id]


def all_exercises() -> list[Exercise]:
    """Every exercise, in order."""
    from pixel_edu.course import checks

    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    return [EXERCISES[id] for id in sorted(EXERCISES)]


class Ask:
    """Calls an answer for a check, and refuses what no check can use: errors, endless loops, None, wrong forms, changed
    inputs.

    Args:
        exercise: whose answer it is.
        call: calls the answer.
        seed: of all random values that the check uses.

    Attributes:
        rng: a numpy generator of that seed.
        seed: as given.
    """

    def __init__(self, exercise: Exercise, call: Caller, seed: int = 0) -> None:
        self.exercise, self._call, self.seed = exercise, call, seed
        self.rng = np.random.default_rng(seed)

    @property
    def name(self) -> str:
        """The answer's name, for messages."""
        return f"`{self.exercise.name}`"

    def randn(self, *shape: int) -> Any:
        """Standard normal numbers as a float32 tensor."""
        import torch

        return torch.from_numpy(self.rng.standard_normal(shape, np.float32))

    def __call__(
        self,
        *arguments: Any,
        like: Any = None,
        what: str = "",
        limit: float | None = None,
        of: Any = None,
        method: str = "",
    ) -> Any:
        """Call the answer with copies of the arguments.

        Args:
            arguments: by position.
            like: a value of the form that the result must have: type, shape, kind of numbers; None takes any.
            what: how messages name this call, such as "with one step"; may be "".
            limit: seconds; `LIMIT` if None.
            of: what an earlier call made, such as a module; its method is called in place of the answer.
            method: the name of that method, such as "forward".

        Raises:
            Wrong: the result cannot be used.
            Unwritten: there is no answer yet.
        """
        given = tuple(copied(value) for value in arguments)
        limit = LIMIT if limit is None else limit
        where = f"`{self.exercise.name}.{method}`" if method else self.name
        where = f"{where} {what}" if what else where
        try:
            result = self._call(given, limit, of, method)
        except Crash as crash:
            raise Wrong(self._crashed(where, crash, method)) from None
        except TooSlow:
            raise Wrong(
                f"{where} took longer than {limit:g} s and was stopped: is there an endless loop?"
            ) from None
        names = [] if method else self.exercise.arguments
        for i, (before, after) in enumerate(zip(arguments, given, strict=True)):
            if not unchanged(before, after):
                name = f"its input `{names[i]}`" if i < len(names) else f"input {i + 1}"
                raise Wrong(
                    f"{where} changed {name}: return a new value instead; `+=` and methods whose names end in `_` "
                    "change the tensor or array itself."
                )
        return formed(result, like, where)

    def _crashed(self, where: str, crash: Crash, method: str) -> str:
        said = f": {crash.said}" if crash.said else ""
        if crash.line:
            return f"{where} stopped with {crash.kind}{said}, in the line `{crash.line}`."
        call = "" if method else f" It is called as `{self.exercise.signature}`."
        return f"{where} stopped with {crash.kind}{said}.{call}"

    def same(
        self,
        given: Any,
        expected: Any,
        slips: Slips = (),
        what: str = "",
        tolerance: float = 1e-4,
    ) -> None:
        """Refuse a result that differs from the right one.

        Args:
            given: the answer's.
            expected: the right one, of the same form.
            slips: what answers with known mistakes give, and the message of each; the first that fits is used.
            what: how the message names the values, in the plural, such as "The timesteps"; "" for the answer's result.
            tolerance: absolute, and relative to the largest expected value.

        Raises:
            Wrong: they differ; the message is that of the slip that fits, or says where they differ most.
        """
        if close(given, expected, tolerance):
            return
        for value, message in slips:
            # a slip that shows no difference for these inputs must not be blamed for another mistake
            if not close(value, expected, tolerance) and close(given, value, tolerance):
                raise Wrong(message, given, expected)
        raise Wrong(
            f"{what or self.name + ' returned values that'} {difference(given, expected)}", given, expected
        )

    def that(self, true: Any, message: str, given: Any = None, expected: Any = None) -> None:
        """Refuse the answer with this message unless a condition holds."""
        if not bool(true):
            raise Wrong(message, given, expected)


class NotYet(AssertionError):
    """A wrong answer, as `require` raises it; a notebook shows its message without a traceback.

    Attributes:
        feedback: of the check.
    """

    def __init__(self, feedback: Feedback) -> None:
        super().__init__(f"{feedback.exercise}: {feedback.message}")
        self.feedback = feedback

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NotWritten(NotImplementedError):
    """A missing answer, as `require` raises it; a notebook shows its message without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check(id: str, answer: Any) -> Feedback:
    """Check an answer and say what is wrong with it. An exercise that passes is recorded for `progress`.

    Args:
        id: of the exercise, such as "ex-02-1".
        answer: the function or class that the exercise asks for.

    Returns:
        The feedback, which a notebook shows; it is true if the answer passed.

    Raises:
        UserError: there is no such exercise.
    """
    from pixel_edu.course import passed

    if os.environ.get("PIXEL_EDU_GRADING"):  # in the grader's sandbox there are no checks to run
        return Feedback(id, False, "It is checked once the notebook has run.")
    exercise = find(id)
    try:
        feedback = examine(exercise, caller(answer))
    except Unwritten:
        return Feedback(id, False, _unwritten(exercise))
    if feedback.passed:
        passed.record(id)
    return feedback


def require(id: str, answer: Any, seed: int = 0) -> None:
    """Check an answer, and raise an error unless it is right; graded cells call this.

    Args:
        id: of the exercise, such as "ex-02-1".
        answer: the function or class that the exercise asks for.
        seed: of the random values to check it with.

    Raises:
        NotImplementedError: it is not written yet.
        AssertionError: it is wrong; the message says in what way.
        UserError: there is no such exercise.
    """
    exercise = find(id)
    try:
        feedback = examine(exercise, caller(answer), seed)
    except Unwritten:
        raise NotWritten(f"{id}: {_unwritten(exercise)}") from None
    if not feedback.passed:
        raise NotYet(feedback)


def examine(exercise: Exercise, call: Caller, seed: int = 0) -> Feedback:
    """Run a check on an answer.

    Args:
        exercise: from `find`.
        call: calls the answer.
        seed: of the random values to check it with.

    Raises:
        Unwritten: there is no answer yet.
    """
    from pixel_edu.course.using import originals

    try:
        with originals():
            said = exercise.run(Ask(exercise, call, seed))
    except Wrong as wrong:
        return Feedback(exercise.id, False, str(wrong), picture(wrong.given, wrong.expected))
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # the check itself stumbled over a result that `formed` let pass, such as a list of other things than numbers;
        # that is the answer's fault, and must not look like a crash of the course
        said = " ".join(str(error).split())
        return Feedback(
            exercise.id,
            False,
            f"`{exercise.name}` returned something of another form than the task asks for: the check stopped with "
            f"{type(error).__name__}: {said}.",
        )
    return Feedback(exercise.id, True, f"{exercise.praise} {said}" if said else exercise.praise)


def _unwritten(exercise: Exercise) -> str:
    return (
        f"There is no answer yet: write it in `{exercise.name}`, in place of the line that raises "
        "NotImplementedError, and run that cell again."
    )
