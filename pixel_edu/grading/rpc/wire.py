"""Values as bytes, and back: what crosses between a test and an answer that live in two processes.

A value becomes JSON; the numbers of arrays and tensors follow it as they lie in memory. Nothing is pickled: whoever
reads a message can only get values of the kinds below, never code. What has no form here, such as a module or a
function, stays where it is, and a number crosses in its place.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import socket
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from pixel_edu.course.calling import TICK, Countdown

HEAD = struct.Struct("!IQ")
"""Length of the JSON, length of the arrays."""
LARGEST = 256 << 20
"""Bytes that a message may have."""
RECORDS = {
    "Levels": "pixel_edu.schedules",
    "Schedule": "pixel_edu.schedules",
    "UNetConfig": "pixel_edu.unet",
}
"""Classes of the package whose values cross field by field, and their modules."""


class WireError(Exception):
    """A message that an honest partner does not send, or a value that cannot be sent."""


class Disconnected(Exception):
    """The other side has gone."""


class Packer:
    """Turns values into JSON, and collects the arrays in them.

    Args:
        keep: is given what cannot cross, and returns what goes in its place, such as a handle.
    """

    def __init__(self, keep: Callable[[Any], dict]) -> None:
        self.keep, self.arrays, self.size = keep, [], 0

    def pack(self, value: Any) -> Any:
        """The value as JSON's own types."""
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"$": "float", "is": repr(value)}
        if type(value) is list:
            return [self.pack(each) for each in value]
        if type(value) is tuple:
            return {"$": "tuple", "of": [self.pack(each) for each in value]}
        if type(value) in (set, frozenset):
            return {"$": "set", "of": [self.pack(each) for each in value]}
        if type(value) is dict or type(value).__name__ == "OrderedDict":
            return {"$": "dict", "of": [[self.pack(k), self.pack(v)] for k, v in value.items()]}
        if isinstance(value, np.generic):
            return {"$": "scalar", "of": self._array(np.asarray(value))}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            return {"$": "array", "of": self._array(value)}
        if type(value).__module__.partition(".")[0] == "torch":
            return self._torch(value)
        if type(value).__module__ == RECORDS.get(type(value).__name__):
            return {
                "$": "record",
                "is": type(value).__name__,
                "of": [self.pack(each) for each in _fields(value)],
            }
        return self.keep(value)

    def _array(self, array: np.ndarray) -> dict:
        shape, array = array.shape, np.ascontiguousarray(array)
        packed = {"dtype": array.dtype.str, "shape": list(shape), "at": self.size}
        self.arrays.append(array)
        self.size += array.nbytes
        return packed

    def _torch(self, value: Any) -> Any:
        import torch

        if isinstance(value, torch.dtype | torch.device):
            return {"$": type(value).__name__, "is": str(value).removeprefix("torch.")}
        if isinstance(value, torch.Size):
            return {"$": "tuple", "of": list(value)}
        if isinstance(value, torch.Generator):
            return {"$": "generator", "of": self._array(value.get_state().numpy())}
        if not isinstance(value, torch.Tensor) or value.dtype.is_complex:
            return self.keep(value)
        kind, plain = str(value.dtype).removeprefix("torch."), value.detach()
        if value.device.type == "meta":
            return {"$": "meta", "is": kind, "of": list(value.shape)}
        plain = plain.cpu()
        if kind == "bfloat16":
            plain = plain.contiguous().view(torch.int16)
        return {"$": "tensor", "is": kind, "of": self._array(plain.numpy())}


