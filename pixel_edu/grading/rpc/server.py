"""The server: runs in the student's kernel, and calls what the tests ask for.

Whatever the student's code does to this module, it can change nothing but its own answers.
"""

from __future__ import annotations

import ast
import builtins
import socket
import sys
from typing import Any

from pixel_edu.course.calling import Crash, TooSlow, Unwritten, caller
from pixel_edu.course.values import Wrong
from pixel_edu.grading.rpc.wire import Disconnected, Packer, Unpacker, WireError, receive, send


class Callback:
    """A function of the test, as the answer gets it: a call goes back to the client."""

    def __init__(self, server: Server, id: int) -> None:
        self._server, self._id = server, id

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return what the test's function returns.

        Raises:
            Exception: what it raised, if that is one of Python's own.
        """
        return self._server.ask(self._id, arguments, options)


class Server:
    """Answers one client.

    Args:
        connection: to the tests.
        names: the notebook's, with the answers among them.
    """

    def __init__(self, connection: socket.socket, names: dict[str, Any]) -> None:
        self.connection, self.names, self.handles = connection, names, {}

    def keep(self, value: Any) -> dict:
        """What is sent in the place of a value that cannot be."""
        if isinstance(value, Callback):
            return {"$": "callback", "id": value._id}
        self.handles[len(self.handles)] = value
        kind = f"{type(value).__name__}: {value}"[:200]
        return {"$": "handle", "id": len(self.handles) - 1, "called": callable(value), "is": kind}

    def found(self, packed: dict) -> Any:
        """What such a message stands for."""
        return self.handles[packed["id"]] if packed["$"] == "handle" else Callback(self, packed["id"])

    def send(self, message: dict, **values: Any) -> None:
        """Send a message with some values in it."""
        packer = Packer(self.keep)
        send(self.connection, message | {key: packer.pack(value) for key, value in values.items()}, packer)

    def ask(self, id: int, arguments: tuple, options: dict) -> Any:
        """Call a function of the test."""
        self.send({"say": "ask", "of": id}, arguments=list(arguments), options=options)
        message, arrays = receive(self.connection)
        if message["do"] == "raise":
            kind = getattr(builtins, message["kind"], None)
            error = kind if isinstance(kind, type) and issubclass(kind, Exception) else RuntimeError
            raise error(message["said"])
        return Unpacker(arrays, self.found).unpack(message["value"])

    def answer(self, message: dict, arrays: bytearray) -> None:
        """Do what the tests ask for, and say how it went."""
        unpacker = Unpacker(arrays, self.found)
        try:
            owner: Any = unpacker.unpack(message["of"])
            arguments = unpacker.unpack(message["arguments"])
            before = [_bytes(each) for each in arguments]
        except ImportError as error:
            if error.name in sys.modules:  # None stands there: only the notebook's own code puts it there
                said = f"The notebook has taken `{error.name}` out of Python: remove that line."
                return self.send({"say": "wrong", "said": said})
            return self.send({"say": "fault", "said": f"{type(error).__name__}: {error}"})
        except (
            Exception
        ) as error:  # no answer runs yet, but the notebook's cells have run, and changed numpy, say
            said = f"After the notebook's cells have run, values no longer reach it ({type(error).__name__}: {error})."
            return self.send({"say": "wrong", "said": said})
        if message["do"] == "run":
            answer = None
        elif isinstance(owner, str):
            if owner not in self.names:
                return self.send({"say": "missing"})
            owner, answer = None, self.names[owner]
        else:
            answer = owner
        try:
            if message["do"] == "run":
                result = caller(lambda: _run(owner, self.names))((), message["limit"])
            elif message["do"] == "look":
                result = getattr(answer, message["method"]) if message["method"] else answer
            else:
                result = caller(answer)(tuple(arguments), message["limit"], owner, message["method"])
        except Crash as crash:
            return self.send({"say": "crash", "kind": crash.kind, "said": crash.said, "line": crash.line})
        except TooSlow:
            return self.send({"say": "slow"})
        except Unwritten:
            return self.send({"say": "unwritten"})
        except Wrong as wrong:
            return self.send({"say": "wrong", "said": str(wrong)})
        changed = {i: each for i, each in enumerate(arguments) if _bytes(each) != before[i]}
        try:
            self.send({"say": "result"}, value=result, changed=changed)
        except (WireError, ValueError, RecursionError, UnicodeError) as error:
            self.send({"say": "wrong", "said": f"The result cannot be sent to the tests: {error}."})


def _run(source: str, names: dict[str, Any]) -> float | None:
    """Run tests; the value of their last line, if that is a number."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "tests", "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    value = eval(compile(ast.Expression(last.value), "tests", "eval"), names)
    return value if isinstance(value, int | float) else None


def _bytes(value: Any) -> list | None:
    """What tells whether a value has changed; None for what stays on this side."""
    packer = Packer(lambda value: {"$": "stays"})
    return [packer.pack(value), *(array.tobytes() for array in packer.arrays)]


def serve(address: str | tuple[str, int], names: dict[str, Any] | None = None) -> None:
    """Answer the tests until they end.

    Args:
        address: of the socket that they listen at: its path, or host and port where a socket has no path.
        names: where to find the answers; None is the notebook's own.
    """
    if names is None:
        from IPython import get_ipython

        shell: Any = get_ipython()  # there is one: this is called from a cell
        names = shell.user_ns
    assert names is not None
    family = getattr(socket, "AF_UNIX", socket.AF_INET) if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.connect(address)
        server = Server(connection, names)
        while True:
            try:
                message, arrays = receive(connection)
                if message["do"] == "end":
                    return
                server.answer(message, arrays)
            except Disconnected:
                return
            except KeyboardInterrupt:  # rang just after a call came back
                continue
