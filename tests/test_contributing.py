"""What contributors read is true: paths exist, commands exist, words are used, and following it works."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.test_layers import LAYER_OF, LAYERS

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
API = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
PAGES = [
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")),
    ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md",
]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
FOLDERS = "(?:pixel_edu|tests|book|chapters|solutions|exercises|tools|docker|benchmarks)"
TO_COME = "13_name"
"""What an example of the table calls the file that is to be made."""
SHOWN_BY_THEIR_ROOM = ("audit", "data", "sprites")
"""Rooms whose page holds what their modules offer."""
NOT_IN_THE_API = ("cli", "course.checks")
"""Commands say what they do with --help; checks hold the answers."""


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", GUIDE, re.M | re.S)[1]


def rows(text):
    """The cells of each row of the tables in a text, without the headings."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [line for above, line in zip(["", *lines], lines, strict=False) if "---" not in line[0] and above]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_for_contributors_names_exists(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{FOLDERS}/[\w./-]+)|\w+\.(?:md|yml|toml|txt))`", text)
    named += [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [name for name in named if TO_COME not in name and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_that_a_page_for_contributors_names_is_in_the_makefile(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))) <= set(targets)


def test_every_command_that_the_guide_names_is_one_of_ours():
    import typer

    from pixel_edu.cli import app

    def commands(group, prefix=""):
        for name, command in group.commands.items():
            yield f"{prefix}{name}"
            if hasattr(command, "commands"):
                yield from commands(command, f"{prefix}{name} ")

    known = set(commands(typer.main.get_command(app)))
    named = {words for page in PAGES for words in re.findall(r"`pixel-edu ([a-z ]+)", page.read_text())}
    assert {words.strip() for words in named} <= known


@pytest.mark.parametrize("row", rows(section("To add something")), ids=lambda row: row[0])
def test_a_row_of_the_table_names_a_file_to_touch_and_its_registers_exist(row):
    what, touch, *_ = row
    files = [name for name in re.findall(rf"`({FOLDERS}/[\w./]+|\w+\.\w+)`", touch) if TO_COME not in name]
    assert files, f"{what}: which file?"
    for name in re.findall(r"register `(\w+)`", touch):
        assert re.search(rf"^{name}\b.*=", (ROOT / files[0]).read_text(encoding="utf-8"), re.M), name


def test_the_markers_are_those_of_pytest():
    ini = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    stated = {line.partition(":")[0] for line in ini["ini_options"]["markers"]}
    assert {row[0].strip("`") for row in rows(section("Tests"))} == stated


@pytest.mark.parametrize(
    ("word", "home"), [(row[0], row[2].strip("`")) for row in rows(section("The house's words"))]
)
def test_a_word_of_the_glossary_is_used_in_its_home(word, home):
    used = re.sub(r"[ -]", "[- \n]*", re.sub("y$", "(y|ies)", word))
    assert re.search(used, f"{home}\n{(ROOT / home).read_text(encoding='utf-8')}", re.I)


def test_each_word_of_the_glossary_is_defined_once():
    words = [row[0] for row in rows(section("The house's words"))]
    assert len(words) == len(set(words)) >= 20


def modules():
    """The modules that the reference must show, without the package's name."""
    for file in sorted((ROOT / "pixel_edu").rglob("*.py")):
        parts = file.relative_to(ROOT / "pixel_edu").with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        hidden = any(name == room or name.startswith(f"{room}.") for room in NOT_IN_THE_API)
        inside = name.partition(".")[0] in SHOWN_BY_THEIR_ROOM and "." in name
        empty_room = file.name == "__init__.py" and "\ndef " not in file.read_text(encoding="utf-8")
        if not (hidden or inside or empty_room or name == "__init__"):
            yield name


def test_the_reference_shows_every_public_module_once_and_under_its_layer():
    shown = []
    for number, text in re.findall(r"^## Layer (\d+).*?\n(.*?)(?=^## |\Z)", API, re.M | re.S):
        names = re.findall(r"^\.\. automodule:: pixel_edu\.(\S+)$", text, re.M)
        assert [name for name in names if LAYER_OF[name.partition(".")[0]] != int(number)] == []
        shown += names
    assert len(shown) == len(set(shown)) == API.count("automodule::")
    assert set(modules()) - set(shown) == set()
    headings = [int(number) for number in re.findall(r"^## Layer (\d+)", API, re.M)]
    assert headings == sorted(LAYERS)[:-1]


