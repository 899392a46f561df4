"""pixel-edu serve: sprites for other programs, over HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pixel_edu.cli import showing
from pixel_edu.config import UserError, not_installed


class Engine(StrEnum):
    """What computes the network."""

    auto = "auto"
    onnxruntime = "onnxruntime"
    torch = "torch"


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
    queue: Annotated[
        int,
        typer.Option(min=1, max=1_000_000, help="Sprites that may wait; more are refused, with status 429."),
    ] = 320,
    loops: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Sampling loops at the same time; orders that wait for one and want the same settings share it.",
            show_default="the CPU's cores, and one more; torch: without that; GPU: 2",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, max=3600, help="Seconds that an order may take; then it ends, with status 504."
        ),
    ] = 30.0,
    engine: Annotated[
        Engine,
        typer.Option(help="What computes the network; auto: onnxruntime on a CPU, if it is installed."),
    ] = Engine.auto,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    max_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            help="Images in a call of the network.",
            show_default="8, 32 (torch) or 128 (GPU)",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Calls at the same time.", show_default="the CPU's cores; GPU: 1"),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Print a line for every request.")] = False,
) -> None:
    """Serve a model over HTTP, until Ctrl-C. Requests that come together are drawn together.

    Try it from another window: curl localhost:8000/v1/sprites --json '{"class": "food"}' -o food.png
    """
    try:
        from pixel_edu.serving import server
    except ImportError as error:
        raise UserError(not_installed(error)) from error

    with server.bind(host, port) as taken:  # before anything slow
        with showing.busy("preparing the model"):
            from pixel_edu.serving import api
            from pixel_edu.serving import engine as engines
            from pixel_edu.serving.studio import Limits

            chosen = engines.start(checkpoint, device, engine.value)
            limits = Limits(
                max_batch or chosen.batch_size,
                workers or chosen.workers,
                loops or chosen.loops,
                queue,
                timeout,
            )
            app = api.create_app(chosen.denoiser, limits, chosen.device)
        url = server.address(taken)

        def listening() -> None:
            by = f"{chosen.name} on {chosen.device}"
            typer.echo(f"{checkpoint} is served by {by} at {url}; how to ask: {url}/docs; Ctrl-C ends it")

        server.run(app, taken, timeout, listening, log)
    typer.echo("ended; what was accepted was finished")
