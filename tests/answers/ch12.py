"""Answers to the exercises of chapter 12: right ones, and wrong ones with what the check must say."""

import itertools
import json
import math
import re

from tests.answers import reports

# ex-12-1


def read(
    comments=False, inside=False, anywhere=False, join=True, backslash=False, upper=True, blank_ends=False
):
    def answer(text):
        found, begun = [], ""
        for raw in text.splitlines():
            line = raw.partition("#")[0].strip() if anywhere else raw.strip()
            if line.startswith("#") and not comments and not (inside and begun):
                continue
            if not line and not (blank_ends and begun):
                continue
            begun += line if backslash else line.removesuffix("\\")
            begun += " "
            if line.endswith("\\") and join:
                continue
            word, _, rest = begun.strip().partition(" ")
            found.append((word.upper() if upper else word, rest.strip()))
            begun = ""
        return found

    return answer


def read_by_pattern(text):
    text = re.sub(r"(?m)^\s*(#.*)?\n", "", text)
    lines = re.sub(r"\\\n", " ", text).strip().splitlines()
    return [[line.split()[0].upper(), " ".join(line.split()[1:])] for line in lines]


# ex-12-2


def leaks(layers, history, secrets):
    everything = "\n".join([*history, *(text or "" for layer in layers for text in layer.values())])
    return [secret for secret in secrets if secret in everything]


def leaks_by_loops(layers, history, secrets):
    found = set()
    for secret in secrets:
        for layer in layers:
            for text in layer.values():
                if text is not None and secret in text:
                    found.add(secret)
        for line in history:
            if secret in line:
                found.add(secret)
    return [secret for secret in secrets if secret in found]


def shown(layers):
    final = {}
    for layer in layers:
        final.update(layer)
    return [final]


# ex-12-3


def means(rule, path):
    if rule == "*":
        return True
    if rule.startswith("**/"):
        return rule[3:] in path.split("/")
    return path == rule or path.startswith(rule + "/")


def entering(match=means, first=False, again=True):
    def answer(paths, rules):
        lines = [line for line in rules.splitlines() if line and not line.startswith("#")]
        found = []
        for path in paths:
            goes_in = True
            for line in lines:
                if match(line.removeprefix("!"), path):
                    goes_in = again and line.startswith("!")
                    if first:
                        break
            if goes_in:
                found.append(path)
        return found

    return answer


def entering_backwards(paths, rules):
    lines = [line for line in rules.splitlines() if line and line[0] != "#"][::-1]
    return [
        path
        for path in paths
        if next((line[0] == "!" for line in lines if means(line.removeprefix("!"), path)), True)
    ]


# ex-12-4


def again(
    rest_of_stage=True,
    stages=True,
    copy_from=True,
    whole=False,
    target=False,
    slash="/",
    exact=False,
    own_files=False,
):
    def answer(steps, changed):
        def touched(source):
            return any(
                source in (".", path) or (not exact and path.startswith(source + slash)) for path in changed
            )

        ran, dirty_stages, name, dirty = [], {}, None, False
        for number, (word, rest) in enumerate(steps):
            words = rest.split()
            if word == "FROM":
                name = words[2] if len(words) > 2 else number
                dirty = (stages and dirty_stages.get(words[0], False)) or (whole and bool(ran))
            elif word == "COPY":
                flags = [each for each in words if each.startswith("--")]
                origins = [flag.partition("=")[2] for flag in flags if flag.startswith("--from")]
                sources = words[len(flags) : None if target else -1] if not origins or own_files else []
                hit = any(map(touched, sources)) or (
                    copy_from and any(dirty_stages.get(each, False) for each in origins)
                )
                dirty = hit or (dirty and rest_of_stage)
            else:
                dirty = dirty and rest_of_stage
            dirty_stages[name] = dirty_stages.get(name, False) or dirty
            if dirty:
                ran.append(number)
        return ran

    return answer


def again_by_stages(steps, changed):
    stages = [[]]
    for number, step in enumerate(steps):
        if step[0] == "FROM":
            stages.append([])
        stages[-1].append((number, step))
    dirty, ran = set(), []
    for stage in filter(None, stages):
        start = stage[0][1][1].split()
        run = start[0] in dirty
        for number, (word, rest) in stage:
            if word == "COPY":
                words = rest.split()
                if words[0].startswith("--from="):
                    run |= words[0][7:] in dirty
                else:
                    names = [each for each in words[:-1] if not each.startswith("--")]
                    run |= any(f == n or f.startswith(n + "/") or n == "." for f in changed for n in names)
            if run:
                ran.append(number)
        if run and len(start) == 3:
            dirty.add(start[2])
    return ran


