"""The distilled network at work, which draws while a slider moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import traitlets

from pixel_edu.config import CLASSES
from pixel_edu.widgets.base import Widget

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

STOPS = tuple(i / 8 for i in range(9))
"""The shares of the way whose sprites stand in the strip."""


class InstantDraw(Widget):
    """One call draws a sprite: a slider leads from the noise of one seed to that of another, the sprite goes along.

    Attributes:
        label: of the class; the number of classes asks for all of them at once.
        seed: where the way begins.
        other_seed: where it ends.
        share: of the way, 0 .. 1.
        snap: whether the sprites get true colours.
        first: the strip of the first settings, so that a page has it before it has the network: a PNG file in base64,
            without gaps, with a row for each class that is asked for.

    >>> InstantDraw(label=2, seed=7, other_seed=8)
    One call of the distilled network draws a sprite: move the slider from one seed's noise to another's.
    """

    module = "instant"
    alt = "One call of the distilled network draws a sprite: move the slider from one seed's noise to another's."

    label = traitlets.Int(0, min=0, max=len(CLASSES)).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    other_seed = traitlets.Int(1, min=0).tag(sync=True)
    share = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    snap = traitlets.Bool(True).tag(sync=True)
    first = traitlets.Unicode().tag(sync=True)

    @property
    def labels(self) -> list[int]:
        """Of the sprites that are drawn at once."""
        return list(range(len(CLASSES))) if self.label == len(CLASSES) else [self.label]

    def draw(self, shares: Sequence[float]) -> np.ndarray:
        """The sprites at some shares of the way: row after row those of a class, (labels · shares, 16, 16, 3) uint8."""
        import torch

        from pixel_edu import load_reference
        from pixel_edu.guidance import guided
        from pixel_edu.images import to_uint8
        from pixel_edu.palette import as_sprites
        from pixel_edu.samplers import SAMPLERS, SpriteNoise, between

        model, noise = load_reference("instant"), SpriteNoise([self.seed, self.other_seed])
        a, b = noise.start()
        x = torch.stack([between(a, b, share) for _ in self.labels for share in shares])
        how, labels = model.sampling(), torch.tensor(self.labels).repeat_interleave(len(shares))
        predict_eps = guided(model.precise, labels, how.guidance_scale, model.null_label)
        *_, last = SAMPLERS[how.sampler].steps(predict_eps, model.schedule, x, how, noise)
        drawn = to_uint8(last.x)
        return as_sprites(drawn, model.palette) if self.snap else drawn

    @traitlets.default("first")
    def _drawn_at_first(self) -> str:
        import base64

        from pixel_edu.images import grid, png_bytes

        return base64.b64encode(png_bytes(grid(self.draw(STOPS), len(STOPS), gap=0))).decode()

    def picture(self) -> str:
        """The strip."""
        from pixel_edu import figures

        words = f"{self.alt} Here, {len(STOPS)} sprites along the way."
        return figures.sprites(self.draw(STOPS), words, columns=len(STOPS), scale=4).html
