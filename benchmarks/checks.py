"""How long a reader waits for a check: `python benchmarks/checks.py`.

Every exercise's right answers, checked three times on one thread; the slowest exercise of each chapter is printed.
The bar is one second.
"""

import importlib
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pixel_edu.course import calling, checking  # noqa: E402


def slowest() -> dict[str, float]:
    """Seconds of the slowest right answer, by exercise."""
    times = {}
    for path in sorted((ROOT / "tests" / "answers").glob("ch*.py")):
        for id, answers in importlib.import_module(f"tests.answers.{path.stem}").RIGHT.items():
            exercise = checking.find(id)
            for answer in answers * 3:
                started = time.perf_counter()
                assert checking.examine(exercise, calling.caller(answer))
                times[id] = max(times.get(id, 0.0), time.perf_counter() - started)
    return times


if __name__ == "__main__":
    torch.set_num_threads(1)
    times = slowest()
    for chapter in sorted({id[:5] for id in times}):
        id = max((each for each in times if each.startswith(chapter)), key=times.get)
        print(f"{id}: {times[id]:.3f} s")
    print(f"{len(times)} exercises, the slowest {max(times.values()):.3f} s")
