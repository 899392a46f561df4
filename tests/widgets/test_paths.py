"""Paths of the oracle: what the page computes is what Python computes, and the picture says what it shows."""

import json
import re
from pathlib import Path

import pytest
import torch
import traitlets
from torch.testing import assert_close

from pixel_edu.oracle import as_images
from pixel_edu.widgets.paths import CALLS, NOTHING, OraclePaths, line, ring

HERE = Path(__file__).parent
WALKS = [
    {"data": "line", "x": 0.3},
    {"data": "line", "x": -1.7, "num_steps": 3, "seed": 5},
    {"data": "line", "x": -0.01, "num_steps": 10},
    {"data": "line", "x": 0.0, "sampler": "ddpm", "seed": 2},
    {"data": "ring", "x": 0.6, "y": -2.0, "seed": 1},
    {"data": "ring", "x": 2.5, "y": 0.4, "num_steps": 1},
    {"data": "ring", "x": 0.1, "y": 0.2, "num_steps": 10, "label": 1},
    {"data": "ring", "x": -0.6, "y": 0.9, "sampler": "ddpm", "label": 2, "seed": 9},
]


@pytest.fixture(scope="module")
def page(run):
    """What JavaScript computes."""
    asked = [OraclePaths(crowd=160, **settings).settings() for settings in WALKS]
    command = ("run", "--allow-read", "--no-remote", "--quiet", str(HERE / "paths.js"))
    return json.loads(run(*command, said=json.dumps(asked)))


def test_the_parts_without_a_page_work(run):
    run("test", "--no-remote", "--quiet", str(HERE / "paths_test.js"))


@pytest.mark.formula
@pytest.mark.parametrize("i", range(len(WALKS)))
def test_a_path_is_the_same_as_in_python(page, i):
    ours = OraclePaths(**WALKS[i]).path()
    assert_close(torch.tensor(page[i]["path"], dtype=torch.float64), ours, rtol=0, atol=1e-4)


@pytest.mark.parametrize("i", range(len(WALKS)))
def test_random_starts_end_where_they_do_in_python(page, i):
    ours = OraclePaths(crowd=160, **WALKS[i]).many()
    theirs = torch.tensor(page[i]["many"], dtype=torch.float64).reshape(ours.shape)
    assert_close(theirs, ours, rtol=0, atol=1e-3)


def test_the_data_are_those_of_the_chapter():
    """At the end of the noise each denoiser answers with the average, and near clean data with what is nearest."""
    no_label = torch.tensor([NOTHING])
    for model, near, nearest in (
        (line(), [[0.8]], [[1.0]]),
        (ring(), [[-0.9, 0.1]], [[-1.0, 0.0]]),
    ):
        x = as_images(torch.tensor(near))
        last = model.predict_x0(x, torch.tensor([999]), no_label)
        assert_close(last, torch.zeros_like(last), rtol=0, atol=1e-3)
        first = model.predict_x0(x, torch.tensor([60]), no_label)
        assert_close(first, as_images(torch.tensor(nearest)), rtol=0, atol=0.15)
    assert ring().labels.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.slow
def test_it_is_its_words_and_a_picture_of_four_paths():
    made = OraclePaths(data="ring", x=0.6, y=0.5)
    assert repr(made) == made.alt
    words = re.search(r'role="img" aria-label="([^"]+)"', made.picture())[1]
    assert words.startswith(made.alt)
    assert words.endswith("from (0.6, 0.5) to a ring of six blobs, in one call and in 3, 10 and 50 calls.")
    assert "from 0.3 to the two numbers -1 and 1" in OraclePaths().picture()
    assert made.picture() == OraclePaths(data="ring", x=0.6, y=0.5).picture()
    assert OraclePaths().picture() != OraclePaths(sampler="ddpm").picture()


def test_a_path_has_a_place_for_each_call_and_the_start():
    for calls in CALLS:
        assert OraclePaths().path(calls).shape == (calls + 1, 1)
    assert OraclePaths(data="ring", crowd=16).many().shape == (51, 16, 2)


@pytest.mark.parametrize(
    "wrong",
    [{"data": "plane"}, {"x": 2.6}, {"num_steps": 2}, {"sampler": "dpmpp_2m"}, {"label": 4}, {"crowd": -1}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(traitlets.TraitError):
        OraclePaths(**wrong)
