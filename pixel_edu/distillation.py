r"""Distillation: a network that draws in one call what its teacher draws in many.

**Progressive distillation** (Salimans & Ho 2022, arXiv:2202.00512): a student learns to do with one DDIM step what its
teacher does with two, and becomes the teacher of the next phase. The `PHASES` lead from 32 calls to one. The first
teacher is guided, so the student's answer is guided already, and it never needs a second one (Meng et al. 2023,
arXiv:2210.03142).

Where steps are long, two different sprites may be equally near, and the least squared error is their mean, which is
blurred. So the last network is trained on with an **adversary** in the place of the squared error, a network that
learns to tell its sprites from the data's (as Lin et al. 2024 do, arXiv:2402.13929). Last, the first teacher
**polishes**: it removes the noise that the adversary could not see.

**Consistency distillation** (Song et al. 2023, arXiv:2303.01469) is the other way to one call: all points of a path are
to be answered alike. `consistency_loss` is there to compare with.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from pixel_edu.config import CHANNELS, IMAGE_SIZE, SampleConfig
from pixel_edu.denoiser import Denoiser
from pixel_edu.diffusion import Images, add_noise, clean
from pixel_edu.guidance import Model, guided, timesteps_between
from pixel_edu.samplers import PredictEps
from pixel_edu.schedules import Levels, Schedule
from pixel_edu.training import Batch, TrainConfig, TrainState, TrainStep, draw_batch, settled

MOST_WEIGHT = 50.0
"""Of a nearly clean image's error in x₀; the paper's weight, the signal-to-noise ratio, grows without bound there."""


class Phase(NamedTuple):
    """One phase of the way to one call.

    Attributes:
        calls: in how many calls its student draws.
        steps: of training.
        lesson: what it learns from: "halving", two steps of a teacher with twice as many calls (`progressive`);
            "adversary" (`adversarial`); "polishing", what the first teacher makes of its own sprites (`polishing`).
    """

    calls: int
    steps: int
    lesson: Literal["halving", "adversary", "polishing"] = "halving"

    @property
    def name(self) -> str:
        """What its checkpoint is called."""
        return f"calls-{self.calls}" + f"-{self.lesson}" * (self.lesson != "halving")


PHASES = (
    Phase(16, 500),
    Phase(8, 500),
    Phase(4, 600),
    Phase(2, 800),
    Phase(1, 1_600),
    Phase(1, 6_000, "adversary"),
    Phase(1, 700, "polishing"),
)


def config_of(phase: Phase, trained: TrainConfig, seed: int = 0) -> TrainConfig:
    """How a phase is trained: network, schedule and prediction are the teacher's.

    Args:
        phase: whose steps and calls.
        trained: the config of the run that made the first teacher.
        seed: of every batch.

    >>> config_of(PHASES[0], TrainConfig()).calls
    16
    """
    learns: dict[str, Any] = {"learning_rate": 1e-3 if phase.lesson == "halving" else 3e-4}
    if phase.lesson == "adversary":
        learns["betas"] = (0.0, 0.99)  # its target moves, so old gradients lead astray
    return replace(
        trained,
        steps=phase.steps,
        calls=phase.calls,
        batch_size=64,
        warmup=50,
        ema_decay=0.998 if phase.calls == 1 and phase.lesson != "polishing" else 0.99,
        weight_decay=0.0,
        min_snr=None,
        precision="auto",
        seed=seed,
        begun=0,
        **learns,
    )


def ddim_step(x: Images, x0: Images, here: Levels, there: Levels) -> Images:
    """Where a DDIM step without fresh noise leads: the same noise and x₀, mixed as at another level."""
    return add_noise(x0, clean(x, x0, here, "x0").eps, there)


def aim(x: Images, end: Images, here: Levels, there: Levels) -> Images:
    """The x₀ with which one DDIM step leads from x to `end`: `ddim_step` solved for it.

    A step is x_s = (σ_s/σ_t)·x_t + (α_s - α_t·σ_s/σ_t)·x₀, so x₀ is what is missing, over its factor.

    >>> from pixel_edu.schedules import cosine
    >>> here, there = (cosine().levels(torch.tensor([t])) for t in (700, 300))
    >>> x, x0 = torch.randn(2, 1, 3, 4, 4)
    >>> torch.allclose(aim(x, ddim_step(x, x0, here, there), here, there), x0, atol=1e-5)
    True
    """
    ratio = there.noise / here.noise
    return (end - ratio * x) / (there.signal - ratio * here.signal)


def two_steps(
    predict_eps: PredictEps,
    schedule: Schedule,
    x: Images,
    t: Tensor,
    middle: Tensor,
    s: Tensor,
) -> Images:
    """What a student is to answer: the x₀ whose DDIM step ends where the teacher's two end.

    Args:
        predict_eps: the teacher, maps x and t to the noise in x.
        schedule: whose timesteps these are.
        x: (B, C, H, W), noisy images.
        t: (B,) int64, their timesteps.
        middle: (B,) int64, where the teacher's first step ends.
        s: (B,) int64, where both end; -1 is clean data.
    """
    here, there = schedule.levels(t), schedule.levels(s)
    end = x
    for start, stop in ((t, middle), (middle, s)):
        level = schedule.levels(start)
        x0 = clean(end, predict_eps(end, start), level, "eps").x0
        end = ddim_step(end, x0, level, schedule.levels(stop))
    return aim(x, end, here, there)


def squared_error(answer: Images, x0: Images, level: Levels) -> Float[Tensor, ""]:
    """Mean squared error in x₀, weighted by the signal-to-noise ratio above 1, the paper's "truncated SNR"."""
    weight = torch.exp(2 * level.half_log_snr).clamp(1, MOST_WEIGHT).flatten()
    return (weight * (answer - x0).square().mean(dim=(1, 2, 3))).mean()


