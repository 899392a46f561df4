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
    ddim, line, ddpm, both, fifty, _ = table.values()
    assert (
        "Fresh noise closes outlines and cleans backgrounds: DDPM is ahead of DDIM, and SDE-DPM-Solver++"
        in WORDS
    )
    for without, fresh in ((ddim, ddpm), (line, both)):
        assert fresh[CLOSED] > without[CLOSED] + 3
        assert fresh[WHITE] > without[WHITE] + 2
    assert "the one with the line closes more outlines and has the lower Fréchet distance" in WORDS
    assert both[CLOSED] > ddpm[CLOSED]
    assert both[FID] < ddpm[FID]
    assert "Fifty calls make fronts a little more symmetric, and bring nothing else" in WORDS
    assert 0.5 < both[FRONTS] - fifty[FRONTS] < 1.5
    assert abs(fifty[FID] - both[FID]) < 0.3
    assert abs(fifty[CLOSED] - both[CLOSED]) < 2
    assert abs(fifty[WHITE] - both[WHITE]) < 1
    assert "DDPM draws more exactly white backgrounds and more closed outlines than DDIM" in SEVEN


def test_the_page_says_of_faults_what_was_measured():
    ours, before, real = rows("quality", "As `pixel-edu sample` draws").values()
    assert "One sprite in ten has a gap in its outline" in WORDS
    assert 9.5 < 100 / (100 - ours[CLOSED]) < 11.5
    assert "one in twenty has a background a hair off white" in WORDS
    assert 18 < 100 / (100 - ours[WHITE]) < 23
    assert "a quarter more than real ones" in WORDS
    assert 1.2 < ours[FRONTS] / real[FRONTS] < 1.35
    assert ours[COPIES] < real[COPIES]
    assert (
        "fewer open outlines and fewer tinted backgrounds with SDE-DPM-Solver++ than with DPM-Solver++"
        in SEVEN
    )
    assert ours[CLOSED] > before[CLOSED] + 3
    assert ours[WHITE] > before[WHITE] + 2


@pytest.mark.parametrize("path", sorted(MEASURED.glob("*.md")), ids=lambda path: path.stem)
def test_a_title_below_a_table_is_no_row_of_it(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert all(
        not before.startswith("|") for before, line in itertools.pairwise(lines) if line and line[0] != "|"
    )
