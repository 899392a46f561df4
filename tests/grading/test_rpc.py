"""Tests and answers in two processes: what crosses; tests/test_exercises.py tries all answers so."""

import contextlib
import math
import os
import pickle
import socket
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from pixel_edu import schedules
from pixel_edu.course.calling import Crash, TooSlow, Unwritten
from pixel_edu.course.values import Wrong
from pixel_edu.grading.assignment import Task
from pixel_edu.grading.marking import Examiner
from pixel_edu.grading.rpc import client, wire
from pixel_edu.grading.rpc.client import Answer, Client, KernelLost
from pixel_edu.unet import PRESETS
from tests.grading.classroom import ASSIGNMENT
from tests.grading.crossing import across

VALUES = [
    None,
    True,
    -3,
    2.5,
    math.inf,
    "ᾱ",
    [1, [2.0, None]],
    (1, "a"),
    {"a": [1], 2: (3,)},
    {1, 2},
    np.float32(0.1),
    np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::2],
    np.zeros((0, 3)),
    np.array(3.0),
    np.array([1 + 2j]),
    torch.arange(6.0).reshape(2, 3).T,
    torch.tensor(True),
    torch.tensor([1.5, math.nan], dtype=torch.bfloat16),
    torch.float16,
    torch.device("cpu"),
    schedules.cosine(5).levels(torch.tensor([1, 2])),
    PRESETS["tiny"],
]


