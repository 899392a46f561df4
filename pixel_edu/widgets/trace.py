"""What passes through the network for two sprites: the maps of its blocks, and where the bottom looks."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pixel_edu.config import CLASSES

if TYPE_CHECKING:
    from torch import Tensor

    from pixel_edu.diagram import Stage
    from pixel_edu.unet import LabelAttention

LABELS = (0, 2)
"""Of the sprites that run through the network: a character and food."""
TIMESTEPS = (100, 400, 800)
EACH = 8
"""Maps shown of a block."""
SEED = 0
"""Of the noise, which is the same for every sprite and timestep."""


class Trace(NamedTuple):
    """What passes through the network, for every sprite and timestep; N = 6, a sprite's timesteps follow each other.

    Attributes:
        noisy: (N, 16, 16, 3) uint8, what goes in.
        guess: (N, 16, 16, 3) uint8, the clean sprites that follow from the answers.
        true: (2, 16, 16, 3) uint8, the clean sprites.
        maps: for every stop, the image, the blocks and the answer, (N, maps, size, size) uint8: 128 is 0, and 1 and 255
            are as far below and above it as the map goes.
        channels: the numbers of the maps' channels, at every stop.
        looks: (N, heads, 16, 17) uint8, in percent: how much each place at the bottom looks at each, and at the label.
    """

    noisy: np.ndarray
    guess: np.ndarray
    true: np.ndarray
    maps: list[np.ndarray]
    channels: list[list[int]]
    looks: np.ndarray


@cache
def trace() -> Trace:
    """Run sprites that training never saw through `reference`, and keep what its blocks make of them."""
    import torch

    from pixel_edu import load_reference, sprites
    from pixel_edu.diffusion import add_noise, clean
    from pixel_edu.evaluation import OTHER_SEED
    from pixel_edu.images import to_tensor, to_uint8
    from pixel_edu.samplers import SpriteNoise

    held_out = sprites.make(len(CLASSES), OTHER_SEED)
    true = np.stack([held_out.images[held_out.labels == label][0] for label in LABELS])
    model = load_reference()
    x0 = to_tensor(true.repeat(len(TIMESTEPS), axis=0))
    t, c = torch.tensor(TIMESTEPS * len(LABELS)), torch.tensor(LABELS).repeat_interleave(len(TIMESTEPS))
    level = model.schedule.levels(t)
    x = add_noise(x0, SpriteNoise([SEED]).start().float().expand_as(x0), level).float()
    answer, passed, looks = _run(model.network, (x, t, c))
    made = [x, *passed, answer]
    channels = [_liveliest(each) for each in made]
    return Trace(
        to_uint8(x),
        to_uint8(clean(x, answer, level, model.prediction).x0),
        true,
        [_as_bytes(each[:, kept]) for each, kept in zip(made, channels, strict=True)],
        channels,
        (100 * looks).round().to(torch.uint8).numpy(),
    )


def weights(layer: LabelAttention, x: Tensor, label: Tensor) -> Tensor:
    """How much each place looks at each, and last at the label: (B, heads, places, places + 1), rows add up to 1.

    Args:
        layer: it never has these in its hands itself, since PyTorch computes its sums in one go.
        x: (B, width, H, W), what the layer gets.
        label: (B, embedding), as it gets it.
    """
    q, k, _ = layer.looking(x, label)
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)


@cache
def blocks() -> list[Stage]:
    """The blocks of `reference`, as the picture of the network has them."""
    from pixel_edu import load_reference
    from pixel_edu.diagram import stages

    return stages(load_reference().network)


def _run(network: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor], Tensor]:
    """The answer of `reference`, what its blocks make on the way to it, and how much the places at the bottom look."""
    import torch

    made, looks = {}, []
    names = [stage.name for stage in blocks()]
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda module, taken, out, name=name: made.__setitem__(name, out)
        )
        for name in names
    ]
    (bottom,) = (network.get_submodule(stage.name) for stage in blocks() if stage.side == "bottom")
    look = bottom.attention.register_forward_hook(
        lambda module, taken, out: looks.append(weights(module, *taken))
    )
    with torch.no_grad():
        answer = network(*given)
    for hook in (*hooks, look):
        hook.remove()
    return answer, [made[name] for name in names], looks[0]


def _liveliest(features: Tensor) -> list[int]:
    """The channels of features (N, C, H, W) that differ most from place to place; of three colours, all in order."""
    if features.shape[1] <= EACH:
        return list(range(features.shape[1]))
    spread = features.std(dim=(2, 3)).mean(dim=0)
    return spread.argsort(descending=True)[:EACH].tolist()


def _as_bytes(features: Tensor) -> np.ndarray:
    """Each map on its own scale: 0 is 128, and the largest size of a value is 127 away from it."""
    largest = features.abs().amax(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    return (128 + 127 * features / largest).round().byte().numpy()
