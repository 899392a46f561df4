"""Checks of chapter 2: noise schedules and forward noising."""

from __future__ import annotations

import math

import numpy as np
import torch

from pixel_edu import sprites
from pixel_edu.course.checking import Ask, exercise
from pixel_edu.images import to_tensor
from pixel_edu.schedules import Levels, Schedule, cosine


def levels(alpha_bar: torch.Tensor) -> Levels:
    """The levels of given values of ᾱ, (B,), computed without the package's own formulas."""
    a = alpha_bar.double().reshape(-1, 1, 1, 1)
    return Levels(*(z.float() for z in (a.sqrt(), (1 - a).sqrt(), (a / (1 - a)).log() / 2)))


@exercise("ex-02-1", "add_noise(x0, eps, level)", "Your line noises a sprite to any timestep in one jump.")
def add_noise(ask: Ask) -> None:
    """One jump, at six levels."""
    x0 = to_tensor(sprites.make(6, seed=ask.seed).images)
    eps, level = ask.randn(6, 3, 16, 16), levels(torch.tensor([0.999, 0.9, 0.7, 0.5, 0.2, 0.01]))
    s, n = level.signal, level.noise
    got = ask(x0, eps, level, like=x0)
    ask.same(
        got,
        s * x0 + n * eps,
        [
            (
                s * x0 + n**2 * eps,
                "Your x_t has the right mean, but its variance is (1-ᾱ)² instead of 1-ᾱ: is a square root missing?",
            ),
            (
                s**2 * x0 + n * eps,
                "The noise in your x_t is right, but the sprite is too weak: multiply it by the root of ᾱ, not by ᾱ.",
            ),
            (
                s**2 * x0 + n**2 * eps,
                "Both factors lack their root: signal² and noise² add up to 1, not signal and noise.",
            ),
            (
                n * x0 + s * eps,
                "Signal and noise are swapped: at the first timestep the sprite must be nearly clean.",
            ),
            (
                s * x0 - n * eps,
                "The noise in your x_t has the wrong sign: noise is added to the sprite, not subtracted.",
            ),
            (
                x0 + n * eps,
                "The sprite is not scaled down: its factor, the signal, is missing, so x_t grows with t.",
            ),
            (s * x0 + eps, "The noise has the same strength at every timestep: its factor is missing."),
            (
                s * x0 + (1 - s) * eps,
                "Your two factors add up to 1, and their squares do not: half-way, half of the variance is lost.",
            ),
        ],
    )
    one = levels(torch.tensor([0.5]))
    ask.same(
        ask(x0, eps, one, like=x0, what="with one level for the whole batch"),
        one.signal * x0 + one.noise * eps,
    )


@exercise(
    "ex-02-2",
    "alpha_bar_from(beta)",
    "The product of many small steps is one list, and soon you will read it both ways.",
)
def alpha_bar_from(ask: Ask) -> None:
    """The running product of 1 - β."""
    beta = torch.from_numpy(ask.rng.uniform(0.01, 0.3, 12))
    kept = 1 - beta
    right = torch.from_numpy(np.cumprod(kept.numpy()))
    ask.same(
        ask(beta, like=right),
        right,
        [
            (kept, "This is 1 - β, what one step keeps: ᾱ_t is the product of all steps up to t."),
            (
                beta.cumprod(0),
                "This is the running product of β itself: each step keeps 1 - β of the variance.",
            ),
            (1 - beta.cumsum(0), "This is a running sum: what each step keeps of the rest multiplies."),
            (
                torch.cat([torch.ones(1, dtype=torch.float64), right[:-1]]),
                "Your list begins with 1 and ends one step early: ᾱ_0 already holds the first step's factor.",
            ),
            (right.sqrt(), "This is √ᾱ: the root is the signal, and the list holds its square."),
            (
                right[-1].expand(12),
                "This is the product of all steps at every timestep: at t it includes the steps up to t only.",
            ),
            (1 - right, "This is 1-ᾱ, the variance of the noise: ᾱ is the signal's share."),
        ],
        tolerance=1e-9,
    )
    long = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    got = ask(long, like=long, what="for a thousand steps")
    ask.same(got, (1 - long).log().cumsum(0).exp(), tolerance=1e-9)


