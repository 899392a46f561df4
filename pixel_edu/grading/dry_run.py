"""What a student can know before handing in: the visible tests, in a fresh kernel, from the first cell to the last."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from pixel_edu.config import EXERCISE_ID
from pixel_edu.course import checking
from pixel_edu.grading import assignment
from pixel_edu.grading.batch import Grader, GradingJob
from pixel_edu.grading.marking import PASSED, Examiner
from pixel_edu.grading.results.store import Result
from pixel_edu.grading.sandbox import plain
from pixel_edu.grading.sandbox.restrictions import ResourceLimits
from pixel_edu.grading.submissions import Submission
from pixel_edu.notebooks.handouts import checksum, grade_id
from pixel_edu.notebooks.reading import Unreadable, parse


class DryRun(NamedTuple):
    """What a dry run found.

    Attributes:
        result: marks of the visible tests.
        titles: of the exercises, by id.
        changed: cells that a student must not change, and that were changed or deleted.
    """

    result: Result
    titles: dict[str, str]
    changed: list[str]

    @property
    def passed(self) -> bool:
        """Whether all visible tests pass."""
        return bool(self.result.marks) and all(mark.status == PASSED for mark in self.result.marks)


def run(path: Path, limits: ResourceLimits) -> DryRun:
    """Run a student's notebook, and the visible tests on it.

    Args:
        path: of the notebook.
        limits: for it.

    Raises:
        Unreadable: it is not a notebook with exercises.
        UserError: one of its first cells fails.
    """
    try:
        content = path.read_bytes()
        notebook, _ = parse(content)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}: give the notebook that you want to hand in") from None
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from None
    changed = restore_tests(notebook)
    if not any(cell.metadata.get("nbgrader") for cell in notebook.cells):
        raise Unreadable(f"{path}: there are no exercises in it: give a notebook from the folder exercises")
    what = assignment.from_notebook(notebook, path.stem, notebook)
    submission = Submission(path.name, "you", "", "", content)
    with contextlib.closing(plain.server()) as fork_server:
        grader = Grader(what, Examiner(what), fork_server, "none", limits)
        result, _ = grader.grade(GradingJob(submission, tuple(task.id for task in what.tasks)))
    return DryRun(result, {task.id: task.title for task in what.tasks}, changed)


def restore_tests(notebook: NotebookNode) -> list[str]:
    """Put the visible tests back where they are changed or missing, as the grader will, and name them."""
    cells = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}
    changed = [
        id
        for id, cell in cells.items()
        if cell.metadata.nbgrader.get("locked")
        and cell.metadata.nbgrader.get("checksum") not in (None, checksum(cell))
    ]
    chapters = {id[:6] for id in cells if EXERCISE_ID.match(id)}
    for exercise in checking.all_exercises():
        id = f"{exercise.id}-marks"
        if exercise.id[:6] not in chapters:
            continue
        test = f'require("{exercise.id}", {exercise.name})'
        if id not in cells:
            facts = {"grade": True, "solution": False, "locked": True, "task": False, "points": 1}
            facts |= {"grade_id": id, "schema_version": 3}
            notebook.cells.append(new_code_cell(test, metadata={"nbgrader": NotebookNode(facts)}))
            changed.append(id)
        elif id in changed:
            cells[id].source = test
    return changed
