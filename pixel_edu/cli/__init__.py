"""The command line: one command is one call of the library.

Importing this package must stay cheap (`pixel-edu --help` answers in under 0.3 s): a command imports what it
works with inside its own function.
"""

from __future__ import annotations

import inspect
import io
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import CommandInfo

from pixel_edu import __version__
from pixel_edu.cli import (
    course,
    data,
    demo,
    distil,
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
from pixel_edu.config import PARSER_WORDS, UserError, not_installed
from pixel_edu.files import NO_ROOM

FAILURE, MISUSE, INTERRUPTED = 1, 2, 130
FULL = re.compile(r"OutOfMemoryError|out of memory|can't allocate memory|not enough memory|ALLOC_FAILED")
"""In what torch says where the memory is full, of a processor's or a GPU's."""
SMALLER = {
    "--batch-size": "choose a smaller --batch-size",
    "--max-batch": "choose a smaller --max-batch",
    "-n": "choose a smaller -n",
    "--device": "choose --device cpu",
}
"""What a command with such an option can do about it."""
EMPTY = "an empty path is not a place: name one (this folder is .), and see whether a variable is empty"
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
"""How an address begins, as s3://bucket; a drive letter has no two slashes."""


class Command(TyperCommand):
    """A command that refuses what is not a path: an address, or nothing; and what is not a finite number.

    Nothing, as in `--out "$OUT"` without an OUT, would be the current folder.
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Parse as every command does, but first refuse what is not a path, and `inf` and `nan`.

        A range would say of `nan` that it should be less than or equal to its end.
        """
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        kinds = get_type_hints(inspect.unwrap(self.callback)) if self.callback else {}
        for param in self.params:
            value, kind = given.get(param.name), kinds.get(param.name)
            texts = value if isinstance(value, list | tuple) else [value]
            is_path = Path in (kind, *get_args(kind)) or param.metavar == "PATH"
            if is_path and "" in texts:
                raise typer.BadParameter(EMPTY, ctx=ctx, param_hint=param.opts)
            addresses = [each for each in texts if is_path and ADDRESS.match(str(each))]
            if addresses:
                says = f"{addresses[0]} is an address, not a path: name a place on this machine"
                raise typer.BadParameter(says, ctx=ctx, param_hint=param.opts)
            is_number = float in (kind, *get_args(kind))
            endless = [each for each in texts if is_number and _is_endless(each)]
            if endless:
                raise typer.BadParameter(
                    f"{float(str(endless[0]))} is not a finite number", ctx=ctx, param_hint=param.opts
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: typer.Context) -> object:
        """Run, and say what needs less memory where that is used up."""
        try:
            return super().invoke(ctx)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and not FULL.search(f"{type(error).__name__}: {error}"):
                raise
            mine = {option for param in self.params for option in param.opts}
            ways = [way for option, way in SMALLER.items() if option in mine]
            advice = ", or ".join([*ways, "end what else uses it"])
            raise UserError(f"there is not enough memory: {advice}") from error


def _is_endless(text: str | None) -> bool:
    try:
        return text is not None and not math.isfinite(float(text))
    except ValueError:
        return False  # not a number at all: the parser says so


def _commands(of: typer.Typer) -> Iterator[CommandInfo]:
    """All commands, those of groups too."""
    yield from of.registered_commands
    for group in of.registered_groups:
        if group.typer_instance:
            yield from _commands(group.typer_instance)


app = typer.Typer(
    help="Build a diffusion model for 16x16 pixel art: data, train, sample, evaluate, export, and the course.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("distil")(distil.distil)
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
for each in _commands(app):
    each.cls = Command


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
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
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
        place, reason = error.filename or "the system", error.strerror or error
        if error.errno in NO_ROOM:
            _complain(
                f"error: {place} cannot be written ({reason}): make room there, and run this again", FAILURE
            )
        _complain(f"error: {place}: {reason}", FAILURE)


PYDANTIC = {
    "Value error, ": "",
    r"\bInput should\b": "it should",
    PARSER_WORDS: "",
}
"""What typer passes on of its words, as patterns, and what we say."""


def _say_misuse(misuse: typer.TyperException) -> str:
    context = getattr(misuse, "ctx", None)
    message = " ".join(misuse.format_message().split())
    for theirs, ours in PYDANTIC.items():
        message = re.sub(theirs, ours, message)
    if not message:  # a group of commands by itself: its help has been printed
        return ""
    return f"error: {message}" + (f" (see {context.command_path} --help)" if context else "")


def _complain(message: str, code: int) -> None:
    if message:
        print(message, file=sys.stderr)
    sys.exit(code)
