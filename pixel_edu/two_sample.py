"""Can a network tell drawn sprites from real ones? A two-sample test by classifier.

A fresh network learns from one half of the sprites, drawn and real, which are which, and is asked about the other half
(Lopez-Paz & Oquab 2017, arXiv:1610.06545). Where there is no difference to find it is right half of the time. Where it
is right more often, there is one, whatever other measures say. The reverse does not hold: a better network, or one that
learned from more sprites, may see more. So compare only accuracies from as many sprites and steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pixel_edu.config import CHANNELS, IMAGE_SIZE
from pixel_edu.distances import Score, bootstrap
from pixel_edu.images import to_tensor

STEPS = 1000
BATCH = 128
EPOCHS = 25


def steps_for(n: int) -> int:
    """How many steps a test with n sprites of each kind takes: 25 passes over what is learned from, at most 1000.

    >>> steps_for(1000), steps_for(5000)
    (195, 976)
    """
    return min(EPOCHS * n // BATCH, STEPS)


RELATIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows down and columns right, of the neighbours whose colour a pixel is compared with."""


def with_relations(x: Float[Tensor, "b channels size size"]) -> Float[Tensor, "b more size size"]:
    """Sprites with what pixel art is made of, in channels of its own: symmetry, and pixels of the very same colour.

    To the C channels come C for the difference from the mirror image, and one each for whether a pixel has the colour
    of its mirror image, and of its neighbours to the right, below, and at the two lower corners; the first row and
    column are neighbours of the last.

    Args:
        x: in [-1, 1].

    >>> with_relations(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 11, 16, 16])
    """
    others = (x.flip(3), *(x.roll((-down, -right), (2, 3)) for down, right in RELATIONS))
    same = [(x == other).all(dim=1, keepdim=True).to(x.dtype) for other in others]
    return torch.cat([x, x - others[0], *same], dim=1)


