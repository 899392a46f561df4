import io
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixel_edu import config, data, sprites
from pixel_edu.config import CLASSES
from pixel_edu.data.core import IMAGES, JPEGS, LABELS, NAMES, TABLE
from pixel_edu.images import mirror_keys


@pytest.fixture(scope="module")
def drawn() -> sprites.Sprites:
    return sprites.make(60, seed=5)


@pytest.fixture
def kaggle(tmp_path, drawn) -> Path:
    return data.write_kaggle(tmp_path / "set", drawn.images, drawn.labels, jpegs=20)


@pytest.fixture
def folders(tmp_path, drawn) -> Path:
    for i, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        folder = tmp_path / "mine" / CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:03}.png")
    return tmp_path / "mine"


# ---------------------------------------------------------------- three layouts


def test_arrays_come_back_as_they_were_written_and_stay_on_disk(kaggle, drawn):
    loaded = data.load(kaggle)
    assert isinstance(loaded.images, np.memmap)
    assert np.array_equal(loaded.images, drawn.images)
    assert np.array_equal(loaded.labels, drawn.labels)
    assert (loaded.layout, loaded.classes, len(loaded)) == ("arrays", CLASSES, 60)


def test_the_written_files_have_the_types_of_the_kaggle_files(kaggle):
    one_hot = np.load(kaggle / LABELS)
    assert (one_hot.dtype, one_hot.shape) == (np.float64, (60, 5))
    assert np.load(kaggle / IMAGES).dtype == np.uint8
    first, second = (kaggle / TABLE).read_text().splitlines()[:2]
    assert first == "Image Index,Image Path,Label"
    assert re.fullmatch(r"1,path/to/image_1\.jpg,\[(0\. |1\. ){4}[01]\.\]", second)


def test_jpegs_get_the_labels_of_the_arrays_although_the_table_counts_from_one(kaggle, drawn):
    (kaggle / IMAGES).unlink()
    loaded = data.load(kaggle)
    assert loaded.layout == "jpegs"
    assert np.array_equal(loaded.labels, drawn.labels[:20])
    assert np.abs(loaded.images.astype(int) - drawn.images[:20]).mean() < 12  # JPEG noise


def test_overflowed_jpegs_are_noticed_and_turned_back_on_request(kaggle, drawn):
    (kaggle / IMAGES).unlink()
    for k in range(20):
        Image.fromarray(-drawn.images[k]).save(kaggle / JPEGS / f"image_{k}.JPEG", quality=100, subsampling=0)
    assert "(-x) mod 256" in data.load(kaggle).notes[0]
    mended = data.load(kaggle, undo_overflow=True)
    assert np.median(np.abs(mended.images.astype(int) - drawn.images[:20])) <= 2
    assert not data.pictures.overflowed(mended.images)


def test_a_download_with_the_folder_inside_it_is_found(kaggle, tmp_path, drawn):
    (tmp_path / "pixel-art" / "versions").mkdir(parents=True)
    kaggle.rename(tmp_path / "pixel-art" / "versions" / "1")
    assert len(data.load(tmp_path / "pixel-art")) == 60
    data.write_kaggle(tmp_path / "pixel-art" / "versions" / "2", drawn.images, drawn.labels)
    with pytest.raises(data.DataError, match="several datasets"):
        data.load(tmp_path / "pixel-art")


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.booleans())
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_what_is_read(seed, copies, mirrored):
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (5, 16, 16, 3), np.uint8), rng.integers(0, 5, 5)
    rows = np.concatenate([images, images[:, :, ::-1]]) if mirrored else images
    with tempfile.TemporaryDirectory() as folder:
        loaded = data.load(data.write_kaggle(folder, images, labels, copies=copies, mirrored=mirrored))
        assert np.array_equal(loaded.images, np.tile(rows, (copies, 1, 1, 1)))
        assert np.array_equal(loaded.labels, np.tile(labels, copies * (1 + mirrored)))


def test_own_folders_keep_the_course_order_of_classes(folders, drawn):
    loaded = data.load(folders)
    order = np.argsort(drawn.labels, kind="stable")
    assert loaded.classes == CLASSES
    assert np.array_equal(loaded.images, drawn.images[order])
    assert np.array_equal(loaded.labels, drawn.labels[order])


def test_own_folders_of_other_names_are_classes_in_alphabetical_order(tmp_path, drawn):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        Image.fromarray(drawn.images[0]).save(tmp_path / name / "x.png")
    loaded = data.load(tmp_path)
    assert (loaded.classes, loaded.labels.tolist()) == (("a", "b"), [0, 1])


