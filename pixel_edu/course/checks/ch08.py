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
    """Colours drawn at random, with the ends of grey."""
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
    rgb = [torch.from_numpy(each.reshape(-1, 3)).float() for each in (images, colors)]
    wrap = (images.reshape(-1, 1, 3) - colors[None]).astype(np.float32)
    ask.same(
        ask(images, colors, like=right),
        right,
        [
            (by(torch.cdist(*rgb)), "These are nearest in sRGB: compare in OKLab."),
            (
                by(torch.cdist(lab(images, 1.0), lab(colors, 1.0))),
                "`to_oklab` wants values from 0 to 1: divide by 255 first.",
            ),
            (
                by(torch.cdist(lab(images), lab(colors, 1.0))),
                "Only the images went through `to_oklab` in the right range: the palette needs the same.",
            ),
            (by(torch.cdist(lab(images), lab(colors)), torch.argmax), "These are the furthest colours."),
            (
                by(torch.from_numpy(np.square(wrap).sum(2))),
                "Your differences wrap round: in uint8, 3 - 5 is 254. Turn the values into floats first.",
            ),
            (
                by(torch.cdist(lab(images)[:, :1], lab(colors)[:, :1])),
                "Only the lightness is compared: all three numbers of OKLab count.",
            ),
            (images, "Nothing has changed: these are the images."),
        ],
    )


def needed(far: np.ndarray, limit: float, anew: bool = True, second: bool = True) -> np.ndarray:
    """The greedy search, pixel by pixel; the other arguments plant slips."""
    kept = sorted(set(far.argmin(axis=1).tolist()))

    def losses() -> dict[int, float]:
        loss = dict.fromkeys(kept, 0.0)
        for row in far:
            ranked = sorted(kept, key=lambda i: row[i])
            loss[ranked[0]] += row[ranked[1]] - row[ranked[0]] if second else row[ranked[0]]
        return loss

    if not anew:
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
    "What one pixel happens to have goes, and what a region shares stays.",
)
def colors_needed(ask: Ask) -> None:
    """Greedy, with the losses worked out anew."""
    places = ask.rng.random((12, 3))
    places[5], places[8] = places[2] + 0.01, places[9] + 0.015  # twins
    pixels = places[ask.rng.integers(0, 11, 60)] + ask.rng.normal(0, 0.02, (60, 3))
    far = np.square(pixels[:, None] - places[None]).sum(axis=2)
    used = np.unique(far.argmin(axis=1))
    for tolerance in (0.25, 0.6, 0.0, 100.0):
        right = needed(far, tolerance**2)
        got = ask(far, tolerance, what=f"with a tolerance of {tolerance:g}")
        ask.that(got is not None, f"{ask.name} returned None: is a `return` missing?")
        got = np.asarray(got)
        ask.that(
            got.ndim == 1 and got.size > 0,
            "Give back a list of colour numbers: the last colour always stays.",
        )
        ask.that(got.dtype.kind in "iu", f"Colour numbers are whole numbers, and these are {got.dtype}.")
        ask.that(bool((np.diff(got) > 0).all()), "The numbers are not in rising order, or one comes twice.")
        ask.that(
            set(got.tolist()) <= set(used.tolist()),
            "A colour stays that is nearest to no pixel: begin with those that some pixel is nearest to.",
        )
        wrong = [
            (
                needed(far, tolerance**2, anew=False),
                "Your losses are worked out once: after each drop work them out anew, or twins go together.",
            ),
            (needed(far, tolerance), "The loss is compared with the tolerance, not with its square."),
            (
                needed(far, tolerance**2, second=False),
                "Your loss is the distance to the colour itself: it is how much further away the next best is.",
            ),
            (used, "Nothing is dropped: these are all colours that some pixel is nearest to."),
            (
                np.setdiff1d(
                    used,
                    [
                        min(
                            used,
                            key=lambda i: sum(
                                np.sort(r[used])[1] - r[i] for r in far if r[used].min() == r[i]
                            ),
                        )
                    ],
                ),
                "Only one colour is dropped: go on while the smallest loss is small enough.",
            ),
        ]
        for numbers, message in wrong:
            ask.that(np.array_equal(got, right) or not np.array_equal(got, numbers), message)
        ask.that(
            np.array_equal(got, right),
            f"With a tolerance of {tolerance:g} the colours {got.tolist()} stay, and {right.tolist()} should.",
        )


