"""The course around the package: notebooks, exercises and their checks."""

import importlib
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

__all__ = ["check", "in_clone", "progress", "repository", "require", "use"]

_HOMES = {"check": "checking", "require": "checking", "use": "using", "progress": "overview"}


def __getattr__(name: str) -> Any:
    """What notebooks call, without importing anything until it is asked for."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def repository() -> str:
    """The address of the public repository, as pyproject.toml states it."""
    addresses = dict(line.split(", ", 1) for line in metadata("pixel-edu").get_all("Project-URL"))
    return addresses["Repository"]


def in_clone(name: str) -> Path:
    """A file of the repository, such as "docker/api.Dockerfile"; it is there where the course was cloned."""
    return Path(__file__).parents[2] / name
