"""Which functions of a package may call which, read from its source: at least those that do.

A name is followed to what it was imported from. An attribute of anything but a module may be a method or a property of
that name in any class of a module that is imported, directly or not.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path


class CallGraph:
    """Of the package in a folder.

    A node is what stands at the top of a module, or a method: "package.module:name", "package.module:Class.method".
    """

    def __init__(self, folder: Path, package: str) -> None:
        self.files = {
            ".".join([package, *file.relative_to(folder).with_suffix("").parts]).removesuffix(
                ".__init__"
            ): file
            for file in sorted(folder.rglob("*.py"))
        }
        self.trees = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in self.files.items()}
        self.imports = {name: self._imports(name) for name in self.trees}
        self._seen_from, self.called = cache(self._find_seen), cache(self._find_called)
        self.nodes: dict[str, list[ast.AST]] = defaultdict(list)
        self.methods: dict[str, list[str]] = defaultdict(list)
        for module, tree in self.trees.items():
            for node in tree.body:
                self._enter(module, node)

    def _enter(self, module: str, node: ast.stmt) -> None:
        if isinstance(node, ast.ClassDef):
            self.nodes[f"{module}:{node.name}"] += [*node.bases, *node.decorator_list]
            for each in node.body:
                name = getattr(each, "name", "")
                self.nodes[f"{module}:{node.name}" + f".{name}" * bool(name)].append(each)
                if name:
                    self.methods[name].append(f"{module}:{node.name}.{name}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.nodes[f"{module}:{node.name}"].append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for each in ast.walk(target):
                    if isinstance(each, ast.Name):
                        self.nodes[f"{module}:{each.id}"].append(node)

    def _imports(self, module: str) -> dict[str, tuple[str, str]]:
        """What each imported name of a module stands for: a module and a name in it, or a module and ""."""
        found = {}
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.ImportFrom) and node.module in self.trees:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    target = (whole, "") if whole in self.trees else (node.module, alias.name)
                    found[alias.asname or alias.name] = target
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name in self.trees and alias.asname:
                        found[alias.asname] = (alias.name, "")
        return found

    def _find_seen(self, module: str) -> frozenset[str]:
        """The modules that a module imports, directly or not."""
        seen, queue = {module}, [module]
        while queue:
            for target, _ in self.imports[queue.pop()].values():
                if target not in seen:
                    seen.add(target)
                    queue.append(target)
        return frozenset(seen)

    def _resolve(self, module: str, name: str) -> str:
        """The node that a name of a module stands for, or ""."""
        if f"{module}:{name}" in self.nodes:
            return f"{module}:{name}"
        target, inner = self.imports[module].get(name, ("", ""))
        return self._resolve(target, inner) if target and inner else ""

    def _find_called(self, node: str) -> frozenset[str]:
        """The nodes that a node names."""
        module, found = node.partition(":")[0], set()
        for each in (part for whole in self.nodes[node] for part in ast.walk(whole)):
            if isinstance(each, ast.Name):
                found.add(self._resolve(module, each.id))
            elif isinstance(each, ast.Attribute):
                base = each.value.id if isinstance(each.value, ast.Name) else ""
                target, inner = self.imports[module].get(base, ("", ""))
                if target and not inner:
                    found.add(self._resolve(target, each.attr))
                else:
                    seen = self._seen_from(module)
                    found |= {name for name in self.methods[each.attr] if name.partition(":")[0] in seen}
        for name in list(found):  # whoever names a class may make one, and use it in a `with` or a loop
            found |= {f"{name}.{special}" for special in ("__init__", "__enter__", "__exit__", "__call__")}
        return frozenset(found & self.nodes.keys())

    def reached(self, start: str) -> set[str]:
        """All nodes that calls may lead to from one."""
        seen, queue = {start}, [start]
        while queue:
            for name in self.called(queue.pop()) - seen:
                seen.add(name)
                queue.append(name)
        return seen

    def strings(self) -> Iterator[tuple[str, Path, int, str]]:
        """The node, file, line and text of all strings but docstrings; what an f-string puts in is an X."""
        for node, parts in self.nodes.items():
            file = self.files[node.partition(":")[0]]
            for part in parts:
                aside = {id(each.value) for each in ast.walk(part) if isinstance(each, ast.Expr)}
                pieces = {
                    id(v) for each in ast.walk(part) if isinstance(each, ast.JoinedStr) for v in each.values
                }
                for each in ast.walk(part):
                    if id(each) in aside | pieces:
                        continue
                    if isinstance(each, ast.JoinedStr):
                        words = [v.value if isinstance(v, ast.Constant) else "X" for v in each.values]
                        yield node, file, each.lineno, "".join(map(str, words))
                    elif isinstance(each, ast.Constant) and isinstance(each.value, str):
                        yield node, file, each.lineno, each.value
