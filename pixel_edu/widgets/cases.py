"""What a check compares, as numbers that a page can compare too.

A check asks an answer and compares what comes back with the right values, and with those of known slips. Here it is run
with nobody to answer, and what it would have compared is kept: a few dozen places of each tensor, which is enough for a
formula that treats all places alike. So a page judges as the check does, and says the check's own sentences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixel_edu.course.checking import Ask, Exercise, Slips, find
from pixel_edu.course.values import as_numbers, close

PLACES = 16
"""Numbers kept of a tensor."""
LEVEL = ("signal", "noise")
"""What is kept of a level; its λ is infinite for clean data."""


class NoFormulaError(Exception):
    """A check that looks at more than single values."""


class Recorder(Ask):
    """Runs a check, and keeps what it compares.

    Attributes:
        names: what a formula may use, such as "level.signal".
        cases: for each call of the answer the inputs in the order of the names, the right values, and each slip's.
    """

    def __init__(self, exercise: Exercise) -> None:
        super().__init__(exercise, self._nobody)
        self.names: list[str] = []
        self.cases: list[dict] = []
        self._asked: tuple[Any, dict, str] = (None, {}, "")

    def __call__(self, *arguments: Any, like: Any = None, what: str = "", **_: Any) -> Any:
        """Record what the answer is asked, and return something of the expected form."""
        if like is None or callable(like):
            raise NoFormulaError(f"{self.exercise.id} asks for more than numbers")
        self._asked = like, _numbers_in(dict(zip(self.exercise.arguments, arguments, strict=True))), what
        return like

    def same(
        self,
        given: Any,
        expected: Any,
        slips: Slips = (),
        what: str = "",
        tolerance: float = 1e-4,
    ) -> None:
        """Keep what an answer is compared with."""
        like, inputs, where = self._asked
        if given is not like or isinstance(expected, list | tuple | dict):
            raise NoFormulaError(f"{self.exercise.id} compares more than one tensor")
        self.names = list(inputs)
        right = as_numbers(expected)
        rng, places = np.random.default_rng(0), min(PLACES, right.size)
        edges = np.arange(places + 1) * right.size // places  # so that every image of a batch has its share
        kept = rng.integers(edges[:-1], edges[1:])

        def target(value: Any) -> list:
            """Values, and their tolerance."""
            whole = as_numbers(value)
            return [_short(whole.ravel()[kept]), tolerance * max(1.0, float(np.abs(whole).max()))]

        self.cases.append(
            {
                "what": where,
                "inputs": [
                    _short(np.broadcast_to(each, right.shape).ravel()[kept]) for each in inputs.values()
                ],
                "right": target(right),
                "slips": [  # a list, because the first that fits is told
                    [message, *target(value)]
                    for value, message in slips
                    if not close(value, expected, tolerance)  # these the check passes over as well
                ],
            }
        )

    def that(self, true: Any, message: str, given: Any = None, expected: Any = None) -> None:
        """Nothing that a formula shows."""
        raise NoFormulaError(f"{self.exercise.id} looks at more than values: {message}")

    @staticmethod
    def _nobody(arguments: tuple, limit: float, of: Any = None, method: str = "") -> Any:
        raise NoFormulaError("a method is called, and a formula has none")


def recorded(id: str) -> dict[str, Any]:
    """Everything that a page needs to judge a formula as the check of an exercise judges a function.

    Raises:
        NoFormulaError: the check looks at more than single values.
        UserError: there is no such exercise.
    """
    exercise = find(id)
    recorder = Recorder(exercise)
    exercise.run(recorder)
    return {
        "signature": exercise.signature,
        "praise": exercise.praise,
        "names": recorder.names,
        "cases": recorder.cases,
    }


def _numbers_in(arguments: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arguments as arrays, and levels as two each, by the names that a formula has for them."""
    found = {}
    for name, value in arguments.items():
        if hasattr(value, "half_log_snr"):
            found |= {f"{name}.{part}": as_numbers(getattr(value, part)) for part in LEVEL}
        elif isinstance(value, str) or not np.issubdtype(np.asarray(value).dtype, np.number):
            raise NoFormulaError(f"`{name}` is not a number")
        else:
            found[name] = as_numbers(value)
    return found


def _short(values: np.ndarray) -> float | list[float]:
    """Six digits of each; one number where all are the same."""
    rounded = [float(f"{value:.6g}") for value in values]
    return rounded[0] if len(set(rounded)) == 1 else rounded
