"""The same seed draws the same sprite, to the last bit, whoever else is drawn at the same time."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from fastapi.testclient import TestClient

from pixel_edu.config import CLASSES
from pixel_edu.generate import stream
from pixel_edu.serving import engine
from pixel_edu.serving.api import create_app
from pixel_edu.serving.batching import Batcher, agreeing_sizes
from pixel_edu.serving.orders import DrawOrder
from pixel_edu.serving.studio import Limits

pytestmark = pytest.mark.slow

ORDERS = [
    {"class": "food", "seed": 1},
    {"class": "creatures", "seed": 2, "sampler": "ddim", "num_steps": 7},
    {"class": "items", "seed": 3, "sampler": "ddpm", "num_steps": 15},
    {"class": "characters", "seed": 4, "guidance_scale": 1},
    {"class": "side_view", "seed": 5, "guidance_scale": 8, "num_steps": 11},
]
CROWD = [{"n": n, "seed": 100 * n, "num_steps": 5 + n} for n in (1, 3, 20)]


@pytest.fixture(
    scope="module",
    params=[("torch", "cpu"), ("auto", "cpu"), pytest.param(("torch", "cuda"), marks=pytest.mark.gpu)],
    ids="-".join,
)
def started(request):
    name, device = request.param
    if name == "auto":  # on a CPU that is onnxruntime
        pytest.importorskip("onnxscript")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    threads = torch.get_num_threads()
    started = engine.start("tiny", device, name)
    assert started.name == {"auto": "onnxruntime"}.get(name, name)
    yield started
    torch.set_num_threads(threads)


def test_a_sprite_drawn_in_a_crowd_is_the_one_drawn_alone(started):
    app = create_app(started.denoiser, Limits(started.batch_size, workers=2), started.device)
    with TestClient(app) as client, ThreadPoolExecutor(20) as threads:

        def draw(order):
            answer = client.post("/v1/sprites", json=order | {"format": "indexed"})
            assert answer.status_code == 200, answer.text
            return answer.content

        alone = [draw(order) for order in ORDERS]
        asked = [threads.submit(draw, order) for order in ORDERS + CROWD + ORDERS]
        together = [answer.result(120) for answer in asked]
    assert together[: len(ORDERS)] == alone
    assert together[-len(ORDERS) :] == alone


def test_not_a_bit_of_the_noise_differs(started):
    denoiser = started.denoiser
    sizes = agreeing_sizes(denoiser.network, denoiser.channels, started.batch_size, started.device)
    batcher = Batcher(denoiser.network, sizes, device=started.device)
    shared = dataclasses.replace(denoiser, network=batcher)

    def draw(order):
        *_, last = stream(shared, order.classes(CLASSES), order.seeds, order.config)
        return last.x

    orders = [DrawOrder(**order) for order in ORDERS]
    alone = [draw(order) for order in orders]
    with ThreadPoolExecutor(len(orders)) as threads:
        together = list(threads.map(draw, orders))
    batcher.close()
    assert all(torch.equal(*pair) for pair in zip(alone, together, strict=True))
