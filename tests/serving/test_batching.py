"""One network for many threads: who asks together is answered together, and nobody notices the others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pixel_edu.serving.batching import Batcher

PATIENCE = 120


class Recorder:
    """A network that depends on all it is given, notes how much that was, and can be held back."""

    def __init__(self):
        self.sizes, self.go = [], threading.Event()
        self.began = threading.Event()

    def __call__(self, x, t, c):
        self.sizes.append(len(x))
        self.began.set()
        assert self.go.wait(PATIENCE)
        return formula(x, t, c)


def formula(x, t, c):
    return x.roll(1, -1) + (t + 1000 * c).reshape(-1, 1, 1, 1)


def question(images, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(images, 3, 16, 16, generator=generator)
    return x, torch.arange(images) + seed, torch.full((images,), seed % 6)


def wait_until(so):
    until = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.fixture
def network():
    return Recorder()


def test_questions_that_wait_are_answered_by_one_call(network):
    batcher, seen = Batcher(network, 3, batch_size=8, observe=lambda images, _: seen.append(images)), []
    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(batcher, *question(1))
        assert network.began.wait(PATIENCE)
        others = [threads.submit(batcher, *question(2, seed)) for seed in range(1, 5)]
        wait_until(lambda: len(batcher._waiting) == 4)
        network.go.set()
        for seed, answer in enumerate([first, *others]):
            assert torch.equal(answer.result(PATIENCE), formula(*question(2 if seed else 1, seed)))
    batcher.close()
    assert seen == [1, 8]


def test_every_call_holds_the_same_number_of_images(network):
    network.go.set()
    batcher = Batcher(network, 3, batch_size=4)
    for images in (1, 3, 4, 9):
        assert torch.equal(batcher(*question(images)), formula(*question(images)))
    assert network.sizes == [4] * (1 + 1 + 1 + 3)


def test_many_threads_and_workers_mix_up_nothing(network):
    network.go.set()
    batcher = Batcher(network, 3, batch_size=5, workers=3)
    with ThreadPoolExecutor(16) as threads:
        sizes = [seed % 7 + 1 for seed in range(200)]
        asked = [threads.submit(batcher, *question(n, seed)) for seed, n in enumerate(sizes)]
        for seed, (n, answer) in enumerate(zip(sizes, asked, strict=True)):
            assert torch.equal(answer.result(PATIENCE), formula(*question(n, seed)))


def test_an_error_reaches_those_who_asked_and_the_next_question_is_answered():
    def network(x, t, c):
        if bool((c == 5).any()):
            raise ArithmeticError("five")
        return formula(x, t, c)

    batcher = Batcher(network, 3, batch_size=4)
    with pytest.raises(ArithmeticError, match="five"):
        batcher(*question(2, seed=5))
    assert torch.equal(batcher(*question(2)), formula(*question(2)))
    assert batcher.alive


def test_closing_answers_what_waits_and_takes_nothing_new(network):
    batcher = Batcher(network, 3, batch_size=2)
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(batcher, *question(2, seed)) for seed in range(2)]
        assert network.began.wait(PATIENCE)
        wait_until(lambda: len(batcher._waiting) == 1)
        closing = threads.submit(batcher.close)
        wait_until(lambda: batcher._closed)
        network.go.set()
        for seed, answer in enumerate(asked):
            assert torch.equal(answer.result(PATIENCE), formula(*question(2, seed)))
        closing.result(PATIENCE)
    assert not batcher.alive
    with pytest.raises(RuntimeError, match="closed"):
        batcher(*question(1))
