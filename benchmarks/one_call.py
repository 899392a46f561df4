"""One call instead of twenty: how good the distilled network is, how fast, and what each phase of its training brought.

python benchmarks/one_call.py                           the shipped networks, about ten minutes on two cores
python benchmarks/one_call.py --students runs/instant   and the students on the way, as pixel-edu distil leaves them
python benchmarks/one_call.py --methods                 two ways to one call on `tiny`, about half an hour more
python benchmarks/one_call.py --out book/measured/one_call.md --picture book/_static/art/one_call.png

Everything is kept in runs/one_call, and the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from speed import draw, draw_classic, machine, seconds

from pixel_edu import checkpoints, distillation, evaluation, palette, report, sprites
from pixel_edu.config import SampleConfig, hardware
from pixel_edu.denoiser import Denoiser
from pixel_edu.distances import Score
from pixel_edu.distillation import PHASES, Phase
from pixel_edu.files import replacing
from pixel_edu.generate import generate
from pixel_edu.images import grid, write_png
from pixel_edu.serving import onnx
from pixel_edu.training import TrainState, TrainStep
from pixel_edu.unet import ContextUNet

FIRST_SEED = 1_000_000
SHOWN = (
    "two_sample",
    "label_accuracy",
    "fid",
    "kid",
    "coverage",
    "background",
    "closed",
    "off_ramp",
    "fronts",
    "near_copies",
)
RESAMPLES = 200
METHOD_STEPS, METHOD_SEEDS, METHOD_SPRITES = 1_000, (0, 1), 1_000


def measured(name: str, model: Denoiser | None, count: int, kept: Path) -> dict[str, Score]:
    """The scores of a model's sprites as it draws by default, or of real ones; kept on the disk.

    Args:
        name: of the model, and of the file.
        model: which draws; None for other real sprites.
        count: of sprites; with 5,000 or more, whether they are told from real ones too.
        kept: the folder.
    """
    path = kept / f"{name}-{count}.json"
    if not path.exists():
        yardstick = evaluation.procedural_yardstick(count)
        labels = np.arange(count) % 5
        if model is None:
            scores = dict(yardstick.floor.scores)
            images, labels = yardstick.other, yardstick.other_labels
        else:
            seeds = range(FIRST_SEED, FIRST_SEED + count)
            drawn = generate(model, labels.tolist(), seeds, track=lambda items: track(items, name))
            images = palette.as_sprites(drawn, model.palette)
            scores = dict(evaluation.evaluate(images, labels, yardstick, RESAMPLES).scores)
        if count >= 5_000 and model is not None:
            told = evaluation.tell_apart(images, labels, yardstick)
            assert told is not None  # there are enough
            scores["two_sample"] = told.model.accuracy
            others = {"two_sample": list(told.real.accuracy)}
            others |= {f"class {c}": list(each) for c, each in told.model.classes.items()}
            keep(kept / f"{name}-{count}-others.json", others)
        keep(path, {key: list(score) for key, score in scores.items()})
    read = json.loads(path.read_text(encoding="utf-8"))
    return {key: Score(*values) for key, values in read.items()}


def keep(path: Path, values: dict) -> None:
    """Write JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values), encoding="utf-8")


def table(title: str, models: dict[str, Denoiser | None], count: int, kept: Path) -> list[str]:
    """A row for each model."""
    names = {measure.key: measure for measure in evaluation.MEASURES}
    found = {name: measured(name, model, count, kept) for name, model in models.items()}
    shown = [key for key in SHOWN if any(key in scores for scores in found.values())]
    lines = [
        f"**{title}** ({count:,} sprites a row)",
        "",
        "| who draws | calls | " + " | ".join(names[key].name for key in shown) + " |",
        "| :--- | ---: |" + " ---: |" * len(shown),
    ]
    for name, scores in found.items():
        cells = []
        for key in shown:
            value, interval = report.in_words(names[key], scores[key]) if key in scores else ("", "")
            cells.append(f"{value}<br><small>{interval}</small>" if value else "")
        model = models[name]
        calls = "" if model is None else str(model.sampling().num_steps)
        lines.append(f"| {name} | {calls} | {' | '.join(cells)} |")
    return [*lines, ""]


