"""A training in the page: what JavaScript computes is what PyTorch computes, and both learn."""

import json
import re
from pathlib import Path

import pytest
import torch
import traitlets
from torch.testing import assert_close

from pixel_edu.diffusion import add_noise, target
from pixel_edu.oracle import as_images, as_points
from pixel_edu.training import batch_loss
from pixel_edu.widgets import learner
from pixel_edu.widgets.training import TrainingInPage

HERE = Path(__file__).parent
COUNT, SEED, STEPS, RATE = 64, 11, 20, 0.02


@pytest.fixture(scope="module")
def network():
    """Weights that PyTorch drew."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return learner.Learner()


@pytest.fixture(scope="module")
def asked():
    """Points far and near, at every kind of timestep, with each label."""
    points = 1.5 * torch.randn(COUNT, 2, generator=torch.Generator().manual_seed(4))
    return points, torch.arange(COUNT) * 999 // (COUNT - 1), torch.arange(COUNT) % 4


def flat(values):
    return torch.cat([each.detach().flatten() for each in values])


@pytest.fixture(scope="module")
def page(run, network, asked):
    """What JavaScript computes."""
    points, t, c = asked
    told = {
        "weights": flat(network.parameters()).tolist(),
        "count": COUNT,
        "seed": SEED,
        "points": points.flatten().tolist(),
        "t": t.tolist(),
        "c": c.tolist(),
        "steps": STEPS,
        "rate": RATE,
    }
    words = ("run", "--allow-read", "--no-remote", "--quiet", str(HERE / "learner.js"))
    return json.loads(run(*words, said=json.dumps(told)))


@pytest.fixture(scope="module")
def batch():
    return learner.questions(torch.Generator().manual_seed(SEED), COUNT)


def test_the_learner_in_javascript(run):
    run("test", "--no-remote", "--quiet", str(HERE / "learner_test.js"))


@pytest.mark.slow
def test_a_whole_run_in_javascript_comes_near_the_oracle(run):
    run("test", "--no-remote", "--quiet", str(HERE / "learner_whole_test.js"))


def test_both_ask_the_same_questions(page, batch):
    points, t, c, v = page["questions"]
    level = learner.ring().schedule.levels(batch.t)
    assert (t, c) == (batch.t.tolist(), batch.c.tolist())
    noisy, wanted = (
        add_noise(batch.x0, batch.eps, level),
        target(batch.x0, batch.eps, level, "v"),
    )
    assert_close(torch.tensor(points), noisy.flatten(), rtol=0, atol=1e-5)
    assert_close(torch.tensor(v), wanted.flatten(), rtol=0, atol=1e-5)


def test_questions_are_of_the_ring():
    asked = learner.questions(torch.Generator().manual_seed(0), 4096)
    blobs = learner.ring()
    far = torch.cdist(as_points(asked.x0), as_points(blobs.centers))
    nearest = blobs.labels[far.argmin(dim=1)]
    hidden = asked.c == learner.NOTHING
    assert (nearest == asked.c)[~hidden].all()
    assert hidden.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert asked.t.float().mean().item() == pytest.approx(499.5, abs=25)
    assert far.amin(dim=1).square().mean().item() == pytest.approx(2 * learner.SPREAD**2, rel=0.1)


def test_the_page_answers_as_pytorch(page, network, asked):
    points, t, c = asked
    ours = as_points(network(as_images(points), t, c)).flatten().detach()
    assert_close(torch.tensor(page["answers"]), ours, rtol=0, atol=1e-5)


@pytest.mark.formula
def test_loss_and_gradient_are_pytorchs(page, network, batch):
    loss = batch_loss(network, batch, learner.ring().schedule, learner.recipe())
    gradient = flat(torch.autograd.grad(loss, list(network.parameters())))
    assert page["loss"] == pytest.approx(loss.item(), abs=1e-6)
    assert gradient.abs().max() > 0.01
    assert_close(torch.tensor(page["gradient"]), gradient, rtol=1e-4, atol=1e-6)


def test_a_run_takes_the_same_steps(page):
    """AdamW, the shortened gradient, the learning rate and the average: each of them moves these weights."""
    generator = torch.Generator().manual_seed(SEED)
    network = learner.Learner(generator)
    assert_close(torch.tensor(page["first"]), flat(network.parameters()), rtol=0, atol=1e-6)
    ours = learner.train(RATE, SEED, STEPS)
    assert_close(torch.tensor(page["losses"]), torch.tensor(ours.losses), rtol=0, atol=1e-4)
    assert_close(torch.tensor(page["weights"]), flat(ours.network.parameters()), rtol=0, atol=2e-3)
    assert_close(torch.tensor(page["average"]), flat(ours.average.parameters()), rtol=0, atol=2e-3)
    moved = (flat(ours.network.parameters()) - torch.tensor(page["first"])).abs().mean()
    assert moved > 0.01  # what a wrong step would move them, at least


def test_the_least_loss_is_the_oracles(page):
    assert page["least"] == pytest.approx(learner.least_loss(), abs=1e-5)
    assert learner.stored().least == pytest.approx(learner.least_loss(), abs=1e-4)


def test_the_drawn_points_are_counted_alike(page):
    points = torch.tensor(page["drawn"]).reshape(-1, 2)
    assert page["arrived"] == pytest.approx(learner.arrived(points), abs=1e-6)


def test_the_oracle_itself_arrives():
    """Drawn by the perfect network, nearly all points lie in the rings: what is missing is not DDIM's fault."""
    blobs = learner.ring()
    start = torch.randn(learner.DRAWN, 2, 1, 1, generator=torch.Generator().manual_seed(0))

    def v(x, t, c):
        level = blobs.schedule.levels(t)
        return (level.signal * x - blobs.predict_x0(x, t, c)) / level.noise

    assert learner.arrived(learner.draw_points(v, start)) > 0.97


@pytest.mark.slow
def test_the_stored_run_is_todays():
    ours, theirs = learner.train(), learner.stored()
    first = sum(ours.losses[: learner.MEAN]) / learner.MEAN
    assert theirs.losses[0] == pytest.approx(first, abs=1e-3)
    for step in learner.STOPS:  # later steps depend on how a machine rounds
        assert theirs.missed[step] == pytest.approx(ours.missed[step], abs=0.01)
        shares = learner.arrived(ours.clouds[step]), learner.arrived(theirs.clouds[step])
        assert shares[0] == pytest.approx(shares[1], abs=0.15)


def test_it_is_its_words_and_a_picture_that_tells_them():
    made = TrainingInPage()
    assert repr(made) == made.alt
    picture = made.picture()
    assert picture.startswith("<figure")
    words = re.search(r'role="img" aria-label="([^"]+)"', picture)[1]
    assert made.alt in words
    assert "after 3,000 steps" in words
    assert picture == TrainingInPage(seed=3).picture()  # of a stored run


def test_settings_are_the_traits_of_ones_own():
    assert TrainingInPage(seed=4).settings() == {"learning_rate": 0.02, "seed": 4, "average": True}


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.5}, {"seed": -1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(traitlets.TraitError):
        TrainingInPage(**wrong)
