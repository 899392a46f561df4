"""The API as a client meets it: what it gives, and what it says when it cannot."""

import base64
import dataclasses
import io
import json
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pixel_edu import generate, images, palette
from pixel_edu.config import SampleConfig
from pixel_edu.serving.api import create_app

STEPS = 3


def order(client, **fields):
    return client.post("/v1/sprites", json={"num_steps": STEPS} | fields)


def drawn(tiny, labels, seeds, **settings):
    config = SampleConfig(**({"num_steps": STEPS} | settings))
    return palette.as_sprites(generate.generate(tiny, labels, seeds, config), tiny.palette)


def pixels(png: bytes):
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


def from_address(address: str):
    kind, _, data = address.partition(",")
    assert kind == "data:image/png;base64"
    return base64.b64decode(data)


def test_a_png_is_one_enlarged_sprite(client, tiny):
    answer = order(client, **{"class": "food", "seed": 7})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["seed"] == "7"
    assert answer.headers["content-disposition"] == 'inline; filename="food-7.png"'
    assert np.array_equal(pixels(answer.content), images.upscale(drawn(tiny, [2], [7])[0], 8))


def test_a_png_of_many_is_a_sheet_of_ten_a_row(client, tiny):
    answer = order(client, n=11, seed=3, scale=2)
    sprites = drawn(tiny, [i % 5 for i in range(11)], list(range(3, 14)))
    assert np.array_equal(pixels(answer.content), images.upscale(images.grid(sprites, 10), 2))


def test_indexed_is_true_size_without_gaps_and_lists_its_colours(client, tiny):
    answer = order(client, n=3, seed=3, format="indexed", **{"class": "items"})
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.mode, picture.size) == ("P", (48, 16))
    sprites = drawn(tiny, [3] * 3, [3, 4, 5])
    assert np.array_equal(pixels(answer.content), np.concatenate(list(sprites), axis=1))


def test_json_is_every_sprite_as_picture_and_as_numbers_of_its_colours(client, tiny):
    answer = order(client, n=6, seed=40, format="json")
    sprites = drawn(tiny, [0, 1, 2, 3, 4, 0], list(range(40, 46)))
    got = answer.json()["sprites"]
    assert [each["class"] for each in got] == [
        "characters",
        "creatures",
        "food",
        "items",
        "side_view",
        "characters",
    ]
    assert [each["seed"] for each in got] == list(range(40, 46))
    for each, sprite in zip(got, sprites, strict=True):
        assert np.array_equal(pixels(from_address(each["png"])), sprite)
        colors = np.array([tuple(bytes.fromhex(color[1:])) for color in each["palette"]], np.uint8)
        assert np.array_equal(colors[np.array(each["pixels"])], sprite)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpmpp_2m", "dpmpp_2m_sde"])
def test_every_setting_counts(client, tiny, sampler):
    asked = {"sampler": sampler, "num_steps": 4, "guidance_scale": 1.5, "format": "indexed", "seed": 1}
    answer = order(client, **asked, **{"class": "creatures"})
    expected = drawn(tiny, [1], [1], sampler=sampler, num_steps=4, guidance_scale=1.5)
    assert np.array_equal(pixels(answer.content), expected[0])


def test_without_a_seed_each_answer_differs_and_tells_its_seed(client):
    one, other = (order(client, format="json") for _ in range(2))
    assert one.headers["seed"] != other.headers["seed"]
    again = order(client, format="json", seed=int(one.headers["seed"]))
    assert again.json() == one.json()


def test_the_same_seed_is_the_same_sprite_among_others(client):
    alone = order(client, seed=5, format="json", **{"class": "food"}).json()["sprites"]
    among = order(client, seed=3, n=7, format="json", **{"class": "food"}).json()["sprites"]
    assert among[2:3] == alone


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"class": "dragons"}, "class is 'dragons': input should be 'characters', 'creatures', 'food'"),
        ({"n": 0}, "n is 0: input should be greater than or equal to 1"),
        ({"n": 10**9}, "n is 1000000000: input should be less than or equal to 64"),
        ({"n": 1.5}, "n is 1.5: input should be a valid integer"),
        ({"n": "4"}, "n is '4': input should be a valid integer"),
        ({"guidance_scale": 1e300}, "guidance_scale is 1e+300: input should be less than or equal to 20"),
        ({"num_steps": 0}, "num_steps is 0: input should be greater"),
        ({"n": 64, "num_steps": 51}, "64 sprites of 51 steps are 3264 model calls: ask for at most 3200"),
        ({"sampler": "euler"}, "sampler is 'euler': input should be 'dpmpp_2m_sde', 'dpmpp_2m', 'ddim'"),
        ({"seed": -1}, "seed is -1: input should be greater"),
        ({"seed": 2**64}, "seed is 18446744073709551616: input should be less"),
        ({"seed": 10**500}, "seed is 1000000000000000000000000000000000000000...: "),
        ({"format": "gif"}, "format is 'gif': input should be 'png', 'json' or 'indexed'"),
        ({"colour": "red"}, "'colour' is not a field of an order: see /docs"),
    ],
)
def test_a_wrong_order_is_one_sentence(client, fields, says):
    answer = client.post("/v1/sprites", json=fields)
    assert answer.status_code == 422
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(says)
    assert len(answer.json()["error"]) < 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"guidance_scale": NaN}', "guidance_scale is nan: input should be a finite number"),
        (b'{"guidance_scale": -Infinity}', "guidance_scale is -inf: input should be a finite number"),
        (b'{"n": 3', "the body is not JSON: "),
        (b"", "the body must be a JSON object"),
        (b"[]", "the body must be a JSON object"),
        (b"\x80", "the body is not UTF-8 text: send JSON"),
    ],
)
def test_a_body_of_another_kind_is_one_sentence(client, body, says):
    answer = client.post("/v1/sprites", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(says)


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v1/sprite", 404, "there is nothing at /v1/sprite: see /docs"),
        ("GET", "/v1/sprites?n=0", 422, "n is '0': input should be greater"),
        ("GET", "/v1/sprites/stream?every=0", 422, "every is '0': input should be greater"),
        (
            "GET",
            "/v1/sprites/stream?guidance_scale=nan",
            422,
            "guidance_scale is 'nan': input should be a finite",
        ),
        ("GET", "/v1/sprites/stream?format=png", 422, "'format' is not a field of an order"),
    ],
)
def test_a_wrong_address_is_one_sentence(client, method, path, status, says):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(says)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_long_is_refused(client, announced):
    body = b'{"class": "' + b"x" * 20_000 + b'"}'
    answer = client.post("/v1/sprites", content=body if announced else iter([body]))
    assert answer.status_code == 413
    assert answer.json() == {"error": "the body is longer than 16384 bytes: no order needs that"}


