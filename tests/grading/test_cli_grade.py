"""The commands, as an instructor and a student type them."""

import csv
import json
import os
import re
from pathlib import Path

import pytest

from pixel_edu.grading import assignment
from tests import command
from tests.grading import classroom

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "book" / "instructors.md"


def run(*arguments, **environment):
    return command.run(*arguments, cwd=ROOT, env=os.environ | environment)


@pytest.fixture(scope="module")
def demo(level, tmp_path_factory):
    """The made-up class, graded."""
    out = tmp_path_factory.mktemp("demo")
    return out, run("grade", "--demo", "--out", out, "--cell-seconds", 5)


def lines(path):
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_made_up_class_is_graded(demo):
    out, done = demo
    assert done.returncode == 1, done.stdout + done.stderr  # one file cannot be read
    assert "30 of 30 files graded now" in done.stdout
    assert "quinn.ipynb: unreadable: it is not a notebook" in done.stdout
    rows = {row["student"]: row for row in lines(out / "grades.csv")}
    assert len(rows) == 30
    assert {row["status"] for row in rows.values()} == {"graded", "unreadable"}
    assert rows["quinn"]["score"] == ""
    assert rows["emil"]["ex-02-1"] == rows["gita"]["ex-02-1"] == "0"
    assert rows["bela"]["notes"] == "3 cells of their own kept"
    late = [row for row in rows.values() if row["days late"] == "1"]
    assert late
    assert all(float(row["penalty"]) == pytest.approx(0.1 * float(row["points"])) for row in late)
    assert rows["hugo"]["days late"] == "0"
    report = (out / "report.html").read_text()
    assert re.search("<td>tara</td><td>ugo</td>", report)
    assert len(list((out / "feedback").glob("*.html"))) == 30


def test_the_same_command_again_grades_nothing(demo):
    out, _ = demo
    before = {path: path.stat().st_mtime_ns for path in (out / "marks").iterdir()}
    again = run("grade", out / "submissions", "-a", "02_noise", "--out", out)
    assert "0 of 30 files graded now" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (out / "marks").iterdir()} == before


def test_one_student_again(demo):
    out, _ = demo
    again = run(
        "grade", out / "submissions", "-a", "02", "--out", out, "--student", "ada", "--exercise", "ex-02-3"
    )
    assert "1 of 30 files graded now" in again.stdout
    assert "graded again: 1; marks that changed: 0" in again.stdout


def test_the_guides_worked_example_is_what_the_command_says(demo):
    """What the instructor's guide shows is what was printed, but for times and the machine's sandboxes."""
    out, done = demo
    shown = re.search(r"```text\n(02_noise: 30 files.+?)```", DEMO.read_text(), re.DOTALL)[1]

    def plain(text):
        text = re.sub(r"sandbox: \w+; workers: \d+", "sandbox", text).replace(str(out), "results")
        lines = [" ".join(line.split()) for line in re.sub(r" in \d+ s", "", text).splitlines()]
        return [line for line in lines if line and not line.startswith("passed over: ")]

    assert plain(shown) == plain(done.stdout)


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (
            ["-a", "02"],
            "what was handed in is missing: give its folder, as in pixel-edu grade submissions -a",
            2,
        ),
        (["--list"], "what was handed in is missing: give its folder, as in pixel-edu grade submissions", 2),
        (["exercises", "-a", "02", "--layout", "own"], "'own' is not one of 'plain', 'moodle', 'canvas'", 2),
        (["none", "-a", "02", "--layout", "Canvas"], "none: there is no such folder", 1),
        (["exercises"], "--assignment is missing: give a name such as 05_training", 2),
        (["none", "-a", "02_noise"], "none: there is no such folder", 1),
        (["exercises", "-a", "99_none"], "there is no assignment '99_none'; there are 01_pixels", 1),
        (
            ["exercises", "-a", "02", "--student", "zoe"],
            "--student zoe: no student of that name handed in a file; use one of",
            2,
        ),
        (
            ["exercises", "-a", "02", "--exercise", "ex-05-1"],
            "--exercise ex-05-1: no exercise of that name is in 02_noise; use one of ex-02-1",
            2,
        ),
        (["exercises", "-a", "02", "--sandbox", "sand"], "--sandbox sand: use auto, bubblewrap", 2),
        (["exercises", "-a", "02", "--late", "none.yaml"], "none.yaml: No such file", 1),
        (
            ["exercises", "-a", "02", "--cell-seconds", "400"],
            "--cell-seconds 400: its notebook may run for 300 s only: give --notebook-seconds at least as many",
            2,
        ),
    ],
)
def test_misuse_is_one_sentence(arguments, says, code, tmp_path):
    done = run("grade", *arguments, "--out", tmp_path)
    assert says in done.stderr, done.stdout + done.stderr
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)


