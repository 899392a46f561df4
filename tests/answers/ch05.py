"""Answers to the exercises of chapter 5: right ones, and wrong ones with what the check must say."""

import math

import numpy as np
import torch

from tests.answers import reports


def target(x0, eps, level, prediction):
    return {"eps": eps, "x0": x0, "v": level.signal * eps - level.noise * x0}[prediction]


def v_is(f):
    """The right targets but for v."""
    return lambda x0, eps, level, p: (
        f(x0, eps, level.signal, level.noise) if p == "v" else target(x0, eps, level, p)
    )


def loss_of(f, aim=target):
    return lambda answer, x0, eps, level, p: f(answer - aim(x0, eps, level, p))


def loss_by_loop(answer, x0, eps, level, prediction):
    aim = target(x0, eps, level, prediction)
    return torch.stack(
        [
            torch.nn.functional.mse_loss(a.double(), b.double()).float()
            for a, b in zip(answer, aim, strict=True)
        ]
    )


def hide(c, p, null_label, generator=None):
    return c.masked_fill(torch.rand(len(c), generator=generator) < p, null_label)


def hide_by_loop(c, p, null_label, generator=None):
    chances = torch.rand(len(c), generator=generator).tolist()
    return torch.tensor(
        [null_label if u < p else label for label, u in zip(c.tolist(), chances, strict=True)]
    )


def hide_bernoulli(c, p, null_label, generator=None):
    keep = torch.bernoulli(torch.full((len(c),), 1 - p), generator=generator).long()
    return keep * c + (1 - keep) * null_label


def all_at_once(c, p, null_label, generator=None):
    return c.clone() if torch.rand(1, generator=generator) > p else torch.full_like(c, null_label)


def fixed(c, p, null_label, generator=None):
    return hide(c, p, null_label, torch.Generator().manual_seed(0))


def ema(average, values, n, decay):
    share = 1 - min(decay, n / (n + 9))
    return {k: torch.lerp(average[k], v, share) if v.is_floating_point() else v for k, v in values.items()}


def ema_by_loop(average, values, n, decay):
    new = {}
    for name in average:
        d = decay if decay < n / (n + 9) else n / (n + 9)
        if values[name].dtype == torch.int64:
            new[name] = values[name].clone()
        else:
            new[name] = (d * average[name].double() + (1 - d) * values[name].double()).float()
    return new


def ema_kept(d):
    """An average with another share of the old."""
    return lambda a, v, n, decay: {
        k: d(n, decay) * a[k] + (1 - d(n, decay)) * v[k] if v[k].is_floating_point() else v[k] for k in v
    }


def ema_but(f):
    return lambda a, v, n, decay: ema(a, v, n, decay) | f(a, v)


def rows_by_torch(count, batch_size, seed, step):
    return torch.randint(count, (batch_size,), generator=torch.Generator().manual_seed(seed * 10_007 + step))


def rows_by_numpy(count, batch_size, seed, step):
    return torch.from_numpy(np.random.default_rng([seed, step]).integers(count, size=batch_size))


def rows_with(number, low=0, high=0):
    return lambda count, size, seed, step: torch.randint(
        low, count + high, (size,), generator=torch.Generator().manual_seed(number(seed, step))
    )


def snr_of(level):
    return torch.exp(2 * level.half_log_snr).flatten()


def weight(level, prediction, gamma):
    snr = snr_of(level)
    return snr.clamp(max=gamma) / {"eps": snr, "x0": 1, "v": snr + 1}[prediction]


def weight_by_levels(level, prediction, gamma):
    snr = (level.signal / level.noise).flatten() ** 2
    w = torch.minimum(snr, torch.tensor(gamma))
    if prediction == "x0":
        return w
    return w / snr if prediction == "eps" else w / (1 + snr)


def timesteps(low, high):
    return lambda schedule, count, generator=None: torch.randint(
        low, len(schedule) + high, (count,), generator=generator
    )


RIGHT = {
    "ex-05-1": [target, v_is(lambda x0, e, s, n: (s.double() * e - n.double() * x0).float())],
    "ex-05-2": [loss_by_loop, loss_of(lambda off: off.flatten(1).pow(2).mean(1))],
    "ex-05-3": [hide, hide_by_loop, hide_bernoulli],
    "ex-05-4": [ema, ema_by_loop],
    "ex-05-5": [rows_by_torch, rows_by_numpy],
    "ex-05-6": [weight, weight_by_levels],
    "ex-05-7": [
        timesteps(0, 0),
        lambda schedule, count, generator=None: (
            torch.rand(count, generator=generator) * len(schedule)
        ).long(),
    ],
}

