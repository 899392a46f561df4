r"""Ideal denoisers: data so simple that the best possible model is a formula, and nothing has to be learned.

The data are a mixture of round Gaussians: component i has a centre μ_i, a spread δ_i and a weight π_i. With all spreads
0 it is a finite set of images, with one component a Gaussian. Noised to x_t = α·x₀ + σ·ε, component i is again
Gaussian, with centre α·μ_i and variance ρ_i² = α²·δ_i² + σ², so all is known::

    p(i | x_t) ∝ π_i · ρ_i^(-d) · exp(-|x_t - α·μ_i|² / (2·ρ_i²))
    E[x₀ | x_t, i] = μ_i + α·δ_i²/ρ_i² · (x_t - α·μ_i)

with d the number of pixels times channels. The mean of the second over the first is the clean image that minimises the
squared error: what a network is trained to find.

Points in d dimensions travel as images of one pixel with d channels, (N, d, 1, 1): see `as_images` and `as_points`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pixel_edu.config import NULL_LABEL
from pixel_edu.diffusion import Images, clean
from pixel_edu.schedules import Schedule


@dataclass(frozen=True, eq=False)
class Oracle:
    """The ideal denoiser of a mixture of round Gaussians: called like a network, as model(x, t, c).

    Attributes:
        schedule: how the data are noised.
        centers: (N, C, H, W) float32, the components' centres.
        spreads: (N,) float32, their standard deviations, from 0 up; 0 is a single image.
        labels: (N,) int64, the class of each, 0 .. null_label - 1.
        weights: (N,) float32, how often each is drawn, above 0; they need not add up to 1.
        null_label: the label that stands for all classes together.

    Raises:
        ValueError: no component, or a value outside its range. `mixture` checks the lengths too.
    """

    schedule: Schedule
    centers: Float[Tensor, "n c h w"]
    spreads: Float[Tensor, " n"]
    labels: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]
    null_label: int = NULL_LABEL

    def __post_init__(self) -> None:
        if not len(self.centers):
            raise ValueError("a mixture without components has nothing to draw from: give one centre or more")
        if not (bool((self.spreads >= 0).all()) and bool((self.weights > 0).all())):
            raise ValueError("a spread is below 0 or a weight not above 0: spreads may be 0, weights not")
        if not (int(self.labels.min()) >= 0 and int(self.labels.max()) < self.null_label):
            raise ValueError(f"a component's label is outside 0 .. {self.null_label - 1}: give each a class")

    def predict_x0(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        """The mean of all clean images that x may come from: E[x₀ | x_t, c].

        Args:
            x: (B, C, H, W) float32, noisy.
            t: (B,) int64 in 0 .. T-1.
            c: (B,) int64: a class, or null_label for the whole mixture.

        Returns:
            (B, C, H, W), of x's dtype, on its device. Computed in float64 on the CPU.

        Raises:
            ValueError: a timestep outside the schedule, or a label that no component has.
        """
        centers, spread = self.centers.cpu().double().flatten(1), self.spreads.cpu().double()
        signal, variance, joint = self._joint(x, t, c)
        likely = joint.softmax(dim=1)
        pull = signal * spread**2 / variance  # how far x moves each component's mean
        flat = x.cpu().double().flatten(1)
        x0 = (likely * (1 - pull * signal)) @ centers + (likely * pull).sum(dim=1, keepdim=True) * flat
        return x0.reshape(x.shape).to(x)

    def responsibilities(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Float[Tensor, "b n"]:
        """How likely x comes from each component, p(i | x_t, c): (B, N) float64, rows add up to 1."""
        return self._joint(x, t, c)[2].softmax(dim=1)

    def log_density(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """How densely noisy images lie at x: log p(x_t | c), the natural logarithm, (B,) float64.

        Its gradient in x, which autograd finds, is the score: minus what the oracle answers, over the noise level.

        Args:
            x: (B, C, H, W) floats.
            t: (B,) int64 in -1 .. T-1; -1 asks for the density of clean data, which a spread of 0 does not have.
            c: (B,) int64: a class, or null_label for the whole mixture.

        Raises:
            ValueError: a timestep outside the schedule, or a label that no component has.

        >>> from pixel_edu.schedules import cosine
        >>> model = gaussian(cosine(), torch.zeros(1, 1, 1), spread=1.0)
        >>> density = model.log_density(torch.zeros(1, 1, 1, 1), torch.tensor([500]), torch.tensor([0])).exp()
        >>> f"{density.item():.4f}"  # 1 / sqrt(2 pi)
        '0.3989'
        """
        joint = self._joint(x, t, c)[2]
        total = torch.where(joint.isinf(), 0, self.weights.cpu().double()).sum(dim=1)
        return joint.logsumexp(dim=1) - total.log() - x[0].numel() / 2 * math.log(2 * math.pi)

    def __call__(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        """The noise in x that goes with `predict_x0`: what a network trained on eps would answer at its best."""
        wide = x.cpu().double()
        level = self.schedule.levels(t.cpu())
        return clean(wide, self.predict_x0(wide, t, c), level, "x0").eps.to(x)

    def _joint(
        self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b 1"], Float[Tensor, "b n"], Float[Tensor, "b n"]]:
        """Signal, the components' variances in x_t, and log p(x_t, i), less a constant; -inf for other classes."""
        mine = (c.cpu()[:, None] == self.labels.cpu()) | (c.cpu()[:, None] == self.null_label)
        if not bool(mine.any(dim=1).all()):
            known = sorted(set(self.labels.tolist()))
            raise ValueError(
                f"a label has no component here: use one of {known}, or {self.null_label} for all"
            )
        level = self.schedule.levels(t.cpu())
        signal, noise = level.signal.double().flatten(1), level.noise.double().flatten(1)
        flat, centers = x.cpu().double().flatten(1), self.centers.cpu().double().flatten(1)
        variance = signal**2 * self.spreads.cpu().double() ** 2 + noise**2
        squares = flat.square().sum(dim=1, keepdim=True) + signal**2 * centers.square().sum(dim=1)
        # |x - α·μ|² = |x|² - 2·α·x·μ + α²·|μ|², (B, N): one product of matrices, and no (B, N, C·H·W)
        distance = squares - 2 * signal * flat @ centers.T
        logits = (
            self.weights.cpu().double().log() - flat.shape[1] / 2 * variance.log() - distance / (2 * variance)
        )
        return signal, variance, logits.masked_fill(~mine, -torch.inf)


