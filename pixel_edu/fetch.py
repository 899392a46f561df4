"""Downloading the real dataset, and proving that it is the one everybody means."""

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
"""Git's name for the content of the published sprites.npy."""
BY_HAND = (
    f"fetch {DATASET} from Kaggle in a browser, unpack it and give its folder to pixel-edu data check, "
    "or work with the procedural sprites of pixel-edu data make, which need no network"
)


def fetch(out: str | Path | None = None) -> Path:
    """Download the dataset from Kaggle, else from its Hugging Face mirror, and verify it; needs no account.

    Args:
        out: a new folder to copy the files to; None leaves them in the cache of the download.

    Returns:
        The folder that holds sprites.npy.

    Raises:
        DataError: kagglehub is not installed, no source answers, the file is another one, or out is in use.
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
    raise DataError(f"the download failed ({', '.join(failures)}); is there a network? {BY_HAND}")


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
    """Compare a file's git blob hash, the SHA-1 of "blob <size>", a zero byte and the content.

    Raises:
        DataError: the file is missing or is another one.
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
            "delete it and fetch again, or look at what it is with pixel-edu data check"
        )
