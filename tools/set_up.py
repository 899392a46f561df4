"""Make .venv with the pinned environment; the Makefile runs this when what it is made from has changed.

Needs nothing but Python's standard library and pip, and keeps to the user's own pip configuration.
"""

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
READY = VENV / ".ready"  # newer than what it was made from: nothing to do
BEGUN = VENV / ".begun"  # an earlier set-up was interrupted: its packages may be half-written
LOG = VENV / "set-up.log"
SLOW_TO_IMPORT = "rfc3987-syntax"  # optional, and 3.6 s of import in every process with Jupyter in it
START = time.monotonic()


def main() -> None:
    """Create or complete .venv; say how long it took."""
    if BEGUN.exists() or not usable():
        tell(f"making .venv with Python {sys.version_info.major}.{sys.version_info.minor}")
        venv.create(VENV, clear=True, with_pip=True)
    READY.unlink(missing_ok=True)
    LOG.unlink(missing_ok=True)
    BEGUN.touch()
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").count("==")
    tell(f"installing {pins} packages, 2 to 3 GB: some minutes the first time")
    pip("install", "-c", "constraints.txt", "setuptools", "wheel")
    pip("install", "-c", "constraints.txt", "--no-build-isolation", "-e", ".[all]", expected=pins)
    pip("uninstall", "-y", SLOW_TO_IMPORT)
    pip("check")
    BEGUN.unlink()
    READY.touch()
    tell("the environment is ready")


def usable() -> bool:
    """Whether .venv has a Python that is new enough, and pip."""
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", probe], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def pip(*arguments: str, expected: int = 0) -> None:
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
        log.writelines(followed(process.stdout, expected) if expected else process.stdout)
    if process.returncode:
        errors = [line for line in LOG.read_text(encoding="utf-8").splitlines() if line.startswith("ERROR")]
        last = " ".join(errors[-3:]) or f"it ended with code {process.returncode}"
        sys.exit(f"error: pip {arguments[0]} failed, see {LOG.relative_to(ROOT)}: {last}")


def followed(lines: Iterable[str], expected: int) -> Iterator[str]:
    """Pass pip's lines on, and tell now and then where it is: the large packages take minutes."""
    collected, told, every = 0, time.monotonic(), 5 if sys.stdout.isatty() else 20
    for line in lines:
        yield line
        collected += (collects := line.startswith(("Collecting ", "Processing ")))
        if line.startswith("Installing collected packages"):
            tell(f"{collected} packages are here and are now installed: a minute or two")
        elif collects and time.monotonic() - told > every:
            told = time.monotonic()
            tell(f"collecting packages ({collected} of {expected})")


def tell(what: str) -> None:
    """One line of progress."""
    print(f"[set-up {time.monotonic() - START:4.0f} s] {what}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("error: interrupted: the next make begins the set-up anew")
