"""The distilled network in the page: it draws what Python draws, and never falls behind the slider."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image
from torch.testing import assert_close

from pixel_edu import load_reference
from pixel_edu.config import CLASSES, SampleConfig
from pixel_edu.generate import generate, stream
from pixel_edu.images import grid
from pixel_edu.palette import as_sprites
from pixel_edu.widgets import assets
from pixel_edu.widgets.instant import STOPS, InstantDraw

HERE = Path(__file__).parent
LABELS, SEEDS, SHARES = [0, 2, 4], [7, 8], [0.0, 0.335, 1.0]


@pytest.fixture(scope="module")
def model():
    return load_reference("instant")


def test_the_parts_without_a_page_work(run):
    run("test", "--no-remote", "--quiet", str(HERE / "instant_test.js"))


@pytest.mark.parametrize("traits", [{"label": 6}, {"seed": -1}, {"other_seed": -1}, {"share": 1.01}])
def test_what_the_controls_cannot_say_is_refused(traits):
    with pytest.raises(traitlets.TraitError):
        InstantDraw(**traits)


def test_the_ends_of_the_way_are_the_sprites_of_the_two_seeds(model):
    ends = InstantDraw(label=2, seed=7, other_seed=8).draw([0.0, 1.0])
    assert (ends == as_sprites(generate(model, [2, 2], [7, 8]), model.palette)).all()
    raw = InstantDraw(label=2, seed=7, other_seed=8, snap=False).draw([0.0, 1.0])
    assert np.abs(raw.astype(int) - generate(model, [2, 2], [7, 8])).max() <= 1
    assert (raw != ends).any()


def test_all_classes_are_rows_of_the_same_noises():
    shares = [0.2, 0.7]
    every = InstantDraw(label=len(CLASSES), seed=7, other_seed=8, snap=False).draw(shares)
    assert every.shape == (2 * len(CLASSES), 16, 16, 3)
    for label in (0, 3):
        one = InstantDraw(label=label, seed=7, other_seed=8, snap=False).draw(shares)
        assert np.abs(every[2 * label : 2 * label + 2].astype(int) - one).max() <= 1


def test_a_page_has_the_strip_before_it_has_the_network():
    widget = InstantDraw(label=1, seed=3, other_seed=4)
    strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(widget.first))).convert("RGB"))
    assert (strip == grid(widget.draw(STOPS), len(STOPS), gap=0)).all()
    assert "first" in widget.settings()


def test_without_a_page_there_is_the_strip_and_what_it_is():
    picture = InstantDraw(label=1, seed=3, other_seed=4).picture()
    assert picture.count("<img") == 1
    assert "9 sprites along the way" in picture


@pytest.fixture(scope="module")
def page(run):
    """What JavaScript computes."""
    files = {name: str(path) for name, path in assets.PATHS.items()}
    asked = {"files": files, "labels": LABELS, "seeds": SEEDS, "shares": SHARES}
    told = run(
        "run", "--allow-read", "--no-remote", "--quiet", str(HERE / "instant.js"), said=json.dumps(asked)
    )
    return json.loads(told)


@pytest.mark.slow
def test_a_page_draws_what_python_draws(page):
    for snap, name in ((False, "sprites"), (True, "snapped")):
        ours = [
            InstantDraw(label=label, seed=SEEDS[0], other_seed=SEEDS[1], snap=snap).draw(SHARES)
            for label in LABELS
        ]
        theirs = np.array(page[name], np.uint8).reshape(-1, 16, 16, 4)
        assert (theirs[..., 3] == 255).all()
        differ = np.abs(theirs[..., :3].astype(int) - np.concatenate(ours))
        if snap:  # a pixel may lie between two colours to the last bit
            assert (differ > 0).any(axis=-1).mean() < 0.002
        else:
            assert differ.max() <= 1


@pytest.mark.slow
def test_two_networks_on_a_page_keep_apart_and_share_what_runs_them(page):
    """Both were asked for at once, and onnxruntime has one place for the weights of the network that it makes."""
    assert page["loaded"] == sorted(assets.PATHS)
    assert page["same"]
    assert page["calls"] == [1, 0]
    *_, last = stream(load_reference(), LABELS, [SEEDS[0]] * len(LABELS), SampleConfig(num_steps=2))
    assert_close(torch.tensor(page["reference"]).reshape(last.x.shape), last.x, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_the_share_that_is_loaded_grows_to_the_whole(page):
    assert page["told"] == sorted(page["told"])
    assert page["told"][0] < 0.5
    assert page["told"][-1] == 1
