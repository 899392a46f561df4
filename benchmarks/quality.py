"""Every claim about quality: prints a table for each question, every number with its 95 % interval.

python benchmarks/quality.py                                the reference, about 20 minutes on two cores
python benchmarks/quality.py --classic runs/classic/model.safetensors      and the widely copied recipe, an hour more
python benchmarks/quality.py --only noise shipped --out book/measured/quality.md   two tables, the others stay

What was drawn is kept in runs/quality, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import re
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from speed import FAST
from torch import Tensor

from pixel_edu import checkpoints, evaluation, palette, report, samplers, sprites, tracking
from pixel_edu.config import SampleConfig
from pixel_edu.denoiser import Denoiser
from pixel_edu.files import replacing
from pixel_edu.generate import stream
from pixel_edu.guidance import guide
from pixel_edu.images import to_uint8
from pixel_edu.samplers import SpriteNoise
from pixel_edu.serving import onnx

FIRST_SEED = 1_000_000
PIECE = 50
SHOWN = ("label_accuracy", "fid", "kid", "coverage", "colors", "flat", "closed", "near_copies")
SEEN = ("label_accuracy", "fid", "kid", "coverage", "background", "closed", "fronts", "near_copies")
"""With what an eye sees first, in place of two that all samplers have right."""
RESAMPLES = 200


def everywhere(sampler: str = "dpmpp_2m", num_steps: int = 20, guidance_scale: float = 2.0) -> SampleConfig:
    """Guidance at all noise levels, with 20 calls of DPM-Solver++ unless the row says otherwise."""
    return SampleConfig(sampler, num_steps, guidance_scale, interval=None)


@dataclass(frozen=True)
class Way:
    """A way to draw sprites.

    Attributes:
        name: in the table.
        model: a key of the models.
        config: how.
        snapped: whether the sprites take the colours of the data.
        two_passes: ask with and without the label in two calls, as the copied recipe does.
    """

    name: str
    model: str = "reference"
    config: SampleConfig = everywhere()
    snapped: bool = True
    two_passes: bool = False

    @property
    def key(self) -> str:
        """Names the file of what was drawn; snapping comes after."""
        c = self.config
        words = (self.model, c.sampler, c.num_steps, c.guidance_scale, c.interval, self.two_passes)
        return "-".join(map(str, words)).replace(" ", "")


THOUSANDFOLD = (
    Way("`classic`, 1000 steps of two calls, as drawn", "classic", everywhere("ddpm", 1000), False, True),
    Way("`classic`, the same, snapped", "classic", everywhere("ddpm", 1000), True, True),
    Way("reference, 8 calls, as drawn", config=FAST, snapped=False),
    Way("reference, 8 calls, snapped", config=FAST),
)
SAMPLERS = (
    Way("DDPM, 1000 calls, as drawn", config=everywhere("ddpm", 1000), snapped=False),
    Way("DDPM, 1000 calls", config=everywhere("ddpm", 1000)),
    Way("DPM-Solver++, 20 calls, as drawn", snapped=False),
    *(Way(f"DPM-Solver++, {n} calls", config=everywhere("dpmpp_2m", n)) for n in (50, 20, 12, 8, 5)),
    *(Way(f"DDIM, {n} calls", config=everywhere("ddim", n)) for n in (250, 50, 20, 10)),
    Way("`tiny`, DPM-Solver++, 20 calls", "tiny"),
)
GUIDANCE = (
    *(Way(f"w = {w:g}", config=everywhere(guidance_scale=w)) for w in (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)),
    Way("w = 2, interval", config=SampleConfig("dpmpp_2m", guidance_scale=2.0)),
    Way("**w = 3, interval**, as by default", config=SampleConfig("dpmpp_2m")),
    Way("w = 4, interval", config=SampleConfig("dpmpp_2m", guidance_scale=4.0)),
)
NOISE = (
    *(
        Way(f"{samplers.SAMPLERS[name].title}, 20 calls", config=SampleConfig(name))
        for name in ("ddim", "dpmpp_2m", "ddpm")
    ),
    Way("**SDE-DPM-Solver++, 20 calls**, the default", config=SampleConfig()),
    Way("SDE-DPM-Solver++, 50 calls", config=SampleConfig(num_steps=50)),
)
AS_SHIPPED = (
    Way("reference", config=SampleConfig()),
    Way("reference, without fresh noise: DPM-Solver++", config=SampleConfig("dpmpp_2m")),
)


@dataclass(frozen=True)
class Table:
    """A table: its title, by which it is found in the written file, its rows, and how many sprites each takes."""

    title: str
    ways: tuple[Way, ...]
    count: int
    measures: tuple[str, ...] = SHOWN


TABLES = {
    "shipped": Table("As `pixel-edu sample` draws", AS_SHIPPED, 5000, SEEN),
    "noise": Table("Fresh noise, guidance 3 in the interval", NOISE, 1000, SEEN),
    "calls": Table("Samplers and calls, guidance 2 everywhere", SAMPLERS, 500),
    "guidance": Table("Guidance, without fresh noise", GUIDANCE, 500),
    "thousandfold": Table("The widely copied recipe, and the fast one", THOUSANDFOLD, 300),
}


def drawn(way: Way, model: Denoiser, count: int, folder: Path) -> np.ndarray:
    """The sprites of a way, a file for every `PIECE`, in a folder for the first answer of these weights."""
    folder /= tracking.digest(one(model, [FIRST_SEED], everywhere(num_steps=1)))  # other weights draw anew
    folder.mkdir(parents=True, exist_ok=True)
    pieces = []
    for start in track(range(0, count, PIECE), way.name, transient=True):
        path = folder / f"{way.key}-{start}.npy"
        if not path.exists():
            seeds = range(FIRST_SEED + start, FIRST_SEED + start + PIECE)
            images = two_passes(model, seeds, way.config) if way.two_passes else one(model, seeds, way.config)
            with replacing(path) as temporary, open(temporary, "wb") as file:
                np.save(file, images)
        pieces.append(np.load(path))
    images = np.concatenate(pieces)[:count]
    return palette.snap(images, model.palette) if way.snapped else images


def one(model: Denoiser, seeds: Sequence[int], config: SampleConfig) -> np.ndarray:
    """Sprites of all classes in turn."""
    *_, last = stream(model, [seed % 5 for seed in seeds], seeds, config)
    return to_uint8(last.x)


def two_passes(model: Denoiser, seeds: Sequence[int], config: SampleConfig) -> np.ndarray:
    """The same with DDPM, asking with and without the label one after the other."""
    noise, c = SpriteNoise(seeds), torch.tensor([seed % 5 for seed in seeds])
    nothing = torch.full_like(c, model.null_label)

    def predict_eps(x: Tensor, t: Tensor) -> Tensor:
        return guide(model(x, t, c), model(x, t, nothing), config.guidance_scale)

    return to_uint8(samplers.ddpm_sample(predict_eps, model.schedule, noise.start(), config.num_steps, noise))


def measured(table: Table, models: dict[str, Denoiser], folder: Path, before: list[str]) -> list[str]:
    """Measure all ways of a table with the same number of sprites, and real sprites below them.

    The row of a model that is not at hand stays as it was `before`, or is omitted.
    """
    count = table.count
    yardstick = evaluation.procedural_yardstick(count)
    labels = np.arange(FIRST_SEED, FIRST_SEED + count) % 5
    names = {measure.key: measure for measure in evaluation.MEASURES}
    lines = [
        f"**{table.title}** ({count:,} sprites a row)",
        "",
        "| how | " + " | ".join(names[key].name for key in table.measures) + " |",
        "| :--- |" + " ---: |" * len(table.measures),
    ]

    def row(name: str, scores: dict[str, evaluation.Score]) -> str:
        cells = (report.in_words(names[key], scores[key]) for key in table.measures)
        words = (f"{value}<br><small>{interval}</small>" for value, interval in cells)
        return f"| {name} | {' | '.join(words)} |"

    for way in table.ways:
        if way.model in models:
            images = drawn(way, models[way.model], count, folder)
            lines.append(row(way.name, evaluation.evaluate(images, labels, yardstick, RESAMPLES).scores))
            print(lines[-1], flush=True)
        else:
            lines += [line for line in before if line.startswith(f"| {way.name} |")]
    return [*lines, row("real sprites", yardstick.floor.scores), ""]


def written(table: Table, path: Path | None) -> list[str]:
    """The lines of a table as they stand in a file, with what is said below it; none where it does not stand."""
    if not path or not path.exists():
        return []
    _, title, rest = path.read_text(encoding="utf-8").partition(f"**{table.title}**")
    if not title:
        return []
    below = re.split(r"\n(?=\*\*|Scoring)", rest)[0]
    return [*f"{title}{below}".rstrip().splitlines(), ""]


def trained(name: str, path: Path) -> str:
    """What it took to train a model."""
    about = checkpoints.read_about(path)
    minutes = float(about.record["seconds"]) / 60
    return (
        f"{name} was trained for {about.step:,} steps, {minutes:.0f} minutes on {about.record['hardware']}."
    )


def scoring(count: int) -> str:
    """What it costs to score this many sprites, with the real ones to compare with."""
    yardstick = evaluation.procedural_yardstick(count)
    other = sprites.make(count, seed=9)
    began = time.perf_counter()
    evaluation.evaluate(other.images, other.labels, yardstick)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return f"Scoring {count:,} sprites takes {seconds:.0f} s, and the whole program at most {peak:.1f} GiB.\n"


def main() -> None:
    """Draw, measure, print, and write with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--classic",
        type=Path,
        help="a checkpoint of pixel-edu train --preset classic; without it its rows stay as --out has them",
    )
    parser.add_argument(
        "--out", type=Path, help="write the tables here too, such as book/measured/quality.md"
    )
    parser.add_argument("--kept", type=Path, default=Path("runs/quality"), help="folder for what was drawn")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=TABLES,
        help="measure these tables, and take the others from --out as they are",
    )
    options = parser.parse_args()
    asked = options.only or [*TABLES]
    before = {key: written(table, options.out) for key, table in TABLES.items()}
    if options.out and options.out.exists():
        for key in set(TABLES) - set(asked):
            if not before[key]:
                parser.error(f"{options.out} has no table called {TABLES[key].title}: measure it, too")
    began = time.perf_counter()
    models = {"tiny": checkpoints.load_reference("tiny")}
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # on a CPU onnxruntime is the faster for pieces of this size
        onnx.export(checkpoints.find("reference"), Path(folder) / "reference.onnx")
        models["reference"] = onnx.load(Path(folder) / "reference.onnx")
    if options.classic:
        models["classic"] = checkpoints.load_model(options.classic)
    lines = [
        "<!-- Generated by `python benchmarks/quality.py --out`; measure again instead of editing. -->",
        f"Small numbers are 95 % intervals from {RESAMPLES} resamples.",
        "",
    ]
    for key, table in TABLES.items():
        if key not in asked:
            lines += before[key]
            continue
        lines += measured(table, models, options.kept, before[key])
        if key == "thousandfold":
            classic = [line for line in before[key] if line.startswith("`classic` was")]
            if options.classic:
                classic = [trained("`classic`", options.classic)]
            lines += [*classic, trained("The reference", checkpoints.find("reference")), ""]
    lines.append(scoring(5000))
    print("\n".join(lines))
    print(f"{(time.perf_counter() - began) / 60:.1f} minutes")
    if options.out:
        with replacing(options.out) as temporary:
            temporary.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
