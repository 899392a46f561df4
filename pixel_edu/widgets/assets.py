"""The files that widgets load when a reader first uses a model: onnxruntime-web, a network's graph, and its weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pixel_edu import checkpoints

HERE = Path(__file__).parent
NETWORKS = ("reference", "instant")
"""The checkpoints that pages draw with."""
PATHS = {
    "ort.mjs": HERE / "vendor" / "ort" / "ort.mjs",
    "ort.wasm.gz": HERE / "vendor" / "ort" / "ort.wasm.gz",
    **{f"{name}.onnx": HERE / f"{name}.onnx" for name in NETWORKS},
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
