"""How a sprite is put together: text drawings become layers, layers become pixels.

A part is drawn as text, one letter a pixel, several variants side by side (a *sheet*):

    .      nothing
    #      shaded by rule, lit from the top left
    0-4    the layer's first colour ramp: outline, shadow, middle, light, highlight
    a-e    its second ramp, the same five shades
    p-t    its third ramp
    k w    ink and white
    x      cut: the background again

A *layer* names a sheet and the ramps its letters stand for; a *kind* (an apple, a sword, a hero) is a list of
layers, drawn one over the other and then outlined. Which variant and which ramp a sprite gets is a hash of its
seed and the factor's name. All arithmetic is on integers, so every platform draws the same pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pixel_edu.config import IMAGE_SIZE
from pixel_edu.sprites.palette import RAMPS

SHADES = 5
INK = 0  # the role whose ramp holds ink (shade 0) and white (shade 4); every kind has it
LETTERS = ".01234abcdepqrstkwx"
CUT = 255  # the slot of the letter x
AREA = IMAGE_SIZE * IMAGE_SIZE


class Sheet(NamedTuple):
    """Variants of one part.

    Attributes:
        names: one word a variant.
        codes: (V, 256) uint8, positions in `LETTERS`.
        weights: (V,) int64, how often a variant is drawn, relative to the others.
    """

    names: tuple[str, ...]
    codes: np.ndarray
    weights: np.ndarray


def sheet(text: str, top: int = 0, left: int = 0, half: bool = False) -> Sheet:
    """Read variants drawn side by side; the first line names them, `name*3` is drawn three times as often.

    Args:
        text: a line of names, then rows with one word a variant.
        top: the sprite's row in which the drawing begins.
        left: the column; below 0 cuts off the drawing's first columns.
        half: the drawing is the left half, 8 wide; the right half mirrors it, with its lights one shade duller.

    Raises:
        ValueError: rows of unequal length, or more rows than fit.
    """
    header, *rows = (line.split() for line in text.strip().splitlines())
    names, weights = zip(
        *((name, int(times or 1)) for name, _, times in (w.partition("*") for w in header)), strict=True
    )
    codes = np.zeros((len(names), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for y, row in enumerate(rows, start=top):
        if len(row) != len(names):
            raise ValueError(f"row {y} of the sheet {names} has {len(row)} drawings, not {len(names)}")
        for variant, word in enumerate(row):
            word = word + word[::-1].translate(_DULLER) if half else word
            seen = word.replace("#", "2")[max(0, -left) :]
            start = max(0, left)
            if start + len(seen) > IMAGE_SIZE or y >= IMAGE_SIZE:
                raise ValueError(f"row {y} of {names[variant]}, {word!r}, leaves the {IMAGE_SIZE} pixels")
            codes[variant, y, start : start + len(seen)] = [LETTERS.index(letter) for letter in seen]
    if "#" in text:
        _shade(codes, text, rows, top, left, half)
    return Sheet(names, codes.reshape(-1, AREA), np.array(weights))


_DULLER = str.maketrans("34destw", "23cdrsw")
"""Light and highlight of each ramp become one shade darker; white stays."""


def _shade(codes: np.ndarray, text: str, rows: list[list[str]], top: int, left: int, half: bool) -> None:
    """Give every '#' a shade by its place in the part's box: light top left, shadow bottom right."""
    for variant in range(len(codes)):
        words = [row[variant] + (row[variant][::-1] if half else "") for row in rows]
        cells = [(y, x) for y, word in enumerate(words) for x, letter in enumerate(word) if letter == "#"]
        if not cells:
            continue
        ys, xs = np.array(cells).T
        height, width = np.ptp(ys) + 1, np.ptp(xs) + 1
        # squared distance from the light, a third of the way in from the top left; the box is 2000 x 2000
        dy = (2000 * (ys - ys.min()) + 1000) // height - 650
        dx = (2000 * (xs - xs.min()) + 1000) // width - 650
        far = dy * dy + dx * dx
        shade = np.where(far < 330**2, 3, np.where(far < 1060**2, 2, 1))
        codes[variant, ys + top, xs + left] = shade + 1


