"""From a model, labels and seeds to sprites: a sampler, guidance and noise put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch

from pixel_edu.config import SampleConfig
from pixel_edu.denoiser import Denoiser
from pixel_edu.guidance import guided, timesteps_between
from pixel_edu.images import to_uint8
from pixel_edu.samplers import SAMPLERS, SpriteNoise, Step


def stream(
    denoiser: Denoiser,
    labels: Sequence[int | str],
    seeds: Sequence[int],
    config: SampleConfig = SampleConfig(),
    device: str | torch.device = "cpu",
) -> Iterator[Step]:
    """Sample, and yield after every model call.

    Args:
        denoiser: the model, on `device`.
        labels: for each sprite its class, 0 .. K-1 or by name, or K for "no label".
        seeds: for each sprite its own, so it is the same in any batch.
        config: how to sample; a distilled model draws by default as it was taught, see `Denoiser.sampling`.
        device: where to compute.

    Raises:
        ValueError: a label, a setting or the number of seeds is wrong.
    """
    if config.sampler not in SAMPLERS:
        raise ValueError(f"sampler is {config.sampler!r}: use {', '.join(SAMPLERS)}")
    if len(labels) != len(seeds):
        raise ValueError(f"there are {len(labels)} labels and {len(seeds)} seeds: give one of each a sprite")
    config, schedule, draw_eps = denoiser.sampling(config), denoiser.schedule, SpriteNoise(seeds)
    interval = config.interval and timesteps_between(schedule, *config.interval)
    c = torch.tensor(
        [denoiser.label_of(each) if isinstance(each, str) else each for each in labels], dtype=torch.int64
    )
    predict_eps = guided(denoiser.precise, c, config.guidance_scale, denoiser.null_label, interval)
    x = draw_eps.start((denoiser.channels, denoiser.size, denoiser.size), device)
    return SAMPLERS[config.sampler].steps(predict_eps, schedule, x, config, draw_eps)


def generate(
    denoiser: Denoiser,
    labels: Sequence[int | str],
    seeds: Sequence[int],
    config: SampleConfig = SampleConfig(),
    device: str | torch.device = "cpu",
    batch_size: int | None = None,
    track: Callable[[Sequence], Iterable] = iter,
) -> np.ndarray:
    """Sample sprites, in batches.

    Args:
        denoiser: the model, on `device`.
        labels: for each sprite its class, 0 .. K-1 or by name, or K for "no label".
        seeds: for each sprite its own.
        config: how to sample; a distilled model draws by default as it was taught, see `Denoiser.sampling`.
        device: where to compute.
        batch_size: sprites at a time; default: as many as keep the device busy, 64 on a CPU, 1,024 on a GPU.
        track: wraps the list of batches, for a progress bar.

    Returns:
        (N, S, S, C) uint8, as the network drew them, of the model's size and channels; `palette.as_sprites` gives them
        true colours.

    >>> from pixel_edu.checkpoints import load_reference
    >>> generate(load_reference("tiny"), labels=["food", 2], seeds=[0, 1]).shape
    (2, 16, 16, 3)
    """
    batch_size = batch_size or (64 if torch.device(device).type == "cpu" else 1024)
    made = []
    for start in track(range(0, len(labels), batch_size)):
        part = slice(start, start + batch_size)
        *_, last = stream(denoiser, labels[part], seeds[part], config, device)
        made.append(to_uint8(last.x))
    return np.concatenate(made)


def specimens(classes: int, each: int = 8, rows: int = 16) -> tuple[list[int], int]:
    """The labels and columns of a picture of all classes: a row for each, or where they are many, one sprite each.

    Args:
        classes: how many there are.
        each: sprites in a row.
        rows: with more classes than this, there is one sprite of each, in rows twice as long.

    >>> specimens(2, each=3)
    ([0, 0, 0, 1, 1, 1], 3)
    """
    if classes > rows:
        return list(range(classes)), 2 * each
    return [c for c in range(classes) for _ in range(each)], each
