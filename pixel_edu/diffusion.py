r"""Forward noising, and the three ways to say what the model should answer.

Each formula stands here once. With α the signal and σ the noise of x_t, `level.signal` and `level.noise` (see
`schedules.Levels`):

    x_t = α·x₀ + σ·ε        v = α·ε - σ·x₀

The second line (Salimans & Ho 2022, arXiv:2202.00512) makes (x_t, v) the pair (x₀, ε) turned by an angle, so turning
back gives x₀ = α·x_t - σ·v and ε = σ·x_t + α·v.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pixel_edu.schedules import Levels, Schedule

Images = Float[Tensor, "b c h w"]
Prediction = Literal["eps", "x0", "v"]


class Clean(NamedTuple):
    """What a model's answer says about x_t: the noise in it and the clean image under it."""

    eps: Images
    x0: Images


def add_noise(x0: Images, eps: Images, level: Levels) -> Images:
    """Jump from clean data to x_t (Ho et al. 2020, arXiv:2006.11239).

    Args:
        x0: (B, C, H, W) float32, clean, in [-1, 1].
        eps: (B, C, H, W) float32, standard normal.
        level: of the batch's timesteps, from `Schedule.levels`.

    Returns:
        (B, C, H, W) float32. Its variance is 1 where that of x0 is 1.
    """
    return level.signal * x0 + level.noise * eps


def target(x0: Images, eps: Images, level: Levels, prediction: Prediction) -> Images:
    """What the model should answer at x_t: "eps", "x0", or "v" = α·ε - σ·x₀.

    Raises:
        ValueError: another name.
    """
    if prediction == "eps":
        return eps
    if prediction == "x0":
        return x0
    if prediction == "v":
        return level.signal * eps - level.noise * x0
    raise ValueError(f"prediction is {prediction!r}: use eps, x0 or v")


def clean(x: Images, answer: Images, level: Levels, prediction: Prediction) -> Clean:
    """Read a model's answer: the noise and the clean image that it implies.

    Args:
        x: (B, C, H, W) float32, the noisy image.
        answer: (B, C, H, W) float32, what the model said of it.
        level: of the batch's timesteps; noise above 0 to get eps from x0, signal above 0 to get x0 from eps.
        prediction: what the answer stands for.

    Raises:
        ValueError: another name.
    """
    if prediction == "eps":
        return Clean(answer, (x - level.noise * answer) / level.signal)
    if prediction == "x0":
        return Clean((x - level.signal * answer) / level.noise, answer)
    if prediction == "v":
        return Clean(level.noise * x + level.signal * answer, level.signal * x - level.noise * answer)
    raise ValueError(f"prediction is {prediction!r}: use eps, x0 or v")


def loss(
    answer: Images, x0: Images, eps: Images, level: Levels, prediction: Prediction
) -> Float[Tensor, " b"]:
    """Mean squared error of each image's answer: (B,) float32."""
    return (answer - target(x0, eps, level, prediction)).square().mean(dim=(1, 2, 3))


def min_snr_weight(level: Levels, prediction: Prediction, gamma: float = 5.0) -> Float[Tensor, " b"]:
    """Weight of each image's loss that keeps easy, nearly clean images from crowding out the rest: (B,) float32.

    With SNR = α²/σ², the weight is min(SNR, γ) for a model that answers x0. An answer's error in eps is SNR times
    its error in x0, and in v it is SNR + 1 times, so those weights are divided by that (Hang et al. 2023,
    arXiv:2303.09556).

    >>> from pixel_edu.schedules import linear
    >>> min_snr_weight(linear().levels(torch.tensor([0, 999])), "eps")
    tensor([5.0005e-04, 1.0000e+00])
    """
    snr = torch.exp(2 * level.half_log_snr).flatten()
    return snr.clamp(max=gamma) / {"eps": snr, "x0": 1, "v": snr + 1}[prediction]


def random_timesteps(
    schedule: Schedule, count: int, generator: torch.Generator | None = None
) -> Int[Tensor, " b"]:
    """Timesteps to train on: (count,) int64, uniform over 0 .. T-1, both ends included."""
    return torch.randint(0, len(schedule), (count,), generator=generator)


def hide_labels(
    c: Int[Tensor, " b"], p_uncond: float, null_label: int, generator: torch.Generator | None = None
) -> Int[Tensor, " b"]:
    """Replace each label by "no label" with probability p_uncond, so that a network learns to do without.

    Args:
        c: (B,) int64.
        p_uncond: in 0 .. 1.
        null_label: the label that means "no label".
        generator: the source of chance; None is PyTorch's own.

    >>> hide_labels(torch.tensor([0, 1, 2]), 1.0, null_label=5)
    tensor([5, 5, 5])
    """
    return c.masked_fill(torch.rand(len(c), generator=generator) < p_uncond, null_label)
