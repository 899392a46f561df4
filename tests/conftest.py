"""Shared by all tests: shape annotations are checked at run time; the private data, if it is here."""

import collections
import functools
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest
from filelock import FileLock
from jaxtyping import install_import_hook
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

os.environ["NO_COLOR"] = "1"  # command-line tests read plain text
os.environ["COLUMNS"] = "120"
HOME = tempfile.TemporaryDirectory(prefix="pixel-edu-")  # gone when the tests are
os.environ["PIXEL_EDU_HOME"] = HOME.name  # what passes here is nobody's progress

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

LONGEST_FIRST = (
    "tests/browser/test_pages.py",
    "tests/grading/test_hostile.py",
    "tests/test_nbgrader.py",
    "tests/browser/test_headings.py",
    "chapters/07_ddim.ipynb",
    "chapters/09_evaluation.ipynb",
    "tests/tracking/test_server.py",
    "chapters/10_tracking.ipynb",
    "tests/grading/test_cli_grade.py",
    "tests/serving/test_hub.py",
    "tests/test_exercises.py",
    "tests/grading/test_rpc.py",
    "tests/browser/test_lab.py",
    "tests/browser/test_widgets_in_page.py",
    "tests/test_cli_train.py",
    "tests/test_onnx.py",
    "tests/grading/test_batch.py",
    "tests/tracking/test_cli.py",
    "tests/grading/test_cluster.py",
    "tests/test_capstone.py",
    "tests/browser/test_demo.py",
    "tests/test_your_sprites.py",
    "tests/test_advice_followed.py",
    "tests/test_cli_evaluate.py",
    "chapters/05_training.ipynb",
    "chapters/11_serving.ipynb",
    "tests/test_training.py",
    "tests/test_cli_data.py",
    "tests/test_handouts.py",
    "chapters/06_guidance.ipynb",
    "tests/test_runs.py",
    "tests/test_fetch.py",
    "tests/grading/test_session.py",
    "tests/serving/test_server.py",
    "tests/test_evaluation.py",
    "tests/test_platforms.py",
    "tests/widgets/test_bundle.py",
    "tests/test_registries.py",
    "tests/browser/test_widgets_in_lab.py",
    "tests/test_cli.py",
    "chapters/08_palette.ipynb",
    "tests/test_wiring_mutants.py",
    "tests/tracking/test_secrets.py",
    "tests/test_notebooks.py",
    "tests/grading/test_course.py",
    "tests/browser/test_widget_field.py",
    "tests/test_rehearsal.py",
    "tests/test_checkpoints.py",
    "tests/browser/test_widget_race.py",
    "tests/browser/test_widget_noise.py",
    "tests/grading/test_sandbox.py",
    "tests/serving/test_web.py",
    "tests/serving/test_same_sprites.py",
    "tests/browser/test_widget_formula.py",
    "tests/browser/test_game.py",
    "tests/grading/test_dry_run.py",
    "tests/grading/test_nbgrader_trees.py",
    "tests/tracking/test_model.py",
    "tests/test_sprites.py",
    "tests/test_schedules.py",
    "tests/serving/test_contract.py",
    "tests/test_layers.py",
)
"""What the processes of a test run begin with, so that all end together; `make test` gives a file to one of them."""
FAST = 5
"""Seconds of processor time that a test may take which is not marked slow."""


def _modules_with_shapes() -> list[str]:
    """The modules that annotate arrays with jaxtyping."""
    files = sorted((ROOT / "pixel_edu").rglob("*.py"))
    shaped = [file for file in files if "from jaxtyping import" in file.read_text(encoding="utf-8")]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in shaped]
    return [name.removesuffix(".__init__") for name in names]


# Before the package is imported: every call of these modules has its shapes and dtypes checked.
install_import_hook(_modules_with_shapes(), "beartype.beartype")


