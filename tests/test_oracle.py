"""Ideal denoisers against closed forms, brute force, and the data that samplers find with them."""

import math

import pytest
import torch
from torch.testing import assert_close

from pixel_edu import oracle, samplers
from pixel_edu.oracle import as_images, as_points, finite_set, gaussian, mixture, near_sighted
from pixel_edu.samplers import SpriteNoise
from pixel_edu.schedules import cosine, linear

NULL = 5
ALL = torch.tensor([NULL])


def sprites(count=6):
    """A few random sprites with values in [-1, 1]; the labels go 0, 1, 2, 0, 1, 2."""
    images = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return images, [i % 3 for i in range(count)]


def bind(model, c):
    return lambda x, t: model(x, t, c)


@pytest.mark.parametrize("t", [0, 200, 600, 999])
def test_the_gaussian_denoiser_is_the_linear_formula(t):
    """E[x₀|x] = μ + α·δ²/(α²·δ² + σ²)·(x - α·μ), in ᾱ."""
    schedule, center, spread = linear(), torch.full((3, 4, 4), 0.3), 0.5
    x, a = SpriteNoise(range(2)).start((3, 4, 4)), schedule.alpha_bar[t].item()
    gain = math.sqrt(a) * spread**2 / (a * spread**2 + 1 - a)
    x0 = center + gain * (x - math.sqrt(a) * center)
    model, steps, c = gaussian(schedule, center, spread), torch.tensor([t, t]), torch.tensor([0, NULL])
    assert_close(model.predict_x0(x, steps, c), x0, rtol=1e-5, atol=1e-6)
    assert_close(model(x, steps, c), (x - math.sqrt(a) * x0) / math.sqrt(1 - a), rtol=1e-3, atol=1e-4)


def by_quadrature(x, signal, noise, centers, spreads, weights) -> float:
    """E[x₀ | x] in one dimension: the sum over a fine grid of x₀."""
    grid = torch.linspace(-4, 4, 40001, dtype=torch.float64)
    density = sum(
        w / s * torch.exp(-((grid - m) ** 2) / (2 * s**2))
        for m, s, w in zip(centers, spreads, weights, strict=True)
    )
    density = density * torch.exp(-((x - signal * grid) ** 2) / (2 * noise**2))
    return ((grid * density).sum() / density.sum()).item()


CENTERS, SPREADS, WEIGHTS = [-1.0, 0.2, 0.9], [0.3, 0.05, 0.6], [1.0, 2.0, 0.5]


def check_mixture(predict_x0) -> None:
    """Against the integral that defines it, at many places and timesteps."""
    for t in (20, 200, 500, 800):
        level = cosine().levels(torch.tensor([t]))
        for x in (-2.0, -0.4, 0.0, 0.3, 1.7):
            expected = by_quadrature(x, level.signal.item(), level.noise.item(), CENTERS, SPREADS, WEIGHTS)
            assert predict_x0(x, t) == pytest.approx(expected, abs=1e-5)


def test_the_mixture_denoiser_is_the_integral_that_defines_it():
    model = mixture(cosine(), as_images(torch.tensor(CENTERS)[:, None]), SPREADS, [0, 0, 1], WEIGHTS)
    check_mixture(lambda x, t: model.predict_x0(torch.full((1, 1, 1, 1), x), torch.tensor([t]), ALL).item())


@pytest.mark.parametrize(
    "wrong",
    ["no weights", "no normalising factor", "variance of the noise alone", "center not scaled", "no pull"],
)
def test_the_integral_refuses_wrong_mixtures(wrong):
    def predict_x0(x, t):
        a = cosine().alpha_bar[t]
        centers, spreads, weights = (
            torch.tensor(values, dtype=torch.float64) for values in (CENTERS, SPREADS, WEIGHTS)
        )
        variance = a * spreads**2 + 1 - a
        width = torch.full_like(variance, 1 - a) if wrong == "variance of the noise alone" else variance
        off = x - (centers if wrong == "center not scaled" else a.sqrt() * centers)
        logits = -(off**2) / (2 * width)
        if wrong != "no normalising factor":
            logits = logits - width.log() / 2
        if wrong != "no weights":
            logits = logits + weights.log()
        pull = 0 if wrong == "no pull" else a.sqrt() * spreads**2 / variance
        return (logits.softmax(0) * (centers + pull * (x - a.sqrt() * centers))).sum().item()

    with pytest.raises(AssertionError):
        check_mixture(predict_x0)


