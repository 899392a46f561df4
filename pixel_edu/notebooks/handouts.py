"""Hand-outs and book pages from solution notebooks, which are the only source of the exercises.

An exercise is a run of cells with nbgrader's metadata, found by their names (`grade_id`):

    ex-02-1-task    the task: a heading, a line of facts, what to do, three hints that open and close
    ex-02-1         the answer: what stands between the solution markers is for the source alone
    ex-02-1-check   says at once what is wrong
    ex-02-1-words   two sentences on what was measured, which a person marks (where the task asks for them)
    ex-02-1-why     a word on the solution, for the source and the book (not in every exercise)
    ex-02-1-marks   what the mark depends on, at the notebook's end; hidden tests are for the grader alone

The transformations are those of nbgrader's `generate_assignment`, and a test compares the two. Only what takes an
answer's place differs: it names its exercise.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from pixel_edu import notebooks
from pixel_edu.config import EXERCISE_ID, UserError, exercise_title

FACTS = re.compile(
    r"\*(?P<minutes>\d+) minutes · (?P<difficulty>easy|medium|hard) · (?P<need>core|optional)\.\* *"
)
HEADING = re.compile(r"### (?P<called>Exercise \d+\.\d) · (?P<title>.+)")
HINT = re.compile(r"<details><summary[^>]*>(?P<title>.+?)</summary>\n+(?P<text>.+?)\n+</details>", re.DOTALL)
SOLUTION = re.compile(r"(?ms)^([ \t]*)[^\n]*BEGIN SOLUTION[^\n]*\n(.*?)^[^\n]*END SOLUTION[^\n]*(\n|\Z)")
HIDDEN = re.compile(r"(?ms)^[^\n]*BEGIN HIDDEN TESTS[^\n]*\n.*?^[^\n]*END HIDDEN TESTS[^\n]*(\n|\Z)")
MARK_SCHEME = re.compile(r"(?ms)^[^\n]*BEGIN MARK SCHEME[^\n]*\n.*?^[^\n]*END MARK SCHEME[^\n]*(\n|\Z)")
WORDS = "-words"
"""What the name of the cell ends in that holds two sentences on what was measured."""
NUMBERED = re.compile(r"\d\d_")
UNCLOSED = re.compile(r"(?m)^[^\n]*BEGIN (SOLUTION|HIDDEN TESTS|MARK SCHEME)")
"""A marker that is still there once the regions are taken out."""
NOTICE = (
    "*Generated from `{source}` by `pixel-edu exercises build`. This copy is yours to work in; a mistake in a task is "
    "fixed there.*"
)
INSTALL = """\
import importlib.util

if importlib.util.find_spec("pixel_edu") is None:  # on Colab
    %pip install -q "pixel-edu @ git+{repository}"
