"""The card that stands for the book where somebody shares a link: its name, and sprites that come out of noise."""

from __future__ import annotations

import numpy as np

from pixel_edu import images

FACTOR = 6
"""Pixels of the file for each pixel of the drawing."""
SIZE = (105, 200)
"""Rows and columns of the drawing; 1200 x 630 in the file, as sites that show cards want it."""
MARGIN = 7
PAPER = (20, 24, 30)
INKS = ((255, 255, 255), (201, 160, 240))
"""Of the first line of the title, and of the second."""
TITLE = ("PIXEL ART", "DIFFUSION")
COLUMNS = 11

LETTERS = {
    "A": ".###. #...# #...# ##### #...# #...# #...#",
    "D": "####. #...# #...# #...# #...# #...# ####.",
    "E": "##### #.... #.... ####. #.... #.... #####",
    "F": "##### #.... #.... ####. #.... #.... #....",
    "I": "##### ..#.. ..#.. ..#.. ..#.. ..#.. #####",
    "L": "#.... #.... #.... #.... #.... #.... #####",
    "N": "#...# ##..# #.#.# #.#.# #..## #...# #...#",
    "O": ".###. #...# #...# #...# #...# #...# .###.",
    "P": "####. #...# #...# ####. #.... #.... #....",
    "R": "####. #...# #...# ####. #.#.. #..#. #...#",
    "S": ".#### #.... #.... .###. ....# ....# ####.",
    "T": "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
    "U": "#...# #...# #...# #...# #...# #...# .###.",
    "X": "#...# #...# .#.#. ..#.. .#.#. #...# #...#",
    " ": "..... ..... ..... ..... ..... ..... .....",
}
"""Five columns and seven rows each, those letters that the title has."""


def draw(hero: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """The card.

    Args:
        hero: (16, 16, 4) uint8, a sprite on nothing, for the corner.
        frames: (3, F, 16, 16, 3) uint8, three sprites that come out of noise, the noisiest frame first.

    Returns:
        (630, 1200, 3) uint8.
    """
    card = np.full((*SIZE, 3), PAPER, np.uint8)
    for line, (text, ink) in enumerate(zip(TITLE, INKS, strict=True)):
        card[_bold(written(text), MARGIN + 1 + 18 * line, MARGIN)] = ink
    corner = images.upscale(hero, 2)
    _paste(card, corner, MARGIN + 1, SIZE[1] - MARGIN - corner.shape[1])
    chosen = np.linspace(0, frames.shape[1] - 1, COLUMNS).round().astype(int)
    tiles = np.pad(frames[:, chosen].reshape(-1, 16, 16, 3), [(0, 0)] * 3 + [(0, 1)], constant_values=255)
    sheet = images.grid(tiles, COLUMNS)
    _paste(card, sheet, SIZE[0] - MARGIN - 1 - sheet.shape[0], MARGIN)
    return images.upscale(card, FACTOR)


def _bold(mask: np.ndarray, top: int, left: int) -> np.ndarray:
    """A line of text twice as large and with thicker strokes, in a mask of the whole card."""
    large = mask.repeat(2, axis=0).repeat(2, axis=1)
    whole = np.zeros(SIZE, bool)
    for shift in (0, 1):
        whole[top : top + large.shape[0], left + shift : left + shift + large.shape[1]] |= large
    return whole


def _paste(card: np.ndarray, picture: np.ndarray, top: int, left: int) -> None:
    """Put a picture (H, W, 4) on the card, in place."""
    place = card[top : top + picture.shape[0], left : left + picture.shape[1]]
    place[...] = np.where(picture[..., 3:] > 0, picture[..., :3], place)


def written(text: str) -> np.ndarray:
    """Which pixels a line of text covers: (7, 6 n - 1) bool.

    >>> print("\\n".join("".join("#" if on else "." for on in row) for row in written("IT")[:2]))
    #####.#####
    ..#.....#..
    """
    letters = [np.array([list(row) for row in LETTERS[letter].split()]) == "#" for letter in text]
    return np.concatenate([np.pad(letter, ((0, 0), (0, 1))) for letter in letters], axis=1)[:, :-1]
