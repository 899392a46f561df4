"""Answers to the exercises of chapter 11: right ones, and wrong ones with what the check must say."""

import math
import re
import statistics

import numpy as np
import torch

from tests.answers import reports

CLASSES = ("characters", "creatures", "food", "items", "side_view")


def is_whole(value, low, high):
    return type(value) is int and low <= value <= high


def is_scale(value):
    return type(value) in (int, float) and -20 <= value <= 20


def faults_with(
    whole=is_whole,
    scale=is_scale,
    most=3200,
    known=True,
    least=1,
    sprites=64,
    finish=lambda order, wrong: wrong,
):
    def answer(order):
        right = {
            "class": lambda value: value is None or value in CLASSES,
            "n": lambda value: whole(value, least, sprites),
            "num_steps": lambda value: whole(value, 1, 1000),
            "guidance_scale": scale,
            "seed": lambda value: whole(value, 0, 2**53 - 1),
        }
        wrong = {name for name, value in order.items() if name in right and not right[name](value)}
        wrong |= order.keys() - right.keys() if known else set()
        if not wrong & {"n", "num_steps"} and int(order.get("n", 1)) * int(order.get("num_steps", 20)) > most:
            wrong.add("n")
        return finish(order, [name for name in order if name in wrong])

    return answer


def faults_by_questions(order):
    found = []
    for name, value in order.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        whole = number and isinstance(value, int)
        fine = {
            "class": value is None or (isinstance(value, str) and value in CLASSES),
            "n": whole and 1 <= value <= 64,
            "num_steps": whole and 1 <= value <= 1000,
            "guidance_scale": number and math.isfinite(value) and abs(value) <= 20,
            "seed": whole and 0 <= value < 2**53,
        }.get(name, False)
        found += [] if fine else [name]
    n, steps = order.get("n", 1), order.get("num_steps", 20)
    if "n" not in found and "num_steps" not in found and n * steps > 3200:
        found = [name for name in order if name in (*found, "n")]
    return found


def outside(value):
    return type(value) in (int, float) and not (value < -20 or value > 20)


def batches_with(fits, keep_last=True):
    def answer(sizes, batch_size):
        calls, call = [], []
        for place in range(len(sizes)):
            if call and not fits(sizes, [*call, place], batch_size):
                calls.append(call)
                call = []
            call.append(place)
        return calls + ([call] if call and keep_last else [])

    return answer


def together(sizes, call, batch_size):
    return sum(sizes[i] for i in call) <= batch_size


def batches_by_taking(sizes, batch_size):
    waiting, calls = list(range(len(sizes))), []
    while waiting:
        taken, room = [], batch_size
        while waiting and sizes[waiting[0]] <= room:
            taken.append(waiting.pop(0))
            room -= sizes[taken[-1]]
        calls.append(taken)
    return calls


def overtaking(sizes, batch_size):
    waiting, calls = list(range(len(sizes))), []
    while waiting:
        taken, room = [], batch_size
        for place in list(waiting):
            if sizes[place] <= room:
                taken.append(place)
                waiting.remove(place)
                room -= sizes[place]
        calls.append(taken)
    return calls


def waits(status, headers, tries):
    if status != 429 and status // 100 != 5:
        return None
    told = headers.get("retry-after")
    return int(told) if told is not None else min(2**tries, 60)


def waits_with(
    worth=lambda status: status == 429 or status >= 500, told=int, guess=lambda tries: min(2**tries, 60)
):
    def answer(status, headers, tries):
        if not worth(status):
            return None
        return told(headers["retry-after"]) if told and "retry-after" in headers else guess(tries)

    return answer


def events_with(
    lines=str.splitlines,
    strip=lambda value: value.removeprefix(" "),
    nameless="message",
    join="\n".join,
    forget=True,
    part=lambda line: line.partition(":")[::2],
    without_data=False,
    unfinished=False,
    finish=lambda found: found,
):
    def answer(text):
        found, name, data = [], nameless, []
        for line in lines(text):
            field, value = part(line)
            if field == "event":
                name = strip(value)
            elif field == "data":
                data.append(strip(value))
            elif not line:
                found += [(name, join(data))] if data or without_data else []
                name, data = nameless if forget else name, []
        return finish(found + ([(name, join(data))] if unfinished and data else []))

    return answer


