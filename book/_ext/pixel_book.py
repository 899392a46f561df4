"""What the book's pages need beyond Jupyter Book's settings.

The public repository's address is read from pyproject.toml, its only home. Scripts that Jupyter Book adds for running
code elsewhere, and that would ask another origin, are omitted. Exercises and their solutions come from the solution
notebooks; with SOLUTIONS=0 in the environment the book has no solutions. Each output of a chapter says how exact it is.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from pixel_edu import notebooks
from pixel_edu.notebooks import handouts, outputs

ELSEWHERE = ("thebe", "unpkg.com", "cdn.jsdelivr.net", "cdnjs.cloudflare.com")
COLUMNS = (88, 92, 96, 101)
"""Columns of code that fit a laptop's page: in letters of the usual size, and of those that custom.css has besides."""


WITHOUT_PROSE = (nodes.literal, nodes.literal_block, nodes.raw, nodes.math, nodes.math_block)


def repository(root: Path) -> str:
    """The address under `[project.urls]` in the pyproject.toml of a folder."""
    with open(root / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["urls"]["Repository"]


def _use_repository(app, config) -> None:
    config.html_theme_options |= {
        "repository_url": repository(Path(app.confdir)),
        "repository_branch": "main",
        "path_to_docs": "",
        "use_repository_button": True,
        "use_edit_page_button": True,
        "use_issues_button": True,
    }
    config.html_context.setdefault("default_mode", "auto")  # left empty, pages complain in the console


def _stay_here(app, pagename, templatename, context, doctree) -> None:
    def stays(script) -> bool:
        attributes = getattr(script, "attributes", {})
        words = f"{getattr(script, 'filename', script)} {attributes.get('body', '')}"
        return not any(word in words.lower() for word in ELSEWHERE)

    context["script_files"] = [script for script in context.get("script_files", []) if stays(script)]
    context["css_files"] = [sheet for sheet in context.get("css_files", []) if stays(sheet)]


def _drop_unused_design(app, pagename, templatename, context, doctree) -> None:
    """The cards, tabs and dropdowns of sphinx-design are dressed where a page has some."""
    if re.search(r'class="(?:[^"]* )?sd-', context.get("body", "")):
        return
    for kind in ("css_files", "script_files"):
        files = context.get(kind, [])
        names = ("sphinx-design", "design-tabs")
        context[kind] = [
            each for each in files if not any(name in str(getattr(each, "filename", "")) for name in names)
        ]


def _mend_lists(app, pagename, templatename, context, doctree) -> None:
    """The bibliography's list holds links besides its items, which a list in the words of a screen reader may not."""
    context["body"] = context.get("body", "").replace(
        '<div role="list" class="citation-list">', '<div class="citation-list">'
    )


def _keep_together(app, doctree, docname) -> None:
    """No line ends between a number and its percent sign."""
    for text in list(doctree.findall(nodes.Text)):
        if re.search(r"\d %", text) and not isinstance(text.parent, WITHOUT_PROSE):
            text.parent.replace(text, nodes.Text(re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)))


def _keep_options(app, pagename, templatename, context, doctree) -> None:
    """No line ends within the name of an option."""
    context["body"] = re.sub(
        r'<span class="pre">(?=--[a-z-]{2,20}</span>)', '<span class="pre option">', context.get("body", "")
    )


def _load_search(app, pagename, templatename, context, doctree) -> None:
    if pagename == "search":
        app.add_js_file("search.js", loading_method="defer")


def _renew_landing_page(app, env, added, changed, removed) -> list[str]:
    """A build that writes no page copies no style sheet, so one page is always written."""
    return [app.config.root_doc]


def _skip_fields(app, what, name, obj, skip, options) -> bool | None:
    """The fields of a NamedTuple are told in its docstring; "Alias for field number 0" adds nothing."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


class FromSolutions(SphinxDirective):
    """What a solution notebook, named by the argument such as 02_noise, says for a page of the book.

    What stands inside the directive is for JupyterLab, which does not know it and shows its text.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        root, name = Path(self.env.srcdir), self.arguments[0]
        path = root / "solutions" / f"{name}.ipynb"
        self.env.note_dependency(str(path))
        notebook = notebooks.read(path)
        if self.name == "chapter-exercises":
            text = handouts.chapter_page(notebook, name, repository(root), os.environ.get("SOLUTIONS") != "0")
        else:
            text = handouts.solutions_page(notebook, name)
        inside = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), source=str(path)), 0, inside)
        return inside.children


def _size_code(app, doctree) -> None:
    """Code a little wider than a page says so, and is set in smaller letters; what is wider still scrolls."""
    for block in doctree.findall(nodes.literal_block):
        longest = max(map(len, block.astext().splitlines()), default=0)
        if COLUMNS[0] < longest <= COLUMNS[-1]:
            block["classes"].append(f"columns-{next(each for each in COLUMNS if longest <= each)}")


def _wrap_sentences(app, doctree) -> None:
    """What a cell printed on a single line may be wrapped on a narrow page: nothing in it is set in columns."""
    for cell in doctree.findall(nodes.container):
        if "cell_output" in cell.get("classes", ()):
            for block in cell.findall(nodes.literal_block):
                if len(block.astext().strip().splitlines()) == 1:
                    block["classes"].append("one-line")


def _say_how_exact(app, doctree) -> None:
    """Below each output its tag, and at the end of the overview what the tags of this chapter mean."""
    seen = set()
    for cell in doctree.findall(nodes.container):
        kind = next((kind for kind in outputs.KINDS if f"tag_{kind}" in cell.get("classes", ())), None)
        shown = [part for part in cell.children if "cell_output" in part.get("classes", ())]
        if kind and shown:
            seen.add(kind)
            shown[-1] += nodes.paragraph("", kind, classes=["exactness"])
    overview = next((part for part in doctree.findall(nodes.section) if "overview" in part["names"]), None)
    if seen and overview:
        told = "; ".join(f"*{kind}*, {promise}" for kind, promise in outputs.KINDS.items() if kind in seen)
        overview += _legend(f"Below every output stands how exact it is: {told}.")


def _legend(text: str) -> nodes.paragraph:
    """A line in small print, with words between asterisks emphasised."""
    line = nodes.paragraph(classes=["exactness-legend"])
    for number, part in enumerate(text.split("*")):
        line += nodes.emphasis(text=part) if number % 2 else nodes.Text(part)
    return line


def setup(app):
    app.add_directive("chapter-exercises", FromSolutions)
    app.add_directive("chapter-solutions", FromSolutions)
    app.connect("autodoc-skip-member", _skip_fields)
    app.connect("doctree-read", _size_code)
    app.connect("doctree-read", _wrap_sentences)
    app.connect("doctree-read", _say_how_exact)
    app.connect("env-get-outdated", _renew_landing_page)
    app.connect("config-inited", _use_repository)
    app.connect("html-page-context", _load_search, priority=100)  # before Sphinx works out the addresses
    app.connect("html-page-context", _stay_here, priority=900)
    app.connect("html-page-context", _drop_unused_design, priority=900)
    app.connect("html-page-context", _mend_lists)
    app.connect("doctree-resolved", _keep_together)
    app.connect("html-page-context", _keep_options)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
