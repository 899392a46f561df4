"""Forward noising: a sprite, a schedule, a timestep."""

from __future__ import annotations

import numpy as np
import traitlets

from pixel_edu.config import CLASSES
from pixel_edu.schedules import SCHEDULES
from pixel_edu.sprites import draw
from pixel_edu.widgets.base import Widget
from pixel_edu.widgets.sheets import sheet

EACH = 2
"""Sprites of a class."""


class NoiseExplorer(Widget):
    """A sprite and its noise, mixed as a schedule says: x_t = α_t·x₀ + σ_t·ε.

    Sprite `sprite` is `sprites.draw(sprite // 2, [sprite % 2])`, and ε is
    `torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))`.

    >>> NoiseExplorer(schedule="cosine", t=500)
    A sprite and noise become one image: choose a sprite, a schedule, a timestep and a seed.
    """

    module = "noise"
    alt = "A sprite and noise become one image: choose a sprite, a schedule, a timestep and a seed."

    sprite = traitlets.Int(0, min=0, max=EACH * len(CLASSES) - 1).tag(sync=True)
    schedule = traitlets.Enum(tuple(SCHEDULES), "linear").tag(sync=True)
    t = traitlets.Int(150, min=0, max=999).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    sheet = traitlets.Unicode(sheet(EACH)).tag(sync=True)

    def picture(self) -> str:
        """The clean sprite, the noise, and the mix of the two."""
        import torch

        from pixel_edu import figures
        from pixel_edu.diffusion import add_noise
        from pixel_edu.images import to_tensor, to_uint8

        x0 = to_tensor(draw(self.sprite // EACH, np.array([self.sprite % EACH])))
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(self.seed))
        level = SCHEDULES[self.schedule]().levels(torch.tensor([self.t]))
        images = to_uint8(torch.cat([x0, eps, add_noise(x0, eps, level)]))
        words = f"{self.alt} Here, x₀, ε and their mix at t = {self.t} of the {self.schedule} schedule."
        names = ("x₀", "ε", f"xₜ, t = {self.t}")
        return figures.sprites(images, words, columns=3, scale=8, column_captions=names).html
