"""Notebooks: read, run and store them, compare their outputs, and make hand-outs of them."""

from pixel_edu.notebooks.running import Execution, execute, parameters_of, run
from pixel_edu.notebooks.storing import KERNEL, NotebookError, normalise, read, text, write

__all__ = [
    "KERNEL",
    "Execution",
    "NotebookError",
    "execute",
    "normalise",
    "parameters_of",
    "read",
    "run",
    "text",
    "write",
]
