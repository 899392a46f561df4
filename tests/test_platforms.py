"""What runs on macOS and Windows, too: looked up in Python's own stubs, and tried where what they lack is hidden."""

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import basedpyright
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pixel_edu"
STUBS = Path(basedpyright.__file__).parent / "dist" / "typeshed-fallback" / "stdlib"
MODULES = ("fcntl", "multiprocessing", "os", "resource", "select", "signal", "socket")
"""Parts of the standard library of which Windows or macOS lack something."""
LINUX = (
    "grading/batch.py",
    "grading/selftest.py",
    "grading/sandbox/forkserver.py",
    "grading/sandbox/isolation.py",
    "grading/sandbox/provisioner.py",
    "grading/sandbox/restrictions.py",
)
"""Modules that grade a class in the kernel's own sandboxes; what a student needs of them is tried below."""
PLATFORMS = ("win32", "darwin")


@cache
def names(module: str, platform: str) -> frozenset[str]:
    """What a module of the standard library has on a platform, by typeshed."""
    file = STUBS / module / "__init__.pyi"
    tree = ast.parse((file if file.exists() else STUBS / f"{module}.pyi").read_text(encoding="utf-8"))
    found = set()

    def walk(statements) -> None:
        for node in statements:
            if isinstance(node, ast.If):
                source = ast.unparse(node.test)
                known = "sys.platform" in source or "sys.version_info" in source
                fake = type("sys", (), {"platform": platform, "version_info": sys.version_info})
                if not known or eval(source, {"sys": fake}):
                    walk(node.body)
                if not known or not eval(source, {"sys": fake}):
                    walk(node.orelse)
            elif isinstance(node, ast.ImportFrom | ast.Import):
                for alias in node.names:
                    whole = names(node.module, platform) if alias.name == "*" else ()
                    found.update(whole or [alias.asname or alias.name])
            elif hasattr(node, "name"):
                found.add(node.name)
            else:
                targets = getattr(node, "targets", [getattr(node, "target", None)])
                found.update(each.id for each in targets if isinstance(each, ast.Name))

    walk(tree.body)
    return frozenset(found)


def missing(source: str, platform: str) -> list[str]:
    """What a module's source uses of the standard library that a platform lacks, and does not ask for first."""
    tree = ast.parse(source)
    asked = {
        (ast.unparse(node.args[0]), ast.literal_eval(node.args[1]))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("hasattr", "getattr")
        if isinstance(node.args[1], ast.Constant)
    }
    used = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in MODULES
    }
    return [f"{m}.{name}" for m, name in sorted(used - asked) if name not in names(m, platform)]


