"""A running average of a network's weights: steadier than the weights of any one training step."""

from __future__ import annotations

import copy

import torch
from torch import nn


class EMA:
    """Exponential moving average of all that a network holds, weights and buffers.

    After update n, counted from 1, `average += (1 - decay_n) * (value - average)` with
    decay_n = min(decay, n / (n + 9)). So the first updates forget the random start quickly.

    Args:
        network: what to follow; it is copied, not kept.
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

    @torch.no_grad()
    def update(self, network: nn.Module, n: int) -> None:
        """Move towards the network as it is after n training steps, n = 1, 2, ..."""
        share = 1 - min(self.decay, n / (n + 9))
        for average, value in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if average.is_floating_point():
                average.lerp_(value, share)
            else:  # a counter has no average
                average.copy_(value)
