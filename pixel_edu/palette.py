"""Pixel art has few colours, each meant. Three ways to make a model's sprites so.

- `snap` corrects finished sprites: every pixel takes a colour of a palette, and no sprite more colours than it needs.
- `projected` corrects the guess for the clean image at every call, so the model sees its own work in true colours.
- `to_bits` and `from_bits` turn the question round: the model draws the bits of a colour's number, so it cannot draw
  anything outside the palette ("analog bits", Chen et al. 2022, arXiv:2208.04202).

Sprites may have alpha. A pixel of them is opaque or transparent, nothing between: pixel art has no soft edges. What is
transparent has no colour to compare, and comes out white.

Colours are compared in OKLab, in which equal distances look about equally different (Ottosson 2020,
https://bottosson.github.io/posts/oklab/).
"""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pixel_edu.diffusion import Images, clean
from pixel_edu.facts import CHANNELS_OF
from pixel_edu.images import WHITE, indexed, to_tensor
from pixel_edu.samplers import PredictEps
from pixel_edu.schedules import Schedule

_TO_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


BITS = 8
MOST = 2**BITS
"""Colours in a palette: as many as a PNG file can list."""
REACH = 0.005
"""In OKLab, by so much at a time a colour of a palette comes to stand for others."""
OPAQUE = 128
"""The least alpha of a pixel that counts as opaque."""


