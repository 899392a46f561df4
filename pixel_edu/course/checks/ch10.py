"""Checks of chapter 10: what is logged, what is found again, and which model is the champion."""

from __future__ import annotations

import functools
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pixel_edu import sprites
from pixel_edu.config import UserError, not_installed
from pixel_edu.course.checking import Ask, exercise
from pixel_edu.course.values import Wrong, named

Pairs = list[tuple[int, float]]
"""Steps, and a value at each."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence deprecation warnings: MLflow uses deprecated parts of other libraries."""
    with warnings.catch_warnings(action="ignore"):
        yield


@functools.cache
@quiet()
def mlflow_in_memory(process: int) -> tuple[Any, str]:
    """A client of a real MLflow that keeps everything in this process's memory, and the id of an experiment in it."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise UserError(not_installed(error)) from None
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    address = f"sqlite:///file:checks-{process}?mode=memory&cache=shared&uri=true"
    client = MlflowClient(address, address)
    return client, client.create_experiment("exercises")


@quiet()
def logged(ask: Ask, params: Mapping[str, Any] = {}, metrics: Sequence[tuple[str, float, int]] = ()) -> Any:
    """The run that MLflow makes of an answer's parameters and of its metrics: (key, value, step), in order."""
    client, experiment = mlflow_in_memory(os.getpid())
    from mlflow.entities import Metric, Param
    from mlflow.exceptions import MlflowException

    id = client.create_run(experiment).info.run_id
    try:
        client.log_batch(
            id,
            params=[Param(key, str(value)) for key, value in params.items()],
            metrics=[Metric(key, value, i, step) for i, (key, value, step) in enumerate(metrics)],
        )
    except MlflowException as error:
        raise Wrong(f"MLflow refuses what {ask.name} returns: {str(error).splitlines()[0]}") from None
    return client.get_run(id)


@quiet()
def history(run: Any, key: str) -> Pairs:
    """The curve that MLflow draws: steps and values in the order in which they were logged."""
    client, _ = mlflow_in_memory(os.getpid())
    found = client.get_metric_history(run.info.run_id, key)
    return [(each.step, each.value) for each in sorted(found, key=lambda each: each.timestamp)]


@quiet()
def kept(run: Any, digest: str) -> str:
    """The digest of its data that MLflow shows for a run."""
    client, _ = mlflow_in_memory(os.getpid())
    from mlflow.entities import Dataset, DatasetInput

    client.log_inputs(run.info.run_id, [DatasetInput(Dataset("sprites", digest, "code", "{}"), [])])
    return client.get_run(run.info.run_id).inputs.dataset_inputs[0].dataset.digest


def pairs(ask: Ask, got: list, what: str) -> Pairs:
    """An answer's list of steps and values, as Python's own numbers."""
    for each in got:
        if not isinstance(each, list | tuple) or len(each) != 2:
            raise Wrong(
                f"{ask.name} {what} returned a list with {named(each)}: each entry is a step and a value."
            )
    return [(int(step), float(value)) for step, value in got]


