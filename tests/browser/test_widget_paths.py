"""Paths of the oracle in a browser: the start follows a mouse, a finger and keys, and words say where it leads."""

import re

import pytest

from pixel_edu.widgets.paths import OraclePaths
from tests.browser.contrast import too_faint
from tests.browser.mounting import mounted, seen

pytestmark = pytest.mark.browser

REACH = 2.6
TOUCH = """([x, y, steps]) => {
  const handle = document.querySelector(".pixel-handle"), box = handle.getBoundingClientRect();
  const [left, top] = [box.left + box.width / 2, box.top + box.height / 2];
  const tell = (kind, share) => handle.dispatchEvent(new PointerEvent(kind, {
    pointerId: 7, pointerType: "touch", isPrimary: true, button: kind === "pointermove" ? -1 : 0, bubbles: true,
    cancelable: true, clientX: left + share * x, clientY: top + share * y,
  }));
  handle.setPointerCapture = () => handle.held = true;  // a made-up finger cannot be captured
  handle.hasPointerCapture = () => handle.held;
  tell("pointerdown", 0);
  for (let i = 1; i <= steps; i++) tell("pointermove", i / steps);
  handle.held = false;
  tell("pointerup", 1);
}"""
"""A finger that drags the start by so many pixels."""


@pytest.fixture
def page(chromium):
    with mounted(chromium, OraclePaths()) as page:
        page.wait_for_selector("canvas[aria-label^=Paths]")
        yield page


def said(page):
    return page.get_by_role("status").inner_text()


def start(page):
    """The start, as the words say it."""
    found = re.match(r"From (\(.*?\)|\S+),", said(page))[1]
    return [float(value.replace("−", "-")) for value in re.findall(r"[−\d.]+", found)]


def at(page, x, y):
    """Where a point of the plane is on the screen."""
    box = page.locator("canvas").bounding_box()
    half = box["width"] / 2
    return box["x"] + half + half * x / REACH, box["y"] + half - half * y / REACH


def choose(page, name, value):
    page.get_by_role("combobox", name=name).select_option(value)


def test_a_mouse_drags_the_start_and_the_path_follows_at_once(page):
    assert said(page) == "From 0.30, 50 calls of DDIM lead to 1.00: the value +1."
    shots = [seen(page)]
    page.mouse.move(*at(page, -2.2, 0.3))
    page.mouse.down()
    for y, end in ((1.5, "1.00: the value +1."), (-0.8, "−1.00: the value −1.")):
        page.mouse.move(*at(page, 0, y), steps=3)
        assert start(page) == pytest.approx([y], abs=0.02)
        assert said(page).endswith(end)
        shots.append(seen(page))
    page.mouse.up()
    page.mouse.move(*at(page, 0, 2))
    assert start(page) == pytest.approx([-0.8], abs=0.02)  # it was let go
    assert len(set(shots)) == 3


def test_a_press_elsewhere_brings_the_start_there_in_both_directions_of_the_ring(page):
    choose(page, "data", "ring")
    page.mouse.click(*at(page, -1.5, -1.0))
    assert start(page) == pytest.approx([-1.5, -1.0], abs=0.02)
    assert said(page).endswith("in the blob below left, of class 1.")
    page.mouse.click(*at(page, -2.59, 2.59))
    assert start(page) == [-2.5, 2.5]


def test_a_finger_drags_the_handle_and_a_tap_elsewhere_moves_it(chromium):
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
    with mounted(chromium, OraclePaths(data="ring", x=0.0, y=1.0), **phone) as page:
        handle = page.locator(".pixel-handle")
        assert handle.evaluate("e => getComputedStyle(e).touchAction") == "none"
        assert (
            page.locator("canvas").evaluate("e => getComputedStyle(e).touchAction") != "none"
        )  # here, it scrolls
        assert min(handle.bounding_box()[side] for side in ("width", "height")) >= 44
        unit = page.locator("canvas").bounding_box()["width"] / (2 * REACH)
        page.evaluate(TOUCH, [unit, -0.5 * unit, 4])
        assert start(page) == pytest.approx([1, 1.5], abs=0.02)
        page.touchscreen.tap(*at(page, -1, -1))
        assert start(page) == pytest.approx([-1, -1], abs=0.02)


