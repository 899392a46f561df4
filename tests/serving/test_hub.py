"""A model as a pipeline of diffusers: run where this package is not installed, and pushed to a hub on this machine."""

import base64
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from dataclasses import replace

import numpy as np
import pytest
import torch

from pixel_edu import checkpoints, generate, sprites
from pixel_edu.checkpoints import CheckpointError, find
from pixel_edu.config import SampleConfig, UserError
from pixel_edu.facts import DataFacts
from pixel_edu.images import to_uint8
from pixel_edu.palette import as_sprites
from pixel_edu.pixelart import cut_out
from pixel_edu.runs import TrainingRun
from pixel_edu.serving import card, hub, standalone
from pixel_edu.training import TrainConfig, TrainState, train
from pixel_edu.unet import PRESETS
from tests import command, needs

pytestmark = [pytest.mark.slow, needs.package("diffusers", "pip install 'pixel-edu[hub]'")]

CLOSE = 1e-4
"""The largest difference, of images in [-1, 1], that counts as the same."""
LABELS, SEEDS = [0, 2, 3, 5], [7, 8, 9, 10]
SCHEDULERS = {
    "ddpm": ("DDPMScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {}),
}
"""Of diffusers, and what is set in ours where it is another."""
REPO = "you/sprites"
COMMIT = hashlib.sha1(b"the only one").hexdigest()

ELSEWHERE = """
import sys
for name in ("pixel_edu", "jaxtyping", "typer"):
    sys.modules[name] = None  # as if it had never been installed
import diffusers
import numpy as np
import torch

def noise():
    return [torch.Generator().manual_seed(seed) for seed in SEEDS]

def complaint(pipeline, *arguments, **options):
    try:
        pipeline(*arguments, **options)
    except ValueError as error:
        return str(error)

drawn = {}
for key, (source, (scheduler, settings), options) in CASES.items():
    pipeline = diffusers.DiffusionPipeline.from_pretrained(source, trust_remote_code=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = getattr(diffusers, scheduler).from_config(pipeline.scheduler.config, **settings)
    drawn[key] = pipeline(LABELS, generator=noise(), output_type="pt", **options).images.numpy()
    if key == "ghosts":
        drawn["finished ghosts"] = np.stack(pipeline(LABELS, generator=noise(), **options).images)
for other in ("UniPCMultistepScheduler", "EulerDiscreteScheduler", "DDIMScheduler"):
    pipeline.scheduler = getattr(diffusers, other).from_config(pipeline.scheduler.config)
    drawn[other] = pipeline(LABELS, generator=noise(), output_type="pt", num_inference_steps=50).images.numpy()
finished = pipeline(["food", "items"], generator=noise()[:2]).images
drawn["finished"] = np.stack(finished)
drawn["unknown class"] = complaint(pipeline, ["dragons"])
pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)
drawn["odd number of steps"] = complaint(pipeline, ["food"], num_inference_steps=30)
half = diffusers.DiffusionPipeline.from_pretrained(source, trust_remote_code=True, torch_dtype=torch.float16)
drawn["half"] = half(LABELS, generator=noise(), output_type="pt").images.numpy()
np.savez(OUT, **{key: np.array(value) for key, value in drawn.items()})
"""


class Hub(http.server.ThreadingHTTPServer):
    """Answers as the Hugging Face Hub does, as far as the client asks it here, and keeps what is pushed."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.private, self.refuse_with = None, None, None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, hub = urllib.parse.urlsplit(self.path).path, self.server
        if hub.refuse_with:
            self.answer(hub.refuse_with, {"error": "no"})
        elif path == "/api/repos/create" and hub.files is not None:
            self.answer(409, {"error": "You already created this model repo", "url": f"{hub.url}/{REPO}"})
        elif path == "/api/repos/create":
            hub.files, hub.private = {}, json.loads(body).get("visibility") == "private"
            self.answer(200, {"url": f"{hub.url}/{REPO}", "name": REPO})
        elif path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif path == f"/api/models/{REPO}/preupload/main":
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in files]
            self.answer(200, {"files": modes})
        elif path == f"/api/models/{REPO}/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer(200, {"commitUrl": f"{hub.url}/{REPO}/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self.answer(404, {"error": f"no {path}"})

    def do_GET(self):
        path, files = urllib.parse.urlsplit(self.path).path, self.server.files
        if path in (f"/api/models/{REPO}", f"/api/models/{REPO}/revision/main"):
            listed = [{"rfilename": name} for name in files]
            self.answer(200, {"id": REPO, "sha": COMMIT, "siblings": listed, "private": False, "tags": []})
        elif path == f"/api/models/{REPO}/tree/{COMMIT}":
            self.answer(
                200,
                [
                    {"type": "file", "path": name, "size": len(file), "oid": hashlib.sha1(file).hexdigest()}
                    for name, file in files.items()
                ],
            )
        elif found := re.fullmatch(f"/{REPO}/resolve/(?:main|{COMMIT})/(.+)", path):
            self.answer(200, files[found[1]]) if found[1] in files else self.answer(404, {})
        else:
            self.answer(404, {"error": f"no {path}"})

    def do_HEAD(self):
        self.do_GET()

    def answer(self, code, content):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    with Hub() as here:
        threading.Thread(target=here.serve_forever, daemon=True).start()
        yield here
        here.shutdown()


@pytest.fixture(scope="module")
def environment(server, tmp_path_factory):
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    home = tmp_path_factory.mktemp("home")
    return clean | {
        "HF_HOME": str(home),
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": "hf_none",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def eps_model(tmp_path_factory):
    """A small network that answers eps, on the linear schedule, trained until it has an opinion."""
    drawn = sprites.make(500)
    config = TrainConfig(PRESETS["tiny"], "linear", "eps", steps=150, batch_size=12, warmup=10)
    *_, last = train(drawn.images, drawn.labels, config, device="cpu")
    path = tmp_path_factory.mktemp("eps") / "model.safetensors"
    checkpoints.save_model(path, last.state)
    return path


@pytest.fixture(scope="module")
def ghosts(tmp_path_factory):
    """A small network that draws 12x12 sprites with alpha."""
    drawn = cut_out(sprites.make(200).images[:, 2:14, 2:14])
    unet = replace(PRESETS["tiny"], image_channels=4)
    folder = tmp_path_factory.mktemp("ghosts")
    run = TrainingRun(folder, TrainConfig(unet, steps=20, batch_size=16, warmup=10))
    assert run.train(drawn, sprites.make(200).labels, "cpu", sample_every=100)
    return folder / "model.safetensors"


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The small network as if it had been distilled to four calls."""
    state = TrainState(replace(checkpoints.read_about(find("tiny")).config, calls=4))
    state.ema.network.load_state_dict(checkpoints.load_reference("tiny").network.state_dict())
    path = tmp_path_factory.mktemp("student") / "model.safetensors"
    checkpoints.save_model(path, state)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory, eps_model, ghosts, student):
    """Pipelines of five models, by the model's name."""
    shipped = {name: find(name) for name in ("tiny", "reference")}
    models = shipped | {"eps": eps_model, "ghosts": ghosts, "student": student}
    here = tmp_path_factory.mktemp("pipelines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "SHOWN", 1)  # of the picture, which takes time to draw
        for name, path in models.items():
            hub.save(path, here / name)
    return {name: (path, here / name) for name, path in models.items()}


def test_a_card_leaves_open_what_the_owner_of_the_data_has_to_say(tmp_path, monkeypatch):
    monkeypatch.setattr(card, "SHOWN", 1)
    about = checkpoints.read_about(find("tiny"))
    record = {"data": "/home/ada/sprites, 10% held out", "command": "pixel-edu train /home/ada/sprites"}
    facts = DataFacts(("boss", "coin", "door", "hero", "tree"), counts=(1, 2, 3, 4, 500))
    own = about._replace(record=record, data=facts)
    card.write(tmp_path, own, checkpoints.load_reference("tiny"), None)
    said = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "/home/ada" not in said
    assert "left open" in said
    assert "license:" not in said
    assert 'pipeline(["boss", "tree"]' in said
    assert "| 510 sprites, 16x16; where they come from is left open" in said
    assert "Check that the training data's licence allows" in said


def test_a_card_says_the_size_the_transparency_and_the_licence_of_the_data():
    about, denoiser = checkpoints.read_about(find("tiny")), checkpoints.load_reference("tiny")
    facts = DataFacts(('the "boss"',), 24, 4, licence="CC0-1.0")
    said = card.text(about._replace(data=facts), denoiser, None)
    assert "# Pixel art sprites, 24x24, with transparency" in said
    assert "It draws 24x24 pixels of one class" in said
    assert "learned from are under this licence: CC0-1.0." in said
    assert 'pipeline(["the \\"boss\\"", "the' in said
    many = DataFacts(tuple(f"class {i}" for i in range(200)))
    assert "shows one of each" in card.text(about._replace(data=many), denoiser, None)


@pytest.fixture(scope="module")
def pushed(folders, server, environment):
    """What the command said that pushed one of them."""
    return command.run("push", folders["tiny"][1], REPO, "--private", env=environment)


WAYS = {
    **{f"{model} {sampler}": (model, SampleConfig(sampler))
       for model in ("tiny", "reference", "eps") for sampler in SCHEDULERS},
    "guidance everywhere": ("tiny", SampleConfig("ddim", 10, 2.0, None)),
    "no guidance": ("tiny", SampleConfig("dpmpp_2m", 7, 1.0, None)),
    "one step": ("tiny", SampleConfig("ddim", 1, 2.0, None)),
    "ghosts": ("ghosts", SampleConfig(num_steps=10)),
    "many steps": ("tiny", SampleConfig("ddpm", 50, 1.0, None)),
    "a student of four calls": ("student", SampleConfig()),
}  # fmt: skip


@pytest.fixture(scope="module")
def elsewhere(folders, pushed, environment, tmp_path_factory):
    """What plain diffusers draws in a process that knows nothing of this package."""
    assert pushed.returncode == 0, pushed.stderr
    out = tmp_path_factory.mktemp("drawn") / "drawn.npz"

    def options(config):
        return {
            "num_inference_steps": config.num_steps,
            "guidance_scale": config.guidance_scale,
            "guidance_interval": config.interval,
        }

    cases = {
        key: (str(folders[model][1]), SCHEDULERS[config.sampler], options(config))
        for key, (model, config) in WAYS.items()
    }
    cases["from the hub"] = (REPO, SCHEDULERS["dpmpp_2m_sde"], {})
    facts = f"CASES, LABELS, SEEDS, OUT = {cases!r}, {LABELS!r}, {SEEDS!r}, {str(out)!r}\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", facts + ELSEWHERE],
        env=environment, cwd=out.parent, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(out)


