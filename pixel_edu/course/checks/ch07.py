"""Checks of chapter 7: fewer calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

from pixel_edu.course.checking import Ask, exercise
from pixel_edu.course.checks.ch02 import levels
from pixel_edu.course.checks.ch03 import Draws, gaussian_eps, walk
from pixel_edu.schedules import Levels, Schedule, cosine, linear

CLEAN = Levels(*(torch.full((1, 1, 1, 1), value) for value in (1.0, 0.0, torch.inf)))


@exercise(
    "ex-07-1", "timesteps(T, num_steps)", "From the noisiest timestep to clean data, and no step is missing."
)
def timesteps(ask: Ask) -> None:
    """Evenly spread, both ends included."""
    for T, n in ((1000, 4), (1000, 7), (10, 10), (1000, 1), (1000, 50)):
        right = [T * (n - i) // n - 1 for i in range(n + 1)]
        got = ask(T, n, like=list, what=f"with T = {T} and num_steps = {n}")
        got = [float(value) for value in got]
        wrong = [
            (
                len(got) != n + 1,
                f"With {n} calls your list has {len(got)} entries: {n} steps have {n + 1} ends.",
            ),
            (got[:1] == [T], f"Your list begins at {T}, but the noisiest timestep is {T - 1}."),
            (
                got[:1] != [T - 1],
                f"Your list begins at {got[0] if got else None}: the noisiest timestep, {T - 1}, comes first.",
            ),
            (got[-1:] == [0], "Your list ends at timestep 0, where some noise is left: clean data is -1."),
            (
                got[-1:] != [-1],
                f"Your list ends at {got[-1] if got else None}: it must end at -1, clean data.",
            ),
            (any(v != int(v) for v in got), "Your list has entries that are not integers: round them down."),
        ]
        for is_wrong, message in wrong:
            ask.that(not is_wrong, message)
        at = next((i for i, (g, r) in enumerate(zip(got, right, strict=True)) if g != r), None)
        ask.that(
            at is None,
            f"With T = {T} and num_steps = {n}, entry {at} is {got[at or 0]:g}; it should be {right[at or 0]}: "
            "multiply first, then divide and round down.",
        )


@exercise(
    "ex-07-2", "posterior_std(here, there)", "The right amount of fresh noise, for steps of any length."
)
def posterior_std(ask: Ask) -> None:
    """The spread of DDPM's fresh noise."""
    a_t = torch.from_numpy(ask.rng.uniform(0.05, 0.4, 5))
    a_s = a_t + torch.from_numpy(ask.rng.uniform(0.05, 0.4, 5))
    here, there = levels(a_t), levels(a_s)
    a = (a_t / a_s).float().reshape(-1, 1, 1, 1)
    right = there.noise / here.noise * (1 - a).sqrt()
    ask.same(
        ask(here, there, like=right),
        right,
        [
            (right**2, "This is the variance: the spread is its root."),
            (
                here.noise / there.noise * (1 - a).sqrt(),
                "The fraction of the noise levels is inverted: it must be at most 1.",
            ),
            (
                (1 - a).sqrt(),
                "The fraction of the noise levels is missing: given the clean image, less is uncertain.",
            ),
            (
                there.noise / here.noise * (1 - a.sqrt()).sqrt(),
                "The fraction of the signals is not squared: it is squares that add up to 1.",
            ),
            (
                here.noise / there.noise * (1 - 1 / a).abs().sqrt(),
                "`here` and `there` are swapped: the step goes from `here`, which is noisier.",
            ),
            (
                there.noise / here.noise * (1 - a),
                "One root is missing: what the jump adds is a variance until you take its root.",
            ),
            (
                (there.noise / here.noise).sqrt() * (1 - a).sqrt(),
                "You take the root of the noise levels: use their fraction as it is.",
            ),
            (
                there.noise / here.noise * a.sqrt(),
                "You take what the jump keeps, α_t / α_s: take the noise that it adds.",
            ),
        ],
    )
    got = ask(levels(torch.tensor([0.9])), CLEAN, like=right[:1], what="for a step to clean data")
    ask.same(
        got,
        0 * right[:1],
        [((1 - torch.tensor([0.9])).sqrt().reshape(1, 1, 1, 1), "A step to clean data draws no noise.")],
    )


