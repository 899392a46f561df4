"""Run chapters and store what they show.

A run happens in a fresh kernel of the interpreter that asked for it. The result replaces the stored notebook
only when every cell has succeeded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode

from pixel_edu.files import socket_folder
from pixel_edu.notebooks.outputs import digest
from pixel_edu.notebooks.storing import KERNEL, NotebookError, normalise, read, write

ASSIGNED = re.compile(r"^(\w+)[ \t]*(?::[^=\n]+)?=(?!=)", re.MULTILINE)

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@contextlib.contextmanager
def without(module: str) -> Iterator[None]:
    """Import something as if a module that it can do without were not installed; what is loaded already stays."""
    loaded = module in sys.modules
    if not loaded:
        sys.modules[module] = None  # pyright: ignore[reportArgumentType] so that importing it fails
    try:
        yield
    finally:
        if not loaded:
            del sys.modules[module]


class Execution(NamedTuple):
    """What came out of running a notebook.

    Attributes:
        notebook: normalised, with its outputs.
        seconds: wall-clock time, kernel start included.
        complaints: what cells wrote to stderr, which is not stored: (cell number, last line).
    """

    notebook: NotebookNode
    seconds: float
    complaints: list[tuple[int, str]]


class ThisPython(AsyncKernelManager):
    """Starts kernels of the running interpreter, whatever kernels are installed on the machine.

    It talks to them through files where the system has such sockets: jupyter_client looks for free TCP ports and closes
    them before the kernel opens them, so that on a busy machine another process may be quicker.
    """

    sockets: Path | None = None

    def __init__(self, **options: Any) -> None:
        if hasattr(socket, "AF_UNIX"):
            self.sockets = socket_folder()
            options |= {"transport": "ipc", "ip": str(self.sockets / "k")}
        super().__init__(**options)

    def cleanup_connection_file(self) -> None:
        """Delete the file that says where the sockets are, and their folder."""
        super().cleanup_connection_file()
        if self.sockets:
            shutil.rmtree(self.sockets, ignore_errors=True)

    @property
    def kernel_spec(self) -> KernelSpec:
        """This interpreter's ipykernel."""
        command = [
            sys.executable,
            "-Xfrozen_modules=off",
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
        ]
        return KernelSpec(argv=command, env={"PYDEVD_DISABLE_FILE_VALIDATION": "1"}, **KERNEL)

    async def start_kernel(self, **options: Any) -> None:
        """Start it with no way to the terminal: what cells say comes as messages, and nothing else is of use."""
        await self._async_start_kernel(**options, stderr=subprocess.DEVNULL)


def execute(
    path: str | os.PathLike,
    parameters: Mapping[str, Any] | None = None,
    out: str | os.PathLike | None = None,
    on_cell: Callable[[int, int], None] = lambda done, total: None,
    timeout: float | None = None,
) -> Execution:
    """Run a notebook from top to bottom and store it with its outputs.

    Args:
        path: the notebook.
        parameters: values to use in place of those in the cell tagged `parameters`.
        out: the file to write; if omitted, the notebook itself. Missing folders are created.
        on_cell: called before each code cell with the number of cells done and the number of cells.
        timeout: seconds that one cell may take; None sets no limit.

    Raises:
        NotebookError: no such notebook, a parameter that it does not have, or a cell that fails.
    """
    run_ = run(path, parameters, on_cell, timeout)
    write(run_.notebook, out or path)
    return run_


def run(
    path: str | os.PathLike,
    parameters: Mapping[str, Any] | None = None,
    on_cell: Callable[[int, int], None] = lambda done, total: None,
    timeout: float | None = None,
) -> Execution:
    """Run a notebook and write nothing; arguments and errors as for `execute`.

    Without parameters, the notebook's metadata then say which sources the outputs belong to (`outputs.digest`).
    """
    path = Path(path)
    source = read(path)
    _know_parameters(path, source, parameters or {})
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / path.name
        try:
            notebook = _papermill(path, source, dict(parameters or {}), out, on_cell, timeout)
        except NotebookError as error:
            error.notebook = read(out) if out.exists() else None
            raise
    complaints = _complaints(notebook)
    notebook = normalise(notebook)
    notebook.metadata.pop("pixel_edu", None)
    if not parameters:
        notebook.metadata["pixel_edu"] = {"ran": digest(notebook)}
    return Execution(notebook, time.perf_counter() - started, complaints)


def parameters_of(notebook: NotebookNode) -> list[str]:
    """The names that the cell tagged `parameters` sets."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return [name for cell in cells for name in ASSIGNED.findall(cell.source)]


def _papermill(path, source, parameters, out, on_cell, timeout) -> NotebookNode:
    with without("pyarrow"):  # papermill would load it for Hadoop's files
        import papermill
    from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    reached = [-1]

    def starting(cell: NotebookNode, cell_index: int) -> None:
        reached[0] = cell_index
        on_cell(cell_index, len(source.cells))

    def failed(index: int, said: str) -> NotebookError:
        injected = parameters and index > _parameters_cell(source)  # papermill's own, right below them
        return NotebookError(
            f"{path}, cell {index + (0 if injected else 1)}: {said} (the stored notebook is unchanged)"
        )

    try:
        return papermill.execute_notebook(
            source,
            str(out),
            parameters=parameters,
            kernel_name="python3",
            language="python",
            cwd=str(path.parent),
            progress_bar=False,
            request_save_on_cell_execute=False,
            kernel_manager_class=ThisPython,
            on_cell_start=starting,
            execution_timeout=timeout,
        )
    except papermill.exceptions.PapermillExecutionError as error:
        said = " ".join(ANSI.sub("", f"{error.ename}: {error.evalue}").split()).rstrip(": ")
        raise failed(error.cell_index, said) from None
    except (CellTimeoutError, TimeoutError):
        raise failed(reached[0], f"took more than {timeout:g} s") from None
    except (DeadKernelError, CellControlSignal):
        raise failed(reached[0], "the kernel died, often for want of memory") from None
    except RuntimeError as error:
        if reached[0] >= 0:
            raise
        raise NotebookError(f"{path}: no kernel could be started: {error}") from None


def _parameters_cell(notebook: NotebookNode) -> int:
    """The position of the cell tagged `parameters`; -1 where there is none."""
    tagged = ["parameters" in cell.metadata.get("tags", []) for cell in notebook.cells]
    return tagged.index(True) if any(tagged) else -1


def _know_parameters(path: Path, notebook: NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Refuse a parameter that the notebook's `parameters` cell does not set."""
    known = parameters_of(notebook)
    for name in parameters:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise NotebookError(f"{path}: there is no parameter {name!r} in this notebook: {has}")


def _complaints(notebook: NotebookNode) -> list[tuple[int, str]]:
    """What cells wrote to stderr: (cell number, last line that says something)."""
    found = []
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr" and output.text.strip():
                found.append((number, ANSI.sub("", output.text.strip().splitlines()[-1])))
    return found
