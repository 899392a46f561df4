"""What a process does to itself before it runs a student's code: limits, other namespaces, no privileges, no way back.

Linux only, through its C library, but for `limit`. Each function says which call it makes; `prctl(2)`, `setns(2)`,
`capset(2)`, `seccomp(2)` and `landlock(7)` are the manual pages.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import signal
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

try:
    import resource
except ImportError:  # on Windows
    resource = None

NO_NEW_PRIVILEGES, SECCOMP, FILTER, DEATH_SIGNAL, SUBREAPER = 38, 22, 2, 1, 36
NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
"""User, mount, process, network, IPC and host name."""
CALLS = {"pidfd_open": 434, "landlock_create": 444, "landlock_add": 445, "landlock_restrict": 446}
FORBIDDEN = {
    "ptrace": (101, 117),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "finit_module": (313, 273),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
}
"""System calls that no notebook needs, and where many escapes began: their numbers on x86_64 and aarch64."""


class Machine(NamedTuple):
    """What the seccomp filter must know of a kind of processor.

    Attributes:
        column: of the numbers in `FORBIDDEN`.
        architecture: its AUDIT_ARCH number.
        clone: number of the call that forks, whose flags are looked at.
        socket: number of the call that makes sockets, whose family is looked at.
    """

    column: int
    architecture: int
    clone: int
    socket: int


MACHINES = {"x86_64": Machine(0, 0xC000003E, 56, 41), "aarch64": Machine(1, 0xC00000B7, 220, 198)}
CLONE3 = 435
"""The same on both."""
NEW_USER = 0x10000000
"""CLONE_NEWUSER."""


class ResourceLimits(NamedTuple):
    """What one submission may use.

    Attributes:
        cell: seconds that a cell may run.
        notebook: seconds for the whole of it, tests and new kernels included.
        memory: MiB of all its processes.
        processes: the most that it may have at once.
        file: MiB of one file, and of its whole folder.
        output: KiB that a cell may show; the rest is cut off while it is read.
    """

    cell: float = 30
    notebook: float = 300
    memory: int = 2048
    processes: int = 64
    file: int = 256
    output: int = 256


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def limit(limits: ResourceLimits) -> None:
    """setrlimit: memory, file size, processes, open files, no core files; nothing on Windows, which has no limits."""
    if resource is None:
        return
    mib = 1 << 20
    for what, most in (
        (resource.RLIMIT_DATA, limits.memory * mib),  # RLIMIT_AS would count what torch only reserves
        (resource.RLIMIT_FSIZE, limits.file * mib),
        (resource.RLIMIT_CPU, int(limits.notebook) + 5),
        (resource.RLIMIT_NOFILE, 512),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def enter(pid: int) -> None:
    """setns: join all namespaces of a process; children are born in its process namespace.

    Raises:
        OSError: the system does not let us.
    """
    fd = _check(_libc().syscall(CALLS["pidfd_open"], pid, 0), "pidfd_open")
    _check(_libc().setns(fd, NAMESPACES), "setns")
    os.close(fd)


def drop() -> None:
    """Capset and prctl: no capability, and no program that gives one back."""
    header = struct.pack("II", 0x20080522, 0)
    _check(_libc().capset(header, bytes(24)), "capset")
    _check(_libc().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")


def die_with_parent() -> None:
    """prctl: a killed parent takes this process along."""
    be_told_of_parents_end(signal.SIGKILL)


def be_told_of_parents_end(by: signal.Signals) -> None:
    """prctl: when the parent ends, however that is, this process gets a signal."""
    _libc().prctl(DEATH_SIGNAL, by, 0, 0, 0)


def program(network: bool = True) -> bytes | None:
    """A seccomp filter: calls of `FORBIDDEN` and new user namespaces fail with EPERM.

    It is classic BPF: an instruction is (operation, jump if true, jump if false, operand), and jumps count the
    instructions to skip. It loads from `struct seccomp_data`: number at 0, architecture at 4, arguments from 16.

    Args:
        network: whether sockets other than Unix ones may be made.

    Returns:
        The program; None on a machine whose call numbers it does not know.
    """
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return None
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse, absent, allow = (answer, 0, 0, 0x00050001), (answer, 0, 0, 0x00050026), (answer, 0, 0, 0x7FFF0000)
    number, first_argument, architecture = (load, 0, 0, 0), (load, 0, 0, 16), (load, 0, 0, 4)
    # a call of another architecture, such as a 32-bit one, has other numbers: none of those may pass
    lines = [architecture, (equal, 1, 0, machine.architecture), refuse, number]
    if machine.column == 0:  # x32 calls are x86_64's under numbers from 1 << 30
        lines += [(at_least, 0, 1, 0x40000000), refuse]
    # clone3's flags lie in memory, which no filter can read: say ENOSYS, and the C library falls back on clone
    lines += [(equal, 0, 1, CLONE3), absent]
    lines += [(equal, 0, 4, machine.clone), first_argument, (any_bit, 0, 1, NEW_USER), refuse, allow]
    if not network:
        lines += [(equal, 0, 4, machine.socket), first_argument, (equal, 1, 0, 1), refuse, allow]
    numbers = [each[machine.column] for each in FORBIDDEN.values()]
    # each of these jumps over the rest and over `allow`, to the `refuse` at the very end
    lines += [(equal, len(numbers) - i, 0, each) for i, each in enumerate(numbers)]
    return b"".join(struct.pack("HBBI", *line) for line in [*lines, allow, refuse])


def forbid(network: bool = True) -> None:
    """prctl: put the filter in force, for this process and all that come from it."""
    code = program(network)
    if code is None:
        return
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    _check(_libc().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    _check(_libc().prctl(SECCOMP, FILTER, header, 0, 0), "seccomp")


def landlock_version() -> int:
    """landlock_create_ruleset: 0 where the kernel has none."""
    return max(_libc().syscall(CALLS["landlock_create"], None, 0, 1), 0)


def landlock(readable: Iterable[Path], writable: Iterable[Path], listable: Iterable[Path] = ()) -> None:
    """landlock: nothing but these folders, and no connection by TCP where the kernel can forbid it.

    Args:
        readable: files and folders that may be read.
        writable: those that may be changed, too.
        listable: folders that may be listed, with all below them; what stands in their files stays closed.

    Raises:
        OSError: the kernel has no Landlock.
    """
    version = landlock_version()
    read, list_folder = 0b1101, 0b1000  # run a file, read one, list a folder; only the last
    every = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    of_files = 0b111 | (version >= 3) << 14
    rules = struct.pack("QQQ", every, 0b11, 0b11)  # files; TCP; sockets and signals of others
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    fd = _check(_libc().syscall(CALLS["landlock_create"], rules, size, 0), "landlock_create_ruleset")
    for folders, access in ((readable, read), (writable, every), (listable, list_folder)):
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):
                place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
                rule = struct.pack("=Qi", access if folder.is_dir() else access & of_files, place)
                _check(_libc().syscall(CALLS["landlock_add"], fd, 1, rule, 0), "landlock_add_rule")
                os.close(place)
    _check(_libc().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    _check(_libc().syscall(CALLS["landlock_restrict"], fd, 0), "landlock_restrict_self")
    os.close(fd)


def reap_orphans() -> None:
    """prctl: processes whose parents end become this one's children."""
    _libc().prctl(SUBREAPER, 1, 0, 0, 0)
