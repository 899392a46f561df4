"""Where MLflow is and keeps things, and one sentence for whatever goes wrong there."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pixel_edu import tracking
from pixel_edu.tracking import connecting

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning"
)  # MLflow's own


def test_a_server_that_is_away_is_one_sentence_and_soon():
    began = time.monotonic()
    with pytest.raises(
        tracking.TrackingError, match=r"^no MLflow answers at http://127.0.0.1:9: start it, or"
    ):
        tracking.connect("http://127.0.0.1:9")
    assert time.monotonic() - began < 60


def test_a_database_that_cannot_be_opened_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        tracking.TrackingError, match=r"x.db cannot be opened \(.+\): name another database"
    ) as said:
        tracking.connect(f"sqlite:///{tmp_path}/file/x.db")
    assert "\n" not in str(said.value)


def test_what_is_no_address_is_told_how_to_write_one():
    with pytest.raises(
        tracking.TrackingError, match=r"mlflow.db is not an address: for a database write sqlite:///mlf"
    ):
        tracking.connect("mlflow.db")
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("file:relative/x", "sqlite:///relative/x/mlflow.db"),
        ("sqlite:runs.db", "sqlite:///runs.db"),
        ("sqlite:/a/b.db", "sqlite:////a/b.db"),
        (".", "sqlite:///./mlflow.db"),
        ("localhost:5000", "sqlite:///mlflow.db"),
        ("http:/host:80", "sqlite:///mlflow.db"),
    ],
)
def test_what_is_not_an_address_is_answered_with_one_that_works(written, instead):
    with pytest.raises(tracking.TrackingError, match=f"for a database write {re.escape(instead)}, for a"):
        tracking.connect(written)


def test_a_folder_of_files_is_not_a_database(tmp_path):
    says = r"file:///\S+ is a folder of files, as older versions of MLflow kept them: write sqlite:///mlf"
    with pytest.raises(tracking.TrackingError, match=says):
        tracking.connect((tmp_path / "mlruns").as_uri())


def test_files_lie_beside_the_database_wherever_the_program_runs(client, store, new_run, elsewhere):
    id = new_run()
    client.log_text(id, "hello", "a.txt")
    folder = Path(store.removeprefix("sqlite:///")).parent
    assert list((folder / connecting.FILES).rglob("a.txt"))
    assert os.listdir(elsewhere) == []


def test_a_database_is_known_by_its_whole_path_from_any_folder(store, monkeypatch):
    path = Path(store.removeprefix("sqlite:///"))
    monkeypatch.chdir(path.parent)
    assert tracking.connect(f"sqlite:///{path.name}").tracking_uri == store
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path.name}")
    assert tracking.connect().tracking_uri == store


def test_an_experiment_that_was_deleted_is_said(client):
    id = connecting.experiment(client, "gone")
    assert connecting.experiment(client, "gone") == id
    client.delete_experiment(id)
    with pytest.raises(tracking.TrackingError, match=f"gone was deleted at .* restore --experiment-id {id}"):
        connecting.experiment(client, "gone")


def test_the_database_of_a_server_that_holds_the_files_is_said(client):
    client.create_experiment("served", "mlflow-artifacts:/7")
    with pytest.raises(
        tracking.TrackingError, match=r"^the experiment served at sqlite:.* give that server's"
    ):
        connecting.experiment(client, "served")


def test_what_mlflow_refuses_is_told_in_its_words(client):
    with (
        pytest.raises(
            tracking.TrackingError, match=r"^MLflow at sqlite:.* says: Run with id=nobody not found$"
        ),
        connecting.asking(client),
    ):
        client.get_run("nobody")


def test_no_password_is_said():
    with pytest.raises(tracking.TrackingError) as said:
        tracking.connect("http://ada:geheim@127.0.0.1:9")
    assert str(said.value).startswith("no MLflow answers at http://***@127.0.0.1:9: ")
    with pytest.raises(tracking.TrackingError) as said:
        tracking.connect("nosuch://ada:geheim@host/db?token=geheim2")
    assert "geheim" not in str(said.value)


def test_an_address_without_a_file_is_told_to_name_one(elsewhere):
    with pytest.raises(tracking.TrackingError, match=r"^sqlite:// names no file: write"):
        tracking.connect("sqlite://")
    for nowhere in ("sqlite:///:memory:", "sqlite:///file::memory:?uri=true"):
        with pytest.raises(
            tracking.TrackingError, match=r"^sqlite:///\S+ keeps nothing: write sqlite:///mlflow.db"
        ):
            tracking.connect(nowhere)
    assert os.listdir(elsewhere) == []


@pytest.mark.parametrize("folder", ["ü b", "100%", "a%41b", "what?", "张", "a@b:c", "x#y", "10% more"])
def test_an_address_stands_for_its_file_whatever_that_is_called(folder, tmp_path):
    path = tmp_path / folder / "x.db"
    address = connecting._at("sqlite:///y.db?timeout=9", path)
    assert connecting._sqlite_file(address) == path
    assert address.endswith("x.db?timeout=9")


def test_a_folder_with_an_umlaut_is_made_once_and_under_its_name(store, elsewhere):
    Path("ü b").mkdir()
    Path("ü b/x.db").write_bytes(Path(store.removeprefix("sqlite:///")).read_bytes())
    tracking.connect("sqlite:///ü b/x.db")
    assert os.listdir(elsewhere) == ["ü b"]


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert connecting._absolute("sqlite:///~/x.db") == f"sqlite:///{tmp_path}/x.db"


def test_a_database_whose_making_was_interrupted_is_not_there(tmp_path, monkeypatch):
    def interrupted(uri):
        Path(uri.removeprefix("sqlite:///")).write_bytes(b"half of the tables")
        raise KeyboardInterrupt

    monkeypatch.setattr(connecting, "_asked", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tracking.connect(f"sqlite:///{tmp_path}/new/x.db")
    assert os.listdir(tmp_path / "new") == []


@pytest.mark.slow
def test_two_that_come_at_once_get_one_database_which_can_be_moved_with_its_files(tmp_path):
    uri = f"sqlite:///{tmp_path}/old/x.db"
    with ThreadPoolExecutor(2) as pool:
        clients = list(pool.map(tracking.connect, [uri, uri]))
    assert sorted(os.listdir(tmp_path / "old")) == ["x.db"]
    group = connecting.experiment(clients[0])
    assert connecting.experiment(clients[1]) == group
    id = clients[0].create_run(group).info.run_id
    clients[0].log_text(id, "hello", "a.txt")
    (tmp_path / "old").rename(tmp_path / "new_place")
    moved = tracking.connect(f"sqlite:///{tmp_path}/new_place/x.db")
    assert [file.path for file in moved.list_artifacts(id)] == ["a.txt"]
    moved.log_text(moved.create_run(group).info.run_id, "and again", "b.txt")
    assert len(list((tmp_path / "new_place").rglob("?.txt"))) == 2
    assert not (tmp_path / "old").exists()


@pytest.mark.slow
def test_nobody_is_told_how_mlflow_is_used_unless_it_was_asked_for(store):
    code = f"""
import os
from pixel_edu import tracking
tracking.connect({store!r})
from mlflow.telemetry.client import get_telemetry_client
print(get_telemetry_client(), os.environ["MLFLOW_DISABLE_TELEMETRY"])
"""
    quiet = {key: value for key, value in os.environ.items() if key not in ("CI", "PYTEST_CURRENT_TEST")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=quiet, timeout=120
    )
    assert done.stdout.split() == ["None", "true"], done.stderr
    assert done.stderr == ""
