"""Guidance against closed forms, the scores of known densities; and the known wrong ones."""

import math

import pytest
import torch
from torch.testing import assert_close

from pixel_edu.guidance import guide, guided, timesteps_between
from pixel_edu.oracle import as_images, mixture
from pixel_edu.samplers import SpriteNoise, ddim_sample
from pixel_edu.schedules import cosine, linear

NULL = 5


class StandIn:
    """A model that depends on x, its place, t and c, and keeps what it was asked."""

    def __init__(self):
        self.calls = []

    def __call__(self, x, t, c):
        self.calls.append((t.tolist(), c.tolist()))
        place = torch.arange(x[0].numel(), dtype=x.dtype).reshape(x[0].shape)
        of_image = (c + 1.0).sqrt() + t / 300
        return torch.sin(x + place) * of_image.reshape(-1, 1, 1, 1)


def batch(count=3, channels=3):
    x = SpriteNoise(range(count)).start((channels, 4, 4))
    return x, torch.tensor([10, 500, 999])[:count], torch.tensor([0, 4, NULL])[:count]


def wrong_guided(wrong):
    """Guidance with a mistake."""

    def build(model, c, guidance_scale, null_label=NULL):
        def predict_eps(x, t):
            nothing = torch.full_like(c, null_label)
            if wrong == "class 0 means no label":
                nothing = torch.zeros_like(c)
            answers = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([c, nothing]))
            cond, uncond = answers.chunk(2)
            if wrong == "halves swapped":
                cond, uncond = uncond, cond
            if wrong == "w in place of s":
                return cond + guidance_scale * (cond - uncond)
            if wrong == "s - 1 from the unconditional":
                return uncond + (guidance_scale - 1) * (cond - uncond)
            if wrong == "labels interleaved":
                cond, uncond = answers[::2], answers[1::2]
            result = uncond + guidance_scale * (cond - uncond)
            if wrong == "on three of the channels":
                result = torch.cat([result[:, :3], cond[:, 3:]], dim=1)
            if wrong == "on the first channel":
                result = torch.cat([result[:, :1], cond[:, 1:]], dim=1)
            return result

        return predict_eps

    return build


WRONG = [
    "class 0 means no label",
    "halves swapped",
    "w in place of s",
    "s - 1 from the unconditional",
    "labels interleaved",
    "on three of the channels",
    "on the first channel",
]