@exercise(
    "ex-02-3",
    "beta_from(alpha_bar)",
    "Any falling curve is a schedule now: you can find the steps that make it.",
)
def beta_from(ask: Ask) -> None:
    """Each step's share, from neighbours of ᾱ."""
    beta = torch.from_numpy(ask.rng.uniform(0.01, 0.3, 12))
    alpha_bar = (1 - beta).cumprod(0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), alpha_bar[:-1]])
    ask.same(
        ask(alpha_bar, like=beta),
        beta,
        [
            (1 - alpha_bar, "This is 1-ᾱ, all the noise so far: β_t is what the one step t adds."),
            (1 - beta, "This is 1-β_t, what each step keeps: β_t is what it takes."),
            (
                before - alpha_bar,
                "These are differences of ᾱ: a step takes a share of what the steps before it left, so divide.",
            ),
            (1 - before / alpha_bar, "The fraction is inverted: divide ᾱ_t, the smaller one, by ᾱ_{t-1}."),
            (
                torch.cat([torch.zeros(1, dtype=torch.float64), beta[1:]]),
                "The first step is lost: before it ᾱ is 1, so β_0 = 1 - ᾱ_0, and not 0.",
            ),
            (
                torch.cat([beta[1:], beta[-1:]]),
                "Every step is one place early: β_t compares ᾱ_t with the one before it, not the one after.",
            ),
            (beta.sqrt(), "This is the square root of β: β is a variance already."),
        ],
        tolerance=1e-9,
    )


def _cosine(
    T: int, s: float, max_beta: float, squared: bool = True, edges: tuple = (0, 1), offset=True
) -> torch.Tensor:
    """ᾱ of the cosine schedule. The other arguments plant slips."""
    power = 2 if squared else 1

    def f(u: float) -> float:
        return math.cos(((u + s) / (1 + s) if offset else u) * math.pi / 2) ** power

    beta = [min(1 - f((t + edges[1]) / T) / f((t + edges[0]) / T), max_beta) for t in range(T)]
    return torch.cumprod(1 - torch.tensor(beta, dtype=torch.float64), 0)


@exercise(
    "ex-02-4",
    "cosine_alpha_bar(T, s, max_beta)",
    "This is the schedule that the course's model was trained on.",
)
def cosine_alpha_bar(ask: Ask) -> None:
    """Nichol and Dhariwal's schedule, with its bound."""
    T, s = 50, 0.008
    right = _cosine(T, s, 0.999)
    got = ask(T, s, 0.999, like=right)
    curve = torch.tensor(
        [math.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2 for t in range(1, T + 1)]
    ).double()
    start = math.cos(s / (1 + s) * math.pi / 2) ** 2
    ask.same(
        got,
        right,
        [
            (_cosine(T, s, 0.999, squared=False), "Your curve is a cosine, not its square."),
            (
                _cosine(T, 0.0, 0.999),
                "The offset s is missing: without it the first steps are too small to be learned from.",
            ),
            (
                _cosine(T, s, 1.0),
                "The last step takes all that is left, so ᾱ ends at 0: no step may take more than `max_beta`.",
            ),
            (
                curve / start,
                "The last step takes all that is left, so ᾱ ends at 0: no step may take more than `max_beta` of it.",
            ),
            (
                torch.cat([torch.ones(1, dtype=torch.float64), right[:-1]]),
                "Your list is one step behind: ᾱ_0 is the curve at 1/T, after the first step.",
            ),
            (
                1 - right / torch.cat([torch.ones(1, dtype=torch.float64), right[:-1]]),
                "These are the βs: the schedule is the running product of 1 - β.",
            ),
            (
                right * start,
                "The curve is not divided by its value at 0, so ᾱ starts a little below where it should.",
            ),
        ],
        tolerance=1e-7,
    )
    other = ask(20, 0.1, 0.5, like=right[:20], what="with T = 20, s = 0.1 and max_beta = 0.5")
    ask.same(
        other,
        _cosine(20, 0.1, 0.5),
        [
            (
                cosine(20).alpha_bar,
                "Your function has values of T, s or max_beta of its own: use the arguments.",
            ),
            (_cosine(20, 0.1, 0.999), "No step may take more than `max_beta`, here 0.5: use the argument."),
            (_cosine(20, 0.008, 0.5), "The offset is 0.008 whatever `s` is: use the argument."),
        ],
        tolerance=1e-7,
    )


@exercise(
    "ex-02-5",
    "clean(x, answer, level, prediction)",
    "Whatever a network answers, you can read noise and sprite from it.",
)
def clean(ask: Ask) -> None:
    """The table of conversions, each way."""
    x0 = to_tensor(sprites.make(5, seed=ask.seed).images)
    eps, level = ask.randn(5, 3, 16, 16), levels(torch.tensor([0.99, 0.8, 0.5, 0.2, 0.05]))
    s, n = level.signal, level.noise
    x, v = s * x0 + n * eps, s * eps - n * x0
    right = (eps, x0)
    told = {"eps": eps, "x0": x0, "v": v}
    got = {p: ask(x, answer, level, p, like=right, what=f'for "{p}"') for p, answer in told.items()}
    ask.same(
        tuple(got["eps"]),
        right,
        [
            ((x0, eps), "You return the clean image and the noise: the noise comes first."),
            (
                (eps, x - n * eps),
                'For "eps", your clean image is x_t minus the noise, still scaled as in x_t: divide by the signal.',
            ),
            (
                (eps, (x - eps) / s),
                'For "eps", you subtract the noise at full strength: in x_t it is scaled by `level.noise`.',
            ),
        ],
        tolerance=1e-3,
    )
    ask.same(
        tuple(got["x0"]),
        right,
        [
            (
                (x0, (x - n * x0) / s),
                'For "x0", the answer is the clean image, not the noise: it comes second.',
            ),
            (
                (x - s * x0, x0),
                'For "x0", your noise is x_t minus the sprite, still scaled as in x_t: divide by the noise level.',
            ),
        ],
        tolerance=1e-3,
    )
    ask.same(
        tuple(got["v"]),
        right,
        [
            (
                (eps, s * x + n * v),
                'For "v", the sign in the clean image is wrong: at the last timestep it comes out as its negative.',
            ),
            ((n * x - s * v, x0), 'For "v", the sign in the noise is wrong.'),
            ((s * x + n * v, n * x - s * v), 'For "v", signal and noise are swapped.'),
        ],
        tolerance=1e-3,
    )


