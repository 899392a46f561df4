"""An assignment: the instructor's notebook, what each exercise is worth, and the tests that decide it."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from pixel_edu import __version__, notebooks
from pixel_edu.config import EXERCISE_ID
from pixel_edu.course import checking, values
from pixel_edu.grading import scopes, variants
from pixel_edu.notebooks import handouts
from pixel_edu.notebooks.handouts import ExerciseError, grade_id
from pixel_edu.notebooks.magics import as_python

UNSAFE = {"unsafe-tests", "beside-answers"}
"""Tags of a test that must run in the answers' own process, where its result can be forged; the second is older."""
NOT_DATA = {".ipynb", ".pyc"}
MOST_DATA = 64 << 20
"""The most that the files beside a notebook may be together, in bytes: each submission gets a copy."""
ID = re.compile(r"[A-Za-z0-9_-]+")
AUTOTEST = re.compile(r"(?m)^\s*#+ *(HASHED )?AUTOTEST\b")


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
        answer: name of the cell that is answered: the exercise's own, or the last one above the tests.
    """

    id: str
    title: str
    points: float
    tests: str
    hidden: range
    unsafe: bool = False
    answer: str = ""

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
        setup: source of the given code that the tests may use: all before the first exercise, and what they read
            of the rest.
        variants: the assignment in all its variants, where students get different ones; else this alone.
        seed: decides which student gets which variant.
        folder: of nbgrader's assignment that the notebook is one of, such as "ps1"; "" where it is an assignment alone.
        files: what stands beside the notebook in that folder, which students have too: paths and contents.
        alike: other notebooks of the course that ask for answers of the same names, such as "ps1/problem2", so that
            only the name of a file or a folder says which of them it is.
    """

    name: str
    notebook: NotebookNode
    hand_out: NotebookNode
    tasks: list[Task]
    setup: str
    variants: tuple[Assignment, ...] = ()
    seed: int | None = None
    folder: str = ""
    files: tuple[tuple[str, bytes], ...] = ()
    alike: tuple[str, ...] = ()

    def of_student(self, student: str) -> Assignment:
        """The assignment as one student got it."""
        if self.seed is None:
            return self
        mine = variants.of_student(self.notebook, student, self.seed)
        return replace(_of(mine, self.name), folder=self.folder, files=self.files, alike=self.alike)

    @property
    def points(self) -> float:
        """The sum of its exercises' points."""
        return sum(task.points for task in self.tasks)

    @cached_property
    def key(self) -> str:
        """A digest of what every answer runs in: the hand-out's code, without the tests."""
        cells = [cell for cell in self.hand_out.cells if cell.cell_type == "code"]
        code = [cell.source for cell in cells if not cell.metadata.get("nbgrader", {}).get("grade")]
        return _digest(*code, *(f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in self.files))


def from_folder(source: Path, name: str, seed: int | None = None) -> Assignment:
    """Read an assignment.

    Args:
        source: folder of the solution notebooks, or of folders of them, one for each assignment, as nbgrader has it.
        name: of the notebook, such as "05_training", or its number, "05"; or of a folder with one notebook in it.
        seed: decides which student gets which variant, if there are any.

    Raises:
        ExerciseError: there is no such assignment, or its notebook is malformed; the message says where.
    """
    known = _known(source)
    found = {place: path for place, path in known.items() if name in _names(source, path)}
    if not found:
        raise ExerciseError(f"{source}: there is no assignment {name!r}; there are {', '.join(known)}")
    if len(found) > 1:
        raise ExerciseError(
            f"{source}: there are several notebooks of {name!r}: name one of {', '.join(found)}"
        )
    ((_, path),) = found.items()
    made = from_notebook(notebooks.read(path), path.stem, seed=seed)
    more: dict[str, Any] = {
        "folder": "" if path.parent == source else path.parent.name,
        "files": _beside(source, path),
        "alike": _alike(source, path, known),
    }
    return replace(made, **more, variants=tuple(replace(each, **more) for each in made.variants))


def _alike(source: Path, path: Path, known: dict[str, Path]) -> tuple[str, ...]:
    """The places of other notebooks that ask for answers of the same names as one does."""
    answers = {
        place: {grade_id(cell) for cell in notebooks.read(each).cells if _is_answered(cell)}
        for place, each in known.items()
    }
    own = _place(source, path)
    return tuple(place for place in known if place != own and answers[place] & answers[own])


def _beside(source: Path, path: Path) -> tuple[tuple[str, bytes], ...]:
    """What stands beside a notebook in a folder that nbgrader hands out with all that is in it."""
    folder = path.parent
    if folder == source and source.resolve().parent.name != "source":
        return ()  # of all assignments, where an instructor may keep anything
    paths = [
        each
        for each in sorted(folder.rglob("*"))
        if each.is_file()
        and each.suffix not in NOT_DATA
        and not any(part.startswith(".") for part in each.relative_to(folder).parts)
    ]
    size = sum(each.stat().st_size for each in paths)
    if size > MOST_DATA:
        raise ExerciseError(
            f"{folder}: the files beside the notebooks are {size >> 20} MiB, more than {MOST_DATA >> 20} MiB: "
            "take out what students do not need"
        )
    return tuple((each.relative_to(folder).as_posix(), each.read_bytes()) for each in paths)


