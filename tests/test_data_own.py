"""Folders of one's own pictures: their sizes, transparency, names and formats, and what else lies there."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixel_edu import data
from pixel_edu.config import CLASSES, MAX_CLASSES
from pixel_edu.data.pictures import ENDINGS, read_frames
from pixel_edu.data.sizes import SIZES, resized

RNG = np.random.default_rng(0)


def noise(width=16, height=16, channels=3) -> np.ndarray:
    return RNG.integers(1, 256, (height, width, channels), np.uint8)


def sprite(size=16) -> np.ndarray:
    """Noise in the middle of transparency, under which other colours are hidden."""
    image = noise(size, size, 4)
    image[..., 3] = 0
    image[4:-2, 4:-2, 3] = 255
    return image


def save(path: Path, image: np.ndarray, **options) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return image


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize("size", SIZES)
def test_pictures_are_read_at_their_own_size(tmp_path, size):
    image = save(tmp_path / "gems" / "1.png", noise(size, size))
    loaded = data.load(tmp_path)
    assert loaded.size == size
    assert np.array_equal(loaded.images, image[None])


def test_several_sizes_are_named_with_their_numbers_and_what_to_do(tmp_path):
    for i, (width, height) in enumerate(
        [(24, 24)] * 3 + [(17, 30)] * 2 + [(8, 8), (9, 9), (10, 10), (11, 11)]
    ):
        save(tmp_path / "gems" / f"{i}.png", noise(width, height))
    with pytest.raises(data.DataError) as caught:
        data.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'gems'} has pictures of several sizes, 24x24 (3), 17x30 (2), 8x8 (1), 9x9 (1) and 2 others: "
        "ask for one with --resize 24, or cut sheets with pixel-edu data slice"
    )


@pytest.mark.parametrize(("size", "advice"), [((48, 48), 24), ((128, 64), 32), ((17, 17), 16), ((5, 3), 8)])
def test_a_size_that_no_network_takes_is_refused_with_one_that_it_takes(tmp_path, size, advice):
    save(tmp_path / "gems" / "1.png", noise(*size))
    with pytest.raises(
        data.DataError, match=rf"{size[0]}x{size[1]} \(1\), .* with --resize {advice}, or cut"
    ):
        data.load(tmp_path)
    assert data.load(tmp_path, resize=advice).size == advice


def test_a_size_to_resize_to_that_no_network_takes_is_refused(tmp_path):
    with pytest.raises(data.DataError, match="resized to 18 pixels for a network: choose 8, 12"):
        data.load(tmp_path, resize=18)


def test_resizing_invents_no_colours(tmp_path):
    small = noise()
    save(tmp_path / "a" / "big.png", small.repeat(5, 0).repeat(5, 1))
    save(tmp_path / "a" / "small.png", small)
    assert np.array_equal(data.load(tmp_path, resize=16).images, [small, small])


@pytest.mark.parametrize(("side", "size"), [(17, 16), (100, 28), (13, 32), (7, 8)])
def test_resizing_is_pillows_nearest(side, size):
    image = noise(side, side)
    pillows = Image.fromarray(image).resize((size, size), Image.Resampling.NEAREST)
    assert np.array_equal(resized(image, size), pillows)


def test_a_wide_picture_is_padded_not_squashed(tmp_path):
    save(tmp_path / "a" / "x.png", np.zeros((16, 32, 3), np.uint8))
    image = data.load(tmp_path, resize=16).images[0]
    assert (image[[0, 1, 2, 3, 12, 13, 14, 15]] == 255).all()
    assert (image[4:12] == 0).all()


def test_a_wide_sprite_is_padded_with_transparency(tmp_path):
    image = np.zeros((16, 32, 4), np.uint8)
    image[4:, :, 3] = 255
    save(tmp_path / "a" / "x.png", image)
    alpha = data.load(tmp_path, resize=32).images[0, ..., 3]
    assert np.array_equal(np.flatnonzero(alpha.any(axis=1)), np.arange(12, 24))


# ---------------------------------------------------------------- transparency


def test_alpha_is_kept_and_what_it_hides_is_white(tmp_path):
    image = save(tmp_path / "a" / "x.png", sprite())
    loaded = data.load(tmp_path)
    seen = image[..., 3] == 255
    assert loaded.channels == 4
    assert np.array_equal(loaded.images[0][seen], image[seen])
    assert (loaded.images[0][~seen] == [255, 255, 255, 0]).all()


def test_opaque_pictures_beside_transparent_ones_get_an_opaque_alpha(tmp_path):
    image = save(tmp_path / "a" / "1.png", noise())
    save(tmp_path / "a" / "2.png", sprite())
    loaded = data.load(tmp_path)
    assert np.array_equal(loaded.images[0, ..., :3], image)
    assert (loaded.images[0, ..., 3] == 255).all()


def test_an_alpha_channel_that_hides_nothing_is_dropped(tmp_path):
    image = noise(channels=4)
    image[..., 3] = 255
    save(tmp_path / "a" / "x.png", image)
    assert np.array_equal(data.load(tmp_path).images[0], image[..., :3])


def test_a_white_sprite_on_nothing_is_not_lost(tmp_path):
    image = sprite()
    image[..., :3] = 255
    save(tmp_path / "ghosts" / "x.png", image)
    assert np.array_equal(data.load(tmp_path).images[0, ..., 3], image[..., 3])


@pytest.mark.parametrize("kind", ["indexed", "grey", "colour key", "gif"])
def test_every_way_to_store_transparency_is_read(tmp_path, kind):
    hole = np.zeros((16, 16), bool)
    hole[:3] = True
    index = np.where(hole, 0, 1).astype(np.uint8)
    if kind in ("indexed", "gif"):
        picture = Image.fromarray(index, "P")
        picture.putpalette([255, 0, 255, 10, 20, 30])
        picture.info["transparency"] = 0
    elif kind == "grey":
        picture = Image.fromarray(np.dstack([index * 30, index * 255]), "LA")
    else:
        picture = Image.fromarray(np.where(hole[..., None], [255, 0, 255], [10, 20, 30]).astype(np.uint8))
        picture.info["transparency"] = (255, 0, 255)
    (tmp_path / "a").mkdir()
    options = {"transparency": picture.info["transparency"]} if "transparency" in picture.info else {}
    picture.save(tmp_path / "a" / ("x.gif" if kind == "gif" else "x.png"), **options)
    image = data.load(tmp_path).images[0]
    assert (image[hole] == [255, 255, 255, 0]).all()
    assert (image[~hole][:, 3] == 255).all()
    assert image[15, 0, 2] == 30


# ---------------------------------------------------------------- folders


def test_folders_are_sorted_as_people_count(tmp_path):
    for name in ("walk10", "walk2", "Walk1", "attack"):
        save(tmp_path / name / "x.png", noise())
    assert data.load(tmp_path).classes == ("attack", "Walk1", "walk2", "walk10")


def test_pictures_are_in_the_order_of_their_numbers(tmp_path):
    images = [save(tmp_path / "gems" / f"{i}.png", noise()) for i in (1, 2, 10, 11)]
    assert np.array_equal(data.load(tmp_path).images, images)


def test_a_folder_of_pictures_is_one_class_of_its_name(tmp_path, monkeypatch):
    save(tmp_path / "gems" / "1.png", noise())
    save(tmp_path / "gems" / "2.png", noise())
    assert data.load(tmp_path / "gems").classes == ("gems",)
    monkeypatch.chdir(tmp_path / "gems")
    assert data.load(".").classes == ("gems",)


def test_a_folder_of_pictures_that_are_called_as_kaggles_is_one_class_without_a_table(tmp_path):
    for i in (1, 2):
        save(tmp_path / "gems" / f"image_{i}.jpg", noise())
    loaded = data.load(tmp_path / "gems")
    assert (loaded.classes, len(loaded)) == (("gems",), 2)


def test_folders_within_a_class_belong_to_it(tmp_path):
    save(tmp_path / "gems" / "red" / "old" / "1.png", noise())
    save(tmp_path / "gems" / "2.png", noise())
    save(tmp_path / "rocks" / "grey" / "3.png", noise())
    loaded = data.load(tmp_path)
    assert (loaded.classes, loaded.labels.tolist()) == (("gems", "rocks"), [0, 0, 1])


def test_a_folder_around_the_classes_as_archives_have_it_is_no_class(tmp_path):
    for name in ("gems", "rocks"):
        save(tmp_path / "my-set-1.0" / name / "x.png", noise())
    (tmp_path / "__MACOSX" / "my-set-1.0").mkdir(parents=True)
    assert data.load(tmp_path).classes == ("gems", "rocks")


def test_what_systems_put_beside_pictures_is_ignored(tmp_path):
    save(tmp_path / "gems" / "1.png", noise())
    for name in ("__MACOSX/gems/._1.png", "@eaDir/1.png", ".git/x.png", "gems/@eaDir/1.png/thumb.jpg"):
        save(tmp_path / "elsewhere.png", noise())
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "elsewhere.png").rename(tmp_path / name)
    for name in (".DS_Store", "gems/Thumbs.db", "gems/._1.png", "gems/desktop.ini"):
        (tmp_path / name).write_bytes(b"\0")
    loaded = data.load(tmp_path)
    assert (loaded.classes, len(loaded), loaded.notes) == (("gems",), 1, ())


def test_files_of_other_kinds_are_counted_by_their_endings(tmp_path):
    save(tmp_path / "gems" / "1.png", noise())
    for name in ("gems/a.psd", "gems/b.PSD", "gems/old/c.psd", "licence.txt", "gems/readme"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert data.load(tmp_path).notes == ("passed over: 3 .psd, 1 .txt, 1 without an ending",)


def test_a_preview_beside_the_classes_is_passed_over_and_counted(tmp_path):
    for name in ("gems/1.png", "rocks/2.png", "preview.png"):
        save(tmp_path / name, noise())
    loaded = data.load(tmp_path)
    assert (len(loaded), loaded.notes) == (2, ("passed over: 1 in no class's folder",))


def test_most_pictures_outside_the_folders_is_not_guessed_at(tmp_path):
    for name in ("old/1.png", "2.png", "3.png"):
        save(tmp_path / name, noise())
    with pytest.raises(data.DataError, match=r"holds 2 pictures, and 1 more in folders such as old: move"):
        data.load(tmp_path)


def test_a_folder_without_pictures_says_what_it_holds(tmp_path):
    (tmp_path / "hero.psd").write_bytes(b"8BPS")
    with pytest.raises(data.DataError, match=r"holds no sprites, only 1 \.psd: give a folder of pictures"):
        data.load(tmp_path)


def test_more_classes_than_a_model_can_know_are_refused(tmp_path):
    for i in range(MAX_CLASSES + 1):
        save(tmp_path / str(i) / "x.png", noise(8, 8))
    with pytest.raises(data.DataError, match="has 201 classes, and a model knows up to 200: join"):
        data.load(tmp_path)
    (tmp_path / "0" / "x.png").unlink()
    (tmp_path / "0").rmdir()
    assert data.load(tmp_path).classes == tuple(map(str, range(1, MAX_CLASSES + 1)))


def test_a_picture_in_place_of_a_folder_is_told_what_a_sheet_needs(tmp_path):
    save(tmp_path / "sheet.png", noise(128, 64))
    with pytest.raises(
        data.DataError, match="is a picture, not a folder: cut a sheet into sprites with pixel-edu data"
    ):
        data.load(tmp_path / "sheet.png")


def test_a_folder_within_a_class_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    save(tmp_path / "gems" / "1.png", noise())
    (tmp_path / "gems" / "secret").mkdir()
    scandir = os.scandir

    def refusing(path):  # as the system does to anyone but root
        if Path(path).name == "secret":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(data.DataError, match=r"secret cannot be read \(Permission denied\)"):
        data.load(tmp_path)


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize(
    "ending", [".jfif", ".tiff", ".tga", ".ico", ".ppm", ".bmp", ".webp", ".qoi", ".pcx", ".dds"]
)
def test_pictures_of_many_formats_are_read(tmp_path, ending):
    (tmp_path / "a").mkdir()
    image = np.full((16, 16, 3), [200, 100, 50], np.uint8)
    Image.fromarray(image).save(tmp_path / "a" / f"x{ending}", format=ENDINGS[ending])
    loaded = data.load(tmp_path)
    assert loaded.images.shape == (1, 16, 16, 3)
    assert np.abs(loaded.images.astype(int) - image).max() <= 3


def test_every_ending_that_pillow_reads_is_known_here_or_is_not_a_picture():
    """A format that needs another program, that Pillow only recognizes, or that holds a painter's layers."""
    others = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "PSD", "FITS", "IPTC", "PCD"}
    Image.init()
    read = {ending: form for ending, form in Image.registered_extensions().items() if form in Image.OPEN}
    assert {ending: form for ending, form in read.items() if form not in others} == ENDINGS


