"""Six blobs in the plane, two for each of three classes, whose perfect model is a formula: chapter 6's."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pixel_edu.oracle import Oracle, as_images, mixture
from pixel_edu.schedules import cosine

SPREAD = 0.35
LABELS = (0, 0, 1, 1, 2, 2)
NOTHING = 3
"""The label that stands for all classes together."""


def blobs() -> Oracle:
    """Their ideal denoiser under the cosine schedule.

    >>> len(blobs().centers)
    6
    """
    angles = torch.arange(6) * torch.pi / 3
    centers = torch.stack([angles.cos(), angles.sin()], dim=1)
    return mixture(cosine(), as_images(centers), SPREAD, LABELS, null_label=NOTHING)


class Crowd:
    """Noise for a crowd of points, all from one seed; called like a `SpriteNoise`.

    Args:
        seed: from 0 up.
        count: how many points, a multiple of 8: then the page draws the same numbers.
    """

    def __init__(self, seed: int, count: int) -> None:
        self.count = count
        self._generator = torch.Generator().manual_seed(seed)

    def start(self) -> Float[Tensor, "count 2 1 1"]:
        """The next noise, standard normal."""
        return torch.randn(self.count, 2, 1, 1, generator=self._generator).double()

    def __call__(self, x: Float[Tensor, "count 2 1 1"]) -> Float[Tensor, "count 2 1 1"]:
        """The next noise, for a sampler that draws at every step."""
        return self.start().to(x)
