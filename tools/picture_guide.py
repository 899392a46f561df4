"""Fine-tune on the stickers as the guide to own sprites says, and draw its pictures: `picture_guide.py`.

The pictures go to book/_static/art; the run stays in runs/guide. On one core it takes a few minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from pixel_edu import checkpoints, data, images, runs
from pixel_edu.config import SampleConfig
from pixel_edu.evaluation import nearest_sprites
from pixel_edu.files import replacing
from pixel_edu.generate import generate
from pixel_edu.making import standins
from pixel_edu.palette import as_sprites
from pixel_edu.training import TrainStep, fine_tuning

ROOT = Path(__file__).parents[1]
ART, WORK = ROOT / "book" / "_static" / "art", ROOT / "runs" / "guide"
START, HELD_OUT = "reference", 0.25
STEPS, LOOKS = 1_000, (1, 100, 300, 1_000)
"""Of the run, and after which of them to draw."""


def look(step: TrainStep) -> None:
    """Keep a sprite of each class, as the model draws it after this step."""
    denoiser = step.state.denoiser()
    labels = range(denoiser.null_label)
    drawn = as_sprites(generate(denoiser, labels, labels, SampleConfig("dpmpp_2m")), denoiser.palette)
    with replacing(WORK / f"{step.step}.npy") as temporary, open(temporary, "wb") as file:
        np.save(file, drawn)


def looking(steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
    """The same steps, looked at now and then."""
    for step in steps:
        if step.step in LOOKS:
            look(step)
        yield step


def fine_tune(sprites: data.SpriteData, train: np.ndarray, labels: np.ndarray) -> None:
    """Do what `pixel-edu train stickers --from reference --steps 1000 --validation 0.25` does."""
    config = fine_tuning(checkpoints.read_about(checkpoints.find(START)).config)
    unet = replace(config.unet, classes=len(sprites.classes), image_channels=sprites.channels)
    config = replace(config, unet=unet, steps=STEPS)
    run = runs.TrainingRun(WORK / "run", config, start=START, classes=sprites.classes)
    run.check_data(train, labels, sprites.classes)
    run.train(train, labels, "cpu", track=looking)


def main() -> None:
    """Train, unless that is done, and write the pictures."""
    standins.stickers(WORK / "stickers")
    sprites = data.load(WORK / "stickers")
    train, labels = runs.training_part(sprites, HELD_OUT, len(sprites.classes))
    if not all((WORK / f"{step}.npy").exists() for step in LOOKS):
        fine_tune(sprites, train, labels)
    *_, drawn = learned = [np.load(WORK / f"{step}.npy") for step in LOOKS]
    found = nearest_sprites(drawn, train)
    near = train[found.index]
    near = np.where(found.mirrored[:, None, None, None], near[:, :, ::-1], near)
    for name, rows in (("learning", learned), ("nearest_stickers", [drawn, near])):
        images.write_png(
            ART / f"{name}.png", images.grid(np.concatenate(rows), len(drawn), gap=0), indexed=True
        )
    print(
        f"the median sprite differs from its nearest neighbour by {np.median(found.distance):.0f} levels of 255"
    )


if __name__ == "__main__":
    main()