"""


class ExerciseError(UserError):
    """A malformed source or hand-out; the message says where."""


@dataclass(frozen=True)
class HandoutExercise:
    """One exercise of a solution notebook.

    Attributes:
        id: such as "ex-02-1".
        title: of the task.
        minutes: that it takes.
        difficulty: "easy", "medium" or "hard".
        need: "core" or "optional".
        task: Markdown, without heading, facts and hints.
        hints: title and Markdown of each.
        answer: the source of the answer cell, with the solution.
        why: Markdown on the solution, or "".
        sentences: Markdown of the two sentences that a report might have, or "".
    """

    id: str
    title: str
    minutes: int
    difficulty: str
    need: str
    task: str
    hints: list[tuple[str, str]]
    answer: str
    why: str
    sentences: str = ""

    @property
    def stub(self) -> str:
        """The answer cell as a student gets it."""
        return without_solution(self.answer, self.id)

    @property
    def solution(self) -> str:
        """The answer cell without its markers."""
        return SOLUTION.sub(r"\2", self.answer).rstrip("\n")


def exercises_of(notebook: NotebookNode, name: str = "") -> list[HandoutExercise]:
    """The exercises of a solution notebook, in order.

    Args:
        notebook: as `notebooks.read` gives it.
        name: the file's, for messages.

    Raises:
        ExerciseError: a cell is missing or malformed.
    """
    cells = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}
    counts = Counter(grade_id(cell) for cell in notebook.cells if grade_id(cell))
    twice = [id for id, count in counts.items() if count > 1]
    if twice:
        raise ExerciseError(
            f"{name}: there are several cells {twice[0]}: give each its own name or, if they are variants, name the "
            "students who get them: pixel-edu exercises build --students"
        )
    found = []
    for id in [each for each in cells if EXERCISE_ID.fullmatch(each)]:
        missing = [f"{id}-{part}" for part in ("task", "check", "marks") if f"{id}-{part}" not in cells]
        if missing:
            raise ExerciseError(f"{name}: {id} has no cell {missing[0]}: add it, or take the exercise out")
        task = cells[f"{id}-task"].source
        heading, facts = HEADING.match(task), FACTS.search(task)
        if not heading or heading["called"] != exercise_title(id) or not facts:
            raise ExerciseError(
                f"{name}, {id}-task: begin with `### {exercise_title(id)} · Title` and, below, "
                "`*10 minutes · easy · core.* What it is for.`"
            )
        if not SOLUTION.search(cells[id].source):
            raise ExerciseError(
                f"{name}, {id}: there are no solution markers in this cell: put them around it"
            )
        hints = [(hint["title"], hint["text"].strip()) for hint in HINT.finditer(task)]
        text = FACTS.sub("", HINT.sub("", HEADING.sub("", task))).strip()
        why = cells[f"{id}-why"].source if f"{id}-why" in cells else ""
        model = SOLUTION.search(cells[f"{id}{WORDS}"].source) if f"{id}{WORDS}" in cells else None
        about: dict[str, Any] = facts.groupdict() | {"minutes": int(facts["minutes"])}
        found.append(
            HandoutExercise(
                id,
                heading["title"],
                **about,
                task=text,
                hints=hints,
                answer=cells[id].source,
                why=why,
                sentences=model[2].strip() if model else "",
            )
        )
    return found


def hand_out(notebook: NotebookNode, source: str, repository: str = "") -> NotebookNode:
    """A student's copy of a solution notebook: no solutions, no hidden tests, no outputs.

    Args:
        notebook: the solution notebook; it is not changed.
        source: its name in the notice.
        repository: the address to install the package from where it is missing; "" adds no cell for that.

    Raises:
        ExerciseError: see `exercises_of`.
    """
    exercises_of(notebook, source)
    given = copy.deepcopy(notebook)
    given.metadata.pop("widgets", None)  # what a widget holds is an output too
    if not given.metadata.get("kernelspec"):  # else JupyterLab asks each student for a kernel
        given.metadata.kernelspec = nbformat.from_dict(notebooks.KERNEL)
    given.cells = [cell for cell in given.cells if "solution-only" not in cell.metadata.get("tags", [])]
    for cell in given.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        facts = cell.metadata.get("nbgrader")
        if not facts:
            continue
        grade, solution, locked = (bool(facts.get(key)) for key in ("grade", "solution", "locked"))
        if solution:
            cell.source = without_solution(cell.source, facts.grade_id, cell.cell_type)
        if grade:
            cell.source = HIDDEN.sub("", cell.source).rstrip("\n")
        if facts.get("task"):
            cell.source = MARK_SCHEME.sub("", cell.source).rstrip("\n")
        if open_marker := UNCLOSED.search(cell.source):
            raise ExerciseError(
                f"{source}, cell {facts.grade_id}: there is no line `END {open_marker[1]}` in it: add it"
            )
        if locked or grade:
            cell.metadata.deletable = False
        if locked and not solution:
            cell.metadata.editable = False
        if grade or solution or locked:
            facts.checksum, facts.cell_type = checksum(cell), cell.cell_type
    before = [new_markdown_cell(NOTICE.format(source=source), id="generated")]
    if repository:
        before.append(new_code_cell(INSTALL.format(repository=repository).rstrip(), id="install"))
    given.cells = given.cells[:1] + before + given.cells[1:]
    return given


def without_solution(source: str, id: str, kind: str = "code") -> str:
    """A cell's source with an error that names its exercise, or a line to write at, in the place of the solution.

    As in nbgrader, a cell without solution markers is a solution as a whole.
    """
    stub = f'raise NotImplementedError("{id}")' if kind == "code" else "YOUR ANSWER HERE"
    cleared, count = SOLUTION.subn(rf"\1{stub}\3", source)
    return cleared if count or UNCLOSED.search(source) else stub


def checksum(cell: NotebookNode) -> str:
    """What nbgrader knows a cell's state by."""
    facts = cell.metadata.nbgrader
    grade, solution, locked = (facts.get(key, False) for key in ("grade", "solution", "locked"))
    locked = not solution and (grade or locked)
    parts = [cell.source, cell.cell_type, str(grade), str(solution), str(locked), facts.grade_id]
    if grade:
        points = facts.get("points")
        parts.append(str(float(points) if isinstance(points, int | float) else points))
    return hashlib.md5("".join(parts).encode()).hexdigest()