def bits(text: str, top: int = 0, left: int = 0) -> Sheet:
    """Every subset of the pixels drawn in `text`, as one variant each: freckles, seeds, bubbles.

    Args:
        text: rows of one drawing with at most 7 pixels that are not '.'.
        top: the sprite's row in which the drawing begins.
        left: the column.
    """
    whole = sheet("all\n" + text.strip(), top, left).codes[0]
    spots = np.flatnonzero(whole)
    codes = np.zeros((2 ** len(spots), AREA), np.uint8)
    for variant in range(len(codes)):
        chosen = spots[[bool(variant >> i & 1) for i in range(len(spots))]]
        codes[variant, chosen] = whole[chosen]
    return Sheet(
        tuple(f"{v:0{len(spots)}b}" for v in range(len(codes))), codes, np.ones(len(codes), np.int64)
    )


class Layer(NamedTuple):
    """One part of a kind.

    Attributes:
        factor: what picks the variant.
        sheet: the variants.
        ramps: the roles that the letters 0-4, a-e and p-t stand for.
        inside: draw only on pixels that an earlier layer has drawn.
    """

    factor: str
    sheet: Sheet
    ramps: tuple[str, ...]
    inside: bool = False


@dataclass(frozen=True)
class Kind:
    """A thing that can be drawn.

    Attributes:
        name: what it is.
        layers: bottom first. Two layers with the same factor take the same variant number.
        ramps: for each role the names of the ramps it may take, from `palette.RAMPS`.
        outline: "ink" draws the rim in ink, "self" in the dark shade of what it surrounds.
        avoid: role -> another role whose ramp it must not repeat.
    """

    name: str
    layers: tuple[Layer, ...]
    ramps: dict[str, tuple[str, ...]]
    outline: str = "self"
    avoid: dict[str, str] = field(default_factory=dict)


