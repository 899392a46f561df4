"""Several small JavaScript modules as one, because a widget has to be a single file.

What is written in `js/` are plain ES modules that import each other by name, so that they can be read and tested one by
one. JupyterLab gets a widget's code as text, with no place that imports could be relative to; there a module's exports
are what a function returns, and an import reads them.
"""

from __future__ import annotations

import re
from pathlib import Path

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
COMMENT = re.compile(r"^ *(//.*|/\*\*(.|\n)*?\*/)\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) ?(\w+))", re.MULTILINE)


def bundle(path: Path) -> str:
    """A module and all that it imports, as one module.

    Args:
        path: of the module; what it imports lies beside it.

    Raises:
        ValueError: modules import each other in a circle, or there is an import in a form that is not understood.
    """
    modules: dict[str, str] = {}
    entry = _read(path, modules, ())
    return "".join([*modules.values(), entry])


def _read(path: Path, modules: dict[str, str], importing: tuple[str, ...]) -> str:
    """A module whose imports read from what is bundled before it; those are added to `modules` in their order."""
    source = COMMENT.sub("", path.read_text(encoding="utf-8"))  # notebooks hold a copy for each widget
    for _, name in IMPORT.findall(source):
        if name in importing:
            raise ValueError(f"{path.name}: {name}.js imports this module itself: break the circle")
        if name not in modules:
            modules[name] = _wrap(name, _read(path.with_name(f"{name}.js"), modules, (*importing, name)))
    source = IMPORT.sub(
        lambda found: f"const {{{found[1].replace(' as ', ': ')}}} = ${found[2].replace('-', '_')};\n", source
    )
    if left := re.search(r"^(import|export \{|export \*).*", source, re.MULTILINE):
        raise ValueError(f'{path.name}: `{left[0]}` cannot be bundled: write `import {{ a }} from "./b.js";`')
    return source


def _wrap(name: str, source: str) -> str:
    exported = ", ".join(EXPORT.findall(source))
    inside = EXPORT.sub("", source)
    return f"const ${name.replace('-', '_')} = (() => {{\n{inside}return {{ {exported} }};\n}})();\n"