# ex-12-5


def sick_at(first=True, from_end=True, last=True, more=0, start=True, forgives=True, since=False):
    def answer(interval, timeout, retries, start_period, hangs):
        now, failed, passed = interval if first else 0, 0, False
        while True:
            begun = now
            if begun < hangs:
                passed = True
            else:
                late = begun >= start_period
                failed += (late or (passed and forgives)) if start else 1
                now += timeout
                if failed == retries + more:
                    return (now if last else begun) - (hangs if since else 0)
            now = (now if from_end else begun) + interval

    return answer


def sick_by_formula(interval, timeout, retries, start_period, hangs):
    good = max(-(-hangs // interval) - 1, 0)  # checks that pass
    begin = (good + 1) * interval
    if good == 0:
        while begin < start_period:
            begin += timeout + interval
    return begin + retries * timeout + (retries - 1) * interval


# ex-12-6


def words(text):
    return json.loads(text) if text.startswith("[") else ["/bin/sh", "-c", text] if text else []


def first_process(entrypoint, cmd):
    return words(entrypoint) if entrypoint and entrypoint[0] != "[" else words(entrypoint) + words(cmd)


def first_by_cases(entrypoint, cmd):
    if not entrypoint:
        return words(cmd)
    if entrypoint.startswith("["):
        return [*json.loads(entrypoint), *words(cmd)]
    return ["/bin/sh", "-c", entrypoint]


def planted(entrypoint, cmd):
    def cut(text):
        return json.loads(text) if text.startswith("[") else text.split()

    return cut(entrypoint) + cut(cmd)


def first_apart(entrypoint, cmd):
    def cut(text):
        return json.loads(text) if text.startswith("[") else ["/bin/sh", "-c", *text.split()] if text else []

    return cut(entrypoint) if entrypoint and entrypoint[0] != "[" else cut(entrypoint) + cut(cmd)


RIGHT = {
    "ex-12-1": [read(), read_by_pattern],
    "ex-12-2": [leaks, leaks_by_loops],
    "ex-12-3": [entering(), entering_backwards],
    "ex-12-4": [again(), again_by_stages],
    "ex-12-5": [sick_at(), sick_by_formula],
    "ex-12-6": [first_process, first_by_cases],
}

WRONG = {
    "ex-12-1": {
        "Your instructions include comments": read(comments=True),
        "has become part of it": read(inside=True),
        "A # further to the right is not a comment": read(anywhere=True),
        "goes on in the next": read(join=False),
        "backslashes are still there": read(backslash=True),
        "are the same word": read(upper=False),
        "does not end it": read(blank_ends=True),
        "first words alone": lambda text: [word for word, _ in read()(text)],
        "is missing": lambda text: read()(text)[:-1],
        "it should be": lambda text: [(word, rest + "!") for word, rest in read()(text)],
    },
    "ex-12-2": {
        "still in its layer": lambda layers, history, secrets: leaks(shown(layers), history, secrets),
        "You look only at the files": lambda layers, history, secrets: leaks(layers, [], secrets),
        "You look only at the history": lambda layers, history, secrets: leaks([], history, secrets),
        "The first layer is ignored": lambda layers, history, secrets: leaks(layers[1:], history, secrets),
        "You look only at the last layer": lambda layers, history, secrets: leaks(
            layers[-1:], history, secrets
        ),
        "A file named like a secret does not hold it": lambda layers, history, secrets: leaks(
            layers, [*history, *(path for layer in layers for path in layer)], secrets
        ),
        "that do not leak": lambda layers, history, secrets: [
            secret for secret in secrets if secret not in leaks(layers, history, secrets)
        ],
        "not in the order": lambda layers, history, secrets: sorted(leaks(layers, history, secrets)),
        "is one too many": lambda layers, history, secrets: [*leaks(layers, history, secrets), "more"],
        "not a list": lambda layers, history, secrets: set(leaks(layers, history, secrets)),
    },
    "ex-12-3": {
        "You let the first matching rule decide": entering(first=True),
        "Your rules with ! have no effect": entering(again=False),
        "Your rules match only the path itself": entering(
            lambda rule, path: (
                path == rule or rule == "*" or (rule[:3] == "**/" and rule[3:] in path.split("/"))
            )
        ),
        "ends at a slash": entering(
            lambda rule, path: means(rule, path) if rule[0] == "*" else path.startswith(rule)
        ),
        "not only at the top": entering(lambda rule, path: means(rule.removeprefix("**/"), path)),
        "not in any folder": entering(lambda rule, path: means(rule, path) or rule in path.split("/")),
        "that stay out": lambda paths, rules: [p for p in paths if p not in entering()(paths, rules)],
        "All paths come in": lambda paths, rules: list(paths),
        "not in their original order": lambda paths, rules: sorted(entering()(paths, rules)),
        "it should be|is one too many|is missing": lambda paths, rules: [*entering()(paths, rules), "more"],
    },
    "ex-12-4": {
        "all later steps run again, too": again(rest_of_stage=False),
        "A stage does not continue the one above it": again(whole=True),
        "runs again when that one does": again(stages=False),
        "runs again when the stage": again(copy_from=False),
        "are not among them": again(own_files=True),
        "A changed file inside a copied folder matters": again(exact=True),
        "The last word of a COPY is its destination": again(target=True),
        "whose name only begins alike": again(slash=""),
        "come from the cache": lambda steps, changed: [
            n for n in range(len(steps)) if n not in again()(steps, changed)
        ],
        "You count from 1": lambda steps, changed: [n + 1 for n in again()(steps, changed)],
        "returned None": lambda steps, changed: print(end=""),
    },
    "ex-12-5": {
        "not at second 0": sick_at(first=False),
        "takes its whole timeout": sick_at(from_end=False),
        "only then has it failed": sick_at(last=False),
        "one failure more": sick_at(more=1),
        "do not count": sick_at(start=False),
        "the start period is over": sick_at(forgives=False),
        "This is the time since it hangs": sick_at(since=True),
        "are wrong": lambda *given: sick_at()(*given) + 1,
    },
    "ex-12-6": {
        "The planted bug is still there": planted,
        "An ENTRYPOINT without brackets ignores CMD": lambda entrypoint, cmd: words(entrypoint) + words(cmd),
        "as one argument after -c": first_apart,
        "CMD is missing": lambda entrypoint, cmd: words(entrypoint) or words(cmd),
        "comes first, and CMD after": lambda entrypoint, cmd: (
            words(entrypoint) if entrypoint and entrypoint[0] != "[" else words(cmd) + words(entrypoint)
        ),
        "A CMD without brackets is a shell's": lambda entrypoint, cmd: (
            [*first_process(entrypoint, ""), cmd]
            if entrypoint.startswith("[") and cmd and cmd[0] != "["
            else first_process(entrypoint, cmd)
        ),
        "This is CMD alone": lambda entrypoint, cmd: words(cmd) if cmd else words(entrypoint),
        "These are the lines as they are written": lambda entrypoint, cmd: [entrypoint, cmd],
        "is missing|it should be": lambda entrypoint, cmd: first_process(entrypoint, cmd)[1:],
    },
}


def ordered(number):
    return lambda seconds, chance: sorted(range(len(seconds)), key=lambda i: number(seconds[i], chance[i]))


def order_by_trying(seconds, chance):
    def time(order):
        return sum(
            seconds[i] * (1 - math.prod(1 - chance[j] for j in order[: place + 1]))
            for place, i in enumerate(order)
        )

    return list(min(itertools.permutations(range(len(seconds))), key=time))


RIGHT["ex-12-7"] = [ordered(lambda t, p: t * (1 - 1 / p)), order_by_trying]
WRONG["ex-12-7"] = {
    "the slowest order": ordered(lambda t, p: t * (1 - p) / p),
    "by the chance alone": ordered(lambda t, p: p),
    "by the time alone": ordered(lambda t, p: -t),
    "right for small chances": ordered(lambda t, p: -t / p),
    "exactly once": lambda seconds, chance: list(range(len(seconds) - 1)),
    "on average, and the best": ordered(lambda t, p: t),
}


RIGHT["ex-12-8"], WRONG["ex-12-8"] = reports.answers("ex-12-8")