def hashed(seeds: np.ndarray, stream: str, weights: np.ndarray) -> np.ndarray:
    """An index for each seed, `i` with probability weights[i] / sum: SplitMix64 of the seed and the stream's name.

    Args:
        seeds: (N,) int64, any value.
        stream: what is being chosen; other names give independent choices.
        weights: (V,) positive int64 with a sum below 2**32.

    Returns:
        (N,) int64 in 0 .. V-1.
    """
    start = 14695981039346656037
    for byte in stream.encode():  # FNV-1a, 64 bits
        start = (start ^ byte) * 1099511628211 % 2**64
    z = _mix(_mix(seeds.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(start))
    total = np.uint64(weights.sum())
    point = (z >> np.uint64(32)) * total >> np.uint64(32)
    return np.searchsorted(np.cumsum(weights).astype(np.uint64), point, side="right")


def _mix(z: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele et al. 2014), on uint64 with wrap-around."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def choose(kind: Kind, seeds: np.ndarray, stream: str) -> dict[str, np.ndarray]:
    """The factors of each seed: a variant number per layer, a ramp number (in `palette.RAMPS`) per role."""
    chosen = {}
    for layer in kind.layers:
        if layer.factor not in chosen:
            chosen[layer.factor] = hashed(seeds, f"{stream}/{layer.factor}", layer.sheet.weights)
    order = {name: i for i, name in enumerate(RAMPS)}
    for role, names in kind.ramps.items():
        ramps = np.array([order[name] for name in names])
        pick = ramps[hashed(seeds, f"{stream}/{role} ramp", np.ones(len(ramps), np.int64))]
        if role in kind.avoid:  # where it repeats a ramp to avoid, draw again from the other ramps
            # `again` numbers the ramps without the taken one, so from its place on each number is one higher
            taken = chosen[f"{kind.avoid[role]} ramp"]
            again = hashed(seeds, f"{stream}/{role} ramp again", np.ones(len(ramps) - 1, np.int64))
            place = np.searchsorted(ramps, taken) if np.all(np.diff(ramps) > 0) else None
            assert place is not None, (
                f"{kind.name}: the ramps of {role} must be distinct and in palette order"
            )
            others = np.where(again >= place, again + 1, again) % len(ramps)
            pick = np.where(pick == taken, ramps[others], pick)
        chosen[f"{role} ramp"] = pick
    return chosen


def arrange(kind: Kind, chosen: dict[str, np.ndarray]) -> np.ndarray:
    """The palette slot of each pixel: 0 is background, else 1 + SHADES * role + shade.

    Args:
        kind: what is drawn; role 0 is ink and white, the others are those of its ramps, in order.
        chosen: a variant number of each layer's factor, (N,).

    Returns:
        (N, 256) uint8.
    """
    roles = ["ink", *kind.ramps]
    count = len(next(iter(chosen.values())))
    canvas = np.zeros((count, AREA), np.uint8)
    for layer in kind.layers:
        drawn = _letters_to_slots([roles.index(r) for r in layer.ramps])[layer.sheet.codes][
            chosen[layer.factor]
        ]
        np.copyto(canvas, drawn, where=(drawn > 0) & (canvas > 0) if layer.inside else drawn > 0)
        canvas[drawn == CUT] = 0
    _outline(canvas.reshape(count, IMAGE_SIZE, IMAGE_SIZE), kind.outline)
    return canvas


def render(kind: Kind, chosen: dict[str, np.ndarray]) -> np.ndarray:
    """Draw one sprite for each row of the factors: (N, 16, 16, 3) uint8 on white."""
    canvas, roles = arrange(kind, chosen), ["ink", *kind.ramps]
    count = len(canvas)
    shades = np.array(list(RAMPS.values()), np.uint8)
    palette = np.full((count, 1 + SHADES * len(roles), 3), 255, np.uint8)
    palette[:, 1 : 1 + SHADES] = shades[list(RAMPS).index("ink")]
    for i, role in enumerate(roles[1:], start=1):
        palette[:, 1 + SHADES * i : 1 + SHADES * (i + 1)] = shades[chosen[f"{role} ramp"]]
    flat = palette.reshape(-1, 3)[canvas + np.arange(count)[:, None] * palette.shape[1]]
    return flat.reshape(count, IMAGE_SIZE, IMAGE_SIZE, 3)


def _letters_to_slots(roles: list[int]) -> np.ndarray:
    """The palette slot of each letter, for a layer whose ramps are these roles."""
    slots = [0]
    for role in (roles + roles[-1:] * 3)[:3]:
        slots += [1 + SHADES * role + shade for shade in range(SHADES)]
    return np.array([*slots, 1 + SHADES * INK, SHADES * (INK + 1), CUT], np.uint8)


def _outline(canvas: np.ndarray, style: str) -> None:
    """Draw a rim, one pixel wide, on the background pixels that touch the sprite above, below, left or right."""
    rim = np.zeros_like(canvas)
    for into, source in _NEIGHBOURS:
        np.maximum(rim[into], canvas[source], out=rim[into])
    dark = np.ones_like(rim) if style == "ink" else (rim - 1) // SHADES * SHADES + 1
    np.copyto(canvas, dark, where=(canvas == 0) & (rim > 0))


_ALL, _UP, _DOWN = slice(None), slice(None, -1), slice(1, None)
_NEIGHBOURS = [
    ((_ALL, _UP, _ALL), (_ALL, _DOWN, _ALL)),
    ((_ALL, _DOWN, _ALL), (_ALL, _UP, _ALL)),
    ((_ALL, _ALL, _UP), (_ALL, _ALL, _DOWN)),
    ((_ALL, _ALL, _DOWN), (_ALL, _ALL, _UP)),
]
