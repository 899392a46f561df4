"""ContextUNet: the network that is told the timestep and the class, and asked what is noise and what is sprite.

The image goes down through the levels, each half the size of the one above, and up again, where every block also sees
what the block opposite made on the way down (Ronneberger et al. 2015, arXiv:1505.04597). Timestep and class together
are the context. Every block receives it as a scale and a shift of its features; attention also looks at the class, as
if that were one more place in the image. With `fold` 2 the image is first folded, 2x2 pixels into channels: a quarter
of the places for every convolution to visit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from pixel_edu.config import CHANNELS, CLASSES

Images = Float[Tensor, "b channels h w"]
Features = Float[Tensor, "b c h w"]
NewFeatures = Float[Tensor, "b c_out h w"]
Embedding = Float[Tensor, "b e"]
Queries = Float[Tensor, "b heads places d"]
Keys = Float[Tensor, "b heads places+1 d"]


@dataclass(frozen=True)
class UNetConfig:
    """The size of a ContextUNet.

    Attributes:
        channels: width of each level, from the top; multiples of 8 and of heads.
        attention: which levels have attention.
        blocks: residual blocks a level, on the way down and again on the way up.
        fold: edge of the squares of pixels that are folded into channels; 1 folds nothing.
        embedding: length of the vectors that carry timestep and class.
        heads: attention heads of every level, unless `head_channels` says otherwise.
        classes: K, the number of classes; label K is "no label".
        image_channels: of the images: 3 for colours, 4 for colours and alpha.
        head_channels: width of an attention head, instead of a number of heads; a level that attends is a multiple of
            it, or narrower and has one head.
        places: whether attention knows where each place is, so that it can look for the mirror image of one.

    Raises:
        ValueError: widths that do not divide, or another number of levels in channels and attention.
    """

    channels: tuple[int, ...] = (32, 64, 128)
    attention: tuple[bool, ...] = (False, False, True)
    blocks: int = 1
    fold: int = 1
    embedding: int = 192
    heads: int = 4
    classes: int = len(CLASSES)
    image_channels: int = CHANNELS
    head_channels: int | None = None
    places: bool = False

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.attention):
            raise ValueError(
                f"channels name {len(self.channels)} levels and attention {len(self.attention)}: use as many"
            )
        if self.head_channels is None:
            if any(width % GROUPS or width % self.heads for width in self.channels):
                raise ValueError(
                    f"channels are {self.channels}: use multiples of {GROUPS} and of {self.heads}"
                )
        elif self.head_channels < 1:
            raise ValueError(f"head_channels is {self.head_channels}: use 1 or more, or None")
        elif any(width % GROUPS for width in self.channels) or any(
            on and width > self.head_channels and width % self.head_channels
            for width, on in zip(self.channels, self.attention, strict=True)
        ):
            raise ValueError(
                f"channels are {self.channels}: use multiples of {GROUPS} and, for levels that attend and are wider "
                f"than a head, of {self.head_channels}"
            )

    @property
    def size_step(self) -> int:
        """What the edge of an image must be a multiple of: every level but the last halves it.

        >>> UNetConfig().size_step
        4
        """
        return self.fold * 2 ** (len(self.channels) - 1)

    def heads_of(self, width: int) -> int:
        """Attention heads at a level of this width.

        >>> [UNetConfig(head_channels=32).heads_of(width) for width in (32, 64, 128)]
        [1, 2, 4]
        """
        return self.heads if self.head_channels is None else max(width // self.head_channels, 1)


GROUPS = 8
PRESETS = {
    "tiny": UNetConfig((16, 32, 48), embedding=64),
    "reference": UNetConfig(attention=(True, True, True), head_channels=32, places=True),
    "classic": UNetConfig((64, 128, 128), (False, False, False), blocks=2, embedding=128),
}
"""By name: small enough for tests and exercises, what the course ships, and the widely copied size to beat."""


class ContextUNet(nn.Module):
    """The model: maps x (B, C, H, W) float32, t (B,) int64 and c (B,) int64 to an answer of x's shape.

    What it predicts, eps, x0 or v, is decided by the loss that it is trained with. A new network answers 0.

    Args:
        config: its size, or a preset's name.

    >>> model = ContextUNet("tiny")
    >>> model(torch.randn(2, 3, 16, 16), torch.tensor([0, 999]), torch.tensor([1, 5])).shape
    torch.Size([2, 3, 16, 16])
    """

    def __init__(self, config: UNetConfig | str = "reference") -> None:
        super().__init__()
        self.config = config = PRESETS[config] if isinstance(config, str) else config
        top, pixels = config.channels[0], config.image_channels * config.fold**2
        self.embed_time = nn.Sequential(
            nn.Linear(TIME_WAVES, config.embedding), nn.SiLU(), nn.Linear(config.embedding, config.embedding)
        )
        self.embed_class = nn.Embedding(config.classes + 1, config.embedding)
        # Folding puts each square of pixels into the channels of one place: the same numbers on a smaller grid, so that
        # every convolution costs a quarter of what it did (at fold 2) and sees twice as far.
        self.fold = nn.PixelUnshuffle(config.fold)
        self.enter = conv3x3(pixels, top)
        self.levels = Level(top, config)
        # Zero weights at the end: an untrained network answers 0, whatever it is asked.
        self.leave = nn.Sequential(norm(top), nn.SiLU(), zeroed(conv3x3(top, pixels)))
        self.unfold = nn.PixelShuffle(config.fold)

    def forward(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        """The answer at noisy images x, timesteps t in 0 .. T-1 and labels c in 0 .. K; K is "no label"."""
        label = self.embed_class(c)
        context = F.silu(self.embed_time(time_waves(t)) + label)
        features = self.levels(self.enter(self.fold(x)), context, label)
        return self.unfold(self.leave(features))


class Level(nn.Module):
    """One level on the way down, all that is below it, and the same level on the way up."""

    def __init__(self, width_above: int, config: UNetConfig, depth: int = 0) -> None:
        super().__init__()
        width, attends = config.channels[depth], config.attention[depth]
        widths_in = [width_above] + [width] * (config.blocks - 1)
        self.down = nn.ModuleList(Block(w, width, config, attends) for w in widths_in)
        if depth + 1 < len(config.channels):
            self.shrink = nn.Conv2d(width, width, 2, stride=2)
            self.below = Level(width, config, depth + 1)
            self.grow = nn.Sequential(nn.Conv2d(config.channels[depth + 1], 4 * width, 1), nn.PixelShuffle(2))
        else:
            self.shrink, self.grow = nn.Identity(), nn.Identity()
            self.below = Block(width, width, config, attends)
        self.up = nn.ModuleList(Block(2 * width, width, config, attends) for _ in widths_in)

    def forward(
        self,
        x: Features,
        context: Embedding,
        label: Embedding,
    ) -> NewFeatures:
        """(B, width_above, H, W) to (B, width, H, W)."""
        skips = []
        for block in self.down:
            x = block(x, context, label)
            skips.append(x)
        x = self.grow(self.below(self.shrink(x), context, label))
        for block in self.up:
            x = block(torch.cat([x, skips.pop()], dim=1), context, label)
        return x


class Block(nn.Module):
    """Two convolutions beside a shortcut; between them the context scales and shifts the features.

    A new block is its shortcut alone: the second convolution starts at zero (as in Dhariwal & Nichol 2021,
    arXiv:2105.05233, from where the scale and shift come too).
    """

    def __init__(self, width_in: int, width: int, config: UNetConfig, attends: bool) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(width_in), conv3x3(width_in, width)
        self.context = nn.Linear(config.embedding, 2 * width)
        self.norm2, self.conv2 = norm(width), zeroed(conv3x3(width, width))
        self.shortcut = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()
        attention = PlaceAttention if config.places else LabelAttention
        self.attention = attention(width, config) if attends else None

    def forward(self, x: Features, context: Embedding, label: Embedding) -> NewFeatures:
        """(B, width_in, H, W) to (B, width, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.context(context)[..., None, None].chunk(2, dim=1)
        # 1 + scale: a projection that answers 0 leaves the features as they are, and does not erase them.
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        h = self.shortcut(x) + h
        return h if self.attention is None else self.attention(h, label)


class LabelAttention(nn.Module):
    """Every place looks at all places (Vaswani et al. 2017, arXiv:1706.03762) and at the class, one more key and value.

    A new one changes nothing: its last layer starts at zero.
    """

    def __init__(self, width: int, config: UNetConfig) -> None:
        super().__init__()
        self.heads = config.heads_of(width)
        self.norm, self.qkv = norm(width), nn.Conv2d(width, 3 * width, 1)
        self.label = nn.Linear(config.embedding, 2 * width)
        self.out = zeroed(nn.Conv2d(width, width, 1))

    def forward(self, x: Features, label: Embedding) -> Features:
        """(B, width, H, W) to the same shape."""
        # In memory one after another, where PyTorch is several times faster.
        q, k, v = (z.contiguous() for z in self.looking(x, label))
        seen = F.scaled_dot_product_attention(q, k, v)  # (B, heads, H·W, width / heads)
        return x + self.out(seen.transpose(2, 3).reshape(x.shape))

    def looking(self, x: Features, label: Embedding) -> tuple[Queries, Keys, Keys]:
        """The queries of all places, and the keys and values of all places and, last, of the label."""
        q, k, v = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)  # each (B, width, H·W)
        label_k, label_v = self.label(label)[..., None].chunk(2, dim=1)  # each (B, width, 1)
        k, v = torch.cat([k, label_k], dim=2), torch.cat([v, label_v], dim=2)
        q, k, v = (z.unflatten(1, (self.heads, -1)).transpose(2, 3) for z in (q, k, v))
        return q, k, v


