"""The inspector in a browser: a mouse passes, a tap and arrow keys choose, and what is said is what is there."""

import numpy as np
import pytest

from pixel_edu import sprites
from pixel_edu.config import CLASSES
from pixel_edu.widgets.inspector import PixelInspector
from tests.browser.contrast import too_faint
from tests.browser.mounting import mounted, pixels

pytestmark = pytest.mark.browser

IMAGES = [sprites.draw(label, np.array([0]))[0] for label in range(len(CLASSES))]


@pytest.fixture
def page(chromium):
    with mounted(chromium, PixelInspector(sprite=2, row=2, column=6)) as page:
        yield page


def stage(page):
    return page.get_by_role("application")


def at(page, row, column):
    """Where a pixel's middle is on the screen."""
    box = stage(page).bounding_box()
    return box["x"] + (column + 0.5) / 16 * box["width"], box["y"] + (row + 0.5) / 16 * box["height"]


def read(page):
    """What the list says, by its words."""
    names, values = (page.locator(f".pixel-inspector {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def tells(page, sprite, row, column):
    """Whether the list and the captions say what is at that pixel, and a frame stands there in all four pictures."""
    image = IMAGES[sprite]
    color = image[row, column]
    told = read(page)
    assert told["row, column"] == f"{row}, {column}"
    assert told["bytes"] == ", ".join(map(str, color))
    assert told["hex"] == "#" + bytes(color).hex()
    numbers = [float(number.replace("−", "-")) for number in told["network"].split(", ")]
    np.testing.assert_allclose(numbers, color / 127.5 - 1, atol=0.0051)
    assert told["same colour"] == f"{(image == color).all(axis=2).sum()} of 256"
    captions = page.locator("figure.pixel-small figcaption").all_inner_texts()
    assert captions == [f"{name}: {byte}" for name, byte in zip(("red", "green", "blue"), color, strict=True)]
    for frame in page.locator(".pixel-cursor").all():
        assert frame.evaluate("e => [e.style.top, e.style.left]") == [
            f"{6.25 * row:g}%",
            f"{6.25 * column:g}%",
        ]
    return True


def test_it_begins_with_what_was_asked_for(page):
    assert tells(page, 2, 2, 6)
    shown = np.array(pixels(page, "A sprite, food"), np.uint8).reshape(16, 16, 4)[..., :3]
    np.testing.assert_array_equal(shown, IMAGES[2])
    for c, name in enumerate(("red", "green", "blue")):
        grey = np.array(pixels(page, f"the {name}"), np.uint8).reshape(16, 16, 4)
        np.testing.assert_array_equal(grey[..., :3], np.repeat(IMAGES[2][..., c, None], 3, axis=2))


def test_a_mouse_shows_each_pixel_it_passes_and_a_press_keeps_one(page):
    page.mouse.move(*at(page, 4, 9))
    assert tells(page, 2, 4, 9)
    page.mouse.move(*at(page, 8, 5))
    assert tells(page, 2, 8, 5)
    page.mouse.move(2, 2)
    assert tells(page, 2, 2, 6)  # what was chosen
    page.mouse.click(*at(page, 8, 5))
    page.mouse.move(2, 2)
    assert tells(page, 2, 8, 5)


def test_a_tap_chooses(chromium):
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
    with mounted(chromium, PixelInspector(sprite=2), **phone) as page:
        page.touchscreen.tap(*at(page, 11, 4))
        assert tells(page, 2, 11, 4)


def test_arrow_keys_choose_and_stay_inside(page):
    for _ in range(3):  # the sprite, the box, and the stage
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "application"
    for key, place in (
        ("ArrowDown", (3, 6)),
        ("ArrowRight", (3, 7)),
        ("ArrowUp", (2, 7)),
        ("ArrowLeft", (2, 6)),
    ):
        page.keyboard.press(key)
        assert tells(page, 2, *place)
    for _ in range(5):
        page.keyboard.press("ArrowUp")
    assert tells(page, 2, 0, 6)
    page.keyboard.press("Control+ArrowDown")  # the browser's
    assert tells(page, 2, 0, 6)
    page.mouse.move(*at(page, 9, 9))
    page.keyboard.press("ArrowDown")
    assert tells(page, 2, 1, 6)  # from what was chosen, not from where the mouse is


def test_a_screen_reader_hears_of_what_was_chosen_and_not_of_what_a_mouse_passes(page):
    said = page.get_by_role("status")
    before = said.text_content()
    page.mouse.move(*at(page, 8, 5))
    assert said.text_content() == before
    page.mouse.click(*at(page, 8, 5))
    red, green, blue = IMAGES[2][8, 5]
    assert said.text_content().startswith(
        f"Row 8, column 5: red {red}, green {green}, blue {blue}. For the network "
    )
    assert said.text_content().endswith(" of 256 pixels have this colour.")
    label = page.locator("canvas[role=img]").first.get_attribute("aria-label")
    assert label == "A sprite, food; row 8, column 5 is chosen."


def veiled(page):
    """Which pixels lie under the veil."""
    data = page.locator("canvas[aria-hidden]").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, 16, 16).data].filter((_, i) => i % 4 === 3)"
    )
    return np.array(data).reshape(16, 16) > 0


def test_the_pixels_of_its_colour_light_up_and_no_other(page):
    page.mouse.click(*at(page, 8, 5))
    np.testing.assert_array_equal(~veiled(page), (IMAGES[2] == IMAGES[2][8, 5]).all(axis=2))
    page.get_by_role("checkbox").uncheck()
    assert not veiled(page).any()


def test_another_sprite_keeps_the_place(page):
    page.get_by_role("combobox", name="sprite").select_option("0")
    assert tells(page, 0, 2, 6)
    assert (
        page.locator("canvas[role=img]").first.get_attribute("aria-label").startswith("A sprite, characters")
    )


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_words_stay_readable_and_nothing_jumps(chromium, width):
    options = {"viewport": {"width": width, "height": 740}}
    with mounted(chromium, PixelInspector(), **options) as page:
        before = page.locator(".pixel-panel").bounding_box()["height"]
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            assert too_faint(page, ".pixel-panel *") == []
            for place in ((0, 0), (5, 7), (15, 15)):
                page.mouse.click(*at(page, *place))
                assert page.locator(".pixel-panel").bounding_box()["height"] == before
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        side = stage(page).bounding_box()
        assert abs(side["width"] - side["height"]) < 1
        cell = page.locator(".pixel-inspector dd").first.bounding_box()
        panel = page.locator(".pixel-panel").bounding_box()
        for value in page.locator(".pixel-inspector dd").all():
            box = value.bounding_box()
            assert box["x"] + box["width"] <= panel["x"] + panel["width"]
        assert cell["x"] >= panel["x"]
