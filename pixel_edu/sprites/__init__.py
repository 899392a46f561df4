"""A procedural dataset of 16 x 16 sprites: five classes, each sprite drawn from its class and a seed.

It uses integer arithmetic that gives the same pixels on every platform, no files and no network. Modules of this room: `palette` holds the colours,
`people`, `creatures`, `food` and `items` the drawings, `engine` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pixel_edu.config import CLASSES, IMAGE_SIZE, UserError
from pixel_edu.sprites import creatures, food, items, people
from pixel_edu.sprites.engine import SHADES, Kind, arrange, choose, hashed, render
from pixel_edu.sprites.palette import RAMPS

KINDS: tuple[tuple[Kind, ...], ...] = (
    (people.FRONT,),
    creatures.KINDS,
    food.KINDS,
    items.KINDS,
    (people.SIDE,),
)
"""The kinds of each class, in label order."""


class Sprites(NamedTuple):
    """A labelled set of sprites.

    Attributes:
        images: (N, 16, 16, 3) uint8 RGB on white.
        labels: (N,) int64 in 0 .. 4, positions in `config.CLASSES`.
        seeds: (N,) int64; sprite i is `draw(labels[i], seeds[i : i + 1])`.
    """

    images: np.ndarray
    labels: np.ndarray
    seeds: np.ndarray


def draw(label: int, seeds: np.ndarray) -> np.ndarray:
    """Draw one sprite of a class for each seed. A side view is the hero of the same seed, from the side.

    Args:
        label: class, 0 .. 4.
        seeds: (N,) integers, any value.

    Returns:
        (N, 16, 16, 3) uint8.

    Raises:
        ValueError: the label is not a class.

    >>> draw(2, [7]).shape
    (1, 16, 16, 3)
    """
    seeds = np.asarray(seeds, np.int64)
    images = np.empty((len(seeds), IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    for kind, rows in _by_kind(label, seeds):
        images[rows] = render(kind, choose(kind, seeds[rows], _stream(label, kind)))
    return images


def factors(label: int, seeds: np.ndarray) -> dict[str, np.ndarray]:
    """The factors that each sprite was drawn from, in words: {"kind": [...], "blade": [...], "metal ramp": [...], ...}.

    Args:
        label: class, 0 .. 4.
        seeds: (N,) integers, any value.

    Returns:
        For each factor (N,) strings; "" where a sprite's kind does not have that factor.

    >>> str(factors(0, [7])["hair"][0])
    'bob'
    """
    seeds = np.asarray(seeds, np.int64)
    words: dict[str, np.ndarray] = {"kind": np.full(len(seeds), "", object)}
    ramp_names = np.array(list(RAMPS), object)
    for kind, rows in _by_kind(label, seeds):
        words["kind"][rows] = kind.name
        variants = {layer.factor: np.array(layer.sheet.names, object) for layer in kind.layers}
        for factor, index in choose(kind, seeds[rows], _stream(label, kind)).items():
            column = words.setdefault(factor, np.full(len(seeds), "", object))
            column[rows] = variants.get(factor, ramp_names)[index]
    return words


def part_maps(label: int, words: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which part each pixel of a sprite belongs to. All pixels of a part have colours of one ramp.

    Args:
        label: class, 0 .. 4.
        words: for "kind" and other factors (N,) strings, as `factors` returns them. Where a factor is missing, or its
            word is not a variant of it, its first variant is drawn.

    Returns:
        (N, 16, 16) int64: 0 for the background, ink and white, else the number of the ramp's role in its kind, from 1;
        all 0 for a kind that is not of the class.

    >>> words = factors(2, [7])
    >>> int(part_maps(2, words).max()), str(words["kind"][0])
    (3, 'berry')
    """
    maps = np.zeros((len(words["kind"]), IMAGE_SIZE, IMAGE_SIZE), np.int64)
    for kind in KINDS[label]:
        rows = np.flatnonzero(np.asarray(words["kind"]) == kind.name)
        chosen = {}
        for layer in kind.layers:
            place = {word: i for i, word in enumerate(layer.sheet.names)}
            column = words[layer.factor][rows] if layer.factor in words else [""] * len(rows)
            chosen[layer.factor] = np.array([place.get(word, 0) for word in column], np.int64)
        slots = arrange(kind, chosen).reshape(-1, IMAGE_SIZE, IMAGE_SIZE).astype(np.int64)
        maps[rows] = np.where(slots, (slots - 1) // SHADES, 0)
    return maps


def make(n: int, seed: int = 0) -> Sprites:
    """A dataset of n sprites with balanced classes, in shuffled order.

    Each seed draws one sprite of each class, so each hero of `characters` is also in `side_view`.

    Args:
        n: how many, at least 1.
        seed: which dataset, 0 .. 2**31 - 1; sets of different seeds share no sprite seed.

    Raises:
        UserError: n is below 1, or the seed out of range.

    >>> images, labels, seeds = make(10)
    >>> sorted(labels.tolist())
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    """
    if n < 1:
        raise UserError(f"n is {n}, but a dataset has at least 1 sprite: ask for more")
    if not 0 <= seed < 2**31:
        raise UserError(
            f"the seed is {seed}, but a dataset's seed lies in 0 .. {2**31 - 1}: choose one in that range"
        )
    place = np.arange(n, dtype=np.int64)
    shuffle = np.argsort(hashed(place + (seed << 32), "shuffle", np.ones(2**20, np.int64)), kind="stable")
    labels = (place % len(CLASSES))[shuffle]
    seeds = (place // len(CLASSES) + (seed << 32))[shuffle]
    images = np.empty((n, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    for label in range(len(CLASSES)):
        rows = labels == label
        images[rows] = draw(label, seeds[rows])
    return Sprites(images, labels, seeds)


def colors() -> np.ndarray:
    """Every colour that a procedural sprite may have: (130, 3) uint8, five shades a ramp, white fifth."""
    return np.array([colour for ramp in RAMPS.values() for colour in ramp], np.uint8)


KAGGLE_COUNTS = (80, 324, 60, 350, 80)
"""Base sprites of each class in the real dataset."""


def make_like_kaggle(seed: int = 0) -> Sprites:
    """894 sprites in the class proportions of the real dataset: unbalanced, and few.

    Args:
        seed: which dataset, 0 .. 2**31 - 1.
    """
    drawn = make(len(CLASSES) * max(KAGGLE_COUNTS), seed)
    rows = np.sort(
        np.concatenate([np.flatnonzero(drawn.labels == c)[:n] for c, n in enumerate(KAGGLE_COUNTS)])
    )
    return Sprites(*(column[rows] for column in drawn))


def _stream(label: int, kind: Kind) -> str:
    """The name of the hash stream: heroes share one, so that both views make the same choices."""
    return kind.name if kind.name == "hero" else f"{CLASSES[label]}/{kind.name}"


def _by_kind(label: int, seeds: np.ndarray) -> list[tuple[Kind, np.ndarray]]:
    """The kinds of a class that the seeds draw, each with the rows of the seeds that draw it."""
    if not 0 <= label < len(KINDS):
        raise ValueError(f"label {label} is not a class: use 0 .. {len(KINDS) - 1}, {', '.join(CLASSES)}")
    kinds = KINDS[label]
    picked = hashed(seeds, f"{CLASSES[label]}/kind", np.ones(len(kinds), np.int64))
    return [(kind, rows) for i, kind in enumerate(kinds) if len(rows := np.flatnonzero(picked == i))]
