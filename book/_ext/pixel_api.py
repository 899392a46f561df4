"""Stand-ins for the packages that the book's pages need nothing of but names.

The page of the package is made by importing its modules. They import PyTorch, MLflow and more, which weigh gigabytes,
and of which a signature shows names such as `Tensor`. So these packages are stood in for, installed or not: the book
builds without them, in seconds, and its pages are the same everywhere.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any, Union

ABSENT = frozenset(
    (
        "accelerate",
        "diffusers",
        "distributed",
        "fastapi",
        "gradio",
        "huggingface_hub",
        "kagglehub",
        "matplotlib",
        "mlflow",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "pandas",
        "papermill",
        "prometheus_client",
        "psutil",
        "safetensors",
        "starlette",
        "torch",
        "torchmetrics",
        "uvicorn",
    )
)
"""Top-level packages that are never imported while the book is built."""


class StandIn(ModuleType):
    """A module, function or decorator of an absent package.

    A name with a capital is a class, since others inherit from it and annotations hold it; any other name is a
    stand-in again.
    """

    __path__ = ()  # so that it may have submodules

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = _class(self.__name__, name) if name[0].isupper() else self._inner(name)
        setattr(self, name, found)
        return found

    def _inner(self, name: str) -> StandIn:
        inner = StandIn(f"{self.__name__}.{name}")
        inner.__module__, inner.__qualname__ = (
            self.__name__,
            name,
        )  # how annotations such as torch.device are told
        return inner

    def __repr__(self) -> str:
        return self.__name__  # a default value, such as torch.float16

    def __call__(self, *given: Any, **_: Any) -> Any:
        """A decorator leaves what it decorates as it is; any other call gives a stand-in."""
        return given[0] if given and callable(given[0]) else self

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007 (it is what `|` means here)

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007


def _class(module: str, name: str) -> type:
    """A class that takes any arguments, and whose instances have any methods."""
    anything = StandIn(f"{module}.{name}")
    inside = {
        "__module__": module,
        "__init__": lambda self, *args, **kwargs: None,
        "__getattr__": lambda self, attribute: getattr(anything, attribute),
        "__repr__": lambda self: f"{name}()",
    }
    return type(name, (), inside)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the absent packages, and all modules that they may have."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """A module of an absent package, or None."""
        if name.partition(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> StandIn:
        """A stand-in of the module's name."""
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def setup(app):
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
