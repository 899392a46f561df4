"""How exact outputs are: every cell says it, and a run is compared as exactly as that."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pixel_edu import figures, notebooks
from pixel_edu.notebooks import outputs
from pixel_edu.notebooks.outputs import KINDS, difference, text_difference

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
IDS = [path.stem for path in CHAPTERS]
pytest_plugins = ["pytester"]


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_a_cell_says_how_exact_its_output_is_if_it_has_one(path):
    wrong = {}
    for number, cell in enumerate(nbformat.read(path, 4).cells, 1):
        kinds = [tag for tag in cell.metadata.get("tags", []) if tag in KINDS]
        if len(kinds) != bool(cell.get("outputs")):
            wrong[f"cell {number}"] = kinds
    assert wrong == {}, f"tag each cell that shows something with one of {', '.join(KINDS)}, and no other"


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_outputs_belong_to_the_sources_that_stand_above_them(path):
    notebook = notebooks.read(path)
    ran = notebook.metadata.get("pixel_edu", {}).get("ran")
    assert ran == outputs.digest(notebook), f"{path.name} has changed since it ran: run make notebooks"


def test_a_changed_source_has_another_digest_and_a_changed_tag_the_same():
    notebook = new_notebook(cells=[new_code_cell("a = 1"), new_code_cell("b = 2")])
    before = outputs.digest(notebook)
    notebook.cells[0].metadata["tags"] = ["exact"]
    assert outputs.digest(notebook) == before
    notebook.cells[1].source = "b = 3"
    assert outputs.digest(notebook) != before


@pytest.mark.parametrize(
    ("kind", "stored", "new"),
    [
        ("exact", "5 food\n3 items", "5   food\n3 items\n"),
        ("exact", "it took 12.1 s", "it took 3 s"),
        ("rounded", "1,000 sprites, 0.797 lost", "1,001 sprites, 0.798 lost"),
        ("rounded", "gap 1.9e-05", "gap 0.0e+00"),
        ("statistical", "83% closed, 9.8*", "88% closed, 10.1"),
        ("statistical", "(-17.8 to 2)", "(-16.9 to 4)"),
        ("varies", "anything", "nothing"),
    ],
)
def test_what_its_tag_allows_is_no_difference(kind, stored, new):
    assert text_difference(kind, stored, new) is None


@pytest.mark.parametrize(
    ("kind", "stored", "new", "says"),
    [
        ("exact", "5 food\n3 items", "5 food\n4 items", "`3 items` became `4 items`"),
        ("exact", "a\nb", "a", "2 lines became 1"),
        ("rounded", "0.797 lost", "0.799 lost", "0.797 became 0.799"),
        ("rounded", "1,000 sprites", "1,002 sprites", "1,000 became 1,002"),
        ("rounded", "gap 1.9e-02", "gap 0.0e+00", "1.9e-02 became 0.0e+00"),
        ("rounded", "9.8*", "9.8", "`9.8*` became `9.8`"),
        ("statistical", "83% closed", "95% closed", "83 became 95"),
        ("statistical", "0.20 lost", "0.24 lost", "0.20 became 0.24"),
        ("statistical", "agrees: True", "agrees: False", "`agrees: True` became `agrees: False`"),
        ("statistical", "83% closed", "83% open", "`83% closed` became `83% open`"),
        ("statistical", "16, 13", "16, 13, 11", "became `16, 13, 11`"),
    ],
)
def test_what_its_tag_does_not_allow_is_named(kind, stored, new, says):
    assert says in text_difference(kind, stored, new)


def shown(image, alt="A sprite."):
    figure = figures.sprites(image[None], alt)
    return [new_output("execute_result", {"text/html": figure._repr_html_(), "text/plain": repr(figure)})]


def test_sprites_are_compared_by_their_pixels():
    image = np.full((16, 16, 3), 100, np.uint8)
    off = image.copy()
    off[:8] += 1
    assert difference("exact", shown(image), shown(image)) is None
    assert "pixels differ by 0.5" in difference("exact", shown(image), shown(off))
    assert difference("rounded", shown(image), shown(off)) is None
    assert "pixels differ" in difference("rounded", shown(image), shown(image + 3))
    assert difference("statistical", shown(image), shown(image + 3)) is None
    assert "pixels differ" in difference("statistical", shown(image), shown(image + 50))
    assert difference("varies", shown(image), shown(image + 50)) is None
    assert "other sizes" in difference("statistical", shown(image), shown(image[:, :8]))


def test_what_a_figure_says_is_compared_and_what_goes_to_stderr_is_not():
    image = np.zeros((16, 16, 3), np.uint8)
    assert "became `Two sprites.`" in difference("rounded", shown(image), shown(image, "Two sprites."))
    warned = [new_output("stream", name="stderr", text="an old habit"), *shown(image)]
    assert difference("exact", shown(image), warned) is None


CELLS = {"exact": "3", "rounded": "0.5", "statistical": "80", "varies": "1"}


@pytest.mark.slow
def test_nbval_compares_as_declared(pytester):
    """Stored outputs are a little off, and a lot off; nbval finds what each tag says it should."""
    notebook = new_notebook()
    for off in (0.0, 1e-4, 0.05, 0.5):
        for kind, value in CELLS.items():
            stored = new_output("stream", text=f"{float(value) * (1 + off):.6f}\n")
            cell = new_code_cell(f"print('{float(value):.6f}')", outputs=[stored], execution_count=1)
            cell.metadata["tags"] = [kind]
            notebook.cells.append(cell)
    nbformat.write(notebook, pytester.path / "01_toy.ipynb")
    (pytester.path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    options = ("--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-o", "addopts=")
    result = pytester.runpytest_subprocess(*options, "01_toy.ipynb")
    failed = [line.split("Cell ")[1].split(" ")[0] for line in result.outlines if line.startswith("FAILED")]
    assert [int(number) for number in failed] == [4, 8, 9, 12, 13, 14]
    assert "declared exact, but `3.000300` became `3.000000`" in result.stdout.str()
