"""Answers that share what hardly anybody else wrote: pairs for a person to look at, not a verdict."""

from __future__ import annotations

import io
import itertools
import tokenize
from collections import Counter
from typing import NamedTuple

from pixel_edu.grading.results.store import Result

RUN = 6
"""Tokens in a row that are compared."""
RARE = 0.1
"""A run counts when at most this share of the class wrote it, two at least."""
ENOUGH = 15
"""Rare runs that two must share to be named."""


class Pair(NamedTuple):
    """Two submissions.

    Attributes:
        first: a student.
        second: another.
        share: of the rare runs of the one with fewer, those that the other has too, 0 to 1.
        runs: how many these are.
    """

    first: str
    second: str
    share: float
    runs: int


def pairs(results: list[Result], given: dict[str, str]) -> list[Pair]:
    """Pairs of students with much in common, the closest first.

    Args:
        results: with the answers.
        given: what the hand-out's answer cells hold, which does not count.
    """
    common = set().union(*map(runs, given.values())) if given else set()
    wrote = {
        result.student: set().union(*map(runs, result.answers.values())) - common
        for result in results
        if result.answers
    }
    counts = Counter(itertools.chain.from_iterable(wrote.values()))
    most = max(2, RARE * len(wrote))
    rare = {student: {run for run in made if counts[run] <= most} for student, made in wrote.items()}
    by_run: dict[tuple, list[str]] = {}
    for student, made in rare.items():
        for run in made:
            by_run.setdefault(run, []).append(student)
    shared = Counter(
        pair for students in by_run.values() for pair in itertools.combinations(sorted(students), 2)
    )
    found = [
        Pair(a, b, count / min(len(rare[a]), len(rare[b])), count)
        for (a, b), count in shared.items()
        if count >= ENOUGH
    ]
    return sorted((pair for pair in found if pair.share >= 0.5), key=lambda pair: (-pair.share, -pair.runs))


def runs(source: str) -> set[tuple[str, ...]]:
    """All runs of tokens in a source, without its layout; comments count."""
    words = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING, tokenize.COMMENT):
                words.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        words = words or source.split()
    return set(zip(*(words[i:] for i in range(RUN)), strict=False))
