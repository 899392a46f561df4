"""The client, in the grader: a student's functions, called as if they were here.

A `Remote` stands for something in the student's process. Checks call it through `pixel_edu.course.checking`; any other
test may call it, or its methods, as it would call the thing itself.
"""

from __future__ import annotations

import builtins
import socket
from collections.abc import Callable
from typing import Any

import numpy as np

from pixel_edu.course.calling import Countdown, Crash, TooSlow, Unwritten
from pixel_edu.course.values import Wrong, described
from pixel_edu.grading.rpc.wire import Disconnected, Packer, Unpacker, WireError, receive, send

GRACE = 2.0
"""Seconds beyond its limit that a call may take to say so."""
LIMIT = 10.0
"""Seconds of a call by a test that sets no limit."""


class KernelLost(Exception):
    """The connection is lost: nothing more can be asked of this kernel."""


class KernelFault(Exception):
    """The server could not take what the tests sent, before any answer was called."""


class Client:
    """Calls what lives in the student's process.

    Args:
        connection: a connected socket, to the server in the kernel.

    Attributes:
        broken: why the connection was lost, or "" while it stands.
        slow: whether it was lost because a call never came back.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.broken, self.slow = connection, "", False
        self._callbacks: list[Callable] = []

    def close(self) -> None:
        """Let the kernel go on."""
        if not self.broken:
            try:
                send(self.connection, {"do": "end"})
            except Disconnected:
                self.broken = "the kernel has ended"
        self.connection.close()

    def request(self, do: str, of: Any, arguments: tuple = (), limit: float = LIMIT, method: str = "") -> Any:
        """Have something called or looked up, answering what it asks meanwhile.

        Raises:
            Crash: it raised.
            TooSlow: it did not come back.
            Unwritten: it is not written yet.
            Wrong: it is missing, cannot be called, or ended its kernel.
            KernelLost: the connection was lost before.
            KernelFault: the other side of the tests fails, and not the answer.
        """
        if self.broken:
            raise KernelLost(self.broken)
        name = of if isinstance(of, str) else "what your answer made"
        countdown, raised = Countdown(limit + GRACE), None
        try:
            packer = Packer(self._keep)
            packed = {"of": packer.pack(of), "arguments": packer.pack(list(arguments))}
            send(self.connection, {"do": do, "limit": limit, "method": method} | packed, packer, countdown)
            while True:
                message, arrays = receive(self.connection, countdown)
                if message.get("say") != "ask":
                    break
                raised = self._asked(message, arrays) or raised
            if raised:
                raise raised
            return self._said(message, arrays, arguments, name)
        except Disconnected:
            self.broken = "the kernel has ended"
            raise Wrong(
                f"`{name}` ended the whole notebook when it was called: is there an `exit()` in it, or does it "
                "use too much memory?"
            ) from None
        except TimeoutError:
            self.broken, self.slow = "a call never came back", True
            raise TooSlow from None
        except WireError as error:
            self.broken = str(error)
            raise Wrong(f"`{name}` returned something that no test can read: {error}.") from None

    def _keep(self, value: Any) -> dict:
        if isinstance(value, Remote):
            return {"$": "handle", "id": value._id}
        if not callable(value):
            raise WireError(f"a {type(value).__name__} cannot be sent to an answer")
        self._callbacks.append(value)
        return {"$": "callback", "id": len(self._callbacks) - 1}

    def _found(self, packed: dict) -> Any:
        if packed["$"] == "callback":
            return self._callbacks[packed["id"]]
        if packed["$"] != "handle" or type(packed["id"]) is not int:
            raise WireError("a malformed value")
        kind = RemoteFunction if packed["called"] else Remote
        return kind(self, packed["id"], str(packed["is"])[:200])

    def _asked(self, message: dict, arrays: bytearray) -> Exception | None:
        """Call a function of the test for the answer; what it raised."""
        unpacker = Unpacker(arrays, self._found)
        try:
            function = self._callbacks[message["of"]]
            arguments, options = unpacker.unpack(message["arguments"]), unpacker.unpack(message["options"])
        except (LookupError, TypeError):
            raise WireError("a malformed question") from None
        try:
            value = function(*arguments, **options)
        except Exception as error:
            send(self.connection, {"do": "raise", "kind": type(error).__name__, "said": str(error)[:300]})
            return error if isinstance(error, Wrong) else None
        packer = Packer(self._keep)
        send(self.connection, {"do": "return", "value": packer.pack(value)}, packer)
        return None

    def _said(self, message: dict, arrays: bytearray, arguments: tuple, name: str) -> Any:
        say, said = message.get("say"), str(message.get("said", ""))[:300]
        if say == "result":
            unpacker = Unpacker(arrays, self._found)
            try:
                for i, now in unpacker.unpack(message["changed"]).items():
                    write_back(arguments[i], now)
                return unpacker.unpack(message["value"])
            except (AttributeError, LookupError, TypeError, ValueError, RuntimeError):
                raise WireError("a malformed result") from None
        if say == "crash":
            raise Crash(str(message.get("kind"))[:80], said, str(message.get("line", ""))[:300])
        if say == "slow":
            raise TooSlow
        if say == "unwritten":
            raise Unwritten
        if say == "wrong":
            raise Wrong(said)
        if say == "fault":
            raise KernelFault(said)
        if say == "missing":
            raise Wrong(f"There is no `{name}` in your notebook: was it renamed, or does its cell fail?")
        raise WireError("a malformed reply")


class Remote:
    """Something in the student's process: its methods can be called, its plain attributes read."""

    def __init__(self, client: Client, id: Any, kind: str) -> None:
        self._client, self._id, self._kind = client, id, kind

    def as_caller(self, arguments: tuple, limit: float, of: Any = None, method: str = "") -> Any:
        """Call it for a check; see `pixel_edu.course.calling.Caller`."""
        return self._client.request("call", self if of is None else of, arguments, limit, method)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = as_python(lambda: self._client.request("look", self, method=name))
        if not isinstance(found, RemoteFunction):
            return found
        return lambda *arguments: as_python(
            lambda: self._client.request("call", self, arguments, LIMIT, method=name)
        )

    def __str__(self) -> str:
        return self._kind.partition(": ")[2]


