import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from pixel_edu.schedules import Schedule, cosine, linear, shifted, sigmoid

SCHEDULES = {
    "linear": linear,
    "cosine": cosine,
    "sigmoid": sigmoid,
    "shifted": lambda T=1000: shifted(cosine(T), 4.0),
}


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("T", [10, 100, 1000])
def test_alpha_bar_falls_strictly_from_almost_one_to_almost_zero(make, T):
    alpha_bar = make(T).alpha_bar
    assert (alpha_bar.diff() < 0).all()
    assert alpha_bar[0] > 0.85  # a straight line of ten steps begins with 0.9
    assert alpha_bar[-1] < 0.02


def test_linear_equals_the_product_of_its_definition():
    beta = [1e-4 + (0.02 - 1e-4) * t / 999 for t in range(1000)]
    expected = list(itertools.accumulate((1 - b for b in beta), lambda a, b: a * b))
    assert_close(linear().alpha_bar, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_cosine_equals_its_closed_form_where_the_bound_on_beta_does_not_bite():
    def f(t: int) -> float:
        return math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    expected = torch.tensor([f(t + 1) / f(0) for t in range(999)], dtype=torch.float64)
    assert_close(cosine().alpha_bar[:999], expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_sigmoid_equals_its_closed_form(tau):
    def squash(v: float) -> float:
        return 1 / (1 + math.exp(-v / tau))

    expected = [(squash(3) - squash(6 * (t + 1) / 1000 - 3)) / (squash(3) - squash(-3)) for t in range(990)]
    ours = sigmoid(tau=tau).alpha_bar[:990]
    assert_close(ours, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("ours", "theirs"), [(linear, "linear"), (cosine, "squaredcos_cap_v2")])
def test_alpha_bar_agrees_with_diffusers(ours, theirs):
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(beta_schedule=theirs, beta_start=1e-4, beta_end=0.02)
    assert_close(ours().alpha_bar, scheduler.alphas_cumprod.double(), rtol=0, atol=1e-6)


def test_what_diffusers_calls_sigmoid_is_another_schedule():
    """Theirs lets β_t follow a sigmoid, ours ᾱ_t: nobody should compare the two by name."""
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(beta_schedule="sigmoid", beta_start=1e-4, beta_end=0.02).alphas_cumprod
    assert (sigmoid().alpha_bar - theirs).abs().max() > 0.1


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
def test_half_log_snr_falls_at_every_timestep(make):
    assert (make().levels(torch.arange(-1, 1000)).half_log_snr.flatten().diff() < 0).all()


def test_half_log_snr_is_exact_at_both_ends():
    """With L = Σ log(1-β), ᾱ is exp(L) and 1-ᾱ is -expm1(L): no cancellation where ᾱ is near 1."""
    beta = [1e-4 + (0.02 - 1e-4) * t / 999 for t in range(1000)]
    log_alpha_bar = list(itertools.accumulate(math.log1p(-b) for b in beta))
    level = linear().levels(torch.tensor([0, 1, 998, 999]))
    expected = [(v - math.log(-math.expm1(v))) / 2 for v in (log_alpha_bar[i] for i in (0, 1, 998, 999))]
    assert_close(level.half_log_snr.flatten(), torch.tensor(expected), rtol=1e-6, atol=0)


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
def test_signal_and_noise_keep_the_variance_of_unit_data_at_every_timestep(make):
    schedule = make()
    level = schedule.levels(torch.arange(-1, len(schedule)))
    assert_close(level.signal**2 + level.noise**2, torch.ones_like(level.signal))
    assert_close(level.half_log_snr[1:], (level.signal / level.noise).log()[1:], rtol=1e-3, atol=1e-3)


def test_timestep_minus_one_is_clean_data():
    level = linear().levels(torch.tensor([-1]))
    assert (level.signal.item(), level.noise.item(), level.half_log_snr.item()) == (1, 0, math.inf)


def test_levels_belong_to_their_own_image_of_the_batch():
    schedule = cosine()
    t = torch.tensor([999, -1, 0, 500])
    level = schedule.levels(t)
    assert level.signal.shape == (4, 1, 1, 1)
    for i in range(4):
        assert_close(level.noise[i : i + 1], schedule.levels(t[i : i + 1]).noise)


@pytest.mark.parametrize("t", [[-2], [1000], [0, 5, 1000]])
def test_a_timestep_outside_the_schedule_is_refused(t):
    with pytest.raises(ValueError, match=r"-1 to 999"):
        linear().levels(torch.tensor(t))


@pytest.mark.parametrize("num_steps", [1, 2, 3, 7, 20, 250, 999, 1000])
def test_timesteps_start_at_the_noisiest_end_at_clean_data_and_never_repeat(num_steps):
    steps = linear().timesteps(num_steps)
    assert len(steps) == num_steps + 1
    assert (steps[0], steps[-1]) == (999, -1)
    gaps = [a - b for a, b in itertools.pairwise(steps)]
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1


def test_the_arithmetic_that_other_libraries_use_for_the_previous_timestep_is_not_what_the_list_holds():
    steps = linear().timesteps(7)
    assert [t - 1000 // 7 for t in steps[:-1]] != steps[1:]


@pytest.mark.parametrize("num_steps", [0, -1, 1001])
def test_a_number_of_steps_outside_the_schedule_is_refused(num_steps):
    with pytest.raises(ValueError, match=r"use 1 \.\. 1000"):
        linear().timesteps(num_steps)


def test_shifting_multiplies_signal_over_noise_and_can_be_undone():
    base = cosine()
    t = torch.tensor([0, 300, 700])
    before, after = base.levels(t), shifted(base, 4.0).levels(t)
    assert_close(after.signal / after.noise, 4 * before.signal / before.noise, rtol=1e-4, atol=0)
    assert_close(shifted(shifted(base, 4.0), 0.25).alpha_bar, base.alpha_bar, rtol=1e-9, atol=0)


@pytest.mark.parametrize("alpha_bar", [[0.9, 0.9], [0.5, 0.6], [1.0, 0.5], [0.5, 0.0]])
def test_a_list_that_is_no_schedule_is_refused(alpha_bar):
    with pytest.raises(ValueError, match="falls"):
        Schedule(torch.tensor(alpha_bar, dtype=torch.float64))
