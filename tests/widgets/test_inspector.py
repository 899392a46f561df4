"""The inspector: what it holds of its sprites, what it says without a page, and that the page says the same."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import traitlets
from PIL import Image

from pixel_edu import sprites
from pixel_edu.config import CLASSES
from pixel_edu.images import to_tensor
from pixel_edu.widgets.inspector import PixelInspector

HERE = Path(__file__).parent
JS = HERE.parents[1] / "pixel_edu" / "widgets" / "js"
CODE = """import { about, told } from "ADDRESS/inspector.js";
const { bytes, places } = JSON.parse(await new Response(Deno.stdin.readable).text());
console.log(JSON.stringify(places.map(([row, column]) => {
  const { rgb, hex, numbers, alike } = about(Uint8ClampedArray.from(bytes), row, column);
  return { rgb, hex, numbers, told: numbers.map(told).join(", "), count: alike.length };
})));"""


def test_the_parts_without_a_page_work(run):
    run("test", "--no-remote", "--quiet", str(HERE / "inspector_test.js"))


def test_the_page_says_what_the_picture_says_and_the_network_gets(run):
    image = sprites.draw(2, np.array([0]))
    places = [(0, 0), (2, 6), (7, 8), (15, 3)]
    sent = np.concatenate([image[0], np.full((16, 16, 1), 255, np.uint8)], axis=2)
    said = json.dumps({"bytes": sent.ravel().tolist(), "places": places})
    theirs = json.loads(run("eval", CODE.replace("ADDRESS", JS.as_uri()), said=said))
    for (row, column), page in zip(places, theirs, strict=True):
        assert page["rgb"] == image[0, row, column].tolist()
        np.testing.assert_allclose(page["numbers"], to_tensor(image)[0, :, row, column], atol=1e-6)
        told = PixelInspector(sprite=2, row=row, column=column).picture().partition("<p>")[2]
        red, green, blue = page["rgb"]
        assert f"row {row}, column {column}: red {red}, green {green}, blue {blue}, {page['hex']}." in told
        assert f"the network {page['told'].replace('−', '-')}. {page['count']} of 256 pixels" in told


def test_the_sheet_holds_the_images_to_the_last_byte():
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)  # no palette could
    made = PixelInspector(images, ["a", "b", "c"])
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(made.sheet))).convert("RGB"))
    np.testing.assert_array_equal(sheet.reshape(3, 16, 16, 3), images)
    assert made.settings()["names"] == ["a", "b", "c"]


def test_by_itself_it_holds_a_sprite_of_each_class():
    made = PixelInspector()
    assert made.names == list(CLASSES)
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(made.sheet))).convert("RGB"))
    drawn = [sprites.draw(label, np.array([0])) for label in range(5)]
    np.testing.assert_array_equal(sheet.reshape(5, 16, 16, 3), np.concatenate(drawn))
    assert len(made.sheet) < 8000


def test_it_is_its_words_and_a_picture_of_the_sprite_and_its_channels():
    made = PixelInspector(sprite=4)
    assert repr(made) == made.alt
    assert made.alt in re.search(r'<figure.*?<img alt="([^"]+)"', made.picture(), re.DOTALL)[1]
    captions = ("side view", "red", "green", "blue")
    assert all(f">{name}<" in made.picture() for name in captions)
    assert made.picture() == PixelInspector(sprite=4).picture() != PixelInspector(sprite=3).picture()


@pytest.mark.parametrize("wrong", [{"sprite": 5}, {"row": 16}, {"column": -1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(traitlets.TraitError):
        PixelInspector(**wrong)


def test_each_image_has_one_name():
    with pytest.raises(ValueError, match="1 images have 2 names: give one for each"):
        PixelInspector(sprites.draw(0, np.array([0])), ["a", "b"])


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 16, 16, 4), np.uint8), np.zeros((1, 16, 16, 3))],
    ids=["another size", "alpha", "floats"],
)
def test_images_that_it_cannot_show_are_refused_in_one_sentence(wrong):
    with pytest.raises(
        ValueError, match=r"the images are .* of (uint8|float64): use .* \(N, 16, 16, 3\) of uint8"
    ):
        PixelInspector(wrong, ["a"])
