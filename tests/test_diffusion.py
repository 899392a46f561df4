import pytest
import torch
from torch.testing import assert_close

from pixel_edu import diffusion
from pixel_edu.schedules import cosine, linear

PREDICTIONS = ["eps", "x0", "v"]
EVERY_T = torch.arange(1000)


def batch(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, 3, 4, 4, generator=generator) for _ in range(2))


def check_variance_is_kept(noised, schedule) -> None:
    """For x₀ and ε independent with variance 1, x_t has variance 1: signal² + noise² = 1, exactly."""
    one, zero = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    for t in range(0, 1000, 37):
        level = schedule.levels(torch.tensor([t]))
        from_data, from_noise = noised(one, zero, level), noised(zero, one, level)
        assert_close(from_data**2 + from_noise**2, one, rtol=1e-5, atol=1e-5)


WRONG_NOISING = {
    "(1-alpha_bar) without its root": lambda x0, eps, level: level.signal * x0 + level.noise**2 * eps,
    "beta in place of the noise level": lambda x0, eps, level: level.signal * x0 + 0.01 * eps,
    "alpha_bar without its root": lambda x0, eps, level: level.signal**2 * x0 + level.noise * eps,
    "levels swapped and summed": lambda x0, eps, level: (level.signal + level.noise) * x0 + level.noise * eps,
}


@pytest.mark.formula
@pytest.mark.parametrize("make", [linear, cosine])
def test_noising_keeps_the_variance_at_every_level(make):
    check_variance_is_kept(diffusion.add_noise, make())


@pytest.mark.parametrize("wrong", WRONG_NOISING.values(), ids=WRONG_NOISING)
def test_the_variance_check_refuses_the_known_wrong_noising(wrong):
    with pytest.raises(AssertionError):
        check_variance_is_kept(wrong, linear())


@pytest.mark.formula
def test_noise_added_step_by_step_has_the_spread_of_one_jump():
    """T small Gaussian steps, x_t = √(1-β_t)·x_{t-1} + √β_t·ε_t, multiply and add up to ᾱ: a closed form."""
    schedule = linear(100)
    previous = torch.cat([torch.ones(1, dtype=torch.float64), schedule.alpha_bar[:-1]])
    beta = 1 - schedule.alpha_bar / previous
    mean, variance = 1.0, 0.0
    for b in beta.tolist():
        mean, variance = (1 - b) ** 0.5 * mean, (1 - b) * variance + b
    level = schedule.levels(torch.tensor([99]))
    assert mean == pytest.approx(level.signal.item(), rel=1e-5)
    assert variance == pytest.approx(level.noise.item() ** 2, rel=1e-5)


@pytest.mark.formula
def test_clean_data_is_left_alone_at_timestep_minus_one():
    x0, eps = batch(2)
    assert torch.equal(diffusion.add_noise(x0, eps, linear().levels(torch.tensor([-1, -1]))), x0)


def check_round_trip(target, clean, schedule, prediction) -> None:
    """A perfect answer returns the image and the noise, at every timestep."""
    x0, eps = batch(len(schedule))
    level = schedule.levels(torch.arange(len(schedule)))
    x = diffusion.add_noise(x0, eps, level)
    found_eps, found_x0 = clean(x, target(x0, eps, level, prediction), level, prediction)
    # rounding in x is divided by the smaller level, so the tolerance is too
    assert ((found_eps - eps).abs() * level.noise).max() < 1e-5
    assert ((found_x0 - x0).abs() * level.signal).max() < 1e-5


@pytest.mark.formula
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("make", [linear, cosine])
def test_a_perfect_answer_gives_back_the_image_and_the_noise_at_every_timestep(prediction, make):
    check_round_trip(diffusion.target, diffusion.clean, make(), prediction)


WRONG_CLEAN = {
    "eps: noise without its root": ("eps", lambda x, a, level: (a, (x - level.noise**2 * a) / level.signal)),
    "eps: not divided by the signal": ("eps", lambda x, a, level: (a, x - level.noise * a)),
    "eps: sign flipped": ("eps", lambda x, a, level: (a, (x + level.noise * a) / level.signal)),
    "x0: divided by the signal": ("x0", lambda x, a, level: ((x - level.signal * a) / level.signal, a)),
    "x0: signal left out": ("x0", lambda x, a, level: ((x - a) / level.noise, a)),
    "v: sign of x0 flipped": (
        "v",
        lambda x, a, level: (level.noise * x + level.signal * a, level.signal * x + level.noise * a),
    ),
    "v: sign of eps flipped": (
        "v",
        lambda x, a, level: (level.noise * x - level.signal * a, level.signal * x - level.noise * a),
    ),
    "v: signal and noise swapped": (
        "v",
        lambda x, a, level: (level.signal * x + level.noise * a, level.noise * x - level.signal * a),
    ),
}


