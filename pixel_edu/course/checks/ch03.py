"""Checks of chapter 3: ideal denoisers, and the loop that turns noise into data."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

from pixel_edu import sprites
from pixel_edu.course.checking import Ask, exercise
from pixel_edu.course.checks.ch02 import levels
from pixel_edu.images import to_tensor
from pixel_edu.schedules import Schedule, cosine, linear


class Draws:
    """Fresh noise, the same for the same seed; counts how often it was drawn."""

    def __init__(self, seed: int) -> None:
        self.generator, self.count = torch.Generator().manual_seed(seed), 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Standard normal, of the shape of x."""
        self.count += 1
        return torch.randn(x.shape, generator=self.generator)


def gaussian_eps(schedule: Schedule, asked: list | None = None) -> Callable:
    """A perfect model of a Gaussian with mean 0.3 and spread 0.5; notes the timesteps that it is asked about."""

    def predict_eps(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        if asked is not None:
            asked.append(t.tolist())
        a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
        return ((1 - a).sqrt() * (x - a.sqrt() * 0.3) / (a / 4 + 1 - a)).to(x.dtype)

    return predict_eps


def walk(
    predict_eps: Callable,
    schedule: Schedule,
    x: torch.Tensor,
    num_steps: int,
    draw_eps: Callable | None = None,
    eta: float = 0.0,
    std: Callable | None = None,
    last: bool = False,
    kept: Callable | None = None,
    pairs: Callable = itertools.pairwise,
    mean: Callable | None = None,
) -> torch.Tensor:
    """DDIM with eta, from ᾱ alone; eta 1 is DDPM. The other arguments plant slips.

    Args:
        predict_eps: the model.
        schedule: its schedule.
        x: where to start.
        num_steps: calls.
        draw_eps: fresh noise.
        eta: share of the posterior's spread that is drawn anew.
        std: another spread of the fresh noise, from ᾱ_t and ᾱ_s.
        last: draw noise at the last step too.
        kept: another strength of the old noise, from ᾱ_s and the fresh spread.
        pairs: another way from the timesteps to steps.
        mean: another point to step to, from x0, x, ᾱ_t and ᾱ_s.
    """
    bar = torch.cat([schedule.alpha_bar, torch.ones(1, dtype=torch.float64)])
    x = x.double()
    for t, s in pairs(schedule.timesteps(num_steps)):
        a_t, a_s = bar[t], bar[s]
        eps = predict_eps(x, torch.full((len(x),), t))
        x0 = (x - (1 - a_t).sqrt() * eps) / a_t.sqrt()
        posterior = ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).clamp(min=0).sqrt()
        fresh = std(a_t, a_s) if std else eta * posterior
        strength = kept(a_s, fresh) if kept else (1 - a_s - (eta * posterior) ** 2).clamp(min=0).sqrt()
        x = mean(x0, x, a_t, a_s) if mean else a_s.sqrt() * x0 + strength * eps
        if draw_eps and (eta or std) and (s >= 0 or last):
            x = x + fresh * draw_eps(x)
    return x.float()


