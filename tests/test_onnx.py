import ast
import importlib.util
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from pixel_edu import checkpoints, config, generate, samplers, schedules
from pixel_edu.checkpoints import CheckpointError
from pixel_edu.denoiser import Denoiser
from pixel_edu.facts import DataFacts
from pixel_edu.serving import onnx
from pixel_edu.training import TrainConfig, TrainState
from pixel_edu.unet import UNetConfig
from tests import command, needs

RECIPE = Path(__file__).parents[1] / "book" / "draw_with_onnx.py"
ALONE = ("numpy", "numpy.libs", "onnxruntime", "PIL", "pillow.libs")
"""The folders of all that the recipe may import, beside Python itself."""
SMALL = UNetConfig((16, 32), (False, True), places=True)
"""A network with one layer of each kind: exporting takes as long as it has layers."""

pytestmark = [pytest.mark.slow, needs.package("onnxruntime"), needs.package("onnxscript")]


def export(state, folder):
    """Write a model whose every layer does something, as a checkpoint and as ONNX."""
    torch.manual_seed(0)
    for parameter in state.ema.network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    checkpoints.save_model(folder / "model.safetensors", state)
    onnx.export(folder / "model.safetensors", folder / "model.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model, as a checkpoint and as ONNX."""
    folder = tmp_path_factory.mktemp("onnx")
    export(TrainState(TrainConfig(SMALL, prediction="x0", schedule="linear")), folder)
    return folder


@pytest.fixture(scope="module")
def commanded(tmp_path_factory):
    """What the command said that exported a shipped model, and the file."""
    folder = tmp_path_factory.mktemp("commanded")
    return command.run("export", "tiny", cwd=folder), folder / "tiny.onnx"


@pytest.fixture(scope="module")
def shipped(commanded, tmp_path_factory):
    """The shipped models as ONNX, by name; the reference at half precision."""
    path = tmp_path_factory.mktemp("shipped") / "reference.onnx"
    onnx.export(checkpoints.find("reference"), path, half=True)
    return {"tiny": commanded[1], "reference": path}


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_it_answers_as_the_checkpoint_does_for_batches_of_any_size(folder, batch):
    torch.manual_seed(batch)
    x, t, c = torch.randn(batch, 3, 16, 16), torch.randint(0, 1000, (batch,)), torch.randint(0, 6, (batch,))
    expected = checkpoints.load_model(folder / "model.safetensors")
    answer = onnx.load(folder / "model.onnx")
    assert (answer.prediction, answer.null_label) == ("x0", 5)
    assert torch.equal(answer.schedule.alpha_bar, expected.schedule.alpha_bar)
    assert_close(answer.network(x, t, c), expected.network(x, t, c), rtol=1e-3, atol=1e-4)


def test_it_draws_the_same_sprites(folder):
    models = checkpoints.load_model(folder / "model.safetensors"), onnx.load(folder / "model.onnx")
    one, other = (generate.generate(model, [0, 4], [1, 2]).astype(int) for model in models)
    assert np.abs(one - other).max() <= 1


@pytest.mark.parametrize("name", ["tiny", "reference"])
def test_a_whole_guided_run_ends_where_pytorch_s_does(shipped, name):
    models = checkpoints.load_reference(name), onnx.load(shipped[name])
    labels, seeds = [0, 1, 2, 3, 4, 5], range(6)
    one, other = ([*generate.stream(model, labels, seeds)][-1].x for model in models)
    assert config.SampleConfig().num_steps == 20
    assert config.SampleConfig().guidance_scale > 1
    assert (one - other).abs().max() < 1e-4


def test_half_precision_halves_the_weights_and_what_is_lost_is_small(folder, tmp_path):
    state = TrainState(TrainConfig(SMALL))
    with torch.no_grad():
        for parameter in state.ema.network.parameters():
            parameter.normal_(std=0.1)
    checkpoints.save_run(tmp_path / "run.safetensors", state)  # at full precision
    onnx.export(tmp_path / "run.safetensors", tmp_path / "half.onnx", half=True)
    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * (folder / "model.onnx").stat().st_size
    x, t, c = torch.randn(2, 3, 16, 16), torch.tensor([10, 999]), torch.tensor([1, 5])
    models = checkpoints.load_model(tmp_path / "run.safetensors"), onnx.load(tmp_path / "half.onnx")
    one, other = (model.network(x, t, c) for model in models)
    assert 0 < (one - other).abs().max() / one.std() < 0.02


def test_the_file_says_nothing_of_the_machine_that_made_it(folder):
    assert b"unet.py" not in (folder / "model.onnx").read_bytes()


def test_the_file_stands_alone(folder):
    assert [file.name for file in folder.iterdir() if "onnx" in file.name] == ["model.onnx"]


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "foreign.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"foreign\.onnx"):
        onnx.load(path)


def test_a_model_of_others_is_refused(tmp_path):
    from onnx import TensorProto, helper, save

    box = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [box],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "foreign.onnx")
    with pytest.raises(CheckpointError, match="not a model that pixel-edu export wrote"):
        onnx.load(tmp_path / "foreign.onnx")