class RemoteFunction(Remote):
    """Something that can be called."""

    def __call__(self, *arguments: Any) -> Any:
        """Call it for any other test; errors come as Python's own where they are such."""
        return as_python(lambda: self._client.request("call", self, arguments, LIMIT))


class Answer(RemoteFunction):
    """What has a name in the student's notebook; it is looked up when it is called."""

    def __init__(self, client: Client, name: str) -> None:
        super().__init__(client, name, f"function: {name}")

    def as_caller(self, arguments: tuple, limit: float, of: Any = None, method: str = "") -> Any:
        """Call it for a check; see `pixel_edu.course.calling.Caller`."""
        return self._client.request("call", self._id if of is None else of, arguments, limit, method)

    def __call__(self, *arguments: Any) -> Any:
        """Call it for any other test."""
        return as_python(lambda: self._client.request("call", self._id, arguments, LIMIT))


def as_python(call: Callable[[], Any]) -> Any:
    """Call something, with an answer's error as the error itself."""
    try:
        return call()
    except Crash as crash:
        kind = getattr(builtins, crash.kind, None)
        error = kind if isinstance(kind, type) and issubclass(kind, Exception) else RuntimeError
        raise error(crash.said) from crash
    except TooSlow:
        raise TimeoutError("it took too long and was stopped") from None
    except Unwritten:
        raise NotImplementedError from None


def write_back(value: Any, now: Any) -> None:
    """Change a value that an answer has changed on its side."""
    array = described(value)
    if isinstance(value, np.ndarray):
        value.resize(now.shape, refcheck=False)
        value[...] = now
    elif array:
        value.data = now
    elif hasattr(value, "set_state"):
        value.set_state(now.get_state())
    elif isinstance(value, list):
        value[:] = now
    elif isinstance(value, dict):
        value.clear()
        value.update(now)
    elif isinstance(value, tuple):
        for each, new in zip(value, now, strict=True):
            write_back(each, new)
    elif hasattr(value, "alpha_bar"):
        write_back(value.alpha_bar, now.alpha_bar)
