"""Answers to the exercises of chapter 8: right ones, and wrong ones with what the check must say."""

import numpy as np
import torch

from pixel_edu.palette import to_oklab
from tests.answers import reports


def oklab(values, scale=255):
    return to_oklab(torch.from_numpy(np.ascontiguousarray(values)).float() / scale)


def snap_with(space=oklab, own=None, pick=torch.argmin):
    def answer(images, colors):
        a, b = space(images).reshape(-1, 3), (own or space)(colors).reshape(-1, 3)
        return colors[pick(torch.cdist(a, b), 1).numpy()].reshape(images.shape)

    return answer


def snap_by_loop(images, colors):
    lab, out = oklab(images), np.empty_like(images)
    best = torch.full(images.shape[:3], torch.inf)
    for color, place in zip(colors, oklab(colors), strict=True):
        far = (lab - place).square().sum(-1)
        closer = far < best
        best[closer] = far[closer]
        out[closer.numpy()] = color
    return out


def snap_wrapped(images, colors):
    off = (images.reshape(-1, 1, 3) - colors[None]).astype(np.float32)
    return colors[np.square(off).sum(2).argmin(1)].reshape(images.shape)


def needed_with(loss_of=None, square=True, once=False, worst=np.argmin, start=None, least=1, rounds=10**9):
    def losses(part):
        best, second = np.sort(part, 1)[:, :2].T
        values = loss_of(best, second) if loss_of else second - best
        return np.bincount(part.argmin(1), values, minlength=part.shape[1])

    def answer(far, tolerance):
        limit = tolerance**2 if square else tolerance
        kept = np.unique(far.argmin(1)) if start is None else start(far)
        if once:
            loss = losses(far[:, kept])
            return kept[loss > limit] if (loss > limit).any() else kept[:1]
        done = 0
        while len(kept) > least and done < rounds:
            loss = losses(far[:, kept])
            i = worst(loss)
            if loss[i] > limit:
                break
            kept, done = np.delete(kept, i), done + 1
        return kept

    return answer


def needed_by_sets(far, tolerance):
    kept = {int(i) for i in far.argmin(axis=1)}
    while len(kept) > 1:
        loss = dict.fromkeys(kept, 0.0)
        for row in far:
            first, second = sorted(kept, key=lambda i: row[i])[:2]
            loss[first] += row[second] - row[first]
        cheapest = min(kept, key=loss.get)
        if loss[cheapest] > tolerance**2:
            return np.array(sorted(kept))
        kept.remove(cheapest)
    return np.array(sorted(kept))


def projected_with(
    always=False, never=False, finish=None, compare=lambda p: to_oklab((p + 1) / 2), full=1.0, own=None
):
    def make(predict_eps, schedule, colors, above=2.0):
        values = torch.from_numpy(colors).float() / 127.5 - 1

        def in_palette(x, t):
            eps, level = predict_eps(x, t), schedule.levels(t)
            if never or (not always and bool((level.half_log_snr <= above).all())):
                return eps
            x0 = (x - level.noise * eps) / level.signal
            pixels = x0.movedim(1, 3)
            index = torch.cdist(compare(pixels).reshape(-1, 3), (own or compare)(values)).argmin(1)
            snapped = values[index].reshape(pixels.shape).movedim(3, 1)
            return finish(x, x0, snapped, level) if finish else (x - level.signal * snapped) / level.noise

        return in_palette

    return make


class Projected:
    """A class that can be called, with the distances by hand."""

    def __init__(self, predict_eps, schedule, colors, above=2.0):
        self.predict_eps, self.schedule, self.above = predict_eps, schedule, above
        self.colors = torch.from_numpy(colors.astype(np.float32)) / 255

    def __call__(self, x, t):
        eps, level = self.predict_eps(x, t), self.schedule.levels(t)
        if not level.half_log_snr[0] > self.above:
            return eps
        guess = ((x - level.noise * eps) / level.signal + 1) / 2
        far = (to_oklab(guess.permute(0, 2, 3, 1))[..., None, :] - to_oklab(self.colors)).square().sum(-1)
        snapped = self.colors[far.argmin(-1)].permute(0, 3, 1, 2) * 2 - 1
        return (x - level.signal * snapped) / level.noise


