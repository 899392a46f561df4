"""What readers call in notebooks: checks of their answers, their progress, and their own parts in the package."""

import importlib
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

__all__ = ["check", "in_clone", "progress", "repository", "require", "use"]

_HOMES = {"check": "checking", "require": "checking", "use": "using", "progress": "overview"}


def __getattr__(name: str) -> Any:
    """Import what notebooks call only when it is asked for."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def repository() -> str:
    """The address of the public repository, as pyproject.toml states it."""
    addresses = dict(line.split(", ", 1) for line in metadata("pixel-edu").get_all("Project-URL") or ())
    return addresses["Repository"]


def in_clone(name: str) -> Path:
    """The path of a file of the repository, such as "docker/api.Dockerfile"; without a clone it does not exist."""
    return Path(__file__).parents[2] / name
