"""Answers are put together as the student meant them, whatever an editor made of the file."""

import ast
import codecs
import json
import textwrap
from pathlib import Path

import pytest
from nbformat import from_dict

from pixel_edu.grading import assignment as assignments
from pixel_edu.grading.merge import merge

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def assignment():
    return assignments.from_folder(ROOT / "solutions", "02_noise")


@pytest.fixture
def solved(assignment):
    return json.loads(json.dumps(assignment.notebook))


def answers(notebook, assignment):
    return merge(json.dumps(notebook).encode(), assignment).answers


def first_answer(notebook):
    facts = [cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"]]
    return next(place for place, each in enumerate(facts) if each.get("solution"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_any_encoding_of_json_is_read(encoding, solved, assignment):
    content = json.dumps(solved, ensure_ascii=False).encode(encoding)
    assert merge(content, assignment).answers == answers(solved, assignment)


def test_a_bom_before_utf_16_is_read(solved, assignment):
    content = codecs.BOM_UTF16_BE + json.dumps(solved).encode("utf-16-be")
    assert merge(content, assignment).answers == answers(solved, assignment)


@pytest.mark.parametrize("metadata", [None, [], {"kernelspec": None}, {"kernelspec": "python3"}, "absent"])
def test_the_notebooks_metadata_may_be_missing_or_odd(metadata, solved, assignment):
    clean = answers(solved, assignment)
    solved["metadata"] = metadata
    if metadata == "absent":
        del solved["metadata"]
    assert answers(solved, assignment) == clean


def test_odd_cells_are_read(solved, assignment):
    clean = answers(solved, assignment)
    for cell in solved["cells"]:
        cell.pop("id", None)
        cell["source"] = cell["source"].splitlines(keepends=True)
        cell["outputs"] = None
    solved["cells"] += [
        {"cell_type": "markdown", "metadata": None, "source": None},
        {"cell_type": "markdown", "metadata": {"nbgrader": None}, "source": []},
    ]
    assert answers(solved, assignment) == clean


def test_a_lone_surrogate_becomes_its_escape(solved, assignment):
    cell = solved["cells"][first_answer(solved)]
    cell["source"] = "def f(): raise ValueError('\udc80')"
    (answer,) = [each for each in answers(solved, assignment).values() if "ValueError" in each]
    assert answer == r"def f(): raise ValueError('\udc80')"


def test_both_halves_of_a_split_cell_count(solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    cell = solved["cells"][place]
    id, lines = cell["metadata"]["nbgrader"]["grade_id"], cell["source"].splitlines()
    for cut in range(1, len(lines)):
        halves = ["\n".join(lines[:cut]), "\n".join(lines[cut:])]
        cells = [cell | {"source": half} for half in halves]
        split = solved | {"cells": solved["cells"][:place] + cells + solved["cells"][place + 1 :]}
        merged = merge(json.dumps(split).encode(), assignment)
        code = "\n".join(each.source for each in merged.notebook.cells)
        assert f"{clean[id]}\n" in code  # whole, in this order, be it in one cell or two
        assert merged.answers[id].startswith(clean[id].split(":")[0])


def test_a_helper_before_the_answer_counts(solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    cell = solved["cells"][place]
    solved["cells"].insert(place, cell | {"source": "def helper():\n    return 1"})
    id = cell["metadata"]["nbgrader"]["grade_id"]
    merged = merge(json.dumps(solved).encode(), assignment)
    assert merged.answers == clean
    sources = [each.source for each in merged.notebook.cells]
    assert sources.index("def helper():\n    return 1") == sources.index(clean[id]) - 1


@pytest.mark.parametrize("after", [0, 1])
def test_an_answer_beats_an_untouched_stub(after, solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    id = solved["cells"][place]["metadata"]["nbgrader"]["grade_id"]
    stub = next(
        cell for cell in assignment.hand_out.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == id
    )
    solved["cells"].insert(place + after, json.loads(json.dumps(stub)))
    assert answers(solved, assignment) == clean


def test_of_two_whole_answers_the_last_counts(solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    cell = solved["cells"][place]
    names = cell["source"]
    solved["cells"].insert(place, cell | {"source": names.replace("return", "return 0 *", 1)})
    assert answers(solved, assignment) == clean


def test_a_line_tried_above_the_answer_does_not_take_it_away(solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    cell = solved["cells"][place]
    id = cell["metadata"]["nbgrader"]["grade_id"]
    for tried in ("add_noise(1, 2)", "%%time\nprint(1)", "x ="):
        cells = [*solved["cells"][:place], cell | {"source": tried}, *solved["cells"][place:]]
        merged = merge(json.dumps(solved | {"cells": cells}).encode(), assignment)
        (alone,) = [each for each in merged.notebook.cells if each.source == clean[id]]
        assert alone.metadata.part == id


def test_a_written_answer_in_two_cells_counts_whole(assignment):
    hand_out = json.loads(json.dumps(assignment.hand_out))
    cell = next(each for each in hand_out["cells"] if each["metadata"].get("nbgrader", {}).get("solution"))
    id = cell["metadata"]["nbgrader"]["grade_id"]
    cell["cell_type"] = "markdown"
    asked = assignments.Assignment("x", assignment.notebook, from_dict(hand_out), assignment.tasks, "")
    place = hand_out["cells"].index(cell)
    halves = [cell | {"source": "First, the noise grows."}, cell | {"source": "Second, it doesn't stop."}]
    given = hand_out | {"cells": hand_out["cells"][:place] + halves + hand_out["cells"][place + 1 :]}
    assert answers(given, asked)[id] == "First, the noise grows.\n\nSecond, it doesn't stop."


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("%%time\n", ""),
        ("%%capture out\n", ""),
        ("!pip install -q torch\n%matplotlib inline\n", "\nadd_noise?\n%timeit -n 1 add_noise(1, 2, 3)"),
        ("# mine\n%%time\n", ";"),
        ("%load_ext autoreload\nfiles = !ls\n", "\n!echo {files}"),
    ],
)
def test_ipythons_own_syntax_costs_nothing(before, after, solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    cell = solved["cells"][place]
    id = cell["metadata"]["nbgrader"]["grade_id"]
    cell["source"] = f"{before}{cell['source']}{after}"
    found = answers(solved, assignment)[id]
    assert [ast.dump(each) for each in ast.parse(found).body if isinstance(each, ast.FunctionDef)] == [
        ast.dump(each) for each in ast.parse(clean[id]).body
    ]


def test_an_indented_answer_is_run_as_ipython_runs_it(solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    cell = solved["cells"][place]
    cell["source"] = textwrap.indent(cell["source"], "    ")
    assert answers(solved, assignment) == clean


def hand_out(assignment, renew):
    """The cells of a hand-out as an editor pastes them: with new ids, or with the old ones."""
    cells = json.loads(json.dumps(assignment.hand_out))["cells"]
    return [cell | {"id": f"new-{place}"} if renew else cell for place, cell in enumerate(cells)]


@pytest.mark.parametrize("renew", [False, True])
@pytest.mark.parametrize("lost", [False, True], ids=["named", "nameless"])
@pytest.mark.parametrize("above", [False, True])
def test_a_hand_out_pasted_above_or_below_takes_no_answer_away(above, lost, renew, solved, assignment):
    clean, pasted = answers(solved, assignment), hand_out(assignment, renew)
    if lost:
        for cell in solved["cells"]:
            cell["metadata"] = {}
    solved["cells"] = pasted + solved["cells"] if above else solved["cells"] + pasted
    assert answers(solved, assignment) == clean


def test_an_answer_that_was_merged_into_a_locked_cell_is_found(solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    answer = solved["cells"].pop(place)
    id = answer["metadata"]["nbgrader"]["grade_id"]
    locked = next(
        cell
        for cell in solved["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == f"{id}-marks"
    )
    locked["source"] = f"{answer['source']}\n{locked['source']}"
    assert clean[id] in answers(solved, assignment)[id]


def test_a_nameless_answer_that_became_markdown_is_found(solved, assignment):
    clean, place = answers(solved, assignment), first_answer(solved)
    solved["cells"][place] |= {"metadata": {}, "cell_type": "markdown", "id": "new"}
    assert answers(solved, assignment) == clean


@pytest.mark.parametrize("forward", [True, False])
def test_an_answer_that_was_written_into_the_cell_of_another_beats_its_own_stub(forward, solved, assignment):
    clean = answers(solved, assignment)
    pair = ["ex-02-2", "ex-02-3"]
    to, of = pair if forward else pair[::-1]
    for cell in solved["cells"]:
        id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if id == to:
            cell["source"] = f"import functools\n{clean[to]}\n\n@functools.cache\n{clean[of]}"
        elif id == of:
            cell["source"] = next(
                each.source
                for each in assignment.hand_out.cells
                if each.metadata.get("nbgrader", {}).get("grade_id") == of
            )
    merged = merge(json.dumps(solved).encode(), assignment)
    assert merged.answers[of].startswith("@functools.cache\ndef ")
    assert ast.dump(ast.parse(merged.answers[of])) == ast.dump(ast.parse(f"@functools.cache\n{clean[of]}"))
    assert f"{of}: found in the cell of {to}" in merged.notes
    assert {id: merged.answers[id] for id in clean if id not in (of, to)} == {
        id: clean[id] for id in clean if id not in (of, to)
    }