def ours(path, config=SampleConfig(), labels=LABELS, seeds=SEEDS):
    """What this package draws, as it comes out of the network."""
    *_, last = generate.stream(checkpoints.load_model(path), labels, seeds, config)
    return last.x.numpy()


@pytest.mark.parametrize("key", WAYS)
def test_a_scheduler_of_diffusers_draws_what_our_sampler_draws(elsewhere, folders, key):
    model, config = WAYS[key]
    expected = ours(folders[model][0], config)
    apart = np.abs(elsewhere[key] - expected).max(axis=(1, 2, 3))
    assert expected.std() > 0.1
    assert np.median(apart) < CLOSE
    # Fresh noise now and then leads a sprite to a fork where the last bits of float32 decide: with our own sampler a
    # larger batch is enough for that.
    assert apart.max() < (0.01 if config.sampler in ("ddpm", "dpmpp_2m_sde") else CLOSE)


def test_what_came_back_from_the_hub_draws_the_same(elsewhere):
    assert np.array_equal(elsewhere["from the hub"], elsewhere["tiny dpmpp_2m_sde"])


@pytest.mark.parametrize("other", ["UniPCMultistepScheduler", "EulerDiscreteScheduler"])
def test_schedulers_that_nobody_prepared_for_come_close(elsewhere, other):
    assert 0 < np.abs(elsewhere[other] - elsewhere["DDIMScheduler"]).mean() < 0.05


