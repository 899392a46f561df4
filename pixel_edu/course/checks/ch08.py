"""Checks of chapter 8: palettes and bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from pixel_edu import sprites
from pixel_edu.course.checking import Ask, exercise
from pixel_edu.course.checks.ch02 import levels
from pixel_edu.palette import to_oklab
from pixel_edu.schedules import cosine


def lab(colors: np.ndarray, scale: float = 255) -> torch.Tensor:
    """Colours (..., 3) uint8 as rows of OKLab."""
    return to_oklab(torch.from_numpy(np.ascontiguousarray(colors)).float() / scale).reshape(-1, 3)


def palette_of(ask: Ask, count: int = 9) -> np.ndarray:
    """Random colours, and black and white."""
    drawn = ask.rng.integers(0, 256, (count, 3))
    return np.concatenate([drawn, [[255, 255, 255], [0, 0, 0]]]).astype(np.uint8)


@exercise("ex-08-1", "snap_to(images, colors)", "Every pixel has found its colour.")
def snap_to(ask: Ask) -> None:
    """The nearest colour in OKLab."""
    images, colors = sprites.make(6, seed=ask.seed).images, palette_of(ask)
    images = (images.astype(int) + ask.rng.integers(-25, 26, images.shape)).clip(0, 255).astype(np.uint8)

    def by(distance: torch.Tensor, pick: Callable = torch.argmin) -> np.ndarray:
        return colors[pick(distance, 1).numpy()].reshape(images.shape)

    right = by(torch.cdist(lab(images), lab(colors)))
    rgb, rgb_colors = (torch.from_numpy(each.reshape(-1, 3)).float() for each in (images, colors))
    wrap = (images.reshape(-1, 1, 3) - colors[None]).astype(np.float32)
    ask.same(
        ask(images, colors, like=right),
        right,
        [
            (by(torch.cdist(rgb, rgb_colors)), "These are the nearest colours in sRGB: compare in OKLab."),
            (
                by(torch.cdist(lab(images, 1.0), lab(colors, 1.0))),
                "`to_oklab` takes values from 0 to 1: divide by 255 first.",
            ),
            (
                by(torch.cdist(lab(images), lab(colors, 1.0))),
                "Only the images went through `to_oklab` in the right range: divide the palette by 255, too.",
            ),
            (by(torch.cdist(lab(images), lab(colors)), torch.argmax), "These are the furthest colours."),
            (
                by(torch.from_numpy(np.square(wrap).sum(2))),
                "Your differences wrap around: in uint8, 3 - 5 is 254. Convert to floats first.",
            ),
            (
                by(torch.cdist(lab(images)[:, :1], lab(colors)[:, :1])),
                "Only the lightness is compared: all three numbers of OKLab count.",
            ),
            (images, "Nothing has changed: these are the images."),
        ],
    )


def needed(far: np.ndarray, limit: float, again: bool = True, second: bool = True) -> np.ndarray:
    """The greedy search, pixel by pixel; the other arguments plant slips."""
    kept = sorted(set(far.argmin(axis=1).tolist()))

    def losses() -> dict[int, float]:
        loss = dict.fromkeys(kept, 0.0)
        for row in far:
            ranked = sorted(kept, key=lambda i: row[i])
            loss[ranked[0]] += row[ranked[1]] - row[ranked[0]] if second else row[ranked[0]]
        return loss

    if not again:
        loss = losses()
        return np.array([i for i in kept if loss[i] > limit] or kept[:1])
    while len(kept) > 1:
        loss = losses()
        worst = min(kept, key=lambda i: loss[i])
        if loss[worst] > limit:
            break
        kept.remove(worst)
    return np.array(kept)


@exercise(
    "ex-08-2",
    "colors_needed(far, tolerance)",
    "Colours of a stray pixel go, and colours that a region shares stay.",
)
def colors_needed(ask: Ask) -> None:
    """Greedy, with the losses computed again after each drop."""
    places = ask.rng.random((12, 3))
    places[5], places[8] = places[2] + 0.01, places[9] + 0.015  # twins
    pixels = places[ask.rng.integers(0, 11, 60)] + ask.rng.normal(0, 0.02, (60, 3))
    far = np.square(pixels[:, None] - places[None]).sum(axis=2)
    used = np.unique(far.argmin(axis=1))

    def loss(i: int) -> float:
        """What dropping a colour costs while all the others are there."""
        return sum(np.sort(row[used])[1] - row[i] for row in far if row[used].min() == row[i])

    for tolerance in (0.25, 0.6, 0.0, 100.0):
        right = needed(far, tolerance**2)
        got = ask(far, tolerance, what=f"with a tolerance of {tolerance:g}")
        ask.that(got is not None, f"{ask.name} returned None: is a `return` missing?")
        got = np.asarray(got)
        ask.that(
            got.ndim == 1 and got.size > 0, "Return a list of colour numbers: the last colour always stays."
        )
        ask.that(got.dtype.kind in "iu", f"Colour numbers are integers, but these are {got.dtype}.")
        ask.that(
            bool((np.diff(got) > 0).all()), "The numbers are not in ascending order, or one appears twice."
        )
        ask.that(
            set(got.tolist()) <= set(used.tolist()),
            "You keep a colour that is nearest to no pixel: begin with those that are nearest to some pixel.",
        )
        wrong = [
            (
                needed(far, tolerance**2, again=False),
                "Your losses are computed once: compute them again after each drop, or near twins go together.",
            ),
            (needed(far, tolerance), "The loss is compared with the tolerance, not with its square."),
            (
                needed(far, tolerance**2, second=False),
                "Your loss is the distance to the colour itself: it is how much further away the second nearest is.",
            ),
            (used, "Nothing is dropped: these are all the colours that are nearest to some pixel."),
            (
                np.setdiff1d(used, [min(used, key=loss)]),
                "Only one colour is dropped: continue while the smallest loss is small enough.",
            ),
        ]
        for numbers, message in wrong:
            ask.that(np.array_equal(got, right) or not np.array_equal(got, numbers), message)
        ask.that(
            np.array_equal(got, right),
            f"With a tolerance of {tolerance:g} the colours {got.tolist()} stay; it should be {right.tolist()}.",
        )


@exercise(
    "ex-08-3",
    "projected(predict_eps, schedule, colors, above)",
    "The model sees its own work in true colours.",
)
def projected(ask: Ask) -> None:
    """The guess snapped to the palette, and the noise that goes with it."""
    schedule, colors = cosine(100), palette_of(ask)
    x = ask.randn(2, 3, 8, 8)

    def predict_eps(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return 0.4 * x.sin() + t.reshape(-1, 1, 1, 1) / 300

    made = ask(predict_eps, schedule, colors, 1.0, like=callable)
    values = torch.from_numpy(colors).float() / 127.5 - 1
    for at in (12, 5, 80):
        t = torch.full((2,), at)
        level, eps = levels(schedule.alpha_bar[t]), predict_eps(x, t)
        near = float(level.half_log_snr[0]) > 1.0
        x0 = (x - level.noise * eps) / level.signal
        pixels = x0.movedim(1, -1).reshape(-1, 3)

        def snapped(distance: torch.Tensor) -> torch.Tensor:
            return values[distance.argmin(1)].reshape(2, 8, 8, 3).movedim(-1, 1)

        palette = to_oklab((values + 1) / 2)
        in_lab = snapped(torch.cdist(to_oklab((pixels + 1) / 2), palette))
        right = (x - level.signal * in_lab) / level.noise if near else eps
        got = ask(x, t, of=made, method="__call__", like=x, what=f"at t = {at}")
        slips = [
            (
                eps,
                "The answer is the model's: where little noise is left, the guess must be snapped to the palette.",
            ),
            (
                (x - level.signal * in_lab) / level.noise,
                "The guess is snapped at high noise, too: there the answer stays as it is.",
            ),
            (in_lab, "You return the snapped image: samplers want the noise that goes with it."),
            (x0, "You return the guess, not even snapped: samplers want the noise."),
            (
                (x - level.signal * snapped(torch.cdist(pixels, values))) / level.noise,
                "These are the nearest colours in sRGB: compare in OKLab.",
            ),
            (
                (x - level.signal * snapped(torch.cdist(to_oklab(pixels), palette))) / level.noise,
                "The guess went into `to_oklab` with values from -1 to 1: it takes 0 to 1.",
            ),
            (
                (x - level.signal * (in_lab + 1) / 2) / level.noise,
                "The palette's colours run from 0 to 1 in your image: images run from -1 to 1.",
            ),
            (
                (x - in_lab) / level.noise,
                "You subtract the snapped image at full strength: in x it is scaled by the signal.",
            ),
            (
                x - level.signal * in_lab,
                "The noise that you return is still scaled as in x: divide by the noise level.",
            ),
        ]
        ask.same(got, right, slips, what=f"Its values at t = {at}", tolerance=1e-3)


@exercise("ex-08-4", "to_bits(index, bits)", "Eight black-and-white pictures say it all.")
def to_bits(ask: Ask) -> None:
    """Lowest bit first."""
    for bits in (8, 3):
        index = ask.rng.integers(0, 2**bits, (2, 4, 5))
        b = np.array(
            [[[[int(bit) for bit in f"{n:0{bits}b}"[::-1]] for n in row] for row in page] for page in index]
        )
        right = (b * 255).astype(np.uint8)
        ask.same(
            ask(index, bits, like=right, what=f"with {bits} bits"),
            right,
            [
                (right[..., ::-1], "Your highest bit comes first: the lowest bit comes first."),
                (b, "Your bits are 0 and 1: as an image they are 0 and 255."),
                (255 - right, "Black and white are swapped: 255 where the bit is 1."),
                (
                    (index[..., None] >> np.arange(bits)).astype(np.uint8),
                    "These are shifted numbers, not single bits: `& 1` keeps one bit.",
                ),
                (
                    (b << np.arange(bits)).astype(np.uint8),
                    "Your bits are weighted, 1, 2, 4 ...: each must be 255.",
                ),
                (b * 128, "Your bits are 0 and 128: as an image they are 0 and 255."),
            ],
        )


@exercise("ex-08-5", "from_bits(images, colors)", "Whatever the model draws, it is a colour of the palette.")
def from_bits(ask: Ask) -> None:
    """Threshold, number, colour."""
    colors, images = palette_of(ask, 18), ask.rng.integers(0, 256, (2, 4, 5, 5)).astype(np.uint8)
    images[0, 0, :, 0] = (127, 128, 128, 127, 128)
    ones = images >= 128
    weights = 1 << np.arange(5)
    number = ones @ weights
    last = len(colors) - 1
    right = colors[np.minimum(number, last)]
    ask.same(
        ask(images, colors, like=right),
        right,
        [
            (
                colors[np.minimum(ones @ weights[::-1], last)],
                "You read the highest bit first: the lowest comes first.",
            ),
            (
                colors[np.minimum((images > 128) @ weights, last)],
                "You read 128 as 0: a value of 128 or more is a 1.",
            ),
            (
                colors[number % len(colors)],
                "Numbers beyond the palette wrap around to the first colours: they take the last one.",
            ),
            (
                colors[np.where(number > last, 0, number)],
                "Numbers beyond the palette take the first colour: they must take the last one.",
            ),
            (
                colors[np.minimum(number, last - 1)],
                "Numbers beyond the palette take the last but one: the last colour has the number P - 1.",
            ),
            (
                colors[np.minimum((images > 0) @ weights, last)],
                "You read every value above 0 as a 1: it must be 128 or more.",
            ),
            (colors[np.minimum(~ones @ weights, last)], "Zeros and ones are swapped."),
            (colors[np.minimum(ones.sum(-1), last)], "You count the bits: weight them by 1, 2, 4 ..."),
        ],
    )


@exercise("ex-08-6", "squared_distance(images, color)", "Nothing wraps around any more.")
def squared_distance(ask: Ask) -> None:
    """A planted bug: small integers wrap around."""
    images = ask.rng.integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    color = ask.rng.integers(100, 160, 3).astype(np.uint8)
    off = images.astype(np.int64) - color.astype(np.int64)
    right = np.square(off).sum(axis=-1)
    wrapped = images - color
    ask.same(
        ask(images, color, like=right),
        right,
        [
            (
                (wrapped**2).sum(axis=-1).astype(np.int64),
                "The planted bug is still there: differences below 0 wrap around, and so do squares above 255.",
            ),
            (
                np.square(wrapped.astype(np.int64)).sum(axis=-1),
                "The squares fit now, but the differences still wrap around: 10 - 30 is 236 in uint8.",
            ),
            (
                (off.astype(np.int8) ** 2).sum(axis=-1).astype(np.int64),
                "The differences are right now, but their squares wrap around: convert to more than 8 bits.",
            ),
            (
                np.square(off).sum(axis=-1) % 65536 % 256,
                "The sum wraps around: convert before computing anything.",
            ),
            (np.abs(off).sum(axis=-1), "These are sums of absolute differences, not of squares."),
            (np.sqrt(right).astype(np.int64), "These are distances: return their squares."),
            (right // 3, "This is the mean over the channels: return the sum."),
        ],
    )
    ask.same(
        ask(images, color.clip(max=3), like=right, what="for a dark colour"),
        np.square(images.astype(np.int64) - color.clip(max=3).astype(np.int64)).sum(axis=-1),
    )


@exercise(
    "ex-08-7",
    "merged(a, b, n, m)",
    "The mean of all the pixels, and n m / (n + m) squared distances.",
)
def merged(ask: Ask) -> None:
    """What two colours cost to merge."""
    for n, m in ((3, 5), (1, 1), (40, 2)):
        a, b = (ask.rng.uniform(-0.3, 0.9, 3) for _ in range(2))
        far, size = float(((a - b) ** 2).sum()), n + m
        c, cost = ask(a, b, n, m, like=(a, 1.0), what=f"with {n} and {m} pixels")
        ask.same(
            c,
            (n * a + m * b) / size,
            [
                ((a + b) / 2, "Your colour is half-way between the two, however many pixels each has."),
                (
                    (m * a + n * b) / size,
                    "Your colour is nearer to the one with fewer pixels: n belongs to `a`.",
                ),
                (a if n >= m else b, "Your colour is that of the larger group: a colour between is cheaper."),
                (n * a + m * b, "Your colour is a sum over all pixels: divide by their number."),
            ],
            what="The colours",
        )
        ask.same(
            cost,
            n * m / size * far,
            [
                (
                    size * far / 4,
                    "Your cost is that of the colour half-way, which is not the cheapest unless n equals m.",
                ),
                (min(n, m) * far, "Your cost is that of giving the smaller group the other's colour."),
                (n * m / size * far**0.5, "Your cost holds the distance: it should hold its square."),
                (n * m / size**2 * far, "Your cost is that of one pixel on average: sum over all of them."),
                (n * m * far, "Your cost is n m squared distances: work out the case n = m = 1 by hand."),
                (n * m / size * far / 3, "Your cost is a mean over the three channels: sum over them."),
            ],
            what="The costs",
        )
