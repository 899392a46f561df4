"""A training in a browser: it starts, pauses and begins again, draws what it draws elsewhere, and waits when unseen."""

import re

import pytest

from pixel_edu.widgets.training import TrainingInPage
from tests.browser.contrast import too_faint
from tests.browser.mounting import mounted

pytestmark = pytest.mark.browser

STEP = "+document.querySelector('.pixel-score span').textContent.match(/step ([\\d,]+)/)[1].replace(',', '')"


@pytest.fixture
def page(chromium):
    with mounted(chromium, TrainingInPage()) as page:
        page.wait_for_selector("canvas[aria-label^=Points]")
        yield page


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def step(page):
    return page.evaluate(STEP)


def reaches(page, number):
    page.wait_for_function(f"{STEP} >= {number}")


def frames(page):
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def seen(page):
    frames(page)
    return [page.locator("canvas").nth(i).evaluate("c => c.toDataURL()") for i in (0, 1)]


def told(page):
    return page.get_by_role("img").first.get_attribute("aria-label")


def test_it_waits_for_start_and_then_points_and_curve_move(page):
    before = seen(page)
    assert step(page) == 0
    assert "not trained yet" in page.locator(".pixel-score").inner_text()
    button(page, "Start").click()
    reaches(page, 25)
    after = seen(page)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_pause_holds_the_run_and_it_goes_on_from_there(page):
    button(page, "Start").click()
    reaches(page, 10)
    button(page, "Pause").click()
    frames(page)
    held = step(page)
    page.wait_for_timeout(300)
    assert step(page) == held
    button(page, "Go on").click()
    reaches(page, held + 5)


def test_keys_alone_start_it(page):
    for _ in range(5):  # rate, seed, another, average, Start
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    reaches(page, 5)
    page.keyboard.press("Enter")
    button(page, "Go on").wait_for()


def test_again_begins_at_nothing(page):
    button(page, "Start").click()
    reaches(page, 30)
    page.evaluate("window.steps = []; new MutationObserver(() => steps.push(" + STEP + "))"
                  ".observe(document.querySelector('.pixel-score'), { childList: true })")  # fmt: skip
    button(page, "Again").click()
    page.wait_for_function("steps.includes(0) && steps.at(-1) > 0")


def test_a_seed_is_a_cloud(page):
    first = seen(page)[0]
    page.get_by_label("seed", exact=True).fill("5")
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    other = seen(page)[0]
    assert other != first
    page.get_by_label("seed", exact=True).fill("0")
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    assert seen(page)[0] == first


def test_the_average_of_the_weights_draws_other_points(page):
    button(page, "Start").click()
    reaches(page, 50)
    button(page, "Pause").click()
    page.wait_for_timeout(300)
    averaged = seen(page)[0]
    page.get_by_label("draw with averaged weights").uncheck()
    page.wait_for_timeout(300)
    assert seen(page)[0] != averaged


def test_words_say_how_many_points_have_arrived(page):
    assert re.search(r"step 0 of 3,000: \d % lie in a ring around a blob of their class", told(page))
    curve = page.get_by_role("img").nth(1)
    assert curve.get_attribute("aria-label").endswith("the least possible is 0.416.")


def test_out_of_view_it_waits(page):
    button(page, "Start").click()
    reaches(page, 5)
    page.evaluate("document.body.style.paddingTop = '5000px'")
    page.wait_for_timeout(500)
    held = step(page)
    page.wait_for_timeout(500)
    assert step(page) == held
    page.evaluate("document.body.style.paddingTop = 0")
    reaches(page, held + 1)


@pytest.mark.slow
def test_who_wants_less_motion_gets_no_picture_of_each_moment(chromium):
    with mounted(chromium, TrainingInPage(), reduced_motion="reduce") as page:
        page.wait_for_selector("canvas[aria-label^=Points]")
        page.wait_for_timeout(500)
        assert step(page) == 0  # nothing moves by itself
        page.evaluate("window.shown = []; new MutationObserver(() => shown.push(" + STEP + "))"
                      ".observe(document.querySelector('.pixel-score'), { childList: true })")  # fmt: skip
        button(page, "Start").click()
        reaches(page, 500)
        assert set(page.evaluate("shown")) <= {0, 500}


def test_words_stay_readable_in_the_dark(page):
    before = seen(page)
    assert too_faint(page, ".pixel-panel *") == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert seen(page)[0] != before[0]
    assert too_faint(page, ".pixel-panel *") == []


@pytest.mark.parametrize("density", [1, 3])
def test_it_fits_a_phone_and_is_sharp(chromium, density):
    phone = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": density}
    with mounted(chromium, TrainingInPage(), **phone) as page:
        page.wait_for_selector("canvas[aria-label^=Points]")
        frames(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for i in (0, 1):
            width, shown = page.locator("canvas").nth(i).evaluate("c => [c.width, c.clientWidth]")
            assert width == density * shown
