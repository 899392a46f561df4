"""A formula in the page is judged as the check judges a function: the same cases, the same sentences."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from docutils import nodes
from docutils.utils import new_document

from pixel_edu import notebooks
from pixel_edu.course.calling import caller
from pixel_edu.course.checking import examine, find
from pixel_edu.notebooks import handouts
from pixel_edu.widgets.cases import NoFormulaError, recorded
from pixel_edu.widgets.formula import STARTS, FormulaCell

deno = pytest.importorskip("deno", reason="deno is not installed")
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
A = "(here.signal / there.signal) ** 2"
STD = f"there.noise / here.noise * (1 - {A}).sqrt()"
RIGHT = [
    ("ex-02-1", "level.signal * x0 + level.noise * eps"),
    ("ex-02-1", "level.signal * (x0 + eps * level.noise / level.signal)"),
    ("ex-02-7", "there.signal / here.signal * x + sqrt(1 - (there.signal / here.signal) ** 2) * eps"),
    (
        "ex-02-7",
        "there.signal / here.signal * x "
        "+ sqrt(there.noise ** 2 - (there.signal * here.noise / here.signal) ** 2) * eps",
    ),
    ("ex-06-1", "eps_uncond + guidance_scale * (eps_cond - eps_uncond)"),
    ("ex-06-1", "guidance_scale * eps_cond + (1 - guidance_scale) * eps_uncond"),
    ("ex-07-2", STD),
    ("ex-07-2", f"sqrt(there.noise ** 2 * (1 - {A}) / here.noise ** 2)"),
    ("ex-07-4", "x0 + h / 2 * (x0 - last_x0) / last_h"),
]
SLIPS = [
    ("ex-02-1", "level.signal * x0 + level.noise ** 2 * eps"),
    ("ex-02-1", "level.signal ** 2 * x0 + level.noise * eps"),
    ("ex-02-1", "level.signal ** 2 * x0 + level.noise ** 2 * eps"),
    ("ex-02-1", "level.noise * x0 + level.signal * eps"),
    ("ex-02-1", "level.signal * x0 - level.noise * eps"),
    ("ex-02-1", "x0 + level.noise * eps"),
    ("ex-02-1", "level.signal * x0 + eps"),
    ("ex-02-1", "level.signal * x0 + (1 - level.signal) * eps"),
    ("ex-02-7", STARTS["ex-02-7"]),
    ("ex-02-7", "there.signal / here.signal * x + there.noise * eps"),
    ("ex-02-7", "x + sqrt(1 - (there.signal / here.signal) ** 2) * eps"),
    ("ex-02-7", "there.signal * x + there.noise * eps"),
    ("ex-02-7", "there.signal * x + sqrt(1 - (there.signal / here.signal) ** 2) * eps"),
    ("ex-02-7", "there.signal / here.signal * x + (1 - (there.signal / here.signal) ** 2) * eps"),
    ("ex-02-7", "(there.signal / here.signal) ** 2 * x + sqrt(1 - (there.signal / here.signal) ** 2) * eps"),
    ("ex-02-7", "here.signal / there.signal * x + sqrt(1 - (there.signal / here.signal) ** 2) * eps"),
    ("ex-02-7", "there.signal / here.signal * x + (1 - there.signal / here.signal) * eps"),
    ("ex-06-1", "eps_cond + guidance_scale * (eps_cond - eps_uncond)"),
    ("ex-06-1", "eps_cond - guidance_scale * (eps_cond - eps_uncond)"),
    ("ex-06-1", "eps_cond + (guidance_scale - 1) * (eps_uncond - eps_cond)"),
    ("ex-06-1", "guidance_scale * (eps_cond - eps_uncond)"),
    ("ex-06-1", "eps_uncond - guidance_scale * (eps_cond - eps_uncond)"),
    ("ex-06-1", "eps_uncond + guidance_scale * eps_cond"),
    ("ex-06-1", "eps_cond"),
    ("ex-06-1", "(eps_cond + eps_uncond) / 2"),
    ("ex-07-2", f"({STD}) ** 2"),
    ("ex-07-2", f"here.noise / there.noise * sqrt(1 - {A})"),
    ("ex-07-2", f"sqrt(1 - {A})"),
    ("ex-07-2", "there.noise / here.noise * sqrt(1 - here.signal / there.signal)"),
    ("ex-07-2", "here.noise / there.noise * sqrt((there.signal / here.signal) ** 2 - 1)"),
    ("ex-07-2", f"there.noise / here.noise * (1 - {A})"),
    ("ex-07-2", f"sqrt(there.noise / here.noise) * sqrt(1 - {A})"),
    ("ex-07-2", "there.noise / here.noise * here.signal / there.signal"),
    ("ex-07-2", f"{STD} + here.noise * 0 ** there.noise"),
    ("ex-07-4", "x0 + h / last_h * (x0 - last_x0)"),
    ("ex-07-4", "x0 + last_h / (2 * h) * (x0 - last_x0)"),
    ("ex-07-4", "x0 - (x0 - last_x0) / 2"),
    ("ex-07-4", "(x0 + last_x0) / 2"),
    ("ex-07-4", "x0 + (x0 - last_x0) / 2"),
    ("ex-07-4", "x0 - h / (2 * last_h) * (x0 - last_x0)"),
    ("ex-07-4", "last_x0 + h / (2 * last_h) * (x0 - last_x0)"),
    ("ex-07-4", "x0 + h / 2 * (x0 - last_x0)"),
    ("ex-07-4", "x0"),
]
OTHERS = [
    ("ex-02-1", "x0 * eps"),
    ("ex-02-1", "level.signal * x0 + level.noise * eps + 0.001"),
    ("ex-06-1", "eps_uncond + 3 * (eps_cond - eps_uncond)"),
    ("ex-07-4", "x0 + h / 2 * (x0 - last_x0) / 0.5"),
]
BROKEN = [("ex-02-1", "x0 / (1 - 1) + eps"), ("ex-02-1", "sqrt(x0)"), ("ex-06-1", "log(eps_cond)")]


@pytest.fixture(scope="module")
def tasks():
    return {exercise: recorded(exercise) for exercise in STARTS}


@pytest.fixture(scope="module")
def page(tasks):
    """What the page says, by exercise and formula."""
    formulas = [*RIGHT, *SLIPS, *OTHERS, *BROKEN, *((e, one_line(e)) for e in STARTS if one_line(e))]
    asked = json.dumps({"tasks": tasks, "formulas": formulas}, sort_keys=True)  # as the book's pages store it
    command = [deno.find_deno_bin(), "run", "--no-remote", "--quiet", HERE / "judging.js"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(formulas, json.loads(done.stdout), strict=True))


def one_line(exercise):
    """The solution's line, where it has only one."""
    name = next(ROOT.glob(f"solutions/{exercise[3:5]}_*.ipynb")).stem
    found = {
        each.id: each for each in handouts.exercises_of(notebooks.read(ROOT / f"solutions/{name}.ipynb"))
    }
    *_, before, last = found[exercise].solution.splitlines()
    return last.partition("return ")[2] if before.endswith('"""') else ""


