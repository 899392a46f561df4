"""A Chromium and the built book, served on this machine."""

import functools
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.waiting import PATIENCE

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--liftoff-only",  # compiling the network's WebAssembly well takes longer than it draws here
]


@pytest.fixture(scope="session")
def chromium():
    """A running headless Chromium; the environment variable CHROMIUM names one that is not on the path."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, (os.environ.get("CHROMIUM", ""), *NAMES))), None)
    if not found:
        pytest.skip("no Chromium on the path: install one, or name it in CHROMIUM")
    driver = subprocess.run([sys.executable, "-m", "playwright", "--version"], capture_output=True, text=True)
    if driver.returncode:  # such as a shared library that a bare Debian does not have
        pytest.skip(f"playwright's driver does not start: {driver.stderr.strip().splitlines()[-1]}")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=found, args=FLAGS)
        browser.new_context, browser.new_page = patient(browser.new_context), patient(browser.new_page)
        yield browser
        browser.close()


def patient(opens):
    """What opens a page or a context, whose every wait then ends when what it waits for is there."""

    def opened(**options):
        made = opens(**options)
        made.set_default_timeout(1000 * PATIENCE)
        return made

    return opened


@pytest.fixture(scope="session")
def site(book):
    """The address of the served book."""
    with serving(book) as address:
        yield address


@contextmanager
def serving(folder, headers=lambda path: {}):
    """Serve a folder's files, with the headers that a path gets besides or instead of the usual ones."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def send_header(self, keyword, value):
            super().send_header(keyword, headers(self.path).get(keyword, value))

        def end_headers(self):
            for keyword, value in headers(self.path).items():
                if keyword != "Content-type":
                    super().send_header(keyword, value)
            super().end_headers()

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):  # a browser that goes away is not an error
            if not isinstance(sys.exception(), ConnectionError):
                raise

    with Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
