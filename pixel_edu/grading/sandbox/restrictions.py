"""What a process does to itself before it runs a student's code: limits, other namespaces, no privileges, no way back.

Linux only, through its C library; each function says which call it makes. `prctl(2)`, `setns(2)`, `capset(2)`,
`seccomp(2)` and `landlock(7)` are the manual pages.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

NO_NEW_PRIVILEGES, SECCOMP, FILTER, DEATH_SIGNAL, SUBREAPER = 38, 22, 2, 1, 36
NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
"""User, mount, process, network, IPC and host name."""
CALLS = {"pidfd_open": 434, "landlock_create": 444, "landlock_add": 445, "landlock_restrict": 446}
FORBIDDEN = {
    "x86_64": [
        101,
        155,
        161,
        165,
        166,
        167,
        169,
        175,
        176,
        246,
        248,
        249,
        250,
        272,
        298,
        304,
        308,
        310,
        311,
        313,
    ],
    "aarch64": [
        117,
        41,
        51,
        40,
        39,
        224,
        142,
        105,
        106,
        104,
        217,
        218,
        219,
        97,
        241,
        265,
        268,
        270,
        271,
        273,
    ],
}
"""ptrace, pivot_root, chroot, mount, umount2, swapon, reboot, init_module, delete_module, kexec_load, the three of
keyrings, unshare, perf_event_open, open_by_handle_at, setns, process_vm_readv, process_vm_writev, finit_module: nothing
that a notebook needs, and where many ways out of a sandbox began."""
LATER = {"x86_64": [320, 321, 323], "aarch64": [294, 280, 282]}
"""kexec_file_load, bpf, userfaultfd."""
EVERYWHERE = [425, 426, 427, 428, 429, 430, 431, 432, 442]
"""io_uring and the new mount calls, which have the same numbers on both."""
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_libc = ctypes.CDLL(None, use_errno=True)


class ResourceLimits(NamedTuple):
    """What one submission may use.

    Attributes:
        cell: seconds that a cell may run.
        notebook: seconds for the whole of it, tests and new kernels included.
        memory: MiB of all its processes.
        processes: how many it may have at once.
        file: MiB of one file, and of its folder.
        output: KiB that a cell may show; the rest is cut off while it is read.
    """

    cell: float = 30
    notebook: float = 300
    memory: int = 2048
    processes: int = 64
    file: int = 256
    output: int = 256


def _check(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def limit(limits: ResourceLimits) -> None:
    """setrlimit: memory, file size, processes, open files, no core files."""
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
    fd = _check(_libc.syscall(CALLS["pidfd_open"], pid, 0), "pidfd_open")
    _check(_libc.setns(fd, NAMESPACES), "setns")
    os.close(fd)


def drop() -> None:
    """Capset and prctl: no capability, and no program that gives one back."""
    header = struct.pack("II", 0x20080522, 0)
    _check(_libc.capset(header, bytes(24)), "capset")
    _check(_libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")


def die_with_parent() -> None:
    """prctl: a killed parent takes this process along."""
    _libc.prctl(DEATH_SIGNAL, 9, 0, 0, 0)


def program(network: bool = True) -> bytes | None:
    """A seccomp filter: calls of `FORBIDDEN` and new user namespaces fail with EPERM.

    Args:
        network: whether sockets other than Unix ones may be made.

    Returns:
        The program; None on machines whose numbers of calls it does not know.
    """
    machine = platform.machine()
    if machine not in FORBIDDEN:
        return None
    load, equal, above, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse, absent, allow = (give, 0, 0, 0x00050001), (give, 0, 0, 0x00050026), (give, 0, 0, 0x7FFF0000)
    call, first_argument, architecture = (load, 0, 0, 0), (load, 0, 0, 16), (load, 0, 0, 4)
    clone, socket, clone3 = (56, 41, 435) if machine == "x86_64" else (220, 198, 435)
    lines = [architecture, (equal, 1, 0, ARCHITECTURE[machine]), refuse, call]
    if machine == "x86_64":  # the x32 calls are the same ones under other numbers
        lines += [(above, 0, 1, 0x40000000), refuse]
    lines += [(equal, 0, 1, clone3), absent]  # its flags lie in memory, and the C library falls back on clone
    lines += [(equal, 0, 4, clone), first_argument, (bits, 0, 1, 0x10000000), refuse, allow]
    if not network:
        lines += [(equal, 0, 4, socket), first_argument, (equal, 1, 0, 1), refuse, allow]
    numbers = FORBIDDEN[machine] + LATER[machine] + EVERYWHERE
    lines += [(equal, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    return b"".join(struct.pack("HBBI", *line) for line in [*lines, allow, refuse])


def forbid(network: bool = True) -> None:
    """prctl: put the filter in force, for this process and all that come from it."""
    code = program(network)
    if code is None:
        return
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    _check(_libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    _check(_libc.prctl(SECCOMP, FILTER, header, 0, 0), "seccomp")


def landlock_version() -> int:
    """landlock_create_ruleset: 0 where the kernel has none."""
    return max(_libc.syscall(CALLS["landlock_create"], None, 0, 1), 0)


def landlock(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """landlock: nothing but these folders, and no connection by TCP where the kernel can forbid it.

    Raises:
        OSError: the kernel has no Landlock.
    """
    version = landlock_version()
    read = 0b1101  # run a file, read one, list a folder
    every = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    of_files = 0b111 | (version >= 3) << 14
    rules = struct.pack("QQQ", every, 0b11, 0b11)  # files; TCP; sockets and signals of others
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    fd = _check(_libc.syscall(CALLS["landlock_create"], rules, size, 0), "landlock_create_ruleset")
    for folders, access in ((readable, read), (writable, every)):
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):
                place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
                rule = struct.pack("=Qi", access if folder.is_dir() else access & of_files, place)
                _check(_libc.syscall(CALLS["landlock_add"], fd, 1, rule, 0), "landlock_add_rule")
                os.close(place)
    _check(_libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    _check(_libc.syscall(CALLS["landlock_restrict"], fd, 0), "landlock_restrict_self")
    os.close(fd)


def reap_orphans() -> None:
    """prctl: processes whose parents end become this one's children."""
    _libc.prctl(SUBREAPER, 1, 0, 0, 0)
