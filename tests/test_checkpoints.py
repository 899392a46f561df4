import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

import pixel_edu
from pixel_edu import checkpoints, config, sprites
from pixel_edu.checkpoints import CheckpointError
from pixel_edu.facts import DataFacts
from pixel_edu.training import TrainConfig, TrainState, train
from pixel_edu.unet import PRESETS, UNetConfig

TINY = TrainConfig(PRESETS["tiny"], steps=8, batch_size=8, warmup=2, seed=4)
ASKED = torch.randn(2, 3, 16, 16), torch.tensor([3, 800]), torch.tensor([0, 5])


@pytest.fixture(scope="module")
def drawn():
    return sprites.make(64)


@pytest.fixture
def trained(drawn):
    """A run after 4 of its 8 steps."""
    for step in train(drawn.images, drawn.labels, TINY, device="cpu"):
        if step.step == 4:
            return step.state


def test_a_resumed_run_has_the_same_losses_to_the_last_bit(drawn, tmp_path):
    path = tmp_path / "run.safetensors"
    whole = [step.loss for step in train(drawn.images, drawn.labels, TINY, device="cpu")]
    first = []
    for step in train(drawn.images, drawn.labels, TINY, device="cpu"):
        first.append(step.loss)
        if step.step == 3:
            checkpoints.save_run(path, step.state)
            break
    state = checkpoints.load_run(path)
    rest = [step.loss for step in train(drawn.images, drawn.labels, state=state, device="cpu")]
    assert first + rest == whole


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_run_goes_on_on_a_gpu(drawn, tmp_path):
    path = tmp_path / "run.safetensors"
    for step in train(drawn.images, drawn.labels, TINY):
        if step.step == 3:
            checkpoints.save_run(path, step.state)
        elif step.step == 4:
            expected = step.loss
            break
    resumed = next(train(drawn.images, drawn.labels, state=checkpoints.load_run(path)))
    assert resumed.step == 4
    assert resumed.loss == pytest.approx(expected, rel=1e-3)


FACTS = DataFacts(
    ("ants", "a, b", "[x", "été", "5"), 12, 4, ("ffffff", "17131f"), (3, 4, 5, 6, 7), "CC0", "ab12"
)


def test_what_a_model_knows_of_its_data_comes_back_whatever_stands_in_the_names(trained, tmp_path):
    trained.data = FACTS
    for save in (checkpoints.save_run, checkpoints.save_model):
        save(tmp_path / "file.safetensors", trained)
        about = checkpoints.read_about(tmp_path / "file.safetensors")
        assert about.data == FACTS
        denoiser = checkpoints.load_model(tmp_path / "file.safetensors")
        assert (denoiser.classes, denoiser.size) == (FACTS.classes, 12)
        assert denoiser.palette.tolist() == [[255, 255, 255], [0x17, 0x13, 0x1F]]
    checkpoints.save_run(tmp_path / "file.safetensors", trained)
    assert checkpoints.load_run(tmp_path / "file.safetensors").data == FACTS


def test_a_header_names_its_version_and_a_later_one_is_refused_in_one_sentence(trained, tmp_path):
    path = tmp_path / "file.safetensors"
    checkpoints.save_model(path, trained)
    with safetensors.safe_open(path, "pt") as file:
        header = json.loads(file.metadata()[checkpoints.KEY])
    assert header["version"] == 2
    save_file(load_file(path), path, {checkpoints.KEY: json.dumps(header | {"version": 3})})
    with pytest.raises(CheckpointError) as refused:
        checkpoints.load_model(path)
    assert str(refused.value) == (
        f"{path} was written by a later version of this package (its header is of version 3, and this one reads up "
        "to 2): update pixel-edu"
    )


@pytest.mark.parametrize("name", ["tiny", "reference", "instant", "small", "bits"])
def test_shipped_files_have_a_header_of_the_first_version_and_still_load(name):
    about = checkpoints.read_about(checkpoints.find(name))
    assert (about.classes, about.data.size, about.data.channels) == (config.CLASSES, 16, 3)
    assert about.data.procedural
    assert about.data.colors.tolist() == checkpoints.load_model(checkpoints.find(name)).palette.tolist()
    assert checkpoints.About.loads(about.dumps()) == about


def test_a_runs_folder_stands_for_its_model_and_before_there_is_one_for_the_run(trained, tmp_path):
    with pytest.raises(checkpoints.CheckpointError, match="holds no model: give a run's folder"):
        checkpoints.load_model(tmp_path)
    checkpoints.save_run(tmp_path / checkpoints.RUN, trained)
    assert checkpoints.find(str(tmp_path)) == tmp_path / checkpoints.RUN
    assert checkpoints.load_model(tmp_path).prediction == TINY.prediction
    checkpoints.save_model(tmp_path / checkpoints.MODEL, trained, record={"of": "the model"})
    assert checkpoints.read_about(tmp_path).record == {"of": "the model"}
    assert checkpoints.load_run(tmp_path).step == 4


