"""Answers to the exercises of chapter 6: right ones, and wrong ones with what the check must say."""

import torch

from tests.answers import reports


def both_by_stack(model, x, t, c, null_label):
    labels = torch.stack([c, torch.full_like(c, null_label)])
    answers = model(x.repeat(2, 1, 1, 1), t.repeat(2), labels.flatten())
    return [answers[: len(x)], answers[len(x) :]]


def both_other_order(model, x, t, c, null_label):
    uncond, cond = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([0 * c + null_label, c])).chunk(2)
    return cond, uncond


def both(first=lambda c, n: c, second=lambda c, n: 0 * c + n, swap=False, images=None, times=None):
    def answer(model, x, t, c, n):
        xs = torch.cat([x, x]) if images is None else images(x)
        ts = torch.cat([t, t]) if times is None else times(t)
        a, b = model(xs, ts, torch.cat([first(c, n), second(c, n)])).chunk(2)
        return (b, a) if swap else (a, b)

    return answer


def two_calls(model, x, t, c, n):
    return model(x, t, c), model(x, t, 0 * c + n)


def guided(inside=lambda t, a, b: a <= t <= b, outside=None, calls=1, everywhere=True, s=None, always=False):
    def make(model, c, guidance_scale, null_label, interval=None):
        scale = guidance_scale if s is None else s

        def predict(x, t):
            a, b = (0, 10**9 if everywhere else -1) if interval is None else interval
            within = inside(int(t[0]), a, b)
            if not within and not always:
                return model(x, t, c) if outside is None else model(x, t, 0 * c + null_label)
            if calls == 2:
                cond, uncond = model(x, t, c), model(x, t, 0 * c + null_label)
            else:
                cond, uncond = both_by_stack(model, x, t, c, null_label)
            return uncond + scale * (cond - uncond) if within else cond

        return predict

    return make


class Guided:
    """A class serves as well as a function in a function."""

    def __init__(self, model, c, guidance_scale, null_label, interval=None):
        self.all = model, c, guidance_scale, null_label, interval

    def __call__(self, x, t):
        model, c, s, n, interval = self.all
        if interval and (t[0] < interval[0] or t[0] > interval[1]):
            return model(x, t, c)
        cond, uncond = both_other_order(model, x, t, c, n)
        return (1 - s) * uncond + s * cond


def line(cond, uncond, s):
    return uncond + s * (cond - uncond)


def parts(keep, others):
    """Guided where keep is, and others elsewhere."""

    def answer(cond, uncond, s):
        channel = torch.arange(cond.shape[1])[None, :, None, None]
        return torch.where(keep(channel, cond.shape[1]), line(cond, uncond, s), others(cond, uncond))

    return answer


RIGHT = {
    "ex-06-1": [line, lambda c, u, s: s * c + (1 - s) * u, lambda c, u, s: c + (s - 1) * (c - u)],
    "ex-06-2": [
        lambda c, u, w: ((1 + w) * c - w * u, 1 + w),
        lambda c, u, w: [c + w * (c - u), torch.tensor(w + 1.0)],
    ],
    "ex-06-3": [both_by_stack, both_other_order],
    "ex-06-4": [guided(), Guided],
    "ex-06-5": [line, lambda c, u, s: s * c + (1 - s) * u],
}

WRONG = {
    "ex-06-1": {
        "the paper's formula": lambda c, u, s: c + s * (c - u),
        "The two answers are swapped": lambda c, u, s: c + s * (u - c),
        "its starting point is missing": lambda c, u, s: s * (c - u),
        "The difference has the wrong sign": lambda c, u, s: u - s * (c - u),
        "sum of both answers": lambda c, u, s: u + s * c,
        "The scale has no effect": lambda c, u, s: c,
        "This is the mean of the two answers": lambda c, u, s: (c + u) / 2,
        "with a scale for each image": lambda c, u, s: (
            u + float(torch.as_tensor(s).flatten()[0]) * (c - u) if torch.as_tensor(s).numel() == 1 else [][0]
        ),
    },
    "ex-06-2": {
        "Your noise is that of this course's scale": lambda c, u, w: (u + w * (c - u), w + 1),
        "The second term is added": lambda c, u, w: ((1 + w) * c + w * u, w + 1),
        "The two answers are swapped": lambda c, u, w: ((1 + w) * u - w * c, w + 1),
        "first factor is 1": lambda c, u, w: (w * c - w * u, w + 1),
        "Your scale is the paper's number itself": lambda c, u, w: ((1 + w) * c - w * u, w),
        "Your scale is on the wrong side": lambda c, u, w: ((1 + w) * c - w * u, w - 1),
        "Your scale falls as the paper's": lambda c, u, w: ((1 + w) * c - w * u, 1 - w),
        "not 2 values": lambda c, u, w: (1 + w) * c - w * u,
    },
    "ex-06-3": {
        "without a label first": both(swap=True),
        "Both answers have the label": both(second=lambda c, n: c),
        "Neither answer has the label": both(first=lambda c, n: 0 * c + n),
        "Label 0 is a class": both(second=lambda c, n: 0 * c),
        "Label -1 was never": both(second=lambda c, n: 0 * c - 1),
        "different orders": both(
            images=lambda x: x.repeat_interleave(2, 0), times=lambda t: t.repeat_interleave(2)
        ),
        "The timesteps are not in the order of the images": both(times=lambda t: torch.cat([t, t.flip(0)])),
        "called 2 times": two_calls,
        "use the argument": both(second=lambda c, n: 0 * c + 5),
    },
    "ex-06-4": {
        "Without an interval there is no guidance": guided(everywhere=False),
        "at t = 199 .* return the conditional answer": guided(inside=lambda t, a, b: True),
        "(?i)at t = 200 .* both ends belong": guided(inside=lambda t, a, b: a < t < b or (a == 0 and t == 0)),
        "there the label still counts": guided(outside=True),
        "was called 2 times with 6 images": guided(calls=2),
        "called 1 times with 6 images": guided(always=True),
        "not a function": lambda model, c, s, n, interval: c,
        "wrong in": guided(s=2.0),
    },
    "ex-06-5": {
        "The planted bug is still there": parts(lambda ch, n: ch < 3, lambda c, u: c),
        "now the answer without a label": parts(lambda ch, n: ch < 3, lambda c, u: u),
        "Now the first three": parts(lambda ch, n: ch >= 3, lambda c, u: c),
        "Only half of the channels are guided": parts(lambda ch, n: ch < n // 2, lambda c, u: c),
        "The scale has no effect": lambda c, u, s: c,
        "the paper's formula": lambda c, u, s: c + s * (c - u),
        "returned the shape": lambda c, u, s: line(c[:, :3], u[:, :3], s),
    },
}

RIGHT["ex-06-6"], WRONG["ex-06-6"] = reports.answers("ex-06-6")
