"""Metrics and pictures on their way to MLflow, in files: neither a crash nor a server that is away loses one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pixel_edu.files import replacing
from pixel_edu.images import write_png

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000
"""Metrics that MLflow takes at a time."""


class Metric(NamedTuple):
    """A number at a step, and when it was measured, in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


class Outbox:
    """Everything that a run logs to MLflow, in order.

    Every metric is a line of `metrics.jsonl`, and the file `sent` holds how many bytes of it MLflow has. What was sent
    but not yet recorded as sent is sent again: MLflow stores a metric with the same key, value, step and time once.
    Pictures wait in `pictures/` until they are sent, and how the run ended in the file `ended`.

    Args:
        folder: where; created if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.pictures = folder, folder / "pictures"
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.path, self._noted, self._ended = (folder / name for name in ("metrics.jsonl", "sent", "ended"))
        self._sent = int(self._noted.read_text(encoding="utf-8")) if self._noted.exists() else 0
        written = self.path.read_bytes() if self.path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]  # a crash may have cut the last line
        if len(whole) < len(written):
            os.truncate(self.path, len(whole))
        self.last_step = max((Metric(*json.loads(line)).step for line in whole.splitlines()), default=0)

    def add(self, metrics: list[Metric]) -> None:
        """Write metrics down."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(metric) + "\n" for metric in metrics)
        self.last_step = max([self.last_step, *(metric.step for metric in metrics)])

    def add_picture(self, key: str, step: int, image: np.ndarray) -> None:
        """Store an (H, W, 3) uint8 picture; the key becomes part of a file name."""
        write_png(self.pictures / f"{key}-{step}.png", image)

    def close(self, status: str) -> None:
        """Write down how the run ended."""
        with replacing(self._ended) as temporary:
            temporary.write_text(status, encoding="utf-8")

    def reopen(self) -> None:
        """The run goes on: forget how it ended, if that was not sent."""
        self._ended.unlink(missing_ok=True)

    @property
    def waiting(self) -> int:
        """How much MLflow does not have: metrics, pictures, and how the run ended."""
        pictures = sum(1 for _ in self.pictures.glob("*.png"))
        return sum(1 for _ in self._unsent()) + pictures + self._ended.exists()

    def send(self, client: MlflowClient, run_id: str) -> None:
        """Send all that waits; what was sent stays sent if a later part fails.

        Raises:
            Whatever the client does when the server is away.
        """
        self._send_metrics(client, run_id)
        self._send_pictures(client, run_id)
        if self._ended.exists():
            client.set_terminated(run_id, self._ended.read_text(encoding="utf-8"))
            self._ended.unlink()

    def _send_metrics(self, client: MlflowClient, run_id: str) -> None:
        from mlflow import entities

        lines = list(self._unsent())
        for start in range(0, len(lines), BATCH):
            batch = lines[start : start + BATCH]
            metrics = [entities.Metric(*json.loads(line)) for line in batch]
            client.log_batch(run_id, metrics=metrics, synchronous=True)
            self._sent += sum(map(len, batch))
            with replacing(self._noted) as temporary:
                temporary.write_text(str(self._sent), encoding="utf-8")

    def _send_pictures(self, client: MlflowClient, run_id: str) -> None:
        from PIL import Image

        for path in sorted(self.pictures.glob("*.png"), key=lambda each: each.stat().st_mtime_ns):
            key, step = path.stem.rsplit("-", 1)
            drawn = int(1000 * path.stat().st_mtime)
            with Image.open(path) as picture:
                client.log_image(run_id, picture, key=key, step=int(step), timestamp=drawn, synchronous=True)
            path.unlink()

    def _unsent(self) -> Iterator[bytes]:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._sent)
                yield from file
