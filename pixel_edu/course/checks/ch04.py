"""Checks of chapter 4: the parts of the network."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from pixel_edu.course.checking import Ask, exercise
from pixel_edu.unet import UNetConfig

CONFIG = UNetConfig((16, 32), (False, True), embedding=24, heads=4)
State = dict[str, torch.Tensor]


@exercise("ex-04-1", "time_waves(t, longest)", "Every timestep has waves of its own.")
def time_waves(ask: Ask) -> None:
    """Cosines, then sines."""
    t = torch.from_numpy(ask.rng.permutation(1000)[:6])
    for longest in (10_000.0, 100.0):
        i = torch.arange(32, dtype=torch.float64)

        def waves(f: torch.Tensor, by: float = 1.0) -> torch.Tensor:
            angles = t.double()[:, None] * f * by
            return torch.cat([angles.cos(), angles.sin()], dim=1).float()

        f = longest ** (-i / 32)
        right = waves(f)
        ask.same(
            ask(t, longest, like=right, what=f"with longest = {longest:g}"),
            right,
            [
                (right.roll(32, 1), "The sines come first in your answer: cosines come first."),
                (
                    right.unflatten(1, (2, 32)).transpose(1, 2).flatten(1),
                    "Cosines and sines alternate: first all cosines, then all sines.",
                ),
                (waves(longest ** (i / 32)), "Your frequencies rise: they must fall from 1."),
                (
                    waves(longest ** (-i / 31)),
                    "Your last frequency is 1 / longest itself: the exponents are i / 32, and i ends at 31.",
                ),
                (
                    waves(longest ** (-i / 64)),
                    "Your exponents are i / 64: there are 32 frequencies, so divide by 32.",
                ),
                (
                    waves(f, 2 * math.pi),
                    "Your angles have an extra factor of 2π: they are t times the frequency.",
                ),
                (waves(10_000.0 ** (-i / 32)), "`longest` has no effect: your code uses 10,000."),
                (waves(f.flip(0)), "Your frequencies are in reverse order."),
            ],
            tolerance=1e-3,
        )


@exercise("ex-04-2", "scale_and_shift(h, context)", "The context reaches every channel.")
def scale_and_shift(ask: Ask) -> None:
    """Features times 1 + scale, plus shift."""
    h, context = ask.randn(3, 4, 5, 6), ask.randn(3, 8)
    scale, shift = context[..., None, None].chunk(2, dim=1)
    ask.same(
        ask(h, context, like=h),
        h * (1 + scale) + shift,
        [
            (
                h * scale + shift,
                "A scale of 0 silences the features: it must leave them as they are, so multiply by 1 + scale.",
            ),
            (
                h * (1 + shift) + scale,
                "Scale and shift are swapped: the first half of the context is the scale.",
            ),
            (h * (1 + scale), "The shift is missing."),
            (h + shift, "The scale is missing."),
            ((h + shift) * (1 + scale), "The shift is scaled too: scale the features first, then shift."),
            (
                h * (1 + context[:, ::2, None, None]) + context[:, 1::2, None, None],
                "You read scales and shifts alternately: first come all scales, then all shifts.",
            ),
            (h * (1 + scale) - shift, "The shift is subtracted: add it."),
        ],
    )


def group_norm(x: torch.Tensor, state: State, name: str) -> torch.Tensor:
    """Eight groups."""
    return F.group_norm(x, 8, state[f"{name}.weight"], state[f"{name}.bias"])


def attend(x: torch.Tensor, label: torch.Tensor, p: State, heads: int = 4, **slip: Any) -> torch.Tensor:
    """Attention over all places and the label, in plain sums, or what the label's value brings to it.

    `slip` plants mistakes.
    """
    qkv = F.conv2d(group_norm(x, p, "norm"), p["qkv.weight"], p["qkv.bias"]).flatten(2)
    q, k, v = (qkv.chunk(3, dim=1)[i] for i in slip.get("order", (0, 1, 2)))
    extra = F.linear(label, p["label.weight"], p["label.bias"])[..., None].chunk(2, dim=1)
    if slip.get("sees_label", True):
        extra = extra[::-1] if slip.get("swapped") else extra
        k, v = torch.cat([k, extra[0]], dim=2), torch.cat([v, extra[1]], dim=2)
    if slip.get("interleaved"):
        q, k, v = (z.unflatten(1, (-1, heads)).transpose(1, 2).flatten(1, 2) for z in (q, k, v))
    q, k, v = (z.unflatten(1, (heads if slip.get("cut", True) else 1, -1)) for z in (q, k, v))
    root = math.sqrt(q.shape[2]) if slip.get("root", True) else 1.0
    scores = torch.einsum("bhdq,bhdk->bhqk", q, k) / root
    weights = scores.softmax(slip.get("axis", 3))
    bias = p["out.bias"]
    if part := slip.get("part"):  # of the sum over keys
        weights, v = weights[..., part], v[..., part]
        weights = torch.ones_like(weights) if slip.get("unweighted") else weights
        bias = bias if slip.get("with_bias") else None
    seen = torch.einsum("bhqk,bhdk->bhdq", weights, v).flatten(1, 2).reshape(x.shape)
    if slip.get("before_out"):
        return seen
    out = F.conv2d(seen, p["out.weight"], bias)
    return out if slip.get("alone") else x + out


def block(x: torch.Tensor, context: torch.Tensor, label: torch.Tensor, p: State, **slip: Any) -> torch.Tensor:
    """A residual block in plain functions. `slip` plants mistakes."""
    silu = F.silu
    h = group_norm(x, p, "norm1")
    h = F.conv2d(h if slip.get("flat1") else silu(h), p["conv1.weight"], p["conv1.bias"], padding=1)
    scale, shift = F.linear(context, p["context.weight"], p["context.bias"])[..., None, None].chunk(2, dim=1)
    if slip.get("early"):
        h = group_norm(h * (1 + scale) + shift, p, "norm2")
    else:
        h = h if slip.get("no_norm") else group_norm(h, p, "norm2")
        h = h * ((0 if slip.get("no_one") else 1) + (0 if slip.get("no_scale") else scale)) + shift
    h = F.conv2d(h if slip.get("flat2") else silu(h), p["conv2.weight"], p["conv2.bias"], padding=1)
    past = F.conv2d(x, p["shortcut.weight"], p["shortcut.bias"]) if "shortcut.weight" in p else x
    h = h if slip.get("no_shortcut") else past + h
    parts = {
        key.removeprefix("attention."): value for key, value in p.items() if key.startswith("attention.")
    }
    return attend(h, label, parts) if parts and not slip.get("no_attention") else h


def shapes(width: int, width_in: int = 0, attends: bool = False) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a block's parameters; without width_in those of attention."""
    e = CONFIG.embedding
    if not width_in:
        parts = {
            "norm": (width,),
            "qkv": (3 * width, width, 1, 1),
            "label": (2 * width, e),
            "out": (width, width, 1, 1),
        }
    else:
        parts = {
            "norm1": (width_in,),
            "conv1": (width, width_in, 3, 3),
            "context": (2 * width, e),
            "norm2": (width,),
        }
        parts |= {"conv2": (width, width, 3, 3)}
        parts |= {"shortcut": (width, width_in, 1, 1)} if width != width_in else {}
        parts |= (
            {f"attention.{key}": value for key, value in _weights(shapes(width)).items()} if attends else {}
        )
    return {
        f"{key}.{end}": s
        for key, shape in parts.items()
        for end, s in (("weight", shape), ("bias", shape[:1]))
    }


