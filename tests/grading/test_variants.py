"""Each student gets exercises of their own, and is graded on these."""

import copy
import json

import pytest

from pixel_edu.grading import assignment, variants
from pixel_edu.grading.batch import Grader, prove
from pixel_edu.grading.marking import Examiner
from pixel_edu.notebooks.handouts import ExerciseError, grade_id
from tests.grading import classroom
from tests.grading.classroom import FULL, find, job, points
from tests.grading.conftest import LIMITS


def source():
    """`double` is `triple` for some."""
    notebook = classroom.source()
    for id in ("double", "double-marks"):
        cell = find(notebook, id)
        cell.metadata.tags = ["variant-a"]
        other = copy.deepcopy(cell)
        other.metadata.tags, other.id = ["variant-b"], f"{id}-b"
        other.source = other.source.replace("2 * x", "3 * x").replace("[0, 2, 4]", "[0, 3, 6]")
        notebook.cells.insert(notebook.cells.index(cell) + 1, other)
    return notebook


WHAT = assignment.from_notebook(source(), "90_test", seed=7)


def answered(student, factor):
    notebook = copy.deepcopy(WHAT.of_student(student).hand_out)
    answers = {grade_id(cell): cell.source for cell in classroom.solved().cells}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = answers[grade_id(cell)].replace("2 * x", f"{factor} * x")
    return json.dumps(notebook).encode()


def factor_of(student):
    (cell,) = [cell for cell in variants.of_student(source(), student, 7).cells if grade_id(cell) == "double"]
    return 3 if "3 * x" in cell.source else 2


def test_both_variants_come_and_stay():
    factors = {f"s{i}": factor_of(f"s{i}") for i in range(40)}
    assert 10 < list(factors.values()).count(2) < 30
    assert factors == {student: factor_of(student) for student in factors}
    assert [factor_of(s) for s in factors] != [
        3 if "3 * x" in json.dumps(variants.of_student(source(), s, 8)) else 2 for s in factors
    ]


@pytest.mark.slow
def test_a_student_is_graded_on_their_own(fork_server, level):
    grader = Grader(WHAT, Examiner(WHAT), fork_server, level, LIMITS)
    prove(grader)
    for student in ("s0", "s1", "s2", "s3"):
        factor = factor_of(student)
        right, _ = grader.grade(job(answered(student, factor), student))
        other, _ = grader.grade(job(answered(student, 5 - factor), student))
        assert (points(right), points(other)) == (FULL, FULL | {"double": 0})


def test_a_class_with_variants_needs_its_seed():
    with pytest.raises(ExerciseError, match="90_test has variants: give pixel-edu grade the --seed"):
        assignment.from_notebook(source(), "90_test")
    with pytest.raises(ExerciseError, match="exercises build --students"):
        classroom.assignment.handouts.hand_out(source(), "90_test")


def test_variants_are_worth_the_same_and_whole():
    notebook = source()
    next(cell for cell in notebook.cells if cell.id == "double-marks-b").metadata.nbgrader.points = 9
    with pytest.raises(ExerciseError, match="differ in exercises or points"):
        assignment.from_notebook(notebook, "90_test", seed=1)
    notebook.cells = [cell for cell in notebook.cells if cell.id != "double-marks-b"]
    with pytest.raises(ExerciseError, match="double: not every variant has a cell double-marks"):
        assignment.from_notebook(notebook, "90_test", seed=1)
