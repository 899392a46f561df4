"""The race of samplers, in a browser: what moves when a control moves."""

import pytest

from pixel_edu.widgets.race import SamplerRace
from tests.browser.contrast import too_faint
from tests.browser.mounting import mounted, seen

pytestmark = pytest.mark.browser
NAMES = ("DDPM", "DDIM", "DPM-Solver++")


@pytest.fixture
def page(chromium):
    with mounted(chromium, SamplerRace()) as page:
        page.wait_for_selector("canvas[aria-label^=Paths]")
        yield page


def distances(page):
    return [float(text) for text in page.locator(".pixel-number").all_inner_texts()]


def test_every_control_changes_what_is_drawn(page):
    shots = [seen(page)]
    page.get_by_role("slider", name="calls").fill("4")
    shots.append(seen(page))
    for name in NAMES:
        page.get_by_role("checkbox", name=name).uncheck()
        shots.append(seen(page))
    page.get_by_label("seed", exact=True).fill("5")
    page.keyboard.press("Tab")
    shots.append(seen(page))
    assert all(shot != other for i, shot in enumerate(shots) for other in shots[:i])


def test_play_walks_all_paths_from_the_noise_to_the_end(page):
    end = seen(page)
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Stop").wait_for()
    shots = [seen(page)]
    page.wait_for_timeout(300)
    shots.append(seen(page))
    assert len({*shots, end}) == 3
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Play").wait_for()
    assert seen(page) == end


def test_a_control_that_is_moved_ends_the_play(page):
    page.get_by_role("button", name="Play").click()
    page.get_by_role("slider", name="calls").fill("4")
    page.get_by_role("button", name="Play").wait_for()
    assert "4 calls each" in page.get_by_role("img").get_attribute("aria-label")


def test_who_asks_for_less_motion_sees_the_end_only(chromium):
    with mounted(chromium, SamplerRace(), reduced_motion="reduce") as page:
        page.wait_for_selector("canvas[aria-label^=Paths]")
        end = seen(page)
        page.get_by_role("button", name="Play").click()
        assert seen(page) == end


def test_distances_are_pythons(page):
    race = SamplerRace()
    ends = race.exact()[-1]
    ours = [float((race.walk(name)[-1] - ends).norm(dim=1).mean()) for name in ("ddpm", "ddim", "dpmpp_2m")]
    assert distances(page) == pytest.approx(ours, abs=0.001)


def test_keys_alone_change_the_calls_and_the_distances_follow(page):
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    seen(page)
    ddpm, ddim, solver = distances(page)
    assert ddpm > 0.5 > 0.03 > ddim > 5 * solver
    assert "50 calls each" in page.get_by_role("img").get_attribute("aria-label")
    page.keyboard.press("Home")
    seen(page)
    assert len(set(distances(page))) == 1  # one call is the same step for all
    assert "one call each" in page.get_by_role("img").get_attribute("aria-label")


def test_words_say_who_needs_fewer_calls(page):
    said = page.locator(".pixel-status[role=status]").inner_text()
    assert said.startswith("Calls to come within 0.05 of the exact ends: DDIM 18, DPM-Solver++ 9.")
    for name in NAMES:
        page.get_by_role("checkbox", name=name).press("Space")
    assert page.get_by_role("img").get_attribute("aria-label").endswith("Only the exact paths are shown.")


def test_it_is_drawn_again_in_the_dark_and_words_stay_readable(page):
    before = seen(page)
    words = ".pixel-panel :not([aria-hidden])"
    assert too_faint(page, words) == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert seen(page) != before
    assert too_faint(page, words) == []


@pytest.mark.parametrize("density", [1, 3])
def test_it_fits_a_phone_and_is_sharp(chromium, density):
    phone = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": density}
    with mounted(chromium, SamplerRace(), **phone) as page:
        seen(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        width, shown = page.locator("canvas").evaluate("c => [c.width, c.clientWidth]")
        assert width == density * shown
