"""The same widgets in a real JupyterLab: their code comes from the kernel, and so do the model's files."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from pixel_edu.course import notebooks
from tests.browser.lab import jupyterlab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOURCE = "from pixel_edu import widgets\n\nshown = widgets.LiveDenoiser(label=2, seed=5)\nshown"
PIXELS = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 16, 16).data]"
PATIENCE = 120_000


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    home = tmp_path_factory.mktemp("lab")
    (home / "work").mkdir()
    cells = [new_code_cell(SOURCE), new_code_cell("print(shown.seed, shown.label)")]
    notebook = new_notebook(metadata={"kernelspec": notebooks.KERNEL}, cells=cells)
    nbformat.write(notebook, home / "work" / "try.ipynb")
    with jupyterlab(home, home / "work") as address:
        yield address


def test_the_model_draws_in_jupyterlab_and_the_kernel_knows_what_was_chosen(chromium, lab):
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    elsewhere = []
    page.on(
        "request",
        lambda asked: (
            None if asked.url.startswith((lab, "data:", "blob:", "ws:")) else elsewhere.append(asked.url)
        ),
    )
    page.goto(f"{lab}lab/tree/try.ipynb?reset")
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    page.locator(".jp-Cell").first.click()
    page.keyboard.press("Shift+Enter")
    panel = page.locator(".pixel-panel")
    panel.wait_for()
    canvas = panel.locator("canvas").first
    noise = canvas.evaluate(PIXELS)
    panel.get_by_label("seed", exact=True).fill("6")
    panel.get_by_label("seed", exact=True).press("Enter")
    panel.get_by_label("class").select_option("food")
    panel.get_by_role("button", name="Draw").click()
    page.wait_for_function("document.querySelector('.pixel-panel').dataset.drawn >= 1", timeout=PATIENCE)
    drawn = canvas.evaluate(PIXELS)
    assert drawn != noise
    assert len({tuple(drawn[i : i + 3]) for i in range(0, len(drawn), 4)}) <= 32  # few colours, each meant
    assert "food" in canvas.get_attribute("aria-label")
    page.keyboard.press("Escape")
    page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
    page.get_by_text("6 2", exact=True).wait_for()
    assert elsewhere == []
    page.close()
