"""The command line: one command is one call of the library. Heavy modules are imported inside the commands."""

from __future__ import annotations

import sys

import typer

from pixel_edu import __version__
from pixel_edu.cli import course, data
from pixel_edu.config import UserError

app = typer.Typer(
    help="Build a diffusion model for 16x16 pixel art: make and check data, run the course.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.add_typer(course.app, name="course")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pixel-edu {__version__}")
        raise typer.Exit


@app.callback()
def _options(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show it.")) -> None:
    pass


def main() -> None:
    """Run the command line; a `UserError` is one line on stderr and exit code 1, misuse is exit code 2."""
    try:
        app()
    except UserError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # the reader of our output, `head` say, has what it wanted
        sys.stderr.close()
        sys.exit(0)