def bits_by_loop(index, bits=8):
    out = np.zeros((*index.shape, bits), np.uint8)
    rest = index.copy()
    for k in range(bits):
        out[..., k] = 255 * (rest % 2)
        rest = rest // 2
    return out


def raw(index, bits):
    return index[..., None] >> np.arange(bits) & 1


def numbers(images, high=False, limit=128):
    worth = 1 << np.arange(images.shape[-1])
    return (images >= limit).astype(np.int64) @ (worth[::-1] if high else worth)


def colors_by_loop(images, colors):
    total = np.zeros(images.shape[:3], int)
    for k in range(images.shape[-1]):
        total += (images[..., k] > 127) * 2**k
    total[total >= len(colors)] = len(colors) - 1
    return colors[total]


RIGHT = {
    "ex-08-1": [snap_with(), snap_by_loop],
    "ex-08-2": [needed_with(), needed_by_sets],
    "ex-08-3": [projected_with(), Projected],
    "ex-08-4": [lambda index, bits=8: (raw(index, bits) * 255).astype(np.uint8), bits_by_loop],
    "ex-08-5": [lambda images, colors: colors[numbers(images).clip(max=len(colors) - 1)], colors_by_loop],
    "ex-08-6": [
        lambda images, color: np.square(images.astype(int) - color).sum(-1),
        lambda images, color: sum((images[..., k].astype(np.int64) - int(color[k])) ** 2 for k in range(3)),
        lambda images, color: np.square(images.astype(np.float64) - color).sum(-1).astype(np.int64),
    ],
}

WRONG = {
    "ex-08-1": {
        "These are the nearest colours in sRGB": snap_with(lambda v: torch.from_numpy(v).float()),
        "divide by 255 first": snap_with(lambda v: oklab(v, 1.0)),
        "divide the palette by 255, too": snap_with(own=lambda v: oklab(v, 1.0)),
        "the furthest": snap_with(pick=torch.argmax),
        "Your differences wrap around": snap_wrapped,
        "Only the lightness": snap_with(lambda v: oklab(v) * torch.tensor([1.0, 0, 0])),
        "Nothing has changed": lambda images, colors: images,
        "returned the shape": lambda images, colors: snap_by_loop(images, colors)[..., 0],
    },
    "ex-08-2": {
        "Your losses are computed once": needed_with(once=True),
        "not with its square": needed_with(square=False),
        "distance to the colour itself": needed_with(lambda best, second: best),
        "Nothing is dropped": lambda far, tolerance: np.unique(far.argmin(1)),
        "Only one colour is dropped": needed_with(rounds=1),
        "The numbers are not in ascending order": lambda far, tolerance: needed_by_sets(far, tolerance)[::-1],
        "Colour numbers are integers": lambda far, tolerance: needed_by_sets(far, tolerance) / 1,
        "the last colour always stays": needed_with(least=0, loss_of=lambda best, second: 0 * best)
        and (lambda far, tolerance: needed_by_sets(far, tolerance)[:0]),
    },
    "ex-08-3": {
        "The answer is the model's": projected_with(never=True),
        "at high noise, too": projected_with(always=True),
        "You return the snapped image": projected_with(finish=lambda x, x0, m, level: m),
        "the guess, not even snapped": projected_with(finish=lambda x, x0, m, level: x0),
        "These are the nearest colours in sRGB": projected_with(compare=lambda p: p),
        "it takes 0 to 1": projected_with(compare=to_oklab, own=lambda v: to_oklab((v + 1) / 2)),
        "colours run from 0 to 1": projected_with(
            finish=lambda x, x0, m, level: (x - level.signal * (m + 1) / 2) / level.noise
        ),
        "full strength": projected_with(finish=lambda x, x0, m, level: (x - m) / level.noise),
        "still scaled as in x": projected_with(finish=lambda x, x0, m, level: x - level.signal * m),
        "not a function": lambda predict_eps, schedule, colors, above: torch.zeros(1),
    },
    "ex-08-4": {
        "Your highest bit comes first": lambda index, bits: bits_by_loop(index, bits)[..., ::-1],
        "0 and 255": lambda index, bits: raw(index, bits).astype(np.uint8),
        "Black and white": lambda index, bits: 255 - bits_by_loop(index, bits),
        "These are shifted numbers": lambda index, bits: (index[..., None] >> np.arange(bits)).astype(
            np.uint8
        ),
        "Your bits are weighted": lambda index, bits: (raw(index, bits) << np.arange(bits)).astype(np.uint8),
        "0 and 128": lambda index, bits: (raw(index, bits) * 128).astype(np.uint8),
        "integers from 0 to 255": lambda index, bits: raw(index, bits) * 255,
        "with 3 bits returned the shape": lambda index, bits: bits_by_loop(index, 8),
    },
    "ex-08-5": {
        "lowest comes first": lambda images, colors: colors[
            numbers(images, high=True).clip(max=len(colors) - 1)
        ],
        "You read 128 as 0": lambda images, colors: colors[
            numbers(images, limit=129).clip(max=len(colors) - 1)
        ],
        "wrap around to the first colours": lambda images, colors: colors[numbers(images) % len(colors)],
        "take the first colour": lambda images, colors: colors[
            np.where(numbers(images) < len(colors), numbers(images), 0)
        ],
        "last but one": lambda images, colors: colors[numbers(images).clip(max=len(colors) - 2)],
        "You read every value above 0 as a 1": lambda images, colors: colors[
            numbers(images, limit=1).clip(max=len(colors) - 1)
        ],
        "Zeros and ones are swapped": lambda images, colors: colors[
            numbers(255 - images).clip(max=len(colors) - 1)
        ],
        "You count the bits": lambda images, colors: colors[
            (images >= 128).sum(-1).clip(max=len(colors) - 1)
        ],
        "stopped with IndexError": lambda images, colors: colors[numbers(images)],
    },
    "ex-08-6": {
        "The planted bug is still there": lambda images, color: (
            ((images - color) ** 2).sum(-1).astype(np.int64)
        ),
        "the differences still wrap": lambda images, color: np.square((images - color).astype(np.int64)).sum(
            -1
        ),
        "their squares wrap": lambda images, color: (
            ((images.astype(np.int64) - color).astype(np.int8) ** 2).sum(-1).astype(np.int64)
        ),
        "These are sums of absolute differences": lambda images, color: np.abs(
            images.astype(np.int64) - color
        ).sum(-1),
        "These are distances": lambda images, color: np.sqrt(
            np.square(images.astype(float) - color).sum(-1)
        ).astype(np.int64),
        "the mean over the channels": lambda images, color: (
            np.square(images.astype(np.int64) - color).sum(-1) // 3
        ),
        "wrong in": lambda images, color: np.square(images.astype(np.int64) - color)[..., 0] * 3,
    },
}