@pytest.mark.parametrize("mode", ["P", "1", "L", "I;16"])
def test_every_kind_of_white_picture_is_white(tmp_path, mode):
    (tmp_path / "a").mkdir()
    picture = {
        "P": lambda: Image.new("RGB", (16, 16), "white").quantize(4),
        "1": lambda: Image.new("1", (16, 16), 1),
        "L": lambda: Image.new("L", (16, 16), 255),
        "I;16": lambda: Image.fromarray(np.full((16, 16), 65535, np.uint16)),
    }[mode]()
    picture.save(tmp_path / "a" / "x.png")
    loaded = data.load(tmp_path)
    assert (loaded.size, loaded.channels) == (16, 3)
    assert (loaded.images == 255).all()


# ---------------------------------------------------------------- splits


def assert_no_leak(images: np.ndarray, labels: np.ndarray) -> None:
    parts = data.split(images, labels)
    train, validation = (set(mirror_keys(images[part]).tolist()) for part in parts)
    assert not train & validation
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    base = np.unique(data.base_ids(images)).size
    assert abs(len(validation) / base - 0.1) < 0.02


def test_no_validation_sprite_nor_its_mirror_is_in_training_on_the_procedural_set():
    made = sprites.make_like_kaggle()
    images = np.tile(np.concatenate([made.images, made.images[:, :, ::-1]]), (3, 1, 1, 1))
    assert_no_leak(images, np.tile(made.labels, 6))


def test_no_validation_sprite_nor_its_mirror_is_in_training_on_the_full_size_stand_in(stand_in):
    loaded = data.load(stand_in)
    assert len(loaded) == 89_400
    assert_no_leak(loaded.images, loaded.labels)


def test_a_split_by_row_would_leak():
    """The check above can fail: it does for the split that everybody writes first."""
    made = sprites.make(200)
    images = np.concatenate([made.images, made.images[:, :, ::-1]])
    rows = np.random.default_rng(0).permutation(400)
    train, validation = (set(mirror_keys(images[part]).tolist()) for part in (rows[:360], rows[360:]))
    assert train & validation


def test_the_split_follows_the_pixels_not_the_rows_or_their_copies(drawn):
    def held_out(images, labels):
        return set(mirror_keys(images[data.split(images, labels, 0.2).validation]).tolist())

    shuffled = np.random.default_rng(1).permutation(60)
    once = held_out(drawn.images, drawn.labels)
    assert once == held_out(drawn.images[shuffled], drawn.labels[shuffled])
    assert once == held_out(np.tile(drawn.images[:, :, ::-1], (3, 1, 1, 1)), np.tile(drawn.labels, 3))


def test_no_validation_sprite_nor_its_mirror_is_in_training_on_20_000_procedural_sprites():
    made = sprites.make(20_000)
    assert_no_leak(made.images, made.labels)


def test_the_split_is_the_same_on_every_machine(drawn):
    assert data.split(drawn.images, drawn.labels, 0.1).validation.tolist() == [2, 28, 38, 41, 54]


def test_a_sprite_under_two_labels_is_split_the_same_in_any_order_of_rows(drawn):
    images = np.tile(drawn.images, (2, 1, 1, 1))
    labels = np.r_[drawn.labels, 0 * drawn.labels]
    there = data.split(images, labels, 0.2).validation
    back = len(images) - 1 - data.split(images[::-1], labels[::-1], 0.2).validation
    assert there.tolist() == sorted(back.tolist())


def test_every_class_gives_the_same_share(drawn):
    rows = data.split(drawn.images, drawn.labels, 0.25).validation
    assert np.bincount(drawn.labels[rows]).tolist() == [3] * 5


@pytest.mark.parametrize(("share", "rows"), [(0, 0), (1, 60)])
def test_the_whole_range_of_shares_works(drawn, share, rows):
    assert len(data.split(drawn.images, drawn.labels, share).validation) == rows


def test_a_share_outside_the_range_is_refused(drawn):
    with pytest.raises(data.DataError, match="0 to 1"):
        data.split(drawn.images, drawn.labels, 1.5)


# ---------------------------------------------------------------- bad input: one sentence each


def cut_short(folder):
    path = folder / IMAGES
    path.write_bytes(path.read_bytes()[:-100])


