"""A network of a few thousand weights that learns six blobs in the plane, with PyTorch: the twin of `js/learner.js`.

Weights, batches and noise come from one generator, in an order that the page keeps too, so both train the same run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pixel_edu.diffusion import Images, add_noise, loss, to_eps
from pixel_edu.ema import EMA
from pixel_edu.oracle import Oracle, as_images, as_points, mixture
from pixel_edu.samplers import ddim_sample
from pixel_edu.schedules import cosine
from pixel_edu.training import Batch, TrainConfig

SPREAD, LABELS, NOTHING = 0.08, (0, 1, 2, 0, 1, 2), 3
WAVES, WIDTH, START, CALLS = 4, 64, 96, 20
"""Frequencies of the timestep; neurons of a hidden layer; points that are drawn, and the calls for that."""
ASKED = 8192
"""Questions that the least loss is measured on."""


def recipe(learning_rate: float, seed: int = 0) -> TrainConfig:
    """How it is trained: as sprites are, but for the numbers."""
    return TrainConfig(
        steps=2_000, batch_size=128, learning_rate=learning_rate, ema_decay=0.99, seed=seed
    )
