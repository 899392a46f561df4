"""Answers to the exercises of chapter 4: right ones, and wrong ones with what the check must say."""

import math
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from pixel_edu.unet import LabelAttention as TheirAttention
from pixel_edu.unet import conv3x3, norm, zeroed
from tests.answers import reports


def waves(exponent=lambda i, longest: longest ** (-i / 32), by=1.0, join=None):
    def answer(t, longest=10_000.0):
        angles = t.double()[:, None] * exponent(torch.arange(32).double(), longest) * by
        c, s = angles.cos().float(), angles.sin().float()
        return join(c, s) if join else torch.cat([c, s], 1)

    return answer


def waves_by_loop(t, longest=10_000.0):
    rows = []
    for each in t.tolist():
        f = [math.exp(-math.log(longest) * i / 32) for i in range(32)]
        rows.append([math.cos(each * v) for v in f] + [math.sin(each * v) for v in f])
    return torch.tensor(rows)


def film(f):
    def answer(h, context):
        scale, shift = context[..., None, None].chunk(2, dim=1)
        return f(h, scale, shift)

    return answer


def film_by_loop(h, context):
    C = h.shape[1]
    out = torch.empty_like(h)
    for b in range(len(h)):
        for c in range(C):
            out[b, c] = h[b, c] + h[b, c] * context[b, c] + context[b, C + c]
    return out


def block(
    make=lambda self: None,
    middle=None,
    first=F.silu,
    end=None,
    attention=TheirAttention,
    label=None,
    zero=zeroed,
):
    class Block(nn.Module):
        def __init__(self, width_in, width, config, attends):
            super().__init__()
            self.norm1, self.conv1 = norm(width_in), conv3x3(width_in, width)
            self.context = nn.Linear(config.embedding, 2 * width)
            self.norm2, self.conv2 = norm(width), zero(conv3x3(width, width))
            self.shortcut = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()
            self.attention = attention(width, config) if attends and attention else None
            make(self)

        def forward(self, x, context, c):
            h = self.conv1(first(self.norm1(x)))
            scale, shift = self.context(context)[..., None, None].chunk(2, dim=1)
            h = middle(self, h, scale, shift) if middle else F.silu(self.norm2(h) * (1 + scale) + shift)
            h = end(self, x, h) if end else self.shortcut(x) + self.conv2(h)
            return self.attention(h, c if label is None else label(context, c)) if self.attention else h

    return Block


class PlainBlock(nn.Module):
    """The same in other words."""

    def __init__(self, width_in, width, config, attends):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, padding="same")
        self.context = nn.Linear(config.embedding, width * 2)
        self.norm2 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding="same")
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)
        self.shortcut = nn.Identity() if width == width_in else nn.Conv2d(width_in, width, kernel_size=1)
        self.attention = attention()(width, config) if attends else None

    def forward(self, x, context, label):
        h = nn.functional.silu(self.norm1(x))
        h = self.norm2(self.conv1(h))
        film = self.context(context).unflatten(1, (2, -1))[..., None, None]
        h = h + h * film[:, 0] + film[:, 1]
        out = self.conv2(h * h.sigmoid())
        out = out + self.shortcut(x)
        if self.attention is not None:
            out = self.attention(out, label)
        return out


def no_context(self, h, scale, shift):
    return F.silu(self.norm2(h))


def attention(
    heads=None,
    order=(0, 1, 2),
    use_label=True,
    swap=False,
    root=True,
    axis=-1,
    alone=False,
    mixed=False,
    zero=zeroed,
    name="out",
    brings=None,
):
    class LabelAttention(nn.Module):
        def __init__(self, width, config):
            super().__init__()
            self.heads = heads or config.heads
            self.norm, self.qkv = norm(width), nn.Conv2d(width, 3 * width, 1)
            self.label = nn.Linear(config.embedding, 2 * width)
            setattr(self, name, zero(nn.Conv2d(width, width, 1)))

        def forward(self, x, label):
            seen = self.out(self.seen(x, label))
            return seen if alone else x + seen

        def from_label(self, x, label):
            if brings:
                return brings(self, x, label)
            return self(x, label) - self.forward_without(x, label)

        def forward_without(self, x, label):
            seen = self.out(self.seen(x, label, lambda w, v: (w[..., :-1], v[:, :, :-1])))
            return seen if alone else x + seen

        def seen(self, x, label, keep=lambda w, v: (w, v)):
            parts = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)
            q, k, v = (parts[i] for i in order)
            lk, lv = self.label(label)[..., None].chunk(2, dim=1)
            lk, lv = (lv, lk) if swap else (lk, lv)
            if use_label:
                k, v = torch.cat([k, lk], 2), torch.cat([v, lv], 2)

            def cut(z):
                if mixed:
                    return z.unflatten(1, (-1, self.heads)).permute(0, 2, 3, 1)
                return z.unflatten(1, (self.heads, -1)).transpose(2, 3)

            q, k, v = map(cut, (q, k, v))
            scores = q @ k.transpose(2, 3) / (math.sqrt(q.shape[3]) if root else 1)
            weights, v = keep(scores.softmax(axis), v)
            return (weights @ v).transpose(2, 3).reshape(x.shape)

    return LabelAttention