def gaussian(schedule: Schedule, center: Float[Tensor, "c h w"], spread: float) -> Oracle:
    """The ideal denoiser of one round Gaussian, which is linear in x; its class is 0.

    >>> from pixel_edu.schedules import cosine
    >>> model = gaussian(cosine(), torch.zeros(1, 1, 1), spread=1.0)
    >>> x, t, c = torch.ones(1, 1, 1, 1), torch.tensor([500]), torch.tensor([0])
    >>> bool(torch.isclose(model(x, t, c), cosine().levels(t).noise))
    True
    """
    return mixture(schedule, center[None], spread)


def mixture(
    schedule: Schedule,
    centers: Float[Tensor, "n c h w"],
    spread: float | Sequence[float],
    labels: Sequence[int] | None = None,
    weights: Sequence[float] | None = None,
    null_label: int = NULL_LABEL,
) -> Oracle:
    """The ideal denoiser of a mixture of round Gaussians.

    Args:
        schedule: how the data are noised.
        centers: (N, C, H, W) float32; points in the plane as `as_images` gives them.
        spread: standard deviation, one for all or one for each.
        labels: the class of each component; None: all are of class 0.
        weights: how often each is drawn; None: all equally often.
        null_label: the label that stands for all classes together.

    Raises:
        ValueError: lists of different lengths, or a value outside its range.

    >>> from pixel_edu.schedules import cosine
    >>> two = mixture(cosine(), as_images(torch.tensor([[-1.0], [1.0]])), 0.1, labels=[0, 1])
    >>> as_points(two.predict_x0(torch.zeros(2, 1, 1, 1), torch.tensor([999, 999]), torch.tensor([1, 5]))).round()
    tensor([[1.],
            [0.]])
    """
    count = len(centers)
    spreads = [float(spread)] * count if isinstance(spread, int | float) else list(spread)
    classes = [0] * count if labels is None else list(labels)
    shares = [1.0] * count if weights is None else list(weights)
    if not len(spreads) == len(classes) == len(shares) == count:
        lengths = f"{len(spreads)} spreads, {len(classes)} labels and {len(shares)} weights"
        raise ValueError(f"the mixture has {count} centres, but {lengths}: give one of each for each centre")
    return Oracle(
        schedule,
        centers,
        torch.tensor(spreads, dtype=torch.float32),
        torch.tensor(classes, dtype=torch.int64),
        torch.tensor(shares, dtype=torch.float32),
        null_label,
    )


