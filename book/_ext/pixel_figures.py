"""Numbers of figures and of exercises: "Figure 5.1" below the first figure of chapter 5, and "Exercise 5.1".

A figure's caption says what it shows, in the metadata `caption` of the cell that draws it. Both count by themselves:
figures in the order of a page, exercises by their id, whose chapter and number they have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

ID = re.compile(r"ex-(\d\d)-(\d+)")
TITLE = re.compile(
    r'(<p class="admonition-title">(?:Solution to<a [^>]*>)? ?)Exercise \((ex-\d\d-\d+): (.*?)\)((?:</a>)?</p>)'
)
FIGURE = '<figure class="pixel-figure"'
WIDGET = 'class="pixel-widget"'
logger = logging.getLogger(__name__)


def number(id: str) -> str:
    """What a reader calls an exercise: "5.1" for "ex-05-1"."""
    chapter, place = ID.fullmatch(id).groups()
    return f"{int(chapter)}.{place}"


def _figures(doctree: nodes.document) -> Iterator[tuple[nodes.container, nodes.container]]:
    """Each cell that shows a figure, and what it shows; widgets tell of themselves."""
    for cell in list(doctree.findall(nodes.container)):
        if "cell" in cell.get("classes", ()):
            for shown in (part for part in cell.children if "cell_output" in part.get("classes", ())):
                drawn = [part.astext() for part in shown.findall(nodes.raw)]
                if any(part.startswith(FIGURE) for part in drawn) and not any(
                    WIDGET in part for part in drawn
                ):
                    yield cell, shown


def _number_figures(app, doctree) -> None:
    chapter = Path(app.env.docname).name.partition("_")[0]
    if not app.env.docname.startswith("chapters/"):
        return
    for count, (cell, shown) in enumerate(_figures(doctree), 1):
        caption = cell.get("cell_metadata", {}).get("caption")
        if not caption:
            logger.warning("%s: figure %d has no caption", app.env.docname, count, location=cell)
            continue
        name = f"{int(chapter)}.{count}"
        told = nodes.strong("", f"Figure {name}.")
        line = nodes.paragraph("", "", told, nodes.Text(f" {caption}"), classes=["caption"])
        line["ids"].append(f"figure-{name.replace('.', '-')}")
        last = "exactness" in shown.children[-1].get("classes", ())
        shown.insert(len(shown.children) - last, line)


def titled(page: str) -> str:
    """A page's HTML with the numbers of exercises in their titles, and in those of their solutions."""
    return TITLE.sub(lambda found: f"{found[1]}Exercise {number(found[2])}: {found[3]}{found[4]}", page)


def _number_exercises(app, pagename, templatename, context, doctree) -> None:
    context["body"] = titled(context.get("body", ""))


def setup(app):
    app.connect(
        "doctree-read", _number_figures, priority=550
    )  # when widgets have their places, before answers do
    app.connect("html-page-context", _number_exercises)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
