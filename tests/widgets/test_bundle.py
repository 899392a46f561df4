"""A widget's modules become one, and what a notebook stores of a widget is the same on every run."""

import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from pixel_edu import notebooks, widgets
from pixel_edu.notebooks import states
from pixel_edu.widgets import assets
from pixel_edu.widgets.bundle import bundle


@pytest.fixture
def module(tmp_path):
    """Writes modules, by name, and gives the path of the first."""

    def write(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.js").write_text(source)
        return tmp_path / f"{next(iter(sources))}.js"

    return write


@pytest.fixture(scope="module")
def deno():
    return pytest.importorskip("deno", reason="deno is not installed").find_deno_bin()


def run(deno, source, tmp_path):
    """What a module prints."""
    path = tmp_path / "bundled.mjs"
    path.write_text(source)
    done = subprocess.run([deno, "run", "--quiet", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_modules_with_the_same_private_names_stay_apart(module, deno, tmp_path):
    path = module(
        main='import { twice, TEN } from "./a.js";\nimport { twice as other } from "./b.js";\n'
        "const factor = 5;\nconsole.log(twice(1), other(1), TEN, factor);\n",
        a='import { thrice } from "./b.js";\nconst factor = 2;\nexport function twice(x) {\n  return factor * x;\n}\n'
        "export const TEN = thrice(3) + 1;\n",
        b="const factor = 3;\nexport const twice = (x) => 20 * x;\nexport const thrice = (x) => factor * x;\n",
    )
    assert run(deno, bundle(path), tmp_path) == "2 20 10 5"
    assert bundle(path).count("const factor = 3;") == 1  # b is there once, though two ask for it


def test_generators_classes_and_comments_come_through(module, deno, tmp_path):
    path = module(
        main='import { Pair, count } from "./a.js";\nconsole.log(new Pair(1).sum(), ...count(2));\n'
        'console.log("// stays");\n',
        a="/** Two.\n * numbers */\nexport class Pair {\n  // the first\n  constructor(a) {\n    this.a = a;\n  }\n"
        "  sum() {\n    return this.a + 1; // and one\n  }\n}\nexport function* count(n) {\n"
        "  for (let i = 0; i < n; i++) yield i;\n}\n",
    )
    assert "numbers" not in bundle(path)
    assert run(deno, bundle(path), tmp_path) == "2 0 1\n// stays"


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ({"a": 'import { b } from "./b.js";\n', "b": 'import { a } from "./a.js";\n'}, "break the circle"),
        ({"a": 'import * as b from "./b.js";\n', "b": ""}, "cannot be bundled"),
        ({"a": 'import b from "./b.js";\n', "b": ""}, "cannot be bundled"),
        ({"a": 'import { b } from "./b.js";\n', "b": "const b = 1;\nexport { b };\n"}, "cannot be bundled"),
    ],
)
def test_what_cannot_be_bundled_is_one_sentence(module, sources, says):
    with pytest.raises(ValueError, match=says):
        bundle(module(**sources))


@pytest.mark.parametrize("name", sorted(widgets.BY_MODULE))
def test_a_widgets_module_runs_as_it_is_and_is_small(deno, tmp_path, name):
    source = widgets.BY_MODULE[name]._esm
    assert len(source) < 40_000  # a notebook holds a copy for each
    told = run(deno, f"{source}\nconsole.log('read');\n", tmp_path)
    assert told == "read"


@pytest.mark.slow
def test_a_widget_that_a_notebook_shows_is_stored_the_same_on_every_run(tmp_path):
    path = tmp_path / "01_toy.ipynb"
    source = "from pixel_edu import widgets\n\nwidgets.SamplerRace(num_steps=3)"
    cells = [new_code_cell(source), new_code_cell("_ = widgets.SpriteLab()  # shown nowhere")]
    nbformat.write(new_notebook(cells=cells), path)
    notebooks.execute(path)
    first = path.read_bytes()
    notebooks.execute(path)
    assert path.read_bytes() == first
    stored = notebooks.read(path)
    (view,) = states.views(stored)
    models = states.stored(stored)
    assert models[view.model_id].state.num_steps == 3
    assert {model.state.get("_anywidget_id") for model in models.values()} == {
        "pixel_edu.widgets.race.SamplerRace",
        None,  # its layout
    }


CHAPTERS = sorted((assets.HERE.parents[1] / "chapters").glob("*.ipynb"))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_widgets_that_a_chapter_stores_are_todays(path):
    notebook = notebooks.read(path)
    models = states.stored(notebook)
    for view in states.views(notebook):
        state = models[view.model_id].state
        widget = getattr(widgets, state["_anywidget_id"].rpartition(".")[2])
        assert (state["_esm"], state["_css"]) == (widget._esm, widget._css), (
            "run python tools/store_widgets.py"
        )


@pytest.mark.parametrize("name", assets.NETWORKS)
def test_a_page_loads_the_weights_once_and_hardly_any_with_the_graph(name):
    onnx = pytest.importorskip("onnx")
    inside = onnx.ModelProto.FromString(assets.read(f"{name}.onnx")).graph.initializer
    raw = assets.read(f"{name}.safetensors")
    whole = len(raw) - 8 - int.from_bytes(raw[:8], "little")
    own = [tensor for tensor in inside if tensor.data_location != onnx.TensorProto.EXTERNAL]
    places = [{each.key: each.value for each in tensor.external_data} for tensor in inside]
    read = [(int(place["offset"]), int(place["length"])) for place in places if place]
    assert 0.98 * whole < sum(length for _, length in read) <= whole
    assert len({offset for offset, _ in read}) == len(read)
    assert sum(onnx.numpy_helper.to_array(tensor).size for tensor in own) < 40_000


@pytest.mark.slow
def test_the_graphs_in_the_package_are_of_the_shipped_networks():
    pytest.importorskip("onnxscript")
    command = [sys.executable, "-m", "pixel_edu.widgets.network", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
