"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ALIGNMENT = {"l": ":---", "r": "---:"}


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], align: str = "") -> list[str]:
    """The lines of a table.

    Args:
        heads: of the columns.
        rows: as many cells in each; what stands in a cell is Markdown already.
        align: for each column "l" or "r"; by default the first is to the left and all others to the right.

    Raises:
        ValueError: a row, or `align`, has another number of columns than `heads`.

    >>> print("\\n".join(table(["sampler", "calls"], [["DDIM", 50], ["DDPM", 1000]])))
    | sampler | calls |
    | :--- | ---: |
    | DDIM | 50 |
    | DDPM | 1000 |
    """
    marks = [ALIGNMENT[each] for each in align or "l" + "r" * (len(heads) - 1)]
    lines = [heads, marks, *rows]
    for cells in lines:
        if len(cells) != len(heads):
            raise ValueError(
                f"there are {len(heads)} heads and {len(cells)} cells in {list(cells)}: give as many"
            )
    return [f"| {' | '.join(map(str, cells))} |" for cells in lines]
