"""The demo without a browser: what it draws, and what it says when it cannot start."""

import base64
import dataclasses
import io
import re
import socket
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from pixel_edu import generate, load_reference, palette
from pixel_edu.cli import app
from pixel_edu.config import SampleConfig, UserError
from pixel_edu.pixelart import cut_out
from pixel_edu.serving import demo


@pytest.mark.parametrize("name", ["tiny", "bits"])
@pytest.mark.parametrize("sampler", demo.SAMPLERS)
def test_the_last_frame_is_the_sprite_that_generate_draws(name, sampler):
    model, config = load_reference(name), SampleConfig(sampler, 4)
    *way, last = demo.frames(model, 2, 5, config)
    drawn = generate.generate(model, [2], [5], config)
    assert (last == palette.as_sprites(drawn, model.palette)[0]).all()
    assert len(way) == 1 + 4
    assert {(frame.shape, frame.dtype) for frame in way} == {((16, 16, 3), np.dtype(np.uint8))}


def test_many_steps_do_not_make_many_frames(monkeypatch):
    monkeypatch.setattr(demo, "MOST_FRAMES", 4)
    model = load_reference("tiny")
    made = [len(list(demo.frames(model, 0, 0, SampleConfig("ddim", steps)))) for steps in (4, 5, 9)]
    assert made == [1 + 4 + 1, 1 + 3 + 1, 1 + 3 + 1]


def said(*arguments):
    """The sentence that the command ends with."""
    done = CliRunner().invoke(app, ["demo", *map(str, arguments)])
    assert isinstance(done.exception, UserError), done.output
    return str(done.exception)


def test_a_port_in_use_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert (
            said("tiny", "--port", port)
            == f"port {port} is taken: end what uses it, or choose another --port"
        )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("broken.safetensors", b"no checkpoint", "is not a checkpoint of this package"),
        ("absent.safetensors", None, "is not there"),
        ("broken.onnx", b"no model", "is not a model that pixel-edu export wrote"),
    ],
)
def test_a_broken_checkpoint_is_one_sentence(tmp_path, name, content, says):
    if content:
        (tmp_path / name).write_bytes(content)
    assert said(tmp_path / name, "--port", 0).startswith(f"{tmp_path / name} {says}")


def test_without_gradio_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert said("tiny", "--port", 0).startswith("gradio is not installed: pip install 'pixel-edu[serve]', or")


@pytest.mark.parametrize(("size", "channels"), [(16, 3), (24, 3), (8, 4)])
def test_a_drawn_sprite_can_be_taken_without_its_background_whatever_its_size(size, channels):
    model = dataclasses.replace(
        load_reference("tiny"), network=lambda x, t, c: torch.tanh(x), size=size, channels=channels
    )
    *_, last = demo.frames(model, 2, 5, SampleConfig(num_steps=2))
    shown = demo.as_gallery([demo.Drawn(last, "side view", 5)])
    found = re.search(r'download="side_view-5-transparent.png" href="data:image/png;base64,([^"]+)"', shown)
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
        assert (np.asarray(picture.convert("RGBA")) == cut_out(last[None])[0]).all()
    assert f">{size} px</a>" in shown
