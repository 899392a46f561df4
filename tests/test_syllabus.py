"""The teacher's page: hours that add up, a row for each prediction, and an exam whose answers stay where they are."""

import re
import shutil
from pathlib import Path

import pytest

from pixel_edu import notebooks
from pixel_edu.config import UserError
from pixel_edu.grading import assignment
from pixel_edu.making import syllabus
from pixel_edu.notebooks import handouts

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
PATHS = sorted((ROOT / "chapters").glob("*.ipynb"))
PARTS = syllabus.parts()
FIRST = [part for number, part in PARTS.items() if number <= "09"]
EXAM = notebooks.read(ROOT / "exam" / "exam.ipynb")


def test_chapters_1_to_9_are_read_in_eight_hours_and_done_with_their_core_exercises_in_14():
    assert len(FIRST) == 9
    assert sum(part.reading for part in FIRST) < 8 * 60
    assert sum(part.minutes(core_only=True) for part in FIRST) <= 14 * 60


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_chapter_takes_as_long_as_the_rule_says(path):
    notebook = notebooks.read(path)
    assert abs(syllabus.time_of(notebook, path.name) - syllabus.estimate(notebook)) <= 3


def test_the_plans_take_each_part_once_and_no_week_is_three_hours_long_on_the_core_path():
    taken = {weeks: sorted(sum(plan, ())) for weeks, plan in syllabus.PLANS.items()}
    assert taken[12] == sorted(PARTS)
    assert taken[6] == sorted([part.number for part in FIRST] + ["exam"])
    for weeks, plan in syllabus.PLANS.items():
        assert len(plan) == weeks
    weekly = [sum(PARTS[number].minutes(core_only=True) for number in week) for week in syllabus.PLANS[6]]
    assert max(weekly) <= 3 * 60 + 15


def minutes(cell):
    """A table's "2:05", as minutes."""
    whole, rest = map(int, cell.split(":"))
    return 60 * whole + rest


@pytest.mark.parametrize("weeks", syllabus.PLANS)
def test_the_page_shows_a_plan_whose_rows_add_up_to_what_the_notebooks_say(weeks):
    assert f"{{include}} generated/weeks_{weeks}.md" in PAGE
    text = (ROOT / "book" / "generated" / f"weeks_{weeks}.md").read_text(encoding="utf-8")
    lines = [line.split("|")[3:6] for line in text.splitlines() if line.startswith("| ")]
    rows = [[minutes(cell) for cell in cells] for cells in lines[2:]]
    *each, together = rows
    assert len(each) == weeks
    assert together == [sum(column) for column in zip(*each, strict=True)]
    assert all(reading + exercises == both for reading, exercises, both in rows)
    chosen = [*FIRST, PARTS["exam"]] if weeks in syllabus.CORE else list(PARTS.values())
    assert together[2] == sum(part.minutes(weeks in syllabus.CORE) for part in chosen)


def test_a_change_of_one_exercise_s_time_makes_the_stored_tables_false(tmp_path):
    for name in ("chapters", "solutions", "exam"):
        shutil.copytree(ROOT / name, tmp_path / name)
    stored = {name: (ROOT / "book" / name).read_text(encoding="utf-8") for name, _ in syllabus.pages()}
    assert dict(syllabus.pages(tmp_path)) == stored
    path = tmp_path / "solutions" / "02_noise.ipynb"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("*10 minutes · easy · core.*", "*15 minutes · easy · core.*"), encoding="utf-8"
    )
    assert all(text != stored[name] for name, text in syllabus.pages(tmp_path))


