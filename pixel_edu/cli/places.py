"""Where `pixel-edu sample` writes: a sheet, a folder, arrays, a file of Aseprite, or standard output."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import typer

from pixel_edu.cli import options
from pixel_edu.cli.names import registered
from pixel_edu.config import UserError
from pixel_edu.files import replacing

if TYPE_CHECKING:
    import numpy as np

ASEPRITE = (".aseprite", ".ase")
PICTURES = registered("formats", "PICTURES")
ENDINGS = (*PICTURES, ".aseprite", ".npy")
LOSSY = (".jpg", ".jpeg", ".jfif")
OUTPUT = "-"


@dataclass(frozen=True)
class Place:
    """Where sprites are written, and in which form.

    Attributes:
        path: a file or a folder; None is standard output, which gets a PNG file.
        ending: of a file's name; "" for a folder.
    """

    path: Path | None
    ending: str

    @property
    def is_sheet(self) -> bool:
        """Whether all sprites become one picture."""
        return self.ending in PICTURES

    @property
    def is_aseprite(self) -> bool:
        """Whether they become frames of a file."""
        return self.ending in ASEPRITE


def place_of(out: str) -> Place:
    """What a name asks for; tried before any work.

    Raises:
        typer.BadParameter: the name promises a format that is not written.
        UserError: the place cannot be written.
    """
    if out == OUTPUT:
        if sys.stdout.isatty():
            raise typer.BadParameter(
                "a terminal shows no PNG: write --out - > sprites.png, or --out sprites.png"
            )
        return Place(None, ".png")
    path = Path(out)
    if out.endswith(("/", os.sep)) or path.is_dir() or not path.suffix:
        return Place(options.new_folder(path), "")
    return Place(options.new_file(_known(path)), path.suffix.lower())


def _known(path: Path) -> Path:
    ending = path.suffix.lower()
    if ending in LOSSY:
        raise typer.BadParameter(
            f"{path} would be blurred, as every JPEG is: end it with .png, .webp or .gif"
        )
    if ending not in (*ENDINGS, *ASEPRITE):
        *most, last = ENDINGS
        raise typer.BadParameter(
            f"{path} ends like no file that is written here: end it with {', '.join(most)} or {last}, a folder with /"
        )
    return path


@dataclass(frozen=True)
class Look:
    """How sprites are laid out and enlarged.

    Attributes:
        columns: sprites a row.
        scale: screen pixels for each of a sprite's.
        gap: sprite pixels between sprites.
        listed: whether a file with few colours lists them.
        atlas: whether an atlas lies beside a sheet.
    """

    columns: int
    scale: int
    gap: int
    listed: bool
    atlas: bool


@dataclass(frozen=True)
class Asked:
    """What to draw, and what it is called: one of each for every sprite."""

    classes: Sequence[str]
    labels: Sequence[int]
    seeds: Sequence[int]
    names: Sequence[str]


def check_size(place: Place, count: int, size: int, look: Look) -> None:
    """Refuse a sheet of so many sprites that would fill the memory.

    Raises:
        typer.BadParameter: it would.
    """
    if place.is_sheet:
        rows, step = -(-count // look.columns), size + look.gap
        options.check_size(*(look.scale * (each * step - look.gap) for each in (look.columns, rows)))


def write(place: Place, sprites: np.ndarray, asked: Asked, look: Look) -> Path | None:
    """Write sprites in the form that a place asks for.

    Returns:
        The path of the atlas, if one was asked for.

    Raises:
        UserError: the form cannot hold them.
    """
    try:
        if place.path is None or place.is_sheet:
            write_sheet(place, sprites, look)
        elif place.is_aseprite:
            write_frames(place.path, sprites, asked.names, look.scale)
        elif place.ending:
            write_arrays(place.path, sprites, asked.labels)
        else:
            write_each(place.path, sprites, asked.names, look)
    except ValueError as error:
        raise UserError(str(error)) from error
    return write_atlas(place.path, asked, sprites.shape[1], look) if place.path and look.atlas else None


def write_sheet(place: Place, sprites: np.ndarray, look: Look) -> None:
    """Write all sprites as one picture.

    Raises:
        ValueError: the format cannot hold it.
    """
    from pixel_edu import formats, images

    picture = images.upscale(images.grid(sprites, look.columns, look.gap), look.scale)
    content = formats.picture_bytes(picture, place.ending)
    if place.path:
        _write(place.path, content)
    else:
        sys.stdout.buffer.write(content)


def write_atlas(picture: Path, asked: Asked, size: int, look: Look) -> Path:
    """Write where each sprite is on a sheet, in a JSON file beside it."""
    from pixel_edu import formats

    scaled, gap = look.scale * size, look.scale * look.gap
    found = formats.atlas(picture.name, asked.names, asked.classes, scaled, look.columns, gap)
    path = picture.with_suffix(".json")
    _write(path, json.dumps(found, indent=1, ensure_ascii=False).encode())
    return path


def write_frames(path: Path, sprites: np.ndarray, names: Sequence[str], scale: int) -> None:
    """Write a file of Aseprite."""
    from pixel_edu.aseprite import aseprite_bytes
    from pixel_edu.images import upscale

    _write(path, aseprite_bytes(upscale(sprites, scale), names))


def write_each(folder: Path, sprites: np.ndarray, names: Sequence[str], look: Look) -> None:
    """Write a file for each sprite; a name that ends with no picture's ending gets .png.

    Raises:
        ValueError: a format cannot hold a sprite.
    """
    from pixel_edu import formats, images

    for sprite, name in zip(sprites, names, strict=True):
        name = name if PurePosixPath(name).suffix.lower() in PICTURES else f"{name}.png"
        ending = PurePosixPath(name).suffix.lower()
        _write(folder / name, formats.picture_bytes(images.upscale(sprite, look.scale), ending, look.listed))


def write_arrays(path: Path, sprites: np.ndarray, labels: Sequence[int]) -> None:
    """Write sprites (N, H, W, C) uint8, and their classes (N,) int64 beside them, each whole or not at all."""
    import numpy as np

    beside = path.with_name(f"{path.stem}_labels.npy")
    for name, array in ((path, sprites), (beside, np.array(labels, np.int64))):
        with replacing(name) as temporary, open(temporary, "wb") as file:
            np.save(file, array)


FIELDS = "{class}, {seed} and {n}"
FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]')
"""What would lead out of a folder, or what Windows refuses in a name."""


def names_of(template: str, classes: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """A name for each sprite.

    Args:
        template: a text with the fields {class}, {seed} and {n}, the sprite's number from 1; a / makes folders.
        classes: one for each sprite.
        seeds: one for each sprite.

    Raises:
        typer.BadParameter: the template cannot be filled in, names two sprites alike, or leads out of the folder.
    """
    try:
        names = [
            template.format(**{"class": FORBIDDEN.sub("_", class_), "seed": seed, "n": n})
            for n, (class_, seed) in enumerate(zip(classes, seeds, strict=True), 1)
        ]
    except (KeyError, IndexError, ValueError, AttributeError):
        raise _name(f"{template!r} cannot be filled in: use {FIELDS}, as in {{class}}/{{seed:04}}") from None
    for name in names:
        parts = name.split("/")
        if any(part.strip(". ") == "" or FORBIDDEN.search(part) for part in parts):
            raise _name(f"{name!r} cannot name a file in the folder: use letters, digits, - and _")
    twice = next((name for name, count in Counter(map(str.casefold, names)).items() if count > 1), None)
    if twice is not None:
        raise _name(f"{template!r} names two sprites {twice!r}: add {{seed}} or {{n}}")
    if PurePosixPath(names[0]).suffix.lower() in LOSSY:
        _known(Path(names[0]))
    return names


def _name(says: str) -> typer.BadParameter:
    return typer.BadParameter(says, param_hint="--name")


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
