"""What the exercises of the kind "run and report" measure: one number each, from one setting and a seed.

Each takes well under a second or two on a laptop, and the same setting and seed give the same number. A report of such
an exercise holds what was predicted, two numbers, and whether the prediction held.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pixel_edu import guidance, oracle, palette, samplers, sprites, unet
from pixel_edu.config import NULL_LABEL
from pixel_edu.images import to_tensor
from pixel_edu.schedules import SCHEDULES, cosine

Measure = Callable[..., float]
"""Maps a setting and a seed to a number."""


@dataclass(frozen=True)
class Experiment:
    """One thing is changed, and one number is measured.

    Attributes:
        measure: of a setting and a seed.
        before: the first setting.
        after: the second one.
        least: a change of the number by no more than this counts as none.
    """

    measure: Measure
    before: Any
    after: Any
    least: float

    def went(self, before: float, after: float) -> str:
        """What two numbers say: "rises", "falls" or "stays"."""
        change = after - before
        return "stays" if abs(change) <= self.least else "rises" if change > 0 else "falls"


def leaked(held_out: float, seed: int = 0) -> float:
    """The percentage of held-out rows whose base sprite is also in training, after a split by row at random.

    Args:
        held_out: share of the rows that is held out, in (0, 1).
        seed: of the split.

    Returns:
        0 .. 100, of 9,000 rows in which each of 3,000 base sprites stands three times.
    """
    base = np.repeat(np.arange(3000), 3)
    out = np.random.default_rng(seed).random(len(base)) < held_out
    return 100 * float(np.isin(base[out], base[~out]).mean())


def found(schedule: str, seed: int = 0) -> float:
    """The percentage of noisy sprites at t = 850 to which, of 200 sprites, the right one is the nearest.

    Args:
        schedule: "linear", "cosine" or "sigmoid".
        seed: of the sprites and of the noise.

    Returns:
        0 .. 100.
    """
    x0 = to_tensor(sprites.make(200, seed).images)
    level = SCHEDULES[schedule]().levels(torch.tensor([850]))
    x = level.signal * x0 + level.noise * _randn(seed, *x0.shape)
    nearest = torch.cdist(x.flatten(1), (level.signal * x0).flatten(1)).argmin(dim=1)
    return 100 * float((nearest == torch.arange(len(x0))).double().mean())


def spread_of_drawn(start: float, seed: int = 0) -> float:
    """The spread of 2,000 numbers that DDIM draws in 50 calls of the perfect model of a Gaussian with spread 0.5.

    Args:
        start: standard deviation of the noise that drawing begins with; 1 is right.
        seed: of that noise.
    """
    model = oracle.gaussian(cosine(), torch.zeros(1, 1, 1), 0.5)
    x = start * _randn(seed, 2000, 1, 1, 1)
    drawn = samplers.ddim_sample(guidance.guided(model, torch.zeros(2000).long(), 1.0), cosine(), x, 50)
    return float(drawn.std())


def work_per_pixel(width: int, seed: int = 0) -> float:
    """Thousands of multiplications that the network `tiny` does for each pixel of a square image.

    Args:
        width: of the image in pixels, a multiple of 4.
        seed: of the network's weights, which change nothing.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = unet.ContextUNet(unet.PRESETS["tiny"])
    return unet.operations(network, width) / 2 / width**2 / 1000


def floor(sprites_known: int, seed: int = 0) -> float:
    """The mean squared error, in the clean image, of the perfect denoiser of so many sprites at t = 920 (cosine).

    Args:
        sprites_known: sprites in the set, all equally likely.
        seed: of the sprites and of the noise; 400 noisy ones are asked about.
    """
    x0 = to_tensor(sprites.make(sprites_known, seed).images)
    model, t = oracle.finite_set(cosine(), x0), torch.full((400,), 920)
    chosen = x0[torch.arange(400) % sprites_known]
    level = cosine().levels(t)
    x = level.signal * chosen + level.noise * _randn(seed, *chosen.shape)
    guess = model.predict_x0(x, t, torch.full((400,), NULL_LABEL))
    return float((guess - chosen).square().mean())


