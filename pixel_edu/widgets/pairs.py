"""Real or drawn? A game of pairs, for the reader's own two-sample test."""

from __future__ import annotations

import base64
from functools import cache

import numpy as np
import traitlets

from pixel_edu.config import CLASSES
from pixel_edu.widgets.base import Widget

EACH = 12
"""Sprites of a class, real and drawn: what three games of the default length take."""


@cache
def contestants() -> np.ndarray:
    """What is told apart: (2, K, EACH, 16, 16, 3) uint8, first the real sprites of each class, then the drawn ones.

    The real ones are the program's, held out from training as `evaluation.procedural_yardstick` holds them out; the
    others are drawn by `reference` as `pixel-edu sample` draws, with the seeds 0 to `EACH` - 1 of each class.
    """
    from pixel_edu import load_reference, sprites
    from pixel_edu.evaluation import OTHER_SEED
    from pixel_edu.generate import generate
    from pixel_edu.palette import as_sprites

    held_out = sprites.make(EACH * len(CLASSES), OTHER_SEED)
    real = held_out.images[np.argsort(held_out.labels, kind="stable")]
    model, labels = load_reference(), np.repeat(np.arange(len(CLASSES)), EACH).tolist()
    made = generate(model, labels, list(range(EACH)) * len(CLASSES))
    both = np.stack([real, as_sprites(made, model.palette)])
    return both.reshape(2, len(CLASSES), EACH, *real.shape[1:])


class RealOrDrawn(Widget):
    """Pairs of one class, of which one sprite is real: the reader says which the network drew, and is counted.

    At the end stands the share told, with its exact interval (Clopper & Pearson 1934). "Again" takes the next seed.

    Attributes:
        pairs: in a game, a multiple of the number of classes.
        seed: of the pairs, their order and their sides; games of neighbouring seeds share no sprite, while there are
            others.
        judge: what share of such pairs a network tells, with its interval: a `distances.Score`, as
            `TwoSample.pairs`; None says nothing of a network.
        sheet: `contestants`, a PNG file in base64 without gaps: a class in each row, first the real ones.

    >>> RealOrDrawn(pairs=10, seed=3)
    Two sprites of one class, one real and one drawn by the network: say which is drawn, and see how often you can.
    """

    module = "pairs"
    alt = (
        "Two sprites of one class, one real and one drawn by the network: "
        "say which is drawn, and see how often you can."
    )

    pairs = traitlets.Int(20, min=len(CLASSES), max=EACH * len(CLASSES)).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    judge = traitlets.Tuple(*[traitlets.Float()] * 3, default_value=None, allow_none=True).tag(sync=True)
    sheet = traitlets.Unicode().tag(sync=True)

    @traitlets.default("sheet")
    def _pixels(self) -> str:
        from pixel_edu.images import grid, indexed_png_bytes

        rows = contestants().reshape(-1, *contestants().shape[3:])
        return base64.b64encode(indexed_png_bytes(grid(rows, EACH, gap=0))).decode()

    @traitlets.validate("pairs")
    def _as_many_of_each(self, proposal: dict) -> int:
        if proposal["value"] % len(CLASSES):
            raise traitlets.TraitError(
                f"pairs is {proposal['value']}, but each of {len(CLASSES)} classes has as many: use a multiple"
            )
        return proposal["value"]

    def picture(self) -> str:
        """Two pairs of each class, one above the other, and below them which are drawn."""
        from pixel_edu import figures

        real, drawn = contestants()[:, :, -2:].reshape(2, -1, *contestants().shape[3:])
        on_top = np.random.default_rng(self.seed).random(len(real)) < 0.5
        place = on_top[:, None, None, None]
        shown = np.concatenate([np.where(place, drawn, real), np.where(place, real, drawn)])
        words = f"{self.alt} Here, ten pairs, one above the other."
        figure = figures.sprites(shown, words, columns=len(real), row_captions=("A", "B")).html
        told = ", ".join("BA"[top] for top in on_top.astype(int))
        return f"{figure}\n<details><summary>Which are drawn?</summary><p>{told}.</p></details>"
