"""The sprite bench in a browser: what moves when a control moves, and painting."""

import io

import numpy as np
import pytest
from PIL import Image

from pixel_edu import palette, sprites
from pixel_edu.widgets.lab import SpriteLab
from tests.browser.mounting import mounted, pixels

pytestmark = pytest.mark.browser

COLORS = sprites.colors()
TRUE, BEFORE, AFTER = "the true sprite", "the spoiled sprite", "the sprite after"


def image(page, name):
    return np.array(pixels(page, name), np.uint8).reshape(16, 16, 4)[..., :3]


def agree(shown, ours):
    return (shown != ours).any(axis=-1).mean() < 0.005  # a pixel may lie between two colours


@pytest.fixture
def page(chromium):
    with mounted(chromium, SpriteLab()) as page:
        yield page


def test_every_control_changes_what_it_should(page):
    np.testing.assert_array_equal(image(page, TRUE), sprites.draw(0, np.array([0]))[0])
    page.get_by_role("combobox", name="class", exact=True).select_option(index=3)
    page.get_by_role("combobox", name="sprite", exact=True).select_option(index=5)
    np.testing.assert_array_equal(image(page, TRUE), sprites.draw(3, np.array([5]))[0])
    before = image(page, BEFORE)
    assert agree(image(page, AFTER), palette.snap(before[None], COLORS)[0])
    page.get_by_role("slider", name="tolerance").fill("0.3")
    page.get_by_role("slider", name="loneliness").fill("0.15")
    assert agree(image(page, AFTER), palette.snap(before[None], COLORS, 0.3, 0.15)[0])
    page.get_by_role("combobox", name="restore", exact=True).select_option("nearest")
    assert agree(image(page, AFTER), COLORS[palette.nearest(before[None], COLORS)[0]][0])
    assert page.get_by_role("slider", name="tolerance").is_disabled()
    page.get_by_role("combobox", name="restore", exact=True).select_option("none")
    np.testing.assert_array_equal(image(page, AFTER), before)
    page.get_by_role("slider", name="spoil").fill("0")
    np.testing.assert_array_equal(image(page, AFTER), image(page, TRUE))
    assert "100 % of the pixels are true" in page.locator(".pixel-status").inner_text()


def test_the_status_counts_colours(page):
    counts = [len(np.unique(image(page, name).reshape(-1, 3), axis=0)) for name in (BEFORE, AFTER, TRUE)]
    words = "Before, {} colours; after, {}; the true sprite has {}.".format(*counts)
    assert words in page.locator(".pixel-status").inner_text()


def test_keys_alone_paint_a_pixel_and_take_it_back(page):
    before = image(page, BEFORE)
    page.get_by_role("slider", name="loneliness").focus()
    page.keyboard.press("Tab")
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert page.locator(".pixel-status").inner_text().startswith("Column 8, row 7: #")
    assert page.locator(".pixel-cursor").is_visible()
    page.keyboard.press("Space")
    assert image(page, BEFORE)[6, 7].tolist() == [0xD8, 0x3A, 0x3A]
    assert (image(page, BEFORE) != before).any(axis=-1).sum() == 1
    page.get_by_role("button", name="Undo painting").press("Enter")
    np.testing.assert_array_equal(image(page, BEFORE), before)


def test_a_mouse_paints_where_it_is_and_another_sprite_is_unpainted(page):
    stage = page.locator(".pixel-paintable")
    box = stage.bounding_box()
    cell = box["width"] / 16
    page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 1.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 5.5 * cell, box["y"] + 1.5 * cell, steps=6)
    page.mouse.up()
    assert (image(page, BEFORE)[1, 3:6] == [0xD8, 0x3A, 0x3A]).all()
    page.get_by_role("combobox", name="sprite", exact=True).select_option(index=1)
    page.get_by_role("slider", name="spoil").fill("0")
    np.testing.assert_array_equal(image(page, BEFORE), image(page, TRUE))


def test_the_result_is_saved_as_a_png(page):
    with page.expect_download() as got:
        page.get_by_role("button", name="Save as PNG").click()
    assert got.value.suggested_filename == "characters-1.png"
    with open(got.value.path(), "rb") as file:
        saved = np.array(Image.open(io.BytesIO(file.read())).convert("RGB"))
    np.testing.assert_array_equal(saved[::16, ::16], image(page, AFTER))


def test_it_fits_a_phone(chromium):
    with mounted(chromium, SpriteLab(), viewport={"width": 360, "height": 740}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