class Unpacker:
    """Turns JSON back into values; `found` is given what stands for something that stayed where it is."""

    def __init__(self, arrays: bytearray, found: Callable[[dict], Any]) -> None:
        self.arrays, self.found = arrays, found

    def unpack(self, packed: Any) -> Any:
        """The value.

        Raises:
            WireError: it is malformed.
        """
        if isinstance(packed, list):
            return [self.unpack(each) for each in packed]
        if not isinstance(packed, dict):
            return packed
        try:
            return self._known(packed)
        except (AttributeError, KeyError, LookupError, TypeError, ValueError, RuntimeError) as error:
            raise WireError(f"a malformed value ({type(error).__name__}: {error})") from None

    def _known(self, packed: dict) -> Any:
        kind: str = packed["$"]
        inside: Any = packed.get("of")
        if kind == "tuple":
            return tuple(map(self.unpack, inside))
        if kind == "set":
            return set(map(self.unpack, inside))
        if kind == "dict":
            return {self.unpack(key): self.unpack(value) for key, value in inside}
        if kind == "float":
            return float(packed["is"])
        if kind == "scalar":
            return self._array(inside).reshape(())[()]
        if kind == "array":
            return self._array(inside)
        if kind == "record":
            name = packed["is"]
            values = map(self.unpack, inside)
            return getattr(importlib.import_module(RECORDS[name]), name)(*values)
        if kind in ("tensor", "meta", "generator", "dtype", "device"):
            return self._torch(kind, packed.get("is"), inside)
        return self.found(packed)

    def _array(self, packed: dict) -> np.ndarray:
        dtype, shape, at = np.dtype(packed["dtype"]), tuple(packed["shape"]), packed["at"]
        if dtype.kind not in "biufc" or not all(type(n) is int and n >= 0 for n in (*shape, at)):
            raise WireError("a malformed array")
        # frombuffer checks that count and place lie inside the buffer
        count = math.prod(shape)
        flat = np.frombuffer(self.arrays, dtype, count, at) if count else np.empty(0, dtype)
        return flat.reshape(shape).copy()

    def _torch(self, kind: str, name: Any, inside: Any) -> Any:
        import torch

        if kind == "device":
            return torch.device(name)
        if kind == "generator":
            generator = torch.Generator()
            generator.set_state(torch.from_numpy(self._array(inside)))
            return generator
        dtype = getattr(torch, name)
        if not isinstance(dtype, torch.dtype):
            raise WireError("a tensor of an unknown type")
        if kind == "dtype":
            return dtype
        if kind == "meta":
            return torch.empty(inside, dtype=dtype, device="meta")
        plain = torch.from_numpy(self._array(inside))
        return plain.view(torch.bfloat16) if name == "bfloat16" else plain.to(dtype)


def _fields(value: Any) -> list:
    if dataclasses.is_dataclass(value):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return list(value) if isinstance(value, tuple) else [value.alpha_bar]


def send(
    connection: socket.socket, message: dict, packer: Packer | None = None, countdown: Countdown | None = None
) -> None:
    """Send a message.

    Args:
        connection: to write to.
        message: in JSON's own types.
        packer: holds the arrays of the values in it.
        countdown: the time that it may take; None waits for ever.

    Raises:
        Disconnected: nobody is there.
        TimeoutError: it was not taken in time.
        WireError: it is too long.
    """
    text = json.dumps(message, allow_nan=False).encode()
    size = packer.size if packer else 0
    if len(text) + size > LARGEST:
        raise WireError(f"a message of {(len(text) + size) >> 20} MiB: at most {LARGEST >> 20} MiB can cross")
    _pass(connection, connection.send, memoryview(HEAD.pack(len(text), size) + text), countdown)
    for array in packer.arrays if packer else ():
        _pass(connection, connection.send, array.reshape(-1).view(np.uint8).data, countdown)


def receive(connection: socket.socket, countdown: Countdown | None = None) -> tuple[dict, bytearray]:
    """The next message, and the arrays of its values.

    Args:
        connection: to read from.
        countdown: the time within which all of it must have come; None waits for ever.

    Raises:
        Disconnected: nobody is there.
        TimeoutError: it has not come in time.
        WireError: it is not a message.
    """
    text_size, size = HEAD.unpack(_exactly(connection, HEAD.size, countdown))
    if text_size + size > LARGEST:
        raise WireError(f"a message of {(text_size + size) >> 20} MiB: at most {LARGEST >> 20} MiB can cross")
    text, arrays = _exactly(connection, text_size, countdown), _exactly(connection, size, countdown)
    try:
        message = json.loads(bytes(text))
    except (ValueError, RecursionError):
        raise WireError("a message that is not JSON") from None
    if not isinstance(message, dict):
        raise WireError("a message that is not an object")
    return message, arrays


def _exactly(connection: socket.socket, size: int, countdown: Countdown | None) -> bytearray:
    buffer = bytearray(size)
    _pass(connection, connection.recv_into, memoryview(buffer), countdown)
    return buffer


def _pass(
    connection: socket.socket,
    step: Callable[[memoryview], int],
    data: memoryview,
    countdown: Countdown | None,
) -> None:
    """Send or fill all of the data, a piece at each step; TimeoutError once the time is up."""
    connection.settimeout(TICK if countdown else None)
    while data:
        if (
            countdown and countdown.tick() <= 0
        ):  # for each piece anew, or one that trickles could hold us for ever
            raise TimeoutError
        try:
            count = step(data)
        except TimeoutError:
            continue
        except OSError:
            raise Disconnected from None
        if not count:
            raise Disconnected
        data = data[count:]
