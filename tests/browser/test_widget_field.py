"""Guidance in the plane, in a browser: what moves when a control moves."""

import pytest

from pixel_edu.widgets.field import GuidanceField
from tests.browser.contrast import too_faint
from tests.browser.mounting import mounted, seen

pytestmark = pytest.mark.browser
END = "() => document.querySelector('input[aria-valuetext=clean]')"


@pytest.fixture
def page(chromium):
    with mounted(chromium, GuidanceField()) as page:
        page.wait_for_selector("canvas[aria-label^=Points]")
        yield page


def test_every_control_changes_what_is_drawn(page):
    shots = [seen(page)]
    page.get_by_role("combobox", name="class").select_option("1")
    shots.append(seen(page))
    page.get_by_role("slider", name="guidance").fill("8")
    shots.append(seen(page))
    page.get_by_role("slider", name="moment").fill("20")
    shots.append(seen(page))
    page.get_by_label("seed", exact=True).fill("5")
    page.keyboard.press("Tab")
    shots.append(seen(page))
    assert all(shot != other for i, shot in enumerate(shots) for other in shots[:i])


def test_words_say_that_guidance_pushes_past_the_data(page):
    page.get_by_role("slider", name="guidance").fill("8")
    label = page.get_by_role("img").get_attribute("aria-label").replace("\u00a0", " ")
    assert label.startswith("Points of class 0, right, with guidance 8, at their end: 100 % nearest")
    words = page.locator(".pixel-status[role=status]").inner_text().splitlines()
    outside = [int(line.split(",")[-1].split("\u00a0")[0].removeprefix(" ")) for line in words]
    assert words[0].startswith("At the end, with w = 8")
    assert words[1].startswith("With w = 1")
    assert outside[0] > 80 > 20 > outside[1]


def test_keys_alone_scrub_through_the_run(page):
    page.keyboard.press("Tab")
    for _ in range(5):  # seed, another, Play, guidance, moment
        page.keyboard.press("Tab")
    last = seen(page)
    page.keyboard.press("Home")
    noise = seen(page)
    assert noise != last
    assert "in the noise, before the first call" in page.get_by_role("img").get_attribute("aria-label")
    page.keyboard.press("ArrowRight")
    assert seen(page) != noise
    assert "after call 1 of 50" in page.get_by_role("img").get_attribute("aria-label")
    assert page.get_by_role("slider", name="moment").get_attribute("aria-valuetext") == "t = 979"


def test_play_runs_from_the_noise_to_the_end_and_can_be_held(page):
    moment = page.get_by_role("slider", name="moment")
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("() => +document.querySelectorAll('input[type=range]')[1].value % 50 > 3")
    page.get_by_role("button", name="Pause").press("Enter")
    held = moment.input_value()
    page.wait_for_timeout(300)
    assert moment.input_value() == held
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(END)
    page.get_by_role("button", name="Play").wait_for()


def test_a_hand_on_the_slider_ends_the_play(page):
    moment = page.get_by_role("slider", name="moment")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => +document.querySelectorAll('input[type=range]')[1].value % 50 > 3")
    moment.fill("40")
    page.get_by_role("button", name="Play").wait_for()
    assert moment.input_value() == "40"


def test_who_asks_for_less_motion_sees_start_and_end(chromium):
    with mounted(chromium, GuidanceField(step=10), reduced_motion="reduce") as page:
        play, moment = page.get_by_role("button", name="Play"), page.get_by_role("slider", name="moment")
        for there in ("50", "0", "50"):
            play.click()
            assert moment.input_value() == there


def test_it_is_drawn_again_in_the_dark_and_words_stay_readable(page):
    before = seen(page)
    assert too_faint(page, ".pixel-panel *") == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert seen(page) != before
    assert too_faint(page, ".pixel-panel *") == []


@pytest.mark.parametrize("density", [1, 3])
def test_it_fits_a_phone_and_is_sharp(chromium, density):
    phone = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": density}
    with mounted(chromium, GuidanceField(), **phone) as page:
        seen(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        width, shown = page.locator("canvas").evaluate("c => [c.width, c.clientWidth]")
        assert width == density * shown
