"""Try to get out of the sandbox before anybody else does."""

from __future__ import annotations

import inspect
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from nbformat.v4 import new_code_cell, new_notebook

import pixel_edu
from pixel_edu import notebooks
from pixel_edu.grading import running
from pixel_edu.grading.merge import Merged
from pixel_edu.grading.sandbox import isolation
from pixel_edu.grading.sandbox.forkserver import ForkServer
from pixel_edu.grading.sandbox.isolation import LEVELS, SandboxError
from pixel_edu.grading.sandbox.restrictions import ResourceLimits


def probe(  # its source is copied into the notebook, so it imports what it needs
    folder: str, package: str, check: str, bait: int, port: int
) -> None:
    """Attempt, inside the sandbox, everything that must fail, and print what did not."""
    import ctypes
    import os
    import signal
    import socket
    from pathlib import Path

    def signalled() -> None:
        os.kill(bait, signal.SIGTERM)
        assert b"BAIT" in Path(f"/proc/{bait}/environ").read_bytes()  # else the number is another's in here

    def new_namespace() -> None:
        assert ctypes.CDLL(None).unshare(0x10000000) == 0

    attempts = {
        "read a file of the grader's": lambda: Path(folder, "secret").read_text(),
        "read the checks of the exercises": lambda: Path(check).read_text(),
        "write to the grader's folder": lambda: Path(folder, "written").write_text(""),
        "write to its own Python": lambda: Path(package, "written").write_text(""),
        "reach the network": lambda: socket.create_connection(("127.0.0.1", port), 2).close(),
        "see the grader's environment": lambda: os.environ["PIXEL_EDU_HOME"],
        "read another process": lambda: Path(f"/proc/{bait}/environ").read_bytes().index(b"BAIT"),
        "end another process": signalled,
        "make namespaces of its own": new_namespace,
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except Exception:
            continue
        print("possible:", name)
    print("attempts:", len(attempts))


def breaches(level: str, fork_server: ForkServer) -> list[str]:
    """What a notebook can do at a level that it must not be able to do.

    Raises:
        SandboxError: this machine does not have that level, or no notebook runs in it.
    """
    if level == "bubblewrap" and not shutil.which("bwrap"):
        raise SandboxError("bubblewrap is not installed: the package is called bubblewrap")
    package = Path(pixel_edu.__file__).parent
    # what it must not reach: a process with a secret in its environment, a file, a port, the checks of the exercises
    bait = subprocess.Popen(["sleep", "60"], env={"BAIT": "1", "PATH": "/usr/bin:/bin"})
    try:
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
            Path(folder, "secret").write_text("secret")
            given = (folder, str(package), str(next(isolation.hidden()[0].glob("ch*.py"))), bait.pid)
            call = f"probe(*{(*given, server.getsockname()[1])!r})"
            cell = new_code_cell(f"{inspect.getsource(probe)}\n{call}", metadata={"part": "given"})
            notebook = new_notebook(cells=[cell], metadata={"kernelspec": notebooks.KERNEL})
            nobody: Any = None  # nothing is marked, so no tests are needed
            run = running.SubmissionRun(
                Merged(notebook, [], {}, {}), nobody, fork_server, level, ResourceLimits(cell=30, notebook=60)
            )
            run.execute()
            said = "".join(each.get("text", "") for each in run.executed.cells[0].outputs).splitlines()
            if bait.poll() is not None:  # whatever the notebook says, what happened outside counts
                said.append("possible: end another process")
            if not any(line.startswith("attempts:") for line in said):
                raise SandboxError(
                    f"the sandbox {level!r} does not work here: {run.executed.cells[0].outputs}"
                )
    finally:
        (package / "written").unlink(missing_ok=True)
        bait.kill()
        bait.wait()
    return sorted({line.removeprefix("possible: ") for line in said if line.startswith("possible: ")})


class Choice(NamedTuple):
    """A sandbox that holds.

    Attributes:
        level: see `isolation.LEVELS`.
        rejected: stricter levels, and why not these.
    """

    level: str
    rejected: list[str]


def choose(wanted: str, fork_server: ForkServer) -> Choice:
    """The strictest level that exists here and holds; or the wanted one, if it does.

    Args:
        wanted: a level, or "auto".
        fork_server: makes kernels.

    Raises:
        SandboxError: none holds, or the wanted one does not.
    """
    if wanted == "none":
        return Choice(wanted, [])
    said = []
    for level in LEVELS[:-1] if wanted == "auto" else [wanted]:
        try:
            through = breaches(level, fork_server)
        except (SandboxError, OSError) as error:
            said.append(f"{level}: {error}")
            continue
        if not through:
            return Choice(level, said)
        said.append(f"{level}: a notebook could {', '.join(through)}")
    raise SandboxError(
        f"no sandbox holds on this machine ({'; '.join(said)}): install bubblewrap, or use pixel-edu grade --sandbox "
        "none if you trust everybody who handed in"
    )
