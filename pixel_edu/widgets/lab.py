"""A bench for sprites: spoil one, and restore its true colours."""

from __future__ import annotations

import numpy as np
import traitlets

from pixel_edu.config import CLASSES
from pixel_edu.sprites import colors, draw
from pixel_edu.widgets.base import Widget
from pixel_edu.widgets.sheets import sheet

EACH = 8
"""Sprites of a class."""


class SpriteLab(Widget):
    """A procedural sprite, a little noise as a model leaves it, and a palette to snap it to.

    Sprite `number` of class `label` is `sprites.draw(label, [number])`. Its noise is `amount` times
    `torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))`.

    >>> SpriteLab(label=1, how="nearest")
    A sprite loses its true colours and gets them back: choose one, spoil it, paint on it, and snap it to the palette.
    """

    module = "lab"
    alt = (
        "A sprite loses its true colours and gets them back: "
        "choose one, spoil it, paint on it, and snap it to the palette."
    )

    label = traitlets.Int(0, min=0, max=len(CLASSES) - 1).tag(sync=True)
    number = traitlets.Int(0, min=0, max=EACH - 1).tag(sync=True)
    amount = traitlets.Float(0.03, min=0, max=0.2).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    how = traitlets.Enum(("none", "nearest", "snap"), "snap").tag(sync=True)
    tolerance = traitlets.Float(0.11, min=0, max=0.3).tag(sync=True)
    loneliness = traitlets.Float(0.055, min=0, max=0.15).tag(sync=True)
    sheet = traitlets.Unicode(sheet(EACH)).tag(sync=True)
    palette = traitlets.Unicode(" ".join(color.tobytes().hex() for color in colors())).tag(sync=True)

    def picture(self) -> str:
        """The true sprite, the spoiled one, and what becomes of that."""
        import torch

        from pixel_edu import figures
        from pixel_edu.images import to_tensor, to_uint8
        from pixel_edu.palette import nearest, snap

        true = draw(self.label, np.array([self.number]))
        x0 = to_tensor(true)
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(self.seed))
        before = to_uint8(x0 + self.amount * eps)
        if self.how == "none":
            after = before
        elif self.how == "nearest":
            after = colors()[nearest(before, colors())[0]]
        else:
            after = snap(before, colors(), self.tolerance, self.loneliness)
        words = f"{self.alt} Here, a true sprite, the same with off colours, and that one restored."
        names = (
            "true",
            "spoiled",
            {"none": "unchanged", "nearest": "nearest colours"}.get(self.how, "snapped"),
        )
        return figures.sprites(
            np.concatenate([true, before, after]), words, columns=3, scale=8, column_captions=names
        ).html
