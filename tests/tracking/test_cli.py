"""pixel-edu train, evaluate and track with MLflow, as a user runs them."""

import functools
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from pixel_edu import evaluation, runs, tracking
from pixel_edu.cli import app
from pixel_edu.config import UserError
from pixel_edu.tracking import champion

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # MLflow's own
    pytest.mark.usefixtures("small_pictures"),
]
COMMAND = [sys.executable, "-m", "pixel_edu.cli"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
SMALL = ["--sprites", "60", "--batch-size", "8", "--device", "cpu", "--steps", "20"]


def called(*arguments):
    """In this process, which has imported everything; its output."""
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def trained(store, small_pictures, tmp_path_factory):
    """The folders of two tracked trainings."""
    folder = tmp_path_factory.mktemp("runs")
    for name, rate in (("a", "0.004"), ("b", "0.001")):
        called("train", "--mlflow", store, "--out", folder / name, "--learning-rate", rate, *SMALL)
    return folder


def test_a_training_is_in_mlflow_whole_quiet_and_once(tmp_path):
    command = [*COMMAND, "train", "--mlflow", "sqlite:///mlflow.db", "--out", "runs/a", *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("step ") for line in done.stderr.splitlines())
    assert {path.name for path in tmp_path.iterdir()} == {"here", "mlflow.db", "mlruns", "runs"}
    client = tracking.connect(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = (each for each in client.search_experiments() if each.name == tracking.EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.inputs.dataset_inputs[0].dataset.name == "60 procedural sprites, seed 0"
    assert {metric.step for metric in client.get_metric_history(run.info.run_id, "loss")} == set(range(1, 21))


def test_restart_and_more_steps_begin_another_run(store, client, tmp_path):
    asked = ["train", "--mlflow", store, "--out", tmp_path / "a", *SMALL]
    ids = []
    for more in ([], ["--restart"], ["--steps", "22"]):
        called(*asked, *more)
        ids.append(tracking.run_of(tmp_path / "a"))
    assert len(set(ids)) == 3
    assert {client.get_run(id).info.status for id in ids} == {"FINISHED"}


def test_a_training_that_ctrl_c_stops_goes_on_with_its_run(store, client, tmp_path, monkeypatch):
    asked = ["train", "--mlflow", store, "--out", tmp_path / "a", *SMALL, "--sample-every", "10"]
    draw = runs.draw_samples

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return draw(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "draw_samples", interrupted)
        CliRunner().invoke(app, list(map(str, asked)))
    id = tracking.run_of(tmp_path / "a")
    assert client.get_run(id).info.status == "KILLED"
    assert len(client.get_metric_history(id, "loss")) < 20
    called(*asked)
    assert tracking.run_of(tmp_path / "a") == id
    assert client.get_run(id).info.status == "FINISHED"
    assert sorted(each.step for each in client.get_metric_history(id, "loss")) == list(range(1, 21))


def test_no_server_there_is_one_sentence_before_anything_is_done(tmp_path):
    with pytest.raises(UserError, match=r"^no MLflow answers at http://127.0.0.1:9: start it, or"):
        called("train", "--mlflow", "http://127.0.0.1:9", "--out", tmp_path / "a", *SMALL)
    assert not (tmp_path / "a").exists()


def test_what_waited_is_sent_by_the_same_command_later(trained, store):
    outbox = trained / "b" / "mlflow"
    with (outbox / "metrics.jsonl").open("a") as file:
        file.write('["late", 1.0, 1700000000000, 20]\n')
    asked = ["train", "--mlflow", store, "--out", trained / "b", "--learning-rate", "0.001", *SMALL]
    first, again = called(*asked), called(*asked)
    assert "sent to MLflow what had waited: 1 metrics" in first
    assert "waited" not in again
    assert "finished" in again


def test_a_model_is_measured_promoted_compared_and_swept(trained, store, client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fewer = functools.partial(evaluation.procedural_yardstick, real=200)
    monkeypatch.setattr(evaluation, "procedural_yardstick", fewer)
    a, b = trained / "a", trained / "b"
    with pytest.raises(UserError, match="run a was not evaluated: run pixel-edu evaluate --mlflow"):
        called("track", "promote", a)
    for folder in (a, b):
        measure = ["evaluate", folder / "model.safetensors", "-n", "50", "--sprites", "60", "--steps", "2"]
        called(*measure, "--mlflow", store, "--out", tmp_path / "report", "--device", "cpu")
    found = champion.read_scores(client, tracking.run_of(a))
    assert found.sprites == 50
    assert {"label_accuracy", "fid", "kid", "palette_distance"} <= set(found.scores)
    kept = {each.path for each in client.list_artifacts(tracking.run_of(a), "evaluation")}
    assert kept == {"evaluation/report.html", "evaluation/report.json"}

    first = called("track", "promote", a, "--name", "duo")
    assert first == "version 1 of duo is the champion: it is the first\n"
    assert called("track", "promote", a, "--name", "duo").startswith(
        "version 1 of duo is the champion: it is the"
    )
    assert called("track", "promote", b, "--name", "duo").startswith("version 2 of duo is")

    assert called("track", "compare", a, b, "--out", "both.png") == "2 runs in both.png\n"
    with Image.open("both.png") as picture:
        assert picture.size == (1350, 960)
    asked = ["track", "sweep", a, "--guidance", "2", "--steps", "2", "-n", "50", "--sprites", "100"]
    heading, row = called(*asked).splitlines()
    assert heading.split()[:2] == ["guidance", "steps"]
    assert row.split()[:2] == ["2", "2"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["compare", "a", "b", "--out", "x.bmp"], "x.bmp does not end with one of .png, .svg, .pdf"),
        (["sweep", "a", "--guidance", "nan"], "nan is not a finite number"),
        (["sweep", "a", "--steps", "0"], "greater than or equal to 1"),
        (["server", "--port", "70000"], "less than or equal to 65535"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(asked, said):
    done = CliRunner().invoke(app, ["track", *asked])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_a_folder_that_was_not_tracked_is_said(tmp_path):
    for asked in (["promote"], ["sweep"], ["compare"]):
        with pytest.raises(
            UserError, match="belongs to no run of MLflow: train it with pixel-edu train --mlflow"
        ):
            called("track", *asked, tmp_path)
