"""What commands show on a terminal: bars, a spinner, tables, sprites. rich is imported when it is needed only."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from pixel_edu.training import TrainStep

QUICK = 5000
"""This many pictures are read or written in under two seconds; a longer sequence shows a bar."""
LINES = 20
"""About this many lines of progress a training prints where stderr is not a terminal."""


def bar(title: str, over: int = QUICK) -> Callable:
    """A `track=` argument for the library: a bar on stderr for sequences longer than `over`.

    Where stderr is not a terminal, the sequence comes back as it is.
    """

    def track(items):
        from rich.console import Console
        from rich.progress import track as with_bar

        console = Console(stderr=True)
        if len(items) <= over or not console.is_terminal:
            return items
        return with_bar(items, title, console=console, transient=True)

    return track


@contextmanager
def busy(title: str) -> Iterator[None]:
    """A spinner on stderr, for work that does not say how far it is."""
    from rich.console import Console

    with Console(stderr=True).status(title):
        yield


def bars(console: Console) -> Progress:
    """Bars with a name, a count and the time taken; shown on a terminal only, and gone at the end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def table(headings: Sequence[str], left: Sequence[str] = ("",)) -> Table:
    """An empty table; columns named in `left` are aligned left, all others right."""
    from rich import box
    from rich.table import Table

    empty = Table(box=box.SIMPLE, pad_edge=False)
    for heading in headings:
        empty.add_column(heading, justify="left" if heading in left else "right", no_wrap=not heading)
    return empty


def duration(seconds: float) -> str:
    """A length of time as people say it: in seconds below 100 of them, then in minutes, then in hours.

    >>> duration(7.4), duration(600), duration(10_000)
    ('7 s', '10 min', '2 h 47 min')
    """
    if round(seconds) < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def sprites(images: np.ndarray, title: str = "") -> None:
    """The first of some sprites in a row on stdout, under a title; on anything but a terminal with colours, nothing.

    Args:
        images: (N, H, W, 3 or 4) uint8.
        title: a line above them.
    """
    if not sys.stdout.isatty():
        return
    from rich.console import Console

    from pixel_edu.cli import pixels

    pixels.show(images, Console(), title)


def rows_of_sprites(size: int) -> int:
    """How many rows of titled sprites, `size` pixels high, a terminal shows at once; at least one."""
    return max(shutil.get_terminal_size().lines // (size // 2 + 1), 1)


@dataclass
class Training:
    """What a training shows: call `step` after each step, and `pictures` with new samples and their title."""

    step: Callable[[TrainStep], None]
    pictures: Callable[[np.ndarray, str], None]


@contextmanager
def training(total: int, done: int, shown: bool = True) -> Iterator[Training]:
    """A bar for a training of `total` steps, `done` of which are behind it, and above it sprites that it draws.

    Where stderr is not a terminal, a line now and then. `shown=False` shows nothing.
    """
    if not shown:
        yield Training(lambda step: None, lambda images, title: None)
        return
    from rich.console import Console

    from pixel_edu.cli import pixels

    console = Console(stderr=True)
    smooth, began = None, time.perf_counter()
    live = _training_bar(console)
    task = live.add_task("", total=total, completed=done, loss=float("nan"))

    def show(step: TrainStep) -> None:
        nonlocal smooth
        smooth = step.loss if smooth is None else smooth + 0.05 * (step.loss - smooth)
        live.update(task, completed=step.step, loss=smooth)
        if not console.is_terminal and step.step % max(total // LINES, 1) == 0:
            speed = (step.step - done) / (time.perf_counter() - began)
            left = duration((total - step.step) / speed)
            line = f"step {step.step:,} of {total:,}: loss {smooth:.4f}, {speed:.1f} steps/s, {left} left"
            print(line, file=sys.stderr, flush=True)

    with live:
        yield Training(show, lambda images, title: pixels.show(images, live.console, title))


def _training_bar(console: Console) -> Progress:
    """Steps, a smoothed loss, steps a second and the time that remains."""
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task) -> Text:
            return Text(f"{task.speed:.1f} steps/s" if task.speed else "")

    columns = (
        BarColumn(None),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TextColumn("loss {task.fields[loss]:.4f}"),
        Speed(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)