class PlaceAttention(LabelAttention):
    """Attention that also knows where each place is: waves of row and column, in queries and keys.

    So the same features look elsewhere from elsewhere: a pixel of an eye at the place that mirrors its own. Queries and
    keys are normalised (Henry et al. 2020, arXiv:2010.04245). Otherwise training makes them ever longer, until the
    fits of a query differ by less than bfloat16 can tell.
    """

    def __init__(self, width: int, config: UNetConfig) -> None:
        super().__init__(width, config)
        self.place = nn.Linear(2 * TIME_WAVES, 2 * width, bias=False)
        self.norm_q, self.norm_k = (nn.RMSNorm(width // self.heads, eps=1e-5) for _ in "qk")

    def looking(self, x: Features, label: Embedding) -> tuple[Queries, Keys, Keys]:
        """As without places, and each place's waves added to its query and its key; both normalised."""
        q, k, v = super().looking(x, label)
        rows, columns = (axis_waves(count, x.device) for count in x.shape[2:])
        # The layer is linear, so each row and each column goes through it once, instead of each place.
        by_row = self.place(F.pad(rows, (0, TIME_WAVES)))
        by_column = self.place(F.pad(columns, (TIME_WAVES, 0)))
        place = by_row[:, None] + by_column  # (H, W, 2 width)
        place_q, place_k = place.flatten(0, 1).unflatten(1, (2, self.heads, -1)).permute(1, 2, 0, 3)
        q, k = q + place_q, k + F.pad(place_k, (0, 0, 0, 1))  # the label, last, is nowhere
        return self.norm_q(q.float()).to(v.dtype), self.norm_k(k.float()).to(v.dtype), v


class Float32GroupNorm(nn.GroupNorm):
    """GroupNorm at full precision even where products are in bfloat16: exact statistics, and on CPUs faster."""

    def forward(self, x: Features) -> Features:
        """(B, C, H, W) to the same shape, float32."""
        return super().forward(x.float())


TIME_WAVES = 64


def time_waves(t: Shaped[Tensor, " b"], longest: float = 10_000.0) -> Float[Tensor, "b waves"]:
    """Timesteps, or places, as cosines and sines of `TIME_WAVES` / 2 frequencies, 1 down to about 1 / longest.

    From Vaswani et al. 2017, arXiv:1706.03762.

    >>> time_waves(torch.tensor([0]))[0, :2], time_waves(torch.tensor([0]))[0, -2:]
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    half = TIME_WAVES // 2
    frequencies = torch.exp(-math.log(longest) * torch.arange(half, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def axis_waves(
    count: int, device: torch.device | None = None, fastest: float = math.pi, longest: float = 100.0
) -> Float[Tensor, "places waves"]:
    """Where each row is, or each column: its `time_waves`.

    Args:
        count: how many there are; H or W of an image.
        device: where to compute.
        fastest: angle from one to the next in the fastest wave; at π neighbours have opposite signs.
        longest: about how many times longer the slowest wave is.

    >>> axis_waves(3).shape
    torch.Size([3, 64])
    """
    return time_waves(fastest * torch.arange(count, device=device), longest)


def place_waves(
    rows: int,
    columns: int,
    device: torch.device | None = None,
    fastest: float = math.pi,
    longest: float = 100.0,
) -> Float[Tensor, "places waves"]:
    """Where each place is, row by row: the `axis_waves` of its row, then those of its column.

    Args:
        rows: how many; H of an image.
        columns: how many; W of an image.
        device: where to compute.
        fastest: as `axis_waves` takes it.
        longest: as `axis_waves` takes it.

    >>> place_waves(2, 3).shape
    torch.Size([6, 128])
    """
    row, column = (axis_waves(count, device, fastest, longest) for count in (rows, columns))
    return torch.cat([row.repeat_interleave(columns, dim=0), column.repeat(rows, 1)], dim=1)


def operations(network: nn.Module, size: int = 16, channels: int = 3) -> int:
    """Floating point operations of one answer about one image: two for each multiplication and the addition after it.

    Only products of matrices and convolutions count, which are nearly all of them.

    Args:
        network: called as ContextUNet is.
        size: of the image in pixels.
        channels: of the image.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    nothing = torch.zeros(1, dtype=torch.int64)
    # MATH, since the counter does not see into the fused attention of a CPU
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, channels, size, size), nothing, nothing)
    return counter.get_total_flops()


def conv3x3(width_in: int, width: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(width_in, width, 3, padding=1)


def norm(width: int) -> nn.GroupNorm:
    """Normalisation over `GROUPS` groups of channels: the same for an image in any batch."""
    return Float32GroupNorm(GROUPS, width)


Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def zeroed(layer: Layer) -> Layer:
    """The same layer with weights and bias at zero."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
