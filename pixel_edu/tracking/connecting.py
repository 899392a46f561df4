"""A client of MLflow: where it keeps things, and one sentence for whatever goes wrong there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pixel_edu.config import UserError, not_installed

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "pixel-edu"
"""MLflow's name for what belongs together: all runs of the course."""
LOCAL = "sqlite:///mlflow.db"
"""A database where the program runs: no server is needed."""
FILES = "mlruns"
"""The folder beside such a database that holds its models and pictures."""
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # else MLflow waits four minutes for a server that is away
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # no reports of how it is used
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # no progress bar for every small file
}
"""Environment variables that MLflow gets unless they are set already."""
CHATTY = ("alembic", "mlflow.store.db.utils", "mlflow.pyfunc")
"""Loggers that report every step; they are set to report only warnings."""


class TrackingError(UserError):
    """MLflow cannot be reached, does not know what it is asked for, or refuses it."""


def connect(uri: str | None = None) -> MlflowClient:
    """A client of MLflow.

    Args:
        uri: a server's address, or a database such as `LOCAL`; default: MLFLOW_TRACKING_URI, or else `LOCAL`.

    Raises:
        TrackingError: MLflow is not installed, this is not an address, or nothing answers there.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise TrackingError(not_installed(error)) from error
    uri = _absolute(uri or os.environ.get("MLFLOW_TRACKING_URI") or LOCAL)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except Exception as error:  # each kind of store has its own
        if uri.startswith("http"):
            raise TrackingError(
                f"{describe_error(uri, error)}: start it, or track into a file with {LOCAL}"
            ) from error
        raise TrackingError(
            f"{uri} cannot be opened ({_line(error)}): name another database, such as {LOCAL}"
        ) from error
    return client


def experiment(client: MlflowClient, name: str = EXPERIMENT) -> str:
    """The id of an experiment, which is made if it is not there; the files of a local one lie beside its database.

    Raises:
        TrackingError: it was deleted, or MLflow does not answer.
    """
    with asking(client):
        found = client.get_experiment_by_name(name)
        if not found:
            return client.create_experiment(name, _files(client.tracking_uri))
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"the experiment {name} was deleted at {client.tracking_uri}: bring it back with "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    return found.experiment_id


@contextmanager
def asking(client: MlflowClient) -> Iterator[None]:
    """While this lasts, whatever MLflow raises becomes a TrackingError of one sentence."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        raise TrackingError(describe_error(client.tracking_uri, error)) from error


def describe_error(uri: str, error: Exception) -> str:
    """What went wrong, in one line."""
    if uri.startswith("http") and not is_refusal(error):
        return f"no MLflow answers at {uri}"
    return f"MLflow at {uri} says: {_line(error)}"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def is_refusal(error: Exception) -> bool:
    """Whether MLflow is there and will say no again, as for a run that was deleted."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.get_http_status_code() in (400, 401, 403, 404)


def _absolute(uri: str) -> str:
    """The address of a database as it is from every folder.

    Raises:
        TrackingError: it is not an address.
    """
    if "://" not in uri:
        raise TrackingError(
            f"{uri} is not an address: for a database write sqlite:///{uri}, for a server http://..."
        )
    if not (path := _sqlite_file(uri)):
        return uri
    from sqlalchemy.engine import make_url

    return make_url(uri).set(database=str(path.absolute())).render_as_string(hide_password=False)


def _sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite database; None for any other."""
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    name = make_url(uri).database
    return Path(name) if name and name != ":memory:" else None


def _files(uri: str) -> str | None:
    """Where a new experiment's files go; None where the server decides. MLflow would take the working folder."""
    path = _sqlite_file(uri)
    return (path.absolute().parent / FILES).as_uri() if path else None
