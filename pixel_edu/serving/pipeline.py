"""A model and a pipeline as diffusers classes. `hub.save` writes them into a folder that does not need this package.

The folder gets the source of each class, with all that it uses of this package: see `standalone`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import ConfigMixin, DiffusionPipeline, ImagePipelineOutput, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d import UNet2DOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from pixel_edu.config import IMAGE_SIZE, SampleConfig
from pixel_edu.guidance import guided, timesteps_between
from pixel_edu.images import to_uint8
from pixel_edu.palette import as_sprites, from_words
from pixel_edu.schedules import Schedule
from pixel_edu.unet import ContextUNet, UNetConfig


class SpriteUNet(ModelMixin, ConfigMixin):
    """A trained network. What it predicts, eps, x0 or v, is a setting of the scheduler.

    Args:
        unet: the fields of a `UNetConfig`.
    """

    @register_to_config
    def __init__(self, unet: dict) -> None:
        super().__init__()
        self.network = ContextUNet(UNetConfig(**unet))

    def forward(self, sample: Tensor, timestep: Tensor, class_labels: Tensor) -> UNet2DOutput:
        """The network's answer, of the sample's shape.

        Args:
            sample: (B, C, S, S) float32, the noisy images.
            timestep: (B,) int64, 0 (least noisy) .. T-1.
            class_labels: (B,) int64, 0 .. K; K is "no label".
        """
        return UNet2DOutput(self.network(sample, timestep, class_labels))


class SpritePipeline(DiffusionPipeline):
    """Draws sprites of the classes that are asked for, with a scheduler of diffusers.

    Args:
        unet: a `SpriteUNet`.
        scheduler: of diffusers. To change it: `DDIMScheduler.from_config(pipeline.scheduler.config)`, which keeps the
            settings that the model needs.
        id2label: the names of the classes.
        palette: the colours of the sprites that the model learned from, if they are known.
        size: edge of the sprites, in pixels.
        calls: in how many calls it draws if it was distilled, guidance inside; 0: in as many as asked.
    """

    def __init__(
        self,
        unet,
        scheduler,
        id2label: dict | None = None,
        palette: str | None = None,
        size: int = IMAGE_SIZE,
        calls: int = 0,
    ) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)
        self.register_to_config(id2label=id2label, palette=palette, size=size, calls=calls)

    @torch.no_grad()
    def __call__(
        self,
        class_labels: Sequence[str | int],
        generator: torch.Generator | list[torch.Generator] | None = None,
        guidance_scale: float = SampleConfig.guidance_scale,
        guidance_interval: tuple[float, float] | None = SampleConfig.interval,
        num_inference_steps: int = SampleConfig.num_steps,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple:
        """Draw a sprite for each label.

        Args:
            class_labels: names, or numbers 0 .. K; K is "no label".
            generator: of the noise; a list with one for each sprite gives a sprite that is the same in any batch.
            guidance_scale: 1 takes the label as it is, above 1 exaggerates it.
            guidance_interval: the range of λ, half the log-SNR, in which guidance is applied; None is everywhere.
            num_inference_steps: calls of the model.
            output_type: "pil" for finished sprites in true colours; "pt" for (B, C, S, S) float32 as the network
                drew them, nominally in [-1, 1], not clamped.
            return_dict: False returns a tuple.

        Raises:
            ValueError: there is no such class, or the scheduler cannot take so many steps.
        """
        if calls := self.config["calls"]:  # by default as it was taught
            default = SampleConfig
            num_inference_steps = calls if num_inference_steps == default.num_steps else num_inference_steps
            guidance_scale = 1.0 if guidance_scale == default.guidance_scale else guidance_scale
        c = torch.tensor([self._number(each) for each in class_labels], dtype=torch.int64)
        config, schedule = self.unet.config.unet, self._schedule()
        interval = guidance_interval and timesteps_between(schedule, *guidance_interval)
        # An answer in x0 or v depends on eps by a straight line, so it is guided by the same formula.
        ask = guided(self._ask, c, guidance_scale, config["classes"], interval)
        timesteps = self._visit(schedule.timesteps(num_inference_steps)[:-1])
        size = self.config["size"]
        shape = len(c), config["image_channels"], size, size
        self.unet.float()  # whatever it was loaded as: so small a network gains nothing from half precision
        x = randn_tensor(shape, generator, self._execution_device, torch.float32)
        x = x * self.scheduler.init_noise_sigma
        noise = {"generator": generator} if _takes(self.scheduler.step, "generator") else {}
        bar: Any = self.progress_bar  # its annotation is that of a decorator
        for t in bar(timesteps):
            seen = self.scheduler.scale_model_input(x, t)
            answer = ask(seen, torch.full((len(x),), int(t), device=x.device))
            x = self.scheduler.step(answer, t, x, **noise).prev_sample
        images = x if output_type == "pt" else self._finished(x)
        return ImagePipelineOutput(images) if return_dict else (images,)

    def _ask(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return self.unet(x, t, c).sample

    def _number(self, label: str | int) -> int:
        """A class's number, by its name or by itself."""
        if not isinstance(label, str):
            return int(label)
        config: Any = self.config  # a dict whose keys are attributes too
        numbers = {name: int(number) for number, name in (config.id2label or {}).items()}
        if label not in numbers:
            raise ValueError(f"there is no class {label!r}: use {', '.join(numbers)}")
        return numbers[label]

    def _schedule(self) -> Schedule:
        """The noise schedule, in the precision of the scheduler's configuration."""
        beta = torch.tensor(self.scheduler.config.trained_betas, dtype=torch.float64)
        return Schedule(torch.cumprod(1 - beta, dim=0))

    def _visit(self, timesteps: list[int]) -> Tensor:
        """Have the scheduler visit these timesteps.

        Some schedulers take a list of timesteps; the others take only their number, and must arrive at the same list.
        """
        if _takes(self.scheduler.set_timesteps, "timesteps"):
            self.scheduler.set_timesteps(timesteps=timesteps)
        else:
            self.scheduler.set_timesteps(len(timesteps))
        if self.scheduler.timesteps.tolist() != timesteps:
            raise ValueError(
                f"{type(self.scheduler).__name__} cannot take {len(timesteps)} even steps: use a number that divides "
                f"{self.scheduler.config.num_train_timesteps}, such as 20, or DPMSolverMultistepScheduler"
            )
        return self.scheduler.timesteps

    def _finished(self, x: Tensor) -> list[Image.Image]:
        config: Any = self.config
        palette = config.palette and from_words(config.palette)
        return [Image.fromarray(each) for each in as_sprites(to_uint8(x), palette)]


def _takes(function: Callable, name: str) -> bool:
    """Whether a function has a parameter of this name."""
    return name in inspect.signature(function).parameters
