"""`pixel-edu` in a process of its own, as a user runs it, without waiting for imports each time.

A process that has PyTorch in memory, and nothing of this package, is forked for every command. `tests/test_cli.py`
starts real ones.
"""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from multiprocessing import forkserver
from pathlib import Path

import psutil

from tests.waiting import PATIENCE

IMPORTED = [
    "accelerate",
    "filelock",
    "jinja2",
    "jupyter_client.manager",
    "matplotlib.pyplot",
    "nbformat",
    "PIL.Image",
    "pydantic",
    "requests",
    "rich.markdown",
    "rich.progress",
    "rich.table",
    "safetensors.torch",
    "tenacity",
    "torch",
    "torch._dynamo",
    "torch.distributed.fsdp",
    "torchmetrics",
    "typer.main",
    "typer.rich_utils",
    "zmq.asyncio",
    "tests.preloaded",
]
"""But for what pytest's plugins must be the first to import."""
ROOT = Path(__file__).parents[1]
_context = multiprocessing.get_context("forkserver")


def run(*arguments, cwd=None, env=None, target=None) -> subprocess.CompletedProcess:
    """What a command printed and how it ended; `target` is another program, a function that is given the arguments."""
    process, said = start(*arguments, cwd=cwd, env=env, target=target)
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired([*map(str, arguments)], PATIENCE, *map(_read, said))
    return subprocess.CompletedProcess(arguments, process.exitcode, *map(_read, said))


def start(*arguments, cwd=None, env=None, target=None):
    """A running command, and the files that it prints to: standard output, standard error."""
    # One process for each of the test run's: it starts here, with one thread and before anything is computed.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _context.set_forkserver_preload(IMPORTED)
    with contextlib.chdir(ROOT):
        forkserver.ensure_running()
    folder = Path(tempfile.mkdtemp(prefix="said-", dir=os.environ["PIXEL_EDU_HOME"]))
    said = folder / "out", folder / "err"
    given = (list(map(str, arguments)), str(cwd or os.getcwd()), dict(os.environ if env is None else env))
    process = _context.Process(target=_enter, args=(*given, list(map(str, said)), target or _pixel_edu))
    process.start()
    return process, said


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _enter(arguments, cwd, env, said, target) -> None:
    """The command, in its process: what is printed goes to files, whoever prints it."""
    for number, file in enumerate(said, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    target(arguments)


def _pixel_edu(arguments) -> None:
    sys.argv = ["pixel-edu", *arguments]
    from pixel_edu.cli import main

    main()


def of_pytest(arguments) -> None:
    """Pytest, for `run`: what is tested is the package in the working folder."""
    sys.path.insert(0, os.getcwd())
    import pytest

    sys.exit(pytest.main(arguments))


def running() -> list[str]:
    """The command lines of all processes of this machine."""
    return [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
