"""Call an answer, and stop it if it never ends."""

from __future__ import annotations

import _thread
import contextlib
import linecache
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from pixel_edu.course.values import Wrong, named

TICK = 0.1
"""How often a limit looks at the clock, in seconds."""


class Unwritten(Exception):
    """The answer still raises NotImplementedError."""


class Crash(Exception):
    """The answer raised.

    Attributes:
        kind: the error's class name.
        said: its message.
        line: the line of the answer that it came from, or "".
    """

    def __init__(self, kind: str, said: str, line: str) -> None:
        super().__init__(kind, said, line)
        self.kind, self.said, self.line = kind, said, line


class TooSlow(Exception):
    """The answer did not return in time."""


class Caller(Protocol):
    """Calls an answer, in whatever process it lives."""

    def __call__(self, arguments: tuple, limit: float, of: Any = None, method: str = "") -> Any:
        """Call the answer, or a method of something that the answer made, and return the result.

        Args:
            arguments: by position.
            limit: seconds.
            of: what an earlier call made, such as a module; its method is called in place of the answer.
            method: the name of that method, such as "forward".

        Raises:
            Crash: it raised.
            TooSlow: it did not return within the limit.
            Unwritten: it is not written yet.
        """


def caller(answer: Any) -> Caller:
    """A caller of an answer: one that lives in this process, or one that brings its own, see `grading.rpc`."""
    if hasattr(answer, "as_caller"):
        return answer.as_caller

    def call(arguments: tuple, limit: float, of: Any = None, method: str = "") -> Any:
        function = getattr(of, method) if method else answer
        if not callable(function):
            raise Wrong(
                f"This is not a function but {named(answer)}: pass the function itself, without parentheses."
            )
        try:
            with time_limit(limit):
                return function(*arguments)
        except NotImplementedError:
            raise Unwritten from None
        except (TooSlow, Wrong):
            raise
        except Exception as error:
            raise crash(error) from None

    return call


def crash(error: Exception) -> Crash:
    """What an error of an answer says, and the line of the answer that it came from."""
    # without the frames of the check, of libraries and of Python, the last one is the reader's own
    here = Path(__file__).parent
    frames = [f for f in traceback.extract_tb(error.__traceback__) if here not in Path(f.filename).parents]
    outside = [f for f in frames if "site-packages" not in f.filename and "/lib/python" not in f.filename]
    lines = [linecache.getline(f.filename, f.lineno or 0).strip() for f in outside]
    said = " ".join(str(error).split())
    return Crash(type(error).__name__, said[:300], next((line for line in reversed(lines) if line), ""))


class Countdown:
    """Time that is left, and stands still while this whole process does: on a suspended laptop, say, or after Ctrl-Z.

    Args:
        seconds: what is left at first.
        step: the most seconds from one tick to the next that count, but for those in which the process computed.

    Attributes:
        left: seconds, as of the last tick; 0 or less once the time is up.
    """

    def __init__(self, seconds: float, step: float = 2 * TICK) -> None:
        self.left, self.step = seconds, step
        self._wall, self._computed = time.monotonic(), time.process_time()

    def tick(self) -> float:
        """Look at the clock, as whoever waits does at least once in each step; what is left."""
        wall, computed = time.monotonic(), time.process_time()
        self.left -= min(wall - self._wall, max(self.step, computed - self._computed))
        self._wall, self._computed = wall, computed
        return self.left


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the main thread after so many seconds, and again until it listens; elsewhere there is no limit.

    Time in which the whole process stands still, as on a suspended laptop or after Ctrl-Z, does not count.

    Raises:
        TooSlow: the time was up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # a thread, not signal.setitimer: Windows has none, and notebooks are worked on there, too
    lock, done, rang, over = threading.Lock(), threading.Event(), threading.Event(), False

    def ring() -> None:
        countdown = Countdown(seconds)
        while countdown.tick() > 0:
            if done.wait(min(countdown.left, TICK)):
                return
        while True:
            with lock:
                if done.is_set():
                    return
                rang.set()
                _thread.interrupt_main()
            done.wait(2 * TICK)

    def interrupt(*_: object) -> None:  # in place of Python's own, which background jobs do not have
        if not over:
            raise KeyboardInterrupt

    clock = threading.Thread(target=ring, daemon=True)
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        try:
            clock.start()  # it may ring before this line is done
            yield
        finally:
            over = True  # one instruction: from here on nothing interrupts
    except BaseException:
        over = True
        if rang.is_set():
            raise TooSlow from None
        raise
    finally:
        with lock:
            done.set()
        clock.join()
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if rang.is_set():
        raise TooSlow