def test_a_student_looks_before_handing_in(demo, tmp_path):
    out, _ = demo
    blank = run("exercises", "try", ROOT / "exercises" / "02_noise.ipynb")
    assert blank.returncode == 1
    tasks = assignment.from_folder(ROOT / "solutions", "02_noise").tasks
    tested = sum(not task.by_hand for task in tasks)
    assert f"0 of {tested} pass" in blank.stdout
    assert blank.stdout.count("There is no answer yet") == len(tasks)
    tidy = run("exercises", "try", out / "submissions" / "nora.ipynb")
    assert tidy.returncode == 0, tidy.stdout + tidy.stderr
    assert f"{tested} of {tested} pass" in tidy.stdout
    assert tidy.stdout.count("A person marks this") == len(tasks) - tested
    assert "ex-02-1-marks" in tidy.stdout
    loops = run("exercises", "try", out / "submissions" / "gita.ipynb")
    assert "endless loop" in " ".join(loops.stdout.split())
    for name, says in (
        ("none.ipynb", "No such file"),
        ("empty.ipynb", "it is empty"),
        ("x.ipynb", "there are no exercises in it"),
    ):
        if name != "none.ipynb":
            (tmp_path / name).write_text(
                "" if "empty" in name else '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'
            )
        done = run("exercises", "try", tmp_path / name)
        assert says in done.stderr
        assert done.returncode == 1


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_the_older_name_of_trying_says_the_new_one(options, tmp_path):
    (tmp_path / "empty.ipynb").write_text("")
    done = run("submit", *options, tmp_path / "empty.ipynb")
    assert f"now called: pixel-edu exercises try {tmp_path / 'empty.ipynb'}" in done.stderr
    assert "it is empty" in done.stderr
    assert done.returncode == 1


def test_a_private_folder_is_a_source(level, tmp_path):
    """Hand out from it, grade with it; hidden tests stay in it."""
    private = tmp_path / "private"
    private.mkdir()
    notebook = json.loads((ROOT / "solutions" / "02_noise.ipynb").read_text())
    text = json.dumps(notebook).replace("range(1, 4)", "range(5, 7)")
    (private / "02_noise.ipynb").write_text(text)
    done = run("exercises", "build", "--source", private, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "range(5, 7)" not in (tmp_path / "out" / "02_noise.ipynb").read_text()
    class_ = tmp_path / "class"
    class_.mkdir()
    curious = json.loads(text)
    source = ["import os\n", "print(dict(os.environ))"]
    cell = {"cell_type": "code", "id": "curious", "metadata": {}, "outputs": [], "execution_count": None}
    curious["cells"].insert(1, cell | {"source": source})
    (class_ / "ada.ipynb").write_text(json.dumps(curious))
    words = ("grade", class_, "-a", "02_noise", "--source", private, "--out", tmp_path / "results")
    done = run(*words, COURSE_PASSWORD="the-instructors-own")
    assert done.returncode == 0, done.stdout + done.stderr
    (executed,) = (tmp_path / "results" / "executed").glob("*.ipynb")
    assert "PIXEL_EDU_GRADING" in executed.read_text()
    assert "the-instructors-own" not in executed.read_text()
    most = sum(task.points for task in assignment.from_folder(private, "02_noise").tasks if not task.by_hand)
    assert lines(tmp_path / "results" / "grades.csv")[0]["points"] == f"{most:g}"


def test_the_guides_command_for_a_course_of_nbgraders_is_run_as_it_stands(level, tmp_path):
    guide = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    (words,) = re.findall(r"\(nbgrader-course\)=.*?```bash\npixel-edu (.*?)\n```", guide, re.DOTALL)
    for path, notebook in (
        ("source/ps1/problem1.ipynb", classroom.source()),
        ("submitted/ada/ps1/problem1.ipynb", classroom.solved()),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(json.dumps(notebook))
    done = command.run(*words.split(), cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = lines(tmp_path / "results" / "grades.csv")
    assert (row["student"], row["points"]) == ("ada", "8")
