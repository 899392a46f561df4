"""The book's pages, rewritten for an e-reader: XHTML without scripts, pictures as files.

`tools/epub.py` binds them. What a page of the book needs a browser for is left out or told: a widget keeps its picture,
what answers a question is shown, hints are open, and the rest of what folds still does where a reader can fold.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import dirname, normpath, relpath
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape, quoteattr

VOID = {"br", "col", "hr", "img", "input", "wbr"}
CAPITALS = {"viewbox": "viewBox", "clippath": "clipPath", "preserveaspectratio": "preserveAspectRatio"}
"""Names of SVG that Python's parser of HTML writes in small letters."""
MATHML = "http://www.w3.org/1998/Math/MathML"
SVG = {"xmlns": "http://www.w3.org/2000/svg", "xmlns:xlink": "http://www.w3.org/1999/xlink"}

LEFT_OUT = {"script", "button", "a.headerlink", "i.vignette", "p.told", "p.expanded", "p.formula-place"}
LEFT_OUT |= {"span.computes", "span.sd-summary-state-marker"}
SHARED = {"exercise-content", "solution-content"}
"""Ids that the extension for exercises gives to each of them."""
CLASSES = {
    "admonition", "admonition-title", "answer", "caption", "choice", "citation", "citation-list", "exactness",
    "exactness-legend", "exercise", "facts", "field-list", "label", "math", "on-grey", "predict", "promise", "rubric",
    "sig", "solution", "text-right", "wall",
}  # fmt: skip
"""What `epub.css` has a rule for; all other classes go."""
NAMES = {"cell_output": "output", "sd-dropdown": "hint", "pst-scrollable-table-container": "table"}
TOKENS = {r"k[a-z]?|ow": "k", r"s[12ad]?": "s", r"c[1h]?": "c"}
"""Kinds of words in code that differ on paper, too, by the classes of Pygments: keywords, strings, comments."""
WIDTHS = {29: "", 37: "wide", float("inf"): "wider"}
"""How a formula is set, by the most letters that it is wide."""
COLUMNS = {5: "", 9: "wide", float("inf"): "wider"}
"""How a table is set, by the most columns that it has."""
PICTURE = "This is a picture. In the book on the web it computes, and can be tried out."
FORMULA = "In the book on the web this line can be written in the page, which checks it."


class NotXhtml(ValueError):
    """A page of the book that cannot be rewritten: the message says where and why."""


@dataclass
class Node:
    """An element; its children are elements and texts."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """Its classes, in the page's order."""
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """All that stands in it."""
        return "".join(each if isinstance(each, str) else each.text for each in self.children)

    def find(self, tag: str) -> Iterator[Node]:
        """The elements of a name in it, itself among them, in the page's order."""
        if self.tag == tag:
            yield self
        for each in self.children:
            if isinstance(each, Node):
                yield from each.find(tag)

    def __str__(self) -> str:
        told = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        if not self.children:
            return (
                f"<{self.tag}{told}/>"
                if self.tag in VOID or self.tag == "use"
                else f"<{self.tag}{told}></{self.tag}>"
            )
        inside = "".join(escape(each) if isinstance(each, str) else str(each) for each in self.children)
        return f"<{self.tag}{told}>{inside}</{self.tag}>"


class _Reader(HTMLParser):
    """Makes a tree of HTML in which every element that is not void is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Node("root")
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        pairs = {CAPITALS.get(name, name): value or "" for name, value in attrs}
        node = Node(CAPITALS.get(tag, tag), pairs)
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        last = self.open.pop().tag
        if last != CAPITALS.get(tag, tag):
            raise NotXhtml(f"line {self.getpos()[0]}: <{last}> is closed by </{tag}>")

    def handle_data(self, data):
        self.open[-1].children.append(data)


def read(html: str) -> Node:
    """The tree of a piece of HTML; raises NotXhtml where elements are not closed."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    if reader.open != [reader.root]:
        raise NotXhtml(f"<{reader.open[-1].tag}> is not closed")
    return reader.root


def width(node: Node | str) -> float:
    """About how many letters wide a formula is."""
    if isinstance(node, str):
        return len(node.strip())
    widths = [width(each) for each in node.children]
    if node.tag in ("mfrac", "mtable", "munder", "mover", "munderover"):
        return max(widths)
    if node.tag in ("msub", "msup", "msubsup"):
        return widths[0] + 0.6 * max(widths[1:])
    return sum(widths) + (node.tag == "mo" and node.text not in "()[]|,")


