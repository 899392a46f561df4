"""Checks of chapter 11: serving. They ask the course's own server, in this process."""

from __future__ import annotations

import functools
import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pixel_edu.config import CLASSES, UserError, not_installed
from pixel_edu.course.checking import Ask, exercise
from pixel_edu.denoiser import Denoiser
from pixel_edu.schedules import cosine

JSON = {"Content-Type": "application/json"}


class Network:
    """Answers at once, unless it is held."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()

    def __call__(self, x: torch.Tensor, t: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        """A tenth of the image."""
        self.free.wait(30)
        return 0.1 * x


@contextmanager
def served(network: Network | None = None, **limits: Any) -> Iterator[Any]:
    """A client of the API, with a network that costs no time.

    Raises:
        UserError: FastAPI is not installed.
    """
    try:
        from fastapi.testclient import TestClient

        from pixel_edu.serving.api import create_app
        from pixel_edu.serving.studio import Limits
    except ImportError as error:
        raise UserError(not_installed(error)) from error
    app = create_app(Denoiser(network or Network(), cosine(), "eps", len(CLASSES)), Limits(**limits))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


WRONG_ORDERS = (
    {"class": "dragon"},
    {"class": 2},
    {"n": 0},
    {"n": 65},
    {"n": 10**9},
    {"n": -1},
    {"n": "3"},
    {"n": 2.5},
    {"n": True},
    {"n": None},
    {"num_steps": 0},
    {"num_steps": 1001},
    {"num_steps": [20]},
    {"guidance_scale": math.nan},
    {"guidance_scale": math.inf},
    {"guidance_scale": 20.5},
    {"guidance_scale": -21},
    {"guidance_scale": "strong"},
    {"guidance_scale": False},
    {"seed": -1},
    {"seed": 2**53},
    {"seed": 0.5},
    {"sprites": 3},
    {"Class": "food"},
    {"n": 64, "num_steps": 51},
)
RIGHT_ORDERS = (
    {},
    {"class": None, "seed": 0},
    {"class": "side_view", "guidance_scale": -20, "num_steps": 1},
    {"guidance_scale": 2.5, "seed": 2**53 - 1, "num_steps": 2},
    {"n": 64, "num_steps": 50},
    {"num_steps": 1000, "n": 3},
)
GOOD = {"class": "food", "n": 2, "num_steps": 7, "guidance_scale": 2.5, "seed": 3}
BAD = {"class": "dragon", "n": 0, "num_steps": 1001, "guidance_scale": math.nan, "seed": -1}


@exercise("ex-11-1", "faults(order)", "Whatever gets past this can be drawn.")
def faults(ask: Ask) -> None:
    """Orders, and what the real server says to each. It is shutting down, so it answers 503 instead of drawing."""
    with served() as client:
        client.app.state.studio.close()
        for order in (*RIGHT_ORDERS, *WRONG_ORDERS):
            got = list(ask(order, like=list, what=f"for {order}"))
            answer = client.post("/v1/sprites", content=json.dumps(order), headers=JSON)
            if answer.status_code == 503:
                ask.that(
                    got == [],
                    f"{ask.name} finds a fault in {' and '.join(map(str, got))} of {order}, but the server would draw "
                    "it: are the ends of each range right, and is every field optional?",
                )
            else:
                ask.that(got != [], _let_through(ask.name, order, answer.json()["error"]))
                ask.that(
                    got == [next(iter(order))],
                    f"{ask.name} returns {got} for {order}, but the server says: {answer.json()['error']}. "
                    f"The list should be {[next(iter(order))]}.",
                )
    names = [str(name) for name in ask.rng.permutation(list(GOOD))]
    mixed = {name: (BAD if i in (1, 3) else GOOD)[name] for i, name in enumerate(names)}
    expected = [names[1], names[3]]
    got = list(ask(mixed, like=list, what=f"for {mixed}"))
    ask.that(
        got != expected[:1],
        f"{ask.name} stops at the first fault: {mixed} has faults in {' and '.join(expected)}.",
    )
    ask.that(
        got == expected or set(got) != set(expected),
        f"{ask.name} returns {got} for {mixed}: keep the order of the fields, {expected}.",
    )
    ask.that(got == expected, f"{ask.name} returns {got} for {mixed}: the faults are in {expected}.")


def _let_through(name: str, order: dict, said: str) -> str:
    """Why an order should have been refused."""
    (field, value), *more = order.items()
    if more:
        why = "each field is right, but there are too many steps for so many sprites: report `n`."
    elif isinstance(value, float) and math.isnan(value):
        why = "NaN is neither below nor above anything: test whether a number is inside, not whether it is outside."
    elif isinstance(value, bool):
        why = "`True` and `False` are integers to Python, but not numbers here: look at `type(value)`."
    elif isinstance(value, str) and field not in ("class", "Class"):
        why = "a string is not a number, even if it looks like one."
    elif field in ("sprites", "Class"):
        why = "there is no such field: refuse names that are not in the table."
    elif field == "n" and value == 2.5:
        why = "2.5 is not an integer."
    else:
        why = f"the server says: {said}."
    return f"{name} lets {order} through: {why}"


@exercise("ex-11-2", "batches(sizes, batch_size)", "One call for many requests, and none overtakes.")
def batches(ask: Ask) -> None:
    """First come, first served."""
    ask_for = ([2, 5, 2, 4], 8), ([8, 8, 1], 8), ([3, 3, 3, 1, 1], 4), ([], 8)
    drawn = [(ask.rng.integers(1, 9, 20).tolist(), size) for size in (8, 12)]
    for sizes, batch_size in (*ask_for, *drawn):
        got = ask(sizes, batch_size, like=list, what=f"with {sizes} and a batch of {batch_size}")
        _that_nothing_is_broken(ask, got, sizes, batch_size)
        right = in_order(sizes, batch_size)
        where = f"With sizes = {sizes} and a batch of {batch_size} {ask.name} returns {got}"
        ask.that(
            got == right or got != [[i] for i in range(len(sizes))],
            f"{where}: every request has a call of its own. Put as many into each call as fit.",
        )
        ask.that(got == right, f"{where}; it should be {right}.")


def in_order(sizes: list[int], batch_size: int) -> list[list[int]]:
    """The calls of a server that takes the oldest requests, as many as fit."""
    calls: list[list[int]] = []
    for place, size in enumerate(sizes):
        if calls and sum(sizes[i] for i in calls[-1]) + size <= batch_size:
            calls[-1].append(place)
        else:
            calls.append([place])
    return calls


def _that_nothing_is_broken(ask: Ask, got: list, sizes: list[int], batch_size: int) -> None:
    """Refuse calls that no server could make, in whatever order it serves requests."""
    where = f"With sizes = {sizes} and a batch of {batch_size}"
    for call in got:
        ask.that(
            isinstance(call, list | tuple) and all(type(i) is int for i in call),
            f"{where} {ask.name} returns {got}: each call is a list of integers, the indices of its requests.",
        )
    places = [i for call in got for i in call]
    ask.that([] not in [list(call) for call in got], f"{where} there is a call without a request: {got}.")
    ask.that(
        set(places) <= set(range(len(sizes))),
        f"{where} {ask.name} returns {got}: not all of these are indices of `sizes`; indices start at 0.",
    )
    missing = sorted(set(range(len(sizes))) - set(places))
    ask.that(
        not missing,
        f"{where} the requests {missing} are never answered: a call that is not full goes out, too.",
    )
    ask.that(len(places) == len(set(places)), f"{where} a request is in two calls: {got}.")
    full = [call for call in got if sum(sizes[i] for i in call) > batch_size]
    ask.that(
        not full,
        f"{where} the call {full[0] if full else ''} has {sum(sizes[i] for i in full[0]) if full else 0} images: "
        "count the images, not the requests.",
    )
    ask.that(
        places == sorted(places),
        f"{where} {ask.name} returns {got}: a request overtakes. If the oldest one does not fit, the call goes out.",
    )


@functools.cache
def real_answers() -> list[tuple[str, int, dict]]:
    """What a server says when all is well, when the client is wrong, when it is busy, and when it shuts down."""
    network, order = Network(), {"num_steps": 2}
    with served(network, queue=1, seconds=0.2) as client:
        drawn = client.post("/v1/sprites", json=order)
        wrong = client.post("/v1/sprites", json={"n": 0})
        long = client.post("/v1/sprites", content=b" " * 20_000)
        nowhere = client.get("/v1/sprite")
        network.free.clear()
        try:
            late = client.post(
                "/v1/sprites", json={"num_steps": 20}
            )  # it gives up, but its steps are still waiting
            busy = client.post("/v1/sprites", json={"num_steps": 20})
        finally:
            network.free.set()
        client.app.state.studio.close()
        ending = client.post("/v1/sprites", json=order)
    named = {
        "a sprite": drawn,
        "to n = 0": wrong,
        "to a body that is too long": long,
        "to an address that is not there": nowhere,
        "when it took too long": late,
        "when too much is waiting": busy,
        "when it is shutting down": ending,
    }
    return [(name, answer.status_code, dict(answer.headers)) for name, answer in named.items()]


@exercise(
    "ex-11-3", "seconds_to_wait(status, headers, tries)", "Every server would be glad of such a client."
)
def seconds_to_wait(ask: Ask) -> None:
    """What the real server answered, and more."""
    more = [("", 429, {"retry-after": str(s)}) for s in (1, 90, int(ask.rng.integers(3, 50)))]
    more += [("", 503, {"retry-after": "7"}), ("", 500, {}), ("", 400, {"retry-after": "5"}), ("", 204, {})]
    for name, status, headers in (*real_answers(), *more):
        for tries in (0, 1, 3, 6, int(ask.rng.integers(7, 12))):
            told = headers.get("retry-after")
            answer = f"{status}, the answer {name}," if name else status
            where = f"for {answer} with {f'retry-after: {told}' if told else 'no retry-after'} and tries = {tries}"
            _waits(ask, status, headers, tries, where)


def _waits(ask: Ask, status: int, headers: dict, tries: int, where: str) -> None:
    """One answer of a server."""
    got, told = ask(status, headers, tries, what=where), headers.get("retry-after")
    if status != 429 and status < 500:
        meaning = "this is what you wanted" if status < 300 else "the same request gets the same answer"
        ask.that(got is None, f"{ask.name} tries again {where}: {meaning}, so return None.")
        return
    ask.that(
        got is not None,
        f"{ask.name} returned None: is a `return` missing, or does it give up {where}? That may pass, so it is worth "
        "trying again.",
    )
    ask.that(
        type(got) in (int, float),
        f"{ask.name} returns {got!r} {where}: return a number of seconds; a header's value is a string.",
    )
    if told:
        ask.that(
            got == int(told) or got != 2**tries, f"{ask.name} waits {got} s {where}: do as the header says."
        )
        ask.that(
            got == int(told) or got != min(int(told), 60),
            f"{ask.name} waits {got} s {where}: the limit of 60 is for your own guess, not for what the server says.",
        )
        ask.that(got == int(told), f"{ask.name} waits {got} s {where}, but the header says {told}.")
        return
    right = min(2**tries, 60)
    slips = {
        2**tries: "wait at most 60.",
        2 * tries: "2 to the power of tries, not 2 times tries.",
        2 ** (tries + 1): "tries counts from 0, so the first wait is 1 s.",
    }
    ask.that(
        got == right, f"{ask.name} waits {got} s {where}: {slips.get(got, f'{right} s would be right.')}"
    )


FORMS = (
    ("an event", "event: preview\ndata: 1\n\n", [("preview", "1")]),
    ("two lines of data", "event: a\ndata: one\ndata: two\n\n", [("a", "one\ntwo")]),
    ("an event without a name", "data: x\n\n", [("message", "x")]),
    (
        "an event without a name after one with",
        "event: a\ndata: 1\n\ndata: 2\n\n",
        [("a", "1"), ("message", "2")],
    ),
    ("no space after the colon", "event:a\ndata:x\n\n", [("a", "x")]),
    ("two spaces after the colon", "data:  x\n\n", [("message", " x")]),
    ("colons in the data", 'data: {"a": "b:c"}\n\n', [("message", '{"a": "b:c"}')]),
    ("a name but no data", "event: a\n\ndata: x\n\n", [("message", "x")]),
    ("other lines between", ": keep-alive\nid: 7\nevent: a\nretry: 9\ndata: x\n\n: ping\n\n", [("a", "x")]),
    ("line ends of Windows", "event: a\r\ndata: x\r\n\r\n", [("a", "x")]),
    ("an event that has not arrived yet", "data: 1\n\nevent: b\ndata: 2\n", [("message", "1")]),
    ("two empty lines", "data: 1\n\n\ndata: 2\n\n", [("message", "1"), ("message", "2")]),
    ("nothing", "", []),
)


@exercise("ex-11-4", "events(text)", "You have written what every browser has inside.")
def events(ask: Ask) -> None:
    """A stream of the real server, and everything that the format allows."""
    with served() as client:
        asked = {"seed": ask.seed + 3, "num_steps": 4, "n": 2}
        stream = client.get("/v1/sprites/stream", params=asked).text
    for name, text, right in (*FORMS, ("a stream of the server", stream, _parsed(stream))):
        got = [
            tuple(each) if isinstance(each, list) else each
            for each in ask(text, like=list, what=f"for {name}")
        ]
        ask.that(
            all(isinstance(each, tuple) and len(each) == 2 for each in got),
            f"{ask.name} returns {_short(got)} for {name}: return a list of pairs, the event's name and its data.",
        )
        ask.that(
            got == right,
            f"{ask.name} is not right for {name}, {_short(text)}: {_short(got)} instead of {_short(right)}.",
        )


def _parsed(text: str) -> list[tuple[str, str]]:
    """The events of the course's server, each of which has a name and one line of data."""
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")
    ]
    return [(block["event"], block["data"]) for block in blocks]


