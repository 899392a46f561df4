import csv
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixel_edu import checkpoints, data, images, palette, pixelart, sprites
from pixel_edu.checkpoints import load_model
from pixel_edu.cli.train import _open, _read
from pixel_edu.config import CLASSES
from pixel_edu.runs import HEADINGS, Log
from pixel_edu.training import RECIPES
from tests import command
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {"COLUMNS": "120", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
SMALL = ["--sprites", "60", "--batch-size", "8", "--device", "cpu", "--sample-every", "1000"]


def pixel_edu(*arguments, cwd=None):
    return command.run(*arguments, cwd=cwd, env=ENVIRONMENT)


def losses(folder):
    with open(folder / "log.csv", newline="") as file:
        return [(int(row["step"]), row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 60 steps that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = pixel_edu("train", "--steps", 60, "--out", out, *SMALL)
    assert done.returncode == 0, done.stderr
    return out


def test_a_run_leaves_a_checkpoint_a_model_a_log_and_a_picture(whole):
    assert {file.name for file in whole.iterdir()} == {
        "run.safetensors",
        "model.safetensors",
        "log.csv",
        "samples.png",
    }
    assert [step for step, _ in losses(whole)] == list(range(1, 61))
    with Image.open(whole / "samples.png") as picture:
        assert picture.size == ((8 * 17 - 1) * 4, (5 * 17 - 1) * 4)
    record = checkpoints.read_about(whole / "model.safetensors").record
    assert record["data"] == "60 procedural sprites, seed 0"
    assert record["command"].startswith("pixel-edu train --steps 60")
    assert "cores" in record["hardware"]


def test_a_finished_run_whose_model_was_not_written_any_more_writes_it(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "a")
    (tmp_path / "a" / "model.safetensors").unlink()
    done = pixel_edu("train", "--steps", 60, "--out", tmp_path / "a", *SMALL)
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "a") == losses(whole)
    assert load_model(tmp_path / "a" / "model.safetensors")


def test_a_run_killed_at_random_moments_has_the_losses_of_one_that_was_not(whole, tmp_path):
    out, chance, kills = tmp_path / "killed", random.Random(1), 0
    asked = ["train", "--steps", 60, "--save-every", 3, "--out", out, *SMALL]
    while not (out / "model.safetensors").exists():
        run, _ = command.start(*asked, env=ENVIRONMENT)
        if kills < 4:  # after its first checkpoint of this life, at any moment
            start = checkpoint_step(out)
            while run.is_alive() and checkpoint_step(out) == start:
                time.sleep(0.01)
            time.sleep(chance.random() * 0.3)
            run.kill()
            kills += 1
        run.join(PATIENCE)
        if (out / "run.safetensors").exists():
            checkpoints.load_run(out / "run.safetensors")
    assert losses(out) == losses(whole)
    assert (out / "model.safetensors").stat().st_size == pytest.approx(
        (whole / "model.safetensors").stat().st_size, abs=200
    )
    one, other = (checkpoints.load_run(folder / "run.safetensors") for folder in (out, whole))
    for a, b in zip(one.ema.network.parameters(), other.ema.network.parameters(), strict=True):
        assert np.array_equal(a, b)
    assert not list(out.glob(".*.part")), "what a killed run left half-written is removed"


def checkpoint_step(out):
    path = out / "run.safetensors"
    return checkpoints.read_about(path).step if path.exists() else 0


def test_two_processes_train_one_model_in_one_folder(tmp_path):
    try:
        socket.getaddrinfo("localhost", None)
    except OSError:
        pytest.skip("localhost has no address here, and accelerate looks for a free port there")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    train = ["-m", "pixel_edu.cli", "train", "--steps", "3", *SMALL, "--out", tmp_path]
    done = subprocess.run(
        [*launch, "--main_process_port", "0", *train],
        capture_output=True,
        text=True,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [step for step, _ in losses(tmp_path)] == [1, 2, 3]
    assert (done.stdout + done.stderr).count("sprites: pixel-edu sample") == 1
    alone = tmp_path / "alone"
    assert pixel_edu("train", "--steps", 3, *SMALL, "--out", alone).returncode == 0
    together, one = ([float(loss) for _, loss in losses(folder)] for folder in (tmp_path, alone))
    assert together == pytest.approx(one, rel=1e-3)


def test_a_log_that_is_ahead_of_its_checkpoint_is_cut(tmp_path):
    """A run may be killed after it wrote the log and before it wrote the checkpoint."""
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADINGS}\n1,0.5,1,1,1\n2,0.4,1,1,2\n3,0.3,1,1,3\n4,0.2,")
    log = Log(path, step=2)
    log.write()
    assert path.read_text() == f"{HEADINGS}\n1,0.5,1,1,1\n2,0.4,1,1,2\n"


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_step_it_was_at(how, code, tmp_path):
    out = tmp_path / "stopped"
    asked = ["train", "--steps", 100_000, "--save-every", 5, "--out", out, *SMALL]
    run, (_, said) = command.start(*asked, env=ENVIRONMENT)
    wait_until(lambda: checkpoint_step(out) or not run.is_alive())
    os.kill(run.pid, how)
    run.join(PATIENCE)
    assert run.exitcode == code
    assert "the same command continues from there" in said.read_text()
    assert f"step {checkpoint_step(out):,};" in said.read_text()


def test_the_precision_is_what_was_asked_for_whatever_accelerate_is_told(whole, tmp_path):
    told = {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}
    asked = ["train", "--steps", 2, "--precision", "fp32", "--out", tmp_path / "run", *SMALL]
    done = command.run(*asked, env=ENVIRONMENT | told)
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "run") == losses(whole)[:2]  # both are still warming up


def test_a_password_in_the_command_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pixel-edu", "train", "--mlflow", "http://u:geheim@host:5000"])
    run = _open(tmp_path / "run", RECIPES["tiny"], None, 0.1, 100, restart=False)
    assert run.record["command"] == "pixel-edu train --mlflow http://***@host:5000"


def test_a_folder_that_is_trained_in_is_refused_and_a_killed_program_holds_nothing(tmp_path):
    out = tmp_path / "run"
    asked = ["train", "--out", out, *SMALL, "--steps"]
    first, _ = command.start(*asked, 100_000, "--save-every", 1, env=ENVIRONMENT)
    while not checkpoint_step(out) and first.is_alive():
        time.sleep(0.01)
    second = pixel_edu(*asked, 3, "--restart")
    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert "another program trains in" in second.stderr
    first.kill()
    first.join(PATIENCE)
    assert checkpoints.load_run(out / "run.safetensors").config.steps == 100_000
    again = pixel_edu(*asked, 3, "--restart")
    assert again.returncode == 0, again.stderr
    assert losses(out)[-1][0] == 3


def test_a_class_folder_with_another_name_is_said_when_a_run_goes_on(tmp_path):
    drawn = sprites.make(40)
    for i, (image, c) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        (tmp_path / "set" / CLASSES[c]).mkdir(parents=True, exist_ok=True)
        images.write_png(tmp_path / "set" / CLASSES[c] / f"{i}.png", image)
    asked = ["train", tmp_path / "set", "--batch-size", 4, "--device", "cpu", "--out", tmp_path / "run"]
    run, _ = command.start(*asked, "--steps", 100_000, "--save-every", 1, env=ENVIRONMENT)
    while not checkpoint_step(tmp_path / "run") and run.is_alive():
        time.sleep(0.01)
    run.kill()
    run.join(PATIENCE)
    (tmp_path / "set" / "food").rename(tmp_path / "set" / "zebra")
    refused = pixel_edu(*asked, "--steps", 100_000)
    assert refused.returncode == 1
    assert (
        "food, items, side_view and are now characters, creatures, items, side_view, zebra" in refused.stderr
    )


def test_what_the_message_recommends_after_nan_trains(tmp_path):
    asked = ["train", "--steps", 3, "--out", tmp_path / "run", *SMALL, "--learning-rate"]
    refused = pixel_edu(*asked, 1e30, "--save-every", 1)
    assert refused.returncode == 1
    said = re.search(
        r"begin again \((--restart), or .* learning rate below (\S+)", refused.stderr.splitlines()[-1]
    )
    restart, rate = said.groups()
    done = pixel_edu(*asked, float(rate) / 1e32, restart)
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "run" / "model.safetensors")


