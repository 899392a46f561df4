"""One fork server for all tests of the grader."""

import contextlib

import pytest

from pixel_edu.grading import selftest
from pixel_edu.grading.batch import Grader
from pixel_edu.grading.marking import Examiner
from pixel_edu.grading.rpc import client
from pixel_edu.grading.sandbox.forkserver import ForkServer
from pixel_edu.grading.sandbox.isolation import SandboxError
from pixel_edu.grading.sandbox.restrictions import ResourceLimits
from tests import needs
from tests.grading import classroom

LIMITS = ResourceLimits(cell=3, notebook=40, memory=1024, processes=32, file=64, output=64)


@pytest.fixture(scope="session")
def fork_server():
    with contextlib.closing(ForkServer()) as made:
        yield made


@pytest.fixture(scope="session")
def level(fork_server):
    """The best sandbox of this machine."""
    client.LIMIT = 2
    try:
        choice = selftest.choose("auto", fork_server)
    except SandboxError as error:
        pytest.skip(str(error))
    assert choice.level == "bubblewrap" or needs.missing_program(*needs.BUBBLEWRAP), choice
    return choice.level


@pytest.fixture(scope="session")
def grader(fork_server, level):
    return Grader(classroom.ASSIGNMENT, Examiner(classroom.ASSIGNMENT), fork_server, level, LIMITS)
