"""Sprites and plots for every chapter, as HTML that follows the page's light or dark colours.

A figure is text, so a chapter that runs again unchanged gives the same bytes. Sprites are one small PNG,
enlarged by the browser without smoothing. A plot is an inline SVG whose axes and text take the colour and the font of
the page; only its data has colours of its own, which can be told apart on white, on dark and by colour-blind readers.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.rcsetup import cycler

from pixel_edu.config import CLASSES
from pixel_edu.images import grid, over, png_bytes, png_url

COLORS = ("#2b7fce", "#d9590b", "#0d9468", "#bb5fa0", "#a67c00", "#7f7f7f")
"""Blue, vermilion, green, mauve, ochre and grey, each at least 3 : 1 against white and against #14181e."""
CLASS_COLORS = dict(zip(CLASSES, COLORS, strict=False))
SCHEDULE_COLORS = dict(zip(("linear", "cosine", "sigmoid", "shifted"), COLORS, strict=False))
TARGET_COLORS = dict(zip(("eps", "x0", "v"), COLORS, strict=False))

BACKGROUNDS = ("#ffffff", "#14181e")
"""The page's light and dark background, which the colours are tested against."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, searchable, in the page's font
    "svg.hashsalt": "pixel_edu",  # the same ids on every run
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "black",
    "grid.alpha": 0.13,
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.unicode_minus": True,
    "axes.prop_cycle": cycler(color=COLORS),
}


@dataclass(frozen=True)
class Figure:
    """Something to look at, and what it shows in words: a notebook shows the first, a screen reader reads the second.

    Attributes:
        html: a `<figure>` element.
        alt: what the figure shows; also its plain-text form.
    """

    html: str
    alt: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.alt


def style() -> None:
    """Use the course's plot settings in this process; `axes` calls this."""
    mpl.rcParams.update(_STYLE)


def axes(xlabel: str = "", ylabel: str = "", height: float = 2.8) -> tuple[Canvas, Axes]:
    """An empty plot in the course's style, as wide as a phone can show with readable text.

    Args:
        xlabel: the quantity on the x axis, with its unit.
        ylabel: the quantity on the y axis, with its unit.
        height: in inches; the width is 4.6.

    >>> canvas, ax = axes("timestep t", "variance of x_t")
    >>> line, = ax.plot([0, 999], [1, 1])
    >>> plot(canvas, "The variance is 1 at every timestep.")
    The variance is 1 at every timestep.
    """
    style()
    canvas = Canvas(figsize=(4.6, height), layout="constrained")
    ax = canvas.add_subplot(xlabel=xlabel, ylabel=ylabel)
    return canvas, ax


def quality_axes(xlabel: str, ylabel: str) -> tuple[Canvas, Axes]:
    """An empty plot of a share, 0 to 100 %, against something that changes; many chapters draw one."""
    canvas, ax = axes(xlabel, ylabel, height=2.6)
    ax.set_ylim(-0.03, 1.05)
    ax.yaxis.set_major_formatter("{x:.0%}")
    return canvas, ax


def budget(shares: Mapping[str, Sequence[float]], parts: Sequence[str], xlabel: str, alt: str) -> Figure:
    """Stacked bars: how a whole is divided, row by row. The last part, what is left over, is grey.

    Args:
        shares: for each row's name the share of every part, adding up to 1.
        parts: names of the parts.
        xlabel: what these are shares of.
        alt: what the bars show, in words.

    >>> budget({"linear": [0.7, 0.3]}, ["easy", "hopeless"], "share of timesteps", "70 % are easy.")
    70 % are easy.
    """
    canvas, ax = axes(xlabel, height=0.9 + 0.3 * len(shares))
    ends = np.cumsum([*shares.values()], axis=1)
    starts = np.pad(ends, ((0, 0), (1, 0)))
    for i, (part, color) in enumerate(zip(parts, (*COLORS[: len(parts) - 1], COLORS[-1]), strict=True)):
        ax.barh(
            list(shares), ends[:, i] - starts[:, i], left=starts[:, i], height=0.6, label=part, color=color
        )
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.legend(ncols=len(parts), loc="lower center", bbox_to_anchor=(0.5, 1))
    return plot(canvas, alt)


