"""Where links to a heading end: at the heading, though widgets and formulas above it grow while the page opens."""

import pytest

from tests.browser.test_pages import PAGES

pytestmark = pytest.mark.browser

NEAR = 3
"""Pixels between a heading and the place below the page's upper edge where it should end."""
WIDE, NARROW = 1280, 360
SHARED = {
    "book/intro": "what-you-need-to-know",
    "chapters/02_noise": "summary",
    "chapters/06_guidance": "summary",
    "chapters/07_ddim": "summary",
    "chapters/08_palette": "summary",
}
"""Pages with widgets, and on each a heading below them."""
WITH_WIDGETS = tuple(SHARED)

CONTENTS = "#pst-page-toc-nav a[href^='#']"
SETTLED = """async () => {
  await window.MathJax?.startup?.promise;
  const jumps = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (jumps && !document.querySelector(".pixel-widget:not([data-live])")) return;
  for (let still = 0, last; still < 3; ) {
    await new Promise(requestAnimationFrame);
    const near = [...document.querySelectorAll(".pixel-widget:not([data-live])")]
      .some(e => e.getBoundingClientRect().top < innerHeight + 600 && e.getBoundingClientRect().bottom > -600);
    const here = `${scrollY} ${document.documentElement.scrollHeight}`;
    still = !near && here === last ? still + 1 : 0;
    last = here;
  }
}"""
"""Waits until the widgets near the screen are alive and nothing moves; where nothing can, not at all."""
AWAY = """heading => {
  const wanted = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop);
  const below = document.documentElement.scrollHeight - innerHeight - scrollY;
  const away = heading.getBoundingClientRect().top - wanted;
  return away > 0 && below < 2 ? 0 : Math.round(away);
}"""
"""How far a heading is below the place where it should be; the last ones of a page cannot get up to its edge."""
CLICK_EACH = f"""async links => {{
  const found = [];
  for (const link of document.querySelectorAll(links)) {{
    link.click();
    await ({SETTLED})();
    found.push([link.hash, ({AWAY})(document.getElementById(decodeURIComponent(link.hash.slice(1))))]);
  }}
  return found;
}}"""
LOOK = f"""async name => {{
  await new Promise(first => requestAnimationFrame(() => requestAnimationFrame(first)));
  await ({SETTLED})();
  return [[name, ({AWAY})(document.getElementById(name))]];
}}"""
"""A page scrolls to its fragment when it draws its first frame, which on a busy machine comes after `load`."""

ROOM = """[...document.querySelectorAll(".pixel-widget")].map(place => [
  place.dataset.place,
  parseFloat(getComputedStyle(place, "::before").height),
  place.firstElementChild.getBoundingClientRect().height,
])"""
"""Each widget's name, the height that is kept for it, and that which it takes."""


def miss(places):
    """The headings that ended elsewhere, each by how many pixels."""
    return {name: away for name, away in places if abs(away) > NEAR}


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


@pytest.mark.parametrize("name", PAGES)
def test_every_link_in_the_contents_ends_at_its_heading(open_at, name):
    for width in (WIDE, NARROW):
        page = open_at(name, width)
        places = page.evaluate(CLICK_EACH, CONTENTS)
        assert len(places) >= (2 if name.startswith("chapters/") else 0)
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
        for place in page.locator(".pixel-widget").all():
            place.scroll_into_view_if_needed()
        page.wait_for_function("!document.querySelector('.pixel-widget:not([data-live])')")
        for place, kept, taken in page.evaluate(ROOM):
            assert -0.05 * taken <= kept - taken <= 0.1 * taken + 24, (
                f"{place} takes {taken} px at a width of {width} and {kept} are kept: tools/reserve_heights.py"
            )