def same(a, b):
    if isinstance(a, np.ndarray | torch.Tensor):
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and np.array_equal(
                np.asarray(a.float() if hasattr(a, "float") else a),
                np.asarray(b.float() if hasattr(b, "float") else b),
                equal_nan=a.dtype not in (torch.bool,),
            )
        )
    if isinstance(a, tuple):
        return type(a) is type(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_as_it_went(value, tmp_path):
    with across({"same": lambda x: x}, tmp_path) as made:
        assert same(made.request("call", "same", (value,)), value)


def test_schedules_generators_and_functions_cross(tmp_path):
    def draw(schedule, generator, f, g=None):
        return len(schedule), torch.rand(2, generator=generator), f(3, by=2), f

    def times(x, by=1):
        return x * by

    generator = torch.Generator().manual_seed(3)
    with across({"draw": draw}, tmp_path) as made:
        n, drawn, six, back = made.request("call", "draw", (schedules.cosine(7), generator, times))
    assert (n, six) == (7, 6)
    assert back is times
    right = torch.Generator().manual_seed(3)
    assert torch.equal(drawn, torch.rand(2, generator=right))
    assert torch.equal(torch.rand(2, generator=generator), torch.rand(2, generator=right))  # it has moved on


def test_a_module_stays_where_it_is(tmp_path):
    with across({"Linear": torch.nn.Linear}, tmp_path) as made:
        module = Answer(made, "Linear")(2, 1)
        module.load_state_dict({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.zeros(1)})
        assert module(torch.ones(3, 2)).tolist() == [[3.0]] * 3
        assert module.in_features == 2
        assert list(module.state_dict()) == ["weight", "bias"]


def test_errors_come_as_what_they_are(tmp_path):
    def fails(kind):
        if kind == "key":
            raise KeyError("k")
        if kind == "own":
            raise type("Own", (Exception,), {})("said")
        raise NotImplementedError

    with across({"fails": fails, "number": 3}, tmp_path) as made:
        with pytest.raises(KeyError, match="k"):
            Answer(made, "fails")("key")
        with pytest.raises(RuntimeError, match="said"):
            Answer(made, "fails")("own")
        with pytest.raises(Crash) as crash:
            made.request("call", "fails", ("key",))
        assert (crash.value.kind, crash.value.line) == ("KeyError", 'raise KeyError("k")')
        with pytest.raises(Unwritten):
            made.request("call", "fails", ("",))
        with pytest.raises(Wrong, match="not a function"):
            made.request("call", "number")
        with pytest.raises(Wrong, match="There is no `other`"):
            made.request("call", "other")


def test_a_process_that_cannot_take_what_the_tests_send_is_no_fault_of_the_answers(tmp_path):
    def lose():
        class Absent:
            def find_spec(self, name, *_):
                if name == "pixel_edu.schedules":
                    raise ModuleNotFoundError(name)

        del sys.modules["pixel_edu.schedules"]
        sys.meta_path.insert(0, Absent())

    examiner = Examiner(replace(ASSIGNMENT, setup="from pixel_edu.schedules import linear"))
    with across({"lose": lose, "right": lambda schedule: 1}, tmp_path) as made:
        task = Task("t", "t", 2, "assert right(linear()) == 1", range(0))
        assert examiner.mark(task, made).points == 2
        Answer(made, "lose")()
        mark = examiner.mark(task, made)
        assert (mark.points, mark.status) == (None, "not run")
        assert "no fault of the answer's" in mark.message
        assert "ModuleNotFoundError" in mark.message
        assert examiner.mark(replace(task, tests="assert right(3) == 1"), made).points == 2


def test_an_error_of_the_tests_function_reaches_the_answer_and_a_verdict_the_test(tmp_path):
    def careful(f):
        try:
            return f(1)
        except ValueError as error:
            return f"caught {error}"

    def refuses(x):
        raise ValueError("no")

    def judges(x):
        raise Wrong("so not")

    with across({"careful": careful}, tmp_path) as made:
        assert made.request("call", "careful", (refuses,)) == "caught no"
        with pytest.raises(Wrong, match="so not"):
            made.request("call", "careful", (judges,))


def test_a_changed_input_is_changed_here_too(tmp_path):
    def spoil(x, y, z):
        x += 1
        y[0] = 5
        z["a"] = 2

    x, y, z = torch.zeros(2), np.zeros(2), {"a": 1}
    with across({"spoil": spoil}, tmp_path) as made:
        made.request("call", "spoil", (x, y, z))
    assert (x.tolist(), y.tolist(), z) == ([1, 1], [5, 0], {"a": 2})


def test_a_dead_process_is_said_once_and_then_known(tmp_path):
    with across({"dies": lambda: os._exit(1)}, tmp_path) as made:
        with pytest.raises(Wrong, match="ended the whole notebook"):
            made.request("call", "dies")
        with pytest.raises(KernelLost):
            made.request("call", "dies")


def test_what_never_comes_back_is_left(tmp_path, monkeypatch):
    def never():
        while True:
            with contextlib.suppress(BaseException):
                while True:
                    pass

    monkeypatch.setattr(client, "GRACE", 0.3)
    with across({"never": never}, tmp_path) as made:
        with pytest.raises(TooSlow):
            made.request("call", "never", limit=0.2)
        assert made.slow


@pytest.mark.parametrize(
    "sent",
    [
        b"x" * 100,
        wire.HEAD.pack(2, 0) + b"[]",
        wire.HEAD.pack(1 << 31, 1 << 60),
        wire.HEAD.pack(9, 0) + b'{"say":1}',
        wire.HEAD.pack(100_000, 0) + b"[" * 100_000,
        wire.HEAD.pack(39, 0) + b'{"say":"result","value":{"$":"nothing"}',
        wire.HEAD.pack(22, 8) + b'{"say": "ask","of": 7}' + bytes(8),
    ],
)
def test_no_message_of_an_answer_does_more_than_fail(sent):
    ours, theirs = socket.socketpair()
    made = Client(ours)

    def forge():
        theirs.recv(100_000)
        theirs.sendall(sent)
        theirs.close()

    thread = threading.Thread(target=forge)
    thread.start()
    with pytest.raises(Wrong):
        made.request("call", "f", (1,))
    thread.join()
    ours.close()


def test_a_reply_that_trickles_in_is_cut_off_in_time(monkeypatch):
    monkeypatch.setattr(client, "GRACE", 0.3)
    ours, theirs = socket.socketpair()
    made, over = Client(ours), threading.Event()

    def trickle():
        theirs.sendall(wire.HEAD.pack(1000, 0))
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                theirs.sendall(b" ")

    thread = threading.Thread(target=trickle)
    thread.start()
    started = time.monotonic()
    with pytest.raises(TooSlow):
        made.request("call", "f", limit=0.2)
    assert time.monotonic() - started < 5
    over.set()
    thread.join()
    assert made.slow
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "packed",
    [
        {"$": "array", "of": {"dtype": "|O", "shape": [1], "at": 0}},
        {"$": "array", "of": {"dtype": "<f8", "shape": [10**12], "at": 0}},
        {"$": "array", "of": {"dtype": "<f8", "shape": [-1], "at": 0}},
        {"$": "array", "of": {"dtype": "<f8", "shape": [1], "at": -8}},
        {"$": "record", "is": "Popen", "of": ["true"]},
        {"$": "tensor", "is": "load", "of": {"dtype": "<f8", "shape": [1], "at": 0}},
        {"$": "generator", "of": {"dtype": "|u1", "shape": [8], "at": 0}},
        {"$": "dict", "of": [[{"$": "dict", "of": []}, 1]]},
        {"$": "callback", "id": -1},
        {"$": "handle", "id": "x"},
        {"nothing": 1},
    ],
)
def test_no_value_of_an_unknown_form_is_made(packed):
    with pytest.raises(wire.WireError):
        wire.Unpacker(bytearray(8), Client(None)._found).unpack(packed)


def test_nothing_is_pickled(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle, "loads", lambda *a, **k: pytest.fail("unpickled"))
    monkeypatch.setattr(pickle, "load", lambda *a, **k: pytest.fail("unpickled"))
    with across({"same": lambda x: x}, tmp_path) as made:
        made.request("call", "same", ([np.zeros(3), torch.zeros(2), schedules.cosine(3)],))
