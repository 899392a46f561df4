"""Widgets on the book's pages: a picture in the page, which a script of ours makes live.

A notebook stores which widgets it shows and in what state; a page in Markdown names one with `{pixel-widget}`; and an
exercise of one line gets a cell of its own. Each time the page gets a place with a picture, and `host.js` and the
widgets' modules lie beside it, so that nothing is asked of another origin and nothing large is loaded before a reader
asks for it.

What the model has to compute for that is stored in `book/generated/widgets.json` (`pixel-edu course artwork`), so a
build needs no PyTorch.
"""

from __future__ import annotations

import json
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from pixel_edu import notebooks, widgets
from pixel_edu.widgets import assets
from pixel_edu.widgets.formula import STARTS

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
FOLDER = "widgets"
STORED = Path(__file__).parents[1] / "generated" / "widgets.json"


def opening(env, module: str, state: dict) -> nodes.raw:
    """The beginning of a widget's place; its name is known to `reserved.css`, which keeps room for the widget."""
    named = f"{env.docname.rpartition('/')[2]}-{env.new_serialno('pixel-widget')}"
    facts = {"widget": module, "place": named, "state": json.dumps(state, sort_keys=True)}
    told = " ".join(f'data-{fact}="{escape(value)}"' for fact, value in facts.items())
    return nodes.raw("", f'<div class="pixel-widget" {told}>', format="html")


def closing() -> nodes.raw:
    """Its end, and why the picture may be all that there is."""
    note = '<noscript><p class="pixel-status">This is a picture: with JavaScript it can be tried out.</p></noscript>'
    return nodes.raw("", f"{note}</div>", format="html")


def place(env, name: str, traits: dict[str, Any]) -> list[nodes.Node]:
    """The place of a widget, by its class's name and the traits that are given, with what is stored of it."""
    env.note_dependency(str(STORED))
    for stored in json.loads(STORED.read_text(encoding="utf-8")):
        if (stored["widget"], stored["traits"]) == (name, traits):
            picture = nodes.raw("", stored["picture"], format="html")
            return [opening(env, getattr(widgets, name).module, stored["state"]), picture, closing()]
    raise ExtensionError(f"{STORED.name} holds no {name} with {traits}: run pixel-edu course artwork")


class PixelWidget(SphinxDirective):
    """A widget by its class's name, with traits as JSON inside the directive."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        return place(self.env, self.arguments[0], json.loads("\n".join(self.content) or "{}"))


def _make_places(app, doctree) -> None:
    """Wherever a notebook shows one of our widgets: a place with its picture."""
    source = Path(app.env.doc2path(app.env.docname))
    bundles = [node for node in doctree.findall(nodes.container) if node.get("nb_element") == "mime_bundle"]
    shown = [bundle for bundle in bundles if any(part.get("mime_type") == VIEW for part in bundle.children)]
    if not shown:
        return
    stored = notebooks.read(source).metadata["widgets"][STATE]["state"]
    for bundle in shown:
        parts = {part["mime_type"]: part for part in bundle.children}
        model = re.search(r'"model_id": *"([^"]+)"', parts[VIEW].astext())[1]
        state = stored[model]["state"]
        module = getattr(widgets, state["_anywidget_id"].rpartition(".")[2]).module
        traits = {
            name: value
            for name, value in state.items()
            if name in widgets.BY_MODULE[module].traits_of_its_own()
        }
        picture = parts["text/html"]
        picture.children = [opening(app.env, module, traits), *picture.children, closing()]
        bundle.children = [picture]


def _add_formulas(app, doctree) -> None:
    """Below the code of an exercise that is one line: a place to write that line and check it."""
    found = [node for node in doctree.findall(nodes.Element) if node.get("label") in STARTS]
    for exercise in found:
        blocks = exercise.findall(nodes.literal_block)
        code = [block for block in blocks if isinstance(block.parent, nodes.section)][
            -1
        ]  # hints may hold others
        words = "Or write it here, in one line; the notebook's own check judges it."
        said = nodes.paragraph("", words, classes=["formula-place"])  # an e-book has no such place
        cell = [said, *place(app.env, "FormulaCell", {"exercise": exercise["label"]})]
        code.parent.insert(code.parent.index(code) + 1, cell)


def _load_host(app, pagename, templatename, context, doctree) -> None:
    if doctree and any('class="pixel-widget"' in node.astext() for node in doctree.findall(nodes.raw)):
        app.add_js_file(f"{FOLDER}/host.js", type="module")
        app.add_js_file(f"{FOLDER}/unserved.js", loading_method="defer")
        app.add_css_file(f"{FOLDER}/widgets.css")


def _drop_stored_state(app, pagename, templatename, context, doctree) -> None:
    """What a place needs of it stands in the place; the rest is the widgets' code, once for each."""
    scripts = context.get("script_files", [])
    context["script_files"] = [
        each for each in scripts if getattr(each, "attributes", {}).get("type") != STATE
    ]


def _copy_files(app, error) -> None:
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in assets.PATHS.items():
        shutil.copyfile(path, folder / name)
    for name, text in widgets.page_files().items():
        (folder / name).write_text(text, encoding="utf-8")


def setup(app):
    app.add_directive("pixel-widget", PixelWidget)
    app.connect("doctree-read", _make_places)
    app.connect("doctree-read", _add_formulas)
    app.connect("html-page-context", _load_host, priority=100)  # before Sphinx works out the addresses
    app.connect("html-page-context", _drop_stored_state, priority=950)
    app.connect("build-finished", _copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