@exercise(
    "ex-02-6",
    "straight(T, first, last)",
    "You have designed a schedule, and you know what each of its timesteps is for.",
)
def straight(ask: Ask) -> None:
    """ᾱ whose λ falls in a straight line."""
    T, first, last = 40, 4.0, -3.0
    lam = torch.linspace(first, last, T, dtype=torch.float64)
    right = torch.sigmoid(2 * lam)
    got = ask(T, first, last, like=right)
    ask.same(
        got,
        right,
        [
            (
                torch.sigmoid(lam),
                "Your list is sigmoid(λ): λ is the log of signal over noise, and ᾱ is the signal's square.",
            ),
            (right.sqrt(), "Your list is √ᾱ, the signal."),
            (right.flip(0), "Your list rises: λ begins at `first`, where the sprite is nearly clean."),
            (1 - right, "Your list is 1-ᾱ, the noise's square."),
            (
                torch.linspace(float(right[0]), float(right[-1]), T, dtype=torch.float64),
                "ᾱ falls in a straight line here, and λ does not.",
            ),
            (
                torch.sigmoid(2 * (first + (last - first) * torch.arange(T, dtype=torch.float64) / T)),
                "Your list stops one step short: λ must reach `last` at T-1.",
            ),
            (lam, "This is λ itself: turn it into ᾱ."),
        ],
        tolerance=1e-7,
    )
    Schedule(got)
    other = torch.sigmoid(2 * torch.linspace(2.0, -5.0, 7, dtype=torch.float64))
    ask.same(ask(7, 2.0, -5.0, like=other, what="with T = 7, first = 2 and last = -5"), other, tolerance=1e-7)


@exercise(
    "ex-02-7",
    "more_noise(x, eps, here, there)",
    "The bug is gone: a thousand stages lead to the same noise as one jump.",
)
def more_noise(ask: Ask) -> None:
    """A planted bug: from one level to a noisier one, as if the old noise kept its strength."""
    x0 = to_tensor(sprites.make(4, seed=ask.seed).images)
    old, eps = ask.randn(4, 3, 16, 16), ask.randn(4, 3, 16, 16)
    here, there = levels(torch.tensor([0.9, 0.5, 0.4, 0.3])), levels(torch.tensor([0.5, 0.3, 0.1, 0.05]))
    x, kept = here.signal * x0 + here.noise * old, there.signal / here.signal
    fresh = (1 - kept**2).sqrt()
    difference = (there.noise**2 - here.noise**2).sqrt()
    ask.same(
        ask(x, eps, here, there, like=x),
        kept * x + fresh * eps,
        [
            (
                kept * x + difference * eps,
                "The planted bug is still there: what is missing is counted as if the old noise kept its strength.",
            ),
            (
                kept * x + there.noise * eps,
                "The fresh noise is as strong as if there were no noise in x yet: together they are too much.",
            ),
            (x + fresh * eps, "x keeps its strength: sprite and old noise must sink to make room."),
            (x + difference * eps, "x keeps its strength: sprite and old noise must sink to make room."),
            (
                there.signal * x + fresh * eps,
                "You weaken x as if it were clean: part of the way to `there` is behind it already.",
            ),
            (
                there.signal * x + there.noise * eps,
                "This is the jump from clean data: x is at the level `here` already.",
            ),
            (kept * x + fresh**2 * eps, "The fresh noise is multiplied by its variance: take the root."),
            (
                kept * x + (1 - kept) * eps,
                "The two factors add up to 1: it is variances, their squares, that add up.",
            ),
            (
                kept**2 * x + fresh * eps,
                "x is weakened twice: its factor is a fraction of signals, without a square.",
            ),
            (
                here.signal / there.signal * x + fresh * eps,
                "The fraction of the signals is inverted: x must become weaker.",
            ),
        ],
        tolerance=1e-3,
    )
    clean = Levels(*(torch.tensor([value]).reshape(1, 1, 1, 1) for value in (1.0, 0.0, torch.inf)))
    ask.same(
        ask(x0, eps, clean, there, like=x, what="from clean data"),
        there.signal * x0 + there.noise * eps,
        tolerance=1e-3,
    )
