"""The picture of the rooms, asserted from the imports: they point down, never up or sideways."""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGE = "pixel_edu"

PICTURE = re.search(r"```text\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)[
    1
]


def rooms_of(line: str) -> set[str]:
    """The rooms that a line of the picture names: words with two spaces between them, up to a wider gap."""
    return set(re.split(r" {3,}", line.strip())[0].split())


ABOVE, BELOW = PICTURE.split("--", 1)
LAYERS = {
    int(number): rooms_of(rest) for number, rest in re.findall(r"^ *(\d+)  (.*)$", PICTURE, re.MULTILINE)
}
"""By number, from the picture in CONTRIBUTING.md."""
LAYER_OF = {room: layer for layer, rooms in LAYERS.items() for room in rooms} | {"": -1}
"""The package itself, "", lies below all of its rooms."""
OUTSIDE_WORLD = {int(number) for number in re.findall(r"^ *(\d+)  ", ABOVE, re.MULTILINE)} - {max(LAYERS)}
"""The only layers that may import a package that not everybody has; commands leave that to the library."""
WITHOUT_TORCH = (
    "cli",
    "course",
    "notebooks",
    "grading",
    "audit",
    "data",
    "sprites",
    "images",
    "config",
    "figures",
)
"""Rooms whose users never wait for torch."""


class Import(NamedTuple):
    room: str
    """Who imports: the module or package directly below pixel_edu."""
    target: str
    """What: a full dotted name."""
    where: str

    @property
    def target_room(self) -> str | None:
        package, _, rest = self.target.partition(".")
        return rest.partition(".")[0] if package == PACKAGE else None


def imports_of(source: str, module: str, is_package: bool = False) -> list[Import]:
    """All imports in a module's source, those inside functions and under TYPE_CHECKING too."""
    found = []
    room = module.partition(".")[2].partition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".") + ([""] if is_package else [])
            base = ".".join(parents[: len(parents) - node.level]) if node.level else ""
            base = ".".join(part for part in (base, node.module) if part)
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [Import(room, target, f"{module}:{node.lineno}") for target in targets]
    return found


def all_imports() -> list[Import]:
    found = []
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        is_package = file.name == "__init__.py"
        parts = file.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if is_package else parts)
        found += imports_of(file.read_text(encoding="utf-8"), module, is_package)
    return found


def wrong_way(imports: list[Import]) -> list[str]:
    """Imports that do not point down, nor stay in their room."""
    return [
        f"{i.where}: {i.room} (layer {LAYER_OF[i.room]}) imports {i.target} (layer {LAYER_OF[i.target_room]})"
        for i in imports
        if i.target_room in LAYER_OF and i.room != i.target_room
        if LAYER_OF[i.target_room] >= LAYER_OF[i.room]
    ]


