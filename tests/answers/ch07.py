"""Answers to the exercises of chapter 7: right ones, and wrong ones with what the check must say."""

import itertools

import torch

from tests.answers import reports


def std(a_t, a_s):
    return ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).clamp(min=0).sqrt()


def spread(f):
    return lambda here, there: f(here.signal**2, there.signal**2, here.noise, there.noise)


def ddim_with(
    fresh=lambda eta, a_t, a_s: eta * std(a_t, a_s), old=None, last=False, add=True, always=False, cut=None
):
    def answer(predict_eps, schedule, x, num_steps=50, eta=0.0, draw_eps=None):
        bar = torch.cat([schedule.alpha_bar, torch.ones(1).double()])
        for t, s in itertools.pairwise(schedule.timesteps(num_steps)):
            a_t, a_s = bar[t], bar[s]
            eps = predict_eps(x, torch.full((len(x),), t))
            x0 = (x - (1 - a_t).sqrt() * eps) / a_t.sqrt()
            f = fresh(eta, a_t, a_s)
            f = cut(f, a_t, a_s) if cut else torch.minimum(f, (1 - a_s).sqrt())
            strength = old(a_s, f) if old else (1 - a_s - f**2).clamp(min=0).sqrt()
            x = a_s.sqrt() * x0 + strength * eps
            if add and (eta or always) and (s >= 0 or last):
                x = x + f * draw_eps(x)
        return x.float()

    return answer


def ddim_by_levels(predict_eps, schedule, x, num_steps=50, eta=0.0, draw_eps=None):
    ts = schedule.timesteps(num_steps)
    for i in range(num_steps):
        here, there = schedule.levels(torch.tensor([ts[i]])), schedule.levels(torch.tensor([ts[i + 1]]))
        eps = predict_eps(x, torch.full((len(x),), ts[i]))
        x0 = (x - here.noise * eps) / here.signal
        h = there.half_log_snr - here.half_log_snr
        fresh = min(eta, 1 / (1 - torch.exp(-2 * h)).sqrt()) * there.noise * (1 - torch.exp(-2 * h)).sqrt()
        x = there.signal * x0 + (there.noise**2 - fresh**2).clamp(min=0).sqrt() * eps
        if eta > 0 and i < num_steps - 1:
            x = x + fresh * draw_eps(x)
    return x


def solver(factor=lambda h, last_h: h / (2 * last_h), remember=True, also_last=False, sign=1, twice=False):
    def answer(predict_eps, schedule, x, num_steps=20):
        before = None
        for t, s in itertools.pairwise(schedule.timesteps(num_steps)):
            here, there = schedule.levels(torch.tensor([t])), schedule.levels(torch.tensor([s]))
            eps = predict_eps(x, torch.full((len(x),), t))
            if twice:
                eps = predict_eps(x, torch.full((len(x),), t))
            x0 = (x - here.noise * eps) / here.signal
            h = there.half_log_snr - here.half_log_snr
            line = x0
            if before and (s >= 0 or also_last):
                line = x0 + (factor(h, before[1]) if s >= 0 else 0.5) * (x0 - before[0])
            x = there.noise / here.noise * x - sign * there.signal * torch.expm1(-h) * line
            before = (x0 if remember else line), h
        return x

    return answer


def solver_by_paper(predict_eps, schedule, x, num_steps=20):
    """With r and D as the paper has them, in float64."""
    bar = torch.cat([schedule.alpha_bar, torch.ones(1).double()])
    lam = torch.logit(bar) / 2
    ts, guesses = schedule.timesteps(num_steps), []
    for i in range(1, num_steps + 1):
        t, s = ts[i - 1], ts[i]
        eps = predict_eps(x, torch.full((len(x),), t))
        guesses.append((x.double() - (1 - bar[t]).sqrt() * eps) / bar[t].sqrt())
        D = guesses[-1]
        if 1 < i < num_steps:
            r = (lam[t] - lam[ts[i - 2]]) / (lam[s] - lam[t])
            D = (1 + 1 / (2 * r)) * guesses[-1] - 1 / (2 * r) * guesses[-2]
        growth = bar[s].sqrt() * (torch.exp(-(lam[s] - lam[t])) - 1)
        x = (((1 - bar[s]) / (1 - bar[t])).sqrt() * x - growth * D).float()
    return x


def half(f):
    return lambda x0, last, h, last_h: f(x0, x0 - last, h, last_h)


def knee(calls, quality, tolerance):
    return min(n for n, q in zip(calls, quality, strict=True) if q <= min(quality) + tolerance)


