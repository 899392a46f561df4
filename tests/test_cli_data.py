import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pixel_edu import data, sprites
from tests import command

pytestmark = pytest.mark.slow


def pixel_edu(*arguments, cwd=None):
    return command.run(*arguments, cwd=cwd, env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"})


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "small"
    assert pixel_edu("data", "make", out, "-n", 100, "--jpegs", 10).returncode == 0
    return out


@pytest.fixture(scope="module")
def like_kaggle(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "like-kaggle"
    assert pixel_edu("data", "make", out, "--like-kaggle", "--jpegs", 10).returncode == 0
    return out


def test_make_writes_the_procedural_set_in_the_kaggle_layout(small):
    made = sprites.make(100)
    loaded = data.load(small)
    assert np.array_equal(loaded.images, made.images)
    assert np.array_equal(loaded.labels, made.labels)
    assert len(list((small / "images" / "images").glob("image_*.JPEG"))) == 10


def test_make_like_kaggle_has_the_rows_of_the_real_set(like_kaggle):
    loaded = data.load(like_kaggle)
    assert np.bincount(loaded.labels).tolist() == [8000, 32400, 6000, 35000, 8000]
    assert np.array_equal(loaded.images[894:1788], loaded.images[:894, :, ::-1])
    assert np.array_equal(loaded.images[1788 * 49 :], loaded.images[:1788])


def test_make_refuses_a_folder_in_use_and_replaces_a_dataset_on_request(tmp_path):
    assert pixel_edu("data", "make", tmp_path / "a", "-n", 10).returncode == 0
    refused = pixel_edu("data", "make", tmp_path / "a", "-n", 20)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert pixel_edu("data", "make", tmp_path / "a", "-n", 20, "--force").returncode == 0
    assert len(data.load(tmp_path / "a")) == 20


def test_force_never_replaces_a_folder_with_other_files(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = pixel_edu("data", "make", tmp_path, "-n", 10, "--force")
    assert refused.returncode == 1
    assert "thesis.txt" in refused.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_check_of_a_clean_set_exits_with_0(small):
    done = pixel_edu("data", "check", small)
    assert done.returncode == 0, done.stdout
    assert "100 rows, 100 distinct images, 0 duplicates, 100 base sprites, 0 mirrored pairs" in done.stdout
    assert "nothing wrong" in done.stdout


def test_check_names_the_traps_and_exits_with_1_until_they_are_accepted(like_kaggle):
    done = pixel_edu("data", "check", like_kaggle)
    assert done.returncode == 1
    for line in ("wrong repeated-rows", "wrong mirrored-rows", "wrong unbalanced-classes"):
        assert line in done.stdout
    wrong = [line.split()[1].rstrip(":") for line in done.stdout.splitlines() if line.startswith("wrong ")]
    accepted = pixel_edu(
        "data", "check", like_kaggle, *(word for name in wrong for word in ("--accept", name))
    )
    assert accepted.returncode == 0
    assert "known repeated-rows" in accepted.stdout


def test_accepting_a_trap_that_does_not_exist_is_misuse(small):
    assert pixel_edu("data", "check", small, "--accept", "everything").returncode == 2


def test_check_prints_json_for_programs(like_kaggle):
    done = pixel_edu("data", "check", like_kaggle, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["rows"]) == (1, 89_400)
    assert "repeated-rows" in [trap["name"] for trap in report["traps"]]


def test_check_of_nothing_is_one_sentence_on_stderr(tmp_path):
    done = pixel_edu("data", "check", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_broken_picture_is_named_and_skipped_only_on_request(tmp_path, small):
    folder = tmp_path / "mine" / "slimes"
    folder.mkdir(parents=True)
    Image.fromarray(data.load(small).images[0]).save(folder / "good.png")
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    refused = pixel_edu("data", "check", tmp_path / "mine")
    assert refused.returncode == 1
    assert "bad.png" in refused.stderr
    assert "take it out of the folder" in refused.stderr
    done = pixel_edu("data", "check", tmp_path / "mine", "--skip-bad")
    assert done.returncode == 0
    assert "1 rows" in done.stdout
    assert "bad.png" in done.stdout


def test_show_draws_every_class(small, tmp_path):
    done = pixel_edu("data", "show", small, tmp_path / "grid.png", "--rows", 1, "--columns", 5, "--scale", 2)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == ((5 * 17 - 1) * 2, (5 * 16 + 4 * 4) * 2)


def test_show_to_a_place_that_cannot_be_written_is_one_sentence(small, tmp_path):
    (tmp_path / "file").touch()
    done = pixel_edu("data", "show", small, tmp_path / "file" / "grid.png")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_split_writes_the_rows_that_the_library_gives(small, tmp_path):
    done = pixel_edu("data", "split", small, "--validation", 0.2, "--out", tmp_path / "rows.npz")
    assert "validation: 20 rows, 20 base sprites" in done.stdout
    loaded = data.load(small)
    with np.load(tmp_path / "rows.npz") as rows:
        assert np.array_equal(rows["validation"], data.split(loaded.images, loaded.labels, 0.2).validation)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.npz"]


def test_data_commands_do_not_load_torch(small):
    script = (
        f"import sys; from pixel_edu import audit; audit.check({str(small)!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Two classes of 24x24 pixels with alpha, and what lies beside them."""
    folder = tmp_path_factory.mktemp("own") / "my set"
    for i, name in enumerate(("gems", "rocks") * 3):
        (folder / name).mkdir(parents=True, exist_ok=True)
        image = np.zeros((24, 24, 4), np.uint8)
        image[4:20, 4 : 10 + i] = [40 * i, 0, 200, 255]
        Image.fromarray(image).save(folder / name / f"{i}.png")
    (folder / "licence.txt").write_text("CC0")
    return folder


def test_check_says_size_transparency_classes_and_what_was_passed_over(own):
    done = pixel_edu("data", "check", own)
    assert done.returncode == 0, done.stdout
    assert "24x24 pixels, 6 of 6 base sprites with transparency" in done.stdout
    assert "gems" in done.stdout
    assert "note: passed over: 1 .txt" in done.stdout


def test_check_of_mixed_sizes_is_one_sentence_and_goes_on_as_it_says(own, tmp_path):
    (tmp_path / "set").mkdir()
    for name, size in (("a.png", 24), ("b.png", 24), ("c.png", 18)):
        Image.new("RGB", (size, size), "red").save(tmp_path / "set" / name)
    done = pixel_edu("data", "check", tmp_path / "set")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "24x24 (2) and 18x18 (1): ask for one with --resize 24" in done.stderr
    assert "24x24 pixels, without" in pixel_edu("data", "check", tmp_path / "set", "--resize", 24).stdout


def test_show_lays_transparent_sprites_over_a_checkerboard(own, tmp_path):
    done = pixel_edu("data", "show", own, tmp_path / "grid.png", "--columns", 3, "--rows", 1, "--scale", 1)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (3 * 25 - 1, 2 * 24 + 4)
        assert {picture.getpixel((0, 0)), picture.getpixel((4, 0))} == {(230, 230, 230), (195, 195, 195)}


def test_split_takes_sprites_of_any_size(own):
    assert "validation: 2 rows, 2 base sprites" in pixel_edu("data", "split", own, "--validation", 0.3).stdout


def test_frames_of_an_animation_are_sprites_on_request(tmp_path):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    (tmp_path / "set").mkdir()
    frames[0].save(tmp_path / "set" / "1.gif", save_all=True, append_images=frames[1:])
    assert "with --frames" in pixel_edu("data", "check", tmp_path / "set").stderr
    done = pixel_edu("data", "check", tmp_path / "set", "--frames")
    assert "2 rows, 2 distinct" in done.stdout
    assert "note: 1 animation was read as 2 sprites" in done.stdout


def test_slice_cuts_a_sheet_says_how_many_and_what_comes_next_works(tmp_path):
    sheet = np.zeros((32, 64, 4), np.uint8)
    for column, row in ((0, 0), (1, 0), (3, 1)):
        sheet[16 * row + 3 : 16 * row + 12, 16 * column + 5 : 16 * column + 11] = [column * 60, 0, 90, 255]
    Image.fromarray(sheet).save(tmp_path / "gems.png")
    done = pixel_edu("data", "slice", tmp_path / "gems.png", "--size", 16, "--out", tmp_path / "gems")
    assert done.returncode == 0, done.stderr
    assert "tiles of 16x16: 3 kept, 5 empty" in done.stdout
    assert f"3 sprites in {tmp_path / 'gems'}; look at them with: pixel-edu data show" in done.stdout
    assert sorted(path.name for path in (tmp_path / "gems").iterdir()) == [
        "gems_r00_c00.png",
        "gems_r00_c01.png",
        "gems_r01_c03.png",
    ]
    wide = pixel_edu("data", "slice", tmp_path / "gems.png", "--size", "16x32", "--out", tmp_path / "wide")
    assert "tiles of 16x32, padded to 32x32: 3 kept, 1 empty" in wide.stdout
    assert data.load(tmp_path / "wide").size == 32


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (
            ("--size", "20"),
            1,
            "has 64x32 pixels, and tiles of 20x20 leave 4 columns and 12 rows of them over: try",
        ),
        (("--size", "16x"), 2, "16x is not a size"),
        (("--gap", 1), 2, "give --size as well"),
        ((), 1, "no grid is to be seen for sure"),
    ],
)
def test_a_sheet_that_cannot_be_sliced_so_is_told_in_one_sentence(tmp_path, arguments, code, says):
    noise = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "s.png")
    done = pixel_edu("data", "slice", tmp_path / "s.png", *arguments, "--out", tmp_path / "out")
    assert done.returncode == code
    assert says in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_sheet_that_is_not_there_is_said_so(tmp_path):
    done = pixel_edu("data", "slice", tmp_path / "s.png", "--out", tmp_path / "out")
    assert done.stderr == f"error: {tmp_path / 's.png'} does not exist: check its path\n"
