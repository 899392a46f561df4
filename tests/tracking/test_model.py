"""A model in MLflow: what it draws, what it refuses, who serves it, and which one is the champion."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixel_edu import generate, palette, tracking
from pixel_edu.checkpoints import CheckpointError, find, load_reference
from pixel_edu.config import CLASSES
from pixel_edu.evaluation import Score
from pixel_edu.generate import SampleConfig
from pixel_edu.tracking import champion, model
from pixel_edu.tracking.runs import EXPERIMENT

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own
ASKED = pd.DataFrame({"class": ["food", "creatures"], "seed": [7, 8]})


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    here, there = os.getcwd(), tmp_path_factory.mktemp("mlflow")
    os.chdir(there)
    yield tracking.connect(f"sqlite:///{there}/mlflow.db")
    os.chdir(here)


@pytest.fixture(scope="module")
def run_id(client):
    return client.create_run(client.create_experiment(EXPERIMENT)).info.run_id


@pytest.fixture(scope="module")
def uri(client, run_id):
    return model.keep(client, run_id, find("tiny"))


@pytest.fixture(scope="module")
def sprites():
    return model.Sprites(find("tiny"))


def pixels(png):
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        return np.asarray(picture.convert("RGB"))


def by_hand(steps):
    denoiser = load_reference("tiny")
    config = SampleConfig(num_steps=steps, guidance_scale=3.0, interval=(-1.0, 1.0))
    drawn = generate.generate(denoiser, [CLASSES.index("food"), CLASSES.index("creatures")], [7, 8], config)
    return palette.as_sprites(drawn, denoiser.palette)


def test_the_model_in_mlflow_draws_what_the_package_draws(client, uri):
    import mlflow

    with model._meant(client):
        loaded = mlflow.pyfunc.load_model(uri)
    drawn = loaded.predict(ASKED, params={"num_steps": 4})
    assert np.array_equal([pixels(png) for png in drawn["png"]], by_hand(4))
    assert {column.name for column in loaded.metadata.signature.inputs} == {"class", "seed"}
    assert loaded.metadata.saved_input_example_info


def test_the_package_s_code_travels_with_the_model_and_nothing_that_it_does_not_need(client, uri):
    import mlflow

    with model._meant(client):
        folder = mlflow.artifacts.download_artifacts(uri)
    found = {
        os.path.relpath(os.path.join(top, name), folder)
        for top, _, names in os.walk(folder)
        for name in names
    }
    assert "code/pixel_edu/generate.py" in found
    assert {name for name in found if name.endswith(".safetensors")} == {"data/tiny.safetensors"}
    needed = {line.split("==")[0] for line in Path(folder, "requirements.txt").read_text().splitlines()}
    assert {"torch", "numpy", "mlflow"} <= needed


@pytest.mark.parametrize(
    ("asked", "params", "said"),
    [
        ({"class": ["dragons"], "seed": [0]}, {}, "class 'dragons': use characters"),
        ({"class": [], "seed": []}, {}, "0 sprites: ask for 1 to 256"),
        ({"class": ["food"] * 257, "seed": [0] * 257}, {}, "257 sprites"),
        ({"class": ["food"], "seed": [-1]}, {}, "seed -1: use 0 or more"),
        ({"class": ["food"], "seed": [0]}, {"num_steps": 0}, "num_steps 0: use 1 to 1000"),
        (
            {"class": ["food"], "seed": [0]},
            {"guidance_scale": float("nan")},
            "guidance_scale nan: use a number",
        ),
        ({"class": ["food"], "seed": [0]}, {"sampler": "euler"}, "sampler 'euler': use ddpm"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(sprites, asked, params, said):
    with pytest.raises(Exception, match=said) as caught:
        sprites.predict(pd.DataFrame(asked), params)
    assert caught.value.get_http_status_code() == 400


def test_a_broken_checkpoint_is_not_kept(client, run_id, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError):
        model.keep(client, run_id, tmp_path / "x.safetensors")


@pytest.mark.slow
def test_mlflow_serves_it(client, uri):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mlflow",
            "models",
            "serve",
            "-m",
            uri,
            "-p",
            str(port),
            "--env-manager",
            "local",
        ],
        env=os.environ | {"MLFLOW_TRACKING_URI": client.tracking_uri, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def asked(body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        body = {"dataframe_split": ASKED.to_dict(orient="split"), "params": {"num_steps": 4}}
        drawn = [row["png"] for row in asked(body)["predictions"]]
        assert np.array_equal([pixels(png) for png in drawn], by_hand(4))
        body["params"]["num_steps"] = 0
        with pytest.raises(urllib.error.HTTPError, match="400"):
            asked(body)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def scores(accuracy=(0.9, 0.88, 0.92), fid=(20, 18, 22), off=(0.01, 0.009, 0.011)):
    found = {"label_accuracy": accuracy, "fid": fid, "palette_distance": off}
    return {key: Score(*value) for key, value in found.items()}


@pytest.mark.parametrize(
    ("changed", "promoted", "why"),
    [
        ({}, False, "their intervals overlap"),
        ({"fid": (17, 15, 19)}, False, "their intervals overlap"),
        ({"fid": (15, 13, 17)}, True, "it is better in Fréchet distance, FID"),
        (
            {"accuracy": (0.95, 0.93, 0.97), "fid": (15, 13, 17)},
            True,
            "better in right class and Fréchet distance",
        ),
        (
            {"accuracy": (0.95, 0.93, 0.97), "fid": (30, 28, 32)},
            False,
            "it is worse in Fréchet distance, FID",
        ),
        ({"off": (0.02, 0.019, 0.021)}, False, "it is worse in off the palette"),
    ],
)
def test_a_challenger_must_be_better_somewhere_and_worse_nowhere(changed, promoted, why):
    verdict = champion.compare(scores(**changed), scores())
    assert verdict.promoted is promoted
    assert why in verdict.why


def test_the_champion_stays_until_it_is_beaten(client, uri, tmp_path):
    def version(found, count=100):
        id = client.create_run(client.get_experiment_by_name(EXPERIMENT).experiment_id).info.run_id
        champion.log_scores(client, id, found, count)
        assert champion.read_scores(client, id) == (found, count)
        return client.create_model_version("duel", uri, run_id=id).version

    def standing():
        return client.get_model_version_by_alias("duel", champion.ALIAS).version

    client.create_registered_model("duel")
    first, worse, better = (
        version(scores()),
        version(scores(fid=(30, 28, 32))),
        version(scores(fid=(10, 9, 11))),
    )
    assert champion.promote(client, "duel", first) == (True, "it is the first")
    assert not champion.promote(client, "duel", worse).promoted
    assert standing() == first
    assert champion.promote(client, "duel", better).promoted
    assert standing() == better
    assert champion.promote(client, "duel", better) == (True, "it is the champion already")
    with pytest.raises(tracking.TrackingError, match="on 50 sprites and the champion on 100"):
        champion.promote(client, "duel", version(scores(), count=50))
    with pytest.raises(tracking.TrackingError, match="there is no version 99 of duel"):
        champion.promote(client, "duel", "99")
    bare = client.create_run(client.get_experiment_by_name(EXPERIMENT).experiment_id).info.run_id
    with pytest.raises(tracking.TrackingError, match="was not evaluated"):
        champion.promote(client, "duel", client.create_model_version("duel", uri, run_id=bare).version)
