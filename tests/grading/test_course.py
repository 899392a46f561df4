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
        got.append((result.status, result.points, {mark.status for mark in result.marks}))
        messages += [f"{mark.id}: {mark.message} {mark.remark}" for mark in result.marks]
    assert got == [("graded", what.points, {"passed"}), ("graded", 0, {"not written"})], "\n".join(messages)
