"""Grade on a dask.distributed cluster: a laptop, SLURM, Kubernetes; whatever has a scheduler's address.

A submission is a task. What is slow to make, the fork server and the proof that the sandbox holds, is made once in each
worker and kept there, so a worker that is lost costs the one submission that it was at, and dask gives that one to
another.

What is sent to the workers and back is pickled by dask: trust the workers, and encrypt the connection (`tls://`).
Nothing that a student's process wrote is pickled, here as elsewhere.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from pixel_edu.config import UserError
from pixel_edu.grading import batch, selftest
from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.batch import Grader, GradingJob
from pixel_edu.grading.marking import Examiner
from pixel_edu.grading.results.store import Result
from pixel_edu.grading.sandbox.forkserver import ForkServer
from pixel_edu.grading.sandbox.restrictions import ResourceLimits

TIMEOUT = 10
"""Seconds in which a scheduler must answer."""
AHEAD = 4
"""How many submissions are sent at once, for each of the workers' threads."""
_graders: dict[tuple, Grader] = {}
_one_at_a_time = threading.Lock()


def on_worker(
    job: GradingJob, assignment: Assignment, sandbox: str, limits: ResourceLimits
) -> tuple[Result, str]:
    """Grade a submission in a dask worker; see `batch.Grader.grade`."""
    with _one_at_a_time:
        key = (assignment.key, *(task.tests_key for task in assignment.tasks), sandbox, limits)
        if key not in _graders:
            fork_server = ForkServer()
            grader = Grader(
                assignment,
                Examiner(assignment),
                fork_server,
                selftest.choose(sandbox, fork_server).level,
                limits,
            )
            batch.prove(grader)
            _graders[key] = grader
        return _graders[key].grade(job)


def grade(
    address: str, jobs: list[GradingJob], assignment: Assignment, sandbox: str, limits: ResourceLimits
) -> Iterator[tuple[Result, str]]:
    """Grade submissions on a cluster, and yield each result as soon as it is known.

    Args:
        address: of the scheduler, such as "tls://login1:8786".
        jobs: what to grade.
        assignment: what for; the workers get all that they need of it.
        sandbox: see `selftest.choose`.
        limits: for each submission.

    Raises:
        UserError: there is no scheduler, or its workers cannot grade.
    """
    from distributed import Client, Security, as_completed
    from distributed.client import wait

    encrypted = urlsplit(address).scheme == "tls"
    try:
        client = Client(
            address, timeout=TIMEOUT, security=Security(require_encryption=True) if encrypted else None
        )
    except (OSError, TypeError, ValueError) as error:
        raise UserError(
            f"{address}: no scheduler answers there ({error}): start it, or check the address"
        ) from None
    with client:
        shared = client.scatter(assignment, broadcast=True)
        names = {f"grade-{job.submission.key}": job for job in jobs}
        waiting, running = iter(names.items()), as_completed()
        threads: dict[str, int] = client.nthreads()  # pyright: ignore[reportAssignmentType] it is not asynchronous
        ahead = AHEAD * max(1, sum(threads.values()))

        def send() -> None:
            for name, job in itertools.islice(waiting, 1):
                with contextlib.suppress(OSError):  # the worker says so in its result
                    job = replace(job, submission=job.submission.loaded())  # workers do not have its file
                running.add(client.submit(on_worker, job, shared, sandbox, limits, key=name, pure=False))

        for _ in range(ahead):
            send()
        for future in running:
            wait(future)
            error = future.exception() if future.status == "error" else None
            if isinstance(error, UserError):
                raise error
            if error:
                yield batch.given_up(names[future.key], assignment, f"{type(error).__name__}: {error}"), ""
            else:
                yield future.result()
            future.release()
            send()


def is_local(address: str) -> bool:
    """Whether nobody can listen in on the connection."""
    parts = urlsplit(address)
    return parts.scheme == "tls" or parts.hostname in ("127.0.0.1", "localhost", "::1")