def test_a_finished_run_says_so_and_changes_nothing(whole):
    before = {file.name: file.stat().st_mtime_ns for file in whole.iterdir()}
    done = pixel_edu("train", "--steps", 60, "--out", whole, *SMALL)
    assert done.returncode == 0
    assert "is finished after 60 steps" in done.stdout
    assert {file.name: file.stat().st_mtime_ns for file in whole.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--steps", "59"], "steps is 60, not 59"),
        (["--steps", "60", "--learning-rate", "0.01"], "learning_rate is 0.004, not 0.01"),
        (["--steps", "60", "--shift", "1"], "shift is 0, not 1"),
        (["--steps", "60", "--from", "tiny"], "another folder"),
        (["--steps", "60", "--preset", "reference"], "channels is (16, 32, 48), not"),
        (["--steps", "60", "--sprites", "61"], "was trained on 60 procedural sprites"),
    ],
)
def test_a_folder_with_another_run_is_left_alone(whole, options, says):
    before = (whole / "run.safetensors").read_bytes()
    refused = pixel_edu("train", "--out", whole, *SMALL, *options)
    assert refused.returncode == 1
    assert says in refused.stderr.splitlines()[-1]
    assert (whole / "run.safetensors").read_bytes() == before


def test_a_finished_run_goes_on_for_more_steps_at_another_rate(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    more = ["train", "--steps", 63, "--learning-rate", 0.001, "--out", folder, *SMALL]
    done = pixel_edu(*more)
    assert done.returncode == 0, done.stderr
    says = "going on after step 60, where it was finished, to 63; the learning rate rises to 0.001 again"
    assert says in done.stderr
    assert [step for step, _ in losses(folder)] == list(range(1, 64))
    assert losses(folder)[:60] == losses(whole)
    about = checkpoints.read_about(folder)
    assert (about.step, about.config.begun, about.config.learning_rate) == (63, 60, 0.001)
    assert "is finished after 63 steps: to go on with it, ask for more --steps" in pixel_edu(*more).stdout


def test_a_model_is_fine_tuned_to_classes_a_size_and_alpha_of_ones_own(tmp_path):
    for i, image in enumerate(sprites.make(40, seed=1).images):
        folder = tmp_path / "mine" / ("food", "zombies")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        with_alpha = pixelart.cut_out(np.pad(image, ((4, 4), (4, 4), (0, 0)), constant_values=255)[None])
        Image.fromarray(with_alpha[0]).save(folder / f"{i}.png")
    more = ["train", "mine", "--steps", 2, "--batch-size", 4, "--device", "cpu"]
    done = pixel_edu(*more, "--from", "tiny", "--recolor", 0.5, "--shift", 1, "--no-mirror", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    about = checkpoints.read_about(tmp_path / "runs" / "from-tiny")
    assert (about.classes, about.config.unet.classes) == (("food", "zombies"), 2)
    assert (about.data.size, about.data.channels, about.record["start"]) == (24, 4, "tiny")
    config = about.config
    assert (config.mirror, config.shift, config.recolor, config.balance) == (False, 1, 0.5, True)
    again = pixel_edu(*more, "--from", "runs/from-tiny", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert checkpoints.read_about(tmp_path / "again").config.mirror is True


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--from", "reference", "--preset", "tiny"], 2, "omit --preset or --from"),
        (["--from", "reference", "--prediction", "eps"], 1, "prediction is v, not eps"),
        (["--from", "reference", "--bits"], 1, "cannot start from reference with bits"),
        (["--from", "bits"], 1, "cannot start from bits with bits"),
        (["--from", "best"], 1, "no model 'best' comes with this package"),
        (["--from", "nowhere/model.safetensors"], 1, "is not there"),
        (["--recolor", "2"], 2, "--recolor"),
        (["--shift", "-1"], 2, "--shift"),
    ],
)
def test_a_start_that_does_not_fit_is_one_line(options, code, says, tmp_path):
    done = pixel_edu("train", "--out", "run", *SMALL, *options, cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_training_on_a_folder_holds_sprites_out_and_notes_the_colours(tmp_path):
    assert pixel_edu("data", "make", tmp_path / "set", "-n", 40).returncode == 0
    (tmp_path / "set" / "LICENSE").write_text("CC0 1.0\n\nDo what you like.\n")
    done = pixel_edu("train", tmp_path / "set", "--steps", 2, "--batch-size", 4, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    about = checkpoints.read_about(tmp_path / "run" / "run.safetensors")
    assert about.record["data"] == f"{tmp_path / 'set'}, 10% held out"
    read = data.load(tmp_path / "set")
    known = read.images[data.split(read.images, read.labels).train]
    assert len(known) < len(read.images)
    assert about.data.colors.tolist() == palette.for_bits(palette.find_palette(known)).tolist()
    assert (sum(about.data.counts), about.data.procedural) == (len(known), False)
    assert about.data.licence == "CC0 1.0"
    again = ["--steps", 2, "--batch-size", 4, "--out", tmp_path / "other", "--licence", "CC-BY-4.0"]
    assert pixel_edu("train", tmp_path / "set", *again).returncode == 0
    assert checkpoints.read_about(tmp_path / "other").data.licence == "CC-BY-4.0"


@pytest.mark.slow
@pytest.mark.parametrize("names", [("cats", "dogs"), ("a, b",), ("1", "2", "10", "[x", "été", "z")])
def test_a_model_of_ones_own_classes_knows_their_names(names, tmp_path):
    drawn = sprites.make(30 * len(names), seed=1)
    for i, image in enumerate(drawn.images):
        folder = tmp_path / "mine" / names[i % len(names)]
        folder.mkdir(parents=True, exist_ok=True)
        images.write_png(folder / f"{i}.png", image)
    run = tmp_path / "run"
    trained = pixel_edu("train", tmp_path / "mine", "--steps", 2, "--out", run, "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    known = load_model(run).classes
    assert set(known) == set(names)
    options = ["--checkpoint", run, "--steps", 2, "--device", "cpu", "--out", tmp_path / "out"]
    assert pixel_edu("sample", "--class", names[0], "-n", 2, *options).returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{names[0]}-{seed}.png" for seed in (0, 1)
    ]
    refused = pixel_edu("sample", "--class", "food", *options)
    assert refused.returncode == 2
    assert repr(names[0]) in refused.stderr
    again = pixel_edu("train", tmp_path / "mine", "--steps", 2, "--out", run, "--device", "cpu")
    assert "is finished" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["train", "--preset", "huge"], 2),
        (["train", "--device", "tpu"], 2),
        (["train", "--steps", "0"], 2),
        (["train", "nowhere"], 1),
        (["sample", "--class", "cats"], 2),
        (["sample", "--checkpoint", "nowhere.safetensors"], 1),
        (["sample", "--checkpoint", "best"], 1),
        (["sample", "--steps", "1001"], 2),
        (["sample", "--device", "abacus"], 1),
        (["sample", "--checkpoint", "tiny", "--interval", "50", "60"], 2),
        (["sample", "--out", "file/x.png", "-n", "1", "--checkpoint", "tiny"], 1),
        (["train", "--min-snr", "0"], 2),
        (["train", "--out", "/proc/x"], 1),
    ],
)
def test_a_mistake_is_one_line_with_its_exit_code(arguments, code, tmp_path):
    (tmp_path / "file").touch()
    done = pixel_edu(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_what_was_passed_over_is_said_and_sizes_and_frames_are_as_asked(tmp_path, capsys):
    frames = [Image.new("RGB", (18, 18), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "1.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "2.psd").write_bytes(b"8BPS")
    read = _read(tmp_path, 16, True)
    assert (len(read), read.size) == (2, 16)
    said = capsys.readouterr().err.splitlines()
    assert said[-2:] == ["note: 1 animation was read as 2 sprites", "note: passed over: 1 .psd"]


def test_sampling_writes_a_grid_and_a_seed_is_a_sprite(whole, tmp_path):
    model = whole / "model.safetensors"
    several, one = tmp_path / "several.png", tmp_path / "one.png"
    options = ["--class", "food", "--checkpoint", model, "--steps", 3, "--scale", 1, "--device", "cpu"]
    assert (
        pixel_edu("sample", "-n", 6, "--columns", 4, "--seed", 3, "--out", several, *options).returncode == 0
    )
    done = pixel_edu("sample", "-n", 1, "--seed", 4, "--out", one, *options)
    assert done.stdout == f"1 sprite in {one}\n"
    sheet, sprite = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (several, one))
    assert sheet.shape == (33, 67, 3)
    assert np.abs(sheet[:16, 17:33] - sprite).max() <= 1


def test_sampling_is_guided_in_the_interval_alone(tmp_path):
    options = ["-n", 1, "--checkpoint", "tiny", "--steps", 3, "--palette", "off", "--device", "cpu"]
    given = {
        "default": ["--guidance", 3],
        "inside": ["--guidance", 3, "--interval", -1, 1],
        "everywhere": ["--guidance", 3, "--interval", -99, 99],
        "off": ["--guidance", 1],
    }
    for name, more in given.items():
        assert pixel_edu("sample", *options, *more, "--out", tmp_path / f"{name}.png").returncode == 0
    drawn = {name: (tmp_path / f"{name}.png").read_bytes() for name in given}
    assert drawn["default"] == drawn["inside"]
    assert len(set(drawn.values())) == 3


def test_sampling_takes_all_classes_in_turn(whole, tmp_path):
    model = whole / "model.safetensors"
    options = ["--checkpoint", model, "--steps", 2, "--scale", 1, "--device", "cpu"]
    assert pixel_edu("sample", "-n", 5, "--out", tmp_path / "all.png", *options).returncode == 0
    assert (
        pixel_edu("sample", "-n", 5, "--class", "food", "--out", tmp_path / "food.png", *options).returncode
        == 0
    )
    mixed, food = (
        np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int)
        for name in ("all", "food")
    )
    assert np.abs(mixed[:, 34:50] - food[:, 34:50]).max() <= 1  # the third class is food
    assert np.abs(mixed[:, :16] - food[:, :16]).max() > 1


def test_a_drawn_sprite_has_the_colours_of_the_data_in_an_indexed_file(whole, tmp_path):
    model = whole / "model.safetensors"
    given = ["--checkpoint", model, "-n", 2, "--steps", 3, "--scale", 2]
    done = pixel_edu("sample", *given, "--out", tmp_path / "each")
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (tmp_path / "each").iterdir()} == {"characters-0.png", "creatures-1.png"}
    colors = {tuple(color) for color in load_model(model).palette.tolist()}
    with Image.open(tmp_path / "each" / "creatures-1.png") as picture:
        assert (picture.mode, picture.size) == ("P", (32, 32))
        pixels = np.asarray(picture.convert("RGB"))
    assert {tuple(color) for color in pixels.reshape(-1, 3).tolist()} <= colors
    assert (pixels == images.upscale(pixels[::2, ::2], 2)).all()
    pixel_edu("sample", *given, "--out", tmp_path / "free.png", "--palette", "off")
    with Image.open(tmp_path / "free.png") as picture:
        assert picture.mode == "RGB"


