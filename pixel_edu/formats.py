"""Sprites in the files that games, browsers and editors read: pictures without loss, and an atlas beside a sheet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pixel_edu import __version__
from pixel_edu.images import indexed, indexed_png_bytes, png_bytes

MOST = 256
"""Colours that an indexed picture can list."""
PICTURES: Mapping[str, Mapping[str, Any]] = {
    ".png": {},
    ".webp": {"format": "WEBP", "lossless": True, "exact": True},
    ".gif": {"format": "GIF"},
    ".bmp": {"format": "BMP"},
}
"""The endings of names of pictures that keep every pixel, and how Pillow is asked for them."""


def picture_bytes(image: np.ndarray, ending: str, listed: bool = True) -> bytes:
    """An image as the file that the ending of a name promises, in which no pixel changes.

    Args:
        image: (H, W, 3 or 4) uint8.
        ending: one of `PICTURES`.
        listed: whether a PNG file with few colours lists them, as pixel artists expect.

    Raises:
        ValueError: the format cannot hold the image: a GIF file has 256 colours at most and no half-transparent ones,
            a BMP file no transparent ones.

    >>> picture_bytes(np.zeros((1, 1, 3), np.uint8), ".webp")[8:12]
    b'WEBP'
    """
    from PIL import Image

    colors, index = indexed(image)
    few, alpha = len(colors) <= MOST, image.shape[-1] == 4
    if ending == ".png":
        return indexed_png_bytes(image) if listed and few else png_bytes(image)
    if ending == ".bmp" and alpha:
        raise ValueError("a .bmp file holds no transparent pixels: write .png or .webp")
    options = dict(PICTURES[ending])
    if ending == ".gif":
        if not few or (alpha and not np.isin(colors[:, 3], (0, 255)).all()):
            raise ValueError(
                f"a .gif file holds at most {MOST} colours, and none that is half transparent: write .png or .webp"
            )
        picture = Image.fromarray(index.astype(np.uint8), "P")
        picture.putpalette(np.ascontiguousarray(colors[:, :3]).tobytes())
        if alpha and not colors[0, 3]:
            options["transparency"] = 0
    else:
        picture = Image.fromarray(np.ascontiguousarray(image))
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


def atlas(
    picture: str,
    names: Sequence[str],
    classes: Sequence[str],
    size: int,
    columns: int,
    gap: int = 0,
) -> dict[str, Any]:
    """Where each sprite is on a sheet that `images.grid` lays out, in the form that game engines read.

    The form is TexturePacker's "JSON (Hash)", of which Aseprite's own JSON is a kind: `frames` maps each name to its
    place. Phaser reads it with `this.load.atlas` (its parser `src/textures/parsers/JSONHash.js`), PixiJS with
    `Assets.load`, which takes `animations` too, here the names of each class (its `SpritesheetData`,
    https://pixijs.download/release/docs/assets.Spritesheet.html), Godot by the plugin atlas_importer
    (https://github.com/cbscribe/atlas_importer), and Unity by TexturePackerImporter, which wants the file's name to end
    with .txt (https://github.com/haysclark/unity3d-texturepackerimporter).

    Args:
        picture: the name of the sheet's file, which lies beside the atlas.
        names: one for each sprite, row after row.
        classes: one for each sprite.
        size: of a sprite on the sheet, in pixels.
        columns: sprites a row.
        gap: pixels between them.

    Returns:
        What to write as JSON.

    >>> atlas("sheet.png", ["a", "b"], ["food", "food"], 16, columns=2)["frames"]["b"]["frame"]
    {'x': 16, 'y': 0, 'w': 16, 'h': 16}
    """
    rows, step = -(-len(names) // columns), size + gap
    whole = {"w": size, "h": size}
    frames = {
        name: {
            "frame": {"x": i % columns * step, "y": i // columns * step, **whole},
            "rotated": False,
            "trimmed": False,
            "spriteSourceSize": {"x": 0, "y": 0, **whole},
            "sourceSize": whole,
        }
        for i, name in enumerate(names)
    }
    of_class: dict[str, list[str]] = {}
    for name, class_ in zip(names, classes, strict=True):
        of_class.setdefault(class_, []).append(name)
    return {
        "frames": frames,
        "animations": of_class,
        "meta": {
            "app": "pixel-edu",
            "version": __version__,
            "image": picture,
            "format": "RGBA8888",
            "size": {"w": columns * step - gap, "h": rows * step - gap},
            "scale": "1",
        },
    }
