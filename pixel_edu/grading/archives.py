"""Files in zip archives, read where they are: nothing is unpacked to disk, and no archive can grow without limit."""

from __future__ import annotations

import contextlib
import errno
import io
import lzma
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

from pixel_edu.notebooks.reading import LARGEST

MEMBERS = 20_000
"""The most files that a student's archive may have."""
TOTAL = 2 * LARGEST
"""The most bytes that all files of a student's archive may have together, unpacked."""
BLOCK = 1 << 20
DAMAGED = (BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)
UTF_8, ENCRYPTED = 0x800, 0x1
"""Bits of a member's flags."""


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        archive: a file, or itself a file in an archive.
        index: of the file among those of the archive, whose names may repeat.
    """

    archive: Path | Member
    index: int


Source = bytes | Path | Member
"""Where a file's bytes are: in memory, in a file, or in an archive."""


class Found(NamedTuple):
    """A file in an archive.

    Attributes:
        name: its path in the archive, with slashes.
        source: where its bytes are.
        changed: when it was changed, as a timestamp; None if the archive does not say.
        problem: why it cannot be read, or "".
        notes: a sentence for each guess.
    """

    name: str
    source: Source
    changed: float | None
    problem: str = ""
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The bytes of a source as a stream.

    Raises:
        OSError: they cannot be read.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, Path):
        with source.open("rb") as stream:
            yield stream
    else:
        with opened(source.archive) as outer, _damage(), ZipFile(outer) as archive:
            stream = archive.open(archive.infolist()[source.index])
            with stream:
                yield stream  # pyright: ignore[reportReturnType] it reads as a binary file does


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise OSError(errno.EIO, f"its zip archive is damaged ({str(error).rstrip('.')})") from None


def members(archive: Path | Member, limited: bool = True) -> list[Found]:
    """The files in an archive, in its order; folders are not listed.

    Args:
        archive: what to look into.
        limited: whether a student made it, and not the learning platform.

    Raises:
        OSError: it cannot be read, or it is too much; the message says which.
    """
    if limited:
        with opened(archive) as stream:
            if _entries(stream) > MEMBERS:
                raise OSError(errno.EFBIG, f"its zip archive has more than {MEMBERS} files")
    with opened(archive) as stream, _damage(), ZipFile(stream) as opened_zip:
        infos = opened_zip.infolist()
    total = sum(info.file_size for info in infos)
    if limited and total > TOTAL:
        raise OSError(
            errno.EFBIG, f"its zip archive unpacks to {total >> 20} MiB, more than {TOTAL >> 20} MiB"
        )
    return [_found(Member(archive, i), info) for i, info in enumerate(infos) if not info.is_dir()]


def _entries(stream: BinaryIO) -> int:
    """How many files the archive can have at most: each has this signature, so a bomb is known before it is read."""
    count, tail = 0, b""
    while block := stream.read(BLOCK):
        count += (tail + block).count(b"PK\x01\x02")
        tail = block[-3:]
    return count


def _found(source: Member, info: ZipInfo) -> Found:
    name, notes = _name(info)
    try:
        changed = datetime(*info.date_time).timestamp()
    except (ValueError, OverflowError, OSError):
        changed = None
    parts = name.split("/")
    problem = ""
    if ".." in parts or name.startswith("/") or parts[0].endswith(":"):
        name, problem = parts[-1], "its name leads out of its zip archive: zip the file itself"
    elif stat.S_ISLNK(info.external_attr >> 16):
        problem = "it is a link in a zip archive: zip the file itself"
    elif info.flag_bits & ENCRYPTED:
        problem = "it is encrypted: hand it in without a password"
    elif info.file_size > LARGEST:
        problem = f"it is {info.file_size >> 20} MiB large, more than {LARGEST >> 20} MiB: clear the outputs"
    return Found(name or "unnamed", b"" if problem else source, changed, problem, notes)


def _name(info: ZipInfo) -> tuple[str, tuple[str, ...]]:
    """A member's name with slashes, and a note if its letters are a guess."""
    name = info.filename.replace("\\", "/").removeprefix("./")
    if info.flag_bits & UTF_8 or name.isascii():
        return name, ()
    with contextlib.suppress(UnicodeError):
        return name.encode("cp437").decode(), ()  # macOS writes UTF-8 and does not say so
    return name, ("its zip archive does not say how names are encoded: read as cp437",)
