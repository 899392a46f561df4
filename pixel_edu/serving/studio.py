"""Where orders are drawn: how many are accepted at a time, how long each may take, and what is shown before the end."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import PIL
import torch

from pixel_edu import __version__
from pixel_edu.config import SampleConfig, UserError
from pixel_edu.denoiser import Denoiser
from pixel_edu.facts import CHANNELS_OF
from pixel_edu.generate import stream
from pixel_edu.images import to_uint8
from pixel_edu.palette import as_sprites
from pixel_edu.serving.batching import Batcher, agreeing_sizes
from pixel_edu.serving.orders import Order


class Busy(Exception):
    """Too much is waiting already; try again in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many sprites are waiting: try again in {seconds} s")
        self.seconds = seconds


class TooLate(Exception):
    """An order took longer than it may."""


class Closed(Exception):
    """The studio takes no more orders."""


class CannotDraw(ValueError):
    """This model cannot draw what was ordered."""


@dataclass(frozen=True)
class Limits:
    """How much a server accepts.

    Attributes:
        batch_size: images in a call of the network.
        workers: threads that call it; as many as there are cores to compute on.
        loops: sampling loops at the same time; orders that wait for one with the same settings share it.
        queue: sprites of 20 steps that may be unfinished at a time; more are refused.
        seconds: from an order to its sprites, at most.
    """

    batch_size: int = 8
    workers: int = 1
    loops: int = 2
    queue: int = 320
    seconds: float = 30.0

    @property
    def calls(self) -> int:
        """Model calls that may be unfinished at a time."""
        return self.queue * SampleConfig.num_steps


@dataclass(frozen=True)
class Preview:
    """What an order looks like before it is finished.

    Attributes:
        step: model calls so far.
        images: (N, S, S, C) uint8, the guess for the clean sprites.
    """

    step: int
    images: np.ndarray


class Job:
    """An order that has been accepted: wait for its sprites, or follow it with `async for`.

    It yields a `Preview` every few steps, and at the end the finished sprites, (N, S, S, C) uint8.
    """

    def __init__(
        self, order: Order, config: SampleConfig, classes: list[str], every: int, ahead: int, seconds: float
    ) -> None:
        self.order, self.config, self.classes, self.every = order, config, classes, every
        self.ahead, self.began = ahead, time.perf_counter()
        self.cancelled = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._seconds, self._until = seconds, self._loop.time() + seconds
        self._inbox: asyncio.Queue = asyncio.Queue()

    @property
    def calls(self) -> int:
        """Model calls for all its sprites together, guidance not counted."""
        return self.order.n * self.config.num_steps

    def tell(self, news: Preview | np.ndarray | Exception) -> None:
        """Called by the thread that draws."""
        self._loop.call_soon_threadsafe(self._inbox.put_nowait, news)

    async def __aiter__(self) -> AsyncIterator[Preview | np.ndarray]:
        """Previews, then the finished sprites. Whoever stops iterating cancels the job.

        Raises:
            TooLate: the time is over.
        """
        try:
            news = None
            while not isinstance(news, np.ndarray):
                try:
                    async with asyncio.timeout_at(self._until):
                        news = await self._inbox.get()
                except TimeoutError:
                    raise TooLate(f"the sprites took longer than {self._seconds:g} s") from None
                if isinstance(news, Exception):
                    raise news
                yield news
        finally:
            self.cancelled.set()

    async def sprites(self) -> np.ndarray:
        """The finished sprites.

        Raises:
            TooLate: the time is over.
        """
        last = None
        async for news in self:
            last = news
        assert isinstance(last, np.ndarray)  # the iteration ends with the sprites, or with an error
        return last