def test_each_class_has_its_own_denoiser_and_the_null_label_weighs_them_by_their_likelihood():
    """E[x₀|x] = Σ p(c|x)·E[x₀|x, c]."""
    schedule = linear()
    centers = as_images(torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.3, -1.0]]))
    model = mixture(schedule, centers, [0.2, 0.4, 0.3], [0, 1, 1])
    x, t = SpriteNoise(range(4)).start((2, 1, 1)), torch.tensor([10, 300, 600, 999])

    def of(label):
        return model.predict_x0(x, t, torch.full((4,), label))

    alone = mixture(schedule, centers[1:], [0.4, 0.3])
    assert_close(of(1), alone.predict_x0(x, t, torch.full((4,), NULL)))
    responsible = model.responsibilities(x, t, torch.full((4,), NULL)).float()
    p0, p1 = responsible[:, 0], responsible[:, 1:].sum(1)
    assert_close(p0 + p1, torch.ones(4))
    assert_close(of(NULL), p0.reshape(-1, 1, 1, 1) * of(0) + p1.reshape(-1, 1, 1, 1) * of(1))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 1), (3, 4, 4)])
def test_components_are_as_likely_as_their_densities_in_any_number_of_dimensions(shape):
    """By torch's own normal distribution, pixel by pixel, for components of unequal spread and weight."""
    schedule, spreads, weights = linear(), [0.4, 0.5], [1.0, 2.0]
    centers = torch.zeros(2, *shape)
    centers[1] = 0.1
    model = mixture(schedule, centers, spreads, [0, 1], weights)
    for t in (50, 200, 400):
        x, a = 0.5 * SpriteNoise([t]).start(shape).double(), schedule.alpha_bar[t]
        logs = []
        for center, spread, weight in zip(centers.double(), spreads, weights, strict=True):
            there = torch.distributions.Normal(a.sqrt() * center, (a * spread**2 + 1 - a).sqrt())
            logs.append(there.log_prob(x[0]).sum() + math.log(weight))
        expected = torch.softmax(torch.stack(logs), dim=0)
        assert_close(model.responsibilities(x, torch.tensor([t]), ALL)[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("t", "c"), [(-1, 0), (-1, NULL), (300, 1), (800, NULL)])
def test_a_density_adds_up_to_1_over_the_plane(t, c):
    centers = as_images(torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.3, -1.0]]))
    model = mixture(cosine(), centers, [0.2, 0.4, 0.3], [0, 1, 1], weights=[1.0, 2.0, 5.0])
    axis = torch.linspace(-5, 5, 201, dtype=torch.float64)
    grid = as_images(torch.cartesian_prod(axis, axis))
    density = model.log_density(grid, torch.full((len(grid),), t), torch.full((len(grid),), c)).exp()
    assert density.sum().item() * 0.05**2 == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("c", [0, 1, NULL])
def test_the_slope_of_the_log_density_is_minus_the_oracles_answer_over_the_noise_level(c):
    """Tweedie's formula, the slope by automatic differentiation."""
    schedule = cosine()
    centers = as_images(torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.3, -1.0]]))
    model = mixture(schedule, centers, [0.2, 0.4, 0.3], [0, 1, 1], weights=[1.0, 2.0, 5.0])
    x, t = SpriteNoise(range(4)).start((2, 1, 1)).double().requires_grad_(), torch.tensor([10, 300, 600, 990])
    labels = torch.full((4,), c)
    (slope,) = torch.autograd.grad(model.log_density(x, t, labels).sum(), x)
    assert_close(-model(x.detach(), t, labels) / schedule.levels(t).noise, slope, rtol=1e-10, atol=1e-10)


def test_images_of_a_batch_do_not_disturb_each_other():
    images, labels = sprites()
    model = finite_set(cosine(), images, labels)
    x, t, c = SpriteNoise(range(3)).start(), torch.tensor([0, 500, 999]), torch.tensor([0, NULL, 2])
    for i in range(3):
        one = slice(i, i + 1)
        assert_close(model(x, t, c)[one], model(x[one], t[one], c[one]))