def reach(guided_below: int, seed: int = 0) -> float:
    """How far from the middle of a ring with radius 1 guidance 3 puts the points of a class, on average.

    Args:
        guided_below: guidance is applied at timesteps below this one; at the others the label is taken as it is. 1000
            is everywhere.
        seed: of the noise; 400 points are drawn in 40 calls of the perfect model.
    """
    angles = torch.arange(6) * math.pi / 3
    centers = oracle.as_images(torch.stack([angles.cos(), angles.sin()], dim=1))
    model = oracle.mixture(cosine(), centers, 0.15, labels=[0, 0, 1, 1, 2, 2])
    interval = (0, guided_below - 1)
    predict = guidance.guided(model, torch.zeros(400).long(), 3.0, interval=interval)
    drawn = samplers.ddim_sample(predict, cosine(), _randn(seed, 400, 2, 1, 1), 40)
    return float(oracle.as_points(drawn).norm(dim=1).mean())


def missed(spacing: str, seed: int = 0) -> float:
    """How far DDIM with 10 calls ends from the end of the exact path, on average: a Gaussian with spread 0.5.

    Args:
        spacing: what the timesteps are evenly spread in: "t", or "lambda", half the log-SNR.
        seed: of 1,000 starts.
    """
    schedule, t = cosine(), cosine().timesteps(10)
    if spacing == "lambda":
        every = schedule.levels(torch.arange(len(schedule.alpha_bar))).half_log_snr.flatten()
        wanted = torch.linspace(float(every[-1]), float(every[0]), 10)
        t = [int((every - value).abs().argmin()) for value in wanted] + [-1]
    x = _randn(seed, 1000, 1, 1, 1).double()
    model, start = oracle.gaussian(schedule, torch.zeros(1, 1, 1), 0.5), x
    for here, there in itertools.pairwise(t):
        a, b = (schedule.levels(torch.tensor([each])) for each in (here, there))
        eps = model(x, torch.full((len(x),), here), torch.zeros(len(x)).long())
        x = b.signal * (x - a.noise * eps) / a.signal + b.noise * eps
    first = schedule.levels(torch.tensor([t[0]]))
    exact = 0.5 * start / (0.25 * first.signal**2 + first.noise**2).sqrt()
    return float((x - exact).abs().mean())


def restored(shake: float, seed: int = 0) -> float:
    """The percentage of pixels that get their own colour again from the nearest one of the palette, in OKLab.

    Args:
        shake: standard deviation of the noise on each channel before that, in levels of 255.
        seed: of a hundred sprites and of the noise.

    Returns:
        0 .. 100, of the pixels that are not white.
    """
    images, colors = sprites.make(100, seed).images, np.unique(sprites.colors(), axis=0)
    noise = shake * np.random.default_rng(seed).standard_normal(images.shape)
    shaken = (images + noise).round().clip(0, 255).astype(np.uint8)
    same = (colors[palette.nearest(shaken, colors)[0]] == images).all(axis=-1)
    return 100 * float(same[(images < 255).any(axis=-1)].mean())


def trusted(drawn: int, seed: int = 0) -> float:
    """The percentage of 95 % intervals, made by resampling, that hold the true share of right sprites, 97 %.

    Args:
        drawn: sprites that each of 500 experiments draws.
        seed: of the experiments, and of 1,000 resamplings of each.

    Returns:
        0 .. 100.
    """
    draw = np.random.default_rng(seed)
    right = draw.binomial(drawn, 0.97, 500)
    again = draw.binomial(drawn, right[:, None] / drawn, (500, 1000)) / drawn
    low, high = np.quantile(again, [0.025, 0.975], axis=1)
    return 100 * float(((low <= 0.97) & (high >= 0.97)).mean())


