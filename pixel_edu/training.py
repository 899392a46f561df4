"""Training: draw a batch, noise it, ask the network, take a step; again.

`train` yields after every step. Whoever iterates decides what to print, draw or save, and when to stop.

Everything random at step k is drawn from a generator made from (seed, k): the sprites, their timesteps, the noise and
the labels to hide. So step k is the same in a run that was interrupted, and on any number of processes: each draws the
whole batch and keeps its own share.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pixel_edu.augmentation import balanced_rows, mirrored, recolored, shifted
from pixel_edu.config import CHANNELS, CLASSES, UserError, class_names, has_bf16
from pixel_edu.denoiser import Denoiser
from pixel_edu.diffusion import (
    Images,
    Prediction,
    add_noise,
    hide_labels,
    loss,
    min_snr_weight,
    random_timesteps,
)
from pixel_edu.ema import EMA
from pixel_edu.facts import DataFacts
from pixel_edu.guidance import Model
from pixel_edu.images import to_tensor
from pixel_edu.schedules import SCHEDULES, Schedule
from pixel_edu.unet import PRESETS, ContextUNet, UNetConfig

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, except the data.

    Attributes:
        unet: the network's size.
        schedule: a name in `schedules.SCHEDULES`.
        prediction: what the network answers.
        steps: batches in all; the learning rate reaches 0 at the last.
        batch_size: sprites a step, over all processes together.
        learning_rate: its highest value, after the warm-up.
        warmup: steps in which it rises from 0.
        weight_decay: of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
        betas: of AdamW.
        clip: longest gradient that is let through.
        p_uncond: share of labels replaced by "no label", so that guidance has something to compare with.
        ema_decay: of the weights' running average.
        min_snr: γ of the min-SNR weighting; None weighs all timesteps alike.
        precision: "bf16" computes the network's products in bfloat16, which is faster where the processor or GPU has
            instructions for it, and ten times slower where not; "auto" asks the chip, once, see `settled`.
        seed: of the first weights and of every batch.
        begun: the step after which the curve of the learning rate begins: 0, or where a finished run was gone on with.
        mirror: show every second sprite, by chance, as in a mirror.
        shift: show sprites moved by at most so many pixels, see `augmentation.shifted`.
        recolor: share of sprites to show in other hues, see `augmentation.recolored`.
        balance: show all classes equally often, whatever they count.
        calls: the number of calls in which a distilled network draws, guidance inside; 0: it is not distilled, and
            draws in as many as asked.
    """

    unet: UNetConfig = field(default_factory=UNetConfig)
    schedule: str = "cosine"
    prediction: Prediction = "v"
    steps: int = 2000
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    p_uncond: float = 0.1
    ema_decay: float = 0.999
    min_snr: float | None = None
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    seed: int = 0
    begun: int = 0
    mirror: bool = False
    shift: int = 0
    recolor: float = 0.0
    balance: bool = False
    calls: int = 0

    def make_schedule(self) -> Schedule:
        """The noise schedule."""
        return SCHEDULES[self.schedule]()

    def denoiser(self, network: Model, data: DataFacts | None = None) -> Denoiser:
        """A network of such a run, with what its answers mean.

        Args:
            network: with the weights of such a run.
            data: what it learned from, if that is known; otherwise it draws sprites of the course's size.
        """
        unet, schedule = self.unet, self.make_schedule()
        known = network, schedule, self.prediction, unet.classes, unet.image_channels
        if data is None:
            return Denoiser(*known, calls=self.calls)
        return Denoiser(*known, data.colors, data.classes, data.size, self.calls)

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of step begun + 1 .. steps: a straight line up, then half a cosine down to 0.

        A run that is gone on with thus warms up again (Loshchilov & Hutter 2017, arXiv:1608.03983).
        """
        step, steps = step - self.begun, self.steps - self.begun
        if step <= self.warmup:
            return self.learning_rate * step / self.warmup
        done = (step - self.warmup) / max(steps - self.warmup, 1)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


class TrainState:
    """Everything that a run needs to go on from a step: the network, its average, and the optimiser.

    Args:
        config: of the run; its seed makes the first weights.
        network: what to train, called as `ContextUNet` is; default: a ContextUNet of the config's size.
        data: what it learns from; if omitted, `train` notes what can be seen.
    """

    def __init__(
        self, config: TrainConfig, network: nn.Module | None = None, data: DataFacts | None = None
    ) -> None:
        self.config, self.data = config, data
        self.step = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = ContextUNet(config.unet) if network is None else network
        self.ema = EMA(self.network, config.ema_decay)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def denoiser(self) -> Denoiser:
        """The averaged network, to sample from; it goes on changing while training goes on."""
        return self.config.denoiser(self.ema.network, self.data)


class TrainStep(NamedTuple):
    """What one step did.

    Attributes:
        step: 1 .. steps.
        loss: mean over the whole batch.
        grad_norm: length of the gradient before clipping.
        learning_rate: of this step.
        state: the run after this step; it changes when the loop goes on.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    state: TrainState


