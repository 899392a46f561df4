"""The workflows: clean to the linters, pinned, with least permissions, and calling nothing that is not here."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from pixel_edu.cli import app

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in WORKFLOWS}
READ = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = [(name, key, job) for name, workflow in READ.items() for key, job in workflow["jobs"].items()]
STEPS = [(name, step) for name, _, job in JOBS for step in job["steps"]]
RUNS = [(name, step["run"]) for name, step in STEPS if "run" in step]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def test_every_workflow_has_a_name_a_trigger_and_jobs():
    assert READ
    for name, workflow in READ.items():
        assert workflow["name"], name
        assert workflow[True], name  # YAML reads `on` as true
        assert workflow["jobs"], name


def test_zizmor_finds_nothing():
    done = subprocess.run(
        [
            BIN / "zizmor",
            "--offline",
            "--persona=pedantic",
            "--no-progress",
            "--color=never",
            ROOT / ".github",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"])],
)
def test_the_files_keep_to_githubs_schemas(schema, files):
    command = [BIN / "check-jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_pinned_by_hash_each_at_one_version_that_a_comment_names():
    used = [line for text in TEXTS.values() for line in re.findall(r"uses: (.*)", text)]
    pins = {re.fullmatch(r"([\w/-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line).groups() for line in used}
    assert len({action for action, _, _ in pins}) == len(pins)
    assert {action for action, _, _ in pins} <= {
        "actions/checkout",
        "actions/download-artifact",
        "actions/setup-python",
        "actions/upload-artifact",
    }, "one more action is one more thing to trust"


@pytest.mark.parametrize("name", READ)
def test_a_workflow_has_no_permissions_of_its_own_and_is_never_run_twice_at_a_time(name):
    assert READ[name]["permissions"] == {}
    assert {"group", "cancel-in-progress"} == set(READ[name]["concurrency"])


@pytest.mark.parametrize(("name", "key", "job"), JOBS, ids=[f"{name}:{key}" for name, key, _ in JOBS])
def test_a_job_ends_in_time_and_may_write_only_where_it_must(name, key, job):
    assert job["timeout-minutes"] <= 90
    may_write = {what for what, how in job.get("permissions", {}).items() if how == "write"}
    writes = {
        "book.yml:publish": {"contents"},
        "book.yml:remove": {"contents"},
        "release.yml:publish": {"contents"},
    }
    writes["weekly.yml:tell"] = {"issues"}
    assert may_write == writes.get(f"{name}:{key}", set())


def test_what_may_write_checks_out_no_pull_requests_code():
    for name, _, job in JOBS:
        if "write" in job.get("permissions", {}).values():
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout"):
                    assert name == "book.yml"
                    assert step["with"]["ref"].startswith("${{ github.event.pull_request.base.ref")


@pytest.mark.parametrize(
    ("name", "line"), [(n, line) for n, run in RUNS for line in run.splitlines() if "make " in line]
)
def test_what_make_is_asked_for_is_a_target(name, line):
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    words = shlex.split(line)
    assert words[0] == "make"
    assert words[1] in targets
    for word in words[2:]:
        variable, _, _ = word.partition("=")
        assert f"$({variable}" in MAKEFILE, f"the Makefile knows no {variable}"


def commands() -> dict[str, set[str]]:
    """The command line's commands, by the words that call them, with their options."""
    found = {}

    def walk(command, words):
        found[" ".join(words)] = {name for each in command.params for name in getattr(each, "opts", [])}
        for name, part in getattr(command, "commands", {}).items():
            walk(part, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def called() -> list[str]:
    """Every call of pixel-edu in workflows, the Makefile and the scripts that these call."""
    texts = [
        *(run for _, run in RUNS),
        MAKEFILE,
        *(path.read_text() for path in (ROOT / "tools").glob("*.sh")),
    ]
    return [line for text in texts for line in re.findall(r"pixel-edu ([a-z].*)", text)]


@pytest.mark.parametrize("line", called())
def test_a_call_of_pixel_edu_names_a_command_and_options_that_exist(line):
    known = commands()
    words = re.sub(r"\$\(.*?\)+", "X", line).split()
    command = next(c for c in (" ".join(words[:n]) for n in (3, 2, 1)) if c in known)
    assert {word for word in words if word.startswith("--")} <= known[command]


def test_files_that_steps_run_are_there():
    for _, run in RUNS:
        for path in re.findall(r"\btools/[\w.]+", run):
            assert (ROOT / path).exists()


def test_every_profile_is_run_by_a_workflow():
    assert {p for _, run in RUNS for p in re.findall(r"PROFILE=(\w+)", run)} == {"smoke", "cpu", "gpu"}


def test_what_is_uploaded_is_what_a_run_writes():
    for _, step in STEPS:
        for path in re.findall(r"runs/course-(\w+)", str(step.get("with", {}).get("path", ""))):
            assert path in ("smoke", "cpu", "gpu", "colab")


# publish.py


def git(*words, where):
    done = subprocess.run(["git", *words], cwd=where, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def remote(tmp_path):
    git("init", "-q", "--bare", "remote.git", where=tmp_path)
    return tmp_path / "remote.git"


def publish(remote, *words):
    command = [sys.executable, ROOT / "tools" / "publish.py", "--remote", remote, *words]
    return subprocess.run(command, capture_output=True, text=True)


def built(folder, text):
    (folder / "_static").mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(text)
    (folder / "_static" / f"{text}.css").write_text("")
    return folder


def files(remote):
    return set(git("ls-tree", "-r", "--name-only", "gh-pages", where=remote).split())


@pytest.mark.slow
def test_books_are_published_side_by_side_and_a_new_one_takes_the_old_ones_place(remote, tmp_path):
    for words in (["one"], ["two", "--under", "pr/7"], ["three", "--under", "pr/8"], ["four"]):
        name, *options = words
        done = publish(remote, built(tmp_path / name, name), *options)
        assert done.returncode == 0, done.stderr
    root = {".nojekyll", "index.html", "_static/four.css"}
    seven, eight = ({f"pr/{n}/index.html", f"pr/{n}/_static/{x}.css"} for n, x in ((7, "two"), (8, "three")))
    assert files(remote) == root | seven | eight
    assert publish(remote, "--remove", "--under", "pr/7").returncode == 0
    assert files(remote) == root | eight
    assert git("rev-list", "--count", "gh-pages", where=remote).strip() == "1"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere",), "nowhere holds no built book: run make html"),
        ((".", "--under", "../x"), "is not a folder of the branch"),
        (("--remove",), "is not a folder of the branch: use one such as pr/12"),
    ],
)
def test_what_cannot_be_published_is_one_sentence(remote, words, says):
    done = publish(remote, *words)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