def told_apart(name: str, count: int, kept: Path) -> str:
    """What the two-sample test says of real sprites, and of the class that is told best."""
    others = json.loads((kept / f"{name}-{count}-others.json").read_text(encoding="utf-8"))
    real = others.pop("two_sample")
    most, (value, *_) = max(others.items(), key=lambda item: item[1][0])
    return (
        f"Real sprites are told from other real ones in {real[0]:.1%} ({real[1]:.1%} to {real[2]:.1%}) of the cases; "
        f"of the sprites of {name}, those of {most} are told best, in {value:.1%}."
    )


def picture() -> np.ndarray:
    """The same ten seeds, a row for each number of calls of the reference, and the last for the distilled network."""
    labels, seeds = [c for c in range(5) for _ in range(2)], range(1000, 1010)
    reference, instant = (checkpoints.load_reference(name) for name in ("reference", "instant"))
    rows = [generate(reference, labels, seeds, SampleConfig(num_steps=calls)) for calls in (1, 2, 4, 20)]
    rows.append(generate(instant, labels, seeds))
    return grid(palette.as_sprites(np.concatenate(rows), reference.palette), len(labels))


def speeds() -> Iterator[str]:
    """One sprite, as the copied recipe draws it and as ours do."""
    classic = ContextUNet("classic").eval()
    with tempfile.TemporaryDirectory() as folder:
        ours = {}
        for name in ("reference", "instant"):
            onnx.export(checkpoints.find(name), Path(folder) / f"{name}.onnx")
            ours[name] = onnx.load(Path(folder) / f"{name}.onnx")
    before = seconds(lambda: draw_classic(classic), 1)
    yield f"On {machine()}:"
    yield ""
    yield "| one sprite | ms | as many times faster |"
    yield "| :--- | ---: | ---: |"
    yield f"| `classic`, 1000 steps of two calls, in PyTorch | {before * 1e3:,.0f} | 1 |"
    for name, model in ours.items():
        took = seconds(lambda: draw(model, 1, model.sampling()), 51)  # noqa: B023, called at once
        calls = model.sampling().num_steps
        words = "one call, guidance inside" if calls == 1 else f"{calls} calls, guided"
        yield f"| {name}, {words}, in onnxruntime | {took * 1e3:.2f} | {before / took:,.0f} |"
    yield ""


