"""What an answer may return: whether it has the right form, whether it is right, and where it differs.

Values are numbers, strings, arrays, tensors, and lists, tuples and dicts of them.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any, NamedTuple

import numpy as np


class Wrong(Exception):
    """What is wrong with an answer, in a sentence or two for the reader.

    Attributes:
        given: the reader's values, to draw, or None.
        expected: the right ones, or None.
    """

    def __init__(self, message: str, given: Any = None, expected: Any = None) -> None:
        super().__init__(message)
        self.given, self.expected = given, expected


class Array(NamedTuple):
    """An array or tensor, described in the same way.

    Attributes:
        what: "a NumPy array" or "a tensor".
        values: what it holds; zeros for a tensor on the device "meta".
        device: "cpu", "cuda" and so on.
    """

    what: str
    values: np.ndarray
    device: str


def described(value: Any) -> Array | None:
    """Describe an array or tensor; None for anything else."""
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
    """A copy that an answer may overwrite; functions and modules are passed on as they are."""
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
    if hasattr(value, "alpha_bar"):  # a Schedule, recognized without importing torch
        return copy.deepcopy(value)
    return value


def unchanged(before: Any, after: Any) -> bool:
    """Whether a value is still what it was, for everything that `copied` copies."""
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


KINDS = {"f": "floating-point numbers", "i": "integers", "u": "integers", "b": "booleans"}
"""What messages call NumPy's kinds of dtypes."""


def formed(value: Any, like: Any, where: str) -> Any:
    """Check that a value has the form of another, and return it.

    Args:
        value: what an answer returned.
        like: an example of the right form: type, shape, kind of numbers, device, and the same for every part of a
            list, tuple or dict. None accepts anything; `callable` stands for any function, `list` for a list or tuple
            of any length, `dict` for a dict with any keys.
        where: how messages begin, such as "`guide` with one step".

    Returns:
        The value. A number comes as Python's own, whatever held it: an array of one element and a tensor will do. A
        tuple with names, such as `Levels`, comes with its names, also where the answer returned a plain one.

    Raises:
        Wrong: it has another type, shape, kind of numbers or device, or holds NaN or infinity.
    """
    if like is None:
        return value
    if value is None:
        raise Wrong(f"{where} returned None: is a `return` missing?")
    if like is callable:
        if not callable(value):
            raise Wrong(
                f"{where} returned {named(value)}, not a function: return the function itself, without calling it."
            )
        return value
    if like is list:
        if not isinstance(value, list | tuple):
            raise Wrong(f"{where} returned {named(value)}, not a list.")
        return list(value)
    if like is dict:
        if not isinstance(value, dict):
            raise Wrong(f"{where} returned {named(value)}, not a dict.")
        return value
    if isinstance(like, bool | int | float):
        return number(value, like, where)
    wanted, found = described(like), described(value)
    if wanted:
        if not found or found.what != wanted.what:
            raise Wrong(f"{where} returned {named(value)}, not {wanted.what}.")
        array_formed(found, wanted, where)
        return value
    if isinstance(like, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(like):
            raise Wrong(f"{where} returned {named(value)}, not {len(like)} values.")
        parts = [
            formed(v, each, f"{where}, value {i} of {len(like)},")
            for i, (v, each) in enumerate(zip(value, like, strict=True), 1)
        ]
        return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)
    if isinstance(like, dict):
        if not isinstance(value, dict):
            raise Wrong(f"{where} returned {named(value)}, not a dict with the keys {sorted(like)}.")
        if value.keys() != like.keys():
            missing = [repr(key) for key in like if key not in value]
            other = [f"{key!r:.40}" for key in value if key not in like][:3]
            found = [f"without {' and '.join(missing)}"] * bool(missing) + [
                f"with {', '.join(other)}"
            ] * bool(other)
            raise Wrong(f"{where} returned a dict {' and '.join(found)}: its keys should be {sorted(like)}.")
        return {key: formed(value[key], like[key], f"{where}, key {key!r},") for key in like}
    if not isinstance(value, type(like)):
        raise Wrong(f"{where} returned {named(value)}, not a {type(like).__name__}.")
    return value


def number(value: Any, like: bool | float, where: str) -> Any:
    """A Python number, whatever held it; the arguments are those of `formed`."""
    held = described(value)
    if held and held.values.size == 1:
        value = held.values.reshape(()).item()
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bool | int | float) or isinstance(like, bool) != isinstance(value, bool):
        wanted = "True or False" if isinstance(like, bool) else "a number"
        raise Wrong(f"{where} returned {named(value)}, not {wanted}.")
    if value != value or value in (float("inf"), float("-inf")):
        raise Wrong(
            f"{where} returned {value}, which is not a finite number: look for a division by 0 or the log of 0."
        )
    return value


def array_formed(found: Array, wanted: Array, where: str) -> None:
    """Refuse an array of another shape, kind of numbers or device, or one that holds NaN or infinity."""
    shape, right = found.values.shape, wanted.values.shape
    if shape != right:
        raise Wrong(f"{where} returned the shape {tuple(shape)}, not {tuple(right)}.")
    if found.device != wanted.device:
        raise Wrong(
            f"{where} returned a tensor on the device `{found.device}`, but its inputs are on `{wanted.device}`: "
            "create new tensors on the device of an input."
        )
    kind, right_kind = (KINDS.get(each.values.dtype.kind, str(each.values.dtype)) for each in (found, wanted))
    exact = wanted.values.dtype == np.uint8
    if kind != right_kind or (exact and found.values.dtype != np.uint8):
        need = "uint8, integers from 0 to 255" if exact else right_kind
        raise Wrong(f"{where} returned {found.values.dtype} values, not {need}: look at the dtype.")
    bad = ~np.isfinite(found.values) if found.values.dtype.kind == "f" else np.zeros(1, bool)
    if bad.any():
        first = ", ".join(map(str, np.argwhere(bad)[0]))
        raise Wrong(
            f"{where} returned {bad.sum()} of {bad.size} values that are not finite numbers (NaN or infinity), "
            f"the first at [{first}]: look for a division by 0, the log of 0 or the root of a negative number."
        )


def named(value: Any) -> str:
    """Say what a value is, in a few words."""
    array = described(value)
    if array:
        return f"{array.what} of shape {tuple(array.values.shape)}"
    if value is None:
        return "None"
    # no elements: the order of a set's differs from process to process
    if isinstance(value, list | tuple | dict | set | frozenset):
        return f"a {type(value).__name__} of {len(value)}"
    if inspect.isfunction(value):
        return "a function"
    # a `Remote` stands for a value in the student's process, and knows what that is
    kind = getattr(value, "_kind", "").partition(": ")[0] or type(value).__name__
    return f"{kind} `{str(value)[:60]}`"


def close(given: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    """Whether two values of one form agree, up to a tolerance relative to the largest expected number (at least 1)."""
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
        return f"are wrong: {float(g):.6g} instead of {float(e):.6g}."
    far = np.abs(g - e)
    place = np.unravel_index(far.argmax(), far.shape)
    at = ", ".join(map(str, place))
    wrong = (far > 1e-4 * max(1.0, float(np.abs(e).max()))).mean()
    worst = f"{g[place]:.5g} instead of {e[place]:.5g}"
    return f"are wrong in {wrong:.0%} of the entries; furthest off at [{at}], {worst}."