WRONG = {
    "ex-05-1": {
        'For "v" you return x_t': v_is(lambda x0, e, s, n: s * x0 + n * e),
        "the sign is wrong": v_is(lambda x0, e, s, n: n * x0 - s * e),
        'For "v" signal and noise are swapped': v_is(lambda x0, e, s, n: n * e - s * x0),
        "levels are squared": v_is(lambda x0, e, s, n: s**2 * e - n**2 * x0),
        "levels are missing": v_is(lambda x0, e, s, n: e - x0),
        'For "x0" you return the noise': lambda x0, e, level, p: target(
            x0, e, level, "eps" if p == "x0" else p
        ),
        'For "eps" you return the clean sprites': lambda x0, e, level, p: target(
            x0, e, level, "x0" if p == "eps" else p
        ),
        'For "eps" you return the velocity': lambda x0, e, level, p: target(x0, e, level, "v"),
    },
    "ex-05-2": {
        "one number for the whole batch": loss_of(lambda off: off.square().mean()),
        "runs over the batch": loss_of(lambda off: off.square().mean(0)),
        "These are sums": loss_of(lambda off: off.square().sum((1, 2, 3))),
        "These are mean absolute errors": loss_of(lambda off: off.abs().mean((1, 2, 3))),
        "You take a root at the end": loss_of(lambda off: off.square().mean((1, 2, 3)).sqrt()),
        "square of the mean error": loss_of(lambda off: off.mean((1, 2, 3)).square()),
        "These are halves": loss_of(lambda off: off.square().mean((1, 2, 3)) / 2),
        "compare with the noise": loss_of(
            lambda off: off.square().mean((1, 2, 3)), lambda x0, e, level, p: e
        ),
        "compare with the clean": loss_of(
            lambda off: off.square().mean((1, 2, 3)), lambda x0, e, level, p: x0
        ),
        r"returned the shape \(5, 3\)": loss_of(lambda off: off.square().mean((2, 3))),
    },
    "ex-05-3": {
        "became 0": lambda c, p, null, g=None: hide(c, p, 0, g),
        "became -1": lambda c, p, null, g=None: hide(c, p, -1, g),
        "neither the old one": lambda c, p, null, g=None: c[torch.randperm(len(c), generator=g)],
        "the mask is inverted": lambda c, p, null, g=None: hide(c, 1 - p, null, g),
        "hidden or kept together": all_at_once,
        "it should be a tenth": lambda c, p, null, g=None: hide(c, p / 2, null, g),
        "use the argument": lambda c, p, null, g=None: hide(c, p, 5, g),
        "Two generators of the same seed": lambda c, p, null, g=None: hide(c, p, null),
        "whatever the generator": fixed,
        "changed its input `c`": lambda c, p, null, g=None: c.masked_fill_(
            torch.rand(len(c), generator=g) < p, null
        ),
        "float32 values, not integers": lambda c, p, null, g=None: hide(c, p, null, g).float(),
    },
    "ex-05-4": {
        "are swapped": ema_kept(lambda n, decay: 1 - min(decay, n / (n + 9))),
        "There is no warm-up": ema_kept(lambda n, decay: decay),
        "`decay` has no effect": ema_kept(lambda n, decay: n / (n + 9)),
        "stay as they were": ema_but(lambda a, v: {"running_mean": a["running_mean"]}),
        "are copied": ema_but(lambda a, v: {"running_mean": v["running_mean"]}),
        "The counter is the old one": ema_but(lambda a, v: {"count": a["count"]}),
        "Nothing has moved": lambda a, v, n, decay: a,
        "nothing is averaged": lambda a, v, n, decay: v,
        "You count one step too many": ema_kept(lambda n, decay: min(decay, (n + 1) / (n + 10))),
        "not integers": lambda a, v, n, decay: {k: a[k] + 0.1 * (v[k] - a[k]) for k in v},
        "changed its input": lambda a, v, n, decay: {k: a[k].copy_(ema(a, v, n, decay)[k]) for k in v},
        "keys": lambda a, v, n, decay: {"weight": a["weight"]},
    },
    "ex-05-5": {
        "the second time": lambda count, size, seed, step: torch.randint(count, (size,)),
        "Every step gets the same": rows_with(lambda seed, step: seed),
        "Every seed gets the same": rows_with(lambda seed, step: step),
        "do not just add": rows_with(lambda seed, step: seed + step),
        "must not be interchangeable": rows_with(lambda seed, step: (seed + 1) * (step + 1)),
        "`count` or more": rows_with(lambda seed, step: seed * 1000 + step, high=30),
        r"Rows \[0\] of 10 were never drawn": rows_with(lambda seed, step: seed * 1000 + step, low=1),
        "returned the shape": lambda count, size, seed, step: rows_by_torch(count, 5, seed, step),
        "not integers": lambda count, size, seed, step: rows_by_torch(count, size, seed, step).float(),
    },
    "ex-05-6": {
        "root of the SNR": lambda level, p, gamma: weight(
            level._replace(half_log_snr=level.half_log_snr / 2), p, gamma
        ),
        "You take the maximum": lambda level, p, gamma: (
            weight(level, p, math.inf) / snr_of(level) * snr_of(level).clamp(min=gamma)
        ),
        'is that of "x0"': lambda level, p, gamma: weight(level, "x0", gamma),
        'is that of "eps"': lambda level, p, gamma: weight(level, "eps", gamma),
        'is that of "v"': lambda level, p, gamma: weight(level, "v", gamma),
        "gamma is always 5": lambda level, p, gamma: weight(level, p, 5.0),
        "The minimum is missing": lambda level, p, gamma: weight(level, p, math.inf),
        "You multiply": lambda level, p, gamma: weight(level, "x0", gamma) ** 2 / weight(level, p, gamma),
        "returned the shape": lambda level, p, gamma: weight(level, p, gamma).reshape(-1, 1, 1, 1),
    },
    "ex-05-7": {
        "The planted bug is still there": timesteps(1, 0),
        "Now the other end": timesteps(0, -1),
        "Both ends are missing": timesteps(1, -1),
        "Timestep 8 is drawn": timesteps(0, 1),
        "Timestep -1 is drawn": timesteps(-1, 0),
        "far more often": lambda schedule, count, g=None: (
            torch.randint(0, 8, (count,), generator=g) * (torch.rand(count, generator=g) < 0.5)
        ),
        "Two generators": lambda schedule, count, g=None: torch.randint(0, len(schedule), (count,)),
    },
}

RIGHT["ex-05-8"], WRONG["ex-05-8"] = reports.answers("ex-05-8")
