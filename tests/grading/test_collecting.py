"""Who handed in what, whatever stands in the folder."""

import json
import os
import pickle
import random
import re
import shutil
import socket
import tempfile
import time
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from typer.testing import CliRunner

from pixel_edu.cli import app
from pixel_edu.config import UserError
from pixel_edu.grading import archives
from pixel_edu.grading.merge import merge
from pixel_edu.grading.names import legible, name_key
from pixel_edu.grading.results import gradebook, pages
from pixel_edu.grading.results.late import Policy
from pixel_edu.grading.results.store import Result, Store
from pixel_edu.grading.submissions import collect, find
from tests.grading import classroom


def put(folder, *names, content="{}"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def students(folder):
    return [(each.student, each.number) for each in find(folder)]


def test_the_name_of_a_copy_is_the_students_where_that_is_clear(tmp_path):
    put(
        tmp_path,
        "ada (1).ipynb",
        "bo-Copy1.ipynb",
        "Copy of cy.ipynb",
        "dee - Kopie.ipynb",
        "Copy Smith.ipynb",
    )
    found = {each.student: each.notes for each in find(tmp_path)}
    assert list(found) == ["Copy Smith", "ada", "bo", "cy", "dee"]
    assert found["ada"] == ("the student's name is that of 'ada (1)' without what a program adds to a copy",)
    assert found["Copy Smith"] == ()


def test_a_copy_of_a_copy_and_a_suffix_in_capitals_are_the_students(tmp_path):
    put(tmp_path, "dee (1) (2).ipynb", "Copy of Kopie von bo.ipynb", "eve.IPYNB.zip")
    assert [each.student for each in find(tmp_path)] == ["bo", "dee", "eve"]


def test_copies_of_one_name_stay_apart_since_they_may_be_of_several_students(tmp_path):
    put(tmp_path, "ada.ipynb", "ada (1).ipynb", "hw (1).ipynb", "hw (2).ipynb", "Eve (3)/hw.ipynb")
    found = {each.student: each.notes for each in find(tmp_path)}
    assert set(found) == {"ada", "ada (1)", "hw (1)", "hw (2)", "Eve (3)"}
    (note,) = found["ada (1)"]
    assert note == "it may be a copy of ada's: if so, put both into a folder 'ada'"
    assert found["Eve (3)"] == found["ada"] == ()
    assert sorted(name for name, notes in found.items() if notes) == ["ada (1)", "hw (1)", "hw (2)"]


def test_equal_names_are_equal_however_they_are_encoded():
    assert name_key("Jose\u0301") == name_key(" Jos\u00e9 ")
    assert name_key("Ada  B") == name_key("Ada B") != name_key("ada b")


def test_a_name_that_is_not_utf_8_is_legible(tmp_path):
    (tmp_path / os.fsdecode(b"J\xe9.ipynb")).write_text("{}")
    (found,) = find(tmp_path)
    assert (found.student, found.file, len(found.key)) == ("Jé", "Jé.ipynb", 16)
    assert legible("Zoë.ipynb") == "Zoë.ipynb"


def test_a_lone_surrogate_in_a_result_is_escaped(tmp_path):
    store = Store(tmp_path)
    store.save(Result("0" * 16, "a.ipynb", "a", "", "", reason="ValueError: \udc80"), '["\udc80"]')
    result = store.load("0" * 16)
    assert result is not None
    assert result.reason == "ValueError: \\udc80"
    assert (tmp_path / "executed" / f"{'0' * 16}.ipynb").read_text() == '["\\\\udc80"]'


def test_what_is_not_a_file_is_one_row_with_the_reason(tmp_path):
    put(tmp_path, "ada.ipynb", "bo/hw.ipynb")
    (tmp_path / "dangling.ipynb").symlink_to("nowhere")
    (tmp_path / "eve").mkdir()
    (tmp_path / "eve" / "hw.ipynb").symlink_to("../bo/hw.ipynb")
    (tmp_path / "folder").symlink_to("bo")
    os.mkfifo(tmp_path / "pipe.ipynb")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "s.ipynb"))
    found = {each.student: (each.read(), each.problem) for each in find(tmp_path)}
    outside = "it is a link to something outside the student's own folder: hand in the file itself"
    assert found == {
        "ada": (b"{}", ""),
        "bo": (b"{}", ""),
        "dangling": (b"", "it is a link that leads nowhere: hand in the file itself"),
        "eve": (b"", outside),
        "folder": (b"", outside),
        "pipe": (b"", "it is not a file but a pipe"),
        "s": (b"", "it is not a file but a socket"),
    }


def test_a_link_inside_the_students_own_folder_is_followed(tmp_path):
    put(tmp_path, "ada/versions/2.txt", content="mine")
    (tmp_path / "ada" / "hw.ipynb").symlink_to("versions/2.txt")
    (found,) = find(tmp_path)
    assert (found.student, found.read(), found.problem) == ("ada", b"mine", "")


def test_a_file_that_may_not_be_read_is_a_row(tmp_path, monkeypatch):
    put(tmp_path, "ada.ipynb", "bo.ipynb")
    opened = type(tmp_path).open

    def refuse(path, mode):
        if path.name == "ada.ipynb":
            raise PermissionError(13, "Permission denied")
        return opened(path, mode)

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    assert [each.problem for each in find(tmp_path)] == ["it cannot be read: Permission denied", ""]


