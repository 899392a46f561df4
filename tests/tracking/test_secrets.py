"""A password in the address of a tracking server, over a whole small project: it is written and printed nowhere."""

import base64
import shutil
import sqlite3
import sys
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from pixel_edu import evaluation
from pixel_edu.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's own
PASSWORD = "geheim-9Q"
"""It needs no quoting, so that it would look the same wherever it is kept."""


@pytest.fixture
def database(store, client, tmp_path):
    """A database of its own: the server keeps the files of the experiment, which no other test could then reach."""
    (tmp_path / "kept").mkdir()
    copy = shutil.copy(store.removeprefix("sqlite:///"), tmp_path / "kept")
    # What other tests made keeps its files in other places.
    with closing(sqlite3.connect(copy)) as base, base:
        base.execute("UPDATE experiments SET name = 'earlier ' || experiment_id")
    return f"sqlite:///{copy}"


@pytest.fixture
def server(database, tmp_path, monkeypatch):
    """MLflow's own server, in this process, on this database; and what clients sent to be let in."""
    from mlflow.server import ARTIFACTS_DESTINATION_ENV_VAR, BACKEND_STORE_URI_ENV_VAR, app, handlers
    from werkzeug.serving import make_server

    for kept in ("_tracking_store", "_model_registry_store", "_artifact_repo"):  # for the life of a process
        monkeypatch.setattr(handlers, kept, None)
    monkeypatch.setenv(BACKEND_STORE_URI_ENV_VAR, database)
    monkeypatch.setenv(ARTIFACTS_DESTINATION_ENV_VAR, (tmp_path / "kept").as_uri())
    monkeypatch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "false")
    sent = set()

    def served(environ, start):
        sent.add(environ.get("HTTP_AUTHORIZATION"))
        return app(environ, start)

    listening = make_server("127.0.0.1", 0, served, threaded=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://ada:{PASSWORD}@127.0.0.1:{listening.port}", sent
    listening.shutdown()
    listening.server_close()


def typed(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pixel-edu", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_a_password_in_an_address_is_in_no_file_and_no_line(server, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(evaluation, "evaluate", partial(evaluation.evaluate, resamples=5))  # quick
    address, sent = server
    model = tmp_path / "run" / "model.safetensors"
    small = ["--sprites", 60, "--batch-size", 4, "--steps", 2, "--device", "cpu"]
    for words in (
        ["train", "--out", model.parent, "--mlflow", address, *small],
        [
            "evaluate",
            model,
            "-n",
            50,
            "--sprites",
            100,
            "--steps",
            1,
            "--palette",
            "off",
            "--mlflow",
            address,
        ],
        ["track", "promote", model.parent, "--name", "secrets", "--mlflow", address],
        ["export", model, "--out", "model.onnx"],
        ["export", model, "--format", "diffusers", "--out", "published"],
    ):
        assert not typed(words, monkeypatch), (words, capfd.readouterr())
    assert typed(["train", "--out", "x", "--mlflow", address.replace("@127", "@256.")], monkeypatch) == 1
    assert f"Basic {base64.b64encode(f'ada:{PASSWORD}'.encode()).decode()}" in sent
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    said = capfd.readouterr()
    written |= {Path("said"): (said.out + said.err).encode()}
    names = {path.name for path in written}
    assert {"model.onnx", "README.md", "report.json", "run.safetensors", "MLmodel", "mlflow.db"} <= names
    assert [path for path, content in written.items() if PASSWORD.encode() in content] == []
    assert b"***@" in written[Path("said")]