class Discriminator(nn.Module):
    """Three convolutions and two layers. Its answer is above 0 where it takes a sprite for a drawn one.

    Args:
        channels: C, those of a sprite: 3, or 4 with alpha.
        size: S, the edge of a sprite.
        width: of the first convolution; the second and the third halve the image, with twice and three times the width.
        dropout: share of the features hidden in training.

    >>> Discriminator()(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2])
    """

    def __init__(
        self, channels: int = CHANNELS, size: int = IMAGE_SIZE, width: int = 32, dropout: float = 0.5
    ) -> None:
        super().__init__()
        places = math.ceil(size / 4) ** 2
        self.body = nn.Sequential(
            nn.Conv2d(2 * channels + 1 + len(RELATIONS), width, 3, 1, 1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.SiLU(),
            nn.Conv2d(2 * width, 3 * width, 3, 2, 1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(3 * width * places, 64),
            nn.SiLU(),
            nn.Dropout(dropout / 2),
            nn.Linear(64, 1),
        )

    def forward(self, x: Float[Tensor, "b channels size size"]) -> Float[Tensor, " b"]:
        """How much likelier drawn than real, as the logarithm of the odds; x in [-1, 1]."""
        return self.body(with_relations(x))[:, 0]


class FitStep(NamedTuple):
    """One step of `fit`: 1 .. steps, the loss, and the discriminator as it is now."""

    step: int
    loss: float
    discriminator: Discriminator


def fit(
    drawn: np.ndarray, real: np.ndarray, steps: int = STEPS, learning_rate: float = 2e-3, seed: int = 0
) -> Iterator[FitStep]:
    """Train a discriminator, one yield a step.

    Args:
        drawn: (N, S, S, C) uint8.
        real: (N, S, S, C) uint8.
        steps: batches in all; the learning rate rises and falls once (`OneCycleLR`).
        learning_rate: the highest.
        seed: of the first weights, of every batch and of the dropout.
    """
    images, truth = to_tensor(np.concatenate([drawn, real])), torch.zeros(len(drawn) + len(real))
    truth[: len(drawn)] = 1
    generator = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        discriminator = Discriminator(images.shape[1], images.shape[2])
    optimizer = torch.optim.AdamW(discriminator.parameters(), learning_rate, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps)
    for step in range(1, steps + 1):
        rows = torch.from_numpy(generator.integers(len(images), size=BATCH))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(generator.integers(2**31)))  # of the dropout
            answers = discriminator.train()(images[rows])
        loss = F.binary_cross_entropy_with_logits(answers, truth[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield FitStep(step, loss.item(), discriminator)


class TwoSample(NamedTuple):
    """What `two_sample` found.

    Attributes:
        accuracy: the share of held-out sprites, as many drawn as real, that are taken for what they are.
        classes: the same of the sprites of each label.
        right: (2 M,) bool, whether each held-out sprite is; the drawn ones first.
        pairs: of held-out pairs of one class, the share in which the drawn one looks more drawn than the real one.
    """

    accuracy: Score
    classes: dict[int, Score]
    right: np.ndarray
    pairs: Score


LEAST = 100
"""Fewer sprites of each kind teach a network nothing that it could be asked about."""


def two_sample(
    drawn: np.ndarray,
    labels: np.ndarray,
    real: np.ndarray,
    real_labels: np.ndarray,
    steps: int = STEPS,
    resamples: int = 200,
    seed: int = 0,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> TwoSample:
    """Train a network to tell drawn from real on one half of each, and judge it on the other half.

    The intervals are those of the held-out sprites: with another seed, another network is asked.

    Args:
        drawn: (N, S, S, C) uint8.
        labels: (N,) their classes.
        real: (N, S, S, C) uint8, as many.
        real_labels: (N,) their classes.
        steps: of the training.
        resamples: for each interval.
        seed: of the halves, the network, and the resampling.
        track: wraps the steps, for a progress bar.

    Raises:
        ValueError: not as many drawn as real ones, fewer than `LEAST`, not one label an image, or no class
            that both have.
    """
    n = len(drawn)
    if n < LEAST or {n} != {len(labels), len(real), len(real_labels)}:
        raise ValueError(
            f"there are {n} drawn and {len(real)} real sprites, {len(labels)} and {len(real_labels)} labels: "
            f"give as many of each, at least {LEAST}"
        )
    if not np.intersect1d(labels, real_labels).size:
        raise ValueError("no class has both drawn and real sprites: give sprites of the same classes")
    draw = np.random.default_rng(seed)
    (learned, held_out), (real_learned, real_held_out) = (
        _halves(each, draw) for each in (labels, real_labels)
    )
    for _, fitted in zip(
        track(range(steps)), fit(drawn[learned], real[real_learned], steps, seed=seed), strict=True
    ):
        discriminator = fitted.discriminator
    odds, real_odds = log_odds(discriminator, drawn[held_out]), log_odds(discriminator, real[real_held_out])
    right = np.concatenate([odds > 0, ~(real_odds > 0)])
    kinds, real_kinds = labels[held_out], real_labels[real_held_out]
    asked = np.concatenate([kinds, real_kinds])
    classes = {int(c): bootstrap(right[asked == c], resamples, draw) for c in np.unique(asked)}
    accuracy = bootstrap(right, resamples, draw)
    told = _told_pairs(odds, kinds, real_odds, real_kinds)
    return TwoSample(accuracy, classes, right, bootstrap(told, resamples, draw))


def _halves(labels: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows in two halves by chance, with half of each class in both: else classes themselves could be told apart."""
    rows = draw.permutation(len(labels))
    rows = rows[np.argsort(labels[rows], kind="stable")]
    return rows[::2], rows[1::2]


def _told_pairs(
    odds: np.ndarray, labels: np.ndarray, real_odds: np.ndarray, real_labels: np.ndarray
) -> np.ndarray:
    """For each pair of one class whether the drawn one has the higher odds; a half where they are equal."""
    told = []
    for c in np.intersect1d(labels, real_labels):
        ours, theirs = odds[labels == c], real_odds[real_labels == c]
        pairs = min(len(ours), len(theirs))  # in an order by chance, from _halves
        told.append((np.sign(ours[:pairs] - theirs[:pairs]) + 1) / 2)
    return np.concatenate(told)


@torch.no_grad()
def log_odds(discriminator: Discriminator, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """How much likelier drawn than real a discriminator takes (N, S, S, C) uint8 images to be: (N,) float32."""
    parts = to_tensor(images).split(batch_size)
    return torch.cat([discriminator.eval()(part) for part in parts]).numpy()


def looks_drawn(discriminator: Discriminator, images: np.ndarray) -> np.ndarray:
    """Which (N, S, S, C) uint8 images a discriminator takes for drawn ones: (N,) bool."""
    return log_odds(discriminator, images) > 0
