"""Classifier-free guidance: away from what the model answers without a label (Ho & Salimans 2022, arXiv:2207.12598).

    eps = eps_uncond + w·(eps_cond - eps_uncond)

With w the guidance scale: 0 ignores the label, 1 is the conditional model, above 1 exaggerates. The paper counts from
zero: its scale is w - 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pixel_edu.config import NULL_LABEL
from pixel_edu.diffusion import Images
from pixel_edu.schedules import Schedule

Model = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps x (B, C, H, W) float32, t (B,) int64 and labels c (B,) int64 to the noise in x, (B, C, H, W) float32."""


def guide(eps_cond: Images, eps_uncond: Images, guidance_scale: float | Float[Tensor, "b 1 1 1"]) -> Images:
    """The guided noise from the two answers: on all channels, for each image its own scale if a tensor is given."""
    return eps_uncond + guidance_scale * (eps_cond - eps_uncond)


def guided(
    model: Model,
    c: Int[Tensor, " b"],
    guidance_scale: float,
    null_label: int = NULL_LABEL,
    interval: tuple[int, int] | None = None,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Bind labels and guidance to a model: what a sampler calls.

    Both answers come from one call with a batch of 2B. Where one of them would be multiplied by 0, it is not asked for:
    a scale of 1 or 0, and timesteps outside the interval, cost a call with a batch of B.

    Args:
        model: maps x (B, C, H, W), t (B,) int64 and c (B,) int64 to the noise in x.
        c: (B,) int64 in 0 .. null_label; null_label itself is "no label".
        guidance_scale: w, any finite number.
        null_label: the label that means "no label".
        interval: first and last timestep at which guidance is applied, both included; elsewhere the conditional answer
            is taken as it is (Kynkäänniemi et al. 2024, arXiv:2404.07724). None is everywhere. `timesteps_between`
            gives it from a range of λ.

    Returns:
        predict_eps: maps x (B, C, H, W) and t (B,) int64 to the guided noise in x.

    Raises:
        ValueError: a label outside its range, a scale that is not finite, or an interval whose ends are swapped. From
            predict_eps: x holds another number of images than there are labels.

    >>> predict_eps = guided(lambda x, t, c: x * (c + 1.0).reshape(-1, 1, 1, 1), torch.tensor([1]), 3.0)
    >>> float(predict_eps(torch.ones(1, 1, 1, 1), torch.tensor([9])))  # 6 + 3·(2 - 6)
    -6.0
    """
    if len(c) and not (int(c.min()) >= 0 and int(c.max()) <= null_label):
        raise ValueError(
            f"labels run from 0 to {null_label} (no label), not to {int(c.min())} .. {int(c.max())}"
        )
    if not math.isfinite(guidance_scale):
        raise ValueError(f"guidance_scale is {guidance_scale}: use a number, such as 1 (off) or 2")
    first, last = interval or (0, math.inf)
    if first > last:
        raise ValueError(
            f"the guidance interval runs from {first} to {last}: give the smaller timestep first"
        )

    def predict_eps(x: Images, t: Int[Tensor, " b"]) -> Images:
        if len(x) != len(c):
            raise ValueError(f"the batch holds {len(x)} images and {len(c)} labels: give one label for each")
        labels = c.to(x.device)
        inside = (t >= first) & (t <= last)
        if guidance_scale == 1 or not bool(inside.any()):
            return model(x, t, labels)
        nothing = torch.full_like(labels, null_label)
        if guidance_scale == 0 and bool(inside.all()):
            return model(x, t, nothing)
        answers = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([labels, nothing]))
        eps_cond, eps_uncond = answers.chunk(2)
        if bool(inside.all()):
            return guide(eps_cond, eps_uncond, guidance_scale)
        scale = torch.where(inside, float(guidance_scale), 1.0).to(x.dtype).reshape(-1, 1, 1, 1)
        return guide(eps_cond, eps_uncond, scale)

    return predict_eps


def timesteps_between(schedule: Schedule, low: float, high: float) -> tuple[int, int]:
    """The first and last timestep whose λ, half the log-SNR, lies in low .. high.

    Args:
        schedule: where the timesteps come from.
        low: the noisier end of the range, such as -1.
        high: the cleaner end, such as 3.

    Raises:
        ValueError: no timestep lies there.

    >>> from pixel_edu.schedules import cosine
    >>> timesteps_between(cosine(), -1.0, 1.0)
    (218, 772)
    """
    half_log_snr = schedule.levels(torch.arange(len(schedule))).half_log_snr.flatten()
    found = torch.nonzero((half_log_snr >= low) & (half_log_snr <= high)).flatten()
    if len(found) == 0:
        ends = f"{half_log_snr[-1]:.1f} .. {half_log_snr[0]:.1f}"
        raise ValueError(f"no timestep has λ in {low} .. {high}: this schedule has {ends}")
    return int(found[0]), int(found[-1])