class Batch(NamedTuple):
    """One step's questions: (B, C, H, W) clean images, their labels, timesteps and noise."""

    x0: Images
    c: Int[Tensor, " b"]
    t: Int[Tensor, " b"]
    eps: Images


def draw_batch(
    images: np.ndarray, labels: np.ndarray, schedule: Schedule, config: TrainConfig, step: int
) -> Batch:
    """The batch of a step: the same for the same seed and step, on any machine.

    Args:
        images: (N, S, S, C) uint8.
        labels: (N,) int64 in 0 .. K-1.
        schedule: whose timesteps to draw.
        config: gives seed, batch size, and the share of labels to replace by K, "no label".
        step: 1, 2, ...
    """
    # SeedSequence mixes the two numbers into one: seed + step would give run 0 at step 1 the batch of run 1 at step 0.
    seed = np.random.SeedSequence([config.seed, step]).generate_state(1)[0]
    generator = torch.Generator().manual_seed(int(seed))
    if config.balance:
        rows = balanced_rows(labels, config.batch_size, generator)
    else:
        rows = torch.randint(len(images), (config.batch_size,), generator=generator).numpy()
    x0 = to_tensor(_augmented(images[rows], config, generator))
    return Batch(
        x0,
        hide_labels(torch.from_numpy(labels[rows]), config.p_uncond, config.unet.classes, generator),
        random_timesteps(schedule, config.batch_size, generator),
        torch.randn(x0.shape, generator=generator),
    )


def _augmented(images: np.ndarray, config: TrainConfig, generator: torch.Generator) -> np.ndarray:
    """Sprites as the config wants them shown, (B, H, W, C) uint8; what it does not ask for draws no chance."""
    if config.mirror:
        images = mirrored(images, generator)
    if config.shift:
        images = shifted(images, config.shift, generator)
    if config.recolor:
        images = recolored(images, config.recolor, generator)
    return images


def batch_loss(network: Model, batch: Batch, schedule: Schedule, config: TrainConfig) -> Float[Tensor, ""]:
    """Mean loss of a batch, weighted if the config says so; the network computes in the config's precision.

    "auto" is float32 here: `settled` decides it.
    """
    level, device = schedule.levels(batch.t), batch.x0.device.type
    with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
        answer = network(add_noise(batch.x0, batch.eps, level), batch.t, batch.c)
    each = loss(answer.float(), batch.x0, batch.eps, level, config.prediction)
    if config.min_snr is not None:
        each = each * min_snr_weight(level, config.prediction, config.min_snr)
    return each.mean()


def settled(config: TrainConfig, device: str) -> TrainConfig:
    """The config with a precision for this device where it leaves the choice: bf16 where `has_bf16`, else fp32.

    Args:
        config: of a run.
        device: PyTorch's device type, such as "cpu".

    >>> settled(TrainConfig(precision="auto"), "mps").precision
    'fp32'
    """
    if config.precision != "auto":
        return config
    return replace(config, precision="bf16" if has_bf16(device) else "fp32")