def events_by_blocks(text):
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n")[:-1]:
        names = re.findall(r"^event: ?(.*)$", block, re.M)
        data = re.findall(r"^data: ?(.*)$", block, re.M)
        if data:
            found.append((names[-1] if names else "message", "\n".join(data)))
    return found


def rank(f):
    return lambda seconds, p: sorted(seconds)[f(p, len(seconds))]


def percentile_by_counting(seconds, p):
    return min(s for s in seconds if sum(other <= s for other in seconds) * 100 >= p * len(seconds))


def noise(seed, shape=(3, 16, 16), draw=torch.randn):
    return draw(shape, generator=torch.Generator().manual_seed(seed))


def noise_each(seed_of, **options):
    return lambda seeds: torch.stack([noise(seed_of(i, seeds), **options) for i in range(len(seeds))])


def planted(seeds):
    generator = torch.Generator().manual_seed(seeds[0])
    return torch.randn(len(seeds), 3, 16, 16, generator=generator)


RIGHT = {
    "ex-11-1": [faults_with(), faults_by_questions],
    "ex-11-2": [batches_with(together), batches_by_taking],
    "ex-11-3": [waits, waits_with()],
    "ex-11-4": [events_with(), events_by_blocks],
    "ex-11-5": [rank(lambda p, n: -(-p * n // 100) - 1), percentile_by_counting],
    "ex-11-6": [
        noise_each(lambda i, seeds: seeds[i]),
        lambda seeds: torch.cat([noise(s)[None] for s in seeds]),
    ],
}

WRONG = {
    "ex-11-1": {
        "NaN is neither below nor above": faults_with(scale=outside),
        "are integers to Python": faults_with(
            whole=lambda value, low, high: isinstance(value, int) and low <= value <= high
        ),
        "a string is not a number": faults_with(
            whole=lambda value, low, high: type(value) in (int, str) and low <= int(value) <= high
        ),
        "there is no such field": faults_with(known=False),
        "too many steps for so many sprites": faults_with(most=10**9),
        "2.5 is not an integer": faults_with(
            whole=lambda value, low, high: type(value) in (int, float) and low <= value <= high
        ),
        "the ends of each range": faults_with(sprites=63),
        "is every field optional": lambda order: (
            [name for name in ("class", "n", "num_steps", "guidance_scale", "seed") if name not in order]
            + faults_by_questions(order)
        ),
        "lets {'n': 0} through: the server says": faults_with(least=0),
        "stops at the first fault": faults_with(finish=lambda order, wrong: wrong[:1]),
        "keep the order of the fields": faults_with(finish=lambda order, wrong: wrong[::-1]),
        "The list should be": faults_with(finish=lambda order, wrong: [f"{name} is wrong" for name in wrong]),
    },
    "ex-11-2": {
        "count the images, not the requests": batches_with(lambda sizes, call, most: len(call) <= most),
        "a call that is not full goes out, too": batches_with(together, keep_last=False),
        "a call of its own": batches_with(lambda *_: False),
        "a request overtakes": overtaking,
        "; it should be": batches_with(lambda s, call, most: sum(s[i] for i in call) < most),
        "not all of these are indices": lambda sizes, most: [
            [i + 1 for i in call] for call in batches_by_taking(sizes, most)
        ],
        "a call without a request": lambda sizes, most: [[], *batches_by_taking(sizes, most)],
        "is in two calls": lambda sizes, most: [[*call, call[-1]] for call in batches_by_taking(sizes, most)],
        "each call is a list of integers": lambda sizes, most: [
            i for call in batches_by_taking(sizes, most) for i in call
        ],
    },
    "ex-11-3": {
        "this is what you wanted": waits_with(worth=lambda status: True),
        "the same request gets the same answer": waits_with(worth=lambda status: status >= 400),
        "does it give up for 429": waits_with(worth=lambda status: status >= 500),
        "does it give up for 504": waits_with(worth=lambda status: status in (429, 503)),
        "a header's value is a string": waits_with(told=str),
        "do as the header says": waits_with(told=None),
        "not for what the server says": waits_with(told=lambda text: min(int(text), 60)),
        "wait at most 60": waits_with(guess=lambda tries: 2**tries),
        "not 2 times tries": waits_with(guess=lambda tries: 2 * tries),
        "tries counts from 0": waits_with(guess=lambda tries: min(2 ** (tries + 1), 60)),
        "would be right": waits_with(guess=lambda tries: 5),
    },
    "ex-11-4": {
        "two lines of data": events_with(join="".join),
        "without a name after one with": events_with(forget=False),
        "an event without a name, ": events_with(nameless=""),
        "no space after the colon": events_with(
            part=lambda line: tuple(line.split(": ", 1)) if ": " in line else (line, "")
        ),
        "two spaces after the colon": events_with(strip=str.strip),
        "Windows": events_with(lines=lambda text: text.split("\n")),
        "a name but no data": events_with(without_data=True),
        "has not arrived yet": events_with(unfinished=True),
        "colons in the data": events_with(
            part=lambda line: (line.split(":")[0], "".join(line.split(":")[1:2]))
        ),
        "a list of pairs": events_with(finish=lambda found: [data for _, data in found]),
    },
    "ex-11-5": {
        "is not sorted": lambda seconds, p: seconds[-(-p * len(seconds) // 100) - 1],
        "You are one place too far": rank(lambda p, n: min(-(-p * n // 100), n - 1)),
        "You round the rank down": rank(lambda p, n: max(p * n // 100 - 1, 0)),
        "You sort in descending order": rank(lambda p, n: n - -(-p * n // 100)),
        "This is the mean": lambda seconds, p: statistics.mean(seconds),
        "longest time of all": lambda seconds, p: max(seconds),
        "is not one of the": lambda seconds, p: float(np.percentile(seconds, p)),
        "multiply by the count first": rank(lambda p, n: math.ceil(p / 100 * n) - 1),
        "This is the rank of the value": lambda seconds, p: -(-p * len(seconds) // 100),
    },
    "ex-11-6": {
        "The planted bug is still there": planted,
        "the noise of the first seed": noise_each(lambda i, seeds: seeds[0]),
        "the noise of the last seed": noise_each(lambda i, seeds: seeds[-1]),
        "You count the seeds up from the first one": noise_each(lambda i, seeds: seeds[0] + i),
        "depends on its place": noise_each(lambda i, seeds: seeds[i] + i),
        "between 0 and 1": noise_each(lambda i, seeds: seeds[i], draw=torch.rand),
        "must depend on the seeds alone": lambda seeds: torch.randn(len(seeds), 3, 16, 16),
        "Every pixel of a sprite": lambda seeds: torch.stack(
            [noise(seed).flatten()[:1].reshape(1, 1, 1).expand(3, 16, 16) for seed in seeds]
        ),
    },
}


def batch_with(number, none=lambda left: left <= 0):
    def answer(start, each, rate):
        left = 1 - each * rate
        return None if none(left) else number(start, each, rate, left)

    return answer


def batch_by_search(start, each, rate):
    if each * rate >= 1:
        return None
    n = 1
    while n / (start + each * n) < rate:
        n += 1
    return n


RIGHT["ex-11-7"] = [batch_with(lambda s, e, r, left: math.ceil(s * r / left)), batch_by_search]
WRONG["ex-11-7"] = {
    "round up": batch_with(lambda s, e, r, left: int(s * r / left)),
    "one too many": batch_with(lambda s, e, r, left: math.ceil(s * r / left) + 1),
    "during a start": batch_with(lambda s, e, r, left: math.ceil(s * r)),
    "during a call with one image": batch_with(lambda s, e, r, left: math.ceil((s + e) * r)),
    "A sign is wrong": batch_with(lambda s, e, r, left: math.ceil(s * r / (1 + e * r))),
    "The start has no effect": batch_with(lambda s, e, r, left: math.ceil(e * r)),
    "it should be": batch_with(lambda s, e, r, left: 2 * math.ceil(s * r / left)),
    "come in faster": batch_with(
        lambda s, e, r, left: math.ceil(s * r / left) if left else 0, none=lambda left: False
    ),
    "all of the server's time": batch_with(
        lambda s, e, r, left: math.ceil(s * r / left) if left else 0, none=lambda left: left < 0
    ),
}


RIGHT["ex-11-8"], WRONG["ex-11-8"] = reports.answers("ex-11-8")
