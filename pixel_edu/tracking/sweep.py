"""How guidance and the number of steps change what a model draws: a grid of settings, each a run below the model's."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pixel_edu import images, palette
from pixel_edu.config import SampleConfig
from pixel_edu.evaluation import Score, Yardstick, evaluate
from pixel_edu.generate import generate, specimens
from pixel_edu.tracking.champion import log_scores, read_scores
from pixel_edu.tracking.connecting import asking
from pixel_edu.tracking.describing import digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from pixel_edu.denoiser import Denoiser

PARENT = "mlflow.parentRunId"
COST = "seconds_a_sprite"
SHOWN = 8
"""Sprites a row in each picture."""


class Point(NamedTuple):
    """One setting, its scores, and what a sprite cost.

    Attributes:
        config: the setting.
        scores: by the key of a measure.
        seconds: for each sprite.
    """

    config: SampleConfig
    scores: dict[str, Score]
    seconds: float


def sweep(
    client: MlflowClient,
    run_id: str,
    denoiser: Denoiser,
    yardstick: Yardstick,
    guidance_scales: Sequence[float] = (1.0, 2.0, 3.0, 5.0),
    num_steps: Sequence[int] = (5, 10, 20),
    seed: int = 1_000_000,
) -> Iterator[Point]:
    """Draw and measure with every pair of settings, and yield each. Pairs that were measured before are only read.

    All of them draw the same classes from the same seeds, as many as `yardstick.other` holds.

    Args:
        client: see `connect`.
        run_id: the run of the model; each pair becomes a run nested in it.
        denoiser: the model.
        yardstick: what to measure by.
        guidance_scales: to try.
        num_steps: to try.
        seed: of the first sprite.

    Raises:
        TrackingError: MLflow does not answer.
    """
    against = digest(yardstick.real)
    for scale, steps in itertools.product(guidance_scales, num_steps):
        config = SampleConfig(num_steps=int(steps), guidance_scale=float(scale))
        settings = {
            "guidance_scale": config.guidance_scale,
            "num_steps": config.num_steps,
            "sampler": config.sampler,
            "n": len(yardstick.other),
            "seed": seed,
            "against": against,
        }
        found = _measured(client, run_id, settings)
        if found is None:
            found = _measure(client, run_id, denoiser, yardstick, config, settings)
        yield Point(config, read_scores(client, found.info.run_id).scores, found.data.metrics[COST])


def _measured(client: MlflowClient, parent: str, settings: Mapping[str, Any]) -> Run | None:
    """The finished run of these settings, if there is one."""
    asked = " and ".join(f"params.{key} = '{value}'" for key, value in settings.items())
    query = f"tags.`{PARENT}` = '{parent}' and attributes.status = 'FINISHED' and {asked}"
    with asking(client):
        found = client.search_runs([client.get_run(parent).info.experiment_id], query, max_results=1)
    return found[0] if found else None


def _measure(
    client: MlflowClient,
    parent: str,
    denoiser: Denoiser,
    yardstick: Yardstick,
    config: SampleConfig,
    settings: Mapping[str, Any],
) -> Run:
    """Draw and measure with one pair, in a run of its own below the parent."""
    from mlflow.entities import Param

    name = f"guidance {config.guidance_scale:g}, {config.num_steps} steps"
    with asking(client):
        group = client.get_run(parent).info.experiment_id
        id = client.create_run(group, tags={PARENT: parent}, run_name=name).info.run_id
        client.log_batch(id, params=[Param(key, str(value)) for key, value in settings.items()])
    ended = "FAILED"
    try:
        seeds = range(settings["seed"], settings["seed"] + settings["n"])
        labels = np.arange(settings["n"]) % denoiser.null_label
        began = time.perf_counter()
        drawn = generate(denoiser, labels.tolist(), list(seeds), config)
        seconds = (time.perf_counter() - began) / len(seeds)
        drawn = palette.as_sprites(drawn, denoiser.palette)
        log_scores(client, id, evaluate(drawn, labels, yardstick).scores, len(drawn), settings["against"])
        wanted, columns = specimens(denoiser.null_label, SHOWN)
        first = np.argsort(labels[: len(wanted)], kind="stable")
        picture = images.upscale(images.grid(images.over(drawn[first]), columns), 4)
        with asking(client):
            client.log_metric(id, COST, seconds)
            client.log_image(id, picture, key="samples", step=0, synchronous=True)
        ended = "FINISHED"
    finally:
        with asking(client):
            client.set_terminated(id, ended)
    return client.get_run(id)