def too_heavy(imports: list[Import]) -> list[str]:
    """Imports of third-party packages, other than the core dependencies, from where only they may be imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    distributions = packages_distributions()
    heavy = []
    for i in imports:
        top = i.target.partition(".")[0]
        if top == PACKAGE or top in sys.stdlib_module_names or LAYER_OF.get(i.room) in OUTSIDE_WORLD:
            continue
        if not core & {canonicalize_name(name) for name in distributions.get(top, [top])}:
            heavy.append(f"{i.where}: {i.target} is not a core dependency")
    return heavy


def test_imports_point_down():
    assert wrong_way(all_imports()) == []


def test_packages_that_not_everybody_has_are_imported_above_the_line_only():
    assert too_heavy(all_imports()) == []


def module_graph() -> dict[str, set[str]]:
    """Every module, and the modules of the package that it imports, inside functions too."""
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in (ROOT / PACKAGE).rglob("*.py")
    }
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for i in all_imports():
        module = i.where.partition(":")[0]
        target = i.target if i.target in modules else i.target.rpartition(".")[0]
        if target in modules and target != module:
            graph[module].add(target)
    return graph


def test_no_two_modules_import_each_other_in_a_circle():
    graphlib.TopologicalSorter(module_graph()).prepare()  # raises CycleError, which names the circle


def test_a_circle_would_be_found():
    graph = module_graph()
    graph["pixel_edu.config"].add("pixel_edu.cli")
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("room", ["pixel_edu.grading.sandbox", "pixel_edu.grading.rpc"])
def test_these_rooms_stand_on_their_own(room):
    targets = {t for module, ts in module_graph().items() if module.startswith(room) for t in ts}
    assert {t for t in targets if t.startswith("pixel_edu.grading") and not t.startswith(room)} <= {
        "pixel_edu.grading"  # the package itself, which holds nothing
    }


def test_every_room_has_its_layer_and_every_layer_its_rooms():
    rooms = {path.stem for path in (ROOT / PACKAGE).iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__", "py", "weights"} == set(LAYER_OF) - {""}


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from pixel_edu import audit", "pixel_edu.data.core"),
        ("import pixel_edu.cli.data", "pixel_edu.course.checking"),
        ("def f():\n    from pixel_edu.sprites.palette import ramp", "pixel_edu.unet"),
        ("from ..figures import svg", "pixel_edu.data.core"),
        ("from . import images", "pixel_edu.config"),
        ("from pixel_edu import config", "pixel_edu"),
    ],
)
def test_an_import_up_or_sideways_is_found(source, module):
    assert len(wrong_way(imports_of(source, module))) == 1


def test_an_import_down_or_within_a_room_is_fine():
    assert (
        wrong_way(imports_of("from pixel_edu.data import core\nfrom .core import load", "pixel_edu.data.x"))
        == []
    )
    assert wrong_way(imports_of("from . import palette", "pixel_edu.sprites", is_package=True)) == []
    assert wrong_way(imports_of("from pixel_edu import data, config", "pixel_edu.audit")) == []


def test_a_heavy_import_below_the_line_is_found():
    source = "def f():\n    import mlflow"
    assert len(too_heavy(imports_of(source, "pixel_edu.diffusion"))) == 1
    assert too_heavy(imports_of(source, "pixel_edu.notebooks")) == []


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_importing_these_rooms_does_not_import_torch(room):
    code = f"""
import importlib, pkgutil, sys
room = importlib.import_module("{PACKAGE}.{room}")
for part in pkgutil.walk_packages(getattr(room, "__path__", []), room.__name__ + "."):
    # These state formulas or run the network, and come one by one when asked for.
    if not part.name.startswith(("pixel_edu.course.checks.", "pixel_edu.course.experiments")):
        importlib.import_module(part.name)
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr or f"{room} imports torch"


COMMANDS = {file.stem for file in (ROOT / PACKAGE / "cli").glob("*.py")} - {"__init__", "__main__"}
SHARED = {"measuring", "names", "options", "pixels", "places", "showing", "trying"}
"""Modules of the command line that hold no command."""


def test_no_command_module_imports_another():
    graph = module_graph()
    for name in COMMANDS:
        targets = {target.removeprefix("pixel_edu.cli.") for target in graph[f"pixel_edu.cli.{name}"]}
        assert not targets & (COMMANDS - SHARED), f"cli/{name}.py imports another command"
    assert "showing" in {target.rpartition(".")[2] for target in graph["pixel_edu.cli.data"]}


def command_functions():
    """The functions that typer calls: in command modules, those that an `app` or `cli/__init__.py` registers."""
    registry = (ROOT / PACKAGE / "cli" / "__init__.py").read_text(encoding="utf-8")
    registered = set(re.findall(r"app\.command\([^)]*\)\((\w+)\.(\w+)\)", registry))
    for name in sorted(COMMANDS - SHARED):
        source = (ROOT / PACKAGE / "cli" / f"{name}.py").read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            decorated = isinstance(node, ast.FunctionDef) and any(
                "app.command" in ast.unparse(each) for each in node.decorator_list
            )
            if decorated or (isinstance(node, ast.FunctionDef) and (name, node.name) in registered):
                yield f"{name}.{node.name}", node.end_lineno - node.lineno + 1


def test_no_command_is_longer_than_40_lines():
    lengths = dict(command_functions())
    assert {"train.train", "evaluate.evaluate", "data.make", "course.run_all", "track.sweep"} <= set(lengths)
    assert {name: lines for name, lines in lengths.items() if lines > 40} == {}
