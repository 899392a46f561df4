"""Assignments as nbgrader's users write them: any names, several tests of one answer, tests that look inside."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from pixel_edu import notebooks
from pixel_edu.grading import assignment, several
from pixel_edu.grading.batch import Grader, prove
from pixel_edu.grading.marking import Examiner
from pixel_edu.grading.session import GradingOptions, OptionError, Selection
from pixel_edu.notebooks import handouts
from pixel_edu.notebooks.handouts import ExerciseError
from tests.grading.classroom import cell, job
from tests.grading.conftest import LIMITS

ROOT = Path(__file__).parents[2]
MEAN = """\
def mean(values):
    # BEGIN SOLUTION
    return sum(values) / len(values)
    # END SOLUTION"""
SPREAD = """\
from statistics import pstdev

def spread(values):
    # BEGIN SOLUTION
    return math.sqrt(sum((x - mean(values)) ** 2 for x in values) / len(values))
    # END SOLUTION"""
LOOKS_INSIDE = """\
kept = mean
del mean
try:
    spread([1, 2])
except NameError:
    pass
else:
    raise AssertionError("spread does not call mean")
finally:
    mean = kept"""


def course():
    """A locked cell of imports, answers whose tests have names and points of their own, given code between them."""
    return new_notebook(
        cells=[
            cell("# Statistics", "title", kind=new_markdown_cell),
            cell("%matplotlib inline\nimport math", "imports"),
            cell(MEAN, "mean", solution=True),
            new_code_cell("mean([1, 2, 3])"),
            cell("assert mean([1, 2, 3]) == 2", "mean-of-three", points=1),
            cell("assert math.isclose(mean([0.1] * 3), 0.1)", "mean-of-floats", points=0.5),
            cell("from fractions import Fraction\ntwo = Fraction(2)", "given"),
            cell(SPREAD, "spread", solution=True),
            cell("assert spread([0, 4]) == two and pstdev([0, 4]) == 2", "spread-right", points=1),
            cell(LOOKS_INSIDE, "spread-calls-mean", points=1),
            cell(
                "# BEGIN SOLUTION\nvalues = [1, 2, 6]\ntop = max(values)\n# END SOLUTION",
                "top",
                solution=True,
            ),
            cell("assert top == 6, 'the largest'\nassert len(values) == 3", "top-right", points=1),
            cell("Because.", "why", points=2, solution=True, kind=new_markdown_cell),
            cell("tried = spread(values)", "own-use", points=2, solution=True),
        ]
    )


WHAT = assignment.from_notebook(course(), "statistics")


def saved(notebook, path):
    notebooks.write(notebook, path)
    return path


def solved(**answers):
    """The hand-out with the solution's answers, or others."""
    notebook = course()
    for each in notebook.cells:
        facts = each.metadata.get("nbgrader", {})
        each.source = answers.get(facts.get("grade_id"), each.source)
    return json.dumps(notebook).encode()


@pytest.fixture(scope="module")
def grader(fork_server, level):
    made = Grader(WHAT, Examiner(WHAT), fork_server, level, LIMITS)
    prove(made)
    return made


def marks(grader, content):
    result, _ = grader.grade(job(content, ids=tuple(task.id for task in WHAT.tasks)))
    return {mark.id: mark.points for mark in result.marks}, result


def test_every_cell_with_points_is_a_task_of_the_answer_above_it():
    assert [(task.id, task.points, task.answer) for task in WHAT.tasks] == [
        ("mean-of-three", 1, "mean"),
        ("mean-of-floats", 0.5, "mean"),
        ("spread-right", 1, "spread"),
        ("spread-calls-mean", 1, "spread"),
        ("top-right", 1, "top"),
        ("why", 2, "why"),
        ("own-use", 2, "own-use"),
    ]
    assert [task.id for task in WHAT.tasks if task.by_hand] == ["why", "own-use"]


def test_the_tests_know_the_given_code_that_they_need_and_no_answer():
    names = Examiner(WHAT).names
    assert {"math", "two", "pstdev"} <= names.keys()
    assert not {"mean", "spread", "values", "top"} & names.keys()


def test_a_solution_gets_all_points_and_a_mistake_costs_its_own_tests(grader):
    got, _ = marks(grader, solved())
    assert got == {
        "mean-of-three": 1,
        "mean-of-floats": 0.5,
        "spread-right": 1,
        "spread-calls-mean": 1,
        "top-right": 1,
        "why": None,
        "own-use": None,
    }
    wrong = solved(
        mean="def mean(values):\n    return sum(values) // len(values)",
        spread="from statistics import pstdev\n\n\ndef spread(values):\n    return pstdev(values)",
        top="values = [1, 2, 6]\ntop = 5",
    )
    got, result = marks(grader, wrong)
    lost = {id for id, points in got.items() if points == 0}
    assert lost == {"mean-of-floats", "spread-calls-mean", "top-right"}, result.notes
    said = {mark.id: mark.message for mark in result.marks}
    assert said["mean-of-floats"] == "This does not hold: math.isclose(mean([0.1] * 3), 0.1)"
    assert said["spread-calls-mean"] == "spread does not call mean"
    assert said["top-right"] == "the largest"