class Page:
    """One page of the built book, by its name such as chapters/02_noise; the names of all pages of the e-book."""

    def __init__(self, built: Path, name: str, names: set[str]):
        self.built, self.name, self.names = built, name, names
        self.images: dict[str, bytes] = {}  # by name, in the e-book's folder of images
        html = (built / f"{name}.html").read_text(encoding="utf-8")
        found = re.search(r'<article class="bd-article">(.*)</article>', html, re.DOTALL)
        if not found:
            raise NotXhtml(f"{name}.html has no article")
        try:
            self.body = Node("body", {}, list(self._all(read(found[1]).children)))
        except NotXhtml as error:
            raise NotXhtml(f"{name}.html: {error}") from None
        self.title = " ".join(next(self.body.find("h1")).text.split())

    @property
    def properties(self) -> str:
        """What the manifest has to say of it."""
        kinds = {"mathml": "math", "svg": "svg"}
        return " ".join(each for each, tag in kinds.items() if next(self.body.find(tag), None))

    def _all(self, nodes: list[Node | str]) -> Iterator[Node | str]:
        for each in nodes:
            if isinstance(each, str):
                yield each
            else:
                yield from self._rewritten(each)

    def _rewritten(self, node: Node) -> Iterator[Node | str]:
        """What stands in an element's place: nothing, what is in it, or another element."""
        kinds = {node.tag, *(f"{node.tag}.{each}" for each in node.classes)}
        if kinds & LEFT_OUT or node.attributes.get("data-widget") == "formula":
            if "data-widget" in node.attributes:
                yield Node("p", {"class": "live"}, [FORMULA])
        elif node.tag == "noscript":
            yield Node("p", {"class": "live"}, [PICTURE])
        elif node.tag == "svg":
            yield _drawing(node)
        elif node.tag == "math":
            yield _formula(node, width(node))
        elif "div.math" in kinds:
            parts = list(node.find("math"))
            made = [_formula(each, max(map(width, parts))) for each in parts]
            yield Node("div", {"class": "math", **_some(node, "id")}, made)
        elif "p.collapsed" in kinds:
            yield from self._all(node.children)
        else:
            made = Node(node.tag, self._attributes(node), list(self._all(node.children)))
            yield from made.children if _says_nothing(made) else [made]

    def _attributes(self, node: Node) -> dict[str, str]:
        kept = _some(node, "id", "style", "start")
        if kept.get("id") in SHARED:
            del kept["id"]
        classes = [NAMES.get(each, each) for each in node.classes]
        classes = [each for each in classes if each in CLASSES or each in NAMES.values()]
        if node.tag == "span":
            kinds = node.attributes.get("class", "")
            classes += [short for pattern, short in TOKENS.items() if re.fullmatch(pattern, kinds)]
        if classes:
            kept["class"] = " ".join(classes)
        if node.tag == "table":
            size = _step(COLUMNS, sum(1 for _ in next(node.find("tr")).find("th")))
            kept |= {"class": size} if size else {}
        elif node.tag == "summary":
            kept.pop("style", None)
        elif "hint" in classes:
            kept["open"] = "open"
        elif node.tag == "a" and (target := self._target(node.attributes.get("href", ""))):
            kept["href"] = target
        elif node.tag == "img":
            kept |= _some(node, "alt", "width", "height") | {"src": self._image(node.attributes["src"])}
        return kept

    def _target(self, link: str) -> str | None:
        """Where a link leads in the e-book; None for what is not in it: a notebook, a picture, the index."""
        parts = urlsplit(link)
        if parts.scheme or not parts.path:
            return link or None
        there = normpath(f"{dirname(self.name)}/{unquote(parts.path)}")
        if there.removesuffix(".html") not in self.names:
            return None
        return str(PurePosixPath(parts.path).with_suffix(".xhtml")) + (
            f"#{parts.fragment}" if parts.fragment else ""
        )

    def _image(self, source: str) -> str:
        if found := re.fullmatch(r"data:image/(png|jpeg|svg\+xml);base64,(.*)", source, re.DOTALL):
            data, ending = base64.b64decode(found[2]), found[1].partition("+")[0]
        else:
            path = self.built / dirname(self.name) / unquote(source)
            data, ending = path.read_bytes(), path.suffix[1:]
        name = f"images/{hashlib.sha256(data).hexdigest()[:12]}.{ending}"
        self.images[name] = data
        return relpath(name, dirname(self.name))


def _some(node: Node, *names: str) -> dict[str, str]:
    return {name: node.attributes[name] for name in names if name in node.attributes}


def _step(steps: dict[float, str], value: float) -> str:
    return next(name for most, name in steps.items() if value <= most)


def _says_nothing(node: Node) -> bool:
    """Whether an element is only a wrapping: a span or a link that is bare, a bare box without text of its own."""
    if node.attributes:
        return False
    wraps = all(isinstance(each, Node) or not each.strip() for each in node.children)
    return node.tag in ("span", "a") or (node.tag == "div" and wraps)


def _formula(node: Node, letters: float) -> Node:
    """A formula, smaller where it, or the widest part of what it belongs to, is so many letters wide."""
    size = _step(WIDTHS, letters)
    return Node(
        "math", node.attributes | {"xmlns": MATHML} | ({"class": size} if size else {}), node.children
    )


def _drawing(node: Node, inside: bool = False) -> Node:
    """An SVG: in a namespace of its own, and without the ids of groups, to which nothing refers."""
    kept = dict(node.attributes)
    if node.tag == "g":
        kept.pop("id", None)
    if node.tag == "use":
        kept["xlink:href"] = kept.pop("href")
    children = [each if isinstance(each, str) else _drawing(each, True) for each in node.children]
    return Node(node.tag, kept if inside else kept | SVG, children)