@exercise(
    "ex-08-3",
    "projected(predict_eps, schedule, colors, above)",
    "The model sees its own work in true colours.",
)
def projected(ask: Ask) -> None:
    """A guess in the palette, and back to the noise."""
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

        def mend(distance: torch.Tensor) -> torch.Tensor:
            return values[distance.argmin(1)].reshape(2, 8, 8, 3).movedim(-1, 1)

        in_lab = mend(torch.cdist(to_oklab((pixels + 1) / 2), to_oklab((values + 1) / 2)))
        right = (x - level.signal * in_lab) / level.noise if near else eps
        got = ask(x, t, of=made, method="__call__", like=x, what=f"at t = {at}")
        slips = [
            (
                eps,
                "The answer is as the model gave it: where little noise is left, the guess must be mended.",
            ),
            (
                (x - level.signal * in_lab) / level.noise,
                "The answer is mended at much noise, too: there it stays as it is.",
            ),
            (in_lab, "You give the mended image: samplers ask for the noise that goes with it."),
            (x0, "You give the guess, not mended: samplers ask for the noise."),
            (
                (x - level.signal * mend(torch.cdist(pixels, values))) / level.noise,
                "The nearest colours are those of sRGB: compare in OKLab.",
            ),
            (
                (x - level.signal * mend(torch.cdist(to_oklab(pixels), to_oklab((values + 1) / 2))))
                / level.noise,
                "The guess went into `to_oklab` with values from -1 to 1: it wants 0 to 1.",
            ),
            (
                (x - level.signal * (in_lab + 1) / 2) / level.noise,
                "The palette's colours are 0 to 1 in your image: images run from -1 to 1.",
            ),
            (
                (x - in_lab) / level.noise,
                "On the way back the mended image keeps its full strength: in x it is weakened by the signal.",
            ),
            (
                x - level.signal * in_lab,
                "The noise that you give back is as weak as in x: divide by the noise level.",
            ),
        ]
        ask.same(got, right, slips, what=f"Its values at t = {at}", tolerance=1e-3)


@exercise("ex-08-4", "to_bits(index, bits)", "Eight pictures in black and white say it all.")
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
                (right[..., ::-1], "The highest bit is first here: the lowest comes first."),
                (b, "Your bits are 0 and 1: as an image they are 0 and 255."),
                (255 - right, "Black and white have changed places: 255 where the bit is 1."),
                (
                    (index[..., None] >> np.arange(bits)).astype(np.uint8),
                    "These are the numbers themselves shifted, not single bits: `& 1` leaves one bit.",
                ),
                (
                    (b << np.arange(bits)).astype(np.uint8),
                    "Each bit has its worth in it, 1, 2, 4 ...: all are 255.",
                ),
                (b * 128, "Your bits are 0 and 128: as an image they are 0 and 255."),
            ],
        )


@exercise("ex-08-5", "from_bits(images, colors)", "Whatever the model draws, it is a colour.")
def from_bits(ask: Ask) -> None:
    """Threshold, number, colour."""
    colors, images = palette_of(ask, 18), ask.rng.integers(0, 256, (2, 4, 5, 5)).astype(np.uint8)
    images[0, 0, :, 0] = (127, 128, 128, 127, 128)
    ones = images >= 128
    worth = 1 << np.arange(5)
    number = ones @ worth
    last = len(colors) - 1
    right = colors[np.minimum(number, last)]
    ask.same(
        ask(images, colors, like=right),
        right,
        [
            (
                colors[np.minimum(ones @ worth[::-1], last)],
                "The highest bit is first in your reading: the lowest comes first.",
            ),
            (
                colors[np.minimum((images > 128) @ worth, last)],
                "128 counts as a 0 here: a value of 128 or more is a 1.",
            ),
            (
                colors[number % len(colors)],
                "Numbers beyond the palette begin again from the first colour: they take the last.",
            ),
            (
                colors[np.where(number > last, 0, number)],
                "Numbers beyond the palette take the first colour: they take the last.",
            ),
            (
                colors[np.minimum(number, last - 1)],
                "Numbers beyond the palette take the last but one: the last has the number P - 1.",
            ),
            (
                colors[np.minimum((images > 0) @ worth, last)],
                "A bit counts as 1 wherever its value is not 0: it must be 128 or more.",
            ),
            (colors[np.minimum(~ones @ worth, last)], "Zeros and ones have changed places."),
            (
                colors[np.minimum(ones.sum(-1), last)],
                "Your bits are counted, and each has its worth: 1, 2, 4 ...",
            ),
        ],
    )


@exercise("ex-08-6", "squared_distance(images, color)", "Nothing wraps round any more.")
def squared_distance(ask: Ask) -> None:
    """A planted bug: small integers wrap round."""
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
                "The planted bug is still there: differences below 0 wrap round, and so do squares above 255.",
            ),
            (
                np.square(wrapped.astype(np.int64)).sum(axis=-1),
                "The squares fit now, but the differences still wrap round: 10 - 30 is 236 in uint8.",
            ),
            (
                (off.astype(np.int8) ** 2).sum(axis=-1).astype(np.int64),
                "The differences are right now, but their squares wrap round: convert to something wider than 8 bits.",
            ),
            (
                np.square(off).sum(axis=-1) % 65536 % 256,
                "The sum wraps round: convert before anything is computed.",
            ),
            (np.abs(off).sum(axis=-1), "These are sums of distances, not of their squares."),
            (np.sqrt(right).astype(np.int64), "These are roots: the squared distance is wanted."),
            (right // 3, "This is the mean over the channels: their sum is wanted."),
        ],
    )
    ask.same(
        ask(images, color.clip(max=3), like=right, what="for a dark colour"),
        np.square(images.astype(np.int64) - color.clip(max=3).astype(np.int64)).sum(axis=-1),
    )