def progressive_loss(
    network: Model, batch: Batch, teacher: PredictEps, schedule: Schedule, config: TrainConfig, calls: int
) -> Float[Tensor, ""]:
    """The loss of a student that draws in `calls` calls, on a batch of clean images.

    Args:
        network: the student.
        batch: images, labels and noise; its timesteps are spread over those that the student visits.
        teacher: with the batch's labels and, in the first phase, with guidance.
        schedule: of both.
        config: of the student: its prediction and precision.
        calls: of the student.
    """
    own, finer = (torch.tensor(schedule.timesteps(n), device=batch.t.device) for n in (calls, 2 * calls))
    place = batch.t * calls // len(schedule)
    t, middle, s = own[place], finer[2 * place + 1], own[place + 1]
    level = schedule.levels(t)
    x = add_noise(batch.x0, batch.eps, level)
    with torch.no_grad():
        x0 = two_steps(teacher, schedule, x, t, middle, s).float()
    return squared_error(guess(network, x, t, batch.c, schedule, config), x0, level)


def consistency_loss(
    network: Model,
    average: Model,
    batch: Batch,
    teacher: PredictEps,
    schedule: Schedule,
    config: TrainConfig,
    calls: int,
) -> Float[Tensor, ""]:
    """The loss of a student that is to answer the same all along a path: as its average does one teacher's step later.

    At clean data the answer is the image itself. Distances are pseudo-Huber (Song & Dhariwal 2023, arXiv:2310.14189).

    Args:
        network: the student.
        average: its running average.
        batch: images, labels, timesteps and noise.
        teacher: with the batch's labels and with guidance.
        schedule: of all.
        config: of the student: its prediction and precision.
        calls: in how many steps the teacher would draw.
    """
    stops = torch.tensor(schedule.timesteps(calls), device=batch.t.device)
    place = batch.t * calls // len(schedule)
    t, s = stops[place], stops[place + 1]
    here, there = schedule.levels(t), schedule.levels(s)
    x = add_noise(batch.x0, batch.eps, here)
    with torch.no_grad():
        later = ddim_step(x, clean(x, teacher(x, t), here, "eps").x0, here, there).float()
        answer = guess(average, later, s.clamp(min=0), batch.c, schedule, config)
        same = torch.where((s < 0).reshape(-1, 1, 1, 1), later, answer)
    error = guess(network, x, t, batch.c, schedule, config) - same
    scale = 0.00054 * error[0].numel() ** 0.5  # the paper's
    return (error.square().sum(dim=(1, 2, 3)) + scale**2).sqrt().sub(scale).mean()


