"""tools/ship.py, which puts a finished run into the package."""

import importlib.util
import subprocess
import sys
from pathlib import Path

SHIP = Path(__file__).parents[1] / "tools" / "ship.py"


def test_a_curve_is_the_mean_of_each_hundred_steps():
    spec = importlib.util.spec_from_file_location("ship", SHIP)
    ship = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ship)
    rows = [{"loss": str(i), "seconds": str(i / 2)} for i in range(1, 251)]
    assert ship.thinned(rows) == ["step,loss,seconds", "100,50.50000,50", "200,150.50000,100"]


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    done = subprocess.run([sys.executable, SHIP, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: give the folder of a finished run, such as runs/reference\n"
