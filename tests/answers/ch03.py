"""Answers to the exercises of chapter 3: right ones, and wrong ones with what the check must say."""

import itertools

import torch

from tests.answers import reports


def ideal_by_loop(x, images, level):
    out = []
    for i in range(len(x)):
        s, n = level.signal[i].double(), level.noise[i].double()
        power = torch.stack(
            [-(x[i] - s * each).square().sum() / (2 * n.squeeze() ** 2) for each in images.double()]
        )
        weight = (power - power.max()).exp()
        out.append((weight[:, None, None, None] * images).sum(0) / weight.sum())
    return torch.stack(out).float()


def ideal_with(power=lambda sq, n: -sq / (2 * n**2), weaken=True, dim=1, reduce="sum", kind=None):
    def answer(x, images, level):
        s, n = level.signal.flatten(1), level.noise.flatten(1)
        known = (s[:, None] if weaken else 1) * images.flatten(1)[None]
        squares = getattr((x.flatten(1)[:, None] - known).square(), reduce)(2)
        p = power(squares, n)
        weights = p.softmax(dim) if kind is None else kind(p)
        return (weights @ images.flatten(1)).reshape(x.shape)

    return answer


ideal = ideal_with()


def eps_with(f):
    def answer(x, t, images, schedule):
        level = schedule.levels(t)
        return f(x, ideal(x, images, level), level.signal, level.noise)

    return answer


def eps_by_loop(x, t, images, schedule):
    each = [
        eps_with(lambda x, x0, s, n: (x - s * x0) / n)(x[i : i + 1], t[i : i + 1], images, schedule)
        for i in range(len(x))
    ]
    return torch.cat(each)


def below(ts, first):
    return ts if first is None else [first, *(t for t in ts if t < first)]


def ddim_with(step=None, pairs=itertools.pairwise, times=None, sizes=None, listed=below):
    def answer(predict_eps, schedule, x, num_steps=50, first=None):
        ts = listed(schedule.timesteps(num_steps), first)
        for t, s in pairs(ts) if pairs is itertools.pairwise else pairs(ts, len(schedule) // num_steps):
            here, there = schedule.levels(torch.tensor([t])), schedule.levels(torch.tensor([s]))
            eps = predict_eps(x, torch.full((sizes or len(x),), t if times is None else times(t, s)))
            x0 = (x - here.noise * eps) / here.signal
            x = step(x0, eps, here, there) if step else there.signal * x0 + there.noise * eps
        return x

    return answer


def ddim_by_ratio(predict_eps, schedule, x, num_steps=50, first=None):
    """As the paper's ODE: x / signal moves along noise / signal."""
    y = x.double()
    bar = torch.cat([schedule.alpha_bar, torch.ones(1).double()])
    ts = sorted({-1, *schedule.timesteps(num_steps)}, reverse=True)
    if first is not None:
        ts = sorted({first, *filter(lambda t: t < first, ts)}, reverse=True)
    y = y / bar[ts[0]].sqrt()
    for i in range(len(ts) - 1):
        t, s = ts[i], ts[i + 1]
        eps = predict_eps((y * bar[t].sqrt()).float(), torch.tensor([t] * len(x)))
        y = y + ((1 / bar[s] - 1).sqrt() - (1 / bar[t] - 1).sqrt()) * eps
    return y.float()


def ddpm_with(
    std=lambda a_t, a_s: ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).sqrt(),
    last=False,
    mean=None,
    arithmetic=False,
    plain=False,
    strides=False,
):
    def answer(predict_eps, schedule, x, num_steps, draw_eps):
        bar = torch.cat([schedule.alpha_bar, torch.ones(1).double()])
        ts = schedule.timesteps(num_steps)
        k = len(schedule) // num_steps
        for t, s in [(t, max(t - k, -1)) for t in ts[:-1]] if arithmetic else itertools.pairwise(ts):
            a_t, a_s = bar[t], bar[s]
            a = a_t / a_s
            eps = predict_eps(x, torch.full((len(x),), t))
            x0 = (x - (1 - a_t).sqrt() * eps) / a_t.sqrt()
            if mean:
                x = mean(x0, x, eps, a_t, a_s)
            else:
                x = (a_s.sqrt() * (1 - a) * x0 + a.sqrt() * (1 - a_s) * x) / (1 - a_t)
            if s >= 0 or last:
                x = x + std(a_t, a_s) * draw_eps(x)
        return x.float()

    return answer


def ddpm_as_ddim(predict_eps, schedule, x, num_steps, draw_eps):
    """DDIM with eta = 1."""
    for t, s in itertools.pairwise(schedule.timesteps(num_steps)):
        here, there = schedule.levels(torch.tensor([t])), schedule.levels(torch.tensor([s]))
        eps = predict_eps(x, torch.full((len(x),), t))
        x0 = (x - here.noise * eps) / here.signal
        a = (here.signal / there.signal) ** 2
        fresh = there.noise / here.noise * (1 - a).sqrt()
        x = there.signal * x0 + (there.noise**2 - fresh**2).clamp(min=0).sqrt() * eps
        if s != -1:
            x = x + fresh * draw_eps(x)
    return x


