"""A small sprite classifier; the book measures models by what it sees.

It has many heads on one body. One names the class; for procedural sprites there is one more for every part that a
sprite is put together from: the kind, the hat, the blade, the colour of the flesh. To answer all of them, the features
below the heads must hold what a sprite shows, not only which class it has. That makes them a good space to measure in.

Sprites with alpha are seen as they are stored, in four channels: on a background of any one colour, sprites of that
colour would vanish.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from pixel_edu import sprites
from pixel_edu.config import CHANNELS, CLASSES, IMAGE_SIZE, UserError
from pixel_edu.files import replacing
from pixel_edu.images import to_tensor

SHIPPED = Path(__file__).with_suffix(".safetensors")
KEY = "pixel_edu.classifier"
UNKNOWN = -1
"""The answer of a sprite that has no such part; it does not count."""


class Head(NamedTuple):
    """One question.

    Attributes:
        name: "class", "kind", or a part of a kind, such as "hero.hat".
        words: the possible answers.
    """

    name: str
    words: tuple[str, ...]


class SpriteClassifier(nn.Module):
    """Three convolutions, a layer of features, and a linear head for each question.

    Args:
        heads: the questions; the first is the class.
        channels: of the three convolutions; the second and the third halve the image.
        num_features: how many numbers describe a sprite.
        record: notes of how it was trained, such as the share of held-out sprites that it gets right.
        size: S, the edge of a sprite, a multiple of 4.
        image_channels: C, those of a sprite: 3, or 4 with alpha.

    >>> SpriteClassifier([Head("class", CLASSES)])(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2, 5])
    """

    places: Tensor  # a buffer, which type checkers cannot see being registered

    def __init__(
        self,
        heads: Sequence[Head],
        channels: tuple[int, int, int] = (32, 64, 96),
        num_features: int = 128,
        record: dict | None = None,
        size: int = IMAGE_SIZE,
        image_channels: int = CHANNELS,
    ) -> None:
        super().__init__()
        self.heads, self.channels, self.num_features = tuple(heads), channels, num_features
        self.size, self.image_channels = size, image_channels
        self.record = record or {}
        first, second, third = channels
        self.body = nn.Sequential(
            nn.Conv2d(image_channels, first, 3, 1, 1),
            nn.SiLU(),
            nn.Conv2d(first, second, 3, 2, 1),
            nn.SiLU(),
            nn.Conv2d(second, third, 3, 2, 1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(third * (size // 4) ** 2, num_features),
            nn.BatchNorm1d(num_features, affine=False),  # so that each feature has variance 1 on real sprites
        )
        sizes = [len(head.words) for head in self.heads]
        self.answers = nn.Linear(num_features, sum(sizes))
        starts = np.cumsum([0, *sizes[:-1]])
        places = np.full((len(sizes), max(sizes)), sum(sizes))  # one past the end, where a padding stands
        for row, start, size in zip(places, starts, sizes, strict=True):
            row[:size] = np.arange(start, start + size)
        self.register_buffer("places", torch.from_numpy(places), persistent=False)

    def features(self, x: Float[Tensor, "b channels size size"]) -> Float[Tensor, "b f"]:
        """What describes each sprite; x in [-1, 1]."""
        return self.body(x)

    def forward(self, x: Float[Tensor, "b channels size size"]) -> Float[Tensor, "b answers"]:
        """The scores of all answers of all heads, one after the other; x in [-1, 1]."""
        return self.answers(F.silu(self.features(x)))

    def loss(
        self, x: Float[Tensor, "b channels size size"], truth: Int[Tensor, "b heads"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy over all questions that have an answer; `UNKNOWN` does not count."""
        scores = F.pad(self(x), (0, 1), value=-1e4)[:, self.places]  # (B, heads, words)
        return F.cross_entropy(scores.flatten(0, 1), truth.flatten(), ignore_index=UNKNOWN)

    @torch.no_grad()
    def look(self, images: np.ndarray, batch_size: int = 500) -> Seen:
        """Features and answers for (N, S, S, C) uint8 images, a batch at a time."""
        self.eval()
        features, answers = [], []
        for start in range(0, len(images), batch_size):
            seen = self.features(to_tensor(images[start : start + batch_size]).to(self.places.device))
            scores = F.pad(self.answers(F.silu(seen)), (0, 1), value=-1e4)
            features.append(seen.cpu().numpy())
            answers.append(scores[:, self.places].argmax(dim=2).cpu().numpy())
        return Seen(
            np.concatenate(features), np.concatenate(answers), tuple(head.name for head in self.heads)
        )