def notebooks_of(source: Path, name: str) -> list[str]:
    """The names of the notebooks that an assignment has: several where it is a folder of several, else its own.

    Args:
        source: see `from_folder`.
        name: see `from_folder`; or of a folder with several notebooks in it, such as "ps1".

    Returns:
        Names for `from_folder`, such as "ps1/problem1"; none is checked unless there are several.

    Raises:
        ExerciseError: there is no solution notebook at all.
    """
    inside = [place for place, path in _known(source).items() if path.parent == source / name != source]
    return inside if len(inside) > 1 else [name]


def _known(source: Path) -> dict[str, Path]:
    """The solution notebooks of a folder, by their place in it."""
    return {_place(source, path): path for path in handouts.sources(source, nested=True)}


def _place(source: Path, path: Path) -> str:
    """Where a notebook is below the folder of sources, as a user writes it: "05_training" or "ps1/problem1"."""
    return path.relative_to(source).with_suffix("").as_posix()


def _names(source: Path, path: Path) -> set[str]:
    """What an assignment may be called by."""
    number = {path.stem[:2]} if handouts.NUMBERED.match(path.stem) else set()
    folder = {path.parent.name} if path.parent != source else set()
    return {path.stem, path.name, _place(source, path), *folder, *number}


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
    tasks = _words_after_their_exercise(list(_tasks(notebook, name)))
    if not tasks:
        raise ExerciseError(
            f"{name}: no cell gives points: add a cell with nbgrader's metadata and `grade` true"
        )
    setup = _setup(notebook, [task.tests for task in tasks])
    return Assignment(name, notebook, hand_out or handouts.hand_out(notebook, name), tasks, setup)


def _tasks(notebook: NotebookNode, name: str) -> Iterator[Task]:
    seen, answer = set(), ""
    answers = {grade_id(cell) for cell in notebook.cells if is_answer(cell)}
    for cell in notebook.cells:
        facts = cell.metadata.get("nbgrader", {})
        answer = facts.grade_id if facts.get("solution") else answer
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
        if facts.get("solution") or facts.get("task") or cell.cell_type != "code":
            yield Task(id, _title(notebook, id), points, "", range(0), answer=id)
            continue
        tests = _tests(cell.source, where)
        unsafe = not UNSAFE.isdisjoint(cell.metadata.get("tags", []))
        mine = id if id in answers else answer
        yield Task(id, _title(notebook, id), points, tests, _hidden(tests), unsafe, mine)


def _words_after_their_exercise(tasks: list[Task]) -> list[Task]:
    """A report's words stand above the notebook's marks, and are listed below those of their exercise."""
    words = {task.id.removesuffix(handouts.WORDS): task for task in tasks if task.id.endswith(handouts.WORDS)}
    words = {id: task for id, task in words.items() if any(other.id == id for other in tasks)}
    rest = [task for task in tasks if task not in words.values()]
    return [each for task in rest for each in (task, words.get(task.id)) if each]


def _tests(source: str, where: str) -> str:
    """The source of a marks cell, in plain Python: IPython's own lines become calls."""
    if AUTOTEST.search(source):
        raise ExerciseError(
            f"{where}: its AUTOTEST lines are tests only once nbgrader has filled them in: put the cell of "
            "nbgrader's `release` folder here"
        )
    source = as_python(source)
    try:
        ast.parse(source)
    except SyntaxError as error:
        raise ExerciseError(f"{where}, line {error.lineno}: {error.msg}: fix the test") from None
    return source


def _setup(notebook: NotebookNode, tests: list[str]) -> str:
    """The given code that tests may use, in so far as it does without an answer."""
    begins = (place for place, cell in enumerate(notebook.cells) if _begins_exercise(cell))
    start = next(begins, len(notebook.cells))
    first = [scopes.python(cell.source) for cell in notebook.cells[:start] if _is_given(cell)]
    answers = [scopes.python(cell.source) for cell in notebook.cells if is_answer(cell)]
    later = [line for source in answers for line in scopes.imports(source)]
    later += [scopes.python(cell.source) for cell in notebook.cells[start:] if _is_given(cell)]
    answered = set().union(*(scopes.defined(source) | scopes.variables(source) for source in answers))
    wanted = {name for source in tests for name in scopes.unknown(source)}
    taken: set[int] = set()
    while more := {
        place
        for place, source in enumerate(later)
        if place not in taken
        and scopes.bound(source) & (wanted - answered)
        and answered.isdisjoint(scopes.unknown(source))
    }:
        taken |= more
        wanted |= {name for place in more for name in scopes.unknown(later[place])}
    return "\n".join([*first, *(later[place] for place in sorted(taken))])


def _begins_exercise(cell: NotebookNode) -> bool:
    facts = cell.metadata.get("nbgrader", {})
    return any(facts.get(key) for key in ("grade", "solution", "task")) or grade_id(cell).endswith("-task")


def is_answer(cell: NotebookNode) -> bool:
    """Whether it is code that a student writes."""
    return cell.cell_type == "code" and _is_answered(cell)


def _is_answered(cell: NotebookNode) -> bool:
    """Whether it is what a student writes, be it code or text."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def _is_given(cell: NotebookNode) -> bool:
    """Whether it is the instructor's code, and neither a test nor a check."""
    facts = cell.metadata.get("nbgrader", {})
    graded = facts.get("grade") or facts.get("solution") or grade_id(cell).endswith("-check")
    return cell.cell_type == "code" and not graded and cell.get("id") != "install"


def _title(notebook: NotebookNode, id: str) -> str:
    exercise = id.removesuffix(handouts.WORDS)
    for cell in notebook.cells:
        if grade_id(cell) == f"{exercise}-task" and (heading := handouts.HEADING.match(cell.source)):
            return heading["title"] if exercise == id else f"{heading['title']}, in words"
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
