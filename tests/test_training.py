import json
import math
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from pixel_edu import sprites
from pixel_edu.config import NULL_LABEL, UserError
from pixel_edu.diffusion import add_noise, clean, loss, min_snr_weight, target
from pixel_edu.images import to_tensor
from pixel_edu.schedules import cosine
from pixel_edu.training import (
    RECIPES,
    Batch,
    TrainConfig,
    TrainState,
    batch_loss,
    draw_batch,
    fine_tuning,
    settled,
    train,
)
from pixel_edu.unet import PRESETS

TINY = TrainConfig(PRESETS["tiny"], steps=6, batch_size=16, warmup=2)


@pytest.fixture(scope="module")
def drawn():
    return sprites.make(200, seed=3)


def losses(drawn, config, state=None):
    return [step.loss for step in train(drawn.images, drawn.labels, config, state, device="cpu")]


# The batch.


def test_a_batch_depends_on_seed_and_step_alone(drawn):
    schedule = cosine()
    batches = [draw_batch(drawn.images, drawn.labels, schedule, TINY, step) for step in (1, 2, 1)]
    for one, two, again in zip(*batches, strict=True):
        assert torch.equal(one, again)
        assert not torch.equal(one, two)
    other_seed = draw_batch(drawn.images, drawn.labels, schedule, replace(TINY, seed=1), 1)
    assert not torch.equal(other_seed.eps, batches[0].eps)


def test_sprites_keep_their_own_labels(drawn):
    config = TrainConfig(batch_size=300, p_uncond=0.0)
    batch = draw_batch(drawn.images, drawn.labels, cosine(), config, 1)
    known = {
        image.tobytes(): int(c)
        for image, c in zip(to_tensor(drawn.images).numpy(), drawn.labels, strict=True)
    }
    assert [known[x.tobytes()] for x in batch.x0.numpy()] == batch.c.tolist()


@pytest.mark.parametrize("p_uncond", [0.0, 0.1, 1.0])
def test_so_many_labels_are_replaced_by_no_label(drawn, p_uncond):
    config = TrainConfig(batch_size=20_000, p_uncond=p_uncond)
    c = draw_batch(drawn.images, drawn.labels, cosine(), config, 1).c
    share = float((c == NULL_LABEL).float().mean())
    assert share == pytest.approx(p_uncond, abs=4 * math.sqrt(p_uncond * (1 - p_uncond) / 20_000))
    assert set(c[c != NULL_LABEL].tolist()) <= set(range(NULL_LABEL))


def test_a_hidden_label_does_not_depend_on_which_it_was(drawn):
    c = draw_batch(drawn.images, drawn.labels, cosine(), TrainConfig(batch_size=20_000, p_uncond=0.5), 1).c
    left = torch.bincount(c)[:NULL_LABEL] / 10_000
    assert_close(left, torch.from_numpy(np.bincount(drawn.labels) / 200).float(), atol=0.03, rtol=0)


def test_timesteps_of_both_ends_are_trained_on(drawn):
    schedule = cosine(10)
    t = draw_batch(drawn.images, drawn.labels, schedule, TrainConfig(batch_size=2000), 1).t
    counts = torch.bincount(t, minlength=10)
    assert len(counts) == 10
    assert counts.min() > 120


# The loss.


@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
def test_the_loss_of_the_true_answer_is_zero_and_of_silence_the_targets_size(drawn, prediction):
    schedule = cosine()
    config = TrainConfig(PRESETS["tiny"], prediction=prediction)
    batch = draw_batch(drawn.images, drawn.labels, schedule, config, 1)
    level = schedule.levels(batch.t)
    wanted = target(batch.x0, batch.eps, level, prediction)
    assert batch_loss(lambda x, t, c: wanted, batch, schedule, config) == 0
    silence = batch_loss(lambda x, t, c: torch.zeros_like(x), batch, schedule, config)
    assert_close(silence, wanted.square().mean())


def test_the_network_is_asked_about_the_noisy_image_its_timestep_and_its_label(drawn):
    schedule, asked = cosine(), []

    def network(x, t, c):
        asked.append((x, t, c))
        return torch.zeros_like(x)

    batch = draw_batch(drawn.images, drawn.labels, schedule, TINY, 1)
    batch_loss(network, batch, schedule, TINY)
    ((x, t, c),) = asked
    assert_close(x, add_noise(batch.x0, batch.eps, schedule.levels(batch.t)))
    assert torch.equal(t, batch.t)
    assert torch.equal(c, batch.c)


