"""What exercise 2 of chapter 11 asks for is what the server does."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from pixel_edu.course.checks.ch11 import in_order
from pixel_edu.serving.batching import Batcher

BATCH = 8


def real_calls(sizes):
    """Who was together in the calls of a batcher, whose first call is held until all are waiting in line."""
    go, calls = threading.Event(), []

    def network(x, t, c):
        calls.append(sorted(set(c[t == 1].tolist())))  # filler has t = 0
        go.wait(120)
        return x

    def ask(place, size):
        x, t = torch.zeros(size, 3, 16, 16), torch.ones(size, dtype=torch.int64)
        return batcher(x, t, torch.full((size,), place))

    batcher = Batcher(network, [BATCH])
    with ThreadPoolExecutor(len(sizes) + 1) as pool:
        asked = [pool.submit(ask, 999, BATCH)]
        wait_for(lambda: calls)
        for place, size in enumerate(sizes):
            asked.append(pool.submit(ask, place, size))
            wait_for(lambda count=place + 1: len(batcher._waiting) == count)
        go.set()
    batcher.close()
    return calls[1:]


def wait_for(true):
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.mark.parametrize("seed", range(3))
def test_the_batcher_makes_the_calls_that_the_exercise_asks_for(seed):
    sizes = np.random.default_rng(seed).integers(1, BATCH + 1, 12).tolist()
    assert real_calls(sizes) == in_order(sizes, BATCH)
