"""Answers to the exercises of the kind "run and report", which differ in their numbers alone."""

import inspect
from collections.abc import Callable

import numpy as np
import torch

from pixel_edu.course.experiments import EXPERIMENTS, measured


def answers(id: str) -> tuple[list[Callable], dict[str, Callable]]:
    """Right answers, and wrong ones by what the check must say.

    Args:
        id: of the exercise.
    """
    experiment = EXPERIMENTS[id]
    first, second = experiment.before, experiment.after

    def right(predicted, **instead):
        def report(measure):
            before, after = measure(first), measure(second)
            held = predicted == experiment.went(before, after)
            made = {"predicted": predicted, "before": before, "after": after, "held": held}
            return made | {key: value(before, after) for key, value in instead.items()}

        return report

    def one_setting(measure):
        before = measure(first)
        return {"predicted": "falls", "before": before, "after": before / 2, "held": True}

    def typed_in(measure):
        before, after = measured(id, first, 0), measured(id, second, 0)
        return {"predicted": "falls", "before": before, "after": after, "held": after < before}

    def another_setting(measure):
        before, after = measure(first), measure("another one")
        return {"predicted": "falls", "before": before, "after": after, "held": True}

    def half(measure):
        return {"before": measure(first), "after": measure(second)}

    def at_once(measure):
        return {
            "predicted": "falls",
            "before": 0.0,
            "after": measure(np.array([first, second])),
            "held": True,
        }

    def by_name(measure):
        """With the name that the task gives the setting."""
        setting = next(iter(inspect.signature(experiment.measure).parameters))
        return right("falls")(lambda value: measure(**{setting: value}))

    def of_tensors(measure):
        """With the settings of a loop over a tensor, which is float32; words come from an array."""
        given = [first, second]
        settings = np.array(given) if isinstance(first, str) else torch.tensor(given)
        at = {value: setting for value, setting in zip(given, settings, strict=True)}
        return right("falls")(lambda value: measure(at[value]))

    wrong = {
        "Nothing was run": typed_in,
        "Only one setting was run: `measure.* is missing": one_setting,
        "not one of the two settings: change one thing": another_setting,
        "write .rises., .falls. or .stays.": right("it gets better", held=lambda before, after: True),
        "The two numbers are swapped": right(
            "falls", before=lambda before, after: after, after=lambda before, after: before
        ),
        "`after` is .* neither rounded nor typed in": right(
            "rises", after=lambda before, after: round(after) + 0.125
        ),
        "`held` is True, but you predicted": right(
            next(way for way in ("rises", "falls") if way != _way(id)), held=lambda before, after: True
        ),
        "a dict without 'predicted' and 'held': its keys": half,
        "called with what is not a word or a number, which is not one of the two": at_once,
    }
    return [*(right(way) for way in ("rises", "falls", "stays")), by_name, of_tensors], wrong


def _way(id: str) -> str:
    experiment = EXPERIMENTS[id]
    return experiment.went(*(measured(id, setting, 0) for setting in (experiment.before, experiment.after)))
