"""How fast a class is graded: ours, nbgrader's `autograde` and otter in one process, on the same notebooks.

    python benchmarks/grading.py --peers PYTHON     # an environment with nbgrader==0.9.6, otter-grader==7.0.0, torch
    python benchmarks/grading.py --count 100 300 1000 --no-peers     # how the cost grows with the class
    python benchmarks/grading.py --count 300 --outputs 49 --no-peers     # how much memory large files take

Two assignments of four exercises each, one that needs numpy alone and one that needs torch; every submission is honest,
four of five are right. Prints seconds a submission, what start-up costs, memory of a worker, and the ratios.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pixel_edu.config import cores
from pixel_edu.grading import assignment
from pixel_edu.notebooks.handouts import SOLUTION, grade_id

NUMPY = {
    "mean": (
        "def mean(x):\n    ### BEGIN SOLUTION\n    return x.sum() / x.size\n    ### END SOLUTION",
        "assert np.isclose(mean(np.arange(4.0)), 1.5)\nassert np.isclose(mean(np.ones((2, 3))), 1)",
    ),
    "centred": (
        "def centred(x):\n    ### BEGIN SOLUTION\n    return x - x.mean()\n    ### END SOLUTION",
        "assert np.allclose(centred(np.arange(3.0)), [-1, 0, 1])",
    ),
    "running": (
        "def running(x):\n    ### BEGIN SOLUTION\n    return np.cumsum(x)\n    ### END SOLUTION",
        "assert np.allclose(running(np.ones(5)), np.arange(1, 6))",
    ),
    "nearest": (
        "def nearest(x, y):\n    ### BEGIN SOLUTION\n    return np.abs(x[:, None] - y).argmin(1)\n    ### END SOLUTION",
        "assert list(nearest(np.array([0.1, 2.9]), np.arange(4.0))) == [0, 3]",
    ),
}
TORCH = {
    "softmax": (
        "def softmax(x):\n    ### BEGIN SOLUTION\n    e = (x - x.max()).exp()\n    return e / e.sum()\n"
        "    ### END SOLUTION",
        "x = torch.arange(5.0)\nassert torch.allclose(softmax(x), x.softmax(0))",
    ),
    "scale": (
        "class Scale(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
        "        self.weight = nn.Parameter(torch.ones(n))\n\n    def forward(self, x):\n"
        "        ### BEGIN SOLUTION\n        return x * self.weight\n        ### END SOLUTION",
        "s = Scale(3)\ns.load_state_dict({'weight': torch.arange(3.0)})\n"
        "assert s(torch.ones(3)).tolist() == [0, 1, 2]",
    ),
    "noised": (
        "def noised(x, eps, a):\n    ### BEGIN SOLUTION\n    return a**0.5 * x + (1 - a) ** 0.5 * eps\n"
        "    ### END SOLUTION",
        "assert torch.allclose(noised(torch.ones(2), torch.zeros(2), 0.25), torch.full((2,), 0.5))",
    ),
    "convolved": (
        "def convolved(x):\n    ### BEGIN SOLUTION\n    return nn.functional.avg_pool2d(x, 2)\n    ### END SOLUTION",
        "assert convolved(torch.ones(1, 3, 8, 8)).shape == (1, 3, 4, 4)",
    ),
}
SETUP = {"numpy": "import numpy as np", "torch": "import torch\nfrom torch import nn"}
EXERCISES = {"numpy": NUMPY, "torch": TORCH}


def source(kind: str) -> nbformat.NotebookNode:
    """The instructor's notebook."""
    cells = [new_code_cell(SETUP[kind])]
    for name, (answer, test) in EXERCISES[kind].items():
        facts = {"locked": False, "schema_version": 3, "task": False, "solution": True, "grade": False}
        cells.append(new_code_cell(answer, metadata={"nbgrader": facts | {"grade_id": name}}))
        facts |= {"locked": True, "solution": False, "grade": True, "points": 1}
        hidden = f"### BEGIN HIDDEN TESTS\n{test}\n### END HIDDEN TESTS"
        made = facts | {"grade_id": f"{name}-marks"}
        cells.append(new_code_cell(f"{test}\n{hidden}", metadata={"nbgrader": made}))
    for i, cell in enumerate(cells):
        cell.id = f"cell{i}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def class_of(kind: str, count: int) -> dict[str, str]:
    """Notebooks by student; every fifth left one exercise out."""
    what = assignment.from_notebook(source(kind), "01_speed")
    answers = {grade_id(cell): SOLUTION.sub(r"\2", cell.source) for cell in what.notebook.cells}
    made = {}
    for i in range(count):
        notebook = copy.deepcopy(what.hand_out)
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("solution") and not (
                i % 5 == 4 and grade_id(cell) == "mean"
            ):
                cell.source = answers[grade_id(cell)] + f"\n# student {i}"
        made[f"s{i:04d}"] = nbformat.writes(notebook)
    return made


