"""A client of MLflow: where it keeps things, and one sentence for whatever goes wrong there."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from pixel_edu.addresses import hide_password, hide_passwords
from pixel_edu.config import UserError, not_installed
from pixel_edu.files import locked, replacing

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
PATIENCE = 60.0
"""Seconds to wait while another program makes a database's tables."""
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""Columns of MLflow's tables in which the address of a file or folder stands."""
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
        import mlflow  # noqa: F401, to say early that it is not installed
    except ImportError as error:
        raise TrackingError(not_installed(error)) from error
    uri = _absolute(uri or os.environ.get("MLFLOW_TRACKING_URI") or LOCAL)
    if hide_password(uri) != uri:
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = (
            "true"  # of a finished run, with the password in it
        )
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        _make_whole(uri)
        client = _asked(uri)
    except Exception as error:  # each kind of store has its own
        if uri.startswith("http"):
            raise TrackingError(
                f"{describe_error(uri, error)}: start it, or track into a file with {LOCAL}"
            ) from error
        raise TrackingError(
            f"{hide_password(uri)} cannot be opened ({_line(error)}): name another database, such as {LOCAL}"
        ) from error
    return client


def _asked(uri: str) -> MlflowClient:
    """A client that has had an answer."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.search_experiments(max_results=1)
    return client


def _make_whole(uri: str) -> None:
    """Make a new SQLite database whole or not at all, by one program at a time; a moved one is told where it is.

    MLflow makes its tables one by one in the file itself: a second program that comes meanwhile, or Ctrl-C, leaves
    a database that never opens again. So they are made in another file, which then gets the name.
    """
    if not (path := _sqlite_file(uri)):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f".{path.name}.lock"), PATIENCE):
        if path.exists() and path.stat().st_size:
            return _follow(path)
        with replacing(path) as unfinished:
            _asked(_at(uri, unfinished))


def _follow(path: Path) -> None:
    """Where a database and its files were moved together: write their new place over the old one, which it keeps."""
    here = (path.parent / FILES).as_uri()
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as database, database:
        places = database.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
        for (old,) in places:
            if not old or old == here or not old.startswith("file:") or not old.endswith(f"/{FILES}"):
                continue
            if Path(url2pathname(urlsplit(old).path)).exists() or not (path.parent / FILES).exists():
                continue
            for table, column in PLACES:
                moved = (
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"
                )
                database.execute(moved, (here, len(old) + 1, len(old), old))


def experiment(client: MlflowClient, name: str = EXPERIMENT) -> str:
    """The id of an experiment, which is made if it is not there; the files of a local one lie beside its database.

    Raises:
        TrackingError: it was deleted, a server holds its files and this is that server's database, or MLflow does not
            answer.
    """
    with asking(client):
        found = client.get_experiment_by_name(name)
        if not found:
            return client.create_experiment(name, _files(client.tracking_uri))
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"the experiment {name} was deleted at {hide_password(client.tracking_uri)}: bring it back with "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    if found.artifact_location.startswith("mlflow-artifacts:") and not client.tracking_uri.startswith("http"):
        raise TrackingError(
            f"the experiment {name} at {hide_password(client.tracking_uri)} was made by a server, which holds its "
            "files: give that server's address, or another database"
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
    """What went wrong, in one line without passwords."""
    uri = hide_password(uri)
    if uri.startswith("http") and not is_refusal(error):
        return f"no MLflow answers at {uri}"
    return f"MLflow at {uri} says: {_line(error)}"


def _line(error: Exception) -> str:
    return hide_passwords((str(error).splitlines() or [type(error).__name__])[0].rstrip("."))


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
        uri = hide_password(uri)
        raise TrackingError(
            f"{uri} is not an address: for a database write sqlite:///{_as_database(uri)}, for a server http://..."
        )
    if uri.startswith("file:") and "MLFLOW_ALLOW_FILE_STORE" not in os.environ:
        raise TrackingError(
            f"{uri} is a folder of files, as older versions of MLflow kept them: write {LOCAL}, or another database"
        )
    if uri.rstrip("/") == "sqlite:":
        raise TrackingError(f"{uri} names no file: write {LOCAL}, or another name")
    if uri.startswith("sqlite:") and ":memory:" in uri:
        raise TrackingError(f"{uri} keeps nothing: write {LOCAL}, or another name")
    path = _sqlite_file(uri)
    return _at(uri, path.absolute()) if path else uri


def _as_database(text: str) -> str:
    """The name of a database file for what was written instead of an address.

    >>> [_as_database(text) for text in ("mlflow.db", "sqlite:/a/b.db", "file:runs/", "localhost:5000")]
    ['mlflow.db', '/a/b.db', 'runs/mlflow.db', 'mlflow.db']
    """
    scheme, _, rest = text.rpartition(":")
    if scheme and rest.isdecimal():  # a host and its port
        return "mlflow.db"
    place = rest if scheme in ("sqlite", "file") else text
    is_folder = scheme == "file" or place.endswith("/") or Path(place).is_dir()
    return f"{place.rstrip('/')}/mlflow.db" if is_folder else place


def _at(uri: str, path: Path) -> str:
    """The address of the same database at another place, with no more escapes than it needs: MLflow reads none."""
    scheme, _, rest = uri.partition("://")
    _, mark, options = rest.partition("?")
    name = re.sub(r"[?]|%(?=[0-9a-fA-F]{2})", lambda found: quote(found[0]), str(path))
    return f"{scheme}:///{name}{mark}{options}"


def _sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite database; None for any other."""
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    name = make_url(uri).database
    # a name with a scheme of its own is SQLite's, such as one that is in memory and shared
    return Path(name).expanduser() if name and name != ":memory:" and not name.startswith("file:") else None


def _files(uri: str) -> str | None:
    """Where a new experiment's files go; None where the server decides. MLflow would take the working folder."""
    path = _sqlite_file(uri)
    return (path.absolute().parent / FILES).as_uri() if path else None
