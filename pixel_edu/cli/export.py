"""pixel-edu export and push: the model in other programs' formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pixel_edu.cli import options, showing
from pixel_edu.files import quoted

Checkpoint = Annotated[
    str,
    typer.Argument(
        help=f"A run's folder, a file that pixel-edu train wrote, or {options.SHIPPED}.", metavar="MODEL"
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="The file to write or, for diffusers, the new folder.",
        show_default="MODEL.onnx or MODEL-diffusers",
    ),
]
Format = Annotated[
    Literal["onnx", "diffusers"],
    typer.Option(help="onnx: a file for onnxruntime. diffusers: a folder with its own code and model card."),
]
Half = Annotated[
    bool, typer.Option("--half", help="onnx: store the weights at half precision, in half the space.")
]
ModelReport = Annotated[
    Path | None,
    typer.Option(help="diffusers: the report.json of pixel-edu evaluate, for the card.", show_default=False),
]
Folder = Annotated[Path, typer.Argument(help="A folder that pixel-edu export --format diffusers wrote.")]
Repository = Annotated[str, typer.Argument(help="The repository on the Hub, such as you/sprites.")]
Private = Annotated[bool, typer.Option("--private", help="Make the repository visible to you only.")]
Update = Annotated[bool, typer.Option("--update", help="Add a commit to a repository that already exists.")]


def export(
    checkpoint: Checkpoint = "reference",
    out: Out = None,
    format: Format = "onnx",
    half: Half = False,
    report: ModelReport = None,
) -> None:
    """Write a model as ONNX, or as a pipeline of diffusers.

    onnxruntime draws one sprite several times faster than PyTorch on a CPU. The folder for diffusers runs where
    pixel-edu is not installed, and pixel-edu push publishes it.
    """
    if half and format != "onnx":
        raise typer.BadParameter("only --format onnx has it: omit it", param_hint="--half")
    if report and format != "diffusers":
        raise typer.BadParameter("only diffusers has a card: add --format diffusers", param_hint="--report")
    from pixel_edu import checkpoints

    source = checkpoints.find(checkpoint)
    if format == "onnx":
        from pixel_edu.serving import onnx

        out = options.new_file(out or Path(f"{source.stem}.onnx"))
        with showing.busy("exporting"):
            onnx.export(source, out, half)
        typer.echo(f"{out}; draw with it: pixel-edu sample --checkpoint {quoted(out)}")
    else:
        from pixel_edu.serving import hub

        out = options.new_folder(out or Path(f"{source.stem}-diffusers"))
        with showing.busy("exporting"):
            hub.save(source, out, report)
        typer.echo(f"{out}; read {out / 'README.md'}, then publish it: pixel-edu push {quoted(out)} YOU/NAME")


def push(folder: Folder, repo: Repository, private: Private = False, update: Update = False) -> None:
    """Upload an exported model to the Hugging Face Hub, card and all. You need an account: hf auth login."""
    from pixel_edu.serving import hub

    with showing.busy(f"uploading to {repo}"):
        address = hub.push(folder, repo, private, update)
    typer.echo(address)
