"""The page on one call: what its sentences say of the tables is what the tables say."""

import itertools
import re
from pathlib import Path

from tests.measured import rows

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "one_call.md").read_text(encoding="utf-8")


FID, STRAY, WHITE, CLOSED = "Fréchet distance, FID", "stray pixels", "exact background", "closed outlines"


def test_the_page_says_of_the_students_what_was_measured():
    table = rows("one_call_students")
    distance = {name: row[FID] for name, row in table.items()}
    chain = ["teacher", *(f"calls-{calls}" for calls in (16, 8, 4, 2, 1))]
    costs = [distance[after] - distance[before] for before, after in itertools.pairwise(chain)]
    assert all(cost < 1 for cost in costs[:3])  # down to four calls
    assert costs[-1] > sum(costs[:-1])
    assert 0.4 < distance["calls-1-adversary"] / distance["calls-1"] < 0.6
    assert 1.8 < table["calls-1-adversary"][STRAY] / table["calls-1"][STRAY] < 2.2
    polished = table["calls-1-polishing"]
    assert polished[STRAY] <= table["calls-1"][STRAY]
    assert polished[WHITE] > 70 > table["calls-1-adversary"][WHITE]
    fronts = "mirror difference, fronts"
    assert table["calls-1-adversary"][fronts] > table["calls-1"][fronts] > polished[fronts] - 1
    assert distance["calls-1-adversary"] < polished[FID] < distance["calls-1"]
    assert table["teacher"][CLOSED] > 80
    assert polished[CLOSED] < 33.3
    assert "the last student less than a third" in PAGE


def test_the_page_says_of_the_shipped_network_what_was_measured():
    table = rows("one_call")
    instant, real = table["instant"], table["real sprites"]
    assert instant["right class"] >= 99
    assert 5.5 < instant[FID] / real[FID] < 6.5
    assert instant["told from real"] > 95
    quality = (ROOT / "book" / "measured" / "quality.md").read_text(encoding="utf-8")
    last = quality[quality.index("As `pixel-edu sample` draws") :]
    reference, floor = (
        float(re.search(rf"^\| {name} \| [^|]+ \| ([\d.]+)", last, re.MULTILINE)[1])
        for name in ("reference", "real sprites")
    )
    assert 2 < reference / floor < 2.4
    assert "little more than twice" in PAGE
    assert "six times" in PAGE


def test_the_page_says_of_the_ways_what_was_measured():
    halved, consistent, adversary = rows("one_call_methods").values()
    for seed in ("seed 0", "seed 1"):
        assert halved[seed] < consistent[seed] < halved[seed] + 3
        assert adversary[seed] < halved[seed] - 3
    assert adversary["CPU minutes"] <= min(halved["CPU minutes"], consistent["CPU minutes"])
    assert "a little behind, and an adversary after half as many steps is ahead of both" in PAGE


def test_the_page_says_of_the_time_what_was_measured():
    *_, instant = rows("one_call_speed").values()
    assert instant["ms"] < 10
    assert instant["as many times faster"] > 10_000
    assert "more than ten thousand times as fast" in PAGE
