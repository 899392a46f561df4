"""pixel-edu course run and course status: all notebooks run, what failed is told, the status page is built from it."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from typer.testing import CliRunner

from pixel_edu import notebooks
from pixel_edu.cli.course import app
from pixel_edu.config import UserError
from pixel_edu.making import rehearsal, status
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[1]


def write(path, *cells):
    """A notebook of (tag, source) cells."""
    notebook = new_notebook()
    for tag, source in cells:
        notebook.cells.append(new_code_cell(source, metadata={"tags": [tag]} if tag else {}))
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)
    return path


PROFILE = ("parameters", "profile = 'cpu'")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A course: a chapter that has run, in two copies, a chapter that fails, and a solution that leaves something."""
    root = tmp_path_factory.mktemp("made")
    (root / "book" / "generated").mkdir(parents=True)
    (root / "book" / "measured").mkdir()
    said = ("exact", "print({'smoke': 1, 'cpu': 2, 'gpu': 3}[profile])")
    ran = write(root / "chapters" / "01_toy.ipynb", PROFILE, said)
    notebooks.execute(ran)
    shutil.copy(ran, root / "chapters" / "03_too.ipynb")
    write(root / "chapters" / "02_bad.ipynb", PROFILE, ("", "x = 1"), ("", "x.append(2)"))
    leaves = (
        "import os, tempfile\nopen('mine.py', 'w')\nprint(tempfile.mkdtemp(), os.environ['PIXEL_EDU_HOME'])"
    )
    write(root / "solutions" / "01_toy.ipynb", ("", leaves))
    return root


@pytest.fixture
def course(made, tmp_path, monkeypatch):
    """A copy of that course."""
    monkeypatch.setenv("COLUMNS", "200")
    return shutil.copytree(made, tmp_path / "course")


def rehearse(root, names, profile, out, references=None):
    """Run notebooks two at a time: what came out, by name."""
    results = rehearsal.rehearse(rehearsal.find(names, root), profile, out, 2, references)
    return {each.name: each for each in results}


@pytest.mark.slow
def test_every_notebook_runs_and_a_failure_stops_no_other(course, tmp_path):
    ran = rehearse(course, ["01", "02"], "cpu", tmp_path / "out")
    assert sorted(ran) == ["chapters/01_toy", "chapters/02_bad", "solutions/01_toy"]
    assert ran["chapters/01_toy"].failures == ran["solutions/01_toy"].failures == []
    assert ran["chapters/02_bad"].failures == [
        "cell 3: AttributeError: 'int' object has no attribute 'append'"
    ]
    assert ran["chapters/01_toy"].compared == 1
    stored = notebooks.read(tmp_path / "out" / "chapters" / "02_bad.ipynb")
    assert stored.cells[-1].outputs[0].ename == "AttributeError"
    printed = notebooks.read(tmp_path / "out" / "solutions" / "01_toy.ipynb").cells[0].outputs[0].text
    assert not any(Path(left).exists() for left in printed.split()), "a run leaves nothing but its folder"
    assert [path.name for path in (course / "solutions").iterdir()] == ["01_toy.ipynb"]


def test_an_output_that_is_not_as_stored_fails_in_profile_cpu(course, tmp_path):
    path = course / "chapters" / "01_toy.ipynb"
    path.write_text(path.read_text().replace('"2\\n"', '"5\\n"'))
    ran = rehearse(course, ["chapters/01_toy"], "cpu", tmp_path)
    assert ran["chapters/01_toy"].failures == ["cell 2 is declared exact, but `5` became `2`"]


@pytest.mark.slow
def test_a_gpu_is_compared_with_what_a_gpu_said_where_that_differs(course, tmp_path):
    both = ["chapters/01_toy", "03"]
    first = rehearse(course, both, "gpu", tmp_path)
    assert [each.failures for each in first.values()] == [[], []]
    differs = first["chapters/01_toy"].differs
    assert list(differs.values()) == ["3"]
    again = rehearse(course, both, "gpu", tmp_path, {"chapters/01_toy": differs, "chapters/03_too": {}})
    assert again["chapters/01_toy"].failures == []
    assert again["chapters/03_too"].failures == ["cell 2 is declared exact, but `2` became `3`"]


