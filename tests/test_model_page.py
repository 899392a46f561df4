"""What the models' page says is what its tables say."""

import itertools
from pathlib import Path

import pytest

from tests.measured import MEASURED, rows

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "model.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
SEVEN = (ROOT / "chapters" / "07_ddim.ipynb").read_text(encoding="utf-8")
FID, WHITE, CLOSED = "Fréchet distance, FID", "exact background", "closed outlines"
FRONTS, COPIES = "mirror difference, fronts", "near copies"


def test_the_page_says_of_fresh_noise_and_of_the_line_what_was_measured():
    table = rows("quality", "Fresh noise, guidance 3 in the interval")
    ddim, line, ddpm, both, fifty, real = table.values()
    assert "DPM-Solver++ has less than DDIM, and SDE-DPM-Solver++ less than DDPM" in WORDS
    assert line[FID] < ddim[FID] - 0.3
    assert both[FID] < ddpm[FID] - 0.3
    assert "DDPM is ahead of DDIM, and SDE-DPM-Solver++ of DPM-Solver++" in WORDS
    for without, fresh in ((ddim, ddpm), (line, both)):
        assert fresh[CLOSED] > without[CLOSED] + 5
        assert fresh[WHITE] > without[WHITE] + 3
        assert without[COPIES] < fresh[COPIES] < real[COPIES]
    assert "Fifty calls bring nothing that these intervals show" in WORDS
    assert abs(fifty[FID] - both[FID]) < 0.3
    assert abs(fifty[CLOSED] - both[CLOSED]) < 2
    assert abs(fifty[WHITE] - both[WHITE]) < 1
    assert abs(fifty[FRONTS] - both[FRONTS]) < 2


def test_the_page_says_of_faults_what_was_measured():
    ours, before, real = rows("quality", "As `pixel-edu sample` draws").values()
    assert "one sprite in twelve has a gap" in WORDS
    assert 11.5 < 100 / (100 - ours[CLOSED]) < 12.5
    assert "four times as much as real ones" in WORDS
    assert 3.5 < ours[FRONTS] / real[FRONTS] < 4.5
    assert ours[FID] <= before[FID]
    assert "about half as many open outlines with SDE-DPM-Solver++ as with DPM-Solver++" in SEVEN
    assert 0.45 < (100 - ours[CLOSED]) / (100 - before[CLOSED]) < 0.6


@pytest.mark.parametrize("path", sorted(MEASURED.glob("*.md")), ids=lambda path: path.stem)
def test_a_title_below_a_table_is_no_row_of_it(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert all(
        not before.startswith("|") for before, line in itertools.pairwise(lines) if line and line[0] != "|"
    )
