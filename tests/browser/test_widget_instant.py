"""A sprite in one call in a browser: the slider, the strip, the keys, and what is said where the network is missing."""

import re
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from pixel_edu.widgets.instant import STOPS, InstantDraw
from tests.browser.mounting import ADDRESS, mounted, pixels

pytestmark = pytest.mark.browser

LABEL, SEEDS = 2, (7, 8)
COUNT = "Number(document.querySelector('.pixel-panel').dataset.drawn ?? 0)"
TIMES = []
"""What the widget said that its calls took."""


def widget(**traits):
    return InstantDraw(**({"label": LABEL, "seed": SEEDS[0], "other_seed": SEEDS[1]} | traits))


@pytest.fixture
def fresh(chromium):
    """A page whose network is not loaded yet, and what it asks for."""
    with mounted(chromium, widget(), networks=True) as page:
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url.removeprefix(ADDRESS)))
        yield page


@pytest.fixture
def loaded(fresh):
    """A page whose network is loaded."""
    changed(fresh, fresh.get_by_role("button", name="Draw").click)
    return fresh


@pytest.fixture(scope="module", autouse=True)
def times():
    """Tells what calls took; `-s` shows it."""
    yield
    print("\none call of the distilled network, ms:", *TIMES)


def changed(page, act):
    """Do something, and wait until a sprite has been drawn after it."""
    before = page.evaluate(COUNT)
    act()
    page.wait_for_function(f"{COUNT} > {before}")
    said = page.locator(".pixel-large figcaption").inner_text()
    TIMES.append(int(re.fullmatch(r"(?:five sprites in )?one call: (\d+) ms", said)[1]))


def slider(page):
    return page.get_by_label("from A to B")


def shown(page, name="a drawn sprite"):
    """A canvas's pixels, (H, W, 3)."""
    picture = page.locator(f'canvas[aria-label^="{name}"]')
    width, height = picture.evaluate("c => [c.width, c.height]")
    return np.array(pixels(page, name), np.uint8).reshape(height, width, 4)[..., :3]


def strip(page):
    """The sprites of the strip, row after row."""
    whole = shown(page, page.locator(".pixel-strip canvas").get_attribute("aria-label"))
    rows = range(0, len(whole), 17)
    return [whole[top : top + 16, 17 * i : 17 * i + 16] for top in rows for i in range(len(STOPS))]


def alike(theirs, ours, pixels=2):
    """Whether two sprites have the same colours; a few pixels may lie between two colours to the last bit."""
    return (np.asarray(theirs) != ours).any(axis=-1).sum() <= pixels


def test_before_the_network_is_asked_for_there_are_the_stored_sprites_and_nothing_is_loaded(fresh):
    stops = widget().draw(STOPS)
    assert all(alike(one, other, 0) for one, other in zip(strip(fresh), stops, strict=True))
    assert alike(shown(fresh), stops[4], 0)
    slider(fresh).fill("0.26")  # nearest is the third of the nine
    assert alike(shown(fresh), stops[2], 0)
    assert fresh.get_by_text("stored; press Draw").is_visible()
    fresh.get_by_role("combobox", name="class").select_option("items")
    assert fresh.get_by_text("press Draw", exact=True).is_visible()  # nobody knows these
    assert fresh.locator('canvas[aria-label="nothing yet"]').count() == 2
    assert fresh.asked == []


def test_the_noise_follows_the_slider_without_the_network(fresh):
    def noise(share):
        slider(fresh).fill(str(share))
        name = f"the noise {100 * share:.1f} % of the way from seed 7 to seed 8"
        return shown(fresh, name).astype(float)

    seen = [noise(share) for share in (0.0, 0.5, 1.0)]
    assert all((one != other).any() for one, other in pairwise(seen))
    assert np.ptp([each.std() for each in seen]) < 5  # a straight line would be flatter halfway
    assert fresh.asked == []


@pytest.mark.parametrize("share", [0.0, 0.335, 1.0])
def test_moving_the_slider_draws_what_python_draws(loaded, share):
    slider(loaded).fill("0.6")
    changed(loaded, lambda: slider(loaded).fill(str(share)))
    assert alike(shown(loaded), widget().draw([share])[0])
    assert slider(loaded).get_attribute("aria-valuetext") == f"{100 * share:.1f} %"


def test_a_slider_that_is_faster_than_the_network_leaves_no_calls_behind(loaded):
    changed(loaded, lambda: slider(loaded).fill("0.1"))
    before = loaded.evaluate(COUNT)
    race = """async input => {
      for (let i = 20; i <= 120; i++) {
        input.value = i / 200;
        input.dispatchEvent(new Event("input"));
        await null;
        await null;
      }
    }"""
    slider(loaded).evaluate(race)
    loaded.wait_for_function(f"{COUNT} >= {before + 2}")  # one that was begun, and the latest
    loaded.evaluate("() => new Promise(done => setTimeout(done, 300))")
    assert loaded.evaluate(COUNT) == before + 2
    assert alike(shown(loaded), widget().draw([0.6])[0])


