"""What a run depends on, as text: its settings, data, code and machine."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import numpy as np

from pixel_edu import __version__
from pixel_edu.config import hardware


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested settings as one level, with dots in the names.

    >>> flat({"steps": 10, "unet": {"classes": 5, "heads": {"size": 16}}})
    {'steps': 10, 'unet.classes': 5, 'unet.heads.size': 16}
    """
    found = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def digest(*arrays: np.ndarray) -> str:
    """Sixteen hexadecimal digits that identify arrays by their values, order, shapes and dtypes.

    >>> labels = np.array([0, 1, 2])
    >>> digest(labels) == digest(labels.copy()), digest(labels) == digest(labels[::-1])
    (True, False)
    """
    found = sha256()
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def environment() -> dict[str, str]:
    """Versions, machine and, in a checkout, the commit and whether the package's files differ from it."""
    import torch

    found = {
        "pixel_edu": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "hardware": hardware(),
    }
    here = Path(__file__).parents[1]
    try:
        _git(
            here, "ls-files", "--error-unmatch", "__init__.py"
        )  # the package may be installed inside another checkout
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return found
    return found | {"mlflow.source.git.commit": commit, "changed since the commit": str(bool(changed))}


def installed() -> str:
    """Every installed package with its version, a line each, as pip reads it."""
    return "\n".join(sorted({f"{each.name}=={each.version}" for each in metadata.distributions()})) + "\n"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout.strip()
