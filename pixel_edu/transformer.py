"""DiT: a transformer in the place of the U-Net (Peebles & Xie 2023, arXiv:2212.09748), called as `ContextUNet` is.

The image is cut into squares of pixels; each becomes one vector, a token. All tokens go through the same blocks, at
the same width from the first to the last: no level is smaller than another, and nothing is handed across. Every token
attends to all others, so what a square has to do with its neighbours must be learned, where a convolution is built for
it. Timestep and class together are the context. It moves, scales and gates what happens in a block (adaLN-Zero).
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from pixel_edu.config import CHANNELS, CLASSES
from pixel_edu.unet import TIME_WAVES, Images, place_waves, time_waves, zeroed

Tokens = Float[Tensor, "b places width"]
Context = Float[Tensor, "b width"]
Modulation = Float[Tensor, "b 1 width"]


@dataclass(frozen=True)
class DiTConfig:
    """The size of a DiT.

    Attributes:
        width: numbers in a token; a multiple of heads.
        blocks: how many.
        heads: attention heads.
        patch: edge of the squares of pixels that become a token; half of it means four times as many tokens.
        classes: K, the number of classes; label K is "no label".
        image_channels: of the images.

    Raises:
        ValueError: a width that the heads do not divide.
    """

    width: int = 64
    blocks: int = 4
    heads: int = 4
    patch: int = 2
    classes: int = len(CLASSES)
    image_channels: int = CHANNELS

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"the width is {self.width}: use a multiple of {self.heads} heads")


class DiT(nn.Module):
    """The model: maps x (B, C, H, W) float32, t (B,) int64 and c (B,) int64 to an answer of x's shape.

    H and W are multiples of the patch. What it predicts, eps, x0 or v, is decided by the loss that it is trained with.
    A new network answers 0. The paper adds fixed waves of a token's place to it; here a layer brings the waves of row
    and column to the token's width, so that `time_waves` serves for both.

    Args:
        config: its size.

    >>> import torch
    >>> model = DiT()
    >>> model(torch.randn(2, 3, 16, 16), torch.tensor([0, 999]), torch.tensor([1, 5])).shape
    torch.Size([2, 3, 16, 16])
    """

    def __init__(self, config: DiTConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DiTConfig()
        width, pixels = config.width, config.image_channels * config.patch**2
        self.embed_time = nn.Sequential(nn.Linear(TIME_WAVES, width), nn.SiLU(), nn.Linear(width, width))
        self.embed_class = nn.Embedding(config.classes + 1, width)
        self.fold = nn.PixelUnshuffle(config.patch)
        self.enter = nn.Linear(pixels, width)
        self.place = nn.Linear(2 * TIME_WAVES, width)
        self.blocks = nn.ModuleList(DiTBlock(width, config.heads) for _ in range(config.blocks))
        self.norm, self.context = layer_norm(width), zeroed(nn.Linear(width, 2 * width))
        self.leave = zeroed(nn.Linear(width, pixels))
        self.unfold = nn.PixelShuffle(config.patch)

    def forward(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        """The answer at noisy images x, timesteps t in 0 .. T-1 and labels c in 0 .. K; K is "no label"."""
        context = F.silu(self.embed_time(time_waves(t)) + self.embed_class(c))
        squares = self.fold(x)  # (B, C·patch², rows, columns)
        rows, columns = squares.shape[2:]
        waves = place_waves(rows, columns, x.device, fastest=1.0, longest=10_000.0)
        tokens = self.enter(squares.flatten(2).mT) + self.place(waves)
        for block in self.blocks:
            tokens = block(tokens, context)
        shift, scale = self.context(context)[:, None].chunk(2, dim=2)
        answer = self.leave(modulated(self.norm(tokens), shift, scale))  # (B, places, C·patch²)
        return self.unfold(answer.mT.unflatten(2, (rows, columns)))


class DiTBlock(nn.Module):
    """Attention, in which tokens meet, and a small network that each goes through alone, both beside a shortcut.

    The context gives six vectors: a shift, a scale and a gate for each of the two. They start at zero, so a new block
    is its shortcut alone: the gates let nothing through (adaLN-Zero, section 3.2 of the paper).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.context = zeroed(nn.Linear(width, 6 * width))
        self.norm1, self.attention = layer_norm(width), SelfAttention(width, heads)
        self.norm2 = layer_norm(width)
        self.alone = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tokens, context: Context) -> Tokens:
        """(B, places, width) and (B, width) to (B, places, width)."""
        parts = self.context(context)[:, None].chunk(6, dim=2)
        shift1, scale1, gate1, shift2, scale2, gate2 = parts
        x = x + gate1 * self.attention(modulated(self.norm1(x), shift1, scale1))
        return x + gate2 * self.alone(modulated(self.norm2(x), shift2, scale2))


class SelfAttention(nn.Module):
    """Every token looks at all tokens (Vaswani et al. 2017, arXiv:1706.03762)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tokens) -> Tokens:
        """(B, places, width) to the same shape."""
        q, k, v = (z.unflatten(2, (self.heads, -1)).transpose(1, 2) for z in self.qkv(x).chunk(3, dim=2))
        seen = F.scaled_dot_product_attention(q, k, v)  # (B, heads, places, width / heads)
        return self.out(seen.transpose(1, 2).flatten(2))


def modulated(x: Tokens, shift: Modulation, scale: Modulation) -> Tokens:
    """Normalised tokens, scaled and shifted as the context says; 1 + scale, so that a scale of 0 changes nothing."""
    return x * (1 + scale) + shift


def layer_norm(width: int) -> nn.LayerNorm:
    """Each token at mean 0 and variance 1; scale and shift come from the context."""
    return nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
