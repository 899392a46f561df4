"""The command line: one command is one call of the library.

Importing this package must stay cheap (`pixel-edu --help` answers in under 0.3 s): a command imports what it
works with inside its own function.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from pixel_edu import __version__
from pixel_edu.cli import (
    course,
    data,
    demo,
    evaluate,
    exercises,
    export,
    grade,
    sample,
    serve,
    submit,
    track,
    train,
)
from pixel_edu.config import UserError, not_installed

FAILURE, MISUSE, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    help="Build a diffusion model for 16x16 pixel art: data, train, sample, evaluate, export, and the course.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("sample")(sample.sample)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("push")(export.push)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.add_typer(track.app, name="track")
app.add_typer(course.app, name="course")
app.add_typer(exercises.app, name="exercises")
app.command("grade")(grade.grade)
app.command("submit")(submit.submit)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pixel-edu {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 misused, 130 interrupted.

    Whatever the user can fix is one line on stderr. A traceback means a bug in the package.
    """
    for stream in (sys.stdout, sys.stderr):  # names of files need not be UTF-8, nor a terminal
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()  # so that a closed pipe shows here and not at the interpreter's exit
        sys.exit(code)
    except typer.TyperException as misuse:
        _complain(_say_misuse(misuse), MISUSE)
    except UserError as error:
        _complain(f"error: {error}", FAILURE)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "pixel_edu"):
            raise
        _complain(f"error: {not_installed(error)}", FAILURE)
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever reads our output, `head` say, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILURE)
    except OSError as error:
        _complain(f"error: {error.filename or 'the system'}: {error.strerror or error}", FAILURE)


def _say_misuse(misuse: typer.TyperException) -> str:
    context = getattr(misuse, "ctx", None)
    message = " ".join(misuse.format_message().split()).replace("Value error, ", "")  # pydantic's words
    if not message:  # a group of commands by itself: its help has been printed
        return ""
    return f"error: {message}" + (f" (see {context.command_path} --help)" if context else "")


def _complain(message: str, code: int) -> None:
    if message:
        print(message, file=sys.stderr)
    sys.exit(code)
