"""Training in a folder, called from Python: stopped and continued, it is the run that nothing stopped."""

import dataclasses
import functools
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pixel_edu import data, palette, runs, sprites
from pixel_edu.checkpoints import KEY, load_model, load_run, read_about, save_run
from pixel_edu.config import UserError
from pixel_edu.generate import specimens
from pixel_edu.runs import GRID, LOG, MODEL, RUN, TrainingRun, interruptible, locked, training_part
from pixel_edu.training import RECIPES
from pixel_edu.unet import UNetConfig

CONFIG = dataclasses.replace(RECIPES["tiny"], steps=6, batch_size=4)
DRAWN = sprites.make(30)


def train(folder, stop=None, config=CONFIG, drawn=DRAWN, **options):
    run = TrainingRun(folder, config)
    return run.train(
        drawn.images, drawn.labels, "cpu", track=lambda steps: itertools.islice(steps, stop), **options
    )


def losses(folder):
    rows = (folder / LOG).read_text().splitlines()[1:]
    return [row.split(",")[:2] for row in rows]


def no_picture(*_):
    return np.zeros((1, 1, 3), np.uint8)


@pytest.fixture
def small_pictures(monkeypatch):
    """A fifth of the sprites in each of them."""
    monkeypatch.setattr(runs, "specimens", functools.partial(specimens, each=1))


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures of samples cost more than the steps."""
    monkeypatch.setattr(runs, "draw_samples", no_picture)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "draw_samples", no_picture)
        assert train(folder) is True
    return folder


SMALL = dataclasses.replace(CONFIG, unet=UNetConfig((8,), (True,), embedding=8, heads=1))
COMPILED = """import itertools, sys
from pixel_edu.runs import TrainingRun
from tests.test_runs import DRAWN, SMALL
first = lambda steps: itertools.islice(steps, 3)
run = TrainingRun(sys.argv[1], SMALL)
run.train(DRAWN.images, DRAWN.labels, "cpu", track=first, compiled=True)
assert run.state.network._compiled_call_impl is not None, "it was not compiled"
"""
"""Where no types are checked: what checks them here cannot be compiled."""


@pytest.mark.slow
def test_a_compiled_run_learns_the_same_and_goes_on_without(tmp_path, no_pictures):
    if not shutil.which("c++"):
        pytest.skip("there is no C++ compiler here, which torch.compile needs on a CPU")
    assert train(tmp_path / "plain", config=SMALL) is True
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", COMPILED, tmp_path / "compiled"]
    done = subprocess.run(command, capture_output=True, text=True, env=here, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(losses(tmp_path / "compiled")) == 3
    assert train(tmp_path / "compiled", config=SMALL) is True
    plain, compiled = ([float(loss) for _, loss in losses(tmp_path / name)] for name in ("plain", "compiled"))
    assert compiled == pytest.approx(plain, rel=1e-3)


def test_where_pytorch_cannot_compile_the_run_says_so_and_writes_nothing(tmp_path, monkeypatch):
    def failing(*_):
        raise RuntimeError("backend='inductor' raised:\nNo working C++ compiler found\n\nand a long story")

    monkeypatch.setattr(torch, "compile", lambda function: failing)
    with pytest.raises(UserError) as raised:
        train(tmp_path / "run", compiled=True)
    why = "PyTorch cannot compile here (No working C++ compiler found)"
    assert str(raised.value) == f"{why}: install a C++ compiler, or omit --compile"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_that_was_stopped_twice_ends_with_the_same_weights_bit_for_bit(whole, tmp_path):
    assert train(tmp_path, stop=2) is False
    assert not (tmp_path / MODEL).exists()
    assert train(tmp_path, stop=1, save_every=1) is False
    assert TrainingRun(tmp_path, CONFIG).state.step == 3
    assert train(tmp_path) is True
    one, other = load_run(whole / RUN), load_run(tmp_path / RUN)
    for part in ("network", "ema.network"):
        a, b = (torch.nn.Module.state_dict(_part(run, part)) for run in (one, other))
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert losses(tmp_path) == losses(whole)
    assert [int(step) for step, _ in losses(whole)] == [1, 2, 3, 4, 5, 6]
    assert load_model(tmp_path / MODEL)


def _part(run, name):
    for each in name.split("."):
        run = getattr(run, each)
    return run


@pytest.mark.usefixtures("no_pictures")
def test_a_crash_costs_the_steps_after_the_last_checkpoint_and_no_more(whole, tmp_path):
    def crash(steps):
        yield from itertools.islice(steps, 5)
        raise RuntimeError("no power")

    with pytest.raises(RuntimeError, match="no power"):
        TrainingRun(tmp_path, CONFIG).train(DRAWN.images, DRAWN.labels, "cpu", save_every=2, track=crash)
    assert TrainingRun(tmp_path, CONFIG).state.step == 4
    assert train(tmp_path)
    assert losses(tmp_path) == losses(whole)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_the_step_that_is_running_and_python_gets_its_handler_back(how, tmp_path):
    before = signal.getsignal(how)
    run = TrainingRun(tmp_path, CONFIG)
    with interruptible() as until_asked:

        def track(steps):
            for step in until_asked(steps):
                if step.step == 3:
                    signal.raise_signal(how)
                yield step

        assert run.train(DRAWN.images, DRAWN.labels, "cpu", track=track) is False
    assert load_run(tmp_path / RUN).step == 3
    assert until_asked.signal == how
    assert signal.getsignal(how) is before


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("second", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_second_signal_ends_at_once(first, second, raised):
    with interruptible():
        signal.raise_signal(first)
        with pytest.raises(raised):
            signal.raise_signal(second)


@pytest.mark.usefixtures("no_pictures")
def test_other_sprites_another_config_or_another_source_are_refused(tmp_path):
    train(tmp_path, stop=1)
    with pytest.raises(UserError, match="was trained on arrays, but its pictures are others"):
        train(tmp_path, drawn=DRAWN._replace(images=255 - DRAWN.images))
    with pytest.raises(UserError, match="steps is 6, not 7"):
        train(tmp_path, config=dataclasses.replace(CONFIG, steps=7))
    with pytest.raises(UserError, match="was begun from scratch, not from tiny: use that, or another folder"):
        TrainingRun(tmp_path, CONFIG, start="tiny")
    with pytest.raises(UserError, match="was trained on arrays, not on mine"):
        TrainingRun(tmp_path, CONFIG, source="mine")
    assert TrainingRun(tmp_path, CONFIG, source="mine", restart=True).state.step == 0


@pytest.mark.usefixtures("no_pictures")
def test_what_has_changed_in_the_data_is_said(tmp_path):
    images, labels = DRAWN.images, DRAWN.labels
    run = TrainingRun(tmp_path, CONFIG)
    run.check_data(images, labels, ["ants", "bees", *"cde"])
    run.check_data(images, labels)
    stopped = run.train(images, labels, "cpu", track=lambda steps: itertools.islice(steps, 1))
    assert stopped is False
    run = TrainingRun(tmp_path, CONFIG)
    run.check_data(images, labels, ["ants", "bees", *"cde"])
    with pytest.raises(
        UserError,
        match="its classes were ants, bees, c, d, e and are now ants, wasps, c, d, e: restore the data",
    ):
        run.check_data(images, labels, ["ants", "wasps", *"cde"])
    counts = ", ".join(map(str, np.bincount(labels)))
    with pytest.raises(UserError, match=rf"its sprites were 30 \({counts} a class\) and are now 29 \("):
        run.check_data(images[1:], labels[1:])
    with pytest.raises(UserError, match="its pictures are others, or in another order"):
        run.check_data(images[::-1], labels)


@pytest.mark.usefixtures("no_pictures")
def test_a_finished_run_goes_on_to_more_steps_as_if_it_had_not_stopped_anywhere_else(whole, tmp_path):
    one, other = shutil.copytree(whole, tmp_path / "one"), shutil.copytree(whole, tmp_path / "other")
    more = dataclasses.replace(CONFIG, steps=12, warmup=2, learning_rate=1e-3)
    with pytest.raises(UserError, match="warmup is 100, not 2"):
        TrainingRun(one, more)
    more = dataclasses.replace(more, warmup=CONFIG.warmup)
    run = TrainingRun(one, more)
    assert run.continues
    assert not run.finished
    kept = load_run(whole / RUN)
    weight, before = run.state.network.enter.weight, kept.network.enter.weight
    memory = [each.optimizer.state[w]["exp_avg"] for each, w in ((run.state, weight), (kept, before))]
    assert torch.equal(weight, before)
    assert torch.equal(*memory)
    assert memory[0].any()
    assert train(one, config=more) is True
    assert train(other, config=more, stop=2) is False
    again = TrainingRun(other, more)
    assert (again.state.step, again.continues) == (8, False)
    with pytest.raises(UserError, match="steps is 12, not 20"):
        TrainingRun(other, dataclasses.replace(more, steps=20))
    assert train(other, config=more) is True
    assert losses(one) == losses(other)
    assert losses(one)[:6] == losses(whole)
    assert [int(step) for step, _ in losses(one)] == list(range(1, 13))
    assert read_about(one / MODEL).step == 12


AUTO = dataclasses.replace(CONFIG, precision="auto")


def chip(monkeypatch, bf16):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bf16}, raising=False)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("begun_with", [True, False])
@pytest.mark.parametrize("goes_on_with", [True, False])
def test_a_run_keeps_the_precision_that_its_first_chip_chose_unless_the_next_has_no_bf16(
    begun_with, goes_on_with, tmp_path, monkeypatch
):
    chip(monkeypatch, bf16=begun_with)
    assert train(tmp_path, stop=2, config=AUTO) is False
    assert read_about(tmp_path / RUN).config.precision == ("bf16" if begun_with else "fp32")
    chip(monkeypatch, bf16=goes_on_with)
    assert train(tmp_path, config=AUTO) is True
    assert read_about(tmp_path / MODEL).config.precision == (
        "bf16" if begun_with and goes_on_with else "fp32"
    )
    more = TrainingRun(tmp_path, dataclasses.replace(AUTO, steps=9))
    assert more.continues
    more.settle_precision("cpu")
    assert more.state.config.precision == read_about(tmp_path / MODEL).config.precision


@pytest.mark.usefixtures("no_pictures")
def test_another_precision_than_that_of_an_unfinished_run_is_refused_if_it_was_asked_for(
    tmp_path, monkeypatch
):
    chip(monkeypatch, bf16=True)
    train(tmp_path, stop=1, config=AUTO)
    with pytest.raises(UserError, match="precision is bf16, not fp32"):
        TrainingRun(tmp_path, CONFIG)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("asked", ["auto", "fp32"])
def test_a_run_of_an_earlier_version_that_left_its_precision_open_goes_on(asked, tmp_path, monkeypatch):
    chip(monkeypatch, bf16=False)
    train(tmp_path, stop=2)
    state = load_run(tmp_path / RUN)
    state.config = AUTO
    save_run(tmp_path / RUN, state, read_about(tmp_path / RUN).record)
    assert train(tmp_path, config=dataclasses.replace(CONFIG, precision=asked)) is True
    assert read_about(tmp_path / MODEL).config.precision == "fp32"


@pytest.mark.parametrize(
    ("asked", "bf16", "says"),
    [
        ("auto", True, "precision: bf16, for which this processor has instructions"),
        ("auto", False, "precision: fp32, since bf16 is not known to be faster on this processor"),
        ("bf16", False, "precision: bf16 as asked; fp32 may be much faster"),
        ("bf16", True, ""),
        ("fp32", True, ""),
    ],
)
def test_what_precision_was_chosen_is_one_line_where_it_may_surprise(
    asked, bf16, says, tmp_path, monkeypatch
):
    chip(monkeypatch, bf16)
    run = TrainingRun(tmp_path, dataclasses.replace(CONFIG, precision=asked))
    line = run.settle_precision("cpu")
    assert line.startswith(says)
    assert bool(line) is bool(says)


@pytest.mark.usefixtures("no_pictures")
def test_a_run_that_goes_on_is_not_finished_by_its_old_model(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    more = dataclasses.replace(CONFIG, steps=8)
    train(folder, config=more)
    shutil.copy(whole / MODEL, folder / MODEL)  # as if the power had gone before the new one was written
    assert not TrainingRun(folder, more).finished
    assert train(folder, config=more) is True
    assert read_about(folder / MODEL).step == 8


@pytest.mark.usefixtures("no_pictures")
def test_a_run_begins_with_a_trained_network_and_remembers_which(tmp_path):
    run = TrainingRun(tmp_path, CONFIG, start="tiny")
    assert (
        run.train(DRAWN.images, DRAWN.labels, "cpu", track=lambda steps: itertools.islice(steps, 3)) is False
    )
    again = TrainingRun(tmp_path, CONFIG, start="tiny")
    assert (again.state.step, again.record["start"]) == (3, "tiny")
    assert again.train(DRAWN.images, DRAWN.labels, "cpu") is True
    fresh = TrainingRun(tmp_path / "fresh", CONFIG, start=tmp_path)  # and a run's folder is such a start
    assert torch.equal(fresh.state.network.enter.weight, load_model(tmp_path / MODEL).network.enter.weight)
    with pytest.raises(UserError, match="was begun from tiny, not from scratch"):
        TrainingRun(tmp_path, CONFIG)


@pytest.mark.usefixtures("no_pictures")
def test_fine_tuning_begins_where_the_model_is_and_not_at_random(tmp_path):
    first = []
    for start in (None, "tiny"):
        run = TrainingRun(tmp_path / str(start), CONFIG, start=start)
        run.train(DRAWN.images, DRAWN.labels, "cpu", track=lambda steps: itertools.islice(steps, 1))
        first.append(float(losses(run.folder)[0][1]))
    assert first[1] < first[0] / 3


@pytest.mark.usefixtures("no_pictures")
def test_a_folder_is_trained_in_by_one_program_at_a_time(tmp_path):
    said = []

    def other():
        with pytest.raises(
            UserError, match=r"another program trains in .*: wait until it ends, or choose"
        ) as error:
            train(tmp_path)
        said.append(str(error.value))

    (tmp_path / ".half.part").touch()
    with locked(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert {each.name for each in tmp_path.iterdir()} == {".half.part", ".lock"}
        with locked(tmp_path):  # whoever holds it may take it again
            pass
        assert (tmp_path / ".lock").exists()
    assert len(said) == 1
    assert train(tmp_path, stop=1) is False
    assert not {".half.part", ".lock"} & {each.name for each in tmp_path.iterdir()}


def test_a_folder_in_which_nothing_was_written_is_not_left(tmp_path):
    with locked(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    with locked(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.slow
def test_a_run_that_another_program_went_on_with_is_opened_again(tmp_path):
    early = TrainingRun(tmp_path, CONFIG)
    train(tmp_path, stop=2)
    with pytest.raises(UserError, match=r"another program has trained in .* meanwhile: open the run again"):
        early.train(DRAWN.images, DRAWN.labels, "cpu")
    run = TrainingRun(tmp_path, CONFIG)
    for stop in (1, None):  # what it wrote itself is no surprise
        run.train(
            DRAWN.images, DRAWN.labels, "cpu", track=lambda steps, stop=stop: itertools.islice(steps, stop)
        )
    assert run.finished


@pytest.mark.parametrize("folder", ["/proc/nowhere", "file/run"])
def test_a_folder_that_cannot_be_written_is_said_before_any_work(folder, tmp_path):
    (tmp_path / "file").touch()
    steps = []
    with pytest.raises(UserError, match=r"cannot be written .*: choose another folder"):
        TrainingRun(tmp_path / folder, CONFIG).train(DRAWN.images, DRAWN.labels, "cpu", track=steps.append)
    assert not steps


@pytest.mark.usefixtures("small_pictures")
@pytest.mark.parametrize("name", [LOG, GRID, RUN, MODEL])
@pytest.mark.slow
def test_a_file_that_another_program_has_open_is_one_sentence_and_the_run_goes_on(
    name, tmp_path, monkeypatch
):
    """Windows lets nobody replace a file that is open, such as a log in a spreadsheet."""
    assert train(tmp_path, stop=2) is False
    (tmp_path / name).touch()
    real = os.replace

    def as_on_windows(source, target):
        if os.path.basename(target) == name:
            raise PermissionError(13, "Access is denied", str(source), None, str(target))
        real(source, target)

    says = rf"{name} cannot be written \(Access is denied\): close the program that has it open, or "
    with monkeypatch.context() as patch, pytest.raises(UserError, match=says):
        patch.setattr("os.replace", as_on_windows)
        train(tmp_path)
    assert train(tmp_path) is True
    assert [int(step) for step, _ in losses(tmp_path)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.slow
def test_a_disk_without_room_for_the_checkpoints_is_said_before_any_work(whole, tmp_path, monkeypatch):
    needed = 2 * (whole / RUN).stat().st_size + (whole / MODEL).stat().st_size
    free = int(0.9 * needed)
    disk = types.SimpleNamespace(total=10**12, used=0, free=free)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: disk)
    steps = []
    with pytest.raises(UserError, match=r"cannot be written \(it needs \d+ MB, and \d+ MB are free there\)"):
        TrainingRun(tmp_path / "run", CONFIG).train(DRAWN.images, DRAWN.labels, "cpu", track=steps.append)
    assert not steps
    assert not (tmp_path / "run").exists()
    disk.free = needed
    assert train(tmp_path / "run") is True
    disk.free = free
    more = dataclasses.replace(CONFIG, steps=CONFIG.steps + 1)
    assert train(tmp_path / "run", config=more) is True  # one checkpoint is there already


def test_a_file_larger_than_the_system_allows_is_said_before_any_work(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    steps = []
    try:
        with pytest.raises(
            UserError, match=r"cannot be written \(a file of \d+ MB: File too large\): make room"
        ):
            TrainingRun(tmp_path / "run", CONFIG).train(DRAWN.images, DRAWN.labels, "cpu", track=steps.append)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not steps
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_pictures_come_at_their_steps_and_at_the_end(tmp_path):
    seen = []
    train(tmp_path, sample_every=4, on_picture=lambda picture, step: seen.append((picture.shape, step)))
    height = (5 * 17 - 1) * 4
    assert seen == [((height, 540, 3), 4), ((height, 540, 3), 6)]


def test_a_network_of_bits_refuses_sprites_of_too_many_colours(tmp_path):
    unet = dataclasses.replace(CONFIG.unet, image_channels=palette.BITS)
    noise = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
    with pytest.raises(UserError, match="too many for bits"):
        train(tmp_path, config=dataclasses.replace(CONFIG, unet=unet), drawn=DRAWN._replace(images=noise))


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.slow
def test_of_too_many_colours_the_model_knows_some_that_stand_for_all(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
    train(tmp_path, drawn=DRAWN._replace(images=noise))
    known = load_model(tmp_path).palette
    assert 128 < len(known) <= palette.MOST
    assert palette.distances(noise, known).max() < 0.2


def test_the_training_part_is_the_split_by_base_sprites(tmp_path):
    data.write_kaggle(tmp_path / "set", DRAWN.images, DRAWN.labels)
    read = data.load(tmp_path / "set")
    images, labels = training_part(read, 0.3, 5)
    assert np.array_equal(images, read.images[data.split(read.images, read.labels, 0.3).train])
    assert len(images) == len(labels) < len(read)
    with pytest.raises(UserError, match="has 5 classes, and the network 3"):
        training_part(read, 0.3, 3)


def test_one_sprite_is_refused(tmp_path):
    read = data.load(data.write_kaggle(tmp_path / "set", DRAWN.images[:1], DRAWN.labels[:1]))
    with pytest.raises(UserError, match="has one sprite, which a model could only repeat: add"):
        training_part(read, 0.0, 5)


def test_a_share_that_holds_out_a_whole_class_is_refused(tmp_path):
    kept = np.flatnonzero((DRAWN.labels != 1) | (np.cumsum(DRAWN.labels == 1) == 1))  # one sprite of class 1
    data.write_kaggle(tmp_path / "set", DRAWN.images[kept], DRAWN.labels[kept])
    read = data.load(tmp_path / "set")
    assert (training_part(read, 0.4, 5)[1] == 1).sum() == 1
    with pytest.raises(UserError, match=f"so few sprites of {read.classes[1]} that 60% held out leaves none"):
        training_part(read, 0.6, 5)


def test_sprites_of_another_size_with_alpha_are_learned_in_bits_too(tmp_path):
    small = np.pad(DRAWN.images[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=255)
    small[:, :, :3, 3] = 0
    unet = dataclasses.replace(CONFIG.unet, image_channels=palette.BITS + 1)
    config = dataclasses.replace(CONFIG, unet=unet, steps=2)
    assert train(tmp_path, config=config, drawn=DRAWN._replace(images=small))
    denoiser = load_model(tmp_path)
    assert (denoiser.size, denoiser.channels, denoiser.alpha) == (8, 9, True)
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.size == (4 * (8 * 9 - 1), 4 * (5 * 9 - 1))


def as_written_before(folder):
    """Turn the checkpoint of a run into one of the first version, which had no facts but notes."""
    with safetensors.safe_open(folder / RUN, "pt") as file:
        about = json.loads(file.metadata()[KEY])
    facts = about.pop("data")
    del about["version"]
    counts = ", ".join(map(str, facts["counts"]))
    about["record"] |= {
        "sprites": f"{sum(facts['counts'])} ({counts} a class)",
        "digest": facts["fingerprint"],
    }
    about["record"]["classes"] = ", ".join(facts["classes"])
    save_file(load_file(folder / RUN), folder / RUN, {KEY: json.dumps(about)})


@pytest.mark.usefixtures("no_pictures")
def test_a_run_of_the_first_version_goes_on_with_its_own_sprites_only(tmp_path):
    names = ["ants", "bees", *"cde"]
    run = TrainingRun(tmp_path, CONFIG)
    run.check_data(DRAWN.images, DRAWN.labels, names)
    run.train(DRAWN.images, DRAWN.labels, "cpu", track=lambda steps: itertools.islice(steps, 1))
    as_written_before(tmp_path)
    run = TrainingRun(tmp_path, CONFIG)
    with pytest.raises(UserError, match="its pictures are others"):
        run.check_data(255 - DRAWN.images, DRAWN.labels, names)
    with pytest.raises(UserError, match="its sizes were 16 and are now 12"):
        run.check_data(DRAWN.images[:, :12, :12], DRAWN.labels, names)
    run.check_data(DRAWN.images, DRAWN.labels, names, licence="CC0")
    assert run.train(DRAWN.images, DRAWN.labels, "cpu")
    facts = read_about(tmp_path).data
    assert (facts.classes, facts.size, facts.licence) == (tuple(names), 16, "CC0")