@exercise(
    "ex-07-3",
    "ddim_sample(predict_eps, schedule, x, num_steps, eta, draw_eps)",
    "From deterministic to DDPM, with one number.",
)
def ddim_sample(ask: Ask) -> None:
    """DDIM with any share of fresh noise."""
    x = ask.randn(3, 3, 8, 8)
    for schedule, n, eta in ((linear(50), 5, 0.6), (cosine(40), 40, 1.0), (linear(50), 5, 0.0)):
        model, seed = gaussian_eps(schedule), ask.seed + n
        draws = Draws(seed)
        got = ask(
            model,
            schedule,
            x,
            n,
            eta,
            draws if eta else None,
            like=x,
            what=f"with {n} steps and eta = {eta:g}",
        )

        def slip(eta: float = eta, std: Callable | None = None, **how) -> torch.Tensor:
            return walk(model, schedule, x, n, Draws(seed), eta=eta, std=std, **how)

        def std(a_t: torch.Tensor, a_s: torch.Tensor) -> torch.Tensor:
            return ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).clamp(min=0).sqrt()

        def noising(a_t: torch.Tensor, a_s: torch.Tensor) -> torch.Tensor:
            return eta * (1 - a_t / a_s).sqrt()

        def inverted(a_t: torch.Tensor, a_s: torch.Tensor) -> torch.Tensor:
            return eta * ((1 - a_t) / (1 - a_s).clamp(min=1e-9) * (1 - a_t / a_s)).sqrt()

        def room(a_s: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
            return (1 - a_s - fresh**2).clamp(min=0).sqrt()

        def full(a_s: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            return (1 - a_s).sqrt()

        slips = [
            (slip(0.0), "eta has no effect: this is the deterministic sampler."),
            (slip(1.0), "This is DDPM, whatever eta is: multiply the spread of the fresh noise by eta."),
            (
                slip(kept=full),
                "The old noise keeps its full strength, so with the fresh noise there is too much: scale it down.",
            ),
            (
                slip(std=noising, last=True, kept=full),
                "There is noise on the result: the last step ends at clean data and draws none.",
            ),
            (
                slip(std=inverted, kept=room),
                "The fraction of the noise levels is inverted, and the clamp hides it.",
            ),
            (
                slip(std=lambda a_t, a_s: torch.minimum(inverted(a_t, a_s), (1 - a_s).sqrt()), kept=room),
                "The fraction of the noise levels is inverted, and the cut at the level hides it.",
            ),
            (
                slip(std=lambda a_t, a_s: eta * std(a_t, a_s) ** 2, kept=room),
                "The fresh noise is multiplied by its variance: multiply by the root, its spread.",
            ),
            (slip(eta**0.5), "You multiply the variance by eta: it multiplies the spread."),
            (
                slip(std=lambda a_t, a_s: 0 * a_s, kept=None),
                "The old noise is scaled down, but no fresh noise is added.",
            ),
            (
                slip(kept=lambda a_s, fresh: (1 - a_s).sqrt() - fresh),
                "You subtract the fresh noise's spread from the old one's: it is variances that add up.",
            ),
        ]
        ask.same(got, slip(), slips if eta else [], tolerance=1e-3)
        want = n - 1 if eta else 0
        ask.that(
            draws.count == want,
            f"Noise was drawn {draws.count} times in {n} steps with eta = {eta:g}: it should be {want} times.",
        )
    _all_fresh(ask, x)


def _all_fresh(ask: Ask, x: torch.Tensor) -> None:
    """DDIM with more fresh noise than a level holds, in some steps or in all."""
    for schedule, n, eta in ((linear(50), 5, 40.0), (cosine(40), 40, 1.3)):
        model, seed = gaussian_eps(schedule), ask.seed + n
        got = ask(model, schedule, x, n, eta, Draws(seed), like=x, what=f"with {n} steps and eta = {eta:g}")

        def wanted(a_t: torch.Tensor, a_s: torch.Tensor) -> torch.Tensor:
            return eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).clamp(min=0).sqrt()

        def cut(a_t: torch.Tensor, a_s: torch.Tensor) -> torch.Tensor:
            return torch.minimum(wanted(a_t, a_s), (1 - a_s).sqrt())

        def room(a_s: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
            return (1 - a_s - fresh**2).clamp(min=0).sqrt()

        def slip(std: Callable, kept: Callable = room, **how) -> torch.Tensor:
            return walk(model, schedule, x, n, Draws(seed), std=std, kept=kept, **how)

        ask.same(
            got,
            slip(cut),
            [
                (
                    slip(wanted),
                    "You cut the old noise at 0 and keep fresh noise that is stronger than the level: cut the fresh.",
                ),
                (
                    slip(lambda a_t, a_s: wanted(a_t, a_s) / eta),
                    "You cut eta at 1: there is more room than that, until the fresh noise fills the level.",
                ),
                (
                    slip(lambda a_t, a_s: (1 - a_s).sqrt()),
                    "You draw all noise anew where eta is above 1: in a short step some of the old stays.",
                ),
                (
                    slip(lambda a_t, a_s: torch.minimum(wanted(a_t, a_s), (1 - a_t).sqrt())),
                    "You cut the fresh noise at the level where the step begins: it must fit the one where it ends.",
                ),
                (
                    slip(wanted, lambda a_s, fresh: (1 - a_s - fresh**2).abs().sqrt()),
                    "You take the root of the absolute value: where it was negative, the fresh noise is too strong.",
                ),
            ],
            tolerance=1e-3,
        )


@exercise(
    "ex-07-4",
    "halfway_x0(x0, last_x0, h, last_h)",
    "The line through two guesses, evaluated at the right place.",
)
def halfway_x0(ask: Ask) -> None:
    """Half-way into the coming step."""
    x0, last = ask.randn(2, 3, 8, 8), ask.randn(2, 3, 8, 8)
    for h, last_h in ((0.8, 0.5), (0.3, 0.3)):
        step = x0 - last
        hs = torch.full((1, 1, 1, 1), h), torch.full((1, 1, 1, 1), last_h)
        right = x0 + h / (2 * last_h) * step
        ask.same(
            ask(x0, last, *hs, like=x0, what=f"with h = {h:g} and last_h = {last_h:g}"),
            right,
            [
                (
                    x0 + h / last_h * step,
                    "This is the line at the end of the coming step: evaluate it half-way.",
                ),
                (
                    x0 + last_h / (2 * h) * step,
                    "The two lengths are swapped: the slope is that of the last step.",
                ),
                (
                    x0 - step / 2,
                    "This is half-way between the two guesses, which lies behind you: go on beyond the newer one.",
                ),
                (x0 + step / 2, "You treat both steps as equally long: divide by `last_h`, multiply by `h`."),
                (
                    x0 - h / (2 * last_h) * step,
                    "You go back instead of on: the difference is the newer guess minus the older one.",
                ),
                (
                    last + h / (2 * last_h) * step,
                    "You start from the older guess: the coming step begins at the newer one.",
                ),
                (x0 + h / 2 * step, "The difference is not divided by `last_h`."),
                (x0, "This is the newer guess itself: add the slope times half of `h`."),
            ],
        )


def solve(
    predict_eps: Callable,
    schedule: Schedule,
    x: torch.Tensor,
    num_steps: int,
    factor: Callable = lambda h, last_h: h / (2 * last_h),
    remember: bool = True,
    also_last: bool = False,
    sign: int = 1,
) -> torch.Tensor:
    """DPM-Solver++(2M) from ᾱ alone. The other arguments plant slips."""
    bar = torch.cat([schedule.alpha_bar, torch.ones(1, dtype=torch.float64)])
    x, before = x.double(), None
    for t, s in itertools.pairwise(schedule.timesteps(num_steps)):
        a_t, a_s = bar[t], bar[s]
        h = (torch.logit(a_s) - torch.logit(a_t)) / 2
        x0 = (x - (1 - a_t).sqrt() * predict_eps(x, torch.full((len(x),), t))) / a_t.sqrt()
        line = x0
        if before is not None and (s >= 0 or also_last):
            line = x0 + (factor(h, before[1]) if s >= 0 else 0.5) * (x0 - before[0])
        x = ((1 - a_s) / (1 - a_t)).sqrt() * x + sign * a_s.sqrt() * (1 - torch.exp(-h)) * line
        before = (x0 if remember else line), h
    return x.float()


@exercise(
    "ex-07-5",
    "dpmpp_2m_sample(predict_eps, schedule, x, num_steps)",
    "Second order: the course's sampler is this, with fresh noise.",
)
def dpmpp_2m_sample(ask: Ask) -> None:
    """Second order, two guesses."""
    x = ask.randn(3, 3, 8, 8)
    for schedule, n in ((linear(60), 6), (cosine(40), 13), (linear(60), 1), (linear(60), 2)):
        asked: list = []
        model = gaussian_eps(schedule)
        got = ask(gaussian_eps(schedule, asked), schedule, x, n, like=x, what=f"with {n} step{'s' * (n > 1)}")
        slips = [
            (walk(model, schedule, x, n), "This is DDIM: the line through two guesses has no effect."),
            (
                solve(model, schedule, x, n, lambda h, last_h: last_h / (2 * h)),
                "The lengths of the steps are swapped in your line.",
            ),
            (
                solve(model, schedule, x, n, lambda h, last_h: h / last_h),
                "Your line is evaluated at the end of the step, not half-way.",
            ),
            (
                solve(model, schedule, x, n, lambda h, last_h: -h / (2 * last_h)),
                "Your line goes back instead of on.",
            ),
            (
                solve(model, schedule, x, n, lambda h, last_h: 0.5),
                "Your line assumes that all steps are equally long.",
            ),
            (
                solve(model, schedule, x, n, remember=False),
                "You remember the value on the line: remember the guess of the call.",
            ),
            (
                solve(model, schedule, x, n, also_last=True),
                "The last step must take its guess as it is: clean data has no finite λ to draw a line to.",
            ),
            (solve(model, schedule, x, n, sign=-1), "The sign of the second term is wrong."),
        ]
        ask.same(got, solve(model, schedule, x, n), slips if n > 2 else [], tolerance=1e-3)
        ask.that(
            len(asked) == n,
            f"The model was called {len(asked)} times in {n} steps: each step takes one call.",
        )


@exercise("ex-07-6", "knee(calls, quality, tolerance)", "You know when to stop.")
def knee(ask: Ask) -> None:
    """The fewest calls that are nearly as good as the best."""
    calls, quality = [50, 10, 5, 20, 100], [3.1, 3.4, 6.0, 3.0, 3.05]
    order = ask.rng.permutation(5)
    calls, quality = [calls[i] for i in order], [quality[i] for i in order]
    for tolerance, want in ((0.38, 20), (0.5, 10), (10.0, 5)):
        ask.same(
            ask(calls, quality, tolerance, like=1, what=f"with a tolerance of {tolerance:g}"),
            want,
            [
                (20, "This is the best of all: return fewer calls of slightly worse quality."),
                (
                    max(n for n, q in zip(calls, quality, strict=True) if q <= 3.0 + tolerance),
                    "This is the largest number of calls that is good enough: return the smallest.",
                ),
                (
                    next(n for n, q in zip(calls, quality, strict=True) if q <= 3.0 + tolerance),
                    "This is the first in the list that is good enough: the list is not sorted.",
                ),
                (5, "This is the worst of all: a lower number is better."),
                (
                    min(n for n, q in zip(calls, quality, strict=True) if q <= 3.05 + tolerance),
                    "You compare with the quality at the largest number of calls: compare with the best.",
                ),
                (
                    min((n for n, q in zip(calls, quality, strict=True) if q <= tolerance), default=100),
                    "You compare with the tolerance alone: add it to the best quality.",
                ),
            ],
            what="The calls",
        )


@exercise("ex-07-7", "eta_step(x0, eps, here, there, eta)", "No clamp hides anything now.")
def eta_step(ask: Ask) -> None:
    """A planted bug: the fraction inverted."""
    x0, eps = ask.randn(4, 3, 8, 8), ask.randn(4, 3, 8, 8)
    a_t = torch.from_numpy(ask.rng.uniform(0.05, 0.4, 4))
    a_s = a_t + torch.from_numpy(ask.rng.uniform(0.05, 0.4, 4))
    here, there, eta = levels(a_t), levels(a_s), 0.7
    a = (a_t / a_s).float().reshape(-1, 1, 1, 1)

    def step(fresh: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return there.signal * x0 + (there.noise**2 - fresh**2).clamp(min=0).sqrt() * eps, fresh

    right = eta * there.noise / here.noise * (1 - a).sqrt()
    unweakened = there.signal * x0 + there.noise * eps
    ask.same(
        tuple(ask(x0, eps, here, there, eta, like=step(right))),
        step(right),
        [
            (
                step(eta * here.noise / there.noise * (1 - a).sqrt()),
                "The planted bug is still there: the fresh noise is stronger than all noise at the end of the step.",
            ),
            (
                step(eta * (1 - a).sqrt()),
                "The fraction is gone: keep it, and swap its numerator and denominator.",
            ),
            ((unweakened, right), "The fresh noise is right, but the old noise makes no room for it."),
            (step(eta * there.noise / here.noise * (1 - a)), "The root over 1 - a is missing now."),
            (step(right / eta), "eta is missing now."),
            (step(0 * right), "There is no fresh noise now: eta says how much is drawn."),
            (
                (there.signal * x0 + (there.noise - right) * eps, right),
                "You subtract the fresh noise's spread from the old one's: it is variances that add up.",
            ),
        ],
    )
    clean, none = ask(x0, eps, here, CLEAN, eta, like=step(right), what="for a step to clean data")
    ask.same(clean, x0, what="For a step to clean data, the values")
    ask.same(none, 0 * none, what="For a step to clean data, the fresh noise's strengths")
