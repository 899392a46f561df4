"""The chapters' cards on the landing page: to each entry a picture, the time, and whether something computes.

The time is what the chapter's own overview says. The pictures are the rows of `art/chapters.png`.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError

from pixel_edu import notebooks
from pixel_edu.widgets.formula import STARTS

STATE = "application/vnd.jupyter.widget-state+json"
TIME = re.compile(r"\*\*Time\*\*: ([^.,]*?)(?: to read and think)?[.,]")


class Facts(NamedTuple):
    """What a card says of its chapter: how long it takes to read, and whether something computes in its page."""

    time: str
    computes: bool


def facts(path: Path) -> Facts:
    """What a chapter says of itself.

    Raises:
        ExtensionError: its overview does not say how long it takes.
    """
    notebook = notebooks.read(path)
    time = next((found[1] for cell in notebook.cells if (found := TIME.search(cell.source))), None)
    if time is None:
        raise ExtensionError(f"{path.name} does not say `**Time**: 30 minutes to read and think.`")
    exercises = f"ex-{path.name[:2]}-"
    computes = STATE in notebook.metadata.get("widgets", {}) or any(
        key.startswith(exercises) for key in STARTS
    )
    return Facts(time, computes)


def _make_cards(app, doctree) -> None:
    if app.env.docname != app.config.root_doc:
        return
    (cards,) = (part for part in doctree.findall(nodes.container) if "chapter-list" in part["classes"])
    for row, item in enumerate(cards.findall(nodes.list_item)):
        link = next(iter(item.findall(addnodes.pending_xref)))
        path = Path(app.srcdir, "chapters", Path(link["reftarget"]).stem + ".ipynb")
        app.env.note_dependency(str(path))
        said = facts(path)
        badge = '<span class="computes">computes in the page</span>' if said.computes else ""
        picture = f'<i class="vignette" style="--row: {row}" aria-hidden="true"></i>'
        told = f'<p class="facts"><span>{escape(said.time)}</span>{badge}</p>'
        item.insert(0, nodes.raw("", picture, format="html"))
        item += nodes.raw("", told, format="html")


def _load_wall(app, pagename, templatename, context, doctree) -> None:
    if pagename == app.config.root_doc:
        app.add_js_file("wall.js", loading_method="defer")


def setup(app):
    app.connect("doctree-read", _make_cards)
    app.connect("html-page-context", _load_wall, priority=100)  # before Sphinx works out the addresses
    return {"parallel_read_safe": True, "parallel_write_safe": True}
