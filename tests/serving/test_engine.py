"""Which library computes the network of a server."""

import subprocess
import sys

import pytest
import torch

from pixel_edu.checkpoints import CheckpointError
from pixel_edu.config import UserError, cores
from pixel_edu.serving import engine

HEAVY = "accelerate diffusers gradio matplotlib mlflow onnx onnxruntime onnxscript torchmetrics".split()


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_importing_the_api_imports_only_what_it_needs():
    code = f"""
import sys
import pixel_edu.serving.api, pixel_edu.serving.engine, pixel_edu.serving.server
print(*sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_where_onnxruntime_is_not_installed_it_is_torch(monkeypatch):
    monkeypatch.setattr(engine, "NEEDED", ("no_such_package",))
    started = engine.start("tiny", "cpu")
    assert (started.name, started.device.type) == ("torch", "cpu")
    assert started.workers == started.loops == cores()  # each with a thread of its own
    assert torch.get_num_threads() == 1
    with pytest.raises(UserError, match="no_such_package is not installed: pip install"):
        engine.start("tiny", "cpu", "onnxruntime")


def test_a_file_for_onnxruntime_is_for_nothing_else():
    with pytest.raises(UserError, match=r"model\.onnx is for onnxruntime: serve the checkpoint"):
        engine.start("model.onnx", engine="torch")
    with pytest.raises(CheckpointError, match=r"model\.onnx is not there"):
        engine.start("model.onnx")


def test_a_model_that_does_not_come_with_the_package_is_one_sentence():
    with pytest.raises(
        UserError, match="no model 'huge' comes with this package: use bits, instant, reference"
    ):
        engine.start("huge")
