"""Build the images, use them and stop them, with docker or podman, and check what the Dockerfiles promise.

    python docker/try.py                    `make images` calls this
    python docker/try.py --measured         and measure, for chapter 12: some minutes more

The API runs as compose.yaml runs it: not as root, on a read-only file system, without privileges. Training gets its
arrays through a mounted folder and leaves its own there. A broken promise ends the program with one sentence
and exit code 1.

Where no registry can be reached, --debootstrap MIRROR makes the base from Debian's packages, and --pip-conf FILE says
where pip finds its own. --build and --run hand on options of the engine: --build "--volume=/my/ca.pem:/run/ca.pem:ro".
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

from engine import (
    LOCKED,
    ROOT,
    Broken,
    ContainerEngine,
    answer,
    bootstrap,
    find_engine,
    must,
    tag,
    tell,
    wait_until,
)
from measure import measure
from PIL import Image

from pixel_edu import sprites
from pixel_edu.config import hardware
from pixel_edu.data import load, write_kaggle
from pixel_edu.files import replacing

IMAGES = ("api", "train", "mlflow")
MEASURED = ROOT / "book" / "measured" / "images.json"
ORDER = {"class": "food", "seed": 7, "format": "indexed", "sampler": "dpmpp_2m"}
ROWS, STEPS, DRAWN = 60, 2, 5
"""Sprites to train on, steps, and sprites to draw with what came out."""
CANARY = "a-word-that-only-the-secret-of-the-build-has"


def build_all(engine: ContainerEngine) -> None:
    """Build every image."""
    for name in IMAGES:
        tell(f"building {tag(name)}")
        tell(f"built in {engine.build(tag(name), ROOT / 'docker' / f'{name}.Dockerfile'):.0f} s")


def weigh(engine: ContainerEngine, name: str) -> dict[str, int]:
    """The bytes of an image's parts, largest first."""
    parts = engine.probe(tag(name), "sizes", "--user=0")
    parts = dict(sorted(parts.items(), key=lambda part: -part[1]))
    listed = ", ".join(f"{part} {size / 1e6:.0f}" for part, size in parts.items() if size)
    tell(f"{tag(name)}: {sum(parts.values()) / 1e6:.0f} MB on disk: {listed}")
    return parts


def look_for_secret(engine: ContainerEngine, name: str) -> list[str]:
    """Files of an image, and lines of its history, that hold the word of the build's secret."""
    lines = engine("history", "--no-trunc", tag(name)).splitlines()
    return engine.probe(tag(name), f"holding {CANARY}", "--user=0") + [
        line for line in lines if CANARY in line
    ]


def try_api(engine: ContainerEngine, port: int) -> dict:
    """Serve a sprite from a locked container, and stop it."""
    (image,) = json.loads(engine("inspect", "--type=image", tag("api")))
    user, check = image["Config"]["User"], (image | image["Config"])["Healthcheck"]["Test"]
    must(user.split(":")[0] not in ("", "0", "root"), "the API is not root", f"user {user}")
    address = f"http://127.0.0.1:{port}"
    with engine.running(*LOCKED, f"-p=127.0.0.1:{port}:8000", tag("api")) as name:
        seconds = wait_until(lambda: answer(f"{address}/readyz"), "the API", lambda: engine("logs", name))
        engine("exec", name, *check[1:])
        must(check[0] == "CMD", "it is ready, and its health check passes", f"after {seconds:.1f} s")
        png, again = (answer(f"{address}/v1/sprites", ORDER) for _ in range(2))
        with Image.open(io.BytesIO(png)) as picture:
            seen = f"{picture.format} {picture.mode} {picture.size}"
        must(seen == "PNG P (16, 16)", "a sprite comes as an indexed PNG of its true size", seen)
        must(png == again, "the same seed draws the same sprite", f"{len(png)} bytes")
        taken, code = engine.stop(name)
        said = engine("logs", name).strip().splitlines() or ["nothing"]
        must(code == 0 and taken < 8, "it stops when it is asked to", f"exit code {code} after {taken:.1f} s")
        must("Traceback" not in "".join(said), "it never stumbled", said[-1])
    return ORDER | {"png": base64.b64encode(png).decode()}