def _short(value: Any) -> str:
    said = repr(value)
    return f"`{said}`" if len(said) <= 110 else f"`{said[:80]} ...`"


@exercise("ex-11-5", "percentile(seconds, p)", "You look at those who wait the longest.")
def percentile(ask: Ask) -> None:
    """The nearest rank."""
    seconds = [round(float(s), 4) for s in ask.rng.lognormal(-2, 1, 100)]
    many = [round(float(s), 4) for s in ask.rng.lognormal(-2, 1, 37)]
    for values, p in (
        (seconds, 60),
        (seconds, 99),
        (many, 99),
        (many, 90),
        (seconds, 100),
        (seconds, 7),
        (many, 1),
        ([0.25], 99),
    ):
        ordered, n = sorted(values), len(values)
        rank = -(-p * n // 100)
        right = ordered[rank - 1]
        got = ask(values, p, like=1.0, what=f"of {n} times with p = {p}")
        slips = [
            (
                ordered[min(math.ceil(p / 100 * n), n) - 1],
                "7 / 100 * 100 is slightly more than 7 in floating point: multiply by the count first, then divide.",
            ),
            (ordered[min(rank, n - 1)], "You are one place too far: the value of rank 1 is at index 0."),
            (ordered[max(p * n // 100 - 1, 0)], "You round the rank down: round it up."),
            (ordered[n - rank], "You sort in descending order: sort in ascending order."),
            (
                sum(values) / n,
                "This is the mean: many may wait much longer, and perhaps nobody waited exactly that long.",
            ),
            (ordered[-1], "This is the longest time of all."),
            (float(rank), "This is the rank of the value: return the value."),
            (values[rank - 1], "Your list is not sorted."),
        ]
        ask.that(
            any(abs(got - value) < 1e-9 for value in [*values, *(value for value, _ in slips)]),
            f"With p = {p}, {got:.4g} is not one of the {n} times: by the nearest rank, a percentile is.",
        )
        ask.same(got, right, slips, what=f"With {n} times and p = {p} the percentiles", tolerance=1e-9)


@exercise("ex-11-6", "start_noise(seeds)", "The same seed, the same sprite, whoever else asks.")
def start_noise(ask: Ask) -> None:
    """A planted bug: one generator for a batch."""
    shape = (3, 16, 16)

    def noise(seed: int, draw: Callable = torch.randn) -> torch.Tensor:
        return draw(shape, generator=torch.Generator().manual_seed(seed))

    seeds = [int(s) for s in ask.rng.choice(10_000, 4, replace=False)]
    right = torch.stack([noise(seed) for seed in seeds])
    shared = torch.Generator().manual_seed(seeds[0])
    planted = torch.randn(4, *shape, generator=shared)
    got = ask(seeds, like=right)
    again = ask(seeds, like=right, what="a second time")
    ask.that(
        torch.equal(got, again),
        "The same seeds give other noise the second time: the noise must depend on the seeds alone.",
    )
    swapped = ask(seeds[::-1], like=right, what="with the seeds reversed")
    same = torch.stack([noise(seed).flatten()[0] for seed in seeds])
    ask.same(
        got,
        right,
        [
            (planted, "The planted bug is still there: all sprites draw from the first one's generator."),
            (
                right[:1].expand(4, *shape),
                "All sprites have the noise of the first seed: use each sprite's own seed.",
            ),
            (
                right[-1:].expand(4, *shape),
                "All sprites have the noise of the last seed: use each sprite's own seed.",
            ),
            (
                torch.stack([noise(seeds[0] + i) for i in range(4)]),
                "You count the seeds up from the first one: use the seed that each sprite was given.",
            ),
            (
                torch.stack([noise(seed + i) for i, seed in enumerate(seeds)]),
                "A sprite's seed depends on its place in the batch: use the seed as it is.",
            ),
            (
                torch.stack([noise(seed, torch.rand) for seed in seeds]),
                "The noise is between 0 and 1: draw from the normal distribution, with `torch.randn`.",
            ),
            (
                same.reshape(4, 1, 1, 1).expand(4, *shape),
                "Every pixel of a sprite has the same noise: draw (3, 16, 16) numbers.",
            ),
        ],
        tolerance=1e-6,
    )
    ask.that(
        torch.equal(got, swapped.flip(0)),
        "A sprite's noise depends on its neighbours: with the seeds reversed, it changes.",
    )


@exercise("ex-11-7", "batch_needed(start, each, rate)", "You know how far batching carries a server.")
def batch_needed(ask: Ask) -> None:
    """The smallest batch that keeps up, and a rate at which none does."""
    start, each = float(ask.rng.uniform(0.05, 0.08)), float(ask.rng.uniform(0.004, 0.006))
    for rate in (100.0, 20.0, 140.0):
        needed = start * rate / (1 - each * rate)
        got = ask(start, each, rate, like=1, what=f"at {rate:g} images a second")
        for value, message in (
            (math.floor(needed), "With this batch fewer images leave than come: round up."),
            (math.ceil(needed) + 1, "A smaller batch keeps up, too: this is one too many."),
            (
                math.ceil(start * rate),
                "You count what comes in during a start: more comes while the images are drawn.",
            ),
            (
                math.ceil((start + each) * rate),
                "You count what comes in during a call with one image: a fuller one takes longer.",
            ),
            (
                math.ceil(start * rate / (1 + each * rate)),
                "A sign is wrong: the time that the images take makes the batch larger, not smaller.",
            ),
            (math.ceil(rate * each), "The start has no effect: without it any batch would do as well."),
        ):
            ask.that(got == math.ceil(needed) or got != value, message)
        ask.that(
            got == math.ceil(needed),
            f"You return {got} at {rate:g} images a second: it should be {math.ceil(needed)}.",
        )
    for rate, why in (
        (1.4 / each, "come in faster than they can be drawn"),
        (128.0, "take all of the server's time"),
    ):
        got = ask(start, 1 / 128 if rate == 128 else each, rate, what=f"at {rate:g} images a second")
        ask.that(
            got is None, f"You return {got} where the images alone {why}: no batch is large enough then."
        )
