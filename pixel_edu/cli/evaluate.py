"""pixel-edu evaluate: how good a model's sprites are, and how new."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixel_edu.cli import showing
from pixel_edu.cli.sample import Palette, Sampler, colored, configured, open_model

if TYPE_CHECKING:
    from pixel_edu.evaluation import Report, Yardstick

CLASSIFIER_STEPS = 1000


def evaluate(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A file of pixel-edu train or export, or a shipped model, such as reference or tiny."
        ),
    ] = "reference",
    data: Annotated[
        Path | None,
        typer.Option(help="The folder it was trained on; left out: procedural sprites.", show_default=False),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--n",
            min=50,
            max=100_000,
            help="Sprites to draw.",
            show_default="1,000, or as many as the folder holds out",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder for report.html and report.json.")] = Path(
        "evaluation"
    ),
    sampler: Annotated[Sampler, typer.Option(help="How to walk from noise to sprite.")] = Sampler.dpmpp_2m,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Model calls.")] = 20,
    guidance: Annotated[float, typer.Option(min=-20, max=20, help="The guidance scale.")] = 3.0,
    interval: Annotated[
        tuple[float, float],
        typer.Option(
            metavar="LOW HIGH", help="Guide where half the log-SNR is in this range; everywhere: -99 99."
        ),
    ] = (-1.0, 1.0),
    palette: Annotated[Palette, typer.Option(help="As for pixel-edu sample.")] = Palette.auto,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the first sprite.")] = 1_000_000,
    sprites: Annotated[
        int, typer.Option(min=1, max=2_000_000, help="Procedural sprites that it was trained on.")
    ] = 100_000,
    validation: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of the folder held out, as in training.")
    ] = 0.1,
    mlflow: Annotated[
        str,
        typer.Option(
            help="Log the scores in the run that trained the checkpoint: an address as for pixel-edu train.",
            show_default=False,
        ),
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Measure a model: right class, likeness, variety, colours, and whether it copies what it was trained on.

    Every number comes with its 95 % interval, and beside it that of as many real sprites. The report shows the best
    and the worst sprites, and those nearest to a training sprite.
    """
    import numpy as np

    from pixel_edu import config, evaluation, generate, report

    began = time.perf_counter()
    if mlflow:  # before the minutes that the rest takes
        from pixel_edu import tracking
        from pixel_edu.tracking.champion import log_scores

        run_id, client = tracking.run_of(Path(checkpoint).parent), tracking.connect(mlflow)
    chosen = config.pick_device("cpu" if Path(checkpoint).suffix == ".onnx" else device)
    denoiser = open_model(checkpoint, chosen)
    if data is None:
        with showing.busy("drawing real sprites"):
            yardstick = evaluation.procedural_yardstick(n or 1000, sprites)
    else:
        yardstick = _folder(data, validation, denoiser.null_label, denoiser.palette)
    n = n or len(yardstick.other)
    labels = np.arange(n) % denoiser.null_label
    settings = configured(denoiser, sampler, steps, guidance, interval)
    seeds = range(seed, seed + n)
    drawn = generate.generate(
        denoiser, labels.tolist(), list(seeds), settings, chosen, track=showing.bar("drawing", over=0)
    )
    with showing.busy("snapping to the palette"):
        drawn = colored(drawn, denoiser, palette)
    with showing.busy("measuring"):
        made, floor = evaluation.evaluate(drawn, labels, yardstick), yardstick.floor
    how = {
        "checkpoint": checkpoint,
        "data": str(data) if data else f"{sprites:,} procedural sprites",
        "sprites": n,
        "sampler": sampler.value,
        "steps": steps,
        "guidance": guidance,
        "interval": interval,
        "palette": palette.value,
        "first seed": seed,
    }
    _write(out, report.as_html(drawn, labels, made, floor, yardstick, how), report.as_dict(made, floor, how))
    if mlflow:
        files = (out / "report.html", out / "report.json")
        log_scores(client, run_id, made.scores, n, tracking.digest(yardstick.real), files)
    _print(made, floor, how)
    minutes = (time.perf_counter() - began) / 60
    typer.echo(f"{out / 'report.html'} and report.json, in {minutes:.1f} minutes")


def _folder(path: Path, validation: float, classes: int, palette) -> Yardstick:
    """A yardstick from a dataset, with a classifier trained on its training part."""
    import numpy as np
    from rich.console import Console
    from rich.progress import track

    from pixel_edu import classifier
    from pixel_edu import data as datasets
    from pixel_edu.config import UserError
    from pixel_edu.evaluation import Yardstick
    from pixel_edu.palette import find_palette

    read = datasets.load(path, track=showing.bar("reading pictures"))
    if len(read.classes) != classes:
        raise UserError(
            f"{path} has {len(read.classes)} classes, and the model {classes}: use the data it was trained on"
        )
    parts = datasets.split(read.images, read.labels, validation)
    ids = datasets.base_ids(read.images)
    train, held_out = (part[np.unique(ids[part], return_index=True)[1]] for part in parts)
    if len(held_out) < 2 * classes:
        raise UserError(
            f"only {len(held_out)} base sprites of {path} are held out: raise --validation, or use a larger set"
        )
    heads, truth = classifier.class_heads(read.labels, read.classes)
    console = Console(stderr=True)
    fitting = classifier.fit(np.asarray(read.images[train]), heads, truth[train], CLASSIFIER_STEPS)
    watched = track(
        fitting, "training a classifier", CLASSIFIER_STEPS, console=console, disable=not console.is_terminal
    )
    for step in watched:
        judge = step.classifier
    images = np.asarray(read.images)
    right = (judge.look(images[held_out]).labels == read.labels[held_out]).mean()
    typer.echo(f"classifier: right about {right:.1%} of {len(held_out):,} held-out sprites", err=True)
    colors = find_palette(images[train]) if palette is None else palette
    return Yardstick(
        images[train],
        images[train],
        images[held_out],
        read.labels[held_out],
        judge.requires_grad_(False),
        colors,
    )


def _write(out: Path, page: str, numbers: dict) -> None:
    import json

    from pixel_edu.config import UserError
    from pixel_edu.files import replacing

    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (("report.html", page), ("report.json", json.dumps(numbers, indent=2) + "\n")):
            with replacing(out / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): choose another --out") from error


def _print(made: Report, floor: Report, how: dict) -> None:
    from rich.console import Console

    from pixel_edu import report

    table = showing.table(("", "model", "95 %", "real", "95 %", "good?"), left=("", "good?"))
    for measure in report.measured(made):
        model, real = made.scores[measure.key], floor.scores[measure.key]
        good = "yes" if report.as_good(measure, model, real) else "no"
        table.add_row(measure.name, *report.in_words(measure, model), *report.in_words(measure, real), good)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{how['sprites']:,} sprites by {how['checkpoint']}; real ones are as many, held out")
    console.print(table)