def first(good):
    def answer(sample, right, tolerance, most):
        return next((n for n in range(1, most + 1) if good(sample(n) - right, tolerance)), -1)

    return answer


enough = first(lambda off, tolerance: off.abs().max() <= tolerance)


def by_while(sample, right, tolerance, most):
    n = 1
    while n <= most:
        if torch.allclose(sample(n), right, rtol=0, atol=tolerance):
            return n
        n += 1
    return -1


def from_above(sample, right, tolerance, most):
    best = -1
    for n in range(most, 0, -1):
        if (sample(n) - right).abs().max() > tolerance:
            break
        best = n
    return best


RIGHT = {
    "ex-03-1": [ideal_by_loop, ideal],
    "ex-03-2": [eps_by_loop, eps_with(lambda x, x0, s, n: x / n - s / n * x0)],
    "ex-03-3": [ddim_with(), ddim_by_ratio],
    "ex-03-4": [ddpm_with(), ddpm_as_ddim],
    "ex-03-5": [enough, by_while],
    "ex-03-6": [
        lambda ts: list(itertools.pairwise(ts)),
        lambda ts: [[ts[i], ts[i + 1]] for i in range(len(ts) - 1)],
    ],
}

WRONG = {
    "ex-03-1": {
        "the nearest sprite": ideal_with(lambda sq, n: -sq * 1e6),
        "equal weights": ideal_with(lambda sq, n: 0 * sq),
        "inverted": ideal_with(lambda sq, n: sq / (2 * n**2)),
        "at full strength": ideal_with(weaken=False),
        "The 2 in the exponent": ideal_with(lambda sq, n: -sq / n**2),
        "not by its square": ideal_with(lambda sq, n: -sq / (2 * n)),
        "the distance instead of its square": ideal_with(lambda sq, n: -sq.sqrt() / (2 * n**2)),
        "noise level is missing": ideal_with(lambda sq, n: -sq / 2),
        "averaged over the pixels": ideal_with(reduce="mean"),
        "over the batch": ideal_with(dim=0),
        "not finite numbers": ideal_with(kind=lambda p: p.exp() / p.exp().sum(1, keepdim=True)),
    },
    "ex-03-2": {
        "This is the clean image": eps_with(lambda x, x0, s, n: x0),
        "still scaled as in x: divide by the noise level": eps_with(lambda x, x0, s, n: x - s * x0),
        "full strength": eps_with(lambda x, x0, s, n: (x - x0) / n),
        "You divide by the signal": eps_with(lambda x, x0, s, n: (x - s * x0) / s),
        "wrong sign": eps_with(lambda x, x0, s, n: (s * x0 - x) / n),
        "You divide by the square of the noise level": eps_with(lambda x, x0, s, n: (x - s * x0) / n**2),
        "wrong in": eps_with(lambda x, x0, s, n: (x - s**2 * x0) / n),
    },
    "ex-03-3": {
        "x is where it began": lambda predict_eps, schedule, x, n=50, first=None: x.clone(),
        "the noise level is its root": ddim_with(lambda x0, e, h, t: t.signal * x0 + t.noise**2 * e),
        "where some noise is left": ddim_with(pairs=lambda ts, k: itertools.pairwise([*ts[:-1], 0])),
        "by arithmetic on t": ddim_with(pairs=lambda ts, k: [(t, max(t - k, -1)) for t in ts[:-1]]),
        "ends at t - 1": ddim_with(pairs=lambda ts, k: [(t, t - 1) for t in ts[:-1]]),
        "Each step drops its noise": ddim_with(lambda x0, e, h, t: t.signal * x0),
        "Signal and noise are swapped": ddim_with(lambda x0, e, h, t: t.noise * x0 + t.signal * e),
        r"(?i)`t` had 1 values": ddim_with(sizes=1),
        "wrong in": ddim_with(lambda x0, e, h, t: t.signal * x0.clamp(-0.5, 0.5) + t.noise * e),
        "`first` has no effect": ddim_with(listed=lambda ts, first: ts),
        "about the next timestep of the list": ddim_with(
            listed=lambda ts, first: ts if first is None else [t for t in ts if t < first]
        ),
        "and then the steps go up": ddim_with(
            listed=lambda ts, first: ts if first is None else [first, *ts[1:]]
        ),
        "go up from `first` to T - 1": ddim_with(
            listed=lambda ts, first: ts if first is None else [first, *ts]
        ),
        "One step goes from `first`": ddim_with(
            listed=lambda ts, first: ts if first is None else [first, -1]
        ),
        "every timestep below `first`": ddim_with(
            listed=lambda ts, first: ts if first is None else range(first, -2, -1)
        ),
    },
    "ex-03-4": {
        "There is noise on the result": ddpm_with(lambda a_t, a_s: (1 - a_t / a_s).sqrt(), last=True),
        "The fresh noise is multiplied by its variance": ddpm_with(
            lambda a_t, a_s: (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)
        ),
        "that of a noising step": ddpm_with(lambda a_t, a_s: (1 - a_t / a_s).sqrt()),
        "no noise is added": ddpm_with(lambda a_t, a_s: 0 * a_s),
        "This is DDIM": lambda p, s, x, n, d: ddim_with()(p, s, x, n),
        "guess for x0 and x_t are swapped": ddpm_with(
            mean=lambda x0, x, e, a_t, a_s: (
                (a_s.sqrt() * (1 - a_t / a_s) * x + (a_t / a_s).sqrt() * (1 - a_s) * x0) / (1 - a_t)
            )
        ),
        "by arithmetic on t": ddpm_with(arithmetic=True),
        "make room for it": ddpm_with(mean=lambda x0, x, e, a_t, a_s: a_s.sqrt() * x0 + (1 - a_s).sqrt() * e),
        "Noise was drawn 3 times": ddpm_with(last=True),
        "wrong in": ddpm_with(lambda a_t, a_s: 0.5 * (1 - a_t / a_s).sqrt()),
    },
    "ex-03-5": {
        "one too small": lambda *a: enough(*a) - 1,
        "one too large": lambda *a: enough(*a) + 1,
        "mean of the differences": first(lambda off, tolerance: off.abs().mean() <= tolerance),
        "You keep the sign of the differences": first(lambda off, tolerance: off.max() <= tolerance),
        "from which on all": from_above,
        "largest number of calls allowed": lambda sample, right, tolerance, most: most,
        "you return 0: return -1": lambda *a: max(enough(*a), 0),
        "You tried 9 calls": lambda sample, right, tolerance, most: (
            enough(sample, right, tolerance, 9) if enough(sample, right, tolerance, 9) <= most else -1
        ),
    },
    "ex-03-6": {
        "The planted bug is still there": lambda ts: [(t, t - ts[0] + ts[1]) for t in ts[:-1]],
        "Only the last step is fixed": lambda ts: [*((t, t - ts[0] + ts[1]) for t in ts[:-2]), (ts[-2], -1)],
        "the wrong way round": lambda ts: [(s, t) for t, s in itertools.pairwise(ts)],
        "ends at t - 1": lambda ts: [(t, t - 1) for t in ts[:-1]],
        "a list of 6": lambda ts: list(itertools.pairwise(ts[:-1])),
        "Step 1 of 7 is": lambda ts: [(t, -1) for t in ts[:-1]],
    },
}