def test_the_strip_is_a_slider_too(loaded):
    place = loaded.locator(".pixel-strip").bounding_box()
    middle = place["height"] / 2
    for x, value in ((1, "0"), (place["width"] - 1, "1"), (place["width"] / 2, "0.5")):
        act = loaded.locator(".pixel-strip").click
        changed(loaded, lambda act=act, x=x: act(position={"x": x, "y": middle}))
        assert slider(loaded).input_value() == value
        mark = loaded.locator(".pixel-mark").bounding_box()
        assert abs(mark["x"] - place["x"] - float(value) * (place["width"] - mark["width"])) < 1


def test_other_seeds_and_another_class_draw_another_strip(loaded):
    def seed(name, value):
        field = loaded.get_by_label(name, exact=True)
        field.fill(str(value))
        field.press("Enter")

    slider(loaded).fill("0.5")
    changed(loaded, lambda: seed("seed A", 3))
    changed(loaded, lambda: seed("seed B", 4))
    changed(loaded, lambda: loaded.get_by_role("combobox", name="class").select_option("creatures"))
    ours = widget(label=1, seed=3, other_seed=4).draw(STOPS)
    assert all(alike(one, other) for one, other in zip(strip(loaded), ours, strict=True))
    assert alike(shown(loaded, "a drawn sprite of the class creatures"), ours[4])
    assert loaded.get_by_role("status").inner_text() == "Drawn: creatures, from seed 3 to 4."
    changed(loaded, loaded.get_by_role("button", name="another seed A").click)
    changed(loaded, loaded.get_by_role("button", name="another seed B").click)


def test_all_five_stand_side_by_side_and_a_phone_has_room_for_them(loaded):
    changed(loaded, lambda: loaded.get_by_role("combobox", name="class").select_option("all five"))
    picture = shown(loaded, "drawn sprites of all classes")
    ours = widget(label=5).draw([float(slider(loaded).input_value())])
    assert picture.shape == (16, 84, 3)
    assert all(alike(picture[:, 17 * i : 17 * i + 16], each) for i, each in enumerate(ours))
    assert len(strip(loaded)) == 5 * len(STOPS)
    assert "five sprites in one call" in loaded.locator(".pixel-large figcaption").inner_text()
    loaded.set_viewport_size({"width": 360, "height": 800})
    assert loaded.evaluate("document.documentElement.scrollWidth") <= 360


def test_true_colours_are_few_and_can_be_left_out(loaded):
    def colors():
        return len(np.unique(shown(loaded).reshape(-1, 3), axis=0))

    few = colors()
    changed(loaded, loaded.get_by_label("true colours").uncheck)
    many = colors()
    ours = widget(snap=False).draw([float(slider(loaded).input_value())])[0]
    assert np.abs(shown(loaded).astype(int) - ours).max() <= 1
    changed(loaded, loaded.get_by_label("true colours").check)
    assert few < many / 2
    assert colors() == few


def test_a_sprite_can_be_taken_away_as_a_file(loaded):
    changed(loaded, lambda: slider(loaded).fill("0.25"))
    with loaded.expect_download() as download:
        loaded.get_by_role("button", name="Save as PNG").click()
    assert download.value.suggested_filename == "food-7-8-0.25.png"
    with Image.open(download.value.path()) as picture:
        assert picture.size == (256, 256)
        small = np.asarray(picture.convert("RGB").resize((16, 16), Image.Resampling.NEAREST))
    assert (small == shown(loaded)).all()


def test_the_keyboard_alone_is_enough(fresh):
    fresh.get_by_role("combobox", name="class").focus()
    for _ in range(8):
        fresh.keyboard.press("Tab")
        if fresh.evaluate("document.activeElement.textContent") == "Draw":
            break
    changed(fresh, lambda: fresh.keyboard.press("Enter"))
    for _ in range(4):
        fresh.keyboard.press("Tab")
        if fresh.evaluate("document.activeElement.type") == "range":
            break
    changed(fresh, lambda: fresh.keyboard.press("End"))
    assert slider(fresh).get_attribute("aria-valuetext") == "100.0 %"
    changed(fresh, lambda: fresh.keyboard.press("ArrowLeft"))
    assert slider(fresh).get_attribute("aria-valuetext") == "99.5 %"
    assert alike(shown(fresh), widget().draw([0.995])[0])
    wanted = {"ort.mjs", "ort.wasm.gz", "instant.onnx", "instant.safetensors"}
    assert {name.rpartition("/")[2] for name in fresh.asked if "_static" in name} == wanted


@pytest.mark.parametrize("name", ["ort.wasm.gz", "instant.safetensors"])
def test_a_file_that_is_damaged_is_one_sentence_and_one_can_try_again(fresh, name):
    pointer = "version https://git-lfs.github.com/spec/v1\n"
    fresh.route(f"**/{name}", lambda route: route.fulfill(body=pointer))
    fresh.get_by_role("button", name="Draw").click()
    says = f"{name} is damaged, or a pointer of Git LFS in its place: put the file itself on the server."
    fresh.get_by_text(f"The model cannot run here: {says}").wait_for()
    assert fresh.get_by_role("progressbar").count() == 0
    assert alike(shown(fresh), widget().draw(STOPS)[4], 0)  # what was stored stays
    fresh.unroute(f"**/{name}")
    changed(fresh, fresh.get_by_role("button", name="Draw").click)
    assert fresh.get_by_role("status").inner_text() == "Drawn: food, from seed 7 to 8."