def test_an_animation_is_refused_or_read_frame_by_frame(tmp_path):
    frames = [np.full((16, 16, 3), color, np.uint8) for color in (0, 100, 200)]
    first, *others = map(Image.fromarray, frames)
    (tmp_path / "b").mkdir()
    first.save(tmp_path / "b" / "1.gif", save_all=True, append_images=others)
    save(tmp_path / "a" / "2.png", noise())
    with pytest.raises(
        data.DataError, match=r"1\.gif is an animation of 3 frames: read .* with --frames, save one"
    ):
        data.load(tmp_path)
    loaded = data.load(tmp_path, frames=True)
    assert loaded.labels.tolist() == [0, 1, 1, 1]
    assert np.array_equal(loaded.images[1:], frames)
    assert loaded.notes == ("1 animation was read as 3 sprites",)


def test_frames_of_an_animation_keep_their_transparency(tmp_path):
    frames = [Image.fromarray(sprite()) for _ in range(2)]
    frames[0].save(tmp_path / "x.png", save_all=True, append_images=frames[1:], disposal=1)
    assert [frame.shape for frame in read_frames(tmp_path / "x.png")] == [(16, 16, 4)] * 2


def test_an_animation_that_would_fill_the_memory_is_refused(tmp_path):
    frames = [Image.new("1", (1500, 1500), i) for i in range(2)] * 4
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(data.DataError, match="far too large with its 8 frames"):
        data.load(tmp_path, frames=True)


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize("shape", [(24, 24, 3), (8, 8, 4), (32, 32, 4)])
def test_other_sizes_classes_and_alpha_come_back_as_they_were_written(tmp_path, shape):
    images, labels = RNG.integers(0, 256, (4, *shape), np.uint8), np.array([0, 2, 1, 2])
    images[..., 3:] = 255 * (images[..., 3:] > 99)
    images[(images[..., 3:] == 0).any(axis=-1), :3] = 255
    names = ("gems", "rocks", "two words")
    folder = data.write_kaggle(tmp_path / "set", images, labels, classes=names)
    loaded = data.load(folder)
    assert np.array_equal(loaded.images, images)
    assert (loaded.labels.tolist(), loaded.classes) == (labels.tolist(), names)


