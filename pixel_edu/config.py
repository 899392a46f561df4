"""Facts that every module shares, and the one exception that means "you can fix this"."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

IMAGE_SIZE = 16
CHANNELS = 3
CLASSES = ("characters", "creatures", "food", "items", "side_view")
"""Class names in label order; label c is `CLASSES[c]`."""
NULL_LABEL = len(CLASSES)
"""The label that means "no label"."""


class UserError(Exception):
    """A mistake that the user can fix. Its message is one sentence: what is wrong, where, what to do."""


def pick_device(name: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        name: "auto" takes CUDA, else Apple's MPS, else the CPU; anything else is a torch device string.

    Raises:
        UserError: no such device here.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    import torch

    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    here = [kind for kind, available in found.items() if available]
    try:
        device = torch.device(here[0] if name == "auto" else name)
        if name != "auto":
            torch.empty(0, device=device)  # a name may be well formed and its device not there
    except (RuntimeError, AssertionError) as error:
        devices = ", ".join(here)
        raise UserError(f"no device {name!r} on this machine: use auto or one of: {devices}") from error
    return device


def hardware() -> str:
    """The processor or GPU that this runs on, in words."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{(names or [platform.processor()])[0]}, {cores} cores"
