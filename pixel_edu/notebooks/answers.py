"""The answer that a student meant, from the cells of one name: without stubs, the halves of a split cell joined."""

from __future__ import annotations

import ast
from collections.abc import Sequence, Set
from typing import NamedTuple

from pixel_edu.notebooks.magics import DEFINES, as_python, defined, tree


class Together(NamedTuple):
    """What several cells of one name are.

    Attributes:
        answer: its source.
        above: sources that stand above what defines the answer, and are not a part of it.
        below: the same below it.
        joined: whether all of them count, in order; else the last one counts.
    """

    answer: str
    above: list[str]
    below: list[str]
    joined: bool


def together(sources: Sequence[str], asked: Set[str]) -> Together:
    """Put an answer together from the cells in which it is written.

    Args:
        sources: of the code cells, in order and without stubs, at least one.
        asked: names of the functions and classes that the answer is to define.

    >>> together(["def f():", "    return 1"], {"f"}).answer
    'def f():\\n    return 1'
    >>> together(["def f(): return 1", "print(f())"], {"f"})
    Together(answer='def f(): return 1', above=[], below=['print(f())'], joined=True)
    """
    parts = _not_superseded([as_python(each, dedent=len(sources) == 1) for each in sources])
    mine = [place for place, each in enumerate(parts) if asked & set(defined(each))]
    if mine and all(map(tree, parts)):
        # Only what defines the answer is joined: a line that was tried beside it may fail, and would take it along.
        others = [place for place in range(len(parts)) if place not in mine]
        above = [parts[place] for place in others if place < mine[0]]
        below = [parts[place] for place in others if place > mine[0]]
        return Together("\n".join(parts[place] for place in mine), above, below, len(parts) > 1)
    whole = as_python("\n".join(parts))
    joined = len(parts) > 1 and tree(whole) is not None
    return Together(whole if joined else as_python(sources[-1]), [], [], joined)


def without_stubs(sources: Sequence[str], stub: str) -> list[str]:
    """What is written in cells of one name, each once: without stubs, whole or cut in pieces.

    Args:
        sources: of the cells, in order.
        stub: what the cell held when it was handed out.
    """
    left, found = list(sources), []
    while left:
        joined = ["\n".join(left[:end]) for end in range(1, len(left) + 1)]
        exact = [end for end, each in enumerate(joined, 1) if each.strip() == stub.strip()]
        parsed = (end for end, each in enumerate(joined, 1) if tree(as_python(each)))
        whole = exact[0] if exact else next(parsed, 1)
        if not is_blank(joined[whole - 1], stub):
            found += left[:whole]
        del left[:whole]
    return list(dict.fromkeys(found))


def is_blank(source: str, stub: str) -> bool:
    """Whether nothing is written in a cell but what it was handed out with, whatever stands around that."""
    if source.strip() in ("", stub.strip()):
        return True
    asked = _definitions(stub)
    return bool(asked) and asked.items() <= _definitions(source).items()


def _not_superseded(sources: list[str]) -> list[str]:
    """Without those whose functions are all defined again further down."""
    names = [set(defined(each)) for each in sources]
    again = [set().union(*names[place + 1 :]) for place in range(len(names))]
    return [
        each for each, here, later in zip(sources, names, again, strict=True) if not here or not here <= later
    ]


def _definitions(source: str) -> dict[str, str]:
    """What a source defines, by name, in a form that can be compared."""
    parsed = tree(as_python(source))
    return {each.name: ast.dump(each) for each in parsed.body if isinstance(each, DEFINES)} if parsed else {}
