"""Distillation: what a student is to answer, what its adversary sees, and how a distilled model is sampled from."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pixel_edu import checkpoints, diffusion, distillation, runs, sprites
from pixel_edu.config import SampleConfig, UserError
from pixel_edu.distillation import PHASES, Adversary, AdversaryConfig, Phase, aim, ddim_step, two_steps
from pixel_edu.generate import generate
from pixel_edu.guidance import guided
from pixel_edu.oracle import as_images, mixture
from pixel_edu.samplers import ddim_sample, ddim_steps
from pixel_edu.schedules import cosine
from pixel_edu.training import Batch, TrainConfig, fine_tuning
from pixel_edu.unet import UNetConfig

SCHEDULE = cosine()
TINY = TrainConfig(UNetConfig((16,), (False,), embedding=16), steps=3, batch_size=4)


def oracle(w=1.0, count=4):
    """What a perfect model answers for two values, -1 and 1, a little blurred."""
    pair = mixture(SCHEDULE, as_images(torch.tensor([[-1.0], [1.0]])), 0.15)
    return guided(pair, torch.zeros(count, dtype=torch.int64), w)


def small(calls=0, seed=0, steps=3):
    """A model with random weights, and the checkpoint's state it came from."""
    config = dataclasses.replace(TINY, calls=calls, seed=seed, steps=steps)
    from pixel_edu.training import TrainState

    return TrainState(config).denoiser()


def drawn(count=8):
    made = sprites.make(count, seed=3)
    return made.images, made.labels


@pytest.mark.parametrize("calls", [1, 2, 8])
def test_steps_that_aim_as_told_end_where_the_teachers_sampler_ends(calls):
    predict_eps, x = oracle(), torch.randn(4, 1, 1, 1)
    want = ddim_sample(predict_eps, SCHEDULE, x, 2 * calls)
    finer, own = SCHEDULE.timesteps(2 * calls), SCHEDULE.timesteps(calls)
    for place in range(calls):
        stops = [torch.full((4,), finer[2 * place + i]) for i in range(3)]
        assert [int(stops[0][0]), int(stops[2][0])] == own[place : place + 2]
        x0 = two_steps(predict_eps, SCHEDULE, x, *stops)
        x = ddim_step(x, x0, SCHEDULE.levels(stops[0]), SCHEDULE.levels(stops[2]))
    assert torch.allclose(x.double(), want.double(), atol=1e-3)


def test_a_ddim_step_is_the_samplers():
    predict_eps, x = oracle(), torch.randn(4, 1, 1, 1)
    (first, *_), (t, s, *_) = list(ddim_steps(predict_eps, SCHEDULE, x, 4)), SCHEDULE.timesteps(4)
    here, there = (SCHEDULE.levels(torch.full((4,), stop)) for stop in (t, s))
    assert torch.allclose(ddim_step(x, first.x0.float(), here, there), first.x.float(), atol=1e-5)


def test_what_to_aim_at_when_the_end_is_clean_data_is_the_end():
    here, clean = (SCHEDULE.levels(torch.tensor([t])) for t in (500, -1))
    x, end = torch.randn(2, 1, 3, 4, 4)
    assert torch.equal(aim(x, end, here, clean), end)


def test_a_student_that_answers_as_two_steps_do_has_no_loss():
    """And one that answers anything else has: the loss is zero at the right answer, for every number of calls."""
    pair = mixture(SCHEDULE, as_images(torch.tensor([[-1.0], [1.0]])), 0.15)
    x0, eps = torch.randn(2, 16, 1, 1, 1)
    batch = Batch(x0, torch.zeros(16, dtype=torch.int64), torch.arange(0, 1000, 63), eps)
    config = dataclasses.replace(TINY, prediction="x0")
    for calls in (16, 4, 1):
        own, finer = SCHEDULE.timesteps(calls), SCHEDULE.timesteps(2 * calls)

        def student(x, t, c, own=own, finer=finer):
            places = [own.index(int(each)) for each in t]
            stops = [torch.tensor([finer[2 * place + i] for place in places]) for i in range(3)]
            assert [own[place] for place in places] == stops[0].tolist()
            return two_steps(guided(pair, c, 1.0), SCHEDULE, x, *stops).float()

        teacher = guided(pair, batch.c, 1.0)
        loss = distillation.progressive_loss(student, batch, teacher, SCHEDULE, config, calls)
        assert loss < 1e-10
        wrong = distillation.progressive_loss(
            lambda x, t, c: student(x, t, c) + 0.1, batch, teacher, SCHEDULE, config, calls
        )
        assert wrong > 0.005


