"""Which library computes the network, and in what batches: what `benchmarks/serving.py` found fastest."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from pixel_edu import checkpoints
from pixel_edu.config import UserError, cores, not_installed, pick_device
from pixel_edu.denoiser import Denoiser
from pixel_edu.serving import onnx

NEEDED = ("onnx", "onnxruntime", "onnxscript")
"""To convert a checkpoint for onnxruntime."""


class Engine(NamedTuple):
    """A model that is ready to serve.

    Attributes:
        name: "onnxruntime" or "torch".
        denoiser: the model, its network on `device`.
        device: where the network computes.
        batch_size: images in a call.
        workers: calls at the same time.
        loops: sampling loops at the same time.
    """

    name: str
    denoiser: Denoiser
    device: torch.device
    batch_size: int
    workers: int
    loops: int


def start(
    checkpoint: str, device: str = "auto", engine: Literal["auto", "onnxruntime", "torch"] = "auto"
) -> Engine:
    """Load a model for a server, in the fastest way.

    On a CPU that is onnxruntime, if installed. Each core computes calls of its own, with one thread: two threads on
    one small call would wait for each other. PyTorch needs larger calls to be fast, so it gets fewer loops, which more
    orders share.

    Args:
        checkpoint: the name of a shipped model, or the path of a checkpoint or of an ONNX file.
        device: "auto", or a torch device.
        engine: "auto" takes onnxruntime on a CPU if it is installed. A checkpoint is converted for it, which takes
            seconds; a file of `pixel-edu export` needs no conversion.

    Raises:
        UserError: the model cannot be loaded, or the device or the engine is not available.
    """
    is_file = Path(checkpoint).suffix == ".onnx"
    chosen = pick_device("cpu" if is_file or engine == "onnxruntime" else device)
    if is_file and engine == "torch":
        raise UserError(f"{checkpoint} is for onnxruntime: serve the checkpoint that it was made from")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if engine == "onnxruntime" and missing and not is_file:
        raise UserError(f"{not_installed(ImportError(name=missing[0]))}; or use another engine")
    if is_file:
        return _onnxruntime(checkpoint)
    found = checkpoints.find(checkpoint)
    if engine == "torch" or missing or chosen.type != "cpu":
        model = checkpoints.load_model(found, chosen)
        if chosen.type != "cpu":
            return Engine("torch", model, chosen, batch_size=128, workers=1, loops=2)
        torch.set_num_threads(1)
        return Engine("torch", model, chosen, batch_size=32, workers=cores(), loops=cores())
    checkpoints.read_about(found)  # what is not a checkpoint is refused before anything slow
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "model.onnx"
        onnx.export(found, converted)
        return _onnxruntime(converted)


def open_model(checkpoint: str, device: str = "auto") -> tuple[Denoiser, torch.device]:
    """Load a model to draw with, and say where it computes.

    Args:
        checkpoint: the name of a shipped model, or the path of a checkpoint or of an ONNX file.
        device: "auto", or a torch device; an ONNX file computes on the CPU.

    Raises:
        UserError: the model cannot be loaded, or the device is not there.
    """
    if Path(checkpoint).suffix == ".onnx":
        return onnx.load(checkpoint), torch.device("cpu")
    chosen = pick_device(device)
    return checkpoints.load_model(checkpoints.find(checkpoint), chosen), chosen


def _onnxruntime(path: str | os.PathLike) -> Engine:
    torch.set_num_threads(1)  # PyTorch has little left to compute, and the workers need the cores
    model, device = onnx.load(path), torch.device("cpu")
    return Engine("onnxruntime", model, device, batch_size=8, workers=cores(), loops=cores() + 1)