def clouds(points: Mapping[str, Any], alt: str, centers: Any = None, most: int = 200) -> Figure:
    """Clouds of points in the plane, one over the other.

    Args:
        points: for each cloud's name its points, (N, 2).
        alt: what the clouds show, in words.
        centers: (M, 2), marked with crosses; None: there are none.
        most: points drawn of each cloud, its first ones.

    >>> clouds({"s = 1": np.zeros((5, 2))}, "Five points, all at the same place.")
    Five points, all at the same place.
    """
    canvas, ax = axes(height=3.4)
    if centers is not None:
        ax.plot(*np.transpose(centers), "+", color="black", markersize=9, label="centres")
    for (name, cloud), mark in zip(points.items(), ".^sDvo", strict=False):
        ax.plot(*np.transpose(cloud[:most]), mark, markersize=2.5, label=name)
    ax.set_aspect("equal")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return plot(canvas, alt)


def paths(times: Sequence[float], families: Mapping[str, Any], alt: str, most: int = 12) -> Figure:
    """Families of paths through time, a panel for each, and beside them how their ends are spread.

    Args:
        times: (S,) what each place of a path belongs to, in the order of travel.
        families: for each name its paths, (S, N), of one number each.
        alt: what the panels show, in words.
        most: paths drawn of each family, its first ones; all N count for the spread of the ends.

    >>> paths([2, 1, 0], {"straight": np.zeros((3, 4)), "also": np.ones((3, 4))}, "Two sheaves of lines.")
    Two sheaves of lines.
    """
    style()
    canvas = Canvas(figsize=(4.6, 2.8), layout="constrained")
    panels = canvas.subplots(1, len(families) + 1, sharey=True, width_ratios=[1.0] * len(families) + [0.5])
    for ax, (name, xs), color in zip(panels, families.items(), COLORS, strict=False):
        ax.plot(times, xs[:, :most], color=color, linewidth=0.8)
        ax.invert_xaxis()
        ax.set(title=name, xlabel="timestep t")
    everything = np.concatenate([np.asarray(xs[-1]) for xs in families.values()])
    edges = np.linspace(everything.min() - 0.05, everything.max() + 0.05, 41)
    for xs, color in zip(families.values(), COLORS, strict=False):
        panels[-1].hist(xs[-1], edges, orientation="horizontal", histtype="step", color=color, linewidth=1.2)
    panels[0].set_ylabel("x")
    panels[-1].set(title="ends", xticks=[])
    return plot(canvas, alt)


def arrows(panels: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], alt: str) -> Figure:
    """Arrows in the plane, panel beside panel: where they start, where they point, and dots to see them by.

    Args:
        panels: for each title the starts (N, 2), the arrows (N, 2) and the dots (M, 2).
        alt: what the arrows show, in words.

    >>> arrows({"t = 0": (np.zeros((1, 2)), np.ones((1, 2)), np.ones((1, 2)))}, "An arrow that ends on a dot.")
    An arrow that ends on a dot.
    """
    style()
    canvas = Canvas(figsize=(4.6, 0.35 + 4.6 / len(panels)), layout="constrained")
    for place, (title, (starts, ways, dots)) in enumerate(panels.items(), 1):
        ax = canvas.add_subplot(1, len(panels), place, title=title, aspect="equal", xticks=[], yticks=[])
        ax.quiver(*starts.T, *ways.T, color=COLORS[0], angles="xy", scale_units="xy", scale=1, width=0.012)
        ax.plot(*dots.T, "o", color=COLORS[1], markersize=4)
        ax.margins(0.12)
    return plot(canvas, alt)


def plot(canvas: Canvas, alt: str) -> Figure:
    """A matplotlib figure as an inline SVG. Black takes the page's text colour.

    Args:
        canvas: from `axes`, or any matplotlib figure.
        alt: one or two sentences that say what the plot shows to somebody who cannot see it.

    Raises:
        ValueError: the alt text is empty.
    """
    _require(alt)
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return Figure(_frame(_page_svg(buffer.getvalue(), alt)), alt)


