"""Guidance and the race in the plane: what the page computes is what Python computes, and both are right."""

import json
import re
from pathlib import Path

import pytest
import torch
import traitlets
from torch.testing import assert_close

from pixel_edu.oracle import as_images, as_points
from pixel_edu.widgets import plane
from pixel_edu.widgets.field import GuidanceField
from pixel_edu.widgets.race import SamplerRace

HERE = Path(__file__).parent
TIMES = (0, 19, 250, 500, 750, 999)
FIELDS = [(0, 1.0, 0), (1, 3.0, 7), (2, 8.0, 11), (0, 0.0, 2)]
RACES = [("ddpm", 7, 0), ("ddim", 10, 3), ("dpmpp_2m", 10, 3), ("dpmpp_2m", 1, 5)]
WIDGETS = [GuidanceField, SamplerRace]


@pytest.fixture(scope="module")
def points():
    """Points near and far, (64, 2) float64."""
    return 1.5 * torch.randn(64, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.fixture(scope="module")
def page(run, points):
    """What JavaScript computes."""
    flat = points.flatten().tolist()
    asked = {
        "answers": [{"points": flat, "t": t, "label": c} for t in TIMES for c in (0, 1, 2, None)],
        "fields": [{"label": c, "scale": scale, "seed": seed} for c, scale, seed in FIELDS],
        "races": [{"sampler": name, "calls": n, "seed": seed} for name, n, seed in RACES],
    }
    return json.loads(
        run("run", "--allow-read", "--no-remote", "--quiet", str(HERE / "plane.js"), said=json.dumps(asked))
    )


def test_the_mixture_in_javascript(run):
    run("test", "--no-remote", "--quiet", str(HERE / "mixture_test.js"))


@pytest.mark.formula
def test_the_pages_model_answers_as_the_oracle(page, points):
    model, x = plane.blobs(), as_images(points)
    ours = [
        model(x, torch.full((64,), t), torch.full((64,), c)) for t in TIMES for c in (0, 1, 2, plane.NOTHING)
    ]
    theirs = torch.tensor(page["answers"], dtype=torch.float64).reshape(-1, 64, 2)
    assert_close(theirs, torch.stack([as_points(eps) for eps in ours]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("i", range(len(FIELDS)))
def test_points_flow_as_in_python(page, i):
    label, scale, seed = FIELDS[i]
    ours = torch.stack(GuidanceField(label=label, guidance_scale=scale, seed=seed).path())
    theirs = torch.tensor(page["fields"][i], dtype=torch.float64).reshape(ours.shape)
    assert_close(theirs, ours, rtol=0, atol=1e-4)


@pytest.mark.parametrize("i", range(len(RACES)))
def test_samplers_walk_as_in_python(page, i):
    sampler, calls, seed = RACES[i]
    ours = SamplerRace(num_steps=calls, seed=seed).walk(sampler)
    assert_close(
        torch.tensor(page["races"][i], dtype=torch.float64).reshape(ours.shape), ours, rtol=0, atol=1e-4
    )


def test_dpm_solver_needs_fewer_calls_and_ddpm_never_arrives(page):
    needed = page["needed"]
    assert needed["dpmpp_2m"] < 0.6 * needed["ddim"]
    assert needed["ddpm"] is None


@pytest.mark.slow
def test_the_exact_ends_do_not_depend_on_who_walks_there():
    race = SamplerRace()
    ends = race.exact()[-1]
    far = [(race.walk("ddim", n)[-1] - ends).norm(dim=1).mean() for n in (500, 1000)]
    assert far[1] < 0.002
    assert 1.8 < far[0] / far[1] < 2.2  # twice the calls halve DDIM's error, so it is heading there


def test_guidance_sharpens_and_pushes_past_the_data():
    clouds = [GuidanceField(guidance_scale=scale).path()[-1] for scale in (1.0, 3.0, 8.0)]
    centers = as_points(plane.blobs().centers).double()[:2]
    spreads = [float(cloud.std(dim=0).mean()) for cloud in clouds]
    outside = [float((torch.cdist(x, centers).amin(1) > 2 * plane.SPREAD).double().mean()) for x in clouds]
    assert spreads[0] > 1.2 * spreads[1]
    assert outside[0] < 0.15 < 0.8 < outside[2]


def test_scale_1_draws_the_data():
    """What a ring holds of a blob, and how wide the class is, are known in closed form."""
    clouds = torch.cat([GuidanceField(guidance_scale=1.0, seed=seed).path()[-1] for seed in range(8)])
    wanted = torch.tensor([plane.SPREAD**2 + 1 / 16, plane.SPREAD**2 + 3 / 16], dtype=torch.float64).sqrt()
    assert_close(clouds.std(dim=0), wanted, rtol=0.08, atol=0)


@pytest.mark.parametrize("kind", WIDGETS)
def test_a_widget_says_what_it_is_and_has_a_picture_with_words(kind):
    widget = kind()
    assert repr(widget) == kind.alt
    picture = widget.picture()
    assert picture.startswith("<figure")
    assert kind.alt in re.search(r'role="img" aria-label="([^"]+)"', picture)[1]
    assert picture == kind().picture()


@pytest.mark.slow
def test_a_picture_follows_the_settings():
    assert GuidanceField(step=0).picture() != GuidanceField().picture()
    assert "class 2 after 9 of 50 calls" in GuidanceField(label=2, step=9).picture()
    alone = SamplerRace(ddpm=False, dpmpp_2m=False, num_steps=1).picture()
    assert "one call; mean distance from the exact ends: DDIM" in alone
    assert "DDPM" not in alone
    assert "Here" not in SamplerRace(ddpm=False, ddim=False, dpmpp_2m=False).picture()


def test_settings_are_the_traits_of_ones_own():
    assert GuidanceField(label=1).settings() == {"label": 1, "guidance_scale": 3.0, "step": 50, "seed": 0}
    race = {"num_steps": 10, "seed": 0, "ddpm": True, "ddim": True, "dpmpp_2m": True}
    assert SamplerRace().settings() == race


@pytest.mark.parametrize(("kind", "wrong"), [(GuidanceField, {"label": 3}), (SamplerRace, {"num_steps": 51})])
def test_a_setting_outside_its_range_is_refused(kind, wrong):
    with pytest.raises(traitlets.TraitError, match="should not be greater"):
        kind(**wrong)
