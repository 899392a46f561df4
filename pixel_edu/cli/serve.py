"""pixel-edu serve: sprites for other programs, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A file of pixel-edu train or export, or a shipped model, such as reference or tiny."
        ),
    ] = "reference",
    host: Annotated[
        str, typer.Option(help="The address to serve on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    max_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            help="Images in each call of the network.",
            show_default="8 on a CPU, 128 on a GPU",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=256, help="Calls at the same time.", show_default="the CPU's cores; 1 on a GPU"
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(min=1, max=1_000_000, help="Sprites that may wait; more are refused, with status 429."),
    ] = 320,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, max=3600, help="Seconds that an order may take; then it ends, with status 504."
        ),
    ] = 30.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    log: Annotated[bool, typer.Option("--log", help="Print a line for every request.")] = False,
) -> None:
    """Serve a model over HTTP, until Ctrl-C. Requests that come together are drawn together.

    Try it from another window: curl -X POST localhost:8000/v1/sprites --json '{"class": "food"}' -o food.png
    """
    from pixel_edu.config import UserError, pick_device

    try:
        from pixel_edu.serving import api, server, studio
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install 'pixel-edu[serve]'") from error
    from pixel_edu.cli.sample import open_model

    with server.bind(host, port) as taken:
        chosen = pick_device("cpu" if Path(checkpoint).suffix == ".onnx" else device)
        limits = studio.limits_for(chosen, max_batch, workers, queue=queue, seconds=timeout)
        app = api.create_app(open_model(checkpoint, chosen), limits, chosen)
        url = server.address(taken)

        def listening() -> None:
            typer.echo(f"{checkpoint} is served at {url}; how to ask: {url}/docs; Ctrl-C ends it")

        server.run(app, taken, timeout, listening, log)
    typer.echo("ended; what was accepted was finished")
