"""What an answer may give back: its form, whether it is the right one, and where it differs.

Values are numbers, words, arrays, tensors, and lists, tuples and dicts of them.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any, NamedTuple

import numpy as np


class Wrong(Exception):
    """What is wrong with an answer, in a sentence or two for the reader; and values to draw, theirs and right ones."""

    def __init__(self, message: str, given: Any = None, expected: Any = None) -> None:
        super().__init__(message)
        self.given, self.expected = given, expected


class Array(NamedTuple):
    """An array or tensor, described alike."""

    what: str
    values: np.ndarray
    device: str


def described(value: Any) -> Array | None:
    """An array or tensor; None for anything else."""
    if isinstance(value, np.ndarray):
        return Array("a NumPy array", value, "cpu")
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        plain = value.detach()
        cpu = plain.float() if str(plain.dtype) in ("torch.bfloat16", "torch.float16") else plain
        if value.device.type == "meta":
            return Array("a tensor", np.zeros(value.shape), "meta")
        return Array("a tensor", cpu.cpu().numpy(), value.device.type)
    return None


def copied(value: Any) -> Any:
    """A copy that an answer may spoil; functions and modules are passed on as they are."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if hasattr(value, "detach") and hasattr(value, "clone"):
        return value.clone()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(copied, value))
    if isinstance(value, list | tuple):
        return type(value)(map(copied, value))
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if hasattr(value, "alpha_bar"):
        return copy.deepcopy(value)
    return value


def unchanged(before: Any, after: Any) -> bool:
    """Whether a value is still what it was, for all that `copied` copies."""
    a, b = described(before), described(after)
    if a and b:
        return a.values.shape == b.values.shape and bool(
            np.array_equal(a.values, b.values, equal_nan=a.values.dtype.kind == "f")
        )
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(unchanged, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    if hasattr(before, "alpha_bar"):
        return unchanged(before.alpha_bar, after.alpha_bar)
    return True


KINDS = {"f": "real numbers", "i": "whole numbers", "u": "whole numbers", "b": "True or False"}


def formed(value: Any, like: Any, where: str) -> Any:
    """The value, if it has the form of another; numbers come as Python's. `callable` is the form
    of a function, `list` that of a list of any length, `dict` that of a dict with any keys.

    Raises:
        Wrong: it has another type, shape, kind of numbers or device, or holds what is not a number.
    """
    if like is None:
        return value
    if value is None:
        raise Wrong(f"{where} returned None: is a `return` missing?")
    if like is callable:
        if not callable(value):
            raise Wrong(
                f"{where} returned {named(value)}, and a function belongs there: give it back without calling it."
            )
        return value
    if like is list:
        if not isinstance(value, list | tuple):
            raise Wrong(f"{where} returned {named(value)}, and a list belongs there.")
        return list(value)
    if like is dict:
        if not isinstance(value, dict):
            raise Wrong(f"{where} returned {named(value)}, and a dict belongs there.")
        return value
    if isinstance(like, bool | int | float):
        return number(value, like, where)
    wanted, found = described(like), described(value)
    if wanted:
        if not found or found.what != wanted.what:
            raise Wrong(f"{where} returned {named(value)}, and {wanted.what} belongs there.")
        array_formed(found, wanted, where)
        return value
    if isinstance(like, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(like):
            raise Wrong(f"{where} returned {named(value)}, and {len(like)} values belong there.")
        parts = [
            formed(v, each, f"{where}, value {i} of {len(like)},")
            for i, (v, each) in enumerate(zip(value, like, strict=True), 1)
        ]
        return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)
    if isinstance(like, dict):
        if not isinstance(value, dict) or value.keys() != like.keys():
            raise Wrong(
                f"{where} returned {named(value)}, and a dict with the keys {sorted(like)} belongs there."
            )
        return {key: formed(value[key], like[key], f"{where}, key {key!r},") for key in like}
    if not isinstance(value, type(like)):
        raise Wrong(f"{where} returned {named(value)}, and a {type(like).__name__} belongs there.")
    return value


def number(value: Any, like: bool | float, where: str) -> Any:
    """A number, whatever holds it."""
    held = described(value)
    if held and held.values.size == 1:
        value = held.values.reshape(()).item()
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bool | int | float) or isinstance(like, bool) != isinstance(value, bool):
        wanted = "True or False" if isinstance(like, bool) else "a number"
        raise Wrong(f"{where} returned {named(value)}, and {wanted} belongs there.")
    if value != value or value in (float("inf"), float("-inf")):
        raise Wrong(
            f"{where} returned {value}, which is no number: look for a division by 0 or the log of 0."
        )
    return value


