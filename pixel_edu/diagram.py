"""A picture of a ContextUNet, drawn from the modules of the network itself."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyBboxPatch

from pixel_edu.figures import COLORS, Figure, axes, plot
from pixel_edu.unet import Block, ContextUNet, Level

WIDTH, HEIGHT = 0.9, 0.7
"""Of a block; blocks stand 1 apart."""
Point = tuple[float, float]


class Stage(NamedTuple):
    """A block of the network, and its place in the U.

    Attributes:
        name: the module's, such as `levels.below.down.0`.
        side: "down", "bottom" or "up".
        depth: of its level, 0 at the top.
        row: counted from the top; a block on the way up stands in the row of the one whose features it is handed.
        channels: of its output.
        size: height and width of its output, in places.
        attends: whether it ends with attention.
    """

    name: str
    side: str
    depth: int
    row: int
    channels: int
    size: int
    attends: bool


class Line(NamedTuple):
    """A line of the picture: where it starts and ends, and the number of the stage that it enters, counted from 0.

    The answer counts as one more stage.
    """

    start: Point
    end: Point
    into: int


class Layout(NamedTuple):
    """Where everything stands in the picture; x grows to the right, y upwards.

    Attributes:
        blocks: the centre of each, in the order of `stages`.
        noisy: the centre of the image that goes in.
        context: that of timestep and class.
        answer: that of what comes out.
        steps: from the image through the blocks to the answer; the one of number i enters stage i.
        skips: from the way down to the way up, the highest first.
        contexts: from the context to each block.
        corners: lowest and highest x, lowest and highest y of the whole picture.
    """

    blocks: list[Point]
    noisy: Point
    context: Point
    answer: Point
    steps: list[Line]
    skips: list[Line]
    contexts: list[Line]
    corners: tuple[Point, Point]


def stages(network: ContextUNet, size: int = 16) -> list[Stage]:
    """The blocks of a network in the order in which features pass through them.

    Args:
        network: any ContextUNet.
        size: height and width of its images.

    >>> [f"{s.side} {s.channels} x {s.size} x {s.size}" for s in stages(ContextUNet("tiny"))][:4]
    ['down 16 x 16 x 16', 'down 32 x 8 x 8', 'down 48 x 4 x 4', 'bottom 48 x 4 x 4']
    """
    passed = _shapes(network, size)
    names = {module: name for name, module in network.named_modules()}
    found: dict[str, tuple[str, int, int]] = {}
    level, depth, row = network.levels, 0, 0
    while isinstance(level, Level):
        for number, block in enumerate(level.down):
            found[names[block]] = "down", depth, row + number
        row += len(level.down)
        for number, block in enumerate(level.up, 1):
            found[names[block]] = "up", depth, row - number  # takes the last of the skips that are left
        level, depth = level.below, depth + 1
    found[names[level]] = "bottom", depth, row
    return [
        Stage(name, *found[name], channels, places, network.get_submodule(name).attention is not None)
        for name, (channels, places) in passed.items()
    ]


def layout(blocks: list[Stage]) -> Layout:
    """Where the blocks of a U stand, and the lines between them.

    >>> plan = layout(stages(ContextUNet("tiny")))
    >>> plan.blocks[:4], plan.skips[0]
    ([(0, 0), (1, -1), (2, -2), (3, -3)], Line(start=(0.45, 0), end=(5.55, 0), into=6))
    """
    last, rows = max(stage.depth for stage in blocks), 1 + max(stage.row for stage in blocks)
    places: list[Point] = [(_column(stage, last), -stage.row) for stage in blocks]
    ends = list(zip(places, blocks, strict=True))
    steps = [Line((0, 0.7), (0, HEIGHT / 2), 0)]
    for number, (here, there) in enumerate(pairwise(ends), 1):
        steps.append(Line(_edge(*here, -1), _edge(*there, 1), number))
    steps.append(Line((2 * last, HEIGHT / 2), (2 * last, 0.7), len(blocks)))
    ups = {stage.row: number for number, stage in enumerate(blocks) if stage.side == "up"}
    skips = []
    for (x, y), stage in ends:
        if stage.side == "down":
            into = ups[stage.row]
            skips.append(Line((x + WIDTH / 2, y), (places[into][0] - WIDTH / 2, y), into))
    contexts = [Line((last, 0.7), (x, y + HEIGHT / 2), number) for number, (x, y) in enumerate(places)]
    corners = (-0.55, 2 * last + 0.55), (0.45 - rows, 1.4)
    return Layout(places, (0, 1), (last, 1), (2 * last, 1), steps, skips, contexts, corners)


def network_diagram(network: ContextUNet, alt: str, size: int = 16) -> Figure:
    """The U of a network: its blocks with their sizes, the skips, and the context that enters every block.

    Args:
        network: any ContextUNet.
        alt: what the picture shows, in words.
        size: height and width of its images.

    >>> network_diagram(ContextUNet("tiny"), "A U of seven blocks.")
    A U of seven blocks.
    """
    blocks = stages(network, size)
    plan = layout(blocks)
    across, up = plan.corners
    canvas, ax = axes(height=0.7 + 0.54 * (0.45 - up[0]))
    _context(ax, plan)
    for line in plan.steps[1:-1]:
        _arrow(ax, line)
    for line in plan.skips:
        _arrow(ax, line, linestyle="--")
    for stage, place in zip(blocks, plan.blocks, strict=True):
        _block(ax, stage, place)
    _ends(ax, network, size, plan)
    ax.set(xlim=across, ylim=up)
    ax.axis("off")
    return plot(canvas, alt)


def _shapes(network: ContextUNet, size: int) -> dict[str, tuple[int, int]]:
    """Channels and size of each block's output, by its name, in the order of the calls."""
    seen: dict[str, tuple[int, int]] = {}

    def noting(name: str):
        def note(module: torch.nn.Module, given: tuple, made: torch.Tensor) -> None:
            seen[name] = (made.shape[1], made.shape[2])

        return note

    hooks = [
        module.register_forward_hook(noting(name))
        for name, module in network.named_modules()
        if isinstance(module, Block)
    ]
    device = next(network.parameters()).device
    zero = torch.zeros(1, dtype=torch.int64, device=device)
    with torch.no_grad():
        network(torch.zeros(1, network.config.image_channels, size, size, device=device), zero, zero)
    for hook in hooks:
        hook.remove()
    return seen


