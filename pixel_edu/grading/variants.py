"""Exercises that differ from student to student, by a seed.

In a source notebook several cells may have one name (`grade_id`) if each has a tag `variant-a`, `variant-b`, and so on.
A student gets one letter for each exercise: its task, answer, check and marks go together.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Iterator

from nbformat import NotebookNode

from pixel_edu.grading.names import name_key
from pixel_edu.notebooks.handouts import ExerciseError, grade_id

TAG = re.compile(r"variant-([a-z])")
PART = re.compile(r"-(task|check|why|marks|try)$")


def letter(cell: NotebookNode) -> str:
    """The variant that a cell belongs to; "" if it belongs to all."""
    found = [TAG.fullmatch(tag) for tag in cell.metadata.get("tags", [])]
    return next((match[1] for match in found if match), "")


def exercise(cell: NotebookNode) -> str:
    """The exercise that a cell belongs to."""
    return PART.sub("", grade_id(cell) or cell.get("id", ""))


def letters(notebook: NotebookNode) -> dict[str, list[str]]:
    """The variants of each exercise that has any."""
    found: dict[str, set[str]] = {}
    for cell in notebook.cells:
        if letter(cell):
            found.setdefault(exercise(cell), set()).add(letter(cell))
    return {id: sorted(each) for id, each in found.items()}


def pick(notebook: NotebookNode, choose: Callable[[str, list[str]], str]) -> NotebookNode:
    """The notebook with one variant of each exercise.

    Args:
        notebook: a source; it is not changed.
        choose: gives the letter for an exercise and its letters.

    Raises:
        ExerciseError: a variant lacks a cell that another has.
    """
    every = letters(notebook)
    for id, of in every.items():
        names = [
            {grade_id(cell) for cell in notebook.cells if exercise(cell) == id and letter(cell) == each}
            for each in of
        ]
        if any(each != names[0] for each in names):
            lacks = sorted(set.union(*names) - set.intersection(*names))
            raise ExerciseError(f"{id}: not every variant has a cell {lacks[0]}: give each of them one")
    taken = {id: choose(id, of) for id, of in every.items()}
    picked = copy.deepcopy(notebook)
    picked.cells = [cell for cell in picked.cells if letter(cell) in ("", taken.get(exercise(cell), ""))]
    return picked


def of_student(notebook: NotebookNode, student: str, seed: int) -> NotebookNode:
    """The notebook as one student gets it; the same seed always gives the same one, however a name is encoded."""
    name = name_key(student)

    def choose(id: str, of: list[str]) -> str:
        digest = hashlib.sha256(f"{seed}\0{name}\0{id}".encode()).digest()
        return of[int.from_bytes(digest[:8], "big") % len(of)]

    return pick(notebook, choose)


def each(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Notebooks that together have every variant of every exercise."""
    most = max(map(len, letters(notebook).values()), default=1)
    for i in range(most):
        yield pick(notebook, lambda id, of, i=i: of[i % len(of)])
