import io
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from pixel_edu import files, images
from pixel_edu.config import UserError

IMAGE = arrays(np.uint8, (3, 16, 16, 3))


def test_every_byte_survives_the_trip_to_the_model_and_back():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    x = images.to_tensor(every)
    assert x.dtype == torch.float32
    assert (x.shape, x.min().item(), x.max().item()) == ((1, 3, 16, 16), -1.0, 1.0)
    assert np.array_equal(images.to_uint8(x), every)


def test_channels_and_rows_keep_their_places():
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[0, 2, 5, 1] = 255
    assert images.to_tensor(image)[0, 1, 2, 5] == 1
    assert images.to_tensor(image).sum() == -16 * 16 * 3 + 2


def test_values_outside_the_range_are_clamped_not_wrapped():
    x = torch.tensor([-3.0, 3.0]).reshape(2, 1, 1, 1).expand(2, 3, 1, 1)
    assert images.to_uint8(x).ravel().tolist() == [0, 0, 0, 255, 255, 255]


@given(IMAGE)
@settings(max_examples=30, deadline=None)
def test_an_image_and_its_mirror_share_a_key(batch):
    keys, mirrored = images.mirror_keys(batch), images.mirror_keys(batch[:, :, ::-1])
    assert (keys == mirrored).all()


@given(IMAGE, st.integers(0, 2), st.integers(0, 15), st.integers(0, 15), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_one_changed_byte_changes_the_key(batch, n, y, x, c):
    changed = batch.copy()
    changed[n, y, x, c] ^= 1
    same = images.mirror_keys(batch) == images.mirror_keys(changed)
    # the change may turn the image into its own mirror image, which is the same base sprite
    assert not same[n] or np.array_equal(changed[n], batch[n][:, ::-1])


def test_an_image_that_is_upside_down_has_another_key():
    image = np.arange(768, dtype=np.uint8).reshape(1, 16, 16, 3)
    assert images.mirror_keys(image)[0] != images.mirror_keys(image[:, ::-1])[0]


def test_colours_are_counted_per_image():
    batch = np.zeros((2, 16, 16, 3), np.uint8)
    batch[1, 0, 0] = (0, 0, 1)
    batch[1, 0, 1] = (1, 0, 0)
    assert images.count_colors(batch).tolist() == [1, 3]


def test_a_grid_puts_each_image_in_its_place():
    batch = np.stack([np.full((2, 2, 3), v, np.uint8) for v in (10, 20, 30)])
    sheet = images.grid(batch, columns=2, gap=1, background=99)
    assert sheet.shape == (5, 5, 3)
    assert sheet[:, :, 0].tolist() == [
        [10, 10, 99, 20, 20],
        [10, 10, 99, 20, 20],
        [99, 99, 99, 99, 99],
        [30, 30, 99, 99, 99],
        [30, 30, 99, 99, 99],
    ]


def test_enlarging_repeats_pixels_and_invents_no_colour():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(images.upscale(image, 3)[::3, ::3], image)
    assert images.count_colors(images.upscale(image, 3)[None]) == images.count_colors(image[None])


def test_a_png_is_written_whole_or_not_at_all(tmp_path):
    image = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)
    path = tmp_path / "a.png"
    images.write_png(path, image)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(path.read_bytes()))), image)
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_file_that_cannot_be_written_is_named_as_it_was_asked_for(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x.png"
    with pytest.raises(NotADirectoryError) as refused:
        images.write_png(path, np.zeros((2, 2, 3), np.uint8))
    assert refused.value.filename == str(path)


@pytest.mark.parametrize("folder", [False, True])
def test_a_place_to_write_to_is_tried_and_nothing_is_left_of_the_try(tmp_path, folder):
    (tmp_path / "old.png").write_bytes(b"old")
    (tmp_path / "old").mkdir()
    for name in ("new.png", "a/b/new.png", "old" if folder else "old.png"):
        files.check_writable(tmp_path / name, folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old", "old.png"]
    assert (tmp_path / "old.png").read_bytes() == b"old"
    with pytest.raises(UserError, match=r"old.png/x cannot be written \(Not a directory\): choose a place"):
        files.check_writable(tmp_path / "old.png" / "x", folder)
    with pytest.raises(UserError, match=r"cannot be written \((Is|Not) a directory\)"):
        files.check_writable(tmp_path / ("old.png" if folder else "old"), folder)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder that nobody can write to is needed")
def test_a_lock_that_cannot_be_made_is_not_waited_for():
    began = time.monotonic()
    with pytest.raises(OSError, match="/proc/lock"), files.locked("/proc/lock", patience=20):
        pass
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_colours_of_an_image_come_in_order_and_make_it_again(channels):
    image = np.random.default_rng(0).choice(np.array([0, 7, 130, 255], np.uint8), (9, 30, channels))
    colors, index = images.indexed(image)
    assert (colors.dtype, index.shape) == (np.uint8, (9, 30))
    assert np.array_equal(colors[index], image)
    first = np.roll(colors, 1, axis=-1) if channels == 4 else colors  # by opacity
    assert np.array_equal(first, np.unique(first, axis=0))


def test_an_indexed_file_with_alpha_comes_back_as_it_was(tmp_path):
    draw = np.random.default_rng(0)
    colors = np.array([[255, 255, 255, 0], [255, 255, 255, 255], [9, 8, 7, 255], [200, 3, 4, 255]], np.uint8)
    image = colors[draw.integers(4, size=(24, 12))]
    images.write_png(tmp_path / "a.png", image, indexed=True)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "P"
        assert picture.info["transparency"] in (0, b"\x00")  # one entry of the palette, the first
        assert (np.asarray(picture.convert("RGBA")) == image).all()
    with Image.open(io.BytesIO(images.indexed_png_bytes(image[..., :3]))) as picture:
        assert "transparency" not in picture.info


def test_colours_are_counted_with_their_opacity():
    pair = np.array([[[[9, 9, 9, 0], [9, 9, 9, 255], [9, 9, 9, 255]]]], np.uint8)
    assert images.count_colors(pair).tolist() == [2]
    assert images.count_colors(pair[..., :3]).tolist() == [1]


def test_between_images_with_alpha_a_grid_is_transparent():
    sheet = images.grid(np.full((3, 2, 2, 4), 7, np.uint8), 2, gap=1)
    assert sheet.shape == (5, 5, 4)
    assert sheet[2].tolist() == [[255, 255, 255, 0]] * 5
    assert sheet[3, 3].tolist() == [255, 255, 255, 0]


def test_alpha_lays_an_image_on_a_grey_and_without_it_nothing_changes():
    pixels = np.array([[255, 255, 255, 0], [255, 0, 51, 255], [200, 0, 0, 51]], np.uint8)
    assert images.over(pixels, 100).tolist() == [[100, 100, 100], [255, 0, 51], [120, 80, 80]]
    assert (images.over(pixels[:, :3]) == pixels[:, :3]).all()