def sources(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def test_the_stubs_know_what_windows_and_macos_lack():
    assert {"fork", "setsid", "sched_getaffinity"} <= names("os", "linux") - names("os", "win32")
    assert "fork" in names("os", "darwin")
    assert {"pidfd_open", "sched_getaffinity"} <= names("os", "linux") - names("os", "darwin")
    assert missing("import signal\nsignal.setitimer(1)\nsignal.SIGINT", "win32") == ["signal.setitimer"]
    assert missing("import os\nif hasattr(os, 'fork'):\n    os.fork()", "win32") == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_nothing_is_used_that_a_platform_lacks_outside_the_sandboxes(platform):
    files = [file for file in sources("pixel_edu") if file.relative_to(PACKAGE).as_posix() not in LINUX]
    assert len(files) > 120
    found = {file: missing(file.read_text(encoding="utf-8"), platform) for file in files}
    assert {str(file): each for file, each in found.items() if each} == {}


def unsaid(source: str) -> list[int]:
    """The lines that read or write text in whatever encoding the machine prefers."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        given = {keyword.arg for keyword in node.keywords}
        text = [each.value for each in node.args if isinstance(each, ast.Constant)]
        binary = any(isinstance(each, str) and set(each) <= set("rwxab+") and "b" in each for each in text)
        opens = (
            (name == "open" and owner in ("", "io"))
            or (name == "open" and "ath" in owner)
            or name == "fdopen"
        )
        plain = (name == "read_text" and owner and not node.args) or name == "write_text"
        if (plain or (opens and not binary)) and "encoding" not in given:
            lines.append(node.lineno)
        if owner == "subprocess" and "text" in given and "encoding" not in given:
            lines.append(node.lineno)
    return lines


def test_an_encoding_that_is_not_said_is_seen():
    assert unsaid(
        "path.read_text()\nopen(x)\nopen(x, 'rb')\npath.open('w')\npath.read_text(encoding='utf-8')"
    ) == [1, 2, 4]
    assert unsaid("subprocess.run(command, text=True)") == [1]


def test_every_text_file_is_read_and_written_as_utf_8():
    files = [file for file in sources("pixel_edu") if file.relative_to(PACKAGE).as_posix() not in LINUX]
    files += [*sources("tools"), *(ROOT / "book" / "_ext").glob("*.py")]
    found = {file: unsaid(file.read_text(encoding="utf-8")) for file in files}
    assert {str(file): lines for file, lines in found.items() if lines} == {}


LACKING = {
    platform: {
        f"{module}.{name}" for module in MODULES for name in names(module, "linux") - names(module, platform)
    }
    for platform in PLATFORMS
}
"""What the package cannot use there, with modules that are missing altogether."""
LACKING["win32"] |= {"fcntl", "grp", "pwd", "resource", "termios"}

SHELL = """
import contextlib, io, json, sys
from pixel_edu.cli import main

for line in sys.stdin:
    sys.argv, said, code = ["pixel-edu", *json.loads(line)], io.StringIO(), None
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException as error:
            code = repr(error)
    print(json.dumps([code, said.getvalue()]), flush=True)
"""


class Elsewhere:
    """A machine that lacks what a platform lacks: what the package would find there is hidden from it."""

    def __init__(self, platform: str, folder: Path) -> None:
        self.platform, self.folder = platform, folder
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT / "tests" / "elsewhere"),
            "PIXEL_EDU_PRETEND": platform,
            "PIXEL_EDU_LACKING": " ".join(sorted(LACKING[platform])),
            "PIXEL_EDU_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
        }
        self.process: Any = self.python("-c", SHELL)

    def python(self, *words: str) -> subprocess.Popen:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
        return subprocess.Popen([sys.executable, *words], cwd=self.folder, env=self.environment, **pipes)

    def __call__(self, *words, code=0) -> str:
        """What a command prints, which ends with this exit code."""
        self.process.stdin.write(json.dumps([*map(str, words)]) + "\n")
        self.process.stdin.flush()
        ended, said = json.loads(self.process.stdout.readline())
        assert ended == code, said
        return said


@pytest.fixture(scope="module", params=PLATFORMS)
def elsewhere(request, tmp_path_factory):
    machine = Elsewhere(request.param, tmp_path_factory.mktemp(request.param))
    yield machine
    machine.process.communicate()


@pytest.mark.slow
def test_what_a_platform_lacks_is_hidden_from_the_package_and_from_nobody_else(elsewhere):
    program = (
        "import os\nfrom pixel_edu import config\nfrom pixel_edu.grading.sandbox import plain, restrictions\n"
        "lacks = [hasattr(os, 'fork'), hasattr(config.os, 'sched_getaffinity'), plain.can_fork()]\n"
        "print(*lacks, restrictions.resource is None)"
    )
    said, _ = elsewhere.python("-c", program).communicate()
    assert said.split() == ["True", "False", "False", str(elsewhere.platform == "win32")]


@pytest.mark.slow
def test_data_training_and_drawing_run_elsewhere(elsewhere):
    assert "60 rows" in elsewhere("data", "make", "my set", "-n", 60)
    elsewhere("data", "check", "my set")
    elsewhere("data", "split", "my set", "--out", "split.npz")
    elsewhere("train", "my set", "--steps", 2, "--batch-size", 4)
    assert "finished" in elsewhere("train", "my set", "--steps", 2, "--batch-size", 4)
    elsewhere("sample", "--checkpoint", "runs/tiny/model.safetensors", "-n", 2)
    with Image.open(elsewhere.folder / "sprites.png") as picture:
        assert picture.size == (264, 128)


@pytest.mark.slow
def test_a_notebook_is_tried_elsewhere_with_its_limit_of_time(elsewhere):
    notebook = json.loads((ROOT / "exercises" / "01_pixels.ipynb").read_text(encoding="utf-8"))
    solved = json.loads((ROOT / "solutions" / "01_pixels.ipynb").read_text(encoding="utf-8"))
    right = {each["metadata"].get("nbgrader", {}).get("grade_id"): each["source"] for each in solved["cells"]}
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name == "ex-01-1":
            cell["source"] = right[name]
        if name == "ex-01-2":
            function = re.search(r"def (\w+)", "".join(right[name]))[1]
            cell["source"] = f"def {function}(*values):\n    while True:\n        pass"
    (elsewhere.folder / "mine.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    said = elsewhere("submit", "mine.ipynb", code=1)
    lines = {line.split()[1]: line for line in said.splitlines() if " ex-01-" in line}
    assert lines["ex-01-1"].startswith("✓")
    assert "took longer than 3 s and was stopped" in lines["ex-01-2"]
    assert lines["ex-01-3"].startswith("–")
    tested = [name for name in lines if not name.endswith("-words")]
    assert f"1 of {len(tested)} pass" in said


@pytest.mark.slow
def test_grading_a_class_elsewhere_is_refused_in_a_sentence_and_listing_it_is_not(elsewhere):
    (elsewhere.folder / "class").mkdir()
    source = (ROOT / "exercises" / "01_pixels.ipynb").read_text(encoding="utf-8")
    (elsewhere.folder / "class" / "ada.ipynb").write_text(source, encoding="utf-8")
    words = ["grade", "class", "-a", "01_pixels", "--source", ROOT / "solutions"]
    assert "ada" in elsewhere(*words, "--list")
    assert elsewhere(*words, code=1).splitlines()[-1] == (
        "error: grading a class needs the sandboxes of Linux: use a Linux machine, a container, or WSL on Windows"
    )
