"""A model in MLflow: what it draws, what it refuses, and who serves it."""

import base64
import io
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixel_edu import generate, palette
from pixel_edu.checkpoints import CheckpointError, find, load_reference
from pixel_edu.config import CLASSES, SampleConfig
from pixel_edu.tracking import champion, connecting, model, server

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's own
ASKED = pd.DataFrame({"class": ["food", "creatures"], "seed": [7, 8]})
NAME = "served"


@pytest.fixture(scope="module")
def run_id(client):
    return client.create_run(connecting.experiment(client)).info.run_id


@pytest.fixture(scope="module")
def version(client, run_id):
    """The number of a registered version, which is the champion."""
    number = model.register(client, run_id, find("tiny"), NAME)
    client.set_registered_model_alias(NAME, champion.ALIAS, number)
    return number


@pytest.fixture(scope="module")
def uri(client, version):
    return client.get_model_version(NAME, version).source


@pytest.fixture(scope="module")
def sprites():
    return model.SpriteModel(find("tiny"))


def pixels(png):
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        return np.asarray(picture.convert("RGB"))


def by_hand(steps):
    denoiser = load_reference("tiny")
    config = SampleConfig(num_steps=steps)
    drawn = generate.generate(denoiser, [CLASSES.index("food"), CLASSES.index("creatures")], [7, 8], config)
    return palette.as_sprites(drawn, denoiser.palette)


def test_the_model_in_mlflow_draws_what_the_package_draws(client, uri):
    import mlflow

    with model.as_default(client):
        loaded = mlflow.pyfunc.load_model(uri)
    drawn = loaded.predict(ASKED, params={"num_steps": 4})
    assert np.array_equal([pixels(png) for png in drawn["png"]], by_hand(4))
    assert {column.name for column in loaded.metadata.signature.inputs} == {"class", "seed"}
    assert loaded.metadata.saved_input_example_info


def test_the_package_s_code_travels_with_the_model_and_nothing_that_it_does_not_need(client, uri):
    import mlflow

    with model.as_default(client):
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
        (
            {"class": ["food"], "seed": [0]},
            {"sampler": "euler"},
            "sampler 'euler': use dpmpp_2m_sde, dpmpp_2m",
        ),
    ],
)
def test_what_makes_no_sense_is_one_sentence(sprites, asked, params, said):
    with pytest.raises(Exception, match=said) as caught:
        sprites.predict(pd.DataFrame(asked), params)
    assert caught.value.get_http_status_code() == 400


def test_a_broken_checkpoint_is_not_kept(client, run_id, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError):
        model.log_checkpoint(client, run_id, tmp_path / "x.safetensors")


def test_a_run_has_one_version_however_often_it_is_registered(client, run_id, version):
    assert model.register(client, run_id, find("tiny"), NAME) == version
    assert len(client.get_run(run_id).outputs.model_outputs) == 1


def test_the_version_knows_its_run_and_the_run_its_model(client, run_id, version, uri):
    assert client.get_model_version(NAME, version).run_id == run_id
    (made,) = client.get_run(run_id).outputs.model_outputs
    assert uri == f"models:/{made.model_id}"
    assert client.get_logged_model(made.model_id).status == "READY"


def test_logging_a_model_leaves_the_run_and_the_program_as_they_were(client, new_run, tmp_path, monkeypatch):
    import mlflow

    id = new_run()
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri(), dict(os.environ)
    monkeypatch.setattr(mlflow.pyfunc, "log_model", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        model.log_checkpoint(client, id, find("tiny"))
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri(), dict(os.environ)) == before
    assert (client.get_run(id).info.status, client.get_run(id).info.end_time) == ("RUNNING", None)
    assert mlflow.active_run() is None


def test_an_interruption_while_mlflow_is_told_its_addresses_leaves_none_behind(client, monkeypatch):
    import mlflow

    told, before = mlflow.set_registry_uri, dict(os.environ)

    def interrupted(uri):
        told(uri)
        if uri:
            raise KeyboardInterrupt

    monkeypatch.setattr(mlflow, "set_registry_uri", interrupted)
    with pytest.raises(KeyboardInterrupt), model.as_default(client):
        pass
    assert dict(os.environ) == before


def test_mlflow_serves_the_champion(client, version, tmp_path, port):
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@{champion.ALIAS}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow calls uvicorn by its bare name
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": client.tracking_uri,
        "OMP_NUM_THREADS": "1",
        "PATH": path,
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-p", str(port), "--env-manager", "local"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def asked(body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    try:
        server.wait_for(f"http://127.0.0.1:{port}/ping", process, tmp_path / "log")
        body = {"dataframe_split": ASKED.to_dict(orient="split"), "params": {"num_steps": 4}}
        drawn = [row["png"] for row in asked(body)["predictions"]]
        assert np.array_equal([pixels(png) for png in drawn], by_hand(4))
        body["params"]["num_steps"] = 0
        with pytest.raises(urllib.error.HTTPError, match="400"):
            asked(body)
    finally:
        server.stop(process)
        print((tmp_path / "log").read_text(errors="replace")[-3000:])  # pytest shows it if this fails
