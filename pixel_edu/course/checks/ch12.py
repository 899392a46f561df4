"""Checks of chapter 12: container images, from the text of real and made-up Dockerfiles."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

from pixel_edu.course import in_clone
from pixel_edu.course.checking import Ask, Slips, exercise
from pixel_edu.course.checks.dockerfiles import Step, entering, matches, run_again, sources, steps_of

DOCKERFILES = ("api", "train", "mlflow")
TRICKY = """\
# syntax of its own: a comment, then a line in small letters

from debian:{tag} as build
run echo "part #{number}" \\
    # a comment may stand between two lines of one instruction
    && apt-get install -y \\

      {word}
  COPY --chown=1:1 {word} {other} /{word}/
ENV A=1 \\
    B={number}

CMD ["{word}", "#{number}"]
"""


def real(*names: str) -> list[str]:
    """The texts of files of the repository, such as "docker/api.Dockerfile"; none where the package came alone."""
    return [path.read_text(encoding="utf-8") for path in map(in_clone, names) if path.exists()]


def words(ask: Ask, count: int) -> list[str]:
    """Different names for files and stages."""
    names = ["model", "data", "tools", "server", "web", "docs", "tests", "notes", "app", "config"]
    return [str(name) for name in ask.rng.permutation(names)[:count]]


def tidy(got: list) -> list:
    """Pairs as pairs, and each run of spaces as one."""
    return [
        tuple(" ".join(part.split()) if isinstance(part, str) else part for part in each)
        if isinstance(each, list | tuple)
        else each
        for each in got
    ]


def compare(ask: Ask, got: list, right: list, slips: Slips, where: str) -> None:
    """Refuse a wrong list with the message of the slip that gives it, or say where it differs."""
    for value, message in slips:
        ask.that(got == right or value == right or got != value, message)
    for i, (given, expected) in enumerate(zip(got, right, strict=False)):
        ask.that(
            given == expected, f"{where}, entry {i} of your list is {given!r}; it should be {expected!r}."
        )
    if len(got) != len(right):
        rest = f"{right[len(got)]!r} is missing" if len(got) < len(right) else f"{got[-1]!r} is one too many"
        ask.that(False, f"{where}, your list has {len(got)} entries; it should have {len(right)}: {rest}.")


@exercise("ex-12-1", "instructions(text)", "Whatever you want to know about a Dockerfile, you can ask now.")
def instructions(ask: Ask) -> None:
    """Comments, blank lines, and lines that go on."""
    word, other = words(ask, 2)
    tricky = TRICKY.format(tag=f"12.{ask.seed + 5}", number=ask.seed + 7, word=word, other=other)
    for text in [tricky, *real(*(f"docker/{name}.Dockerfile" for name in DOCKERFILES))]:
        got = tidy(ask(text, like=list))
        compare(
            ask,
            got,
            steps_of(text),
            [
                (
                    steps_of(text, comments=True),
                    "Your instructions include comments: skip every line that begins with #.",
                ),
                (
                    steps_of(text, inside=True),
                    "A comment inside a long instruction has become part of it: skip it there, too.",
                ),
                (
                    steps_of(text, anywhere=True),
                    "A # further to the right is not a comment: it belongs to the line.",
                ),
                (
                    steps_of(text, backslash=True),
                    "The backslashes are still there: they only say that the line goes on.",
                ),
                (
                    steps_of(text, case=True),
                    "`from` and `FROM` are the same word: return the first word in capitals.",
                ),
                (
                    steps_of(text, blank_ends=True),
                    "A blank line inside a long instruction does not end it: skip it.",
                ),
                (
                    [name for name, _ in steps_of(text)],
                    "These are the first words alone: return pairs of the word and the rest.",
                ),
                (
                    got if any(each[:1] == ("&&",) for each in got) else None,
                    "You treat every line as an instruction: one that ends in a backslash goes on in the next.",
                ),
            ],
            f"In a file that begins with `{text.splitlines()[0][:30]}`",
        )


@exercise("ex-12-2", "leaks(layers, history, secrets)", "Once in a layer, always in the image.")
def leaks(ask: Ask) -> None:
    """Deleted files, overwritten files, and the record of the build."""
    a, b, c, d, e, f, g = (f"{name}-{ask.rng.integers(1000, 9999)}" for name in "abcdefg")
    layers = [
        {"etc/debian_version": "12", "root/.base": f"left by the base: {f}"},
        {"source/pip.conf": f"index = https://{a}@packages.example", "app/model.bin": "weights"},
        {"source/pip.conf": None, "app/settings": f"token = {b}"},
        {"app/settings": "token = from the environment"},
        {f"app/{d}.txt": "only its name looks like one", "app/key": f"-- {g} --"},
    ]
    history = [f"ARG TOKEN={c}", "RUN --mount=type=secret,id=token pip install .", "USER 10001"]
    secrets = [e, f, b, g, a, c, d]

    def held(layers: list[dict], lines: list[str]) -> list[str]:
        texts = [text for layer in layers for text in layer.values() if text is not None] + lines
        return [secret for secret in secrets if any(secret in text for text in texts)]

    final: dict = {}
    for layer in layers:
        final |= layer
    got = ask(layers, history, secrets, like=list)
    compare(
        ask,
        got,
        held(layers, history),
        [
            (
                held([final], history),
                "You look at what a container shows: a file deleted or replaced later is still in its layer.",
            ),
            (held(layers, []), "You look only at the files: the build history is part of the image, too."),
            (
                held([], history),
                "You look only at the history: the files of every layer are part of the image.",
            ),
            (
                held(layers[1:], history),
                "The first layer is ignored: what the base image holds, yours holds, too.",
            ),
            (
                held(layers[-1:], history),
                "You look only at the last layer: every layer is part of the image.",
            ),
            (
                [s for s in secrets if s in held(layers, history) or s == d],
                "A file named like a secret does not hold it: look at the contents.",
            ),
            (
                [s for s in secrets if s not in held(layers, history)],
                "These are the secrets that do not leak.",
            ),
            (sorted(held(layers, history)), "The leaks are right, but not in the order of `secrets`."),
        ],
        "With seven secrets",
    )
    compare(ask, ask([], [], secrets, like=list, what="for an empty image"), [], [], "For an empty image")


TREE = (
    ".env",
    ".git/config",
    "README.md",
    "constraints.txt",
    "data/sprites.npy",
    "docker/api.Dockerfile",
    "docker/postgres-password.txt",
    "pixel_edu/README.md",
    "pixel_edu/__init__.py",
    "pixel_edu/__pycache__/config.cpython-311.pyc",
    "pixel_edu/cli/__pycache__/main.cpython-311.pyc",
    "pixel_edu/cli/__init__.py",
    "pixel_edu/weights/reference.safetensors",
    "pixel_edu_old/secret.txt",
    "pyproject.toml",
)


@exercise("ex-12-3", "entering(paths, rules)", "You know what goes into your images, and what stays at home.")
def entering_(ask: Ask) -> None:
    """The last rule that matches decides."""
    a, b, c = words(ask, 3)
    made = f"# made up\n!{b}\n{a}\n{b}/old\n\n!{a}/keep\n**/{c}\n!{a}/keep/{c}/mine.txt\n"
    tree = [f"{x}/{y}" for x in (a, b, f"{a}s", "deep/er") for y in ("x.py", "old/y.py", f"{c}/z.py")]
    tree += [f"deep/{a}/x.py", f"{a}/keep/x.py", f"{a}/keep/{c}/mine.txt", f"{a}/keep/{c}/yours.txt", a, c]
    cases = [(tree, made), *(([*TREE], text) for text in real(".dockerignore"))]
    for paths, text in cases:
        paths = [paths[i] for i in ask.rng.permutation(len(paths))]
        got = ask(paths, text, like=list)

        def slip(match: Any = matches, paths: list[str] = paths, text: str = text, **how: bool) -> list[str]:
            return entering(paths, text, match, **how)

        def itself(path: str, rule: str) -> bool:
            return matches(path, rule) if rule.startswith("*") else path == rule

        def prefix(path: str, rule: str) -> bool:
            return matches(path, rule) if rule.startswith("*") else path.startswith(rule)

        compare(
            ask,
            got,
            slip(),
            [
                (slip(first=True), "You let the first matching rule decide: the last one does."),
                (
                    slip(no_again=True),
                    "Your rules with ! have no effect: they let in again what an earlier rule kept out.",
                ),
                (slip(itself), "Your rules match only the path itself: they match everything below it, too."),
                (
                    slip(prefix),
                    "A folder's name ends at a slash: the rule `a` does not match `ab.py`, nor anything in `ab`.",
                ),
                (
                    slip(lambda path, rule: matches(path, rule.removeprefix("**/"))),
                    "`**/name` matches that name in any folder, not only at the top.",
                ),
                (
                    slip(lambda path, rule: matches(path, rule) or rule in path.split("/")),
                    "A name without `**/` matches only at the top, not in any folder.",
                ),
                ([path for path in paths if path not in slip()], "These are the paths that stay out."),
                (list(paths), "All paths come in: `*` matches every path."),
                (sorted(slip()), "The paths are right, but not in their original order."),
            ],
            f"With rules that begin `{text.splitlines()[1][:20]}`",
        )


def made_up(ask: Ask) -> list[Step]:
    """A build of several stages."""
    a, b, c, d = words(ask, 4)
    text = f"""
        FROM debian:12.15-slim AS base
        RUN apt-get update
        FROM base AS {a}
        COPY {b}.txt /source/
        RUN pip install -r {b}.txt
        COPY {c} {d}
        RUN make {c}
        FROM base AS {d}
        COPY {d}/one {d}/two /opt/
        RUN compile
        FROM {a} AS checked
        RUN pytest
        FROM base
        COPY --from={a} {d}/one /opt/{c}
        COPY --chown=1:1 {b}.txt /{c}
        COPY --from={d} /opt /opt
        COPY . /everything
        USER 10001
    """
    return steps_of(text)


@exercise("ex-12-4", "again(steps, changed)", "Now the order of the lines is a decision.")
def again(ask: Ask) -> None:
    """What a change costs."""
    steps = made_up(ask)
    (b,) = sources(steps[3][1])
    (c,), (two, _) = sources(steps[5][1]), sources(steps[8][1])
    cases = [
        (steps, [f"{c}/inside.py"]),
        (steps, [f"{two}/x"]),
        (steps, [b]),
        (steps, [f"{c}s/not.py"]),
        (steps[:-2], [f"{c}s/not.py"]),
        (steps, []),
    ]
    for text in real("docker/api.Dockerfile", "docker/train.Dockerfile"):
        cases += [
            (steps_of(text), [path]) for path in ("pixel_edu/generate.py", "constraints.txt", "LICENSE")
        ]
    for steps, changed in cases:
        what = f"when `{changed[0]}` has changed" if changed else "when nothing has changed"
        got = ask([tuple(step) for step in steps], list(changed), like=list, what=what)

        def slip(steps: list[Step] = steps, changed: list[str] = changed, **how: bool) -> list[int]:
            return run_again(steps, changed, **how)

        compare(
            ask,
            got,
            slip(),
            [
                (
                    slip(alone=True),
                    "You run only the steps again that copy changed files: all later steps run again, too.",
                ),
                (
                    slip(whole_file=True),
                    "A stage does not continue the one above it: start again after a FROM.",
                ),
                (slip(stages=True), "A stage that begins FROM another one runs again when that one does."),
                (slip(no_from=True), "A COPY --from runs again when the stage that it takes from does."),
                (
                    slip(from_as_files=True),
                    "COPY --from takes files of another stage: the changed files are not among them.",
                ),
                (slip(exact=True), "A changed file inside a copied folder matters: it changes the folder."),
                (
                    slip(target=True),
                    "The last word of a COPY is its destination: the words before it are the sources.",
                ),
                (
                    slip(prefix=True),
                    "A folder's name ends at a slash: files of a folder whose name only begins alike do not matter.",
                ),
                (
                    [n for n in range(len(steps)) if n not in slip()],
                    "These are the steps that come from the cache.",
                ),
                ([n + 1 for n in slip()], "You count from 1: the first step has the number 0."),
            ],
            what.capitalize(),
        )


def seconds_to_sick(
    interval: float, timeout: float, retries: int, start_period: float, hangs: float, **slip: bool
) -> float:
    """When a hanging server is declared unhealthy. The other arguments plant slips."""
    now = 0.0 if slip.get("at_once") else interval
    failed, passed = 0, False
    while True:
        if now < hangs:
            passed, cost = True, 0.0
        else:
            counts = passed or now >= start_period
            if slip.get("no_start"):
                counts = True
            if slip.get("always_start"):
                counts = now >= start_period
            failed, cost = failed + counts, timeout
            if failed >= retries + bool(slip.get("one_more")):
                return now if slip.get("no_last") else now + cost
        now += interval + (0.0 if slip.get("from_start") else cost)


@exercise(
    "ex-12-5",
    "sick_at(interval, timeout, retries, start_period, hangs)",
    "You can tell how long it goes unnoticed.",
)
def sick_at(ask: Ask) -> None:
    """Checks one after the other."""
    some = [30, 3, 3, 30, 100], [10, 5, 2, 25, 0], [10, 4, 3, 60, 20], [5, 2, 1, 0, 0], [15, 3, 3, 40, 15]
    more = [int(value) for value in ask.rng.integers([7, 2, 2, 5, 0], [20, 6, 5, 60, 200])]
    for given in (*some, more):
        what = "with interval {}, timeout {}, retries {}, start period {}, hanging from second {} on".format(
            *given
        )
        got = ask(*given, like=1.0, what=what)

        def slip(given: list[int] = given, **how: bool) -> float:
            return seconds_to_sick(*given, **how)

        ask.same(
            got,
            slip(),
            [
                (slip(at_once=True), "The first check is one interval after the start, not at second 0."),
                (
                    slip(from_start=True),
                    "A check that hangs takes its whole timeout, and the next one begins an interval after that.",
                ),
                (slip(no_last=True), "The last check takes its timeout, too: only then has it failed."),
                (slip(one_more=True), "You wait for one failure more than `retries`."),
                (
                    slip(no_start=True),
                    "Failures in the start period do not count, as long as no check has passed.",
                ),
                (
                    slip(always_start=True),
                    "Once a check has passed, the start period is over: from then on, failures count.",
                ),
                (slip() - given[-1], "This is the time since it hangs: return the seconds since the start."),
            ],
            what=f"{what.capitalize()}, the seconds",
        )


SHELL = ["/bin/sh", "-c"]


def first(entrypoint: str, cmd: str, **slip: bool) -> list[str]:
    """The first process of a container. The other arguments plant slips."""

    def form(text: str) -> list[str]:
        if text.startswith("["):
            return json.loads(text)
        if not text:
            return []
        if slip.get("split"):
            return text.split()
        return [*SHELL, *(text.split() if slip.get("apart") else [text])]

    if entrypoint and not entrypoint.startswith("[") and not slip.get("both"):
        return form(entrypoint)
    if slip.get("either"):
        return form(entrypoint) or form(cmd)
    if slip.get("cmd_first"):
        return form(cmd) + form(entrypoint)
    if slip.get("bare_cmd") and entrypoint and cmd and not cmd.startswith("["):
        return [*form(entrypoint), cmd]
    return form(entrypoint) + form(cmd)


@exercise("ex-12-6", "first_process(entrypoint, cmd)", "You know which process gets the signal to stop.")
def first_process(ask: Ask) -> None:
    """A planted bug: a shell where none should be."""
    port = 8000 + int(ask.rng.integers(900))
    serve, listed = (
        f"pixel-edu serve --port {port}",
        json.dumps(["serve", "--port", str(port), "--name", "a b"]),
    )
    cases = [
        (serve, ""),
        ("", serve),
        ('["pixel-edu"]', listed),
        ('["pixel-edu"]', "serve now"),
        ("", listed),
        (serve, listed),
        ('["tini", "--"]', ""),
    ]
    for text in real(*(f"docker/{name}.Dockerfile" for name in DOCKERFILES)):
        last = dict(steps_of(text))
        cases.append((last.get("ENTRYPOINT", ""), last.get("CMD", "")))
    for entrypoint, cmd in cases:
        what = f"for ENTRYPOINT `{entrypoint}` and CMD `{cmd}`"

        def slip(entrypoint: str = entrypoint, cmd: str = cmd, **how: bool) -> list[str]:
            return first(entrypoint, cmd, **how)

        compare(
            ask,
            ask(entrypoint, cmd, like=list, what=what),
            slip(),
            [
                (
                    slip(split=True, both=True),
                    "The planted bug is still there: a line without brackets is run by a shell, the first process.",
                ),
                (
                    slip(both=True),
                    "An ENTRYPOINT without brackets ignores CMD: the shell runs its line, and nothing else.",
                ),
                (slip(apart=True), "The shell gets the line as one argument after -c, not split into words."),
                (slip(either=True), "CMD is missing: a list in ENTRYPOINT is followed by CMD."),
                (slip(cmd_first=True), "ENTRYPOINT comes first, and CMD after it."),
                (slip(bare_cmd=True), "A CMD without brackets is a shell's, also after an ENTRYPOINT."),
                (slip(entrypoint=""), "This is CMD alone: ENTRYPOINT comes before it."),
                (
                    [entrypoint, cmd],
                    "These are the lines as they are written: return the list of words that they stand for.",
                ),
            ],
            what.capitalize().replace("entrypoint", "ENTRYPOINT").replace("cmd", "CMD"),
        )


@exercise("ex-12-7", "best_order(seconds, chance)", "You know which step belongs on top, and why.")
def best_order(ask: Ask) -> None:
    """By the exchange of two neighbours; every order is tried."""
    mix = ask.rng.permutation(5)
    seconds = [[200.0, 5.0, 30.0, 1.0, 45.0][i] for i in mix]
    chance = [[0.5, 0.05, 0.25, 0.04, 0.6][i] for i in mix]

    def mean_time(order: Sequence[int]) -> float:
        total, unchanged = 0.0, 1.0
        for i in order:
            unchanged *= 1 - chance[i]
            total += seconds[i] * (1 - unchanged)
        return total

    def by(number: Callable[[float, float], float]) -> list[int]:
        return sorted(range(5), key=lambda i: number(seconds[i], chance[i]))

    right = list(min(itertools.permutations(range(5)), key=mean_time))
    got = list(ask(seconds, chance, like=list, what="for five steps"))
    ask.that(sorted(got) == list(range(5)), f"You return {got}: each of the numbers 0 to 4 exactly once.")
    for order, message in (
        (right[::-1], "This is the slowest order: turn it round."),
        (by(lambda t, p: p), "You sort by the chance alone: it matters, too, how long a step takes."),
        (by(lambda t, p: -t), "You sort by the time alone: it matters, too, how often a step changes."),
        (
            by(lambda t, p: -t / p),
            "You sort by time / chance, which is right for small chances: what of large ones?",
        ),
    ):
        ask.that(got == right or got != order, message)
    ask.that(
        got == right,
        f"Your order takes {mean_time(got):.1f} s on average, and the best {mean_time(right):.1f} s.",
    )
