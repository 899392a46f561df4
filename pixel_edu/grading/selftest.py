"""Try to get out of the sandbox, before anybody else does."""

from __future__ import annotations

import inspect
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from nbformat.v4 import new_code_cell, new_notebook

import pixel_edu
from pixel_edu import notebooks
from pixel_edu.grading import running
from pixel_edu.grading.merge import Merged
from pixel_edu.grading.sandbox import isolation
from pixel_edu.grading.sandbox.forkserver import Zygote
from pixel_edu.grading.sandbox.isolation import RUNGS, SandboxError
from pixel_edu.grading.sandbox.restrictions import Limits


def tries(folder: str, package: str, check: str, bait: int, port: int) -> None:
    """What runs inside: everything that must not work. Prints what did."""
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
        print("escaped:", name)
    print("tried:", len(attempts))


def escapes(rung: str, zygote: Zygote) -> list[str]:
    """What a notebook can do on a rung that it must not.

    Raises:
        SandboxError: the rung is not to be had on this machine.
    """
    if rung == "bubblewrap" and not shutil.which("bwrap"):
        raise SandboxError("bubblewrap is not installed: the package is called bubblewrap")
    package = Path(pixel_edu.__file__).parent
    bait = subprocess.Popen(["sleep", "60"], env={"BAIT": "1", "PATH": "/usr/bin:/bin"})
    try:
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
            Path(folder, "secret").write_text("secret")
            given = (folder, str(package), str(next(isolation.hidden()[0].glob("ch*.py"))), bait.pid)
            call = f"tries(*{(*given, server.getsockname()[1])!r})"
            cell = new_code_cell(f"{inspect.getsource(tries)}\n{call}", metadata={"part": "given"})
            notebook = new_notebook(cells=[cell], metadata={"kernelspec": notebooks.KERNEL})
            run = running.Run(Merged(notebook, [], {}), None, zygote, rung, Limits(cell=30, notebook=60))
            run.visit()
            said = "".join(each.get("text", "") for each in run.executed.cells[0].outputs).splitlines()
            if bait.poll() is not None:
                said.append("escaped: end another process")
            if not any(line.startswith("tried:") for line in said):
                raise SandboxError(
                    f"the sandbox {rung!r} does not work here: {run.executed.cells[0].outputs}"
                )
    finally:
        (package / "written").unlink(missing_ok=True)
        bait.kill()
        bait.wait()
    return sorted({line.removeprefix("escaped: ") for line in said if line.startswith("escaped: ")})


class Choice(NamedTuple):
    """A sandbox that holds.

    Attributes:
        rung: of the ladder.
        passed_over: higher rungs, and why not these.
    """

    rung: str
    passed_over: list[str]


def choose(wanted: str, zygote: Zygote) -> Choice:
    """The highest rung that is there and holds; or the wanted one, if it does.

    Args:
        wanted: a rung, or "auto".
        zygote: makes kernels.

    Raises:
        SandboxError: none holds, or the wanted one does not.
    """
    if wanted == "none":
        return Choice(wanted, [])
    said = []
    for rung in RUNGS[:-1] if wanted == "auto" else [wanted]:
        try:
            through = escapes(rung, zygote)
        except (SandboxError, OSError) as error:
            said.append(f"{rung}: {error}")
            continue
        if not through:
            return Choice(rung, said)
        said.append(f"{rung}: a notebook could {', '.join(through)}")
    raise SandboxError(
        f"no sandbox holds on this machine ({'; '.join(said)}): install bubblewrap, or grade with --sandbox none if "
        "you trust everybody who handed in"
    )
