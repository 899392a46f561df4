"""pixel-edu track: a tracking server of one's own, and what can be asked of runs that were tracked."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from pixel_edu.cli import measuring, options, showing
from pixel_edu.config import UserError

Address = Annotated[
    str,
    typer.Option(
        "--mlflow", help="A server's address or a database.", show_default="where the run was tracked"
    ),
]

SCALES, STEPS = [1.0, 2.0, 3.0, 5.0], [5, 10, 20]
Scales = Annotated[list[float], typer.Option(help="A guidance scale; may be repeated.")]
Steps = Annotated[list[int], typer.Option(min=1, max=1000, help="Number of model calls; may be repeated.")]
Data = Annotated[
    Path | None,
    typer.Option(help="The folder that it was trained on; default: procedural sprites.", show_default=False),
]
Count = Annotated[
    int,
    typer.Option(
        "-n",
        "--n",
        min=50,
        max=100_000,
        help="Procedural sprites for each pair of guidance and steps; of a folder, as many as are measured.",
    ),
]
TrainedOn = Annotated[int, typer.Option(min=100, help="Procedural sprites that it was trained on.")]
PICTURES = (".png", ".svg", ".pdf")

app = typer.Typer(help="Track runs in MLflow.", no_args_is_help=True)


@app.command()
def server(
    folder: Annotated[
        Path,
        typer.Option(help="Where the database and the files are kept.", callback=options.new_folder),
    ] = Path("runs/tracking"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 5000,
) -> None:
    """Run an MLflow server on PostgreSQL, on this machine only, until Ctrl-C.

    In another window: pixel-edu train --mlflow http://127.0.0.1:5000
    """
    from pixel_edu.tracking import server as servers

    for name in ("SIGTERM", "SIGHUP"):  # what ends this program ends the servers too
        if hasattr(signal, name):  # Windows closes its windows without SIGHUP
            signal.signal(getattr(signal, name), _interrupt)
    folder.mkdir(parents=True, exist_ok=True)
    with servers.database(folder / "postgresql") as store:
        with showing.busy("starting MLflow"):
            process = servers.start(store, folder / "files", port)
        typer.echo(f"http://{servers.HOST}:{port} runs; its log is {folder / 'server.log'}; Ctrl-C ends it")
        try:
            process.wait()
        finally:
            servers.stop(process)
    raise UserError(f"MLflow stopped unexpectedly: its log is {folder / 'server.log'}")


def _interrupt(number: int, frame) -> None:
    raise KeyboardInterrupt


@app.command()
def promote(
    folder: options.RunFolder,
    name: Annotated[str, typer.Option(help="Name of the model in the registry.")] = "sprites",
    mlflow: Address = "",
) -> None:
    """Register the run's model, and make it the champion if it beats the one that is.

    It must have been evaluated: pixel-edu evaluate RUN/model.safetensors --mlflow ... To load the champion:
    mlflow models serve -m models:/sprites@champion
    """
    from pixel_edu import tracking
    from pixel_edu.checkpoints import MODEL
    from pixel_edu.tracking import champion, model

    client, run_id = tracking.client_of(folder, mlflow), tracking.run_of(folder)
    champion.read_scores(client, run_id)  # before anything is registered
    with showing.busy("logging the model"):
        version = model.register(client, run_id, folder / MODEL, name)
    verdict = champion.promote(client, name, version)
    is_now = "is the champion" if verdict.promoted else "is not the champion"
    typer.echo(f"version {version} of {name} {is_now}: {verdict.why}")


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="Folders of two or more tracked runs.")],
    out: Annotated[
        Path, typer.Option(help="The picture to write: .png, .svg or .pdf.", callback=options.new_file)
    ] = Path("compare.png"),
    mlflow: Address = "",
) -> None:
    """Draw runs side by side: losses, scores with intervals, and what each drew last."""
    if out.suffix not in PICTURES:
        raise typer.BadParameter(
            f"{out.name} does not end with one of {', '.join(PICTURES)}", param_hint="--out"
        )
    from pixel_edu import tracking
    from pixel_edu.files import replacing, writing
    from pixel_edu.tracking import comparing

    client = tracking.client_of(folders[0], mlflow)
    figure = comparing.compare(client, [tracking.run_of(each) for each in folders])
    with writing(out), replacing(out) as temporary:
        figure.savefig(temporary, format=out.suffix[1:], dpi=150)
    typer.echo(f"{len(folders)} run{'s' * (len(folders) > 1)} in {out}")


@app.command()
def sweep(
    folder: options.RunFolder,
    guidance: Scales = SCALES,
    steps: Steps = STEPS,
    data: Data = None,
    validation: options.HeldOut = 0.1,
    resize: options.Resize = None,
    frames: options.Frames = False,
    n: Count = 500,
    sprites: TrainedOn = 20_000,
    mlflow: Address = "",
) -> None:
    """Measure the run's model at every pair of guidance and steps, each as a run nested in its own.

    Repeat the same command to continue where it stopped.
    """
    if unknown := [scale for scale in guidance if not -20 <= scale <= 20]:
        raise typer.BadParameter(f"{unknown[0]} is not a number from -20 to 20", param_hint="--guidance")
    from pixel_edu import checkpoints, evaluation, tracking
    from pixel_edu.checkpoints import MODEL
    from pixel_edu.report import in_words
    from pixel_edu.tracking import champion
    from pixel_edu.tracking import sweep as sweeps

    client, run_id = tracking.client_of(folder, mlflow), tracking.run_of(folder)
    denoiser = checkpoints.load_model(folder / MODEL)
    read = measuring.read(data, resize, frames)
    yardstick = measuring.yardstick(denoiser, read, validation, n, sprites)
    deciding = [each for each in evaluation.MEASURES if each.key in champion.DECIDING]
    measures = [each for each in deciding if each.key != "label_accuracy" or len(denoiser.classes) > 1]
    typer.echo("guidance  steps  " + "  ".join(f"{each.name:>28}" for each in measures) + "  ms a sprite")
    for point in sweeps.sweep(client, run_id, denoiser, yardstick, guidance, steps):
        cells = ("{} ({})".format(*in_words(each, point.scores[each.key])) for each in measures)
        typer.echo(
            f"{point.config.guidance_scale:8g}  {point.config.num_steps:5}  "
            + "  ".join(f"{cell:>28}" for cell in cells)
            + f"  {1000 * point.seconds:11.1f}"
        )