def test_the_weight_is_the_signal_to_noise_ratio_where_that_is_above_one():
    level = SCHEDULE.levels(torch.tensor([900, 300]))
    ratio = (level.signal / level.noise).square().flatten()
    assert ratio[0] < 1 < ratio[1] < distillation.MOST_WEIGHT
    for i, want in enumerate((1.0, ratio[1].item())):
        error = torch.zeros(2, 1, 1, 1)
        error[i] = 1.0
        got = distillation.squared_error(error, torch.zeros(2, 1, 1, 1), level).item()
        assert got == pytest.approx(want / 2, rel=1e-4)


def test_consistency_has_no_loss_for_who_answers_alike_along_a_path():
    """The exact answer of one sprite alone is the same everywhere, and at the end the image itself is the answer."""
    one = torch.full((1, 1, 4, 4), 0.5)
    x0, eps = one.repeat(8, 1, 1, 1), torch.randn(8, 1, 4, 4)
    batch = Batch(x0, torch.zeros(8, dtype=torch.int64), torch.arange(0, 1000, 125), eps)
    config = dataclasses.replace(TINY, prediction="x0")

    def teacher(x, t):
        level = SCHEDULE.levels(t)
        return (x - level.signal * one) / level.noise

    def exact(x, t, c):
        return one.expand_as(x)

    def loss(student, average=exact):
        return distillation.consistency_loss(student, average, batch, teacher, SCHEDULE, config, 8)

    assert loss(exact) < 1e-6
    assert loss(lambda x, t, c: exact(x, t, c) + 0.1) > 0.1
    # What the average says at the end does not count; elsewhere it does.
    assert loss(exact, lambda x, t, c: torch.where((t == 0).reshape(-1, 1, 1, 1), 9.0, one)) < 1e-6
    assert loss(exact, lambda x, t, c: exact(x, t, c) + 0.1) > 0.1


def test_the_first_teacher_is_guided_and_later_ones_are_not(monkeypatch):
    asked = []

    def spy(model, c, scale, null_label, interval=None):
        asked.append((scale, interval))
        return guided(model, c, scale, null_label, interval)

    monkeypatch.setattr(distillation, "guided", spy)
    teacher = small()
    for how in (SampleConfig(), None):
        student = distillation.begin(teacher, dataclasses.replace(TINY, calls=2, steps=1))
        list(distillation.progressive(teacher, student, *drawn(), how=how))
    assert asked[0] == (SampleConfig.guidance_scale, (218, 772))
    assert asked[1] == (1.0, None)


def test_a_student_begins_with_its_teachers_weights_and_leaves_them_alone():
    teacher = small()
    before = {name: value.clone() for name, value in teacher.network.state_dict().items()}
    student = distillation.begin(teacher, dataclasses.replace(TINY, calls=2))
    assert all(torch.equal(value, before[name]) for name, value in student.network.state_dict().items())
    steps = list(distillation.progressive(teacher, student, *drawn()))
    assert [step.step for step in steps] == [1, 2, 3]
    assert all(torch.equal(value, before[name]) for name, value in teacher.network.state_dict().items())
    moved = [not torch.equal(value, before[name]) for name, value in student.network.state_dict().items()]
    assert any(moved)


