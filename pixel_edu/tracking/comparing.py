"""Runs side by side in one picture: their losses, their scores with intervals, and what they drew last."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pixel_edu import figures
from pixel_edu.evaluation import MEASURES, Measure, Score
from pixel_edu.tracking.champion import COUNT, DECIDING, read_scores
from pixel_edu.tracking.connecting import TrackingError, asking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

POINTS = 50
"""A curve is drawn as a running mean over 1/50 of its steps: single losses hide its course."""


class RunView(NamedTuple):
    """What a run shows.

    Attributes:
        name: of the run.
        losses: (N, 2) steps and losses, in order.
        scores: by the key of a measure; empty if it was not evaluated.
        picture: the newest, (H, W, 3) uint8, or None.
    """

    name: str
    losses: np.ndarray
    scores: dict[str, Score]
    picture: np.ndarray | None


def view(client: MlflowClient, run_id: str) -> RunView:
    """Read from MLflow what `compare` draws.

    Raises:
        TrackingError: MLflow does not answer, or knows no such run.
    """
    with asking(client):
        run = client.get_run(run_id)
        history = client.get_metric_history(run_id, "loss")
        picture = last_picture(client, run_id)
    losses = np.array(sorted((each.step, each.value) for each in history)).reshape(-1, 2)
    scores = read_scores(client, run_id).scores if COUNT in run.data.metrics else {}
    return RunView(run.info.run_name or run_id, losses, scores, picture)


def compare(client: MlflowClient, run_ids: Sequence[str]) -> Figure:
    """Draw one or more runs: a colour each.

    Args:
        client: see `connect`.
        run_ids: of at most as many runs as there are colours.

    Returns:
        A matplotlib figure: losses on the left, the deciding measures beside them, and below them each run's newest
        picture.

    Raises:
        TrackingError: too many runs, or MLflow does not answer.
    """
    if not 1 <= len(run_ids) <= len(figures.COLORS):
        raise TrackingError(f"{len(run_ids)} runs do not fit: compare 1 to {len(figures.COLORS)}")
    from matplotlib.figure import Figure

    runs = [view(client, each) for each in run_ids]
    measures = [each for each in MEASURES if each.key in DECIDING]
    figures.style()
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.1])  # pyright: ignore[reportGeneralTypeIssues] an array of two
    panels = upper.subplots(1, 1 + len(measures), width_ratios=[2.4, *[1] * len(measures)])
    _losses(panels[0], runs)
    for panel, measure in zip(panels[1:], measures, strict=True):
        _scores(panel, runs, measure)
    for panel, run, color in zip(np.ravel(lower.subplots(1, len(runs))), runs, figures.COLORS, strict=False):
        panel.set_axis_off()
        panel.set_title(run.name, color=color)
        if run.picture is not None:
            panel.imshow(run.picture, interpolation="nearest")
    return figure


def last_picture(client: MlflowClient, run_id: str, key: str = "samples") -> np.ndarray | None:
    """A run's newest picture of a key, (H, W, 3) uint8, or None."""
    from PIL import Image

    found = {
        int(path.split("+step+")[1].split("+")[0]): path
        for each in client.list_artifacts(run_id, "images")
        if (path := each.path).startswith(f"images/{key}+step+") and path.endswith(".png")
    }
    if not found:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run_id, found[max(found)], folder)
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))


def _losses(panel: Axes, runs: Sequence[RunView]) -> None:
    for run, color in zip(runs, figures.COLORS, strict=False):
        steps, values = run.losses.T
        width = max(len(values) // POINTS, 1)
        smooth = np.convolve(values, np.ones(width) / width, "valid") if len(values) else values
        panel.plot(steps[width - 1 :], smooth, label=run.name, color=color)
    panel.set_yscale("log")
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter("{x:g}")
    panel.set_xlabel("step")
    panel.set_ylabel("loss")
    panel.legend()


def _scores(panel: Axes, runs: Sequence[RunView], measure: Measure) -> None:
    """A dot and an interval for each run; a run that was not evaluated leaves its place empty."""
    for i, (run, color) in enumerate(zip(runs, figures.COLORS, strict=False)):
        if score := run.scores.get(measure.key):
            ends = [[score.value - score.low], [score.high - score.value]]
            panel.errorbar([i], [score.value], ends, fmt="o", color=color, capsize=4)
    panel.set_title(measure.name)
    panel.set_xlim(-0.6, len(runs) - 0.4)
    panel.set_xticks([])
