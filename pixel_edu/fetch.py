"""Downloading the real dataset, and proving that it is the one everybody means."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from pixel_edu.config import UserError

DATASET = "ebrahimelgazar/pixel-art"
FILE = "sprites.npy"
BLOB = "b1fea8dd0c4f6f8ab64bea721918a035d75c11a7"
BY_HAND = (
    f"fetch the dataset {DATASET} from Kaggle in a browser, unpack it, and give its folder to pixel-edu data check; "
    "or work with the procedural sprites of pixel-edu data make, which need no network"
)


def fetch(out: str | Path | None = None) -> Path:
    """Download the Kaggle dataset with kagglehub and verify sprites.npy. No account is needed.

    Args:
        out: folder to copy the files to; None leaves them in kagglehub's cache.

    Returns:
        The folder that holds sprites.npy.

    Raises:
        UserError: kagglehub is not installed, there is no network, or the file is not the known one.
    """
    try:
        import kagglehub
    except ImportError as error:
        raise UserError("kagglehub is not installed: run pip install 'pixel-edu[hub]'") from error
    if out is not None and Path(out).exists():
        raise UserError(f"{out} is already there: choose another folder")
    try:
        folder = Path(kagglehub.dataset_download(DATASET))
    except Exception as error:  # kagglehub lets through whatever requests, urllib3 or the disk raise
        raise UserError(f"the download of {DATASET} failed ({type(error).__name__}): {BY_HAND}") from error
    verify(folder / FILE)
    if out is None:
        return folder
    part = Path(out).with_name(f".{Path(out).name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(folder, part)
    part.rename(out)
    return Path(out)


def verify(file: Path, expected: str = BLOB) -> None:
    """Check a file against its git blob hash: SHA-1 of "blob <size>", a zero byte and the content.

    Raises:
        UserError: the file is missing or another one.
    """
    if not file.exists():
        raise UserError(f"{file} is missing from the download: delete the folder {file.parent} and fetch again")
    found = hashlib.sha1(b"blob %d\0" % file.stat().st_size)
    with open(file, "rb") as content:
        while piece := content.read(2**20):
            found.update(piece)
    if found.hexdigest() != expected:
        raise UserError(
            f"{file} is not the known file (git blob {found.hexdigest()[:12]}, expected {expected[:12]}): "
            "delete it and fetch again, or use it with care"
        )