def grade_id(cell: NotebookNode) -> str:
    """A cell's name, or ""."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def untouched(cell: NotebookNode) -> bool:
    """Whether a cell of a hand-out is as it was handed out."""
    return bool(grade_id(cell)) and cell.metadata.nbgrader.get("checksum") == checksum(cell)


def answered(notebook: NotebookNode) -> list[str]:
    """The answer cells of a hand-out that somebody has changed: of exercises, and of text."""
    answers = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    return list(dict.fromkeys(grade_id(cell) for cell in answers if not untouched(cell)))


def sources(folder: Path, nested: bool = False) -> list[Path]:
    """The solution notebooks of a folder: those with a chapter's number, and those with a cell of an exercise.

    Args:
        folder: where to look.
        nested: look in its folders too, one for each assignment, as nbgrader has them.

    Raises:
        ExerciseError: there is no solution notebook.
        NotebookError: a file cannot be read.
    """
    paths = [*folder.glob("*.ipynb"), *(folder.glob("[!.]*/*.ipynb") if nested else ())]
    found = [path for path in sorted(paths) if NUMBERED.match(path.name) or _has_exercises(path)]
    if not found:
        raise ExerciseError(
            f"{folder}: there is no solution notebook here, such as 02_noise.ipynb: "
            "run this in the course's folder, or name the right one"
        )
    return found


def _has_exercises(path: Path) -> bool:
    facts = [cell.metadata.get("nbgrader", {}) for cell in notebooks.read(path).cells]
    return any(each.get(key) for each in facts for key in ("grade", "solution", "task"))


def build(
    source: Path,
    out: Path,
    repository: str,
    check: bool = False,
    force: bool = False,
    copies: Mapping[str, Callable[[NotebookNode], NotebookNode]] | None = None,
) -> Iterator[tuple]:
    """Write the hand-out of every solution notebook that needs it.

    Args:
        source: folder of the solution notebooks.
        out: folder of the hand-outs.
        repository: see `hand_out`.
        check: write nothing.
        force: overwrite answers; the notebook that holds them is kept as `02_noise.mine.ipynb`.
        copies: folders below `out`, and what makes the source of each from a solution notebook; None is one copy.

    Yields:
        (path, state): "unchanged", "written" or, with `check`, "out of date".

    Raises:
        ExerciseError: a source is malformed, or a hand-out holds answers.
    """
    texts = {
        out / folder / path.name: notebooks.text(
            hand_out(chosen(notebooks.read(path)), f"{source.name}/{path.name}", repository)
        )
        for path in sources(source)
        for folder, chosen in (copies or {"": lambda notebook: notebook}).items()
    }
    for path, text in texts.items():
        there = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if there == text:
            yield path, "unchanged"
        elif check:
            yield path, "out of date"
        else:
            _keep_answers(path, force)
            path.parent.mkdir(parents=True, exist_ok=True)
            notebooks.write(nbformat.reads(text, as_version=4), path)
            yield path, "written"


def _keep_answers(path: Path, force: bool) -> None:
    """Refuse to overwrite a reader's answers, or move them aside."""
    if not path.exists():
        return
    try:
        ids = answered(notebooks.read(path, outputs=False))
        holds = f"{path} holds answers ({', '.join(ids)})" if ids else ""
    except notebooks.NotebookError as error:
        holds = str(error)
    kept = path.with_suffix(".mine.ipynb")
    if holds and not force:
        raise ExerciseError(f"{holds}: move it away, or use --force, which keeps it in {kept.name}")
    if holds:
        path.replace(kept)


def chapter_page(notebook: NotebookNode, name: str, repository: str, solutions: bool = True) -> str:
    """The exercises as a chapter of the book shows them: Markdown with directives.

    Args:
        notebook: the solution notebook.
        name: such as "02_noise".
        repository: its public address.
        solutions: whether the book has them.
    """
    place = repository.partition("github.com/")[2]
    file = f"exercises/{name}.ipynb"
    ways = [
        f"[Colab](https://colab.research.google.com/github/{place}/blob/main/{file})",
        f"[Binder](https://mybinder.org/v2/gh/{place}/main?labpath={file})",
        f"your own [JupyterLab](http://localhost:8888/lab/tree/{file}), once `make lab` runs",
    ]
    parts = [f"Work on them in {', in '.join(ways)}; or {{download}}`download the notebook </{file}>`.\n"]
    for exercise in exercises_of(notebook, name):
        parts.append(
            f"::::{{exercise}} {exercise.id}: {exercise.title}\n:label: {exercise.id}\n:nonumber:\n\n"
            f"*{exercise.minutes} minutes · {exercise.difficulty} · {exercise.need}.* {exercise.task}\n\n"
            f"```python\n{exercise.stub}\n```\n"
        )
        parts += [f":::{{dropdown}} {title}\n{text}\n:::\n" for title, text in exercise.hints]
        if solutions:
            parts.append(f"[Solution](/book/solutions/{name}.md)\n")
        parts.append("::::\n")
    return "\n".join(parts)


def solutions_page(notebook: NotebookNode, name: str) -> str:
    """The solutions of a chapter, each hidden until it is asked for: Markdown with directives."""
    parts = [
        f"From the exercises of [the chapter](/chapters/{name}.ipynb). Try, take a hint, try again; and then compare.\n"
    ]
    for exercise in exercises_of(notebook, name):
        code = f"```python\n{exercise.solution}\n```"
        model = f"Two sentences, for example:\n\n> {exercise.sentences}\n\n" if exercise.sentences else ""
        parts.append(
            f"::::{{solution}} {exercise.id}\n:label: solution-{exercise.id}\n\n"
            f":::{{dropdown}} Show it\n{code}\n\n{model}{exercise.why}\n:::\n::::\n"
        )
    return "\n".join(parts)
