"""A network of a few thousand weights that learns chapter 3's six blobs, with PyTorch: the twin of `js/learner.js`.

Weights, starting points and batches come from one generator in an order that the page keeps too: both train one run.
`python -m pixel_edu.widgets.learner` trains it, which takes half a minute, and stores what `stored` reads.
"""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pixel_edu.diffusion import Images, clean
from pixel_edu.ema import EMA
from pixel_edu.files import replacing
from pixel_edu.guidance import Model
from pixel_edu.oracle import as_images, as_points
from pixel_edu.samplers import ddim_sample
from pixel_edu.training import Batch, TrainConfig, batch_loss
from pixel_edu.widgets.paths import LABELS, NOTHING, SPREAD, ring

WAVES, WIDTH = 4, 64
"""Frequencies of the timestep; neurons of each of the two hidden layers."""
DRAWN, CALLS = 96, 20
"""Points that are drawn, and the model calls for that."""
ASKED = 8192
"""Questions that the least loss is measured on, and the loss of a network that has stopped to look."""
STOPS = (0, 200, 600, 3000)
"""The steps at which a run is looked at."""
PATH, MEAN = Path(__file__).with_name("learner.json"), 50
"""Where a run is stored, with means of so many losses."""


def recipe(learning_rate: float = 0.02, seed: int = 0) -> TrainConfig:
    """How the network is trained: as the course's are, but for the numbers."""
    numbers = {"steps": STOPS[-1], "batch_size": 128, "ema_decay": 0.99}
    return TrainConfig(learning_rate=learning_rate, seed=seed, **numbers)


class Learner(nn.Module):
    """Two hidden layers that answer v to points, waves of the timestep, and a label; called as `ContextUNet` is.

    Args:
        generator: of the first weights, evenly spread as PyTorch's own are; None leaves them to PyTorch.

    >>> sum(each.numel() for each in Learner().parameters())
    5250
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        sizes = (2 + 2 * WAVES + NOTHING + 1, WIDTH, WIDTH, 2)
        linear = [nn.Linear(*pair) for pair in pairwise(sizes)]
        self.layers = nn.Sequential(linear[0], nn.SiLU(), linear[1], nn.SiLU(), linear[2])
        for layer in linear if generator else ():
            for part in (layer.weight, layer.bias):
                drawn = torch.rand(part.numel(), generator=generator).reshape(part.shape)
                part.data = (2 * drawn - 1) / math.sqrt(layer.in_features)

    def forward(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        """Answer v to points x (B, 2, 1, 1), (B, 2, 1, 1)."""
        angles = (t[:, None] + 1) / len(ring().schedule) * math.pi / 2 * 2 ** torch.arange(WAVES)
        label = one_hot(c, NOTHING + 1).to(x)
        return as_images(self.layers(torch.cat([as_points(x), angles.cos(), angles.sin(), label], dim=1)))


def questions(generator: torch.Generator, count: int) -> Batch:
    """A batch of points from the ring, with labels of which one in ten is hidden, timesteps and noise.

    Args:
        generator: of all that is drawn.
        count: a multiple of 8: then the page draws the same numbers.
    """
    which, when, hidden = torch.rand(3 * count, generator=generator).chunk(3)
    offsets, eps = (torch.randn(2 * count, generator=generator).reshape(count, 2, 1, 1) for _ in range(2))
    blobs, place = ring(), (len(LABELS) * which).long()
    c = torch.where(hidden < recipe().p_uncond, NOTHING, blobs.labels[place])
    return Batch(blobs.centers[place] + SPREAD * offsets, c, (len(blobs.schedule) * when).long(), eps)


@torch.no_grad()
def missed(network: Model) -> float:
    """A network's loss, over `ASKED` questions."""
    batch = questions(torch.Generator().manual_seed(0), ASKED)
    return batch_loss(network, batch, ring().schedule, recipe()).item()


def least_loss() -> float:
    """The loss of the perfect network, over the same questions."""
    blobs = ring()

    def v(x: Images, t: Tensor, c: Tensor) -> Images:
        level = blobs.schedule.levels(t)
        return (level.signal * x - blobs.predict_x0(x, t, c)) / level.noise

    return missed(v)