@pytest.mark.slow
def test_a_phase_brings_the_student_nearer_to_its_teachers_two_steps():
    teacher = checkpoints.load_reference("tiny")
    images, labels = drawn(200)
    config = distillation.config_of(Phase(2, 30), checkpoints.read_about(checkpoints.find("tiny")).config)
    student = distillation.begin(teacher, config)
    losses = [step.loss for step in distillation.progressive(teacher, student, images, labels)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_an_adversary_sees_that_a_sprite_is_not_its_mirror_image():
    """Two pictures of the same pixels nearby, one symmetric: the difference is in its input."""
    adversary = Adversary(classes=2, channels=1, size=8)
    seen = []
    adversary.body[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    x = torch.rand(1, 1, 8, 8)
    adversary(torch.cat([x, (x + x.flip(3)) / 2]), torch.tensor([0, 2]))
    assert seen[0][0, 1].abs().max() > 0
    assert seen[0][1, 1].abs().max() < 1e-6


def test_an_adversary_judges_by_the_class():
    adversary = Adversary(classes=2)
    x = torch.rand(1, 3, 16, 16).repeat(3, 1, 1, 1)
    assert len(set(adversary(x, torch.tensor([0, 1, 2])).tolist())) == 3


def adversarial(steps=4, how=None, seed=0):
    config = dataclasses.replace(TINY, calls=1, steps=steps, betas=(0.0, 0.99), warmup=1, seed=seed)
    student = distillation.begin(small(), config)
    return list(distillation.adversarial(student, SCHEDULE, *drawn(), how=how)), student


def test_the_adversary_has_a_head_start():
    network = small().network.state_dict()
    _, student = adversarial(4, AdversaryConfig(head_start=4))
    assert all(torch.equal(value, network[name]) for name, value in student.network.state_dict().items())
    steps, student = adversarial(6, AdversaryConfig(head_start=4))
    assert not all(torch.equal(value, network[name]) for name, value in student.network.state_dict().items())
    assert steps[-1].step == student.step == 6


def test_adversarial_steps_are_the_same_for_the_same_seed():
    once, again, other = (adversarial(4, AdversaryConfig(head_start=1), seed)[0] for seed in (0, 0, 1))
    assert [step.loss for step in once] == [step.loss for step in again]
    assert [step.loss for step in once] != [step.loss for step in other]


def test_the_nudge_measures_the_gradient():
    """E(D(x + σn) - D(x))² / σ² is the squared length of the gradient, here of a linear answer."""
    slope = torch.randn(48)
    x = torch.randn(4000, 48)
    sigma = AdversaryConfig.nudge
    steep = ((x + sigma * torch.randn_like(x)) @ slope - x @ slope).square().mean() / sigma**2
    assert steep.item() == pytest.approx(slope.square().sum().item(), rel=0.1)


def test_a_steep_answer_costs_the_adversary(monkeypatch):
    """With a large penalty its answers stay alike; without, they part."""

    def gap(steepness):
        seen = []
        real = F.softplus

        def softplus(value):
            seen.append(value.abs().mean().item())
            return real(value)

        monkeypatch.setattr(distillation.F, "softplus", softplus)
        adversarial(30, AdversaryConfig(head_start=30, steepness=steepness))
        return seen[-1]

    assert gap(100.0) < 0.5 * gap(0.0)


def saved(path, calls=0):
    from pixel_edu.training import TrainState

    state = TrainState(dataclasses.replace(TINY, calls=calls))
    checkpoints.save_model(path, state)
    return path


SHORT = (Phase(2, 2), Phase(1, 2), Phase(1, 2, "adversary"))


def test_distillation_goes_on_with_the_phase_that_was_interrupted(tmp_path):
    teacher, done = saved(tmp_path / "teacher.safetensors"), []

    def stop_in(name):
        def track(phase, steps):
            done.append(phase.name)
            return itertools.islice(steps, 1) if phase.name == name else steps

        return track

    folder, data = tmp_path / "run", drawn()
    assert not runs.distil(folder, teacher, *data, SHORT, track=stop_in("calls-1"))
    assert sorted(path.name for path in folder.glob("*.safetensors")) == ["calls-2.safetensors"]
    assert runs.distil(folder, teacher, *data, SHORT, track=stop_in("none"))
    assert done == ["calls-2", "calls-1", "calls-1", "calls-1-adversary"]
    whole = tmp_path / "whole"
    assert runs.distil(whole, teacher, *data, SHORT)
    one, other = (checkpoints.load_model(each / runs.MODEL).network.state_dict() for each in (folder, whole))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    about = checkpoints.read_about(folder / runs.MODEL)
    assert about.config.calls == 1
    assert about.record["teacher"] == str(teacher)
    assert about.record["steps"] == "6"
    assert float(about.record["seconds"]) >= 0


def test_distillation_refuses_what_does_not_fit(tmp_path):
    teacher, other = saved(tmp_path / "teacher.safetensors"), saved(tmp_path / "other.safetensors")
    runs.distil(tmp_path / "run", teacher, *drawn(), SHORT[:1])
    with pytest.raises(UserError, match=r"was begun with .*teacher.*, not with .*other"):
        runs.distil(tmp_path / "run", other, *drawn(), SHORT)
    with pytest.raises(UserError, match="was begun with arrays, not with 9 sprites"):
        runs.distil(tmp_path / "run", teacher, *drawn(), SHORT, source="9 sprites")
    with pytest.raises(UserError, match="distilled already"):
        runs.distil(tmp_path / "new", tmp_path / "run" / "calls-2.safetensors", *drawn(), SHORT)
    with pytest.raises(UserError, match="the images have 4 channels"):
        runs.distil(
            tmp_path / "new", teacher, np.zeros((4, 16, 16, 4), np.uint8), np.zeros(4, np.int64), SHORT
        )
    assert not (tmp_path / "new").exists()


def test_a_distilled_model_cannot_be_trained_on(tmp_path):
    path = saved(tmp_path / "one.safetensors", calls=1)
    config = fine_tuning(checkpoints.read_about(path).config)
    with pytest.raises(checkpoints.CheckpointError, match="distilled and only draws: start from the model"):
        runs.TrainingRun(tmp_path / "run", config, start=path)


def test_a_distilled_model_draws_by_default_as_it_was_taught():
    model = dataclasses.replace(small(), calls=2)
    want = SampleConfig("ddim", 2, 1.0)
    assert model.sampling() == want
    assert model.sampling(SampleConfig(num_steps=2, guidance_scale=1.0)) == want
    assert small().sampling(SampleConfig(num_steps=7)) == SampleConfig(num_steps=7)
    drawn = [generate(model, [0, 1], [3, 4], config) for config in (SampleConfig(), want)]
    assert np.array_equal(*drawn)
    assert not np.array_equal(drawn[0], generate(small(), [0, 1], [3, 4]))


@pytest.mark.parametrize("asked", [{"num_steps": 5}, {"guidance_scale": 2.0}, {"sampler": "ddpm"}])
def test_a_distilled_model_refuses_what_it_never_learned(asked):
    with pytest.raises(ValueError, match="distilled to draw in 2 calls with its guidance inside"):
        generate(dataclasses.replace(small(), calls=2), [0], [0], SampleConfig(**asked))


def test_a_default_that_somebody_typed_is_refused_like_anything_else():
    two, one = (dataclasses.replace(small(), calls=calls) for calls in (2, 1))
    with pytest.raises(ValueError, match="and was asked for the sampler dpmpp_2m_sde: omit that"):
        two.sampling(SampleConfig(), ["sampler"])
    with pytest.raises(
        ValueError, match=r"for 20 calls, a guidance scale of 3 and the sampler .*: omit them"
    ):
        two.sampling(SampleConfig(), ["num_steps", "guidance_scale", "sampler"])
    assert two.sampling(SampleConfig("ddim"), ["sampler"]) == two.sampling()
    assert one.sampling(SampleConfig("ddpm"), ["sampler"]) == one.sampling()  # in one call all draw the same


def test_the_phases_halve_the_calls_down_to_one():
    assert [phase.calls for phase in PHASES if phase.lesson == "halving"] == [16, 8, 4, 2, 1]
    assert [phase.lesson for phase in PHASES[5:]] == ["adversary", "polishing"]
    assert len({phase.name for phase in PHASES}) == len(PHASES)


def test_polishing_teaches_what_the_teacher_makes_of_the_predecessor_s_sprites(monkeypatch):
    """A teacher that always sees a grey sprite makes the student's grey, whatever it drew before."""
    config = dataclasses.replace(TINY, calls=1, steps=40, batch_size=8, learning_rate=1e-2, ema_decay=0.5)
    before = small()
    asked, shown = [], []

    def grey(x, t, c):
        asked.append(t)
        shown.append(x / SCHEDULE.levels(t).signal)
        level, x0 = SCHEDULE.levels(t), torch.full_like(x, 0.5)
        return diffusion.target(x0, (x - level.signal * x0) / level.noise, level, "v")

    student = distillation.begin(before, config)
    teacher = dataclasses.replace(before, network=grey)
    losses = [
        step.loss for step in distillation.polishing(teacher, before, student, *drawn(), timesteps=(100, 250))
    ]
    assert losses[-1] < 0.2 * losses[0]
    t = torch.cat(asked)
    assert int(t.min()) >= 100
    assert int(t.max()) <= 250
    assert len(t.unique()) > 20
    # The predecessor draws 0 to the last, while the student's sprites have become 0.5.
    assert shown[-1].mean().abs() < 0.1


def test_after_its_head_start_the_adversary_takes_real_sprites_for_real():
    """So the student's first loss, softplus(real - drawn), is above that of a guess, log 2."""
    steps, _ = adversarial(61, AdversaryConfig(head_start=60))
    assert steps[-1].loss > np.log(2) + 0.1


def test_bits_and_sprites_of_others_are_refused_before_they_are_drawn(tmp_path, monkeypatch, capfd):
    import sys

    from pixel_edu import cli

    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="bits draws bits"):
        runs.distil(tmp_path / "run", "bits", *drawn(), SHORT)
    monkeypatch.setattr("pixel_edu.sprites.make", lambda *_: pytest.fail("it draws before it looks"))
    monkeypatch.setattr(sys, "argv", ["pixel-edu", "distil", str(saved(tmp_path / "mine.safetensors"))])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capfd.readouterr().err
    assert "give that folder with --data" in said
    assert said.count("\n") == 1