@exercise("ex-10-1", "flat(settings)", "Every setting has a name of its own now, and can be looked up.")
def flat(ask: Ask) -> None:
    """Names with dots, as MLflow shows them."""
    size, seed, heads = (int(each) for each in ask.rng.integers(2, 99, 3))
    settings = {
        "steps": 1000,
        "seed": seed,
        "unet": {"classes": 5, "attention": {"heads": heads, "size": size}},
        "data": {"source": "procedural", "seed": seed + 1},
    }

    def named_by(join: Callable[[list[str]], str], deepest: int = 9) -> dict[str, Any]:
        def walk(values: dict, path: list[str]) -> dict[str, Any]:
            found = {}
            for key, value in values.items():
                here = [*path, key]
                deeper = isinstance(value, dict) and len(here) < deepest
                found |= walk(value, here) if deeper else {join(here): value}
            return found

        return walk(settings, [])

    right = named_by(".".join)
    got = ask(settings, like=dict)
    found = logged(ask, got).data.params
    slips = [
        (settings, "The settings are unchanged: nested settings must be moved to the top level."),
        (
            named_by(lambda path: path[-1]),
            "The names are the last part alone: the seed of the data overwrites the seed of the run.",
        ),
        (
            named_by(".".join, 2),
            "You go one level deep: `unet.attention` is still a dict. Settings may be nested to any depth.",
        ),
        (
            named_by(lambda path: ".".join(path[-2:])),
            "Your names have only the last two parts: every level belongs to the name.",
        ),
        (
            named_by(lambda path: "." + ".".join(path)),
            "Your names begin with a dot: at the top level nothing stands before a name.",
        ),
        (
            named_by(lambda path: ".".join(path) + "."),
            "Your names end with a dot: it stands only between two names.",
        ),
        (named_by("_".join), "Your names are joined by `_`, which names may contain: join them by a dot."),
        (named_by("/".join), "Your names are joined by `/`: join them by a dot."),
        (named_by("".join), "Your names are joined without anything between them: join them by a dot."),
        (
            {key: value for key, value in settings.items() if not isinstance(value, dict)},
            "Nested settings are missing.",
        ),
    ]
    for value, message in slips:
        ask.that(found != {key: str(each) for key, each in value.items()}, message)
    for key, value in right.items():
        ask.that(
            key in found, f"MLflow has no `{key}` after logging your dict; it has {', '.join(sorted(found))}."
        )
        ask.that(found[key] == str(value), f"In MLflow `{key}` is {found[key]}; it should be {value}.")
    more = sorted(found.keys() - right.keys())
    ask.that(not more, f"Your dict has names of no setting: {', '.join(more)}.")


@exercise("ex-10-2", "digest(images, labels)", "No other data can pass for these any more.")
def digest(ask: Ask) -> None:
    """The same for the same data, and only for the same."""
    drawn = sprites.make(24, seed=ask.seed)
    images, labels = drawn.images, drawn.labels

    def of(images: np.ndarray, labels: np.ndarray, what: str = "") -> str:
        return ask(images, labels, like="", what=what)

    first = of(images, labels)
    ask.that(
        len(first) == 16,
        f"Your digest has {len(first)} characters: keep the first sixteen of `hexdigest()`. MLflow takes at most 36.",
    )
    ask.that(
        of(images.copy(), labels.copy(), "a second time") == first,
        "The same data get another digest the second time: leave out time, chance and addresses in memory.",
    )
    swapped = images.copy()
    swapped[12, 8, 8], swapped[12, 8, 9] = np.array([1, 2, 3]), np.array([3, 2, 1])
    back = swapped.copy()
    back[12, 8, 8], back[12, 8, 9] = swapped[12, 8, 9], swapped[12, 8, 8]
    other = (labels + (np.arange(24) == 12)) % 5
    changed = [
        (
            (swapped, labels),
            "The digest stays the same when a pixel changes: hash all bytes of the images. "
            "(The text of a large array omits its middle.)",
        ),
        ((images, other), "The digest stays the same when a label changes: labels are data, too."),
        (
            (images[::-1], labels[::-1]),
            "The digest stays the same when the sprites come in another order, which gives other batches.",
        ),
        ((images, labels[::-1]), "The digest stays the same when the labels are permuted."),
        (
            (images.reshape(24, 32, 8, 3), labels),
            "The digest stays the same for images of 32 x 8 pixels with the same bytes: hash the shape, too.",
        ),
    ]
    for (a, b), message in changed:
        ask.that(of(a, b) != first, message)
    ask.that(
        of(back, labels) != of(swapped, labels),
        "The digest stays the same when two pixels are swapped: a sum does not notice that.",
    )
    found = kept(logged(ask), first)
    ask.that(found == first, f"MLflow made {found} of your digest {first}.")