def test_jpegs_of_other_sizes_and_classes_are_read(tmp_path):
    images, names = np.full((3, 24, 24, 3), 90, np.uint8), ("gems", "rocks")
    folder = data.write_kaggle(tmp_path / "set", images, np.array([1, 0, 1]), jpegs=3, classes=names)
    (folder / "sprites.npy").unlink()
    loaded = data.load(folder)
    assert (loaded.size, loaded.labels.tolist(), loaded.classes) == (24, [1, 0, 1], names)


def test_one_hot_rows_without_names_give_numbered_classes_and_a_note(tmp_path):
    np.save(tmp_path / "sprites.npy", np.zeros((3, 16, 16, 3), np.uint8))
    np.save(tmp_path / "sprites_labels.npy", np.eye(3))
    loaded = data.load(tmp_path)
    assert loaded.classes == ("class 0", "class 1", "class 2")
    assert loaded.notes == ("the classes have no names: write them to classes.txt, one a line",)
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    assert (data.load(tmp_path).classes, data.load(tmp_path).notes) == (("a", "b", "c"), ())


def test_class_numbers_beyond_the_courses_need_names(tmp_path):
    np.save(tmp_path / "sprites.npy", np.zeros((2, 16, 16, 3), np.uint8))
    np.save(tmp_path / "sprites_labels.npy", np.array([0, 6]))
    with pytest.raises(data.DataError, match=r"run from 0 to 4, unless classes\.txt names others"):
        data.load(tmp_path)
    (tmp_path / "classes.txt").write_text("\n".join("abcdefg"))
    assert data.load(tmp_path).labels.tolist() == [0, 6]


