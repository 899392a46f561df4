"""The course's own notebooks, graded: all points for the solutions, none for what was handed out."""

from pathlib import Path

import pytest

from pixel_edu.grading import assignment
from pixel_edu.grading.batch import Grader, GradingJob
from pixel_edu.grading.marking import Examiner
from pixel_edu.grading.sandbox.restrictions import ResourceLimits
from pixel_edu.grading.submissions import Submission
from tests.answers import CHAPTERS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_solutions_get_everything_and_hand_outs_nothing(name, fork_server, level):
    what = assignment.from_folder(ROOT / "solutions", name)
    grader = Grader(what, Examiner(what), fork_server, level, ResourceLimits())
    got, messages = [], []
    for folder in ("solutions", "exercises"):
        content = (ROOT / folder / f"{name}.ipynb").read_bytes()
        submission = Submission(f"{folder}.ipynb", folder, "", "2026-01-01T00:00:00+00:00", content)
        result, _ = grader.grade(GradingJob(submission, tuple(task.id for task in what.tasks)))
        by_program = [mark for mark, task in zip(result.marks, what.tasks, strict=True) if not task.by_hand]
        by_hand = {mark.status for mark in result.marks} - {mark.status for mark in by_program}
        got.append((result.status, result.points, {mark.status for mark in by_program}, by_hand))
        messages += [f"{mark.id}: {mark.message} {mark.remark}" for mark in result.marks]
    points = sum(task.points for task in what.tasks if not task.by_hand)
    left = {"by hand"} if any(task.by_hand for task in what.tasks) else set()
    wanted = [("graded", points, {"passed"}, left), ("graded", 0, {"not written"} if points else set(), left)]
    assert got == wanted, "\n".join(messages)
