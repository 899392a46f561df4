"""Answers to the exercises of chapter 2: right ones, and wrong ones with what the check must say."""

import math

import numpy as np
import torch

from tests.answers import reports


def cat1(x):
    return torch.cat([torch.ones(1, dtype=x.dtype), x])


def by_loop(beta):
    kept, product = [], 1.0
    for b in beta.tolist():
        product *= 1 - b
        kept.append(product)
    return torch.tensor(kept, dtype=torch.float64)


def beta_by_loop(alpha_bar):
    before, steps = 1.0, []
    for a in alpha_bar.tolist():
        steps.append(1 - a / before)
        before = a
    return torch.tensor(steps, dtype=torch.float64)


def cosine_by_numpy(T, s, max_beta):
    f = np.cos((np.arange(T + 1) / T + s) / (1 + s) * np.pi / 2) ** 2
    return torch.from_numpy(np.cumprod(1 - np.minimum(1 - f[1:] / f[:-1], max_beta)))


def cosine_by_loop(T, s, max_beta, power=2, first=0):
    def f(u):
        return math.cos((u + s) / (1 + s) * math.pi / 2) ** power

    a, out = 1.0, []
    for t in range(T):
        a *= 1 - min(1 - f((t + 1 + first) / T) / f((t + first) / T), max_beta)
        out.append(a)
    return torch.tensor(out, dtype=torch.float64)


def clean_by_v(x, answer, level, prediction):
    """Any answer by way of x0."""
    s, n = level.signal, level.noise
    if prediction == "x0":
        x0 = answer
    elif prediction == "v":
        x0 = s * x - n * answer
    else:
        return [answer, (x - n * answer) / s]
    return (x - s * x0) / n, x0


def clean_with(eps=None, x0=None, v=None):
    """The right conversions but for those given."""

    def clean(x, answer, level, prediction):
        given = {"eps": eps, "x0": x0, "v": v}[prediction]
        return (
            given(x, answer, level.signal, level.noise) if given else clean_by_v(x, answer, level, prediction)
        )

    return clean


def more_by_posts(x, eps, here, there):
    """By the chapter's step from s to t."""
    kept = there.signal / here.signal
    return kept * x + (1 - kept**2).sqrt() * eps


def more_with(kept=lambda h, t: t.signal / h.signal, fresh=None):
    def answer(x, eps, here, there):
        k = kept(here, there)
        right = (1 - (there.signal / here.signal) ** 2).sqrt()
        return k * x + (right if fresh is None else fresh(there.signal / here.signal, here, there)) * eps

    return answer


RIGHT = {
    "ex-02-1": [
        lambda x0, eps, level: level.signal * x0 + level.noise * eps,
        lambda x0, eps, level: torch.stack(
            [
                level.signal[i % len(level.signal)] * x0[i] + level.noise[i % len(level.noise)] * eps[i]
                for i in range(len(x0))
            ]
        ),
        lambda x0, eps, level: (level.signal.double() * x0 + level.noise.double() * eps).float(),
    ],
    "ex-02-2": [
        by_loop,
        lambda beta: torch.exp(torch.cumsum(torch.log(1 - beta), 0)),
        lambda beta: (1 - beta).cumprod(0),
    ],
    "ex-02-3": [beta_by_loop, lambda a: 1 - a / cat1(a[:-1]), lambda a: (cat1(a[:-1]) - a) / cat1(a[:-1])],
    "ex-02-4": [cosine_by_loop, cosine_by_numpy],
    "ex-02-5": [clean_by_v, clean_with(eps=lambda x, a, s, n: (a, x / s - n / s * a))],
    "ex-02-6": [
        lambda T, first, last: torch.sigmoid(2 * torch.linspace(first, last, T, dtype=torch.float64)),
        lambda T, first, last: torch.tensor(
            [1 / (1 + math.exp(-2 * (first + (last - first) * t / (T - 1)))) for t in range(T)],
            dtype=torch.float64,
        ),
    ],
    "ex-02-7": [
        more_by_posts,
        lambda x, eps, h, t: (
            t.signal / h.signal * x + (t.noise**2 - (t.signal * h.noise / h.signal) ** 2).sqrt() * eps
        ),
    ],
}