def test_a_file_of_40_gib_is_not_read(tmp_path):
    put(tmp_path, "big.ipynb")
    os.truncate(tmp_path / "big.ipynb", 40 << 30)
    (found,) = find(tmp_path)
    assert (found.read(), found.problem) == (
        b"",
        "it is 40960 MiB large, more than 256 MiB: clear the outputs",
    )


def test_memory_does_not_grow_with_the_class(tmp_path):
    for i in range(20):
        put(tmp_path, f"s{i}.ipynb")
        os.truncate(tmp_path / f"s{i}.ipynb", 4 << 20)
    tracemalloc.start()
    try:
        found = find(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len({each.key for each in found}) == 20
    assert peak < 8 << 20
    assert sum(len(pickle.dumps(each)) for each in found) < 1 << 16


def test_results_and_the_instructors_files_are_not_students(tmp_path):
    put(tmp_path, "ada.ipynb", "late.yaml", "README.md", "manual.csv", ".DS_Store", "@eaDir/ada.ipynb")
    put(tmp_path, "results/executed/0123456789abcdef.ipynb", "results/marks/0123456789abcdef.json")
    assert students(tmp_path) == [("ada", "")]


def test_names_that_look_like_canvas_by_chance_are_taken_whole(tmp_path):
    put(tmp_path, "hw_3_2_ada.ipynb", "hw_3_2_bo.ipynb")
    assert students(tmp_path) == [("hw_3_2_ada", ""), ("hw_3_2_bo", "")]
    put(tmp_path / "other", "hw_3_1_ada.ipynb", "hw_3_2_bo.ipynb")
    assert students(tmp_path / "other") == [("hw_3_1_ada", ""), ("hw_3_2_bo", "")]
    put(tmp_path / "folders", "hw_3_1_ada/hw.ipynb", "hw_3_2_bo/hw.ipynb")
    assert students(tmp_path / "folders") == [("hw_3_1_ada", ""), ("hw_3_2_bo", "")]
    put(tmp_path / "one", "hw_3_2_ada/hw.ipynb", "bo/hw.ipynb", "cy/hw.ipynb")
    assert students(tmp_path / "one") == [("bo", ""), ("cy", ""), ("hw_3_2_ada", "")]


def test_a_notebook_whose_name_begins_with_a_dot_was_handed_in(tmp_path):
    put(tmp_path, ".. x.ipynb", "...ada.zip", ".ipynb", "bo/.hw.ipynb", "bo/.ipynb_checkpoints/hw.ipynb")
    put(tmp_path, "._bo.ipynb", ".~bo.ipynb", ".#bo.ipynb", ".DS_Store", ".ipynb_checkpoints/bo.ipynb")
    found = {each.student: (each.file, each.problem) for each in find(tmp_path)}
    damaged = "it cannot be read: its zip archive is damaged (File is not a zip file)"
    assert found == {
        ".. x": (".. x.ipynb", ""),
        "...ada": ("...ada.zip", damaged),
        ".ipynb": (".ipynb", ""),
        "bo": ("bo/.hw.ipynb", ""),
    }
    names = {f"S/{path.name}": "{}" for path in tmp_path.iterdir() if path.suffix == ".ipynb"}
    assert [name for name, _ in students(zipped(tmp_path / "S.zip", names | {"S/b.ipynb": "{}"}))] == [
        ".. x",
        "b",
    ]


def test_two_students_of_one_name_are_two_by_number(tmp_path):
    put(tmp_path, "zhangwei_111_9001_x.ipynb", "zhangwei_222_9002_x.ipynb")
    assert students(tmp_path) == [("zhangwei", "111"), ("zhangwei", "222")]


def test_moodles_flat_files_have_a_number_and_its_texts_are_not_a_second_student(tmp_path):
    put(tmp_path, "Ada B_12_assignsubmission_file_hw.ipynb")
    put(tmp_path, "Ada B_12_assignsubmission_onlinetext_/onlinetext.html")
    put(tmp_path, "Bo C_13_assignsubmission_onlinetext_/onlinetext.html")
    assert students(tmp_path) == [("Ada B", "12"), ("Bo C", "13")]


def test_list_shows_whose_files_would_be_graded_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "in", "Ada B_12_assignsubmission_file_hw.ipynb", "[b]o.ipynb", "deadline.txt")
    os.mkfifo(tmp_path / "in" / "pipe.ipynb")
    os.utime(tmp_path / "in" / "[b]o.ipynb", (0, 0))
    source = str(Path(__file__).parents[2] / "solutions")
    result = CliRunner().invoke(app, ["grade", "in", "-a", "02_noise", "--source", source, "--list"])
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[1][:3] == ["Ada", "B", "12"]
    assert lines[2][:8] == "[b]o 1970-01-01 00:00 the file's own time [b]o.ipynb".split()
    assert "it is not a notebook: it has no cells" in " ".join(lines[2])
    assert " ".join(lines[3]).endswith("it is not a file but a pipe")
    assert " ".join(lines[4]).startswith("3 students; names: 2 plain, 1 moodle")
    assert not (tmp_path / "results").exists()
    result = CliRunner().invoke(app, ["grade", "in", "-a", "77_x", "--source", source, "--list"])
    assert "there is no assignment '77_x'; there are 01_pixels" in str(result.exception)