@exercise(
    "ex-10-3", "thin(steps, values, points)", "A long run is a short curve now, and no step is missing."
)
def thin(ask: Ask) -> None:
    """Means of groups, at their last steps."""
    for count, points, start in ((12, 4, 1), (11, 4, 41), (3, 10, 1), (40, 7, 6)):
        steps = list(range(start, start + count))
        values = [float(each) for each in ask.rng.random(count).round(3)]
        every = max(count // points, 1)
        groups = [list(zip(steps, values, strict=True))[i : i + every] for i in range(0, count, every)]

        def slip(
            value: Callable[[list[float]], float] = np.mean, at: int = -1, groups: list[Pairs] = groups
        ) -> Pairs:
            return [(group[at][0], float(value([v for _, v in group]))) for group in groups]

        whole = [group for group in groups if len(group) == every]
        parts = np.array_split(np.arange(count), min(points, count))
        uneven = [[(steps[i], values[i]) for i in part] for part in parts]
        what = f"with {count} steps and points = {points}"
        got = pairs(ask, ask(steps, values, points, like=list, what=what), what)
        slips = [
            (
                slip(lambda v: v[-1]),
                "You take one value of each group: single losses are noisy, so take the mean of all of them.",
            ),
            (slip(lambda v: v[0]), "You take the first value of each group: take the mean of all of them."),
            (slip(np.sum), "You return the sum of each group: divide by the number of values."),
            (slip(at=0), "Each point is at the first step of its group: it is logged after the last step."),
            (
                slip(groups=whole),
                "The steps at the end that do not fill a group are gone: they form a smaller group.",
            ),
            (
                slip(lambda v: np.sum(v) / every),
                "The last group is smaller, but you divide by the size of a full one.",
            ),
            (
                slip(groups=uneven),
                "Your groups have different sizes: all but the last have `len(values) // points` values.",
            ),
            (
                slip(np.min),
                "You return the smallest value of each group, which looks too good: take the mean.",
            ),
            (
                [(group[-1][0], float(np.mean(values[: (i + 1) * every]))) for i, group in enumerate(groups)],
                "Your mean runs over all steps so far: each group has its own mean.",
            ),
            (list(zip(steps, values, strict=True)), "You return every step: several steps make one point."),
        ]
        ask.same(got, slip(), slips, what=f"The points {what}", tolerance=1e-6)


@exercise("ex-10-4", "still_to_log(logged, steps)", "However often a run is killed, its curve stays whole.")
def still_to_log(ask: Ask) -> None:
    """What a resumed run adds."""
    values = [float(each) for each in ask.rng.random(30).round(3)]

    def part(*steps: int) -> Pairs:
        return [(step, values[step - 1]) for step in steps]

    cases = {
        "after an older checkpoint": (part(5, 15, 10), part(*range(2, 21))),
        "when nothing was logged yet": ([], part(*range(1, 6))),
        "when the checkpoint is as new as the last line": (part(5, 10), part(*range(11, 16))),
        "when all was logged before": (part(5, 15, 10), part(11, 12, 13, 14, 15)),
    }
    for what, (before, steps) in cases.items():
        last = max((step for step, _ in before), default=0)
        right = [(step, value) for step, value in steps if step > last]
        got = pairs(ask, ask(before, steps, like=list, what=what), what)
        run = logged(ask, metrics=[("loss", value, step) for step, value in [*before, *got]])
        known = {step for step, _ in before}
        newest = before[-1][0] if before else 0
        slips = [
            (steps, "All steps are logged again, so some are in the curve twice."),
            (
                [pair for pair in steps if pair[0] >= last],
                "The last logged step is logged once more: only the steps after it are new.",
            ),
            (
                [pair for pair in steps if pair[0] not in known],
                "Steps between two points are logged, but a logged mean covers them: go by the highest step.",
            ),
            (
                [pair for pair in steps if pair[0] > newest],
                "You go by the last entry of `logged`: MLflow returns them in any order, so find the highest step.",
            ),
            (
                [pair for pair in steps if pair[0] > len(before)],
                "You go by the number of logged points: a point is not a step.",
            ),
            (steps[len(before) :], "You skip as many steps as there are points: a point is not a step."),
            ([], "Your answer logs nothing, though the run goes on."),
            ([*before, *right], "Your list repeats what was logged before: return only what is new."),
        ]
        ask.same(got, right, slips, what=f"The steps to log {what}", tolerance=1e-9)
        found = [step for step, _ in history(run, "loss")] if before or got else []
        ask.that(len(set(found)) == len(found), f"In MLflow a step appears twice {what}: {found}.")


Scores = dict[str, tuple[float, float, float]]
"""A value and the ends of its interval, by the measure's name."""


@exercise("ex-10-5", "beats(challenger, champion, better)", "Luck makes no champion any more.")
def beats(ask: Ask) -> None:
    """Intervals that overlap decide nothing."""
    better = {"accuracy": "higher", "fid": "lower"}
    low = round(ask.rng.uniform(0.5, 0.7), 2)

    def scores(accuracy: float, fid: float, width: float = 1.0) -> Scores:
        return {
            "accuracy": (low + accuracy, low + accuracy - 0.02 * width, low + accuracy + 0.02 * width),
            "fid": (20 + fid, 20 + fid - 2 * width, 20 + fid + 2 * width),
        }

    champion = scores(0.0, 0.0)
    challengers = {
        "the same scores": scores(0.0, 0.0),
        "better values and overlapping intervals": scores(0.01, -1.0),
        "a better fid": scores(0.0, -9.0),
        "a better accuracy": scores(0.09, 0.0),
        "a better fid and a worse accuracy": scores(-0.09, -9.0),
        "a better accuracy and a worse fid": scores(0.09, 9.0),
        "better in both": scores(0.09, -9.0),
        "worse in both": scores(-0.09, 9.0),
        "values outside the champion's intervals, and wider ones": scores(0.03, -3.0, 2.0),
        "a better fid, and a worse accuracy whose intervals overlap": scores(-0.03, -9.0),
    }

    def verdicts(
        ahead: Callable[[str, tuple, tuple], bool], join: Callable = any, harm: bool = True
    ) -> list[bool]:
        def one(ours: Scores) -> bool:
            wins = [ahead(name, ours[name], champion[name]) for name in better]
            losses = [ahead(name, champion[name], ours[name]) for name in better]
            return bool(join(wins)) and not (harm and any(losses))

        return [one(ours) for ours in challengers.values()]

    def apart(name: str, a: tuple, b: tuple) -> bool:
        return a[1] > b[2] if better[name] == "higher" else a[2] < b[1]

    def by_value(name: str, a: tuple, b: tuple) -> bool:
        return a[0] > b[0] if better[name] == "higher" else a[0] < b[0]

    def outside(name: str, a: tuple, b: tuple) -> bool:
        return a[0] > b[2] if better[name] == "higher" else a[0] < b[1]

    right = verdicts(apart)
    got = [ask(ours, champion, better, like=True, what=f"for {what}") for what, ours in challengers.items()]
    slips = [
        (verdicts(by_value), "You compare the values alone: intervals that overlap decide nothing."),
        (
            verdicts(by_value, all),
            "You compare the values, and require better ones in all: intervals that overlap decide nothing.",
        ),
        (
            verdicts(outside),
            "A value outside the champion's interval is not enough: the whole interval must be on the better side.",
        ),
        (
            verdicts(apart, harm=False),
            "Your challenger wins although it is worse in one measure: it must be worse in none.",
        ),
        (
            verdicts(apart, all),
            "Your challenger must be better in every measure: one is enough, if it is worse in none.",
        ),
        (
            verdicts(lambda name, a, b: a[1] > b[2]),
            "You treat higher as better in all measures: look it up in `better`.",
        ),
        (
            verdicts(lambda name, a, b: a[2] < b[1]),
            "You treat lower as better in all measures: look it up in `better`.",
        ),
        (verdicts(lambda name, a, b: apart(name, b, a)), "Challenger and champion are swapped."),
        (
            [
                not any(apart(name, champion[name], ours[name]) for name in better)
                for ours in challengers.values()
            ],
            "Your challenger wins if it is not worse: it must also be better in some measure.",
        ),
    ]
    for value, message in slips:
        ask.that(got != value or value == right, message)
    for what, given, wanted in zip(challengers, got, right, strict=True):
        ask.that(given == wanted, f"With {what} your answer is {given}; it should be {wanted}.")


@functools.cache
@quiet()
def some_runs(process: int, seed: int) -> list[dict[str, Any]]:
    """Runs as MLflow returns them: a failed one, a running one, one without a score, and one whose score is NaN."""
    client, _ = mlflow_in_memory(process)
    from mlflow.entities import Metric

    experiment = client.create_experiment(f"some runs, {seed}")
    a, b = (float(each) for each in np.random.default_rng(seed).uniform(0.1, 0.3, 2).round(3))
    table = {
        "first": ("FINISHED", {"accuracy": a + 0.3, "fid": 100 * b + 9}),  # neither the best nor the worst
        "wide": ("FINISHED", {"accuracy": a + 0.5, "fid": 100 * b + 20}),
        "crashed": ("FAILED", {"accuracy": a + 0.65, "fid": 100 * b - 3}),
        "narrow": ("FINISHED", {"accuracy": a + 0.2, "fid": 100 * b + 2}),
        "going on": ("RUNNING", {"accuracy": a + 0.6, "fid": 100 * b - 1}),
        "not measured": ("FINISHED", {"loss": a}),
        "divided by 0": ("FINISHED", {"accuracy": float("nan"), "fid": float("nan")}),
    }
    for start, (name, (status, metrics)) in enumerate(table.items(), 1):
        id = client.create_run(experiment, start, run_name=name).info.run_id
        client.log_batch(id, metrics=[Metric(key, value, 0, 0) for key, value in metrics.items()])
        client.update_run(id, status=status)
    return [
        {"name": run.info.run_name, "status": run.info.status, "metrics": run.data.metrics}
        for run in client.search_runs([experiment])
    ]


@exercise("ex-10-6", "best_run(runs, metric, better)", "The best run is one that finished and was measured.")
def best_run(ask: Ask) -> None:
    """Of the finished and measured."""
    runs = some_runs(os.getpid(), ask.seed)

    def choose(metric: str, better: str, over: Callable[[dict], bool] = lambda run: True) -> str:
        able = [run for run in runs if run["metrics"].get(metric, np.nan) == run["metrics"].get(metric)]
        pick = max if better == "higher" else min
        return pick((run for run in able if over(run)), key=lambda run: run["metrics"][metric])["name"]

    def ended(run: dict) -> bool:
        return run["status"] == "FINISHED"

    for metric, better in (("accuracy", "higher"), ("fid", "lower")):
        got = ask(runs, metric, better, like="", what=f'for "{metric}", where {better} is better')
        right = choose(metric, better, ended)
        worst = choose(metric, {"higher": "lower", "lower": "higher"}[better], ended)
        slips = [
            ("crashed", "A failed run cannot be the best: take those whose status is FINISHED."),
            (
                "going on",
                "A run that is still going cannot be the best yet: take those whose status is FINISHED.",
            ),
            ("not measured", "A run that was not measured cannot be the best: a missing score is not 0."),
            (
                "divided by 0",
                "NaN is not a score: every comparison with it is false, so drop such runs first.",
            ),
            (worst, f'This is the worst run: for "{metric}" {better} is better.'),
            (runs[-1]["name"], "This is the oldest run: compare the scores."),
        ]
        for name, message in slips:
            ask.that(got != name or name == right, message)
        ask.that(
            got in {run["name"] for run in runs},
            f"{got!r} is not the name of a run: return the run's `name`.",
        )
        ask.that(got == right, f'For "{metric}" your best run is {got!r}, but {right!r} is better.')


@exercise("ex-10-7", "log_epochs(epochs, log)", "One curve from the first step to the last.")
def log_epochs(ask: Ask) -> None:
    """A planted bug: steps that start again with every epoch."""
    for lengths in ((3, 3, 2), (4, 1), (2, 2, 2)):
        epochs = [[float(each) for each in ask.rng.random(n).round(3)] for n in lengths]
        said: list[tuple[str, float, int]] = []

        def log(key: str, value: float, step: int = 0, said: list = said) -> None:
            said.append((str(key), float(value), int(step)))

        what = f"with {len(epochs)} epochs of {', '.join(map(str, lengths))} losses"
        got = ask(epochs, log, like=1, what=what)
        ask.that(said, f'{ask.name} {what} logs nothing: call `log("loss", value, step)` for each loss.')
        curve = history(logged(ask, metrics=said), "loss")
        ask.that(curve, f'{ask.name} {what} logs {said[0][0]!r}, but the curve must be called "loss".')
        every = [value for losses in epochs for value in losses]
        values = [value for _, value in curve]
        ask.that(
            len(values) == len(every),
            f"MLflow has {len(values)} points {what}, but there are {len(every)} losses: log each of them once.",
        )
        ask.that(values == every, f"MLflow's values {what} are not the losses, or not in their order.")
        steps = [step for step, _ in curve]
        right = list(range(1, len(every) + 1))
        slips = [
            (
                [i for n in lengths for i in range(1, n + 1)],
                "The planted bug is still there: the steps start again with every epoch, so the curve jumps back.",
            ),
            ([0] * len(every), "The step is missing: without it all points are at step 0."),
            (
                [epoch for epoch, n in enumerate(lengths, 1) for _ in range(n)],
                "Your step is the number of the epoch: every loss has a step of its own.",
            ),
            (
                [epoch for epoch, n in enumerate(lengths) for _ in range(n)],
                "Your step is the number of the epoch, from 0: every loss has a step of its own.",
            ),
            (
                [epoch * n + i for epoch, n in enumerate(lengths) for i in range(1, n + 1)],
                "You count as if every epoch were as long as the current one: the last one may be shorter.",
            ),
            (list(range(len(every))), "You count from 0: the first step is step 1."),
            (list(range(2, len(every) + 2)), "You count from 2: the first step is step 1."),
        ]
        for value, message in slips:
            ask.that(steps != value or value == right, message)
        ask.that(steps == right, f"The steps in MLflow are {steps} {what}; they should be {right}.")
        ask.that(got == len(every), f"You return {got} {what}: there are {len(every)} steps in all.")


@exercise("ex-10-8", "luck_of_many(runs, luck, allowed)", "You know what many tries are worth.")
def luck_of_many(ask: Ask) -> None:
    """At least one of many, and the same backwards."""
    for runs in (3, int(ask.rng.integers(12, 30))):
        luck, allowed = map(float, ask.rng.uniform((0.02, 0.1), (0.08, 0.3)))
        wins, each = ask(runs, luck, allowed, like=(1.0, 1.0), what=f"for {runs} runs")
        ask.same(
            wins,
            1 - (1 - luck) ** runs,
            [
                (
                    runs * luck,
                    "You add the chances up, as if two could not win at once: many runs lead above 1.",
                ),
                ((1 - luck) ** runs, "This is how probable it is that none wins."),
                (luck**runs, "This is how probable it is that all of them win."),
                (runs * luck * (1 - luck) ** (runs - 1), "This is how probable it is that exactly one wins."),
            ],
            what="The probability",
            tolerance=1e-9,
        )
        ask.same(
            each,
            1 - (1 - allowed) ** (1 / runs),
            [
                (
                    allowed / runs,
                    "This is close, and strict enough; but from it they do not add up to `allowed`.",
                ),
                (allowed, "This is allowed for all of them together: one has to do with less."),
                (
                    allowed ** (1 / runs),
                    "With this luck all of them win with the probability `allowed`: none may.",
                ),
                ((1 - allowed) ** (1 / runs), "This is how probable it is that one run does not win."),
                (1 - (1 - allowed) ** runs, "You take the power where the root belongs."),
                (
                    1 - (1 - luck) ** (1 / runs),
                    "You start from `luck`: the second question starts from `allowed`.",
                ),
            ],
            what="The luck of each",
            tolerance=1e-9,
        )
