"""Serve the built book on this machine only: `serve.py PORT FOLDER`.

With --probe, only check whether the port is free.
"""

import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Quiet(SimpleHTTPRequestHandler):
    """Files, without a line in the terminal for each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def bind(port: str, folder: str) -> ThreadingHTTPServer:
    """Bind the port, or exit with one sentence."""
    ThreadingHTTPServer.allow_reuse_address = True
    try:
        return ThreadingHTTPServer(("127.0.0.1", int(port)), functools.partial(Quiet, directory=folder))
    except (ValueError, OverflowError):
        sys.exit(f"error: PORT={port} is not a port: take a number from 1024 to 65535")
    except OSError as error:
        reason = error.strerror.lower()
        sys.exit(f"error: port {port} cannot be used ({reason}): take another, as in: make book PORT=8001")


def main(port: str, folder: str = ".", *, probe: bool = False) -> None:
    """Serve until Ctrl-C."""
    with bind(port, folder) as server:
        if probe:
            return
        print(f"The book is at http://localhost:{server.server_port} (Ctrl-C stops it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main(*[word for word in sys.argv[1:] if word != "--probe"], probe="--probe" in sys.argv)