@torch.no_grad()
def draw_points(network: Model, start: Images) -> Float[Tensor, "n 2"]:
    """Where DDIM leads the starting points, whose classes take turns."""
    schedule, c = ring().schedule, torch.arange(len(start)) % NOTHING

    def predict_eps(x: Images, t: Tensor) -> Images:
        return clean(x, network(x, t, c), schedule.levels(t), "v").eps

    return as_points(ddim_sample(predict_eps, schedule, start, CALLS))


def arrived(points: Float[Tensor, "n 2"]) -> float:
    """The share of drawn points within three spreads of a blob of their class; 99 % of the data are."""
    blobs, c = ring(), torch.arange(len(points)) % NOTHING
    far = torch.cdist(points, as_points(blobs.centers)).masked_fill(blobs.labels != c[:, None], torch.inf)
    return (far.amin(dim=1) < 3 * SPREAD).float().mean().item()


class Run(NamedTuple):
    """A run, and what it draws at `STOPS`, by the number of the step, with the average of the weights.

    Attributes:
        losses: of each step; of a stored run, means of `MEAN` steps.
        clouds: the points, (96, 2).
        missed: the loss over `ASKED` questions.
        least: the loss of the perfect network over these.
        network: with the last weights; None of a stored run, as the next.
        average: with the average of the weights.
    """

    losses: list[float]
    clouds: dict[int, Tensor]
    missed: dict[int, float]
    least: float
    network: nn.Module | None = None
    average: nn.Module | None = None

    def fallen(self, step: int) -> float:
        """The share of the possible fall, from random weights to the least loss, that is done."""
        return (self.missed[0] - self.missed[step]) / (self.missed[0] - self.least)


def train(learning_rate: float = 0.02, seed: int = 0, steps: int = STOPS[-1]) -> Run:
    """Train it, as `Training` of `js/learner.js` does.

    Args:
        learning_rate: the highest.
        seed: of everything.
        steps: stop after so many; the learning rate falls as if the run went on.
    """
    config, schedule = recipe(learning_rate, seed), ring().schedule
    generator = torch.Generator().manual_seed(seed)
    network = Learner(generator)
    start = torch.randn(2 * DRAWN, generator=generator).reshape(DRAWN, 2, 1, 1)
    average = EMA(network, config.ema_decay)
    run = Run([], {}, {}, least_loss(), network, average.network)
    optimizer = torch.optim.AdamW(
        network.parameters(), betas=config.betas, weight_decay=config.weight_decay, fused=True
    )
    for step in range(steps + 1):
        if step:
            optimizer.param_groups[0]["lr"] = config.learning_rate_at(step)
            loss = batch_loss(network, questions(generator, config.batch_size), schedule, config)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            optimizer.step()
            average.update(network, step)
            run.losses.append(loss.item())
        if step in STOPS:
            run.clouds[step] = draw_points(average.network, start)
            run.missed[step] = missed(average.network)
    return run


@cache
def stored() -> Run:
    """The run of `train()`, as it was stored.

    >>> list(stored().clouds)
    [0, 200, 600, 3000]
    """
    about = json.loads(PATH.read_text(encoding="utf-8"))
    clouds = {int(step): torch.tensor(cloud) for step, cloud in about["clouds"].items()}
    return Run(about["losses"], clouds, {int(k): v for k, v in about["missed"].items()}, about["least"])


def main() -> None:
    """Store the run."""
    run = train()
    means = torch.tensor(run.losses).reshape(-1, MEAN).mean(dim=1).tolist()
    about = {
        "losses": [round(loss, 4) for loss in means],
        "clouds": {k: [[round(x, 3) for x in point] for point in v.tolist()] for k, v in run.clouds.items()},
        "missed": {k: round(v, 5) for k, v in run.missed.items()},
        "least": round(run.least, 5),
    }
    with replacing(PATH) as temporary:
        temporary.write_text(json.dumps(about) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
