"""Where links to a heading end: at the heading, though widgets and formulas above it grow while the page opens.

`test_pages.py` asks the same of pages without widgets, on which nothing grows once their formulas are set.
"""

import pytest

from tests.browser.jumps import CLICK_EACH, CONTENTS, LOOK, NARROW, SHARED, WIDE, WITH_WIDGETS, miss

pytestmark = pytest.mark.browser

SHOW_ALL = "document.querySelectorAll('.answer[hidden]').forEach(place => place.removeAttribute('hidden'))"
"""Opens what waits for a guess."""
ROOM = """[...document.querySelectorAll(".pixel-widget")].map(place => [
  place.dataset.place,
  parseFloat(getComputedStyle(place, "::before").height),
  place.firstElementChild.getBoundingClientRect().height,
])"""
"""Each widget's name, the height that is kept for it, and that which it takes."""


@pytest.fixture(scope="module")
def open_at(chromium, site):
    """Opens a page, at a heading or at its beginning, in a window that all that is opened shares."""
    windows = {motion: chromium.new_page(reduced_motion=motion) for motion in ("reduce", "no-preference")}

    def opened(name, width, fragment="", motion="reduce"):
        page = windows[motion]
        page.goto("about:blank")
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{site}{name}.html{fragment}", wait_until="load")
        return page

    yield opened
    for page in windows.values():
        page.close()


@pytest.mark.parametrize("name", WITH_WIDGETS)
def test_every_link_in_the_contents_ends_at_its_heading(open_at, name):
    for width in (WIDE, NARROW):
        page = open_at(name, width)
        places = page.evaluate(CLICK_EACH, CONTENTS)
        assert len(places) >= 2
        assert miss(places) == {}, width


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", WITH_WIDGETS)
def test_a_scroll_past_widgets_that_come_alive_ends_at_the_heading(open_at, name, width):
    page = open_at(name, width, motion="no-preference")
    last = page.locator(CONTENTS).last
    link = f"{CONTENTS}[href='{last.get_attribute('href')}']"
    assert miss(page.evaluate(CLICK_EACH, link)) == {}


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", WITH_WIDGETS)
def test_a_shared_link_opens_at_its_heading(open_at, name, width):
    for motion in ("reduce", "no-preference"):
        page = open_at(name, width, f"#{SHARED[name]}", motion)
        assert miss(page.evaluate(LOOK, SHARED[name])) == {}


@pytest.mark.parametrize("name", WITH_WIDGETS)
def test_a_picture_keeps_the_room_that_its_widget_takes(open_at, name):
    for width in (WIDE, NARROW):
        page = open_at(name, width)
        page.evaluate(SHOW_ALL)
        for place in page.locator(".pixel-widget").all():
            place.scroll_into_view_if_needed()
        page.wait_for_function("!document.querySelector('.pixel-widget:not([data-live])')")
        for place, kept, taken in page.evaluate(ROOM):
            assert -0.05 * taken <= kept - taken <= 0.1 * taken + 24, (
                f"{place} takes {taken} px at a width of {width} and {kept} are kept: tools/reserve_heights.py"
            )
