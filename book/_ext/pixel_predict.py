"""Questions that ask for a guess, and what answers them.

A quotation that begins with "Predict." is such a question; a list in it holds choices. What answers it is found here,
and put into a place of its own: the cells that follow, and what is said of them. `predict.js` hides that place until a
guess is made, so without JavaScript, on paper and in a file made for an e-reader all of it can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from docutils import nodes

BEGINS = "Predict."


def is_question(node: nodes.Node) -> bool:
    """Whether a quotation asks for a guess."""
    if not isinstance(node, nodes.block_quote):
        return False
    begins = next(iter(node.findall(nodes.strong)), None)
    return begins is not None and begins.astext() == BEGINS


def answer(following: list[nodes.Element]) -> list[nodes.Element]:
    """Of what follows a question in its section: what answers it.

    That is what is said at once, the cells after it, and what is said of these, up to the next cell, question or
    section. A widget right after the question is what a reader tries before guessing, and the paragraph that leads to
    the next question belongs to that one: both stay.
    """
    start = 0
    while start < len(following) and _is_cell(following[start]) and _is_widget(following[start]):
        start += 1
    end, cells, said = start, False, False
    for part in following[start:]:
        if isinstance(part, nodes.section) or is_question(part) or (_is_cell(part) and cells and said):
            break
        cells, said = cells or _is_cell(part), said or (cells and not _is_cell(part))
        end += 1
    asks = end < len(following) and is_question(following[end])
    leads = asks and end - start >= 2 and all(not _is_cell(part) for part in following[end - 2 : end])
    return following[start : end - 1 if leads else end]


def _is_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and "cell" in node.get("classes", ())


def _is_widget(cell: nodes.Element) -> bool:
    return any('class="pixel-widget"' in part.astext() for part in cell.findall(nodes.raw))


def _questions(doctree: nodes.document) -> Iterator[nodes.block_quote]:
    return filter(is_question, list(doctree.findall(nodes.block_quote)))


def _set_answers_apart(app, doctree) -> None:
    for number, question in enumerate(_questions(doctree), 1):
        question["classes"].append("predict")
        parent = question.parent
        first = parent.index(question) + 1
        found = answer(parent.children[first:])
        if not found:
            continue
        place = nodes.container(classes=["answer"], ids=[f"answer-{number}"])
        at = parent.index(found[0])
        del parent[at : at + len(found)]
        place += found
        parent.insert(at, place)


def setup(app):
    app.connect("doctree-read", _set_answers_apart, priority=600)  # of cells whose widgets have their places
    return {"parallel_read_safe": True, "parallel_write_safe": True}