def check_formula(build, channels=5) -> None:
    """Each image gets eps_uncond + w·(eps_cond - eps_uncond), from two calls of its own."""
    x, t, c = batch(channels=channels)
    nothing = torch.full_like(c, NULL)
    for s in (-1.0, 0.0, 1.0, 2.0, 7.5):
        eps_cond, eps_uncond = StandIn()(x, t, c), StandIn()(x, t, nothing)
        expected = (1 - s) * eps_uncond + s * eps_cond
        assert_close(build(StandIn(), c, s)(x, t), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.formula
def test_guidance_is_the_formula_on_all_channels_and_all_images():
    check_formula(guided)


def test_the_wrong_guidance_without_its_mistake_passes():
    check_formula(wrong_guided(""))


@pytest.mark.parametrize("wrong", WRONG)
def test_the_formula_refuses_the_known_wrong_guidance(wrong):
    with pytest.raises(AssertionError):
        check_formula(wrong_guided(wrong))


def two_gaussians(schedule):
    """Not a mixture: class 0 is one Gaussian in the plane, "no label" another, so that tilting has a closed form."""
    means, stds = {0: (1.0, -0.5), NULL: (0.2, 0.1)}, {0: 0.5, NULL: 0.8}

    def noised(t, c):
        level = schedule.levels(t)
        mean = torch.tensor([means[i] for i in c.tolist()])[:, :, None, None] * level.signal
        std = torch.tensor([stds[i] for i in c.tolist()]).reshape(-1, 1, 1, 1)
        return mean, level.signal**2 * std**2 + level.noise**2, level.noise

    def model(x, t, c):
        mean, variance, noise = noised(t, c)
        return noise * (x - mean) / variance

    return model, noised


def check_tilted(build) -> None:
    """Guided noise is -noise times the score of p(x|c)^w · p(x)^(1-w), which is a Gaussian again."""
    schedule = cosine()
    model, noised = two_gaussians(schedule)
    x = torch.linspace(-2, 2, 12).reshape(6, 2, 1, 1)
    t, c = torch.tensor([50, 250, 450, 650, 850, 950]), torch.zeros(6, dtype=torch.int64)
    for s in (0.0, 1.0, 1.5, 3.0):
        mean, variance, noise = noised(t, c)
        base_mean, base_variance, _ = noised(t, torch.full_like(c, NULL))
        precision = s / variance + (1 - s) / base_variance
        tilted_mean = (s * mean / variance + (1 - s) * base_mean / base_variance) / precision
        expected = noise * precision * (x - tilted_mean)
        assert_close(build(model, c, s)(x, t), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.formula
def test_guided_noise_is_the_score_of_the_tilted_gaussian():
    check_tilted(guided)


@pytest.mark.parametrize("wrong", [w for w in WRONG if w != "on three of the channels"])
def test_the_tilted_gaussian_refuses_wrong_guidance(wrong):
    """Two channels hold no fourth."""
    with pytest.raises(AssertionError):
        check_tilted(wrong_guided(wrong))


@pytest.mark.formula
def test_guiding_a_mixture_follows_the_gradient_of_the_tilted_density():
    """-σ·∇[w·log p(x|c) + (1-w)·log p(x)] by automatic differentiation of the mixture's own density."""
    schedule = linear()
    centers = torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.3, -1.0]])
    spreads, labels = torch.tensor([0.2, 0.4, 0.3]), torch.tensor([0, 1, 1])
    model = mixture(schedule, as_images(centers), spreads.tolist(), labels.tolist())
    for t in (100, 400, 700):
        x = torch.tensor([[0.1, 0.2], [-0.8, 0.4], [1.5, -1.0]], dtype=torch.float64, requires_grad=True)
        a = schedule.alpha_bar[t]
        variance = a * spreads.double() ** 2 + 1 - a
        distance = (x[:, None] - a.sqrt() * centers.double()).square().sum(-1)
        parts = -distance / (2 * variance) - variance.log()  # in two dimensions
        log_all, log_class = parts.logsumexp(1), parts[:, labels == 1].logsumexp(1)
        (gradient,) = torch.autograd.grad((3 * log_class - 2 * log_all).sum(), x)
        predict_eps = guided(model, torch.tensor([1, 1, 1]), 3.0)
        found = predict_eps(x.detach()[:, :, None, None], torch.full((3,), t))
        assert_close(found[:, :, 0, 0], -(1 - a).sqrt() * gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.formula
def test_a_sampler_with_a_scale_of_1_draws_the_class_and_with_0_the_mixture():
    model = mixture(cosine(), as_images(torch.tensor([[-1.0], [1.0]])), 0.05, labels=[0, 1])
    x = SpriteNoise(range(200)).start((1, 1, 1))
    c = torch.ones(200, dtype=torch.int64)
    of_class = ddim_sample(guided(model, c, 1.0), cosine(), x, 50)
    of_all = ddim_sample(guided(model, c, 0.0), cosine(), x, 50)
    assert (of_class > 0.5).all()
    assert abs((of_all > 0).float().mean().item() - 0.5) < 5 * 0.5 / math.sqrt(200)


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.formula
def test_both_answers_come_from_one_call_with_a_batch_of_two_halves():
    model, (x, t, c) = StandIn(), batch()
    guided(model, c, 2.0)(x, t)
    assert model.calls == [([10, 500, 999, 10, 500, 999], [0, 4, NULL, NULL, NULL, NULL])]


def test_another_null_label_is_asked_for():
    """As many classes as a network has, not as many as the sprites have."""
    model, (x, t, _) = StandIn(), batch()
    guided(model, torch.tensor([7, 0, 8]), 2.0, null_label=8)(x, t)
    assert model.calls == [([10, 500, 999] * 2, [7, 0, 8, 8, 8, 8])]


@pytest.mark.parametrize(("scale", "labels"), [(1.0, [0, 4, NULL]), (0.0, [NULL] * 3)])
def test_a_scale_of_1_or_0_costs_one_plain_call(scale, labels):
    model, (x, t, c) = StandIn(), batch()
    found = guided(model, c, scale)(x, t)
    assert model.calls == [([10, 500, 999], labels)]
    assert torch.equal(found, StandIn()(x, t, torch.tensor(labels)))


@pytest.mark.parametrize("t", [100, 300, 500])
def test_inside_the_interval_both_ends_included_guidance_is_on(t):
    x, _, c = batch()
    here = torch.full((3,), t)
    assert torch.equal(
        guided(StandIn(), c, 3.0, interval=(100, 500))(x, here), guided(StandIn(), c, 3.0)(x, here)
    )


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("t", [0, 99, 501, 999])
def test_outside_the_interval_only_the_conditional_half_runs(t, scale):
    model, (x, _, c) = StandIn(), batch()
    here = torch.full((3,), t)
    found = guided(model, c, scale, interval=(100, 500))(x, here)
    assert model.calls == [([t] * 3, c.tolist())]
    assert torch.equal(found, StandIn()(x, here, c))


@pytest.mark.parametrize("scale", [0.0, 3.0])
def test_a_batch_that_straddles_the_interval_is_guided_image_by_image(scale):
    x, t, c = batch()
    found = guided(StandIn(), c, scale, interval=(100, 600))(x, t)
    on, off = guided(StandIn(), c, scale)(x, t), StandIn()(x, t, c)
    assert_close(found, torch.stack([off[0], on[1], off[2]]))


def test_sampling_with_an_interval_runs_the_second_half_only_there():
    model, (x, _, c) = StandIn(), batch()
    schedule = cosine()
    ddim_sample(guided(model, c, 2.0, interval=(200, 700)), schedule, x, 10)
    sizes = [len(labels) for _, labels in model.calls]
    assert sizes == [6 if 200 <= t <= 700 else 3 for t in schedule.timesteps(10)[:-1]]


def test_a_range_of_lambda_becomes_the_timesteps_that_lie_in_it():
    schedule = linear()
    first, last = timesteps_between(schedule, -1.0, 2.0)
    inside = schedule.levels(torch.arange(first, last + 1)).half_log_snr
    assert inside.max() <= 2.0 < schedule.levels(torch.tensor([first - 1])).half_log_snr.item()
    assert inside.min() >= -1.0 > schedule.levels(torch.tensor([last + 1])).half_log_snr.item()
    assert timesteps_between(schedule, -math.inf, math.inf) == (0, 999)


@pytest.mark.formula
def test_two_scales_can_be_mixed_in_one_batch():
    cond, uncond = torch.full((2, 3, 4, 4), 2.0), torch.full((2, 3, 4, 4), 1.0)
    scale = torch.tensor([0.0, 3.0]).reshape(2, 1, 1, 1)
    assert guide(cond, uncond, scale)[:, 0, 0, 0].tolist() == [1.0, 4.0]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[-1], [6], [0, 7]])
def test_a_label_outside_its_range_is_refused(labels):
    with pytest.raises(ValueError, match="labels run from 0 to 5"):
        guided(StandIn(), torch.tensor(labels), 2.0)


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_a_scale_that_is_not_a_number_is_refused(scale):
    with pytest.raises(ValueError, match="guidance_scale"):
        guided(StandIn(), torch.tensor([0]), scale)


def test_an_interval_with_its_ends_swapped_is_refused():
    with pytest.raises(ValueError, match="smaller timestep first"):
        guided(StandIn(), torch.tensor([0]), 2.0, interval=(500, 100))


def test_another_number_of_labels_than_images_is_refused():
    x, t, _ = batch()
    with pytest.raises(ValueError, match="3 images and 1 labels"):
        guided(StandIn(), torch.tensor([0]), 2.0)(x, t)


def test_a_range_of_lambda_without_timesteps_is_refused():
    with pytest.raises(ValueError, match="no timestep has"):
        timesteps_between(linear(), 50.0, 60.0)
