"""How much load the API bears: 32 clients over HTTP, each of which waits for its answer and asks again.

    python benchmarks/serving.py                 # sprites a second, drawn together and one at a time: four minutes
    python benchmarks/serving.py --device cuda   # the same on a GPU
    python benchmarks/serving.py --load 300      # a mixed load for so many seconds: times, losses, memory

The first prints a table: for PyTorch and for onnxruntime a plain server that draws one request after another, and ours.
It fails if drawing together does not make PyTorch four times as fast.
The second fails if an answer is lost or wrong, if an order does not always give the same bytes, if the slowest in a
hundred takes longer than two seconds, or if the server's memory grows.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import mean, quantiles

import psutil

from pixel_edu.config import CLASSES, hardware

CLIENTS = 32
SLOWEST = 2.0
"""Seconds that 99 of 100 answers may take, with `CLIENTS` on two cores."""
GROWTH = 0.05
"""The share by which the server's memory may grow from the first quarter of the time to the last."""
RATIO = 4.0
"""How many times faster drawing together must be than one at a time."""

SIMPLE = [{"class": name, "seed": seed} for name in CLASSES for seed in range(8)]
"""One sprite each, with the usual settings."""
MIXED = [
    *SIMPLE,
    *({"n": 4, "seed": seed, "format": "json"} for seed in range(5)),
    *({"sampler": "ddim", "num_steps": 30, "seed": seed, "format": "indexed"} for seed in range(5)),
    *({"sampler": "ddpm", "num_steps": 50, "guidance_scale": 1.5, "seed": seed} for seed in range(5)),
    *({"n": 10, "num_steps": 10, "guidance_scale": 1, "seed": seed} for seed in range(5)),
]


@dataclass
class Seen:
    """What the clients saw.

    Attributes:
        seconds: of every answer.
        sprites: that were in them.
        wrong: what else came.
        answers: the first to every order.
    """

    seconds: list[float] = field(default_factory=list)
    sprites: int = 0
    wrong: list[str] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)

    def note(self, order: dict, status: int, answer: bytes, seconds: float) -> None:
        """One answer."""
        if status != 200:
            self.wrong.append(f"status {status} for {order}: {answer[:200]!r}")
            return
        if self.answers.setdefault(json.dumps(order), answer) != answer:
            self.wrong.append(f"another answer than before to {order}")
        self.seconds.append(seconds)
        self.sprites += order.get("n", 1)


def client(port: int, orders: list[dict], until: float, seen: Seen, seed: int) -> None:
    """One client, which asks over one connection until the time is over."""
    chance = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while time.monotonic() < until:
        order, began = chance.choice(orders), time.perf_counter()
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/sprites", json.dumps(order), headers)
            answer = connection.getresponse()
            seen.note(order, answer.status, answer.read(), time.perf_counter() - began)
        except (OSError, http.client.HTTPException) as error:
            seen.wrong.append(f"lost: {order}: {error!r}")
            connection.close()
    connection.close()


