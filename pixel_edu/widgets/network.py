"""The networks of `assets.NETWORKS` as one ONNX file without weights: those are read from the checkpoints that ship.

ONNX lets a tensor lie in another file, at an offset. A checkpoint is a safetensors file: a header, and then the bytes
of one tensor after another. The graph points into what follows the header, so it serves every checkpoint that lists the
same tensors in the same order, as `reference` does and `instant`, which was distilled from it.

`python -m pixel_edu.widgets.network` writes the file that the package holds; with `--check` it only compares.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pixel_edu import checkpoints
from pixel_edu.files import replacing
from pixel_edu.serving import onnx

PATH = Path(__file__).with_name("reference.onnx")
LOCATION = "weights"
"""What the graph calls the bytes that follow a checkpoint's header."""


def graph() -> bytes:
    """The graph, whose weights are external data.

    Raises:
        UserError: the packages of the `serve` extra are not installed.
    """
    import onnx as library

    checkpoint = checkpoints.find("reference")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.onnx"
        onnx.export(checkpoint, path, half=True)
        model = library.load(path)
    del model.metadata_props[:]  # the checkpoint holds all that
    model.producer_version = model.producer_version.partition("+")[
        0
    ]  # builds for CPU and for CUDA make the same graph
    _point_into(checkpoint, model)
    return model.SerializeToString(deterministic=True)


def _point_into(checkpoint: Path, model: Any) -> None:
    """Replace each tensor that the checkpoint holds by its place there, found by its numbers.

    Names would not do: the exporter gives the weights of norms another shape, under names of its own, as float32.
    """
    from onnx import TensorProto, helper, numpy_helper

    homes, casts, found = _homes(checkpoint), [], set()
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16) if values.dtype == np.float32 else values
        if (home := homes.get(half.tobytes())) is None:
            continue
        if values.dtype == np.float32:
            casts.append(
                helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], to=TensorProto.FLOAT)
            )
            tensor.CopyFrom(numpy_helper.from_array(half, f"{tensor.name}.half"))
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": LOCATION, "offset": home[0], "length": home[1] - home[0]}.items():
            tensor.external_data.add(key=key, value=str(value))
        found.add(home)
    if left := set(homes.values()) - found:
        raise ValueError(f"{len(left)} tensors of {checkpoint.name} are stored in another order in the graph")
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _homes(checkpoint: Path) -> dict[bytes, tuple[int, int]]:
    """The first and last place of each tensor among the bytes after the header, by the tensor's own bytes."""
    raw = checkpoint.read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:begin])
    places = [tuple(facts["data_offsets"]) for name, facts in header.items() if name != "__metadata__"]
    homes = {raw[begin + first : begin + last]: (first, last) for first, last in places}
    if len(homes) < len(places):
        raise ValueError(f"two tensors of {checkpoint.name} hold the same numbers")
    return homes


def main() -> None:
    """Write the graph, or with --check compare it."""
    new = graph()
    if sys.argv[1:] == ["--check"]:
        if PATH.read_bytes() != new:
            sys.exit(
                f"{PATH.name} does not match the shipped reference: run python -m pixel_edu.widgets.network"
            )
        return
    with replacing(PATH) as temporary:
        temporary.write_bytes(new)


if __name__ == "__main__":
    main()
