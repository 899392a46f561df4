"""The page draws what Python draws: the same noise, the same schedules, the same sprites."""

import dataclasses
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from pixel_edu import guidance, load_reference, palette, schedules
from pixel_edu.config import CLASSES, SampleConfig
from pixel_edu.generate import generate, stream
from pixel_edu.pixelart import cut_out
from pixel_edu.widgets import assets

pytestmark = pytest.mark.slow

deno = pytest.importorskip("deno", reason="deno is not installed")
HERE = Path(__file__).parent
SEEDS = [0, 7, 2**32 - 1, 2**53 - 1]
RUNS = [
    ([2], [7], SampleConfig()),
    ([0, 4, 3], [1, 2, 3], SampleConfig(sampler="ddim")),
    ([1], [5], SampleConfig(sampler="ddpm")),
    ([2], [7], SampleConfig(sampler="dpmpp_2m")),
    ([3], [11], SampleConfig(interval=(-20.0, 20.0), guidance_scale=2.0)),
    ([0], [3], SampleConfig(guidance_scale=1.0, num_steps=1)),
    ([4], [3], SampleConfig(guidance_scale=0.0, num_steps=5)),
]


WHITES = np.full((20, 16, 16, 4), 255, np.uint8)
"""Images of white, of what is just white and of what is just not, and of ink."""
WHITES[..., :3] = np.array(
    [[255] * 3, [255] * 3, [255] * 3, [253] * 3, [252, 255, 255], [23, 19, 31]], np.uint8
)[np.random.default_rng(0).integers(6, size=(20, 16, 16))]


@pytest.fixture(scope="module")
def page():
    """What JavaScript computes."""
    asked = {
        "files": {name: str(path) for name, path in assets.PATHS.items()},
        "runs": [
            {"labels": labels, "seeds": seeds, "settings": dataclasses.asdict(config)}
            for labels, seeds, config in RUNS
        ],
        "seeds": SEEDS,
        "whites": [[*each.ravel().tolist()] for each in WHITES],
    }
    command = [deno.find_deno_bin(), "run", "--allow-read", "--no-remote", "--quiet", HERE / "parity.js"]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("i", range(len(RUNS)))
def test_a_sprite_is_the_same_to_two_ten_thousandths(page, i):
    labels, seeds, config = RUNS[i]
    *_, last = stream(load_reference(), labels, seeds, config)
    theirs = torch.tensor(page["sprites"][i]).reshape(last.x.shape)
    assert_close(theirs, last.x, rtol=0, atol=2e-4)


@pytest.mark.parametrize("i", range(len(RUNS)))
def test_a_finished_sprite_has_the_same_colours(page, i):
    labels, seeds, config = RUNS[i]
    model = load_reference()
    ours = palette.as_sprites(generate(model, labels, seeds, config), model.palette)
    theirs = np.array(page["snapped"][i], np.uint8).reshape(-1, 16, 16, 4)[..., :3]
    assert (theirs != ours).any(axis=-1).mean() < 0.002  # a pixel may lie between two colours to the last bit


def test_a_background_is_cut_out_alike(page):
    theirs = np.array(page["cut"], np.uint8).reshape(WHITES.shape)
    assert (theirs == cut_out(WHITES[..., :3])).all()
    assert 0.05 < (theirs[..., 3] == 0).mean() < 0.95


def test_the_classes_have_the_same_names_in_the_same_order(page):
    assert tuple(page["classes"]) == CLASSES


@pytest.mark.parametrize("i", range(len(SEEDS)))
def test_a_seed_gives_pytorchs_noise_again_and_again(page, i):
    generator = torch.Generator().manual_seed(SEEDS[i])
    ours = torch.cat([torch.randn(768, generator=generator), torch.randn(768, generator=generator)])
    assert_close(torch.tensor(page["noise"][i]), ours, rtol=0, atol=2e-6)


@pytest.mark.formula
@pytest.mark.parametrize("name", ["linear", "cosine", "sigmoid"])
def test_schedules_agree(page, name):
    theirs, ours = page["levels"][name], getattr(schedules, name)()
    assert_close(torch.tensor(theirs["alpha_bar"], dtype=torch.float64), ours.alpha_bar, rtol=1e-12, atol=0)
    levels = ours.levels(torch.arange(len(ours)))
    assert_close(torch.tensor(theirs["half_log_snr"]), levels.half_log_snr.flatten(), rtol=1e-6, atol=1e-6)
    assert theirs["timesteps"] == ours.timesteps(37)
    assert tuple(theirs["between"]) == guidance.timesteps_between(ours, -1.0, 1.0)
