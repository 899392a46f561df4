"""How guidance and the number of steps change what a model draws: a grid of settings, each a run below the model's."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pixel_edu import images, palette
from pixel_edu.evaluation import Score, Yardstick, evaluate
from pixel_edu.generate import DEFAULT, SampleConfig, generate
from pixel_edu.tracking.champion import log_scores, read_scores

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pixel_edu.denoiser import Denoiser

PARENT = "mlflow.parentRunId"
SHOWN = 8
"""Sprites a row in each picture."""


class Point(NamedTuple):
    """One setting, what it drew like, and what a sprite cost.

    Attributes:
        config: the setting.
        scores: by the key of a measure.
        seconds: a sprite.
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
    """Draw and measure with every pair of settings, one yield a pair. Pairs that were measured before are only read.

    All of them draw the same classes from the same seeds, as many as `yardstick.other` holds.

    Args:
        client: see `connect`.
        run_id: the run of the model; each pair becomes a run nested in it.
        denoiser: the model.
        yardstick: what to measure by.
        guidance_scales: to try.
        num_steps: to try.
        seed: of the first sprite.
    """
    n = len(yardstick.other)
    labels = np.arange(n) % denoiser.null_label
    experiment = client.get_run(run_id).info.experiment_id
    for scale, steps in itertools.product(guidance_scales, num_steps):
        config = SampleConfig(DEFAULT.sampler, steps, scale, DEFAULT.interval)
        settings = {
            "guidance_scale": scale,
            "num_steps": steps,
            "sampler": config.sampler,
            "n": n,
            "seed": seed,
        }
        asked = " and ".join(f"params.{key} = '{value}'" for key, value in settings.items())
        query = f"tags.`{PARENT}` = '{run_id}' and attributes.status = 'FINISHED' and {asked}"
        if found := client.search_runs([experiment], query, max_results=1):
            child = found[0]
            yield Point(
                config, read_scores(client, child.info.run_id)[0], child.data.metrics["seconds_a_sprite"]
            )
            continue
        child = client.create_run(experiment, tags={PARENT: run_id}, run_name=f"s={scale:g}, {steps} steps")
        for key, value in settings.items():
            client.log_param(child.info.run_id, key, value)
        began = time.perf_counter()
        drawn = generate(denoiser, labels.tolist(), list(range(seed, seed + n)), config)
        seconds = (time.perf_counter() - began) / n
        drawn = palette.as_sprites(drawn, denoiser.palette)
        scores = evaluate(drawn, labels, yardstick).scores
        log_scores(client, child.info.run_id, scores, n)
        client.log_metric(child.info.run_id, "seconds_a_sprite", seconds)
        shown = drawn[np.argsort(labels[: SHOWN * denoiser.null_label], kind="stable")]
        client.log_image(
            child.info.run_id, images.upscale(images.grid(shown, SHOWN), 4), key="samples", step=0
        )
        client.set_terminated(child.info.run_id)
        yield Point(config, scores, seconds)
