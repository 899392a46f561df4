r"""Samplers: ways to walk from noise to clean data, each a loop over the same list of timesteps.

A sampler knows neither networks nor labels: it is a function of `predict_eps(x, t)`, a schedule and noise. Each comes
twice: `ddpm_steps`, `ddim_steps`, `dpmpp_2m_steps` and `dpmpp_2m_sde_steps` are generators that yield a `Step` after
every model call; `ddpm_sample` and its like run them to the end and return the image.

A step goes from timestep t down to s. With α the signal, σ the noise and λ = log(α / σ), h = λ_s - λ_t is the step's
length, and (α_t / α_s)·(σ_s / σ_t) is exp(-h). At clean data λ is infinite, so exp(-h) is 0: no formula below divides
by it, and the last step needs no case of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pixel_edu.config import CHANNELS, IMAGE_SIZE, SampleConfig
from pixel_edu.diffusion import Clean, Images, clean
from pixel_edu.schedules import Levels, Schedule

PredictEps = Callable[[Tensor, Tensor], Tensor]
"""Maps x (B, C, H, W) float32 and t (B,) int64 to the noise in x, (B, C, H, W) float32."""
DrawEps = Callable[[Tensor], Tensor]
"""Maps x to fresh standard normal noise of its shape, dtype and device; `SpriteNoise` is one."""


class Step(NamedTuple):
    """Where a sampler stands after one model call.

    Attributes:
        call: which call this was, 1 .. num_steps.
        t: the timestep reached; -1 is clean data.
        x: (B, C, H, W) float32, the image at t.
        x0: (B, C, H, W) float32, the clean image that this call's answer implies.
    """

    call: int
    t: int
    x: Images
    x0: Images


class SpriteNoise:
    """Standard normal noise in which every sprite has a generator of its own.

    So a sprite is the same in a batch of any size, on any device: its noise depends on its seed and on how often noise
    was drawn before, and is drawn on the CPU.

    Args:
        seeds: one integer from 0 up for each sprite of the batch.

    >>> few, many = SpriteNoise(range(2)), SpriteNoise(range(8))
    >>> torch.equal(few.start(), many.start()[:2])
    True
    """

    def __init__(self, seeds: Iterable[int]) -> None:
        self.seeds = tuple(seeds)
        self._generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def start(
        self, shape: tuple[int, ...] = (CHANNELS, IMAGE_SIZE, IMAGE_SIZE), device: str | torch.device = "cpu"
    ) -> Images:
        """The next noise of every sprite, `(B, *shape)` float32; the first draw is a sampler's start."""
        drawn = [torch.randn(shape, generator=generator) for generator in self._generators]
        return torch.stack(drawn).to(device)

    def __call__(self, x: Images) -> Images:
        """The next noise of every sprite, in the shape, dtype and device of x.

        Raises:
            ValueError: x holds another number of sprites than there are seeds.
        """
        if len(x) != len(self.seeds):
            raise ValueError(
                f"the batch holds {len(x)} images and SpriteNoise {len(self.seeds)} seeds: give one for each"
            )
        return self.start(tuple(x.shape[1:])).to(x)


def between(a: Tensor, b: Tensor, share: float) -> Tensor:
    """Noise on the way from a to b, of their shape.

    The way is a quarter of a circle: cos² + sin² = 1, so what lies on it is standard normal, as a and b are. Halfway
    along a straight line the variance is only a half, and a network has never seen such noise.

    Args:
        a: standard normal.
        b: likewise, of the same shape and independent of a.
        share: of the way, from 0, which is a, to 1, which is b.

    >>> a, b = SpriteNoise([7]).start(), SpriteNoise([8]).start()
    >>> middle = between(a, b, 0.5)
    >>> bool((middle.var() - 1).abs() < 0.1), bool(((a + b) / 2).var() < 0.6)
    (True, True)
    """
    angle = share * math.pi / 2
    return math.cos(angle) * a + math.sin(angle) * b


def ddpm_steps(
    predict_eps: PredictEps, schedule: Schedule, x: Images, num_steps: int, draw_eps: DrawEps
) -> Iterator[Step]:
    """The steps of `ddpm_sample`, one after each model call."""
    for call, (t, s) in enumerate(itertools.pairwise(schedule.timesteps(num_steps)), 1):
        here, there = _level(schedule, t, x), _level(schedule, s, x)
        x0 = _ask(predict_eps, x, t, here).x0
        x = _posterior_mean(x, x0, here, there)
        if s >= 0:
            x = x + _posterior_std(here, there) * draw_eps(x)
        yield Step(call, s, x, x0)