def array_formed(found: Array, wanted: Array, where: str) -> None:
    """Refuse an array of another shape, kind or device, or with what is not a number."""
    shape, right = found.values.shape, wanted.values.shape
    if shape != right:
        raise Wrong(f"{where} returned the shape {tuple(shape)}, and {tuple(right)} belongs there.")
    if found.device != wanted.device:
        raise Wrong(
            f"{where} returned a tensor on the device `{found.device}`, and its inputs are on `{wanted.device}`: "
            "make new tensors on the device of an input."
        )
    kind, right_kind = (KINDS.get(each.values.dtype.kind, str(each.values.dtype)) for each in (found, wanted))
    exact = wanted.values.dtype == np.uint8
    if kind != right_kind or (exact and found.values.dtype != np.uint8):
        need = "uint8, whole numbers 0 .. 255," if exact else right_kind
        raise Wrong(
            f"{where} returned {found.values.dtype} values, and {need} belong there: look at the dtype."
        )
    bad = ~np.isfinite(found.values) if found.values.dtype.kind == "f" else np.zeros(1, bool)
    if bad.any():
        first = ", ".join(map(str, np.argwhere(bad)[0]))
        raise Wrong(
            f"{where} returned {bad.sum()} of {bad.size} values that are not finite numbers (NaN or infinite), "
            f"the first at [{first}]: look for a division by 0, the log of 0 or the root of a negative number."
        )


def named(value: Any) -> str:
    """What a value is, in a few words."""
    array = described(value)
    if array:
        return f"{array.what} of shape {tuple(array.values.shape)}"
    if value is None:
        return "None"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if inspect.isfunction(value):
        return "a function"
    kind = getattr(value, "_kind", "").partition(": ")[0] or type(value).__name__
    return f"{kind} `{str(value)[:60]}`"


def close(given: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    """Whether two values of one form are equal, up to a tolerance that grows with the largest expected number."""
    if isinstance(expected, list | tuple):
        return len(given) == len(expected) and all(
            close(g, e, tolerance) for g, e in zip(given, expected, strict=True)
        )
    if isinstance(expected, dict):
        return given.keys() == expected.keys() and all(
            close(given[key], expected[key], tolerance) for key in expected
        )
    if isinstance(expected, str):
        return given == expected
    g, e = as_numbers(given), as_numbers(expected)
    if g.shape != e.shape:
        return False
    if e.size == 0:
        return True
    room = tolerance * max(1.0, float(np.abs(e[np.isfinite(e)]).max(initial=0)))
    with np.errstate(invalid="ignore"):
        return bool(((np.abs(g - e) <= room) | (g == e)).all())


def as_numbers(value: Any) -> np.ndarray:
    """A number, array or tensor as float64."""
    array = described(value)
    return np.asarray(array.values if array else value, np.float64)


def difference(given: Any, expected: Any) -> str:
    """Where two values of one form differ most, to end a sentence."""
    if isinstance(expected, list | tuple) and not all(isinstance(each, int | float) for each in expected):
        for i, (g, e) in enumerate(zip(given, expected, strict=False), 1):
            if not close(g, e):
                return f"{difference(g, e)} That is in value {i} of {len(expected)}."
    if isinstance(expected, dict):
        for key in expected:
            if not close(given[key], expected[key]):
                return f"{difference(given[key], expected[key])} That is in {key!r}."
    if isinstance(expected, str):
        return f"are {given!r} instead of {expected!r}."
    g, e = as_numbers(given), as_numbers(expected)
    if g.shape != e.shape:
        return f"have the shape {tuple(g.shape)} instead of {tuple(e.shape)}."
    if g.ndim == 0:
        return f"are not right: {float(g):.6g} instead of {float(e):.6g}."
    far = np.abs(g - e)
    place = np.unravel_index(far.argmax(), far.shape)
    at = ", ".join(map(str, place))
    wrong = (far > 1e-4 * max(1.0, float(np.abs(e).max()))).mean()
    worst = f"{g[place]:.5g} instead of {e[place]:.5g}"
    return f"are not right at {wrong:.0%} of the places; furthest off at [{at}], {worst}."