def _weights(named: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {key.removesuffix(".weight"): shape for key, shape in named.items() if key.endswith(".weight")}


def _loaded(
    ask: Ask,
    arguments: tuple,
    wanted: dict[str, tuple[int, ...]],
    zero: str,
    never: dict[str, str] | None = None,
) -> tuple[Any, State]:
    """A module of the reader's with random parameters, after a look at those it begins with."""
    module = ask(*arguments, like=callable)
    first = ask(of=module, method="state_dict")
    missing, more = [key for key in wanted if key not in first], [key for key in first if key not in wanted]
    ask.that(
        not missing, f"There is no parameter `{missing and missing[0]}`: name the parts as the task does."
    )
    ask.that(
        not more, f"There is a parameter `{more and more[0]}` that the task does not have: leave it out."
    )
    for key, shape in wanted.items():
        got = tuple(first[key].shape)
        ask.that(got == shape, f"`{key}` has the shape {got}, not {shape}: look at the widths of that part.")
    for part, message in (never or {}).items():
        key = f"{part}.weight"
        ask.that(key not in wanted or bool(first[key].any()), f"`{part}` starts at zero: {message}")
    ask.that(
        not bool(first[f"{zero}.weight"].any()),
        f"`{zero}` does not start at zero: a new part must change nothing.",
    )
    state = {key: 0.3 * ask.randn(*shape) for key, shape in wanted.items()}
    ask(state, of=module, method="load_state_dict")
    return module, state


NOT_AT_ZERO = {
    "conv1": "the shift of the context still comes through behind it, so another part must, and one is enough.",
    "context": "the convolutions still change x, so another part must, and one is enough.",
    "shortcut": "x itself is lost.",
    "norm1": "conv1 gets nothing of x, and its bias and the context come through all the same.",
    "norm2": "the features are lost, and the shift of the context comes through all the same.",
}
"""Parts of a block that do not make it its shortcut alone, and why."""


@exercise("ex-04-3", "Block(width_in, width, config, attends)", "Your block can replace any in the network.")
def residual_block(ask: Ask) -> None:
    """Weights go in by name, features come out."""
    e = CONFIG.embedding
    for width_in, width, attends in ((16, 32, False), (16, 16, False), (32, 16, True)):
        where = f"from width {width_in} to {width}{' with attention' if attends else ''}"
        module, state = _loaded(
            ask, (width_in, width, CONFIG, attends), shapes(width, width_in, attends), "conv2", NOT_AT_ZERO
        )
        x, context, label = ask.randn(2, width_in, 4, 4), ask.randn(2, e), ask.randn(2, e)
        right = block(x, context, label, state)
        got = ask(x, context, label, of=module, method="forward", like=right, what=where)
        ask.same(
            got,
            right,
            [
                (
                    block(x, context, label, state, no_shortcut=True),
                    "The shortcut is missing: x bypasses the two convolutions and is added.",
                ),
                (
                    block(x, context, label, state, no_one=True),
                    "A scale of 0 silences the features: multiply by 1 + scale.",
                ),
                (
                    block(x, context, label, state, no_scale=True),
                    "Only the shift of the context is used: its first half is a scale.",
                ),
                (
                    block(x, context, label, state, early=True),
                    "The context is applied before `norm2`, which wipes most of it out: apply it after.",
                ),
                (block(x, context, label, state, no_norm=True), "`norm2` is not used."),
                (block(x, context, label, state, flat1=True), "The SiLU before `conv1` is missing."),
                (block(x, context, label, state, flat2=True), "The SiLU before `conv2` is missing."),
                (
                    block(x, label, label, state),
                    "The label is used in place of the context: the label is for the attention.",
                ),
                (block(x, context, label, state, no_attention=True), "The attention is not used."),
                (block(x, context, context, state), "The attention gets the context: it needs the label."),
            ],
            what=f"Its values {where}",
            tolerance=1e-3,
        )


@exercise(
    "ex-04-4", "LabelAttention(width, config)", "You can tell what the class brings from what the places do."
)
def label_attention(ask: Ask) -> None:
    """Weights go in by name, features come out."""
    module, state = _loaded(ask, (16, CONFIG), shapes(16), "out")
    x, label = ask.randn(2, 16, 3, 4), ask.randn(2, CONFIG.embedding)
    right = attend(x, label, state)
    got = ask(x, label, of=module, method="forward", like=right)
    slips = [
        ({"sees_label": False}, "The label has no effect: it must be one more key and one more value."),
        ({"swapped": True}, "The label's key and value are swapped."),
        ({"root": False}, "The scores are not divided by the root of d."),
        (
            {"axis": 2},
            "The softmax runs over the queries: it must run over the keys, so that each query's weights add up to 1.",
        ),
        ({"alone": True}, "The result of the attention is not added to x."),
        ({"cut": False}, "There is only one head: split the channels into `heads` parts."),
        (
            {"interleaved": True},
            "The heads take every fourth channel: split the channels into contiguous parts.",
        ),
        ({"order": (1, 0, 2)}, "Queries and keys are swapped."),
        ({"order": (0, 2, 1)}, "Keys and values are swapped."),
    ]
    ask.same(
        got, right, [(attend(x, label, state, **slip), message) for slip, message in slips], tolerance=1e-3
    )
    _from_label(ask, module, state, x, label, right)


def _from_label(
    ask: Ask, module: Any, state: State, x: torch.Tensor, label: torch.Tensor, whole: torch.Tensor
) -> None:
    """One term of the sum over keys, through the last layer without its bias."""

    def term(part: slice, **slip: Any) -> torch.Tensor:
        return attend(x, label, state, part=part, alone=True, **slip)

    last = slice(-1, None)
    right = term(last)
    got = ask(x, label, of=module, method="from_label", like=right)
    ask.same(
        got,
        right,
        [
            (
                term(last, with_bias=True),
                "The bias of `out` is in it: it is there without the label too, so it drops out of the difference.",
            ),
            (
                term(last, unweighted=True),
                "The label's value has its full strength: multiply by the weight that each place gives to it.",
            ),
            (
                term(last, before_out=True),
                "This is what a place sees of the label: it has yet to go through `out`.",
            ),
            (term(slice(0, -1)), "This is what the places brought: the label is the last of the keys."),
            (term(slice(0, 1)), "This is what the first place brought: the label is the last of the keys."),
            (
                whole - attend(x, label, state, sees_label=False),
                "You take the label's key away too, so that all other weights change: only its value is to be 0.",
            ),
            (whole - right, "This is what is left without the label's value: what is missing then?"),
            (-right, "The sign is wrong: the label adds this."),
            (whole - x, "This is all that the layer adds: how much of it came from the label?"),
        ],
        what="What the label brings: its values",
        tolerance=1e-3,
    )


@exercise("ex-04-5", "conv_cost(width_in, width, kernel, size)", "Now you see where a network's time goes.")
def conv_cost(ask: Ask) -> None:
    """Weights and work."""
    for a, b, k, s in ((12, 20, 3, 16), (7, 5, 1, 8)):
        weights = a * b * k * k
        parameters, work = ask(a, b, k, s, like=(1, 1), what=f"for {a} to {b} channels, kernel {k}, size {s}")
        ask.same(
            int(parameters),
            weights + b,
            [
                (weights, "Your parameters lack the bias, one number for each output channel."),
                (
                    weights + a,
                    "Your bias has one number for each input channel: it needs one for each output channel.",
                ),
                (a * b * k + b, "The kernel is square: it has kernel x kernel weights."),
                (
                    weights * s * s + b,
                    "The size of the picture does not matter for the parameters: all places share the weights.",
                ),
                (
                    b * k * k + b,
                    "One kernel for each output channel is not enough: each has weights for every input channel.",
                ),
            ],
            what="The parameters",
        )
        ask.same(
            int(work),
            weights * s * s,
            [
                ((weights + b) * s * s, "The bias is added, not multiplied: do not count it."),
                (weights * s, "The output is square: it has size x size places."),
                (weights, "These are the weights: each of them is used at every place."),
                (
                    2 * weights * s * s,
                    "You also count an addition for each multiplication: count the multiplications alone.",
                ),
            ],
            what="The multiplications",
        )


@exercise("ex-04-6", "class_code(c, hidden, K)", "No mask, no sign, nothing to get the wrong way round.")
def class_code(ask: Ask) -> None:
    """A planted bug: labels as minus one-hot."""
    K = 5
    c = torch.from_numpy(ask.rng.permutation([0, 1, 2, 3, 4, 2, 0, 4]))
    hidden = torch.tensor([True, False, False, True, False, True, False, False])
    shown = F.one_hot(c, K + 1).float()
    none = F.one_hot(torch.full_like(c, K), K + 1).float()
    h = hidden[:, None].float()
    right = shown * (1 - h) + none * h
    got = ask(c, hidden, K)
    ask.that(
        tuple(getattr(got, "shape", ())) != (8, K) or not bool((got < 0).any()),
        "The planted bug is still there: labels that are shown come out as minus one-hot, and none has a place for "
        '"no label".',
    )
    ask.that(
        tuple(getattr(got, "shape", ())) != (8, K),
        f'Your code has {K} places: with "no label" as a class of its own there are {K + 1}.',
    )
    ask.same(
        ask(c, hidden, K, like=right),
        right,
        [
            (
                none * h - shown * (1 - h),
                "The sign is still wrong: labels that are shown come out as minus one-hot.",
            ),
            (
                shown * h + none * (1 - h),
                "The mask is inverted: hidden labels are shown, and the others are hidden.",
            ),
            (
                shown * (1 - h),
                'Hidden labels are all zeros: "no label" is a class of its own, with a 1 at place K.',
            ),
            (shown + none * h, 'Hidden labels have two ones: the label is still there next to "no label".'),
            (shown, "Nothing is hidden: `hidden` has no effect."),
            (none, "Every label is hidden."),
            (
                shown * (1 - h) + F.one_hot(0 * c, K + 1).float() * h,
                '"No label" became class 0, which is a real class.',
            ),
        ],
    )
    ask.same(
        ask(c.clamp(max=2), hidden, 3, like=right[:, :4], what="with K = 3")[:, 3],
        h[:, 0],
        what="For K = 3, the entries of no label",
    )
