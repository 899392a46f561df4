"""pixel-edu demo: draw in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from pixel_edu.cli import options, showing

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 picks a free one.")]


def demo(
    checkpoint: options.Checkpoint = "reference", port: Port = 7860, device: options.Device = "auto"
) -> None:
    """Draw in the browser: choose a class and a seed, and see a sprite come out of noise. Ctrl-C ends it."""
    from pixel_edu.config import UserError, not_installed

    try:
        from pixel_edu.serving import demo as demos
        from pixel_edu.serving import engine, server
    except ImportError as error:
        raise UserError(not_installed(error)) from error
    with server.bind("127.0.0.1", port) as taken:
        denoiser, chosen = engine.open_model(checkpoint, device)
        with showing.busy("starting Gradio"):
            app = demos.create_app(demos.create_page(denoiser, chosen))
        url = server.address(taken)
        server.run(app, taken, 0, lambda: typer.echo(f"open {url} in a browser; Ctrl-C ends it"), log=False)
