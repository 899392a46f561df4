"""Samplers against closed forms, each other and diffusers; the known wrong ones against the same checks."""

import functools
import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from pixel_edu import samplers
from pixel_edu.samplers import SpriteNoise, Step
from pixel_edu.schedules import cosine, linear

LINEAR, COSINE = linear(), cosine()


def levels(schedule, t):
    """Signal and noise at each image's timestep, as columns that multiply images, in float64."""
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return a.sqrt(), (1 - a).sqrt()


def stand_in(x, t):
    """A bounded model that depends on every pixel, its place and t."""
    place = torch.arange(x[0].numel(), dtype=x.dtype).reshape(x[0].shape) / 7
    return 0.9 * x + 0.1 * torch.sin(3 * x.flip(-1) + place + t.reshape(-1, 1, 1, 1) / 100)


def knows_the_image(schedule, x0):
    """The ideal denoiser when all data are the one image x0."""

    def predict_eps(x, t):
        signal, noise = levels(schedule, t)
        return (x - signal * x0) / noise

    return predict_eps


def gaussian(schedule, mean, std):
    """The ideal denoiser of Gaussian data: E[ε | x_t] is linear in x_t."""

    def predict_eps(x, t):
        signal, noise = levels(schedule, t)
        return noise * (x - signal * mean) / (signal**2 * std**2 + noise**2)

    return predict_eps


class Impulses:
    """Draws that show which draw ends where: the k-th is 1 in the batch's image k and 0 in all others."""

    def __init__(self):
        self.draws = 0

    def __call__(self, x):
        self.draws += 1
        drawn = torch.zeros_like(x)
        drawn[self.draws + 1] = 1
        return drawn


def responses(steps, predict_eps, schedule, num_steps, start=(0.0, 1.0)):
    """After each step the timestep, mean and variance of x, exactly, for a model that is linear in x.

    x is then m + A·z_0 + ΣB_k·z_k with independent standard normal z_0, of the start, and z_k, drawn by the steps.
    Image 0 of the batch has all of them 0 and so holds m, image 1 has z_0 = 1, and image 1 + k has z_k = 1.
    """
    mean, std = start
    x = torch.full((num_steps + 2, 1, 1, 1), mean, dtype=torch.float64)
    x[1] += std
    for step in steps(predict_eps, schedule, x, num_steps, Impulses()):
        mean = step.x[0].item()
        yield step.t, mean, (step.x[1:] - mean).square().sum().item()


def ddim(eta):
    return lambda predict_eps, schedule, x, num_steps, draw: samplers.ddim_steps(
        predict_eps, schedule, x, num_steps, eta, draw
    )


def dpmpp_2m(predict_eps, schedule, x, num_steps, draw):
    return samplers.dpmpp_2m_steps(predict_eps, schedule, x, num_steps)


STEPS = {
    "ddpm": samplers.ddpm_steps,
    "ddim 0": ddim(0.0),
    "ddim 0.5": ddim(0.5),
    "ddim 1": ddim(1.0),
    "dpmpp_2m": dpmpp_2m,
    "dpmpp_2m_sde": samplers.dpmpp_2m_sde_steps,
}