def train(
    images: np.ndarray,
    labels: np.ndarray,
    config: TrainConfig | None = None,
    state: TrainState | None = None,
    device: str = "auto",
) -> Iterator[TrainStep]:
    """Train a network, one yield a step.

    Started by `accelerate launch`, it divides every batch among the processes, and each of them yields a `TrainStep`.

    Args:
        images: (N, S, S, C) uint8, of as many channels as the network draws.
        labels: (N,) int64 in 0 .. K-1.
        config: of a new run.
        state: of a run to go on with, instead of config; a precision that it leaves open is noted in it.
        device: "auto" takes what accelerate finds; "cpu" stays on the CPU.

    Raises:
        UserError: images, labels and config do not fit, the batch cannot be divided among the processes, or the loss
            is not finite.

    >>> from pixel_edu import sprites
    >>> drawn = sprites.make(16)
    >>> config = TrainConfig(PRESETS["tiny"], steps=2, batch_size=8)
    >>> [step.step for step in train(drawn.images, drawn.labels, config, device="cpu")]
    [1, 2]
    """
    state = state or TrainState(config or TrainConfig())
    accelerator = _accelerator(cpu=device == "cpu")
    config = state.config = settled(state.config, accelerator.device.type)
    schedule = config.make_schedule()
    check(images, labels, config, accelerator.num_processes)
    if state.data is None:
        state.data = DataFacts.of(images, labels, class_names(config.unet.classes))
    state.ema.network.to(accelerator.device)
    network, optimizer = accelerator.prepare(state.network, state.optimizer)
    mine = slice(accelerator.process_index, None, accelerator.num_processes)
    for step in range(state.step + 1, config.steps + 1):
        batch = draw_batch(images, labels, schedule, config, step)
        batch = Batch(*(part[mine].to(accelerator.device) for part in batch))
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate_at(step)
        value = batch_loss(network, batch, schedule, config)
        accelerator.backward(value)
        grad_norm: Any = accelerator.clip_grad_norm_(network.parameters(), config.clip)
        reduced: Any = accelerator.reduce(value.detach(), "mean")  # of a tensor, a tensor
        mean = reduced.item()
        if not math.isfinite(mean):
            raise UserError(
                f"the loss is {mean} at step {step}: begin again (--restart, or another folder) "
                f"with a learning rate below {config.learning_rate:g}"
            )
        optimizer.step()
        optimizer.zero_grad()
        state.ema.update(accelerator.unwrap_model(network), step)
        state.step = step
        yield TrainStep(step, mean, float(grad_norm), config.learning_rate_at(step), state)


def compile_network(network: nn.Module) -> None:
    """Have PyTorch compile a network where it stands: its first step takes a minute or two, and later ones less time.

    Weights, their names and checkpoints stay as they are; sums are rounded
    in another order, so a run that is compiled ends with weights that differ in the last digits.

    Args:
        network: to train, of any kind.

    Raises:
        UserError: PyTorch cannot compile here; on a CPU it needs a C++ compiler.
    """
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(1))  # what fails, fails here, and not in the first step
    except Exception as error:  # each way to compile has errors of its own
        lines = [line.strip() for line in str(error).splitlines()]  # the first may only say who raised
        why = next((line for line in lines if line and not line.endswith(":")), type(error).__name__)
        raise UserError(
            f"PyTorch cannot compile here ({why}): install a C++ compiler, or omit --compile"
        ) from error
    network.compile()


def device_type(device: str = "auto") -> str:
    """PyTorch's type of the device on which `train` computes, such as "cuda".

    Args:
        device: "auto" takes what accelerate finds; "cpu" stays on the CPU.
    """
    return _accelerator(cpu=device == "cpu").device.type


def is_main_process() -> bool:
    """Whether this process is the one that prints and writes; the only one, unless accelerate started several.

    The launcher's word is taken: to ask accelerate would make it choose a device, before anybody has asked for one.
    """
    return not _is_launched() or int(os.environ.get("RANK", "0")) == 0


def _is_launched() -> bool:
    """Whether a launcher started several processes, as accelerate decides; a cluster may set RANK for other ends."""
    return "LOCAL_RANK" in os.environ


