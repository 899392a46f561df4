"""Real or drawn: what the game holds, what it looks like without a page, and how sure a count is."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import traitlets
from PIL import Image

from pixel_edu import sprites
from pixel_edu.distances import Score, nearest_sprites
from pixel_edu.evaluation import OTHER_SEED
from pixel_edu.widgets.pairs import EACH, RealOrDrawn, contestants

HERE = Path(__file__).parent
JS = HERE.parents[1] / "pixel_edu" / "widgets" / "js"


def test_the_parts_without_a_page_work(run):
    run("test", "--no-remote", "--quiet", str(HERE / "pairs_test.js"))


def test_the_interval_is_scipys(run):
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    code = (
        f'import {{ interval }} from "{(JS / "binomial.js").as_uri()}";'
        "for (let n = 0; n <= 20; n++) console.log(interval(n, 20).join());"
    )
    ours = [[float(part) for part in line.split(",")] for line in run("eval", code).split()]
    theirs = [stats.binomtest(right, 20).proportion_ci(0.95, "exact") for right in range(21)]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.slow
def test_the_real_ones_are_held_out_and_the_others_are_not_among_them():
    real, drawn = contestants()
    held_out = sprites.make(5 * EACH, OTHER_SEED)
    for label in range(5):
        np.testing.assert_array_equal(real[label], held_out.images[held_out.labels == label])
    assert real.shape == drawn.shape
    everything = real.reshape(-1, 16, 16, 3)
    assert (nearest_sprites(drawn.reshape(-1, 16, 16, 3), everything).distance > 0).mean() > 0.9


@pytest.mark.slow
def test_the_sheet_holds_them_all_and_is_small():
    text = RealOrDrawn().sheet
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))
    assert len(text) < 20_000
    tiles = sheet.reshape(2, 5, 16, EACH, 16, 3).swapaxes(2, 3)
    np.testing.assert_array_equal(tiles, contestants())


@pytest.mark.slow
def test_it_is_its_words_and_a_picture_that_keeps_its_secret():
    made = RealOrDrawn()
    assert repr(made) == made.alt
    assert made.picture() == RealOrDrawn().picture() != RealOrDrawn(seed=1).picture()
    figure, told = made.picture().split("<details>")
    assert made.alt in re.search(r'<figure.*?<img alt="([^"]+)"', figure)[1]
    assert len(re.findall(r"\b[AB]\b", told)) == 10


@pytest.mark.slow
def test_a_score_is_what_a_judge_is():
    made = RealOrDrawn(judge=Score(0.75, 0.5, 0.9))
    assert tuple(made.settings()["judge"]) == (0.75, 0.5, 0.9)
    assert RealOrDrawn().judge is None


@pytest.mark.parametrize(
    "wrong", [{"pairs": 7}, {"pairs": 0}, {"pairs": 65}, {"seed": -1}, {"judge": (0.5,)}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(traitlets.TraitError):
        RealOrDrawn(**wrong)
