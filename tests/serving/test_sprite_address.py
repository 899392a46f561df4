"""One sprite at an address: what a game's page gets, what its caches keep, and who may ask."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from pixel_edu import images
from pixel_edu.config import SampleConfig
from pixel_edu.generate import generate
from pixel_edu.palette import as_sprites
from pixel_edu.pixelart import cut_out
from pixel_edu.serving import web
from pixel_edu.serving.api import create_app

FOOD = "class=food&seed=6&num_steps=2"
PAGE = "http://localhost:3000"


@pytest.fixture(scope="module")
def food(tiny):
    """(16, 16, 3) uint8: what `pixel-edu sample` draws."""
    return as_sprites(generate(tiny, ["food"], [6], SampleConfig(num_steps=2)), tiny.palette)[0]


def pixels(answer, mode="RGB"):
    with Image.open(io.BytesIO(answer.content)) as picture:
        return np.asarray(picture.convert(mode))


def test_it_is_the_sprite_of_its_seed_in_an_indexed_file(client, food):
    answer = client.get(f"/sprite.png?{FOOD}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["Seed"] == "6"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.mode == "P"
    assert (pixels(answer) == food).all()
    assert (pixels(client.get(f"/sprite.png?{FOOD}&scale=3")) == images.upscale(food, 3)).all()
    whole = client.post("/v1/sprites", json={"class": "food", "seed": 6, "num_steps": 2, "scale": 1})
    assert (pixels(whole) == food).all()


def test_its_background_is_cut_out_if_asked(client, food):
    answer = client.get(f"/sprite.png?{FOOD}&transparent=true")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.mode == "P"
        assert "transparency" in picture.info
    assert (pixels(answer, "RGBA") == cut_out(food[None])[0]).all()


@pytest.mark.parametrize("form", ["png", "indexed", "json"])
def test_an_order_of_many_may_be_transparent_too(client, form, food):
    asked = {"class": "food", "seed": 5, "n": 2, "num_steps": 2, "scale": 1, "format": form}
    answer = client.post("/v1/sprites", json=asked | {"transparent": True})
    cut = cut_out(food[None])[0]
    if form == "json":
        told = answer.json()["sprites"][1]
        assert "#ffffff00" in told["palette"]
        colors = [bytes.fromhex(color[1:].ljust(8, "f")) for color in told["palette"]]
        assert (np.array([list(color) for color in colors])[np.array(told["pixels"])] == cut).all()
    else:
        assert (pixels(answer, "RGBA")[:, -16:] == cut).all()
        gap = pixels(answer, "RGBA")[:, 16:-16]
        assert gap.shape[1] == (form == "png")
        assert (gap[..., 3] == 0).all()


def test_transparent_is_true_or_false_and_nothing_else_in_json(client):
    wrong = client.post("/v1/sprites", json={"transparent": "yes"})
    assert wrong.json() == {"error": "transparent is 'yes': input should be a valid boolean"}


def test_a_cache_keeps_it_for_good_and_its_tag_draws_nothing_not_even_after_a_restart(client, tiny):
    first = client.get(f"/sprite.png?{FOOD}&transparent=true")
    assert first.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    tag = first.headers["ETag"]
    assert tag.strip('"').isalnum()
    with TestClient(create_app(tiny)) as restarted:
        calls = restarted.app.state.metrics.images._value.get()
        for server in (client, restarted):
            same = "transparent=1&num_steps=2&seed=6&class=food&v=other"
            again = server.get(f"/sprite.png?{same}", headers={"If-None-Match": tag})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
            assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert restarted.app.state.metrics.images._value.get() == calls


@pytest.mark.parametrize(
    "query",
    [
        "class=food&seed=8&num_steps=2",
        "class=items&seed=6&num_steps=2",
        f"{FOOD}&scale=2",
        "class=food&seed=6",
    ],
)
def test_another_sprite_has_another_tag(client, query):
    tag = client.get(f"/sprite.png?{FOOD}").headers["ETag"]
    other = client.get(f"/sprite.png?{query}", headers={"If-None-Match": tag})
    assert (other.status_code, other.headers["ETag"] != tag) == (200, True)


def test_another_model_has_another_tag_for_the_same_address(client, tiny):
    tag = client.get(f"/sprite.png?{FOOD}").headers["ETag"]
    changes = [
        {"network": lambda x, t, c: tiny.network(x, t, c) * 1.01},
        {"palette": tiny.palette[1:]},
        {"classes": ("a", "b", "food", "d", "e")},
    ]
    for change in changes:
        with TestClient(create_app(dataclasses.replace(tiny, **change))) as other:
            answer = other.get(f"/sprite.png?{FOOD}", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.headers["ETag"] != tag) == (200, True)


def test_without_a_seed_it_is_another_one_each_time_and_never_kept(client):
    one, other = (client.get("/sprite.png?num_steps=1", headers={"If-None-Match": "*"}) for _ in "ab")
    assert one.headers["Cache-Control"] == "no-store"
    assert "ETag" not in one.headers
    assert one.headers["Seed"] != other.headers["Seed"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("class=dragon&seed=1", "class is 'dragon': input should be 'characters', 'creatures', 'food',"),
        ("seed=x", "seed is 'x': input should be a valid integer"),
        ("scale=33", "scale is '33': input should be less than or equal to 32"),
        ("transparent=perhaps", "transparent is 'perhaps': input should be a valid boolean"),
        ("num_steps=1001", "num_steps is '1001': input should be less than or equal to 1000"),
        ("n=2", "'n' is not a field of an order: see /docs"),
        ("seed=1&seed=2", "seed is given 2 times: give it once"),
        (f"v={'x' * 65}", "v is '"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence_whatever_is_kept(client, query, says):
    answer = client.get(f"/sprite.png?{query}", headers={"If-None-Match": "*"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(says)
    assert "unable to" not in answer.json()["error"]  # which is the parser's own trouble


def test_pages_of_every_origin_may_read_it_and_nothing_else(client):
    read = client.get(f"/sprite.png?{FOOD}", headers={"Origin": PAGE})
    assert read.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" in read.headers["Access-Control-Expose-Headers"]
    wrong = client.get("/sprite.png?n=2", headers={"Origin": PAGE})
    assert (wrong.status_code, wrong.headers["Access-Control-Allow-Origin"]) == (422, "*")
    assert "Access-Control-Allow-Origin" not in client.get("/readyz", headers={"Origin": PAGE}).headers


def test_origins_that_are_named_are_the_only_ones_for_it_too(tiny):
    with TestClient(create_app(tiny, origins=[PAGE], prefix="/art")) as client:
        for origin, told in ((PAGE, PAGE), ("http://evil.test", None)):
            read = client.get(f"/art/sprite.png?{FOOD}", headers={"Origin": origin})
            assert read.headers.get("Access-Control-Allow-Origin") == told


def test_behind_a_prefix_it_is_open_too(tiny):
    with TestClient(create_app(tiny, prefix="/art")) as client:
        for path in ("/art/sprite.png", "/sprite.png"):  # as a proxy leaves it, or strips it
            read = client.get(f"{path}?{FOOD}", headers={"Origin": PAGE})
            assert (read.status_code, read.headers["Access-Control-Allow-Origin"]) == (200, "*")


@pytest.mark.parametrize(("size", "channels"), [(8, 4), (24, 3), (24, 4)])
def test_a_model_of_another_size_or_with_alpha_serves_its_own_sprites(tiny, size, channels):
    def network(x, t, c):
        return torch.tanh(x)

    other = dataclasses.replace(tiny, network=network, size=size, channels=channels)
    with TestClient(create_app(other)) as client:
        answer = client.get(f"/sprite.png?{FOOD}&transparent=true")
        assert pixels(answer, "RGBA").shape == (size, size, 4)
        assert f"{size}x{size} pixels" in client.get("/docs").text
        each = client.get(f"/v1/sprites?{FOOD}&format=json").json()["sprites"][0]
        assert len(each["pixels"]) == size
        assert {len(color) for color in each["palette"]} <= {7, 9}


def test_a_tag_depends_on_all_that_decides():
    assert len({web.tag_of("a", "b"), web.tag_of("ab"), web.tag_of("a", "c")}) == 3
