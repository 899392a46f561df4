"""The sandbox holds on every level, and says so when it does not."""

import inspect
import os
import re
import select
import shutil
import socket
import subprocess
import sys
from importlib.metadata import version

import pytest
from ipykernel.iostream import IOPubThread
from nbformat.v4 import new_code_cell, new_notebook

from pixel_edu import notebooks
from pixel_edu.grading import running, selftest
from pixel_edu.grading.batch import Grader
from pixel_edu.grading.merge import Merged
from pixel_edu.grading.sandbox import forkserver, isolation, restrictions
from pixel_edu.grading.sandbox.isolation import Sandbox, SandboxError
from tests import needs
from tests.grading.classroom import ASSIGNMENT, FULL, job, points, solved
from tests.grading.conftest import LIMITS

MISSING = {
    "bubblewrap": needs.missing_program(*needs.BUBBLEWRAP),
    "namespaces": needs.missing_program(*needs.NAMESPACES)
    or ("" if restrictions.landlock_version() else "this kernel has no Landlock"),
    "landlock": ""
    if restrictions.landlock_version() >= 6
    else "this kernel's Landlock is older than version 6",
}
"""Why a level cannot be tried here, or ""."""


@pytest.mark.parametrize("name", ["bubblewrap", "namespaces"])
def test_a_sandbox_that_does_not_start_says_so_and_ends_nothing_else(name, monkeypatch):
    refused = "import sys; sys.exit('no namespaces for you')"
    monkeypatch.setattr(isolation, name, lambda *_: [sys.executable, "-c", refused])
    ended = []
    monkeypatch.setattr(isolation.os, "kill", lambda pid, _: ended.append(pid))
    with pytest.raises(
        SandboxError, match=f"the sandbox '{name}' does not start here: no namespaces for you"
    ):
        Sandbox(name, LIMITS)
    assert 0 not in ended  # which is this whole process group; the program that made none may still be ending


@pytest.mark.parametrize("name", MISSING)
def test_nothing_escapes(name, fork_server):
    if MISSING[name]:
        pytest.skip(MISSING[name])
    assert selftest.breaches(name, fork_server) == []


def test_the_self_test_notices_when_there_are_no_restrictions(fork_server):
    through = selftest.breaches("none", fork_server)
    assert {"read a file of the grader's", "reach the network", "end another process"} <= set(through)


def test_a_sandbox_that_leaks_is_refused(fork_server, level, monkeypatch):
    if level != "bubblewrap":
        pytest.skip("there is no bubblewrap")
    checks = isolation.Path(selftest.pixel_edu.__file__).parent / "course" / "checks"
    monkeypatch.setattr(isolation, "hidden", lambda: Leaky([checks]))
    with pytest.raises(SandboxError, match="a notebook could read the checks of the exercises"):
        selftest.choose("bubblewrap", fork_server)


class Leaky(list):
    """Known to who asks for the first, hidden from who isolates all."""

    def __iter__(self):
        return iter(())


@pytest.mark.parametrize("name", MISSING)
def test_every_rung_gives_the_same_marks(name, fork_server, grader):
    if MISSING[name]:
        pytest.skip(MISSING[name])
    own = Grader(ASSIGNMENT, grader.tests, fork_server, name, LIMITS)
    result, _ = own.grade(job(solved()))
    assert (points(result), result.level) == (FULL, name), result


@pytest.mark.parametrize("name", MISSING)
def test_a_kernel_has_no_privileges_and_cannot_get_any(name, fork_server):
    if MISSING[name]:
        pytest.skip(MISSING[name])
    cell = new_code_cell("print(open('/proc/self/status').read())", metadata={"part": "given"})
    notebook = new_notebook(cells=[cell], metadata={"kernelspec": notebooks.KERNEL})
    run = running.SubmissionRun(Merged(notebook, [], {}, {}), None, fork_server, name, LIMITS)
    run.execute()
    said = dict(
        line.split(":\t", 1) for line in run.executed.cells[0].outputs[0].text.splitlines() if ":\t" in line
    )
    assert int(said["CapEff"], 16) == int(said["CapPrm"], 16) == 0
    assert said["NoNewPrivs"] == "1"
    assert restrictions.program() is None or said["Seccomp"] == "2"


@pytest.mark.parametrize("name", MISSING)
def test_the_package_can_be_imported_although_its_folder_has_changed(name, fork_server):
    if MISSING[name]:
        pytest.skip(MISSING[name])
    os.utime(
        isolation.Path(selftest.pixel_edu.__file__).parent
    )  # as a file saved there does, or the first __pycache__
    cell = new_code_cell("import pixel_edu.oracle\nprint('imported')", metadata={"part": "given"})
    notebook = new_notebook(cells=[cell], metadata={"kernelspec": notebooks.KERNEL})
    run = running.SubmissionRun(Merged(notebook, [], {}, {}), None, fork_server, name, LIMITS)
    run.execute()
    assert [out.get("text") for out in run.executed.cells[0].outputs] == ["imported\n"]


def test_a_room_leaves_nothing_behind(level):
    with Sandbox(level, LIMITS) as sandbox:
        folder, holder = sandbox.folder, sandbox.holder
        assert (folder / "home").is_dir()
    assert not folder.exists()
    assert holder is None or holder.poll() is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bubblewrap", "namespaces"])