def merging(color=lambda a, b, n, m: (n * a + m * b) / (n + m), cost=lambda n, m, far: n * m / (n + m) * far):
    return lambda a, b, n, m: (color(a, b, n, m), cost(n, m, ((a - b) ** 2).sum()))


def merged_by_moving(a, b, n, m):
    c = np.average([a, b], axis=0, weights=[n, m])
    return c, n * ((a - c) ** 2).sum() + m * ((b - c) ** 2).sum()


RIGHT["ex-08-7"] = [merging(), merged_by_moving, lambda a, b, n, m: merging()(b, a, m, n)]
WRONG["ex-08-7"] = {
    "half-way between the two, however many": merging(lambda a, b, n, m: (a + b) / 2),
    "nearer to the one with fewer pixels": merging(lambda a, b, n, m: (m * a + n * b) / (n + m)),
    "that of the larger group": merging(lambda a, b, n, m: a if n >= m else b),
    "divide by their number": merging(lambda a, b, n, m: n * a + m * b),
    "the colour half-way, which is not the cheapest": merging(cost=lambda n, m, far: (n + m) * far / 4),
    "giving the smaller group": merging(cost=lambda n, m, far: min(n, m) * far),
    "it should hold its square": merging(cost=lambda n, m, far: n * m / (n + m) * far**0.5),
    "of one pixel on average": merging(cost=lambda n, m, far: n * m / (n + m) ** 2 * far),
    "by hand": merging(cost=lambda n, m, far: n * m * far),
    "a mean over the three channels": merging(cost=lambda n, m, far: n * m / (n + m) * far / 3),
}

RIGHT["ex-08-8"], WRONG["ex-08-8"] = reports.answers("ex-08-8")
