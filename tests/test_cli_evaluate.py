import functools
import json
import os
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pixel_edu import evaluation, report, sprites
from pixel_edu.cli import app
from pixel_edu.config import CLASSES
from pixel_edu.evaluation import MEASURES, Score
from tests import command

pytestmark = pytest.mark.slow

ENVIRONMENT = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
QUICK = ["-n", "50", "--steps", "2"]


def pixel_edu(*arguments, cwd=None):
    return command.run(*arguments, cwd=cwd, env=ENVIRONMENT)


class Page(HTMLParser):
    """Collects tags, the alt texts of pictures, and whatever would be fetched."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.alts, self.fetched = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        if tag == "img":
            self.alts.append(attributes.get("alt", ""))
        target = attributes.get("src") or attributes.get("href") or ""
        if target and not target.startswith("data:"):
            self.fetched.append(target)


def test_evaluate_prints_a_table_and_writes_it_for_programs_and_people(tmp_path):
    asked = (*QUICK, "-n", "100", "--sprites", 500)  # as few as a two-sample test takes
    done = pixel_edu("evaluate", "tiny", *asked, "--out", tmp_path / "new" / "report")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= max(80, len(str(tmp_path)) + 70)
    written = tmp_path / "new" / "report"
    assert {file.name for file in written.iterdir()} == {"report.html", "report.json"}
    found = json.loads((written / "report.json").read_text())
    assert found["settings"]["sprites"] == 100
    assert list(found["measures"]) == [measure.key for measure in MEASURES if not measure.alpha]
    assert "not as good as real" in found["verdict"]  # after two steps
    assert found["verdict"] in " ".join(done.stdout.split())
    assert list(found["two_sample_by_class"]) == list(CLASSES)
    assert all(f"  {name}  " in done.stdout for name in CLASSES)
    for key, measure in found["measures"].items():
        assert measure["name"] in done.stdout
        assert measure["model"]["low"] <= measure["model"]["value"] <= measure["model"]["high"], key
    assert found["measures"]["closed"]["real"]["value"] == 1
    page = Page((written / "report.html").read_text())
    assert page.tags.count("tr") == 1 + len(found["measures"]) + 1 + len(CLASSES)
    assert page.alts
    assert all(page.alts)
    assert page.fetched == []


def test_evaluate_on_a_folder_trains_a_classifier_and_says_how_good_it_is(tmp_path, monkeypatch):
    few = functools.partial(evaluation.folder_yardstick, steps=250)
    monkeypatch.setattr(evaluation, "folder_yardstick", few)
    monkeypatch.chdir(tmp_path)
    assert pixel_edu("data", "make", "set", "-n", 600).returncode == 0
    done = CliRunner().invoke(app, ["evaluate", "tiny", *QUICK, "--data", "set"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert "of the held-out sprites" in done.stderr
    found = json.loads((tmp_path / "evaluation" / "report.json").read_text())
    assert " ".join(done.stdout.split()).count(found["comparison"]) == 1
    assert "compared with 30 real ones held out from training" in found["comparison"]
    assert "30 real ones held out from training" in (tmp_path / "evaluation" / "report.html").read_text()
    assert found["settings"]["trained on"] == "20,000 procedural sprites, seed 0"
    measures = found["measures"]
    assert "closed" not in measures  # known of procedural sprites only
    assert "two_sample" not in measures  # 30 are too few
    assert "It was not run: it needs at least 100 real and 100 drawn sprites" in found["verdict"]
    assert measures["label_accuracy"]["real"]["value"] > 0.8


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere.safetensors"], 1, "nowhere.safetensors is not there"),
        (["best"], 1, "no model 'best'"),
        (["tiny", "-n", "10"], 2, "--n"),
        (["tiny", "--data", "nowhere"], 1, "nowhere"),
        (
            ["tiny", "--data", "pets"],
            1,
            "side_view, but pets holds sprites of cats, dogs: give the data that it was trained on",
        ),
        (["tiny", *QUICK, "--sprites", "100", "--out", "file/x"], 1, "file/x cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, code, says, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "pets" / name / "a.png")
    done = pixel_edu("evaluate", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_as_good_as_real_means_that_the_intervals_meet():
    by_key = {measure.key: measure for measure in MEASURES}
    low, middle, high = Score(1, 0.5, 1.5), Score(2, 1.4, 2.6), Score(4, 3, 5)
    share, distance, like = by_key["coverage"], by_key["fid"], by_key["flat"]
    assert report.as_good(share, high, low)
    assert not report.as_good(share, low, high)
    assert report.as_good(distance, low, high)
    assert not report.as_good(distance, high, low)
    assert not report.as_good(like, high, low)
    assert not report.as_good(like, low, high)
    assert all(report.as_good(each, low, middle) for each in (share, distance, like))


def test_numbers_keep_three_digits():
    by_key = {measure.key: measure for measure in MEASURES}
    assert report.in_words(by_key["flat"], Score(0.98765, 0.5, 1.0)) == ("98.8 %", "50.0–100")
    assert report.in_words(by_key["fid"], Score(1.2345, 1.0, 2.0)) == ("1.23", "1.00–2.00")
    assert report.in_words(by_key["fid"], Score(0.0123, 0.0, 1.0)) == ("0.0123", "0.0000–1.0000")
    assert report.in_words(by_key["fid"], Score(1234.5, 0, 2000)) == ("1,234", "0–2,000")
    assert report.in_words(by_key["fid"], Score(0, 0, 0))[0] == "0"


def test_the_page_shows_the_nearest_training_sprite_turned_as_it_is_near():
    drawn = sprites.make(60, seed=5)
    yardstick = evaluation.procedural_yardstick(60, train=60, real=200)
    images = yardstick.train[:, :, ::-1].copy()
    made = evaluation.evaluate(images, drawn.labels, yardstick, resamples=5)
    assert made.nearest.mirrored.mean() > 0.9  # but for sprites that are their own mirror
    page = report.as_html(images, np.arange(60) % 5, made, yardstick, {"steps": 1})
    assert "these have 0.0 to 0.0" in page