def test_a_module_is_written_of_only_where_it_is():
    shown = re.findall(r"^\.\. automodule:: pixel_edu\.(\S+)$", API, re.M)
    homes = [ROOT / "pixel_edu" / Path(*name.split(".")) for name in shown]
    assert [str(home) for home in homes if not (home.with_suffix(".py").exists() or home.is_dir())] == []


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_keeps_to_githubs_schema(form):
    kind = "config" if form.stem == "config" else "forms"
    command = [BIN / "check-jsonschema", "--builtin-schema", f"vendor.github-issue-{kind}", form]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.stem != "config":
        ids = [part["id"] for part in told["body"] if part["type"] != "markdown"]
        assert len(ids) == len(set(ids))
        assert {"name", "description", "body"} <= told.keys()
        assert any(part.get("validations", {}).get("required") for part in told["body"])


EXERCISE = {
    "ex-06-7-task": "### Exercise 6.7 · Half\n\n*5 minutes · easy · optional.* For this test.\n\nHalf of `x`.\n\n"
    + "\n\n".join(
        f"<details><summary>Hint {n} · Look</summary>\n\nDivide by two.\n\n</details>" for n in (1, 2, 3)
    ),
    "ex-06-7": "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION",
    "ex-06-7-check": 'check("ex-06-7", half)',
    "ex-06-7-marks": 'require("ex-06-7", half)',
}
CHECK = '''

@exercise("ex-06-7", "half(x)", "Half of it.")
def half(ask: Ask) -> None:
    """A half."""
    x = ask.randn(3)
    ask.same(ask(x, like=x), x / 2)
'''


@pytest.mark.slow
def test_an_exercise_is_added_by_touching_what_the_table_says(tmp_path):
    """In a copy of the repository: a notebook and its checks, and the program does the rest."""
    for folder in ("pixel_edu", "solutions", "exercises", "book/solutions", "chapters"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (ROOT / "_toc.yml", ROOT / "pyproject.toml"):
        shutil.copy(file, tmp_path)
    notebook = tmp_path / "solutions/06_guidance.ipynb"
    source = json.loads(notebook.read_text(encoding="utf-8"))
    like = {cell["metadata"].get("nbgrader", {}).get("grade_id"): cell for cell in source["cells"]}
    for name, text in EXERCISE.items():
        cell = json.loads(json.dumps(like[name.replace("-06-7", "-06-1")]))
        cell["metadata"]["nbgrader"]["grade_id"] = name
        source["cells"].append(cell | {"source": text, "id": name})
    notebook.write_text(json.dumps(source, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (tmp_path / "pixel_edu/course/checks/ch06.py").open("a", encoding="utf-8") as checks:
        checks.write(CHECK)

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "pixel_edu.cli", *words], cwd=tmp_path, capture_output=True, text=True
        )

    stale = run("exercises", "build", "--check")
    assert stale.returncode == 1
    assert "06_guidance" in stale.stdout + stale.stderr
    built = run("exercises", "build")
    assert built.returncode == 0, built.stderr
    assert run("exercises", "build", "--check").returncode == 0
    assert "ex-06-7" in (tmp_path / "exercises/06_guidance.ipynb").read_text(encoding="utf-8")
    program = (
        "from pixel_edu.course import check; assert check('ex-06-7', lambda x: x / 2); "
        "assert not check('ex-06-7', lambda x: x)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_endpoint_is_added_by_touching_what_the_table_says():
    """One function with a docstring, and the documents tell of it."""
    from fastapi.testclient import TestClient

    from pixel_edu import checkpoints
    from pixel_edu.serving import api

    app = api.create_app(checkpoints.load_reference("tiny"))

    @app.get("/v1/palette")
    async def palette() -> list[str]:
        """The colours that sprites are drawn in."""
        return ["#ffffff"]

    client = TestClient(app)
    assert client.get("/v1/palette").json() == ["#ffffff"]
    assert "/v1/palette" in client.get("/openapi.json").json()["paths"]
    assert "The colours that sprites are drawn in." in client.get("/docs").text
