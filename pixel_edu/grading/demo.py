"""A made-up class, so that an instructor can try everything before the first real deadline."""

from __future__ import annotations

import ast
import copy
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from pixel_edu.grading.assignment import Assignment
from pixel_edu.notebooks.handouts import SOLUTION, grade_id

ASSIGNMENT = "02_noise"
DEADLINES = "late.yaml"
"""The file of deadlines, in the same folder as the submissions' folder."""
DEADLINE = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
NAMES = (
    "ada amir bela chen clara dora emil fatima gita hugo ines jonas karim lena malik nora omar paula quinn rosa "
    "samir tara ugo vera wen xenia yusuf zoe arno bo"
).split()
LATE = """\
# Deadlines of the made-up class: see the instructor's guide.
deadline: 2026-03-02T23:00:00+01:00
grace_minutes: 15
percent_per_day: 10
percent_at_most: 50
extensions:
  hugo: 2026-03-06T23:00:00+01:00   # was ill
"""


def make(folder: Path, assignment: Assignment, seed: int = 0) -> None:
    """Write the class's files, and the file of deadlines next to the folder; a folder with files in it stays as it is.

    Args:
        folder: of the files handed in.
        assignment: what they hand in.
        seed: decides everything that is made up.
    """
    if folder.exists() and any(folder.iterdir()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    for i, name in enumerate(NAMES):
        notebook, hours = _student(i, assignment, draw)
        path = folder / f"{name}.ipynb"
        text = nbformat.writes(notebook)
        path.write_text(text[: len(text) // 3] if name == "quinn" else text, encoding="utf-8")
        time = (DEADLINE + timedelta(hours=hours)).timestamp()
        os.utime(path, (time, time))
    (folder.parent / DEADLINES).write_text(LATE, encoding="utf-8")


def _student(i: int, assignment: Assignment, draw: random.Random) -> tuple[NotebookNode, float]:
    """A notebook, and how many hours after the deadline it comes."""
    notebook = copy.deepcopy(assignment.hand_out)
    answers = {grade_id(cell): cell for cell in assignment.notebook.cells}
    skill = draw.choice([0.55, 0.8, 0.95, 1.0])
    for cell in notebook.cells:
        id = grade_id(cell)
        if not cell.metadata.get("nbgrader", {}).get("solution"):
            continue
        if cell.cell_type != "code":
            cell.source = SENTENCES[i % len(SENTENCES)]
            continue
        luck = draw.random()
        solved = SOLUTION.sub(r"\2", answers[id].source).rstrip("\n")
        if luck < skill:
            cell.source = solved
        elif luck < skill + 0.3:
            common = COMMON.get(id, ("", ""))
            cell.source = solved.replace(*common) if draw.random() < 0.6 else slipped(solved, draw)
    if NAMES[i] in CHARACTERS:
        CHARACTERS[NAMES[i]](notebook)
    return notebook, draw.choice([-70, -30, -8, -5, -2, -1, -0.5, 0.1, 20, 60 if NAMES[i] == "hugo" else -3])


SENTENCES = (
    "As I expected, far more sprites are found under cosine, since λ is larger there at the same timestep.",
    "It rose a lot. Cosine is the better schedule.",
    "",
)
"""What students write where the numbers are to be told in words; a person has to mark it."""
COMMON = {
    "ex-02-1": ("level.noise * eps", "level.noise**2 * eps"),
    "ex-02-2": ("cumprod(1 - beta", "cumprod(beta"),
    "ex-02-3": ("1 - alpha_bar / before", "1 - alpha_bar"),
    "ex-02-4": ("** 2", ""),
    "ex-02-5": ("+ level.signal * answer", "- level.signal * answer"),
    "ex-02-6": ("2 * half_log_snr", "half_log_snr"),
    "ex-02-7": ("(kept * here.noise)", "here.noise"),
}
"""The mistake that many make: what is written, and what instead of it."""


def slipped(source: str, draw: random.Random) -> str:
    """A source with one operator turned into another, as happens in haste."""
    tree = ast.parse(source)
    spots = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and type(node.op) in SLIPS]
    if not spots:
        return source
    spot = draw.choice(spots)
    spot.op = SLIPS[type(spot.op)]()
    return ast.unparse(tree)


SLIPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.MatMult: ast.Mult}


def _first(notebook: NotebookNode) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution"))


def _chatty(notebook: NotebookNode) -> None:
    """Prints a lot, and left scratch cells behind, one of which fails."""
    scratch = [
        "print('trying things', list(range(50)))",
        "undefined_name + 1",
        "import warnings; warnings.warn('careful')",
    ]
    notebook.cells[3:3] = [new_code_cell(each) for each in scratch]


def _exits(notebook: NotebookNode) -> None:
    """An answer that ends its kernel."""
    _first(notebook).source += "\n\nimport os\nos._exit(0)"


def _loops(notebook: NotebookNode) -> None:
    """An answer that never comes back."""
    head = _first(notebook).source.partition("\n")[0]
    _first(notebook).source = f"{head}\n    while True:\n        pass"


def _curious(notebook: NotebookNode) -> None:
    """Looks for the tests and for the network."""
    _first(notebook).source += (
        "\n\nimport glob, urllib.request\nprint(glob.glob('/home/*/*'), glob.glob('solutions/*'))\n"
        "urllib.request.urlopen('http://192.0.2.1', timeout=1)"
    )


def _tidy(notebook: NotebookNode) -> None:
    """Deleted the cells with the marks."""
    notebook.cells = [cell for cell in notebook.cells if not grade_id(cell).endswith("-marks")]


def _copied(notebook: NotebookNode) -> None:
    """Two students with one odd answer."""
    _first(notebook).source += (
        "\n\n# note to self: the professor said that the wobbly bit comes first and the flat bit after it, twice\n"
        "helper_for_later = [wobbly * 3 + flat for wobbly, flat in zip(range(7), range(11, 18))]\n"
    )


CHARACTERS: dict[str, Callable[[NotebookNode], None]] = {
    "bela": _chatty,
    "emil": _exits,
    "gita": _loops,
    "malik": _curious,
    "nora": _tidy,
    "tara": _copied,
    "ugo": _copied,
}
