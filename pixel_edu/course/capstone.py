"""A reader's answers from all chapters as one module that takes the place of the package's own parts."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from pixel_edu import notebooks
from pixel_edu.config import EXERCISE_ID, UserError
from pixel_edu.course import calling, checking
from pixel_edu.course.using import PARTS, use
from pixel_edu.files import replacing
from pixel_edu.notebooks import handouts
from pixel_edu.notebooks.answers import together
from pixel_edu.notebooks.magics import as_python, defined, tree

FILE = "my_pixel_edu.py"
VARIABLE = "PIXEL_EDU_MINE"
"""The environment variable that tells pytest where the reader's module is."""
FORMULAS = ("diffusion", "ema", "guidance", "palette", "samplers", "unet")
"""The package's modules whose tests are run on a reader's parts."""


@dataclass
class Collected:
    """The answers that `collect` found, and the module made of them.

    Attributes:
        path: the module that was written.
        states: "yours", "not written" or what is wrong, by the exercise's id; only of exercises that ask for a part of
            the package.
        parts: the reader's functions, by the name of the package's own.
    """

    path: Path
    states: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Callable] = field(default_factory=dict)

    def __repr__(self) -> str:
        lines = [f"{id}  {checking.find(id).name:18} {state}" for id, state in self.states.items()]
        return "\n".join([*lines, f"{len(self.parts)} of {len(PARTS)} parts are yours, in {self.path.name}"])

    def _repr_html_(self) -> str:
        rows = [
            f'<tr><td>{id}</td><td style="text-align:left"><code>{checking.find(id).name}</code></td>'
            f'<td style="text-align:left">{"✓ " if state == "yours" else ""}{escape(state)}</td></tr>'
            for id, state in self.states.items()
        ]
        head = f"{len(self.parts)} of {len(PARTS)} parts are yours, in {escape(self.path.name)}"
        return f"<table><caption>{head}</caption>{''.join(rows)}</table>"


