"""The capstone: answers from many notebooks become one module that stands in for the package."""

import json
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from pixel_edu import notebooks
from pixel_edu.config import UserError
from pixel_edu.course import capstone
from pixel_edu.course.using import PARTS
from pixel_edu.notebooks import handouts

ROOT = Path(__file__).parents[1]
RIGHT = "def add_noise(x0, eps, level):\n    return level.signal * x0 + level.noise * eps"
CLEAN = """\
def clean(x, answer, level, prediction):
    s, n = level.signal, level.noise
    if prediction == "eps":
        return answer, (x - n * answer) / s
    if prediction == "x0":
        return (x - s * answer) / n, answer
    return n * x + s * answer, s * x - n * answer"""


@pytest.fixture
def mine(tmp_path):
    """Collects the answers of one notebook, given by exercise."""

    def collect(answers, setup="import torch\nimport json"):
        cells = [new_code_cell(setup, id="setup")]
        for id, source in answers.items():
            facts = {"grade_id": id, "grade": False, "solution": True, "locked": False, "schema_version": 3}
            cells.append(new_code_cell(source, id=id, metadata={"nbgrader": facts | {"task": False}}))
        notebooks.write(new_notebook(cells=cells), tmp_path / "02_noise.ipynb")
        return capstone.collect(tmp_path)

    return collect


def test_right_answers_become_parts_and_others_stay_out(mine):
    stub = 'def clean(x, answer, level, prediction):\n    raise NotImplementedError("ex-02-5")'
    found = mine({"ex-02-1": RIGHT, "ex-02-5": stub})
    assert list(found.parts) == ["add_noise"]
    assert found.states == {"ex-02-1": "yours", "ex-02-5": "not written"}
    assert "def clean" not in found.path.read_text()
    assert f"1 of {len(PARTS)} parts are yours" in repr(found)
    assert "✓ yours" in found._repr_html_()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (RIGHT.replace("level.noise", "level.noise**2"), "square root"),
        ("def add_noise(x0, eps, level)\n    return 1", "stopped with SyntaxError"),
        ("1 / 0", "stopped with ZeroDivisionError"),
        ("x = 3", "This is not a function but None"),
        ("def add_noise(x0, eps, level):\n    return helper(x0)", "NameError"),
    ],
)
def test_what_is_wrong_with_an_answer_stands_in_the_table(mine, answer, says):
    found = mine({"ex-02-1": answer})
    assert says in found.states["ex-02-1"]
    assert found.parts == {}


def test_the_module_has_the_imports_that_its_answers_need_and_no_others(mine):
    answer = "def add_noise(x0, eps, level):\n    return torch.add(level.signal * x0, level.noise * eps)"
    found = mine({"ex-02-1": answer})
    text = found.path.read_text()
    assert "import torch" in text
    assert "json" not in text


@pytest.mark.slow
def test_the_package_s_tests_refuse_a_wrong_part(mine, monkeypatch):
    """A wrong part that a check let through would be found here."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")  # one failure will do
    found = mine({"ex-02-1": RIGHT})
    found.path.write_text(found.path.read_text().replace("level.noise", "level.noise**2"))
    assert not capstone.run_tests(found, ROOT)


def test_a_folder_without_notebooks_is_named(tmp_path):
    with pytest.raises(UserError, match="no exercise notebooks here"):
        capstone.collect(tmp_path)


def test_without_the_course_s_tests_the_reader_is_told_where_they_are(mine, tmp_path):
    with pytest.raises(UserError, match="the course's tests are not here"):
        capstone.run_tests(mine({"ex-02-1": RIGHT}), tmp_path)


@pytest.mark.slow
def test_the_capstone_runs_on_the_solutions_and_they_pass_the_package_s_tests():
    run = notebooks.run(ROOT / "solutions" / "13_capstone.ipynb", {"profile": "smoke"})
    said = "\n".join(
        str(o.get("data", {}).get("text/plain", "")) for c in run.notebook.cells for o in c.get("outputs", [])
    )
    assert "True" in said  # all of the package's tests of formulas, on all parts
    (ROOT / "solutions" / capstone.FILE).unlink()


def test_what_an_editor_made_of_a_notebook_changes_no_answer(mine):
    path = mine({"ex-02-1": RIGHT, "ex-02-5": CLEAN}).path.with_name("02_noise.ipynb")
    notebook = json.loads(path.read_text())
    setup, first, second = notebook["cells"]
    setup |= {"source": "%matplotlib inline\n!pip install torch\nimport torch\nimport nowhere_at_all"}
    head, body = RIGHT.split("\n", 1)
    facts = second["metadata"]["nbgrader"]
    stub = new_code_cell(
        'def clean(x):\n    raise NotImplementedError("ex-02-5")', metadata={"nbgrader": facts | {}}
    )
    stub.metadata.nbgrader.checksum = handouts.checksum(stub)
    cells = [
        setup,
        first | {"source": f"%%time\n{head}"},
        first | {"source": body},
        second | {"source": "1 / 0"},
        second | {"metadata": None},
        stub,
    ]
    for cell in cells:
        cell.pop("id")
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-16")
    assert capstone.collect(path.parent).states == {"ex-02-1": "yours", "ex-02-5": "yours"}
