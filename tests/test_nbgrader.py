"""The real nbgrader, in an environment of its own, reads our notebooks and gives them the marks that they deserve."""

import csv
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pixel_edu.course import exercises, notebooks

ROOT = Path(__file__).parents[1]
NBGRADER = "nbgrader==0.9.6"
NAME = "02_noise"
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
    """A student's notebook with all answers right."""
    given = notebooks.read(ROOT / "exercises" / f"{NAME}.ipynb")
    source = {exercises.grade_id(c): c for c in notebooks.read(ROOT / "solutions" / f"{NAME}.ipynb").cells}
    for cell in given.cells:
        if exercises.ID.fullmatch(exercises.grade_id(cell)):
            cell.source = source[exercises.grade_id(cell)].source
    path = tmp_path_factory.mktemp("solved") / f"{NAME}.ipynb"
    notebooks.write(given, path)
    return path


def test_nbgrader_validates_solutions_and_refuses_untouched_exercises(nbgrader, solved):
    assert "Success" in nbgrader("validate", solved)
    said = nbgrader("validate", ROOT / "exercises" / f"{NAME}.ipynb")
    assert "Success" not in said
    assert "FAILED ON 7 CELL(S)" in said


def test_nbgrader_makes_the_same_hand_out_and_gives_full_marks_or_none(nbgrader, solved):
    (nbgrader.course / "source" / "noise").mkdir(parents=True)
    original = ROOT / "solutions" / f"{NAME}.ipynb"
    source = nbgrader.course / "source" / "noise" / f"{NAME}.ipynb"
    source.write_bytes(original.read_bytes())
    said = nbgrader("generate_assignment", "noise")
    theirs = notebooks.read(nbgrader.course / "release" / "noise" / f"{NAME}.ipynb")
    ours = exercises.hand_out(notebooks.read(original), "x")
    assert known(ours) == known(theirs), said

    for student, file in {"solver": solved, "idler": ROOT / "exercises" / f"{NAME}.ipynb"}.items():
        folder = nbgrader.course / "submitted" / student / "noise"
        folder.mkdir(parents=True)
        (folder / f"{NAME}.ipynb").write_bytes(file.read_bytes())
    said = nbgrader("autograde", "noise")
    said += nbgrader("export", "--to", "grades.csv")
    with open(nbgrader.course / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    points = sum(
        c.metadata.nbgrader.points for c in ours.cells if c.metadata.get("nbgrader", {}).get("grade")
    )
    assert float(rows["solver"]["max_score"]) == points, said
    assert float(rows["solver"]["score"]) == points, said
    assert float(rows["idler"]["score"]) == 0, said


def known(notebook):
    """What nbgrader knows of each cell of a hand-out, but for the answers, whose stubs say other words."""
    cells = [c for c in notebook.cells if exercises.grade_id(c) and not c.metadata.get("tags")]
    return [
        (
            exercises.grade_id(cell),
            dict(cell.metadata.nbgrader),
            cell.metadata.get("editable"),
            cell.metadata.get("deletable"),
            cell.source,
        )
        for cell in cells
        if not cell.metadata.nbgrader.solution
    ]
