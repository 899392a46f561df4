"""An assignment: the instructor's notebook, what each exercise is worth, and the tests that decide it."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nbformat import NotebookNode

from pixel_edu import __version__, notebooks
from pixel_edu.config import EXERCISE_ID
from pixel_edu.course import checking, values
from pixel_edu.grading import variants
from pixel_edu.notebooks import handouts
from pixel_edu.notebooks.handouts import ExerciseError, grade_id
from pixel_edu.notebooks.magics import as_python

UNSAFE = {"unsafe-tests", "beside-answers"}
"""Tags of a test that must run in the answers' own process, where its result can be forged; the second is older."""
ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Task:
    """One thing to mark.

    Attributes:
        id: of the exercise, such as "ex-05-2".
        title: of the exercise.
        points: the maximum.
        tests: source of its marks cell; "" for what a person marks.
        hidden: lines of the source that no student may see, as a range.
        unsafe: whether the tests run in the answers' own process, which could forge the result.
    """

    id: str
    title: str
    points: float
    tests: str
    hidden: range
    unsafe: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether a person marks it."""
        return not self.tests

    @cached_property
    def tests_key(self) -> str:
        """A digest of what the mark depends on besides the answer: the tests, the checks they call, this version."""
        parts = [self.tests, str(self.points), str(not self.unsafe), __version__]
        for id in sorted({found[0] for found in EXERCISE_ID.finditer(self.tests)}):
            parts += checked_by(id)
        return _digest(*parts)


@dataclass(frozen=True)
class Assignment:
    """A solution notebook, ready to grade with.

    Attributes:
        name: such as "05_training".
        notebook: the solution notebook.
        hand_out: the students' copy.
        tasks: in order.
        setup: source of the code cells before the first exercise.
        variants: the assignment in all its variants, where students get different ones; else this alone.
        seed: decides which student gets which variant.
    """

    name: str
    notebook: NotebookNode
    hand_out: NotebookNode
    tasks: list[Task]
    setup: str
    variants: tuple[Assignment, ...] = ()
    seed: int | None = None

    def of_student(self, student: str) -> Assignment:
        """The assignment as one student got it."""
        if self.seed is None:
            return self
        mine = variants.of_student(self.notebook, student, self.seed)
        return _of(mine, self.name)

    @property
    def points(self) -> float:
        """The sum of its exercises' points."""
        return sum(task.points for task in self.tasks)

    @cached_property
    def key(self) -> str:
        """A digest of what every answer runs in: the hand-out's code, without the tests."""
        cells = [cell for cell in self.hand_out.cells if cell.cell_type == "code"]
        return _digest(*(cell.source for cell in cells if not cell.metadata.get("nbgrader", {}).get("grade")))


def from_folder(source: Path, name: str, seed: int | None = None) -> Assignment:
    """Read an assignment.

    Args:
        source: folder of the solution notebooks.
        name: such as "05_training", or its number, "05".
        seed: decides which student gets which variant, if there are any.

    Raises:
        ExerciseError: there is no such assignment, or its notebook is malformed; the message says where.
    """
    found = [path for path in handouts.sources(source) if name in (path.stem, path.stem[:2], path.name)]
    if len(found) != 1:
        known = ", ".join(path.stem for path in handouts.sources(source))
        raise ExerciseError(f"{source}: there is no assignment {name!r}; there are {known}")
    return from_notebook(notebooks.read(found[0]), found[0].stem, seed=seed)


def from_notebook(
    notebook: NotebookNode, name: str, hand_out: NotebookNode | None = None, seed: int | None = None
) -> Assignment:
    """The assignment that a solution notebook makes.

    Args:
        notebook: the solution notebook.
        name: such as "05_training".
        hand_out: the students' copy; None makes it.
        seed: decides which student gets which variant, if there are any.

    Raises:
        ExerciseError: it is malformed; the message says where.
    """
    if not variants.letters(notebook):
        return _of(notebook, name, hand_out)
    if seed is None:
        raise ExerciseError(
            f"{name} has variants: give pixel-edu grade the --seed that they were handed out with"
        )
    every = tuple(_of(each, name) for each in variants.each(notebook))
    worth = [[(task.id, task.points) for task in each.tasks] for each in every]
    if any(each != worth[0] for each in worth):
        raise ExerciseError(f"{name}: its variants differ in exercises or points: make them worth the same")
    first = every[0]
    return Assignment(name, notebook, first.hand_out, first.tasks, first.setup, every, seed)


