"""Metrics and pictures on their way to MLflow, in files: neither a crash nor a server that is away loses one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pixel_edu.images import replacing, write_png

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000
"""Metrics that MLflow takes at a time."""


class Metric(NamedTuple):
    """A number at a step, and when it was found, in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


class Outbox:
    """All metrics of a run, in order, in `metrics.jsonl`; the file `sent` says how many bytes of it MLflow has.

    What was sent and not yet noted as sent goes again: MLflow keeps a metric with the same key, value, step and time
    only once. Pictures wait in `pictures/` and leave when they are sent.

    Args:
        folder: where; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.pictures = folder, folder / "pictures"
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.path, self._noted = folder / "metrics.jsonl", folder / "sent"
        self._sent = int(self._noted.read_text()) if self._noted.exists() else 0
        written = self.path.read_bytes() if self.path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]  # a crash may have cut the last line
        if len(whole) < len(written):
            os.truncate(self.path, len(whole))
        self.last_step = max((Metric(*json.loads(line)).step for line in whole.splitlines()), default=0)

    def add(self, metrics: list[Metric]) -> None:
        """Write metrics down."""
        with self.path.open("a") as file:
            file.writelines(json.dumps(metric) + "\n" for metric in metrics)
        self.last_step = max([self.last_step, *(metric.step for metric in metrics)])

    def add_picture(self, key: str, step: int, image: np.ndarray) -> None:
        """Put an (H, W, 3) uint8 picture here."""
        write_png(self.pictures / f"{key}-{step}.png", image)

    @property
    def waiting(self) -> int:
        """How many metrics and pictures MLflow does not have."""
        metrics = sum(1 for _ in self._unsent())
        return metrics + sum(1 for _ in self.pictures.glob("*.png"))

    def send(self, client: MlflowClient, run_id: str) -> None:
        """Send all that waits; what was sent stays sent if a later part fails.

        Raises:
            Whatever the client does when the server is away.
        """
        from mlflow import entities
        from PIL import Image

        lines = list(self._unsent())
        for start in range(0, len(lines), BATCH):
            batch = lines[start : start + BATCH]
            client.log_batch(run_id, metrics=[entities.Metric(*json.loads(line)) for line in batch])
            self._sent += sum(map(len, batch))
            with replacing(self._noted) as temporary:
                temporary.write_text(str(self._sent))
        for path in sorted(self.pictures.glob("*.png"), key=lambda each: each.stat().st_mtime_ns):
            key, step = path.stem.rsplit("-", 1)
            with Image.open(path) as picture:
                client.log_image(run_id, picture, key=key, step=int(step))
            path.unlink()

    def _unsent(self) -> Iterator[bytes]:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._sent)
                yield from file
