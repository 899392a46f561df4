"""One network for many threads: what they ask at about the same time is answered by one call.

Every request is sampled in a thread of its own by the usual loop (`generate.stream`), with its own sampler, steps and
guidance. All that the requests share is the network. A thread that asks it something waits; a worker takes what is
waiting, whoever asked, and answers it together. So a request joins the others at its next step and leaves after its
last, and nobody waits for a batch to fill.

A call always holds the same number of images, the last ones being filler. With another number the same image's answer
may differ in its last bits, and a sprite would depend on who else was asking.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
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
    """What one thread asks the network: at most a batch of images, and where the answer will be."""

    x: Images
    t: Int[Tensor, " b"]
    c: Int[Tensor, " b"]
    answer: Future = field(default_factory=Future)


class Batcher:
    """Call it as the network itself, from any number of threads.

    Args:
        network: maps x (B, C, 16, 16) float32, t (B,) int64 and c (B,) int64 to an answer of x's shape, on `device`.
        channels: C.
        batch_size: images in every call of the network.
        workers: threads that call it, each with a batch of its own.
        device: where the network computes; questions and answers are on the CPU.
        observe: is told of every call: how many of its images were asked for, and how many seconds it took.
    """

    def __init__(
        self,
        network: Model,
        channels: int,
        batch_size: int,
        workers: int = 1,
        device: str | torch.device = "cpu",
        observe: Callable[[int, float], None] = lambda images, seconds: None,
    ) -> None:
        self.batch_size = batch_size
        self._network, self._device, self._observe = network, device, observe
        self._filler = Question(
            torch.zeros(batch_size, channels, IMAGE_SIZE, IMAGE_SIZE),
            torch.zeros(batch_size, dtype=torch.int64),
            torch.zeros(batch_size, dtype=torch.int64),
        )
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
        parts = zip(*(each.split(self.batch_size) for each in (x, t, c)), strict=True)
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
        """The oldest questions, as many as fit into a batch; waits for one, and gives none once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            taken, room = [], self.batch_size
            while self._waiting and len(self._waiting[0].x) <= room:
                taken.append(self._waiting.popleft())
                room -= len(taken[-1].x)
            return taken

    def _answer(self, questions: list[Question]) -> list[Images]:
        sizes = [len(question.x) for question in questions]
        room = self.batch_size - sum(sizes)
        x, t, c = (
            torch.cat([*(getattr(q, name) for q in questions), getattr(self._filler, name)[:room]])
            for name in ("x", "t", "c")
        )
        with torch.inference_mode():
            answer = self._network(*(each.to(self._device) for each in (x, t, c))).cpu()
        return list(answer[: sum(sizes)].split(sizes))
