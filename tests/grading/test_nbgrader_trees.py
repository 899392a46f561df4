"""Made-up courses of nbgrader: every student is one row for each notebook, with their own answers.

PIXEL_EDU_CLASSES=2000 pytest tests/grading/test_nbgrader_trees.py  tries as many classes.
"""

import json
import os
import random
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from nbformat.v4 import new_code_cell, new_notebook, writes

from pixel_edu.grading import assignment as assignments
from pixel_edu.grading.merge import merge
from pixel_edu.grading.submissions import find
from tests.grading import classroom

pytestmark = pytest.mark.slow

SEEDS = range(int(os.environ.get("PIXEL_EDU_CLASSES", "30")))
COURSE = {
    "ps1": ["problem1", "problem2", "problem3"],
    "ps2": ["problem1"],
    "ps 3": ["a", "b"],
    "ps1-b": ["hw"],
}
"""The notebooks of each assignment: some share a name, and one assignment's name begins with another's."""
NAMES = [
    "ada",
    "bo",
    "cy-1",
    "ps1",
    "problem1",
    "José",
    "Jose\u0301 L",
    "张伟",
    "O'Neil",
    "4711",
    "d.e",
    "f_g",
]
ANSWER = "def {name}(x):\n    ### BEGIN SOLUTION\n    return 'solved'\n    ### END SOLUTION"
NOON = datetime(2024, 1, 31, 12, tzinfo=UTC)


def exercise(name):
    """A notebook with one exercise, which asks for a function of that name."""
    return new_notebook(
        cells=[
            classroom.cell(ANSWER.format(name=name), name, solution=True),
            classroom.cell(f"assert {name}(1)", f"test_{name}", points=1),
        ]
    )


@pytest.fixture(scope="module", params=["own ids", "the same ids"])
def course(request, tmp_path_factory):
    """The assignments of a course: by folder, by notebook. nbgrader asks for different ids in one notebook only."""
    source = tmp_path_factory.mktemp("course") / "source"
    same = request.param == "the same ids"
    made = {}
    for folder, names in COURSE.items():
        for name in names:
            (source / folder).mkdir(parents=True, exist_ok=True)
            id = "part_a" if same else f"f_{folder}_{name}".translate({32: "_", 45: "_"})
            (source / folder / f"{name}.ipynb").write_text(writes(exercise(id)), encoding="utf-8")
    for folder in COURSE:
        places = assignments.notebooks_of(source, folder)
        found = [assignments.from_folder(source, place) for place in places]
        made[folder] = {each.name: each for each in found}
    return same, made


def written(path, content, time):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    os.utime(path, (time.timestamp(),) * 2)


def answered(assignment, text):
    """A student's copy with an answer."""
    notebook = json.loads(writes(assignment.hand_out))
    (cell,) = [each for each in notebook["cells"] if each["metadata"].get("nbgrader", {}).get("solution")]
    cell["source"] = f"def {cell['metadata']['nbgrader']['grade_id']}(x):\n    return {text!r}"
    return json.dumps(notebook)


def hand_in(draw, there, assignment, text, time, same):
    """Write a student's notebook and what may lie beside it."""
    name, later = assignment.name, time + timedelta(hours=30)
    if not same and draw.random() < 0.2:
        name = draw.choice([f"{name} (final)", f"{name}-Copy1", f"hw {name}"])
    written(there / f"{name}.ipynb", answered(assignment, text), time)
    beside = {
        f".ipynb_checkpoints/{name}-checkpoint.ipynb": answered(assignment, "another"),
        f"{assignment.name}-Copy2.ipynb": writes(assignment.hand_out),
        "scratch.ipynb": writes(new_notebook(cells=[new_code_cell("1 + 1")])),
        "data.csv": "1,2",
        "__pycache__/x.pyc": "x",
        "broken.ipynb": "{",
    }
    for place in draw.sample(sorted(beside), draw.randint(0, 3)):
        if not (there / place).exists():
            written(there / place, beside[place], later)


def tree(draw, folder, course, same):
    """Hand in for a class, and tell what each student wrote into each notebook, and when it came."""
    expected = {}
    exchange = draw.random() < 0.3
    for student in draw.sample(NAMES, draw.randint(1, 8)):
        for of, notebooks in course.items():
            if draw.random() < 0.25:
                continue
            time = NOON + timedelta(minutes=draw.randint(0, 9999))
            for attempt in range(draw.randint(1, 3) if exchange else 1):
                time += timedelta(days=attempt)
                stamp = f"{time:%Y-%m-%d %H:%M:%S}.123456 UTC"
                there = folder / (f"{student}+{of}+{stamp}" if exchange else f"{student}/{of}")
                is_stamped = exchange or draw.random() < 0.7
                if is_stamped:
                    written(there / "timestamp.txt", stamp, NOON)
                for name, assignment in notebooks.items():
                    here = draw.random() < 0.85 or exchange
                    mark = f"{student} {of} {name} {attempt}"
                    if here:
                        came = time - timedelta(minutes=7) if is_stamped else time
                        hand_in(draw, there, assignment, mark, came, same)
                        expected[student, of, name] = (mark, time)
                if not any(there.rglob("*.ipynb")):
                    written(there / "data.csv", "1,2", time)
    for student in draw.sample(NAMES, 2):
        if not exchange and not (folder / student).exists() and draw.random() < 0.3:
            (folder / student).mkdir(parents=True)
    return expected


def students(folder):
    """Who has a folder."""
    return {each.name.partition("+")[0] for each in folder.iterdir()}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_student_is_one_row_for_each_notebook_with_their_own_answers(tmp_path, course, seed):
    draw, (same, made) = random.Random(seed), course
    folder = tmp_path / "submitted"
    folder.mkdir()
    expected = tree(draw, folder, made, same)
    if not any(folder.iterdir()):
        return
    whole = folder
    if draw.random() < 0.2:
        whole = tmp_path / "submitted.zip"
        shutil.make_archive(str(tmp_path / "submitted"), "zip", tmp_path, "submitted")
    for of, notebooks in made.items():
        for name, assignment in notebooks.items():
            found = find(whole, assignment)
            names = [each.student for each in found]
            assert len(names) == len(set(names)), (of, name)
            known = students(folder) if whole == folder else {each for each, *_ in expected}
            assert known <= set(names) <= students(folder), (of, name)
            for each in found:
                mine = expected.get((each.student, of, name))
                if not mine:
                    assert each.fault(assignment), (each, of, name)
                    continue
                assert each.problem == "", (each, of, name)
                (answer,) = merge(each.read(), assignment).answers.values()
                assert f"return {mine[0]!r}" in answer, (each, of, name)
                if whole == folder:
                    assert each.time == mine[1].isoformat(timespec="seconds"), (each, of, name)


def test_a_notebook_that_only_its_name_tells_from_another_is_not_taken_for_it(tmp_path, course):
    same, made = course
    ps1, ps2 = made["ps1"], made["ps2"]["problem1"]
    written(tmp_path / "ada/ps1/problem2.ipynb", answered(ps1["problem2"], "two"), NOON)
    written(tmp_path / "bo/ps2/problem1.ipynb", answered(ps2, "of ps2"), NOON)
    ada, bo = find(tmp_path, ps1["problem1"])
    assert same is (ada.problem == "by its name it is of ps1/problem2")
    assert same is (bo.problem == "by its name it is of ps2/problem1")
    assert ada.fault(ps1["problem1"])
    assert bo.fault(ps1["problem1"])
    (ada, _) = find(tmp_path, ps1["problem2"])
    assert (ada.file, ada.problem) == ("ada/ps1/problem2.ipynb", "")