def events(client, query):
    """The events of a stream: pairs of a name and the data."""
    with client.stream("GET", f"/v1/sprites/stream?{query}") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        yield fields["event"], json.loads(fields["data"])


@pytest.mark.parametrize(("every", "shown"), [(3, [3, 6]), (4, [4]), (9, [])])
def test_the_stream_shows_the_guess_at_every_k_steps_and_ends_with_the_sprites(client, tiny, every, shown):
    *previews, (last, finished) = events(client, f"class=food&n=2&seed=7&num_steps=8&every={every}")
    config = SampleConfig(num_steps=8)
    steps = list(generate.stream(tiny, [2, 2], [7, 8], config))
    assert [(name, data["step"], data["num_steps"]) for name, data in previews] == [
        ("preview", k, 8) for k in shown
    ]
    for _, data in previews:
        guess = images.to_uint8(steps[data["step"] - 1].x0)
        got = np.stack([pixels(from_address(address)) for address in data["images"]])
        assert np.abs(got.astype(int) - guess).max() <= 1
    assert last == "sprites"
    asked = {"class": "food", "n": 2, "seed": 7, "num_steps": 8, "format": "json"}
    assert finished == client.post("/v1/sprites", json=asked).json()


def test_a_browser_that_connects_again_is_told_to_stop(client):
    answer = client.get("/v1/sprites/stream", headers={"Last-Event-ID": "sprites"})
    assert (answer.status_code, answer.content) == (204, b"")


def test_it_says_that_it_is_alive_and_ready(client):
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_once_it_is_ended_it_is_not_ready_and_takes_no_orders(tiny):
    app = create_app(tiny)
    with TestClient(app):
        pass
    client = TestClient(app)
    for answer in (client.get("/readyz"), order(client), client.get("/v1/sprites/stream")):
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("the server is shutting down")


@pytest.mark.parametrize("calls", [1, 2])
def test_a_distilled_model_draws_for_every_address_and_refuses_what_was_typed(tiny, calls):
    with TestClient(create_app(dataclasses.replace(tiny, calls=calls))) as client:
        addresses = {
            "/sprite.png": lambda **asked: client.get("/sprite.png", params=asked),
            "/v1/sprites": lambda **asked: client.get("/v1/sprites", params=asked),
            "posted": lambda **asked: client.post("/v1/sprites", json=asked),
            "/v1/sprites/stream": lambda **asked: client.get("/v1/sprites/stream", params=asked),
        }
        for name, ask in addresses.items():
            for plain in ({}, {"class": "food", "seed": 7}, {"num_steps": calls}):
                assert ask(**plain).status_code == 200, (name, plain)
            for typed in ({"num_steps": 20}, {"seed": 7, "guidance_scale": 3}, {"num_steps": 5}):
                refused = ask(**typed)
                assert refused.status_code == 422, (name, typed)
                assert "was distilled to draw in" in refused.json()["error"], (name, typed)
            assert ask(sampler="ddpm").status_code == (200 if calls == 1 else 422), name


def test_metrics_count_what_was_done(tiny):
    with TestClient(create_app(tiny)) as client:
        order(client, n=2)
        order(client, n=0)
        client.get("/nowhere")
        until = time.monotonic() + 120
        while "pixel_edu_pending_calls 0.0" not in (text := client.get("/metrics").text):
            assert time.monotonic() < until, text
    assert 'pixel_edu_requests_total{path="/v1/sprites",status="200"} 1.0' in text
    assert 'pixel_edu_requests_total{path="/v1/sprites",status="422"} 1.0' in text
    assert 'pixel_edu_requests_total{path="other",status="404"} 1.0' in text
    assert "pixel_edu_sprites_total 2.0" in text
    assert "process_resident_memory_bytes" in text


def test_the_examples_in_the_documentation_work(client):
    document = client.get("/openapi.json").json()
    examples = document["components"]["schemas"]["DrawOrder"]["examples"]
    assert len(examples) == 3
    for example in examples:
        assert client.post("/v1/sprites", json=example).status_code == 200


def test_the_page_says_all_that_the_document_says(client):
    document, page = client.get("/openapi.json").json(), client.get("/").text
    for path in document["paths"]:
        assert f" {path}</code>" in page
    for name, field in document["components"]["schemas"]["DrawOrder"]["properties"].items():
        assert f"<code>{name}</code>" in page
        assert field["description"] in page
    assert "1 to 64; default: 1" in page
    assert "&lt;img src=&#34;http://testserver/v1/sprites?class=food&amp;seed=7&#34;&gt;" in page
    assert "curl -N &#39;http://testserver/v1/sprites/stream?class=food" in page
    assert "curl http://testserver/v1/sprites --json &#39;{&#34;class&#34;: &#34;food&#34;" in page
