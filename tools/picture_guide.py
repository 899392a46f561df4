"""Fine-tune on the stickers as the guide to own sprites says, and draw its pictures: `picture_guide.py`.

The pictures go to book/_static/art; the run stays in runs/guide, where it goes on if it was stopped. On one core it
takes some five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from pixel_edu import checkpoints, data, images, runs
from pixel_edu.denoiser import Denoiser
from pixel_edu.evaluation import nearest_sprites
from pixel_edu.files import replacing
from pixel_edu.generate import generate
from pixel_edu.making import standins
from pixel_edu.palette import as_sprites
from pixel_edu.training import TrainStep, fine_tuning

ROOT = Path(__file__).parents[1]
ART, WORK = ROOT / "book" / "_static" / "art", ROOT / "runs" / "guide"
START, HELD_OUT = "reference", 0.25
LOOKS = (1, 100, 300, 1_000)
"""Steps after which to draw."""
PAIRS = 24


def one_each(denoiser: Denoiser, rows: int = 1, seed: int = 0) -> np.ndarray:
    """A sprite of each class, in rows: (K rows, S, S, 4) uint8."""
    labels = list(range(denoiser.null_label)) * rows
    return as_sprites(generate(denoiser, labels, range(seed, seed + len(labels))), denoiser.palette)


def looking(steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
    """The same steps; after some of them it is kept what the model draws."""
    for step in steps:
        if step.step in LOOKS:
            with replacing(WORK / f"{step.step}.npy") as temporary, open(temporary, "wb") as file:
                np.save(file, one_each(step.state.denoiser()))
        yield step


def fine_tuned(sprites: data.SpriteData, train: np.ndarray, labels: np.ndarray) -> Denoiser:
    """What `pixel-edu train stickers --from reference --steps 1000 --validation 0.25` makes."""
    config = fine_tuning(checkpoints.read_about(checkpoints.find(START)).config)
    unet = replace(config.unet, classes=len(sprites.classes), image_channels=sprites.channels)
    config = replace(config, unet=unet, steps=LOOKS[-1])
    run = runs.TrainingRun(WORK / "run", config, start=START, classes=sprites.classes)
    run.check_data(train, labels, sprites.classes)
    run.train(train, labels, "cpu", track=looking)
    return checkpoints.load_model(run.folder)


def main() -> None:
    """Train, and write the pictures."""
    standins.stickers(WORK / "stickers")
    sprites = data.load(WORK / "stickers")
    train, labels = runs.training_part(sprites, HELD_OUT, len(sprites.classes))
    denoiser = fine_tuned(sprites, train, labels)
    learning = np.concatenate([np.load(WORK / f"{step}.npy") for step in LOOKS])
    drawn = one_each(denoiser, rows=5, seed=100)
    asked = drawn[:PAIRS]
    found = nearest_sprites(asked, train)
    near = train[found.index]
    near = np.where(found.mirrored[:, None, None, None], near[:, :, ::-1], near)
    pairs = np.concatenate(
        [part for row in range(0, PAIRS, 12) for part in (asked[row:][:12], near[row:][:12])]
    )
    for name, tiles in (("learning", learning), ("drawn_stickers", drawn), ("nearest_stickers", pairs)):
        images.write_png(ART / f"{name}.png", images.grid(tiles, 12, gap=0), indexed=True)
    print(
        f"of {PAIRS} sprites, the median differs from its neighbour by {np.median(found.distance):.0f} levels"
    )


if __name__ == "__main__":
    main()