def _column(stage: Stage, last: int) -> int:
    return 2 * last - stage.depth if stage.side == "up" else stage.depth


def _edge(place: Point, stage: Stage, towards: int) -> Point:
    """Where an arrow leaves a block (-1) or meets it (1): below on the way down, above on the way up."""
    x, y = place
    way = towards if stage.side == "down" else -towards
    if stage.side == "bottom":
        return x - towards * WIDTH / 2, y
    return x, y + way * HEIGHT / 2


def _arrow(ax: Axes, line: Line, **look: object) -> None:
    style = {"arrowstyle": "-|>", "color": "black", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0} | look
    ax.annotate("", line.end, line.start, arrowprops=style)


def _block(ax: Axes, stage: Stage, place: Point) -> None:
    x, y = place
    color = COLORS[2] if stage.attends else COLORS[0]
    corner = x - WIDTH / 2, y - HEIGHT / 2
    shape = "round,pad=0,rounding_size=0.08"
    look = {"edgecolor": color, "facecolor": to_rgba(color, 0.18), "linewidth": 1.4}
    ax.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, shape, **look))
    ax.text(x, y, f"{stage.channels}\n{stage.size}×{stage.size}", ha="center", va="center", fontsize=9.5)


def _context(ax: Axes, plan: Layout) -> None:
    """The context above the U, and a line from it to every block."""
    x, y = plan.context
    for line in plan.contexts:
        ends = zip(line.start, line.end, strict=True)
        ax.plot(*ends, color=COLORS[1], linewidth=0.8, alpha=0.55, marker="o", markersize=3, markevery=[1])
    ax.text(x, y, "context:\ntimestep and class", ha="center", va="center", fontsize=9.5, color=COLORS[1])


def _ends(ax: Axes, network: ContextUNet, size: int, plan: Layout) -> None:
    """The image that goes in, and the answer that comes out."""
    for (x, y), word, line in ((plan.noisy, "noisy", plan.steps[0]), (plan.answer, "answer", plan.steps[-1])):
        shape = f"{network.config.image_channels}, {size}×{size}"
        ax.text(x, y, f"{word}\n{shape}", ha="center", va="center", fontsize=9.5)
        _arrow(ax, line)
