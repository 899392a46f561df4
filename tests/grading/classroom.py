"""A small assignment with every kind of exercise, and what hands it in."""

import copy
import json

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from pixel_edu.grading import assignment
from pixel_edu.grading.batch import GradingJob
from pixel_edu.grading.results import store
from pixel_edu.grading.submissions import Submission
from pixel_edu.notebooks.handouts import grade_id

TOKEN = "a-word-that-stands-in-hidden-tests-only"
DOUBLE = """\
def double(x):
    \"\"\"Twice x.\"\"\"
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION"""
DOUBLE_TESTS = f"""\
assert np.allclose(double(np.arange(3.0)), [0, 2, 4]), "double of 0, 1, 2 is 0, 2, 4"
### BEGIN HIDDEN TESTS
hidden = "{TOKEN}"
for size in (1, 5):
    x = np.random.default_rng(size).normal(size=size)
    assert np.allclose(double(x), 2 * x), hidden
### END HIDDEN TESTS"""
SCALE = """\
class Scale(nn.Module):
    \"\"\"x times a weight for each of its columns.\"\"\"
    ### BEGIN SOLUTION
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.weight
    ### END SOLUTION"""
SCALE_TESTS = """\
scale = Scale(3)
scale.load_state_dict({"weight": torch.tensor([1.0, 2.0, 3.0])})
got = scale(torch.ones(2, 3))
assert got.shape == (2, 3), "the shape must stay"
assert torch.equal(got[1], torch.tensor([1.0, 2.0, 3.0])), "the weights are not used"
assert list(scale.state_dict()) == ["weight"]"""
STEPS = """\
def steps(model, x, count):
    \"\"\"x after the model was applied so many times.\"\"\"
    ### BEGIN SOLUTION
    for _ in range(count):
        x = model(x)
    return x
    ### END SOLUTION"""
STEPS_TESTS = """\
calls = []


def model(x):
    calls.append(x)
    return x + 1


x = torch.zeros(2)
right = torch.equal(steps(model, x, 3), torch.full((2,), 3.0))
economical = len(calls) == 3
assert right or economical, "neither the value nor the number of calls is right"
2 * right + 1 * economical"""


def cell(source, id, points=None, solution=False, kind=new_code_cell):
    facts = {"grade": points is not None, "grade_id": id, "locked": not solution, "schema_version": 3}
    facts |= {"solution": solution, "task": False} | ({"points": points} if points is not None else {})
    return kind(source, metadata={"nbgrader": facts}, id=id)


def source():
    """The instructor's notebook."""
    return new_notebook(
        cells=[
            new_markdown_cell("# A test", id="title"),
            new_code_cell("import numpy as np\nimport torch\nfrom torch import nn", id="setup"),
            cell(DOUBLE, "double", solution=True),
            cell(SCALE, "scale", solution=True),
            cell(STEPS, "steps", solution=True),
            cell("Why?", "why", points=5, solution=True, kind=new_markdown_cell),
            cell(DOUBLE_TESTS, "double-marks", points=2),
            cell(SCALE_TESTS, "scale-marks", points=3),
            cell(STEPS_TESTS, "steps-marks", points=3),
        ]
    )


ASSIGNMENT = assignment.from_notebook(source(), "90_test")
IDS = tuple(task.id for task in ASSIGNMENT.tasks)
FULL = {"double": 2, "scale": 3, "steps": 3}


def solved():
    """A student's copy with all answers."""
    notebook = copy.deepcopy(ASSIGNMENT.hand_out)
    answers = {grade_id(each): each.source for each in source().cells}
    for each in notebook.cells:
        if each.metadata.get("nbgrader", {}).get("solution"):
            each.source = "\n".join(
                line for line in answers[grade_id(each)].splitlines() if "### " not in line
            )
    return notebook


def find(notebook, id):
    return next(each for each in notebook.cells if grade_id(each) == id)


def job(content, student="ada", file="ada.ipynb", ids=IDS, before=None):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return GradingJob(Submission(file, student, "", "2026-01-01T00:00:00+00:00", content), ids, before)


def points(result: store.Result):
    return {mark.id: mark.points for mark in result.marks if mark.id != "why"}
