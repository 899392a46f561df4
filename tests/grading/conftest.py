"""One zygote for all tests of the grader."""

import contextlib
import shutil

import pytest

from pixel_edu.course.grading import escape, line
from pixel_edu.course.grading.batch import Grader
from pixel_edu.course.grading.marking import Examiner
from pixel_edu.course.grading.sandbox import SandboxError
from pixel_edu.course.grading.walls import Limits
from pixel_edu.course.grading.zygote import Zygote
from tests.grading import classroom

LIMITS = Limits(cell=3, notebook=40, memory=1024, processes=32, file=64, output=64)


@pytest.fixture(scope="session")
def zygote():
    with contextlib.closing(Zygote()) as made:
        yield made


@pytest.fixture(scope="session")
def rung(zygote):
    """The best sandbox of this machine."""
    line.LIMIT = 2
    try:
        choice = escape.choose("auto", zygote)
    except SandboxError as error:
        pytest.skip(str(error))
    assert choice.rung == "bubblewrap" or not shutil.which("bwrap"), choice
    return choice.rung


@pytest.fixture(scope="session")
def grader(zygote, rung):
    return Grader(classroom.ASSIGNMENT, Examiner(classroom.ASSIGNMENT), zygote, rung, LIMITS)
