"""Make or extend .venv for a role: `set_up.py book`, `set_up.py lab` or `set_up.py test`.

Each role holds those before it, and all take their versions from constraints.txt. The Makefile runs this when the role
is not there yet, or when what it is made from has changed. Needs nothing but Python's standard library and pip, and
keeps to the user's own pip configuration.
"""

import os
import re
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
BEGUN = VENV / ".begun"  # an earlier set-up was interrupted: its packages may be half-written
LOG = VENV / "set-up.log"
EXTRAS = {"book": "book", "lab": "book,lab", "test": "all"}  # of pyproject.toml, by role
SIZES = {"book": "0.3 GB", "lab": "2 to 3 GB", "test": "2 to 3 GB"}
SLOW_TO_IMPORT = "rfc3987-syntax"  # optional, and 3.6 s of import in every process with Jupyter in it
START = time.monotonic()


def main(asked: str) -> None:
    """Create or complete .venv; say how long it took."""
    if BEGUN.exists() or not usable():
        tell(f"making .venv with Python {sys.version_info.major}.{sys.version_info.minor}")
        venv.create(VENV, clear=True, with_pip=True)
    # What is there already stays, and moves to the pins of today with the rest.
    role = [role for role in EXTRAS if role == asked or ready(role).exists()][-1]
    for each in EXTRAS:
        ready(each).unlink(missing_ok=True)
    LOG.unlink(missing_ok=True)
    BEGUN.touch()
    tell(
        f"installing what `make {role}` needs, {SIZES[role]}: {'a minute' if role == 'book' else 'some minutes'}"
    )
    install(role)
    BEGUN.unlink()
    for each in list(EXTRAS)[: list(EXTRAS).index(role) + 1]:
        ready(each).touch()
    tell("the environment is ready")


def ready(role: str) -> Path:
    """A file that is newer than what the role was made from: nothing to do."""
    return VENV / f".ready-{role}"


def install(role: str) -> None:
    """Install a role's packages, and this one so that its source is what runs."""
    this = ("--no-build-isolation", "-e", ".")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = (*project["build-system"]["requires"], "wheel")
    if role == "book":  # the package without its dependencies, PyTorch among them
        packages = project["project"]["optional-dependencies"]["book"]
        # Not compiled: a build imports a tenth of it, and Python compiles that by itself.
        pip("install", "--no-compile", "-c", "constraints.txt", *build, *packages, follow=True)
        pip("install", "--no-deps", *this)
    else:
        pip("install", "-c", "constraints.txt", *build)
        pip("install", "-c", "constraints.txt", *this[:-1], f".[{EXTRAS[role]}]", follow=True)
    if any(VENV.glob(f"lib/python*/site-packages/{SLOW_TO_IMPORT.replace('-', '_')}*")):
        pip("uninstall", "-y", SLOW_TO_IMPORT)
    if role != "book":
        pip("check")


def usable() -> bool:
    """Whether .venv has a Python that is new enough, and pip."""
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", probe], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def pip(*arguments: str, follow: bool = False) -> None:
    """Run pip in .venv with its output in the log; leave with its last words where it fails."""
    process = subprocess.Popen(
        [PYTHON, "-m", "pip", *arguments],
        cwd=ROOT,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with LOG.open("a", encoding="utf-8") as log, process:
        log.writelines(followed(process.stdout) if follow else process.stdout)
    if process.returncode:
        said = LOG.read_text(encoding="utf-8").splitlines()
        reason = why(said) or f"it ended with code {process.returncode}"
        sys.exit(f"error: pip {arguments[0]} failed, see {LOG.relative_to(ROOT)}: {reason}")


def why(lines: list[str]) -> str:
    """What made pip fail, from what it said: its last words call a network that is away conflicting versions."""
    for line in reversed(lines):
        if found := re.match(
            r"Could not fetch URL (\S+?)[,:]? .*?(?:Caused by |: )(\w*(?:Error|error).*)", line
        ):
            return f"{found[1].rstrip(':')} cannot be reached: {found[2].removesuffix(' - skipping')}"
        if "Retry(total=0" in line and "connection broken by" in line:
            return f"the package index cannot be reached: {line.partition('connection broken by ')[2]}"
    return " ".join([line for line in lines if line.startswith("ERROR")][-3:])


def followed(lines: Iterable[str]) -> Iterator[str]:
    """Pass pip's lines on, and tell now and then where it is: the large packages take minutes."""
    collected, told, every = 0, time.monotonic(), 5 if sys.stdout.isatty() else 20
    for line in lines:
        yield line
        collected += (collects := line.startswith(("Collecting ", "Processing ")))
        if line.startswith("Installing collected packages"):
            tell(f"{collected} packages are here and are now installed")
        elif collects and time.monotonic() - told > every:
            told = time.monotonic()
            tell(f"collecting packages ({collected} so far)")


def tell(what: str) -> None:
    """One line of progress."""
    print(f"[set-up {time.monotonic() - START:4.0f} s] {what}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in EXTRAS:
        sys.exit(f"error: give one role of: {', '.join(EXTRAS)}")
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("error: interrupted: the next make begins the set-up anew")