@pytest.fixture(autouse=True)
def own_path():
    """Keep sys.path as it is: MLflow puts a model's copy of this package there, and processes forked later take it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(scope="module")
def small_pictures():
    """A training's pictures in this process have one sprite of each class: drawing more takes longer than few steps."""
    from pixel_edu import generate, runs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "specimens", functools.partial(generate.specimens, each=1))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real labels and the writer of a full-size stand-in; not in this repository."""
    if not (SHARED_DATA / "make_kaggle_layout.py").exists():
        pytest.skip("../shared/data is not here: it holds the real labels, which are not redistributed")
    return SHARED_DATA


@pytest.fixture(scope="session")
def stand_in(shared_data, tmp_path_factory) -> Path:
    """A full-size copy of the Kaggle layout with the real labels and traps, 89,400 rows."""
    out = tmp_path_factory.mktemp("stand-in")
    command = [sys.executable, shared_data / "make_kaggle_layout.py", out, "--images", "100"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return out


@pytest.fixture(scope="session")
def only(tmp_path_factory) -> Callable[[Iterable[str], Iterable[str]], dict[str, str]]:
    """A function that gives an environment for `python -S` in which nothing is installed but what is named.

    Its arguments are requirements, which come with all that they need, packages to leave out again, and the folder of
    this package's source.
    """

    def environment(
        requirements: Iterable[str], without: Iterable[str] = (), source: Path = ROOT
    ) -> dict[str, str]:
        folder, there = tmp_path_factory.mktemp("packages"), set()
        queue = [Requirement(each) for each in requirements]
        while queue:
            wanted = queue.pop()
            if (wanted.name, *wanted.extras) in there:
                continue
            there.add((wanted.name, *wanted.extras))
            for needed in map(Requirement, requires(wanted.name) or []):
                extras = ("", *wanted.extras)
                if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                    queue.append(needed)
        for name in {canonicalize_name(name) for name, *_ in there} - set(without):
            for top in {file.parts[0] for file in distribution(name).files} - {"..", "__pycache__"}:
                if not (folder / top).exists():
                    (folder / top).symlink_to(distribution(name).locate_file(top))
        return os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{source}"}

    return environment


@pytest.fixture(scope="session")
def book(tmp_path_factory, only) -> Path:
    """The folder of the book's pages, built from this tree with warnings as errors; build.log lies beside it.

    It is built with the packages of `make book` alone, so without PyTorch. All processes of a test run share it: the
    first that needs it builds it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    built = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "book" / "_build"
    built.parent.mkdir(exist_ok=True)
    with FileLock(built.parent / "lock"):
        if not (built / "build.log").exists():
            _build(built, only)
    return built / "html"


def _build(built: Path, only) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    environment = only(project["optional-dependencies"]["book"])
    program = "from jupyter_book.cli.main import main; main()"
    options = ["-W", "-n", "--keep-going", "--path-output", str(built.parent)]
    command = [sys.executable, "-S", "-c", program, "build", ".", *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    (built / "build.log").write_text(done.stdout + done.stderr)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items) -> None:
    """Put the longest files first; what reads the built book is slow.

    A cell of a notebook is compared with what is stored as exactly as its tag declares, and not at all without.
    """
    from pixel_edu.notebooks import outputs

    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))
    for item in items:
        if "book" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    for item in items:
        if type(item).__name__ == "IPyNbCell":
            kind = outputs.declared(item.cell)
            item.options["check"] = kind is not None
            item.compare_outputs = functools.partial(_as_declared, item, kind)


def _as_declared(item, kind, new, stored) -> bool:
    """What nbval asks of a cell: whether its outputs are as they were."""
    from pixel_edu.notebooks import outputs

    found = outputs.difference(kind, stored, new)
    item.comparison_traceback = [f"declared {kind}, but {found}; if that is right: make notebooks"]
    return found is None


class Doctests:
    """Passes over the package's modules without an example: importing all of them takes every process seconds."""

    def pytest_ignore_collect(self, collection_path):
        """True for such a module, else None: others decide."""
        if collection_path.suffix != ".py" or not collection_path.is_relative_to(ROOT / "pixel_edu"):
            return None
        return True if ">>>" not in collection_path.read_text(encoding="utf-8") else None


class ProcessorTime:
    """Notes what each test took: a plugin, because this file's own hooks do not see what lies outside tests/."""

    def __init__(self) -> None:
        self.clock = sum(os.times()[:4])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        """Note the processor time that this process, and those of its children that ended, took since the last note."""
        report = yield
        now = sum(os.times()[:4])
        report.cpu, self.clock = now - self.clock, now
        report.fast = not item.get_closest_marker("slow") and type(item).__name__ != "IPyNbCell"
        return report


def pytest_configure(config) -> None:
    """Measure chapters and doctests too, so that their time is not charged to the file that comes next."""
    config.pluginmanager.register(Doctests())
    config.pluginmanager.register(ProcessorTime())


def pytest_addoption(parser) -> None:
    """`--cpu` shows where the time went."""
    parser.addoption("--cpu", action="store_true", help="what each test file took: processor, clock")


def pytest_terminal_summary(terminalreporter, config) -> None:
    """Say how many answers the exercises' checks were tried on, and which tests took long."""
    files, waited, tests = collections.Counter(), collections.Counter(), collections.Counter()
    for report in (each for found in terminalreporter.stats.values() for each in found):
        if not hasattr(report, "cpu"):
            continue
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "answers":
                terminalreporter.write_line(f"the checks of the exercises were tried on {value}")
        file = report.nodeid.partition("::")[0]
        files[file] += report.cpu
        waited[file] += report.duration
        if report.fast and report.when == "call":
            tests[report.nodeid] += report.cpu
    for name, seconds in tests.most_common():
        if seconds > FAST:
            terminalreporter.write_line(f"{name} took {seconds:.1f} s of processor time: mark it slow")
    if config.getoption("cpu"):
        terminalreporter.write_line("processor  clock  seconds, by file")
        for name, seconds in files.most_common():
            terminalreporter.write_line(f"{seconds:9.1f} {waited[name]:6.1f}  {name}")