def ddim_steps(
    predict_eps: PredictEps,
    schedule: Schedule,
    x: Images,
    num_steps: int = 50,
    eta: float = 0.0,
    draw_eps: DrawEps | None = None,
) -> Iterator[Step]:
    """The steps of `ddim_sample`, one after each model call."""
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}: use 0 (deterministic) .. 1 (as noisy as DDPM)")
    if eta and draw_eps is None:
        raise ValueError(
            f"eta is {eta}, so every step draws noise: pass draw_eps, such as SpriteNoise(seeds)"
        )
    for call, (t, s) in enumerate(itertools.pairwise(schedule.timesteps(num_steps)), 1):
        here, there = _level(schedule, t, x), _level(schedule, s, x)
        eps, x0 = _ask(predict_eps, x, t, here)
        # Of the noise at s, `fresh` is drawn anew and the predicted eps gets the rest: the squares add up to σ_s²,
        # so every eta has the same amount of noise at every timestep.
        fresh = eta * _posterior_std(here, there)
        x = there.signal * x0 + (there.noise**2 - fresh**2).clamp(min=0).sqrt() * eps
        if draw_eps and eta and s >= 0:
            x = x + fresh * draw_eps(x)
        yield Step(call, s, x, x0)


def dpmpp_2m_steps(
    predict_eps: PredictEps, schedule: Schedule, x: Images, num_steps: int = 20
) -> Iterator[Step]:
    """The steps of `dpmpp_2m_sample`, one after each model call."""
    before = None  # the last call's x0 and step length
    for call, (t, s) in enumerate(itertools.pairwise(schedule.timesteps(num_steps)), 1):
        here, there = _level(schedule, t, x), _level(schedule, s, x)
        x0 = _ask(predict_eps, x, t, here).x0
        h = there.half_log_snr - here.half_log_snr
        halfway = _halfway(x0, h, before)
        # The exact solution of the probability-flow ODE over the step if x0 did not change: an exponential integrator.
        x = there.noise / here.noise * x - there.signal * torch.expm1(-h) * halfway
        before = x0, h
        yield Step(call, s, x, x0)


def dpmpp_2m_sde_steps(
    predict_eps: PredictEps, schedule: Schedule, x: Images, num_steps: int, draw_eps: DrawEps
) -> Iterator[Step]:
    """The steps of `dpmpp_2m_sde_sample`, one after each model call."""
    before = None  # the last call's x0 and step length
    for call, (t, s) in enumerate(itertools.pairwise(schedule.timesteps(num_steps)), 1):
        here, there = _level(schedule, t, x), _level(schedule, s, x)
        x0 = _ask(predict_eps, x, t, here).x0
        h = there.half_log_snr - here.half_log_snr
        halfway = _halfway(x0, h, before)
        # Where x0 does not change, the reverse SDE's exact solution over the step is the posterior: a step of DDPM.
        x = _posterior_mean(x, halfway, here, there)
        if s >= 0:
            x = x + _posterior_std(here, there) * draw_eps(x)
        before = x0, h
        yield Step(call, s, x, x0)


def ddpm_sample(
    predict_eps: PredictEps, schedule: Schedule, x: Images, num_steps: int, draw_eps: DrawEps
) -> Images:
    """Ancestral sampling: at each step the posterior of x_s given x_t and the predicted x₀ (Ho et al. 2020).

    The variance is the posterior's, called β̃_t in arXiv:2006.11239. With num_steps below T the posterior is that of
    the longer step. No noise is added at the last step.

    Args:
        predict_eps: maps x (B, C, H, W) and t (B,) int64 in 0 .. T-1 to the noise in x.
        schedule: the noise schedule that the model was trained with.
        x: (B, C, H, W) float32 standard normal; sprites are (B, 3, 16, 16).
        num_steps: model calls, 1 .. T; this sampler wants all T.
        draw_eps: fresh noise for each step but the last, such as the SpriteNoise that x came from.

    Returns:
        (B, C, H, W) float32, nominally in [-1, 1], not clamped.

    Raises:
        ValueError: num_steps outside 1 .. T.

    >>> from pixel_edu.schedules import linear
    >>> noise = SpriteNoise(range(2))
    >>> ddpm_sample(lambda x, t: x, linear(10), noise.start(), 10, noise).shape
    torch.Size([2, 3, 16, 16])
    """
    return _last(ddpm_steps(predict_eps, schedule, x, num_steps, draw_eps)).x