def label_alone(w, v):
    return w[..., -1:], v[:, :, -1:]


class WithWeights(TheirAttention):
    """The package's, and the label's part by turning its value off."""

    def from_label(self, x, label):
        state = self.label.weight.clone(), self.label.bias.clone()
        before = self(x, label)
        with torch.no_grad():
            half = len(state[1]) // 2
            self.label.weight[half:] = 0
            self.label.bias[half:] = 0
            after = self(x, label)
            self.label.weight[:], self.label.bias[:] = state
        return before - after


def without_its_key(self, x, label):
    other = attention(use_label=False)(
        x.shape[1], SimpleNamespace(heads=self.heads, embedding=label.shape[1])
    )
    other.load_state_dict(self.state_dict())
    return self(x, label) - other(x, label)


def cost(parameters=lambda a, b, k, s: a * b * k * k + b, work=lambda a, b, k, s: a * b * k * k * s * s):
    return lambda a, b, k, s: (parameters(a, b, k, s), work(a, b, k, s))


def cost_by_torch(width_in, width, kernel, size):
    layer = nn.Conv2d(width_in, width, kernel)
    return [sum(p.numel() for p in layer.parameters()), layer.weight.numel() * size * size]


def hot(c, K):
    return F.one_hot(c, K + 1).float()


def code(f):
    return lambda c, hidden, K: f(hot(c, K), hot(torch.full_like(c, K), K), hidden[:, None].float())


def code_by_loop(c, hidden, K):
    out = torch.zeros(len(c), K + 1)
    for i in range(len(c)):
        out[i, K if hidden[i] else c[i]] = 1
    return out


def ancestor(c, hidden, K):
    return F.one_hot(c, K).float() * (-1 * (1 - hidden[:, None].float()))


RIGHT = {
    "ex-04-1": [waves(), waves_by_loop],
    "ex-04-2": [film(lambda h, a, b: h * (1 + a) + b), film_by_loop],
    "ex-04-3": [block(), PlainBlock],
    "ex-04-4": [attention(), WithWeights],
    "ex-04-5": [cost(), cost_by_torch],
    "ex-04-6": [lambda c, hidden, K: hot(c.masked_fill(hidden, K), K), code_by_loop],
}

