"""The same widgets in a real JupyterLab: their code comes from the kernel, and so do the model's files."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from pixel_edu import notebooks
from tests.browser.lab import jupyterlab
from tests.browser.moves import MOVES, moves

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOURCE = "from pixel_edu import widgets\n\nshown = widgets.LiveDenoiser(label=2, seed=5)\nshown"
PIXELS = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 16, 16).data]"
PATIENCE = 120_000


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    home = tmp_path_factory.mktemp("lab")
    (home / "work").mkdir()
    cells = [new_code_cell(SOURCE), new_code_cell("print(shown.seed, shown.label)")]
    cells += [new_code_cell(f"widgets.{name}()") for name in MOVES]
    notebook = new_notebook(metadata={"kernelspec": notebooks.KERNEL}, cells=cells)
    nbformat.write(notebook, home / "work" / "try.ipynb")
    with jupyterlab(home, home / "work") as address:
        yield address


@pytest.fixture(scope="module")
def page(chromium, lab):
    """The notebook, opened, after its first cell."""
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.elsewhere, here = [], (lab, "data:", "blob:", "ws:")
    page.on("request", lambda asked: asked.url.startswith(here) or page.elsewhere.append(asked.url))
    page.goto(f"{lab}lab/tree/try.ipynb?reset")
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    run(page, 0)
    page.locator(".pixel-panel").first.wait_for()
    yield page
    page.close()


def run(page, cell):
    """Run a cell, by its place."""
    page.evaluate("i => { jupyterapp.shell.currentWidget.content.activeCellIndex = i }", cell)
    page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")


def test_the_model_draws_in_jupyterlab_and_the_kernel_knows_what_was_chosen(page):
    panel = page.locator(".pixel-panel").first
    canvas = panel.locator("canvas").nth(1)
    first = canvas.evaluate(PIXELS)
    panel.get_by_label("seed", exact=True).fill("6")
    panel.get_by_label("seed", exact=True).press("Enter")
    panel.get_by_label("class").select_option("food")
    panel.get_by_role("button", name="Draw").click()
    page.wait_for_function("document.querySelector('.pixel-panel').dataset.drawn >= 1", timeout=PATIENCE)
    drawn = canvas.evaluate(PIXELS)
    assert drawn != first
    assert len({tuple(drawn[i : i + 3]) for i in range(0, len(drawn), 4)}) <= 32  # few colours, each meant
    assert "food" in canvas.get_attribute("aria-label")
    run(page, 1)
    page.get_by_text("6 2", exact=True).wait_for()
    assert page.elsewhere == []


@pytest.mark.parametrize("name", MOVES)
def test_a_widget_is_alive_in_jupyterlab(page, name):
    cell = 2 + list(MOVES).index(name)
    run(page, cell)
    place = page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".pixel-panel")
    place.wait_for()
    assert moves(page, place, name)
    assert page.elsewhere == []