RIGHT["ex-03-7"], WRONG["ex-03-7"] = reports.answers("ex-03-7")


def blob_with(guess=None, error=None):
    """The right answer, but for those given: a, n are signal and noise, d the spread, v the variance of x."""

    def answer(x, mean, spread, signal, noise):
        a, n, d, v = signal, noise, spread, (signal * spread) ** 2 + noise**2
        right = mean + a * d**2 / v * (x - a * mean)
        said = error(a, n, d, v) if error else d**2 * (1 - a**2 * d**2 / v)
        return guess(x, mean, a, n, d, v) if guess else right, said

    return answer


def blob_by_precision(x, mean, spread, signal, noise):
    before = 1 / spread**2 + signal**2 / noise**2
    return (mean / spread**2 + signal * x / noise**2) / before, 1 / before


RIGHT["ex-03-8"] = [blob_with(), blob_by_precision]
WRONG["ex-03-8"] = {
    "ignores the blob, and takes": blob_with(lambda x, m, a, n, d, v: x / a),
    "Your guess ignores x": blob_with(lambda x, m, a, n, d, v: 0 * x + m),
    "subtract that first": blob_with(lambda x, m, a, n, d, v: m + a * d**2 / v * x),
    "scaled down in x too": blob_with(lambda x, m, a, n, d, v: m + a * d**2 / v * (x - m)),
    "a blob around 0": blob_with(lambda x, m, a, n, d, v: a * d**2 / v * x),
    "forgets that the clean number is scaled": blob_with(
        lambda x, m, a, n, d, v: m + d**2 / (d**2 + n**2) * (x - a * m)
    ),
    "has standard deviations": blob_with(lambda x, m, a, n, d, v: m + a * d / (a * d + n) * (x - a * m)),
    "One square of the spread": blob_with(lambda x, m, a, n, d, v: m + a * d / v * (x - a * m)),
    "divide by the signal": blob_with(lambda x, m, a, n, d, v: m + (a * d) ** 2 / v * (x - a * m)),
    "at full strength": blob_with(lambda x, m, a, n, d, v: a * m + a * d**2 / v * (x - a * m)),
    "The guesses .*wrong in": blob_with(lambda x, m, a, n, d, v: m + 0.5 * (x - a * m)),
    "a guess that ignores x": blob_with(error=lambda a, n, d, v: d**2),
    "variance of the noise": blob_with(error=lambda a, n, d, v: n**2),
    "a guess that ignores the blob": blob_with(error=lambda a, n, d, v: (n / a) ** 2),
    "root of the mean squared error": blob_with(error=lambda a, n, d, v: d * n / v**0.5),
    "the error is the rest": blob_with(error=lambda a, n, d, v: a**2 * d**4 / v),
    "of how much variance": blob_with(error=lambda a, n, d, v: n**2 / v),
}
