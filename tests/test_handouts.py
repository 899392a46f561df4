"""Hand-outs: made from the solutions, holding nothing too much, read by nbgrader, and full marks for the solutions."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.testing import CliRunner

from pixel_edu import notebooks
from pixel_edu.cli import app
from pixel_edu.config import UserError
from pixel_edu.course import experiments, repository, use
from pixel_edu.notebooks import handouts
from tests.answers import CHAPTERS

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "solutions").glob("[0-9][0-9]_*.ipynb"))
KEYS = {
    "grade",
    "grade_id",
    "locked",
    "points",
    "schema_version",
    "solution",
    "task",
    "checksum",
    "cell_type",
}
SECRET = re.compile(r"### (BEGIN|END) (SOLUTION|HIDDEN TESTS)|require\(.*, seed\)")


def source(name):
    return notebooks.read(ROOT / "solutions" / f"{name}.ipynb")


def given(name):
    return notebooks.read(ROOT / "exercises" / f"{name}.ipynb")


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def solution_lines(name):
    """Lines that only a solution has."""
    notebook = source(name)
    solved = "\n".join(hit[2] for cell in notebook.cells for hit in handouts.SOLUTION.finditer(cell.source))
    shown = "\n".join(
        handouts.SOLUTION.sub("", cell.source)
        for cell in notebook.cells
        if "solution-only" not in cell.metadata.get("tags", [])
    )
    lines = {line.strip() for line in solved.splitlines()}
    return {line for line in lines if len(line) > 12 and line not in shown}


def test_the_hand_outs_are_those_of_the_solutions():
    states = dict(handouts.build(ROOT / "solutions", ROOT / "exercises", repository(), check=True))
    assert set(states.values()) == {"unchanged"}
    assert [path.stem for path in states] == NAMES
    assert {path.stem for path in (ROOT / "exercises").glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_hand_out_holds_no_solution_no_hidden_test_and_no_output(name):
    notebook = given(name)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert [line for line in solution_lines(name) if line in text] == []
    assert not SECRET.search(text)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert f"Generated from `solutions/{name}.ipynb`" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_hand_out_carries_what_nbgrader_needs(name):
    notebook = given(name)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    ids = [cell.metadata.nbgrader.grade_id for cell in cells]
    assert len(set(ids)) == len(ids)
    assert ids == [handouts.grade_id(c) for c in given_cells(name)]
    for cell in cells:
        facts = cell.metadata.nbgrader
        assert set(facts) <= KEYS
        assert facts.schema_version == 3
        assert ("points" in facts) == facts.grade
        assert facts.checksum == handouts.checksum(cell)
        assert facts.cell_type == cell.cell_type


def given_cells(name):
    """The cells of the source that a student gets and nbgrader knows."""
    return [
        c
        for c in source(name).cells
        if handouts.grade_id(c) and "solution-only" not in c.metadata.get("tags", [])
    ]


@pytest.mark.parametrize("name", CHAPTERS)
def test_an_untouched_exercise_is_not_written_and_nothing_else(name):
    space = {"display": lambda *_: None}
    for cell in given(name).cells:
        facts = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or cell.id == "install":
            continue
        if facts.get("grade"):
            with pytest.raises(NotImplementedError):
                exec(cell.source, space)
        else:
            exec(cell.source, space)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_solution_passes_its_hidden_tests_and_draws_what_it_promises(name):
    drawn = []
    space = {"display": drawn.append}
    for code in code_of(source(name)):
        exec(code, space)
    assert len(drawn) == sum(code.count("display(") for code in code_of(source(name)))
    use()


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_exercise_says_what_a_reader_wants_to_know(name):
    found = handouts.exercises_of(source(name), name)
    assert 4 <= len(found) <= 9, "a chapter has four to nine exercises"
    assert sum("planted bug" in each.title for each in found) == 1, "one of them is a planted bug"
    for each in found:
        assert 10 <= each.minutes <= 25, f"{each.id} takes 10 to 25 minutes"
        assert len(each.hints) == 3, f"{each.id} has three hints"
        assert all(text for _, text in each.hints), f"a hint of {each.id} is empty"
        assert len(each.task.split()) > 20, f"{each.id} states its task in more than 20 words"
        assert each.why, f"{each.id} lacks its cell {each.id}-why"


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_third_hint_holds_code_of_the_answer(name):
    """A name to look up may stand in a hint, such as `np.delete`; a call with its arguments is the answer."""
    for each in handouts.exercises_of(source(name), name):
        code = re.findall(r"`([^`]+)`", each.hints[2][1])
        pasted = [
            part for part in code if re.search(r"[(\[ ]", part) and packed(part) in packed(each.solution)
        ]
        assert pasted == [], f"hint 3 of {each.id} gives it away"


def packed(code):
    """Code without spaces."""
    return re.sub(r"\s", "", code)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_exercises_to_write_and_to_derive_and_one_to_report(name):
    found = handouts.exercises_of(source(name), name)
    derived = [each.id for each in found if re.search(r"(?i)\bderiv(e|ation)\b", each.task)]
    reported = [each.id for each in found if each.id in experiments.EXPERIMENTS]
    assert derived
    assert len(reported) == 1
    assert {each.id for each in found} - {*derived, *reported}


def test_the_book_shows_every_exercise_and_no_hidden_test(book):
    for name in CHAPTERS:
        page = (book / "chapters" / f"{name}.html").read_text(encoding="utf-8")
        solved = (book / "book" / "solutions" / f"{name}.html").read_text(encoding="utf-8")
        for each in handouts.exercises_of(source(name), name):
            assert f'id="{each.id}"' in page
            assert f'id="solution-{each.id}"' in solved
    files = [path for path in book.rglob("*") if path.suffix in (".html", ".ipynb", ".md", ".txt", ".js")]
    said = [
        path
        for path in files
        if "_static" not in path.parts and SECRET.search(path.read_text(encoding="utf-8"))
    ]
    assert said == []
    reference = [path.read_text(encoding="utf-8") for path in (book / "book" / "api").glob("*.html")]
    assert len(reference) > 10
    assert solved_in("".join(reference)) == []


def solved_in(html):
    """Lines of solutions that the words of a page hold."""
    plain = re.sub(r"<[^>]+>", "", html)
    return [line for name in NAMES for line in solution_lines(name) if "return" in line and line in plain]


@pytest.mark.slow
def test_a_book_for_a_graded_class_has_no_solutions(tmp_path):
    """The API reference is half of the work and the same in every book, so the test above looks at it."""
    toc = re.sub(
        r"      - file: book/api\n(        .*\n)*", "", (ROOT / "_toc.yml").read_text(encoding="utf-8")
    )
    (tmp_path / "_toc.yml").write_text(re.sub(r".*caption: Solutions(.|\n)*", "", toc))
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "sed '/caption: Solutions/,$$d' _toc.yml" in recipe
    program = "from jupyter_book.cli.main import main; main()"
    options = ["-W", "-n", "--keep-going", "--path-output", tmp_path, "--toc", tmp_path / "_toc.yml"]
    command = [sys.executable, "-c", program, "build", ".", *options]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"SOLUTIONS": "0"}
    )
    assert done.returncode == 0, done.stdout[-2000:]
    html = tmp_path / "_build" / "html"
    text = "\n".join(path.read_text(encoding="utf-8") for path in html.rglob("*.html"))
    assert not list(html.rglob("*solutions*"))
    assert "ex-02-1" in text
    assert solved_in(text) == []


# The program that makes them, on notebooks of a test.


def toy(answer="### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"):
    """A solution notebook with one exercise."""

    def meta(part, grade=False, solution=False, locked=True):
        facts = {"grade_id": f"ex-99-1{part}", "grade": grade, "solution": solution, "locked": locked}
        return {"nbgrader": facts | {"schema_version": 3, "task": False} | ({"points": 2} if grade else {})}

    task = "### Exercise 99.1 · Toy\n\n*10 minutes · easy · core.* Why.\n\nWhat.\n\n"
    task += "<details><summary>Hint 1 · Look</summary>\n\nThere.\n\n</details>"
    hidden = "require(f)\n### BEGIN HIDDEN TESTS\nrequire(f, 9)\n### END HIDDEN TESTS"
    return new_notebook(
        cells=[
            new_markdown_cell("# Toy", id="title"),
            new_markdown_cell(task, id="a", metadata=meta("-task")),
            new_code_cell(f"def f():\n    {answer}", id="b", metadata=meta("", solution=True, locked=False)),
            new_code_cell("check(f)", id="c", metadata=meta("-check"), outputs=[], execution_count=3),
            new_markdown_cell("Since.", id="w", metadata=meta("-why") | {"tags": ["solution-only"]}),
            new_code_cell(hidden, id="d", metadata=meta("-marks", grade=True)),
        ]
    )


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A folder with one solution notebook."""
    (tmp_path / "solutions").mkdir()
    notebooks.write(toy(), tmp_path / "solutions" / "99_toy.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(*options):
    return CliRunner().invoke(app, ["exercises", "build", *options])


def test_a_hand_out_keeps_signatures_names_and_order(course):
    assert build().exit_code == 0
    made = notebooks.read(course / "exercises" / "99_toy.ipynb")
    assert [cell.id for cell in made.cells] == ["title", "generated", "install", "a", "b", "c", "d"]
    assert made.cells[4].source == 'def f():\n    raise NotImplementedError("ex-99-1")'
    assert made.cells[-1].source == "require(f)"
    assert "99_toy.ipynb: unchanged" in build().output


def test_check_finds_a_hand_out_that_somebody_changed_and_leaves_it(course):
    build()
    path = course / "exercises" / "99_toy.ipynb"
    changed = path.read_text().replace("What.", "What!")
    path.write_text(changed)
    done = build("--check")
    assert done.exit_code == 1
    assert "out of date" in done.output
    assert path.read_text() == changed


def test_answers_are_never_written_over_by_chance(course):
    build()
    path = course / "exercises" / "99_toy.ipynb"
    mine = path.read_text().replace('raise NotImplementedError(\\"ex-99-1\\")', "return 2")
    assert "return 2" in mine
    path.write_text(mine)
    with pytest.raises(UserError, match="holds answers \\(ex-99-1\\)"):
        build_it(course)
    assert path.read_text() == mine
    assert build("--force").exit_code == 0
    assert (course / "exercises" / "99_toy.mine.ipynb").read_text() == mine
    assert "return 2" not in path.read_text()


def test_sentences_of_a_report_are_answers_and_never_written_over_by_chance(course):
    path = course / "solutions" / "99_toy.ipynb"
    notebook = toy()
    text = new_markdown_cell("### BEGIN SOLUTION\nIt fell.\n### END SOLUTION", id="s")
    text.metadata.nbgrader = notebook.cells[2].metadata.nbgrader | {
        "grade_id": "ex-99-1-words",
        "grade": True,
        "points": 2,
    }
    notebook.cells.insert(4, text)
    notebooks.write(notebook, path)
    assert handouts.exercises_of(notebook)[0].sentences == "It fell."
    assert build().exit_code == 0
    given = course / "exercises" / "99_toy.ipynb"
    mine = given.read_text().replace("YOUR ANSWER HERE", "It rose.")
    assert "It rose." in mine
    given.write_text(mine)
    with pytest.raises(UserError, match="holds answers \\(ex-99-1-words\\)"):
        build_it(course)


def build_it(course):
    list(handouts.build(course / "solutions", course / "exercises", ""))


def test_a_source_that_is_not_as_it_must_be_is_named(course):
    notebook = toy(answer="return 1")
    with pytest.raises(UserError, match="ex-99-1: there are no solution markers"):
        handouts.hand_out(notebook, "99_toy")
    notebook = toy()
    del notebook.cells[-1]
    with pytest.raises(UserError, match="ex-99-1 has no cell ex-99-1-marks"):
        handouts.hand_out(notebook, "99_toy")
    notebook = toy()
    notebook.cells[1].source = "no heading"
    with pytest.raises(UserError, match=r"begin with `### Exercise 99\.1"):
        handouts.hand_out(notebook, "99_toy")
    with pytest.raises(UserError, match="no solution notebook here"):
        list(handouts.build(course / "nowhere", course, ""))


def odd(**changes):
    """The toy as another editor wrote it, in JSON's types."""
    notebook = json.loads(json.dumps(toy())) | changes
    return {key: value for key, value in notebook.items() if value is not ...}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "notebook",
    [
        odd(metadata=...),
        odd(metadata={"kernelspec": None}),
        odd(metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"answer": 1}}}}),
        odd(nbformat_minor=0, cells=[{**cell, "id": ...} for cell in odd()["cells"]]),
        odd(cells=[{**cell, "id": f"new-{place}"} for place, cell in enumerate(odd()["cells"])]),
    ],
    ids=["no metadata", "kernelspec null", "widgets", "4.0 without ids", "other ids"],
)
def test_a_source_of_any_editor_makes_the_same_hand_out(notebook, encoding, course):
    cells = [{key: value for key, value in cell.items() if value is not ...} for cell in notebook["cells"]]
    clean = handouts.hand_out(toy(), "solutions/99_toy.ipynb")
    content = json.dumps(notebook | {"cells": cells}, ensure_ascii=False).encode(encoding)
    (course / "solutions" / "99_toy.ipynb").write_bytes(content)
    assert build().exit_code == 0
    made = notebooks.read(course / "exercises" / "99_toy.ipynb")
    made.cells = [cell for cell in made.cells if cell.id != "install"]

    def told(notebook):
        return [(cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]

    assert told(made) == told(clean)
    assert (made.metadata.kernelspec.name, "widgets" in made.metadata) == ("python3", False)


def test_json_stays_json(course):
    """What a student opens is a notebook of the newest format, with line breaks as git likes them."""
    build()
    text = (course / "exercises" / "99_toy.ipynb").read_text()
    assert json.loads(text)["nbformat"] == 4
    assert text.endswith("}\n")