def written(folder, name, notebook, hours=0.0):
    put(folder, name, content=json.dumps(notebook))
    os.utime(folder / name, (1.7e9 + 3600 * hours,) * 2)


def scratch():
    return new_notebook(cells=[new_code_cell("1 + 1")])


def zipped(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def the_only(folder, **options):
    (found,) = find(folder, classroom.ASSIGNMENT, **options)
    return found


def test_a_notebook_without_the_assignments_cells_does_not_count(tmp_path):
    written(tmp_path, "ada/hw.ipynb", classroom.solved())
    written(tmp_path, "ada/scratch.ipynb", scratch(), hours=5)
    found = the_only(tmp_path)
    assert (found.file, found.problem) == ("ada/hw.ipynb", "")
    assert found.notes == ("hw.ipynb counts; not scratch.ipynb (nothing of 90_test)",)


def test_a_notebook_of_something_else_by_itself_gets_a_reason_and_no_zero(tmp_path):
    chapter = json.loads((Path(__file__).parents[2] / "chapters" / "02_noise.ipynb").read_text())
    written(tmp_path, "ada.ipynb", chapter)
    written(tmp_path, "bo.ipynb", scratch())
    other = "none of its cells is an answer of 90_test: is it another notebook?"
    assert [each.fault(classroom.ASSIGNMENT) for each in find(tmp_path)] == [other, other]


def test_55_mb_of_outputs_and_of_widgets_are_not_needed(tmp_path):
    notebook = classroom.solved()
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "A" * (55 << 20)}}
    notebook.cells[0].outputs = [picture]
    notebook.metadata.widgets = {"state": {"a": "B" * (55 << 20)}}
    written(tmp_path, "ada.ipynb", notebook)
    (found,) = find(tmp_path)
    assert (found.problem, found.fault(classroom.ASSIGNMENT)) == ("", "")
    clean = merge(json.dumps(classroom.solved()).encode(), classroom.ASSIGNMENT)
    assert merge(found.read(), classroom.ASSIGNMENT).answers == clean.answers


def test_an_answer_beats_an_untouched_newer_copy_and_the_newest_answer_counts(tmp_path):
    written(tmp_path, "ada/a.ipynb", classroom.solved())
    written(tmp_path, "ada/b.ipynb", classroom.ASSIGNMENT.hand_out, hours=5)
    assert the_only(tmp_path).notes == ("a.ipynb counts; not b.ipynb (as it was handed out)",)
    written(tmp_path, "ada/deep/c.ipynb", classroom.solved(), hours=9)
    put(tmp_path, "ada/broken.ipynb", content="{")
    (note,) = the_only(tmp_path).notes
    reason = "it is not a notebook: its content is not JSON, and is cut off in the middle: "
    reason += "save the notebook and hand it in again"
    assert note == (
        f"deep/c.ipynb counts; not broken.ipynb ({reason}), b.ipynb (as it was handed out), a.ipynb (older)"
    )


def test_several_notebooks_without_one_of_the_assignment_are_one_row_that_says_so(tmp_path):
    written(tmp_path, "ada/a.ipynb", scratch())
    written(tmp_path, "ada/b.ipynb", scratch())
    found = the_only(tmp_path)
    assert found.problem == (
        "none of its 2 files is of 90_test: b.ipynb (nothing of 90_test), a.ipynb (nothing of 90_test)"
    )


def test_a_students_own_file_name_never_makes_it_anothers(tmp_path):
    put(tmp_path, "Ada B_12_assignsubmission_file_hw.ipynb")
    put(tmp_path, "Eve_13_assignsubmission_file_Ada B_12_assignsubmission_file_hw.ipynb")
    assert students(tmp_path) == [("Ada B", "12"), ("Eve", "13")]
    time = "attempt_2024-01-31-12-00-00"
    put(tmp_path / "blackboard", f"HW_ada_{time}_hw.ipynb", f"HW_eve_{time}_HW_ada_{time}_hw.ipynb")
    assert students(tmp_path / "blackboard") == [("ada", ""), ("eve", "")]
    put(tmp_path / "canvas", "ada_1_901_hw.ipynb", "eve_2_902_ada_1_901_hw.ipynb")
    assert students(tmp_path / "canvas") == [("ada", "1"), ("eve", "2")]
    when = "Jan 31, 2024 110 PM"
    put(
        tmp_path / "d2l",
        f"1-9 - Ada - {when} - hw.ipynb",
        f"2-9 - Eve - {when} - 1-9 - Ada - {when} - hw.ipynb",
    )
    assert students(tmp_path / "d2l") == [("Ada", "1"), ("Eve", "2")]


def test_a_folder_that_may_not_be_opened_is_a_row():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    put(folder, "ada/hw.ipynb", "bo/hw.ipynb", "cy/deep/hw.ipynb")
    (folder / "ada").chmod(0)
    (folder / "cy" / "deep").chmod(0)
    me = os.geteuid()
    try:
        if me == 0:
            os.seteuid(65534)
        found = [(each.student, each.file, each.problem) for each in find(folder)]
        with pytest.raises(UserError, match="ada: Permission denied: give the folder"):
            find(folder / "ada")
    finally:
        os.seteuid(me)
        for path in (folder / "ada", folder / "cy" / "deep"):
            path.chmod(0o700)
        shutil.rmtree(folder)
    closed = "it cannot be read: Permission denied"
    assert found == [("ada", "ada", closed), ("bo", "bo/hw.ipynb", ""), ("cy", "cy/deep", closed)]