@exercise(
    "ex-03-1",
    "ideal_x0(x, images, level)",
    "That is the perfect denoiser of these sprites, at every noise level.",
)
def ideal_x0(ask: Ask) -> None:
    """A softmax over squared distances."""
    images = to_tensor(sprites.make(12, seed=ask.seed).images)[:, :, 4:12, 4:12]
    level = levels(torch.tensor([0.05, 0.02, 0.01, 0.001]))
    x = level.signal * images[:4] + level.noise * ask.randn(4, 3, 8, 8)

    def mean(power: torch.Tensor, kind: Callable = torch.softmax) -> torch.Tensor:
        return (kind(power, 1) @ images.flatten(1)).reshape(x.shape)

    s, n = level.signal.flatten(1), level.noise.flatten(1)
    off = x.flatten(1)[:, None] - s[:, None] * images.flatten(1)[None]
    plain = x.flatten(1)[:, None] - images.flatten(1)[None]
    squares = off.square().sum(2)
    right = mean(-squares / (2 * n**2))
    nearest = images[squares.argmin(1)]
    clear = levels(torch.tensor([0.99995] * 4))
    close = clear.signal * images[:4] + clear.noise * ask.randn(4, 3, 8, 8)
    finite = ask(close, images, clear, like=x, what="at the least noise")
    ask.same(
        ask(x, images, level, like=x),
        right,
        [
            (nearest, "This is the nearest sprite: the best guess is the weighted mean of all of them."),
            (
                images.mean(0).expand(4, -1, -1, -1),
                "This is the mean of all sprites with equal weights: nearer ones count more.",
            ),
            (
                mean(squares / (2 * n**2)),
                "The weights are inverted: the further away a sprite is, the smaller its weight.",
            ),
            (
                mean(-plain.square().sum(2) / (2 * n**2)),
                "The sprites are compared at full strength: in x they are scaled by the signal.",
            ),
            (mean(-squares / n**2), "The 2 in the exponent is missing."),
            (mean(-squares / (2 * n)), "The exponent is divided by the noise, not by its square."),
            (mean(-squares.sqrt() / (2 * n**2)), "The exponent holds the distance instead of its square."),
            (
                mean(-squares / 2),
                "The noise level is missing from the exponent: the stronger the noise, the more alike the weights.",
            ),
            (
                mean(-off.square().mean(2) / (2 * n**2)),
                "The squares are averaged over the pixels: the exponent holds their sum.",
            ),
            (
                mean(-squares / (2 * n**2), lambda power, _: torch.softmax(power, 0)),
                "The weights add up to 1 over the batch: they must add up to 1 over the sprites.",
            ),
        ],
        tolerance=1e-3,
    )
    ask.same(finite, images[:4], tolerance=1e-3)


@exercise(
    "ex-03-2", "oracle_eps(x, t, images, schedule)", "A model without a single weight, ready for any sampler."
)
def oracle_eps(ask: Ask) -> None:
    """The noise that goes with the best guess."""
    schedule = cosine(100)
    images = to_tensor(sprites.make(6, seed=ask.seed).images)
    t = torch.tensor([98, 60, 10])
    level = levels(schedule.alpha_bar[t])
    x = level.signal * images[:3] + level.noise * ask.randn(3, 3, 16, 16)
    off = x.flatten(1)[:, None] - level.signal.flatten(1)[:, None] * images.flatten(1)[None]
    weights = torch.softmax(-off.square().sum(2) / (2 * level.noise.flatten(1) ** 2), dim=1)
    x0 = (weights @ images.flatten(1)).reshape(x.shape)
    rest = x - level.signal * x0
    ask.same(
        ask(x, t, images, schedule, like=x),
        rest / level.noise,
        [
            (x0, "This is the clean image: samplers want the noise."),
            (rest, "This is x minus the sprite, the noise still scaled as in x: divide by the noise level."),
            (
                (x - x0) / level.noise,
                "You subtract the sprite at full strength: in x it is scaled by the signal.",
            ),
            (
                rest / level.signal,
                "You divide by the signal: what is left is the noise, scaled by the noise level.",
            ),
            (-rest / level.noise, "The noise has the wrong sign."),
            (
                rest / level.noise**2,
                "You divide by the square of the noise level: divide by the level itself.",
            ),
        ],
        tolerance=1e-3,
    )


def _timesteps_asked(ask: Ask, asked: list, visited: list[int], batch: int) -> None:
    """Whether the model was asked about the right timesteps."""
    want = visited[:-1]
    got = [each[0] if each else None for each in asked]
    ask.that(
        len(asked) == len(want),
        f"The model was called {len(asked)} times for {len(want)} steps: each step takes one call.",
    )
    ask.that(
        all(len(each) == batch for each in asked),
        f"`t` had {len(asked[0])} values for a batch of {batch}: pass one for each image, `(B,)`.",
    )
    ask.that(
        got == want,
        f"The model was called at the timesteps {got} instead of {want}: call it at the start of each step.",
    )