OTHER_TRAINERS = [
    f"ACCELERATE_USE_{name}" for name in ("DEEPSPEED", "FSDP", "MEGATRON_LM", "PARALLELISM_CONFIG")
]
"""By these variables accelerate would divide the network itself, which a network of this size does not need."""


def _accelerator(cpu: bool) -> Accelerator:
    """An accelerator for one run, which takes no settings from accelerate's environment that change what is computed.

    accelerate keeps the device of a process's first accelerator in a private class attribute, which is reset here where
    another device is asked for.
    """
    from accelerate import Accelerator  # takes a second to import, and only training needs it
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import GradientAccumulationPlugin

    # Else accelerate would let each process train alone, on the whole batch.
    cpu = cpu or (_is_launched() and not torch.accelerator.is_available())
    # Private: nothing public tells which device accelerate holds, or makes it take another.
    known = PartialState._shared_state
    if known.get("_cpu", cpu) != cpu and known["num_processes"] == 1:
        AcceleratorState._reset_state(reset_partial_state=True)
    # `batch_loss` computes in the config's precision; accelerate would add the one of ACCELERATE_MIXED_PRECISION.
    whole_steps = GradientAccumulationPlugin(num_steps=1)
    asked = {name: os.environ.pop(name) for name in OTHER_TRAINERS if name in os.environ}
    try:
        return Accelerator(
            cpu=cpu, mixed_precision="no", dynamo_backend="no", gradient_accumulation_plugin=whole_steps
        )
    finally:
        os.environ.update(asked)


def check(images: np.ndarray, labels: np.ndarray, config: TrainConfig, processes: int = 1) -> None:
    """See that sprites, labels and config fit.

    Args:
        images: (N, S, S, C) uint8.
        labels: (N,) int64.
        config: of a run.
        processes: that share every batch.

    Raises:
        UserError: they do not.
    """
    classes, channels, step = config.unet.classes, config.unet.image_channels, config.unet.size_step
    if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[1] % step:
        raise UserError(
            f"the images are {images.shape}, but this network takes squares whose edge is a multiple of {step}: "
            "resize or pad them"
        )
    if images.shape[-1] != channels:
        raise UserError(
            f"the images have {images.shape[-1]} channels, but this network draws {channels}: check the dataset"
        )
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= classes:
        found = f"{labels.min()} .. {labels.max()}" if len(labels) else "none"
        raise UserError(f"labels are {found}, but this network knows 0 .. {classes - 1}: check the dataset")
    if config.batch_size % processes:
        raise UserError(
            f"a batch of {config.batch_size} cannot be divided among {processes} processes: use a multiple of them"
        )


RECIPES = {name: TrainConfig(unet) for name, unet in PRESETS.items()} | {
    "tiny": TrainConfig(PRESETS["tiny"], steps=1_000, batch_size=64, learning_rate=4e-3),
    "reference": TrainConfig(PRESETS["reference"], steps=12_000, precision="auto"),
    "classic": TrainConfig(
        PRESETS["classic"],
        steps=10_000,
        prediction="eps",
        schedule="linear",
        learning_rate=1e-3,
        precision="auto",
    ),
}
"""A run by a preset's name: how each of the networks is trained; by default as `TrainConfig` says."""


def fine_tuning(trained: TrainConfig) -> TrainConfig:
    """How to go on from a trained network to a small set of other sprites.

    Network, schedule and prediction are what they were, but for the course's classes and colours. Weights that are good
    already need fewer steps and a shorter average; `benchmarks/small_sets.py` measured what suits them.

    Args:
        trained: the config of the run that made the network.

    >>> fine_tuning(RECIPES["reference"]).steps
    1000
    """
    unet = replace(trained.unet, classes=len(CLASSES), image_channels=CHANNELS)
    return replace(trained, unet=unet, begun=0, **FINE_TUNING)


FINE_TUNING: dict[str, Any] = {
    "steps": 1_000,
    "batch_size": 64,
    "learning_rate": 2e-3,
    "warmup": 100,
    "ema_decay": 0.99,
    "mirror": True,
    "balance": True,
    "precision": "auto",
}
"""Of a `TrainConfig`: what fine-tuning changes."""
