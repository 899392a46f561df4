"""What a Prometheus server reads from the API: requests, their duration, and how full the batches are."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CONTENT_TYPE", "Measured", "Metrics"]

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("pixel_edu_requests", "Answers.", ["path", "status"], registry=self.registry)
        self.seconds = Histogram(
            "pixel_edu_request_seconds",
            "To the last byte.",
            ["path"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.sprites = Counter("pixel_edu_sprites", "Finished sprites.", registry=self.registry)
        self.pending = Gauge(
            "pixel_edu_pending_calls",
            "Model calls that were accepted and are unfinished.",
            registry=self.registry,
        )
        self.images = Counter(
            "pixel_edu_network_images", "Images that the network was asked about.", registry=self.registry
        )
        self.calls = Histogram(
            "pixel_edu_network_seconds",
            "Of each call of the network.",
            buckets=SECONDS[:8],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def observe_call(self, images: int, seconds: float) -> None:
        """A call of the network, and how many of its images were asked for."""
        self.images.inc(images)
        self.calls.observe(seconds)

    def text(self) -> bytes:
        """All of them, in Prometheus' format."""
        return generate_latest(self.registry)


class Measured:
    """An application whose answers are counted and timed, by the path of their route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count and time the answer."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            # The route's path, not the request's: a label for every address that somebody tries would grow without end.
            path = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(path, status).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - began)