def test_the_files_of_one_canvas_student_are_one_row(tmp_path):
    written(tmp_path, "lovelaceada_11_901_hw.ipynb", classroom.solved())
    written(tmp_path, "lovelaceada_11_902_scratch.ipynb", scratch(), hours=1)
    written(tmp_path, "van_dykebo_LATE_12_903_hw.ipynb", classroom.solved())
    put(tmp_path, "curiecy_13_text.html")
    ada, bo, cy = sorted(find(tmp_path, classroom.ASSIGNMENT), key=lambda each: each.number)
    assert (ada.student, ada.number, ada.file) == ("lovelaceada", "11", "lovelaceada_11_901_hw.ipynb")
    assert (bo.student, bo.number, bo.notes) == ("van_dykebo", "12", ("Canvas calls it late",))
    assert (cy.student, cy.number) == ("curiecy", "13")


def test_nbgraders_tree_has_times_and_only_the_asked_assignment_counts(tmp_path):
    for name, stamp in (("ada", "2024-01-31 12:00:00.123456 UTC"), ("bo", "2024-01-31 12:00:00 +0100")):
        written(tmp_path, f"{name}/90_test/90_test.ipynb", classroom.solved())
        written(tmp_path, f"{name}/91_other/90_test.ipynb", classroom.solved(), hours=99)
        put(tmp_path, f"{name}/90_test/timestamp.txt", content=stamp)
        put(tmp_path, f"{name}/91_other/timestamp.txt", content="2025-01-31 12:00:00.123456 UTC")
    put(tmp_path, "cy/90_test/90_test.ipynb")
    put(tmp_path, "cy/90_test/timestamp.txt", content="now")
    ada, bo, cy = find(tmp_path, classroom.ASSIGNMENT)
    assert (ada.file, ada.time) == ("ada/90_test/90_test.ipynb", "2024-01-31T12:00:00+00:00")
    assert (ada.time_from, ada.notes) == ("timestamp.txt", ())
    assert bo.time == "2024-01-31T11:00:00+00:00"
    assert (cy.time_from, cy.notes) == (
        "the file's own time",
        ("its timestamp.txt is not understood: 'now'",),
    )


def test_in_nbgraders_tree_a_notebook_of_another_assignment_does_not_count(tmp_path):
    for folder, day in (("ps1", "01"), ("ps2", "02")):
        put(tmp_path, f"ada/{folder}/timestamp.txt", content=f"2025-01-{day} 12:00:00 UTC")
        put(tmp_path, f"ada/{folder}/problem1.ipynb", content=json.dumps(classroom.solved()))
    what = replace(classroom.ASSIGNMENT, name="problem1", folder="ps1")
    (ada,) = find(tmp_path, what)
    assert (ada.file, ada.time) == ("ada/ps1/problem1.ipynb", "2025-01-01T12:00:00+00:00")


def test_nbgraders_exchange_has_a_folder_for_each_attempt(tmp_path):
    written(tmp_path, "a+b+90_test+2024-01-31 12:00:00.5 UTC/90_test.ipynb", classroom.solved(), hours=9)
    written(tmp_path, "a+b+90_test+2024-02-01 12:00:00.5 UTC+x1/90_test.ipynb", classroom.solved())
    written(tmp_path, "a+b+91_other+2024-03-01 12:00:00.5 UTC/91_other.ipynb", scratch())
    written(tmp_path, "bo+91_other+2024-03-01 12:00:00.5 UTC/91_other.ipynb", scratch())
    ada, bo = find(tmp_path, classroom.ASSIGNMENT)
    assert (ada.student, ada.time) == ("a+b", "2024-02-01T12:00:00+00:00")
    assert (bo.student, bo.problem) == ("bo", "there is nothing for 90_test in it, only for 91_other")


@pytest.fixture
def in_berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_blackboards_names_have_a_user_and_a_time(tmp_path, in_berlin):
    title = "HW 2_a_ada_attempt_2024-01-31-12-00-00"
    put(tmp_path, f"{title}_hw.ipynb", f"{title}.txt", "HW 2_a_bo_attempt_2024-07-01-12-00-00_hw.ipynb")
    put(
        tmp_path,
        "HW 2_a_ada_attempt_2024-02-01-12-00-00_hw.ipynb",
        "HW 2_b_ada_attempt_2024-02-01-12-00-00_x.ipynb",
    )
    found = find(tmp_path)
    assert [each.student for each in found] == ["a_ada", "a_bo", "b_ada"]
    assert [each.time for each in found[:2]] == ["2024-02-01T11:00:00+00:00", "2024-07-01T10:00:00+00:00"]
    assert found[1].notes == ("Blackboard's time, taken as this machine's time zone",)


