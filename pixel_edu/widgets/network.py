"""Each of `assets.NETWORKS` as an ONNX file without weights: those are read from the checkpoint that ships.

ONNX lets a tensor lie in another file, at an offset. A checkpoint is a safetensors file: a header, and then the bytes
of one tensor after another. The graph points into what follows the header, so that a page loads the weights once. Only
what the exporter has computed from a few of them, such as what places add to queries and keys, stands in the graph.

`python -m pixel_edu.widgets.network` writes the files that the package holds; with `--check` it only compares.
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
from pixel_edu.widgets import assets

LOCATION = "weights"
"""What the graph calls the bytes that follow a checkpoint's header."""


def graph(name: str) -> bytes:
    """The graph of a network, whose weights are external data.

    Args:
        name: of a checkpoint that ships.

    Raises:
        UserError: the packages of the `serve` extra are not installed.
    """
    import onnx as library

    checkpoint = checkpoints.find(name)
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

    homes, casts = _homes(checkpoint), []
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
    """Write the graphs, or with --check compare them."""
    for name in assets.NETWORKS:
        new, path = graph(name), assets.PATHS[f"{name}.onnx"]
        if sys.argv[1:] != ["--check"]:
            with replacing(path) as temporary:
                temporary.write_bytes(new)
        elif not path.exists() or path.read_bytes() != new:
            sys.exit(
                f"{path.name} does not match the shipped {name}: run python -m pixel_edu.widgets.network"
            )


if __name__ == "__main__":
    main()