def test_arrow_keys_move_the_start_and_say_where_it_is(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "pixel-handle"
    for key, value in (
        ("ArrowUp", 0.4),
        ("ArrowRight", 0.5),
        ("ArrowDown", 0.4),
        ("Shift+ArrowDown", 0.39),
        ("Shift+ArrowLeft", 0.38),
    ):
        page.keyboard.press(key)
        assert start(page) == [value]
        label = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert label == f"Start of the path, at {value:.2f}: arrow keys move it, with Shift slowly."
    choose(page, "data", "ring")
    page.locator(".pixel-handle").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert start(page) == [0.28, 0.6]
    page.keyboard.press("Control+ArrowUp")  # the browser's
    page.keyboard.press("a")
    assert start(page) == [0.28, 0.6]


def test_keys_show_where_they_go(page):
    page.keyboard.press("Tab")
    style = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"[{style}.outlineStyle, {style}.outlineWidth]") == ["solid", "3px"]


def test_with_one_call_everything_ends_at_the_average(page):
    choose(page, "calls", "1")
    assert (
        said(page)
        == "From 0.30, one call of DDIM leads to 0.00: the average of the two values, where no data are."
    )
    page.get_by_role("button", name="Add 160").click()
    assert said(page).endswith("Of 160 random starts 100 % end at the average.")
    choose(page, "data", "ring")
    assert said(page).endswith("Of 160 random starts 100 % end at the average.")
    choose(page, "class", "2")
    assert "the average of class 2, where no data are" in said(page)


def test_random_starts_are_added_counted_and_removed(page):
    before, add = seen(page), page.get_by_role("button", name="Add 160 random starts")
    remove = page.get_by_role("button", name="Remove them")
    assert remove.is_disabled()
    for count in (160, 320):
        add.click()
        shares = [int(share) for share in re.findall(r"(\d+) % end at [−+]1", said(page))]
        assert f"Of {count} random starts" in said(page)
        assert len(shares) == 2
        assert min(shares) > 35
    assert seen(page) != before
    for _ in range(8):
        add.click()
    assert add.is_disabled()
    assert "Of 1600 random starts" in said(page)
    remove.click()
    assert "random" not in said(page)
    assert seen(page) == before


def test_every_control_changes_what_is_drawn(page):
    page.get_by_role("button", name="Add 160").click()
    shots = [seen(page)]
    assert not page.get_by_role("combobox", name="class").is_visible()  # the numbers have none
    for name, value in (("data", "ring"), ("class", "0"), ("calls", "10"), ("sampler", "ddpm")):
        choose(page, name, value)
        shots.append(seen(page))
    page.get_by_label("seed", exact=True).fill("5")
    page.keyboard.press("Tab")
    shots.append(seen(page))
    assert len(set(shots)) == 6


def test_what_it_shows_is_told_to_who_does_not_see_it(page):
    assert page.get_by_role("img").get_attribute("aria-label") == f"Paths from noise to data. {said(page)}"
    page.get_by_role("button", name="Add 160").click()
    told = page.get_by_role("img").get_attribute("aria-label")
    assert told == f"Paths from noise to data. {said(page)}"
    assert "random starts" in told


def test_it_is_drawn_again_in_the_dark_and_words_stay_readable(page):
    before = seen(page)
    assert too_faint(page, ".pixel-panel *") == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert seen(page) != before
    assert too_faint(page, ".pixel-panel *") == []


@pytest.mark.parametrize("data", ["line", "ring"])
def test_it_fits_a_phone_is_sharp_and_nothing_jumps_while_the_start_is_dragged(chromium, data):
    phone = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 3}
    with mounted(chromium, OraclePaths(data=data), **phone) as page:
        seen(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        width, shown = page.locator("canvas").evaluate("c => [c.width, c.clientWidth]")
        assert width == 3 * shown
        before = page.locator(".pixel-panel").bounding_box()["height"]
        for place in ((-2.5, -2.5), (0, 0), (1, 1)):
            page.mouse.click(*at(page, *place))
            assert page.locator(".pixel-panel").bounding_box()["height"] == before
