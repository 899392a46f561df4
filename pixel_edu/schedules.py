r"""Noise schedules: how much of the clean image is left at each timestep.

A schedule is the list of ᾱ_t for t = 0 .. T-1; all else follows from it. The noisy image is

    x_t = α_t·x₀ + σ_t·ε,    signal α_t = √ᾱ_t,    noise σ_t = √(1-ᾱ_t)

(Ho et al. 2020, arXiv:2006.11239, whose ᾱ_t is α_t²). Timestep 0 is the least noisy, T-1 the noisiest, and -1 is
clean data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Levels(NamedTuple):
    """How much signal and noise is in x_t, shaped to multiply images (B, C, H, W).

    Attributes:
        signal: (B, 1, 1, 1) float32, α_t = √ᾱ_t in [0, 1].
        noise: (B, 1, 1, 1) float32, σ_t = √(1-ᾱ_t) in [0, 1]; the squares of the two add up to 1.
        half_log_snr: (B, 1, 1, 1) float32, λ_t = log(α_t / σ_t); +inf for clean data.
    """

    signal: Float[Tensor, "b 1 1 1"]
    noise: Float[Tensor, "b 1 1 1"]
    half_log_snr: Float[Tensor, "b 1 1 1"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """A noise schedule, kept in float64.

    Attributes:
        alpha_bar: (T,) float64, falling, each in (0, 1).

    Raises:
        ValueError: alpha_bar is not falling, or leaves (0, 1).
    """

    alpha_bar: Float[Tensor, " t"]

    def __post_init__(self) -> None:
        a = self.alpha_bar
        if a.ndim != 1 or not bool((a[1:] < a[:-1]).all()) or not (a[-1] > 0 and a[0] < 1):
            raise ValueError(
                "alpha_bar must be a list that falls, inside 0 .. 1: check the schedule's formula"
            )

    def __len__(self) -> int:
        """The number of timesteps, T."""
        return len(self.alpha_bar)

    def levels(self, t: Int[Tensor, " b"]) -> Levels:
        """Signal and noise at each timestep of a batch.

        Args:
            t: (B,) int64 in -1 .. T-1; -1 is clean data.

        Raises:
            ValueError: a timestep outside -1 .. T-1.
        """
        if len(t) and not (int(t.min()) >= -1 and int(t.max()) < len(self)):
            raise ValueError(
                f"timesteps run from -1 to {len(self) - 1}, not to {int(t.min())} .. {int(t.max())}"
            )
        return Levels(*self._table[:, t.cpu()].reshape(3, -1, 1, 1, 1).to(t.device))

    @cached_property
    def _table(self) -> Float[Tensor, "3 timesteps"]:
        """Signal, noise and λ of every timestep, float32; index -1 reads the last column, which is clean data."""
        a = torch.cat([self.alpha_bar, self.alpha_bar.new_ones(1)])
        return torch.stack([a.sqrt(), (1 - a).sqrt(), (a.log() - torch.log1p(-a)) / 2]).float()

    def timesteps(self, num_steps: int) -> list[int]:
        """The timesteps that a sampler visits: num_steps of them from T-1 down, evenly spread, then -1.

        Args:
            num_steps: model calls, 1 .. T.

        Returns:
            num_steps + 1 integers. `itertools.pairwise` gives each step's start and end.

        Raises:
            ValueError: num_steps outside 1 .. T.

        >>> linear().timesteps(4)
        [999, 749, 499, 249, -1]
        """
        T = len(self)
        if not 1 <= num_steps <= T:
            raise ValueError(f"num_steps is {num_steps}, but this schedule has {T} timesteps: use 1 .. {T}")
        return [T * (num_steps - i) // num_steps - 1 for i in range(num_steps + 1)]


def linear(T: int = 1000) -> Schedule:
    """β_t rises in a straight line (Ho et al. 2020, section 4, arXiv:2006.11239).

    The published ends, 1e-4 and 0.02, are for T = 1000; for another T they are scaled by 1000 / T, so that about the
    same noise is reached.

    >>> f"{linear().alpha_bar[-1]:.1e}"
    '4.0e-05'
    """
    scale = 1000 / T
    beta = torch.linspace(1e-4 * scale, min(0.02 * scale, 0.999), T, dtype=torch.float64)
    return Schedule(torch.cumprod(1 - beta, dim=0))


def cosine(T: int = 1000, s: float = 0.008, max_beta: float = 0.999) -> Schedule:
    """ᾱ follows a squared cosine (Nichol & Dhariwal 2021, arXiv:2102.09672).

    Args:
        T: number of timesteps.
        s: small offset that keeps the first steps from being too small.
        max_beta: no single step removes more than this, which bounds the last one.
    """
    return _from_curve(lambda u: math.cos((u + s) / (1 + s) * math.pi / 2) ** 2, T, max_beta)


def sigmoid(
    T: int = 1000, start: float = -3.0, end: float = 3.0, tau: float = 1.0, max_beta: float = 0.999
) -> Schedule:
    """ᾱ follows a falling sigmoid, scaled to run from 1 to 0.

    Used by Jabri et al. 2023 (arXiv:2212.11972) and compared with others by Chen 2023 (arXiv:2301.10972). What
    diffusers calls "sigmoid" is another schedule: there β_t, not ᾱ_t, follows the curve.

    Args:
        T: number of timesteps.
        start: where on the sigmoid the curve begins.
        end: where it ends.
        tau: temperature; larger is closer to a straight line.
        max_beta: bound on a single step.
    """

    def rise(v: float) -> float:
        return 1 / (1 + math.exp(-v / tau))

    def curve(u: float) -> float:
        return (rise(end) - rise(u * (end - start) + start)) / (rise(end) - rise(start))

    return _from_curve(curve, T, max_beta)


def shifted(schedule: Schedule, factor: float) -> Schedule:
    """Add more noise, or less, at every timestep: λ_t becomes λ_t + log(factor).

    Hoogeboom et al. 2023 (arXiv:2301.11093) shift the log-SNR of a schedule made for images of 64 pixels by
    2·log(64 / W) for images W pixels wide. Here λ is half the log-SNR, so their shift is factor = 64 / W: a small image
    has fewer pixels that tell the same story, so it needs less noise for the same loss of information.

    Args:
        schedule: what to shift.
        factor: above 1 leaves more signal, below 1 leaves less.

    >>> base = cosine()
    >>> bool((shifted(base, 2.0).alpha_bar > base.alpha_bar).all())
    True
    """
    if not factor > 0:
        raise ValueError(f"factor is {factor}, but it multiplies signal / noise: use a number above 0")
    logit = torch.logit(schedule.alpha_bar)  # the log-SNR, which is 2λ
    return Schedule(torch.sigmoid(logit + 2 * math.log(factor)))


SCHEDULES: dict[str, Callable[[], Schedule]] = {"linear": linear, "cosine": cosine, "sigmoid": sigmoid}
"""Every schedule by its name: training, the command line and the widgets offer what is listed here."""


def _from_curve(curve: Callable[[float], float], T: int, max_beta: float) -> Schedule:
    """β_t from the ratio of neighbouring values of a curve that falls from u = 0 to u = 1, then ᾱ."""
    beta = [min(1 - curve((t + 1) / T) / curve(t / T), max_beta) for t in range(T)]
    return Schedule(torch.cumprod(1 - torch.tensor(beta, dtype=torch.float64), dim=0))
