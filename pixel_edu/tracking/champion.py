"""Which of two models is better, recorded as an alias in MLflow's registry."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixel_edu.evaluation import MEASURES, Measure, Score
from pixel_edu.tracking.connecting import TrackingError, asking

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"
DECIDING = ("label_accuracy", "fid", "palette_distance")
"""What a model must not be worse in: the right thing, like the data, in the data's colours."""
COUNT, AGAINST = "evaluated_sprites", "evaluated against"
ENDS = {"": "value", "_low": "low", "_high": "high"}


class Evaluated(NamedTuple):
    """The scores of a run's model.

    Attributes:
        scores: by the key of a measure.
        sprites: how many were measured.
        against: the digest of the real sprites that they were measured against.
    """

    scores: dict[str, Score]
    sprites: int
    against: str


class Verdict(NamedTuple):
    """Whether a version is the champion now, and why, in a sentence."""

    promoted: bool
    why: str


def log_scores(
    client: MlflowClient,
    run_id: str,
    scores: Mapping[str, Score],
    sprites: int,
    against: str,
    files: tuple[Path, ...] = (),
) -> None:
    """Log what `evaluation.evaluate` found, with the ends of each interval as `_low` and `_high`.

    Args:
        client: see `connect`.
        run_id: the run that made the model.
        scores: by the key of a measure.
        sprites: how many were measured.
        against: the `digest` of the real sprites that they were measured against.
        files: to log beside them, such as report.html.

    Raises:
        TrackingError: MLflow does not answer.
    """
    from mlflow.entities import Metric, RunTag

    found = {key + end: getattr(score, part) for key, score in scores.items() for end, part in ENDS.items()}
    now = int(1000 * time.time())
    metrics = [Metric(key, float(value), now, 0) for key, value in ({COUNT: sprites} | found).items()]
    with asking(client):
        client.log_batch(run_id, metrics=metrics, tags=[RunTag(AGAINST, against)], synchronous=True)
        for path in files:
            client.log_artifact(run_id, str(path), "evaluation")


def read_scores(client: MlflowClient, run_id: str) -> Evaluated:
    """What `log_scores` logged.

    Raises:
        TrackingError: this run was not evaluated.
    """
    with asking(client):
        run = client.get_run(run_id)
    found = run.data.metrics
    if COUNT not in found:
        raise TrackingError(
            f"run {run.info.run_name} was not evaluated: run pixel-edu evaluate --mlflow on its model first"
        )
    scores = {
        measure.key: Score(*(found[measure.key + end] for end in ENDS))
        for measure in MEASURES
        if measure.key in found
    }
    return Evaluated(scores, int(found[COUNT]), run.data.tags[AGAINST])


def promote(client: MlflowClient, name: str, version: str) -> Verdict:
    """Make a version the champion, if it beats the one that is.

    It does if its interval lies wholly on the better side in at least one of the `DECIDING` measures, and wholly on the
    worse side in none. Intervals that overlap decide nothing.

    Args:
        client: see `connect`.
        name: of the registered model.
        version: of the challenger.

    Raises:
        TrackingError: there is no such version, one of the two was not evaluated, or they were not measured alike.
    """
    with asking(client):
        challenger = client.get_model_version(name, version)
    ours, standing = read_scores(client, challenger.run_id or ""), _champion(client, name)
    if standing is None:
        verdict = Verdict(True, "it is the first")
    elif standing.version == challenger.version:
        return Verdict(True, "it is the champion already")
    else:
        theirs = read_scores(client, standing.run_id or "")
        _measured_alike(ours, theirs, version)
        verdict = compare(ours.scores, theirs.scores)
    if verdict.promoted:
        with asking(client):
            client.set_registered_model_alias(name, ALIAS, version)
    return verdict


def compare(challenger: Mapping[str, Score], champion: Mapping[str, Score]) -> Verdict:
    """Whether a challenger beats a champion; see `promote`."""
    measures = [each for each in MEASURES if each.key in DECIDING]
    better = [each.name for each in measures if _beats(each, challenger, champion)]
    worse = [each.name for each in measures if _beats(each, champion, challenger)]
    if worse:
        return Verdict(False, f"it is worse in {_list(worse)}")
    if better:
        return Verdict(True, f"it is better in {_list(better)}, and worse in nothing that decides")
    return Verdict(False, "their intervals overlap, so nothing says that it is better")


def _beats(measure: Measure, one: Mapping[str, Score], other: Mapping[str, Score]) -> bool:
    if measure.key not in one or measure.key not in other:
        return False
    a, b = one[measure.key], other[measure.key]
    return a.low > b.high if measure.better == "higher" else a.high < b.low


def _list(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _measured_alike(ours: Evaluated, theirs: Evaluated, version: str) -> None:
    if ours.sprites != theirs.sprites:
        raise TrackingError(
            f"version {version} was measured on {ours.sprites:,} sprites and the champion on {theirs.sprites:,}: "
            "evaluate both on as many"
        )
    if ours.against != theirs.against:
        raise TrackingError(
            f"version {version} was measured against other real sprites than the champion: evaluate both on the same "
            "data"
        )


def _champion(client: MlflowClient, name: str):
    """The version with the alias, or None."""
    from mlflow.exceptions import MlflowException

    with asking(client):
        try:
            return client.get_model_version_by_alias(name, ALIAS)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
    return None
