"""The real sprites that commands measure a model by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixel_edu.cli import showing

if TYPE_CHECKING:
    from pixel_edu.data import SpriteData
    from pixel_edu.denoiser import Denoiser
    from pixel_edu.evaluation import Yardstick


def read(folder: Path | None, resize: int | None = None, frames: bool = False) -> SpriteData | None:
    """The dataset in a folder, if one is given."""
    from pixel_edu import data

    if folder is None:
        return None
    return data.load(folder, track=showing.bar("reading pictures"), resize=resize, frames=frames)


def yardstick(
    denoiser: Denoiser, data: SpriteData | None, validation: float, n: int, sprites: int
) -> Yardstick:
    """Procedural sprites, or a dataset's, with a classifier that is trained on them.

    Args:
        denoiser: the model, which must draw such sprites.
        data: the dataset, if it is not procedural.
        validation: share of it that was held out.
        n: sprites that the model will draw, if they are procedural.
        sprites: procedural sprites that it was trained on.
    """
    from pixel_edu import evaluation

    evaluation.check_model(denoiser, data)
    if data is None:
        with showing.busy("drawing real sprites"):
            return evaluation.procedural_yardstick(n, sprites)
    bar = showing.bar("training a classifier", over=0)
    found = evaluation.folder_yardstick(data, validation, denoiser.palette, track=bar)
    right = found.classifier.record["held_out_accuracy"]
    what = "the held-out sprites" if len(data.classes) > 1 else "which way up the held-out sprites are"
    typer.echo(f"the classifier is right about {right:.1%} of {what}", err=True)
    return found