def by_the_check(exercise, formula):
    """What the real check says about a function that returns a formula."""
    known = find(exercise)
    functions = {name: getattr(torch, name) for name in ("sqrt", "exp", "log")}
    source = f"lambda {', '.join(known.arguments)}: {formula}"
    return examine(known, caller(eval(source, functions)))


def test_the_reader_of_formulas_passes_its_own_tests():
    command = [deno.find_deno_bin(), "test", "--no-remote", "--quiet", HERE / "expression_test.js"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"NO_COLOR": "1"})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.formula
@pytest.mark.parametrize(("exercise", "formula"), RIGHT)
def test_a_right_formula_passes_here_and_there(page, exercise, formula):
    assert page[exercise, formula] == {"passed": True, "message": find(exercise).praise}
    assert by_the_check(exercise, formula).passed


@pytest.mark.formula
@pytest.mark.parametrize("exercise", [each for each in STARTS if one_line(each)])
def test_the_solutions_line_can_be_written_in_the_page(page, exercise):
    assert page[exercise, one_line(exercise)]["passed"]


@pytest.mark.formula
@pytest.mark.parametrize(("exercise", "formula"), SLIPS)
def test_a_slip_is_called_what_the_check_calls_it(tasks, page, exercise, formula):
    said = page[exercise, formula]
    assert said == {"passed": False, "message": by_the_check(exercise, formula).message}
    assert any(said["message"] == slip[0] for case in tasks[exercise]["cases"] for slip in case["slips"])