def crowd(port: int, orders: list[dict], seconds: float, clients: int = CLIENTS) -> Seen:
    """Many clients at the same time."""
    seen, until = Seen(), time.monotonic() + seconds
    threads = [
        threading.Thread(target=client, args=(port, orders, until, seen, seed)) for seed in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


@contextlib.contextmanager
def server(*command: str) -> Iterator[tuple[psutil.Process, int]]:
    """A server in a process of its own, once it answers, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = psutil.Popen([sys.executable, *command, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield process, port
    finally:
        process.terminate()
        process.wait()


def serve(*options: str) -> contextlib.AbstractContextManager[tuple[psutil.Process, int]]:
    """Ours."""
    return server("-m", "pixel_edu.cli", "serve", *options)


def plain(engine: str, device: str, port: int, checkpoint: str) -> None:
    """The obvious server, in this process: one request is drawn while the others wait."""
    import uvicorn
    from fastapi import FastAPI, Response

    from pixel_edu import checkpoints
    from pixel_edu.generate import generate
    from pixel_edu.palette import as_sprites
    from pixel_edu.serving import engine as engines
    from pixel_edu.serving import pictures
    from pixel_edu.serving.orders import DrawOrder

    if engine == "torch":  # with all threads, as PyTorch comes
        model = checkpoints.load_reference(checkpoint, device)
    else:
        model = engines.start(checkpoint, device, engine).denoiser
    app, turn = FastAPI(), threading.Lock()

    def draw(order: DrawOrder) -> Response:
        with turn:
            drawn = generate(model, order.classes(model.classes), order.seeds, order.config, device)
            return Response(pictures.sheet(as_sprites(drawn, model.palette), order.scale))

    draw.__annotations__["order"] = DrawOrder
    app.post("/v1/sprites", response_class=Response)(draw)
    uvicorn.run(app, port=port, log_level="warning")


def rate(running: contextlib.AbstractContextManager, seconds: float, clients: int = CLIENTS) -> float:
    """Sprites a second."""
    with running as (_, port):
        crowd(port, SIMPLE, 2, clients)
        began = time.perf_counter()
        seen = crowd(port, SIMPLE, seconds, clients)
        if seen.wrong:
            raise SystemExit(f"{len(seen.wrong)} answers were wrong, such as {seen.wrong[0]}")
        return seen.sprites / (time.perf_counter() - began)


def ratios(seconds: float, device: str) -> bool:
    """Print the table; returns whether drawing together is worth it."""
    engines = ("torch", "onnxruntime") if device == "cpu" else ("torch",)
    print(f"Sprites a second for {CLIENTS} clients, on {hardware() if device == 'cpu' else device}:\n")
    print("| model, engine | one at a time | together | ratio | a lone client, ms |")
    print("| :--- | ---: | ---: | ---: | ---: |")
    before, ours = {}, {}
    for checkpoint, engine in itertools.product(("reference", "instant"), engines):
        plainly = ("--device", device, "--plain", engine, "--checkpoint", checkpoint)
        before[checkpoint, engine] = slow = rate(server(__file__, *plainly), seconds)
        options = (checkpoint, "--engine", engine, "--device", device)
        ours[checkpoint, engine] = fast = rate(serve(*options), seconds)
        alone = 1000 / rate(serve(*options), 3, clients=1)
        print(
            f"| {checkpoint}, {engine} | {slow:.1f} | {fast:.1f} | {fast / slow:.1f} | {alone:.0f} |",
            flush=True,
        )
    gain = ours["reference", "torch"] / before["reference", "torch"]
    print(f"\nIn torch, together against one at a time: {gain:.1f} times (bar {RATIO:g}).")
    if "onnxruntime" in engines:
        print(
            "onnxruntime computes a single image with hardly any waste, so drawing together gains it little more than"
            "\nthe other cores."
        )
    return gain >= RATIO


def load(seconds: float) -> bool:
    """Run the mixed load; returns whether all bars are held."""
    with serve() as (process, port):
        crowd(port, MIXED, min(seconds / 10, 10))
        memory, over = [], threading.Event()

        def weigh() -> None:
            while not over.wait(0.5):
                memory.append(process.memory_info().rss / 2**20)

        weighing = threading.Thread(target=weigh)
        weighing.start()
        seen = crowd(port, MIXED, seconds)
        over.set()
        weighing.join()
    quarter = max(len(memory) // 4, 1)
    first, last = mean(memory[:quarter]), mean(memory[-quarter:])
    cuts = quantiles(seen.seconds, n=1000)
    p50, p99, p999 = cuts[499], cuts[989], cuts[998]
    print(f"{CLIENTS} clients for {seconds:g} s, on {hardware()}")
    print(f"answers: {len(seen.seconds)}, {len(seen.seconds) / seconds:.1f} a second, {seen.sprites} sprites")
    print(
        f"seconds: half within {p50:.2f}, 99 of 100 within {p99:.2f} (bar {SLOWEST:g}), 999 of 1000 within {p999:.2f}"
    )
    print(f"lost or wrong: {len(seen.wrong)} (bar 0)", *seen.wrong[:5], sep="\n  ")
    print(f"memory: {first:.0f} MiB in the first quarter, {last:.0f} in the last (bar +{GROWTH:.0%})")
    return not seen.wrong and p99 <= SLOWEST and last <= first * (1 + GROWTH)


def main() -> None:
    """Measure, and end with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--load", type=float, metavar="SECONDS", help="the mixed load instead of the table")
    parser.add_argument("--seconds", type=float, default=10, help="for each number of the table")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--plain", help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", default="reference", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain(options.plain, options.device, options.port, options.checkpoint)
    else:
        sys.exit(
            0 if (load(options.load) if options.load else ratios(options.seconds, options.device)) else 1
        )


if __name__ == "__main__":
    main()
