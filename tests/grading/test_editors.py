"""Whatever editors do to a solved notebook, one after the other, its answers are the same as in a clean one."""

import ast
import json
import os
import random
from pathlib import Path

import pytest

from pixel_edu.grading import assignment as assignments
from pixel_edu.grading.merge import merge
from pixel_edu.notebooks.handouts import WORDS

ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("PIXEL_EDU_EDITORS", "60"))
"""How many notebooks are edited; each stands for itself, so more find more."""
NAMES = ("01_pixels", "02_noise", "07_ddim")


@pytest.fixture(scope="module")
def all_assignments():
    return {name: assignments.from_folder(ROOT / "solutions", name) for name in NAMES}


def facts(cell):
    return (cell.get("metadata") or {}).get("nbgrader") or {}


def answers(cells):
    """Places of answers that have a name and are code, whole ones first."""
    return [i for i, cell in enumerate(cells) if facts(cell).get("solution") and cell["cell_type"] == "code"]


def any_answer(cells, draw, whole=False):
    return draw.choice([i for i in answers(cells) if not (whole and cells[i].get("split"))] or [None])


def split(cells, draw, _):
    place = any_answer(cells, draw)
    if place is not None and (lines := cells[place]["source"].split("\n"))[1:]:
        cut = draw.randrange(1, len(lines))
        halves = ["\n".join(lines[:cut]), "\n".join(lines[cut:])]
        cells[place : place + 1] = [cells[place] | {"source": half, "split": True} for half in halves]


def merge_cells(cells, draw, _):
    pairs = [
        i for i in range(len(cells) - 1) if {cells[i]["cell_type"], cells[i + 1]["cell_type"]} == {"code"}
    ]
    pairs = [i for i in pairs if not (cells[i].get("split") or cells[i + 1].get("split"))]
    if pairs:
        place = draw.choice(pairs)
        below = cells.pop(place + 1)
        cells[place] = cells[place] | {"source": f"{cells[place]['source']}\n\n{below['source']}"}


def lose_a_name(cells, draw, _):
    place = any_answer(cells, draw, whole=True)
    if place is not None:
        cells[place] = cells[place] | {"metadata": draw.choice([None, {}, [], {"nbgrader": None}]), "id": "x"}


def to_markdown(cells, draw, _):
    place = any_answer(cells, draw)
    if place is not None:
        cells[place] = cells[place] | {"cell_type": "markdown"}


def add_magics(cells, draw, _):
    place = any_answer(cells, draw, whole=True)
    if place is not None and not cells[place]["source"].startswith("%%"):
        first = draw.choice(
            ["%%time\n", "%%capture\n", "!pip install torch\n", "%matplotlib inline\n", "# x\n"]
        )
        last = draw.choice(["", "\nprint?", "\n%time 1 + 1", ";", "\n"])
        cells[place] = cells[place] | {"source": f"{first}{cells[place]['source']}{last}"}


def add_own(cells, draw, _):
    source = draw.choice(
        ["1 / 0", "!ls", "%%bash\nls", "x = ", "display(1)", "await x", "print('é')\n%time 2"]
    )
    cell = {"cell_type": "code", "source": source, "metadata": {}}
    cells.insert(draw.randrange(len(cells) + 1), cell)


def lose_ids(cells, draw, _):
    new = draw.choice([None, "same", "new"])
    for place, cell in enumerate(cells):
        cell.pop("id", None)
        if new:
            cell["id"] = new if new == "same" else f"new-{place}"


def paste(cells, draw, assignment):
    pasted = json.loads(json.dumps(assignment.hand_out))["cells"]
    place = draw.choice([0, len(cells)])
    cells[place:place] = pasted


def stuff_outputs(cells, draw, _):
    for cell in cells:
        cell["outputs"] = draw.choice([None, [3], [{"output_type": "stream", "text": "A" * 1000}]])


EDITS = (split, merge_cells, lose_a_name, to_markdown, add_magics, add_own, lose_ids, paste, stuff_outputs)


def stored(cells, draw):
    """The file that an editor writes."""
    form = draw.choice([str, str.splitlines, lambda text: text.splitlines(keepends=True), "\r\n", "3"])
    for cell in cells:
        cell.pop("split", None)
        if callable(form):
            cell["source"] = form(cell["source"])
        elif form == "\r\n":
            cell["source"] = cell["source"].replace("\n", form)
    notebook = {"cells": cells, "nbformat": 4, "nbformat_minor": draw.choice([0, 4, 5])}
    if form == "3":
        worksheets = [{"cells": [{"input": cell["source"]} | cell for cell in cells]}]
        notebook = {"worksheets": worksheets, "nbformat": 3, "nbformat_minor": 0}
    notebook |= draw.choice([{}, {"metadata": None}, {"metadata": {"kernelspec": None}}])
    return json.dumps(notebook, ensure_ascii=False).encode(
        draw.choice(["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    )


def last_definitions(merged, names):
    """What each name stands for after all cells have run, those passed over that do not parse."""
    found = {}
    for cell in merged.notebook.cells:
        try:
            body = ast.parse(cell.source).body
        except SyntaxError:
            continue
        found |= {node.name: ast.dump(node) for node in body if getattr(node, "name", "") in names}
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_sequence_of_edits_takes_an_answer_away(seed, all_assignments):
    draw = random.Random(seed)
    assignment = all_assignments[draw.choice(NAMES)]
    clean = json.loads(json.dumps(assignment.notebook))
    merged = merge(json.dumps(clean).encode(), assignment)
    names = {
        node.name
        for id, answer in merged.answers.items()
        if not id.endswith(WORDS)
        for node in ast.parse(answer).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    right = last_definitions(merged, names)
    assert len(right) >= 4
    cells, done = clean["cells"], draw.choices(EDITS, k=draw.randrange(1, 7))
    for edit in done:
        edit(cells, draw, assignment)
    edited = merge(stored(cells, draw), assignment)
    assert last_definitions(edited, names) == right, [edit.__name__ for edit in done]