def test_finished_sprites_are_in_true_colours(elsewhere, folders):
    denoiser = checkpoints.load_model(folders["tiny"][0])
    drawn = elsewhere["finished"].reshape(-1, 3)
    assert elsewhere["finished"].shape == (2, 16, 16, 3)
    assert {tuple(color) for color in drawn} <= {tuple(color) for color in denoiser.palette}
    assert len(np.unique(drawn, axis=0)) > 4


def test_sprites_of_another_size_with_alpha_are_finished_as_here(elsewhere, folders):
    path, folder = folders["ghosts"]
    denoiser = checkpoints.load_model(path)
    drawn = elsewhere["finished ghosts"]
    assert drawn.shape == (4, 12, 12, 4)
    assert set(np.unique(drawn[..., 3])) == {0, 255}
    assert (drawn[drawn[..., 3] == 0] == [255, 255, 255, 0]).all()
    expected = as_sprites(to_uint8(torch.from_numpy(elsewhere["ghosts"])), denoiser.palette)
    assert (drawn == expected).all()
    assert "12x12, with transparency" in (folder / "README.md").read_text(encoding="utf-8")


def test_loaded_at_half_precision_it_draws_the_same(elsewhere, folders):
    assert np.abs(elsewhere["half"] - ours(folders["tiny"][0])).max() < CLOSE


