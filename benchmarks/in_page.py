"""How long the sprites' networks would train in plain JavaScript, at the speed of the widget that trains in the page.

python benchmarks/in_page.py      under a minute, also beside other programs: it counts the processor's time

Writes `book/measured/in_page.md`, a paragraph of chapter 5.
"""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import deno
from architectures import describe

from pixel_edu.config import hardware
from pixel_edu.files import replacing
from pixel_edu.training import RECIPES
from pixel_edu.unet import ContextUNet

ROOT = Path(__file__).parents[1]
LEARNER = ROOT / "pixel_edu" / "widgets" / "js" / "learner.js"
PATH = ROOT / "book" / "measured" / "in_page.md"
SHORT, LONG = 500, 1500
"""Steps of two runs: their difference holds no start, and no compiling."""


def seconds(steps: int) -> tuple[float, float]:
    """Processor seconds of a process that trains so many steps, and the operations of a step."""
    code = (
        f'import {{ OPERATIONS, Training }} from "{LEARNER.as_uri()}";'
        f"const run = new Training(0.02, 0); for (let i = 0; i < {steps}; i++) run.advance(); console.log(OPERATIONS);"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([deno.find_deno_bin(), "eval", code], capture_output=True, text=True, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, float(done.stdout)


def speed() -> float:
    """Operations a second."""
    (short, _), (long, operations) = seconds(SHORT), seconds(LONG)
    return operations * (LONG - SHORT) / (long - short)


def operations(preset: str) -> float:
    """Of a recipe's whole run: each step goes forward, and twice as far back."""
    recipe = RECIPES[preset]
    return 3e6 * describe(ContextUNet(preset))[1] * recipe.batch_size * recipe.steps


def told(time: float) -> str:
    """Seconds as prose writes them."""
    for name, unit in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if time >= 2 * unit:
            return f"{time / unit:.0f} {name}"
    return f"{time:.0f} seconds"


def main() -> None:
    """Measure, and write the paragraph."""
    rate, tiny, reference = speed(), operations("tiny"), operations("reference")
    recipe = RECIPES["tiny"]
    text = (
        f"Why is it not `tiny` that learns there? One answer of `tiny` takes "
        f"{describe(ContextUNet('tiny'))[1]:.0f} million operations, and a training step three times that for each of "
        f"{recipe.batch_size} sprites: its {recipe.steps:,} steps are {tiny / 1e12:.1f} trillion. Plain JavaScript did "
        f"{rate / 1e9:.1f} billion a second in this small network's training (measured on one core of "
        f"{hardware()}), so `tiny` would take {told(tiny / rate)}, and the reference {told(reference / rate)}."
    )
    with replacing(PATH) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