def test_a_test_that_takes_a_function_away_runs_beside_the_answers_and_says_so(grader):
    assert grader.tests.inside == {"spread-calls-mean"}
    _, result = marks(grader, solved())
    assert [mark.id for mark in result.marks if mark.unsafe] == ["spread-calls-mean"]


def test_a_test_that_works_only_beside_the_answers_runs_there(fork_server, level):
    notebook = course()
    notebook.cells.append(cell("import inspect\nassert 'sum' in inspect.getsource(mean)", "reads", points=1))
    what = assignment.from_notebook(notebook, "statistics")
    grader = Grader(what, Examiner(what), fork_server, level, LIMITS)
    prove(grader)
    assert grader.tests.inside == {"spread-calls-mean", "reads"}


@pytest.mark.slow
def test_tests_read_what_their_names_were_where_they_stand(fork_server, level):
    """As in nbgrader, where a later task, or a line of a student's own, may use a name again."""
    notebook = new_notebook(
        cells=[
            cell("data = [1, 2]", "first-data"),
            cell(
                "# BEGIN SOLUTION\nn = 2\ndef f(x):\n    return n * x\n# END SOLUTION", "first", solution=True
            ),
            cell("assert n == len(data)", "n-is-two", points=1),
            cell("assert f(3) == 6", "f-doubles", points=1),
            cell("data = [1, 2, 3]", "second-data"),
            cell("# BEGIN SOLUTION\nn = 3\n# END SOLUTION", "second", solution=True),
            cell("assert n == len(data)", "n-is-three", points=1),
            cell("# BEGIN SOLUTION\ntotal = 6\n# END SOLUTION", "third", solution=True),
            cell("assert total == 6", "total-is-six", points=1),
        ]
    )
    what = assignment.from_notebook(notebook, "again")
    grader = Grader(what, Examiner(what), fork_server, level, LIMITS)
    prove(grader)

    def points(**answers):
        for each in handed_in.cells:
            each.source = answers.get(handouts.grade_id(each), each.source)
        handed_in.cells.append(new_code_cell("total = 0"))
        ids = tuple(task.id for task in what.tasks)
        result, _ = grader.grade(job(json.dumps(handed_in).encode(), ids=ids))
        return {mark.id: mark.points for mark in result.marks}

    handed_in = assignment.from_notebook(notebook, "again").hand_out
    right = "n = 2\ndef f(x):\n    return n * x"
    every = {"n-is-two": 1, "f-doubles": 1, "n-is-three": 1, "total-is-six": 1}
    assert points(first=right, second="n = 3", third="total = 6") == every
    handed_in = assignment.from_notebook(notebook, "again").hand_out
    wrong = points(first=right.replace("2", "3", 1), second="n = 3", third="total = 6")
    assert wrong == every | {"n-is-two": 0, "f-doubles": 0}


def test_what_stands_beside_a_notebook_is_there_for_answers_and_tests(tmp_path, fork_server, level):
    source = tmp_path / "source"
    answer = "# BEGIN SOLUTION\nlines = Path('data/words.txt').read_text().split()\n# END SOLUTION"
    notebook = new_notebook(
        cells=[
            cell("from pathlib import Path\nfirst = Path('first.csv').read_text()", "given"),
            cell(answer, "words", solution=True),
            cell("assert lines == Path('data/words.txt').read_text().split()", "words-right", points=1),
            cell("assert lines[0] == first", "first-right", points=1),
        ]
    )
    saved(notebook, source / "ps1" / "problem.ipynb")
    with pytest.raises(
        ExerciseError, match=r"FileNotFoundError.*first.csv.*: put that file beside the notebook"
    ):
        Examiner(assignment.from_folder(source, "ps1"))
    (source / "ps1" / "data").mkdir()
    (source / "ps1" / "data" / "words.txt").write_text("a b")
    before = assignment.from_folder(source, "ps1").key
    (source / "ps1" / "first.csv").write_text("a")
    (source / "ps1" / ".secret").write_text("a")
    (source / "marks.csv").write_text("a")
    what = assignment.from_folder(source, "ps1")
    assert [name for name, _ in what.files] == ["data/words.txt", "first.csv"]
    assert what.key != before
    assert assignment.from_folder(source / "ps1", "problem").files == what.files
    here = Path.cwd()
    prove(Grader(what, Examiner(what), fork_server, level, LIMITS))
    assert Path.cwd() == here


