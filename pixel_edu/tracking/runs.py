"""A training run in MLflow: from a loop over `train()` to curves and pictures that can be found again."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from pixel_edu.addresses import without_password
from pixel_edu.facts import DataFacts
from pixel_edu.files import replacing
from pixel_edu.tracking.connecting import (
    EXPERIMENT,
    TrackingError,
    asking,
    connect,
    describe_error,
    experiment,
    is_refusal,
)
from pixel_edu.tracking.describing import digest, environment, flat, installed
from pixel_edu.tracking.outbox import Metric, Outbox

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pixel_edu.training import TrainConfig, TrainStep

BOX, ABOUT = "mlflow", "run.json"
"""In a run's folder: the folder in which things wait to be sent, and the file there that names the run."""
POINTS = 1000
"""Points of a curve, about."""
EVERY = 2.0
"""Seconds between two attempts to send."""
SHOWN = ("classes", "size", "channels", "licence")
"""Facts of the data in a run's profile, besides how many sprites there are of each class."""
REST = 30.0
"""Longest pause in seconds before a server that is away is tried again; longer if the last attempt took long."""
PATIENCE = 60.0
"""Seconds to wait at the end for a server that is away."""

log = logging.getLogger(__name__)


class Run:
    """A run of MLflow that a folder belongs to: the same folder goes on with the same run.

    Use it as a context: leaving it sends what still waits and says how the run ended. Once it has begun, nothing that
    MLflow does stops the training: what cannot be sent waits in the folder.

    Args:
        folder: of the training run; what waits to be sent is kept in `mlflow` in it.
        config: of the training; its fields become the run's parameters.
        images: (N, S, S, C) uint8 that it learns from.
        labels: (N,) int64.
        uri: see `connect`; default, for a folder that has a run: where that run is.
        data: where these sprites come from, in words.
        group: the experiment that the run belongs to.
        name: of the run; default: the folder's.
        facts: of the dataset, which MLflow shows in its profile; default: what can be seen.

    Raises:
        TrackingError: MLflow cannot be reached, or no longer knows the folder's run, or that run is of other settings
            or data.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        config: TrainConfig,
        images: np.ndarray,
        labels: np.ndarray,
        uri: str | None = None,
        data: str = "",
        group: str = EXPERIMENT,
        name: str | None = None,
        facts: DataFacts | None = None,
    ) -> None:
        folder = Path(folder)
        settings = {key: str(value) for key, value in flat(dataclasses.asdict(config)).items()}
        settings["data"] = digest(images, labels)
        about = _about(folder)
        if about:
            _same(folder, about["settings"], settings)
        self.client, self.outbox = connect(uri or about.get("uri")), Outbox(folder / BOX)
        self.batch_size, self.every = config.batch_size, max(config.steps // POINTS, 1)
        self._next, self._rest, self._refused = 0.0, EVERY, False
        if about:
            self.id = about["run_id"]
            self._go_on(folder)
        else:
            self.id = self._begin(
                group, name or folder.absolute().name, settings, facts or DataFacts.of(images, labels), data
            )
            about = {
                "run_id": self.id,
                "uri": without_password(self.client.tracking_uri),
                "settings": settings,
            }
            with replacing(folder / BOX / ABOUT) as temporary:
                temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")

    def follow(self, steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
        """Pass the steps of `train` on, and log their loss, gradient, learning rate, and images a second.

        A long run is logged as means over several steps, about `POINTS` in all. A step that was logged before the run
        was interrupted is not logged again.
        """
        loss, count, seconds, began = 0.0, 0, 0.0, time.perf_counter()
        logged = self.outbox.last_step
        for step in steps:
            if step.step > logged:
                loss, count = loss + step.loss, count + 1
                seconds += time.perf_counter() - began
            if count and (step.step % self.every == 0 or step.step == step.state.config.steps):
                values = {
                    "loss": loss / count,
                    "grad_norm": step.grad_norm,
                    "learning_rate": step.learning_rate,
                    "images_per_second": count * self.batch_size / seconds,
                }
                self.add(values, step.step)
                loss, count, seconds = 0.0, 0, 0.0
            self.send()
            yield step
            began = time.perf_counter()

    def add(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log numbers; the next `send` sends them."""
        now = int(1000 * time.time())
        self.outbox.add([Metric(key, float(value), now, step) for key, value in values.items()])

    def show(self, image: np.ndarray, step: int, key: str = "samples") -> None:
        """Log an (H, W, 3) uint8 picture; MLflow shows the pictures of one key with a slider over the steps."""
        self.outbox.add_picture(key, step, image)

    def send(self) -> bool:
        """Send what waits, unless the last attempt was just now; returns whether all is sent.

        A server that is away is tried again later, ever more rarely, and costs at most a tenth of the time.
        """
        began = time.monotonic()
        if began < self._next:
            return False
        try:
            self.outbox.send(self.client, self.id)
        except Exception as error:  # whatever it is, training goes on
            self._put_off(error, time.monotonic() - began)
            return False
        self._rest, self._next, self._refused = EVERY, time.monotonic() + EVERY, False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt | GeneratorExit)
        self.end("KILLED" if stopped else "FAILED" if kind else "FINISHED")

    def end(self, status: str = "FINISHED", patience: float | None = None) -> None:
        """Send what still waits, and say how the run ended.

        Where MLflow does not answer in time, all stays in the folder; `send_the_rest`, or the next `Run` on the folder,
        sends it.

        Args:
            status: FINISHED, FAILED or KILLED.
            patience: seconds to wait for it; None is `PATIENCE`.
        """
        self.outbox.close(status)
        patience = PATIENCE if patience is None else patience
        until = time.monotonic() + patience
        self._next = 0.0
        while not self.send():
            if self._refused or time.monotonic() >= until:
                log.warning("%d messages to MLflow wait in %s", self.outbox.waiting, self.outbox.folder)
                return
            time.sleep(min(1.0, patience))
            self._next = 0.0

    def _begin(self, group: str, name: str, settings: dict[str, str], facts: DataFacts, data: str) -> str:
        """A new run with its parameters, data, code and environment; its id."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag
        from mlflow.tracking.context.registry import resolve_tags

        name, data = _encodable(name), _encodable(data)
        group = experiment(self.client, group)
        told = resolve_tags() | environment()  # MLflow knows the user, and the program or notebook
        params = [Param(key, value) for key, value in settings.items() if key != "data"]
        counts = {"sprites": sum(facts.counts), "labels": facts.counts}
        profile = json.dumps(counts | {name: getattr(facts, name) for name in SHOWN})
        source = json.dumps({"source": data or "arrays"})
        dataset = Dataset(data or "sprites", settings["data"], "code", source, profile=profile)
        training = [InputTag("mlflow.data.context", "training")]
        with asking(self.client):
            id = self.client.create_run(group, run_name=name).info.run_id
            tags = [RunTag(key, value) for key, value in told.items()]
            self.client.log_batch(id, params=params, tags=tags, synchronous=True)
            self.client.log_inputs(id, [DatasetInput(dataset, training)])
            self.client.log_text(id, installed(), "environment.txt")
        return id

    def _go_on(self, folder: Path) -> None:
        self.outbox.reopen()
        try:
            with asking(self.client):
                self.client.update_run(self.id, status="RUNNING")
        except TrackingError as error:
            raise TrackingError(
                f"{error}: give the address at which {folder} was tracked, or delete {folder / BOX} to begin a new run"
            ) from error

    def _put_off(self, error: Exception, took: float) -> None:
        """Try again later; the first time, log a warning."""
        if self._rest == EVERY:
            told = describe_error(self.client.tracking_uri, error)
            log.warning("%s; metrics wait in %s", told, self.outbox.folder)
        self._rest = max(min(2 * self._rest, REST), 9 * took)
        self._next = time.monotonic() + self._rest
        self._refused = is_refusal(error)


def _encodable(name: str) -> str:
    """A name that is not UTF-8, which a database refuses, with its odd bytes as escapes."""
    return name.encode(errors="backslashreplace").decode()


def run_of(folder: str | os.PathLike) -> str:
    """The id of the run that a training folder belongs to.

    Raises:
        TrackingError: its training was not tracked.
    """
    return _known(folder)["run_id"]


def client_of(folder: str | os.PathLike, uri: str | None = None) -> MlflowClient:
    """A client of the MLflow that knows a folder's run, or of another address.

    Raises:
        TrackingError: its training was not tracked, or nothing answers there.
    """
    return connect(uri or _known(folder)["uri"])


def forget(folder: str | os.PathLike) -> None:
    """Let a folder's next run be a new one; the old one stays in MLflow, without what it had not sent."""
    shutil.rmtree(Path(folder) / BOX, ignore_errors=True)


def send_the_rest(folder: str | os.PathLike, uri: str | None = None) -> int:
    """Send what still waits in the folder of a run that has ended; returns how many messages.

    Raises:
        TrackingError: MLflow cannot be reached, or does not know the run.
    """
    if not _about(Path(folder)):
        return 0
    outbox = Outbox(Path(folder) / BOX)
    if count := outbox.waiting:
        client = client_of(folder, uri)
        with asking(client):
            outbox.send(client, run_of(folder))
    return count


def _known(folder: str | os.PathLike) -> dict:
    if not (about := _about(Path(folder))):
        raise TrackingError(f"{folder} belongs to no run of MLflow: train it with pixel-edu train --mlflow")
    return about


def _about(folder: Path) -> dict:
    """What a folder records about its run; empty if it has no run."""
    path = folder / BOX / ABOUT
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _same(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    other = next((key for key in now if before.get(key, now[key]) != now[key]), None)
    if other:
        raise TrackingError(
            f"{folder} belongs to a run with {other} {before.get(other)}, not {now[other]}: use another folder"
        )
