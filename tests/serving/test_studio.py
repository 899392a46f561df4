"""Who is drawn with whom: orders that wait together and want the same settings share a loop."""

import asyncio
import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pixel_edu import checkpoints
from pixel_edu.serving import studio
from pixel_edu.serving.orders import Order
from pixel_edu.serving.studio import Limits, Studio

PATIENCE = 120


@pytest.fixture
def batches(monkeypatch):
    """The seeds of every loop; the first loop stands still until `go` is set."""
    batches, real = [], studio.stream

    def stream(denoiser, labels, seeds, config):
        batches.append(list(seeds))
        if len(batches) == 1:
            assert batches.go.wait(PATIENCE)
        return real(denoiser, labels, seeds, config)

    class Batches(list):
        go = threading.Event()

    batches = Batches()
    monkeypatch.setattr(studio, "stream", stream)
    yield batches
    batches.go.set()


def in_its_own_loop(work):
    """What asynchronous work gives; a browser of other tests may have a loop running in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result(PATIENCE)


def draw(batches, orders, **limits):
    """What orders get that come while the only thread is busy with another."""
    tiny = checkpoints.load_reference("tiny")

    async def run():
        place = Studio(tiny, Limits(loops=1, **limits))
        first = place.accept(Order(num_steps=1, seed=999))
        while not batches:
            await asyncio.sleep(0.001)
        jobs = [place.accept(order) for order in orders]
        batches.go.set()
        drawn = await asyncio.wait_for(asyncio.gather(*(job.sprites() for job in jobs)), PATIENCE)
        await first.sprites()
        await asyncio.to_thread(place.close)
        return place, drawn

    return in_its_own_loop(run())


def order(seed, **fields):
    return Order(num_steps=fields.pop("num_steps", 2), seed=seed, **fields)


def test_orders_with_the_same_settings_share_a_loop_and_each_gets_its_own_sprites(batches):
    orders = [order(0, n=2), order(50, **{"class": "food"}), order(9, n=3)]
    place, together = draw(batches, orders, batch_size=8)
    assert batches == [[999], [0, 1, 50, 9, 10, 11]]
    assert [len(sprites) for sprites in together] == [2, 1, 3]
    assert place.pending == 0
    batches.clear()
    for each, sprites in zip(orders, together, strict=True):
        batches.clear()
        assert (draw(batches, [each], batch_size=8)[1][0] == sprites).all()


def test_other_settings_have_a_loop_of_their_own_and_the_oldest_goes_first(batches):
    orders = [order(1), order(2, num_steps=3), order(3), order(4, guidance_scale=1), order(5, num_steps=3)]
    draw(batches, orders, batch_size=8)
    assert batches == [[999], [1, 3], [2, 5], [4]]


def test_a_loop_holds_a_batch_and_a_larger_order_by_itself(batches):
    orders = [order(0, n=3), order(10, n=2), order(20, n=9), order(30)]
    draw(batches, orders, batch_size=4)
    assert batches == [[999], [0, 1, 2, 30], [10, 11], list(range(20, 29))]


def test_who_went_away_is_not_drawn_and_the_others_are(batches):
    tiny = checkpoints.load_reference("tiny")

    async def run():
        place = Studio(tiny, Limits(loops=1, batch_size=8))
        first = place.accept(Order(num_steps=1, seed=999))
        while not batches:
            await asyncio.sleep(0.001)
        gone, stays = place.accept(order(1)), place.accept(order(2))
        gone.cancelled.set()
        batches.go.set()
        await asyncio.wait_for(asyncio.gather(first.sprites(), stays.sprites()), PATIENCE)
        until = time.monotonic() + PATIENCE
        while place.pending and time.monotonic() < until:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(place.close)
        return place.pending

    assert in_its_own_loop(run()) == 0
    assert batches == [[999], [2]]


def test_an_error_in_a_loop_reaches_all_who_share_it_and_the_next_order_is_drawn(batches):
    tiny = checkpoints.load_reference("tiny")

    def network(x, t, c):
        if bool((c == 3).any()):
            raise ArithmeticError("three")
        return tiny.network(x, t, c)

    async def run():
        place = Studio(dataclasses.replace(tiny, network=network), Limits(loops=1, batch_size=8))
        first = place.accept(Order(num_steps=1, seed=999, **{"class": "food"}))
        while not batches:
            await asyncio.sleep(0.001)
        jobs = [place.accept(order(seed, **{"class": name})) for seed, name in enumerate(("food", "items"))]
        batches.go.set()
        answers = await asyncio.gather(*(job.sprites() for job in [first, *jobs]), return_exceptions=True)
        after = await place.accept(order(7, **{"class": "food"})).sprites()
        await asyncio.to_thread(place.close)
        return answers, after

    (first, *both), after = in_its_own_loop(run())
    assert all(isinstance(each, ArithmeticError) for each in both)
    assert first.shape == after.shape == (1, 16, 16, 3)


def test_a_distilled_model_draws_in_its_own_calls_and_refuses_others(batches):
    distilled = dataclasses.replace(checkpoints.load_reference("tiny"), calls=1)

    async def run():
        place = Studio(distilled, Limits(loops=1))
        jobs = [place.accept(Order(seed=1, n=3)), place.accept(Order(seed=9, num_steps=1, guidance_scale=1))]
        waiting = place.pending
        with pytest.raises(studio.CannotDraw, match="distilled to draw in 1 call with its guidance inside"):
            place.accept(Order(seed=2, num_steps=5))
        with pytest.raises(studio.CannotDraw, match="and was asked for 20 calls: omit that"):
            place.accept(Order(seed=2, num_steps=20))  # what others draw by default, and yet asked for
        batches.go.set()
        drawn = await asyncio.wait_for(asyncio.gather(*(job.sprites() for job in jobs)), PATIENCE)
        await asyncio.to_thread(place.close)
        return waiting, [job.config.num_steps for job in jobs], [len(each) for each in drawn]

    assert in_its_own_loop(run()) == (4, [1, 1], [3, 1])
