"""Run the API with uvicorn: bind an address, report when it listens, and end without losing an accepted request."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from pixel_edu.config import UserError


def bind(host: str, port: int) -> socket.socket:
    """Bind an address before anything slow happens; port 0 takes a free one.

    Raises:
        UserError: it cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise UserError(f"host {host} is not known ({error.strerror}): use 127.0.0.1 or 0.0.0.0") from error
    taken = socket.socket(
        family, kind, protocol
    )  # asyncio sends at once only on a socket that says it is TCP
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(address)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"port {port} is taken: end what uses it, or choose another --port") from error
        raise UserError(
            f"{host}:{port} cannot be served on ({error.strerror}): choose another address"
        ) from error
    return taken


def address(taken: socket.socket) -> str:
    """The address for a browser on this machine."""
    host: str
    host, port = taken.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()


def _punctual(seconds: float) -> type[H11Protocol]:
    """A protocol that closes a connection on which no head of a request arrives, whole, within so many seconds.

    uvicorn itself gives up only on clients that send nothing after an answer.
    """

    class Punctual(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            before = self.cycle  # one for each request, made when its head is there
            super().data_received(data)
            if self.cycle is not before:
                self._late.cancel()

        def on_response_complete(self) -> None:
            before = self.cycle
            super().on_response_complete()
            if self.cycle is before:
                self._expect_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._late.cancel()
            super().connection_lost(exc)

        def _expect_head(self) -> None:
            self._late = self.loop.call_later(seconds, self.transport.close)

    return Punctual


def run(
    app: FastAPI,
    taken: socket.socket,
    patience: float,
    listening: Callable[[], None],
    log: bool,
) -> None:
    """Serve until SIGINT or SIGTERM; then accept nothing new, finish what was accepted, and return.

    Args:
        app: what to serve.
        taken: from `bind`.
        patience: seconds that accepted requests may take after the signal, and that the head of a request may take
            to come; 0 sets no limit for that.
        listening: called once the server answers.
        log: print a line for every request.
    """
    config = uvicorn.Config(
        app,
        log_level="info" if log else "warning",
        access_log=log,
        http=_punctual(patience) if patience else "auto",
        timeout_graceful_shutdown=int(patience) + 1,
    )
    # uvicorn installs handlers of its own, and raises the signal once more at the end; these ignore that.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: None)
    _Server(config, listening).run(sockets=[taken])


@contextmanager
def background(app: FastAPI, patience: float = 30.0) -> Iterator[str]:
    """Serve from a thread of this process while the block runs, on a free port of this machine.

    Args:
        app: what to serve.
        patience: seconds that the head of a request may take to come.

    Yields:
        The address, such as "http://127.0.0.1:40001".
    """
    with bind("127.0.0.1", 0) as taken:
        config = uvicorn.Config(
            app, log_level="error", timeout_graceful_shutdown=30, http=_punctual(patience)
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        try:
            while thread.is_alive() and not server.started:
                time.sleep(0.01)
            yield address(taken)
        finally:
            server.should_exit = True
            thread.join()