@pytest.mark.parametrize("make", [linear, cosine])
def test_the_denoiser_of_a_finite_set_is_finite_at_every_timestep(make):
    images, labels = sprites()
    schedule = make()
    model = finite_set(schedule, images, labels)
    t = torch.arange(1000)
    for far in (0.0, 1.0, 100.0):
        x = SpriteNoise([0]).start().expand(1000, -1, -1, -1) * far
        assert model(x, t, torch.arange(1000) % 3).isfinite().all()
        assert model.predict_x0(x, t, torch.full((1000,), NULL)).abs().max() <= 1 + 1e-6


def test_a_finite_set_is_a_softmax_over_distances():
    images, _ = sprites()
    schedule = linear()
    model = finite_set(schedule, images)
    for t in (300, 600, 999):
        a = schedule.alpha_bar[t]
        x = (a.sqrt() * images[2].double() + (1 - a).sqrt() * SpriteNoise([3]).start()[0]).double()
        distance = torch.stack([(x - a.sqrt() * image).square().sum() for image in images.double()])
        weights = torch.softmax(-distance / (2 * (1 - a)), dim=0)
        expected = (weights.reshape(-1, 1, 1, 1) * images).sum(0)
        assert_close(model.predict_x0(x[None], torch.tensor([t]), ALL)[0], expected, rtol=1e-4, atol=1e-5)


def test_in_pure_noise_the_answer_is_the_mean_of_the_data_and_near_the_data_the_nearest():
    images, _ = sprites()
    model = finite_set(cosine(), images)
    x = SpriteNoise([0]).start()
    assert_close(model.predict_x0(x, torch.tensor([999]), ALL)[0], images.mean(0), rtol=0, atol=5e-3)
    near = images[4:5] + 0.01 * x
    assert_close(model.predict_x0(near, torch.tensor([0]), ALL), images[4:5])


def samplers_of(schedule, predict_eps, seeds):
    """Where each sampler ends."""

    def noise():
        return SpriteNoise(seeds)

    yield samplers.ddpm_sample(predict_eps, schedule, noise().start(), 100, noise())
    yield samplers.ddim_sample(predict_eps, schedule, noise().start(), 20)
    yield samplers.ddim_sample(predict_eps, schedule, noise().start(), 50, 0.5, noise())
    yield samplers.dpmpp_2m_sample(predict_eps, schedule, noise().start(), 20)


@pytest.mark.parametrize("make", [linear, cosine])
def test_every_sampler_lands_on_an_image_of_the_class_that_was_asked_for(make):
    images, labels = sprites()
    schedule, c = make(), torch.tensor([0, 1, 2, 0, 1, 2, NULL, NULL])
    for x in samplers_of(schedule, bind(finite_set(schedule, images, labels), c), range(8)):
        distance = (x[:, None] - images).abs().amax(dim=(2, 3, 4))
        assert distance.min(dim=1).values.max() < 1e-3
        found = torch.tensor(labels)[distance.argmin(dim=1)]
        assert torch.equal(found[:6], c[:6])


def test_samples_of_a_mixture_come_from_its_components_as_often_as_they_weigh():
    """1000 points in the plane: shares, centres and spreads within five standard errors or a known shrinkage."""
    schedule, count = cosine(), 1000
    centers, weights = torch.tensor([[-1.0, -1.0], [1.0, 0.5]]), [1.0, 3.0]
    model = mixture(schedule, as_images(centers), 0.2, [0, 1], weights)
    noise = SpriteNoise(range(count))
    start = noise.start((2, 1, 1))
    x = samplers.dpmpp_2m_sample(bind(model, torch.full((count,), NULL)), schedule, start, 100)
    points = as_points(x)
    second = points[:, 0] > 0
    share = second.float().mean().item()
    assert abs(share - 0.75) < 5 * math.sqrt(0.75 * 0.25 / count)
    for mine, center in ((~second, centers[0]), (second, centers[1])):
        off = points[mine] - center
        assert off.mean(0).abs().max() < 5 * 0.2 / math.sqrt(mine.sum().item())
        assert abs(off.var().item() / 0.04 - 1) < 5 * math.sqrt(1 / mine.sum().item()) + 0.02


