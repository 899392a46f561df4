"""Grading as a call of the library, with everything that it reports on the way."""

import json
import os

import pytest

from pixel_edu.grading import session
from tests.grading import classroom
from tests.grading.conftest import LIMITS


@pytest.fixture
def options(level, tmp_path):
    handed_in, source = tmp_path / "in", tmp_path / "source"
    for folder in (handed_in, source):
        folder.mkdir()
    (source / "90_test.ipynb").write_text(json.dumps(classroom.source()))
    for name in ("ada", "bo"):
        (handed_in / f"{name}.ipynb").write_text(json.dumps(classroom.solved()))
    os.environ["OMP_NUM_THREADS"] = "1"
    workers = session.Workers(jobs=2, sandbox=level)
    return session.GradingOptions(
        handed_in, "90_test", tmp_path / "out", source, limits=LIMITS, workers=workers
    )


@pytest.mark.slow
def test_a_session_reports_each_file_and_gives_the_gradebook(options, level):
    events = []
    summary = session.grade(options, track=events.append)
    assert events[0] == session.Preparing("90_test", 2)
    assert events[1] == session.Started("90_test", 2, level, 2, [])
    assert sorted(event.result.student for event in events[2:]) == ["ada", "bo"]
    assert [(row.result.student, row.score) for row in summary.rows] == [("ada", 8), ("bo", 8)]
    assert (summary.files, summary.graded, summary.regraded, summary.by_hand) == (2, 2, 0, 2)
    assert summary.complete
    for name in ("grades.csv", "nbgrader.csv", "manual.csv", "report.html"):
        assert (options.out / name).exists(), name
    events.clear()
    again = session.grade(options, track=events.append)
    assert (events, again.graded, len(again.rows), again.notes) == ([], 0, 2, [])
    (options.out.parent / "late.yaml").write_text(
        "deadline: 2099-03-01T00:00Z\nextensions: {Bo: 2099-03-02T00:00Z}"
    )
    manual = options.out / "manual.csv"
    manual.write_text(
        manual.read_text(encoding="utf-8-sig").replace("ada.ipynb,ada,why,5,", "eda.ipynb,ada,why,5,3")
    )
    mistaken = session.grade(session.replace(options, late=options.out.parent / "late.yaml"))
    assert [note.partition(": ")[2] for note in mistaken.notes] == [
        "these 3 points do not count, since no answer to 'why' in 'eda.ipynb' is marked by hand: "
        "correct the names, or delete the line",
        "extensions names Bo, who has handed in nothing: did you mean bo?",
    ]


@pytest.mark.slow
def test_text_that_is_not_utf_8_stops_nobody_and_results_in_the_class_s_folder_are_not_a_student(options):
    folder = options.submissions
    (folder / "bo.ipynb").rename(folder / os.fsdecode(b"J\xe9.ipynb"))
    eve = classroom.solved()
    classroom.find(eve, "double").source = "def double(x):\n    raise ValueError('\\udc80')"
    (folder / "eve.ipynb").write_text(json.dumps(eve))
    inside, right = session.replace(options, out=folder / "results"), sum(classroom.FULL.values())
    for again in range(2):
        summary = session.grade(inside)
        found = {row.result.student: (row.result.status, row.raw) for row in summary.rows}
        assert found == {"Jé": ("graded", right), "ada": ("graded", right), "eve": ("graded", right - 2)}
        assert (summary.files, summary.graded) == (3, 0 if again else 3)
    assert "Jé" in (inside.out / "grades.csv").read_text(encoding="utf-8-sig")
    pages = [path.read_text(encoding="utf-8") for path in (inside.out / "feedback").glob("*.html")]
    assert sum("\\udc80" in page for page in pages) == 1


@pytest.mark.slow
def test_the_tables_are_there_before_mlflow_is_asked_and_stay_when_it_fails(options, monkeypatch, tmp_path):
    canvas = tmp_path / "canvas.csv"
    canvas.write_text("Student,ID,SIS Login ID,90_test (1)\nPoints Possible,,,8\nada,1,ada,\nbo,2,bo,\n")

    def away(uri, rows, assignment, report):
        assert report.exists()
        assert (options.out / "canvas.csv").exists()
        raise session.UserError(f"no MLflow answers at {uri}")

    monkeypatch.setattr(session.tracked, "log", away)
    exports = session.Exports(canvas=canvas, mlflow="http://host")
    summary = session.grade(session.replace(options, exports=exports))
    assert summary.untracked == "no MLflow answers at http://host"
    assert len(summary.filled) == 1


@pytest.mark.slow
def test_grading_again_names_the_marks_that_changed(options):
    session.grade(options)
    notebook = classroom.source()
    classroom.find(notebook, "double-marks").source += "\n1"  # of 2 points
    (options.source / "90_test.ipynb").write_text(json.dumps(notebook))
    with pytest.raises(session.UserError, match="its own solution gets 1 of 2 points"):
        session.grade(options)
    classroom.find(notebook, "double-marks").source += " + 1"
    for path in (options.out / "marks").glob("*.json"):
        text = path.read_text().replace('"points": 2', '"points": 1')
        path.write_text(text)
    (options.source / "90_test.ipynb").write_text(json.dumps(notebook))
    summary = session.grade(options)
    assert summary.regraded == 2
    assert summary.changes == [session.Change(name, "double", 1, 2, 2) for name in ("ada", "bo")]


@pytest.mark.slow
def test_one_shard_writes_no_tables(options):
    part = session.Selection(shard=(1, 2))
    summary = session.grade(session.replace(options, selection=part))
    assert summary.rows == []
    assert not (options.out / "grades.csv").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"submissions": None},
            "what was handed in is missing: give its folder, as in pixel-edu grade submissions",
        ),
        ({"assignment": ""}, "assignment is missing: give a name such as 05_training"),
        ({"selection": session.Selection(students=("zoe",))}, "student zoe: no student of that name"),
        ({"selection": session.Selection(exercises=("x",))}, "exercise x: no exercise of that name"),
        ({"workers": session.Workers(sandbox="sand")}, "sandbox sand: use auto, bubblewrap"),
        (
            {"exports": session.Exports(column="Grade")},
            "column Grade: give the table with it too, by --canvas",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options, change, says):
    with pytest.raises(session.UserError, match=says):
        session.grade(session.replace(options, **change))


def test_a_table_that_cannot_be_filled_is_said_before_anything_runs(options):
    template = options.out.parent / "canvas.csv"
    template.write_text("Student;ID;Essay (7)\n")
    events = []
    with pytest.raises(
        session.UserError, match="unclear which column is for 90_test: name it with --column, one of Essay"
    ):
        session.grade(session.replace(options, exports=session.Exports(canvas=template)), track=events.append)
    assert events == []