def test_colours_that_arrays_hide_under_alpha_become_white(tmp_path):
    data.write_kaggle(tmp_path / "set", np.stack([sprite()]), np.array([0]))
    image = data.load(tmp_path / "set").images[0]
    assert (image[image[..., 3] == 0][:, :3] == 255).all()


def test_arrays_are_resized_on_request(tmp_path):
    np.save(tmp_path / "sprites.npy", np.full((2, 48, 48, 3), 7, np.uint8))
    np.save(tmp_path / "sprites_labels.npy", np.array([0, 1]))
    with pytest.raises(data.DataError, match=r"48x48 \(2\), .* --resize 24"):
        data.load(tmp_path)
    assert data.load(tmp_path, resize=24).images.shape == (2, 24, 24, 3)


@pytest.mark.parametrize(
    ("images", "classes", "jpegs", "says"),
    [
        (np.zeros((1, 18, 18, 3), np.uint8), CLASSES, 0, "18x18: pass squares of 8, 12"),
        (np.zeros((1, 16, 16, 4), np.uint8), CLASSES, 1, "JPEG cannot store"),
        (np.zeros((1, 16, 16, 3), np.uint8), ("a", "a"), 0, "a name of its own"),
        (np.zeros((1, 16, 16, 3), np.uint8), tuple(map(str, range(201))), 0, "up to 200"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, images, classes, jpegs, says):
    with pytest.raises(data.DataError, match=says):
        data.write_kaggle(tmp_path / "set", images, np.array([0]), jpegs=jpegs, classes=classes)
    assert not (tmp_path / "set").exists()