def test_points_and_images_of_one_pixel_are_the_same_numbers():
    points = torch.arange(6.0).reshape(3, 2)
    assert as_images(points).shape == (3, 2, 1, 1)
    assert torch.equal(as_points(as_images(points)), points)


def test_answers_have_the_dtype_of_the_question():
    images, _ = sprites()
    model = finite_set(cosine(), images)
    for dtype in (torch.float32, torch.float64):
        x = SpriteNoise([0]).start().to(dtype)
        assert (
            model(x, torch.tensor([5]), ALL).dtype
            == model.predict_x0(x, torch.tensor([5]), ALL).dtype
            == dtype
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": [0]}, "3 centres, but"),
        ({"spread": [0.1, 0.1]}, "3 centres, but"),
        ({"weights": [1.0]}, "3 centres, but"),
        ({"centers": torch.zeros(0, 1, 1, 1)}, "one centre or more"),
        ({"spread": -0.1}, "below 0"),
        ({"spread": math.nan}, "below 0"),
        ({"weights": [1.0, 0.0, 1.0]}, "not above 0"),
        ({"labels": [0, 1, 5]}, r"outside 0 \.\. 4"),
        ({"labels": [0, 1, -1]}, r"outside 0 \.\. 4"),
    ],
)
def test_a_mixture_that_does_not_fit_together_is_refused(changed, message):
    given = {"centers": torch.zeros(3, 1, 1, 1), "spread": 0.1} | changed
    with pytest.raises(ValueError, match=message):
        mixture(cosine(), **given)


@pytest.mark.parametrize("c", [1, 4, 6, -1])
def test_a_label_that_no_component_has_is_refused(c):
    model = mixture(cosine(), torch.zeros(2, 1, 1, 1), 0.1, [0, 2])
    with pytest.raises(ValueError, match=r"use one of \[0, 2\], or 5"):
        model(torch.zeros(1, 1, 1, 1), torch.tensor([3]), torch.tensor([c]))


def test_clean_data_are_no_question_for_a_denoiser():
    with pytest.raises(ValueError, match="from -1 to 999"):
        gaussian(cosine(), torch.zeros(1, 1, 1), 1.0)(
            torch.zeros(1, 1, 1, 1), torch.tensor([1000]), torch.tensor([0])
        )


def test_the_module_takes_no_network():
    assert not any(isinstance(value, torch.nn.Module) for value in vars(oracle).values())


@pytest.mark.parametrize("label", [0, 2, NULL])
def test_eyes_that_see_the_whole_image_make_the_denoiser_of_the_set(label):
    images, labels = sprites()
    x = SpriteNoise(range(2)).start()
    t, c = torch.tensor([950, 990]), torch.tensor([label, label])
    exact = finite_set(cosine(), images, labels)(x, t, c)
    assert_close(near_sighted(cosine(), images, 31, labels)(x, t, c), exact, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(near_sighted(cosine(), images, 3, labels)(x, t, c), exact, atol=0.02)


def test_eyes_that_see_a_window_do_not_see_what_lies_outside_it():
    images, _ = sprites()
    x = SpriteNoise([0]).start()
    far = x.clone()
    far[:, :, 8:] = 0.5
    model, t = near_sighted(cosine(), images, 5), torch.tensor([900])
    one, other = model(x, t, ALL), model(far, t, ALL)
    assert torch.equal(one[:, :, :6], other[:, :, :6])
    assert not torch.equal(one[:, :, 6:8], other[:, :, 6:8])


def test_a_window_of_one_pixel_is_the_denoiser_of_each_pixel_alone():
    images, _ = sprites()
    x, t = SpriteNoise([3]).start(), torch.tensor([700])
    got = near_sighted(cosine(), images, 1)(x, t, ALL)
    for row, column in ((0, 0), (9, 4), (15, 15)):
        alone = finite_set(cosine(), images[:, :, row : row + 1, column : column + 1])
        part = alone(x[:, :, row : row + 1, column : column + 1], t, ALL)
        assert_close(got[:, :, row, column], part[:, :, 0, 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("width", [0, 4, -3])
def test_a_window_without_a_middle_is_refused(width):
    with pytest.raises(ValueError, match="no middle"):
        near_sighted(cosine(), torch.zeros(1, 3, 2, 2), width)
