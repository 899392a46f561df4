"""The shipped reference as an ONNX file without weights: those are read from the checkpoint that ships anyway.

ONNX lets a tensor lie in another file, at an offset. The checkpoint is a safetensors file, which is the tensors' bytes
one after another, so the graph points into it. `python -m pixel_edu.widgets.network` writes the file that the package
holds; with `--check` it only compares.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from pixel_edu import checkpoints
from pixel_edu.files import replacing
from pixel_edu.serving import onnx

PATH = Path(__file__).with_name("reference.onnx")
PREFIX = "ema."


def graph() -> bytes:
    """The reference's graph, whose weights are external data in reference.safetensors.

    Raises:
        UserError: the packages of the `serve` extra are not installed.
    """
    import onnx as library

    checkpoint = checkpoints.find("reference")
    raw = checkpoint.read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:begin])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.onnx"
        onnx.export(checkpoint, path, half=True)
        model = library.load(path)
    del model.metadata_props[:]  # the checkpoint holds all that
    model.producer_version = model.producer_version.partition("+")[
        0
    ]  # builds for CPU and for CUDA make the same graph
    for tensor in model.graph.initializer:
        found = header.get(PREFIX + tensor.name.removesuffix(".half"))
        if found is None:
            continue
        first, last = found["data_offsets"]
        if tensor.raw_data != raw[begin + first : begin + last]:
            raise ValueError(f"{tensor.name} is stored in another order than in the checkpoint")
        tensor.ClearField("raw_data")
        tensor.data_location = library.TensorProto.EXTERNAL
        place = {"location": checkpoint.name, "offset": begin + first, "length": last - first}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
    return model.SerializeToString(deterministic=True)


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
