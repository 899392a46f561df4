"""A running average of a network's weights: steadier than the weights of any one training step."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class EMA:
    """Exponential moving average of a network's weights and buffers.

    After update n, counted from 1, `average += (1 - decay_n) * (value - average)` with
    decay_n = min(decay, n / (n + 9)). So the first updates forget the random start quickly.

    Args:
        network: what to average; it is copied.
        decay: in [0, 1); 0.999 averages about the last 1,000 steps.

    Attributes:
        network: the averaged copy, in evaluation mode, without gradients.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> ema = EMA(layer, decay=0.5)
    >>> _ = nn.init.constant_(layer.weight, ema.network.weight.item() + 1)
    >>> before = ema.network.weight.item()
    >>> ema.update(layer, n=9)
    >>> round(ema.network.weight.item() - before, 4)
    0.5
    """

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}: use 0 or more, and less than 1, such as 0.999")
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    def update(self, network: nn.Module, n: int) -> None:
        """Move towards the network as it is after n training steps, n = 1, 2, ..."""
        average = self.network.state_dict()  # the network's own memory, by name
        for name, mean in ema_update(average, network.state_dict(), n, self.decay).items():
            average[name].copy_(mean)


@torch.no_grad()
def ema_update(
    average: Mapping[str, Tensor], values: Mapping[str, Tensor], n: int, decay: float
) -> dict[str, Tensor]:
    """The new averages after training step n, by name; nothing is changed in place.

    Args:
        average: tensors by name, as `state_dict` gives them.
        values: the network's own, by the same names.
        n: 1, 2, ...
        decay: see `EMA`.

    >>> ema_update({"w": torch.zeros(1)}, {"w": torch.ones(1)}, n=1, decay=0.999)
    {'w': tensor([0.9000])}
    """
    share = 1 - min(decay, n / (n + 9))
    # lerp(a, b, share) is a + share·(b - a): one rounding, exact where both are equal. A counter has no average.
    return {
        name: torch.lerp(average[name], value, share) if value.is_floating_point() else value
        for name, value in values.items()
    }
