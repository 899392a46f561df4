"""A real JupyterLab, for the tests that work in one."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import PATIENCE, wait_until


def answers(address: str) -> bool:
    """Whether a server is there."""
    try:
        urllib.request.urlopen(address, timeout=PATIENCE).close()
    except urllib.error.URLError:
        return False
    return True


@contextmanager
def jupyterlab(home: Path, work: Path) -> Iterator[str]:
    """The address of a JupyterLab that shows one folder, keeps its settings in another, and asks for no password."""
    kernel = home / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"})
    )
    environment = os.environ | {
        "HOME": str(home),
        "JUPYTER_PATH": str(home / "jupyter"),
        "PIXEL_EDU_HOME": str(home / "progress"),
        "OMP_NUM_THREADS": "1",
    }
    options = [
        "--no-browser",
        "--port=0",
        "--ServerApp.token=",
        "--ServerApp.password=",
        "--expose-app-in-browser",
    ]
    options += ["--allow-root"] if os.geteuid() == 0 else []
    log = home / "lab.log"
    with open(log, "w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={work}"],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    try:
        found = wait_until(
            lambda: re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/", log.read_text()), log.read_text
        )
        wait_until(lambda: answers(found[0] + "api"), log.read_text)  # it tells its address before it listens
        yield found[0]
    finally:
        server.terminate()
        server.wait(PATIENCE)
