"""A training run in MLflow: from a loop over `train()` to curves, pictures and scores that can be found again."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from pixel_edu import __version__
from pixel_edu.config import UserError
from pixel_edu.images import replacing
from pixel_edu.tracking.outbox import Metric, Outbox

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pixel_edu.training import TrainConfig, TrainStep

EXPERIMENT = "pixel-edu"
LOCAL = "sqlite:///mlflow.db"
"""A database and a folder `mlruns` where the program runs: no server is needed."""
BOX, ABOUT = "mlflow", "run.json"
"""In a run's folder: where things wait, and the file there that names the run."""
POINTS = 1000
"""About so many points has a curve."""
EVERY = 2.0
"""Seconds between two times that something is sent."""
REST = 30.0
"""Seconds that a server which is away is left alone, at most."""
PATIENCE = 60.0
"""Seconds to wait at the end for a server that is away."""

log = logging.getLogger(__name__)


class TrackingError(UserError):
    """MLflow cannot be reached, or has no such run."""


def connect(uri: str | None = None) -> MlflowClient:
    """A client of MLflow.

    Args:
        uri: a server's address or a database; left out: that of MLFLOW_TRACKING_URI, or else `LOCAL`.

    Raises:
        TrackingError: MLflow is not installed, or nothing answers there.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or LOCAL
    if uri.startswith("http"):  # MLflow's own habit is to wait four minutes for a server that is away
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise TrackingError(f"{error.name} is not installed: pip install 'pixel-edu[track]'") from error
    for talker in ("alembic", "mlflow.store.db.utils"):  # they tell every step of making a database
        logging.getLogger(talker).setLevel(logging.WARNING)
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except Exception as error:  # each kind of store has its own
        if uri.startswith("http"):
            why = f"no MLflow answers at {uri}: start it, or track into a file with {LOCAL}"
        else:
            why = f"{uri} cannot be opened ({str(error).splitlines()[0]}): name another database, such as {LOCAL}"
        raise TrackingError(why) from error
    return client


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """The same 16 letters for the same sprites and labels, in the same order."""
    found = sha256(str(images.shape).encode())
    for array in (images, labels):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


class Run:
    """A run of MLflow that a folder belongs to: the same folder goes on with the same run.

    Use it as a context: leaving it sends what still waits and says how the run ended.

    Args:
        folder: of the training run; what waits to be sent is kept in `mlflow` in it.
        config: of the training; its fields become the run's parameters.
        images: (N, H, W, 3) uint8 that it learns from.
        labels: (N,) int64.
        uri: see `connect`.
        data: where these sprites come from, in words.
        experiment: MLflow's name for what belongs together.
        name: of the run; left out: the folder's.

    Raises:
        TrackingError: MLflow cannot be reached, or no longer knows the folder's run.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        config: TrainConfig,
        images: np.ndarray,
        labels: np.ndarray,
        uri: str | None = None,
        data: str = "",
        experiment: str = EXPERIMENT,
        name: str | None = None,
    ) -> None:
        folder = Path(folder)
        self.client, self.outbox = connect(uri), Outbox(folder / BOX)
        self.batch_size, self.every = config.batch_size, max(config.steps // POINTS, 1)
        self._next, self._rest = 0.0, EVERY
        about = folder / BOX / ABOUT
        if about.exists():
            self.id = run_of(folder)
            _set_running(self.client, self.id, about)
            return
        run = self.client.create_run(_experiment(self.client, experiment), run_name=name or folder.name)
        self.id = run.info.run_id
        self._describe(config, images, labels, data)
        with replacing(about) as temporary:
            temporary.write_text(json.dumps({"run_id": self.id, "uri": self.client.tracking_uri}) + "\n")

    def follow(self, steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
        """Pass the steps of `train` on, and log their loss, gradient, learning rate, and images a second.

        A step that the run had logged before it was interrupted is not logged again.
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
        """Log numbers; they are sent with the next ones."""
        now = int(1000 * time.time())
        self.outbox.add([Metric(key, float(value), now, step) for key, value in values.items()])

    def show(self, image: np.ndarray, step: int, key: str = "samples") -> None:
        """Log an (H, W, 3) uint8 picture; MLflow shows those of one key as a film over the steps."""
        self.outbox.add_picture(key, step, image)

    def send(self) -> bool:
        """Send what waits, now and then; whether nothing waits any longer.

        A server that is away is tried again later, ever more rarely; training does not wait for it.
        """
        if time.monotonic() < self._next:
            return False
        try:
            self.outbox.send(self.client, self.id)
        except Exception as error:
            if _gone(error):
                raise TrackingError(f"MLflow no longer knows run {self.id}: it was deleted there") from error
            if self._rest == EVERY:
                log.warning("MLflow does not answer; metrics wait in %s", self.outbox.folder)
            self._rest = min(2 * self._rest, REST)
            self._next = time.monotonic() + self._rest
            return False
        self._rest = EVERY
        self._next = time.monotonic() + EVERY
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

    def end(self, status: str = "FINISHED", patience: float = PATIENCE) -> None:
        """Send what still waits, and say how the run ended.

        Where MLflow does not answer in time, all stays in the folder, and the next `Run` on it sends it.

        Args:
            status: FINISHED, FAILED or KILLED.
            patience: seconds to wait for it.
        """
        until = time.monotonic() + patience
        while True:
            self._next = 0
            try:
                if self.send():
                    self.client.set_terminated(self.id, status)
                    return
            except TrackingError:
                raise
            except Exception:  # it went away between two requests
                log.debug("MLflow went away", exc_info=True)
            if time.monotonic() > until:
                log.warning(
                    "%d metrics and pictures wait in %s: MLflow at %s does not answer",
                    self.outbox.waiting,
                    self.outbox.folder,
                    self.client.tracking_uri,
                )
                return
            time.sleep(min(1.0, patience))

    def _describe(self, config: TrainConfig, images: np.ndarray, labels: np.ndarray, data: str) -> None:
        """Parameters, data, code and environment."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag

        params = [Param(key, str(value)) for key, value in _flat(dataclasses.asdict(config)).items()]
        tags = [RunTag(key, value) for key, value in environment().items()]
        self.client.log_batch(self.id, params=params, tags=tags)
        source = json.dumps({"source": data or "arrays"})
        profile = json.dumps({"sprites": len(images), "labels": np.bincount(labels).tolist()})
        dataset = Dataset(data or "sprites", digest(images, labels), "code", source, profile=profile)
        training = [InputTag("mlflow.data.context", "training")]
        self.client.log_inputs(self.id, [DatasetInput(dataset, training)])
        installed = sorted({f"{each.name}=={each.version}" for each in metadata.distributions()})
        self.client.log_text(self.id, "\n".join(installed) + "\n", "environment.txt")


def run_of(folder: str | os.PathLike) -> str:
    """The id of the run that a training folder belongs to.

    Raises:
        TrackingError: its training was not tracked.
    """
    about = Path(folder) / BOX / ABOUT
    if not about.exists():
        raise TrackingError(f"{folder} belongs to no run of MLflow: train it with pixel-edu train --mlflow")
    return json.loads(about.read_text())["run_id"]


def forget(folder: str | os.PathLike) -> None:
    """Let a folder's next run be a new one; the old one stays in MLflow, without what it had not sent."""
    shutil.rmtree(Path(folder) / BOX, ignore_errors=True)


def send_the_rest(folder: str | os.PathLike, uri: str | None = None) -> int:
    """Send what still waits in the folder of a run that has ended, and say how much it was.

    Raises:
        TrackingError: MLflow cannot be reached, or does not know the run.
    """
    about = Path(folder) / BOX / ABOUT
    if not about.exists() or not (count := (outbox := Outbox(about.parent)).waiting):
        return 0
    client, id = connect(uri), run_of(folder)
    _set_running(client, id, about)
    outbox.send(client, id)
    client.set_terminated(id, "FINISHED")
    return count


def _set_running(client: MlflowClient, id: str, about: Path) -> None:
    try:
        client.update_run(id, status="RUNNING")
    except Exception as error:
        raise TrackingError(
            f"{client.tracking_uri} does not know run {id} of {about}: give the address it was tracked at, or delete "
            "this file to begin a new run"
        ) from error


def environment() -> dict[str, str]:
    """What a run depends on beside its settings and data: versions and, in a checkout, the commit."""
    import torch

    found = {
        "pixel_edu": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
    }
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return found
    return found | {"mlflow.source.git.commit": commit, "changed since the commit": str(bool(changed))}


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _gone(error: Exception) -> bool:
    """Whether the server is there and the run is not."""
    return getattr(error, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
