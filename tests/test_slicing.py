"""Sheets are cut where their grid is, and what does not fit is told what does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixel_edu import data, sprites
from pixel_edu.config import UserError
from pixel_edu.data.slicing import Grid, cut, cut_sheets, guess, squared
from pixel_edu.images import grid as laid_out
from pixel_edu.images import upscale

DRAWN = sprites.make(24, seed=1).images


def transparent(images):
    opacity = np.where((images == 255).all(axis=-1), 0, 255).astype(np.uint8)
    return np.concatenate([images, opacity[..., None]], axis=-1)


def sheet_of(images, columns=6, gap=0, margin=0, background=255):
    """A sheet (H, W, C), the margin as the gaps."""
    sheet = laid_out(images, columns, gap, background)
    around = np.full([side + 2 * margin for side in sheet.shape[:2]] + [sheet.shape[2]], background, np.uint8)
    if sheet.shape[2] == 4:
        sheet = np.where(sheet[..., 3:] == 0, 0, sheet).astype(np.uint8)
        around[:] = 0
    around[margin : margin + sheet.shape[0], margin : margin + sheet.shape[1]] = sheet
    return around


def save(path, image):
    Image.fromarray(image).save(path)
    return path


@settings(max_examples=40, deadline=None)
@given(
    st.integers(4, 20),
    st.integers(4, 20),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_what_was_laid_out_is_cut_out(width, height, gap, margin, rows, columns):
    tiles = np.random.default_rng(0).integers(0, 256, (rows * columns, height, width, 3), np.uint8)
    found = list(cut(sheet_of(tiles, columns, gap, margin), Grid(width, height, gap, margin)))
    assert np.array_equal(np.stack([tile.image for tile in found]), tiles)
    assert [(tile.row, tile.column) for tile in found] == list(np.ndindex(rows, columns))


def test_tiles_are_named_by_their_place_and_empty_ones_dropped(tmp_path):
    tiles = transparent(DRAWN)
    tiles[3] = 0  # transparent
    tiles[7] = [9, 9, 9, 255]  # of one colour
    done = cut_sheets([save(tmp_path / "heroes.png", sheet_of(tiles))], tmp_path / "out", Grid(16, 16))
    assert (done[0].rows, done[0].columns, done[0].kept, done[0].size) == (4, 6, 22, 16)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert len(names) == 22
    assert "heroes_r03_c05.png" in names
    assert not names & {"heroes_r00_c03.png", "heroes_r01_c01.png"}
    loaded = data.load(tmp_path / "out")
    assert (loaded.size, loaded.channels, loaded.classes) == (16, 4, ("out",))
    assert np.array_equal(loaded.images[-1], data.sizes.with_white_under_alpha(tiles[23]))


def test_an_indexed_sheet_with_a_transparent_colour_is_cut_with_alpha(tmp_path):
    index = np.zeros((16, 32), np.uint8)
    index[4:9, 20:30] = 1
    picture = Image.fromarray(index, "P")
    picture.putpalette([255, 0, 255, 1, 2, 3])
    picture.save(tmp_path / "s.png", transparency=0)
    assert cut_sheets([tmp_path / "s.png"], tmp_path / "out", Grid(16, 16))[0].kept == 1
    image = data.load(tmp_path / "out").images[0]
    assert np.array_equal(image[..., 3] == 255, index[:, 16:] == 1)


@pytest.mark.parametrize(
    ("size", "asked", "says"),
    [
        (
            (100, 64),
            Grid(16, 16),
            "100x64 pixels, and tiles of 16x16 leave 4 columns and 0 rows of them over: ",
        ),
        ((100, 64), Grid(16, 16), ", or crop it to 96x64"),
        ((107, 53), Grid(8, 8), "over: try --size 8 --gap 1 or --size 9 --margin 4, or crop it to 104x48"),
        ((101, 67), Grid(16, 16), "try --size 16 --gap 1"),
        ((100, 68), Grid(16, 16), "try --size 16 --margin 2"),
        ((120, 60), Grid(16, 16, 1), "try --size 15 --gap 0"),
        ((12, 12), Grid(16, 16), "try --size 12"),
        ((5, 5), Grid(16, 16), "give the size of its tiles with --size"),
    ],
)
def test_a_size_that_does_not_divide_the_sheet_gets_the_nearest_that_do(size, asked, says):
    with pytest.raises(data.DataError) as caught:
        list(cut(np.zeros((size[1], size[0], 3), np.uint8), asked, "s.png"))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 200), st.integers(8, 200), st.integers(8, 32), st.integers(0, 3))
def test_what_the_message_says_to_try_fits(width, height, size, gap):
    sheet = np.zeros((height, width, 3), np.uint8)
    for grid in data.slicing._nearest(sheet, Grid(size, size, gap)):
        assert len(list(cut(sheet, grid))) > 0


@pytest.mark.parametrize(
    ("shape", "side"), [((24, 16), 24), ((18, 18), 20), ((7, 7), 8), ((48, 32), 48), ((16, 16), 16)]
)
def test_tiles_are_padded_to_a_square_that_a_network_takes(shape, side):
    tile = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    square = squared(tile)
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    assert square.shape == (side, side, 3)
    assert np.array_equal(square[top : top + shape[0], left : left + shape[1]], tile)
    assert (square[:top] == tile[0, 0]).all()
    assert (squared(np.dstack([tile, tile[..., 0] | 1]))[:top, :, 3] == 0).all()


@pytest.mark.parametrize("gap", [0, 1, 2])
@pytest.mark.parametrize("margin", [0, 1])
@pytest.mark.parametrize("kind", ["white", "lines", "transparent"])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_grid_is_seen(kind, gap, margin, scale):
    images = upscale(DRAWN, scale)
    if kind == "transparent":
        images = transparent(images)
    sheet = sheet_of(images, 6, gap, margin, background=128 if kind == "lines" else 255)
    assert guess(sheet) == Grid(16 * scale, 16 * scale, gap, margin)


def test_a_grid_that_is_not_to_be_seen_is_asked_for(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    assert guess(noise) is None
    assert guess(DRAWN[0]) is None
    with pytest.raises(data.DataError, match=r"s\.png, which has 96x64 pixels: give the size .* --size 16"):
        cut_sheets([save(tmp_path / "s.png", noise)], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["s.png"]


def test_a_folder_in_use_is_kept_and_one_of_tiles_replaced_on_request(tmp_path):
    sheet = save(tmp_path / "s.png", sheet_of(DRAWN))
    cut_sheets([sheet], tmp_path / "out", Grid(32, 32))
    with pytest.raises(UserError, match="not empty"):
        cut_sheets([sheet], tmp_path / "out", Grid(16, 16))
    cut_sheets([sheet], tmp_path / "out", Grid(16, 16), force=True)
    assert len(list((tmp_path / "out").iterdir())) == 24
    (tmp_path / "out" / "mine.png").touch()
    with pytest.raises(UserError, match=r"also holds mine\.png"):
        cut_sheets([sheet], tmp_path / "out", Grid(16, 16), force=True)


def test_sheets_that_cannot_be_cut_leave_nothing(tmp_path):
    good = save(tmp_path / "good.png", sheet_of(DRAWN))
    blank = save(tmp_path / "blank.png", np.zeros((32, 32, 3), np.uint8))
    (tmp_path / "two").mkdir()
    twin = save(tmp_path / "two" / "good.png", sheet_of(DRAWN))
    with pytest.raises(data.DataError, match=r"blank\.png has nothing but empty tiles of 16x16"):
        cut_sheets([good, blank], tmp_path / "out", Grid(16, 16))
    with pytest.raises(data.DataError, match="the same name"):
        cut_sheets([good, twin], tmp_path / "out", Grid(16, 16))
    assert not (tmp_path / "out").exists()


def test_a_folder_in_place_of_a_sheet_is_told_to_name_what_is_in_it(tmp_path):
    (tmp_path / "sheets").mkdir()
    with pytest.raises(data.DataError, match=r"is a folder: name the sheets in it, such as .*/sheet\.png$"):
        cut_sheets([tmp_path / "sheets"], tmp_path / "out", Grid(16, 16))
