"""From a model, labels and seeds to sprites: a sampler, guidance and noise put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pixel_edu import samplers
from pixel_edu.config import IMAGE_SIZE
from pixel_edu.denoiser import Denoiser
from pixel_edu.guidance import guided, timesteps_between
from pixel_edu.images import to_uint8
from pixel_edu.samplers import SpriteNoise, Step


@dataclass(frozen=True)
class SampleConfig:
    """How to sample.

    Attributes:
        sampler: "ddpm", "ddim" or "dpmpp_2m".
        num_steps: model calls.
        guidance_scale: 1 takes the label as it is, above 1 exaggerates it.
        interval: the range of λ, half the log-SNR, in which guidance is applied; None is everywhere.
        eta: of DDIM.
    """

    sampler: Literal["ddpm", "ddim", "dpmpp_2m"] = "dpmpp_2m"
    num_steps: int = 20
    guidance_scale: float = 2.0
    interval: tuple[float, float] | None = None
    eta: float = 0.0


DEFAULT = SampleConfig(guidance_scale=3.0, interval=(-1.0, 1.0))
"""What to draw with when nothing else is asked for. Guidance at all noise levels gave a larger Fréchet distance
(`benchmarks/quality.py`), and costs a quarter more."""


def stream(
    denoiser: Denoiser,
    labels: Sequence[int],
    seeds: Sequence[int],
    config: SampleConfig | None = None,
    device: str | torch.device = "cpu",
) -> Iterator[Step]:
    """Sample, and yield after every model call.

    Args:
        denoiser: the model, on `device`.
        labels: for each sprite its class, 0 .. K-1, or K for "no label".
        seeds: for each sprite its own, so it is the same in any batch.
        config: how; left out: `DEFAULT`.
        device: where to compute.

    Raises:
        ValueError: a label, a setting or the number of seeds is wrong.
    """
    config = config or DEFAULT
    if len(labels) != len(seeds):
        raise ValueError(f"there are {len(labels)} labels and {len(seeds)} seeds: give one of each a sprite")
    schedule, draw_eps = denoiser.schedule, SpriteNoise(seeds)
    interval = config.interval and timesteps_between(schedule, *config.interval)
    c = torch.tensor(labels, dtype=torch.int64)
    predict_eps = guided(denoiser.precise, c, config.guidance_scale, denoiser.null_label, interval)
    x = draw_eps.start((denoiser.channels, IMAGE_SIZE, IMAGE_SIZE), device)
    if config.sampler == "ddpm":
        return samplers.ddpm_steps(predict_eps, schedule, x, config.num_steps, draw_eps)
    if config.sampler == "ddim":
        return samplers.ddim_steps(predict_eps, schedule, x, config.num_steps, config.eta, draw_eps)
    if config.sampler == "dpmpp_2m":
        return samplers.dpmpp_2m_steps(predict_eps, schedule, x, config.num_steps)
    raise ValueError(f"sampler is {config.sampler!r}: use ddpm, ddim or dpmpp_2m")


def generate(
    denoiser: Denoiser,
    labels: Sequence[int],
    seeds: Sequence[int],
    config: SampleConfig | None = None,
    device: str | torch.device = "cpu",
    batch_size: int | None = None,
    track: Callable[[Sequence], Iterable] = iter,
) -> np.ndarray:
    """Sample sprites, in batches.

    Args:
        denoiser: the model, on `device`.
        labels: for each sprite its class, 0 .. K-1, or K for "no label".
        seeds: for each sprite its own.
        config: how; left out: `DEFAULT`.
        device: where to compute.
        batch_size: sprites at a time; left out, as many as keep the device busy: 64 on a CPU, 1,024 on a GPU.
        track: wraps the list of batches, for a progress bar.

    Returns:
        (N, 16, 16, C) uint8, as the network drew them; `palette.snap` gives them true colours.

    >>> from pixel_edu.checkpoints import load_reference
    >>> generate(load_reference("tiny"), labels=[2, 2], seeds=[0, 1]).shape
    (2, 16, 16, 3)
    """
    batch_size = batch_size or (64 if torch.device(device).type == "cpu" else 1024)
    made = []
    for start in track(range(0, len(labels), batch_size)):
        part = slice(start, start + batch_size)
        *_, last = stream(denoiser, labels[part], seeds[part], config, device)
        made.append(to_uint8(last.x))
    return np.concatenate(made)
