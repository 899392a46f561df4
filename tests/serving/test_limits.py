"""What a server does when more is asked of it than it can do: it says so at once, and goes on with the rest."""

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from fastapi.testclient import TestClient

from pixel_edu import checkpoints
from pixel_edu.config import UserError
from pixel_edu.schedules import cosine
from pixel_edu.serving.api import create_app
from pixel_edu.serving.studio import Limits

PATIENCE = 120


class Gate:
    """The tiny model, whose network can be held back."""

    def __init__(self):
        self.open, self.images = threading.Event(), 0
        tiny = checkpoints.load_reference("tiny")
        self.denoiser = dataclasses.replace(tiny, network=self._answer)
        self._network = tiny.network
        self.open.set()

    def _answer(self, x, t, c):
        assert self.open.wait(PATIENCE)
        self.images += len(x)
        return self._network(x, t, c)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.set()


def served(gate, **limits):
    return TestClient(create_app(gate.denoiser, Limits(**limits)), raise_server_exceptions=False)


def order(client, **fields):
    return client.post("/v1/sprites", json={"num_steps": 2} | fields)


def wait_until(so):
    until = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < until
        time.sleep(0.005)


def pending(client):
    return client.app.state.studio.pending


def test_a_full_queue_is_429_with_a_time_and_what_was_accepted_is_finished(gate):
    with served(gate, queue=2) as client, ThreadPoolExecutor(4) as threads:  # 2 sprites of 20 steps
        gate.open.clear()
        accepted = [threads.submit(order, client, num_steps=20) for _ in range(2)]
        wait_until(lambda: pending(client) == 40)
        began = time.monotonic()
        for refused in (order(client), client.get("/v1/sprites/stream")):
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
            assert refused.json()["error"].startswith("too many sprites are waiting: try again in ")
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        assert time.monotonic() - began < PATIENCE
        gate.open.set()
        assert [each.result(PATIENCE).status_code for each in accepted] == [200, 200]
        assert order(client).status_code == 200
        wait_until(lambda: pending(client) == 0)


def test_an_order_that_is_larger_than_the_queue_is_drawn_when_nothing_waits(gate):
    with served(gate, queue=1) as client:
        assert order(client, n=30).status_code == 200


def test_an_order_that_takes_too_long_is_504_and_its_work_ends(gate):
    with served(gate, seconds=0.5) as client:
        gate.open.clear()
        late = order(client, num_steps=100)
        assert late.status_code == 504
        says = "the sprites took longer than 0.5 s: ask for fewer sprites or steps, or later"
        assert late.json() == {"error": says}
        gate.open.set()
        wait_until(lambda: pending(client) == 0)
        assert gate.images < 100
        assert order(client).status_code == 200


def test_a_stream_that_takes_too_long_ends_with_a_problem(gate):
    with served(gate, seconds=0.5) as client:
        gate.open.clear()
        text = client.get("/v1/sprites/stream").text
        gate.open.set()
    assert text.startswith('event: problem\ndata: {"error":"the sprites took longer than 0.5 s')


def test_orders_wait_for_their_turn_and_all_are_drawn(gate):
    with served(gate, loops=2) as client, ThreadPoolExecutor(12) as threads:
        answers = [threads.submit(order, client, seed=seed) for seed in range(12)]
        assert {answer.result(PATIENCE).status_code for answer in answers} == {200}
        assert len({answer.result().content for answer in answers}) == 12


def test_a_bug_is_500_with_one_sentence_and_the_next_order_is_drawn(gate):
    with served(gate) as client:
        answering, gate._network = gate._network, None
        for broken in (order(client), client.get("/v1/sprites/stream")):
            assert "something broke in the server" in broken.text
            assert "NoneType" not in broken.text
        gate._network = answering
        assert order(client).status_code == 200


def test_a_model_with_fewer_classes_or_steps_says_so(gate):
    few = dataclasses.replace(gate.denoiser, null_label=2, classes=("cats", "dogs"), schedule=cosine(10))
    with TestClient(create_app(few)) as client:
        wrong = order(client, **{"class": "food"}), order(client, num_steps=11)
        assert [each.status_code for each in wrong] == [422, 422]
        assert wrong[0].json()["error"] == "class is 'food': input should be 'cats' or 'dogs'"
        assert wrong[1].json()["error"] == "num_steps is 11, but this model has 10: use 1 to 10"
        assert order(client, n=3).status_code == 200
        drawn = order(client, **{"class": "dogs"}, n=2, format="json").json()["sprites"]
        assert [each["class"] for each in drawn] == ["dogs", "dogs"]
        said = client.get("/openapi.json").json()["components"]["schemas"]["DrawOrder"]
        assert said["properties"]["class"]["anyOf"][0]["enum"] == ["cats", "dogs"]
        assert {each.get("class", "cats") for each in said["examples"]} == {"cats"}
        page = client.get("/docs").text
        assert "class=cats" in page
        assert "food" not in page


def test_more_colours_than_a_file_can_list_is_one_sentence(gate):
    with TestClient(create_app(dataclasses.replace(gate.denoiser, palette=None))) as client:
        wrong = order(client, n=15, seed=0, format="indexed")
        assert (wrong.status_code, order(client, n=15, seed=0, format="json").status_code) == (422, 200)
        assert (
            wrong.json()["error"]
            == "together these sprites have more than 256 colours: ask for fewer, or for json"
        )


def test_a_model_that_answers_with_no_numbers_is_not_served(gate):
    broken = dataclasses.replace(gate.denoiser, network=lambda x, t, c: x * torch.nan)
    with pytest.raises(UserError, match="not finite"):
        create_app(broken)
