"""A student at work: exercise notebooks in a real JupyterLab, wrong answers included."""

import os
import shutil
from pathlib import Path

import pytest

from pixel_edu import notebooks
from pixel_edu.notebooks import handouts
from tests.browser.lab import jupyterlab
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
NAMES = ("02_noise", "07_ddim")
SHOTS = os.environ.get("PIXEL_EDU_SHOTS")
"""A folder to leave screenshots in, for a person to look at."""
WRONG = {
    "ex-02-1": (
        "def add_noise(x0, eps, level):\n    return level.signal * x0 + level.noise**2 * eps",
        "is a square root missing?",
    ),
    "ex-02-2": ("def alpha_bar_from(beta):\n    while True:\n        pass", "took longer than 3 s"),
    "ex-02-3": ("def beta_from(alpha_bar):\n    return nothing", "NameError"),
    "ex-07-1": (
        "def timesteps(T, num_steps):\n    return [T * (num_steps - i) // num_steps - 1 for i in range(num_steps)]",
        "steps have",
    ),
}
STATE = """i => {
  const panel = window.jupyterapp.shell.currentWidget, model = panel.content.widgets[i].model;
  const data = o => o.data ? o.data["text/html"] || o.data["text/plain"] : "";
  const parts = model.outputs.toJSON().map(o => o.text || o.evalue || data(o) || "");
  return {
    count: model.executionCount,
    said: parts.map(p => Array.isArray(p) ? p.join("") : p).join("\\n"),
    errors: model.outputs.toJSON().filter(o => o.output_type === "error").length,
    busy: panel.sessionContext.session.kernel.status,
  };
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab whose folder holds the exercises."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "exercises", home / "exercises")
    with jupyterlab(home, home / "exercises") as address:
        yield address


class Notebook:
    """An open notebook, worked with the keyboard."""

    def __init__(self, page, name):
        self.page, self.name = page, name
        cells = notebooks.read(ROOT / "exercises" / f"{name}.ipynb").cells
        self.places = {cell.id: i for i, cell in enumerate(cells)}

    def run(self, cell, source=None):
        """Type over a cell, or not, and run it with Shift and Enter; gives what it said."""
        place = self.places[cell]
        before = self.page.evaluate(STATE, place)["count"]
        self.page.evaluate("i => { jupyterapp.shell.currentWidget.content.activeCellIndex = i }", place)
        self.page.keyboard.press("Escape")
        if source is not None:
            self.page.keyboard.press("Enter")
            self.page.keyboard.press("Control+a")
            self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Shift+Enter")

        def finished():
            state = self.page.evaluate(STATE, place)
            return state if state["count"] not in (None, before) and state["busy"] == "idle" else None

        return wait_until(finished, lambda: f"{cell} did not finish: {self.page.evaluate(STATE, place)}", 0.1)

    def shot(self, name):
        if SHOTS:
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=f"{SHOTS}/{self.name}-{name}.png")


@pytest.fixture
def opened(chromium, lab):
    """Opens a notebook in JupyterLab."""
    pages = []

    def open_(name):
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        pages.append(page)
        page.goto(f"{lab}lab/tree/{name}.ipynb?reset")
        ready = (
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )
        page.wait_for_function(ready)
        page.locator(".jp-NotebookPanel .jp-Cell").first.click()
        return Notebook(page, name)

    yield open_
    for page in pages:
        page.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_student_works_through_a_notebook(opened, name):
    notebook = opened(name)
    source = notebooks.read(ROOT / "solutions" / f"{name}.ipynb")
    found = handouts.exercises_of(source, name)
    notebook.shot("0-opened")
    hint = notebook.page.locator("details", has_text="Hint 1").first
    assert hint.locator("p").first.is_hidden()

    def is_open():  # a cell that JupyterLab draws again while it loads is closed again
        return hint.locator("p").first.is_visible() or hint.locator("summary").click()

    wait_until(is_open, every=0.5)
    mark = hint.locator("summary").evaluate(
        "e => [getComputedStyle(e).listStyleType, getComputedStyle(e).listStylePosition]"
    )
    assert mark == [
        "disclosure-closed",
        "inside",
    ]  # else nothing tells that it opens: JupyterLab cuts off what is outside
    notebook.shot("1-hint")
    notebook.run("install")
    assert not notebook.run("setup")["errors"]
    for each in found:
        assert not notebook.run(each.id)["errors"]  # untouched: it only defines something
        assert "There is no answer yet" in notebook.run(f"{each.id}-check")["said"]
        if each.id in WRONG:
            answer, says = WRONG[each.id]
            notebook.run(each.id, answer)
            said = notebook.run(f"{each.id}-check")
            assert says in said["said"]
            assert "not yet" in said["said"]
            assert not said["errors"]
            notebook.shot(f"{each.id}-wrong")
        notebook.run(each.id, each.solution)
        assert "✓ passed" in notebook.run(f"{each.id}-check")["said"]
        if f"{each.id}-try" in notebook.places:
            tried = notebook.run(f"{each.id}-try")
            assert not tried["errors"], tried["said"]
            notebook.shot(f"{each.id}-try")
    assert f"{len(found)} of" in notebook.run("progress")["said"]
    notebook.shot("progress")
    for each in found:
        assert not notebook.run(f"{each.id}-marks")["errors"]
    notebook.run(found[0].id, found[0].stub)
    refused = notebook.run(f"{found[0].id}-marks")
    assert refused["errors"] == 1
    assert "There is no answer yet" in refused["said"]
    notebook.shot("marks-refused")