def knee_sorted(calls, quality, tolerance):
    for n, q in sorted(zip(calls, quality, strict=True)):
        if q - min(quality) <= tolerance:
            return n


def step(fresh=lambda eta, a, n, m: eta * m / n * (1 - a).sqrt(), old=None):
    def answer(x0, eps, here, there, eta):
        a = (here.signal / there.signal) ** 2
        f = fresh(eta, a, here.noise, there.noise)
        o = old(there.noise, f) if old else (there.noise**2 - f**2).clamp(min=0).sqrt()
        return there.signal * x0 + o * eps, f

    return answer


def listed(f):
    return lambda T, n: [f(T, n, i) for i in range(n + 1)]


RIGHT = {
    "ex-07-1": [
        listed(lambda T, n, i: T * (n - i) // n - 1),
        lambda T, n: [(T * k) // n - 1 for k in reversed(range(n + 1))],
    ],
    "ex-07-2": [
        spread(lambda a, b, n, m: m / n * (1 - a / b).sqrt()),
        spread(lambda a, b, n, m: ((1 - b) / (1 - a) * (1 - a / b)).clamp(min=0).sqrt()),
    ],
    "ex-07-3": [ddim_with(), ddim_by_levels],
    "ex-07-4": [
        half(lambda x0, d, h, k: x0 + h / (2 * k) * d),
        lambda x0, last, h, k: (1 + h / (2 * k)) * x0 - h / (2 * k) * last,
    ],
    "ex-07-5": [solver(), solver_by_paper],
    "ex-07-6": [knee, knee_sorted],
    "ex-07-7": [
        step(),
        step(
            lambda eta, a, n, m: eta * (m**2 / n**2 * (1 - a)).sqrt(), lambda m, f: (m**2 - f**2).abs().sqrt()
        ),
    ],
}

WRONG = {
    "ex-07-1": {
        "has 4 entries": lambda T, n: [T * (n - i) // n - 1 for i in range(n)],
        "begins at 1000": listed(lambda T, n, i: T * (n - i) // n),
        "begins at 749": lambda T, n: [T * (n - i - 1) // n - 1 for i in range(n)] + [-1],
        "ends at timestep 0": listed(lambda T, n, i: (T - 1) * (n - i) // n),
        "ends at -2": listed(lambda T, n, i: T * (n - i) // n - 1 - (i == n)),
        "Your list has entries that are not integers": listed(lambda T, n, i: T * (n - i) / n - 1),
        "multiply first": listed(lambda T, n, i: T - 1 - i * (T // n) if i < n else -1),
        "not a list": lambda T, n: torch.arange(T - 1, -2, -1),
    },
    "ex-07-2": {
        "This is the variance": spread(lambda a, b, n, m: m**2 / n**2 * (1 - a / b)),
        "The fraction of the noise levels is inverted": spread(lambda a, b, n, m: n / m * (1 - a / b).sqrt()),
        "noise levels is missing": spread(lambda a, b, n, m: (1 - a / b).sqrt()),
        "The fraction of the signals is not squared": spread(
            lambda a, b, n, m: m / n * (1 - (a / b).sqrt()).sqrt()
        ),
        "`here` and `there` are swapped": spread(lambda a, b, n, m: n / m * (1 - b / a).abs().sqrt()),
        "One root is missing": spread(lambda a, b, n, m: m / n * (1 - a / b)),
        "You take the root of the noise levels": spread(
            lambda a, b, n, m: (m / n).sqrt() * (1 - a / b).sqrt()
        ),
        "You take what the jump keeps": spread(lambda a, b, n, m: m / n * (a / b).sqrt()),
        "wrong in": spread(lambda a, b, n, m: m * (1 - a / b).sqrt()),
    },
    "ex-07-3": {
        "eta has no effect": lambda p, s, x, n=50, eta=0.0, d=None: ddim_with()(p, s, x, n),
        "This is DDPM": ddim_with(lambda eta, a_t, a_s: (eta > 0) * std(a_t, a_s)),
        "keeps its full strength": ddim_with(old=lambda a_s, f: (1 - a_s).sqrt()),
        "There is noise on the result": ddim_with(
            lambda eta, a_t, a_s: eta * (1 - a_t / a_s).sqrt(),
            old=lambda a_s, f: (1 - a_s).sqrt(),
            last=True,
            cut=lambda f, a_t, a_s: f,
        ),
        "inverted, and the cut": ddim_with(
            lambda eta, a_t, a_s: eta * ((1 - a_t) / (1 - a_s).clamp(min=1e-9) * (1 - a_t / a_s)).sqrt()
        ),
        "inverted, and the clamp": ddim_with(
            lambda eta, a_t, a_s: eta * ((1 - a_t) / (1 - a_s).clamp(min=1e-9) * (1 - a_t / a_s)).sqrt(),
            cut=lambda f, a_t, a_s: f,
        ),
        "multiplied by its variance": ddim_with(lambda eta, a_t, a_s: eta * std(a_t, a_s) ** 2),
        "You multiply the variance by eta": ddim_with(lambda eta, a_t, a_s: eta**0.5 * std(a_t, a_s)),
        "no fresh noise is added": ddim_with(add=False),
        "it is variances that add up": ddim_with(old=lambda a_s, f: (1 - a_s).sqrt() - f),
        "Noise was drawn 5 times": ddim_with(last=True),
        "cut the fresh": ddim_with(cut=lambda f, a_t, a_s: f),
        "You cut eta at 1": ddim_with(lambda eta, a_t, a_s: min(eta, 1) * std(a_t, a_s)),
        "in a short step some of the old stays": ddim_with(
            lambda eta, a_t, a_s: (1 - a_s).sqrt() if eta > 1 else eta * std(a_t, a_s)
        ),
        "the level where the step begins": ddim_with(
            cut=lambda f, a_t, a_s: torch.minimum(f, (1 - a_t).sqrt())
        ),
        "root of the absolute value": ddim_with(
            old=lambda a_s, f: (1 - a_s - f**2).abs().sqrt(), cut=lambda f, a_t, a_s: f
        ),
        "stopped with TypeError": ddim_with(always=True),
    },
    "ex-07-4": {
        "at the end of the coming step": half(lambda x0, d, h, k: x0 + h / k * d),
        "The two lengths are swapped": half(lambda x0, d, h, k: x0 + k / (2 * h) * d),
        "lies behind": half(lambda x0, d, h, k: x0 - d / 2),
        "You treat both steps as equally long": half(lambda x0, d, h, k: x0 + d / 2),
        "back instead of on": half(lambda x0, d, h, k: x0 - h / (2 * k) * d),
        "start from the older": half(lambda x0, d, h, k: x0 - d + h / (2 * k) * d),
        "not divided by": half(lambda x0, d, h, k: x0 + h / 2 * d),
        "This is the newer guess itself": half(lambda x0, d, h, k: x0.clone()),
        "wrong in": half(lambda x0, d, h, k: x0 + h / (3 * k) * d),
    },
    "ex-07-5": {
        "This is DDIM": solver(lambda h, k: 0),
        "are swapped in your line": solver(lambda h, k: k / (2 * h)),
        "at the end of the step": solver(lambda h, k: h / k),
        "back instead of on": solver(lambda h, k: -h / (2 * k)),
        "equally long": solver(lambda h, k: 0.5),
        "You remember the value": solver(remember=False),
        "has no finite λ to draw": solver(also_last=True),
        "sign of the second": solver(sign=-1),
        "called 12 times": solver(twice=True),
        "not finite": lambda p, s, x, n=20: solver()(p, s, x, n) * torch.nan,
    },
    "ex-07-6": {
        "the best of all": lambda calls, quality, tol: calls[quality.index(min(quality))],
        "largest number of calls": lambda calls, quality, tol: max(
            n for n, q in zip(calls, quality, strict=True) if q <= min(quality) + tol
        ),
        "the worst of all": lambda calls, quality, tol: calls[quality.index(max(quality))],
        "compare with the best": lambda calls, quality, tol: (
            min(n for n, q in zip(calls, quality, strict=True) if q <= quality[calls.index(100)] + tol)
            if tol < 0.4
            else knee(calls, quality, tol)
        ),
        "are wrong": lambda calls, quality, tol: knee(calls, quality, tol) + 1,
        "returned None": lambda calls, quality, tol: print(end=""),
    },
    "ex-07-7": {
        "The planted bug is still there": step(lambda eta, a, n, m: eta * n / m * (1 - a).sqrt()),
        "The fraction is gone": step(lambda eta, a, n, m: eta * (1 - a).sqrt()),
        "makes no room": step(old=lambda m, f: m),
        "The root over 1 - a": step(lambda eta, a, n, m: eta * m / n * (1 - a)),
        "eta is missing now": step(lambda eta, a, n, m: m / n * (1 - a).sqrt()),
        "There is no fresh noise now": step(lambda eta, a, n, m: 0 * m),
        "it is variances that add up": step(old=lambda m, f: m - f),
        "not 2 values": lambda x0, eps, here, there, eta: there.signal * x0,
    },
}

RIGHT["ex-07-8"], WRONG["ex-07-8"] = reports.answers("ex-07-8")