def test_a_chapter_that_does_not_say_how_long_it_takes_is_named(tmp_path):
    with pytest.raises(UserError, match=r"x\.ipynb does not say how long it takes"):
        syllabus.time_of(notebooks.read(ROOT / "solutions" / "01_pixels.ipynb"), "x.ipynb")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_page_has_a_line_for_each_prediction_of_a_chapter_in_order(path):
    told = PAGE.partition(f"### {int(path.name[:2])} · ")[2].partition("\n### ")[0].partition("\n## ")[0]
    assert all(f"- **{word}.**" in told for word in ("Goal", "Needs", "Misconceptions"))
    section, asked = "", []
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                section = line.removeprefix("## ") if line.startswith("## ") else section
                asked += [section] * line.startswith("> **Predict.**")
    lines = re.findall(r"(?m)^\d+\. \*\*(.+?)\.?\*\*", told)
    assert lines == asked


def test_the_exam_has_twenty_questions_and_its_hand_out_no_answer():
    found = assignment.from_notebook(EXAM, "exam")
    assert len(found.tasks) == 20
    assert sum(task.by_hand for task in found.tasks) == 6
    given = handouts.hand_out(EXAM, "exam")
    text = "\n".join(cell.source for cell in given.cells)
    assert "HIDDEN" not in text
    assert "SOLUTION" not in text
    solved = [hit[2].strip() for cell in EXAM.cells for hit in handouts.SOLUTION.finditer(cell.source)]
    assert len(solved) == 20
    assert not any(line.partition(" = ")[2] in text for line in solved[:14])
    assert not any(line[:60] in text for line in solved)


@pytest.mark.parametrize("numbers", ["", "alpha_bar, later, copies, share = 0.2, 0.9, 5, 0.4\n"])
def test_the_exam_s_own_answers_pass_whatever_the_numbers_and_no_other_does(numbers):
    """The right answers follow from the numbers, so an instructor who changes these has an exam of their own."""
    code = {handouts.grade_id(cell): cell.source for cell in EXAM.cells if cell.cell_type == "code"}
    space = {}
    exec(code.pop("exam-numbers") + "\n" + numbers, space)
    for name, source in code.items():
        exec(source, space)
        if name.endswith("-marks"):
            wrong = space | {f"q{name[5:7]}": space[f"q{name[5:7]}"] * 1.1}
            with pytest.raises(AssertionError, match="is right"):
                exec(source, wrong)


def test_the_exam_s_answers_are_those_of_the_package():
    """Each formula of the exam against the function of the package that computes the same."""
    import numpy as np
    import torch

    from pixel_edu import diffusion, guidance, schedules

    space = {}
    for cell in EXAM.cells:
        if cell.cell_type == "code":
            exec(cell.source, space)
    bars = torch.tensor([space["later"], space["alpha_bar"]], dtype=torch.float64)
    levels = schedules.Schedule(bars).levels(torch.tensor([0, 1]))
    assert space["q02"] == pytest.approx(float(levels.noise[1]), rel=1e-6)
    assert space["q03"] == pytest.approx(float(levels.half_log_snr[1]), rel=1e-5)
    level = schedules.Schedule(bars).levels(torch.tensor([1]))
    x, answer = (torch.full((1, 3, 1, 1), space[name]) for name in ("x_t", "v"))
    assert space["q04"] == pytest.approx(
        float(diffusion.clean(x, answer, level, "v").x0[0, 0, 0, 0]), rel=1e-5
    )
    weights = [np.exp(-((space["x_t"] - 0.6 * d) ** 2) / (2 * 0.64)) for d in (-1, 1)]
    assert space["q06"] == pytest.approx((weights[1] - weights[0]) / sum(weights))
    assert space["q08"] == sum(p.numel() for p in torch.nn.Conv2d(32, 48, 3).parameters())
    both = (torch.full((1, 3, 1, 1), space[name]) for name in ("given", "without"))
    assert space["q11"] == pytest.approx(float(guidance.guide(*both, space["scale"])[0, 0, 0, 0]), rel=1e-6)
    assert space["q13"] == pytest.approx(1 - 0.05 ** (1 / space["drawn"]), rel=0.01)


def test_the_exam_is_in_no_page_of_the_book():
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert "only_build_toc_files: true" in config
    assert "exam/" not in toc
