"""The reference of the package: an index page, which is also the list of what there is, and a page for each part of it.

`book/api.md` lists the modules under their layers, in `{api-index}`, as autodoc is asked for them. That page shows the
list with what each module says of itself first; `{api-layer} 7 serving`, on a page of its own, shows what autodoc makes
of those lines, of a whole layer or of some rooms in it. `reference.js` leads links to the one page of old to the new.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

INDEX = "book/api"
SECTION = re.compile(r"^## Layer (\d+).*?^```\{api-index\}\n(.*?)^```$", re.M | re.S)
ENTRY = re.compile(r"^\.\. auto(\w+):: pixel_edu\.(\S+)\n(?:   .*\n)*", re.M)


def entries(index: str, layer: int, rooms: list[str]) -> dict[str, str]:
    """Each module of a layer, or of some rooms in it, with what the index asks autodoc for in its name."""
    listed = {int(number): text for number, text in SECTION.findall(index)}[layer]
    asked: dict[str, str] = {}
    for entry in ENTRY.finditer(listed):
        module = entry[2] if entry[1] == "module" else next(reversed(asked))
        asked[module] = asked.get(module, "") + entry[0]
    return {name: text for name, text in asked.items() if not rooms or name.partition(".")[0] in rooms}


def summary(module: Path) -> str:
    """The first sentence of a module's docstring."""
    said = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=\.)\s", said.replace("\n", " "), maxsplit=1)[0]


class ApiIndex(SphinxDirective):
    """The modules that autodoc is asked for inside the directive, each with a link and its first sentence."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        lines = []
        for name in re.findall(r"^\.\. automodule:: pixel_edu\.(\S+)$", "\n".join(self.content), re.M):
            place = Path(self.env.srcdir, "pixel_edu", *name.split("."))
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            self.env.note_dependency(str(file))
            lines.append(f"- {{py:mod}}`{name} <pixel_edu.{name}>`: {summary(file)}")
        return _parsed(self, lines)


class ApiLayer(SphinxDirective):
    """What a layer of the index offers, in full; words after its number name rooms of it."""

    required_arguments = 1
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        layer, *rooms = " ".join(self.arguments).split()
        index = Path(self.env.srcdir, f"{INDEX}.md")
        self.env.note_dependency(str(index))
        asked = entries(index.read_text(encoding="utf-8"), int(layer), rooms)
        return [self._section(module, text) for module, text in asked.items()]

    def _section(self, module: str, asked: str) -> nodes.section:
        made = nodes.section(ids=[nodes.make_id(f"pixel_edu.{module}")])
        made += nodes.title(module, module)
        made += _parsed(self, ["```{eval-rst}", *asked.splitlines(), "```"])
        return made


def _parsed(directive: SphinxDirective, lines: list[str]) -> list[nodes.Node]:
    inside = nodes.container()
    directive.state.nested_parse(StringList(lines, source=directive.env.docname), 0, inside)
    return inside.children


def _load_redirect(app, pagename, templatename, context, doctree) -> None:
    if pagename == INDEX:
        app.add_js_file("reference.js", loading_method="defer")


def _name_toggles(app, pagename, templatename, context, doctree) -> None:
    """The theme's arrows that open a list of pages below a page say nothing to those who do not see them."""
    made = context.get("generate_toctree_html")
    if made:
        context["generate_toctree_html"] = lambda *given, **named: str(made(*given, **named)).replace(
            "<summary><span", '<summary aria-label="Pages below this one"><span'
        )


def setup(app):
    app.add_directive("api-index", ApiIndex)
    app.add_directive("api-layer", ApiLayer)
    app.connect("html-page-context", _load_redirect, priority=100)  # before Sphinx works out the addresses
    app.connect("html-page-context", _name_toggles, priority=950)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
