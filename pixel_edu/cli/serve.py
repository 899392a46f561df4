"""pixel-edu serve: sprites for other programs, over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from pixel_edu.cli import options, showing
from pixel_edu.config import UserError, not_installed

Host = Annotated[
    str, typer.Option(help="The address to serve on; 0.0.0.0 accepts requests from other machines.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to serve on; 0 picks a free one.")]
Queue = Annotated[
    int,
    typer.Option(
        min=1, max=1_000_000, help="Sprites that may wait; requests beyond that get status 429 at once."
    ),
]
Loops = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1000,
        help="Sampling loops that run at the same time. Waiting requests with the same settings share one.",
        show_default="CPU cores + 1 with onnxruntime, CPU cores with torch, 2 on a GPU",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=3600,
        help="Seconds that a request may take before it gets status 504, and its body to come before 408.",
    ),
]
EngineName = Annotated[
    Literal["auto", "onnxruntime", "torch"],
    typer.Option(help="What runs the network; auto: onnxruntime on a CPU, if it is installed."),
]
MaxBatch = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=4096,
        help="Images per call of the network.",
        show_default="8 with onnxruntime, 32 with torch, 128 on a GPU",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        help="Calls of the network at the same time.",
        show_default="CPU cores, 1 on a GPU",
    ),
]
Cors = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN",
        help="Let pages of this origin ask, such as http://localhost:3000; * is every page. May be given again.",
        show_default="only the server's own pages, and every page for /sprite.png",
    ),
]
RootPath = Annotated[
    str,
    typer.Option(
        metavar="PREFIX",
        help="The prefix of addresses behind a proxy, such as /sprites; the proxy may strip it.",
    ),
]
Log = Annotated[bool, typer.Option("--log", help="Print a line for every request.")]


def serve(
    checkpoint: options.Checkpoint = "reference",
    host: Host = "127.0.0.1",
    port: Port = 8000,
    queue: Queue = 320,
    loops: Loops = None,
    timeout: Timeout = 30.0,
    engine: EngineName = "auto",
    device: options.Device = "auto",
    max_batch: MaxBatch = None,
    workers: Workers = None,
    cors: Cors = None,
    root_path: RootPath = "",
    log: Log = False,
) -> None:
    """Serve a model over HTTP, until Ctrl-C. Requests that come together are drawn together.

    Try it from another window: curl localhost:8000/v1/sprites --json '{"class": "food"}' -o food.png
    """
    try:
        from pixel_edu.serving import server, web
    except ImportError as error:
        raise UserError(not_installed(error)) from error

    origins, prefix = [web.checked_origin(each) for each in cors or ()], web.checked_prefix(root_path)
    with server.bind(host, port) as taken:  # before anything slow
        with showing.busy("preparing the model"):
            app, by = _app(
                checkpoint, device, engine, max_batch, workers, loops, queue, timeout, origins, prefix
            )
        url = server.address(taken)

        def listening() -> None:
            typer.echo(
                f"{checkpoint} is served by {by} at {url}; how to ask: {url}{prefix}/docs; Ctrl-C ends it"
            )

        server.run(app, taken, timeout, listening, log)
    typer.echo("ended; every accepted request was finished")


def _app(
    checkpoint: str,
    device: str,
    engine: EngineName,
    max_batch,
    workers,
    loops,
    queue: int,
    timeout: float,
    origins: list[str],
    prefix: str,
):
    """The application, and in words what runs its network; limits that are None are the engine's."""
    from pixel_edu.serving import api
    from pixel_edu.serving import engine as engines
    from pixel_edu.serving.studio import Limits

    chosen = engines.start(checkpoint, device, engine)
    limits = Limits(
        max_batch or chosen.batch_size, workers or chosen.workers, loops or chosen.loops, queue, timeout
    )
    app = api.create_app(chosen.denoiser, limits, chosen.device, origins, prefix)
    return app, f"{chosen.name} on {chosen.device}"
