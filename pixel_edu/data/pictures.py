"""Read pictures of whatever format, and the JPEGs of the Kaggle layout."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pixel_edu.config import CLASSES
from pixel_edu.data.core import JPEGS, TABLE, DataError, SpriteData, read_names
from pixel_edu.data.sizes import Sizes, refusal, resized, takes, with_white_under_alpha
from pixel_edu.data.table import read_table

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile

FORMATS = {
    "PNG": ".png .apng",
    "GIF": ".gif",
    "BMP": ".bmp",
    "WEBP": ".webp",
    "JPEG": ".jpg .jpeg .jfif .jpe",
    "TIFF": ".tif .tiff",
    "TGA": ".tga .icb .vda .vst",
    "ICO": ".ico",
    "CUR": ".cur",
    "ICNS": ".icns",
    "PPM": ".ppm .pgm .pbm .pnm .pfm",
    "PCX": ".pcx",
    "DCX": ".dcx",
    "DIB": ".dib",
    "DDS": ".dds",
    "QOI": ".qoi",
    "AVIF": ".avif .avifs",
    "JPEG2000": ".jp2 .j2k .jpc .jpf .jpx .j2c",
    "FLI": ".fli .flc",
    "SGI": ".sgi .rgb .rgba .bw",
    "SUN": ".ras",
    "XBM": ".xbm",
    "XPM": ".xpm",
    "IM": ".im",
    "MSP": ".msp",
    "PIXAR": ".pxr",
    "BLP": ".blp",
    "FTEX": ".ftc .ftu",
    "GBR": ".gbr",
}
"""The formats that are read, by Pillow's names, with the endings of their files."""
ENDINGS = {ending: form for form, endings in FORMATS.items() for ending in endings.split()}
NAMELESS = {"TGA", "IM"}
"""Formats whose files do not say which they are: only the ending does."""
ONE_BY_ONE = "read each of them as a sprite with --frames, save one of them as a picture"
LARGEST = 4096
"""Pixels a side. A larger picture is not a sprite, and a small file can unpack into gigabytes."""


def find_jpegs(folder: Path) -> dict[int, Path]:
    """The files image_<k>.JPEG of the Kaggle layout, by k in ascending order."""
    for place in (folder / JPEGS, folder / "images", folder):
        files = place.iterdir() if place.is_dir() else ()
        found = {
            int(m[1]): file for file in files if (m := re.fullmatch(r"(?i)image_(\d+)\.jpe?g", file.name))
        }
        if found:
            return dict(sorted(found.items()))
    return {}


def load_jpegs(
    folder: Path,
    skip_bad: bool = False,
    undo_overflow: bool = False,
    track: Callable = iter,
    resize: int | None = None,
) -> SpriteData:
    """Read image_<k>.JPEG with the label of `Image Index` k + 1 (k, in a table that counts from 0)."""
    if not (folder / TABLE).is_file():
        raise DataError(f"{folder} holds JPEGs but no {TABLE}: put the {TABLE} of the download there")
    names = read_names(folder) or CLASSES
    index, labels, _ = read_table(folder / TABLE, len(names))
    files = find_jpegs(folder)
    if not files:
        raise DataError(
            f"{folder} holds no image_<k>.JPEG next to {TABLE}: put the images of the download there"
        )
    first = min(1, int(index.min()))  # a table that counts from 0 is understood, too
    label_of = dict(zip((index - first).tolist(), labels.tolist(), strict=True))
    lost = next((k for k in files if k not in label_of), None)
    if lost is not None:
        raise DataError(f"{files[lost]} has no row in {folder / TABLE}: add its Image Index, {lost + first}")
    images, kept, notes = read_pictures(list(files.values()), skip_bad, track, resize)
    labels = np.array([label_of[k] for k in files], np.int64)[kept]
    if overflowed(images):
        notes += ("the JPEGs look like (-x) mod 256: use sprites.npy, or load with undo_overflow",)
        images = restored(images) if undo_overflow else images
    return SpriteData(images, labels, names, folder, "jpegs", notes)


class Pictures(NamedTuple):
    """Pictures that were read.

    Attributes:
        images: (M, S, S, 3 or 4) uint8, one for each picture or, on request, for each frame of an animation.
        files: (M,) int64, the position in the list of files of the one that it is from.
        notes: a sentence for each file that was skipped, and one on animations.
    """

    images: np.ndarray
    files: np.ndarray
    notes: tuple[str, ...]


