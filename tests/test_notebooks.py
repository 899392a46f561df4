"""Chapters are run whole, stored whole, and stored the same when nothing has changed."""

import importlib
import json
import os
import re
import socket
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.testing import CliRunner

from pixel_edu import notebooks
from pixel_edu.cli.course import app
from pixel_edu.notebooks import outputs, running

LESSON = [
    ("parameters", "profile = 'cpu'\nsteps: int = 3"),
    ("", "import sys, warnings\nprint(profile, end=' ', flush=True)\nprint(steps)"),
    ("", "warnings.warn('an old habit')\nobject()"),
    ("", "sys.executable"),
]


@pytest.fixture
def lesson(tmp_path):
    """Writes a notebook of (tag, source) cells, and gives its path."""

    def write(cells, name="01_toy.ipynb"):
        notebook = new_notebook(cells=[new_markdown_cell("# A toy")])
        for tag, source in cells:
            notebook.cells.append(new_code_cell(source, metadata={"tags": [tag]} if tag else {}))
        path = tmp_path / name
        nbformat.write(notebook, path)
        return path

    return write


@pytest.fixture
def printed():
    """What the cells of a stored notebook print."""

    def read(path):
        cells = notebooks.read(path).cells
        return [o.text for cell in cells for o in cell.get("outputs", []) if o.output_type == "stream"]

    return read


@pytest.mark.slow
def test_a_second_run_changes_no_byte(lesson):
    path = lesson(LESSON)
    notebooks.execute(path)
    first = path.read_bytes()
    notebooks.execute(path)
    assert path.read_bytes() == first


def test_a_run_stores_outputs_tags_and_ids_and_no_trace_of_the_machine(lesson, printed):
    path = lesson(LESSON)
    ids = [cell.id for cell in notebooks.read(path).cells]
    run = notebooks.execute(path)
    stored = notebooks.read(path)
    assert [cell.id for cell in stored.cells] == ids
    assert stored.cells[1].metadata == {"tags": ["parameters"]}
    assert set(stored.metadata) == {"kernelspec", "language_info", "pixel_edu"}
    assert "version" not in stored.metadata.language_info
    assert [cell.execution_count for cell in stored.cells[1:]] == [1, 2, 3, 4]
    assert printed(path) == ["cpu 3\n"]
    assert stored.cells[3].outputs[-1].data["text/plain"] == "<object at 0x...>"
    assert run.seconds > 0


def test_stderr_is_reported_and_not_stored(lesson):
    path = lesson(LESSON)
    run = notebooks.execute(path)
    assert [number for number, _ in run.complaints] == [4]
    assert "stderr" not in path.read_text()


def test_a_run_says_nothing_by_itself(lesson, capfd):
    notebooks.execute(lesson(LESSON))
    assert capfd.readouterr() == ("", "")


def test_the_kernel_is_the_running_interpreter_whatever_is_installed(lesson, tmp_path, monkeypatch):
    import sys

    kernel = tmp_path / "data" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["false"], "display_name": "Wrong", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    path = lesson([("", "import sys; print(sys.executable)")])
    notebook = notebooks.execute(path).notebook
    assert notebook.cells[1].outputs[0].text.strip() == sys.executable


def test_a_parameter_is_used_and_its_injected_cell_is_not_stored(lesson, printed, tmp_path):
    path, out = lesson(LESSON), tmp_path / "new" / "01_toy.ipynb"
    before = path.read_bytes()
    notebooks.execute(path, {"profile": "smoke", "steps": 7}, out=out)
    assert printed(out) == ["smoke 7\n"]
    assert len(notebooks.read(out).cells) == len(notebooks.read(path).cells)
    assert path.read_bytes() == before


def test_an_unknown_parameter_is_refused_before_anything_runs(lesson):
    with pytest.raises(
        notebooks.NotebookError, match="no parameter 'profil' in this notebook: it has profile, steps"
    ):
        notebooks.execute(lesson(LESSON), {"profil": "smoke"})


