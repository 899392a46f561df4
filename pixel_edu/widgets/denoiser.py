"""The reference network at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import traitlets

from pixel_edu.config import CLASSES, SampleConfig
from pixel_edu.samplers import SAMPLERS
from pixel_edu.widgets.base import Widget

if TYPE_CHECKING:
    import numpy as np


class LiveDenoiser(Widget):
    """The reference draws: what each call gets beside what it guesses, and two settings from the same noise.

    Attributes:
        label: of the class; the number of classes asks for all of them at once.
        first: what comes of the first settings, and of the others where `compare` is set, so that a page has it before
            it has the network: PNG files in base64, with a sprite for each class that is asked for.

    >>> LiveDenoiser(label=2, seed=7)
    The model draws a sprite: choose its class, a seed, and how it samples.
    """

    module = "denoiser"
    alt = "The model draws a sprite: choose its class, a seed, and how it samples."

    label = traitlets.Int(0, min=0, max=len(CLASSES)).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    sampler = traitlets.Enum(tuple(SAMPLERS), SampleConfig.sampler).tag(sync=True)
    num_steps = traitlets.Int(SampleConfig.num_steps, min=1, max=100).tag(sync=True)
    guidance_scale = traitlets.Float(SampleConfig.guidance_scale).tag(sync=True)
    snap = traitlets.Bool(True).tag(sync=True)
    compare = traitlets.Bool(False).tag(sync=True)
    other_sampler = traitlets.Enum(tuple(SAMPLERS), "ddim").tag(sync=True)
    other_num_steps = traitlets.Int(SampleConfig.num_steps, min=1, max=100).tag(sync=True)
    other_guidance_scale = traitlets.Float(SampleConfig.guidance_scale).tag(sync=True)
    first = traitlets.List(traitlets.Unicode()).tag(sync=True)

    @property
    def labels(self) -> list[int]:
        """Of the sprites that are drawn at once."""
        return list(range(len(CLASSES))) if self.label == len(CLASSES) else [self.label]

    @traitlets.default("first")
    def _drawn_at_first(self) -> list[str]:
        import base64

        from pixel_edu.images import grid, png_bytes

        found = []
        for prefix in ("", "other_") if self.compare else ("",):
            *_, sprites = self._moments(prefix)
            found.append(base64.b64encode(png_bytes(grid(sprites, len(sprites), gap=0))).decode())
        return found

    def _moments(self, prefix: str) -> list[np.ndarray]:
        """The images after each call, and at the end the sprites, each (N, 16, 16, 3) uint8."""
        from pixel_edu import load_reference
        from pixel_edu.generate import stream
        from pixel_edu.images import to_uint8
        from pixel_edu.palette import as_sprites

        model, seeds = load_reference(), [self.seed] * len(self.labels)
        asked = (getattr(self, prefix + name) for name in ("sampler", "num_steps", "guidance_scale"))
        moments = [to_uint8(step.x) for step in stream(model, self.labels, seeds, SampleConfig(*asked))]
        return [*moments, as_sprites(moments[-1], model.palette) if self.snap else moments[-1]]

    def picture(self) -> str:
        """The first sprite that it draws, on its way."""
        import numpy as np

        from pixel_edu import figures

        *moments, last = self._moments("")
        shown = [moments[len(moments) * part // 4][:1] for part in range(4)]
        words = f"{self.alt} Here, five moments of one."
        return figures.sprites(np.concatenate([*shown, last[:1]]), words, columns=5, scale=6).html
