"""What a student can know before handing in: the visible tests, in a fresh kernel, from the first cell to the last."""

from __future__ import annotations

import ast
import contextlib
import copy
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from pixel_edu.config import EXERCISE_ID
from pixel_edu.course import checking
from pixel_edu.grading import assignment, merge
from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.batch import Grader, GradingJob
from pixel_edu.grading.marking import BY_HAND, NOTHING, PASSED, UNWRITTEN, Examiner
from pixel_edu.grading.results.store import Result
from pixel_edu.grading.sandbox import plain
from pixel_edu.grading.sandbox.restrictions import ResourceLimits
from pixel_edu.grading.scopes import unknown
from pixel_edu.grading.submissions import Submission
from pixel_edu.notebooks.handouts import checksum, grade_id, untouched
from pixel_edu.notebooks.magics import as_python, defined, tree
from pixel_edu.notebooks.reading import Unreadable, parse


class DryRun(NamedTuple):
    """What a dry run found.

    Attributes:
        result: marks of the visible tests.
        titles: of the exercises, by id.
        changed: cells that a student must not change, and that were changed or deleted.
        failing: a sentence for each cell that stopped.
        by_hand: ids of the exercises that have no test: a person marks them.
    """

    result: Result
    titles: dict[str, str]
    changed: list[str]
    failing: list[str]
    by_hand: frozenset[str] = frozenset()

    @property
    def passed(self) -> bool:
        """Whether all visible tests pass, and what a person marks is written."""
        return bool(self.result.marks) and all(mark.status in (PASSED, BY_HAND) for mark in self.result.marks)


def run(path: Path, limits: ResourceLimits) -> DryRun:
    """Run a student's notebook, and the visible tests on it.

    Args:
        path: of the notebook.
        limits: for it.

    Raises:
        Unreadable: it is not a notebook with exercises.
        ExerciseError: a test in it is malformed.
    """
    try:
        content = path.read_bytes()
        notebook, _ = parse(content)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}: give the notebook that you want to hand in") from None
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from None
    given = _as_handed_out(notebook)
    changed = restore_tests(given, {name for cell in notebook.cells for name in defined(cell.source)})
    if not any(cell.metadata.get("nbgrader") for cell in given.cells):
        raise Unreadable(f"{path}: there are no exercises in it: give a notebook from the folder exercises")
    what = assignment.from_notebook(given, path.stem, given)
    what = replace(what, setup=_needed(notebook, what))
    submission = Submission(path.name, "you", "", "", content)
    with contextlib.closing(plain.server()) as fork_server:
        grader = Grader(what, Examiner(what), fork_server, "none", limits)
        result, executed = grader.grade(GradingJob(submission, tuple(task.id for task in what.tasks)))
    titles = {task.id: task.title for task in what.tasks}
    by_hand = frozenset(task.id for task in what.tasks if task.by_hand)
    _look_at_words(result, what)
    return DryRun(result, titles, changed, list(_failing(executed)), by_hand)


def _look_at_words(result: Result, what: Assignment) -> None:
    """Say of each answer that a person marks whether anything is written."""
    given = {grade_id(cell): cell for cell in what.hand_out.cells}
    for mark in result.marks:
        cell, answer = given.get(mark.id), result.answers.get(mark.id, "")
        if mark.status != BY_HAND or cell is None or not cell.metadata.nbgrader.get("solution"):
            continue
        if not answer.strip() or merge.untouched(cell, answer):
            mark.status, mark.message = UNWRITTEN, NOTHING


def _as_handed_out(notebook: NotebookNode) -> NotebookNode:
    """The hand-out as far as a student's copy tells: every named cell once, and answers as little written as possible.

    All other cells are the student's own, but for the checks, which are not run.
    """
    found: dict[str, NotebookNode] = {}
    for cell in notebook.cells:
        id = grade_id(cell) or (cell.get("id", "") if cell.get("id", "").endswith("-check") else "")
        if id and (id not in found or untouched(cell)):
            found[id] = NotebookNode(copy.deepcopy(cell), id=id)
    for id, cell in found.items():
        if grade_id(cell) and cell.metadata.nbgrader.solution and not untouched(cell):
            names = [each.name for each in checking.all_exercises() if each.id == id]
            cell.source = "".join(f"def {name}(): ..." for name in names)
    return NotebookNode(notebook, cells=list(found.values()))


def _needed(notebook: NotebookNode, what: Assignment) -> str:
    """What tests need of the cells that are not answers: imports, and values that are written out.

    Only these run in the command's own process, and one that fails is passed over: the tests look in the kernel then.
    """
    answers = {exercise.name for exercise in checking.all_exercises()}
    wanted = {name for task in what.tasks for name in unknown(task.tests, {})} - answers
    lines = []
    for cell in notebook.cells:
        parsed = tree(as_python(cell.source)) if cell.cell_type == "code" and not grade_id(cell) else None
        for node in parsed.body if parsed else []:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.Assign) and _written_out(node.value):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            else:
                continue
            if names & wanted and not names & answers:
                lines.append(f"with suppress(Exception):\n    {ast.unparse(node)}")
    return "\n".join(["from contextlib import suppress", *lines])


def _written_out(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError):
        return False
    return True


def _failing(executed: str) -> Iterator[str]:
    """A sentence for each cell that stopped, but not for want of an answer."""
    for cell in nbformat.reads(executed, as_version=4).cells if executed else []:
        for output in cell.get("outputs", []):
            if output.output_type == "error" and output.ename != "NotImplementedError":
                first = next((line for line in cell.source.splitlines() if line.strip()), "")[:60]
                yield f"the cell `{first}` stops with {' '.join(f'{output.ename}: {output.evalue}'.split())[:200]}"


def restore_tests(notebook: NotebookNode, functions: Set[str] = frozenset()) -> list[str]:
    """Put the visible tests back where they are changed or missing, as the grader will, and name them.

    Args:
        notebook: the hand-out, which is changed.
        functions: that the student has written: where no cell has a name, they tell which chapter it is.
    """
    cells = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}
    changed = [
        id
        for id, cell in cells.items()
        if cell.metadata.nbgrader.get("locked")
        and cell.metadata.nbgrader.get("checksum") not in (None, checksum(cell))
    ]
    chapters = {id[:6] for id in cells if EXERCISE_ID.match(id)}
    if not cells:
        likely = Counter(each.id[:6] for each in checking.all_exercises() if each.name in functions)
        chapters = {chapter for chapter, _ in likely.most_common(1)}
    for exercise in checking.all_exercises():
        id = f"{exercise.id}-marks"
        if exercise.id[:6] not in chapters:
            continue
        test = f'require("{exercise.id}", {exercise.name})'
        facts = {"grade": True, "solution": False, "locked": True, "task": False, "points": 1}
        facts |= {"grade_id": id, "schema_version": 3}
        if id not in cells:
            notebook.cells.append(new_code_cell(test, metadata={"nbgrader": NotebookNode(facts)}))
            changed.append(id)
        elif id in changed:
            cells[id].source = test
            cells[id].metadata.nbgrader |= facts
    return changed