def _of(notebook: NotebookNode, name: str, hand_out: NotebookNode | None = None) -> Assignment:
    """An assignment without variants."""
    tasks = list(_tasks(notebook, name))
    if not tasks:
        raise ExerciseError(
            f"{name}: no cell gives points: add a cell with nbgrader's metadata and `grade` true"
        )
    setup = []
    for cell in notebook.cells:
        if grade_id(cell):
            break
        if cell.cell_type == "code" and cell.get("id") != "install":
            setup.append(as_python(cell.source))
    return Assignment(name, notebook, hand_out or handouts.hand_out(notebook, name), tasks, "\n".join(setup))


def _tasks(notebook: NotebookNode, name: str) -> Iterator[Task]:
    seen = set()
    for cell in notebook.cells:
        facts = cell.metadata.get("nbgrader", {})
        if not facts.get("grade") and not facts.get("task"):
            continue
        id, where = facts.grade_id.removesuffix("-marks"), f"{name}, cell {facts.grade_id}"
        if not ID.fullmatch(id) or id in seen:
            raise ExerciseError(
                f"{where}: give every cell a name of its own, of letters, digits, - and _ only"
            )
        seen.add(id)
        points = facts.get("points")
        if not isinstance(points, int | float) or isinstance(points, bool) or not points >= 0:
            raise ExerciseError(f"{where}: its points are {points!r}: use a number, 0 or more")
        if facts.get("solution") or facts.get("task"):
            yield Task(id, id, points, "", range(0))
            continue
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            raise ExerciseError(f"{where}, line {error.lineno}: {error.msg}: fix the test") from None
        unsafe = not UNSAFE.isdisjoint(cell.metadata.get("tags", []))
        yield Task(id, _title(notebook, id), points, cell.source, _hidden(cell.source), unsafe)


def _title(notebook: NotebookNode, id: str) -> str:
    for cell in notebook.cells:
        if grade_id(cell) == f"{id}-task" and (heading := handouts.HEADING.match(cell.source)):
            return heading["title"]
    return id


def _hidden(source: str) -> range:
    """Line numbers of the hidden tests, which a hand-out does not have."""
    block = handouts.HIDDEN.search(source)
    if not block:
        return range(0)
    first = source.count("\n", 0, block.start()) + 1
    return range(first, first + block[0].count("\n") + 1)


def checked_by(id: str) -> list[str]:
    """The source of a check, of every function of its module that it uses, and of what all checks share."""
    try:
        start = checking.find(id).run
    except Exception:
        return [id]
    shared = [inspect.getsource(module) for module in (checking, values)]
    found: dict[str, str] = {}
    todo = [start]
    while todo:
        thing = todo.pop()
        if thing.__qualname__ in found:
            continue
        found[thing.__qualname__] = inspect.getsource(thing)
        names = {name for code in _codes(thing) for name in code.co_names}
        for name in sorted(names):
            other = getattr(inspect.getmodule(start), name, None)
            if isinstance(other, type | types.FunctionType) and other.__module__ == start.__module__:
                todo.append(other)
    return [*shared, *(found[name] for name in sorted(found))]


def _codes(thing: type | types.FunctionType) -> Iterator[types.CodeType]:
    functions = vars(thing).values() if isinstance(thing, type) else [thing]
    todo = [each.__code__ for each in functions if isinstance(each, types.FunctionType)]
    while todo:
        code = todo.pop()
        yield code
        todo += [each for each in code.co_consts if isinstance(each, types.CodeType)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
