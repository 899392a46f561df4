"""Which names a cell's source binds, and which it reads, without running it."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Container

from pixel_edu.notebooks.magics import as_python


def python(source: str) -> str:
    """A cell's source as Python; "" where it is not Python, as below `%%bash`."""
    plain = as_python(source)
    return plain if parses(plain) else ""


def parses(source: str) -> bool:
    """Whether it is Python."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def defined(source: str) -> set[str]:
    """Names of the functions and classes that it defines.

    Examples:
        >>> sorted(defined("import math\\nx = 1\\ndef f(y):\\n    z = y"))
        ['f']
    """
    return {each.get_name() for each in _symbols(source) if each.is_namespace()}


def variables(source: str) -> set[str]:
    """Names of the variables that it assigns, without functions, classes and modules.

    Examples:
        >>> sorted(variables("import math\\nx = 1\\ndef f(y):\\n    z = y"))
        ['x']
    """
    every = _symbols(source)
    return {
        each.get_name()
        for each in every
        if each.is_assigned() and not each.is_namespace() and not each.is_imported()
    }


def imports(source: str) -> list[str]:
    """Its import statements, outside functions and blocks.

    Examples:
        >>> imports("import math\\nx = math.pi\\nfrom os import path as p")
        ['import math', 'from os import path as p']
    """
    if not parses(source):
        return []
    found = [each for each in ast.parse(source).body if isinstance(each, ast.Import | ast.ImportFrom)]
    return [ast.unparse(each) for each in found]


def bound(source: str) -> set[str]:
    """All names that it gives a value, be it by definition, assignment or import."""
    return {each.get_name() for each in _symbols(source) if each.is_assigned() or each.is_imported()}


def looked_up(source: str) -> set[str]:
    """Global names that its functions and classes read when they are called.

    Examples:
        >>> sorted(looked_up("n = 2\\ndef f(x):\\n    return x + n + len(g(x))"))
        ['g', 'len', 'n']
    """
    found: set[str] = set()
    todo = _children(source)
    while todo:
        scope = todo.pop()
        found |= {
            each.get_name() for each in scope.get_symbols() if each.is_global() and each.is_referenced()
        }
        todo += scope.get_children()
    return found


def unknown(source: str, names: Container[str] = ()) -> list[str]:
    """Names that it reads, and that neither it nor Python defines.

    Args:
        source: Python.
        names: that are known besides.

    Examples:
        >>> unknown("y = [f(x) for x in range(n)]", {"n"})
        ['f']
    """
    if not parses(source):
        return []
    nodes = list(ast.walk(ast.parse(source)))
    every = [node for node in nodes if isinstance(node, ast.Name)]
    own = {node.id for node in every if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            own |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name:
            own.add(node.name)
    read = {node.id for node in every if isinstance(node.ctx, ast.Load)}
    return sorted(name for name in read - own - vars(builtins).keys() if name not in names)


def takes_away(source: str, names: Container[str]) -> bool:
    """Whether it deletes a name that it has not made, or gives one of these names another value.

    Examples:
        >>> takes_away("del f", set()), takes_away("f = abs", {"f"}), takes_away("x = f(1); del x", {"f"})
        (True, True, False)
    """
    found = set()
    nodes = (
        [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)] if parses(source) else []
    )
    for node in sorted(nodes, key=lambda each: (each.lineno, each.col_offset)):
        if isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node.ctx, ast.Del) and node.id not in found:
            return True
    return any(name in names for name in found & bound(source))


def _symbols(source: str) -> list[symtable.Symbol]:
    """What stands in the namespace of a cell."""
    table = _table(source)
    return table.get_symbols() if table else []


def _children(source: str) -> list[symtable.SymbolTable]:
    """The scopes of a cell's functions and classes."""
    table = _table(source)
    return table.get_children() if table else []


def _table(source: str) -> symtable.SymbolTable | None:
    try:
        return symtable.symtable(source, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
