"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pixel_edu.config import UserError

NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""What the system says where a disk is full, or a user's share of it, or a file larger than allowed."""
MORE_ROOM = "make room there, or raise the limit (ulimit -f says whether there is one)"


SOCKETS = Path("/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir())
"""Where folders for sockets are: the usual place may have a long name, and a socket's path has at most 107 bytes."""


def socket_folder() -> Path:
    """Make an empty folder for sockets. Its name holds the number of this process, for `sweep_sockets`.

    Returns:
        An absolute path, of about 25 bytes where /tmp can be written.
    """
    return Path(tempfile.mkdtemp(prefix=f"pe-{os.getpid()}-", dir=SOCKETS))


def sweep_sockets(folder: Path = SOCKETS) -> None:
    """Delete the folders for sockets whose processes were killed; on Linux, which says what runs."""
    if not Path("/proc/self").exists():
        return
    for each in folder.glob("pe-*-*"):
        owner = each.name.split("-")[1]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(each, ignore_errors=True)


def quoted(path: str | os.PathLike) -> str:
    """A path as a word of a command line of this system, for a message that says what to type.

    >>> quoted("my sprites"), quoted("runs/tiny")
    ("'my sprites'", 'runs/tiny')
    """
    text = os.fspath(path)
    return subprocess.list2cmdline([text]) if os.name == "nt" else shlex.quote(text)


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """While this lasts, a system that refuses to write becomes one sentence.

    Raises:
        UserError: it names the path, the reason and what to do.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path} cannot be written ({reason}): {remedy(path, error)}") from error


def remedy(path: str | os.PathLike, error: OSError) -> str:
    """What to do where a system refused to write a file, for a message."""
    if isinstance(error, PermissionError) and os.path.isfile(path) and os.access(path, os.W_OK):
        return "close the program that has it open, or choose another place"  # as Windows refuses
    return "choose a place that you may write to, with room"


def check_writable(path: str | os.PathLike, folder: bool = False) -> None:
    """See that a file can be written, before the work whose result it is to hold; afterwards all is as before.

    Args:
        path: of the file, which may be there already. Folders on the way to it may be missing.
        folder: it is a folder that gets files instead.

    Raises:
        UserError: it cannot be written.

    >>> check_writable(__file__ + "/sprites.png")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pixel_edu.config.UserError: ...sprites.png cannot be written (Not a directory): choose a place that ...
    """
    with writing(path):
        if not folder and os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        attempt = _temporary(Path(path, "file") if folder else Path(path))
        missing = [each for each in attempt.parents if not os.path.lexists(each)]
        try:
            _make_folder_of(attempt)
            attempt.touch()
            attempt.unlink()
        finally:
            for each in missing:
                with suppress(OSError):  # not made, or in use by now
                    each.rmdir()


def check_room(folder: str | os.PathLike, size: int, largest: int = 0) -> None:
    """See that a disk has room for files, before the work whose result they are to hold; afterwards all is as before.

    Args:
        folder: where they are to be written; it must be there.
        size: of all files together, in bytes.
        largest: of the largest one, which is tried: a process may have a limit, and a user a share of the disk.

    Raises:
        UserError: they do not fit.

    >>> check_room(".", 2**60)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pixel_edu.config.UserError: . cannot be written (it needs 1,152,921,504,607 MB, and ... MB are free there): make ...
    """
    with suppress(OSError):  # a file system that does not tell
        disk = shutil.disk_usage(folder)
        if disk.total and disk.free < size:
            mega = f"it needs {-(-size // 10**6):,} MB, and {disk.free // 10**6:,} MB are free there"
            raise UserError(f"{folder} cannot be written ({mega}): make room, or choose another folder")
    attempt = _temporary(Path(folder, "room"))
    try:
        with open(attempt, "wb") as file:
            file.truncate(largest)
            if largest and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, largest)
    except OSError as error:
        if error.errno not in NO_ROOM:  # such as a file system that cannot say
            return
        reason = f"a file of {-(-largest // 10**6):,} MB: {error.strerror}"
        raise UserError(f"{folder} cannot be written ({reason}): {MORE_ROOM}") from error
    finally:
        attempt.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _make_folder_of(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # a file is in the way
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file whole or not at all: yields a temporary path beside it, renamed when the block succeeds.

    Folders on the way to it are made.
    """
    path = Path(path)
    _make_folder_of(path)
    temporary = _temporary(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)) == temporary:
            error.filename = str(path)  # the name that was asked for; a full disk tells none
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: str | os.PathLike, patience: float = 0.0) -> Iterator[None]:
    """Hold a lock file while the block runs; a process that is gone, however it ended, holds none.

    The same thread may hold it several times. The folder of the file must be there; the file is removed at the end.

    Args:
        path: of the lock file, which holds nothing.
        patience: seconds to wait for whoever holds it.

    Raises:
        TimeoutError: another process or thread holds it.
        OSError: it cannot be made.
    """
    from filelock import FileLock

    Path(path).touch()  # where that fails, filelock would wait for a change
    lock = FileLock(os.path.abspath(path), is_singleton=True)
    with lock.acquire(timeout=patience):
        try:
            yield
        finally:
            if lock.lock_counter == 1:
                with suppress(OSError):  # Windows lets nobody remove an open file
                    Path(path).unlink()


@contextmanager
def replacing_folder(folder: Path, ours: re.Pattern[str] | None = None) -> Iterator[Path]:
    """Write a folder whole or not at all: yields a temporary one beside it, renamed when the block succeeds.

    Args:
        folder: the folder to make; an existing one that is not empty is refused, unless `ours` allows it.
        ours: names of the files that may be replaced. A folder that holds any other is never touched.

    Raises:
        UserError: the folder holds what may not be replaced, or cannot be written.
    """
    folder = folder.absolute()
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{part}") for part in ("part", "old"))
    try:
        with writing(folder):
            _refuse_to_overwrite(folder, ours)
            new.mkdir(parents=True)
            yield new
            if folder.exists():
                os.replace(folder, old)
            os.replace(new, folder)
    finally:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _refuse_to_overwrite(folder: Path, ours: re.Pattern[str] | None) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: choose another name for the folder")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if ours is None:
        raise UserError(f"{folder} is already there and not empty: choose another folder")
    for entry in folder.rglob("*"):
        if not entry.is_dir() and not ours.fullmatch(entry.name):
            raise UserError(
                f"{folder} also holds {entry.relative_to(folder)}: choose another folder, or move that away"
            )


def write_all(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files, given by their paths below a folder and their contents."""
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
