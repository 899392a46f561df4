"""Cut sheets of sprites into one picture for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixel_edu.data.core import DataError
from pixel_edu.data.pictures import read_picture
from pixel_edu.data.sizes import SIZES
from pixel_edu.files import replacing_folder
from pixel_edu.images import write_png

OURS = re.compile(r".+_r\d\d+_c\d\d+\.png")
GUESSED = (*SIZES, 48, 64)
"""Sizes of tiles that are looked for."""
GAPS = range(5)
"""Gaps and margins that are looked for, in pixels."""
CLEAR, BUSY, LINES = 0.3, 0.5, 5
"""A grid is seen where sprites cross its lines at most the first share as often as others, and those of finer grids at
least the second, on so many lines or more."""


class Grid(NamedTuple):
    """Where the tiles of a sheet lie, all in pixels.

    Attributes:
        width: of a tile.
        height: of a tile.
        gap: between two tiles.
        margin: around all of them.
    """

    width: int
    height: int
    gap: int = 0
    margin: int = 0

    def __str__(self) -> str:
        gap = f", {self.gap} apart" if self.gap else ""
        return f"{self.width}x{self.height}{gap}{f', {self.margin} from the edge' if self.margin else ''}"

    def left_over(self, sheet: np.ndarray) -> tuple[int, int]:
        """Columns and rows of a sheet (H, W, C) that belong to no whole tile; (0, 0) where the grid fits."""
        sides = zip(sheet.shape[1::-1], self[:2], strict=True)
        columns, rows = ((side - 2 * self.margin + self.gap, side, tile) for side, tile in sides)
        return tuple(
            room % (tile + self.gap) if room >= tile + self.gap else side
            for room, side, tile in (columns, rows)
        )

    def starts(self, sheet: np.ndarray) -> tuple[range, range]:
        """Where the tiles begin from the top, and from the left."""
        height, width = sheet.shape[:2]
        return (
            range(self.margin, height - self.margin - self.height + 1, self.height + self.gap),
            range(self.margin, width - self.margin - self.width + 1, self.width + self.gap),
        )


class Cut(NamedTuple):
    """What was cut from a sheet.

    Attributes:
        sheet: the file.
        grid: where its tiles were.
        rows: of tiles.
        columns: of tiles.
        kept: the number of tiles that are not empty.
        size: pixels a side of the pictures that were written.
    """

    sheet: Path
    grid: Grid
    rows: int
    columns: int
    kept: int
    size: int


def cut_sheets(
    sheets: Sequence[Path], folder: str | Path, grid: Grid | None = None, force: bool = False
) -> list[Cut]:
    """Write each tile of some sheets as a picture named by its place: sheet_r02_c05.png, counted from 0.

    Empty tiles, which are of one colour or fully transparent, are dropped. A tile that is not square, or between two
    sizes that a network takes, is put in the middle of the next larger one.

    Args:
        sheets: pictures of different names.
        folder: to create; nothing is left of it if anything goes wrong.
        grid: where the tiles are; if omitted, it is looked for in each sheet.
        force: replace a folder that holds nothing but tiles.

    Raises:
        DataError: a sheet cannot be read or divided, or has nothing but empty tiles.
        UserError: the folder is in use, or cannot be written.
    """
    if len({sheet.stem for sheet in sheets}) < len(sheets):
        raise DataError(
            "two of the sheets have the same name, and their tiles would, too: rename one of them"
        )
    cuts = []
    with replacing_folder(Path(folder), OURS if force else None) as new:
        for path in sheets:
            if path.is_dir():
                raise DataError(f"{path} is a folder: name the sheets in it, such as {path / 'sheet.png'}")
            sheet = read_picture(path, "save one of them as a picture")
            tiles = list(cut(sheet, found := grid or _guessed(sheet, path), path))
            kept = [tile for tile in tiles if not is_empty(tile.image)]
            if not kept:
                raise DataError(f"{path} has nothing but empty tiles of {found}: check --size, or the sheet")
            for tile in kept:
                write_png(new / f"{path.stem}_r{tile.row:02}_c{tile.column:02}.png", squared(tile.image))
            side = len(squared(kept[0].image))
            cuts.append(Cut(path, found, tiles[-1].row + 1, tiles[-1].column + 1, len(kept), side))
    return cuts


class Tile(NamedTuple):
    """A piece of a sheet, (H, W, 3 or 4) uint8, and its place, counted from 0."""

    row: int
    column: int
    image: np.ndarray


def cut(sheet: np.ndarray, grid: Grid, name: str | Path = "the sheet") -> Iterator[Tile]:
    """The tiles of a sheet, row by row.

    Args:
        sheet: (H, W, C) uint8.
        grid: where they are.
        name: of the sheet, for the message.

    Raises:
        DataError: the grid does not fit; it says which one does.
    """
    if any(grid.left_over(sheet)):
        raise DataError(_misfit(sheet, grid, name))
    rows, columns = grid.starts(sheet)
    for (row, top), (column, left) in product(enumerate(rows), enumerate(columns)):
        yield Tile(row, column, sheet[top : top + grid.height, left : left + grid.width])


def _misfit(sheet: np.ndarray, grid: Grid, name: str | Path) -> str:
    height, width = sheet.shape[:2]
    columns, rows = grid.left_over(sheet)
    crop = f"crop it to {width - columns}x{height - rows}" if columns < width and rows < height else ""
    options = [_as_options(each, grid) for each in _nearest(sheet, grid)]
    ways = [f"try {' or '.join(options)}"] if options else []
    ways += [crop] if crop else []
    return (
        f"{name} has {width}x{height} pixels, and tiles of {grid} leave {columns} columns and {rows} rows of them "
        f"over: {', or '.join(ways) or 'give the size of its tiles with --size'}"
    )


def _nearest(sheet: np.ndarray, grid: Grid, count: int = 2) -> list[Grid]:
    """The grids that fit and differ least from one that does not."""
    changes = product(range(-8, 9), GAPS, GAPS)
    others = [
        Grid(grid.width + change, grid.height + change, gap, margin)
        for change, gap, margin in changes
        if min(grid[:2]) + change >= SIZES[0]
    ]
    fitting = [each for each in others if not any(each.left_over(sheet))]
    return sorted(fitting, key=lambda each: sum(abs(a - b) for a, b in zip(each, grid, strict=True)))[:count]


def _as_options(grid: Grid, asked: Grid) -> str:
    size = f"{grid.width}" if grid.width == grid.height else f"{grid.width}x{grid.height}"
    gap = f" --gap {grid.gap}" if grid.gap or asked.gap else ""
    return f"--size {size}{gap}{f' --margin {grid.margin}' if grid.margin or asked.margin else ''}"


def is_empty(tile: np.ndarray) -> bool:
    """Whether all pixels (H, W, C) are the same."""
    return bool((tile == tile[0, 0]).all())


def squared(tile: np.ndarray) -> np.ndarray:
    """A tile (H, W, C) in the middle of the smallest square that a network takes, or of its own if it is larger.

    What is added is transparent, or as the tile's first pixel where the sheet has no alpha.

    >>> squared(np.zeros((10, 24, 3), np.uint8)).shape
    (24, 24, 3)
    """
    height, width, channels = tile.shape
    side = next((size for size in SIZES if size >= max(height, width)), max(height, width))
    square = np.empty((side, side, channels), np.uint8)
    square[:] = (255, 255, 255, 0) if channels == 4 else tile[0, 0]
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = tile
    return square


def _guessed(sheet: np.ndarray, path: Path) -> Grid:
    found = guess(sheet)
    if found is None:
        height, width = sheet.shape[:2]
        raise DataError(
            f"no grid is to be seen for sure in {path}, which has {width}x{height} pixels: give the size of its tiles, "
            "such as --size 16"
        )
    return found


def guess(sheet: np.ndarray) -> Grid | None:
    """The grid of square tiles whose lines are free; None if that is not sure.

    A line of a grid without gaps is free where hardly any sprite goes on across it; gaps and margins are free where
    all of their pixels have one colour. Of several grids it is the one with the least gaps, and the smallest tiles.

    Args:
        sheet: (H, W, 3 or 4) uint8.
    """
    for gap, margin in sorted(product(GAPS, GAPS), key=sum):
        for size in GUESSED:
            grid = Grid(size, size, gap, margin)
            if not any(grid.left_over(sheet)) and _is_free(sheet, grid):
                return grid
    return None


def _is_free(sheet: np.ndarray, grid: Grid) -> bool:
    rows, columns = grid.starts(sheet)
    if len(rows) + len(columns) - 2 < LINES:
        return False
    tiles = np.zeros(sheet.shape[:2], bool)
    for top, left in product(rows, columns):
        tiles[top : top + grid.height, left : left + grid.width] = True
    if not tiles.all() and not is_empty(sheet[~tiles][None]):
        return False
    if grid.gap:
        return True
    inside = slice(grid.margin, -grid.margin or None)
    ink = _ink(sheet)[inside, inside]
    finer = [size for size in GUESSED if size < grid.width and grid.width % size == 0]
    return _crossed(ink, grid.width) <= CLEAR and all(_crossed(ink, size) >= BUSY for size in finer)


def _ink(sheet: np.ndarray) -> np.ndarray:
    """Where a sheet is not background, which is transparent, or else its commonest colour: (H, W) bool."""
    if sheet.shape[2] == 4:
        return sheet[..., 3] > 0
    packed = sheet.astype(np.int64) @ (65536, 256, 1)
    colors, counts = np.unique(packed, return_counts=True)
    return packed != colors[counts.argmax()]


def _crossed(ink: np.ndarray, size: int) -> float:
    """How often ink (H, W) goes on across the lines of a grid, as a share of how often it does across any line."""
    right, down = (ink[:, 1:] & ink[:, :-1]).sum(axis=0), (ink[1:] & ink[:-1]).sum(axis=1)
    there = np.concatenate([right[size - 1 :: size], down[size - 1 :: size]])
    anywhere = np.concatenate([right, down])
    return there.mean() / anywhere.mean() if anywhere.any() else np.inf
