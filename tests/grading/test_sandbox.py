"""The sandbox holds on every rung, and says so when it does not."""

import os
import shutil
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from pixel_edu import notebooks
from pixel_edu.grading import running, selftest
from pixel_edu.grading.batch import Grader
from pixel_edu.grading.merge import Merged
from pixel_edu.grading.sandbox import isolation, restrictions
from pixel_edu.grading.sandbox.isolation import Room, SandboxError
from tests.grading.classroom import ASSIGNMENT, FULL, job, points, solved
from tests.grading.conftest import LIMITS

HERE = {
    "bubblewrap": shutil.which("bwrap"),
    "namespaces": shutil.which("unshare") and restrictions.landlock_version(),
    "landlock": restrictions.landlock_version() >= 6,
}


@pytest.mark.parametrize("name", HERE)
def test_nothing_escapes(name, zygote):
    if not HERE[name]:
        pytest.skip(f"this machine has no {name}")
    assert selftest.escapes(name, zygote) == []


def test_the_self_test_notices_when_there_are_no_walls(zygote):
    through = selftest.escapes("none", zygote)
    assert {"read a file of the grader's", "reach the network", "end another process"} <= set(through)


def test_a_sandbox_that_leaks_is_refused(zygote, rung, monkeypatch):
    if rung != "bubblewrap":
        pytest.skip("there is no bubblewrap")
    checks = isolation.Path(selftest.pixel_edu.__file__).parent / "course" / "checks"
    monkeypatch.setattr(isolation, "hidden", lambda: Leaky([checks]))
    with pytest.raises(SandboxError, match="a notebook could read the checks of the exercises"):
        selftest.choose("bubblewrap", zygote)


class Leaky(list):
    """Known to who asks for the first, hidden from who builds walls of all."""

    def __iter__(self):
        return iter(())


@pytest.mark.parametrize("name", HERE)
def test_every_rung_gives_the_same_marks(name, zygote, grader):
    if not HERE[name]:
        pytest.skip(f"this machine has no {name}")
    own = Grader(ASSIGNMENT, grader.tests, zygote, name, LIMITS)
    result, _ = own.grade(job(solved()))
    assert (points(result), result.rung) == (FULL, name), result


@pytest.mark.parametrize("name", HERE)
def test_a_kernel_has_no_privileges_and_cannot_get_any(name, zygote):
    if not HERE[name]:
        pytest.skip(f"this machine has no {name}")
    cell = new_code_cell("print(open('/proc/self/status').read())", metadata={"part": "given"})
    notebook = new_notebook(cells=[cell], metadata={"kernelspec": notebooks.KERNEL})
    run = running.Run(Merged(notebook, [], {}), None, zygote, name, LIMITS)
    run.visit()
    said = dict(
        line.split(":\t", 1) for line in run.executed.cells[0].outputs[0].text.splitlines() if ":\t" in line
    )
    assert int(said["CapEff"], 16) == int(said["CapPrm"], 16) == 0
    assert said["NoNewPrivs"] == "1"
    assert restrictions.program() is None or said["Seccomp"] == "2"


def test_a_room_leaves_nothing_behind(rung):
    with Room(rung, LIMITS) as room:
        folder, holder = room.folder, room.holder
        assert (folder / "home").is_dir()
    assert not folder.exists()
    assert holder is None or holder.poll() is not None


def test_a_killed_grader_takes_its_rooms_along(rung):
    if rung == "landlock":
        pytest.skip("this rung has no processes of its own until a kernel starts")
    code = (
        "import time\nfrom pixel_edu.grading.sandbox.isolation import Room\n"
        "from pixel_edu.grading.sandbox.restrictions import Limits\n"
        f"room = Room({rung!r}, Limits())\nprint(room.leader, flush=True)\ntime.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    leader = int(run.stdout.readline())
    run.kill()
    run.communicate()
    for _ in range(200):
        if not os.path.exists(f"/proc/{leader}"):
            return
        isolation.time.sleep(0.02)
    pytest.fail("the room still runs")


def test_an_unknown_sandbox_says_what_to_do(zygote, monkeypatch):
    monkeypatch.setattr(selftest, "RUNGS", ("bubblewrap", "none"))
    monkeypatch.setattr(selftest.shutil, "which", lambda _: None)
    with pytest.raises(
        SandboxError, match=r"bubblewrap is not installed.*--sandbox none if you trust everybody"
    ):
        selftest.choose("auto", zygote)
