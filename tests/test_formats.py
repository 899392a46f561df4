"""Pictures that lose nothing, and atlases whose places are those of the sheet."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from pixel_edu import formats, images, sprites
from pixel_edu.pixelart import cut_out

DRAWN = sprites.make(7, seed=3).images


def read(content: bytes, mode: str) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert(mode))


@pytest.mark.parametrize("ending", formats.PICTURES)
def test_a_picture_comes_back_pixel_by_pixel_and_is_what_its_name_says(ending):
    sheet = images.grid(DRAWN, 4)
    content = formats.picture_bytes(sheet, ending)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == ending[1:].upper()
    assert (read(content, "RGB") == sheet).all()


@pytest.mark.parametrize("ending", [".png", ".webp", ".gif"])
def test_transparent_pixels_come_back_transparent(ending):
    sheet = images.grid(cut_out(DRAWN), 4)
    back = read(formats.picture_bytes(sheet, ending), "RGBA")
    assert 0 < (back[..., 3] == 0).mean() < 1
    assert (back == sheet).all()


def test_a_png_lists_its_colours_where_it_may_and_has_few():
    many = np.arange(17 * 16 * 3, dtype=np.uint16).reshape(17, 16, 3).astype(np.uint8)
    many[..., 2] = np.arange(17)[:, None]
    for image, listed, mode in ((DRAWN[0], True, "P"), (DRAWN[0], False, "RGB"), (many, True, "RGB")):
        with Image.open(io.BytesIO(formats.picture_bytes(image, ".png", listed))) as picture:
            assert picture.mode == mode


def test_what_a_format_cannot_hold_is_refused():
    many = np.stack(np.meshgrid(np.arange(20), np.arange(20), [0]), axis=-1)[:, :, 0].astype(np.uint8)
    half = np.full((4, 4, 4), 128, np.uint8)
    for image, ending in ((many, ".gif"), (half, ".gif"), (half, ".bmp")):
        with pytest.raises(ValueError, match=r"holds.*: write \.png or \.webp"):
            formats.picture_bytes(image, ending)


@pytest.mark.parametrize(("columns", "gap", "scale"), [(4, 0, 1), (7, 0, 2), (3, 2, 1), (1, 1, 3)])
def test_the_place_of_each_sprite_in_an_atlas_holds_that_sprite(columns, gap, scale):
    sheet = images.upscale(images.grid(DRAWN, columns, gap), scale)
    names = [f"food-{i}" for i in range(7)]
    made = formats.atlas("a.png", names, ["food"] * 7, 16 * scale, columns, gap * scale)
    made = json.loads(json.dumps(made))
    assert made["meta"]["image"] == "a.png"
    assert (made["meta"]["size"]["h"], made["meta"]["size"]["w"]) == sheet.shape[:2]
    for name, sprite in zip(names, DRAWN, strict=True):
        frame = made["frames"][name]["frame"]
        cut = sheet[frame["y"] : frame["y"] + frame["h"], frame["x"] : frame["x"] + frame["w"]]
        assert (cut == images.upscale(sprite, scale)).all()
        assert made["frames"][name]["sourceSize"] == {"w": 16 * scale, "h": 16 * scale}


def test_an_atlas_lists_the_sprites_of_each_class():
    made = formats.atlas("a.png", ["x", "y", "z"], ["food", "items", "food"], 16, 3)
    assert made["animations"] == {"food": ["x", "z"], "items": ["y"]}