@pytest.mark.parametrize(("prediction", "wrong"), WRONG_CLEAN.values(), ids=WRONG_CLEAN)
def test_the_round_trip_refuses_wrong_conversions(prediction, wrong):
    with pytest.raises(AssertionError):
        check_round_trip(diffusion.target, lambda x, a, level, _: wrong(x, a, level), linear(), prediction)


WRONG_V = {
    "sign of x0 flipped": lambda x0, eps, level, _: level.signal * eps + level.noise * x0,
    "signal and noise swapped": lambda x0, eps, level, _: level.noise * eps - level.signal * x0,
    "x0 and eps swapped": lambda x0, eps, level, _: level.signal * x0 - level.noise * eps,
}


@pytest.mark.parametrize("wrong", WRONG_V.values(), ids=WRONG_V)
def test_the_round_trip_refuses_wrong_velocities(wrong):
    with pytest.raises(AssertionError):
        check_round_trip(wrong, diffusion.clean, linear(), "v")


@pytest.mark.formula
def test_v_is_the_noise_on_clean_data_and_the_negative_image_in_pure_noise():
    x0, eps = batch(1)
    schedule = cosine()
    assert torch.equal(diffusion.target(x0, eps, schedule.levels(torch.tensor([-1])), "v"), eps)
    last = diffusion.target(x0, eps, schedule.levels(torch.tensor([999])), "v")
    assert_close(last, -x0, rtol=0, atol=1e-3)


@pytest.mark.formula
def test_x_t_has_the_mean_and_the_variance_that_the_level_says():
    """For one pixel of value 0.7: mean signal · 0.7 and variance noise², within five standard errors."""
    schedule, count = cosine(), 4096
    eps = torch.randn(count, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    for t in (0, 250, 500, 750, 999):
        level = schedule.levels(torch.tensor([t]))
        x = diffusion.add_noise(torch.full_like(eps, 0.7), eps, level)
        noise = level.noise.item()
        assert abs(x.mean().item() - 0.7 * level.signal.item()) < 5 * noise / count**0.5
        assert abs(x.var().item() / noise**2 - 1) < 5 * (2 / count) ** 0.5


@pytest.mark.formula
def test_v_is_a_rotation_so_it_keeps_length_and_is_exact_at_both_ends():
    x0, eps = batch(1000)
    level = cosine().levels(EVERY_T)
    x, v = diffusion.add_noise(x0, eps, level), diffusion.target(x0, eps, level, "v")
    assert_close(x**2 + v**2, x0**2 + eps**2, rtol=1e-4, atol=1e-4)
    found = diffusion.clean(x, v, level, "v")
    assert_close(found.x0, x0, rtol=1e-5, atol=1e-5)  # no division: sharp even where the signal is gone
    assert_close(found.eps, eps, rtol=1e-5, atol=1e-5)


@pytest.mark.formula
@pytest.mark.parametrize("make", [linear, cosine])
def test_noising_and_v_agree_with_diffusers(make):
    from diffusers import DDPMScheduler

    name = {linear: "linear", cosine: "squaredcos_cap_v2"}[make]
    scheduler = DDPMScheduler(beta_schedule=name, beta_start=1e-4, beta_end=0.02)
    x0, eps = batch(1000)
    level = make().levels(EVERY_T)
    close = {"rtol": 1e-4, "atol": 2e-5}  # theirs multiplies ᾱ up in float32
    assert_close(diffusion.add_noise(x0, eps, level), scheduler.add_noise(x0, eps, EVERY_T), **close)
    assert_close(diffusion.target(x0, eps, level, "v"), scheduler.get_velocity(x0, eps, EVERY_T), **close)


@pytest.mark.formula
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_loss_is_zero_for_a_perfect_answer_and_the_mean_square_of_an_error(prediction):
    x0, eps = batch(3)
    level = cosine().levels(torch.tensor([0, 500, 999]))
    right = diffusion.target(x0, eps, level, prediction)
    assert_close(diffusion.loss(right, x0, eps, level, prediction), torch.zeros(3))
    off = right + torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    assert_close(
        diffusion.loss(off, x0, eps, level, prediction), torch.tensor([1.0, 4.0, 9.0]), rtol=1e-5, atol=1e-5
    )


@pytest.mark.formula
def test_training_timesteps_cover_both_ends_of_the_range_that_sampling_visits():
    schedule = linear(10)
    drawn = diffusion.random_timesteps(schedule, 2000, torch.Generator().manual_seed(0))
    assert sorted(set(drawn.tolist())) == list(range(10))
    assert schedule.timesteps(3)[0] in drawn


@pytest.mark.parametrize("function", ["target", "clean"])
def test_an_unknown_parameterisation_is_refused(function):
    x0, eps = batch(1)
    level = linear().levels(torch.tensor([5]))
    with pytest.raises(Exception, match="score"):
        getattr(diffusion, function)(x0, eps, level, "score")