def test_what_cannot_be_drawn_is_one_sentence_there_too(elsewhere):
    assert str(elsewhere["unknown class"]).startswith(
        "there is no class 'dragons': use characters, creatures"
    )
    assert "DDIMScheduler cannot take 30 even steps: use a number that divides 1000" in str(
        elsewhere["odd number of steps"]
    )


def test_a_push_takes_the_whole_folder_and_nothing_else(pushed, server, folders):
    folder = folders["tiny"][1]
    here = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert pushed.stdout == f"{server.url}/{REPO}\n"
    assert pushed.stderr == ""
    here["README.md"] = here["README.md"].replace(b"YOU/NAME", REPO.encode())
    assert f'from_pretrained("{REPO}", trust' in here["README.md"].decode()
    assert server.files == here
    assert server.private
    assert set(here) == {
        "README.md", "model_index.json", "pipeline.py", "scheduler/scheduler_config.json", "sprites.png",
        "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "unet/sprite_unet.py",
    }  # fmt: skip


@pytest.fixture
def client(server, monkeypatch):
    """huggingface_hub in this process, sent to the server here."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    yield constants
    server.refuse_with = None


def test_a_repository_that_is_there_is_only_added_to_on_demand(pushed, folders, server, client):
    folder = folders["tiny"][1]
    with pytest.raises(UserError, match=f"{REPO} is already there: choose another name, or add a commit"):
        hub.push(folder, REPO)
    server.files["model_index.json"] = b"an older one"
    assert hub.push(folder, REPO, update=True) == f"{server.url}/{REPO}"
    assert server.files["model_index.json"] == (folder / "model_index.json").read_bytes()


@pytest.mark.parametrize(
    ("code", "says"),
    [(401, "run hf auth login"), (403, "run hf auth login"), (500, "status 500.*try again later")],
)
def test_a_hub_that_refuses_is_one_sentence(pushed, folders, server, client, code, says):
    server.refuse_with = code
    with pytest.raises(UserError, match=says) as caught:
        hub.push(folders["tiny"][1], REPO, update=True)
    assert "\n" not in str(caught.value)


def test_a_hub_that_is_away_or_a_name_that_is_none_is_one_sentence(folders, client, monkeypatch, tmp_path):
    monkeypatch.setattr(client, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"you/sprites could not be reached .*check the network"):
        hub.push(folders["tiny"][1], REPO)
    with pytest.raises(UserError, match="a//b is not a repository name: use one such as you/sprites"):
        hub.push(folders["tiny"][1], "a//b")
    with pytest.raises(UserError, match="holds no pipeline: write one with pixel-edu export"):
        hub.push(tmp_path, REPO)


@pytest.fixture
def report():
    """A report as pixel-edu evaluate writes it."""
    score = {"value": 0.982, "low": 0.971, "high": 0.99}
    row = {"name": "right class", "better": "higher", "model": score, "real": score, "worse_than_real": False}
    settings = {"checkpoint": "tiny", "sprites": 1000, "sampler": "dpmpp_2m", "steps": 20, "guidance": 3.0}
    verdict = "They are told from real ones."
    return {"pixel_edu": "0", "settings": settings, "verdict": verdict, "measures": {"label_accuracy": row}}


def test_the_card_says_what_the_checkpoint_and_the_report_say(tmp_path, report):
    from huggingface_hub import ModelCard

    (tmp_path / "report.json").write_text(json.dumps(report))
    hub.save(find("tiny"), tmp_path / "out", tmp_path / "report.json")
    page, about = ModelCard.load(tmp_path / "out/README.md"), checkpoints.read_about(find("tiny"))
    assert (page.data.license, page.data.library_name) == ("mit", "diffusers")
    for fact in (
        about.record["data"], about.record["hardware"], f"`{about.record['command']}`", "0.30 million parameters",
        f"{about.step:,} of {about.config.batch_size} sprites", "characters, creatures, food, items, side_view",
        "| right class | 98.2 % (97.1–99.0) | 98.2 % (97.1–99.0) |", "MIT licence", "![A row of drawn sprites",
        report["verdict"],
    ):  # fmt: skip
        assert fact in page.text
    assert "Not measured yet" not in page.text


def test_the_card_of_a_model_that_was_not_measured_says_so(folders):
    assert "Not measured yet" in (folders["eps"][1] / "README.md").read_text(encoding="utf-8")
    assert "not noted" in (folders["eps"][1] / "README.md").read_text(encoding="utf-8")


def test_a_report_that_is_none_or_of_another_model_is_refused_before_anything_is_written(tmp_path, report):
    file = tmp_path / "report.json"
    for content, says in (
        (
            json.dumps(report | {"settings": {"checkpoint": "reference"}}),
            "is about reference: run pixel-edu evaluate",
        ),
        (json.dumps(report | {"measures": {"fid": {}}}), "cannot be read as a report"),
        ("[]", "cannot be read as a report"),
        ("no", "cannot be read as a report"),
    ):
        file.write_text(content)
        with pytest.raises(UserError, match=says):
            hub.save(find("tiny"), tmp_path / "out", file)
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_in_use_is_never_written_over(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("this too")
    for place in ("mine", "file"):
        with pytest.raises(UserError, match="already there and not empty: choose another folder"):
            hub.save(find("tiny"), tmp_path / place)
    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


def test_a_broken_checkpoint_leaves_nothing_behind(tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(find("tiny").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors"):
        hub.save(cut, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [cut]


def test_without_diffusers_the_message_says_what_to_install(tmp_path):
    code = """