def collect(folder: str | os.PathLike = ".", out: str | os.PathLike | None = None) -> Collected:
    """Gather the answers of the notebooks in a folder into one module, and check each of them.

    An answer that is not right yet is skipped, and the package's own part is used. If two chapters ask for the same
    part, the later one counts.

    Args:
        folder: that holds the exercise notebooks.
        out: the module to write; `my_pixel_edu.py` in that folder if None.

    Raises:
        UserError: there are no exercise notebooks.
    """
    folder = Path(folder)
    paths = [path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")) if not path.stem.endswith(".mine")]
    if not paths:
        raise UserError(
            f"{folder.resolve()}: there are no exercise notebooks here; give the folder that holds yours"
        )
    collected = Collected(Path(out) if out else folder / FILE)
    imports: dict[str, str] = {}
    kept: dict[str, str] = {}
    for path in paths:
        notebook = notebooks.read(path, outputs=False)
        before, answers = _imports(notebook), _answers(notebook, path.stem[:2])
        # one namespace for a notebook, as in the reader's kernel: later answers may call earlier ones
        space: dict[str, Any] = {"__name__": path.stem}
        for line in before.values():
            with contextlib.suppress(ImportError):  # of a student's own, such as a file that is elsewhere
                exec(line, space)
        for id, source in answers.items():
            name = checking.find(id).name
            state = _state(id, name, source, space)
            if state == "yours":
                kept[name] = f"# {id}\n{source.strip()}\n"
                imports |= {each: before[each] for each in before if each in _names(source)}
            if name in PARTS:
                collected.states[id] = state
    _write(collected.path, sorted(set(imports.values())), list(kept.values()))
    module = module_at(collected.path)
    collected.parts = {name: getattr(module, name) for name in PARTS if name in kept}
    return collected


def module_at(path: Path) -> Any:
    """Import the module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec  # a file's path gives both
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tests(collected: Collected, root: str | os.PathLike | None = None) -> bool:
    """Run the package's own tests of formulas on the reader's parts, and print what pytest says.

    Args:
        collected: from `collect`.
        root: the folder of the course's repository, which holds the tests; if None, the one above the module's folder,
            or this package's.

    Returns:
        Whether all of them passed.

    Raises:
        UserError: there are no tests.
    """
    places = [Path(root)] if root else [collected.path.resolve().parents[1], Path(__file__).parents[2]]
    there = next((place for place in places if (place / "tests" / "test_samplers.py").exists()), None)
    if not there:
        raise UserError(
            f"{places[0]}: the course's tests are not here; clone its repository, or give its folder as root"
        )
    files = [f"tests/test_{name}.py" for name in FORMULAS]
    options = [
        "-q",
        "-m",
        "formula",
        "--no-header",
        "-p",
        "pixel_edu.course.capstone",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=there,
        env=os.environ | {VARIABLE: str(collected.path.resolve()), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    print(done.stdout[-3000:])
    return done.returncode == 0


def pytest_collection() -> None:
    """Put the reader's parts in before the tests import the package; `run_tests` makes this module a pytest plugin."""
    path = os.environ.get(VARIABLE)
    if path:
        module = module_at(Path(path))
        use(**{name: getattr(module, name) for name in PARTS if hasattr(module, name)})


def _imports(notebook: NotebookNode) -> dict[str, str]:
    """The imports of cells that are not answers: for each name that they bind, a line that binds it alone."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and not handouts.grade_id(cell)]
    found = {}
    for node in [node for cell in cells if (parsed := tree(as_python(cell.source))) for node in parsed.body]:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            # `from a import b, c` becomes two lines, so that an answer brings along only what it uses
            fields: dict[str, Any] = vars(node) | {"names": [alias]}
            one = type(node)(**fields)
            found.setdefault(alias.asname or alias.name.partition(".")[0], ast.unparse(one))
    return found


def _answers(notebook: NotebookNode, chapter: str) -> dict[str, str]:
    """The sources of the answers, by exercise: all cells of its name in order, but no stub beside what is written.

    A cell that has lost its name is known by what it defines.
    """
    exercises = {
        each.name: each.id for each in checking.all_exercises() if each.id.startswith(f"ex-{chapter}-")
    }
    found: dict[str, list[NotebookNode]] = {}
    for cell in notebook.cells:
        id = handouts.grade_id(cell)
        if not id and cell.cell_type == "code":
            id = next((exercises[name] for name in defined(cell.source) if name in exercises), "")
        if EXERCISE_ID.fullmatch(id):
            found.setdefault(id, []).append(cell)
    return {id: _answer(cells, checking.find(id).name) for id, cells in found.items()}


def _answer(cells: list[NotebookNode], name: str) -> str:
    """The source of an answer; a line that was tried beside it is not a part of it, but a helper is."""
    written = [cell for cell in cells if not handouts.untouched(cell)] or cells[:1]
    sources = dict.fromkeys(handouts.SOLUTION.sub(r"\2", cell.source) for cell in written)
    made = together(list(sources), {name})
    helpers = [[each for each in beside if defined(each)] for beside in (made.above, made.below)]
    return "\n".join([*helpers[0], made.answer, *helpers[1]])


def _names(source: str) -> set[str]:
    """The names that code uses."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def _state(id: str, name: str, source: str, space: dict[str, Any]) -> str:
    """Run an answer's cell and check what it defines: "yours" if it is right, else what is wrong."""
    try:
        exec(compile(source, f"<{id}>", "exec"), space)
        feedback = checking.examine(checking.find(id), calling.caller(space.get(name)))
        return "yours" if feedback else feedback.message
    except calling.Unwritten:
        return "not written"
    except Exception as error:
        return f"stopped with {type(error).__name__}: {error}"


def _write(path: Path, imports: list[str], answers: list[str]) -> None:
    head = '"""My own parts of a diffusion model, collected from the exercises."""\n'
    text = "\n\n".join([head + "\n" + "\n".join(imports) + "\n", *answers])
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
