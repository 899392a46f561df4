"""The files that widgets load when a reader first uses a model: onnxruntime-web, the graph, and a network's weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pixel_edu import checkpoints

HERE = Path(__file__).parent
NETWORKS = ("reference", "instant")
"""The checkpoints that pages draw with. One graph serves both, since they list the same tensors in the same order."""
PATHS = {
    "ort.mjs": HERE / "vendor" / "ort" / "ort.mjs",
    "ort.wasm.gz": HERE / "vendor" / "ort" / "ort.wasm.gz",
    "reference.onnx": HERE / "reference.onnx",
    **{f"{name}.safetensors": checkpoints.SHIPPED / f"{name}.safetensors" for name in NETWORKS},
}
"""By their names in the front end."""


@cache
def read(name: str) -> bytes:
    """A file's bytes.

    Raises:
        KeyError: no such file.
    """
    return PATHS[name].read_bytes()
