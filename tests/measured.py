"""The tables of `book/measured`, read back: what pages say of them is compared with their numbers."""

import re
from pathlib import Path

MEASURED = Path(__file__).parents[1] / "book" / "measured"


def rows(name: str, title: str = "") -> dict[str, dict[str, float]]:
    """For each row, by its first cell, the numbers by the column's heading, without intervals.

    Args:
        name: of the file.
        title: the bold line above the table, where the file has several.
    """
    text = (MEASURED / f"{name}.md").read_text(encoding="utf-8")
    after = text.partition(f"**{title}**")[2] if title else text
    table = re.search(r"(?:^\|.*\n)+", after, re.M)[0]
    heads, _, *found = (line.strip("| ").split(" | ") for line in table.splitlines())
    return {
        name: {
            head: float(re.match(r"[-\d.,]+", cell)[0].replace(",", ""))
            for head, cell in zip(heads[1:], cells, strict=True)
            if re.match(r"-?\d", cell)
        }
        for name, *cells in found
    }
