import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from pixel_edu import checkpoints, config, generate
from pixel_edu.checkpoints import CheckpointError
from pixel_edu.serving import onnx
from pixel_edu.training import TrainConfig, TrainState
from pixel_edu.unet import PRESETS
from tests import needs

pytestmark = [pytest.mark.slow, needs.package("onnxruntime"), needs.package("onnxscript")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose every layer does something, as a checkpoint and as ONNX."""
    folder = tmp_path_factory.mktemp("onnx")
    state = TrainState(TrainConfig(PRESETS["tiny"], prediction="x0", schedule="linear"))
    torch.manual_seed(0)
    for parameter in state.ema.network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    checkpoints.save_model(folder / "model.safetensors", state)
    onnx.export(folder / "model.safetensors", folder / "model.onnx")
    return folder


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_it_answers_as_the_checkpoint_does_for_batches_of_any_size(folder, batch):
    torch.manual_seed(batch)
    x, t, c = torch.randn(batch, 3, 16, 16), torch.randint(0, 1000, (batch,)), torch.randint(0, 6, (batch,))
    expected = checkpoints.load_model(folder / "model.safetensors")
    answer = onnx.load(folder / "model.onnx")
    assert (answer.prediction, answer.null_label) == ("x0", 5)
    assert torch.equal(answer.schedule.alpha_bar, expected.schedule.alpha_bar)
    assert_close(answer.network(x, t, c), expected.network(x, t, c), rtol=1e-3, atol=1e-4)


def test_it_draws_the_same_sprites(folder):
    models = checkpoints.load_model(folder / "model.safetensors"), onnx.load(folder / "model.onnx")
    one, other = (generate.generate(model, [0, 4], [1, 2]).astype(int) for model in models)
    assert np.abs(one - other).max() <= 1


@pytest.mark.parametrize(("name", "half"), [("tiny", False), ("reference", True)])
def test_a_whole_guided_run_ends_where_pytorch_s_does(tmp_path, name, half):
    onnx.export(checkpoints.find(name), tmp_path / "model.onnx", half)
    models = checkpoints.load_reference(name), onnx.load(tmp_path / "model.onnx")
    labels, seeds = [0, 1, 2, 3, 4, 5], range(6)
    one, other = ([*generate.stream(model, labels, seeds)][-1].x for model in models)
    assert config.SampleConfig().num_steps == 20
    assert config.SampleConfig().guidance_scale > 1
    assert (one - other).abs().max() < 1e-4


def test_half_precision_halves_the_weights_and_what_is_lost_is_small(folder, tmp_path):
    state = TrainState(TrainConfig(PRESETS["tiny"]))
    with torch.no_grad():
        for parameter in state.ema.network.parameters():
            parameter.normal_(std=0.1)
    checkpoints.save_run(tmp_path / "run.safetensors", state)  # at full precision
    onnx.export(tmp_path / "run.safetensors", tmp_path / "half.onnx", half=True)
    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * (folder / "model.onnx").stat().st_size
    x, t, c = torch.randn(2, 3, 16, 16), torch.tensor([10, 999]), torch.tensor([1, 5])
    models = checkpoints.load_model(tmp_path / "run.safetensors"), onnx.load(tmp_path / "half.onnx")
    one, other = (model.network(x, t, c) for model in models)
    assert 0 < (one - other).abs().max() / one.std() < 0.02


def test_the_file_says_nothing_of_the_machine_that_made_it(folder):
    assert b"unet.py" not in (folder / "model.onnx").read_bytes()


def test_the_file_stands_alone(folder):
    assert [file.name for file in folder.iterdir() if "onnx" in file.name] == ["model.onnx"]


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "foreign.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"foreign\.onnx"):
        onnx.load(path)


def test_a_model_of_others_is_refused(tmp_path):
    from onnx import TensorProto, helper, save

    box = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [box],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "foreign.onnx")
    with pytest.raises(CheckpointError, match="not a model that pixel-edu export wrote"):
        onnx.load(tmp_path / "foreign.onnx")


def test_without_onnxruntime_the_message_says_what_to_install():
    code = """
import sys
sys.modules["onnxruntime"] = None
from pixel_edu.config import UserError
from pixel_edu.serving import onnx
try:
    onnx.load("model.onnx")
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("onnxruntime is not installed: pip install 'pixel-edu[serve]', or make lab")


def test_the_command_exports_a_shipped_model_and_samples_from_it(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "pixel_edu.cli", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    exported = run("export", "tiny")
    assert (exported.returncode, exported.stderr) == (0, "")
    assert exported.stdout == "tiny.onnx; draw with it: pixel-edu sample --checkpoint tiny.onnx\n"
    drawn = run("sample", "--checkpoint", "tiny.onnx", "-n", "2", "--steps", "3")
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert (tmp_path / "sprites.png").stat().st_size > 100
