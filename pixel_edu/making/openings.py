"""The figures that chapters 10 and 11 open with, as text that the chapters include.

They show what stands in the package or follows from a rule, so they need no run of the chapter.
"""

from __future__ import annotations

import numpy as np

from pixel_edu import figures
from pixel_edu.checkpoints import SHIPPED

CALLS, EVERY = 8, 3
"""Of the network that a request needs, and after how many calls the next request comes."""
REQUESTS = 4


def records() -> str:
    """The losses of three shipped models, from the records that lie beside their weights."""
    canvas, ax = figures.axes("training step", "loss", height=2.4)
    lows = {}
    for color, name in zip(figures.COLORS, ("tiny", "small", "reference"), strict=False):
        record = np.genfromtxt(SHIPPED / f"{name}.csv", delimiter=",", names=True)
        ax.loglog(record["step"], record["loss"], color=color, linewidth=1.2, label=name)
        lows[name] = record["loss"].min()
    ax.set_yticks([0.1, 0.2, 0.4], ["0.1", "0.2", "0.4"])
    ax.minorticks_off()
    ax.legend()
    told = ", ".join(f"{name} to {low:.2f}" for name, low in lows.items())
    return figures.plot(canvas, f"The loss of three runs against the training step, falling: {told}.").html


def turns(calls: int = CALLS, every: int = EVERY, requests: int = REQUESTS) -> tuple[list[int], list[int]]:
    """When each request has its sprite: if requests take turns, and if each call of the network serves all.

    Time is counted in calls, and a call takes as long for several images as for one.

    Args:
        calls: that each request needs.
        every: calls after which the next request comes.
        requests: how many.

    >>> turns(calls=2, every=1, requests=3)
    ([2, 4, 6], [2, 3, 4])
    """
    one_by_one, free = [], 0
    for arrival in range(0, every * requests, every):
        free = max(free, arrival) + calls
        one_by_one.append(free)
    return one_by_one, [every * i + calls for i in range(requests)]


def crowd() -> str:
    """Requests that take turns, above the same requests sharing calls."""
    one_by_one, shared = turns()
    canvas, ax = figures.axes("time, in calls of the network", height=2.6)
    rows = 2 * REQUESTS + 1
    for top, ends, color in ((0, one_by_one, figures.COLORS[1]), (REQUESTS + 1, shared, figures.COLORS[0])):
        for i, end in enumerate(ends):
            arrival, begins, row = EVERY * i, end - CALLS, top + i
            ax.broken_barh(
                [(call + 0.06, 0.88) for call in range(begins, end)], (row - 0.3, 0.6), color=color
            )
            ax.plot([arrival, begins], [row, row], color=figures.COLORS[-1], linewidth=1)
    ax.set_yticks([(REQUESTS - 1) / 2, REQUESTS + 1 + (REQUESTS - 1) / 2], ["in turn", "together"])
    ax.set_ylim(rows - 0.4, -0.6)
    ax.grid(visible=False)
    alt = (
        f"{REQUESTS} requests of {CALLS} calls each, as rows of squares against time. In turn, each waits for those "
        f"before it, and the last ends after {one_by_one[-1]} calls. Together, they overlap, and it ends after "
        f"{shared[-1]}."
    )
    return figures.plot(canvas, alt).html