def with_output(text: str, size: int) -> str:
    """A notebook with an output of so many MB."""
    notebook = nbformat.reads(text, as_version=4)
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    code.outputs = [new_output("display_data", {"image/png": "@"})]
    return nbformat.writes(notebook).replace(
        '"@"', f'"{"A" * (size * 10**6)}"'
    )  # which nbformat takes a second for


def ours(kind: str, class_: dict[str, str], folder: Path, outputs: int = 0) -> tuple[float, float]:
    """Seconds in all, and MB of the command and all below it, counted in proportion (PSS)."""
    (folder / "in").mkdir(parents=True)
    (folder / "source").mkdir()
    (folder / "source" / "01_speed.ipynb").write_text(nbformat.writes(source(kind)))
    for student, text in class_.items():
        (folder / "in" / f"{student}.ipynb").write_text(with_output(text, outputs) if outputs else text)
    command = [sys.executable, "-m", "pixel_edu.cli", "grade", folder / "in", "-a", "01_speed"]
    command += ["--source", folder / "source", "--out", folder / "out"]
    started = time.perf_counter()
    run = subprocess.Popen([str(each) for each in command], stdout=subprocess.DEVNULL)
    most = [0.0]
    watcher = threading.Thread(target=_watch, args=(run, most, 0.1 if outputs else 1.0))
    watcher.start()
    if run.wait() != 0:
        raise SystemExit("grading failed")
    took = time.perf_counter() - started
    watcher.join()
    return took, most[0]


def _watch(run: subprocess.Popen, most: list[float], every: float) -> None:
    """Proportional memory (PSS) of the command and all below it.

    A look goes through all pages of all processes: ten a second cost the grader a tenth of its speed, and only
    a measurement of memory needs them.
    """
    import psutil

    while run.poll() is None:
        total = 0
        try:
            processes = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
        except psutil.Error:
            return
        for process in processes:
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        most[0] = max(most[0], total / 1e6)
        time.sleep(every)


