"""Run chapters and store what they show, so that a chapter that has not changed gives the same file.

A run happens in a fresh kernel of the interpreter that asked for it. The result replaces the stored notebook
only when every cell has succeeded.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode

from pixel_edu.config import UserError
from pixel_edu.course import states
from pixel_edu.course.outputs import digest
from pixel_edu.images import replacing

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LASTING = ("mystnb", "nbgrader", "pixel_edu", "widgets")
"""Notebook metadata that is part of the lesson."""
PASSING = ("ExecuteTime", "collapsed", "execution", "papermill", "scrolled")
"""Cell metadata that tells of one run or one editor, and not of the lesson."""
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
ASSIGNED = re.compile(r"^(\w+)[ \t]*(?::[^=\n]+)?=(?!=)", re.MULTILINE)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class NotebookError(UserError):
    """A notebook that could not be run. The stored file is as it was.

    Attributes:
        notebook: as far as it came, with the outputs and the error, if it ran at all.
    """

    notebook: NotebookNode | None = None


class Run(NamedTuple):
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
    """Starts kernels of the running interpreter, whatever kernels are installed on the machine."""

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
) -> Run:
    """Run a notebook from top to bottom and store it with its outputs.

    Args:
        path: the notebook.
        parameters: values to use in place of those in the cell tagged `parameters`.
        out: the file to write; left out, the notebook is replaced. Missing folders are made.
        on_cell: called before each code cell with the number of cells done and the number of cells.
        timeout: seconds that one cell may take; None is as long as it needs.

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
) -> Run:
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
    return Run(notebook, time.perf_counter() - started, complaints)


def parameters_of(notebook: NotebookNode) -> list[str]:
    """The names that the cell tagged `parameters` sets."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return [name for cell in cells for name in ASSIGNED.findall(cell.source)]


def read(path: str | os.PathLike) -> NotebookNode:
    """The notebook in a file, each cell with an id of its own: the stored one where it is valid.

    Raises:
        NotebookError: there is none, or it is not one.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        _name_cells(content["cells"])
        # nbformat gives cells without a valid id a random one, so ours come first
        return nbformat.reads(json.dumps(content | {"nbformat_minor": 5}), as_version=4)
    except FileNotFoundError:
        raise NotebookError(f"{path}: there is no such notebook: check the name") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise NotebookError(f"{path}: this is not a notebook: restore it from version control") from None


def write(notebook: NotebookNode, path: str | os.PathLike) -> None:
    """Write a notebook, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text(notebook), encoding="utf-8")


def text(notebook: NotebookNode) -> str:
    """The notebook as it is stored."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Take out whatever differs from run to run or from machine to machine, in place.

    Kept: sources, tags and other metadata of a lesson, valid cell ids, what cells print and show, widgets. Gone:
    times, versions, papermill's notes and injected cell, stderr, memory addresses. Cells are counted anew.

    Returns:
        The same notebook.
    """
    kept = {key: notebook.metadata[key] for key in LASTING if key in notebook.metadata}
    notebook.metadata = nbformat.from_dict(
        {**kept, "kernelspec": KERNEL, "language_info": {"name": "python", "file_extension": ".py"}}
    )
    notebook.cells = [
        cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    count = 0
    for cell in notebook.cells:
        for key in PASSING:
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            ran = cell.execution_count is not None
            count += ran
            cell.execution_count = count if ran else None
            cell.outputs = _outputs(cell.outputs, cell.execution_count)
    states.rename(notebook)
    return notebook


def _papermill(path, source, parameters, out, on_cell, timeout) -> NotebookNode:
    import papermill
    from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    reached = [0]

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


def _name_cells(cells: list[dict]) -> None:
    """Give each cell without a valid id of its own one that is the same on every run."""
    seen: set[str] = set()
    for number, cell in enumerate(cells, 1):
        name = str(cell.get("id", ""))
        while not ID.fullmatch(name) or name in seen:
            name = f"cell-{number}"
            number += len(cells)
        cell["id"] = name
        seen.add(name)


def _outputs(outputs: list[NotebookNode], count: int | None) -> list[NotebookNode]:
    """Outputs without stderr and memory addresses; what was printed in pieces is one piece."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            output.text = ADDRESS.sub("0x...", output.text)
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
        if "execution_count" in output:
            output.execution_count = count
        if "text/plain" in output.get("data", {}):
            output.data["text/plain"] = ADDRESS.sub("0x...", output.data["text/plain"])
        kept.append(output)
    return kept