WRONG = {
    "ex-02-1": {
        "is a square root missing": lambda x0, eps, level: level.signal * x0 + level.noise**2 * eps,
        "multiply it by the root of ᾱ": lambda x0, eps, level: level.signal**2 * x0 + level.noise * eps,
        "Both factors lack their root": lambda x0, eps, level: level.signal**2 * x0 + level.noise**2 * eps,
        "Signal and noise are swapped": lambda x0, eps, level: level.noise * x0 + level.signal * eps,
        "The noise in your x_t has the wrong sign": lambda x0, eps, level: (
            level.signal * x0 - level.noise * eps
        ),
        "The sprite is not scaled down": lambda x0, eps, level: x0 + level.noise * eps,
        "the same strength at every timestep": lambda x0, eps, level: level.signal * x0 + eps,
        "half of the variance is lost": lambda x0, eps, level: level.signal * x0 + (1 - level.signal) * eps,
        r"wrong in 100% of the entries": lambda x0, eps, level: 0.5 * x0 + 0.5 * eps,
        r"with one level for the whole batch.*shape": lambda x0, eps, level: (
            level.signal.reshape(-1)[:, None, None, None] * x0[: len(level.signal)]
            + level.noise * eps[: len(level.signal)]
        ),
    },
    "ex-02-2": {
        "what one step keeps": lambda beta: 1 - beta,
        "product of β itself": lambda beta: beta.cumprod(0),
        "running sum": lambda beta: 1 - beta.cumsum(0),
        "ends one step early": lambda beta: cat1((1 - beta).cumprod(0)[:-1]),
        "This is √ᾱ": lambda beta: (1 - beta).cumprod(0).sqrt(),
        "product of all steps at every timestep": lambda beta: (1 - beta).prod().expand(len(beta)),
        "variance of the noise": lambda beta: 1 - (1 - beta).cumprod(0),
        "wrong in": lambda beta: (1 - beta.float()).cumprod(0),
    },
    "ex-02-3": {
        "all the noise so far": lambda a: 1 - a,
        "what each step keeps": lambda a: a / cat1(a[:-1]),
        "so divide": lambda a: cat1(a[:-1]) - a,
        "inverted": lambda a: 1 - cat1(a[:-1]) / a,
        "The first step is lost": lambda a: torch.cat([a[:1] * 0, 1 - a[1:] / a[:-1]]),
        r"returned the shape \(11,\)": lambda a: 1 - a[1:] / a[:-1],
        "one place early": lambda a: torch.cat([1 - a[1:] / a[:-1], 1 - a[-1:] / a[-2:-1]]),
        "β is a variance already": lambda a: (1 - a / cat1(a[:-1])).sqrt(),
    },
    "ex-02-4": {
        "a cosine, not its square": lambda T, s, m: cosine_by_loop(T, s, m, power=1),
        "first steps are too small": lambda T, s, m: cosine_by_loop(T, 0.0, m),
        "ᾱ ends at 0: no step": lambda T, s, m: cosine_by_loop(T, s, 1.0),
        "Your list is one step behind": lambda T, s, m: cat1(cosine_by_loop(T, s, m)[:-1]),
        "These are the βs": lambda T, s, m: 1 - cosine_by_loop(T, s, m) / cat1(cosine_by_loop(T, s, m)[:-1]),
        "values of T, s or max_beta of its own": lambda T, s, m: cosine_by_loop(T, 0.008, 0.999),
        "here 0.5: use the argument": lambda T, s, m: cosine_by_loop(T, s, 0.999),
        "The offset is 0.008 whatever": lambda T, s, m: cosine_by_loop(T, 0.008, m),
    },
    "ex-02-5": {
        "the noise comes first": clean_with(eps=lambda x, a, s, n: ((x - n * a) / s, a)),
        "divide by the signal": clean_with(eps=lambda x, a, s, n: (a, x - n * a)),
        "full strength": clean_with(eps=lambda x, a, s, n: (a, (x - a) / s)),
        "it comes second": clean_with(x0=lambda x, a, s, n: (a, (x - n * a) / s)),
        "divide by the noise level": clean_with(x0=lambda x, a, s, n: (x - s * a, a)),
        "sign in the clean image": clean_with(v=lambda x, a, s, n: (n * x + s * a, s * x + n * a)),
        "sign in the noise": clean_with(v=lambda x, a, s, n: (n * x - s * a, s * x - n * a)),
        'For "v", signal and noise are swapped': clean_with(
            v=lambda x, a, s, n: (s * x + n * a, n * x - s * a)
        ),
        "not 2 values": clean_with(v=lambda x, a, s, n: s * x - n * a),
    },
    "ex-02-6": {
        r"sigmoid\(λ\)": lambda T, a, b: torch.sigmoid(torch.linspace(a, b, T, dtype=torch.float64)),
        "the signal": lambda T, a, b: torch.sigmoid(2 * torch.linspace(a, b, T, dtype=torch.float64)).sqrt(),
        "Your list rises": lambda T, a, b: torch.sigmoid(2 * torch.linspace(b, a, T, dtype=torch.float64)),
        "the noise's square": lambda T, a, b: torch.sigmoid(
            -2 * torch.linspace(a, b, T, dtype=torch.float64)
        ),
        "ᾱ falls in a straight line": lambda T, a, b: torch.linspace(
            1 / (1 + math.exp(-2 * a)), 1 / (1 + math.exp(-2 * b)), T, dtype=torch.float64
        ),
        "Your list stops one step short": lambda T, a, b: torch.sigmoid(
            2 * (a + (b - a) * torch.arange(T, dtype=torch.float64) / T)
        ),
        "This is λ itself": lambda T, a, b: torch.linspace(a, b, T, dtype=torch.float64),
        "with T = 7": lambda T, a, b: torch.sigmoid(2 * torch.linspace(4, -3, 40, dtype=torch.float64)),
    },
    "ex-02-7": {
        "still there": more_with(fresh=lambda k, h, t: (t.noise**2 - h.noise**2).sqrt()),
        "no noise in x yet": more_with(fresh=lambda k, h, t: t.noise),
        "x keeps its strength": more_with(kept=lambda h, t: 1),
        "as if it were clean": more_with(kept=lambda h, t: t.signal),
        "the jump from clean data": lambda x, eps, h, t: t.signal * x + t.noise * eps,
        "multiplied by its variance": more_with(fresh=lambda k, h, t: 1 - k**2),
        "The two factors add up": more_with(fresh=lambda k, h, t: 1 - k),
        "weakened twice": more_with(kept=lambda h, t: (t.signal / h.signal) ** 2),
        "inverted": more_with(kept=lambda h, t: h.signal / t.signal),
        "wrong in": more_with(fresh=lambda k, h, t: t.noise - k * h.noise),
    },
}

RIGHT["ex-02-8"], WRONG["ex-02-8"] = reports.answers("ex-02-8")
