"""An exercise that is done in the page: one line, judged by the cases of the real check."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

import traitlets

from pixel_edu.widgets.base import Widget
from pixel_edu.widgets.cases import recorded
from pixel_edu.widgets.scenes import SCENES, Scenes

STARTS = {
    "ex-02-1": "x0 + eps",
    "ex-02-7": "there.signal / here.signal * x + sqrt(there.noise**2 - here.noise**2) * eps",
    "ex-06-1": "eps_cond",
    "ex-07-2": "there.noise",
    "ex-07-4": "x0",
}
"""The exercises whose answer is one line for single numbers, and what stands there at first."""
DRAWS = {
    "ex-02-1": "What your line makes of a sprite, at three timesteps of the cosine schedule.",
    "ex-02-7": "What your line makes of a sprite, in four stages from clean data to noise.",
    "ex-06-1": "What the model takes a noisy character for if its label says food, with your line at four scales.",
    "ex-07-4": "What your line makes of two guesses of the model, at three of eight calls.",
}
"""Captions of the pictures."""


class FormulaCell(Widget):
    """A line of an exercise to write in the page; the check of that exercise says what is wrong with it.

    >>> FormulaCell(exercise="ex-06-1")
    An exercise to do here: write the line that is missing, and check it.
    """

    module = "formula"
    alt = "An exercise to do here: write the line that is missing, and check it."

    exercise = traitlets.Enum(tuple(STARTS), "ex-02-1").tag(sync=True)
    formula = traitlets.Unicode().tag(sync=True)
    start = traitlets.Unicode().tag(sync=True)
    task = traitlets.Dict().tag(sync=True)
    scenes = traitlets.Dict(allow_none=True).tag(sync=True)

    def __init__(self, exercise: str = "ex-02-1", **traits: Any) -> None:
        start, scenes = STARTS[exercise], _scenes(exercise)
        given = {"formula": start, "start": start, "task": recorded(exercise)}
        drawn = {"scenes": scenes.state() | {"caption": DRAWS[exercise]} if scenes else None}
        super().__init__(exercise=exercise, **given | drawn | traits)

    def picture(self) -> str:
        """The line as it is at first, and the images that it is about."""
        signature = self.task["signature"]
        code = f"def {signature}:\n    return {self.formula}"
        shown, scenes = "", _scenes(self.exercise)
        if scenes:
            import numpy as np

            from pixel_edu import figures

            names = list(scenes.images)
            words = f"What {signature.partition('(')[0]} works on: {', '.join(names)}."
            images = np.stack(list(scenes.images.values()))
            shown = figures.sprites(images, words, scale=5, column_captions=names).html
        return f"<figure><pre><code>{escape(code)}</code></pre></figure>{shown}"


@cache
def _scenes(exercise: str) -> Scenes | None:
    """What there is to draw; for some it takes calls of the model."""
    return SCENES[exercise]() if exercise in SCENES else None
