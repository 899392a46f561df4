"""A class-conditional diffusion model for 16x16 pixel art, one module a topic: the course's reference code."""

import os

__version__ = "1.0.0"

# PyTorch's threads wait for each other after each operation, by spinning: beside other programs a waiting thread then
# keeps a core from the one that it waits for, and drawing took five times as long (benchmarks/threads.py). Read once,
# when PyTorch is loaded; whoever has set it is respected.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str):
    """`pixel_edu.load_reference`, without importing torch until someone asks for it."""
    if name == "load_reference":
        import importlib

        return importlib.import_module("pixel_edu.checkpoints").load_reference
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
