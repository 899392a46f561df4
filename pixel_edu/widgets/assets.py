"""The files that widgets load when a reader first uses a model: onnxruntime-web, the graph, and a network's weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pixel_edu import checkpoints

HERE = Path(__file__).parent
PATHS = {
    "ort.mjs": HERE / "vendor" / "ort" / "ort.mjs",
    "ort.wasm.gz": HERE / "vendor" / "ort" / "ort.wasm.gz",
    "reference.onnx": HERE / "reference.onnx",
    "reference.safetensors": checkpoints.SHIPPED / "reference.safetensors",
    "instant.safetensors": checkpoints.SHIPPED / "instant.safetensors",
}
"""By their names in the front end."""


@cache
def read(name: str) -> bytes:
    """A file's bytes.

    Raises:
        KeyError: no such file.
    """
    return PATHS[name].read_bytes()
