"""What each `make` costs on a bare clone: `python benchmarks/set_up.py`.

For each role a clone of this repository's last commit is set up from nothing, with the pip of this machine and its
cache, and then asked once more. `make book` is measured to the built page, the others to an environment that is ready.
The table goes to book/measured/set_up.md and, between its markers, to README.md.
"""

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "book" / "measured" / "set_up.md"
BEGIN, END = "<!-- measured by benchmarks/set_up.py -->\n", "<!-- end -->"
TARGETS = {"book": "html", "lab": ".venv/.ready-lab", "test": ".venv/.ready-test"}
BRINGS = {
    "book": "what builds the book; no PyTorch",
    "lab": "and PyTorch, JupyterLab, MLflow, FastAPI: the notebooks",
    "test": "and what grades, tests and changes the course",
}


def seconds(target: str, clone: Path) -> tuple[float, float]:
    """How long `make` takes, by the clock and by the processor."""

    def computed() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    clock, processor = time.monotonic(), computed()
    subprocess.run(["make", "-s", target], cwd=clone, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - clock, computed() - processor


def row(role: str) -> str:
    """A line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        first, processor = seconds(TARGETS[role], clone)
        again, _ = seconds(TARGETS[role], clone)
        here = clone / ".venv"
        packages = len(list(here.glob("lib/python*/site-packages/*.dist-info")))
        files = [path.lstat() for path in here.rglob("*")]
        size = sum(each.st_blocks * 512 for each in files) / 1e6
    numbers = f"{packages} | {size:,.0f} | {first:.0f} | {processor:.0f} | {again:.0f}"
    return f"| `make {role}` | {BRINGS[role]} | {numbers} |"


def main() -> None:
    """Measure, print, and write where readers look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    lines = [
        "| | installs | packages | MB | seconds | CPU seconds | seconds, second call |",
        "| :--- | :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for role in TARGETS:
        lines.append(row(role))
        print(lines[-1], flush=True)
    table = "\n".join(lines) + "\n"
    TABLE.write_text(table, encoding="utf-8")
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    readme.write_text(before + BEGIN + table + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
