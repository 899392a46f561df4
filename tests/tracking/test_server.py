"""pixel-edu track server: a real PostgreSQL and a real MLflow server, which is killed, and loses nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil
import pytest

from pixel_edu import sprites, tracking
from pixel_edu.checkpoints import find
from pixel_edu.evaluation import Score
from pixel_edu.tracking import champion, model, runs, server
from pixel_edu.training import PRESETS, TrainConfig, train

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's own
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}


@pytest.fixture(scope="module", autouse=True)
def a_busy_machine_is_waited_for():
    """MLflow's requests may take longer than the ten seconds after which a user is told that nobody answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
        yield


class Served:
    """pixel-edu track server as a user runs it, from its first word to its end."""

    def __init__(self, folder, port):
        command = [sys.executable, "-m", "pixel_edu.cli", "track", "server", "--port", str(port)]
        self.process = subprocess.Popen(
            [*command, "--folder", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        self.log, self.port = folder / "server.log", port
        self.said = self.process.stdout.readline()  # or its end, if it fails
        if not self.said:
            raise AssertionError(self.end(signal.SIGKILL)[1] + self.told())

    def told(self):
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else "no log"

    def kill_mlflow(self):
        """End MLflow at once, with all that it has started, as a power cut would."""
        for child in psutil.Process(self.process.pid).children():
            if "mlflow" in child.cmdline():
                for each in (*child.children(recursive=True), child):
                    each.kill()

    def end(self, how):
        """End it; its exit code, what it said on stderr, and who still answers at its port."""
        self.process.send_signal(how)
        _, complaint = self.process.communicate(timeout=120)
        with socket.socket() as probe:
            answers = probe.connect_ex(("127.0.0.1", self.port)) == 0
        return self.process.returncode, complaint, answers


@contextmanager
def served(folder, port):
    one = Served(folder, port)
    try:
        yield one
    finally:
        one.end(signal.SIGTERM)


def champion_drawn(client, run_id):
    """A sprite by the run's model, which is registered, made champion, and loaded by that name."""
    import mlflow
    import pandas as pd

    champion.log_scores(client, run_id, {"fid": Score(1.0, 0.9, 1.1)}, 100, "real")
    version = model.register(client, run_id, find("tiny"))
    assert champion.promote(client, model.NAME, version).promoted
    with model.as_default(client):
        loaded = mlflow.pyfunc.load_model(f"models:/{model.NAME}@{champion.ALIAS}")
    return loaded.predict(pd.DataFrame({"class": ["food"], "seed": [0]}), params={"num_steps": 2})["png"][0]


def test_a_server_on_postgresql_is_killed_in_the_middle_of_a_run_and_no_metric_is_lost(
    tmp_path, port, monkeypatch
):
    monkeypatch.setattr(runs, "EVERY", 0.05)
    monkeypatch.setattr(runs, "REST", 0.5)
    monkeypatch.setattr(runs, "PATIENCE", 240.0)
    drawn = sprites.make(64)
    config = TrainConfig(PRESETS["tiny"], steps=60, batch_size=8)
    uri, seen, second = f"http://127.0.0.1:{port}", [], []
    with served(tmp_path / "t", port) as first:
        assert first.said.startswith(f"{uri} runs; its log is")
        restart = threading.Thread(target=lambda: second.append(Served(tmp_path / "t", port)))
        with tracking.Run(tmp_path / "a", config, drawn.images, drawn.labels, uri) as run:
            for step in run.follow(train(drawn.images, drawn.labels, config, device="cpu")):
                seen.append((step.step, step.loss))
                if step.step == 20:
                    first.kill_mlflow()
                    assert first.process.wait(120) == 1
                    restart.start()
                if step.step % 10 == 0:
                    run.show(drawn.images[0], step.step)
                if step.step == 40:
                    assert run.outbox.waiting > 0
    restart.join()
    try:
        found = run.client.get_metric_history(run.id, "loss")
        assert sorted((each.step, each.value) for each in found) == seen, second[0].told()
        assert run.client.get_run(run.id).info.status == "FINISHED"
        pictures = [each.path for each in run.client.list_artifacts(run.id, "images")]
        assert {int(path.split("+")[2]) for path in pictures} == set(range(10, 61, 10))
        assert not (tmp_path / "here" / "mlruns").exists()  # files went through the server to its folder
        assert list((tmp_path / "t" / "files").rglob("environment.txt"))
        assert champion_drawn(run.client, run.id).startswith("iVBORw0KGgo")  # a PNG file in base64
    finally:
        code, complaint, answers = second[0].end(signal.SIGTERM)
    assert (code, answers) == (130, False), complaint
    assert not [
        each for each in psutil.process_iter(["cmdline"]) if str(tmp_path / "t") in str(each.info["cmdline"])
    ]


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(tracking.TrackingError, match=f"port {port} is taken: end what uses it, or"):
            server.start("sqlite://", tmp_path / "files", port)


def test_a_server_that_ends_at_once_is_told_with_the_end_of_its_log(tmp_path):
    log = tmp_path / "log"
    with log.open("w") as file:
        program = "print('no luck'); print('today'); print()"
        process = subprocess.Popen([sys.executable, "-c", program], stdout=file)
    with pytest.raises(
        tracking.TrackingError, match=r"the server did not start: its log, .*, ends with 'today'"
    ):
        server.wait_for("http://127.0.0.1:9/health", process, log)


def test_a_server_that_does_not_answer_is_given_up_after_a_while(tmp_path):
    (tmp_path / "log").touch()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = time.monotonic()
    try:
        with pytest.raises(tracking.TrackingError, match="the server did not answer in 1 s: its log"):
            server.wait_for("http://127.0.0.1:9/health", process, tmp_path / "log", patience=1)
        assert 1 <= time.monotonic() - began < 60
    finally:
        server.stop(process)
    assert process.returncode == -signal.SIGTERM
