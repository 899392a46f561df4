"""The reference network at work."""

from __future__ import annotations

import traitlets

from pixel_edu.config import CLASSES, SampleConfig
from pixel_edu.samplers import SAMPLERS
from pixel_edu.widgets.base import Widget


class LiveDenoiser(Widget):
    """The reference draws: class, seed and settings, and two settings side by side from the same noise.

    >>> LiveDenoiser(label=2, seed=7)
    The model draws a sprite: choose its class, a seed, and how it samples.
    """

    module = "denoiser"
    alt = "The model draws a sprite: choose its class, a seed, and how it samples."

    label = traitlets.Int(0, min=0, max=len(CLASSES) - 1).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    sampler = traitlets.Enum(tuple(SAMPLERS), SampleConfig.sampler).tag(sync=True)
    num_steps = traitlets.Int(SampleConfig.num_steps, min=1, max=100).tag(sync=True)
    guidance_scale = traitlets.Float(SampleConfig.guidance_scale).tag(sync=True)
    snap = traitlets.Bool(True).tag(sync=True)
    compare = traitlets.Bool(False).tag(sync=True)
    other_sampler = traitlets.Enum(tuple(SAMPLERS), "ddim").tag(sync=True)
    other_num_steps = traitlets.Int(SampleConfig.num_steps, min=1, max=100).tag(sync=True)
    other_guidance_scale = traitlets.Float(SampleConfig.guidance_scale).tag(sync=True)

    def picture(self) -> str:
        """The sprite that it draws at first, beside its noise."""
        import numpy as np

        from pixel_edu import figures, load_reference
        from pixel_edu.generate import stream
        from pixel_edu.images import to_uint8
        from pixel_edu.palette import as_sprites

        model = load_reference()
        config = SampleConfig(self.sampler, self.num_steps, self.guidance_scale)
        moments = [to_uint8(step.x) for step in stream(model, [self.label], [self.seed], config)]
        shown = [moments[len(moments) * part // 4] for part in range(4)]
        last = as_sprites(moments[-1], model.palette) if self.snap else moments[-1]
        words = f"{self.alt} Here, five moments of one."
        return figures.sprites(np.concatenate([*shown, last]), words, columns=5, scale=6).html
