"""Options that several commands share, each defined once. A command that alone has an option defines it itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHIPPED = "the name of a model that comes with the package, such as reference or tiny"

Checkpoint = Annotated[
    str,
    typer.Argument(
        help=f"A file that pixel-edu train or pixel-edu export wrote, or {SHIPPED}.", metavar="MODEL"
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Validation = Annotated[
    float,
    typer.Option(min=0, max=0.9, help="Share of the folder's base sprites to hold out for evaluation."),
]
TrainedOn = Annotated[
    int, typer.Option(min=1, max=2_000_000, help="Number of procedural sprites the model was trained on.")
]
RunFolder = Annotated[
    Path, typer.Argument(help="The folder of a training run tracked in MLflow, such as runs/tiny.")
]
