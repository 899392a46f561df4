"""Who handed in what, whatever stands in the folder."""

import os
import pickle
import random
import socket
import tracemalloc
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pixel_edu.cli import app
from pixel_edu.grading.names import legible, name_key
from pixel_edu.grading.results.store import Result, Store
from pixel_edu.grading.submissions import find


def put(folder, *names, content="{}"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def students(folder):
    return [(each.student, each.number) for each in find(folder)]


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
        "it is 40960 MiB large, more than 50 MiB: clear the outputs",
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
    put(tmp_path / "in", "Ada B_12_assignsubmission_file_hw.ipynb", "[b]o.ipynb")
    os.mkfifo(tmp_path / "in" / "pipe.ipynb")
    os.utime(tmp_path / "in" / "[b]o.ipynb", (0, 0))
    source = str(Path(__file__).parents[2] / "solutions")
    result = CliRunner().invoke(app, ["grade", "in", "-a", "02_noise", "--source", source, "--list"])
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[1][:3] == ["Ada", "B", "12"]
    assert lines[2] == "[b]o 1970-01-01 00:00 the file's own time [b]o.ipynb".split()
    assert " ".join(lines[3]).endswith("it is not a file but a pipe")
    assert lines[4] == "3 files of 3 students".split()
    assert not (tmp_path / "results").exists()
    result = CliRunner().invoke(app, ["grade", "in", "-a", "77_x", "--source", source, "--list"])
    assert "there is no assignment '77_x'; there are 01_pixels" in str(result.exception)


@pytest.mark.parametrize("seed", range(int(os.environ.get("PIXEL_EDU_CLASSES", "60"))))
def test_every_student_of_a_mixed_class_is_found_once_with_their_own_file(tmp_path, seed):
    draw = random.Random(seed)
    names = draw.sample(
        ["Ada B", "bo", "张伟", "José", "Jose\u0301 L", "x-y", "O'Neil", "hw 3"], draw.randint(1, 8)
    )
    forms = ["{name}.ipynb", "{name}/hw.ipynb", "{name}/hw/hw.ipynb"]
    forms += ["{name}_{id}_assignsubmission_file_/hw.ipynb", "{name}_{id}_assignsubmission_file_hw.ipynb"]
    if draw.random() < 0.5:  # Canvas gives a whole class
        forms = ["{name}_{id}_9{id}_hw.ipynb", "{name}_LATE_{id}_9{id}_hw.ipynb"]
    expected = []
    for id, name in enumerate(names, start=100):
        form = draw.choice(forms)
        put(tmp_path, form.format(name=name, id=id), content=name)
        expected.append((name, str(id) if "{id}" in form else "", name))
    found = [(each.student, each.number, each.read().decode()) for each in find(tmp_path)]
    assert found == sorted(expected)
