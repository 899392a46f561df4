"""docker/: the Dockerfiles and compose.yaml keep what they promise, as far as can be seen without an engine.

`make images` does the rest, with an engine: it builds the images, uses them, and looks into them.
"""

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from pixel_edu import __version__
from pixel_edu.course.checks.dockerfiles import entering, run_again, sources, steps_of, taken_from

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
FILES = sorted(DOCKER.glob("*.Dockerfile"))
NAMES = [path.name for path in FILES]
STEPS = {path.name: steps_of(path.read_text(encoding="utf-8")) for path in FILES}
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
PINNED = re.compile(r"\w+:[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}")
"""A tag with a version in it, and a digest."""
PATIENCE = 120


def tool(name: str, *words: str | Path) -> subprocess.CompletedProcess:
    """Run a program of the environment."""
    command = [Path(sys.executable).with_name(name), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def last(name: str, word: str) -> str:
    """What the last of these instructions says; it is the one that counts."""
    return [rest for each, rest in STEPS[name] if each == word][-1]


def test_the_linter_of_dockerfiles_has_nothing_to_say():
    done = tool("hadolint", *FILES)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_yaml_is_valid_by_the_schema_and_by_a_client(tmp_path):
    done = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml")
    assert done.returncode == 0, done.stdout
    podman = (
        tmp_path / "podman"
    )  # before it reads a file, the client asks its engine for a version, and no more
    podman.write_text("#!/bin/sh\necho podman version 5.0.0\n")
    podman.chmod(0o755)
    done = tool("podman-compose", "--podman-path", podman, "-f", DOCKER / "compose.yaml", "config")
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == set(SERVICES) == {"api", "mlflow", "postgres"}


@pytest.mark.parametrize("name", NAMES)
def test_an_image_begins_from_a_version_and_a_digest(name):
    stages = {rest.split()[2] for word, rest in STEPS[name] if word == "FROM" and " AS " in rest}
    bases = {rest.split()[0] for word, rest in STEPS[name] if word == "FROM"} - stages
    assert bases == {"${BASE}"}
    (base,) = (rest.removeprefix("BASE=") for word, rest in STEPS[name] if rest.startswith("BASE="))
    assert PINNED.fullmatch(base)


def test_all_images_begin_from_the_same_base_with_the_same_python():
    first = {tuple(steps[: steps.index(("FROM", "python AS packages"))]) for steps in STEPS.values()}
    assert len(first) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_install_takes_its_versions_from_the_pins_and_from_nowhere_else(name):
    installs = [rest for word, rest in STEPS[name] if word == "RUN" and "pip" in rest and " install" in rest]
    by_pip = [rest for rest in installs if "apt-get" not in rest]
    assert len(by_pip) >= 1
    assert all("-c constraints.txt" in rest or "--no-deps" in rest for rest in by_pip)
    assert not any("==" in rest for rest in by_pip)
    assert not any("latest" in rest for _, rest in STEPS[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_container_is_not_root_and_its_first_process_hears_signals(name):
    user, group = last(name, "USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    started = [rest for word, rest in STEPS[name] if word in ("CMD", "ENTRYPOINT")]
    assert started
    assert all(isinstance(json.loads(rest), list) for rest in started)
    assert last(name, "HEALTHCHECK") == "NONE" or json.loads(last(name, "HEALTHCHECK").partition(" CMD ")[2])


def test_a_server_s_image_has_a_health_check():
    without = [name for name in NAMES if last(name, "HEALTHCHECK") == "NONE"]
    assert without == ["train.Dockerfile"]


@pytest.mark.parametrize("name", ["api.Dockerfile", "train.Dockerfile"])
def test_a_change_of_the_code_installs_nothing_and_a_change_of_the_pins_does(name):
    (install,) = (
        n for n, (_, rest) in enumerate(STEPS[name]) if "--python /opt/venv/bin/python install" in rest
    )
    assert install not in run_again(STEPS[name], ["pixel_edu/generate.py"])
    assert install in run_again(STEPS[name], ["constraints.txt"])


def test_with_all_files_first_a_change_of_the_code_installs_everything(monkeypatch):
    monkeypatch.syspath_prepend(DOCKER)
    spec = importlib.util.spec_from_file_location("measure", DOCKER / "measure.py")
    measure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measure)
    steps = steps_of(measure.all_files_first((DOCKER / "api.Dockerfile").read_text(encoding="utf-8")))
    (install,) = (n for n, (_, rest) in enumerate(steps) if "--python /opt/venv/bin/python install" in rest)
    assert install in run_again(steps, ["pixel_edu/generate.py"])


def test_builds_see_what_they_copy_and_nothing_that_must_stay_at_home():
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    copied = {
        source
        for steps in STEPS.values()
        for word, rest in steps
        if word == "COPY" and not taken_from(rest)
        for source in sources(rest)
    }
    assert sorted(entering(sorted(copied), rules)) == sorted(copied)
    home = [
        ".git/config",
        ".venv/bin/python",
        "_build/html/index.html",
        "data/sprites.npy",
        "runs/tiny/log.csv",
    ]
    home += ["docker/postgres-password.txt", ".env", "pixel_edu/cli/__pycache__/train.cpython-311.pyc"]
    assert entering(home, rules) == []
    assert {path.split("/")[0] for path in entering([p.name for p in ROOT.iterdir()], rules)} == copied


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_locked_up_and_watched(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_s_image_is_built_here_in_this_version_or_pinned(name):
    image, build = SERVICES[name]["image"], SERVICES[name].get("build")
    if build:
        assert image == f"pixel-edu-{name}:{__version__}"
        assert (DOCKER / build["context"] / build["dockerfile"]).resolve() in FILES
    else:
        assert PINNED.fullmatch(image)


def test_only_mlflow_reaches_the_database_and_no_password_is_written_down():
    inside = {name for name, network in COMPOSE["networks"].items() if network and network.get("internal")}
    assert set(SERVICES["postgres"]["networks"]) <= inside
    assert "ports" not in SERVICES["postgres"]
    reach = {name for name, service in SERVICES.items() if inside & set(service["networks"])}
    assert reach == {"mlflow", "postgres"}
    (secret,) = COMPOSE["secrets"].values()
    done = subprocess.run(
        ["git", "check-ignore", "-q", f"docker/{secret['file']}"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode in (0, 128)  # 128: not a git checkout
    values = [str(v) for service in SERVICES.values() for v in service.get("environment", {}).values()]
    assert not any(re.search(r"//\w+:\w+@", value) for value in values)


def test_what_is_kept_lies_in_volumes_that_are_declared():
    mounted = {volume.split(":")[0] for each in SERVICES.values() for volume in each.get("volumes", [])}
    assert mounted == set(COMPOSE["volumes"])


def installed() -> tuple[list[str], list[str]]:
    """What api.Dockerfile installs, and what it takes out again."""
    (install,) = (
        rest for _, rest in STEPS["api.Dockerfile"] if "--python /opt/venv/bin/python install" in rest
    )
    (removed,) = (rest for _, rest in STEPS["api.Dockerfile"] if "uninstall -y" in rest)
    names = install.partition('$TORCH_INDEX"} ')[2].split()
    assert "torch" in names
    return names, removed.partition("uninstall -y ")[2].partition(" &&")[0].split()


def ask(url: str, order: dict | None = None) -> bytes:
    """An answer of the server."""
    data = json.dumps(order).encode() if order else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return response.read()


def parts_left_out() -> list[str]:
    """What api.Dockerfile takes out of this package."""
    steps = STEPS["api.Dockerfile"]
    word, removal = steps[steps.index(("WORKDIR", "/opt/app/pixel_edu")) + 1]
    assert (word, removal.split()[:2]) == ("RUN", ["rm", "-rf"])
    return removal.split()[2:]


def test_the_image_of_the_api_has_no_solutions_graders_or_notebooks():
    left_out = parts_left_out()
    assert set(left_out) >= {"course", "grading", "making", "notebooks", "widgets"}
    assert all((ROOT / "pixel_edu" / name).is_dir() for name in left_out)


@pytest.mark.slow
def test_the_api_needs_no_package_and_no_file_that_its_image_has_not(tmp_path, only):
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pixel_edu", tmp_path / "pixel_edu", ignore=leave_out)
    for name in parts_left_out():
        shutil.rmtree(tmp_path / "pixel_edu" / name)
    environment = only(*installed(), source=tmp_path)
    command = [sys.executable, "-S", "-m", "pixel_edu.cli", "serve", "tiny", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes) as server:
        try:
            said, until = "", time.monotonic() + PATIENCE
            while not (url := re.search(r"http://[\d.:]+", said)) and time.monotonic() < until:
                line = server.stdout.readline()
                assert line, f"the server ended: {said}"
                said += line
            for sampler in ("dpmpp_2m_sde", "dpmpp_2m", "ddim", "ddpm"):
                for form in ("png", "indexed", "json"):
                    order = {"sampler": sampler, "num_steps": 2, "format": form, "seed": 1}
                    assert ask(f"{url[0]}/v1/sprites", order)
            assert b"data:" in ask(f"{url[0]}/v1/sprites/stream?num_steps=2")
            assert b"pixel_edu" in ask(f"{url[0]}/metrics")
            assert b"openapi" in ask(f"{url[0]}/docs")
        finally:
            server.send_signal(signal.SIGTERM)
            rest = server.stdout.read()
    assert server.returncode == 0, said + rest


@pytest.mark.parametrize(
    ("engine", "says"), [("/bin/false", "ended with code 1"), ("no-such-engine", "was not found")]
)
def test_an_engine_that_does_not_work_is_told_in_a_sentence(engine, says):
    command = [sys.executable, DOCKER / "try.py", "--engine", engine]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