@settings(max_examples=30, deadline=None)
@given(gamma=st.floats(0.1, 20), prediction=st.sampled_from(["eps", "x0", "v"]))
def test_min_snr_weighs_an_error_in_x0_alike_in_every_prediction(gamma, prediction):
    """The same mistaken x0, said in eps, x0 or v, costs min(SNR, gamma) times its squared error."""
    schedule = cosine()
    level = schedule.levels(torch.tensor([5, 300, 700, 950]))
    x0, eps, mistake = torch.randn(3, 4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    x = add_noise(x0, eps, level)
    wrong_x0 = x0 + mistake
    wrong_eps = clean(x, wrong_x0, level, "x0").eps
    wrong = target(wrong_x0, wrong_eps, level, prediction)
    each = loss(wrong, x0, eps, level, prediction) * min_snr_weight(level, prediction, gamma)
    snr = (level.signal / level.noise).square().flatten()
    assert_close(each, snr.clamp(max=gamma) * mistake.square().mean(dim=(1, 2, 3)), rtol=2e-3, atol=1e-6)


def test_min_snr_is_applied_when_asked_for(drawn):
    plain, weighed = TrainConfig(PRESETS["tiny"]), TrainConfig(PRESETS["tiny"], min_snr=5.0)
    schedule = cosine()
    batch = draw_batch(drawn.images, drawn.labels, schedule, plain, 1)
    level = schedule.levels(batch.t)
    each = target(batch.x0, batch.eps, level, "v").square().mean(dim=(1, 2, 3))
    silence = batch_loss(lambda x, t, c: torch.zeros_like(x), batch, schedule, weighed)
    assert_close(silence, (each * min_snr_weight(level, "v", 5.0)).mean())


# The loop.


def test_the_learning_rate_rises_in_a_line_and_falls_as_half_a_cosine():
    config = TrainConfig(steps=1100, warmup=100, learning_rate=1.0)
    assert config.learning_rate_at(1) == pytest.approx(0.01)
    assert config.learning_rate_at(100) == 1
    assert config.learning_rate_at(600) == pytest.approx(0.5)
    assert config.learning_rate_at(1100) == pytest.approx(0)
    assert max(map(config.learning_rate_at, range(1, 1101))) == 1


def test_the_learning_rate_of_a_run_that_goes_on_begins_its_curve_again():
    once = TrainConfig(steps=1100, warmup=100, learning_rate=1.0)
    again = replace(once, steps=1500 + 1100, begun=1500)
    assert [again.learning_rate_at(1500 + step) for step in (1, 100, 600, 1100)] == [
        once.learning_rate_at(step) for step in (1, 100, 600, 1100)
    ]


@pytest.mark.slow
def test_a_step_is_adamws_step_with_a_clipped_gradient(drawn):
    """Against a loop written out here, with torch's own clipping and optimiser."""
    config = TrainConfig(PRESETS["tiny"], steps=4, batch_size=16, warmup=2, clip=0.05)
    plain = TrainState(config).network
    optimizer = torch.optim.AdamW(plain.parameters(), betas=config.betas, weight_decay=config.weight_decay)
    for step in train(drawn.images, drawn.labels, config, device="cpu"):
        batch = draw_batch(drawn.images, drawn.labels, cosine(), config, step.step)
        optimizer.param_groups[0]["lr"] = step.learning_rate
        optimizer.zero_grad()
        value = batch_loss(plain, batch, cosine(), config)
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), config.clip)
        optimizer.step()
        assert norm > config.clip
        assert step.loss == pytest.approx(value.item(), rel=1e-4)
        assert step.grad_norm == pytest.approx(float(norm), rel=1e-3)
    for ours, theirs in zip(step.state.network.parameters(), plain.parameters(), strict=True):
        assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_the_average_follows_the_network(drawn):
    before = TrainState(TINY).ema.network.state_dict()
    for step in train(drawn.images, drawn.labels, TINY, device="cpu"):
        state = step.state
    averaged, now = state.ema.network.state_dict(), state.network.state_dict()
    name = "enter.weight"
    assert not torch.equal(averaged[name], before[name])
    assert (averaged[name] - now[name]).norm() < (before[name] - now[name]).norm()


def test_the_average_is_that_of_the_weights_after_each_step(drawn):
    """Warm-up included, and it is the average that is drawn from."""
    config = TrainConfig(PRESETS["tiny"], steps=3, batch_size=16, warmup=1, learning_rate=0.01, ema_decay=0.2)
    mean = TrainState(config).network.enter.weight.detach().clone()
    for step in train(drawn.images, drawn.labels, config, device="cpu"):
        decay = min(0.2, step.step / (step.step + 9))
        mean = decay * mean + (1 - decay) * step.state.network.enter.weight.detach()
        assert_close(step.state.ema.network.enter.weight, mean)
    assert step.state.denoiser().network is step.state.ema.network


