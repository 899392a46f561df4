"""pixel-edu submit: the older name of pixel-edu exercises try."""

from __future__ import annotations

from typing import Annotated

import typer

from pixel_edu.cli import trying
from pixel_edu.files import quoted


def submit(
    notebook: trying.Notebook,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Makes no difference.")] = False,
    cell_seconds: trying.CellSeconds = 30,
) -> None:
    """The older name of pixel-edu exercises try, which see."""
    typer.echo(f"this command is now called: pixel-edu exercises try {quoted(notebook)}", err=True)
    trying.run(notebook, cell_seconds)
