"""Where a student's code runs: a sandbox of its own, at the strictest level that this machine has.

    bubblewrap   only the system, Python and an empty folder exist, all read-only but the folder; no network
    namespaces   own processes and no network; Landlock closes all files but the system's and Python's
    landlock     files closed by Landlock, network and signals too, by the same and by seccomp
    none         no restrictions at all; only when asked for by name

At every level there are limits on time, memory, processes and file size, and seccomp where it is known.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixel_edu
from pixel_edu.config import UserError
from pixel_edu.files import socket_folder
from pixel_edu.grading.sandbox import restrictions

LEVELS = ("bubblewrap", "namespaces", "landlock", "none")
"""The sandbox levels, the strictest first."""
HIDDEN = ("course/checks",)
"""What a student's code never sees of this package: the checks know the right answers."""
HOLD = "echo ready; exec cat"
"""What keeps the namespaces of a sandbox alive until its stdin closes."""
PATIENCE = 10_000
"""Milliseconds to wait for killed processes: large ones take a second or two until their memory is free."""


class SandboxError(UserError):
    """No sandbox, or one that does not hold."""


def environment(home: Path) -> dict[str, str]:
    """All that a student's code finds in its environment."""
    return {
        "HOME": str(home),
        "USER": "student",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "OMP_NUM_THREADS": "1",
        "PIXEL_EDU_GRADING": "1",
        "IPYTHONDIR": str(home / ".ipython"),
        "MPLCONFIGDIR": str(home / ".matplotlib"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
    }


def system() -> list[Path]:
    """Folders and files of the system that every program needs."""
    folders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives"]
    return [Path(each) for each in [*folders, "/etc/fonts", "/etc/localtime"] if os.path.lexists(each)]


def python() -> list[Path]:
    """Folders of this interpreter, its packages and pixel_edu."""
    packages = [each for each in sys.path if "site-packages" in each or "dist-packages" in each]
    package = Path(pixel_edu.__file__).parent
    found = [Path(each) for each in (sys.prefix, sys.base_prefix, sys.exec_prefix, *packages, package)]
    return [each for each in dict.fromkeys(found) if each.is_dir() and not each.is_relative_to("/usr")]


def hidden() -> list[Path]:
    """Folders that a student's code must not see."""
    return [Path(pixel_edu.__file__).parent / each for each in HIDDEN]


def around(folder: Path, without: list[Path]) -> Iterator[Path]:
    """A folder as the pieces that remain without some folders in it: Landlock can allow, and cannot forbid."""
    inside = [each for each in without if each.is_relative_to(folder)]
    if not inside:
        yield folder
    elif folder not in inside:
        for child in folder.iterdir():
            yield from around(child, inside)


def bubblewrap(sandbox: Path, limits: restrictions.ResourceLimits) -> list[str]:
    """The command line that makes a sandbox, up to the program inside."""
    command = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv"]
    command += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    for path in system():
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        else:
            command += ["--ro-bind", str(path), str(path)]
    size = str(limits.file << 20)
    command += ["--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/tmp"]
    for path in python():  # after /tmp, where they may be
        command += ["--ro-bind", str(path), str(path)]
    for path in hidden():
        command += ["--tmpfs", str(path), "--remount-ro", str(path)]
    command += ["--bind", str(sandbox), str(sandbox), "--size", size, "--tmpfs", str(sandbox / "home")]
    return [*command, "--chdir", str(sandbox / "home"), "--"]


def namespaces(sandbox: Path, limits: restrictions.ResourceLimits) -> list[str]:
    """The same with a program that every Linux has, but without a file system of its own."""
    return [
        *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts"),
        *("--fork", "--kill-child=SIGKILL", "--mount-proc"),
    ]


class Sandbox:
    """A student's sandbox: a folder for sockets and files, namespaces to enter, and the processes inside.

    Args:
        level: one of `LEVELS`.
        limits: for all in it.

    Attributes:
        leader: number of the first process of its namespace, or 0. It ends when all others there have ended.
        reaper: where there is no such namespace, number of the kernel's parent, which ends last; or 0.
        process: the kernel in it where that is an ordinary process, see `plain`.
    """

    def __init__(self, level: str, limits: restrictions.ResourceLimits) -> None:
        self.level, self.limits = level, limits
        self.folder = socket_folder()
        self.home.mkdir()
        self.holder: subprocess.Popen | None = None
        self.leader = 0
        self.reaper = 0
        self.last: int | None = None
        self.process: subprocess.Popen | None = None
        if level in ("bubblewrap", "namespaces"):
            try:
                self._hold()
            except BaseException:
                self.close()
                raise

    @property
    def home(self) -> Path:
        """The folder that its code starts in; at some levels it has another content inside than outside."""
        return self.folder / "home"

    @property
    def beside(self) -> Path:
        """The folder of the files that a kernel finds a copy of where it starts; there may be none."""
        return self.folder / "beside"

    def _hold(self) -> None:
        make = bubblewrap if self.level == "bubblewrap" else namespaces
        command = [*make(self.folder, self.limits), "sh", "-c", HOLD]
        self.holder = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.holder.stdout  # both are pipes
        assert self.holder.stderr
        if self.holder.stdout.readline() != b"ready\n":
            said = self.holder.stderr.read(2000).decode(errors="replace").strip()
            raise SandboxError(f"the sandbox {self.level!r} does not start here: {said}")
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        self.leader = int(children[0])
        self.last = os.pidfd_open(self.leader)

    @property
    def readable(self) -> list[Path]:
        """What Landlock leaves open to read."""
        proc = [Path(each) for each in ("/proc", "/dev", "/sys/devices/system/cpu")]
        if self.level == "landlock":
            proc = [Path(f"/proc/{each}") for each in ("self", "meminfo", "cpuinfo", "stat", "version")]
            proc += [Path("/dev/urandom"), Path("/dev/zero"), Path("/sys/devices/system/cpu")]
        pieces = [each for folder in python() for each in around(folder, hidden())]
        return [*system(), *pieces, *proc]

    @property
    def listable(self) -> list[Path]:
        """What Landlock leaves open to list: the folders of which only parts can be read.

        Python lists a package's folder again once that has changed. If it may not, no module there is found any more.
        """
        return [folder for folder in python() if any(each.is_relative_to(folder) for each in hidden())]

    @property
    def writable(self) -> list[Path]:
        """What Landlock leaves open to write."""
        return [self.folder, Path("/dev/null"), Path("/dev/shm")]

    def request(self, connection: str) -> dict[str, Any]:
        """What the fork server needs to know to start a kernel in this sandbox."""
        closed = self.level in ("namespaces", "landlock")
        return {
            "connection": connection,
            "home": str(self.home),
            "beside": str(self.beside),
            "environment": environment(self.home),
            "leader": self.leader,
            "limits": self.limits._asdict(),
            "readable": [str(each) for each in self.readable] if closed else [],
            "writable": [str(each) for each in self.writable] if closed else [],
            "listable": [str(each) for each in self.listable] if closed else [],
            "restricted": self.level != "none",
            "network": self.level != "landlock",
        }

    def processes(self) -> list[int]:
        """All processes in the sandbox, by their numbers outside."""
        if not self.leader:
            return list(descendants(self.reaper))[1:] if self.reaper else []
        with contextlib.suppress(OSError):
            inside = os.readlink(f"/proc/{self.leader}/ns/pid_for_children")
            return [pid for pid in _numbers() if _namespace(pid) == inside]
        return []

    def too_much(self) -> str:
        """Which limit the sandbox as a whole is over, or ""."""
        processes = self.processes()
        if len(processes) > self.limits.processes + 3:
            return f"more than {self.limits.processes} processes"
        if sum(map(_memory, processes)) > self.limits.memory << 20:
            return f"more than {self.limits.memory} MiB of memory"
        return ""

    def await_reaper(self, pid: int) -> None:
        """Say whose end `close` waits for, at a level without a leader."""
        self.reaper = pid
        with contextlib.suppress(ProcessLookupError):
            self.last = os.pidfd_open(pid)

    def kill(self) -> None:
        """End all processes in the sandbox, whatever they do against it."""
        if self.holder:
            self.holder.kill()
            if self.leader:  # where it never started this is 0, which to `kill` is our own process group
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(self.leader, signal.SIGKILL)  # the first of a namespace takes all others along
        elif self.process:
            self.process.kill()
            self.process.wait()
        else:
            for _ in range(20):
                left = self.processes()
                for pid in left:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                if not left:
                    break
                time.sleep(0.01)

    def close(self) -> None:
        """End all processes, wait until none is left, and delete the folder."""
        self.kill()
        if self.last is not None:
            ended = select.poll()  # not select(), which takes no file descriptor above 1023
            ended.register(self.last, select.POLLIN)
            ended.poll(PATIENCE)
            os.close(self.last)
            self.last = None
        if self.holder:
            self.holder.wait()
            for stream in (self.holder.stdin, self.holder.stdout, self.holder.stderr):
                if stream:
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _numbers() -> list[int]:
    return [int(each) for each in os.listdir("/proc") if each.isdigit()]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _memory(pid: int) -> int:
    """Bytes that are this process's own."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> Iterator[int]:
    """A process and all its descendants, orphans included: those are children of the process that started it."""
    yield pid
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from descendants(int(child))
