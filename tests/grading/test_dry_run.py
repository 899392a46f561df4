"""A student's notebook is tried in a kernel, whatever stands in it and whatever an editor made of it."""

import json
from pathlib import Path

import pytest

from pixel_edu.grading import dry_run
from pixel_edu.grading.sandbox.restrictions import ResourceLimits

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tried(tmp_path):
    """Tries cells as a student's file."""

    def run(cells, encoding="utf-8", name="mine.ipynb"):
        path = tmp_path / name
        path.write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding=encoding)
        return dry_run.run(path, ResourceLimits(cell=20))

    return run


@pytest.fixture
def solved():
    return json.loads((ROOT / "solutions" / "10_tracking.ipynb").read_text())["cells"]


def code(source):
    return {"cell_type": "code", "source": source, "metadata": {}}


@pytest.mark.slow
def test_own_cells_run_in_the_kernel_and_what_stops_is_told(tried, solved):
    pasted = json.loads((ROOT / "exercises" / "10_tracking.ipynb").read_text())["cells"]
    for cell in [*solved, *pasted]:
        cell.pop("id", None)
    first = next(cell for cell in solved if cell["metadata"].get("nbgrader", {}).get("solution"))
    first["source"] = ["%%time\n", *first["source"], "\n%matplotlib inline"]
    own = [code("1 / 0"), code("raise SystemExit"), code("import os, nowhere\n"), code("await nothing")]
    found = tried([*own, *solved, *pasted], "utf-16")
    *checked, report = [mark.status for mark in found.result.marks]
    assert set(checked) == {"passed"}
    assert report == "by hand"  # the sentences of what is run and reported
    assert "the cell `1 / 0` stops with ZeroDivisionError: division by zero" in found.failing
    assert found.passed
    assert not found.changed


@pytest.mark.slow
def test_answers_without_any_name_are_tried_by_their_functions(tried, solved):
    found = tried([code(cell["source"]) for cell in solved if cell["cell_type"] == "code"])
    assert [mark.status for mark in found.result.marks] == ["passed"] * len(found.result.marks)
    assert found.passed
