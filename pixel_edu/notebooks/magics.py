"""Cells in which IPython's own syntax stands, as plain Python: magics, shell lines, questions, prompts, indentation.

What measures or hides still runs what it measures; anything else of IPython's does nothing.
"""

from __future__ import annotations

import ast
import warnings

PYTHON = {"time", "timeit", "capture", "prun", "memit", "mprun", "snakeviz", "pyinstrument"}
"""Cell magics whose body is Python; in that of another, Python counts where it defines something."""
FOREIGN = {
    "bash",
    "sh",
    "script",
    "cmd",
    "system",
    "sx",
    "perl",
    "ruby",
    "writefile",
    "file",
    "html",
    "HTML",
    "svg",
}
FOREIGN |= {"javascript", "js", "latex", "markdown", "R", "sql", "cython"}
"""Cell magics whose body is not the notebook's Python."""
STATEMENT = {"time", "prun", "memit"}
"""Line magics after which a statement stands that is to run."""
DEFINES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
SHELL = {"run_line_magic", "run_cell_magic", "system", "getoutput", "getsystem"}


def as_python(source: str, dedent: bool = True) -> str:
    """A cell's source as Python that does the same without IPython; as it is where it is Python or cannot become it.

    Args:
        source: of a cell.
        dedent: take out what all its lines are indented by, as IPython does; not for a part of a cell.

    >>> print(as_python("%%time\\n!pip install torch\\nx = 1"))
    None
    x = 1
    >>> as_python("%time y = 2"), as_python("files = !ls"), as_python("x?"), as_python("%%bash\\nls")
    ('y = 2', 'files = []', 'None', '%%bash\\nls')
    """
    if tree(source):
        return source
    from IPython.core.inputtransformer2 import TransformerManager, leading_indent

    transformer = TransformerManager()
    if not dedent:
        transformer.cleanup_transforms.remove(leading_indent)
    try:
        plain = transformer.transform_cell(source)
    except (SyntaxError, ValueError, RecursionError):
        return source
    parsed = tree(plain)
    if not parsed:
        return source
    calls = [node for node in ast.walk(parsed) if isinstance(node, ast.Call) and _method(node) in SHELL]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        stands_for = _stands_for(call)
        if stands_for is None:
            return source
        plain = _replaced(plain, call, stands_for)
    plain = plain.rstrip("\n")
    return plain if tree(plain) else source


def defined(source: str) -> list[str]:
    """Names of the functions and classes that a cell's source defines."""
    parsed = tree(as_python(source))
    return [each.name for each in parsed.body if isinstance(each, DEFINES)] if parsed else []


def tree(source: str) -> ast.Module | None:
    """What Python makes of a source; None if it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what students write, such as "\\d"
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _method(node: ast.Call) -> str:
    """The method's name where a node calls one of `get_ipython()`."""
    if not isinstance(node.func, ast.Attribute):
        return ""
    owner = node.func.value
    ours = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "get_ipython"
    return node.func.attr if ours else ""


def _stands_for(call: ast.Call) -> str | None:
    """What does the same as a call of `get_ipython()`; None where the cell is not Python."""
    given = [
        each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    method, name = _method(call), (given or [""])[0]
    if method == "getoutput":
        return "[]"
    if method == "run_line_magic" and name in STATEMENT:
        statement = as_python(_without_options(given[1]))
        return statement if statement and tree(statement) else "None"
    if method != "run_cell_magic":
        return "None"
    body = as_python(given[2])
    parsed = tree(body)
    if name in FOREIGN or not parsed:
        return None
    return body if name in PYTHON or any(isinstance(each, DEFINES) for each in parsed.body) else None


def _without_options(line: str) -> str:
    words = line.split(" ")
    while words and words[0].startswith("-"):
        del words[0]
    return " ".join(words)


def _replaced(source: str, node: ast.Call, text: str) -> str:
    """A source with something else in the place of a node."""
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None
    begin = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + (node.end_col_offset or 0)
    whole = source.encode()
    return (whole[:begin] + text.encode() + whole[end:]).decode()
