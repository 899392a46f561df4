"""Runs in MLflow: what is logged, and that nothing is lost, whoever crashes."""

import dataclasses
import json
import signal
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pixel_edu import sprites, tracking
from pixel_edu.tracking import runs, server
from pixel_edu.tracking.outbox import Metric, Outbox
from pixel_edu.training import PRESETS, TrainConfig, TrainState, train

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning"
)  # MLflow's own
DRAWN = sprites.make(64)
CONFIG = TrainConfig(PRESETS["tiny"], steps=12, batch_size=8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A database's address; making its tables takes seconds, so all tests share it."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def run_on(folder, uri, config=CONFIG, **options):
    return tracking.Run(folder, config, DRAWN.images, DRAWN.labels, uri, **options)


def history(run, key="loss"):
    return sorted((m.step, m.value) for m in run.client.get_metric_history(run.id, key))


def steps_of(config=CONFIG, state=None):
    return train(DRAWN.images, DRAWN.labels, config, state, device="cpu")


def test_a_run_tells_settings_data_code_and_environment(store, tmp_path):
    with run_on(tmp_path / "a", store, data="procedural") as run:
        pass
    found = run.client.get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "a"
    assert found.data.params["learning_rate"] == "0.002"
    assert found.data.params["unet.classes"] == "5"
    assert {"pixel_edu", "python", "torch", "platform"} <= set(found.data.tags)
    (data,) = found.inputs.dataset_inputs
    assert data.dataset.digest == tracking.digest(DRAWN.images, DRAWN.labels)
    installed = Path(run.client.download_artifacts(run.id, "environment.txt")).read_text()
    assert "\nnumpy==" in installed


def test_losses_are_those_of_the_loop_and_pictures_are_a_film(store, tmp_path):
    seen = []
    with run_on(tmp_path / "a", store) as run:
        for step in run.follow(steps_of()):
            seen.append((step.step, step.loss))
            if step.step % 6 == 0:
                run.show(DRAWN.images[0], step.step)
    assert history(run) == seen
    assert {step for step, _ in history(run, "images_per_second")} == set(range(1, 13))
    pictures = [each.path for each in run.client.list_artifacts(run.id, "images")]
    assert {path.split("+")[2] for path in pictures} == {"6", "12"}
    assert run.outbox.waiting == 0


def test_a_long_run_has_about_a_thousand_points_and_each_is_a_mean(store, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "POINTS", 4)
    seen = []
    with run_on(tmp_path / "a", store) as run:
        for step in run.follow(steps_of()):
            seen.append(step.loss)
    found = history(run)
    assert [step for step, _ in found] == [3, 6, 9, 12]
    assert [value for _, value in found] == pytest.approx(np.reshape(seen, (4, 3)).mean(axis=1).tolist())


def test_a_resumed_training_goes_on_with_its_run_and_logs_no_step_twice(store, tmp_path):
    state, seen = TrainState(CONFIG), []
    with pytest.raises(KeyboardInterrupt), run_on(tmp_path / "a", store) as run:
        for step in run.follow(steps_of(state=state)):
            seen.append((step.step, step.loss))
            if step.step == 8:
                raise KeyboardInterrupt
    assert run.client.get_run(run.id).info.status == "KILLED"
    with run_on(tmp_path / "a", store) as again:  # the last checkpoint was older: it begins at the beginning
        for step in again.follow(steps_of()):
            if step.step > 8:
                seen.append((step.step, step.loss))
    assert again.id == run.id
    assert history(run) == seen
    assert run.client.get_run(run.id).info.status == "FINISHED"


def test_an_error_in_the_loop_shows_in_the_run(store, tmp_path):
    with pytest.raises(ZeroDivisionError), run_on(tmp_path / "a", store) as run:
        raise ZeroDivisionError
    assert run.client.get_run(run.id).info.status == "FAILED"


def test_a_line_cut_by_a_crash_is_forgotten_and_what_was_sent_twice_is_there_once(store, tmp_path):
    with run_on(tmp_path / "a", store) as run:
        run.add({"x": 1.0}, 1)
        run.add({"x": 2.0}, 2)
    box = tmp_path / "a" / "mlflow"
    with (box / "metrics.jsonl").open("a") as file:
        file.write('["x", 3.0, 17')
    (box / "sent").write_text("0")
    with run_on(tmp_path / "a", store) as run:
        run.add({"x": 4.0}, 4)
    assert history(run, "x") == [(1, 1.0), (2, 2.0), (4, 4.0)]


def test_a_batch_that_fails_leaves_the_batches_before_it_sent(tmp_path):
    class Client:
        def __init__(self):
            self.got = []

        def log_batch(self, run_id, metrics):
            if len(self.got) >= 1000:
                raise ConnectionError
            self.got += metrics

    box = Outbox(tmp_path)
    box.add([Metric("x", float(i), 0, i) for i in range(1500)])
    with pytest.raises(ConnectionError):
        box.send(Client(), "r")
    assert (box.waiting, Outbox(tmp_path).waiting, Outbox(tmp_path).last_step) == (500, 500, 1499)


def test_the_digest_is_of_pixels_labels_and_order():
    images, labels = DRAWN.images, DRAWN.labels
    first = tracking.digest(images, labels)
    assert first == tracking.digest(images.copy(), labels.copy())
    other = images.copy()
    other[0, 0, 0, 0] ^= 1
    turned = tracking.digest(images[::-1], labels[::-1])
    assert len({first, tracking.digest(other, labels), tracking.digest(images, labels[::-1]), turned}) == 4


def test_a_server_that_is_away_at_the_start_is_one_sentence_and_soon(tmp_path):
    began = time.monotonic()
    with pytest.raises(tracking.TrackingError, match=r"no MLflow answers at http://127.0.0.1:9: start it"):
        run_on(tmp_path / "a", "http://127.0.0.1:9")
    assert time.monotonic() - began < 20


def test_a_database_that_cannot_be_opened_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(tracking.TrackingError, match=r"x.db cannot be opened .*: name another database"):
        tracking.connect(f"sqlite:///{tmp_path}/file/x.db")


def test_a_run_that_was_deleted_is_said(store, tmp_path):
    with run_on(tmp_path / "a", store) as run:
        pass
    run.client.delete_run(run.id)
    with pytest.raises(tracking.TrackingError, match="does not know run"):
        run_on(tmp_path / "a", store).end()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_a_real_server_on_postgresql_is_killed_in_the_middle_and_no_metric_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "EVERY", 0.05)
    monkeypatch.setattr(runs, "REST", 0.5)
    config, port = dataclasses.replace(CONFIG, steps=60), free_port()
    uri, seen, back = f"http://127.0.0.1:{port}", [], []
    with server.database(tmp_path / "postgresql") as store:
        assert store.startswith("postgresql")
        process = server.start(store, tmp_path / "files", port)

        def again():
            time.sleep(1)
            back.append(server.start(store, tmp_path / "files", port))

        restart = threading.Thread(target=again)
        with run_on(tmp_path / "a", uri, config) as run:
            for step in run.follow(steps_of(config)):
                seen.append((step.step, step.loss))
                if step.step == 20:
                    server.stop(process, signal.SIGKILL)
                    restart.start()
                if step.step % 10 == 0:
                    run.show(DRAWN.images[0], step.step)
                if step.step == 40:
                    assert run.outbox.waiting > 0
        restart.join()
        assert history(run) == seen
        assert run.client.get_run(run.id).info.status == "FINISHED"
        pictures = [each.path for each in run.client.list_artifacts(run.id, "images")]
        assert {int(path.split("+")[2]) for path in pictures} == set(range(10, 61, 10))
        server.stop(back[0])


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Exception, match=f"port {port} is taken"):
            server.start("sqlite://", tmp_path / "files", port)


def test_what_waits_when_patience_ends_can_be_sent_later(store, tmp_path, monkeypatch):
    run = run_on(tmp_path / "a", store)
    monkeypatch.setattr(run.client, "log_batch", lambda *a, **b: (_ for _ in ()).throw(ConnectionError))
    run.add({"x": 1.0}, 3)
    run.end(patience=0)
    assert run.outbox.waiting == 1
    assert json.loads((tmp_path / "a" / "mlflow" / "run.json").read_text())["run_id"] == run.id
    assert [tracking.send_the_rest(tmp_path / "a", store) for _ in range(2)] == [1, 0]
    assert history(run, "x") == [(3, 1.0)]
    assert run.client.get_run(run.id).info.status == "FINISHED"
    tracking.forget(tmp_path / "a")
    with run_on(tmp_path / "a", store) as other:
        assert other.id != run.id
