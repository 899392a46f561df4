"""How long a reader waits for `pixel-edu --help`: wall-clock of whole processes, best and median of ten.

Run: .venv/bin/python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

BAR = 0.3
COMMAND = Path(sys.executable).with_name("pixel-edu")


def seconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    print(f"{'command':24} {'best':>8} {'median':>8}   bar {BAR} s")
    for arguments in (["--version"], ["--help"], ["data", "--help"], ["course", "--help"]):
        seconds(*arguments)  # once to fill the disk cache
        times = [seconds(*arguments) for _ in range(10)]
        command = " ".join(["pixel-edu", *arguments])
        print(f"{command:24} {min(times):7.3f}s {statistics.median(times):7.3f}s")