def test_a_wrong_solution_is_an_error_wherever_its_tests_run(fork_server, level):
    notebook = course()
    notebook.cells[2].source = notebook.cells[2].source.replace("sum(", "max(")
    what = assignment.from_notebook(notebook, "statistics")
    with pytest.raises(ExerciseError, match="statistics, mean-of-three: its own solution gets 0 of 1 points"):
        prove(Grader(what, Examiner(what), fork_server, level, LIMITS))


def test_an_untouched_answer_is_not_written_in_all_its_tests(grader):
    _, result = marks(grader, json.dumps(WHAT.hand_out).encode())
    assert {mark.id: mark.status for mark in result.marks if mark.points == 0} == dict.fromkeys(
        ("mean-of-three", "mean-of-floats", "spread-right", "spread-calls-mean", "top-right"), "not written"
    )


def test_a_hand_out_has_no_solution_whatever_the_markers_look_like():
    text = "\n".join(each.source for each in WHAT.hand_out.cells)
    for secret in ("SOLUTION", "sum(", "math.sqrt", "Because", "tried", "max("):
        assert secret not in text
    assert "YOUR ANSWER HERE" in text


@pytest.mark.parametrize("kind", ["SOLUTION", "HIDDEN TESTS"])
def test_a_marker_that_is_never_closed_is_said_and_hands_nothing_out(kind):
    notebook = course()
    notebook.cells[4].source = f"assert True\n### BEGIN {kind}\nassert False"
    with pytest.raises(ExerciseError, match=f"cell mean-of-three: there is no line `END {kind}`"):
        assignment.from_notebook(notebook, "statistics")


def test_tests_that_nbgrader_has_still_to_write_are_no_tests():
    notebook = course()
    notebook.cells[4].source = "### HASHED AUTOTEST mean([1, 2])"
    with pytest.raises(ExerciseError, match="cell mean-of-three: its AUTOTEST lines"):
        assignment.from_notebook(notebook, "statistics")


@pytest.mark.parametrize("name", ["ps1/problem1", "problem1", "problem1.ipynb"])
def test_an_assignment_in_a_folder_is_found_by_its_names(name, tmp_path):
    saved(new_notebook(cells=[new_markdown_cell("only text")]), tmp_path / "header.ipynb")
    saved(course(), tmp_path / "ps1" / "problem1.ipynb")
    saved(course(), tmp_path / "ps1" / "problem2.ipynb")
    assert assignment.from_folder(tmp_path, name).name == "problem1"
    with pytest.raises(ExerciseError, match="there are ps1/problem1, ps1/problem2"):
        assignment.from_folder(tmp_path, "header")


def test_a_folder_of_several_notebooks_is_an_assignment_of_them_all(tmp_path):
    saved(course(), tmp_path / "ps1" / "problem1.ipynb")
    saved(course(), tmp_path / "ps1" / "problem2.ipynb")
    saved(course(), tmp_path / "ps2" / "problem1.ipynb")
    assert assignment.notebooks_of(tmp_path, "ps1") == ["ps1/problem1", "ps1/problem2"]
    assert assignment.notebooks_of(tmp_path, "ps1/problem2") == ["ps1/problem2"]
    assert assignment.notebooks_of(tmp_path, "ps2") == ["ps2"]
    assert assignment.notebooks_of(tmp_path, "problem2") == ["problem2"]
    options = GradingOptions(
        tmp_path, "ps1", tmp_path / "out", tmp_path, selection=Selection(("ada",), ("why",))
    )
    parts = several.options_of(options)
    assert {name: (each.assignment, each.out.name) for name, each in parts.items()} == {
        "problem1": ("ps1/problem1", "problem1"),
        "problem2": ("ps1/problem2", "problem2"),
    }
    assert all(each.selection == options.selection for each in parts.values())
    with pytest.raises(OptionError, match="exercise wy: no exercise of that name is in ps1"):
        several.options_of(replace(options, selection=Selection(exercises=("wy",))))
    assert several.options_of(replace(options, assignment="ps2")) == {}


def test_a_folder_of_one_notebook_names_it(tmp_path):
    saved(course(), tmp_path / "ps1" / "Home work.ipynb")
    saved(course(), tmp_path / "ps2" / "problem.ipynb")
    saved(course(), tmp_path / "ps3" / "problem.ipynb")
    assert assignment.from_folder(tmp_path, "ps1").name == "Home work"
    with pytest.raises(
        ExerciseError, match="several notebooks of 'problem': name one of ps2/problem, ps3/problem"
    ):
        assignment.from_folder(tmp_path, "problem")


def test_any_name_is_handed_out_and_notebooks_without_exercises_are_not(tmp_path):
    saved(course(), tmp_path / "source" / "Home work.ipynb")
    saved(new_notebook(cells=[new_code_cell("the = 'answers'")]), tmp_path / "source" / "scratch.ipynb")
    built = handouts.build(tmp_path / "source", tmp_path / "out", "")
    assert [path.name for path, _ in built] == ["Home work.ipynb"]
