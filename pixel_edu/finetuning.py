"""Fine-tuning: the weights of a trained network, fitted to other classes and to another number of channels.

The size of the pictures needs no fitting: convolutions and attention take any that the network can halve. But attention
that knows places has learned them in pictures of one size, and has to learn those of another.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def fitted(
    weights: Mapping[str, Tensor], known: Sequence[str], classes: Sequence[str], pixels: int
) -> dict[str, Tensor]:
    """The weights with which a new `ContextUNet` starts.

    A class that the trained network knows by this name keeps its embedding. Any other gets a random one, by its
    name: classes that began at one place would be drawn alike for hundreds of steps.
    A new channel is at first neither looked at nor drawn: its weights are zero. A channel less is dropped.

    Args:
        weights: of the trained `ContextUNet`, as `state_dict` gives them.
        known: its K classes, in label order.
        classes: of the new network, in label order.
        pixels: channels of the new network's first convolution: `image_channels` times `fold` squared.

    Returns:
        As `state_dict` gives them, for the new network.

    >>> from pixel_edu.unet import ContextUNet, UNetConfig
    >>> trained = ContextUNet(UNetConfig((16,), (False,), classes=2)).state_dict()
    >>> new = ContextUNet(UNetConfig((16,), (False,), classes=3, image_channels=4))
    >>> new.load_state_dict(fitted(trained, ["cats", "dogs"], ["ants", "dogs", "eels"], 4))
    <All keys matched successfully>
    >>> new.embed_class.weight[1].equal(trained["embed_class.weight"][1])
    True
    """
    *learned, no_label = weights["embed_class.weight"]
    place = dict(zip(known, learned, strict=True))
    embedding = [place[name] if name in place else _random_embedding(name, no_label) for name in classes]
    new = {
        "embed_class.weight": torch.stack([*embedding, no_label]),
        "enter.weight": _resized(weights["enter.weight"], 1, pixels),
        "leave.2.weight": _resized(weights["leave.2.weight"], 0, pixels),
        "leave.2.bias": _resized(weights["leave.2.bias"], 0, pixels),
    }
    return {**weights, **new}


def _random_embedding(name: str, like: Tensor) -> Tensor:
    """As `torch.nn.Embedding` draws one at first, by the name alone: a seed could be that of the trained network."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(like.shape, generator=generator).to(like)


def _resized(tensor: Tensor, axis: int, size: int) -> Tensor:
    """The same along an axis, cut off or with zeros at its end."""
    shape = list(tensor.shape)
    shape[axis] = size
    kept = min(size, tensor.shape[axis])
    new = tensor.new_zeros(shape)
    new.narrow(axis, 0, kept).copy_(tensor.narrow(axis, 0, kept))
    return new
