"""A sprite as numbers: point at a pixel and read them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from pixel_edu.config import CHANNELS, CLASSES, IMAGE_SIZE
from pixel_edu.widgets.base import Widget


class PixelInspector(Widget):
    """Sprites to choose from, and what the chosen pixel is in bytes, as hex, and to a network.

    Args:
        images: (N, 16, 16, 3) uint8; None: the program's first sprite of each class.
        names: what each is called.
        traits: the attributes below.

    Attributes:
        sprite: its number, from 0.
        row, column: of the chosen pixel, 0 .. 15.
        alike: whether the pixels of the same colour light up.
        sheet: the images, a PNG file in base64, one below the other without gaps.

    Raises:
        ValueError: a name more or less than images, or images of another shape or type.

    >>> PixelInspector(row=3, column=7)
    A sprite whose pixels say what they are: choose a pixel, and read its place, its colour and its numbers.
    """

    module = "inspector"
    alt = (
        "A sprite whose pixels say what they are: "
        "choose a pixel, and read its place, its colour and its numbers."
    )

    sprite = traitlets.Int(0, min=0).tag(sync=True)
    row = traitlets.Int(IMAGE_SIZE // 2, min=0, max=IMAGE_SIZE - 1).tag(sync=True)
    column = traitlets.Int(IMAGE_SIZE // 2, min=0, max=IMAGE_SIZE - 1).tag(sync=True)
    alike = traitlets.Bool(True).tag(sync=True)
    names = traitlets.List(traitlets.Unicode(), list(CLASSES)).tag(sync=True)
    sheet = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, images: np.ndarray | None = None, names: Sequence[str] = CLASSES, **traits: Any
    ) -> None:
        from pixel_edu import sprites
        from pixel_edu.images import grid, png_bytes

        if images is None:
            images = np.concatenate([sprites.draw(label, np.array([0])) for label in range(len(CLASSES))])
        if len(images) != len(names):
            raise ValueError(f"{len(images)} images have {len(names)} names: give one for each")
        self._images = np.asarray(images)
        if self._images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, CHANNELS) or self._images.dtype != np.uint8:
            raise ValueError(
                f"the images are {self._images.shape} of {self._images.dtype}: use sprites of the course's size, "
                f"(N, {IMAGE_SIZE}, {IMAGE_SIZE}, {CHANNELS}) of uint8"
            )
        sheet = base64.b64encode(png_bytes(grid(self._images, 1, gap=0))).decode()
        super().__init__(names=list(names), sheet=sheet, **traits)

    @traitlets.validate("sprite")
    def _is_there(self, proposal: dict) -> int:
        if proposal["value"] >= len(self._images):
            raise traitlets.TraitError(f"sprite is {proposal['value']}: use 0 .. {len(self._images) - 1}")
        return proposal["value"]

    def picture(self) -> str:
        """The sprite, and its three channels in grey; below, the numbers of the chosen pixel."""
        from pixel_edu import figures
        from pixel_edu.images import to_tensor

        image = self._images[self.sprite]
        channels = [np.repeat(image[:, :, c, None], 3, axis=2) for c in range(3)]
        red, green, blue = image[self.row, self.column].tolist()
        seen = to_tensor(image[None])[0, :, self.row, self.column].tolist()
        network = ", ".join(f"{round(value, 2) + 0:.2f}" for value in seen)
        same = int((image == image[self.row, self.column]).all(axis=2).sum())
        here = f"row {self.row}, column {self.column}"
        words = f"{self.alt} Here, a sprite, {self.names[self.sprite]}, and its three channels in grey."
        names = (self.names[self.sprite].replace("_", " "), "red", "green", "blue")
        figure = figures.sprites(
            np.stack([image, *channels]), words, columns=4, scale=7, column_captions=names
        ).html
        told = (
            f"In {here}: red {red}, green {green}, blue {blue}, #{red:02x}{green:02x}{blue:02x}. For the network "
            f"{network}. {same} of {image[:, :, 0].size} pixels have this colour."
        )
        return f"{figure}\n<p>{told}</p>"
