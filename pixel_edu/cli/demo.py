"""pixel-edu demo: draw in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixel_edu.cli import showing


def demo(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A file of pixel-edu train or export, or a shipped model, such as reference or tiny."
        ),
    ] = "reference",
    port: Annotated[int, typer.Option(min=0, max=65535, help="On this machine; 0 takes a free one.")] = 7860,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Draw in the browser: choose a class and a seed, and see a sprite come out of noise. Ctrl-C ends it."""
    from pixel_edu.cli.sample import open_model
    from pixel_edu.config import UserError, not_installed, pick_device

    try:
        from pixel_edu.serving import demo as demos
        from pixel_edu.serving import server
    except ImportError as error:
        raise UserError(not_installed(error)) from error
    with server.bind("127.0.0.1", port) as taken:
        chosen = pick_device("cpu" if Path(checkpoint).suffix == ".onnx" else device)
        denoiser = open_model(checkpoint, chosen)
        with showing.busy("starting Gradio"):
            app = demos.create_app(demos.create_page(denoiser, chosen))
        url = server.address(taken)
        server.run(app, taken, 0, lambda: typer.echo(f"open {url} in a browser; Ctrl-C ends it"), log=False)