def sprites(
    images: np.ndarray,
    alt: str,
    columns: int = 10,
    scale: int = 4,
    column_captions: Sequence[object] = (),
    row_captions: Sequence[object] = (),
) -> Figure:
    """A grid of sprites: one PNG of true size, or one for each row if rows have captions.

    Args:
        images: (N, H, W, 3 or 4) uint8, row after row; those with alpha are shown on grey.
        alt: one or two sentences that say what the sprites show to somebody who cannot see them.
        columns: sprites in a row.
        scale: screen pixels for each pixel of a sprite, if the page is wide enough.
        column_captions: empty, or one for each column.
        row_captions: empty, or one for each row.

    Raises:
        ValueError: the alt text is empty, or the number of captions is not that of columns or rows.

    >>> sprites(np.zeros((6, 16, 16, 3), np.uint8), "Six black squares", columns=3).html.count("<img")
    1
    """
    _require(alt)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    for name, captions, count in (("column", column_captions, columns), ("row", row_captions, rows)):
        if len(captions) not in (0, count):
            raise ValueError(
                f"there are {len(captions)} {name} captions for {count} {name}s: give one for each"
            )
    width = scale * (columns * (images.shape[2] + 1) - 1)
    header = _line("", _captions(column_captions, width), row_captions) if len(column_captions) else ""
    if not len(row_captions):
        return Figure(_frame(header + _picture(images, columns, width, alt)), alt)
    strips = (images[r * columns : (r + 1) * columns] for r in range(rows))
    # the first strip has the whole description as its alt text, the others the caption of their row
    described = [alt, *(str(caption) or "the row above, continued" for caption in row_captions[1:])]
    lines = (
        _line(caption, _picture(strip, columns, width, words), row_captions)
        for caption, words, strip in zip(row_captions, described, strips, strict=True)
    )
    return Figure(_frame(header + "".join(lines)), alt)


def _require(alt: str) -> None:
    if not alt.strip():
        raise ValueError("the alt text is empty: say in a sentence what the figure shows")


def _frame(inside: str) -> str:
    return f'<figure class="pixel-figure" style="margin:.6em 0;padding:0;text-align:left">{inside}</figure>'


def _picture(images: np.ndarray, columns: int, width: int, alt: str) -> str:
    """Sprites as an <img>: opaque tiles, transparent gaps, enlarged without smoothing."""
    tiles = np.concatenate([over(images), np.full_like(images[..., :1], 255)], axis=-1)
    sheet = grid(tiles, columns, gap=1)
    sheet[sheet[..., 3] == 0] = 0  # as the stored outputs of the chapters have it
    source = png_url(png_bytes(sheet))
    box = f"flex:1 1 17em;min-width:0;width:100%;max-width:{width}px;height:auto"
    # a theme that frames or dims images would change their colours
    plain = "display:block;margin:0;padding:0!important;border-radius:0;background:none!important;filter:none"
    return f'<img alt="{escape(alt)}" style="image-rendering:pixelated;{box};{plain}" src="{source}">'


def _captions(captions: Sequence[object], width: int) -> str:
    cells = "".join(f'<span style="font-size:.75em">{escape(str(caption))}</span>' for caption in captions)
    place = f"display:grid;grid-template-columns:repeat({len(captions)},minmax(0,1fr));text-align:center"
    return f'<div style="flex:1 1 17em;max-width:{width}px;{place};line-height:1.4">{cells}</div>'


def _line(caption: object, content: str, row_captions: Sequence[object]) -> str:
    """A row: its caption to the left, or above if the page is narrow."""
    if not len(row_captions):
        return content
    longest = max(len(str(each)) for each in row_captions)
    label = f'<span style="flex:0 0 {min(longest * 0.55 + 0.5, 9):.1f}em;font-size:.85em">{escape(str(caption))}</span>'
    place = "display:flex;flex-wrap:wrap;align-items:center;column-gap:.5em;margin-bottom:4px;line-height:1.3"
    return f'<div style="{place}">{label}{content}</div>'


def _page_svg(svg: str, alt: str) -> str:
    """Fit matplotlib's SVG file into a page: with the page's colours, font and width, and with unique ids."""
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box  # matplotlib writes one
    width, height = box.groups()
    body = svg[svg.index(">") + 1 :]
    body = body.replace("#000000", "currentColor").replace("xlink:href", "href")
    body = re.sub(r"font-family: [^;\"]+;? ?", "", body)
    body = re.sub(r"(?<![\d.])-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", body)
    body = re.sub(r"\s+", " ", body).replace("> <", "><").strip()
    mark = hashlib.sha256((alt + body).encode()).hexdigest()[:8]
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{mark}-", body)
    look = f"display:block;width:100%;max-width:{float(width) * 1.6:.0f}px;height:auto;overflow:visible"
    look += ";fill:currentColor;stroke-linejoin:round;font-family:inherit"
    return f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}" style="{look}">{body}'