def test_sampled_arrays_are_a_dataset_that_can_be_trained_on(tmp_path):
    given = ["--checkpoint", "tiny", "-n", 7, "--steps", 2, "--device", "cpu"]
    done = pixel_edu("sample", *given, "--out", tmp_path / "sprites.npy")
    assert (done.returncode, done.stdout) == (0, f"7 sprites in {tmp_path / 'sprites.npy'}\n"), done.stderr
    drawn = data.load(tmp_path)
    assert (drawn.images.shape, drawn.images.dtype) == ((7, 16, 16, 3), np.uint8)
    assert drawn.labels.tolist() == [0, 1, 2, 3, 4, 0, 1]
    pixel_edu("sample", *given, "--scale", 1, "--columns", 7, "--out", tmp_path / "same.png")
    sheet = np.asarray(Image.open(tmp_path / "same.png").convert("RGB"))
    assert (sheet == images.grid(drawn.images, 7)).all()


def test_a_model_of_bits_draws_in_its_palette_only(tmp_path):
    done = pixel_edu("train", "--bits", "--steps", 3, "--out", tmp_path / "run", *SMALL)
    assert done.returncode == 0, done.stderr
    model = load_model(tmp_path / "run" / "model.safetensors")
    assert model.channels == 8
    given = ["--checkpoint", tmp_path / "run" / "model.safetensors", "-n", 5, "--steps", 2, "--scale", 1]
    done = pixel_edu("sample", *given, "--palette", "off", "--out", tmp_path / "each")
    assert done.returncode == 0, done.stderr
    colors = {tuple(color) for color in model.palette.tolist()}
    for file in (tmp_path / "each").iterdir():
        pixels = np.asarray(Image.open(file).convert("RGB"))
        assert {tuple(color) for color in pixels.reshape(-1, 3).tolist()} <= colors
    refused = pixel_edu("train", "--steps", 3, "--out", tmp_path / "run", *SMALL)
    assert refused.returncode == 1
    assert "image_channels" in refused.stderr


def test_the_picture_of_a_run_shows_a_row_for_each_class(whole):
    sheet = np.asarray(Image.open(whole / "samples.png"))[::4, ::4]
    assert np.array_equal(images.upscale(sheet, 4), np.asarray(Image.open(whole / "samples.png")))