def test_two_runs_of_one_config_are_the_same_and_a_seed_makes_another(drawn):
    first = losses(drawn, TINY)
    assert first == losses(drawn, TINY)
    assert first[0] != losses(drawn, TrainConfig(PRESETS["tiny"], steps=1, batch_size=16, seed=1))[0]


def test_training_leaves_the_callers_random_numbers_alone(drawn):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    losses(drawn, TINY)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.slow
@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
def test_a_tiny_network_learns(drawn, prediction):
    config = TrainConfig(PRESETS["tiny"], prediction=prediction, steps=80, batch_size=16, warmup=10)
    values = losses(drawn, config)
    assert sum(values[-20:]) < 0.8 * sum(values[:20])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCELERATE_DYNAMO_BACKEND", "inductor"),
        ("ACCELERATE_USE_DEEPSPEED", "true"),
        ("ACCELERATE_USE_FSDP", "true"),
        ("ACCELERATE_USE_MEGATRON_LM", "true"),
        ("ACCELERATE_USE_PARALLELISM_CONFIG", "true"),
    ],
)
def test_what_accelerate_is_told_elsewhere_changes_no_training(drawn, name, value, monkeypatch):
    from accelerate.state import AcceleratorState

    config = replace(TINY, steps=2)
    expected = losses(drawn, config)
    monkeypatch.setenv(name, value)
    AcceleratorState._reset_state(
        reset_partial_state=True
    )  # as in a fresh process: only the first one reads these
    try:
        assert losses(drawn, config) == expected
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def test_bf16_stays_close_to_fp32(drawn):
    config = TrainConfig(PRESETS["tiny"], steps=10, batch_size=16, precision="bf16")
    full = TrainConfig(PRESETS["tiny"], steps=10, batch_size=16, precision="fp32")
    ours, exact = losses(drawn, config), losses(drawn, full)
    assert ours != exact
    assert ours == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_auto_is_the_precision_of_the_chip_and_the_run_says_which(drawn, precision, monkeypatch):
    features = {"avx512_bf16": precision == "bf16"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    config = TrainConfig(PRESETS["tiny"], steps=2, batch_size=4)
    state = TrainState(replace(config, precision="auto"))
    assert losses(drawn, None, state) == losses(drawn, replace(config, precision=precision))
    assert state.config.precision == precision


def test_what_was_asked_for_is_computed_on_any_chip(monkeypatch):
    for here in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": here}, raising=False)  # noqa: B023
        for precision in ("fp32", "bf16"):
            assert settled(TrainConfig(precision=precision), "cpu").precision == precision


def test_no_recipe_asks_for_more_than_the_chip_has(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    for name, recipe in RECIPES.items():
        assert settled(recipe, "cpu").precision == "fp32", name
        tuned = fine_tuning(replace(recipe, precision="bf16"))
        assert settled(tuned, "cpu").precision == "fp32", name


def test_the_denoiser_answers_eps_whatever_was_trained(drawn):
    for prediction in ("eps", "x0", "v"):
        state = TrainState(TrainConfig(PRESETS["tiny"], prediction=prediction))
        torch.nn.init.normal_(state.ema.network.leave[-1].bias)
        x, t, c = torch.randn(2, 3, 16, 16), torch.tensor([3, 800]), torch.tensor([0, NULL_LABEL])
        answer = state.ema.network(x, t, c)
        expected = clean(x, answer, cosine().levels(t), prediction).eps
        assert_close(state.denoiser()(x, t, c), expected)


@pytest.mark.parametrize(
    ("labels", "batch", "says"),
    [([0, 7], 2, "labels are 0 .. 7"), ([], 2, "labels are none"), ([0, -1], 2, "labels are -1 .. 0")],
)
def test_labels_that_the_network_does_not_know_are_refused(labels, batch, says):
    images = np.zeros((len(labels), 16, 16, 3), np.uint8)
    config = TrainConfig(PRESETS["tiny"], batch_size=batch)
    with pytest.raises(UserError, match=says):
        next(train(images, np.array(labels, np.int64), config, device="cpu"))


def test_a_loss_that_is_no_number_ends_the_run_with_advice(drawn):
    config = TrainConfig(PRESETS["tiny"], steps=40, batch_size=16, warmup=1, learning_rate=1e30)
    with pytest.raises(UserError, match=r"begin again .* learning rate below 1e.30"):
        losses(drawn, config)


def test_recipes_are_named_after_their_networks():
    assert {name: recipe.unet for name, recipe in RECIPES.items()} == PRESETS


def test_the_three_parts_of_a_batch_are_one_length(drawn):
    batch = draw_batch(drawn.images, drawn.labels, cosine(), TINY, 1)
    assert isinstance(batch, Batch)
    assert {len(part) for part in batch} == {16}


# Several processes.

WORKER = """
import json, sys
from accelerate import PartialState
from pixel_edu import sprites
from pixel_edu.training import TrainConfig, is_main_process, train
from pixel_edu.unet import PRESETS
drawn = sprites.make(200, seed=3)
config = TrainConfig(PRESETS["tiny"], steps=6, batch_size=16, warmup=2)
said, seen = [], set()
for step in train(drawn.images, drawn.labels, config, device=sys.argv[1]):
    said.append((step.loss, step.grad_norm))
    if len(said) == 1:
        step.state.network.register_forward_hook(lambda module, given, made: seen.add(len(made)))
assert seen == {8}, f"each of two processes takes half of the batch, not {seen}"
if is_main_process():
    print("RESULT", PartialState().num_processes, json.dumps(said))
"""


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_two_processes_train_as_one_does(device, drawn, tmp_path):
    """Without GPUs `--multi_gpu` starts CPU processes; `--cpu` would start one, however many are asked for."""
    try:
        socket.getaddrinfo("localhost", None)
    except OSError:
        pytest.skip("localhost has no address here, and accelerate looks for a free port there")
    program = tmp_path / "worker.py"
    program.write_text(WORKER)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    options = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, *options, "--main_process_port", "0", program, device],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert len(said) == 1
    _, processes, numbers = said[0].split(maxsplit=2)
    assert processes == "2"
    together = json.loads(numbers)
    alone = [(s.loss, s.grad_norm) for s in train(drawn.images, drawn.labels, TINY, device="cpu")]
    assert_close(torch.tensor(together), torch.tensor(alone), rtol=1e-4, atol=1e-6)


def test_any_network_that_is_called_alike_is_trained_by_the_same_loop(drawn):
    class Other(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.look, self.label = torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.Embedding(NULL_LABEL + 1, 3)

        def forward(self, x, t, c):
            return self.look(x) + self.label(c)[..., None, None] * (t / 1000).reshape(-1, 1, 1, 1)

    state = TrainState(TINY, Other())
    before = {name: value.clone() for name, value in state.ema.network.state_dict().items()}
    assert len(losses(drawn, None, state)) == TINY.steps
    for name, value in state.ema.network.state_dict().items():
        assert not torch.equal(value, before[name]), name
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([5, 900])
    assert state.denoiser()(x, t, torch.tensor([0, NULL_LABEL])).shape == x.shape


def test_a_run_on_the_cpu_does_not_decide_for_the_next_run(drawn):
    from accelerate.state import PartialState

    asked = []
    for device in ("cpu", "auto", "cpu"):
        next(train(drawn.images, drawn.labels, TINY, device=device))
        asked.append(PartialState()._cpu)
    assert asked == [True, False, True]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_after_a_run_on_the_cpu_the_next_one_is_on_the_gpu(drawn):
    for device, expected in (("cpu", "cpu"), ("auto", "cuda")):
        step = next(train(drawn.images, drawn.labels, TINY, device=device))
        for network in (step.state.network, step.state.ema.network):
            assert {value.device.type for value in network.parameters()} == {expected}


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((6, 10, 10, 3), r"the images are \(6, 10, 10, 3\), but .* squares whose edge is a multiple of 4"),
        ((6, 8, 16, 3), "takes squares"),
        ((6, 8, 8, 4), "the images have 4 channels, but this network draws 3"),
    ],
)
def test_images_that_do_not_fit_the_network_are_refused(shape, says):
    config = TrainConfig(PRESETS["tiny"], steps=1, batch_size=2)
    with pytest.raises(UserError, match=says):
        next(train(np.zeros(shape, np.uint8), np.zeros(6, int), config, device="cpu"))


@pytest.mark.parametrize(("size", "channels", "classes"), [(8, 4, 1), (24, 4, 12), (12, 3, 200)])
def test_sprites_of_any_size_with_or_without_alpha_are_learned(size, channels, classes):
    unet = replace(PRESETS["tiny"], image_channels=channels, classes=classes)
    config = TrainConfig(unet, steps=12, batch_size=8, warmup=2, learning_rate=4e-3)
    images, labels = np.full((classes, size, size, channels), 255, np.uint8), np.arange(classes)
    *_, last = steps = list(train(images, labels, config, device="cpu"))
    assert last.loss < 0.8 * steps[0].loss
    denoiser = last.state.denoiser()
    assert (denoiser.size, denoiser.channels, len(denoiser.classes)) == (size, channels, classes)