def try_train(engine: ContainerEngine) -> dict:
    """Arrays in through a mounted folder, training, and arrays out the same way."""
    with tempfile.TemporaryDirectory() as folder:
        data, drawn = Path(folder), sprites.make(ROWS)
        run, model, out = data / "mine", "/data/mine/model.safetensors", "/data/mine/sprites.npy"
        write_kaggle(data / "in", drawn.images, drawn.labels)
        given = [f"--user={os.getuid()}:{os.getgid()}", "--tmpfs=/tmp", "-v", f"{data}:/data", tag("train")]
        engine.run(
            *given, "train", "/data/in", "--out", "/data/mine", "--steps", str(STEPS), "--batch-size", "8"
        )
        seen = sorted(path.name for path in run.iterdir())
        must(
            "model.safetensors" in seen, f"{STEPS} steps leave a model in the mounted folder", ", ".join(seen)
        )
        engine.run(*given, "sample", "--checkpoint", model, "-n", str(DRAWN), "--steps", "2", "--out", out)
        shape, labels = load(run).images.shape, load(run).labels.tolist()
        right = shape == (DRAWN, 16, 16, 3) and labels == list(range(DRAWN))
        must(right, "sprites and labels come out as arrays that the package reads", f"{shape}, {labels}")
        owner = (run / "sprites.npy").stat().st_uid
        must(owner == os.getuid(), "they belong to whoever ran it", f"user {owner}")
        return {"rows": ROWS, "steps": STEPS, "shape": shape}


def try_mlflow(engine: ContainerEngine, port: int) -> None:
    """The MLflow image starts locked, as in compose.yaml, but with a database of one file."""
    store, health = (
        "--env=MLFLOW_BACKEND_STORE_URI=sqlite:////tmp/mlflow.db",
        f"http://127.0.0.1:{port}/health",
    )
    with engine.running(*LOCKED, f"-p=127.0.0.1:{port}:5000", store, tag("mlflow")) as name:
        seconds = wait_until(lambda: answer(health), "MLflow", lambda: engine("logs", name))
        must(True, "MLflow serves from a locked container", f"after {seconds:.1f} s")


def try_all(engine: ContainerEngine, options: argparse.Namespace) -> None:
    """Build and try everything; measure if that was asked for."""
    build_all(engine)
    facts = {"engine": engine("--version").strip(), "hardware": hardware()}
    facts["parts"] = {name: weigh(engine, name) for name in IMAGES}
    facts["canary"] = [found for name in IMAGES for found in look_for_secret(engine, name)]
    must(not facts["canary"], "the secret that was built with is in no image", facts["canary"])
    facts |= {"sprite": try_api(engine, options.port), "train": try_train(engine)}
    try_mlflow(engine, options.mlflow_port)
    if options.measured:
        facts |= measure(engine)
        with replacing(MEASURED) as temporary:
            temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    tell("all promises held")


def main() -> None:
    """Read the options, find an engine, and go."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--engine", default="", help='with its own options, such as "podman --log-level=error"'
    )
    parser.add_argument("--build", default="", metavar="OPTIONS", help="more of them, for every build")
    parser.add_argument("--run", default="", metavar="OPTIONS", help="more of them, for every container")
    parser.add_argument(
        "--pip-conf", type=Path, metavar="FILE", help="to build with; it stays out of the images"
    )
    parser.add_argument("--debootstrap", metavar="MIRROR", help="make the base image from a mirror of Debian")
    parser.add_argument("--port", type=int, default=8000, help="for the API, on this machine")
    parser.add_argument("--mlflow-port", type=int, default=5000, help="for MLflow, on this machine")
    parser.add_argument("--measured", action="store_true", help=f"also write {MEASURED.relative_to(ROOT)}")
    options = parser.parse_args()
    command = find_engine(options.engine)
    for_build, for_run = shlex.split(options.build), shlex.split(options.run)
    if Path(command[0]).name == "podman":
        for_build.append("--format=docker")  # the other format has no place for a health check
        for_run.append("--read-only-tmpfs=false")  # else more than /tmp can be written to
    with tempfile.TemporaryDirectory() as folder:
        pip_conf = Path(folder) / "pip.conf"
        pip_conf.write_text(f"{options.pip_conf.read_text() if options.pip_conf else ''}\n# {CANARY}\n")
        engine = ContainerEngine(command, for_build, for_run, pip_conf)
        if options.debootstrap:
            tell("making the base image")
            for_build.append(f"--build-arg=BASE={bootstrap(engine, options.debootstrap)}")
        try_all(engine, options)


if __name__ == "__main__":
    try:
        main()
    except Broken as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted")
