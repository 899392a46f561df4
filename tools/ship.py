"""Put a finished run into the package: its model, and its loss in means of 100 steps.

python tools/ship.py runs/reference
"""

import csv
import shutil
import sys
from pathlib import Path

from pixel_edu.files import replacing

WEIGHTS = Path(__file__).parents[1] / "pixel_edu" / "weights"
MEAN_OF = 100


def thinned(rows: list[dict[str, str]]) -> list[str]:
    """The lines of the table: for each hundred steps the last step, the mean loss, and the seconds so far."""
    lines = ["step,loss,seconds"]
    for end in range(MEAN_OF, len(rows) + 1, MEAN_OF):
        mean = sum(float(row["loss"]) for row in rows[end - MEAN_OF : end]) / MEAN_OF
        lines.append(f"{end},{mean:.5f},{float(rows[end - 1]['seconds']):.0f}")
    return lines


def main() -> None:
    """Copy the model and write the table."""
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "model.safetensors").exists():
        sys.exit("error: give the folder of a finished run, such as runs/reference")
    run = Path(sys.argv[1])
    with open(run / "log.csv", newline="", encoding="utf-8") as file:
        lines = thinned(list(csv.DictReader(file)))
    WEIGHTS.mkdir(exist_ok=True)
    with replacing(WEIGHTS / f"{run.name}.safetensors") as temporary:
        shutil.copyfile(run / "model.safetensors", temporary)
    (WEIGHTS / f"{run.name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