def ddim_sample(
    predict_eps: PredictEps,
    schedule: Schedule,
    x: Images,
    num_steps: int = 50,
    eta: float = 0.0,
    draw_eps: DrawEps | None = None,
) -> Images:
    """Go to the predicted x₀ and noise it again, less, with the predicted noise (Song et al. 2021, arXiv:2010.02502).

    Args:
        predict_eps: maps x (B, C, H, W) and t (B,) int64 in 0 .. T-1 to the noise in x.
        schedule: the noise schedule that the model was trained with.
        x: (B, C, H, W) float32 standard normal; sprites are (B, 3, 16, 16).
        num_steps: model calls, 1 .. T.
        eta: share of the posterior's spread that is drawn anew, 0 .. 1: 0 is deterministic, 1 is `ddpm_sample`.
        draw_eps: fresh noise for each step but the last; needed where eta is above 0.

    Returns:
        (B, C, H, W) float32, nominally in [-1, 1], not clamped.

    Raises:
        ValueError: num_steps outside 1 .. T, eta outside 0 .. 1, or no draw_eps where it is needed.

    >>> from pixel_edu.schedules import linear
    >>> ddim_sample(lambda x, t: 0 * x, linear(10), SpriteNoise([7]).start(), 5).shape
    torch.Size([1, 3, 16, 16])
    """
    return _last(ddim_steps(predict_eps, schedule, x, num_steps, eta, draw_eps)).x


def dpmpp_2m_sample(predict_eps: PredictEps, schedule: Schedule, x: Images, num_steps: int = 20) -> Images:
    """DPM-Solver++(2M): the deterministic path again, each x₀ corrected by the one before it (Lu et al. 2022).

    It takes x₀ for a straight line in λ and reads that line half a step ahead, which makes it second order
    (arXiv:2211.01095). It is exact where x₀ stays the same, as DDIM is. The first step has no x₀ before it and the last
    has no end in λ: both are DDIM steps.

    Args:
        predict_eps: maps x (B, C, H, W) and t (B,) int64 in 0 .. T-1 to the noise in x.
        schedule: the noise schedule that the model was trained with.
        x: (B, C, H, W) float32 standard normal; sprites are (B, 3, 16, 16).
        num_steps: model calls, 1 .. T.

    Returns:
        (B, C, H, W) float32, nominally in [-1, 1], not clamped.

    Raises:
        ValueError: num_steps outside 1 .. T.

    >>> from pixel_edu.schedules import linear
    >>> dpmpp_2m_sample(lambda x, t: 0 * x, linear(10), SpriteNoise([7]).start(), 5).shape
    torch.Size([1, 3, 16, 16])
    """
    return _last(dpmpp_2m_steps(predict_eps, schedule, x, num_steps)).x


def dpmpp_2m_sde_sample(
    predict_eps: PredictEps, schedule: Schedule, x: Images, num_steps: int, draw_eps: DrawEps
) -> Images:
    """SDE-DPM-Solver++(2M): DDPM's step with the corrected x₀ of DPM-Solver++(2M) (Lu et al. 2022).

    So it is to DDPM what `dpmpp_2m_sample` is to DDIM, and `pixel-edu sample` draws with it. Each step takes more noise
    away than the path asks for and draws some anew, so that what an earlier step got wrong fades (arXiv:2211.01095,
    where it is derived from the reverse SDE). First and last step are DDPM steps; no noise is added at the last.

    Args:
        predict_eps: maps x (B, C, H, W) and t (B,) int64 in 0 .. T-1 to the noise in x.
        schedule: the noise schedule that the model was trained with.
        x: (B, C, H, W) float32 standard normal; sprites are (B, 3, 16, 16).
        num_steps: model calls, 1 .. T.
        draw_eps: fresh noise for each step but the last, such as the SpriteNoise that x came from.

    Returns:
        (B, C, H, W) float32, nominally in [-1, 1], not clamped.

    Raises:
        ValueError: num_steps outside 1 .. T.

    >>> from pixel_edu.schedules import linear
    >>> noise = SpriteNoise([7])
    >>> dpmpp_2m_sde_sample(lambda x, t: 0 * x, linear(10), noise.start(), 5, noise).shape
    torch.Size([1, 3, 16, 16])
    """
    return _last(dpmpp_2m_sde_steps(predict_eps, schedule, x, num_steps, draw_eps)).x


