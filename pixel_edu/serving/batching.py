"""One network for many threads: requests that come at about the same time are answered by one call.

Every request is sampled in a thread of its own by the usual loop (`generate.stream`), with its own sampler, steps and
guidance. All that the requests share is the network. A thread that asks it something waits; a worker takes what is
waiting, whoever asked, and answers it together. So a request joins the others at its next step and leaves after its
last, and no request waits for a batch to fill.

The same image gets the same answer in any batch. A library that multiplies matrices may add the terms in another
order for another number of images, and then the last bits differ. So only batch sizes at which they do not are used;
`agreeing_sizes` finds them, and a batch is padded to the next such size.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from pixel_edu.config import IMAGE_SIZE
from pixel_edu.diffusion import Images
from pixel_edu.guidance import Model


@dataclass(frozen=True, eq=False)
class Question:
    """What one thread asks the network, at most a batch of images, and where the answer will be."""

    x: Images
    t: Int[Tensor, " b"]
    c: Int[Tensor, " b"]
    answer: Future = field(default_factory=Future)


def agreeing_sizes(
    network: Model,
    channels: int,
    most: int,
    device: str | torch.device = "cpu",
    size: int = IMAGE_SIZE,
) -> list[int]:
    """The batch sizes at which a network gives an image exactly the answer that it gives in a batch of `most`.

    Candidates are 1, 2, 3, 4, 6, 8, 12 and so on, so that at most a third of a call is padding.

    Args:
        network: maps x (B, C, S, S) float32, t (B,) int64 and c (B,) int64 to an answer of x's shape, on `device`.
        channels: C of the images.
        most: the largest number of images in a call.
        device: where the network computes.
        size: S of the images.

    Returns:
        Sizes, rising; the last is `most`.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(most, channels, size, size, generator=generator).to(device)
    t, c = torch.arange(most, device=device), torch.arange(most, device=device) % 2

    def agrees(count: int) -> bool:
        # The first images and the last, because an image's place in the batch must not matter.
        parts = slice(count), slice(most - count, most)
        return all(torch.equal(network(x[part], t[part], c[part]), whole[part]) for part in parts)

    with torch.inference_mode():
        whole = network(x, t, c)
        candidates = {n for i in range(most.bit_length()) for n in (2**i, 3 * 2**i) if n < most}
        return [*filter(agrees, sorted(candidates)), most]


class Batcher:
    """Call it as the network itself, from any number of threads.

    Args:
        network: maps x (B, C, S, S) float32, t (B,) int64 and c (B,) int64 to an answer of x's shape, on `device`.
        sizes: the batch sizes that a call may have, rising.
        workers: threads that call it, each with a batch of its own.
        device: where the network computes; questions and answers are on the CPU.
        observe: is told of every call: how many images were asked for, and how many seconds it took.
    """

    def __init__(
        self,
        network: Model,
        sizes: Sequence[int],
        workers: int = 1,
        device: str | torch.device = "cpu",
        observe: Callable[[int, float], None] = lambda images, seconds: None,
    ) -> None:
        self.sizes = sizes
        self._network, self._device, self._observe = network, device, observe
        self._waiting: deque[Question] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for worker in self._workers:
            worker.start()

    def __call__(self, x: Images, t: Int[Tensor, " b"], c: Int[Tensor, " b"]) -> Images:
        """The network's answer, once a worker has had the time.

        Raises:
            RuntimeError: the batcher is closed. What the network raises is raised here too.
        """
        parts = zip(*(each.split(self.sizes[-1]) for each in (x, t, c)), strict=True)
        questions = [Question(*part) for part in parts]
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._waiting.extend(questions)
            self._changed.notify(len(questions))
        return torch.cat([question.answer.result() for question in questions])

    @property
    def alive(self) -> bool:
        """Whether questions are answered."""
        return all(worker.is_alive() for worker in self._workers)

    def close(self) -> None:
        """Answer what is waiting, then end the workers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        while questions := self._take():
            began = time.perf_counter()
            try:
                answers = self._answer(questions)
            except Exception as error:
                for question in questions:
                    question.answer.set_exception(error)
            else:
                for question, answer in zip(questions, answers, strict=True):
                    question.answer.set_result(answer)
            self._observe(sum(len(question.x) for question in questions), time.perf_counter() - began)

    def _take(self) -> list[Question]:
        """The oldest questions, as many as fit into a batch; waits for one, and returns an empty list once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            taken, room = [], self.sizes[-1]
            while self._waiting and len(self._waiting[0].x) <= room:
                taken.append(self._waiting.popleft())
                room -= len(taken[-1].x)
            return taken

    def _answer(self, questions: list[Question]) -> list[Images]:
        sizes = [len(question.x) for question in questions]
        filler = self.sizes[bisect_left(self.sizes, sum(sizes))] - sum(sizes)

        def together(parts: list[Tensor]) -> Tensor:
            return torch.cat([*parts, parts[0].new_zeros(filler, *parts[0].shape[1:])]).to(self._device)

        x, t, c = (together([getattr(question, name) for question in questions]) for name in ("x", "t", "c"))
        with torch.inference_mode():
            return list(self._network(x, t, c)[: sum(sizes)].cpu().split(sizes))
