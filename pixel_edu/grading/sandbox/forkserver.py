"""A process that has imported what notebooks need, and becomes a kernel of a student's at each request.

Importing torch costs seconds, a fork costs milliseconds. The fork server itself never runs a student's code, has one
thread (a fork copies no others), and knows nothing that a student must not.

    python -m pixel_edu.grading.sandbox.forkserver FD MODULE...
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

from pixel_edu.grading.sandbox import isolation, restrictions

NEEDED = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "matplotlib_inline.backend_inline",
)
PACKAGE = Path(__file__).resolve().parents[2]
"""Where this process has the package from."""
MODULES = ("numpy", "torch", "pixel_edu.grading.rpc.server")


class ForkServer:
    """The grader's side: starts the process and asks it for kernels.

    Args:
        modules: to import before kernels are forked.
        connection: to a fork server that already runs; None starts one.
    """

    def __init__(self, modules: tuple[str, ...] = MODULES, connection: socket.socket | None = None) -> None:
        self.process: subprocess.Popen | None = None
        self.socket = connection or self._begin(modules)
        self.stream = self.socket.makefile("rw")
        greeting = self.stream.readline()
        if not greeting:
            self.close()
            raise isolation.SandboxError("the process that kernels are made from did not start: see above")
        if (theirs := Path(json.loads(greeting)["package"])) != PACKAGE:
            self.close()
            raise isolation.SandboxError(
                f"this command runs pixel_edu from {PACKAGE}, but notebooks would run with the one that is installed, "
                f"from {theirs}: run without PYTHONPATH, or install the one that you mean"
            )

    def _begin(self, modules: tuple[str, ...]) -> socket.socket:
        ours, theirs = socket.socketpair()
        home = Path("/tmp/none")
        env = isolation.environment(home) | {"PATH": os.environ.get("PATH", "")}
        env = {key: value for key, value in env.items() if key != "PIXEL_EDU_GRADING"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pixel_edu.grading.sandbox.forkserver", str(theirs.fileno()), *modules],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env=env | {"PYTHONSAFEPATH": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        )
        theirs.close()
        return ours

    def clone(self) -> socket.socket:
        """A connection to another fork server, forked from this one: for another worker."""
        ours, theirs = socket.socketpair()
        self.stream.write(json.dumps({"clone": True}) + "\n")
        self.stream.flush()
        socket.send_fds(self.socket, [b"t"], [theirs.fileno()])
        theirs.close()
        self.stream.readline()
        return ours

    def start(self, sandbox: isolation.Sandbox, connection_file: str) -> int:
        """Start a kernel in a sandbox.

        Args:
            sandbox: where.
            connection_file: says how to reach the kernel.

        Returns:
            Its process number outside.

        Raises:
            SandboxError: the restrictions could not be set.
        """
        self.stream.write(json.dumps(sandbox.request(connection_file)) + "\n")
        self.stream.flush()
        answer = json.loads(self.stream.readline() or '{"error": "the fork server has ended"}')
        if "error" in answer:
            raise isolation.SandboxError(f"no kernel could be started: {answer['error']}")
        if not sandbox.leader:
            sandbox.await_reaper(answer["reaper"])
        return answer["pid"]

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):  # it may have ended by itself
            self.stream.close()
        self.socket.close()
        if self.process:
            self.process.kill()
            self.process.wait()


def main(fd: int, modules: list[str]) -> None:
    """Wait for requests until the other side closes."""
    restrictions.die_with_parent()
    connection = socket.socket(fileno=fd)
    for module in [*NEEDED, *modules]:
        importlib.import_module(module)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    gc.collect()
    gc.freeze()
    _serve(connection)


def _serve(connection: socket.socket) -> None:
    """Answer requests, one line of JSON each, until the other side closes or is killed."""
    with connection, contextlib.suppress(ConnectionError):
        connection.sendall(json.dumps({"package": str(PACKAGE)}).encode() + b"\n")
        while request := _request(connection):
            if "clone" in request:
                _, (fd,), *_ = socket.recv_fds(connection, 1, 1)
                if not os.fork():
                    connection.close()
                    _serve(socket.socket(fileno=fd))
                    os._exit(0)
                os.close(fd)
            answer = {} if "clone" in request else _fork(request, connection)
            connection.sendall(json.dumps(answer).encode() + b"\n")
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _request(connection: socket.socket) -> dict[str, Any] | None:
    """The next request, and not a byte more: a file descriptor may come with what follows."""
    text = b""
    while not text.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return None
        text += byte
    return json.loads(text)


def _fork(request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
    """Fork a kernel into a sandbox; its process number outside, or what went wrong."""
    # Two forks, because setns() moves a process's children, not itself, into another process namespace: the first
    # child enters the sandbox's namespaces, and its child, the kernel, is born in them.
    result, report = os.pipe()
    server = os.getpid()
    if not os.fork():
        try:
            os.close(result)
            connection.close()
            os.closerange(3, report)
            os.closerange(report + 1, 4096)
            _first_child(request, report, server)
        except BaseException as error:
            os.write(report, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        finally:
            os._exit(1)
    os.close(report)
    with os.fdopen(result) as stream:
        return json.loads(stream.read() or '{"error": "the process ended"}')


def _first_child(request: dict[str, Any], report: int, server: int) -> None:
    """In the first child: fork the kernel, wait for it, and kill what it leaves behind; so too if the server ends."""
    os.setsid()
    if request["leader"]:
        restrictions.enter(request["leader"])
    else:
        restrictions.reap_orphans()
    ready, signal_ready = os.pipe()
    kernel = os.fork()
    if not kernel:
        os.close(ready)
        try:
            os.setsid()
            _restrict(request)
            os.write(signal_ready, b"k")
        except BaseException as error:
            os.write(signal_ready, f"{type(error).__name__}: {error}".encode())
            os._exit(1)
        os.close(signal_ready)
        os.close(report)
        become_kernel(request)
    os.close(signal_ready)
    with os.fdopen(ready, "rb") as stream:
        word = stream.read(500).decode(errors="replace")
    if not request["leader"]:  # else the sandbox's end ends the kernel
        signal.signal(signal.SIGTERM, lambda *_: (_end_descendants(), os._exit(1)))
        restrictions.be_told_of_parents_end(signal.SIGTERM)
        if os.getppid() != server:  # it has ended before it could be told of
            os.kill(os.getpid(), signal.SIGTERM)
    answer = {"pid": kernel, "reaper": os.getpid()} if word == "k" else {"error": word}
    os.write(report, json.dumps(answer).encode())
    os.close(report)
    os.waitpid(kernel, 0)
    if not request["leader"]:
        _end_descendants()
    os._exit(0)


def _end_descendants() -> None:
    """Kill all processes that come from this one, until none is left."""
    while left := list(isolation.descendants(os.getpid()))[1:]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.wait()


def _restrict(request: dict[str, Any]) -> None:
    limits = restrictions.ResourceLimits(**request["limits"])
    go_home(request)
    os.environ.clear()
    os.environ.update(request["environment"])
    restrictions.limit(limits)
    if request["restricted"]:
        if request["readable"]:
            restrictions.landlock(*(map(Path, request[key]) for key in ("readable", "writable", "listable")))
        restrictions.drop()
        restrictions.forbid(request["network"])


def go_home(request: dict[str, Any]) -> None:
    """Start where the code runs, with a copy of the files that it finds there."""
    os.chdir(request["home"])
    if os.path.isdir(request["beside"]):
        shutil.copytree(request["beside"], ".", dirs_exist_ok=True)


def become_kernel(request: dict[str, Any]) -> NoReturn:
    """Become an IPython kernel, and end with it.

    Args:
        request: of `isolation.Sandbox`; its limits and restrictions are in force.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed(0)
    for module in ("numpy", "torch"):
        if module in sys.modules:
            loaded = sys.modules[module]
            loaded.manual_seed(0) if module == "torch" else loaded.random.seed(0)
    sys.argv = ["ipykernel"]
    from ipykernel.iostream import IOPubThread
    from ipykernel.kernelapp import IPKernelApp

    # ipykernel 7 listens for what subprocesses print at a TCP socket, which this level forbids; private, and tested
    if not request["network"]:
        setattr(IOPubThread, "_setup_pipe_in", lambda thread: setattr(thread, "_pipe_flag", False))  # noqa: B010
    try:
        app = IPKernelApp.instance(connection_file=request["connection"])
        app.initialize(["--HistoryManager.enabled=False", "--InteractiveShell.colors=NoColor"])
        app.start()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