def test_every_slip_is_among_these(tasks, page):
    known = {slip[0] for task in tasks.values() for case in task["cases"] for slip in case["slips"]}
    assert {page[each]["message"] for each in SLIPS} == known


@pytest.mark.parametrize(("exercise", "formula"), OTHERS)
def test_any_other_mistake_is_told_in_numbers(page, exercise, formula):
    assert page[exercise, formula]["message"].startswith("It is furthest off")
    assert "furthest off" in by_the_check(exercise, formula).message


@pytest.mark.parametrize(("exercise", "formula"), BROKEN)
def test_what_is_no_number_is_told_with_the_checks_advice(page, exercise, formula):
    said, advice = (
        page[exercise, formula]["message"],
        by_the_check(exercise, formula).message.rpartition(": "),
    )
    assert said.startswith("It gives no finite number")
    assert said.endswith(advice[2])


@pytest.mark.parametrize("exercise", ["ex-02-5", "ex-06-2", "ex-07-1", "ex-07-3", "ex-07-7"])
def test_a_check_of_more_than_single_places_is_refused(exercise):
    with pytest.raises(NoFormulaError):
        recorded(exercise)


@pytest.mark.parametrize("exercise", STARTS)
def test_a_cell_is_small_the_same_every_time_and_begins_unfinished(tasks, exercise):
    cell = FormulaCell(exercise=exercise)
    assert cell.task == tasks[exercise]
    assert len(json.dumps(cell.settings())) < 12_000
    assert cell.settings() == FormulaCell(exercise=exercise).settings()
    assert cell.picture() == FormulaCell(exercise=exercise).picture()
    assert not by_the_check(exercise, cell.start).passed
    if cell.scenes:
        assert all(set(given) == set(cell.task["names"]) for _, given in cell.scenes["shows"])


def test_the_picture_shows_the_line_and_what_it_works_on():
    picture = FormulaCell(exercise="ex-06-1").picture()
    assert "def guide(eps_cond, eps_uncond, guidance_scale):\n    return eps_cond" in picture
    assert 'alt="What guide works on: with the label, without, the sprite."' in picture


def test_in_the_book_the_cell_stands_below_the_code_of_its_exercise(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    import pixel_widgets

    page, noted = new_document("page"), []
    for exercise in ("ex-02-7", "ex-02-6"):
        code, stub, hint = (nodes.literal_block(text=text) for text in ("the bug", "the stub", "a hint"))
        inside = nodes.section("", code, stub, nodes.container("", hint))
        page += nodes.container("", inside, label=exercise)
    env = SimpleNamespace(docname="chapters/02_noise", note_dependency=noted.append, new_serialno=lambda _: 2)
    app = SimpleNamespace(env=env)
    pixel_widgets._add_formulas(app, page)
    with_cell, without = (exercise.children[0].children for exercise in page.children)
    texts = [node.astext() for node in with_cell]
    assert texts[:2] == ["the bug", "the stub"]
    assert 'data-widget="formula" data-place="02_noise-2"' in texts[3]
    assert texts[-1] == "a hint"
    assert len(without) == 3
    assert [Path(each).name for each in noted] == ["widgets.json"]