def to_oklab(rgb: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """From sRGB in [0, 1] to OKLab: lightness in [0, 1], green to red, and blue to yellow.

    >>> to_oklab(torch.ones(3)).round(decimals=3).tolist()
    [1.0, 0.0, 0.0]
    """
    rgb = rgb.clamp(0, 1)
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = linear @ _TO_CONES.to(rgb).T
    return cones.clamp(min=0) ** (1 / 3) @ _TO_LAB.to(rgb).T


def find_palette(images: np.ndarray, most: int = MOST) -> np.ndarray:
    """The colours that images use, where they are opaque, the most frequent first.

    Args:
        images: (N, H, W, 3 or 4) uint8.
        most: colours to find.

    Returns:
        (P, 3) uint8, at most `most`.
    """
    found = []
    for part in np.array_split(images, max(len(images) // 1000, 1)):
        colors = part[..., :3].reshape(-1, 3)[opaque(part).ravel()]
        found.append(np.unique(colors.astype(np.int64) @ (65536, 256, 1), return_counts=True))
    numbers, counts = map(np.concatenate, zip(*found, strict=True))
    used, at = np.unique(numbers, return_inverse=True)
    times = np.bincount(at, counts, len(used))
    found = used[np.argsort(-times, kind="stable")[:most]]
    return np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.uint8)


def covering_palette(images: np.ndarray, most: int = MOST) -> np.ndarray:
    """All colours that images use, or where they are too many, some of them that stand for all.

    The most frequent colour stands for all within reach of it in OKLab, then the most frequent of the rest for those
    within reach of it, and so on. The reach is the shortest, in steps of `REACH`, with which `most` are enough. So a
    frequent colour is there as it is, and no rare one is far from a colour of the palette.

    Args:
        images: (N, H, W, 3 or 4) uint8.
        most: colours to find.

    Returns:
        (P, 3) uint8, at most `most`, the most frequent first.

    >>> greys = np.array([0, 0, 0, 255, 255, 1], np.uint8).reshape(1, 1, 6, 1).repeat(3, axis=3)
    >>> covering_palette(greys, 2).tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    colors = find_palette(images, 2**24)
    lab = _lab(colors)
    covers = (_cover(lab, REACH * steps, most) for steps in itertools.count())
    return colors[next(chosen for chosen in covers if len(chosen) <= most)]


def _cover(lab: np.ndarray, reach: float, most: int) -> list[int]:
    """Rows that stand for all others, the first of those left each time; the search ends where they are too many."""
    chosen, left = [], np.arange(len(lab))
    while len(left) and len(chosen) <= most:
        chosen.append(int(left[0]))
        left = left[np.square(lab[left] - lab[left[0]]).sum(axis=1) > reach**2]
    return chosen


def opaque(images: np.ndarray) -> np.ndarray:
    """Which pixels are opaque: (..., 3 or 4) uint8 to (...) bool; without alpha, all."""
    return images[..., 3] >= OPAQUE if images.shape[-1] == 4 else np.ones(images.shape[:-1], bool)


def with_alpha(colors: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Colours with alpha 255 where a mask is true, and elsewhere transparent white.

    Args:
        colors: (..., 3) uint8.
        solid: (...) bool.

    Returns:
        (..., 4) uint8.
    """
    alpha = np.where(solid[..., None], np.uint8(255), np.uint8(0))
    return np.concatenate([np.where(solid[..., None], colors, np.uint8(WHITE)), alpha], axis=-1)


def for_bits(palette: np.ndarray) -> np.ndarray:
    """Order a palette so that the bits of a colour's number go from coarse to fine.

    The highest bit halves the colours across the axis of OKLab along which they differ most, mostly lightness. The next
    bit halves each half in the same way, and so on; so colours that differ in low bits only are close.

    Args:
        palette: (P, 3) uint8.
    """
    return palette[_halved(np.arange(len(palette)), _lab(palette))]


def _halved(index: np.ndarray, lab: np.ndarray) -> np.ndarray:
    if len(index) < 2:
        return index
    # The largest power of 2 below the count, not the middle: there the highest bit of a colour's number changes.
    half = 1 << (len(index) - 1).bit_length() - 1
    ordered = index[np.argsort(lab[index, lab[index].var(axis=0).argmax()], kind="stable")]
    return np.concatenate([_halved(part, lab) for part in (ordered[:half], ordered[half:])])


def to_words(palette: np.ndarray) -> str:
    """A palette as text: (P, 3) uint8 to hexadecimal colours with spaces between, such as "ffffff 17131f"."""
    return " ".join(color.tobytes().hex() for color in palette)


def from_words(text: str) -> np.ndarray:
    """Undo `to_words`.

    Raises:
        ValueError: a word is not a colour.
    """
    return np.array([tuple(bytes.fromhex(word)) for word in text.split()], np.uint8).reshape(-1, 3)


def nearest(images: np.ndarray, palette: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest colour of a palette for every pixel.

    Args:
        images: (N, H, W, 3) uint8.
        palette: (P, 3) uint8.

    Returns:
        index: (N, H, W) int64, of the colour.
        distance: (N, H, W) float32, to it, in OKLab.
    """
    colors, place = indexed(images.reshape(1, -1, 3))
    found = torch.cdist(torch.from_numpy(_lab(colors)), torch.from_numpy(_lab(palette))).min(dim=1)
    index, distance = found.indices.numpy(), found.values.numpy()
    # Rounding puts a colour a millionth away from itself.
    distance[(palette[index] == colors).all(axis=1)] = 0
    return index[place].reshape(images.shape[:3]), distance[place].reshape(images.shape[:3])


def distances(images: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """How far every pixel is from the nearest colour of a palette, in OKLab; what is transparent is at no distance.

    Args:
        images: (N, H, W, 3 or 4) uint8.
        palette: (P, 3) uint8.

    Returns:
        (N, H, W) float32.
    """
    return np.where(opaque(images), nearest(images[..., :3], palette)[1], np.float32(0))


def snap(
    images: np.ndarray, palette: np.ndarray | None = None, tolerance: float = 0.11, loneliness: float = 0.055
) -> np.ndarray:
    """Give every pixel a colour of a palette, every sprite no more colours than it needs, and stray pixels a neighbour.

    Every pixel begins with its nearest colour. Then colours go, one by one: always the one whose pixels lose least by
    taking their next best, as long as that loss, the root of a sum of squared distances in OKLab, is within the
    tolerance. A colour of a single pixel goes; a colour that a region shares stays. Last, a pixel that differs from the
    pixels above, below, left and right takes the colour of one of them, if it is nearly as near.

    Where there is alpha, pixels become opaque or transparent first. No pixel joins what is transparent.

    Args:
        images: (N, H, W, 3 or 4) uint8.
        palette: (P, 3) uint8; default: one for each sprite, by k-means.
        tolerance: of a colour's loss, in OKLab; 0 keeps all that are nearest to some pixel.
        loneliness: root of the largest increase in squared distance at which a stray pixel joins a neighbour; 0 leaves
            stray pixels as they are.

    Returns:
        (N, H, W, 3 or 4) uint8, as the images.

    >>> grey = np.full((1, 2, 2, 3), 100, np.uint8)
    >>> snap(grey, np.array([[0, 0, 0], [99, 99, 99]], np.uint8))[0, 0, 0].tolist()
    [99, 99, 99]
    """
    return np.stack([_snap_one(image, palette, tolerance, loneliness) for image in images])


def _snap_one(
    image: np.ndarray, palette: np.ndarray | None, tolerance: float, loneliness: float
) -> np.ndarray:
    solid, colors = opaque(image), image[..., :3].reshape(-1, 3)
    if not solid.any():
        return with_alpha(image[..., :3], solid)
    lab, rows = _lab(colors), solid.ravel()
    palette = _kmeans(colors[rows], lab[rows]) if palette is None else palette
    # One more colour stands for "transparent", infinitely far from every colour: no pixel changes sides.
    far = np.where(rows[:, None], _squared(lab, _lab(palette)), np.inf)
    far = np.concatenate([far, np.where(rows, np.inf, 0)[:, None]], axis=1, dtype=lab.dtype)
    kept = _needed(far, tolerance**2)
    index = kept[far[:, kept].argmin(axis=1)]
    joined = _join(index.reshape(image.shape[:2]), far, loneliness**2)
    snapped = np.concatenate([palette, np.full((1, 3), WHITE, np.uint8)])[joined]
    return snapped if image.shape[-1] == 3 else with_alpha(snapped, solid)


def _needed(far: np.ndarray, tolerance: float) -> np.ndarray:
    """Which colours stay, given every pixel's squared distance to each: (pixels, P) to (K,) int64."""
    kept = np.unique(far.argmin(axis=1))
    pixels = np.arange(len(far))
    while len(kept) > 1:
        # What it would cost to drop each colour: its pixels go to their second choice, so that distance replaces the
        # first. The cheapest is dropped, and all costs are counted anew.
        part = far[:, kept]
        first = part.argmin(axis=1)
        best = part[pixels, first]
        part[pixels, first] = np.inf
        loss = np.bincount(first, part.min(axis=1) - best, minlength=len(kept))
        if loss.min() > tolerance:
            break
        kept = np.delete(kept, loss.argmin())
    return kept


def _join(index: np.ndarray, far: np.ndarray, worth: float) -> np.ndarray:
    """Let stray pixels join a neighbour: first the white squares of a chessboard, then the black ones, and again.

    Pixels of one colour of the board are never neighbours, so a pixel and the one that it joins do not both change in
    the same pass, which could swap their colours for ever.
    """
    height, width = index.shape
    far = far.reshape(height, width, -1)
    y, x = np.indices(index.shape)
    for turn in (0, 1, 0, 1):
        around = np.pad(index, 1, mode="edge")  # at the border a pixel has itself for a neighbour
        near = np.stack([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
        inside = np.stack([y > 0, y < height - 1, x > 0, x < width - 1])
        stray = ~((near == index) & inside).any(axis=0) & ((y + x) % 2 == turn)
        cost = np.where(inside, far[y, x, near], np.inf)
        choice = cost.argmin(axis=0)[None]
        cheap = np.take_along_axis(cost, choice, 0)[0] < far[y, x, index] + worth
        index = np.where(stray & cheap, np.take_along_axis(near, choice, 0)[0], index)
    return index


def _kmeans(colors: np.ndarray, lab: np.ndarray, k: int = 32, rounds: int = 10) -> np.ndarray:
    """A palette for one sprite: the k-means of its pixels in OKLab, each as the pixel's colour that is nearest to it.

    The first means are the pixel in the middle of all, and then always the one that is farthest from those chosen.
    """
    means = lab[_squared(lab, np.median(lab, axis=0, keepdims=True)).argmin(axis=0)]
    while len(means) < k:
        far = _squared(lab, means).min(axis=1)
        if far.max() < 1e-6:
            break
        means = np.concatenate([means, lab[[far.argmax()]]])
    for _ in range(rounds):
        own = _squared(lab, means).argmin(axis=1)
        means = np.stack([lab[own == i].mean(axis=0) for i in np.unique(own)])
    return np.unique(colors[_squared(lab, means).argmin(axis=0)], axis=0)


def projected(
    predict_eps: PredictEps, schedule: Schedule, palette: np.ndarray, above: float = 2.0
) -> PredictEps:
    """Bind a palette to a guided model: its guess for the clean image takes the nearest colours at every call.

    Early guesses are blurred, and true colours for them change some sprites; so only calls at which λ, half the
    log-SNR, is above a limit are corrected.

    Args:
        predict_eps: maps x (B, 3 or 4, H, W) and t (B,) to the noise in x, all of one timestep.
        schedule: of the timesteps.
        palette: (P, 3) uint8.
        above: the limit for λ.

    Returns:
        Like `predict_eps`, with the noise that a clean image in these colours implies; alpha is as it was.
    """
    values, lab = to_tensor(palette[None, None])[0, :, 0].T, torch.from_numpy(_lab(palette))

    def in_palette(x: Images, t: Int[Tensor, " b"]) -> Images:
        eps, level = predict_eps(x, t), schedule.levels(t)
        if not bool((level.half_log_snr > above).all()):
            return eps
        x0 = clean(x, eps, level, "eps").x0
        colors = x0[:, :3].movedim(1, 3)
        index = torch.cdist(to_oklab((colors + 1) / 2).flatten(0, 2), lab.to(x)).argmin(dim=1)
        corrected = values.to(x)[index].reshape(colors.shape).movedim(3, 1)
        return (x - level.signal * torch.cat([corrected, x0[:, 3:]], dim=1)) / level.noise

    return in_palette


def to_bits(index: Int[np.ndarray, "n h w"], bits: int = BITS) -> np.ndarray:
    """Colour numbers as images of bits, lowest first, which a model can learn like any other.

    Args:
        index: (N, H, W) int64 in 0 .. 2**bits - 1.
        bits: how many.

    Returns:
        (N, H, W, bits) uint8, each 0 or 255.

    >>> to_bits(np.array([[[5]]]), 3).tolist()
    [[[[255, 0, 255]]]]
    """
    return ((index[..., None] >> np.arange(bits) & 1) * 255).astype(np.uint8)


def as_bits(images: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Sprites as images of the bits of their colours' numbers, for a model to learn.

    Args:
        images: (N, H, W, 3 or 4) uint8; every pixel counts as the palette's nearest colour.
        palette: (P, 3) uint8.

    Returns:
        (N, H, W, 8) uint8, each 0 or 255; where there is alpha, it is a ninth.
    """
    bits = to_bits(nearest(images[..., :3], palette)[0])
    if images.shape[-1] == 3:
        return bits
    return np.concatenate([bits, np.where(opaque(images), 255, 0).astype(np.uint8)[..., None]], axis=-1)


def as_sprites(drawn: np.ndarray, palette: np.ndarray | None = None) -> np.ndarray:
    """What a model drew, in true colours: bits are decoded, colours are snapped.

    Args:
        drawn: (N, H, W, C) uint8, from `generate.generate`.
        palette: (P, 3) uint8; default: one for each sprite, by k-means.

    Returns:
        (N, H, W, 3) uint8, or 4 where the model draws alpha.
    """
    if drawn.shape[-1] in CHANNELS_OF.values():
        return snap(drawn, palette)
    if palette is None:
        raise ValueError("bits number the colours of a palette: give the one that the model learned with")
    return from_bits(drawn, palette)


def in_colors(
    drawn: np.ndarray, palette: np.ndarray | None, colors: Literal["auto", "own", "off"] = "auto"
) -> np.ndarray:
    """What a model drew, in the colours that are asked for.

    Args:
        drawn: (N, H, W, C) uint8, from `generate.generate`.
        palette: (P, 3) uint8, the colours of the model's data, if known.
        colors: "auto" takes those of the data, "own" some of each sprite's own, "off" leaves them, and alpha, as they
            came; bits are always read as colours of the data.

    Returns:
        (N, H, W, 3) uint8, or 4 where the model draws alpha.
    """
    if drawn.shape[-1] not in CHANNELS_OF.values() or colors == "auto":
        return as_sprites(drawn, palette)
    return snap(drawn) if colors == "own" else drawn


def from_bits(images: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Decode drawn bits into colours: every value counts as the bit that it is nearer to.

    Args:
        images: (N, H, W, bits) uint8, of which a ninth bit is alpha.
        palette: (P, 3) uint8; a number that names no colour takes the last.

    Returns:
        (N, H, W, 3) uint8, or 4 with alpha.
    """
    bits, alpha = images[..., :BITS], images[..., BITS:]
    index = (bits.astype(np.int64) >= 128) @ (1 << np.arange(bits.shape[-1]))
    colors = palette[np.minimum(index, len(palette) - 1)]
    return with_alpha(colors, alpha[..., 0] >= OPAQUE) if alpha.shape[-1] else colors


def _lab(colors: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 in OKLab, float32."""
    return to_oklab(torch.from_numpy(colors.astype(np.float32)) / 255).numpy()


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of points (N, 3) and (M, 3): (N, M)."""
    return np.square(a[:, None] - b[None]).sum(axis=2)