def nbgrader(kind: str, class_: dict[str, str], folder: Path, python: Path) -> float:
    """Seconds of `nbgrader autograde`."""
    (folder / "source" / "speed").mkdir(parents=True)
    (folder / "source" / "speed" / "speed.ipynb").write_text(nbformat.writes(source(kind)))
    (folder / "nbgrader_config.py").write_text("c = get_config()\n")
    env = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    quiet = {
        "cwd": folder,
        "env": env,
        "check": True,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    subprocess.run([python.parent / "nbgrader", "generate_assignment", "speed"], **quiet)
    for student, text in class_.items():
        place = folder / "submitted" / student / "speed"
        place.mkdir(parents=True)
        (place / "speed.ipynb").write_text(text)
    started = time.perf_counter()
    subprocess.run([python.parent / "nbgrader", "autograde", "speed"], **quiet)
    took = time.perf_counter() - started
    assert len(list((folder / "autograded").glob("*/speed/speed.ipynb"))) == len(class_)
    return took


OTTER = """\
import json, sys, time
from pathlib import Path
from otter.api import grade_submission
folder, out = Path(sys.argv[1]), []
started = time.perf_counter()
for path in sorted(folder.glob("in/*.ipynb")):
    out.append(grade_submission(str(path), str(folder / "autograder.zip"), quiet=True).total)
print(json.dumps({"seconds": time.perf_counter() - started, "totals": out}))
"""


def otter(kind: str, class_: dict[str, str], folder: Path, python: Path) -> float:
    """Seconds of otter's own `grade_submission`, one after another in one process."""
    (folder / "in").mkdir(parents=True)
    (folder / "tests").mkdir()
    for student, text in class_.items():
        notebook = nbformat.reads(text, 4)
        checks = [f'grader.check("{name}")' for name in EXERCISES[kind]]
        head = new_code_cell('import otter\ngrader = otter.Notebook("student.ipynb")')
        notebook.cells = [head, *(c for c in notebook.cells if not grade_id(c).endswith("-marks"))]
        notebook.cells += [new_code_cell(check) for check in checks]
        for cell in notebook.cells:
            cell.metadata = {}
        (folder / "in" / f"{student}.ipynb").write_text(nbformat.writes(notebook))
    for name, (_, test) in EXERCISES[kind].items():
        body = textwrap.indent(f"{SETUP[kind]}\n{test}", "    ")
        needed = "Scale" if name == "scale" else name
        (folder / "tests" / f"{name}.py").write_text(
            "from otter.test_files import test_case\nOK_FORMAT = False\n"
            f"name = {name!r}\npoints = 1\n\n@test_case(points=1, hidden=False)\ndef test_it({needed}):\n{body}\n"
        )
    env = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    quiet = {"cwd": folder, "env": env, "check": True, "capture_output": True, "text": True}
    command = [python.parent / "otter", "generate", "-t", "tests", "-o", "autograder.zip", "--no-environment"]
    subprocess.run(command, **quiet)
    said = json.loads(subprocess.run([python, "-c", OTTER, folder], **quiet).stdout.splitlines()[-1])
    assert max(said["totals"]) == len(EXERCISES[kind]), said
    return said["seconds"]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, nargs="+", default=[100], help="submissions (100)")
    parser.add_argument("--peers", type=Path, help="Python of an environment with nbgrader and otter")
    parser.add_argument("--outputs", type=int, default=0, help="MB of output in each file, for ours (0)")
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    parser.add_argument("--kinds", nargs="+", default=["numpy", "torch"], choices=["numpy", "torch"])
    chosen = parser.parse_args()
    if not chosen.peers and not chosen.no_peers:
        parser.error("give --peers PYTHON, or --no-peers")
    if chosen.peers and not shutil.which("nbgrader", path=str(chosen.peers.parent)):
        parser.error(
            f"{chosen.peers}: there is no nbgrader beside it: pip install nbgrader==0.9.6 otter-grader==7.0.0"
        )
    workers = cores()
    print(f"{workers} cores, so {workers} workers of ours; nbgrader and otter work one by one")
    for kind, count in itertools.product(chosen.kinds, chosen.count):
        class_ = class_of(kind, count)
        with tempfile.TemporaryDirectory() as folder:
            seconds, memory = ours(kind, class_, Path(folder) / "ours", chosen.outputs)
            each = seconds / count
            memory = f"{memory:.0f} MB in all, {memory / workers:.0f} a worker"
            print(f"{kind:6} {count:5} ours      {each:6.3f} s a submission, {memory}", flush=True)
            for peer in () if chosen.no_peers else (nbgrader, otter):
                took = peer(kind, class_, Path(folder) / peer.__name__, chosen.peers.absolute()) / count
                ratio = f"ratio {took / each:.1f}"
                print(f"{kind:6} {count:5} {peer.__name__:9} {took:6.3f} s a submission, {ratio}", flush=True)


if __name__ == "__main__":
    main()
