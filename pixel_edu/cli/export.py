"""pixel-edu export and push: the model in other programs' forms."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pixel_edu.cli import showing


class Format(StrEnum):
    """What to write."""

    onnx = "onnx"
    diffusers = "diffusers"


def export(
    checkpoint: Annotated[
        str, typer.Argument(help="A file of pixel-edu train, or a shipped model, such as reference or tiny.")
    ] = "reference",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file or, for diffusers, the new folder to write; default: NAME.onnx or NAME-diffusers.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Format,
        typer.Option(help="onnx: a file for onnxruntime. diffusers: a folder with its own code and card."),
    ] = Format.onnx,
    half: Annotated[
        bool, typer.Option("--half", help="onnx: store the weights at half precision, in half the space.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="diffusers: the report.json of pixel-edu evaluate, for the card.", show_default=False
        ),
    ] = None,
) -> None:
    """Write a model as ONNX, or as a pipeline of diffusers.

    onnxruntime draws one sprite several times faster than PyTorch on a CPU. The folder for diffusers runs where
    pixel-edu is not installed, and pixel-edu push publishes it.
    """
    if half and format is not Format.onnx:
        raise typer.BadParameter("only onnx has it: leave it out", param_hint="--half")
    if report and format is not Format.diffusers:
        raise typer.BadParameter("only diffusers has a card: add --format diffusers", param_hint="--report")
    from pixel_edu import checkpoints

    source = checkpoints.find(checkpoint)
    if format is Format.onnx:
        from pixel_edu.serving import onnx

        out = out or Path(f"{source.stem}.onnx")
        with showing.busy("exporting"):
            onnx.export(source, out, half)
        typer.echo(f"{out}; draw with it: pixel-edu sample --checkpoint {out}")
    else:
        from pixel_edu.serving import hub

        out = out or Path(f"{source.stem}-diffusers")
        with showing.busy("exporting"):
            hub.save(source, out, report)
        typer.echo(f"{out}; read {out / 'README.md'}, then publish it: pixel-edu push {out} YOU/NAME")


def push(
    folder: Annotated[Path, typer.Argument(help="A folder of pixel-edu export --format diffusers.")],
    repo: Annotated[str, typer.Argument(help="The repository on the hub, such as you/sprites.")],
    private: Annotated[bool, typer.Option("--private", help="Only you see it.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Add a commit to a repository that is already there.")
    ] = False,
) -> None:
    """Upload an exported model to the Hugging Face Hub, card and all. You need an account: hf auth login."""
    from pixel_edu.serving import hub

    with showing.busy(f"uploading to {repo}"):
        address = hub.push(folder, repo, private, update)
    typer.echo(address)
