"""What a message recommends is done, word for word where it is a command, and then it works.

Each test makes a mistake as a user does, and goes on as the message says.
"""

import json
import re
import shlex
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixel_edu import config, images, sprites
from pixel_edu.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_pictures")]

ROOT = Path(__file__).parents[1]
SMALL = ["--sprites", 60, "--batch-size", 4, "--device", "cpu"]


class Terminal:
    """Types commands, in this process, and reads what they say."""

    def __init__(self, monkeypatch, capfd) -> None:
        self.monkeypatch, self.capfd = monkeypatch, capfd

    def __call__(self, *words) -> tuple[int, str]:
        """The exit code, and what was printed."""
        self.monkeypatch.setattr(sys, "argv", ["pixel-edu", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = self.capfd.readouterr()
        return ended.value.code or 0, said.out + said.err

    def refused(self, *words) -> str:
        """The one line that a command ends with which fails."""
        code, said = self(*words)
        assert code, said
        last = said.splitlines()[-1]
        assert last.startswith("error: "), said
        return last

    def works(self, *words) -> str:
        """What was said by a command that works."""
        code, said = self(*words)
        assert not code, said
        return said

    def follow(self, said: str, **filled) -> str:
        """Type the last command in what was said, with the words in capitals filled in."""
        command = re.findall(r"pixel-edu ((?:[a-z]|--)[^;\n]*)", said)[-1]
        for word, value in filled.items():
            assert word in command
            command = command.replace(word, shlex.quote(str(value)))
        return self.works(*shlex.split(command))


@pytest.fixture
def typed(tmp_path, monkeypatch, capfd):
    """A terminal in an empty folder, whose name has a space."""
    (tmp_path / "my work").mkdir()
    monkeypatch.chdir(tmp_path / "my work")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Terminal(monkeypatch, capfd)


@pytest.fixture(scope="module", autouse=True)
def imported():
    """PyTorch, whose import would be counted as the first test's."""
    import accelerate  # noqa: F401
    import torch  # noqa: F401


@pytest.fixture(scope="module")
def made(small_pictures, tmp_path_factory):
    """A run of three steps, in a folder whose name has a space."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("made")
        words = ["train", "--steps", 3, "--out", folder / "a run", *SMALL]
        patch.setattr(sys, "argv", ["pixel-edu", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    return folder / "a run"


@pytest.fixture
def pictures():
    """A folder of a dataset in which one picture is damaged; the path of that."""
    drawn = sprites.make(200)
    for i, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        folder = Path("my sprites", config.CLASSES[label])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    bad = Path("my sprites", "food", "0.png")
    bad.write_bytes(b"not a picture")
    return bad


# data


def test_data_make_shows_how_to_look_at_the_dataset(typed):
    typed.follow(typed.works("data", "make", "my set", "-n", 50))
    assert Path("sprites.png").exists()


def test_data_make_is_told_to_replace_with_force(typed):
    typed.works("data", "make", "set", "-n", 50)
    assert "--force" in typed.refused("data", "make", "set", "-n", 60)
    assert "60 rows" in typed.works("data", "make", "set", "-n", 60, "--force")


@pytest.mark.parametrize(
    "words",
    [
        ["data", "check", "my sprites", "--accept", "two-labels"],
        ["data", "show", "my sprites"],
        ["data", "split", "my sprites"],
        ["train", "my sprites", "--steps", "1", "--batch-size", "2", "--device", "cpu"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_bad_picture_is_listed_and_taken_out(typed, pictures, words):
    said = typed.refused(*words)
    assert str(pictures) in said
    command = re.search(r"\(pixel-edu (.*) lists", said)[1].replace("FOLDER", "'my sprites'")
    listed = typed(*shlex.split(command))[1]
    assert str(pictures) in listed
    assert listed.count("skipped:") == 1
    pictures.unlink()
    assert "cannot be read" not in typed(*words)[1]


def test_evaluate_says_the_same_of_a_bad_picture(typed, pictures):
    assert "data check FOLDER --skip-bad" in typed.refused("evaluate", "tiny", "--data", "my sprites")


@pytest.fixture
def sheet():
    """A sheet of 24 sprites, one pixel apart."""
    tiles = images.grid(sprites.make(24).images, 6, gap=1, background=255)
    images.write_png("my sheet.png", tiles)
    return "my sheet.png"


@pytest.mark.parametrize("words", [["data", "check"], ["data", "show"], ["data", "split"]], ids=" ".join)
def test_pictures_of_several_sizes_and_animations_are_read_as_the_messages_say(typed, words):
    Path("gems").mkdir()
    for i, size in enumerate((24, 24, 18)):
        Image.new("RGB", (size, size), (0, 99, 60 * i)).save(f"gems/{i}.png")
    resize = re.search(r"--resize \d+", typed.refused(*words, "gems"))[0].split()
    typed.works(*words, "gems", *resize)
    frames = [Image.new("RGB", (24, 24), (color, 0, 0)) for color in (99, 200)]
    frames[0].save("gems/4.gif", save_all=True, append_images=frames[1:])
    option = re.search(r"--frames", typed.refused(*words, "gems", *resize))[0]
    typed.works(*words, "gems", *resize, option)


def test_a_sheet_in_place_of_a_folder_is_cut_as_the_messages_say(typed, sheet):
    command = re.search(r"pixel-edu ([a-z ]*[a-z]),", typed.refused("data", "check", sheet))[1].split()
    options = re.search(
        r"try ((?:--[a-z]+ \d+ ?)+)", typed.refused(*command, sheet, "--size", 16, "--out", "a set")
    )
    said = typed.works(*command, sheet, *options[1].split(), "--out", "a set")
    assert "24 sprites in a set" in said
    typed.follow(said)
    assert Path("sprites.png").exists()
    assert "24 rows" in typed.works("data", "check", "a set")


def test_tiles_too_large_for_a_network_go_on_as_the_message_says(typed):
    tiles = images.upscale(sprites.make(9).images, 3)
    images.write_png("sheet.png", images.grid(tiles, 3, gap=0))
    said = typed.works("data", "slice", "sheet.png", "--size", 48, "--out", "a set")
    resize = re.search(r"pixel-edu train 'a set' (--resize \d+)", said)[1].split()
    assert "24x24 pixels" in typed.works("data", "check", "a set", *resize)


def test_a_trap_that_is_unknown_is_one_of_those_that_are_offered(typed):
    typed.works("data", "make", "set", "-n", 50)
    offered = re.search(
        r"is not one of ([\w-]+)", typed.refused("data", "check", "set", "--accept", "trapp")
    )[1]
    typed.works("data", "check", "set", "--accept", offered)


def test_the_fault_of_an_array_can_be_fixed_as_it_says(typed):
    typed.works("data", "make", "set", "-n", 50)
    path = Path("set", "sprites_labels.npy")
    labels = np.load(path)
    np.save(path, labels[:, None])
    assert re.search(r"reshape it to one-hot rows \(N, K\)", typed.refused("data", "check", "set"))
    right = labels[3].copy()
    labels[3] = 2
    np.save(path, labels)
    assert re.search(r"in row 3.*: write a single 1 and zeros", typed.refused("data", "check", "set"))
    labels[3] = right
    np.save(path, labels)
    typed.works("data", "check", "set")


def test_several_datasets_in_a_folder_are_named(typed):
    for name in ("one", "two"):
        typed.works("data", "make", f"all/{name}", "-n", 50)
    typed.works("data", "check", re.search(r"datasets, (\S+) and", typed.refused("data", "check", "all"))[1])


# models


def test_train_shows_how_to_draw(typed):
    typed.follow(typed.works("train", "--steps", 2, "--out", "another run", *SMALL))
    assert Path("sprites.png").exists()


def test_a_finished_run_goes_on_for_more_steps(typed, made):
    shutil.copytree(made, "run")
    said = typed.works("train", "--steps", 3, "--out", "run", *SMALL)
    assert "to go on with it, ask for more --steps" in said
    typed.works("train", "--steps", 4, "--out", "run", *SMALL)


def test_a_run_of_other_settings_goes_on_with_its_own_or_elsewhere(typed, made):
    shutil.copytree(made, "run")
    assert "use its settings or another folder" in typed.refused(
        "train", "--steps", 3, "--out", "run", "--learning-rate", 0.1, *SMALL
    )
    typed.works("train", "--steps", 3, "--out", "run", *SMALL)
    typed.works("train", "--steps", 2, "--out", "other", "--learning-rate", 0.01, *SMALL)


def test_a_loss_that_is_not_a_number_is_cured_by_a_lower_learning_rate(typed):
    words = ["train", "--steps", 12, "--out", "run", *SMALL]
    said = typed.refused(*words, "--learning-rate", 1e30)
    below = float(re.search(r"with a learning rate below (\S+)", said)[1])
    typed.works(*words, "--learning-rate", min(below, 1) / 1000, "--restart")


def test_a_full_gpu_is_one_sentence_and_a_smaller_batch_goes_on_in_the_same_folder(typed, monkeypatch):
    import torch

    from pixel_edu import training

    real = training.batch_loss

    def loss(network, batch, *rest):
        if len(batch.x0) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return real(network, batch, *rest)

    monkeypatch.setattr(training, "batch_loss", loss)
    said = typed.refused("train", "--steps", 2, "--out", "run", *SMALL)
    assert said == (
        "error: there is not enough memory: choose a smaller --batch-size, or choose --device cpu, "
        "or end what else uses it"
    )
    typed.works("train", "--steps", 2, "--out", "run", *SMALL, "--batch-size", 2)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
        MemoryError(),
    ],
)
def test_where_memory_is_full_a_sample_of_fewer_is_advised(error, typed, monkeypatch):
    from pixel_edu import generate

    def full(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(generate, "generate", full)
        said = typed.refused("sample", "--checkpoint", "tiny", "-n", 4, "--steps", 2, "--device", "cpu")
        assert "not enough memory: choose a smaller -n, or choose --device cpu, or" in said
    typed.works("sample", "--checkpoint", "tiny", "-n", 2, "--steps", 2, "--device", "cpu")


def test_a_model_that_is_missing_is_trained(typed):
    said = typed.refused("sample", "--checkpoint", "runs/tiny/model.safetensors")
    assert "or train with pixel-edu train" in said
    typed.works("train", "--steps", 1, *SMALL)
    typed.works("sample", "--checkpoint", "runs/tiny/model.safetensors", "-n", 1)


def test_a_name_of_a_model_with_a_typo_is_one_of_those_that_are_offered(typed):
    said = typed.refused("sample", "--checkpoint", "tinny")
    offered = re.search(r": use (.*), or a path", said)[1].split(", ")
    assert len(offered) > 1
    for name in offered:
        typed.works("sample", "--checkpoint", name, "-n", 1, "--steps", 1)


def test_what_is_not_a_model_asks_for_one_that_train_wrote(typed, made):
    Path("a.safetensors").write_bytes(b"nothing")
    assert "that pixel-edu train wrote" in typed.refused("sample", "--checkpoint", "a.safetensors")
    typed.works("sample", "--checkpoint", made / "model.safetensors", "-n", 1)


def test_a_device_that_is_not_there_names_those_that_are(typed):
    said = typed.refused("sample", "-n", 1, "--device", "npu")
    for device in re.search(r"use auto or one of: (.*)", said)[1].split(", "):
        typed.works("sample", "-n", 1, "--device", device, "--checkpoint", "tiny")


def test_a_class_with_a_typo_is_one_of_those_that_are_offered(typed):
    offered = re.findall(r"'(\w+)'", typed.refused("sample", "--class", "foods", "-n", 1))
    typed.works("sample", "--class", offered[-1], "-n", 1, "--checkpoint", "tiny")


def test_a_place_that_cannot_be_written_is_changed_for_another(typed):
    Path("file").write_text("in the way", encoding="utf-8")
    typed.works("data", "make", "set", "-n", 50)
    assert "choose a place that you may write to" in typed.refused("data", "show", "set", "file/sheet.png")
    typed.works("data", "show", "set", "sheet.png")
    assert "choose a place" in typed.refused("data", "split", "set", "--out", "file/split.npz")
    typed.works("data", "split", "set", "--out", "split.npz")


def test_a_dataset_of_other_classes_asks_for_another_folder(typed):
    for name in ("cats", "dogs"):
        Path("pets", name).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(Path("pets", name, "a.png"))
    typed.works("data", "make", "set", "-n", 50)
    typed.works("train", "set", "--steps", 1, "--batch-size", 2)
    words = ["train", "pets", "--steps", 1, "--batch-size", 2]
    assert "(classes is 5, not 2): use its settings or another folder" in typed.refused(*words)
    typed.works(*words, "--out", "runs/pets")


def test_bits_of_a_dataset_with_many_colours_are_given_up(typed):
    typed.works("data", "make", "set", "-n", 50)
    colours = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    np.save(Path("set", "sprites.npy"), colours)
    words = ["train", "set", "--steps", 1, "--batch-size", 2]
    assert "without --bits" in typed.refused(*words, "--bits")
    typed.works(*words)


@pytest.mark.slow
def test_export_shows_how_to_draw_with_what_it_wrote(typed, made):
    assert "omit it" in typed.refused("export", "tiny", "--half", "--format", "diffusers")
    assert "add --format diffusers" in typed.refused("export", "tiny", "--report", "report.json")
    assert "write it with pixel-edu export" in typed.refused("sample", "--checkpoint", "my model.onnx")
    Path("my model.onnx").write_bytes(b"nothing")
    assert "write it again" in typed.refused("sample", "--checkpoint", "my model.onnx")
    typed.follow(typed.works("export", made / "model.safetensors", "--out", "my model.onnx"))
    assert Path("sprites.png").exists()


def test_a_port_that_is_taken_is_changed_for_a_free_one(typed):
    pytest.importorskip("fastapi")
    from pixel_edu.serving import server

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for words in (["serve"], ["demo"]):
            assert "choose another --port" in typed.refused(*words, "--port", port)
    with server.bind("127.0.0.1", 0) as free:
        assert free.getsockname()[1]


def test_the_folder_of_a_run_stands_for_its_model(typed, made):
    assert "give a run's folder, or a file that pixel-edu train wrote" in typed.refused(
        "sample", "--checkpoint", made.parent
    )
    typed.works("sample", "--checkpoint", made, "-n", 1, "--out", "of-folder.png")
    typed.works("sample", "--checkpoint", made / "model.safetensors", "-n", 1, "--out", "of-file.png")
    assert Path("of-folder.png").read_bytes() == Path("of-file.png").read_bytes()


def test_a_picture_is_written_into_a_new_folder_and_under_no_other_ending(typed):
    typed.works("data", "make", "set", "-n", 50)
    for words in (["data", "show", "set"], ["sample", "--checkpoint", "tiny", "-n", 1, "--out"]):
        assert "end it with .png" in typed.refused(*words, "a new/deep one/sheet.jpg")
        typed.works(*words, "a new/deep one/sheet.png")
        with Image.open("a new/deep one/sheet.png") as picture:
            assert picture.format == "PNG"
        Path("a new/deep one/sheet.png").unlink()


def test_the_pages_of_the_book_are_written_where_there_is_a_book(typed):
    for command, option in (("artwork", "--book"), ("status", "--root")):
        said = typed.refused("course", command)
        assert (
            said == f"error: book: there is no such folder: run this in the course's folder, or give {option}"
        )
    assert not Path("book").exists()


# MLflow


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_the_address_of_a_database_is_written_as_the_message_writes_it(typed):
    from pixel_edu import tracking

    said = typed.refused("track", "promote", "run", "--mlflow", "mlflow.db")
    address = re.search(r"for a database write (\S+),", said)[1]
    assert tracking.connect(address).search_experiments()


# the course


def test_a_hand_out_that_is_out_of_date_is_built_by_the_same_without_check(typed):
    shutil.copytree(
        ROOT / "solutions", "my solutions", ignore=lambda _, names: set(names) - {"02_noise.ipynb"}
    )
    words = ["exercises", "build", "--source", "my solutions", "--out", "given"]
    typed.works(*words)
    path = Path("given", "02_noise.ipynb")
    path.write_text(path.read_text(encoding="utf-8").replace("minutes", "hours", 1), encoding="utf-8")
    code, said = typed(*words, "--check")
    assert (code, "run the same without --check" in said) == (1, True)
    typed.works(*words)
    typed.works(*words, "--check")


def test_a_hand_out_with_answers_is_kept_under_the_name_that_force_promises(typed):
    shutil.copytree(ROOT / "solutions", "solutions", ignore=lambda _, names: set(names) - {"02_noise.ipynb"})
    typed.works("exercises", "build")
    path = Path("exercises", "02_noise.ipynb")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    answer = next(cell for cell in notebook["cells"] if "NotImplementedError" in "".join(cell["source"]))
    answer["source"] = "mine = 42"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    kept = re.search(r"--force, which keeps it in (\S+)", typed.refused("exercises", "build"))[1]
    typed.works("exercises", "build", "--force")
    assert "mine = 42" in path.with_name(kept).read_text(encoding="utf-8")


def test_the_list_of_students_is_a_file_with_one_on_each_line(typed):
    shutil.copytree(ROOT / "solutions", "solutions", ignore=lambda _, names: set(names) - {"02_noise.ipynb"})
    words = ["exercises", "build", "--students", "class.txt"]
    assert "give a file with one student per line" in typed.refused(*words)
    Path("class.txt").write_text("ada\nzoé\n", encoding="utf-8")
    typed.works(*words)
    assert {path.name for path in Path("exercises").iterdir()} >= {"ada", "zoé"}


def test_the_page_of_pictures_is_drawn_by_the_same_without_check(typed):
    pytest.importorskip("matplotlib")
    (book := Path("book")).mkdir()
    code, said = typed("course", "artwork", "--check", "--book", book)
    assert (code, "run the same without --check" in said) == (1, True)


def test_a_chapter_that_is_unknown_or_in_another_folder(typed):
    assert "or give --folder" in typed.refused("course", "notebooks", "--check")
    words = ["course", "notebooks", "01_pixel", "--check", "--folder", ROOT / "chapters"]
    assert "01_pixels" in typed.refused(*words)
    assert "add --out FOLDER" in typed.refused("course", "notebooks", "--profile", "cpu")
    assert "omit --out" in typed.refused("course", "notebooks", "--check", "--out", "somewhere")


# grading, up to where the kernels start


def test_grade_is_led_from_a_bare_command_to_a_list_of_the_class(typed):
    assert "give its folder, as in pixel-edu grade submissions" in typed.refused("grade")
    Path("handed in").mkdir()
    words = ["grade", "handed in", "--source", ROOT / "solutions", "--list"]
    assert "this folder is empty" in typed.refused(*words, "-a", "02_noise")
    shutil.copy(ROOT / "exercises" / "02_noise.ipynb", Path("handed in", "ada.ipynb"))
    known = re.search(r"there are (.*)", typed.refused(*words, "-a", "02_nois"))
    name = re.findall(r"02_\w+", known[1])[0]
    assert "ada" in typed.works(*words, "-a", name)
    assert "use I/N with I from 1 to N, such as 3/10" in typed.refused(
        *words[:-1], "-a", name, "--shard", "3"
    )


def test_submit_names_the_command_that_took_its_place(typed):
    said = typed("submit", "my answers.ipynb")[1]
    command = re.search(r"now called: pixel-edu (.*)", said)[1]
    assert shlex.split(command) == ["exercises", "try", "my answers.ipynb"]
    assert "give the notebook that you want to hand in" in typed.refused(*shlex.split(command))
    Path("my answers.ipynb").write_text('{"cells": [], "nbformat": 4, "metadata": {}}', encoding="utf-8")
    assert "give a notebook from the folder exercises" in typed.refused(*shlex.split(command))
