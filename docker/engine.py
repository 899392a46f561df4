"""docker or podman, as try.py and measure.py call it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pixel_edu import __version__

ROOT = Path(__file__).resolve().parents[1]
PROBE = ROOT / "docker" / "probe.py"
LOCKED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
"""As compose.yaml runs its services."""
PATIENCE = 120
"""Seconds that a server may take to start."""
SLIM = {
    "etc/apt/apt.conf.d/slim": 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n',
    "etc/dpkg/dpkg.cfg.d/slim": "".join(
        f"path-exclude /usr/share/{name}/*\n" for name in ("doc", "man", "locale")
    ),
}
"""What makes a Debian slim, in its own configuration: no caches, no manuals."""
CACHES = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
BEGAN = time.monotonic()


class Broken(Exception):
    """A promise does not hold; the message says which."""


def tell(what: str) -> None:
    """A line of progress."""
    print(f"[{time.monotonic() - BEGAN:5.0f} s] {what}", flush=True)


def must(true: bool, promise: str, seen: object) -> None:
    """Go on if a promise holds, and say so."""
    if not true:
        raise Broken(f"not as promised: {promise}; seen: {seen}")
    tell(f"ok: {promise} ({seen})")


def tag(name: str) -> str:
    """An image's name and version, as in compose.yaml."""
    return f"pixel-edu-{name}:{__version__}"


@dataclass(frozen=True)
class ContainerEngine:
    """docker or podman: the commands used here are the same for both.

    Attributes:
        command: the program, with options of its own.
        for_build: further options of build.
        for_run: further options of run.
        pip_conf: the pip configuration to build with; it stays out of the images.
    """

    command: list[str]
    for_build: list[str]
    for_run: list[str]
    pip_conf: Path

    def __call__(self, *words: str | Path) -> str:
        """Run a command of the engine, and return what it printed.

        Raises:
            Broken: it failed.
        """
        command = [*self.command, *words]
        if not shutil.which(command[0]):
            raise Broken(f"{command[0]} was not found: install it, or name another engine with --engine")
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
            raise Broken(f"{self.command[0]} {words[0]} ended with code {done.returncode}:\n{said}")
        return done.stdout

    def build(self, name: str, dockerfile: Path, context: Path = ROOT, *options: str) -> float:
        """Build an image; returns the seconds that it took."""
        secret = f"--secret=id=pip.conf,src={self.pip_conf}"
        began = time.monotonic()
        self("build", *self.for_build, *options, secret, "-t", name, "-f", dockerfile, context)
        return time.monotonic() - began

    def run(self, *words: str | Path) -> str:
        """Run a container to its end, and return what it printed."""
        return self("run", "--rm", *self.for_run, *words)

    @contextmanager
    def running(self, *words: str | Path) -> Iterator[str]:
        """A container in the background; yields its id, and removes the container in the end, whatever happens."""
        name = self("run", "-d", *self.for_run, *words).strip()
        try:
            yield name
        finally:
            self("rm", "-f", name)

    def stop(self, name: str) -> tuple[float, int]:
        """Ask a container to stop, for ten seconds; returns the seconds, and the first process's exit code."""
        began = time.monotonic()
        self("stop", "-t", "10", name)
        return time.monotonic() - began, int(self("inspect", "--format", "{{.State.ExitCode}}", name))

    def probe(self, image: str, what: str, *options: str) -> dict | list:
        """Run probe.py in a container of an image, and return what it found."""
        words = ["-v", f"{PROBE}:/probe.py:ro", "--entrypoint=python3", image, "/probe.py", what]
        return json.loads(self.run(*options, *words).splitlines()[-1])


def find_engine(asked: str) -> list[str]:
    """The engine that was asked for, or the first that answers."""
    if asked:
        return shlex.split(asked)
    for name in ("docker", "podman"):
        if (
            shutil.which(name)
            and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0
        ):
            return [name]
    raise Broken("no container engine answers: install docker or podman, or name one with --engine")


def bootstrap(engine: ContainerEngine, mirror: str) -> str:
    """Make the base image from a mirror of Debian, where no registry can be reached; returns its name. Needs root."""
    name = "localhost/pixel-edu-base:bookworm"
    with tempfile.TemporaryDirectory() as folder:
        root, archive = Path(folder) / "root", Path(folder) / "base.tar"
        command = ["debootstrap", "--variant=minbase", "bookworm", root, mirror]
        if not shutil.which(command[0]) or os.getuid():
            raise Broken("--debootstrap needs root, and the program debootstrap: apt-get install debootstrap")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Broken(f"debootstrap failed: {(done.stdout + done.stderr).strip().splitlines()[-1]}")
        for path, text in SLIM.items():
            (root / path).write_text(text, encoding="utf-8")
        for path in CACHES:
            shutil.rmtree(root / path, ignore_errors=True)
            (root / path).mkdir(parents=True)
        with tarfile.open(archive, "w") as tar:
            tar.add(root, arcname=".")
        engine("import", archive, name)
    return name


def answer(url: str, body: dict | None = None) -> bytes:
    """A server's answer to GET, or to POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read()


def wait_until(works: Callable[[], object], what: str, logs: Callable[[], str] = str) -> float:
    """Try something until it works; returns the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        try:
            works()
            return time.monotonic() - began
        except (OSError, Broken):
            time.sleep(0.2)
    raise Broken(f"{what} did not answer in {PATIENCE} s; the container said:\n{logs()}")
