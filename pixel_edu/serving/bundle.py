"""One file out of several: a class with all that it uses of this package, to run where the package is not installed.

Whoever loads a model from a hub gets one file of code for each of its parts. Such a file is written here, out of the
package's own modules, so that no formula is stated twice.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PACKAGE = __name__.partition(".")[0]


class Source:
    """A module, taken apart.

    Args:
        module: its dotted name.

    Attributes:
        defined: for each of its names, the lines and the statement that define it.
        imported: for each name from elsewhere, the statement that imports it alone.
    """

    def __init__(self, module: str) -> None:
        text = Path(find_spec(module).origin).read_text(encoding="utf-8")
        self._lines = text.splitlines()
        self.defined: dict[str, tuple[str, ast.stmt]] = {}
        self.imported: dict[str, ast.Import | ast.ImportFrom] = {}
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = ast.ImportFrom(node.module, [alias], 0)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = ast.Import([alias])
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                self.defined[node.name] = self._text(node), node
            elif isinstance(node, ast.Assign):
                self.defined[node.targets[0].id] = self._text(node), node

    def _text(self, node: ast.stmt) -> str:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        return "\n".join(self._lines[first - 1 : node.end_lineno])


def bundle(module: str, name: str) -> str:
    """The source of a class or function, below the source of everything that it uses, directly or not.

    Args:
        module: dotted name of the module that defines it.
        name: its own.

    Raises:
        ValueError: two modules define different things by one name.
    """
    sources: dict[str, Source] = {}
    home: dict[str, str] = {}
    imports: set[str] = set()
    parts: list[str] = []

    def follow(module: str, name: str) -> None:
        if module not in sources:
            sources[module] = Source(module)
        source = sources[module]
        if name in source.imported:
            statement = source.imported[name]
            origin = getattr(statement, "module", "")
            if origin.partition(".")[0] == PACKAGE:
                follow(origin, name)
            else:
                imports.add(ast.unparse(statement))
        elif name in source.defined and name not in home:
            home[name] = module
            text, node = source.defined[name]
            for used in _uses(node):
                follow(module, used)
            parts.append(f"# from {module}\n{text}")
        elif name in source.defined and home[name] != module:
            raise ValueError(f"{home[name]} and {module} both define {name}: give one of them another name")

    follow(module, name)
    head = (
        f'"""{name}, with all that it uses of {PACKAGE}, written by {__name__}: edit it there.\n\n'
        'Annotations are for readers; nothing evaluates them.\n"""'
    )
    first = ["from __future__ import annotations", "", *sorted(imports)]
    return "\n\n\n".join(["\n".join([head, "", *first]), *parts]) + "\n"


def _uses(node: ast.AST) -> Iterator[str]:
    """The names that are looked up when a definition runs; annotations are text that nobody evaluates."""
    if isinstance(node, ast.Name):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _uses(child)