def textbook(predict_eps, schedule, x, num_steps, draw, eta=1.0, wrong=""):
    """DDIM as its paper writes it, in ᾱ; with eta = 1 it is DDPM. `wrong` names a mistake to make."""
    T = len(schedule)
    alpha_bar = [*schedule.alpha_bar.tolist(), 1.0]
    pairs = list(itertools.pairwise(schedule.timesteps(num_steps)))
    if wrong == "T-1 is not visited":
        pairs = pairs[1:]
    if wrong == "the previous timestep by arithmetic":
        pairs = [(t, max(t - T // num_steps, -1)) for t, _ in pairs]
    if wrong == "stops one step early":
        pairs = pairs[:-1]
    for call, (t, s) in enumerate(pairs, 1):
        a, b = alpha_bar[t], alpha_bar[s]
        asked = min(t + 1, T - 1) if wrong == "the model is told the wrong t" else t
        eps = predict_eps(x, torch.full((len(x),), asked))
        x0 = (x - math.sqrt(1 - a) * eps) / math.sqrt(a)
        variance = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
        kept = 1 - b - variance
        if wrong == "variance of the step, not of the posterior":
            variance = eta**2 * (1 - a / b)
        if wrong == "sigma without its root":
            variance = variance**2
        if wrong == "sigma not squared under the root":
            kept = 1 - b - math.sqrt(variance)
        if wrong == "sigma left out of the root":
            kept = 1 - b
        if wrong == "sigma is eta times the noise level":
            variance = eta**2 * (1 - b)
            kept = 1 - b - variance
        if wrong == "sigma turned upside down":
            variance = eta**2 * (1 - a) / (1 - b) * (1 - a / b) if s >= 0 else 0.0
        x = math.sqrt(b) * x0 + math.sqrt(max(kept, 0)) * eps
        if s >= 0:
            x = x + math.sqrt(variance) * draw(x)
        elif wrong == "noise at the last step too":
            x = x + math.sqrt(1 - a / b) * draw(x)
        if wrong == "clamped":
            x = x.clamp(-1, 1)
        yield Step(call, s, x, x0)


# --- data of one image: the exact spread at every timestep, whatever the number of steps ------------------


def check_levels(steps, schedule=LINEAR, num_steps=7, image=0.7, close=3e-6) -> None:
    """Told the only image there is, x at timestep s has mean signal_s·x₀ and variance noise_s².

    DDIM is made to do this for any eta (Song et al. 2021), so it is exact for any list of timesteps; and all variance
    is gone at the end. What is left is rounding, divided by the signal of the noisiest level.
    """
    signal, noise = (value.item() for value in levels(schedule, torch.tensor([len(schedule) - 1])))
    reached = []
    start = (signal * image, noise)
    for s, mean, variance in responses(steps, knows_the_image(schedule, image), schedule, num_steps, start):
        reached.append(s)
        b = schedule.alpha_bar[s].item() if s >= 0 else 1.0
        assert abs(mean - math.sqrt(b) * image) < close
        assert abs(variance - (1 - b)) < close
    assert reached == schedule.timesteps(num_steps)[1:]
    assert variance < 1e-8


@pytest.mark.parametrize("num_steps", [1, 2, 7, 50])
@pytest.mark.parametrize(("schedule", "close"), [(LINEAR, 3e-6), (COSINE, 5e-5)], ids=["linear", "cosine"])
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_a_known_image_is_approached_through_exactly_the_levels_of_the_schedule(
    steps, schedule, close, num_steps
):
    check_levels(steps, schedule, num_steps, close=close)


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_so_it_is_when_every_timestep_is_visited(steps):
    check_levels(steps, linear(100), 100)


WRONG = [
    "T-1 is not visited",
    "the previous timestep by arithmetic",
    "stops one step early",
    "the model is told the wrong t",
    "variance of the step, not of the posterior",
    "sigma without its root",
    "sigma not squared under the root",
    "sigma left out of the root",
    "sigma turned upside down",
    "noise at the last step too",
    "clamped",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_the_known_wrong_samplers_are_refused(wrong):
    """The image is dark enough for a clamp to show, and 7 does not divide 1000."""
    with pytest.raises(AssertionError):
        check_levels(functools.partial(textbook, wrong=wrong), image=1.5)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_textbook_without_a_mistake_passes(eta):
    check_levels(functools.partial(textbook, eta=eta), image=1.5)


# --- the same samplers written another way ----------------------------------------------------------------


def check_same(ours, theirs, num_steps, schedule=LINEAR) -> None:
    """Step by step the same images, from the same start and with the same draws."""
    start = SpriteNoise(range(3)).start((3, 4, 4)).double()
    one, two = (
        list(steps(stand_in, schedule, start, num_steps, SpriteNoise([5, 6, 7]))) for steps in (ours, theirs)
    )
    assert len(one) == len(two) == num_steps
    for a, b in zip(one, two, strict=True):
        assert (a.call, a.t) == (b.call, b.t)
        assert_close(a.x, b.x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_steps", [1, 7, 50, 1000])
def test_ddpm_is_ddim_with_eta_1(num_steps):
    check_same(samplers.ddpm_steps, ddim(1.0), num_steps)


@pytest.mark.formula
@pytest.mark.parametrize("num_steps", [1, 7, 50])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_ddim_is_what_its_paper_writes(eta, num_steps):
    check_same(ddim(eta), functools.partial(textbook, eta=eta), num_steps)


@pytest.mark.parametrize("wrong", [*WRONG, "sigma is eta times the noise level"])
def test_the_wrong_samplers_are_not_what_the_paper_writes(wrong):
    with pytest.raises(AssertionError):
        check_same(samplers.ddpm_steps, functools.partial(textbook, wrong=wrong), 7)


def diffusers_scheduler(name, schedule, num_steps, **options):
    """Their scheduler with our list of levels in it, so that only the steps are compared."""
    import diffusers

    if name != "DPMSolverMultistepScheduler":
        options["clip_sample"] = False
    scheduler = getattr(diffusers, name)(**options)
    scheduler.alphas_cumprod = schedule.alpha_bar
    if name == "DDIMScheduler":
        scheduler.num_inference_steps = (
            num_steps  # its own list ends elsewhere; it finds t - T // num_steps alone
        )
    else:
        scheduler.set_timesteps(timesteps=schedule.timesteps(num_steps)[:-1])
    return scheduler


def check_parity(steps, name, num_steps, schedule=LINEAR, options=None, step_options=None) -> None:
    """Each step ends where theirs does from the same image, and implies the same clean image where they give it."""
    scheduler = diffusers_scheduler(name, schedule, num_steps, **(options or {}))
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    x = SpriteNoise(range(2)).start((3, 8, 8))
    ours = steps(stand_in, schedule, x, num_steps, lambda x: torch.randn(x.shape, generator=draws[0]))
    for step, t in zip(ours, schedule.timesteps(num_steps)[:-1], strict=True):
        eps = stand_in(x, torch.full((2,), t))
        done = scheduler.step(eps, t, x, generator=draws[1], **(step_options or {}))
        x = step.x
        assert_close(x, done.prev_sample, rtol=1e-5, atol=1e-5)
        if "pred_original_sample" in done:
            signal, _ = levels(schedule, torch.tensor([t]))  # what rounding in x was divided by
            assert ((step.x0 - done.pred_original_sample) * signal).abs().max() < 1e-5


@pytest.mark.parametrize("num_steps", [1, 7, 50, 1000])
def test_ddpm_agrees_with_diffusers_at_every_step(num_steps):
    check_parity(samplers.ddpm_steps, "DDPMScheduler", num_steps)


@pytest.mark.parametrize("num_steps", [1, 4, 20, 50, 1000])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_ddim_agrees_with_diffusers_at_every_step(eta, num_steps):
    check_parity(ddim(eta), "DDIMScheduler", num_steps, step_options={"eta": eta})


@pytest.mark.parametrize("num_steps", [1, 4, 20])
def test_ddim_is_diffusers_dpm_solver_of_first_order(num_steps):
    options = {"algorithm_type": "dpmsolver++", "solver_order": 1, "final_sigmas_type": "zero"}
    check_parity(ddim(0.0), "DPMSolverMultistepScheduler", num_steps, options=options)


@pytest.mark.parametrize("num_steps", [1, 2, 7, 20, 50])
@pytest.mark.parametrize("schedule", [LINEAR, COSINE], ids=["linear", "cosine"])
def test_dpmpp_2m_agrees_with_diffusers_at_every_step(schedule, num_steps):
    options = {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint"}
    options |= {"lower_order_final": True, "final_sigmas_type": "zero"}
    check_parity(dpmpp_2m, "DPMSolverMultistepScheduler", num_steps, schedule, options)
    options["algorithm_type"] = "sde-dpmsolver++"
    check_parity(samplers.dpmpp_2m_sde_steps, "DPMSolverMultistepScheduler", num_steps, schedule, options)


@pytest.mark.parametrize("wrong", WRONG)
def test_the_wrong_samplers_do_not_agree_with_diffusers(wrong):
    with pytest.raises((AssertionError, ValueError)):
        check_parity(functools.partial(textbook, wrong=wrong), "DDPMScheduler", 7)


# --- Gaussian data: where the path ends, and how fast the error falls -------------------------------------


def path_errors(steps, counts, at=199, mean=0.3, std=0.5) -> list[float]:
    """Distance at one timestep to the probability-flow path, for each number of steps.

    For Gaussian data the path keeps (x_t - signal·mean) / √(signal²·std² + noise²): its place at any t is known.
    """
    start = torch.tensor([-1.5, -0.5, 0.7, 2.0], dtype=torch.float64).reshape(-1, 1, 1, 1)

    def spread(t):
        signal, noise = levels(LINEAR, torch.tensor([t]))
        return signal * mean, (signal**2 * std**2 + noise**2).sqrt()

    (first_mean, first_std), (mean_there, std_there) = spread(999), spread(at)
    exact = mean_there + std_there * (start - first_mean) / first_std
    errors = []
    for num_steps in counts:
        stream = steps(gaussian(LINEAR, mean, std), LINEAR, start, num_steps, None)
        errors += [(step.x - exact).abs().max().item() for step in stream if step.t == at]
    return errors


def check_order(steps, order) -> None:
    """Twice the steps divide the error by 2 to the power of the order. All these numbers of steps visit t = 199."""
    errors = path_errors(steps, [25, 50, 100, 200])
    assert len(errors) == 4
    for before, after in itertools.pairwise(errors):
        assert before / after == pytest.approx(2**order, rel=0.05)


@pytest.mark.formula
def test_ddim_error_halves_when_steps_double():
    check_order(ddim(0.0), 1)


@pytest.mark.formula
def test_dpmpp_2m_error_quarters_when_steps_double():
    check_order(dpmpp_2m, 2)


def solver(wrong="", stirs=False):
    """The multistep solver in x₀ and λ, of the ODE or the SDE, as its paper writes it; `wrong` names a mistake."""

    def steps(predict_eps, schedule, x, num_steps, draw):
        half_log_snr = [*(torch.logit(schedule.alpha_bar) / 2).tolist(), math.inf]
        pairs = list(itertools.pairwise(schedule.timesteps(num_steps)))
        last_x0 = last_h = None
        for call, (t, s) in enumerate(pairs, 1):
            signal, noise = levels(schedule, torch.tensor([t]))
            signal_s, noise_s = (
                levels(schedule, torch.tensor([s])) if s >= 0 else (torch.ones(()), torch.zeros(()))
            )
            h = half_log_snr[s] - half_log_snr[t]
            x0 = (x - noise * predict_eps(x, torch.full((len(x),), t))) / signal
            used = x0
            if last_x0 is not None and s >= 0:
                slope = (x0 - last_x0) / last_h
                used = x0 + slope * h / 2
                if wrong == "the half is left out":
                    used = x0 + slope * h
                if wrong == "the ratio of the lengths upside down":
                    used = x0 + (x0 - last_x0) * last_h / h / 2
                if wrong == "all steps of one length":
                    used = x0 + (x0 - last_x0) / 2
                if wrong == "the correction's sign flipped":
                    used = x0 - slope * h / 2
                if wrong == "never second order":
                    used = x0
            if stirs:
                fade = 1.0 if wrong == "what was there does not fade" else math.exp(-h)
                x = noise_s / noise * fade * x + signal_s * (1 - math.exp(-2 * h)) * used
                if s >= 0:
                    length = h if wrong == "the noise of a step half as long" else 2 * h
                    x = x + noise_s * math.sqrt(1 - math.exp(-length)) * draw(x)
            else:
                x = noise_s / noise * x - signal_s * math.expm1(-h) * used
            last_x0, last_h = x0, h
            yield Step(call, s, x, x0)

    return steps


WRONG_SOLVERS = [
    "the half is left out",
    "the correction's sign flipped",
    "never second order",
    "the ratio of the lengths upside down",
    "all steps of one length",
]


@pytest.mark.formula
@pytest.mark.parametrize("num_steps", [1, 2, 7, 50])
def test_dpmpp_2m_is_what_its_paper_writes(num_steps):
    check_same(dpmpp_2m, solver(), num_steps)
    check_same(samplers.dpmpp_2m_sde_steps, solver(stirs=True), num_steps)


WRONG_STIRRING = ["what was there does not fade", "the noise of a step half as long"]


@pytest.mark.parametrize("wrong", WRONG_SOLVERS)
def test_the_wrong_solvers_are_not_what_the_paper_writes(wrong):
    with pytest.raises(AssertionError):
        check_same(dpmpp_2m, solver(wrong), 7)


@pytest.mark.parametrize("wrong", WRONG_SOLVERS + WRONG_STIRRING)
def test_the_wrong_stochastic_solvers_are_not_what_the_paper_writes(wrong):
    with pytest.raises(AssertionError):
        check_same(samplers.dpmpp_2m_sde_steps, solver(wrong, stirs=True), 7)


@pytest.mark.parametrize("wrong", WRONG_SOLVERS)
def test_the_wrong_solvers_do_not_agree_with_diffusers(wrong):
    for stirs, algorithm in ((False, "dpmsolver++"), (True, "sde-dpmsolver++")):
        with pytest.raises(AssertionError):
            check_parity(
                solver(wrong, stirs), "DPMSolverMultistepScheduler", 7, options={"algorithm_type": algorithm}
            )


@pytest.mark.parametrize("wrong", WRONG_SOLVERS[:3])
def test_the_order_refuses_wrong_solvers(wrong):
    """Not the last two: neighbouring steps are nearly of one length, so these mistakes only cost accuracy."""
    with pytest.raises(AssertionError):
        check_order(solver(wrong), 2)


@pytest.mark.formula
@pytest.mark.parametrize("steps", [ddim(0.0), dpmpp_2m])
def test_the_path_of_gaussian_data_is_followed_to_its_end(steps):
    start = torch.tensor([-1.5, -0.5, 0.7, 2.0], dtype=torch.float64).reshape(-1, 1, 1, 1)
    *_, last = steps(gaussian(COSINE, 0.3, 0.5), COSINE, start, 1000, None)
    assert_close(last.x, 0.3 + 0.5 * start, rtol=0, atol=5e-3)


def check_gaussian(steps, num_steps, close) -> None:
    """The samples have the data's mean, and its variance within a share that shrinks with the steps."""
    *_, (t, mean, variance) = responses(steps, gaussian(COSINE, 0.3, 0.5), COSINE, num_steps)
    assert t == -1
    assert mean == pytest.approx(0.3, abs=1e-4)
    assert variance == pytest.approx(0.25, rel=close)


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_samples_have_the_mean_and_the_variance_of_gaussian_data(steps):
    check_gaussian(steps, 1000, close=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        "stops one step early",
        "sigma left out of the root",
        "sigma not squared under the root",
        "sigma without its root",
    ],
)
def test_wrong_variances_miss_gaussian_data(wrong):
    with pytest.raises(AssertionError):
        check_gaussian(functools.partial(textbook, wrong=wrong), 50, close=0.15)


@pytest.mark.formula
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_at_50_steps_the_right_variances_do_not_miss_it(eta):
    check_gaussian(ddim(eta), 50, close=0.15)


def test_drawn_samples_have_the_spread_that_the_exact_responses_say():
    """4096 images drawn with real noise, within five standard errors."""
    schedule, count = cosine(50), 4096
    predict_eps = gaussian(schedule, 0.3, 0.5)
    draws = torch.Generator().manual_seed(0)

    def draw_eps(x):
        return torch.randn(x.shape, generator=draws, dtype=x.dtype)

    x = samplers.ddpm_sample(predict_eps, schedule, draw_eps(torch.zeros(count, 1, 1, 1)), 50, draw_eps)
    *_, (_, mean, variance) = responses(samplers.ddpm_steps, predict_eps, schedule, 50)
    assert abs(x.mean().item() - mean) < 5 * math.sqrt(variance / count)
    assert abs(x.var().item() / variance - 1) < 5 * math.sqrt(2 / count)


# --- limits, seeds, streams, refusals ---------------------------------------------------------------------


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_one_step_gives_the_predicted_clean_image(steps):
    x = SpriteNoise(range(2)).start()
    eps = stand_in(x, torch.tensor([999, 999]))
    signal, noise = (value.float() for value in levels(LINEAR, torch.tensor([999, 999])))
    (step,) = steps(stand_in, LINEAR, x, 1, SpriteNoise(range(2)))
    assert_close(step.x, (x - noise * eps) / signal, rtol=1e-4, atol=1e-4)
    assert torch.equal(step.x, step.x0)


@pytest.mark.formula
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("num_steps", [1, 7, 10])
def test_each_call_sees_the_whole_batch_at_the_next_timestep_of_the_list(steps, num_steps):
    schedule, seen = linear(10), []

    def predict_eps(x, t):
        assert (t.shape, t.dtype) == ((3,), torch.int64)
        seen.append(t.unique().item())
        return stand_in(x, t)

    stream = list(
        steps(predict_eps, schedule, SpriteNoise(range(3)).start(), num_steps, SpriteNoise(range(3)))
    )
    assert seen == schedule.timesteps(num_steps)[:-1]
    assert [(step.call, step.t) for step in stream] == [*enumerate(schedule.timesteps(num_steps)[1:], 1)]


@pytest.mark.formula
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("make", [linear, cosine])
def test_nothing_is_ever_infinite_or_not_a_number(steps, make):
    schedule = make(100)
    for num_steps in (1, 2, 99, 100):
        start = SpriteNoise(range(2))
        for step in steps(stand_in, schedule, start.start(), num_steps, start):
            assert step.x.isfinite().all()


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_the_first_sprites_do_not_depend_on_the_batch_size_at_any_step(steps):
    few, many = SpriteNoise(range(2)), SpriteNoise(range(5))
    pairs = zip(
        steps(stand_in, LINEAR, few.start(), 20, few),
        steps(stand_in, LINEAR, many.start(), 20, many),
        strict=True,
    )
    for a, b in pairs:
        assert_close(a.x, b.x[:2], rtol=1e-6, atol=1e-6)


def test_one_generator_for_the_whole_batch_would_not_do_that():
    """What SpriteNoise is for: the second step's noise of the first sprite comes after the first step's of the last."""

    def last(count):
        draws = torch.Generator().manual_seed(0)
        start = torch.randn(count, 3, 4, 4, generator=draws)
        return samplers.ddpm_sample(
            stand_in, LINEAR, start, 20, lambda x: torch.randn(x.shape, generator=draws)
        )

    assert (last(5)[:2] - last(2)).abs().max() > 0.1


def test_noise_between_two_seeds_begins_at_one_ends_at_the_other_and_keeps_its_variance_on_the_way():
    a, b = SpriteNoise([1]).start((64, 64, 64)), SpriteNoise([2]).start((64, 64, 64))
    assert torch.equal(samplers.between(a, b, 0.0), a)
    assert_close(samplers.between(a, b, 1.0), b)
    for share in (0.1, 0.5, 0.8):
        mixed = samplers.between(a, b, share)
        assert float(mixed.var()) == pytest.approx(1, abs=0.02)
        covariance = float((mixed * a).mean())  # falls with the angle between them
        assert covariance == pytest.approx(math.cos(share * math.pi / 2), abs=0.02)


def test_sprites_with_other_seeds_and_other_draws_are_independent():
    noise = SpriteNoise(range(40))
    drawn = torch.stack([noise.start((3, 10, 10)), noise.start((3, 10, 10))]).reshape(80, 300)
    correlation = torch.corrcoef(drawn) - torch.eye(80)
    assert correlation.abs().max() < 5 / math.sqrt(300)
    assert abs(drawn.mean().item()) < 5 / math.sqrt(drawn.numel())
    assert abs(drawn.var().item() - 1) < 5 * math.sqrt(2 / drawn.numel())


def test_noise_comes_in_the_dtype_of_the_images():
    for dtype in (torch.float32, torch.float64):
        assert SpriteNoise([1])(torch.zeros(1, 3, 4, 4, dtype=dtype)).dtype == dtype


@pytest.mark.formula
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_the_same_seeds_give_the_same_sprites_to_the_last_bit(steps):
    def draw(seeds):
        noise = SpriteNoise(seeds)
        return list(steps(stand_in, LINEAR, noise.start(), 20, noise))[-1].x

    assert torch.equal(draw([4, 5]), draw([4, 5]))
    assert not torch.equal(draw([4, 5])[1], draw([4, 6])[1])


def test_without_eta_ddim_draws_nothing_and_without_clean_data_ahead_the_others_draw_at_every_step():
    def refuse(x):
        raise AssertionError("no noise was asked for")

    x = torch.zeros(9, 1, 1, 1)
    samplers.ddim_sample(stand_in, LINEAR, x, 7, 0.0, refuse)
    for steps in (samplers.ddpm_steps, ddim(0.5), samplers.dpmpp_2m_sde_steps):
        impulses = Impulses()
        list(steps(stand_in, LINEAR, x, 7, impulses))
        assert impulses.draws == 6


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_a_stream_can_be_stopped_and_leaves_its_start_as_it_was(steps):
    x = SpriteNoise([1]).start()
    before = x.clone()
    stream = steps(stand_in, LINEAR, x, 20, SpriteNoise([2]))
    assert [step.call for step in itertools.islice(stream, 3)] == [1, 2, 3]
    assert torch.equal(x, before)


def test_each_function_gives_the_end_of_its_stream():
    def noise():
        return SpriteNoise(range(2))

    x = noise().start()
    ends = [
        (samplers.ddpm_sample(stand_in, LINEAR, x, 9, noise()), samplers.ddpm_steps),
        (samplers.ddim_sample(stand_in, LINEAR, x, 9), ddim(0.0)),
        (samplers.ddim_sample(stand_in, LINEAR, x, 9, 0.5, noise()), ddim(0.5)),
        (samplers.dpmpp_2m_sample(stand_in, LINEAR, x, 9), dpmpp_2m),
        (samplers.dpmpp_2m_sde_sample(stand_in, LINEAR, x, 9, noise()), samplers.dpmpp_2m_sde_steps),
    ]
    for sampled, steps in ends:
        *_, last = steps(stand_in, LINEAR, x, 9, noise())
        assert torch.equal(sampled, last.x)


@pytest.mark.parametrize(
    ("k", "calls"), [(1, [1, 2, 3, 4, 5, 6]), (2, [2, 4, 6]), (4, [4, 6]), (9, [6]), (6, [6])]
)
def test_every_gives_each_kth_step_and_always_the_last(k, calls):
    stream = samplers.ddim_steps(stand_in, LINEAR, torch.zeros(1, 1, 1, 1), 6)
    assert [step.call for step in samplers.every(stream, k)] == calls


def test_no_gradients_are_kept():
    weight = torch.ones((), requires_grad=True)
    x = samplers.ddim_sample(lambda x, t: weight * stand_in(x, t), LINEAR, torch.zeros(1, 1, 1, 1), 3)
    assert not x.requires_grad


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("num_steps", [0, 1001])
def test_a_number_of_steps_that_the_schedule_does_not_have_is_refused(steps, num_steps):
    with pytest.raises(ValueError, match=r"use 1 \.\. 1000"):
        list(steps(stand_in, LINEAR, torch.zeros(2, 1, 1, 1), num_steps, torch.randn_like))


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_an_eta_outside_its_range_is_refused(eta):
    with pytest.raises(ValueError, match="eta is"):
        samplers.ddim_sample(stand_in, LINEAR, torch.zeros(1, 1, 1, 1), 5, eta, torch.randn_like)


def test_noise_that_nobody_gave_is_refused_and_never_drawn_unseen():
    with pytest.raises(ValueError, match="pass draw_eps"):
        samplers.ddim_sample(stand_in, LINEAR, torch.zeros(1, 1, 1, 1), 5, 0.5)


def test_a_batch_of_another_size_than_the_seeds_is_refused():
    with pytest.raises(ValueError, match="3 images and SpriteNoise 2 seeds"):
        SpriteNoise(range(2))(torch.zeros(3, 1, 1, 1))


def test_every_zeroth_step_is_refused():
    with pytest.raises(ValueError, match="use 1 or more"):
        list(samplers.every([], 0))
