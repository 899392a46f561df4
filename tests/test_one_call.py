"""The page on one call: what its sentences say of the tables is what the tables say."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "one_call.md").read_text(encoding="utf-8")


def rows(name: str) -> dict[str, dict[str, float]]:
    """A measured table: for each row by its first cell, the numbers by the column's heading, without their intervals."""
    text = (ROOT / "book" / "measured" / f"{name}.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    heads, _, *found = lines
    return {
        name: {
            head: float(re.match(r"[-\d.,]+", cell)[0].replace(",", ""))
            for head, cell in zip(heads[1:], cells, strict=True)
            if re.match(r"-?\d", cell)
        }
        for name, *cells in found
    }
