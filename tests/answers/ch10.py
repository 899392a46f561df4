"""Answers to the exercises of chapter 10: right ones, and wrong ones with what the check must say."""

import hashlib
import math
import random
from statistics import mean

import numpy as np

from tests.answers import reports


def flat(settings, prefix=""):
    found = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def flat_by_a_stack(settings):
    found, todo = {}, list(settings.items())
    while todo:
        name, value = todo.pop(0)
        if isinstance(value, dict):
            todo += [(f"{name}.{key}", each) for key, each in value.items()]
        else:
            found[name] = value
    return found


def joined(settings, join):
    """Flat, with names that are made of the path in some way."""
    return {join(name.split(".")): value for name, value in flat(settings).items()}


def one_level(settings):
    found = {}
    for key, value in settings.items():
        found |= (
            {f"{key}.{name}": each for name, each in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
    return found


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def thin(steps, values, points):
    every = max(len(values) // points, 1)
    found = []
    for i in range(0, len(values), every):
        group = values[i : i + every]
        found.append((steps[i : i + every][-1], sum(group) / len(group)))
    return found


def thin_in_a_loop(steps, values, points):
    every, found, group = max(len(values) // points, 1), [], []
    for i, (step, value) in enumerate(zip(steps, values, strict=True), 1):
        group.append(value)
        if i % every == 0 or i == len(values):
            found.append((step, mean(group)))
            group = []
    return found


def thinned(value=mean, at=-1, whole=False, every=lambda n, points: max(n // points, 1)):
    def answer(steps, values, points):
        k, found = every(len(values), points), []
        for i in range(0, len(values), k):
            group = values[i : i + k]
            if len(group) == k or not whole:
                found.append((steps[i : i + k][at], value(group)))
        return found

    return answer


def thin_unevenly(steps, values, points):
    parts = np.array_split(np.arange(len(values)), min(points, len(values)))
    return [(steps[part[-1]], mean(values[i] for i in part)) for part in parts]


def so_far(steps, values, points):
    return [(step, mean(values[: steps.index(step) + 1])) for step, _ in thin(steps, values, points)]


def last_divided_wrongly(steps, values, points):
    every = max(len(values) // points, 1)
    return [
        (step, sum(values[steps.index(step) // every * every :][:every]) / every)
        for step, _ in thin(steps, values, points)
    ]


def still_to_log(logged, steps):
    last = max((step for step, _ in logged), default=0)
    return [(step, value) for step, value in steps if step > last]


def still_in_a_loop(logged, steps):
    last = 0
    for step, _ in logged:
        last = max(last, step)
    new = []
    for pair in steps:
        if pair[0] > last:
            new.append(pair)
    return new


def after(start, strict=True):
    """Logs what comes after a step that is found in what was logged."""
    return lambda logged, steps: [
        p for p in steps if p[0] > start(logged) or (not strict and p[0] == start(logged))
    ]


def beats(challenger, champion, better):
    good = False
    for name, (_, low, high) in challenger.items():
        _, their_low, their_high = champion[name]
        above, below = low > their_high, high < their_low
        if better[name] == "lower":
            above, below = below, above
        if below:
            return False
        good = good or above
    return good


def beats_by_signs(challenger, champion, better):
    signs = {name: 1 if way == "higher" else -1 for name, way in better.items()}
    gaps = []
    for name, sign in signs.items():
        ours, theirs = (sorted(sign * end for end in scores[name][1:]) for scores in (challenger, champion))
        gaps.append((ours[0] > theirs[1]) - (ours[1] < theirs[0]))
    return max(gaps) == 1 and min(gaps) >= 0


def judged(ahead, join=any, harm=True):
    """Someone who decides by another rule."""

    def answer(challenger, champion, better):
        wins = [ahead(better[n], challenger[n], champion[n]) for n in better]
        losses = [ahead(better[n], champion[n], challenger[n]) for n in better]
        return join(wins) and not (harm and any(losses))

    return answer


def apart(way, a, b):
    return a[1] > b[2] if way == "higher" else a[2] < b[1]


def by_value(way, a, b):
    return a[0] > b[0] if way == "higher" else a[0] < b[0]


def able(runs, metric):
    return [
        r
        for r in runs
        if r["status"] == "FINISHED" and r["metrics"].get(metric, np.nan) == r["metrics"].get(metric)
    ]


def best_run(runs, metric, better):
    pick = max if better == "higher" else min
    return pick(able(runs, metric), key=lambda run: run["metrics"][metric])["name"]


def best_in_a_loop(runs, metric, better):
    best = None
    for run in runs:
        value = run["metrics"].get(metric)
        if run["status"] != "FINISHED" or value is None or value != value:
            continue
        if best is None or (value > best[0] if better == "higher" else value < best[0]):
            best = value, run["name"]
    return best[1]


def best_of(allowed, missing=None, pick=None):
    """The best of those with an allowed status; a missing score counts as `missing`, or shuts a run out."""

    def answer(runs, metric, better):
        found = []
        for run in runs:
            value = run["metrics"].get(metric, missing)
            if run["status"] in allowed and value is not None and value == value:
                found.append((value, run["name"]))
        return (pick or (max if better == "higher" else min))(found)[1]

    return answer


def best_with_nan(runs, metric, better):
    """Comparisons with NaN are false, so it stays where it comes first."""
    found = [r for r in runs if r["status"] == "FINISHED" and metric in r["metrics"]]
    pick = max if better == "higher" else min
    return pick(found, key=lambda run: run["metrics"][metric])["name"]


def log_epochs(epochs, log):
    step = 0
    for losses in epochs:
        for value in losses:
            step += 1
            log("loss", value, step)
    return step


def log_flat(epochs, log):
    every = [value for losses in epochs for value in losses]
    for step, value in enumerate(every, 1):
        log("loss", value, step)
    return len(every)


def logs(step, key="loss", back=None, value=lambda v: v):
    """Logs at a step made of the epoch's number, the loss's number in it, and all the losses before."""

    def answer(epochs, log):
        before = 0
        for epoch, losses in enumerate(epochs):
            for i, each in enumerate(losses):
                log(key, value(each), step(epoch, i, before + i, len(losses)))
            before += len(losses)
        return before if back is None else back

    return answer


RIGHT = {
    "ex-10-1": [flat, flat_by_a_stack],
    "ex-10-2": [
        lambda x, c: sha(str(x.shape).encode(), x.tobytes(), c.tobytes()),
        lambda x, c: hashlib.md5(repr((x.shape, x.tolist(), c.tolist())).encode()).hexdigest()[:16],
    ],
    "ex-10-3": [thin, thin_in_a_loop],
    "ex-10-4": [still_to_log, still_in_a_loop],
    "ex-10-5": [beats, beats_by_signs],
    "ex-10-6": [best_run, best_in_a_loop],
    "ex-10-7": [log_epochs, log_flat],
}

WRONG = {
    "ex-10-1": {
        "The settings are unchanged": dict,
        "the last part alone": lambda s: joined(s, lambda path: path[-1]),
        "is still a dict": one_level,
        "Your names have only the last two parts": lambda s: joined(s, lambda path: ".".join(path[-2:])),
        "begin with a dot": lambda s: joined(s, lambda path: "." + ".".join(path)),
        "end with a dot": lambda s: joined(s, lambda path: ".".join(path) + "."),
        "joined by `_`": lambda s: joined(s, "_".join),
        "joined by `/`": lambda s: joined(s, "/".join),
        "Your names are joined without anything between": lambda s: joined(s, "".join),
        "Nested settings are missing": lambda s: {k: v for k, v in s.items() if not isinstance(v, dict)},
        "MLflow refuses what `flat` returns": lambda s: joined(s, "?".join),
        "MLflow has no `data.seed`": lambda s: {k: v for k, v in flat(s).items() if k != "data.seed"},
        "In MLflow `steps` is 1001": lambda s: flat(s) | {"steps": 1001},
        "names of no setting: extra": lambda s: flat(s) | {"extra": 1},
        "not a dict": lambda s: list(flat(s).items()),
    },
    "ex-10-2": {
        "has 64 characters": lambda x, c: hashlib.sha256(x.tobytes()).hexdigest(),
        "another digest the second time": lambda x, c: f"{random.random():.14f}"[:16].ljust(16, "0"),
        "when a pixel changes": lambda x, c: sha(str(x).encode(), str(c).encode()),
        "when a label changes": lambda x, c: sha(str(x.shape).encode(), x.tobytes()),
        "in another order": lambda x, c: sha(
            *sorted(a.tobytes() + bytes([b]) for a, b in zip(x, c, strict=True))
        ),
        "when the labels are permuted": lambda x, c: sha(x.tobytes(), np.bincount(c).tobytes()),
        "images of 32 x 8 pixels": lambda x, c: sha(x.tobytes(), c.tobytes()),
        "when two pixels are swapped": lambda x, c: sha(
            str(x.shape).encode(),
            x.sum(axis=(1, 2)).tobytes(),
            (x.astype(int) ** 3).sum(axis=(1, 2)).tobytes(),
            c.tobytes(),
        ),
        "not a str": lambda x, c: sha(x.tobytes()).encode(),
    },
    "ex-10-3": {
        "You take one value of each": thinned(lambda group: group[-1]),
        "You take the first value": thinned(lambda group: group[0]),
        "You return the sum of each group": thinned(sum),
        "Each point is at the first step of its group": thinned(at=0),
        "do not fill a group are gone": thinned(whole=True),
        "divide by the size of a full one": last_divided_wrongly,
        "have different sizes": thin_unevenly,
        "You return the smallest value of each group": thinned(min),
        "all steps so far": so_far,
        "You return every step": lambda steps, values, points: list(zip(steps, values, strict=True)),
        "stopped with ValueError: range": thinned(every=lambda n, points: n // points),
        "each entry is a step and a value": lambda steps, values, points: [
            v for _, v in thin(steps, values, points)
        ],
    },
    "ex-10-4": {
        "All steps are logged again": lambda logged, steps: list(steps),
        "is logged once more": after(lambda logged: max((s for s, _ in logged), default=0), strict=False),
        "Steps between two points": lambda logged, steps: [p for p in steps if p[0] not in dict(logged)],
        "You go by the last entry": after(lambda logged: logged[-1][0] if logged else 0),
        "You go by the number of logged points": after(len),
        "You skip as many steps as there are points": lambda logged, steps: steps[len(logged) :],
        "Your answer logs nothing": lambda logged, steps: [],
        "Your list repeats what was logged before": lambda logged, steps: [
            *logged,
            *still_to_log(logged, steps),
        ],
        "stopped with ValueError: max": after(lambda logged: max(s for s, _ in logged)),
        "each entry is a step and a value": lambda logged, steps: [s for s, _ in still_to_log(logged, steps)],
    },
    "ex-10-5": {
        "compare the values alone": judged(by_value),
        "require better ones in all": judged(by_value, all),
        "outside the champion's interval is not enough": judged(
            lambda way, a, b: a[0] > b[2] if way == "higher" else a[0] < b[1]
        ),
        "although it is worse in one measure": judged(apart, harm=False),
        "must be better in every measure": judged(apart, all),
        "You treat higher as better in all measures": judged(lambda way, a, b: a[1] > b[2]),
        "You treat lower as better in all measures": judged(lambda way, a, b: a[2] < b[1]),
        "Challenger and champion are swapped": judged(lambda way, a, b: apart(way, b, a)),
        "Your challenger wins if it is not worse": lambda a, b, better: (
            not any(apart(better[n], b[n], a[n]) for n in better)
        ),
        "With the same scores your answer is True; it should be False": lambda a, b, better: True,
        "not True or False": lambda a, b, better: int(beats(a, b, better)),
    },
    "ex-10-6": {
        "A failed run cannot be the best": best_of(("FINISHED", "FAILED")),
        "A run that is still going cannot be the best": best_of(("FINISHED", "RUNNING")),
        "a missing score is not 0": best_of(("FINISHED",), missing=0.0),
        "NaN is not a score": best_with_nan,
        "This is the worst run": best_of(("FINISHED",), pick=min),
        "the oldest run": lambda runs, metric, better: runs[-1]["name"],
        "is not the name of a run": lambda runs, metric, better: "accuracy",
        "not a str": lambda runs, metric, better: max(r["metrics"][metric] for r in able(runs, metric)),
        "stopped with KeyError: 'accuracy'": lambda runs, metric, better: max(
            runs, key=lambda r: r["metrics"][metric]
        ),
    },
    "ex-10-7": {
        "The planted bug": logs(lambda epoch, i, done, n: i + 1),
        "The step is missing": logs(lambda epoch, i, done, n: 0),
        "the number of the epoch: every": logs(lambda epoch, i, done, n: epoch + 1),
        "the number of the epoch, from 0": logs(lambda epoch, i, done, n: epoch),
        "as if every epoch were as long": logs(lambda epoch, i, done, n: epoch * n + i + 1),
        "You count from 0": logs(lambda epoch, i, done, n: done),
        "You count from 2": logs(lambda epoch, i, done, n: done + 2),
        "steps in MLflow are": logs(lambda epoch, i, done, n: 2 * done),
        "the curve must be called": logs(lambda epoch, i, done, n: done + 1, key="training"),
        "are not the losses, or not in their order": logs(
            lambda epoch, i, done, n: done + 1, value=lambda v: v + 1
        ),
        "logs nothing": lambda epochs, log: sum(map(len, epochs)),
        "MLflow has 3 points": lambda epochs, log: [
            log("loss", mean(losses), i) for i, losses in enumerate(epochs, 1)
        ].count(None),
        "You return 3": logs(lambda epoch, i, done, n: done + 1, back=3),
    },
}


def luck_with(wins=lambda n, p: 1 - (1 - p) ** n, each=lambda n, a: 1 - (1 - a) ** (1 / n)):
    return lambda runs, luck, allowed: (wins(runs, luck), each(runs, allowed))


def luck_by_loop(runs, luck, allowed):
    none = 1.0
    for _ in range(runs):
        none *= 1 - luck
    return 1 - none, -math.expm1(math.log1p(-allowed) / runs)


RIGHT["ex-10-8"] = [luck_with(), luck_by_loop]
WRONG["ex-10-8"] = {
    "You add the chances up": luck_with(lambda n, p: n * p),
    "that none wins": luck_with(lambda n, p: (1 - p) ** n),
    "that all of them win": luck_with(lambda n, p: p**n),
    "exactly one wins": luck_with(lambda n, p: n * p * (1 - p) ** (n - 1)),
    "This is close": luck_with(each=lambda n, a: a / n),
    "allowed for all of them": luck_with(each=lambda n, a: a),
    "With this luck all of them": luck_with(each=lambda n, a: a ** (1 / n)),
    "one run does not win": luck_with(each=lambda n, a: (1 - a) ** (1 / n)),
    "power where the root belongs": luck_with(each=lambda n, a: 1 - (1 - a) ** n),
    "starts from `allowed`": lambda runs, luck, allowed: (
        1 - (1 - luck) ** runs,
        1 - (1 - luck) ** (1 / runs),
    ),
}


RIGHT["ex-10-9"], WRONG["ex-10-9"] = reports.answers("ex-10-9")