def test_what_is_wrong_with_a_file_is_said_of_it_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").write_bytes(b"not one")
    with pytest.raises(
        checkpoints.CheckpointError, match=r"^model is not a checkpoint of this package: give"
    ):
        checkpoints.load_reference("model")
    with pytest.raises(checkpoints.CheckpointError, match=r"^no model 'modell' comes with this package: use"):
        checkpoints.load_reference("modell")


def test_everything_in_a_run_comes_back(trained, tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoints.save_run(path, trained, {"command": "pixel-edu train"})
    again = checkpoints.load_run(path)
    assert (again.step, again.config) == (4, TINY)
    assert checkpoints.read_about(path).record == {"command": "pixel-edu train"}
    for one, two in ((trained.network, again.network), (trained.ema.network, again.ema.network)):
        for name, value in one.state_dict().items():
            assert torch.equal(two.state_dict()[name], value)
    for old, new in zip(trained.network.parameters(), again.network.parameters(), strict=True):
        for moment in ("exp_avg", "exp_avg_sq", "step"):
            assert torch.equal(trained.optimizer.state[old][moment], again.optimizer.state[new][moment])


def test_a_run_before_its_first_step_can_be_saved(tmp_path):
    checkpoints.save_run(tmp_path / "run.safetensors", TrainState(TINY))
    assert checkpoints.load_run(tmp_path / "run.safetensors").step == 0


def test_the_config_comes_back_whole(tmp_path):
    unet = UNetConfig((8, 16, 24), (False, True, True), 2, 1, 32, 4, 3, 4, 8, True)
    config = TrainConfig(unet, "linear", "x0", 7, 9, 0.1, 11, 0.2, (0.5, 0.6), 3.0, 0.3, 0.5, 2.0, "bf16", 12)
    checkpoints.save_run(tmp_path / "run.safetensors", TrainState(config))
    assert checkpoints.load_run(tmp_path / "run.safetensors").config == config


def test_a_model_is_the_average_at_half_precision(trained, tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoints.save_model(path, trained, record={"hardware": "a laptop"})
    tensors = load_file(path)
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    denoiser = checkpoints.load_model(path)
    assert_close(denoiser(*ASKED), trained.denoiser()(*ASKED), rtol=2e-2, atol=2e-3)
    assert denoiser.prediction == "v"
    assert denoiser.null_label == 5
    assert checkpoints.read_about(path).record["hardware"] == "a laptop"
    assert path.stat().st_size < 2.2 * sum(p.numel() for p in trained.network.parameters())


def test_a_model_can_be_read_from_a_runs_checkpoint_too(trained, tmp_path):
    checkpoints.save_run(tmp_path / "run.safetensors", trained)
    denoiser = checkpoints.load_model(tmp_path / "run.safetensors")
    assert torch.equal(denoiser(*ASKED), trained.denoiser()(*ASKED))


def test_a_model_is_not_a_run_to_go_on_with(trained, tmp_path):
    checkpoints.save_model(tmp_path / "model.safetensors", trained)
    with pytest.raises(CheckpointError, match="not a run to go on with"):
        checkpoints.load_run(tmp_path / "model.safetensors")


def test_a_run_with_other_settings_is_refused_and_the_difference_named(trained, tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoints.save_run(path, trained)
    other = dataclasses.replace(TINY, unet=UNetConfig((24, 32, 48), embedding=64), steps=9)
    with pytest.raises(
        CheckpointError, match=r"channels is \(16, 32, 48\), not \(24, 32, 48\), steps is 8, not 9"
    ):
        checkpoints.load_run(path, other)


# Files that are not checkpoints.


def foreign_safetensors(path):
    save_file({"weight": torch.zeros(3)}, path)


def other_version(path):
    save_file({"ema.x": torch.zeros(1)}, path, {"pixel_edu": json.dumps({"config": {"unet": {"depth": 3}}})})


def not_json(path):
    save_file({"ema.x": torch.zeros(1)}, path, {"pixel_edu": "{"})


@pytest.mark.parametrize(
    "make",
    [
        foreign_safetensors,
        other_version,
        not_json,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x80\x04 a pickle, perhaps" * 100),
        lambda path: path.mkdir(),
    ],
)
@pytest.mark.parametrize("load", [checkpoints.load_run, checkpoints.load_model, checkpoints.read_about])
def test_a_foreign_file_is_refused_in_one_sentence(make, load, tmp_path):
    path = tmp_path / "foreign.safetensors"
    make(path)
    with pytest.raises(CheckpointError, match=r"foreign\.safetensors") as refused:
        load(path)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(CheckpointError, match="is not there"):
        checkpoints.load_model(tmp_path / "none.safetensors")


def test_weights_of_another_shape_than_the_config_says_are_refused(trained, tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoints.save_run(path, trained)
    tensors = load_file(path)
    for prefix in ("network", "ema"):
        tensors[f"{prefix}.enter.weight"] = torch.zeros(1, 2, 3)
    said = {"config": dataclasses.asdict(TINY), "step": 4, "record": {}}
    save_file(tensors, path, {"pixel_edu": json.dumps(said)})
    for load in (checkpoints.load_run, checkpoints.load_model):
        with pytest.raises(CheckpointError, match="another shape"):
            load(path)


@pytest.mark.parametrize("change", ["missing", "another shape"])
def test_a_damaged_memory_of_the_optimiser_is_refused(trained, tmp_path, change):
    path = tmp_path / "run.safetensors"
    checkpoints.save_run(path, trained)
    tensors = load_file(path)
    if change == "missing":
        del tensors["exp_avg.enter.weight"]
    else:
        tensors["exp_avg.enter.weight"] = torch.zeros(5)
    said = {"config": dataclasses.asdict(TINY), "step": 4, "record": {}}
    save_file(tensors, path, {"pixel_edu": json.dumps(said)})
    with pytest.raises(CheckpointError, match="another shape"):
        checkpoints.load_run(path)


def test_a_cut_off_file_is_refused(trained, tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoints.save_run(path, trained)
    whole = path.read_bytes()
    for share in (0.001, 0.3, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(CheckpointError, match="not a checkpoint"):
            checkpoints.load_run(path)


# Writing.


def test_a_full_disk_is_said_and_the_old_checkpoint_is_as_it_was(trained, tmp_path):
    """The system's own limit on a file's size stands for the disk: writing fails half way in the same call."""
    path = tmp_path / "run.safetensors"
    checkpoints.save_run(path, trained)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(CheckpointError, match=r"cannot be written .* an older one is untouched"):
            checkpoints.save_run(path, trained)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.safetensors"]


def test_no_pickle_is_read_or_written():
    source = "".join(path.read_text() for path in Path(pixel_edu.__file__).parent.rglob("*.py"))
    for word in ("torch.save(", "torch.load(", "import pickle"):
        assert word not in source


SAVER = """
import sys
from pixel_edu import checkpoints
from pixel_edu.training import TrainConfig, TrainState
from pixel_edu.unet import PRESETS
state = TrainState(TrainConfig(PRESETS["tiny"]))
print("ready", flush=True)
while True:
    state.step = 0
    checkpoints.save_run(sys.argv[1], state)
"""


@pytest.mark.slow
def test_whenever_it_is_killed_the_checkpoint_can_be_read(tmp_path):
    path = tmp_path / "run.safetensors"
    for delay in (0.05, 0.11, 0.137, 0.2):
        with subprocess.Popen(
            [sys.executable, "-c", SAVER, path],
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        ) as saver:
            saver.stdout.readline()
            time.sleep(delay)
            saver.kill()
        if path.exists():
            assert checkpoints.load_run(path).step == 0
    assert path.exists()


# What comes with the package.


@pytest.mark.parametrize("name", ["reference", "tiny"])
def test_the_shipped_models_are_small_and_say_how_they_were_made(name):
    path = checkpoints.SHIPPED / f"{name}.safetensors"
    assert path.stat().st_size <= 5e6
    about = checkpoints.read_about(path)
    assert about.step == about.config.steps
    assert about.config.unet == PRESETS[name]
    assert {"data", "command", "hardware", "seconds"} <= set(about.record)


def test_the_reference_is_loaded_without_network(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("asked the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert_close(pixel_edu.load_reference()(*ASKED), checkpoints.load_reference("reference")(*ASKED))


def test_an_unknown_model_is_refused_with_the_names_of_the_others():
    with pytest.raises(CheckpointError, match="bits, instant, reference, small, tiny"):
        checkpoints.load_reference("best")


@pytest.mark.parametrize("data", [None, DataFacts(config.CLASSES)], ids=["without data", "with data"])
def test_a_palette_in_the_notes_is_kept(tmp_path, data):
    state = TrainState(TrainConfig(PRESETS["tiny"]), data=data)
    checkpoints.save_model(tmp_path / "model.safetensors", state, record={"palette": "ffffff 17131f"})
    assert checkpoints.load_model(tmp_path / "model.safetensors").palette.tolist() == [
        [255] * 3,
        [23, 19, 31],
    ]
