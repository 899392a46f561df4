import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pixel_edu import data, sprites
from tests import command


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