def test_a_failing_cell_is_named_and_the_stored_file_stays(lesson):
    path = lesson([("", "x = 1"), ("", "raise ValueError('too\\nlong')")])
    before = path.read_bytes()
    with pytest.raises(
        notebooks.NotebookError, match=r"01_toy.ipynb, cell 3: ValueError: too long \(the stored"
    ):
        notebooks.execute(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.slow
def test_a_failing_cell_is_counted_as_it_is_stored_whatever_the_parameters(lesson):
    path = lesson([("", "x = 1"), ("parameters", "steps = 3"), ("", "x = {1: 2}[steps]")])
    with pytest.raises(notebooks.NotebookError, match=r"cell 4: KeyError: 7") as failed:
        notebooks.execute(path, {"steps": 7})
    assert failed.value.notebook.cells[-1].outputs[0].ename == "KeyError"
    early = lesson([("", "1 / 0"), ("parameters", "steps = 3")])
    with pytest.raises(notebooks.NotebookError, match=r"cell 2: ZeroDivisionError"):
        notebooks.execute(early, {"steps": 7})


@pytest.mark.slow
def test_a_run_says_which_sources_its_outputs_belong_to(lesson, tmp_path):
    path = lesson(LESSON)
    notebook = notebooks.execute(path).notebook
    assert notebook.metadata.pixel_edu.ran == outputs.digest(notebooks.read(path))
    other = notebooks.execute(path, {"steps": 7}, out=tmp_path / "other.ipynb").notebook
    assert "pixel_edu" not in other.metadata, "with other parameters they belong to none"


@pytest.mark.slow
def test_a_cell_that_takes_too_long_is_named(lesson):
    path = lesson([("", "import time; time.sleep(60)")])
    with pytest.raises(notebooks.NotebookError, match=r"cell 2: took more than 1 s"):
        notebooks.execute(path, timeout=1)


@pytest.mark.slow
def test_a_kernel_that_dies_is_one_sentence(lesson):
    path = lesson([("", "import os; os._exit(1)")])
    with pytest.raises(notebooks.NotebookError, match=r"cell 2: the kernel died"):
        notebooks.execute(path)


@pytest.mark.slow
def test_a_kernel_that_does_not_start_is_one_sentence(lesson, monkeypatch):
    spec = running.ThisPython.kernel_spec.fget

    def broken(manager):
        found = spec(manager)
        found.argv = [sys.executable, "-c", "raise SystemExit(1)"]
        return found

    monkeypatch.setattr(running.ThisPython, "kernel_spec", property(broken))
    with pytest.raises(
        notebooks.NotebookError, match=r"01_toy.ipynb: no kernel could be started: Kernel died"
    ):
        notebooks.run(lesson([("", "x = 1")]))


def test_a_kernel_needs_no_port_of_this_machine(lesson):
    """Between the moments that one looks for a port and that the kernel takes it, another process can take it."""
    manager = running.ThisPython(kernel_name="python3")
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has ports alone")
    assert manager.transport == "ipc"
    assert len(f"{manager.ip}-{99999}") < 107
    manager.cleanup_connection_file()
    assert not os.path.exists(manager.sockets)


@pytest.mark.parametrize(
    "content", ["", "{}", "not json", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5}']
)
def test_a_file_that_is_no_notebook_is_one_sentence(tmp_path, content):
    path = tmp_path / "bad.ipynb"
    path.write_text(content)
    with pytest.raises(notebooks.NotebookError, match=r"bad.ipynb: it is"):
        notebooks.execute(path)


def test_missing_invalid_and_double_ids_get_a_name_that_stays(lesson):
    path = lesson([("", "1"), ("", "2"), ("", "3"), ("", "4")])
    content = json.loads(path.read_text())
    for cell, name in zip(content["cells"], ["same", "same", "not valid!", "cell-5", None], strict=True):
        cell["id"] = name
    del content["cells"][4]["id"]
    path.write_text(json.dumps(content))
    notebook = notebooks.execute(path).notebook
    assert [cell.id for cell in notebook.cells] == ["same", "cell-2", "cell-3", "cell-5", "cell-10"]
    nbformat.validate(notebook)


@pytest.mark.slow
def test_the_command_runs_checks_and_says_how_long_it_took(lesson):
    path = lesson([("parameters", "profile = 'cpu'"), ("", "print(profile)")])
    cli, where = CliRunner(), ["--folder", str(path.parent)]
    stale = cli.invoke(app, ["notebooks", "01", "--check", *where])
    assert stale.exit_code == 1
    assert "out of date" in stale.output
    first = cli.invoke(app, ["notebooks", *where])
    assert first.exit_code == 0
    assert " s, written to " in first.output
    assert "unchanged" in cli.invoke(app, ["notebooks", "01_toy", "--check", *where]).output


def test_a_profile_needs_a_folder_of_its_own(lesson):
    result = CliRunner().invoke(
        app, ["notebooks", "--profile", "smoke", "--folder", str(lesson(LESSON).parent)]
    )
    assert result.exit_code == 2
    assert "--out" in result.output


def test_a_chapter_that_is_not_there_is_one_sentence(lesson):
    result = CliRunner().invoke(app, ["notebooks", "07", "--folder", str(lesson(LESSON).parent)])
    assert result.exit_code == 2
    told = re.sub(r"[\s│]+", " ", result.output)
    assert "'07' is not a chapter" in told
    assert "use one of 01_toy" in told


def test_papermill_is_loaded_without_what_it_needs_for_hadoop_alone():
    """PyArrow takes 40 MB of every grader's memory; who asks for it later gets it."""
    code = "import sys, pixel_edu.grading.running; assert 'pyarrow' not in sys.modules; import pyarrow"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_imported_without_a_module_does_not_see_it_unless_it_is_loaded():
    with running.without("json"):
        assert importlib.import_module("json") is json
    sys.modules.pop("wave", None)
    with running.without("wave"), pytest.raises(ImportError):
        importlib.import_module("wave")
    assert importlib.import_module("wave")
