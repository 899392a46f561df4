"""pixel-edu train --mlflow and pixel-edu track server, as a user runs them."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from pixel_edu import tracking

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
COMMAND = [sys.executable, "-m", "pixel_edu.cli"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
SMALL = ["--sprites", "60", "--batch-size", "8", "--device", "cpu", "--steps", "20", "--sample-every", "10"]


def pixel_edu(*arguments, cwd):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT, timeout=120)


def test_a_training_that_is_tracked_is_in_mlflow_and_a_restart_is_another_run(tmp_path):
    asked = ["train", "--mlflow", "sqlite:///mlflow.db", "--out", "runs/a", *SMALL]
    done = [pixel_edu(*asked, cwd=tmp_path), pixel_edu(*asked, cwd=tmp_path)]
    assert [each.returncode for each in done] == [0, 0], done[0].stderr
    assert "finished" in done[1].stdout
    client = tracking.connect(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = (each for each in client.search_experiments() if each.name == tracking.EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.inputs.dataset_inputs[0].dataset.name == "60 procedural sprites, seed 0"
    assert {metric.step for metric in client.get_metric_history(run.info.run_id, "loss")} == set(range(1, 21))
    again = pixel_edu(*asked, "--restart", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(client.search_runs([experiment.experiment_id])) == 2


def test_no_server_there_is_one_sentence_and_trains_nothing(tmp_path):
    done = pixel_edu("train", "--mlflow", "http://127.0.0.1:9", "--out", "a", *SMALL, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: no MLflow answers at http://127.0.0.1:9: start it")
    assert not (tmp_path / "a" / "run.safetensors").exists()


@pytest.mark.slow
def test_the_server_answers_keeps_what_it_has_and_ends_whole(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*COMMAND, "track", "server", "--port", str(port), "--folder", tmp_path / "t"]
    for turn in (1, 2):
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT
        )
        try:
            assert f"http://127.0.0.1:{port} runs" in server.stdout.readline()
            client = tracking.connect(f"http://127.0.0.1:{port}")
            if turn == 1:
                client.create_experiment("kept")
            assert client.get_experiment_by_name("kept")
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)
        assert server.returncode == 130
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0  # nothing of it is left
