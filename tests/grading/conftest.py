"""One zygote for all tests of the grader."""

import contextlib
import shutil

import pytest

from pixel_edu.grading import selftest
from pixel_edu.grading.batch import Grader
from pixel_edu.grading.marking import Examiner
from pixel_edu.grading.rpc import client
from pixel_edu.grading.sandbox.forkserver import Zygote
from pixel_edu.grading.sandbox.isolation import SandboxError
from pixel_edu.grading.sandbox.restrictions import Limits
from tests.grading import classroom

LIMITS = Limits(cell=3, notebook=40, memory=1024, processes=32, file=64, output=64)


@pytest.fixture(scope="session")
def zygote():
    with contextlib.closing(Zygote()) as made:
        yield made


@pytest.fixture(scope="session")
def rung(zygote):
    """The best sandbox of this machine."""
    client.LIMIT = 2
    try:
        choice = selftest.choose("auto", zygote)
    except SandboxError as error:
        pytest.skip(str(error))
    assert choice.rung == "bubblewrap" or not shutil.which("bwrap"), choice
    return choice.rung


@pytest.fixture(scope="session")
def grader(zygote, rung):
    return Grader(classroom.ASSIGNMENT, Examiner(classroom.ASSIGNMENT), zygote, rung, LIMITS)
