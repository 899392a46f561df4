"""Formulas as MathML, made when the book is built: no script sets them, and a reader without scripts sees them too.

TeX in the text becomes MathML by latex2mathml, helped where it differs from TeX. Browsers set it themselves, with a
font for mathematics that the book serves; the e-book takes the same formulas from the pages.
"""

from __future__ import annotations

import functools
import re
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
FUNCTIONS = r"\\(?:log|exp|cos|min|max|operatorname\{tr\})"
SCRIPTS = {"msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}
"""Elements whose children but the first are set smaller, and how many they have."""
ACCENTS = {"^": "ˆ", "~": "˜", "¯": "¯"}
"""Signs over a letter: as latex2mathml writes them, and those of their height."""
SPACES = {"/": "0", "…": "0", "⋯": "0.167em"}
CAPITALS = set("ΓΔΘΛΞΠΣΥΦΨΩ")
"""Upright in TeX."""
BARS = {("|", None), ("‖", None)}
"""Bars around something, and not between: what they are, and what is said of their being a fence."""
LONG = 10
"""Elements in a row above which a formula in the text is one that may go on in the next line."""
RELATIONS = set("=<>≤≥≈∝→∼")
SUMS = set("+−")
BEFORE_A_SIGN = RELATIONS | set("([,")
"""After these, a plus or minus is a number's sign and has no space."""
TIED = re.compile(r'(<math display="inline">(?:(?!<math).)*?</math>)</span>([.,;:?!)\]’”…]+)', re.DOTALL)
"""The last piece of a formula in the text, and the signs that follow it."""


class NotMathML(ValueError):
    """TeX that is not understood."""


@functools.cache
def mathml(tex: str, display: bool = False) -> str:
    r"""A formula in TeX as a MathML element.

    Args:
        tex: what stands between the dollars.
        display: set on lines of its own, and not within the text.

    Raises:
        NotMathML: latex2mathml does not understand it.

    >>> mathml(r"\alpha_t")
    '<math display="inline"><msub><mi>α</mi><mi>t</mi></msub></math>'
    """
    try:
        made = convert(_prepared(tex), display="block" if display else "inline")
    except Exception as error:  # its exceptions have no common base
        raise NotMathML(
            f"latex2mathml does not understand {tex!r}: {str(error) or type(error).__name__}"
        ) from None
    if "\\" in made or "<mi>&<" in made:
        raise NotMathML(f"latex2mathml does not understand {tex!r}")
    root = ElementTree.fromstring(made)
    for element in root.iter():
        element.tag = element.tag.removeprefix(NAMESPACE)
        if len(element) != (SCRIPTS | {"mfrac": 2, "mroot": 2}).get(element.tag, len(element)):
            raise NotMathML(
                f"latex2mathml does not understand {tex!r}: something is missing in {element.tag}"
            )
    for element in root.iter():
        _corrected(element)
    for element in list(root.iter()):
        _fenced(element)
    lines = [root] if display else _lines(root)
    return "<wbr>".join(
        ElementTree.tostring(each, encoding="unicode", short_empty_elements=False) for each in lines
    )


def _prepared(tex: str) -> str:
    """TeX that latex2mathml sets as TeX sets the original.

    It does not know Sphinx' `split` around `aligned`, `\\!`, and the small spaces around the name of a function.
    """
    tex = re.sub(r"^(?:\s|\\[;,])+|(?:\s|\\[;,])+$", "", tex)  # a space that no page needs
    tex = re.sub(r"\\(?:begin|end)\{split\}", "", tex).replace("{aligned}", "{split}").strip()
    tex = tex.replace(r"\mathrm{", r"\text{").replace(r"\!", "")
    tex = re.sub(rf"({FUNCTIONS})(?=\s+[a-zA-Z\d]|\s*\\(?!left|big|Big|,))", r"\1\\,", tex)
    return re.sub(rf"(?<=[\w)\]}}])(?<!split}})\s*(?={FUNCTIONS})", r"\\,", tex)


def _corrected(element: ElementTree.Element) -> None:
    """Set what is in an element as TeX does: names of functions, bars, and signs in small print without space."""
    if element.tag == "mover" and element[1].text in ACCENTS:
        # Marked as an accent, since WebKit sets any other sign far above its letter, and left to stretch, as only then
        # it has the right height there. Chromium sets it so low that it touches; the style sheet lifts it.
        element.set("accent", "true")
        element[1].text, element[1].attrib = ACCENTS[element[1].text], {}
    for place, child in enumerate(element):
        if child.tag == "mo" and re.fullmatch("[A-Za-z]{2,}", child.text or ""):
            child.tag, child.attrib = "mi", {}  # only an operator may have spaces of its own
        elif child.tag == "mo" and (child.text, child.get("fence")) in BARS:
            child.attrib |= {"stretchy": "false", "lspace": "0", "rspace": "0"}
        elif child.text == "~":
            child.tag, child.text = "mo", "\N{TILDE OPERATOR}"
        elif child.tag == "mo" and child.text in SPACES:
            child.attrib |= {"lspace": SPACES[child.text], "rspace": SPACES[child.text]}
        elif child.tag == "mi" and child.text in CAPITALS:
            child.set("mathvariant", "normal")
        elif child.tag == "mo" and child.text in SUMS and place and element[place - 1].text in BEFORE_A_SIGN:
            child.attrib |= {"form": "prefix", "lspace": "0", "rspace": "0"}
        if element.tag in SCRIPTS and place:
            for sign in child.iter("mo"):
                sign.attrib |= {"lspace": "0", "rspace": "0"}


def _fenced(element: ElementTree.Element) -> None:
    """Let an index of a closing bracket that was made large stand at all that the brackets hold, not at the bracket."""
    for place, child in enumerate(list(element)):
        if child.tag in SCRIPTS and (closing := child[0]).tag == "mo" and (size := closing.get("minsize")):
            before = list(element)[:place]
            first = next((i for i in reversed(range(place)) if before[i].get("minsize") == size), place)
            if first == place:
                continue  # it opens nothing
            row = ElementTree.Element("mrow")
            row.extend([*before[first:], closing])
            for each in before[first:]:
                element.remove(each)
            child[0] = row
            return _fenced(element)  # the places have changed


def _lines(root: ElementTree.Element) -> list[ElementTree.Element]:
    """A long formula in pieces that end in a relation or a sum's sign: browsers begin no new line within a formula."""
    pieces = [ElementTree.Element("math", root.attrib)]
    for child in root[0]:
        last = pieces[-1][-1].text if len(pieces[-1]) else None
        if len(root[0]) > LONG and (last in RELATIONS or (last in SUMS and len(pieces[-1]) > LONG)):
            pieces.append(ElementTree.Element("math", root.attrib))
        pieces[-1].append(child)
    return pieces


def _set(translator, node: nodes.math | nodes.math_block) -> None:
    """Write a formula into a page; on a narrow one, what stands by itself goes on in a new line at wide spaces."""
    tex, display = node.astext(), isinstance(node, nodes.math_block)
    parts = re.split(r"\\qquad", tex) if display and r"\begin" not in tex else [tex]
    try:
        made = "".join(mathml(part, display) for part in parts)
    except NotMathML as error:
        raise ExtensionError(f"{translator.builder.current_docname}: {error}") from None
    tag = "div" if display else "span"
    translator.body += [
        translator.starttag(node, tag, "" if not display else "\n", CLASS="math notranslate nohighlight"),
        made,
        f"</{tag}>" + ("\n" if display else ""),
    ]
    raise nodes.SkipNode


def _tie(app, pagename, templatename, context, doctree) -> None:
    """Keep a formula, or its last piece, and the sign that follows it in one line."""
    if body := context.get("body"):
        context["body"] = TIED.sub(r'<span class="tied">\1\2</span></span>', body)


def setup(app) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("html-page-context", _tie)
    app.add_html_math_renderer("mathml", inline_renderers=(_set, None), block_renderers=(_set, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
