"""How long `pixel-edu data check` takes on all 89,400 rows, and how much memory: under 10 s and 400 MB.

    python benchmarks/data_check.py [FOLDER]

Without a folder it makes two: the procedural set with the structure of the Kaggle set, and the worst case, where all
89,400 rows are drawn apart. One line a folder; exit code 1 when a limit is passed.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS, MEGABYTES = 10, 400
SETS = {"like-kaggle": ["--like-kaggle"], "all-different": ["-n", "89400"]}


def pixel_edu(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from pixel_edu.cli import main; main()", "data", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def measure(folder: str) -> bool:
    """Check one folder in a process of its own, print what it took, and return whether that is within the limits."""
    start = time.perf_counter()
    done = pixel_edu("check", folder, "--json")
    seconds = time.perf_counter() - start
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux kilobytes
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    if '"rows"' not in done.stdout:
        sys.exit(done.stderr)
    within = seconds < SECONDS and peak < MEGABYTES
    verdict = f"{'within' if within else 'OVER'} {SECONDS} s and {MEGABYTES} MB"
    print(f"{Path(folder).name}: {seconds:.2f} s, peak {peak:.0f} MB: {verdict}")
    return within


def measure_made_sets() -> bool:
    """Make each set and measure it in a fresh process: the peak is that of the largest child so far."""
    codes = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, how in SETS.items():
            pixel_edu("make", f"{scratch}/{name}", *how).check_returncode()
            codes.append(subprocess.run([sys.executable, __file__, f"{scratch}/{name}"]).returncode)
    return not any(codes)


if __name__ == "__main__":
    sys.exit(0 if (measure(sys.argv[1]) if len(sys.argv) > 1 else measure_made_sets()) else 1)
