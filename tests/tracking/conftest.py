"""One database for all tests of tracking: making its tables takes seconds."""

import socket

import pytest

from pixel_edu import tracking
from pixel_edu.tracking import connecting


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A database's address."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="session")
def client(store):
    return tracking.connect(store)


@pytest.fixture
def new_run(client):
    """Makes runs that nothing was logged in."""
    return lambda name="a": client.create_run(connecting.experiment(client), run_name=name).info.run_id


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working folder, in which nothing of MLflow's may appear that was not asked for."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "here"
    assert not (tmp_path / "here" / "mlruns").exists()


@pytest.fixture
def port():
    """One that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