class Studio:
    """Draws orders with one model, many at a time.

    Orders are drawn in the order of their arrival. An order takes along those behind it that want the same sampler,
    steps and guidance, as one batch in one loop. A few loops run at the same time and share the calls of the network,
    so that a long order does not stop short ones. Many loops would be slower than a few: a loop is hundreds of small
    operations on the CPU, and threads get in each other's way there.

    Args:
        denoiser: the model, its network on `device`.
        limits: how much to accept.
        device: where the network computes; all else is done on the CPU.
        observe: is told of every call of the network, see `Batcher`.

    Raises:
        UserError: the model's answers are not finite.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        limits: Limits,
        device: str | torch.device = "cpu",
        observe: Callable[[int, float], None] = lambda images, seconds: None,
    ) -> None:
        self.limits = limits
        sizes = agreeing_sizes(denoiser.network, denoiser.channels, limits.batch_size, device, denoiser.size)
        self._batcher = Batcher(denoiser.network, sizes, limits.workers, device, observe)
        self._denoiser = dataclasses.replace(denoiser, network=self._batcher)
        self._threads = ThreadPoolExecutor(limits.loops, "sprites")
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._closed = False
        self._pace = 0.0  # seconds for each model call that was pending, as orders lately found it
        self.pending = 0
        """Model calls that were accepted and are unfinished."""
        self.fingerprint = self._warm_up()
        """Of the model and of what computes it: another one where it might draw other sprites."""

    def accept(self, order: Order, every: int = 0) -> Job:
        """Begin an order, or put it in the queue; call it from the event loop.

        Args:
            order: what to draw.
            every: report after every this many steps; 0 reports only the end.

        Raises:
            Busy: the queue is full.
            Closed: the studio is closed.
            CannotDraw: the model does not know the class, has fewer steps, or was distilled and draws in its own.
        """
        config, classes = self.plan(order)
        calls = order.n * config.num_steps
        with self._lock:
            if self._closed:
                raise Closed
            if self.pending and self.pending + calls > self.limits.calls:
                raise Busy(min(max(math.ceil(self._pace * self.pending), 1), 60))
            self.pending += calls
            job = Job(order, config, classes, every, self.pending, self.limits.seconds)
            self._waiting.append(job)
            # One task for each order; a task whose order went along with an earlier one finds nothing to do.
            self._threads.submit(self._draw_next)
        return job

    @property
    def ready(self) -> bool:
        """Whether it takes orders."""
        return not self._closed and self._batcher.alive

    def close(self) -> None:
        """Take no more orders, finish those that were accepted, and end all threads."""
        self._closed = True
        self._threads.shutdown()
        self._batcher.close()

    def plan(self, order: Order) -> tuple[SampleConfig, list[str]]:
        """How an order is drawn, and the class of each of its sprites.

        Raises:
            CannotDraw: the model does not know the class, has fewer steps, or was distilled and draws in its own.
        """
        known, steps = self._denoiser.classes, len(self._denoiser.schedule)
        if order.class_ is not None and order.class_ not in known:
            *most, last = map(repr, known)
            wanted = f"{', '.join(most)} or {last}" if most else last
            raise CannotDraw(f"class is {order.class_!r}: input should be {wanted}")
        if order.num_steps > steps:
            raise CannotDraw(f"num_steps is {order.num_steps}, but this model has {steps}: use 1 to {steps}")
        try:
            return self._denoiser.sampling(order.config, order.model_fields_set), order.classes(known)
        except ValueError as error:
            raise CannotDraw(str(error)) from None

    def _draw_next(self) -> None:
        with self._lock:
            jobs = self._take()
        if not jobs:  # another thread took them into its batch
            return
        try:
            self._draw([job for job in jobs if not job.cancelled.is_set()])
        except Exception as error:
            for job in jobs:
                job.tell(error)
        with self._lock:
            for job in jobs:
                self.pending -= job.calls
                self._pace += 0.1 * ((time.perf_counter() - job.began) / job.ahead - self._pace)

    def _take(self) -> list[Job]:
        """The oldest order and those that can be drawn with it, as many as fit into a batch."""
        taken, left, room = [], deque(), self.limits.batch_size
        for job in self._waiting:
            if not taken or (job.order.n <= room and job.config == taken[0].config):
                taken.append(job)
                room -= job.order.n
            else:
                left.append(job)
        self._waiting = left
        return taken

    def _draw(self, jobs: list[Job]) -> None:
        """Draw orders with the same settings as one batch."""
        if not jobs:  # every order in it was cancelled
            return
        classes = [name for job in jobs for name in job.classes]
        seeds = [seed for job in jobs for seed in job.order.seeds]
        config, sizes = jobs[0].config, [job.order.n for job in jobs]
        for step in stream(self._denoiser, classes, seeds, config):
            if all(job.cancelled.is_set() for job in jobs):
                return
            for job, x0 in zip(jobs, step.x0.split(sizes), strict=True):
                if job.every and step.call % job.every == 0 and step.call < config.num_steps:
                    job.tell(Preview(step.call, self._visible(x0)))
        for job, x in zip(jobs, step.x.split(sizes), strict=True):
            job.tell(as_sprites(to_uint8(x), self._denoiser.palette))

    def _visible(self, x0: torch.Tensor) -> np.ndarray:
        """The guess as it is; a guess in bits is decoded first."""
        guess = to_uint8(x0)
        return (
            guess
            if self._denoiser.channels in CHANNELS_OF.values()
            else as_sprites(guess, self._denoiser.palette)
        )

    def _warm_up(self) -> str:
        """Ask the network once, and take a fingerprint of its answer and of what else decides about a sprite.

        Raises:
            UserError: the answer is not finite.
        """
        model = self._denoiser
        shape = (1, model.channels, model.size, model.size)
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        answer = model(x, torch.tensor([0]), torch.tensor([0]))
        if not bool(answer.isfinite().all()):
            raise UserError("the model's answers are not finite: take another copy of its checkpoint")
        palette = b"" if model.palette is None else model.palette.tobytes()
        facts = repr(
            (__version__, PIL.__version__, torch.__version__, model.classes, model.prediction)
        ).encode()
        decides = [facts, palette, model.schedule.alpha_bar.numpy().tobytes(), answer.numpy().tobytes()]
        return hashlib.sha256(b"".join(decides)).hexdigest()