class Seen(NamedTuple):
    """What a classifier sees in N images.

    Attributes:
        features: (N, F) float32.
        answers: (N, heads) int64, positions in each head's words.
        names: of the heads.
    """

    features: np.ndarray
    answers: np.ndarray
    names: tuple[str, ...]

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64: the class seen in each image."""
        return self.answers[:, 0]


def class_heads(labels: np.ndarray, classes: Sequence[str] = CLASSES) -> tuple[list[Head], np.ndarray]:
    """The only question that a plain labelled set can ask, and its answers, (N, 1) int64."""
    return [Head("class", tuple(classes))], labels[:, None]


def turned(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, list[Head], np.ndarray]:
    """Sprites of one class ask for nothing, so they are turned, and the question is how far.

    Who can tell which way up a sprite is has looked at what it shows (Gidaris et al. 2018, arXiv:1803.07728).

    Args:
        images: (N, S, S, C) uint8.
        labels: (N,) int64.
        classes: their names.

    Returns:
        images: (4 N, S, S, C) uint8, all by no quarter turn, then all by one, two, and three.
        heads: the class, and the turns.
        truth: (4 N, 2) int64.
    """
    heads, answers = class_heads(labels, classes)
    turns = np.arange(4).repeat(len(images))
    truth = np.concatenate([np.tile(answers, (4, 1)), turns[:, None]], axis=1)
    every = np.concatenate([np.rot90(images, k, axes=(1, 2)) for k in range(4)])
    return every, [*heads, Head("quarter turns", tuple("0123"))], truth


def factor_heads(labels: np.ndarray, seeds: np.ndarray, most: int = 16) -> list[Head]:
    """The questions that procedural sprites can ask.

    Args:
        labels: (N,) int64.
        seeds: (N,) int64; sprite i is `sprites.draw(labels[i], seeds[i : i + 1])`.
        most: parts with more variants than this are omitted, such as where the seeds of a slice lie.
    """
    heads, _ = class_heads(labels)
    for name, column in _factors(labels, seeds).items():
        words = tuple(sorted(set(column) - {""}))
        if name == "kind" or 1 < len(words) <= most:
            heads.append(Head(name, words))
    return heads


def factor_truth(heads: Sequence[Head], labels: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The answers of procedural sprites: (N, H) int64, `UNKNOWN` where a sprite has no such part."""
    factors = _factors(labels, seeds)
    columns = [labels]
    for head in heads[1:]:
        place = {word: i for i, word in enumerate(head.words)}
        column = factors.get(head.name, np.full(len(labels), "", object))
        columns.append(np.array([place.get(word, UNKNOWN) for word in column]))
    return np.stack(columns, axis=1).astype(np.int64)


def _factors(labels: np.ndarray, seeds: np.ndarray) -> dict[str, np.ndarray]:
    """For "kind" and each "kind.factor" a word for every sprite, "" where it has no such part."""
    columns = {"kind": np.full(len(labels), "", object)}
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        words = sprites.factors(int(label), seeds[rows])
        kinds = columns["kind"][rows] = words.pop("kind")
        for kind in sorted(set(kinds)):
            here = kinds == kind
            for factor, column in words.items():
                if column[here][0]:  # else this kind has no such part
                    whole = columns.setdefault(f"{kind}.{factor}", np.full(len(labels), "", object))
                    whole[rows[here]] = column[here]
    return columns


class FitStep(NamedTuple):
    """One step of `fit`: 1 .. steps, the loss, and the classifier as it is now."""

    step: int
    loss: float
    classifier: SpriteClassifier


def fit(
    images: np.ndarray,
    heads: Sequence[Head],
    truth: np.ndarray,
    steps: int = 1000,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> Iterator[FitStep]:
    """Train a classifier, one yield a step.

    Args:
        images: (N, S, S, C) uint8.
        heads: the questions.
        truth: (N, H) int64, positions in each head's words, or `UNKNOWN`.
        steps: batches in all; the learning rate falls to 0 on half a cosine.
        batch_size: sprites a step, drawn with replacement.
        learning_rate: at the first step.
        seed: of the first weights and of every batch.
    """
    generator = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = SpriteClassifier(heads, size=images.shape[1], image_channels=images.shape[-1])
    optimizer = torch.optim.AdamW(classifier.parameters(), learning_rate, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(1, steps + 1):
        rows = generator.integers(len(images), size=batch_size)
        loss = classifier.train().loss(to_tensor(images[rows]), torch.from_numpy(truth[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield FitStep(step, loss.item(), classifier)


def accuracy(seen: Seen, truth: np.ndarray) -> dict[str, float]:
    """The share of right answers by head, and of all parts together as "parts"."""
    right, known = seen.answers == truth, truth != UNKNOWN
    shares = {
        name: float(right[known[:, i], i].mean()) for i, name in enumerate(seen.names) if known[:, i].any()
    }
    if len(seen.names) > 1:
        shares["parts"] = float(right[:, 1:][known[:, 1:]].mean())
    return shares


def save_classifier(path: str | os.PathLike, classifier: SpriteClassifier) -> None:
    """Write a classifier at half precision, whole or not at all."""
    about = {
        "heads": classifier.heads,
        "channels": classifier.channels,
        "num_features": classifier.num_features,
        "record": classifier.record,
        "size": classifier.size,
        "image_channels": classifier.image_channels,
    }
    tensors = {
        name: value.half() if value.is_floating_point() else value
        for name, value in classifier.state_dict().items()
    }
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, {KEY: json.dumps(about)}))


def load_classifier(path: str | os.PathLike = SHIPPED) -> SpriteClassifier:
    """Read a classifier; by default, the one that comes with this package.

    Raises:
        UserError: the file is not a classifier.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[KEY])
        heads = [Head(name, tuple(words)) for name, words in about.pop("heads")]
        classifier = SpriteClassifier(heads, tuple(about.pop("channels")), **about)
        classifier.load_state_dict(load_file(path))  # copies into the classifier's own dtypes
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{path} is not a classifier of this package: omit it to use the shipped one"
        ) from error
    return classifier.eval().requires_grad_(False)
