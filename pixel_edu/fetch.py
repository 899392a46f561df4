"""Download the real dataset, and verify that it is the published one."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from pixel_edu.config import not_installed
from pixel_edu.data import DataError
from pixel_edu.data.core import IMAGES, LABELS
from pixel_edu.files import replacing_folder

DATASET = "ebrahimelgazar/pixel-art"
MIRROR, REVISION = "ashis-palai/sprites_image_dataset", "a24918819843abc0d1bee75a239024415081a87d"
BLOB = "b1fea8dd0c4f6f8ab64bea721918a035d75c11a7"
"""The git blob hash of the published sprites.npy."""
BY_HAND = (
    f"fetch {DATASET} from Kaggle in a browser, unpack it and run pixel-edu data check on its folder, "
    "or use the procedural sprites of pixel-edu data make, which need no network"
)


def fetch(out: str | Path | None = None) -> Path:
    """Download the dataset from Kaggle, or else from its mirror on Hugging Face, and verify it; needs no account.

    Args:
        out: a new folder to copy the files to; if None, they stay in the download cache.

    Returns:
        The folder that holds sprites.npy.

    Raises:
        DataError: kagglehub is not installed, no source answers, the file is not the published one, or out is in use.
    """
    if out is not None and Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
        raise DataError(f"{out} is already there and not empty: choose another folder")
    folder = _download()
    verify(folder / IMAGES, BLOB)
    if out is None:
        return folder
    with replacing_folder(Path(out)) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True)
    return Path(out)


def _download() -> Path:
    failures = []
    for source in (_from_kaggle, _from_mirror):
        try:
            return source()
        except ImportError as error:
            raise DataError(not_installed(error)) from None
        except Exception as error:  # whatever requests, urllib3, the hubs or the disk raise
            failures.append(f"{source.__name__.removeprefix('_from_')}: {type(error).__name__}")
    raise DataError(f"the download failed ({', '.join(failures)}): check your network connection, {BY_HAND}")


def _from_kaggle() -> Path:
    import kagglehub

    return Path(kagglehub.dataset_download(DATASET))


def _from_mirror() -> Path:
    import huggingface_hub

    files = [
        huggingface_hub.hf_hub_download(MIRROR, name, repo_type="dataset", revision=REVISION)
        for name in (IMAGES, LABELS)
    ]
    return Path(files[0]).parent


def verify(file: Path, expected: str) -> None:
    """Compare the git blob hash of a file: the SHA-1 of "blob <size>", a zero byte and the content.

    Raises:
        DataError: the file is missing, or its hash is another one.
    """
    if not file.is_file():
        raise DataError(
            f"{file} is missing from the download: delete the folder {file.parent} and fetch again"
        )
    found = hashlib.sha1(b"blob %d\0" % file.stat().st_size)
    with open(file, "rb") as content:
        while piece := content.read(2**20):
            found.update(piece)
    if found.hexdigest() != expected:
        raise DataError(
            f"{file} is not the known file (git blob {found.hexdigest()[:12]}, expected {expected[:12]}): "
            "delete it and fetch again, or inspect it with pixel-edu data check"
        )