# release.py


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tag", "changes", "says"),
    [
        ("v9", "## 0.1.0\n\n- New.\n", "the tag is 'v9' and the package's version 0.1.0: tag v0.1.0"),
        ("v0.1.0", "## Unreleased\n\n- New.\n", "CHANGELOG.md has no section 0.1.0"),
        ("v0.1.0", "## Unreleased\n\n## 0.1.0, in May\n\n- New.\n\n## 0.0.9\n\n- Old.\n", None),
    ],
)
def test_a_release_is_made_only_where_tag_version_and_changelog_agree(tmp_path, tag, changes, says):
    for name, text in {
        "tools/release.py": (ROOT / "tools" / "release.py").read_text(encoding="utf-8"),
        "pixel_edu/__init__.py": '__version__ = "0.1.0"\n',
        "pyproject.toml": '[project]\nname = "pixel-edu"\nversion = "0.1.0"\n',
        "CHANGELOG.md": changes,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, tmp_path / "tools/release.py", tag], capture_output=True, text=True
    )
    if says:
        assert done.returncode == 1
        assert says in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "dist" / "notes.md").read_text() == "- New.\n"
        assert list((tmp_path / "dist").glob("*.whl"))


def test_one_version_stands_wherever_one_is_named():
    from pixel_edu import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] in ("Unreleased", __version__)
    places = [
        ROOT / "README.md",
        ROOT / "docker" / "compose.yaml",
        *sorted((ROOT / "chapters").glob("*.ipynb")),
    ]
    tags = {
        (path.name, tag)
        for path in places
        for tag in re.findall(r"pixel-edu-(?:api|train|mlflow):([\w.]+)", path.read_text(encoding="utf-8"))
    }
    assert {name for name, _ in tags} >= {"README.md", "compose.yaml", "12_packaging.ipynb"}
    assert {tag for _, tag in tags} == {__version__}