class Sampler(NamedTuple):
    """A sampler as a menu lists it and `generate` runs it.

    Attributes:
        title: what people call it.
        steps: maps predict_eps, the schedule, the start x, a `SampleConfig` and draw_eps to each `Step` in turn.
    """

    title: str
    steps: Callable[[PredictEps, Schedule, Images, SampleConfig, DrawEps], Iterator[Step]]


# Lambdas pass each function just the settings that it takes, and find it by its name when they are called: so a
# reader's own `ddim_steps` that takes the package's place is the one that runs.
SAMPLERS = {
    "dpmpp_2m_sde": Sampler(
        "SDE-DPM-Solver++",
        lambda ask, schedule, x, how, noise: dpmpp_2m_sde_steps(ask, schedule, x, how.num_steps, noise),
    ),
    "dpmpp_2m": Sampler(
        "DPM-Solver++", lambda ask, schedule, x, how, noise: dpmpp_2m_steps(ask, schedule, x, how.num_steps)
    ),
    "ddim": Sampler(
        "DDIM",
        lambda ask, schedule, x, how, noise: ddim_steps(ask, schedule, x, how.num_steps, how.eta, noise),
    ),
    "ddpm": Sampler(
        "DDPM", lambda ask, schedule, x, how, noise: ddpm_steps(ask, schedule, x, how.num_steps, noise)
    ),
}
"""Every sampler by its name: the command line, the API, the demo, MLflow and the widgets offer what is listed here."""


def every(steps: Iterable[Step], k: int) -> Iterator[Step]:
    """Every k-th step of a stream, and its last step whatever k is.

    Args:
        steps: what one of the `_steps` functions yields.
        k: from 1 up.

    Raises:
        ValueError: k below 1.

    >>> from pixel_edu.schedules import linear
    >>> stream = ddim_steps(lambda x, t: 0 * x, linear(10), SpriteNoise([7]).start(), 5)
    >>> [step.call for step in every(stream, 2)]
    [2, 4, 5]
    """
    if k < 1:
        raise ValueError(f"k is {k}, but it counts steps: use 1 or more")
    step = None
    for step in steps:
        if step.call % k == 0:
            yield step
    if step is not None and step.call % k:
        yield step


def _level(schedule: Schedule, t: int, x: Images) -> Levels:
    """Signal and noise at t for the whole batch, (1, 1, 1, 1), where x is."""
    return Levels(*(value.to(x.device) for value in schedule.levels(torch.tensor([t]))))


def _ask(predict_eps: PredictEps, x: Images, t: int, level: Levels) -> Clean:
    """One model call, with every image at timestep t, and what it says; in float32 even where its eps is wider."""
    with torch.no_grad():
        eps = predict_eps(x, torch.full((len(x),), t, dtype=torch.int64, device=x.device))
    return Clean(*(part.to(x.dtype) for part in clean(x, eps, level, "eps")))


def _halfway(x0: Images, h: Tensor, before: tuple[Images, Tensor] | None) -> Images:
    """Where x0 will be half-way through a step of length h: on a straight line in λ through the last two answers.

    That makes a step second order. The first step has no answer before it, and at the last one h is infinite and a line
    would lead nowhere: both take x0 as it is.
    """
    if before is None or h.isinf():
        return x0
    last_x0, last_h = before
    return x0 + h / (2 * last_h) * (x0 - last_x0)


def _posterior_mean(x: Images, x0: Images, here: Levels, there: Levels) -> Images:
    """The mean of x_s given x_t and x₀ (Ho et al. 2020's μ̃), in λ.

    The two weights are σ_s/σ_t·e^-h and α_s·(1 - e^-2h). At clean data h is infinite, they are 0 and 1, and what is
    left is x0.
    """
    h = there.half_log_snr - here.half_log_snr
    return there.noise / here.noise * torch.exp(-h) * x - there.signal * torch.expm1(-2 * h) * x0


def _posterior_std(here: Levels, there: Levels) -> Float[Tensor, "b 1 1 1"]:
    """Root of the variance of x_s given x_t and x₀, (Ho et al. 2020's β̃): noise_s² · (1 - exp(-2h))."""
    return there.noise * (-torch.expm1(2 * (here.half_log_snr - there.half_log_snr))).sqrt()


def _last(steps: Iterator[Step]) -> Step:
    """Run a stream to its end."""
    for step in steps:  # noqa: B007, the loop is run for its last value
        pass
    return step