def finite_set(
    schedule: Schedule,
    images: Float[Tensor, "n c h w"],
    labels: Sequence[int] | None = None,
    null_label: int = NULL_LABEL,
) -> Oracle:
    """The ideal denoiser of a list of images, each equally often: a softmax over the distances to them.

    A sampler that asks it ends on one of the images: the perfect model only remembers.

    Args:
        schedule: how the data are noised.
        images: (N, C, H, W) float32, in [-1, 1].
        labels: the class of each; None: all are of class 0.
        null_label: the label that stands for all classes together.

    Raises:
        ValueError: lists of different lengths, or a value outside its range.
    """
    return mixture(schedule, images, 0.0, labels, null_label=null_label)


def near_sighted(
    schedule: Schedule,
    images: Float[Tensor, "n c h w"],
    width: int,
    labels: Sequence[int] | None = None,
    null_label: int = NULL_LABEL,
) -> Callable[[Images, Int[Tensor, " b"], Int[Tensor, " b"]], Images]:
    """The best denoiser of a list of images that sees only a window around each pixel.

    `finite_set` compares whole images. Here every pixel takes its own softmax, over how well each image fits inside the
    window, so far parts of a drawn image may come from different images: the local score machine of Kamb & Ganguli 2025
    (arXiv:2412.20292). A window that covers the image from every pixel gives `finite_set` again.

    Args:
        schedule: how the data are noised.
        images: (N, C, H, W) float32, in [-1, 1].
        width: pixels from one side of the window to the other, odd.
        labels: the class of each; None: all are of class 0.
        null_label: the label that stands for all classes together.

    Returns:
        A model: maps x (B, C, H, W), t (B,) int64 and c (B,) int64 to the noise in x.

    Raises:
        ValueError: an even width, or one below 1.
    """
    if not (width >= 1 and width % 2):
        raise ValueError(f"the window is {width} pixels wide, so it has no middle: use 1, 3, 5 ...")
    known = torch.zeros(len(images), dtype=torch.int64) if labels is None else torch.tensor(list(labels))

    def model(x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        level = schedule.levels(t)
        squares = (x[:, None] - level.signal[:, None] * images).square().sum(dim=2)  # (B, N, H, W)
        distance = avg_pool2d(squares, width, stride=1, padding=width // 2, divisor_override=1)
        mine = (c[:, None] == known) | (c[:, None] == null_label)
        logits = (-distance / (2 * level.noise**2)).masked_fill(~mine[:, :, None, None], -torch.inf)
        x0 = torch.einsum("bnhw,nchw->bchw", logits.softmax(dim=1), images)
        return clean(x, x0, level, "x0").eps

    return model


def as_images(points: Float[Tensor, "n d"]) -> Float[Tensor, "n d 1 1"]:
    """Points (N, D) as images of one pixel with D channels, (N, D, 1, 1)."""
    return points[:, :, None, None]


def as_points(x: Float[Tensor, "n d 1 1"]) -> Float[Tensor, "n d"]:
    """Images of one pixel, (N, D, 1, 1), as points (N, D)."""
    return x[:, :, 0, 0]
