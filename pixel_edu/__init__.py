"""A class-conditional diffusion model for 16x16 pixel art, one module a topic: the course's reference code."""

__version__ = "0.1.0"


def __getattr__(name: str):
    """`pixel_edu.load_reference`, without importing torch until someone asks for it."""
    if name == "load_reference":
        import importlib

        return importlib.import_module("pixel_edu.checkpoints").load_reference
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
