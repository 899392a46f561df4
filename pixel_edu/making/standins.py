"""Three made-up sets of sprites, as artists hand them in, for the guide `book/your_sprites.md` and its tests.

They stand in for sets of other people's, which the repository must not hold: `stickers` have alpha, classes and a size
of their own; `potions` are one class on white; `invaders` are one sheet. `python -m pixel_edu.making.standins` writes
all three into the current folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixel_edu import images, sprites
from pixel_edu.palette import nearest
from pixel_edu.pixelart import cut_out

STICKERS = (
    *("axe", "book", "chest", "gem", "helmet", "key"),
    *("lantern", "potion", "ring", "scroll", "shield", "sword"),
)
"""The classes of the stickers: twelve of the kinds that `pixel_edu.sprites` draws as items."""
_ITEMS = 3

DUSK = np.array(
    [
        *[(26, 20, 35), (61, 43, 79), (94, 61, 117), (141, 81, 128), (197, 110, 125), (240, 154, 120)],
        *[(255, 205, 138), (255, 241, 210), (38, 70, 83), (47, 111, 115), (86, 160, 128), (160, 205, 135)],
        *[(83, 92, 150), (120, 150, 205), (170, 205, 230), (255, 255, 255)],
    ],
    np.uint8,
)
"""Sixteen colours that are not the course's."""


def stickers(folder: Path, each: int = 8) -> None:
    """Write a folder for each of `STICKERS`: 24 x 24 PNGs with alpha, a white rim round every thing.

    Args:
        folder: to make or to fill.
        each: sprites in a class.
    """
    for name, drawn in zip(STICKERS, draw_stickers(each), strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(drawn, 1):
            images.write_png(folder / name / f"{name}-{number}.png", image)


def potions(folder: Path, count: int = 40) -> None:
    """Write potions on white, 16 x 16, straight into a folder, without one for their class."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = _kind("potion", count)
    for number, image in enumerate(_in_dusk(drawn), 1):
        images.write_png(folder / f"potion-{number}.png", image)


def invaders(path: Path) -> None:
    """Write the sheet of invaders."""
    images.write_png(path, sheet_of_invaders())


def sheet_of_invaders(columns: int = 12, rows: int = 6, empty: int = 5) -> np.ndarray:
    """Invaders in rows on nothing, one pixel between the tiles, the last tiles empty: (53, 107, 4) uint8."""
    return images.grid(draw_invaders(columns * rows - empty), columns, background=0)


def draw_stickers(each: int) -> np.ndarray:
    """Stickers, class by class: (12, each, 24, 24, 4) uint8."""
    return np.stack([_sticker(_kind(name, each)) for name in STICKERS])


def draw_invaders(count: int) -> np.ndarray:
    """Invaders, each half of them a mirror of the other: (count, 8, 8, 4) uint8."""
    rng = np.random.default_rng(8)
    half = np.zeros((count, 8, 4), bool)
    half[:, 1:7, 1:] = rng.random((count, 6, 3)) < 0.6
    half[:, 3:5, 3] = True
    body = np.concatenate([half, half[:, :, ::-1]], axis=2)
    drawn = np.zeros((count, 8, 8, 4), np.uint8)
    drawn[body, :3] = np.repeat(DUSK[rng.integers(3, 14, count)], body.sum(axis=(1, 2)), axis=0)
    drawn[..., 3] = 255 * body
    drawn[:, 3, [2, 5]] = [*DUSK[0], 255]  # the eyes
    return drawn


def _kind(name: str, count: int) -> np.ndarray:
    """The first items of one kind, (count, 16, 16, 3) uint8."""
    seeds = np.arange(40 * count + 100)
    chosen = seeds[sprites.factors(_ITEMS, seeds)["kind"] == name][:count]
    return sprites.draw(_ITEMS, chosen)


def _in_dusk(drawn: np.ndarray) -> np.ndarray:
    return DUSK[nearest(drawn, DUSK)[0]]


def _sticker(drawn: np.ndarray) -> np.ndarray:
    """Things on white, (N, 16, 16, 3), in the colours of dusk, with a white rim, on nothing: (N, 24, 24, 4)."""
    cut = cut_out(drawn)
    thing = np.pad(cut[..., 3] > 0, ((0, 0), (4, 4), (4, 4)))
    colors = np.pad(_in_dusk(drawn), ((0, 0), (4, 4), (4, 4), (0, 0)), constant_values=images.WHITE)
    rim = thing.copy()
    for y, x in np.ndindex(3, 3):
        rim |= np.roll(thing, (y - 1, x - 1), axis=(1, 2))
    colors[~thing] = images.WHITE
    alpha = np.where(rim, 255, 0).astype(np.uint8)
    return np.concatenate([colors, alpha[..., None]], axis=-1)


def main() -> None:
    """Write the three sets here."""
    stickers(Path("stickers"))
    potions(Path("potions"))
    invaders(Path("invaders.png"))
    print("stickers/, potions/ and invaders.png")


if __name__ == "__main__":
    main()