def test_without_onnxruntime_the_message_says_what_to_install():
    code = """
import sys
sys.modules["onnxruntime"] = None
from pixel_edu.config import UserError
from pixel_edu.denoiser import Denoiser
from pixel_edu.facts import DataFacts
from pixel_edu.serving import onnx
try:
    onnx.load("model.onnx")
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("onnxruntime is not installed: pip install 'pixel-edu[serve]', or make lab")


def test_the_command_exports_a_shipped_model_and_samples_from_it(commanded, tmp_path):
    exported, file = commanded
    assert (exported.returncode, exported.stderr) == (0, "")
    assert exported.stdout == "tiny.onnx; draw with it: pixel-edu sample --checkpoint tiny.onnx\n"
    drawn = command.run("sample", "--checkpoint", file, "-n", 2, "--steps", 3, cwd=tmp_path)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert (tmp_path / "sprites.png").stat().st_size > 100


# the recipe of the book


def test_the_recipe_has_at_most_40_lines_and_imports_three_packages():
    text = RECIPE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    nodes = [*ast.walk(ast.parse(text))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name for name in names if name not in sys.stdlib_module_names} == {"numpy", "onnxruntime", "PIL"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Runs code, below the recipe's, in a Python that has NumPy, onnxruntime and Pillow, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    installed = Path(importlib.util.find_spec("numpy").origin).parents[1]
    for name in ALONE:
        if (installed / name).exists():
            (folder / name).symlink_to(installed / name)

    def run(*arguments, code=None):
        start = f"import sys; sys.path.append({str(folder)!r}); sys.path.append({str(RECIPE.parent)!r}); "
        how = code or f"import runpy; runpy.run_path({str(RECIPE)!r}, run_name='__main__')"
        command = [sys.executable, "-I", "-S", "-c", start + how, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert not done.returncode, done.stderr
        return done.stdout

    return run


def test_where_the_recipe_runs_there_is_neither_this_package_nor_pytorch(alone):
    code = """
import importlib.util
print([name for name in ("pixel_edu", "torch", "onnx", "numpy", "onnxruntime") if importlib.util.find_spec(name)])
"""
    assert alone(code=code).strip() == "['numpy', 'onnxruntime']"


DRAW = """
import json
import numpy as np, onnxruntime
from draw_with_onnx import draw
network = onnxruntime.InferenceSession(sys.argv[1])
about = {k: json.loads(v) for k, v in network.get_modelmeta().custom_metadata_map.items()}
noise = np.load(sys.argv[2])
draws = iter(noise)
np.save(sys.argv[3], draw(network, about, np.arange(noise.shape[1]), lambda shape: next(draws)))
"""


def noise_of(seeds, shape=(3, 16, 16)):
    """What a `SpriteNoise` gives, (21, N, *shape): the start, and for every step."""
    noise = samplers.SpriteNoise(seeds)
    return np.stack([noise.start(shape).numpy() for _ in range(config.SampleConfig().num_steps + 1)])


def drawn_by_the_recipe(alone, path, noise, folder):
    np.save(folder / "noise.npy", noise)
    alone(path, folder / "noise.npy", folder / "drawn.npy", code=DRAW)
    return np.load(folder / "drawn.npy")


class Gaussian:
    """The best answers for images whose pixels are independent and normal, round a grey of the class's own."""

    def __init__(self, schedule, prediction):
        self.schedule, self.prediction = schedule, prediction

    def __call__(self, x, t, c):
        level, grey = self.schedule.levels(t), (c.reshape(-1, 1, 1, 1) - 2.5) / 9
        gain = 0.04 * level.signal / (0.04 * level.signal**2 + level.noise**2)
        x0 = grey + gain * (x - level.signal * grey)
        eps = (x - level.signal * x0) / level.noise
        return {"x0": x0, "eps": eps, "v": level.signal * eps - level.noise * x0}[self.prediction].float()

    def run(self, outputs, given):
        """As a session of onnxruntime's does."""
        return [self(*(torch.from_numpy(given[name]) for name in ("x", "t", "c"))).numpy()]


@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_from_the_same_noise_the_recipe_draws_what_the_package_draws(prediction, name):
    schedule = schedules.SCHEDULES[name]()
    network = Gaussian(schedule, prediction)
    denoiser = Denoiser(network, schedule, prediction, null_label=5)
    about = {key: json.loads(value) for key, value in onnx.facts(denoiser).items()}
    draw = runpy.run_path(str(RECIPE))["draw"]
    noise = samplers.SpriteNoise(range(5))
    drawn = draw(network, about, np.arange(5), lambda shape: noise.start().numpy())
    expected = generate.generate(denoiser, range(5), range(5))
    assert ((expected > 0) & (expected < 255)).mean() > 0.9  # few are clamped, where all would agree
    assert np.abs(drawn.astype(int) - expected).max() <= 1  # of 255 levels


