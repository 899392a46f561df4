"""Runs in MLflow: what is logged, and that nothing is lost, whoever crashes."""

import dataclasses
import json
import logging
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pixel_edu import sprites, tracking
from pixel_edu.config import CLASSES
from pixel_edu.tracking import runs
from pixel_edu.tracking.outbox import Metric, Outbox
from pixel_edu.training import PRESETS, TrainConfig, TrainState, train

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning"
)  # MLflow's own
DRAWN = sprites.make(64)
CONFIG = TrainConfig(PRESETS["tiny"], steps=12, batch_size=8)


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
    assert {"pixel_edu", "python", "torch", "hardware", "mlflow.user", "mlflow.source.name"} <= set(
        found.data.tags
    )
    (data,) = found.inputs.dataset_inputs
    assert data.dataset.digest == tracking.digest(DRAWN.images, DRAWN.labels)
    profile = json.loads(data.dataset.profile)
    assert profile["labels"] == np.bincount(DRAWN.labels).tolist()
    assert (profile["classes"], profile["size"], profile["channels"]) == ([*CLASSES], 16, 3)
    installed = Path(run.client.download_artifacts(run.id, "environment.txt")).read_text()
    assert "\nnumpy==" in installed


def test_a_folder_whose_name_is_not_utf_8_can_be_tracked(store, tmp_path):
    with run_on(tmp_path / os.fsdecode(b"r\xe9n"), store, data=os.fsdecode(b"d\xe9")) as run:
        pass
    found = run.client.get_run(run.id)
    assert found.info.run_name == r"r\udce9n"
    assert found.inputs.dataset_inputs[0].dataset.name == r"d\udce9"


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
    assert {int(path.split("+")[2]) for path in pictures} == {6, 12}
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

        def log_batch(self, run_id, metrics, synchronous):
            if len(self.got) >= 1000:
                raise ConnectionError
            self.got += metrics

    box = Outbox(tmp_path)
    box.add([Metric("x", float(i), 0, i) for i in range(1500)])
    with pytest.raises(ConnectionError):
        box.send(Client(), "r")
    assert (box.waiting, Outbox(tmp_path).waiting, Outbox(tmp_path).last_step) == (500, 500, 1499)


def test_a_folder_goes_on_with_its_run_wherever_that_is(store, tmp_path):
    with run_on(tmp_path / "a", store) as run:
        pass
    with run_on(tmp_path / "a", None) as again:
        pass
    assert (again.id, again.client.tracking_uri) == (run.id, store)
    assert tracking.client_of(tmp_path / "a").tracking_uri == store


def test_a_run_that_began_before_a_setting_was_there_goes_on(store, tmp_path):
    with run_on(tmp_path / "a", store) as run:
        pass
    about = tmp_path / "a" / "mlflow" / "run.json"
    values = json.loads(about.read_text(encoding="utf-8"))
    del values["settings"]["mirror"], values["settings"]["begun"]
    about.write_text(json.dumps(values), encoding="utf-8")
    with run_on(tmp_path / "a", store) as again:
        pass
    assert again.id == run.id


def test_a_folder_takes_no_run_of_other_settings_or_data(store, tmp_path):
    with run_on(tmp_path / "a", store):
        pass
    other = dataclasses.replace(CONFIG, learning_rate=1.0)
    with pytest.raises(
        tracking.TrackingError, match=r"a run with learning_rate 0.002, not 1.0: use another folder"
    ):
        run_on(tmp_path / "a", store, other)
    with pytest.raises(tracking.TrackingError, match=r"a run with data \w+, not \w+: use another"):
        tracking.Run(tmp_path / "a", CONFIG, DRAWN.images[::-1], DRAWN.labels, store)


def test_a_run_that_was_deleted_is_said_and_can_be_forgotten(store, tmp_path):
    with run_on(tmp_path / "a", store) as run:
        pass
    run.client.delete_run(run.id)
    with pytest.raises(
        tracking.TrackingError, match=r"must be in the 'active' state.*: give the address at which"
    ):
        run_on(tmp_path / "a", store)
    tracking.forget(tmp_path / "a")
    with run_on(tmp_path / "a", store) as other:
        assert other.id != run.id


def test_a_run_that_is_deleted_while_it_trains_does_not_stop_the_training(
    store, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(runs, "EVERY", 0.0)
    with run_on(tmp_path / "a", store) as run:
        steps = run.follow(steps_of())
        next(steps)
        run.client.delete_run(run.id)
        assert [step.step for step in steps] == list(range(2, 13))
        assert not run.send()
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 2
    assert "says: The run" in told[0]
    assert told[1].endswith(f"messages to MLflow wait in {tmp_path / 'a' / 'mlflow'}")


def test_a_server_that_is_away_costs_no_more_than_a_tenth_of_the_time(store, tmp_path, monkeypatch):
    run, clock = run_on(tmp_path / "a", store), [0.0]
    asked = []

    def away(*_, **__):
        asked.append(clock[0])
        clock[0] += 8.0  # it does not refuse, it says nothing
        raise ConnectionError

    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: clock[0], time=time.time))
    monkeypatch.setattr(run.client, "log_batch", away)
    run.add({"x": 1.0}, 1)
    while clock[0] < 2000:
        run.send()
        clock[0] += 1
    assert 8 * len(asked) <= 0.11 * 2000
    assert len(asked) > 10


def test_a_folder_that_was_not_tracked_is_said(tmp_path):
    for ask in (tracking.run_of, tracking.client_of):
        with pytest.raises(tracking.TrackingError, match="belongs to no run of MLflow: train it with"):
            ask(tmp_path)
    assert tracking.send_the_rest(tmp_path) == 0


def test_what_waits_when_patience_ends_is_sent_later_with_how_the_run_ended(store, tmp_path, monkeypatch):
    run = run_on(tmp_path / "a", store)
    monkeypatch.setattr(run.client, "log_batch", lambda *a, **b: (_ for _ in ()).throw(ConnectionError))
    run.add({"x": 1.0}, 3)
    run.end("FAILED", patience=0)
    assert run.outbox.waiting == 2
    assert run.client.get_run(run.id).info.status == "RUNNING"
    assert json.loads((tmp_path / "a" / "mlflow" / "run.json").read_text())["run_id"] == run.id
    assert [tracking.send_the_rest(tmp_path / "a") for _ in range(2)] == [2, 0]
    assert history(run, "x") == [(3, 1.0)]
    assert run.client.get_run(run.id).info.status == "FAILED"


def test_a_run_that_goes_on_takes_back_that_it_has_ended(store, tmp_path, monkeypatch):
    run = run_on(tmp_path / "a", store)
    monkeypatch.setattr(run.client, "set_terminated", lambda *a: (_ for _ in ()).throw(ConnectionError))
    run.end("KILLED", patience=0)
    again = run_on(tmp_path / "a", store)
    assert (again.send(), again.outbox.waiting) == (True, 0)
    assert again.client.get_run(run.id).info.status == "RUNNING"
