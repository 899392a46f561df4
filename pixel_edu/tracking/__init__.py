"""MLflow: experiments that can be found again, compared, and trusted."""

from pixel_edu.tracking.runs import (
    EXPERIMENT,
    LOCAL,
    Run,
    TrackingError,
    connect,
    digest,
    environment,
    forget,
    run_of,
    send_the_rest,
)

__all__ = [
    "EXPERIMENT",
    "LOCAL",
    "Run",
    "TrackingError",
    "connect",
    "digest",
    "environment",
    "forget",
    "run_of",
    "send_the_rest",
]