def guess(network: Model, x: Images, t: Tensor, c: Tensor, schedule: Schedule, config: TrainConfig) -> Images:
    """The clean image that a network's answer implies, (B, C, H, W) float32; gradients go through."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        answer = network(x, t, c)
    return clean(x, answer.float(), schedule.levels(t), config.prediction).x0


def begin(teacher: Denoiser, config: TrainConfig, device: str = "cpu") -> TrainState:
    """A student with its teacher's weights, for one phase.

    Args:
        teacher: whose network to copy.
        config: of the phase; `calls` says in how many calls the student is to draw.
        device: PyTorch's device type, where the teacher is.
    """
    config = settled(config, device)
    network = copy.deepcopy(teacher.network).requires_grad_(True)
    return TrainState(config, network)


def progressive(
    teacher: Denoiser,
    student: TrainState,
    images: np.ndarray,
    labels: np.ndarray,
    how: SampleConfig | None = None,
) -> Iterator[TrainStep]:
    """One phase of progressive distillation, one yield a step.

    Args:
        teacher: draws in twice as many calls as the student is to.
        student: from `begin`; its config says how many calls, steps and sprites a step.
        images: (N, S, S, C) uint8, what the teacher learned from.
        labels: (N,) int64.
        how: the guidance of the teacher, in the first phase; None: the conditional answer, in which guidance is inside.
    """
    schedule, config = teacher.schedule, student.config
    for step, batch in _batches(student, images, labels, schedule):
        told = _bound(teacher, batch, how or SampleConfig(guidance_scale=1.0, interval=None))
        with torch.autocast(batch.x0.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            value = progressive_loss(student.network, batch, told, schedule, config, config.calls)
        yield _stepped(student, step, value)


def consistency(
    teacher: Denoiser,
    student: TrainState,
    images: np.ndarray,
    labels: np.ndarray,
    how: SampleConfig,
    calls: int = 32,
) -> Iterator[TrainStep]:
    """Consistency distillation, one yield a step; arguments as of `progressive`.

    Args:
        teacher: a model that draws in `calls` calls.
        student: from `begin`.
        images: (N, S, S, C) uint8.
        labels: (N,) int64.
        how: the teacher's guidance.
        calls: in how many steps the teacher would draw.
    """
    schedule, config = teacher.schedule, student.config
    for step, batch in _batches(student, images, labels, schedule):
        told = _bound(teacher, batch, how)
        both = student.network, student.ema.network
        value = consistency_loss(*both, batch, told, schedule, config, calls)
        yield _stepped(student, step, value)


def polishing(
    teacher: Denoiser,
    before: Denoiser,
    student: TrainState,
    images: np.ndarray,
    labels: np.ndarray,
    timesteps: tuple[int, int] = (40, 120),
) -> Iterator[TrainStep]:
    """Teach a student of one call what a teacher makes of its predecessor's sprites, one yield a step.

    The predecessor draws, its sprite gets a little noise, and the teacher says what clean sprite that was: one that has
    the same shapes, flat areas and a white background. Were the student itself in the predecessor's place, the teacher
    would pull it step by step to a few likely sprites, as score distillation does (Poole et al. 2022,
    arXiv:2209.14988); so the predecessor does not move.

    Args:
        teacher: the model that is distilled.
        before: the predecessor, a model of one call.
        student: from `begin`, of the predecessor.
        images: (N, S, S, C) uint8, only to say which classes to draw, and of what size.
        labels: (N,) int64.
        timesteps: the first and last of the little noise.
    """
    schedule, config = teacher.schedule, student.config
    generator = torch.Generator(next(student.network.parameters()).device).manual_seed(config.seed)
    low, high = timesteps
    for step, batch in _batches(student, images, labels, schedule):
        t = low + batch.t * (high + 1 - low) // len(schedule)
        with torch.no_grad():
            sprite = _drawn(before.network, batch, schedule, config)
            x = add_noise(sprite, _noise(sprite, generator), schedule.levels(t))
            x0 = guess(teacher.network, x, t, batch.c, schedule, config)
        value = (_drawn(student.network, batch, schedule, config) - x0).square().mean()
        yield _stepped(student, step, value)


class Adversary(nn.Module):
    """Convolutions that learn to tell a student's sprites from the data's; above 0 means real.

    It sees each sprite beside its difference from its mirror image, since symmetry is far apart and convolutions look
    nearby. The label enters as in Miyato & Koyama 2018 (arXiv:1802.05637): what was seen is compared with a vector for
    each class.

    Args:
        classes: K; label K is "no label".
        channels: C of a sprite.
        size: S, the edge of a sprite; a multiple of 4.
        width: of the first layers; there are twice and three times as many at half and a quarter of the size.

    >>> Adversary(classes=5)(torch.zeros(2, 3, 16, 16), torch.tensor([0, 5])).shape
    torch.Size([2])
    """

    def __init__(
        self, classes: int, channels: int = CHANNELS, size: int = IMAGE_SIZE, width: int = 32, seen: int = 128
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2 * channels, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 2, stride=2),
            Residual(2 * width),
            nn.Conv2d(2 * width, 3 * width, 2, stride=2),
            Residual(3 * width),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(3 * width * (size // 4) ** 2, seen),
            nn.LeakyReLU(0.2),
        )
        self.real, self.of_class = nn.Linear(seen, 1), nn.Embedding(classes + 1, seen)

    def forward(self, x: Images, c: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """How much likelier real than drawn; x in about [-1, 1], c in 0 .. K."""
        both = torch.cat([x, x - x.flip(3)], dim=1).contiguous(memory_format=torch.channels_last)
        seen = self.body(both).float()
        return self.real(seen)[:, 0] + (seen * self.of_class(c)).sum(dim=1) / seen.shape[1] ** 0.5


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The shape stays."""
        return x + self.body(x) / 2


