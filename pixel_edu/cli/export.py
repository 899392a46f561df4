"""pixel-edu export: the model in other programs' forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixel_edu.cli.data import _busy


def export(
    checkpoint: Annotated[
        str, typer.Argument(help="A file of pixel-edu train, or a shipped model, such as reference or tiny.")
    ] = "reference",
    out: Annotated[
        Path | None, typer.Option(help="The file to write; left out: NAME.onnx.", show_default=False)
    ] = None,
) -> None:
    """Write a model as ONNX. onnxruntime draws one sprite several times faster than PyTorch on a CPU."""
    from pixel_edu import checkpoints
    from pixel_edu.serving import onnx

    source = checkpoints.find(checkpoint)
    out = out or Path(f"{source.stem}.onnx")
    with _busy("exporting"):
        onnx.export(source, out)
    typer.echo(f"{out}; draw with it: pixel-edu sample --checkpoint {out}")
