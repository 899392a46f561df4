"""Facts that every module shares, and the one exception that means "you can mend this"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

IMAGE_SIZE = 16
CHANNELS = 3
CLASSES = ("characters", "creatures", "food", "items", "side_view")
"""Class names in label order: label c is `CLASSES[c]`."""
NULL_LABEL = len(CLASSES)
"""The label that means "no label"."""


class UserError(Exception):
    """A mistake that the user can mend. Its message is one sentence: what is wrong, where, what to do."""


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
    if name == "auto":
        return torch.device(next(kind for kind, here in found.items() if here))
    if not found.get(name.partition(":")[0], False):
        here = ", ".join(kind for kind, available in found.items() if available)
        raise UserError(f"the device {name!r} is not available on this machine: use auto or one of {here}")
    return torch.device(name)
