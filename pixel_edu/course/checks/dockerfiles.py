"""What a Dockerfile and a .dockerignore mean, read from their text.

The checks of chapter 12 compare answers with this, and the tests of the repository's own images use it too. Keyword
arguments named after a mistake make it, so that a check knows what an answer with that mistake gives.
"""

from __future__ import annotations

from collections.abc import Callable

Step = tuple[str, str]
"""An instruction in capitals, and the rest of its line."""


def steps_of(text: str, **slip: bool) -> list[Step]:
    """The instructions of a Dockerfile. The other arguments plant slips."""
    found, open_line = [], ""
    for raw in text.splitlines():
        line = raw.strip()
        if slip.get("anywhere"):
            line = line.partition("#")[0].strip()
        comment = line.startswith("#") and not slip.get("comments")
        if (not line and not slip.get("blank_ends")) or (comment and not (slip.get("inside") and open_line)):
            continue
        open_line = f"{open_line} {line}"
        if line.endswith("\\"):
            open_line = open_line if slip.get("backslash") else open_line.rstrip("\\ ")
            continue
        word, _, rest = open_line.strip().partition(" ")
        if word:
            found.append((word if slip.get("case") else word.upper(), " ".join(rest.split())))
        open_line = ""
    return found


def matches(path: str, rule: str) -> bool:
    """Whether a rule of a .dockerignore means a path, itself or a folder that it lies in."""
    parts = path.split("/")
    if rule == "*":
        return True
    if rule.startswith("**/"):
        return rule.removeprefix("**/") in parts
    wanted = rule.split("/")
    return parts[: len(wanted)] == wanted


def entering(
    paths: list[str], text: str, match: Callable[[str, str], bool] = matches, **slip: bool
) -> list[str]:
    """The paths that a .dockerignore lets in. The other arguments plant slips."""
    rules = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = []
    for path in paths:
        kept = True
        for rule in rules:
            if match(path, rule.removeprefix("!")):
                kept = rule.startswith("!") and not slip.get("no_again")
                if slip.get("first"):
                    break
        found += [path] if kept else []
    return found


def sources(rest: str) -> list[str]:
    """What a COPY takes."""
    return [word for word in rest.split() if not word.startswith("--")][:-1]


def taken_from(rest: str) -> str:
    """The stage that a COPY takes from, or ""."""
    flags = [word for word in rest.split() if word.startswith("--from=")]
    return flags[0].removeprefix("--from=") if flags else ""


def below(path: str, source: str) -> bool:
    """Whether a path is a source, or lies in it."""
    source = source.removeprefix("./").rstrip("/")
    return source in (".", "", path) or path.startswith(f"{source}/")


def run_again(steps: list[Step], changed: list[str], **slip: bool) -> list[int]:
    """Which steps of a build run again. The other arguments plant slips."""

    def touched(source: str) -> bool:
        if slip.get("prefix"):
            return any(source == "." or path.startswith(source) for path in changed)
        if slip.get("exact"):
            return any(source in (".", path) for path in changed)
        return any(below(path, source) for path in changed)

    again, dirty, stages, name = [], False, set(), ""
    for number, (word, rest) in enumerate(steps):
        dirty = dirty and not slip.get("alone")
        if word == "FROM":
            parts = rest.split()
            name = parts[-1] if len(parts) > 2 else str(number)
            dirty = parts[0] in stages and not slip.get("stages")
            dirty = dirty or bool(slip.get("whole_file") and again)
        elif word == "COPY" and taken_from(rest):
            dirty = dirty or (taken_from(rest) in stages and not slip.get("no_from"))
            dirty = dirty or bool(slip.get("from_as_files") and any(map(touched, sources(rest))))
        elif word == "COPY":
            named = sources(rest) + (rest.split()[-1:] if slip.get("target") else [])
            dirty = dirty or any(map(touched, named))
        if dirty:
            again.append(number)
            stages.add(name)
    return again
