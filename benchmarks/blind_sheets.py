"""Does a measure see what the eye sees? Drawn and real sprites on mixed sheets, to be judged without knowing which.

python benchmarks/blind_sheets.py make sheets                    sheets of 100, the key beside them: do not look at it
python benchmarks/blind_sheets.py score sheets judgments.json    with --out book/measured/blind_sheets.md

The judgments are the numbers of the sprites with a visible fault, sheet by sheet, such as {"1": [4, 17], "2": [], "3":
[99]}; a sheet is numbered row by row, from 1 in its first row to 100 in its last. Scoring takes three minutes on two
cores. It prints, class by class, how often a fault was seen and how far each measure is from real, and how well the two
agree in rank, by class and by sprite (Spearman).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr

from pixel_edu import evaluation, images, parts, pixelart, sprites, two_sample
from pixel_edu.checkpoints import load_reference
from pixel_edu.config import CLASSES
from pixel_edu.distances import frechet_distance, inside, kernel_distance, nearest_rows
from pixel_edu.files import replacing
from pixel_edu.generate import generate
from pixel_edu.markdown import table
from pixel_edu.palette import as_sprites, nearest

SHEETS, ROWS, EACH = 3, 10, 50
FIRST_SEED, REAL_SEED = 2_000_000, 8003
MEASURED, MEASURED_SEED = 1000, 3_000_000
"""Drawn sprites that the measures are taken from, which nobody judged."""


class Album(NamedTuple):
    """Sprites, (N, 16, 16, 3) uint8, and their labels, (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


def drawn(n: int, seed: int) -> Album:
    """What `pixel-edu sample` draws by default, of all classes in turn."""
    model, labels = load_reference(), np.arange(n) % len(CLASSES)
    return Album(as_sprites(generate(model, labels.tolist(), range(seed, seed + n)), model.palette), labels)


def real(n: int, seed: int) -> Album:
    """Sprites of the program that no model saw, of all classes in turn."""
    made = sprites.make(n, seed)
    order = np.argsort(made.labels, kind="stable").reshape(len(CLASSES), -1).T.ravel()
    return Album(made.images[order], made.labels[order])


def make(folder: Path, seed: int) -> None:
    """Write the sheets, and as key.npz their sprites, their labels, and which of them are drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    ours, theirs = drawn(SHEETS * EACH, FIRST_SEED), real(SHEETS * EACH, REAL_SEED)
    both = Album(
        *(
            np.stack(pair).reshape(2, SHEETS, EACH, *pair[0].shape[1:])
            for pair in zip(ours, theirs, strict=True)
        )
    )
    chance, key = np.random.default_rng(seed), {"images": [], "labels": [], "drawn": []}
    for sheet in range(SHEETS):
        order = chance.permutation(2 * EACH)
        key["images"].append(np.concatenate(both.images[:, sheet])[order])
        key["labels"].append(np.concatenate(both.labels[:, sheet])[order])
        key["drawn"].append(order < EACH)
        picture = images.upscale(images.grid(key["images"][-1], ROWS), 8)
        images.write_png(folder / f"sheet-{sheet + 1}.png", picture)
    with replacing(folder / "key.npz") as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **{name: np.concatenate(column) for name, column in key.items()})


def by_class(album: Album, yardstick: evaluation.Yardstick) -> dict[str, np.ndarray]:
    """Each measure of the sprites of each class, (5,)."""
    seen, (real_seen, chance) = (
        yardstick.classifier.look(album.images),
        (yardstick.real_seen, np.random.default_rng(0)),
    )
    values = of_sprites(album, yardstick)
    found = {
        name: [] for name in (*values, "Fréchet distance", "kernel distance", "wrong class", "not covered")
    }
    for c in range(len(CLASSES)):
        rows = album.labels == c
        mine, theirs = seen.features[rows], real_seen.features[real_seen.labels == c]
        for name, column in values.items():
            found[name].append(column[rows].mean())
        found["Fréchet distance"].append(frechet_distance(mine, theirs, 1, chance).value)
        found["kernel distance"].append(kernel_distance(mine, theirs, 1, chance).value)
        found["wrong class"].append(np.mean(seen.labels[rows] != c))
        found["not covered"].append(1 - inside(mine, theirs).reached.mean())
    return {name: np.array(column) for name, column in found.items()}


def of_sprites(album: Album, yardstick: evaluation.Yardstick) -> dict[str, np.ndarray]:
    """What is measured of each sprite by itself, (N,)."""
    seen = yardstick.classifier.look(album.images)
    colors = nearest(album.images, sprites.colors())[0]
    return {
        "off their part's ramp": parts.off_ramp(colors, parts.seen_parts(seen, yardstick.classifier.heads)),
        "mirror difference": pixelart.mirror_difference(album.images),
        "stray pixels": pixelart.stray_pixels(album.images).mean(axis=(1, 2)),
        "oddness": nearest_rows(seen.features, yardstick.real_features)[:, 0],
    }


def judged(path: Path) -> np.ndarray:
    """Where a fault was seen: (N,) bool."""
    found = np.zeros((SHEETS, 2 * EACH), bool)
    for sheet, numbers in json.loads(path.read_text(encoding="utf-8")).items():
        found[int(sheet) - 1, np.array(numbers, np.int64) - 1] = True
    return found.ravel()


def suspicion(album: Album, learned: Album, others: Album) -> np.ndarray:
    """How sure a fresh discriminator, which learned from other sprites, is that each sprite is a drawn one, (N,)."""
    steps = two_sample.steps_for(2 * len(learned.images))
    *_, fitted = two_sample.fit(learned.images, others.images, steps)
    with torch.no_grad():
        return fitted.discriminator.eval()(images.to_tensor(album.images)).numpy()


FORMATS = {"oddness": ".2f", "Fréchet distance": ".2f", "kernel distance": ".1f"}
"""Of the measures by class; all others are shares."""


def agreement(one: Sequence[float], other: Sequence[float]) -> str:
    """The rank correlation, or a dash where one of them is the same everywhere."""
    varied = len(np.unique(one)) > 1 and len(np.unique(other)) > 1
    found = spearmanr(one, other).statistic if varied else np.nan
    return "–" if np.isnan(found) else f"{found:+.2f}".replace("-", "−")


def score(folder: Path, judgments: Path) -> list[str]:
    """Tables of the faults that were seen and what the measures say, as Markdown."""
    key, fault = np.load(folder / "key.npz"), judged(judgments)
    album, ours = Album(key["images"], key["labels"]), key["drawn"]
    shares = {
        who: np.array([fault[which & (album.labels == c)].mean() for c in range(len(CLASSES))])
        for who, which in (("drawn", ours), ("real", ~ours))
    }
    yardstick = evaluation.procedural_yardstick(MEASURED, train=MEASURED)
    model, floor = drawn(MEASURED, MEASURED_SEED), Album(yardstick.other, yardstick.other_labels)
    told = evaluation.tell_apart(*model, yardstick)
    assert told is not None, "there are enough sprites"
    a, b = by_class(model, yardstick), by_class(floor, yardstick)
    away = {
        "told from real": np.array(
            [told.model.classes[c].value - told.real.classes[c].value for c in range(len(CLASSES))]
        )
    }
    away |= {name: np.abs(a[name] - b[name]) for name in a}
    rows = [
        (
            name,
            *(format(value, FORMATS.get(name, ".1%")) for value in column),
            agreement(shares["drawn"], column),
        )
        for name, column in away.items()
    ]
    seen = [
        (f"**{who}, a fault seen**", *(f"{share:.0%}" for share in column), "")
        for who, column in shares.items()
    ]
    values = {"told from real": suspicion(album, model, floor)} | of_sprites(album, yardstick)
    each = [
        (name, agreement(fault, column), agreement(fault[ours], column[ours]))
        for name, column in values.items()
    ]
    return [
        "<!-- Generated by `python benchmarks/blind_sheets.py score --out`; judge again instead of editing. -->",
        f"{len(fault)} sprites on {SHEETS} sheets, half of them drawn, judged without knowing which: a fault was "
        f"seen in {fault[ours].mean():.0%} of the drawn and {fault[~ours].mean():.0%} of the real ones. The first two "
        f"rows count these by class. Each row under them says how far a measure of {MEASURED:,} drawn sprites is from "
        "the same measure of as many real ones; for *told from real* that is the accuracy beyond the one on other real "
        "sprites, and *not covered* is 1 minus coverage. The last column says how well a row puts the classes in the "
        "order of the first (Spearman's rank correlation).",
        "",
        *table(("", *(name.replace("_", " ") for name in CLASSES), "agrees"), [*seen, *rows]),
        "",
        "And sprite by sprite: how well a value agrees with whether a fault was seen. *Told from real* is here how "
        "sure the network is that the sprite is drawn.",
        "",
        *table(("", "all sprites", "drawn ones"), each),
        "",
    ]


def main() -> None:
    """Make the sheets, or score judgments of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("do", choices=("make", "score"))
    parser.add_argument("folder", type=Path, help="of the sheets")
    parser.add_argument("judgments", type=Path, nargs="?", help="to score")
    parser.add_argument("--seed", type=int, default=0, help="of the order on the sheets")
    parser.add_argument("--out", type=Path, help="write the tables here too")
    options = parser.parse_args()
    if options.do == "make":
        return make(options.folder, options.seed)
    if not options.judgments:
        parser.error("give the judgments to score")
    text = "\n".join(score(options.folder, options.judgments))
    print(text)
    if options.out:
        with replacing(options.out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