def test_brightspaces_folders_and_files_have_a_number_and_a_time(tmp_path, in_berlin):
    put(tmp_path, "123-456 - Ada Lovelace - Jan 31, 2024 1200 PM/hw.ipynb", "index.html")
    put(tmp_path, "123-456 - Ada Lovelace - Feb 1, 2024 110 AM/hw.ipynb")
    put(tmp_path, "124-456 - Jean-Luc Bo - Jan 31, 2024 1200 AM - hw.ipynb")
    put(tmp_path, "125-456 - Cy - 31 janvier 2024 12 h 00 - hw.ipynb")
    ada, cy, bo = find(tmp_path)
    assert (ada.student, ada.number, ada.time) == ("Ada Lovelace", "123", "2024-02-01T00:10:00+00:00")
    assert (bo.student, bo.number, bo.time) == ("Jean-Luc Bo", "124", "2024-01-30T23:00:00+00:00")
    assert (cy.student, cy.number, cy.time_from) == ("Cy", "125", "the file's own time")
    assert cy.notes == ("its time '31 janvier 2024 12 h 00' is not understood",)


def test_the_repositories_of_github_classroom_are_named_by_their_users(tmp_path):
    for name in ("hw-1-ada", "hw-1-ada-l", "hw-1-adb"):
        put(tmp_path / "x", f"{name}/hw.ipynb", f"{name}/.git/HEAD", f"{name}/.git/x.ipynb")
    assert students(tmp_path / "x") == [("ada", ""), ("ada-l", ""), ("adb", "")]
    put(tmp_path / "hw-1-submissions", "hw-1-a-b/hw.ipynb", "hw-1-a-c/hw.ipynb")
    found = find(tmp_path / "hw-1-submissions", layout="github")
    assert [each.student for each in found] == ["a-b", "a-c"]
    assert found[0].notes == ("the student's name is that of the repository without 'hw-1-'",)
    assert students(tmp_path / "hw-1-submissions") == [("hw-1-a-b", ""), ("hw-1-a-c", "")]


def test_a_title_after_the_name_is_not_the_students(tmp_path):
    put(tmp_path, "Ada Lovelace - 90_test.ipynb", "Bo - 90_test (1).ipynb", "cy.ipynb")
    assert students(tmp_path) == [("Ada Lovelace", ""), ("Bo", ""), ("cy", "")]
    put(tmp_path / "own", "Ada - one.ipynb", "Bo - two.ipynb")
    assert students(tmp_path / "own") == [("Ada - one", ""), ("Bo - two", "")]
    found = find(tmp_path / "own", layout="classroom")
    assert [each.student for each in found] == ["Ada", "Bo"]


def test_a_layout_can_be_asked_for(tmp_path):
    put(tmp_path, "hw_3_2_ada.ipynb", "hw_3_2_bo.ipynb", "cy.ipynb")
    found = find(tmp_path, layout="canvas")
    assert [(each.student, each.number) for each in found] == [("cy", ""), ("hw", "3")]
    assert found[0].notes == ("its name is not in the form of canvas: taken whole",)
    put(tmp_path / "moodle", "Ada B_12_assignsubmission_file_hw.ipynb")
    assert students(tmp_path / "moodle") == [("Ada B", "12")]
    (found,) = find(tmp_path / "moodle", layout="plain")
    assert found.student == "Ada B_12_assignsubmission_file_hw"
    with pytest.raises(UserError, match="layout x: use one of plain, moodle, canvas"):
        find(tmp_path, layout="x")


def test_archives_of_a_class_of_a_student_and_in_a_folder_are_read(tmp_path):
    solved = json.dumps(classroom.solved())
    zipped(tmp_path / "in" / "ada.zip", {"hw.ipynb": solved, "__MACOSX/._hw.ipynb": "x"})
    zipped(
        tmp_path / "in" / "bo" / "hw.zip", {"deep\\hw.ipynb": solved, "scratch.ipynb": json.dumps(scratch())}
    )
    inner = zipped(tmp_path / "inner.zip", {"hw.ipynb": solved}).read_bytes()
    zipped(tmp_path / "in" / "cy.zip", {"inner.zip": inner})
    files = ["ada.zip/hw.ipynb", "bo/hw.zip/deep/hw.ipynb", "cy.zip/inner.zip/hw.ipynb"]
    names = {
        f"in/{path.relative_to(tmp_path / 'in')}": path.read_bytes()
        for path in (tmp_path / "in").rglob("*.zip")
    }
    for folder in (tmp_path / "in", zipped(tmp_path / "submissions.zip", names)):
        found = find(folder, classroom.ASSIGNMENT)
        assert [(each.student, each.file, each.problem) for each in found] == [
            (name, file, "") for name, file in zip(["ada", "bo", "cy"], files, strict=True)
        ]
        assert {each.read().decode() for each in found} == {solved}
        assert pickle.loads(pickle.dumps(found[2])).key == found[2].key


def test_canvas_and_moodle_pack_a_class_with_an_archive_for_each_student(tmp_path):
    hw = zipped(tmp_path / "hw.zip", {"hw.ipynb": "{}"}).read_bytes()
    canvas = {f"zhangwei_{id}_900{id}_hw.zip": hw for id in (1, 2)}
    assert students(zipped(tmp_path / "canvas.zip", canvas)) == [("zhangwei", "1"), ("zhangwei", "2")]
    (tmp_path / "hw.zip").unlink()
    (tmp_path / "canvas.zip").rename(tmp_path / "hw1 submissions.zip")
    assert students(tmp_path) == [("zhangwei", "1"), ("zhangwei", "2")]
    moodle = {f"Ada B_1{id}_assignsubmission_file_/hw.zip": hw for id in (1, 2)}
    assert students(zipped(tmp_path / "moodle.zip", moodle)) == [("Ada B", "11"), ("Ada B", "12")]


