"""Widgets whose logic is JavaScript, so that they are alive wherever a chapter is read: in JupyterLab with a kernel,
and on the book's pages with nothing but the page.

Each has a picture of itself for readers without JavaScript, and says in words what it shows.
"""

from __future__ import annotations

from pixel_edu.widgets.base import BY_MODULE, HERE, STYLE, Widget
from pixel_edu.widgets.bundle import bundle
from pixel_edu.widgets.denoiser import LiveDenoiser
from pixel_edu.widgets.field import GuidanceField
from pixel_edu.widgets.formula import FormulaCell
from pixel_edu.widgets.inside import NetworkInside
from pixel_edu.widgets.inspector import PixelInspector
from pixel_edu.widgets.instant import InstantDraw
from pixel_edu.widgets.lab import SpriteLab
from pixel_edu.widgets.noise import NoiseExplorer
from pixel_edu.widgets.pairs import RealOrDrawn
from pixel_edu.widgets.paths import OraclePaths
from pixel_edu.widgets.race import SamplerRace
from pixel_edu.widgets.training import TrainingInPage

__all__ = [
    "BY_MODULE",
    "FormulaCell",
    "GuidanceField",
    "InstantDraw",
    "LiveDenoiser",
    "NetworkInside",
    "NoiseExplorer",
    "OraclePaths",
    "PixelInspector",
    "RealOrDrawn",
    "SamplerRace",
    "SpriteLab",
    "TrainingInPage",
    "Widget",
    "page_files",
]


def page_files() -> dict[str, str]:
    """The files that a page without a kernel needs beside the assets, by name: host, style, and every module."""
    files = {name: (HERE / "js" / name).read_text(encoding="utf-8") for name in ("host.js", "unserved.js")}
    files["widgets.css"] = STYLE
    files["drawing.js"] = bundle(HERE / "js" / "drawing.js")
    return files | {f"{name}.js": widget._esm for name, widget in BY_MODULE.items()}
