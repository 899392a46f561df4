"""MLflow: experiments that can be found again, compared, and trusted."""

from pixel_edu.tracking.connecting import EXPERIMENT, LOCAL, TrackingError, connect
from pixel_edu.tracking.describing import digest, environment
from pixel_edu.tracking.runs import Run, client_of, forget, run_of, send_the_rest

__all__ = [
    "EXPERIMENT",
    "LOCAL",
    "Run",
    "TrackingError",
    "client_of",
    "connect",
    "digest",
    "environment",
    "forget",
    "run_of",
    "send_the_rest",
]
