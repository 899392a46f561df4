"""The check of every exercise of the kind "run and report", which registers all that have an experiment.

The answer gets the experiment as a function, and returns a report. So the check sees what was run, and with
another seed than the notebook's the numbers are others: numbers that were typed in do not pass in the grader. What no
program can judge, the two sentences, stands in a cell of its own, which a person marks.
"""

from __future__ import annotations

import inspect
import math
import numbers
from typing import Any

from pixel_edu.course import checking
from pixel_edu.course.checking import Ask, exercise
from pixel_edu.course.experiments import EXPERIMENTS, Experiment, measured
from pixel_edu.course.values import described

WAYS = ("rises", "falls", "stays")
PAST = {"rises": "rose", "falls": "fell", "stays": "stayed"}
LIKE = {"predicted": "", "before": 0.0, "after": 0.0, "held": True}
PATIENCE = 20
"""How many times as long as another answer a report may take."""


def reported(ask: Ask) -> str:
    """Refuse a report that was not run, or that says something else than the run did.

    Args:
        ask: calls the answer, a function of `measure` that returns a dict with the keys of `LIKE`.

    Returns:
        What was measured, for the praise.

    Raises:
        Wrong: what is the matter.
    """
    experiment, runs = EXPERIMENTS[ask.exercise.id], []

    # The task calls the setting by its name in the experiment, so it may be given by that name.
    setting_alone = inspect.Signature(list(inspect.signature(experiment.measure).parameters.values())[:1])

    def measure(*settings: Any, **named: Any) -> float:
        (given,) = setting_alone.bind(*settings, **named).arguments.values()
        # A number out of a tensor is one, too; the experiment gets its own setting, which float32 may have rounded.
        array = described(given)
        plain = array.values.item() if array and not array.values.ndim else given
        asked = [each for each in (experiment.before, experiment.after) if _is(plain, each)]
        runs.append(asked[0] if asked else plain)
        return (
            measured(ask.exercise.id, asked[0], ask.seed) if asked else 0.0
        )  # what is not asked is refused below

    given = ask(measure, like=LIKE, limit=PATIENCE * checking.LIMIT)
    _was_run(ask, experiment, runs)
    before, after = (
        measured(ask.exercise.id, setting, ask.seed) for setting in (experiment.before, experiment.after)
    )
    ask.that(
        given["predicted"] in WAYS,
        f'`predicted` is {given["predicted"]!r}: write "rises", "falls" or "stays", before you run anything.',
    )
    _says_what_was_measured(ask, experiment, given, before, after)
    way = experiment.went(before, after)
    ask.that(
        given["held"] == (given["predicted"] == way),
        f"`held` is {given['held']}, but you predicted that the number {given['predicted']}, and it {PAST[way]}: "
        f"from {before:.4g} to {after:.4g}, where a change of {experiment.least:g} or less counts as none.",
    )
    fate = "held" if given["held"] else "did not hold, which costs nothing"
    return f"Measured: {before:.4g}, then {after:.4g}; your prediction {fate}. Now write your two sentences below."


def _was_run(ask: Ask, experiment: Experiment, runs: list) -> None:
    first, second = experiment.before, experiment.after
    ask.that(
        runs,
        f"Nothing was run: call `measure({first!r})` and `measure({second!r})` in `{ask.exercise.name}`.",
    )
    other = [each for each in runs if not _is(each, first) and not _is(each, second)]
    ask.that(
        not other,
        f"`measure` was called with {_shown(*other[:1])}, which is not one of the two settings: change one thing, "
        f"from {first!r} to {second!r}.",
    )
    for setting in (first, second):
        ask.that(
            any(_is(each, setting) for each in runs),
            f"Only one setting was run: `measure({setting!r})` is missing.",
        )


def _single(setting: Any) -> bool:
    return isinstance(setting, str | numbers.Number)


def _is(setting: Any, wanted: Any) -> bool:
    """Whether a setting is the wanted one; an array of both, which would be compared one by one, is not."""
    if isinstance(setting, numbers.Real) and isinstance(wanted, numbers.Real):
        return math.isclose(setting, wanted, rel_tol=1e-6)
    return isinstance(setting, str) and setting == wanted


def _shown(setting: Any = None) -> str:
    # What is not a word or a number may live in the student's process, where its text differs.
    return f"{setting!r:.60}" if _single(setting) else "what is not a word or a number"


def _says_what_was_measured(
    ask: Ask, experiment: Experiment, given: dict, before: float, after: float
) -> None:
    def close(a: float, b: float) -> bool:
        return abs(a - b) <= 1e-6 * max(1.0, abs(b))

    if close(given["before"], after) and close(given["after"], before) and not close(before, after):
        ask.that(False, f"The two numbers are swapped: `before` is that of {experiment.before!r}.")
    for name, right in (("before", before), ("after", after)):
        ask.that(
            close(given[name], right),
            f"`{name}` is {given[name]:.6g}, and `measure` returned {right:.6g}: report what was measured, "
            "neither rounded nor typed in.",
        )


for _id in EXPERIMENTS:
    exercise(_id, "report(measure)", "Run, and reported.")(reported)
