"""The noise explorer and the sprite bench: what they hold, what they look like without a page, and their numbers."""

import base64
import io
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image
from torch.testing import assert_close

from pixel_edu import figures, palette, schedules, sprites
from pixel_edu.diffusion import add_noise
from pixel_edu.images import to_tensor, to_uint8
from pixel_edu.widgets.base import STYLE
from pixel_edu.widgets.lab import SpriteLab
from pixel_edu.widgets.noise import NoiseExplorer

HERE = Path(__file__).parent
BOTH = [NoiseExplorer, SpriteLab]
MIXES = [
    ("linear", 0, 0),
    ("linear", 999, 7),
    ("cosine", 500, 2**32 - 1),
    ("sigmoid", 250, 3),
    ("cosine", 999, 5),
]
BENCHES = [
    (0.03, 0, "snap", 0.11, 0.055),
    (0.1, 1, "snap", 0.3, 0.15),
    (0.2, 2, "snap", 0.0, 0.0),
    (0.05, 3, "nearest", 0.11, 0.055),
    (0.08, 4, "none", 0.11, 0.055),
]


@pytest.fixture(scope="module")
def deno():
    return pytest.importorskip("deno", reason="deno is not installed").find_deno_bin()


@pytest.fixture(scope="module")
def true():
    """One sprite of each class."""
    return np.concatenate([sprites.draw(label, np.array([3])) for label in range(5)])


@pytest.fixture(scope="module")
def page(deno, true):
    """What JavaScript computes."""
    opaque = np.concatenate([true, np.full_like(true[..., :1], 255)], axis=-1)
    asked = {
        "images": opaque.reshape(len(true), -1).tolist(),
        "palette": palette.to_words(sprites.colors()),
        "mixes": [dict(zip(("schedule", "t", "seed"), mix, strict=True)) for mix in MIXES],
        "benches": [
            dict(zip(("amount", "seed", "how", "tolerance", "loneliness"), bench, strict=True))
            for bench in BENCHES
        ],
    }
    command = [deno, "run", "--no-remote", "--quiet", HERE / "noise_and_lab.js"]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def noise(seed):
    return torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["noise", "lab"])
def test_the_parts_without_a_page_work(deno, name):
    command = [deno, "test", "--no-remote", "--quiet", HERE / f"{name}_test.js"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("i", range(len(MIXES)))
def test_the_page_mixes_sprite_and_noise_as_python_does(page, true, i):
    schedule, t, seed = MIXES[i]
    level = getattr(schedules, schedule)().levels(torch.tensor([t]))
    ours = add_noise(to_tensor(true[i : i + 1]), noise(seed), level)
    # here 1e-6; PyTorch's noise is float32, and on another processor its last bits may be others
    assert_close(torch.tensor(page["mixed"][i]), ours.flatten(), rtol=0, atol=2e-6)


def as_images(values):
    return np.array(values, np.uint8).reshape(1, 16, 16, 4)[..., :3]


@pytest.mark.parametrize("i", range(len(BENCHES)))
def test_the_page_spoils_and_mends_as_python_does(page, true, i):
    amount, seed, how, tolerance, loneliness = BENCHES[i]
    before = to_uint8(to_tensor(true[i : i + 1]) + amount * noise(seed))
    theirs = as_images(page["benched"][i]["before"])
    assert (theirs != before).any(axis=-1).mean() < 0.01  # a number may lie between two bytes
    ways = {
        "none": lambda images: images,
        "nearest": lambda images: sprites.colors()[palette.nearest(images, sprites.colors())[0]],
        "snap": lambda images: palette.snap(images, sprites.colors(), tolerance, loneliness),
    }
    after = as_images(page["benched"][i]["after"])
    assert (after != ways[how](theirs)).any(axis=-1).mean() < 0.005  # or a pixel between two colours


@pytest.mark.parametrize("widget", BOTH)
def test_a_widget_is_its_words_and_a_picture_with_alt_text(widget):
    made = widget()
    assert repr(made) == widget.alt
    assert made.picture() == widget().picture()
    assert widget.alt in re.search(r'<figure.*<img alt="([^"]+)"', made.picture())[1]


@pytest.mark.parametrize("how", ["none", "nearest", "snap"])
def test_a_bench_has_a_picture_for_each_way(how):
    assert "<img" in SpriteLab(label=4, number=7, how=how).picture()


@pytest.mark.parametrize(("widget", "each"), [(NoiseExplorer, 2), (SpriteLab, 8)])
def test_the_sheet_holds_every_class_and_is_small(widget, each):
    text = widget().sheet
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))
    assert len(text) < 8000
    for label in range(5):
        row = sheet[16 * label : 16 * label + 16].reshape(16, each, 16, 3).swapaxes(0, 1)
        np.testing.assert_array_equal(row, sprites.draw(label, np.arange(each)))


def test_the_bench_uses_the_courses_palette():
    np.testing.assert_array_equal(palette.from_words(SpriteLab().palette), sprites.colors())


@pytest.mark.parametrize(
    ("widget", "wrong"),
    [
        (NoiseExplorer, {"t": 1000}),
        (NoiseExplorer, {"sprite": 10}),
        (NoiseExplorer, {"schedule": "square"}),
        (SpriteLab, {"number": 8}),
        (SpriteLab, {"amount": 0.5}),
        (SpriteLab, {"how": "hope"}),
    ],
)
def test_settings_that_make_no_sense_are_refused(widget, wrong):
    with pytest.raises(traitlets.TraitError):
        widget(**wrong)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "sigmoid"])
def test_a_schedule_has_the_colour_that_it_has_in_plots(schedule):
    assert re.search(rf"--{schedule}: (#\w+);", STYLE)[1] == figures.SCHEDULE_COLORS[schedule]
