"""One network for many threads: who asks together is answered together, and nobody notices the others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pixel_edu.serving.batching import Batcher, agreeing_sizes

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
    batcher, seen = Batcher(network, [8], observe=lambda images, _: seen.append(images)), []
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


def test_a_call_holds_only_sizes_that_it_may(network):
    network.go.set()
    batcher = Batcher(network, [2, 6])
    for images in (1, 2, 3, 6, 13):
        assert torch.equal(batcher(*question(images)), formula(*question(images)))
    assert network.sizes == [2, 2, 6, 6, 6, 6, 2]


def test_sizes_agree_where_an_image_gets_the_same_bits():
    def network(x, t, c):  # a sum's last bits depend on how many images there are, where they are not 6 or 16
        return formula(x, t, c) * (1 if len(x) in (6, 16) else 1 + len(x) * 2**-23)

    assert agreeing_sizes(formula, 3, 16) == [1, 2, 3, 4, 6, 8, 12, 16]
    assert agreeing_sizes(network, 3, 16) == [6, 16]


def test_a_size_at_which_the_place_in_the_batch_counts_does_not_agree():
    def network(x, t, c):
        answer = formula(x, t, c)
        if len(x) == 4:
            answer[-1] += 2**-10
        return answer

    assert agreeing_sizes(network, 3, 8) == [1, 2, 3, 6, 8]


def test_many_threads_and_workers_mix_up_nothing(network):
    network.go.set()
    batcher = Batcher(network, [2, 5], workers=3)
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

    batcher = Batcher(network, [4])
    with pytest.raises(ArithmeticError, match="five"):
        batcher(*question(2, seed=5))
    assert torch.equal(batcher(*question(2)), formula(*question(2)))
    assert batcher.alive


def test_closing_answers_what_waits_and_takes_nothing_new(network):
    batcher = Batcher(network, [2])
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