def pickled(folder):
    np.save(folder / IMAGES, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def bare_pickle(folder):
    import pickle

    (folder / IMAGES).write_bytes(pickle.dumps([1, 2]))


def set_label(value, row=3, column=0):
    def change(folder):
        labels = np.load(folder / LABELS)
        labels[row, column] = value
        np.save(folder / LABELS, labels)

    return change


def replace_labels(array):
    return lambda folder: np.save(folder / LABELS, array)


def only_jpegs(then):
    def change(folder):
        (folder / IMAGES).unlink()
        then(folder)

    return change


HEAD = "Image Index,Image Path,Label\n"
BAD = {
    "truncated images": (cut_short, "cut short"),
    "pickled images": (pickled, "pickled"),
    "a bare pickle": (bare_pickle, "pickled"),
    "no npy file at all": (lambda f: (f / IMAGES).write_text("hello"), "not a .npy file"),
    "an empty file": (lambda f: (f / IMAGES).write_bytes(b""), "not a .npy file"),
    "no rows": (lambda f: np.save(f / IMAGES, np.zeros((0, 16, 16, 3), np.uint8)), "no rows"),
    "another shape": (
        lambda f: np.save(f / IMAGES, np.zeros((60, 16, 16), np.uint8)),
        "expected uint8 (N, S, S, 3)",
    ),
    "a size that no network takes": (
        lambda f: np.save(f / IMAGES, np.zeros((60, 18, 18, 3), np.uint8)),
        "of 18x18 (60), and a network takes squares of 8, 12, 16, 20, 24, 28 or 32",
    ),
    "two classes too few in the names": (lambda f: (f / NAMES).write_text("a\nb\n"), "rows (N, 2)"),
    "a class name twice": (lambda f: (f / NAMES).write_text("a\na\n"), "a name twice"),
    "another type": (lambda f: np.save(f / IMAGES, np.zeros((60, 16, 16, 3))), "float64"),
    "labels missing": (lambda f: (f / LABELS).unlink(), "is missing"),
    "labels of another length": (replace_labels(np.eye(5)), "5 rows"),
    "labels not one-hot": (set_label(1, column=slice(0, 2)), "not one-hot in row 3"),
    "a label of halves": (set_label(0.5, column=slice(0, 5)), "not one-hot in row 3"),
    "a label of NaN": (set_label(np.nan), "NaN or infinity in row 3"),
    "a class out of range": (replace_labels(np.array([5] * 60)), "run from 0 to 4"),
    "a negative class": (replace_labels(np.array([-1] * 60)), "run from 0 to 4"),
    "labels of text": (replace_labels(np.array(["food"] * 60)), "expected numbers"),
    "labels of three dimensions": (replace_labels(np.zeros((60, 1, 5))), "reshape"),
    "a corrupt JPEG": (
        only_jpegs(lambda f: (f / JPEGS / "image_3.JPEG").write_bytes(b"\xff\xd8no")),
        "image_3.JPEG cannot",
    ),
    "a JPEG without a row": (
        only_jpegs(lambda f: (f / JPEGS / "image_3.JPEG").rename(f / JPEGS / "image_99.JPEG")),
        "no row",
    ),
    "a table without its columns": (
        only_jpegs(lambda f: (f / TABLE).write_text("a,b\n1,2\n")),
        "lacks the column",
    ),
    "a table of bytes": (
        only_jpegs(lambda f: (f / TABLE).write_bytes(b"\xff\xfe\x00")),
        "cannot be read as a table",
    ),
    "a table with a bad label": (
        only_jpegs(lambda f: (f / TABLE).write_text("Image Index,Image Path,Label\n1,x,[1. 1. 0.]\n")),
        "line 2",
    ),
    "a header that is damaged": (
        lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes().replace(b"'shape'", b"'sha(((", 1)),
        "not a .npy file",
    ),
    "an archive in place of an array": (lambda f: (f / IMAGES).write_bytes(b"PK\x03\x04"), "not a .npy file"),
    "an index twice": (
        only_jpegs(lambda f: (f / TABLE).write_text(HEAD + "1,x,[1. 0. 0. 0. 0.]\n" * 2)),
        "line 3: the Image Index 1 appears twice",
    ),
    "an index of text": (
        only_jpegs(lambda f: (f / TABLE).write_text(HEAD + "one,x,[1. 0. 0. 0. 0.]\n")),
        "line 2: the Image Index 'one'",
    ),
    "a label of six": (
        only_jpegs(lambda f: (f / TABLE).write_text(HEAD + "1,x,[1. 0. 0. 0. 0. 0.]\n")),
        "line 2",
    ),
    "a table of no rows": (only_jpegs(lambda f: (f / TABLE).write_text(HEAD)), "no rows"),
    "no table": (only_jpegs(lambda f: [(f / TABLE).unlink(), (f / LABELS).unlink()]), "no labels.csv"),
    "no JPEGs": (
        only_jpegs(lambda f: [p.unlink() for p in (f / JPEGS).iterdir()]),
        "holds no image_<k>.JPEG",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD)
def test_bad_data_is_refused_in_one_sentence(kaggle, spoil, says):
    spoil(kaggle)
    with pytest.raises(data.DataError) as caught:
        data.load(kaggle)
    message = str(caught.value)
    assert says in message
    assert "\n" not in message
    assert str(kaggle) in message


def test_a_path_that_is_no_folder_or_empty_is_refused(tmp_path):
    with pytest.raises(data.DataError, match="is not a folder"):
        data.load(tmp_path / "nothing")
    with pytest.raises(data.DataError, match="holds no sprites"):
        data.load(tmp_path)


def test_a_class_folder_without_pictures_is_refused(folders):
    (folders / "food").rename(folders.parent / "food")
    (folders / "food").mkdir()
    (folders / "food" / "notes.txt").write_text("no picture")
    with pytest.raises(data.DataError, match="holds no pictures"):
        data.load(folders)


def test_a_broken_picture_among_good_ones_is_named_and_left_out_only_on_request(folders, drawn):
    broken = next((folders / "food").iterdir())
    broken.write_bytes(b"not a picture")
    with pytest.raises(data.DataError, match=broken.name):
        data.load(folders)
    loaded = data.load(folders, skip_bad=True)
    assert len(loaded) == 59
    assert np.bincount(loaded.labels).tolist() == [12, 12, 11, 12, 12]
    assert broken.name in loaded.notes[0]


def test_a_picture_that_is_no_sprite_by_its_size_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("1", (4097, 4)).save(tmp_path / "a" / "x.png")
    with pytest.raises(data.DataError, match="4097 x 4 pixels"):
        data.load(tmp_path)


def test_an_animation_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a" / "x.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(data.DataError, match="animation of 2 frames"):
        data.load(tmp_path)


def test_a_text_file_that_calls_itself_a_picture_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_text("%!PS-Adobe-3.0 EPSF-3.0")
    with pytest.raises(data.DataError, match=r"x\.png cannot be read"):
        data.load(tmp_path)


def test_exif_rotation_is_not_obeyed(tmp_path):
    (tmp_path / "a").mkdir()
    image = np.zeros((16, 16, 3), np.uint8)
    image[:8] = 255
    turned = Image.Exif()
    turned[274] = 6  # orientation: turn by 90 degrees to look at it
    Image.fromarray(image).save(tmp_path / "a" / "x.png", exif=turned)
    assert np.array_equal(data.load(tmp_path).images[0], image)


@given(st.integers(0, 127), st.binary(min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_a_damaged_header_never_gives_anything_but_one_sentence(place, noise):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((2, 16, 16, 3), np.uint8))
    content = bytearray(buffer.getvalue())
    content[place : place + len(noise)] = noise
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / IMAGES
        path.write_bytes(content)
        try:
            data.arrays.map_array(path)
        except data.DataError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("1", (20_000, 20_000)).save(tmp_path / "a" / "x.png")
    with pytest.raises(data.DataError):
        data.load(tmp_path)


# ---------------------------------------------------------------- writing, whole or not at all


def test_a_folder_that_is_there_is_kept_unless_replacing_it_is_asked_for(kaggle, drawn):
    with pytest.raises(data.DataError, match="already there"):
        data.write_kaggle(kaggle, drawn.images[:5], drawn.labels[:5])
    assert len(data.load(kaggle)) == 60
    data.write_kaggle(kaggle, drawn.images[:5], drawn.labels[:5], force=True)
    assert len(data.load(kaggle)) == 5
    assert [p.name for p in kaggle.parent.iterdir()] == ["set"]


def test_an_interruption_half_way_leaves_the_old_folder_and_nothing_else(kaggle, drawn):
    def interrupted(rows):
        yield from rows[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.write_kaggle(kaggle, drawn.images[:9], drawn.labels[:9], jpegs=9, force=True, track=interrupted)
    assert len(data.load(kaggle)) == 60
    assert [p.name for p in kaggle.parent.iterdir()] == ["set"]


FULL = """
import resource, signal, sys
from pixel_edu import config, data, sprites
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit then fails with an OSError, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
drawn = sprites.make(500)
try:
    data.write_kaggle(sys.argv[1], drawn.images, drawn.labels, force=True)
except config.UserError as error:
    print(error)
"""


def test_a_disk_that_fills_half_way_leaves_the_old_folder_and_nothing_else(kaggle):
    assert resource.RLIMIT_FSIZE
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(kaggle)], capture_output=True, text=True, check=True
    )
    assert "cannot be written" in done.stdout
    assert len(data.load(kaggle)) == 60
    assert [p.name for p in kaggle.parent.iterdir()] == ["set"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path, drawn):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(config.UserError, match="cannot be written"):
        data.write_kaggle(tmp_path / "file" / "set", drawn.images, drawn.labels)