import sys
sys.modules[sys.argv[1]] = None
from pixel_edu.config import UserError
from pixel_edu.serving import hub
try:
    hub.save(sys.argv[2], sys.argv[3])
except UserError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, "diffusers", find("tiny"), tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("diffusers is not installed: pip install 'pixel-edu[hub]', or make lab")


def test_the_command_writes_a_pipeline_and_says_what_next(tmp_path, environment):
    def run(*arguments):
        return command.run("export", *arguments, cwd=tmp_path, env=environment)

    done = run("tiny", "--format", "diffusers")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "tiny-diffusers; read tiny-diffusers/README.md, then publish it: pixel-edu push tiny-diffusers YOU/NAME\n"
    )
    again = run("tiny", "--format", "diffusers")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "error: tiny-diffusers is already there and not empty: choose another folder\n"
    for wrong in (["--half", "--format", "diffusers"], ["--report", "x.json"], ["--format", "jpeg"]):
        done = run("tiny", *wrong)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_files_that_travel_ask_for_nothing_of_this_package(folders):
    for name in ("pipeline.py", "unet/sprite_unet.py"):
        text = (folders["tiny"][1] / name).read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) pixel_edu", text.split('"""', 2)[2], re.MULTILINE)
        assert set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)) <= {
            "__future__", "collections", "dataclasses", "diffusers", "functools", "inspect", "math", "numpy", "PIL",
            "torch", "typing",
        }  # fmt: skip
        assert text.count("class SpriteUNet") == (name == "unet/sprite_unet.py")


def test_a_bundle_takes_what_is_used_and_no_more():
    text = standalone.standalone("pixel_edu.guidance", "timesteps_between")
    assert "def timesteps_between" in text
    assert "def guide" not in text
    assert "NULL_LABEL" not in text


def test_two_things_of_one_name_in_a_bundle_are_refused(tmp_path, monkeypatch):
    package = tmp_path / "pixel_edu_two"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text(
        "from pixel_edu_two.other import made\nSIZE = 1\ndef all(): return made() + SIZE"
    )
    (package / "other.py").write_text("SIZE = 2\ndef made(): return SIZE")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(standalone, "PACKAGE", "pixel_edu_two")
    with pytest.raises(ValueError, match=r"both define SIZE"):
        standalone.standalone("pixel_edu_two.one", "all")