WRONG = {
    "ex-04-1": {
        "The sines come first in your answer": waves(join=lambda c, s: torch.cat([s, c], 1)),
        "Cosines and sines alternate": waves(join=lambda c, s: torch.stack([c, s], 2).flatten(1)),
        "Your frequencies rise": waves(lambda i, longest: longest ** (i / 32)),
        "i ends at 31": waves(lambda i, longest: longest ** (-i / 31)),
        "Your exponents are i / 64": waves(lambda i, longest: longest ** (-i / 64)),
        "Your angles have an extra factor of 2π": waves(by=2 * math.pi),
        "`longest` has no effect": lambda t, longest=1e4: waves()(t),
        "Your frequencies are in reverse order": waves(lambda i, longest: (longest ** (-i / 32)).flip(0)),
        "returned the shape": waves(join=lambda c, s: c),
    },
    "ex-04-2": {
        r"so multiply by 1 \+ scale": film(lambda h, a, b: h * a + b),
        "Scale and shift are swapped": film(lambda h, a, b: h * (1 + b) + a),
        "The shift is missing": film(lambda h, a, b: h * (1 + a)),
        "The scale is missing": film(lambda h, a, b: h + b),
        "then shift": film(lambda h, a, b: (h + b) * (1 + a)),
        "You read scales and shifts alternately": lambda h, context: (
            h * (1 + context[:, ::2, None, None]) + context[:, 1::2, None, None]
        ),
        "The shift is subtracted": film(lambda h, a, b: h * (1 + a) - b),
        "stopped with RuntimeError": lambda h, context: (
            h * (1 + context.chunk(2, 1)[0]) + context.chunk(2, 1)[1]
        ),
    },
    "ex-04-3": {
        "The shortcut is missing": block(end=lambda self, x, h: self.conv2(h)),
        r"multiply by 1 \+ scale": block(middle=lambda self, h, a, b: F.silu(self.norm2(h) * a + b)),
        "Only the shift": block(middle=lambda self, h, a, b: F.silu(self.norm2(h) + b)),
        "before `norm2`": block(middle=lambda self, h, a, b: F.silu(self.norm2(h * (1 + a) + b))),
        "`norm2` is not used": block(middle=lambda self, h, a, b: F.silu(h * (1 + a) + b)),
        "before `conv1` is missing": block(first=lambda h: h),
        "before `conv2` is missing": block(middle=lambda self, h, a, b: self.norm2(h) * (1 + a) + b),
        "does not start at zero": block(zero=lambda layer: layer),
        "the shift of the context still comes": block(
            lambda self: zeroed(self.conv1), zero=lambda layer: layer
        ),
        "the convolutions still change x": block(lambda self: zeroed(self.context), zero=lambda layer: layer),
        "x itself is lost": block(
            lambda self: zeroed(self.shortcut) if isinstance(self.shortcut, nn.Conv2d) else None
        ),
        "conv1 gets nothing of x": block(lambda self: zeroed(self.norm1), zero=lambda layer: layer),
        "the features are lost": block(lambda self: zeroed(self.norm2), zero=lambda layer: layer),
        "There is no parameter `attention": block(attention=None),
        "The attention gets the context": block(label=lambda context, c: context),
        "There is a parameter `extra": block(lambda self: setattr(self, "extra", nn.Linear(2, 2))),
        "wrong in": block(middle=no_context),
    },
    "ex-04-4": {
        "The label has no effect": attention(use_label=False),
        "The label's key and value are swapped": attention(swap=True),
        "root of d": attention(root=False),
        "over the queries": attention(axis=2),
        "not added to x": attention(alone=True),
        "There is only one head": attention(heads=1),
        "every fourth channel": attention(mixed=True),
        "Queries and keys": attention(order=(1, 0, 2)),
        "Keys and values are swapped": attention(order=(0, 2, 1)),
        "does not start at zero": attention(zero=lambda layer: layer),
        "There is no parameter `out": attention(name="project"),
        "The bias of `out` is in it": attention(
            brings=lambda self, x, c: self.out(self.seen(x, c, label_alone))
        ),
        "its full strength": attention(
            brings=lambda self, x, c: F.conv2d(
                self.seen(x, c, lambda w, v: (torch.ones_like(w[..., -1:]), v[:, :, -1:])), self.out.weight
            )
        ),
        "has yet to go through `out`": attention(brings=lambda self, x, c: self.seen(x, c, label_alone)),
        "what the places brought": attention(
            brings=lambda self, x, c: F.conv2d(
                self.seen(x, c, lambda w, v: (w[..., :-1], v[:, :, :-1])), self.out.weight
            )
        ),
        "what the first place brought": attention(
            brings=lambda self, x, c: F.conv2d(
                self.seen(x, c, lambda w, v: (w[..., :1], v[:, :, :1])), self.out.weight
            )
        ),
        "all other weights change": attention(brings=without_its_key),
        "what is left without": attention(brings=lambda self, x, c: self.forward_without(x, c)),
        "The sign is wrong": attention(brings=lambda self, x, c: self.forward_without(x, c) - self(x, c)),
        "all that the layer adds": attention(brings=lambda self, x, c: self(x, c) - x),
    },
    "ex-04-5": {
        "lack the bias": cost(lambda a, b, k, s: a * b * k * k),
        "for each input channel": cost(lambda a, b, k, s: a * b * k * k + a),
        "kernel x kernel": cost(lambda a, b, k, s: a * b * k + b),
        "all places share": cost(lambda a, b, k, s: a * b * k * k * s * s + b),
        "One kernel for each": cost(lambda a, b, k, s: b * k * k + b),
        "do not count it": cost(work=lambda a, b, k, s: (a * b * k * k + b) * s * s),
        "size x size": cost(work=lambda a, b, k, s: a * b * k * k * s),
        "used at every place": cost(work=lambda a, b, k, s: a * b * k * k),
        "count the multiplications": cost(work=lambda a, b, k, s: 2 * a * b * k * k * s * s),
    },
    "ex-04-6": {
        "The planted bug is still there": ancestor,
        "Your code has 5 places": lambda c, hidden, K: -ancestor(c, hidden, K),
        "The sign is still wrong": code(lambda shown, none, h: none * h - shown * (1 - h)),
        "The mask is inverted": code(lambda shown, none, h: shown * h + none * (1 - h)),
        "all zeros": code(lambda shown, none, h: shown * (1 - h)),
        "two ones": code(lambda shown, none, h: shown + none * h),
        "Nothing is hidden": code(lambda shown, none, h: shown),
        "became class 0": lambda c, hidden, K: hot(c.masked_fill(hidden, 0), K),
    },
}

RIGHT["ex-04-7"], WRONG["ex-04-7"] = reports.answers("ex-04-7")
