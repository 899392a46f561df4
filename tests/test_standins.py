"""The made-up sets of the guide to own sprites."""

import numpy as np
from PIL import Image

from pixel_edu.making import standins
from pixel_edu.sprites.palette import RAMPS


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def distinct(pictures):
    return len({picture.tobytes() for picture in pictures})


def test_stickers_are_twelve_folders_of_transparent_pictures_of_24_pixels(tmp_path):
    standins.stickers(tmp_path, each=4)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [*standins.STICKERS]
    pictures = [read(path) for path in sorted(tmp_path.glob("*/*.png"))]
    assert {picture.shape for picture in pictures} == {(24, 24, 4)}
    assert distinct(pictures) == len(pictures) == 48
    drawn = np.stack(pictures)
    assert {*np.unique(drawn[..., 3])} == {0, 255}
    assert not drawn[:, 0, :, 3].any()
    white = (drawn[..., :3] == 255).all(axis=-1)
    assert (
        (white & (drawn[..., 3] == 255)).any(axis=(1, 2)).all()
    )  # the rim, which a white ground would swallow


def test_potions_are_forty_pictures_on_white_in_no_folder_of_a_class(tmp_path):
    standins.potions(tmp_path)
    pictures = [read(path) for path in tmp_path.iterdir()]
    assert {picture.shape for picture in pictures} == {(16, 16, 3)}
    assert distinct(pictures) == len(pictures) == 40
    assert all((picture[0, 0] == 255).all() for picture in pictures)


def test_invaders_are_a_sheet_of_tiles_of_8_pixels_of_which_the_last_are_empty(tmp_path):
    standins.invaders(tmp_path / "sheet.png")
    sheet = read(tmp_path / "sheet.png")
    assert sheet.shape == (6 * 9 - 1, 12 * 9 - 1, 4)
    tiles = [sheet[9 * y : 9 * y + 8, 9 * x : 9 * x + 8] for y in range(6) for x in range(12)]
    assert [tile[..., 3].any() for tile in tiles] == [True] * 67 + [False] * 5
    assert all((tile == tile[:, ::-1]).all() for tile in tiles)
    assert distinct(tiles[:67]) == 67


def test_their_colours_are_not_the_course_s():
    course = {tuple(color) for ramp in RAMPS.values() for color in np.reshape(ramp, (-1, 3)).tolist()}
    assert {tuple(color) for color in standins.DUSK.tolist()} - course >= {(26, 20, 35), (141, 81, 128)}