def test_a_folder_around_everything_in_an_archive_is_not_a_student(tmp_path):
    files = {"hw2/ada.ipynb": "{}", "hw2/bo/hw.ipynb": "{}", "__MACOSX/hw2/._ada.ipynb": ""}
    assert students(zipped(tmp_path / "hw2.zip", files)) == [("ada", ""), ("bo", "")]
    found = find(zipped(tmp_path / "export.zip", files))
    assert [each.student for each in found] == ["ada", "bo"]
    assert found[0].notes[0] == "the folder 'hw2' around all files was not taken for a student's"
    moodle = {f"Ada B_11_assignsubmission_file_/{name}.ipynb": "{}" for name in "ab"}
    assert students(zipped(tmp_path / "moodle.zip", moodle)) == [("Ada B", "11")]


def test_what_is_wrong_with_an_archive_is_one_row(tmp_path):
    zipped(tmp_path / "out.zip", {"../../x.ipynb": "{}"})
    zipped(tmp_path / "root.zip", {"/etc/x.ipynb": "{}"})
    zipped(tmp_path / "empty.zip", {})
    put(tmp_path, "broken.zip", content="PK")
    link = zipfile.ZipInfo("hw.ipynb")
    link.external_attr = 0o120777 << 16
    zipped(tmp_path / "link.zip", {link: "/etc/passwd"})
    secret = zipped(tmp_path / "secret.zip", {"hw.ipynb": "{}"})
    content = bytearray(secret.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    secret.write_bytes(content)
    damaged = zipped(tmp_path / "damaged.zip", {"hw.ipynb": "{}" * 50})
    damaged.write_bytes(damaged.read_bytes().replace(b"{}{}", b"{}[]", 1))
    quine = b"{}"
    for _ in range(4):
        quine = zipped(tmp_path / "quine.zip", {"x.zip": quine}).read_bytes()
    put(tmp_path, "zoe.ipynb")
    found = {each.student: each.problem for each in find(tmp_path)}
    outside = "its name leads out of its zip archive: zip the file itself"
    assert found == {
        "broken": "it cannot be read: its zip archive is damaged (File is not a zip file)",
        "damaged": "it cannot be read: its zip archive is damaged (Bad CRC-32 for file 'hw.ipynb')",
        "empty": "its zip archive is empty",
        "link": "it is a link in a zip archive: zip the file itself",
        "out": outside,
        "quine": "it is a zip archive, more than 2 archives deep",
        "root": outside,
        "secret": "it is encrypted: hand it in without a password",
        "zoe": "",
    }


def test_an_archive_that_grows_without_limit_is_not_unpacked(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hw.ipynb", bytes(60 << 20))
    monkeypatch.setattr(archives, "MEMBERS", 50)
    monkeypatch.setattr(archives, "LARGEST", 50 << 20)
    zipped(tmp_path / "many.zip", {f"{i}.ipynb": "{}" for i in range(60)})
    tracemalloc.start()
    try:
        bomb, many = find(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bomb.problem == "it is 60 MiB large, more than 50 MiB: clear the outputs"
    assert many.problem == "it cannot be read: its zip archive has more than 50 files"
    assert peak < 8 << 20
    monkeypatch.setattr(archives, "TOTAL", 1 << 20)
    bomb, _ = find(tmp_path)
    assert bomb.problem == "it cannot be read: its zip archive unpacks to 60 MiB, more than 1 MiB"


def test_a_name_that_would_steer_a_terminal_is_shown_by_its_escapes(tmp_path):
    put(tmp_path, "ada\nbo.ipynb", "ada bo.ipynb", "\x1b[31mcy.ipynb", "\u202ede.ipynb")
    names = ["\\u202ede", "\\x1b[31mcy", "ada bo", "ada\\nbo"]
    assert [each.student for each in find(tmp_path)] == names
    packed = zipped(tmp_path / "S.zip", {"a\nb.ipynb": "{}", "c\x1b.ipynb": "{}"})
    assert [each.file for each in find(packed)] == ["a\\nb.ipynb", "c\\x1b.ipynb"]


def test_a_folder_of_a_section_is_told_from_that_of_a_student_with_several_drafts(tmp_path):
    written(tmp_path, "section 1/ada.ipynb", classroom.solved())
    written(tmp_path, "section 1/bo.ipynb", classroom.solved(), hours=1)
    assert the_only(tmp_path).notes == (
        "bo.ipynb counts; not ada.ipynb (older)",
        "if these are of several students, grade the folder section 1 by itself",
    )
    for name in ("hw draft", "hw final", "hw final (1)", "2"):
        written(tmp_path / "other", f"cy/{name}.ipynb", classroom.solved())
    assert len(the_only(tmp_path / "other").notes) == 1


def test_a_file_that_is_named_as_the_assignment_is_told_since_it_may_be_the_solution(tmp_path):
    written(tmp_path, "90_test.ipynb", classroom.solved())
    assert the_only(tmp_path).notes == ()
    written(tmp_path, "ada.ipynb", classroom.solved())
    found = {each.student: each.notes for each in find(tmp_path, classroom.ASSIGNMENT)}
    told = "it is named as the assignment: it may be the hand-out or the solution"
    assert found == {"90_test": (told,), "ada": ()}


def test_names_in_an_archive_are_legible(tmp_path):
    for name, student in (("J\u00e9", "Jé"), ("\u5f20\u4f1f", "张伟")):
        path = zipped(tmp_path / "c.zip", {f"{name}.ipynb": "{}"})
        content = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):  # without the flag that says UTF-8
            content[content.index(signature) + offset] &= ~8
        path.write_bytes(content)
        assert students(path) == [(student, "")]
        path.write_bytes(bytes(content).replace("J\u00e9".encode(), "Jé".encode("cp437") + b"x"))
        if student == "Jé":
            (found,) = find(path)
            assert found.student == "Jéx"
            assert found.notes[0] == "its zip archive does not say how names are encoded: read as cp437"


def test_an_archive_that_cannot_be_read_is_one_sentence(tmp_path):
    put(tmp_path, "class.zip", content="no zip")
    with pytest.raises(
        UserError, match=r"class.zip: its zip archive is damaged \(File is not a zip file\): give"
    ):
        find(tmp_path / "class.zip")


@pytest.mark.parametrize("packed", [False, True])
def test_notes_of_the_instructor_are_passed_over_and_named(packed, tmp_path):
    put(tmp_path / "S", "ada.ipynb", "Notes.txt", "README.md", "late.yaml")
    folder = (
        Path(shutil.make_archive(str(tmp_path / "S"), "zip", tmp_path / "S")) if packed else tmp_path / "S"
    )
    found = collect(folder)
    assert [each.student for each in found.submissions] == ["ada"]
    assert [each.partition(":")[0] for each in found.passed_over] == ["Notes.txt", "README.md", "late.yaml"]


def test_a_notebook_by_itself_is_a_class_of_one(tmp_path):
    put(tmp_path, "ada.ipynb", "bo.ipynb")
    assert students(tmp_path / "ada.ipynb") == [("ada", "")]


def test_only_results_that_this_program_wrote_are_passed_over(tmp_path):
    put(tmp_path, "eve/marks/0123456789abcdef.json", "eve/executed/0123456789abcdef.ipynb", "eve/hw.ipynb")
    Store(tmp_path / "older")
    put(tmp_path, "oldest/marks/0123456789abcdef.json", "oldest/executed/0123456789abcdef.ipynb")
    found = collect(tmp_path)
    assert [each.student for each in found.submissions] == ["eve"]
    why = "results of an earlier grading"
    assert found.passed_over == [f"older: {why}", f"oldest: {why}"]


def test_tables_beside_the_files_handed_in_are_not_students(tmp_path):
    put(tmp_path, "ada.ipynb", "gradebook.csv", "deadlines.yml", "bo.ipynb:Zone.Identifier", "ada.ipynb~")
    put(tmp_path, "Bo C_13_assignsubmission_file_data.csv")
    found = collect(tmp_path)
    assert [each.student for each in found.submissions] == ["Bo C", "ada"]
    why = "a table or settings, not a hand-in"
    assert found.passed_over == [f"deadlines.yml: {why}", f"gradebook.csv: {why}"]
    put(tmp_path / "none", "gradebook.csv")
    with pytest.raises(UserError, match="none: this folder is empty"):
        find(tmp_path / "none")
    zipfile.ZipFile(tmp_path / "none.zip", "w").close()
    with pytest.raises(UserError, match=r"none\.zip: this archive is empty"):
        find(tmp_path / "none.zip")
    (tmp_path / "class.tar.gz").write_bytes(b"")
    says = r"class\.tar\.gz: it is a \.tar\.gz archive, which is not opened: unpack it, and give its folder"
    with pytest.raises(UserError, match=says):
        find(tmp_path / "class.tar.gz")


def test_times_of_a_download_are_known_from_their_being_one(tmp_path):
    put(tmp_path, "ada.ipynb", "bo.ipynb", "cy.ipynb")
    assert collect(tmp_path).came_at_once
    os.utime(tmp_path / "bo.ipynb", (0, 0))
    assert not collect(tmp_path).came_at_once
    (found,) = find(zipped(tmp_path / "class.zip", {"ada.ipynb": "{}"}))
    assert (found.time_from, found.notes) == (
        "the zip archive",
        ("the zip archive's time, taken as this machine's time zone",),
    )


def test_other_archives_and_odd_suffixes_are_rows(tmp_path):
    put(tmp_path, "ada.tar.gz", "bo/hw.rar", "cy.ipynb.txt", "di.IPYNB")
    zipped(tmp_path / "eve.ipynb.zip", {"hw.ipynb": "{}"})
    what = "archive, which is not opened: hand in the notebook, or a zip archive"
    assert [(each.student, each.problem) for each in find(tmp_path)] == [
        ("ada", f"it is a .tar.gz {what}"),
        ("bo", f"it is a .rar {what}"),
        ("cy", ""),
        ("di", ""),
        ("eve", ""),
    ]


def test_folders_without_end_and_times_without_end_stop_nobody(tmp_path):
    deep = tmp_path / "ada" / "/".join("a" * 900)
    deep.mkdir(parents=True)
    put(tmp_path, "ada/hw.ipynb", "bo.ipynb")
    os.utime(tmp_path / "bo.ipynb", (9e11, 9e11))
    ada, bo = find(tmp_path)
    assert (ada.file, bo.problem) == ("ada/hw.ipynb", "")
    assert bo.time <= "9999-12-31T23:59:59+00:00"


def test_the_index_says_whose_page_is_which(tmp_path):
    results = [Result(f"{i:016x}", f"{name}.ipynb", name, "", "") for i, name in enumerate(["张伟", "<b>"])]
    rows = gradebook.rows(results, {}, Policy())
    pages.feedback(tmp_path / "feedback", rows, classroom.ASSIGNMENT)
    pages.index(tmp_path / "index.html", rows, classroom.ASSIGNMENT)
    text = (tmp_path / "index.html").read_text()
    links = {
        name: page for page, name in re.findall(r'<td><a href="(feedback/[^"]+)">([^<]+)</a></td>', text)
    }
    assert list(links) == ["&lt;b&gt;", "张伟"]
    assert all(name in (tmp_path / links[name]).read_text() for name in links)


NAMES = ["Ada B", "bo", "张伟", "José", "Jose\u0301 L", "x-y", "O'Neil", "hw 3", "Anna", "Ann", "3"]
OWN = [
    "{name}.ipynb",
    "{name}/hw.ipynb",
    "{name}/hw/hw.ipynb",
    "{name}.zip/hw.ipynb",
    "{name}/a.zip/b.zip/hw.ipynb",
]
OWN += ["{name}_{id}_assignsubmission_file_/hw.ipynb", "{name}_{id}_assignsubmission_file_hw.ipynb"]
OWN += ["{name}_{id}_assignsubmission_file_/hw.zip/x/hw.ipynb", "{name}/90_test/90_test.ipynb"]
WHOLE = [
    ["{name}_{id}_9{id}_hw.ipynb", "{name}_LATE_{id}_9{id}_hw.ipynb", "{name}_{id}_9{id}_hw.zip/hw.ipynb"],
    ["90 test_{name}_attempt_2024-01-31-12-00-{id:.2}_hw.ipynb"],
    ["{id}-77 - {name} - Jan 31, 2024 110 PM/hw.ipynb", "{id}-77 - {name} - Jan 31, 2024 110 PM - hw.ipynb"],
    ["{name} - 90_test.ipynb"],
    ["{name}+90_test+2024-01-31 12:00:00.5 UTC/90_test.ipynb"],
]
"""Forms of a class: of the names that students choose, which may be mixed, and of platforms that name all alike."""


def pack(folder):
    """Make an archive of each folder that is called one, the innermost first."""
    for path in sorted(folder.rglob("*.zip"), key=lambda path: -len(path.parts)):
        if path.is_dir():
            shutil.make_archive(str(folder / "packed"), "zip", path)
            shutil.rmtree(path)
            (folder / "packed.zip").rename(path)


def beside(draw, folder, form, name, id):
    """What else lies in a student's folder: none of it is to count."""
    where = form.format(name=name, id=id).rpartition("/")[0]
    for kind in (
        draw.sample(["scratch", "copy", "broken", "text", "link", "zip"], draw.randint(0, 3)) if where else ()
    ):
        if kind == "link":
            if ".zip" not in where:
                (folder / where / "link.ipynb").symlink_to("/etc/passwd")
            continue
        made = {"scratch": scratch(), "copy": classroom.ASSIGNMENT.hand_out}
        suffix = {"text": ".txt", "zip": ".zip"}.get(kind, ".ipynb")
        put(folder, f"{where}/{kind}{suffix}", content=json.dumps(made[kind]) if kind in made else "{")


@pytest.mark.parametrize("seed", range(int(os.environ.get("PIXEL_EDU_CLASSES", "60"))))
def test_every_student_of_any_class_is_one_row_with_their_own_answers(tmp_path, seed):
    draw = random.Random(seed)
    names = draw.sample(NAMES, draw.randint(1, 8))
    forms = OWN if draw.random() < 0.5 else draw.choice(WHOLE)
    expected = []
    for id, name in enumerate(names, start=10):
        form = draw.choice(forms)
        notebook = classroom.solved()
        notebook.cells[0].source = name
        content = json.dumps(notebook)
        put(tmp_path / "in", form.format(name=name, id=str(id)), content=content)
        beside(draw, tmp_path / "in", form, name, str(id))
        number = str(id) if "{id}" in form else ""
        expected.append((name, number, "", content))
    hostile = draw.sample(["pipe", "dangling", "broken.zip", "late.yaml", ".DS_Store"], draw.randint(0, 3))
    for name in hostile if forms is OWN else ():
        if name == "pipe":
            os.mkfifo(tmp_path / "in" / "pipe.ipynb")
        elif name == "dangling":
            (tmp_path / "in" / "dangling.ipynb").symlink_to("nowhere")
        else:
            put(tmp_path / "in", name)
    folder = tmp_path / "in"
    pack(folder)
    alone = len(names) == 1 and forms is OWN  # a folder around everything looks the same
    if (
        draw.random() < 0.3
        and not alone
        and not any(path.is_symlink() or path.is_fifo() for path in folder.rglob("*"))
    ):
        folder = Path(shutil.make_archive(str(tmp_path / "submissions"), "zip", folder))
    found = find(folder, classroom.ASSIGNMENT)
    rows = [(each.student, each.number, each.problem, each.read().decode()) for each in found]
    wrong = [row for row in rows if row[2]]
    assert sorted(row for row in rows if not row[2]) == sorted(expected)
    assert {row[0] for row in wrong} <= {"pipe", "dangling", "broken"}
    assert len({each.key for each in found}) == len(found)