def promoted(drawn: int, seed: int = 0, better: float = 0.0) -> float:
    """The percentage of contests that a challenger wins, as its whole 95 % interval lies above the champion's.

    Args:
        drawn: sprites that each of the two is measured on.
        seed: of 5,000 contests.
        better: how many percent more of the challenger's sprites are right; of the champion's, 90 % are.

    Returns:
        0 .. 100.
    """
    draw = np.random.default_rng(seed)
    champion, challenger = (draw.binomial(drawn, (90 + more) / 100, 5000) / drawn for more in (0.0, better))
    half = [1.96 * np.sqrt(share * (1 - share) / drawn) for share in (champion, challenger)]
    return 100 * float((challenger - half[1] > champion + half[0]).mean())


def waited(batch_size: int, seed: int = 0, rate: float = 7.5) -> float:
    """Seconds from a request's arrival to its answer, on average, at a server that shares calls of the network.

    A call takes 0.1 seconds and 0.02 more for each image. A server that is free begins at once, with the images of all
    that wait, oldest first.

    Args:
        batch_size: images that a call may hold, 1 or more.
        seed: of when 2,000 requests come, for one image and one call each.
        rate: requests a second, on average; they come independently of each other.
    """
    came = np.random.default_rng(seed).exponential(1 / rate, 2000).cumsum()
    total, free, served = 0.0, 0.0, 0
    while served < len(came):
        begin = max(free, came[served])
        taken = came[served : served + batch_size]
        taken = taken[taken <= begin]
        free = begin + 0.1 + 0.02 * len(taken)
        total += float((free - taken).sum())
        served += len(taken)
    return total / len(came)


def image_size(owner: str, seed: int = 0) -> float:
    """Megabytes of an image's layers, as tar files: a model is copied into it, and belongs to a user of its own.

    A layer holds the whole of each file that its step has touched (OCI image specification, `layer.md`).

    Args:
        owner: when the file gets its owner: "with the copy", or in a step of its own, "afterwards".
        seed: of the model's bytes, of which there are 0.8 to 1.2 million.

    Raises:
        ValueError: for another word.
    """
    if owner not in ("with the copy", "afterwards"):
        raise ValueError(f'owner is {owner!r}: say "with the copy" or "afterwards"')
    draw = np.random.default_rng(seed)
    model = draw.bytes(int(draw.integers(800_000, 1_200_000)))
    owners = [10001] if owner == "with the copy" else [0, 10001]
    return sum(len(_layer(model, user)) for user in owners) / 1e6


def _layer(model: bytes, user: int) -> bytes:
    packed, entry = io.BytesIO(), tarfile.TarInfo("app/model.safetensors")
    entry.size, entry.uid = len(model), user
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(model))
    return packed.getvalue()


def _randn(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32))


EXPERIMENTS = {
    "ex-01-7": Experiment(leaked, 0.1, 0.5, 2.0),
    "ex-02-8": Experiment(found, "linear", "cosine", 5.0),
    "ex-03-7": Experiment(spread_of_drawn, 1.0, 0.5, 0.02),
    "ex-04-7": Experiment(work_per_pixel, 16, 32, 2.0),
    "ex-05-8": Experiment(floor, 50, 500, 0.02),
    "ex-06-6": Experiment(reach, 1000, 500, 0.03),
    "ex-07-8": Experiment(missed, "t", "lambda", 0.005),
    "ex-08-8": Experiment(restored, 4, 16, 2.0),
    "ex-09-8": Experiment(trusted, 10, 100, 5.0),
    "ex-10-9": Experiment(promoted, 100, 1000, 1.0),
    "ex-11-8": Experiment(waited, 1, 16, 0.05),
    "ex-12-8": Experiment(image_size, "with the copy", "afterwards", 0.05),
}
"""By the id of the exercise."""


@functools.cache
def measured(id: str, setting: Any, seed: int) -> float:
    """What an exercise's experiment measures; each setting is run once."""
    return EXPERIMENTS[id].measure(setting, seed)
