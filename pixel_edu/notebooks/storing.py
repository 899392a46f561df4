"""Read, tidy and write notebooks, so that one that has not changed gives the same file."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from pixel_edu.config import UserError
from pixel_edu.files import replacing
from pixel_edu.notebooks import states
from pixel_edu.notebooks.reading import Unreadable, parse

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

LASTING = ("mystnb", "nbgrader", "pixel_edu", "widgets")
"""Notebook metadata that is part of the lesson."""

PASSING = ("ExecuteTime", "collapsed", "execution", "papermill", "scrolled")
"""Cell metadata that tells of one run or one editor, and not of the lesson."""

ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")

ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class NotebookError(UserError):
    """A notebook that could not be run. The stored file is as it was.

    Attributes:
        notebook: as far as it came, with the outputs and the error, if it ran at all.
    """

    notebook: NotebookNode | None = None


def read(path: str | os.PathLike, outputs: bool = True) -> NotebookNode:
    """The notebook in a file, each cell with an id of its own: the stored one where it is valid.

    Args:
        path: of the file, in any form that `reading.parse` knows.
        outputs: keep them; without, a file may be large.

    Raises:
        NotebookError: there is no such file, or it is not a notebook.
    """
    try:
        notebook, _ = parse(Path(path).read_bytes(), outputs)
    except FileNotFoundError:
        raise NotebookError(f"{path}: there is no such notebook: check the name") from None
    except OSError as error:
        raise NotebookError(f"{path}: it cannot be read: {error.strerror}") from None
    except Unreadable as error:
        raise NotebookError(f"{path}: {error}") from None
    # nbformat gives cells without a valid id a random one, so ours come first
    _name_cells(notebook.cells)
    try:
        return nbformat.reads(json.dumps(notebook), as_version=4)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise NotebookError(
            f"{path}: its outputs are damaged: clear them in an editor, and save it"
        ) from None


def write(notebook: NotebookNode, path: str | os.PathLike) -> None:
    """Write a notebook, whole or not at all."""
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
