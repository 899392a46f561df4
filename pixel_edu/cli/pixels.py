"""Sprites on a terminal, in coloured half blocks: two pixels a character."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console


def can_show(console: Console) -> bool:
    """Whether it is a terminal with colours; one that was asked for none (`NO_COLOR`) counts as without."""
    return console.is_terminal and not console.no_color and console.color_system is not None


def show(images: np.ndarray, console: Console, title: str = "") -> None:
    """Print a row of sprites, as many as fit side by side; on anything but a terminal with colours, nothing.

    Args:
        images: (N, H, W, 3 or 4) uint8; what is transparent is a checkerboard.
        console: where to; its colours are those of the terminal, which may know 256 or 16 only.
        title: a line above them.
    """
    if not can_show(console):
        return
    from rich.text import Text

    from pixel_edu.images import grid, on_checkerboard

    blocks = _has_blocks(console.encoding)
    shown = images[: fitting(images.shape[2], console.width, blocks)]
    if len(shown):
        if title:
            console.print(title, markup=False, highlight=False)
        row = grid(on_checkerboard(shown), len(shown))
        console.print(Text.from_ansi(in_terminal(row, blocks)), soft_wrap=True)


def fitting(size: int, columns: int, blocks: bool = True) -> int:
    """How many sprites fit side by side, with a gap of a pixel between them.

    Args:
        size: pixels a sprite is wide.
        columns: characters in a line.
        blocks: whether a pixel is one character wide, or two.

    >>> fitting(16, 80), fitting(16, 80, blocks=False)
    (4, 2)
    """
    pixels = columns if blocks else columns // 2
    return (pixels + 1) // (size + 1)


def in_terminal(image: np.ndarray, blocks: bool = True) -> str:
    """An (H, W, 3) uint8 image in coloured half blocks; without them, a pixel is two coloured spaces."""
    if not blocks:
        rows = ["".join(_spaces(pixel) for pixel in row) for row in image]
    else:
        pairs = zip(image[::2], [*image[1::2], image[-1]], strict=False)
        rows = ["".join(map(_half_block, *pair)) for pair in pairs]
    return "\n".join(f"{row}\x1b[0m" for row in rows)


def _has_blocks(encoding: str) -> bool:
    try:
        "▀".encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _half_block(upper: np.ndarray, lower: np.ndarray) -> str:
    return "\x1b[38;2;{};{};{};48;2;{};{};{}m▀".format(*map(int, upper), *map(int, lower))


def _spaces(pixel: np.ndarray) -> str:
    return "\x1b[48;2;{};{};{}m  ".format(*map(int, pixel))
