"""The network as an ONNX file, and onnxruntime to compute it: several times faster than PyTorch on small batches.

The file holds the same record as a checkpoint, so it is all that is needed to sample. Beside it stands what a program
without this package needs for that, under a key each, as JSON: `facts` lists them.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pixel_edu.checkpoints import KEY, About, CheckpointError, load_model, read_about
from pixel_edu.config import UserError, not_installed
from pixel_edu.denoiser import Denoiser
from pixel_edu.files import replacing, writing

INPUTS = ("x", "t", "c")


def export(checkpoint: str | os.PathLike, out: str | os.PathLike, half: bool = False) -> None:
    """Write a checkpoint's averaged network as ONNX, for batches of any size.

    Args:
        checkpoint: of either kind.
        out: the file to write, whole or not at all.
        half: store the weights at half precision; the network computes in float32 all the same. For a model that
            `save_model` wrote, as all shipped ones are, nothing is lost: its weights are half floats already.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        UserError: the packages of the `serve` extra are not installed, or the file cannot be written.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401, torch needs it
    except ImportError as error:
        raise UserError(not_installed(error)) from error
    denoiser = load_model(checkpoint)
    t, c = torch.zeros(2, 2, dtype=torch.int64)  # two tensors, since one passed twice would become one input
    example = torch.zeros(2, denoiser.channels, denoiser.size, denoiser.size), t, c
    batch, network = torch.export.Dim("batch"), denoiser.network
    assert isinstance(network, torch.nn.Module)  # as every network from a checkpoint is
    with _quiet():
        program = torch.onnx.export(
            network,
            example,
            input_names=INPUTS,
            output_names=("answer",),
            dynamic_shapes=({0: batch},) * 3,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # the exporter that dynamo=True chooses returns one
    model = program.model_proto
    graph = model.graph
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")  # the exporter's notes: a third of a small file, with local paths
    if half:
        _halve(model, {name for name, _ in denoiser.network.named_parameters()})
    onnx.helper.set_model_props(model, {KEY: read_about(checkpoint).dumps()} | facts(denoiser))
    with writing(out), replacing(out) as temporary:
        onnx.save(model, temporary)


def facts(denoiser: Denoiser) -> dict[str, str]:
    """What a program without this package needs to know in order to draw, by key, each as JSON.

    The network maps x (B, channels, size, size) float32, t (B,) int64 and c (B,) int64 to an answer of x's shape.
    `book/draw_with_onnx.py` is such a program.

    Returns:
        classes: their names in label order; the label after the last means "no label".
        size, channels: of x; the fourth channel is alpha.
        palette: the colours of the data, or some that stand for them, as [red, green, blue]; null if unknown.
        prediction: what the answer stands for: "eps", "x0" or "v".
        alpha_bar: ᾱ by timestep, T numbers.
        steps, guidance, interval: how it draws by default, see `Denoiser.sampling`.
    """
    how = denoiser.sampling()
    known = {
        "classes": denoiser.classes,
        "size": denoiser.size,
        "channels": denoiser.channels,
        "palette": None if denoiser.palette is None else denoiser.palette.tolist(),
        "prediction": denoiser.prediction,
        "alpha_bar": denoiser.schedule.alpha_bar.tolist(),
        "steps": how.num_steps,
        "guidance": how.guidance_scale,
        "interval": how.interval,
    }
    return {key: json.dumps(value) for key, value in known.items()}


def load(path: str | os.PathLike) -> Denoiser:
    """Read a file that `export` wrote, ready to sample from on one CPU core; for large batches take PyTorch.

    Raises:
        CheckpointError: the file is missing, or was not written by `export`.
        UserError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(not_installed(error)) from error
    if not Path(path).is_file():
        raise CheckpointError(f"{path} is not there: check the path, or write it with pixel-edu export")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # at small batches two threads wait for each other longer than they work
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        about = About.loads(session.get_modelmeta().custom_metadata_map[KEY], path)
    except CheckpointError:  # of a later version
        raise
    except Exception as error:  # onnxruntime has an exception for each kind of damage
        raise CheckpointError(f"{path} is not a model that pixel-edu export wrote: write it again") from error

    def network(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        given = (np.ascontiguousarray(part.numpy()) for part in (x, t, c))
        (answer,) = session.run(None, dict(zip(INPUTS, given, strict=True)))
        return torch.from_numpy(answer)

    return about.denoiser(network)


def _halve(model, weights: set[str]) -> None:
    """Store these weights as half floats and cast them back before anything else; other numbers stay as they are."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            name, values = tensor.name, numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@contextlib.contextmanager
def _quiet():
    """Silence the exporter's messages about its own workings."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(before)