def test_no_process_outlives_its_sandbox_not_even_one_that_is_still_dying(name):
    if MISSING[name]:
        pytest.skip(MISSING[name])
    with Sandbox(name, LIMITS) as sandbox:
        crowd = "\n".join(
            (
                "import os, sys, time",
                "from pixel_edu.grading.sandbox import restrictions",
                "restrictions.enter(int(sys.argv[1]))",
                "for _ in range(24):",
                "    os.fork() or time.sleep(999)",
            )
        )
        subprocess.run([sys.executable, "-c", crowd, str(sandbox.leader)], check=True)
        inside = sandbox.processes()
        assert len(inside) > 24
    assert not [pid for pid in inside if os.path.exists(f"/proc/{pid}/exe")], "what has ended has no program"


@pytest.mark.slow
def test_a_killed_grader_takes_its_rooms_along(level):
    if level == "landlock":
        pytest.skip("this level has no processes of its own until a kernel starts")
    code = (
        "import time\nfrom pixel_edu.grading.sandbox.isolation import Sandbox\n"
        "from pixel_edu.grading.sandbox.restrictions import ResourceLimits\n"
        f"sandbox = Sandbox({level!r}, ResourceLimits())\nprint(sandbox.leader, flush=True)\ntime.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    leader = int(run.stdout.readline())
    run.kill()
    run.communicate()
    for _ in range(200):
        if not os.path.exists(f"/proc/{leader}"):
            return
        isolation.time.sleep(0.02)
    pytest.fail("the sandbox still runs")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MISSING, "none"])
def test_a_killed_grader_takes_its_kernels_along(name):
    if MISSING.get(name):
        pytest.skip(MISSING[name])
    code = f"""
import time
from jupyter_client.connect import write_connection_file
from pixel_edu.grading.sandbox.forkserver import ForkServer
from pixel_edu.grading.sandbox.isolation import Sandbox
from pixel_edu.grading.sandbox.restrictions import ResourceLimits
sandbox = Sandbox({name!r}, ResourceLimits())
to = write_connection_file(str(sandbox.folder / "to.json"), transport="ipc", ip=str(sandbox.folder / "kernel"))[0]
server = ForkServer()
print(server.start(sandbox, to), sandbox.folder, flush=True)
time.sleep(60)
"""
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    kernel, folder = run.stdout.readline().split()
    assert os.path.exists(f"/proc/{kernel}/exe")
    isolation.time.sleep(1)  # it now waits for messages
    run.kill()
    run.communicate()
    for _ in range(500):
        if not os.path.exists(f"/proc/{kernel}/exe"):
            shutil.rmtree(folder)
            return
        isolation.time.sleep(0.02)
    pytest.fail("the kernel still runs")


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "asm-generic/unistd.h")],
)
def test_calls_have_the_numbers_of_the_kernels_headers(machine, header):
    path = isolation.Path("/usr/include", header)
    if not path.exists():
        pytest.skip(f"this machine has no {path}")
    numbers = dict(re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", path.read_text(), re.MULTILINE))
    known = restrictions.MACHINES[machine]
    ours = {name: each[known.column] for name, each in restrictions.FORBIDDEN.items()}
    ours |= {"clone": known.clone, "socket": known.socket, "clone3": restrictions.CLONE3}
    assert {name: int(numbers[name]) for name in ours} == ours


def test_the_private_part_of_ipykernel_that_we_replace_is_the_one_we_know():
    """`forkserver._kernel` turns it off as its own handler of a failed bind does, in the version named here."""
    source = inspect.getsource(IOPubThread._setup_pipe_in)
    assert version("ipykernel").partition(".")[0] == "7", (
        "read IOPubThread again, and then name its version here"
    )
    assert 'bind_to_random_port("tcp://127.0.0.1")' in source
    assert "self._pipe_flag = False" in source


def test_an_unknown_sandbox_says_what_to_do(fork_server, monkeypatch):
    monkeypatch.setattr(selftest, "LEVELS", ("bubblewrap", "none"))
    monkeypatch.setattr(selftest.shutil, "which", lambda _: None)
    with pytest.raises(
        SandboxError, match=r"bubblewrap is not installed.*--sandbox none if you trust everybody"
    ):
        selftest.choose("auto", fork_server)


def test_a_package_that_is_not_the_installed_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(forkserver, "PACKAGE", tmp_path)
    with pytest.raises(SandboxError) as refused:
        forkserver.ForkServer(modules=())
    assert f"runs pixel_edu from {tmp_path}, but" in str(refused.value)
    assert "without PYTHONPATH" in str(refused.value)


def test_a_fork_server_whose_grader_was_killed_ends_without_a_word():
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "pixel_edu.grading.sandbox.forkserver", str(theirs.fileno())]
    env = os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with subprocess.Popen(
        command, env=env, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True
    ) as process:
        theirs.close()
        while not select.select([ours], [], [], 0.1)[0]:
            assert process.poll() is None
        ours.close()  # its greeting is unread, as where the grader was killed while it worked
        assert process.communicate(timeout=20) == (None, "")
