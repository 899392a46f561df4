"""The real nbgrader, in an environment of its own, reads our notebooks and gives them the marks that they deserve."""

import csv
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pixel_edu import notebooks
from pixel_edu.config import EXERCISE_ID
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

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nbgrader(tmp_path_factory):
    """Runs an nbgrader command in a course folder; its kernels are of this interpreter."""
    home = tmp_path_factory.mktemp("nbgrader")
    venv.create(home / "env", with_pip=True)
    pip = [home / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", NBGRADER]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{NBGRADER} could not be installed: {done.stderr.strip().splitlines()[-1]}")
    kernel = home / "jupyter" / "kernels" / "python3"
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

    def run(*arguments):
        command = [home / "env" / "bin" / "nbgrader", *arguments]
        done = subprocess.run(
            command, cwd=course, env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    run.course = course
    return run


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """The folder of a student's notebooks with all answers right."""
    folder = tmp_path_factory.mktemp("solved")
    for name in CHAPTERS:
        given = notebooks.read(ROOT / "exercises" / f"{name}.ipynb")
        source = {handouts.grade_id(c): c for c in notebooks.read(ROOT / "solutions" / f"{name}.ipynb").cells}
        for cell in given.cells:
            if EXERCISE_ID.fullmatch(handouts.grade_id(cell)):
                cell.source = source[handouts.grade_id(cell)].source
        notebooks.write(given, folder / f"{name}.ipynb")
    return folder


def test_nbgrader_validates_a_solution_and_refuses_an_untouched_exercise(nbgrader, solved):
    """One notebook shows what the command says; `autograde`, below, runs the same cells of all of them."""
    name = CHAPTERS[0]
    assert "Success" in nbgrader("validate", solved / f"{name}.ipynb")
    said = nbgrader("validate", ROOT / "exercises" / f"{name}.ipynb")
    assert "Success" not in said
    count = len(handouts.exercises_of(notebooks.read(ROOT / "solutions" / f"{name}.ipynb")))
    assert f"FAILED ON {count} CELL(S)" in said


def test_nbgrader_makes_the_same_hand_outs_and_gives_full_marks_or_none(nbgrader, solved):
    source, submitted = nbgrader.course / "source" / "course", nbgrader.course / "submitted"
    copied = {source: ROOT / "solutions", submitted / "solver" / "course": solved}
    copied[submitted / "idler" / "course"] = ROOT / "exercises"
    for folder, origin in copied.items():
        folder.mkdir(parents=True)
        for name in CHAPTERS:
            (folder / f"{name}.ipynb").write_bytes((origin / f"{name}.ipynb").read_bytes())
    said, points = nbgrader("generate_assignment", "course"), 0
    for name in CHAPTERS:
        theirs = notebooks.read(nbgrader.course / "release" / "course" / f"{name}.ipynb")
        ours = handouts.hand_out(notebooks.read(ROOT / "solutions" / f"{name}.ipynb"), "x")
        assert known(ours) == known(theirs), said
        points += sum(
            c.metadata.nbgrader.points for c in ours.cells if c.metadata.get("nbgrader", {}).get("grade")
        )
    said = nbgrader("autograde", "course") + nbgrader("export", "--to", "grades.csv")
    with open(nbgrader.course / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert float(rows["solver"]["max_score"]) == points, said
    assert float(rows["solver"]["score"]) == points, said
    assert float(rows["idler"]["score"]) == 0, said
    for name in CHAPTERS:
        of_solver, of_idler = (
            notebooks.read(nbgrader.course / "autograded" / student / "course" / f"{name}.ipynb").cells
            for student in ("solver", "idler")
        )
        assert failed(of_solver) == []  # those without marks too
        marks = {handouts.grade_id(c) for c in of_idler if c.metadata.get("nbgrader", {}).get("grade")}
        assert marks <= set(failed(of_idler))


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
