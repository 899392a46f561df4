"""The API keeps what its own OpenAPI document says, whatever schemathesis thinks of."""

import contextlib
import dataclasses
import itertools

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from pixel_edu import checkpoints
from pixel_edu.schedules import cosine
from pixel_edu.serving.api import create_app

EXAMPLES = 15
BEYOND_SCHEMA = b"model calls: ask for at most", b"but this model has 30"
"""Refusals that a schema cannot foresee: a product of two fields, and a property of the model."""


@pytest.mark.slow
def test_every_answer_is_one_that_the_document_promises():
    tiny = checkpoints.load_reference("tiny")
    cheap = dataclasses.replace(
        tiny, network=lambda x, t, c: 0.9 * x, schedule=cosine(30)
    )  # it is about all else
    app = create_app(cheap)
    document = schemathesis.openapi.from_asgi("/openapi.json", app)
    tried = {}
    operations = [found.ok() for found in document.get_all_operations()]
    for operation, right_or_wrong in itertools.product(operations, GenerationMode):

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=HealthCheck)
        @given(case=operation.as_strategy(right_or_wrong))
        def check(case):
            answer = case.call(timeout=120)
            if not any(rule in answer.content for rule in BEYOND_SCHEMA):
                case.validate_response(answer)
            tried.setdefault(case.operation.label, set()).add(answer.status_code)

        with contextlib.suppress(Unsatisfiable):  # nothing can be wrong with an order of nothing
            check()
    assert tried.keys() == {operation.label for operation in operations}
    assert tried["POST /v1/sprites"] >= {200, 422}
    assert tried["GET /v1/sprites"] >= {200, 422}
    assert tried["GET /sprite.png"] >= {200, 422}
    assert tried["GET /v1/sprites/stream"] >= {200, 422}