def invoke(*words):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.mark.slow
def test_the_command_writes_tables_and_says_in_one_sentence_what_failed(course, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    out = tmp_path / "out"
    done = invoke("run", "03", "02", "--profile", "cpu", "--out", out, "--root", course)
    assert isinstance(done.exception, UserError)
    assert re.fullmatch(
        r"1 of 2 notebooks failed, see .*run.md: chapters/02_bad: cell 3: Attr.*", str(done.exception)
    )
    assert re.search(r"[12] of 2  chapters/03_too: \d+\.\d s", done.stderr)
    table = (out / "run.md").read_text()
    assert re.search(r"\| chapters/03_too \| \d\.\d \| 1 \| well \|", table)
    assert "'int' object has no attribute 'append'" in table
    assert (tmp_path / "summary.md").read_text() == table
    found = json.loads((out / "run.json").read_text())
    assert found["profile"] == "cpu"
    assert found["quality"] is None
    assert found["versions"]["Python"]


def test_a_run_without_quality_and_a_failed_run_are_not_kept(course, tmp_path):
    found = status.record([rehearsal.NotebookOutcome("chapters/01_toy")], "smoke", 1.0, 1, "a laptop", None)
    status.write_run(tmp_path, found)
    with pytest.raises(UserError, match="this run did not measure the reference"):
        status.keep(tmp_path, course / "book")
    failed = {"chapters/02_bad": {"seconds": 1, "compared": 0, "failures": ["cell 3: no"]}}
    (tmp_path / "run.json").write_text(json.dumps(found | {"quality": {"x": {}}, "notebooks": failed}))
    with pytest.raises(UserError, match="chapters/02_bad failed in this run"):
        status.keep(tmp_path, course / "book")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="this is not the record of a run"):
        status.keep(tmp_path, course / "book")
    with pytest.raises(UserError, match="there is no record of a run"):
        status.keep(tmp_path / "nowhere", course / "book")


QUALITY = {"right class": {"reference": ["100 %", "99–100"], "real": ["100 %", "100–100"]}}


def test_the_status_page_is_built_from_runs_and_a_stale_one_is_noticed(course, tmp_path):
    result = rehearsal.NotebookOutcome("chapters/01_toy", 90.0, 1)
    found = status.record([result], "cpu", 95.0, 2, "a laptop", QUALITY)
    status.write_run(tmp_path / "run", found)
    done = invoke("status", tmp_path / "run", "--root", course)
    assert done.exit_code == 0, done.output
    page = (course / "book" / "generated" / "status.md").read_text()
    assert "| chapters/01_toy | 1.5 |" in page
    assert "| together | 1.6<br><small>2 at a time</small> |" in page
    assert "| 01_toy | 1 |  |  |  |" in page
    assert "| right class | 100 %<br><small>99–100</small> | 100 %<br><small>100–100</small> |" in page
    assert "- `cpu`: a laptop, " in page
    assert invoke("status", "--check", "--root", course).exit_code == 0
    record = course / "book" / "measured" / "run-cpu.json"
    record.write_text(record.read_text().replace("90.0", "30.0"))
    stale = invoke("status", "--check", "--root", course)
    assert stale.exit_code == 1
    assert "is out of date; run the same without --check" in stale.output


def test_the_books_status_page_is_up_to_date():
    book = ROOT / "book"
    chapters = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
    stored = (book / "generated" / "status.md").read_text(encoding="utf-8")
    assert stored == status.page(book, chapters), "run: pixel-edu course status"


def test_the_books_records_are_of_the_course_as_it_is():
    names = {f"{path.parent.name}/{path.stem}" for path in rehearsal.find([], ROOT)}
    for profile, each in status.records(ROOT / "book").items():
        there = set(each["notebooks"])
        assert there <= names if profile == "gpu" else there == names, (
            f"run it again in the profile {profile}"
        )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("run", "99"), 2, "'99' is not a notebook of the course: use a number, such as 01"),
        (("run", "--root", "/tmp"), 1, "there are no chapters here"),
        (("run", "--profile", "gpu", "--jobs", "2"), 2, "notebooks that share a GPU wait for each other"),
        (("status", "--check", "somewhere"), 2, "--check keeps no runs"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(course, words, code, says):
    where = () if "--root" in words else ("--root", course)
    done = invoke(*words, *where)
    assert done.exit_code == code
    told = (
        str(done.exception) if isinstance(done.exception, UserError) else re.sub(r"\s*│\s*", " ", done.output)
    )
    assert says in told


def test_a_profile_for_gpus_needs_one(course, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    done = invoke("run", "--profile", "gpu", "--root", course)
    assert str(done.exception) == "there is no GPU on this machine: use --profile cpu"


@pytest.mark.slow
def test_an_interrupted_run_does_not_wait_for_its_cells(course):
    started = course / "started"
    source = f"import time; open({str(started)!r}, 'w').close(); time.sleep(600)"
    write(course / "chapters" / "01_toy.ipynb", ("", source))
    words = ["run", "chapters/01_toy", "--root", str(course), "--out", str(course / "out")]
    # a test that itself runs in the background inherits a SIGINT that is ignored
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += f"sys.argv[1:] = {['course', *words]}; from pixel_edu.cli import main; main()"
    # a file: a pipe is closed only when the kernel has ended as well
    with open(course / "said", "w") as said:
        run = subprocess.Popen([sys.executable, "-c", code], stderr=said, stdout=said)
        try:
            wait_until(lambda: started.exists() or run.poll() is not None, (course / "said").read_text)
            run.send_signal(signal.SIGINT)
            run.wait(PATIENCE)
        finally:
            run.kill()
    assert run.returncode == 130
    assert "Traceback" not in (course / "said").read_text()
