"""The real nbgrader, in an environment of its own, marks our notebooks right; and we grade its own course as it is."""

import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from nbformat.v4 import new_notebook

from pixel_edu import notebooks
from pixel_edu.config import EXERCISE_ID
from pixel_edu.grading import session, several
from pixel_edu.notebooks import handouts
from tests.answers import CHAPTERS

ROOT = Path(__file__).parents[1]
NBGRADER = "nbgrader==0.9.6"
CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "pixels"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("stub")'}
c.ExecutePreprocessor.timeout = 120
"""
COMMANDS = """
import contextlib, functools, json, os, subprocess, sys
from traitlets.config import Application
from nbgrader import api
from nbgrader.apps.nbgraderapp import NbGraderApp

api.get_alembic_version = functools.cache(api.get_alembic_version)  # starts a program for each new database

def launch(words):
    with contextlib.suppress(SystemExit):
        NbGraderApp.launch_instance(words)

def call(command, **options):  # quickstart starts nbgrader five times
    child = os.fork()
    if not child:
        type(Application.instance()).clear_instance()
        launch(command[3:])
        os._exit(0)
    os.waitpid(child, 0)

subprocess.call = call
for folder, *commands in map(json.loads, sys.stdin):
    os.chdir(folder)
    for words in commands:
        launch(words)
        NbGraderApp.clear_instance()
    print("\\nREADY", flush=True)
