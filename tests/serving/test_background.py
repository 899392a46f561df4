import socket
import urllib.request

import pytest
from fastapi import FastAPI

from pixel_edu.serving.server import background, bind


@pytest.fixture
def app():
    app = FastAPI()
    app.get("/")(lambda: "here")
    return app


def connects(address):
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_it_answers_inside_the_block_and_is_gone_after_it(app):
    with background(app) as address, urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.read() == b'"here"'
    assert not connects(address)


def test_it_is_gone_after_an_error_too(app):
    with pytest.raises(ZeroDivisionError), background(app) as address:
        1 / 0  # noqa: B018
    assert not connects(address)


def test_two_at_once_have_addresses_of_their_own(app):
    with background(app) as one, background(app) as other:
        assert one != other
        assert connects(one)
        assert connects(other)


def test_an_answer_is_sent_at_once():
    """asyncio sets TCP_NODELAY where a socket says that it is TCP; else a kept connection waits 40 ms each time."""
    with bind("127.0.0.1", 0) as taken:
        assert taken.proto == socket.IPPROTO_TCP
