"""Run the whole course, as CI does: every chapter and every solution in one profile (`pixel-edu course run`).

What a chapter says is compared with what is stored, as exactly as each cell's tag declares. In the profile cpu that is
the chapter's own outputs. In the profile gpu it is what an earlier run on a GPU said, where that differed from them; a
first run only notes where it differs. The profile smoke computes too little to compare.

A run leaves its folder, and nothing else: solutions run in a copy, exercises that pass are nobody's progress, and what
notebooks write to the folder for temporary files goes with the run.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from pixel_edu import notebooks
from pixel_edu.config import UserError, cores
from pixel_edu.notebooks import outputs

FOLDERS = ("chapters", "solutions")


@dataclass
class NotebookOutcome:
    """How one notebook fared.

    Attributes:
        name: such as "chapters/05_training".
        seconds: wall-clock time.
        compared: cells that were compared with what is stored.
        failures: what is wrong, in half a sentence each; empty if nothing is.
        differs: what cells say that differ from the stored chapter, by their ids.
    """

    name: str
    seconds: float = 0.0
    compared: int = 0
    failures: list[str] = field(default_factory=list)
    differs: dict[str, str] = field(default_factory=dict)


class UnknownNotebook(UserError):
    """A name that no notebook of the course has."""


def find(names: Sequence[str], root: Path = Path()) -> list[Path]:
    """The notebooks of the course, or those named: 05, 05_training, chapters/05_training or a path.

    Raises:
        UserError: there are no notebooks.
        UnknownNotebook: none has that name.
    """
    there = [path for folder in FOLDERS for path in sorted((root / folder).glob("[0-9]*.ipynb"))]
    if not there:
        raise UserError(f"{root.resolve()}: there are no chapters here: run this in the course's folder")
    chosen = []
    for name in names:
        known = name.removesuffix(".ipynb")
        found = [path for path in there if known in (path.stem.partition("_")[0], path.stem, _name(path))]
        if not found:
            raise UnknownNotebook(
                f"{name!r} is not a notebook of the course: use a number, such as {there[0].stem[:2]}"
            )
        chosen += found
    return list(dict.fromkeys(chosen)) or there


def rehearse(
    paths: Sequence[Path],
    profile: str,
    out: Path,
    jobs: int = 1,
    references: Mapping[str, Mapping[str, str]] | None = None,
    on_cell: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Iterator[NotebookOutcome]:
    """Run notebooks, store them executed, and yield how each fared as soon as it is known. A failure stops nothing.

    Args:
        paths: of the notebooks; their folders lie side by side.
        profile: "smoke", "cpu" or "gpu", for the notebooks that have such a parameter.
        out: the folder to write to; a notebook that failed is stored as far as it came.
        jobs: notebooks at a time, each on its share of the processors.
        references: for the profile gpu, what cells said that differ from the stored chapter: by notebook, by cell. A
            notebook that is not in it is not compared.
        on_cell: called before each cell with the notebook's name, the cells done and the number of cells.
    """
    spawn = multiprocessing.get_context("spawn")
    cells = spawn.SimpleQueue()
    with _own_surroundings(jobs) as scratch:
        for folder in {path.parent for path in paths if path.parent.name == "solutions"}:
            shutil.copytree(folder, scratch / folder.name)
        tasks = [_NotebookTask(path, scratch, profile, out.absolute(), references or {}) for path in paths]
        pool = ProcessPoolExecutor(jobs, spawn, _report_to, (cells,))
        try:
            waiting = {pool.submit(_run, task) for task in tasks}
            while waiting:
                finished, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                while not cells.empty():
                    on_cell(*cells.get())
                for each in finished:
                    yield each.result()
        finally:
            for (
                worker
            ) in multiprocessing.active_children():  # in the middle of a cell it would not end if asked to
                worker.kill()
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _NotebookTask:
    """A notebook to run, in a process of its own: papermill changes the working directory of the one it is in."""

    path: Path
    scratch: Path
    profile: str
    out: Path
    references: Mapping[str, Mapping[str, str]]


def _report_to(cells: multiprocessing.SimpleQueue) -> None:
    """Remember, in a new process, where to say that a cell begins."""
    _run.cells = cells


def _run(task: _NotebookTask) -> NotebookOutcome:
    outcome = NotebookOutcome(_name(task.path))
    copy = task.scratch / f"{outcome.name}.ipynb"
    where, started = copy if copy.exists() else task.path.absolute(), time.perf_counter()
    try:
        stored = notebooks.read(task.path)
        parameters = {"profile": task.profile} if "profile" in notebooks.parameters_of(stored) else {}
        run = notebooks.run(
            where, parameters, lambda done, total: _run.cells.put((outcome.name, done, total))
        )
        ran = run.notebook
    except notebooks.NotebookError as error:
        told = str(error).removeprefix(f"{where}, ").removesuffix(" (the stored notebook is unchanged)")
        outcome.failures, ran = [told], error.notebook
    outcome.seconds = time.perf_counter() - started
    if ran is not None:
        notebooks.write(ran, task.out / f"{outcome.name}.ipynb")
    if ran is not None and not outcome.failures and task.profile != "smoke":
        _compare(outcome, stored, ran, task.profile, task.references.get(outcome.name))
    return outcome


def _compare(
    outcome: NotebookOutcome,
    stored: NotebookNode,
    ran: NotebookNode,
    profile: str,
    reference: Mapping[str, str] | None,
) -> None:
    """Compare what cells said with what is stored; what is said elsewhere only is noted."""
    now = {cell.id: cell for cell in ran.cells}
    for number, cell in enumerate(stored.cells, 1):
        kind = outputs.declared(cell)
        if kind is None or kind == "varies":
            continue
        outcome.compared += 1
        said = outputs.said(now[cell.id].outputs)
        if profile == "cpu":
            found = outputs.difference(kind, cell.outputs, now[cell.id].outputs)
        else:
            if outputs.text_difference(kind, outputs.said(cell.outputs), said):
                outcome.differs[cell.id] = said
            expected = (reference or {}).get(cell.id, outputs.said(cell.outputs))
            found = reference is not None and outputs.text_difference(kind, expected, said)
        if found:
            outcome.failures.append(f"cell {number} is declared {kind}, but {found}")


@contextmanager
def _own_surroundings(jobs: int) -> Iterator[Path]:
    """A folder for what kernels write outside their output, and environment variables that lead there."""
    with tempfile.TemporaryDirectory(prefix="pixel-edu-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        (scratch / "tmp").mkdir()
        ours = {"TMPDIR": str(scratch / "tmp"), "PIXEL_EDU_HOME": str(scratch / "home")}
        if jobs > 1:  # threads of kernels that wait for each other cost more than they gain
            ours["OMP_NUM_THREADS"] = str(max(1, cores() // jobs))
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield scratch
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def _name(path: Path) -> str:
    """Such as chapters/05_training."""
    return f"{path.parent.name}/{path.stem}"
