"""A network together with what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from pixel_edu.config import CHANNELS, IMAGE_SIZE, SampleConfig, class_names
from pixel_edu.diffusion import Images, Prediction, clean
from pixel_edu.facts import CHANNELS_OF
from pixel_edu.schedules import Schedule


@dataclass(frozen=True)
class Denoiser:
    """A trained model, ready for `guidance.guided`: it answers eps whatever its network was trained to answer.

    Attributes:
        network: maps x (B, C, S, S) float32, t (B,) int64 and c (B,) int64 to an answer of x's shape.
        schedule: the noise schedule it was trained with.
        prediction: what the network's answer stands for.
        null_label: the label that means "no label".
        channels: C of what it draws: 3 for colours, 4 for colours and alpha, more for bits.
        palette: (P, 3) uint8, the colours of the sprites it learned from, or some that stand for them, if known.
        classes: the names of its classes in label order; if omitted, the course's where they are five, else numbers.
        size: S, the edge of the sprites that it draws, in pixels.
        calls: in how many calls it draws if it was distilled, guidance inside; 0: in as many as asked.
    """

    network: Callable[[Tensor, Tensor, Tensor], Tensor]
    schedule: Schedule
    prediction: Prediction
    null_label: int
    channels: int = CHANNELS
    palette: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    size: int = IMAGE_SIZE
    calls: int = 0

    def __post_init__(self) -> None:
        if not self.classes:
            object.__setattr__(self, "classes", class_names(self.null_label))
        if len(self.classes) != self.null_label:
            raise ValueError(
                f"{len(self.classes)} classes are named, and the network knows {self.null_label}"
            )

    @property
    def alpha(self) -> bool:
        """Whether its sprites have alpha."""
        return CHANNELS_OF[self.channels] == 4

    def sampling(self, asked: SampleConfig = SampleConfig(), typed: Collection[str] = ()) -> SampleConfig:
        """How it draws when asked so. A distilled model has its own calls and no guidance where defaults are asked for.

        Args:
            asked: the settings.
            typed: names of those that somebody chose, even if they equal a default.

        Raises:
            ValueError: a distilled model is asked for other calls, for guidance or, where it draws in several calls,
                for another sampler: it never learned that.

        >>> from pixel_edu.checkpoints import load_reference
        >>> load_reference("instant").sampling().num_steps
        1
        """
        if not self.calls:
            return asked
        own = replace(asked, sampler="ddim", num_steps=self.calls, guidance_scale=1.0, eta=0.0)
        settings = {
            "num_steps": _calls(asked.num_steps),
            "guidance_scale": f"a guidance scale of {asked.guidance_scale:g}",
        }
        if self.calls > 1:  # in one call every sampler returns the network's guess
            settings["sampler"] = f"the sampler {asked.sampler}"
        wrong = [
            words
            for name, words in settings.items()
            if (value := getattr(asked, name)) != getattr(own, name)
            and (name in typed or value != getattr(SampleConfig(), name))
        ]
        if wrong:
            *most, last = wrong
            raise ValueError(
                f"this model was distilled to draw in {_calls(self.calls)} with its guidance inside, and was asked "
                f"for {', '.join(most) + ' and ' if most else ''}{last}: omit {'them' if most else 'that'}"
            )
        return own

    def label_of(self, name: str) -> int:
        """The label of a class.

        Raises:
            ValueError: the model has no class of this name.
        """
        if name not in self.classes:
            raise ValueError(f"this model has no class {name!r}: use {', '.join(self.classes)}")
        return self.classes.index(name)

    @torch.no_grad()
    def __call__(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        """The noise in x, (B, C, S, S) float32."""
        return clean(x, self.network(x, t, c), self.schedule.levels(t), self.prediction).eps

    @torch.no_grad()
    def precise(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        """The noise in x, (B, C, S, S) float64, from which x₀ can be computed even where x is almost pure noise.

        At the last timestep of the cosine schedule the signal is 5e-5. There float32 holds eps to seven digits, but
        x₀ = (x - noise·eps) / signal only to two. On Apple's GPUs, which have no float64, that is what you get.
        """
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        answer, level = self.network(x.float(), t, c).to(wide), self.schedule.levels(t)
        x0 = clean(x.to(wide), answer, level, self.prediction).x0
        return clean(x.to(wide), x0, level, "x0").eps


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"
