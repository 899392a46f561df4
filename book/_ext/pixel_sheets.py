"""Style sheets without the rules that no page can use.

The theme brings a sheet of 305 kB for all that its pages could show: carousels, spinners, accordions. When the pages
are written, a rule stays if each class and each id that its selector asks for is in some page, or is a word of some
script, which may set it. What a selector says inside of `:not()`, `:is()` and the like decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import tinycss2
from tinycss2.ast import Node

NAMES = re.compile(r'\b(?:class|id)="([^"]*)"')
SCRIPTS = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)
WORDS = re.compile(r"[A-Za-z_][\w-]*")
GROUPS = {"media", "supports", "layer", "container"}
"""At-rules that hold rules."""
COMPOSED = {"bs-tooltip-auto"}
"""Classes that a script puts together from pieces: Bootstrap's, of what a button says when it is pointed at."""


def names(page: str) -> set[str]:
    """The classes and ids in a page's HTML, and the words of the scripts inside it."""
    set_by_scripts = set().union(*(words(script) for script in SCRIPTS.findall(page)))
    return set_by_scripts.union(*(each.split() for each in NAMES.findall(page)))


def words(script: str) -> set[str]:
    """The words of a script, among them each class that it may set."""
    return set(WORDS.findall(script))


def reduced(sheet: str, known: set[str]) -> str:
    """A style sheet with the rules alone whose classes and ids are known.

    Rules, their order and what they set stay as they are; comments go, except for those of licences (`/*!`).
    """
    return "".join(_reduced(tinycss2.parse_stylesheet(sheet), known))


def _reduced(rules: list[Node], known: set[str]) -> Iterator[str]:
    for rule in rules:
        if rule.type == "qualified-rule":
            if used := [part for part in _selectors(rule.prelude) if _asked(part) <= known]:
                yield ",".join(tinycss2.serialize(part).strip() for part in used)
                yield f"{{{tinycss2.serialize(rule.content)}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword in GROUPS and rule.content is not None:
            if inside := "".join(_reduced(tinycss2.parse_rule_list(rule.content), known)):
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inside}}}"
        elif rule.type == "at-rule" or (rule.type == "comment" and rule.value.startswith("!")):
            yield rule.serialize()


def _selectors(prelude: list[Node]) -> Iterator[list[Node]]:
    """The parts of a list of selectors: those between its commas."""
    part = []
    for token in prelude:
        if token == ",":
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _asked(selector: list[Node]) -> set[str]:
    """The classes and ids that an element must have, or have around it, for a selector to fit."""
    after_dot = (token for dot, token in pairwise(selector) if dot == ".")
    classes = {token.value for token in after_dot if token.type == "ident"}
    return classes | {token.value for token in selector if token.type == "hash"}


def _reduce_sheets(app, error) -> None:
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    pages = [path for path in out.rglob("*.html") if static not in path.parents]
    scripts = [path for path in static.rglob("*.js") if static / "vendor" not in path.parents]
    known = COMPOSED.union(*(names(path.read_text(encoding="utf-8")) for path in pages))
    known = known.union(*(words(path.read_text(encoding="utf-8")) for path in scripts))
    for path in static.rglob("*.css"):
        path.write_text(reduced(path.read_text(encoding="utf-8"), known), encoding="utf-8")


def setup(app):
    # after the other extensions: of the scripts and sheets that they write, too
    app.connect("build-finished", _reduce_sheets, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