def by_method(seed: int, kept: Path) -> dict[str, tuple[Score, float]]:
    """The Fréchet distance, with the seconds of the processor that it took, of each way to one call on `tiny`."""
    about = checkpoints.read_about(checkpoints.find("tiny"))
    data = sprites.make(20_000)

    def phase(model: Denoiser, of: Phase, how: SampleConfig | None, train: Callable) -> Denoiser:
        student = distillation.begin(model, distillation.config_of(of, about.config, seed))
        student.data = about.data
        for _ in track(train(model, student, how), f"{of.name}, seed {seed}", total=of.steps):
            pass
        return replace(student.denoiser(), network=student.ema.network)

    def progressive(model: Denoiser, student: TrainState, how: SampleConfig | None) -> Iterator[TrainStep]:
        return distillation.progressive(model, student, data.images, data.labels, how)

    def consistency(model: Denoiser, student: TrainState, how: SampleConfig | None) -> Iterator[TrainStep]:
        assert how is not None
        return distillation.consistency(model, student, data.images, data.labels, how)

    def adversarial(model: Denoiser, student: TrainState, how: SampleConfig | None) -> Iterator[TrainStep]:
        return distillation.adversarial(student, model.schedule, data.images, data.labels)

    def halved(steps: int) -> Denoiser:
        model, how = checkpoints.load_reference("tiny"), SampleConfig()
        for each in (each for each in PHASES if not each.adversary):
            model, how = phase(model, each._replace(steps=steps // 5), how, progressive), None
        return model

    ways: dict[str, Callable[[], Denoiser]] = {
        "progressive distillation": lambda: halved(METHOD_STEPS),
        "consistency distillation": lambda: phase(
            checkpoints.load_reference("tiny"), Phase(1, METHOD_STEPS), SampleConfig(), consistency
        ),
        "progressive, half as long, then an adversary": lambda: phase(
            halved(METHOD_STEPS // 2), Phase(1, METHOD_STEPS // 2, adversary=True), None, adversarial
        ),
    }
    found = {}
    for name, make in ways.items():
        path = kept / f"method-{name.replace(' ', '-').replace(',', '')}-{seed}.json"
        if not path.exists():
            began = time.process_time()
            model = make()
            took = time.process_time() - began
            labels = (np.arange(METHOD_SPRITES) % 5).tolist()
            drawn = generate(model, labels, range(FIRST_SEED, FIRST_SEED + METHOD_SPRITES))
            images = palette.as_sprites(drawn, model.palette)
            yardstick = evaluation.procedural_yardstick(METHOD_SPRITES)
            score = evaluation.evaluate(images, np.array(labels), yardstick, RESAMPLES).scores["fid"]
            keep(path, {"score": list(score), "seconds": took})
        read = json.loads(path.read_text(encoding="utf-8"))
        found[name] = Score(*read["score"]), read["seconds"]
    return found


def methods(kept: Path) -> list[str]:
    """The table of the ways."""
    runs = [by_method(seed, kept) for seed in METHOD_SEEDS]
    lines = [
        f"**Ways to one call, `tiny`** ({METHOD_STEPS:,} steps of 64 sprites, {len(runs)} seeds; Fréchet distance of "
        f"{METHOD_SPRITES:,} sprites, its interval below it)",
        "",
        "| way | " + " | ".join(f"seed {seed}" for seed in METHOD_SEEDS) + " | CPU minutes |",
        "| :--- |" + " ---: |" * (len(runs) + 1),
    ]
    for name in runs[0]:
        cells = [
            f"{s.value:.1f}<br><small>{s.low:.1f}–{s.high:.1f}</small>"
            for s in (run[name][0] for run in runs)
        ]
        took = np.mean([run[name][1] for run in runs]) / 60
        lines.append(f"| {name} | {' | '.join(cells)} | {took:.1f} |")
    return [*lines, ""]


def main() -> None:
    """Draw, measure, print, and write with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=Path, help="the folder of pixel-edu distil")
    parser.add_argument("--methods", action="store_true", help="compare ways to one call")
    parser.add_argument("--many", type=int, default=5000, help="sprites for the main table")
    parser.add_argument(
        "--kept", type=Path, default=Path("runs/one_call"), help="folder for what was measured"
    )
    parser.add_argument("--out", type=Path, help="write the tables here too")
    parser.add_argument("--picture", type=Path, help="write a picture of what both draw")
    options = parser.parse_args()
    torch.manual_seed(0)
    shipped: dict[str, Denoiser | None] = {
        name: checkpoints.load_reference(name) for name in ("reference", "instant")
    }
    lines = ["<!-- Generated by `python benchmarks/one_call.py --out`; measure again instead of editing. -->"]
    lines += [f"On {hardware()}, small numbers are 95 % intervals.", ""]
    lines += table("As they draw by default", shipped | {"real sprites": None}, options.many, options.kept)
    lines += (
        [told_apart(name, options.many, options.kept) for name in ("instant",)]
        if options.many >= 5000
        else []
    )
    lines.append("")
    if options.students:
        students: dict[str, Denoiser | None] = {
            phase.name: checkpoints.load_model(options.students / f"{phase.name}.safetensors")
            for phase in PHASES
        }
        lines += table("The students on the way", students | {"real sprites": None}, 1000, options.kept)
    if options.methods:
        lines += methods(options.kept)
    lines += speeds()
    print("\n".join(lines))
    if options.picture:
        write_png(options.picture, picture())
    if options.out:
        with replacing(options.out) as temporary:
            temporary.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