def test_from_the_same_noise_the_recipe_draws_the_reference_s_sprites(alone, shipped, tmp_path):
    drawn = drawn_by_the_recipe(alone, shipped["reference"], noise_of(range(5)), tmp_path)
    expected = generate.generate(checkpoints.load_reference(), range(5), range(5))
    assert np.abs(drawn.astype(int) - expected).max() <= 1  # of 255 levels


def test_the_recipe_s_command_draws_sprites_of_a_class_in_the_palette(alone, shipped, tmp_path):
    alone(shipped["reference"], "food", tmp_path / "sprites.png")
    with Image.open(tmp_path / "sprites.png") as image:
        drawn = np.array(image)
    assert drawn.shape == (16, 160, 3)
    known = {color.tobytes() for color in checkpoints.load_reference().palette}
    assert {color.tobytes() for color in drawn.reshape(-1, 3)} <= known


@pytest.fixture(scope="module")
def stickers(tmp_path_factory):
    """A small model of another size, with alpha and classes of its own, as ONNX."""
    folder = tmp_path_factory.mktemp("stickers")
    config = TrainConfig(UNetConfig((16, 32), (False, False), classes=3, image_channels=4), prediction="x0")
    facts = DataFacts(("axe", "key", "ring"), 24, 4, ("ff0000", "000000"))
    state = TrainState(config, data=facts)
    export(state, folder)
    return folder / "model.onnx"


def test_a_model_of_another_size_with_alpha_is_drawn_by_the_recipe_as_by_the_package(
    alone, stickers, tmp_path
):
    denoiser = onnx.load(stickers)
    assert (denoiser.size, denoiser.channels, denoiser.classes) == (24, 4, ("axe", "key", "ring"))
    drawn = drawn_by_the_recipe(alone, stickers, noise_of(range(3), (4, 24, 24)), tmp_path)
    expected = generate.generate(denoiser, range(3), range(3))
    assert drawn.shape == (3, 24, 24, 4)
    assert expected.std() > 1
    assert np.abs(drawn.astype(int) - expected).max() <= 1  # of 255 levels


def test_the_recipe_s_command_writes_what_is_transparent(alone, stickers, tmp_path):
    alone(stickers, "key", tmp_path / "sprites.png")
    with Image.open(tmp_path / "sprites.png") as image:
        drawn = np.array(image)
    assert drawn.shape == (24, 240, 4)
    assert {*np.unique(drawn[..., 3])} == {0, 255}
    assert {tuple(color) for color in drawn[..., :3].reshape(-1, 3).tolist()} == {(255, 0, 0), (0, 0, 0)}


def test_a_file_of_a_later_version_is_refused_by_name(stickers, tmp_path):
    import onnx as library

    model = library.load(stickers)
    record = {each.key: each.value for each in model.metadata_props}[checkpoints.KEY]
    later = json.dumps(json.loads(record) | {"version": checkpoints.VERSION + 1})
    library.helper.set_model_props(model, {checkpoints.KEY: later})
    library.save(model, tmp_path / "later.onnx")
    with pytest.raises(CheckpointError, match=r"later\.onnx was written by a later version"):
        onnx.load(tmp_path / "later.onnx")


def test_the_file_says_in_plain_json_what_a_program_needs_in_order_to_draw(shipped):
    import onnxruntime

    found = onnxruntime.InferenceSession(shipped["reference"]).get_modelmeta().custom_metadata_map
    said = {name: json.loads(value) for name, value in found.items()}
    model = checkpoints.load_reference()
    assert tuple(said["classes"]) == config.CLASSES
    assert (said["size"], said["channels"], said["prediction"]) == (16, 3, model.prediction)
    assert np.array_equal(said["palette"], model.palette)
    assert said["alpha_bar"] == model.schedule.alpha_bar.tolist()
    how = config.SampleConfig(
        num_steps=said["steps"], guidance_scale=said["guidance"], interval=tuple(said["interval"])
    )
    assert how == config.SampleConfig()


def test_a_file_of_an_earlier_version_has_the_checkpoint_s_record_alone_and_is_read(folder, tmp_path):
    import onnx as library

    model = library.load(folder / "model.onnx")
    record = {each.key: each.value for each in model.metadata_props}[checkpoints.KEY]
    library.helper.set_model_props(model, {checkpoints.KEY: record})
    library.save(model, tmp_path / "old.onnx")
    assert onnx.load(tmp_path / "old.onnx").prediction == "x0"