"""
"""Runs what it is told on a line: a folder and nbgrader's commands; one process, since each start takes seconds."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nbgrader(tmp_path_factory):
    """Runs nbgrader's commands, each a list of words, in a course folder; its kernels are of this interpreter."""
    home = tmp_path_factory.mktemp("nbgrader")
    venv.create(home / "env")
    python = home / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile", NBGRADER]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{NBGRADER} could not be installed: {done.stderr.strip().splitlines()[-1]}")
    for name in ("python3", "python"):  # nbgrader's own notebooks say "python"
        kernel = home / "jupyter" / "kernels" / name
        kernel.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(
            json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"})
        )
    course = home / "course"
    course.mkdir()
    (course / "nbgrader_config.py").write_text(CONFIG)
    environment = os.environ | {
        "PATH": f"{home / 'env' / 'bin'}:{os.environ['PATH']}",  # nbgrader calls alembic by its bare name
        "JUPYTER_PATH": str(home / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "HOME": str(home),
        "PIXEL_EDU_HOME": str(home),
        "OMP_NUM_THREADS": "1",
    }

    with subprocess.Popen(
        [python, "-c", COMMANDS],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:

        def run(*commands, folder=course):
            print(json.dumps([folder, *commands], default=str), file=process.stdin, flush=True)
            return "".join(itertools.takewhile(lambda line: line != "READY\n", process.stdout))

        run.course = course
        run.examples = next((home / "env").glob("lib/*/site-packages/nbgrader/docs/source/user_guide"))
        yield run
        process.stdin.close()


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """The folder of a student's notebooks with all answers right."""
    folder = tmp_path_factory.mktemp("solved")
    for name in CHAPTERS:
        given = notebooks.read(ROOT / "exercises" / f"{name}.ipynb")
        source = {handouts.grade_id(c): c for c in notebooks.read(ROOT / "solutions" / f"{name}.ipynb").cells}
        for cell in given.cells:
            if EXERCISE_ID.fullmatch(handouts.grade_id(cell)) or marked_by_hand(cell):
                cell.source = source[handouts.grade_id(cell)].source
        notebooks.write(given, folder / f"{name}.ipynb")
    return folder


def test_nbgrader_validates_a_solution_and_refuses_an_untouched_exercise(nbgrader, solved):
    """One notebook shows what the command says; `autograde`, below, runs the same cells of all of them."""
    name = CHAPTERS[0]
    said = nbgrader(
        ["validate", solved / f"{name}.ipynb"], ["validate", ROOT / "exercises" / f"{name}.ipynb"]
    )
    count = len([c for c in notebooks.read(ROOT / "exercises" / f"{name}.ipynb").cells if gives_points(c)])
    assert said.count("Success") == 1
    assert said.index("Success") < said.index(f"FAILED ON {count} CELL(S)")


def test_nbgrader_makes_the_same_hand_outs_and_gives_full_marks_or_none(nbgrader, solved):
    """The hand-outs are compared one by one, and executed in one notebook, whose kernel imports torch once.

    Cells `-try` are left to `tests/test_handouts.py`: they draw pictures, and give no marks.
    """
    source, submitted = nbgrader.course / "source", nbgrader.course / "submitted"
    points = by_hand = 0
    for name in CHAPTERS:
        copied = source / "course" / f"{name}.ipynb"
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes((ROOT / "solutions" / f"{name}.ipynb").read_bytes())
    joined(ROOT / "solutions", source / "all")
    joined(solved, submitted / "solver" / "all")
    joined(ROOT / "exercises", submitted / "idler" / "all")
    said = nbgrader(
        ["generate_assignment", "course"],
        ["generate_assignment", "all"],
        ["autograde", "all"],
        ["export", "--to", "grades.csv"],
    )
    for name in CHAPTERS:
        theirs = notebooks.read(nbgrader.course / "release" / "course" / f"{name}.ipynb")
        ours = handouts.hand_out(notebooks.read(ROOT / "solutions" / f"{name}.ipynb"), "x")
        assert known(ours) == known(theirs), said
        points += sum(c.metadata.nbgrader.points for c in ours.cells if gives_points(c))
        by_hand += sum(c.metadata.nbgrader.points for c in ours.cells if marked_by_hand(c))
    rows = {row["student_id"]: row for row in exported(nbgrader.course) if row["assignment"] == "all"}
    assert float(rows["solver"]["max_score"]) == points, said
    assert by_hand > 0, "each chapter up to 9 has sentences that a person marks"
    assert float(rows["solver"]["score"]) == points - by_hand, said
    assert float(rows["idler"]["score"]) == 0, said
    of_solver, of_idler = (
        notebooks.read(nbgrader.course / "autograded" / student / "all" / "all.ipynb").cells
        for student in ("solver", "idler")
    )
    assert failed(of_solver) == []  # those without marks too
    automatic = (c for c in of_idler if gives_points(c) and not marked_by_hand(c))
    assert {handouts.grade_id(c) for c in automatic} <= set(failed(of_idler))


def test_a_course_that_nbgrader_made_gets_from_us_the_marks_that_nbgrader_gives(nbgrader, tmp_path):
    """Its quickstart course, and what its user guide's two students handed in, without an edit."""
    course = nbgrader.course.parent / "quick"
    commands = ["generate_assignment", "ps1"], ["autograde", "ps1"], ["export", "--to", "grades.csv"]
    said = nbgrader(["quickstart", "quick"], folder=course.parent)
    shutil.copytree(nbgrader.examples / "submitted", course / "submitted")
    said += nbgrader(*commands, folder=course)
    theirs = {row["student_id"]: float(row["score"]) for row in exported(course)}
    assert theirs == {"bitdiddle": 1.5, "hacker": 3}, said
    options = session.GradingOptions(course / "submitted", "ps1", out=tmp_path, source=course / "source")
    done = several.grade(options, several.options_of(options))
    assert done.points == 13
    assert [row.result.reason for row in done.rows] == ["", ""]
    marks = {row.result.student: {mark.id: mark.points for mark in row.marks} for row in done.rows}
    assert {name: sum(filter(None, each.values())) for name, each in marks.items()} == theirs
    by_hand = {id for id, points in marks["hacker"].items() if points is None}
    assert by_hand == {
        "problem1/sum_of_squares_equation",
        "problem1/sum_of_squares_application",
        "problem1/cell-938593c4a215c6cc",
        "problem2/part-a",
        "problem2/part-b",
    }
    with open(tmp_path / "grades.csv", encoding="utf-8-sig", newline="") as file:
        table = {row["student"]: row for row in csv.DictReader(file)}
    assert {name: row["score"] for name, row in table.items()} == {"bitdiddle": "1.5", "hacker": "3"}
    assert (table["hacker"]["problem1"], table["hacker"]["problem2"], table["hacker"]["most"]) == (
        "3",
        "",
        "13",
    )


def joined(folder, out):
    """Write all chapters of a folder as one notebook without cells `-try`; the names of the others differ."""
    cells = []
    for name in CHAPTERS:
        for cell in notebooks.read(folder / f"{name}.ipynb").cells:
            if cell.id.endswith("-try"):
                continue
            cell.id = f"{cell.id}-{name[:2]}"
            cells.append(cell)
    out.mkdir(parents=True)
    notebooks.write(new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNEL}), out / "all.ipynb")


def exported(course):
    """The rows of the table that nbgrader exported."""
    with open(course / "grades.csv", newline="") as file:
        return list(csv.DictReader(file))


def gives_points(cell):
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


def marked_by_hand(cell):
    """Whether it is an answer in words, which nbgrader asks a person to mark."""
    return gives_points(cell) and bool(cell.metadata.nbgrader.solution)


def failed(cells):
    """The nbgrader names, or the ids, of the cells that stopped with an error."""
    stopped = [c for c in cells if any(o.output_type == "error" for o in c.get("outputs", []))]
    return [handouts.grade_id(cell) or cell.id for cell in stopped]


def known(notebook):
    """What nbgrader knows of each cell of a hand-out, but for the answers, whose stubs say other words."""
    cells = [c for c in notebook.cells if handouts.grade_id(c) and not c.metadata.get("tags")]
    return [
        (
            handouts.grade_id(cell),
            dict(cell.metadata.nbgrader),
            cell.metadata.get("editable"),
            cell.metadata.get("deletable"),
            cell.source,
        )
        for cell in cells
        if not cell.metadata.nbgrader.solution
    ]