@exercise(
    "ex-03-3",
    "ddim_sample(predict_eps, schedule, x, num_steps, first)",
    "Your loop draws, from noise and from sketches: plug in any model you like.",
)
def ddim_sample(ask: Ask) -> None:
    """The deterministic loop."""
    x = ask.randn(3, 3, 8, 8)
    for schedule, n in ((linear(50), 3), (cosine(40), 40), (linear(50), 1)):
        model, asked = gaussian_eps(schedule), []
        got = ask(
            gaussian_eps(schedule, asked),
            schedule,
            x,
            n,
            None,
            like=x,
            what=f"with {n} step{'s' * (n > 1)}",
        )

        def slip(**how) -> torch.Tensor:
            return walk(model, schedule, x, n, **how)

        def swapped(x0: torch.Tensor, x: torch.Tensor, a_t: torch.Tensor, a_s: torch.Tensor) -> torch.Tensor:
            return (1 - a_s).sqrt() * x0 + a_s.sqrt() * (x - a_t.sqrt() * x0) / (1 - a_t).sqrt()

        ask.same(
            got,
            slip(),
            [
                (x, "Nothing has changed: x is where it began."),
                (
                    slip(kept=lambda a_s, _: 1 - a_s),
                    "You noise the clean image with 1-ᾱ: the noise level is its root.",
                ),
                (
                    slip(pairs=lambda ts: itertools.pairwise([*ts[:-1], 0])),
                    "Your last step ends at timestep 0, where some noise is left: the list ends at -1, clean data.",
                ),
                (
                    slip(pairs=lambda ts: [(t, max(t - len(schedule) // n, -1)) for t in ts[:-1]]),
                    "You compute the end of a step by arithmetic on t: take it from the list.",
                ),
                (
                    slip(pairs=lambda ts: [(t, t - 1) for t in ts[:-1]]),
                    "Each step ends at t - 1: with few steps, the next step begins much lower.",
                ),
                (
                    slip(kept=lambda a_s, _: 0 * a_s),
                    "Each step drops its noise: add the same noise to the clean image again.",
                ),
                (slip(mean=swapped), "Signal and noise are swapped at the end of a step."),
            ],
            tolerance=3e-4,
        )
        _timesteps_asked(ask, asked, schedule.timesteps(n), 3)
    _begun_later(ask, x)


def _begun_later(ask: Ask, x: torch.Tensor) -> None:
    """The deterministic loop from a timestep that the list does not hold, and from one that it does."""
    schedule, n = cosine(40), 7
    listed = schedule.timesteps(n)
    for first in (25, listed[3]):
        model, asked = gaussian_eps(schedule), []
        visited = [first, *(t for t in listed if t < first)]
        got = ask(gaussian_eps(schedule, asked), schedule, x, n, first, like=x, what=f"with first = {first}")

        def slip(timesteps: list[int]) -> torch.Tensor:
            return walk(model, schedule, x, n, pairs=lambda _: itertools.pairwise(timesteps))

        ask.same(
            got,
            slip(visited),
            [
                (slip(listed), "`first` has no effect: you take x for pure noise, at T - 1."),
                (
                    slip(visited[1:]),
                    "Your first call asks about the next timestep of the list: x is at `first`, so ask about that.",
                ),
                (
                    slip([first, *listed[1:]]),
                    "Only the first call asks about `first`, and then the steps go up: leave out what lies above it.",
                ),
                (
                    slip([first, *listed]),
                    "The steps go up from `first` to T - 1: leave out what lies above it.",
                ),
                (
                    slip([first, -1]),
                    "One step goes from `first` to clean data: go on with the timesteps of the list below it.",
                ),
                (
                    slip(list(range(first, -2, -1))),
                    "You visit every timestep below `first`: only those of the list.",
                ),
            ],
            tolerance=3e-4,
        )
        _timesteps_asked(ask, asked, visited, 3)


@exercise(
    "ex-03-4",
    "ddpm_sample(predict_eps, schedule, x, num_steps, draw_eps)",
    "The right noise in every step, and none at the end.",
)
def ddpm_sample(ask: Ask) -> None:
    """Ancestral sampling."""
    x = ask.randn(3, 3, 8, 8)
    for schedule, n in ((linear(50), 3), (cosine(40), 40)):
        model, asked, seed = gaussian_eps(schedule), [], ask.seed + n
        draws = Draws(seed)
        got = ask(gaussian_eps(schedule, asked), schedule, x, n, draws, like=x, what=f"with {n} steps")

        def slip(std: Callable | None = None, **how) -> torch.Tensor:
            return walk(model, schedule, x, n, Draws(seed), eta=1.0, std=std, **how)

        def std(a_t: torch.Tensor, a_s: torch.Tensor) -> torch.Tensor:
            return ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).clamp(min=0).sqrt()

        def swapped(x0: torch.Tensor, x: torch.Tensor, a_t: torch.Tensor, a_s: torch.Tensor) -> torch.Tensor:
            a = a_t / a_s
            return (a_s.sqrt() * (1 - a) * x + a.sqrt() * (1 - a_s) * x0) / (1 - a_t)

        ask.same(
            got,
            slip(),
            [
                (
                    slip(lambda a_t, a_s: (1 - a_t / a_s).sqrt(), last=True),
                    "There is noise on the result: the last step ends at clean data and draws none.",
                ),
                (
                    slip(lambda a_t, a_s: std(a_t, a_s) ** 2),
                    "The fresh noise is multiplied by its variance: multiply by the root, its spread.",
                ),
                (
                    slip(lambda a_t, a_s: (1 - a_t / a_s).sqrt()),
                    "The variance is that of a noising step, 1 - ᾱ_t/ᾱ_s: given the guess for x0, it is smaller.",
                ),
                (slip(lambda a_t, a_s: 0 * a_s), "The mean is right, and no noise is added."),
                (
                    walk(model, schedule, x, n),
                    "This is DDIM, which keeps the old noise: DDPM draws some of it anew.",
                ),
                (slip(mean=swapped), "In the mean, the guess for x0 and x_t are swapped."),
                (
                    slip(pairs=lambda ts: [(t, max(t - len(schedule) // n, -1)) for t in ts[:-1]]),
                    "You compute the end of a step by arithmetic on t: take it from the list.",
                ),
                (
                    slip(kept=lambda a_s, _: (1 - a_s).sqrt()),
                    "Fresh noise is added on top of all the old noise: the old has to make room for it.",
                ),
            ],
            tolerance=3e-4,
        )
        ask.that(
            draws.count == n - 1,
            f"Noise was drawn {draws.count} times in {n} steps: each step but the last draws once.",
        )
        _timesteps_asked(ask, asked, schedule.timesteps(n), 3)


@exercise("ex-03-5", "calls_needed(sample, right, tolerance, most)", "Now you can say what quality costs.")
def calls_needed(ask: Ask) -> None:
    """The first number of calls that is good enough."""
    errors = [2.0, -0.9, 0.3, 0.5, 0.2, 0.05, 0.2, 0.01, 0.01]
    right = ask.randn(2, 3)
    asked: list[int] = []

    def sample(num_steps: int) -> torch.Tensor:
        asked.append(num_steps)
        off = torch.zeros(2, 3)
        off[1, 0] = errors[min(num_steps, 9) - 1] if num_steps else 9.0
        return right + off

    for tolerance, most, want in ((0.1, 9, 6), (0.35, 9, 3), (5.0, 9, 1)):
        got = ask(sample, right, tolerance, most, like=1, what=f"with a tolerance of {tolerance:g}")
        ask.same(
            got,
            want,
            [
                (want - 1, "This number of calls is one too small: calls count from 1."),
                (
                    want + 1,
                    "This number of calls is one too large: the first one that is good enough counts.",
                ),
                (
                    next(i for i, e in enumerate(errors, 1) if abs(e) / 6 <= tolerance),
                    "You take the mean of the differences: not a single value may be further off than the tolerance.",
                ),
                (
                    next(i for i, e in enumerate(errors, 1) if e <= tolerance),
                    "You keep the sign of the differences: values that are too small are off, too.",
                ),
                (
                    1 + max((i for i, e in enumerate(errors, 1) if abs(e) > tolerance), default=0),
                    "This is the first number from which on all are good enough: return the first that is good enough.",
                ),
                (most, "This is the largest number of calls allowed: find the smallest that is good enough."),
            ],
            what="The calls",
        )
    asked.clear()
    none = ask(sample, right, 0.001, 5, like=1, what="where no number of calls is good enough")
    ask.that(none == -1, f"Where no number of calls is good enough, you return {none}: return -1.")
    ask.that(max(asked) <= 5, f"You tried {max(asked)} calls where at most 5 are allowed.")


@exercise(
    "ex-03-6", "pairs(timesteps)", "Every step ends where the next one begins, and the last at clean data."
)
def pairs(ask: Ask) -> None:
    """A planted bug: the end of a step by arithmetic."""
    for n in (7, 3, 4, 1, 20):
        steps = linear(1000 if n != 20 else 20).timesteps(n)
        right = list(itertools.pairwise(steps))
        stride = steps[0] - steps[1]
        got = ask(list(steps), like=right, what=f"with {n} step{'s' * (n > 1)}")
        got = [tuple(int(value) for value in pair) for pair in got]
        slips = [
            (
                [(t, t - stride) for t in steps[:-1]],
                "The planted bug is still there: the steps are not all of the same length, and the last one misses -1.",
            ),
            (
                [*((t, t - stride) for t in steps[:-2]), (steps[-2], -1)],
                "Only the last step is fixed: the others do not end where the next one begins.",
            ),
            (
                [(s, t) for t, s in right],
                "The pairs are the wrong way round: (start, end), from more noise to less.",
            ),
            (
                [(t, t - 1) for t in steps[:-1]],
                "Each step ends at t - 1: it must end where the next one begins.",
            ),
        ]
        for wrong, message in slips:
            ask.that(got == right or got != wrong, message)
        at = next((i for i, (g, r) in enumerate(zip(got, right, strict=True)) if g != r), None)
        ask.that(at is None, f"Step {(at or 0) + 1} of {n} is {got[at or 0]}; it should be {right[at or 0]}.")


@exercise(
    "ex-03-8",
    "blob_guess(x, mean, spread, signal, noise)",
    "You have derived an oracle, and the loss that nobody can go below.",
)
def blob_guess(ask: Ask) -> None:
    """The posterior of one Gaussian: its mean, a line in x, and its variance."""
    x = torch.from_numpy(ask.rng.standard_normal(9))
    for mean, spread, signal, noise in ((0.3, 0.5, 0.6, 0.8), (-1.2, 2.0, 0.9, 0.19**0.5)):
        variance = (signal * spread) ** 2 + noise**2
        slope = signal * spread**2 / variance
        guess, error = ask(x, mean, spread, signal, noise, like=(x, 1.0), what=f"for a spread of {spread:g}")
        ask.same(
            guess,
            mean + slope * (x - signal * mean),
            [
                (x / signal, "Your guess ignores the blob, and takes all the noise for signal."),
                (torch.full_like(x, mean), "Your guess ignores x."),
                (mean + slope * x, "Without noise in it x lies around signal * mean: subtract that first."),
                (mean + slope * (x - mean), "The mean is scaled down in x too: x lies around signal * mean."),
                (slope * x, "Your guess is right for a blob around 0: this one lies around `mean`."),
                (
                    mean + spread**2 / (spread**2 + noise**2) * (x - signal * mean),
                    "Your slope forgets that the clean number is scaled by the signal.",
                ),
                (
                    mean + signal * spread / (signal * spread + noise) * (x - signal * mean),
                    "Your slope has standard deviations where it needs variances.",
                ),
                (
                    mean + signal * spread / ((signal * spread) ** 2 + noise**2) * (x - signal * mean),
                    "One square of the spread is missing in your slope.",
                ),
                (
                    mean + (signal * spread) ** 2 / variance * (x - signal * mean),
                    "This guesses how far the signal in x lies off, not the clean number: divide by the signal.",
                ),
                (
                    signal * mean + slope * (x - signal * mean),
                    "Where x tells nothing the guess must be `mean`, at full strength.",
                ),
            ],
            what="The guesses",
        )
        right = (spread * noise) ** 2 / variance
        ask.same(
            error,
            right,
            [
                (spread**2, "This is the variance of the data, the error of a guess that ignores x."),
                (noise**2, "This is the variance of the noise: the blob tells something, too."),
                ((noise / signal) ** 2, "This is the error of a guess that ignores the blob."),
                (right**0.5, "This is the root of the mean squared error."),
                (
                    slope * signal * spread**2,
                    "This is how much of the variance the guess explains: the error is the rest.",
                ),
                (noise**2 / variance, "This is the share that stays unknown: of how much variance?"),
            ],
            what="The mean squared error",
            tolerance=1e-6,
        )