@dataclass(frozen=True)
class AdversaryConfig:
    """How the adversary learns.

    Attributes:
        learning_rate: its peak; it falls as the student's does.
        steepness: κ, the weight of the penalty for a steep answer.
        noise: standard deviation, at most, of the noise that is laid over both sprites of a pair, a share of it by
            chance: an edge between two colours is then no proof by itself (Sønderby et al. 2016, arXiv:1610.04490).
        nudge: standard deviation of the noise that measures how steep the answer is.
        head_start: steps that it learns before the student does.
    """

    learning_rate: float = 1e-3
    steepness: float = 0.2
    noise: float = 0.3
    nudge: float = 0.1
    head_start: int = 100


def adversarial(
    student: TrainState,
    schedule: Schedule,
    images: np.ndarray,
    labels: np.ndarray,
    how: AdversaryConfig | None = None,
) -> Iterator[TrainStep]:
    """Train a student of one call on against an adversary, one yield a step.

    Both judge pairs: a drawn and a real sprite of the same class. The adversary's loss is softplus(drawn - real), the
    student's softplus(real - drawn) (Jolicoeur-Martineau 2018, arXiv:1807.00734). A penalty on the gradient of the
    adversary at both sprites keeps the game from running away (Huang et al. 2025, arXiv:2501.05441); it is measured by
    a small nudge instead of a second derivative (Lin et al. 2025, arXiv:2501.08316), for a third of the time.

    Real sprites have exact colours, and no network answers exactly: who sees that needs no shapes to tell them apart.
    Noise over both hides it. It also hides noisy pixels, so that the student draws some; `polishing` removes them.

    Args:
        student: of `begin`; its config should have a first beta of 0, since the target moves.
        schedule: of the student.
        images: (N, S, S, C) uint8, the data.
        labels: (N,) int64.
        how: of the adversary.

    Yields:
        Steps whose loss is the student's; it does not fall, since its adversary learns too.
    """
    config, how = student.config, how or AdversaryConfig()
    device = next(student.network.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        adversary = Adversary(config.unet.classes, config.unet.image_channels, images.shape[1]).to(device)
    optimizer = torch.optim.AdamW(
        adversary.parameters(), how.learning_rate, betas=(0.0, 0.99), weight_decay=0, fused=True
    )
    generator = torch.Generator(device).manual_seed(config.seed)
    for step, batch in _batches(student, images, labels, schedule):
        drawn = _drawn(student.network, batch, schedule, config)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            share = torch.rand(len(batch.t), 1, 1, 1, generator=generator, device=device)
            over = how.noise * share * _noise(batch.x0, generator)
            pair = torch.cat([batch.x0 + over, drawn.detach() + over])
            near = pair + how.nudge * _noise(pair, generator)
            at_pair, at_near = adversary(torch.cat([pair, near]), batch.c.repeat(4)).chunk(2)
            real, fake = at_pair.chunk(2)
            # E(A(x + ζε) - A(x))² is ζ² times the squared gradient, for both halves; κ/2 of each is wanted.
            steep = (at_near - at_pair).square().mean() * 2 / how.nudge**2
            value = F.softplus(fake - real).mean() + how.steepness / 2 * steep
        for group in optimizer.param_groups:
            group["lr"] = (
                how.learning_rate * config.learning_rate_at(max(step, config.warmup)) / config.learning_rate
            )
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if step <= how.head_start:
            student.step = step
            yield TrainStep(step, value.item(), 0.0, 0.0, student)
            continue
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            value = F.softplus(real.detach() - adversary(drawn + over, batch.c)).mean()
        yield _stepped(student, step, value)


def _noise(like: Images, generator: torch.Generator) -> Images:
    return torch.randn(like.shape, generator=generator, device=like.device)


def _drawn(network: Model, batch: Batch, schedule: Schedule, config: TrainConfig) -> Images:
    """Sprites of one call, from the batch's noise and labels."""
    last = torch.full_like(batch.t, len(schedule) - 1)
    return guess(network, batch.eps, last, batch.c, schedule, config)


def _bound(teacher: Denoiser, batch: Batch, how: SampleConfig) -> PredictEps:
    """The teacher, with a batch's labels and with guidance."""
    interval = how.interval and timesteps_between(teacher.schedule, *how.interval)
    return guided(teacher.precise, batch.c, how.guidance_scale, teacher.null_label, interval)


def _batches(
    student: TrainState, images: np.ndarray, labels: np.ndarray, schedule: Schedule
) -> Iterator[tuple[int, Batch]]:
    device = next(student.network.parameters()).device
    for step in range(student.step + 1, student.config.steps + 1):
        batch = draw_batch(images, labels, schedule, student.config, step)
        yield step, Batch(*(part.to(device) for part in batch))


def _stepped(student: TrainState, step: int, value: Tensor) -> TrainStep:
    """One step of the optimiser against this loss, and of the average."""
    config, rate = student.config, student.config.learning_rate_at(step)
    for group in student.optimizer.param_groups:
        group["lr"] = rate
    student.optimizer.zero_grad()
    value.backward()
    grad_norm = nn.utils.clip_grad_norm_(student.network.parameters(), config.clip)
    student.optimizer.step()
    student.ema.update(student.network, step)
    student.step = step
    return TrainStep(step, value.item(), float(grad_norm), rate, student)


def taught(
    phase: Phase,
    first: Denoiser,
    before: Denoiser,
    student: TrainState,
    images: np.ndarray,
    labels: np.ndarray,
    how: SampleConfig | None = None,
) -> Iterator[TrainStep]:
    """The steps of a phase.

    Args:
        phase: which lesson.
        first: the model that is distilled.
        before: what the last phase left, or the first model.
        student: from `begin`, of `before`.
        images: (N, S, S, C) uint8, what the first model learned from.
        labels: (N,) int64.
        how: the guidance of the first phase's teacher; None: guidance is inside.
    """
    if phase.lesson == "adversary":
        return adversarial(student, first.schedule, images, labels)
    if phase.lesson == "polishing":
        return polishing(first, before, student, images, labels)
    return progressive(before, student, images, labels, how)
