"""pixel-edu evaluate: how good a model's sprites are, and how new."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pixel_edu.cli import measuring, options, showing
from pixel_edu.config import SampleConfig

if TYPE_CHECKING:
    from pixel_edu.denoiser import Denoiser
    from pixel_edu.evaluation import Report, Told, Yardstick

Data = Annotated[
    Path | None,
    typer.Option(
        help="The folder that the model was trained on; default: procedural sprites.", show_default=False
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        "-n",
        "--n",
        min=50,
        max=100_000,
        help="Number of sprites to draw.",
        show_default="1,000, or as many as the column of real sprites has",
    ),
]
Out = Annotated[
    Path, typer.Option(help="The folder for report.html and report.json.", callback=options.new_folder)
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the first sprite.")]
TwoSample = Annotated[
    bool,
    typer.Option(
        help="Train a network to tell the sprites from real ones, which takes about 15 seconds for 1,000 of them and "
        "a minute for 5,000."
    ),
]
MLflow = Annotated[
    str,
    typer.Option(
        help="Log the scores in the run that trained the checkpoint: an address as for pixel-edu train.",
        show_default=False,
    ),
]


def evaluate(
    context: typer.Context,
    checkpoint: options.Checkpoint = "reference",
    data: Data = None,
    n: Count = None,
    out: Out = Path("evaluation"),
    sampler: options.Sampler = options.DEFAULT.sampler,
    steps: options.SamplingSteps = options.DEFAULT.num_steps,
    guidance: options.Guidance = options.DEFAULT.guidance_scale,
    interval: options.Interval = options.DEFAULT.interval,  # pyright: ignore[reportArgumentType] typer parses text
    palette: options.Palette = "auto",
    seed: Seed = 1_000_000,
    sprites: options.TrainedOn = 100_000,
    validation: options.HeldOut = 0.1,
    resize: options.Resize = None,
    frames: options.Frames = False,
    two_sample: TwoSample = True,
    mlflow: MLflow = "",
    device: options.Device = "auto",
) -> None:
    """Measure a model: is it told from real, likeness, variety, colours, and whether it copies what it was trained on.

    Each number has its 95 % interval and that of real sprites. The report shows the best, the worst and near copies.
    """
    from pixel_edu.serving import engine

    began = time.perf_counter()
    log = _scores_logger(checkpoint, mlflow)  # asked before the minutes that the rest takes
    denoiser, chosen = engine.open_model(checkpoint, device)
    config = options.sample_config(context, denoiser, sampler, steps, guidance, interval)
    read = measuring.read(data, resize, frames)
    yardstick = measuring.yardstick(denoiser, read, validation, n or 1000, sprites)
    drawn, labels = _draw(denoiser, n or len(yardstick.other), seed, config, palette, chosen)
    made, told = _measured(drawn, labels, yardstick, two_sample)
    how = {"checkpoint": checkpoint, **_data(checkpoint, data, validation, sprites), "sprites": len(drawn)}
    how |= _settings(config)
    _write(out, drawn, labels, made, yardstick, told, how | {"palette": palette, "first seed": seed})
    log(made, told, len(drawn), yardstick, out)
    _print(made, yardstick, told, how)
    typer.echo(f"{out / 'report.html'} and report.json, in {showing.duration(time.perf_counter() - began)}")


def _settings(config: SampleConfig) -> dict[str, Any]:
    """How the sprites were drawn, by the names of the options."""
    return {
        "sampler": config.sampler,
        "steps": config.num_steps,
        "guidance": config.guidance_scale,
        "interval": config.interval,
    }


def _scores_logger(checkpoint: str, uri: str):
    """What logs the scores in the run of MLflow that trained the checkpoint; nothing, if none is named."""
    if not uri:
        return lambda made, told, n, yardstick, out: None
    from pixel_edu import checkpoints, report, tracking
    from pixel_edu.tracking.champion import log_scores

    run_id, client = tracking.run_of(checkpoints.find(checkpoint).parent), tracking.connect(uri)

    def log(made: Report, told: Told | None, n: int, yardstick: Yardstick, out: Path) -> None:
        scores = {row.measure.key: row.model for row in report.compared(made, yardstick, told)}
        files = (out / "report.html", out / "report.json")
        log_scores(client, run_id, scores, n, tracking.digest(yardstick.real), files)

    return log


def _draw(denoiser: Denoiser, n: int, seed: int, config, colors, device):
    """Sprites of all classes in turn, (N, S, S, C) uint8, and their labels (N,)."""
    import numpy as np

    from pixel_edu import generate, palette

    labels, bar = np.arange(n) % denoiser.null_label, showing.bar("drawing", over=0)
    drawn = generate.generate(denoiser, labels.tolist(), range(seed, seed + n), config, device, track=bar)
    with showing.busy("snapping to the palette"):
        return palette.in_colors(drawn, denoiser.palette, colors), labels


def _measured(drawn, labels, yardstick: Yardstick, two_sample: bool) -> tuple[Report, Told | None]:
    """What these sprites and real ones get, the report asks for both; and whether a network tells them apart."""
    from pixel_edu import evaluation

    with showing.busy("measuring"):
        made, _ = evaluation.evaluate(drawn, labels, yardstick), yardstick.floor
    if not two_sample:
        return made, None
    bar = showing.bar("telling from real", over=0)  # one for each of two trainings
    return made, evaluation.tell_apart(drawn, labels, yardstick, track=bar)


def _data(checkpoint: str, folder: Path | None, validation: float, sprites: int) -> dict[str, str]:
    """What the model is measured by, and what its checkpoint says that it was trained on."""
    from pixel_edu import checkpoints, runs

    data = runs.folder_source(folder, validation) if folder else f"{sprites:,} procedural sprites"
    if Path(checkpoint).suffix == ".onnx":
        return {"data": data}
    record = checkpoints.read_about(checkpoints.find(checkpoint)).record
    return {"data": data, "trained on": record.get("data", "unknown")}


def _write(
    out: Path, drawn, labels, made: Report, yardstick: Yardstick, told: Told | None, how: dict
) -> None:
    """Write the report for people and for programs, each whole or not at all."""
    import json

    from pixel_edu import report
    from pixel_edu.files import replacing, writing

    page = report.as_html(drawn, labels, made, yardstick, how, told)
    numbers = json.dumps(report.as_dict(made, yardstick, how, told), indent=2) + "\n"
    for name, text in (("report.html", page), ("report.json", numbers)):
        with writing(out / name), replacing(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _print(made: Report, yardstick: Yardstick, told: Told | None, how: dict) -> None:
    from rich.console import Console

    from pixel_edu import report

    by_class = report.compared_by_class(told, yardstick) if told else {}
    rows = [(row.measure.name, row) for row in report.compared(made, yardstick, told)]
    rows[1:1] = [(f"  {name}", row) for name, row in by_class.items()]
    table = showing.table(("", "model", "95 %", "real", "95 %", "worse?"), left=("", "worse?"))
    for name, (measure, model, real) in rows:
        worse = "" if report.as_good(measure, model, real) else "yes"
        table.add_row(name, *report.in_words(measure, model), *report.in_words(measure, real), worse)
    typer.echo(
        f"{how['sprites']:,} sprites by {how['checkpoint']}, trained on {how.get('trained on', 'unknown')}"
    )
    Console(highlight=False).print(yardstick.comparison, markup=False)
    Console(soft_wrap=True, highlight=False).print(table)
    Console(highlight=False).print(report.verdict(told), markup=False)