def read_pictures(
    files: list[Path],
    skip_bad: bool = False,
    track: Callable = iter,
    resize: int | None = None,
    frames: bool = False,
) -> Pictures:
    """Read files as sprites: all of one size, with alpha if any has a pixel that is not opaque.

    Args:
        files: of pictures, one at least.
        skip_bad: skip those that cannot be read.
        track: wraps the list while it is read.
        resize: a size to bring all of them to; otherwise they must be alike, and of a size that a network takes.
        frames: take each frame of an animation as a sprite.

    Raises:
        DataError: a picture cannot be read and skip_bad is False, or none can be read, or their sizes will not do.
    """
    read, positions, notes, sizes = [], [], [], Counter()
    for i, file in enumerate(track(files)):
        try:
            images = read_frames(file) if frames else [read_picture(file, ONE_BY_ONE)]
        except DataError as error:
            if not skip_bad:
                all_of_them = "pixel-edu data check FOLDER --skip-bad lists all such pictures"
                raise DataError(f"{error}, or take it out of the folder ({all_of_them})") from None
            notes.append(f"skipped: {error}")
            continue
        found = Counter((image.shape[1], image.shape[0]) for image in images)
        sizes += found
        if resize or all(takes(*size) for size in found):  # others are counted, not kept: they may be large
            read += [resized(image, resize) if resize else image for image in images]
            positions += [i] * len(images)
    _check_sizes(files, sizes, resize)
    if animations := [count for count in Counter(positions).values() if count > 1]:
        were = "animation was" if len(animations) == 1 else "animations were"
        notes.append(f"{len(animations):,} {were} read as {sum(animations):,} sprites")
    return Pictures(_alike(read), np.array(positions, np.int64), tuple(notes))


def _check_sizes(files: list[Path], sizes: Sizes, resize: int | None) -> None:
    if not sizes:
        raise DataError(
            f"none of the {len(files)} pictures can be read (the first is {files[0]}): check the folder"
        )
    if not resize and (wrong := refusal(sizes)):
        raise DataError(f"{_common(files)} {wrong}")


def _common(files: list[Path]) -> Path:
    """The folder that all files lie in."""
    return Path(os.path.commonpath([file.parent for file in files]))


def _alike(images: list[np.ndarray]) -> np.ndarray:
    """Pictures of one size as one array, all with alpha if any has it."""
    channels = max(image.shape[2] for image in images)
    whole = np.full((len(images), *images[0].shape[:2], channels), 255, np.uint8)
    for row, image in zip(whole, images, strict=True):
        row[..., : image.shape[2]] = image
    return whole


def read_picture(path: Path, instead: str) -> np.ndarray:
    """A picture as (H, W, 3) uint8, or (H, W, 4) where not opaque. EXIF is ignored; fully transparent pixels are white.

    Args:
        path: of the file.
        instead: what to do about an animation, for the message.

    Raises:
        DataError: it cannot be read, is an animation, or too large for a sprite or a sheet of them.
    """
    with _opened(path) as picture:
        if (frames := getattr(picture, "n_frames", 1)) > 1:
            raise DataError(f"{path} is an animation of {frames} frames: {instead}")
        return _pixels(picture)


def read_frames(path: Path) -> list[np.ndarray]:
    """The frames of a picture, one unless it is an animation, each as `read_picture` gives it.

    Raises:
        DataError: it cannot be read, or is too large.
    """
    from PIL import ImageSequence

    with _opened(path) as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames * picture.width * picture.height > LARGEST**2:
            raise DataError(
                f"{path} is far too large with its {frames} frames: save some of them as pictures"
            )
        return [_pixels(frame) for frame in ImageSequence.Iterator(picture)]


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile]:
    """A picture of a size that is not too large; whatever Pillow raises becomes one sentence."""
    from PIL import Image

    if not path.exists():
        raise DataError(f"{path} does not exist: check its path")
    if not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path} is not a file: replace it")
    form = ENDINGS.get(path.suffix.lower())
    formats = [each for each in FORMATS if each not in NAMELESS or each == form]
    try:
        with warnings.catch_warnings(), Image.open(path, formats=formats) as picture:
            # Pillow warns of large sizes, which are checked here, and of odd metadata
            warnings.simplefilter("ignore")
            if max(picture.size) > LARGEST:
                raise DataError(
                    f"{path} has {picture.width} x {picture.height} pixels: resize it to at most {LARGEST} a side"
                )
            yield picture
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(f"{path} is far too large: resize it to at most {LARGEST} pixels a side") from None
    except Exception:  # Pillow raises many kinds for a damaged file
        raise DataError(f"{path} cannot be read as a picture: replace it") from None


def _pixels(picture: Picture) -> np.ndarray:
    """A Pillow picture of any mode as (H, W, 3 or 4) uint8."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey: keep the upper byte
        return np.asarray(Image.fromarray((np.asarray(picture) // 256).astype(np.uint8)).convert("RGB"))
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"))
    return with_white_under_alpha(np.asarray(picture.convert("RGBA")))


def overflowed(images: np.ndarray) -> bool:
    """Whether these look like sprites stored as (-x) mod 256: white, 255, became 1, so corners are black."""
    return bool(np.median(images[:, [0, 0, -1, -1], [0, -1, 0, -1]]) <= 8)


def restored(images: np.ndarray) -> np.ndarray:
    """Turn (-x) mod 256 back into x; a stored 0, which JPEG made of black or white, becomes 255."""
    return (256 - np.arange(256)).clip(0, 255).astype(np.uint8)[images]
