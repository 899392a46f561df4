"""Runs side by side in one picture: their losses, their scores with intervals, and what they drew last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pixel_edu import figures
from pixel_edu.evaluation import MEASURES
from pixel_edu.tracking.champion import DECIDING, read_scores
from pixel_edu.tracking.runs import TrackingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mlflow import MlflowClient


def compare(client: MlflowClient, run_ids: Sequence[str]) -> Figure:
    """Draw two or more runs: a colour each.

    Args:
        client: see `connect`.
        run_ids: of at most as many runs as there are colours.

    Returns:
        A matplotlib figure: losses on the left, the deciding measures beside them, and below them each run's last
        picture.

    Raises:
        TrackingError: too many runs.
    """
    if not 1 <= len(run_ids) <= len(figures.COLORS):
        raise TrackingError(f"{len(run_ids)} runs do not fit: compare 1 to {len(figures.COLORS)}")
    figures.style()
    from matplotlib.figure import Figure

    names = [client.get_run(each).info.run_name for each in run_ids]
    measures = [each for each in MEASURES if each.key in DECIDING]
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    panels = upper.subplots(1, 1 + len(measures), width_ratios=[2.4, *[1] * len(measures)])
    _losses(panels[0], client, run_ids, names)
    for panel, measure in zip(panels[1:], measures, strict=True):
        panel.set_title(measure.name)
        for i, run_id in enumerate(run_ids):
            _bar(panel, client, run_id, measure.key, i)
        panel.set_xlim(-0.6, len(run_ids) - 0.4)
        panel.set_xticks([])
    for i, (panel, run_id) in enumerate(zip(np.ravel(lower.subplots(1, len(run_ids))), run_ids, strict=True)):
        panel.set_axis_off()
        panel.set_title(names[i], color=figures.COLORS[i])
        if (picture := last_picture(client, run_id)) is not None:
            panel.imshow(picture, interpolation="nearest")
    return figure


def _losses(panel: Axes, client: MlflowClient, run_ids: Sequence[str], names: Sequence[str]) -> None:
    for i, run_id in enumerate(run_ids):
        found = sorted((each.step, each.value) for each in client.get_metric_history(run_id, "loss"))
        if found:
            steps, values = np.transpose(found)
            width = max(len(values) // 50, 1)  # a running mean: single losses hide the curve
            smooth = np.convolve(values, np.ones(width) / width, "valid")
            panel.plot(steps[width - 1 :], smooth, label=names[i], color=figures.COLORS[i])
    panel.set_yscale("log")
    panel.set_xlabel("step")
    panel.set_ylabel("loss")
    if panel.lines:
        panel.legend()


def _bar(panel: Axes, client: MlflowClient, run_id: str, key: str, i: int) -> None:
    try:
        score = read_scores(client, run_id)[0].get(key)
    except TrackingError:  # it was not evaluated: its place stays empty
        return
    if score:
        ends = [[score.value - score.low], [score.high - score.value]]
        panel.errorbar([i], [score.value], ends, fmt="o", color=figures.COLORS[i], capsize=4)


def last_picture(client: MlflowClient, run_id: str, key: str = "samples") -> np.ndarray | None:
    """A run's newest picture of a key, (H, W, 3) uint8; None if it has none."""
    from PIL import Image

    found = {
        int(path.split("+step+")[1].split("+")[0]): path
        for each in client.list_artifacts(run_id, "images")
        if (path := each.path).startswith(f"images/{key}+step+") and path.endswith(".png")
    }
    if not found:
        return None
    with Image.open(Path(client.download_artifacts(run_id, found[max(found)]))) as picture:
        return np.asarray(picture.convert("RGB"))
