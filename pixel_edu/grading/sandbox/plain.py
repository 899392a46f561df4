"""Kernels as ordinary processes, where none can be forked into a sandbox: on macOS and Windows.

A student's own notebook is tried there with the limits that the system knows, of time at least, and no other
protection than any notebook has. A class is never graded so.

    python -m pixel_edu.grading.sandbox.plain    < a request
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
from typing import Any

from pixel_edu.config import UserError
from pixel_edu.grading.sandbox import forkserver, isolation, restrictions

SYSTEMS_OWN = ("HOME", "LANG", "PATH", "USER")
"""Variables that stay as the system has set them."""


def can_fork() -> bool:
    """Whether this system has what the fork server and the sandboxes are made of: whether it is a Linux."""
    return all(hasattr(os, name) for name in ("fork", "pidfd_open"))


def must_fork() -> None:
    """Make sure that a class can be graded here.

    Raises:
        UserError: this is not a Linux.
    """
    if not can_fork():
        raise UserError(
            "grading a class needs the sandboxes of Linux: use a Linux machine, a container, or WSL on Windows"
        )


def server(modules: tuple[str, ...] = forkserver.MODULES) -> Server:
    """What starts kernels on this system.

    Args:
        modules: to import before kernels are forked, where they are.
    """
    return forkserver.ForkServer(modules) if can_fork() else PlainServer()


class PlainServer:
    """Starts kernels that are processes like any other."""

    def start(self, sandbox: isolation.Sandbox, connection_file: str) -> subprocess.Popen:
        """Start a kernel in a sandbox's folder.

        Args:
            sandbox: where.
            connection_file: says how to reach the kernel.
        """
        request = sandbox.request(connection_file)
        wanted = {key: value for key, value in request["environment"].items() if key not in SYSTEMS_OWN}
        watched = {"JPY_PARENT_PID": str(os.getpid())} if os.name == "posix" else {}  # ends when we do
        process = subprocess.Popen(
            [sys.executable, "-m", "pixel_edu.grading.sandbox.plain"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | wanted | watched | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        )
        assert process.stdin  # a pipe
        with process.stdin as stream:
            stream.write(json.dumps(request).encode())
        return process

    def close(self) -> None:
        """Nothing to do: each kernel ends with its sandbox."""


Server = forkserver.ForkServer | PlainServer
"""What starts kernels."""


def main(request: dict[str, Any]) -> None:
    """Become a kernel."""
    for module in forkserver.MODULES:
        importlib.import_module(module)
    forkserver.go_home(request)
    with contextlib.suppress(OSError, ValueError):  # a limit that this system does not know
        restrictions.limit(restrictions.ResourceLimits(**request["limits"]))
    forkserver.become_kernel(request)


if __name__ == "__main__":
    main(json.load(sys.stdin))
