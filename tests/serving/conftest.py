"""The model that these tests draw with, and a client of an app that serves it."""

import pytest
from fastapi.testclient import TestClient

from pixel_edu import checkpoints
from pixel_edu.serving.api import create_app


@pytest.fixture(scope="module")
def tiny():
    return checkpoints.load_reference("tiny")


@pytest.fixture(scope="module")
def client(tiny):
    with TestClient(create_app(tiny), raise_server_exceptions=False) as client:
        yield client
