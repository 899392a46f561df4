"""A fact that the package has a home for is not written again elsewhere in it."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pixel_edu"
HOMES = {
    "the core count": (r"cpu_count|sched_getaffinity", {"config.py"}),
    "class names": (r"creatures[\"'], *[\"']food", {"config.py"}),
    "the ids of exercises": (r"ex-\(?(\?P<\w+>)?\\d", {"config.py"}),
    "a picture's data address": (r"data:image/png;base64", {"images.py"}),
    "a missing package": (r"is not installed: pip", {"config.py"}),
    "cells of one answer, joined": (r'as_python\("\\n"\.join', {"notebooks/answers.py"}),
    "a Markdown table": (r"\| ?:?---|:?---:? \|", {"markdown.py"}),
}


def copies(pattern: str, homes: set[str]) -> list[str]:
    """Where the package's sources match a pattern, outside its homes."""
    return [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if str(path.relative_to(PACKAGE)) not in homes
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]


@pytest.mark.parametrize("fact", HOMES)
def test_a_fact_has_one_home(fact):
    pattern, homes = HOMES[fact]
    assert copies(pattern, homes) == []


@pytest.mark.parametrize("fact", HOMES)
def test_the_pattern_finds_the_fact_at_home(fact):
    pattern, homes = HOMES[fact]
    assert {line.partition(":")[0] for line in copies(pattern, set())} == homes
