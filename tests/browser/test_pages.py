"""Every page, driven in a real browser: nothing is asked of elsewhere, nothing goes wrong, it fits a phone."""

import re
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.browser.contrast import too_faint
from tests.browser.jumps import CLICK_EACH, CONTENTS, NARROW, WIDE, WITH_WIDGETS, miss
from tests.waiting import PATIENCE

pytestmark = pytest.mark.browser

TOC = yaml.safe_load((Path(__file__).parents[2] / "_toc.yml").read_text())
PAGES = [
    TOC["root"],
    *(
        each["file"]
        for part in TOC["parts"]
        for page in part["chapters"]
        for each in (page, *page.get("sections", ()))
    ),
    "search",
    "genindex",
]

GRAVE = ("serious", "critical")
SILENT = """[...document.querySelectorAll(".bd-article :is(img, svg, canvas, [role=img])")]
  .filter(e => !e.closest("[aria-hidden=true], .admonition-title, a, button, summary"))
  .filter(e => !e.parentElement.closest("[role=img], svg"))
  .filter(e => !(e.getAttribute("alt") ?? e.getAttribute("aria-label") ?? "").trim())
  .map(e => e.outerHTML.slice(0, 200))"""
"""Pictures without words, but for those that only decorate something that has words."""
COLOURS = ("color-contrast", "link-in-text-block")
"""Rules of axe's that take most of its time. They depend on style sheets, which all pages share, so they are asked on
a page of each kind; the test of contrast below reads every word of every page."""
TEXT = ".bd-article *"
ICONS = """[...document.querySelectorAll("[class*=' fa-'], [class^='fa-']")].filter(e => e.getClientRects().length)
  .filter(e => e.checkVisibility({ visibilityProperty: true }) && !e.closest("#pst-back-to-top")).map(e => {
    const drawn = getComputedStyle(e, "::before");
    const behind = getComputedStyle(document.body).backgroundColor;
    const [width, height] = [parseFloat(drawn.width), parseFloat(drawn.height)];
    return [e.className, drawn.maskImage, width, height, behind, drawn.backgroundColor];
  })"""
"""Each icon that is seen: its classes, its picture, how large it is, and its colour and that of the page."""
LOADED = "performance.getEntriesByType('resource').map(each => each.name)"
CUT = """() => {
  document.querySelectorAll("details").forEach(e => e.open = true);
  return [...document.querySelectorAll("div.highlight pre")]
    .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent);
}"""
"""Code and printed lines that are cut off."""
NUMBERED = re.compile(r"/\d\d_\w+$")
"""Chapters, and the pages of their exercises' solutions."""
ANSWERED = "localStorage.setItem('pixel_edu:answers', 'shown')"
"""What a reader chose who is asked for no guesses: then all of a page is there to be looked at."""
KINDS = ("book/intro", "book/setup", "chapters/02_noise", "book/solutions/02_noise", "search")


def wait_until_quiet(page):
    """Wait until a page has asked for nothing in the last half second that is still to come.

    Playwright's own `networkidle` never comes now and then when something was asked for after it had come.
    """
    until, still = time.monotonic() + PATIENCE, 0
    while still < 5:
        page.wait_for_timeout(100)
        still = 0 if page.awaited else still + 1
        assert time.monotonic() < until, page.awaited


@pytest.fixture(scope="module")
def visit(chromium, site):
    """Shows a page and gathers what it asks for and complains about.

    A page stays open as long as the same is visited: for another width or scheme the window changes. The tests below
    that only look are grouped by page. All have one context, so that scripts which pages share are compiled once.
    """
    shown, contexts = {}, {}

    def open_(name, motion):
        for page in shown.values():
            page.close()
        if motion not in contexts:
            contexts[motion] = chromium.new_context(reduced_motion=motion)
        page = contexts[motion].new_page()
        page.add_init_script(ANSWERED)
        page.wrong, page.awaited = [], set()
        page.on("console", lambda said: page.wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("requestfailed", lambda request: page.wrong.append(f"failed: {request.url}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((site, "data:", "blob:")) else page.wrong.append(request.url)
            ),
        )
        page.on("request", lambda request: page.awaited.add(request))
        for end in ("requestfinished", "requestfailed"):
            page.on(end, lambda request: page.awaited.discard(request))
        page.goto(f"{site}{name}.html")
        wait_until_quiet(page)
        return page

    @contextmanager
    def visited(name, width=1280, scheme="light", motion="no-preference"):
        if (name, motion) not in shown:
            page = open_(name, motion)
            shown.clear()
            shown[name, motion] = page
        page = shown[name, motion]
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)
        page.wait_for_function(
            "scheme => document.documentElement.dataset.theme === scheme", arg=scheme
        )  # the theme's script has run
        yield page

    yield visited
    for context in contexts.values():
        context.close()


@pytest.mark.parametrize("name", PAGES, scope="module")
def test_a_page_asks_nobody_else_and_makes_no_error(visit, name):
    with visit(name) as page:
        page.mouse.wheel(0, 100_000)
        wait_until_quiet(page)
        assert page.wrong == []


@pytest.mark.parametrize("name", PAGES, scope="module")
def test_axe_finds_nothing_serious(visit, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    rules = {rule: {"enabled": name in KINDS} for rule in COLOURS}
    with visit(name) as page:  # at the width that it was loaded at: what scrolls got its tab stop then
        for place in page.locator(".pixel-widget").all():
            place.scroll_into_view_if_needed()  # live, as a reader has them
        page.wait_for_function("!document.querySelector('.pixel-widget:not([data-live])')")
        found = axe.Axe().run(page, options={"resultTypes": ["violations"], "rules": rules})
        grave = [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in found.response["violations"]
            if each["impact"] in GRAVE
        ]
        assert grave == []


@pytest.mark.parametrize("name", PAGES, scope="module")
def test_a_page_fits_a_phone(visit, name):
    with visit(name, width=360) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES, scope="module")
def test_words_stand_out_from_what_is_behind_them(visit, name, scheme):
    with visit(name, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        assert too_faint(page, TEXT) == []


@pytest.mark.parametrize("name", PAGES, scope="module")
def test_every_picture_is_told_in_words(visit, name):
    with visit(name) as page:
        silent = page.evaluate(SILENT)
        assert silent == []


@pytest.mark.parametrize("name", [page for page in PAGES if page.startswith("chapters/")], scope="module")
def test_figures_have_no_box_behind_them_in_the_dark(visit, name):
    with visit(name, scheme="dark") as page:
        boxes = page.evaluate(
            """[...document.querySelectorAll(".cell_output .text_html, .cell_output :is(img, svg, figure)")]
            .map(e => getComputedStyle(e).backgroundColor).filter(colour => colour !== "rgba(0, 0, 0, 0)")"""
        )
        assert boxes == []


@pytest.mark.parametrize("name", [page for page in PAGES if page.startswith("chapters/")], scope="module")
def test_sprites_are_enlarged_without_smoothing(visit, name):
    with visit(name) as page:
        ways = page.evaluate(
            "[...document.querySelectorAll('.bd-article img')].map(e => getComputedStyle(e).imageRendering)"
        )
        assert ways
        assert set(ways) == {"pixelated"}


@pytest.mark.parametrize(
    "name", [*(page for page in PAGES if NUMBERED.search(page)), "book/one_call"], scope="module"
)
def test_code_fits_a_laptop(visit, name):
    with visit(name, width=1280) as page:
        assert page.locator("div.highlight pre").count() > 0
        assert page.evaluate(CUT) == []


@pytest.mark.parametrize("name", [page for page in PAGES if page not in WITH_WIDGETS], scope="module")
def test_every_link_in_the_contents_ends_at_its_heading(visit, name):
    for width in (WIDE, NARROW):
        with visit(name, width=width) as page:
            page.emulate_media(reduced_motion="reduce")  # else a page scrolls smoothly, which takes its time
            assert page.locator(".pixel-widget").count() == 0, "a page with widgets belongs into SHARED"
            places = page.evaluate(CLICK_EACH, CONTENTS)
            assert len(places) >= (2 if name.startswith("chapters/") else 0)
            assert miss(places) == {}, width


def test_colours_are_looked_at_on_pages_that_exist():
    assert set(KINDS) <= set(PAGES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("name", ["book/setup", "search"])
def test_buttons_show_their_icons(visit, name, width, scheme):
    with visit(name, width=width, scheme=scheme) as page:
        icons = page.evaluate(ICONS)
        least = {"search": {360: 3, 1280: 5}, "book/setup": {360: 5, 1280: 6}}
        assert len(icons) >= least[name][width]
        assert [url for url in page.evaluate(LOADED) if "webfonts" in url] == []
        for icon, picture, width_of_it, height, behind, ink in icons:
            assert picture.startswith('url("data:image/svg+xml,'), icon
            assert 8 <= width_of_it <= 32, icon
            assert 8 <= height <= 32, icon
            assert ink != behind, icon


def test_a_table_wider_than_a_phone_keeps_its_first_column_and_shows_that_there_is_more(visit):
    with visit("chapters/08_palette", width=360) as page:
        table = page.locator("table.scrolls").first
        name = table.locator("tr").nth(1).locator(":scope > *").first
        before = name.bounding_box()
        assert table.evaluate("table => getComputedStyle(table).maskImage") != "none"
        table.evaluate("table => table.scrollTo(table.scrollWidth, 0)")
        page.wait_for_function("!document.querySelector('table.scrolls').classList.contains('more')")
        assert table.evaluate("table => getComputedStyle(table).maskImage") == "none"
        assert name.bounding_box()["x"] == before["x"]
        assert before["width"] < 160


def test_formulas_are_set_without_a_script_in_the_font_of_the_book(chromium, site):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}chapters/05_training.html")
    page.wait_for_load_state("networkidle")
    fraction = page.locator("math mfrac").first
    above, below = (fraction.locator(":scope > *").nth(i).bounding_box() for i in (0, 1))
    assert above["y"] + above["height"] <= below["y"]
    context.close()
    page = chromium.new_page()
    page.goto(f"{site}chapters/05_training.html")
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px \"book math\"'))")
    page.close()


def test_a_formula_wider_than_a_phone_scrolls_and_none_in_the_text_is_cut(visit):
    with visit("chapters/05_training", width=360) as page:
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        cut = """[...document.querySelectorAll(".bd-article math")].filter(e => !e.closest("div.math, table"))
            .filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.textContent)"""
        assert page.evaluate(cut) == []
        first = page.locator("div.math").first
        assert first.evaluate("e => e.scrollWidth > e.clientWidth")
        first.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
        box = first.locator("math").first.bounding_box()
        assert box["x"] + box["width"] <= 360


WALL = "document.querySelector('canvas.wall')"
DRAWN = f"{WALL}.toDataURL()"


def test_the_wall_comes_out_of_noise_and_changes_where_it_is_pointed_at(visit):
    with visit("book/intro") as page:
        page.wait_for_function(f"{WALL}?.dataset.moving === '0'")
        finished = page.evaluate(DRAWN)
        page.get_by_role("button", name="Once more").press("Enter")
        page.wait_for_function(f"{WALL}.dataset.moving > 0 && {DRAWN} !== {finished!r}")
        page.wait_for_function(f"{WALL}.dataset.moving === '0'")
        assert page.evaluate(DRAWN) == finished
        page.locator("canvas.wall").hover(position={"x": 100, "y": 20})
        page.wait_for_function(f"{WALL}.dataset.moving === '1'")
        page.wait_for_function(f"{WALL}.dataset.moving === '0'")
        assert page.evaluate(DRAWN) != finished


def test_nothing_moves_for_those_who_ask_for_it(visit):
    with visit("book/intro", motion="reduce") as page:
        assert page.evaluate("document.getAnimations().length") == 0
        assert page.locator("img.wall").is_visible()
        assert page.locator(".landing button").is_hidden()


@pytest.mark.parametrize("word", ["guidance", "EMA", "sampler", "palette"])
def test_a_search_finds_chapters_before_the_reference_and_solutions(chromium, site, word):
    page = chromium.new_page()
    page.goto(f"{site}search.html?q={word}")
    page.wait_for_function("/found/.test(document.querySelector('.search-summary')?.textContent)")
    found = page.evaluate(
        "[...document.querySelectorAll('ul.search > li > a')].map(e => new URL(e.href).pathname)"
    )
    page.close()
    ranks = [3 if "/solutions/" in each else 1 if each.startswith("/chapters/") else 2 for each in found]
    assert ranks[0] == 1
    assert ranks == sorted(ranks)
    numbers = [
        int(re.search("[0-9]+", each)[0]) for each, rank in zip(found, ranks, strict=True) if rank == 1
    ]
    assert numbers[0] == {"guidance": 6, "EMA": 5, "sampler": 3, "palette": 8}[word]


@pytest.mark.parametrize("word", ["guidance", "EMA", "sampler", "palette"])
def test_a_search_answers_as_one_types_with_sections_that_exist(chromium, site, word):
    page = chromium.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}search.html")
    page.keyboard.type(word)  # the page puts the cursor there
    first = page.locator("ul.search > li").first
    first.locator("ul a").first.wait_for()
    assert page.locator("ul.search > li").count() > 3
    assert "found" in page.get_by_role("status").inner_text()
    assert page.url.endswith(f"?q={word}")
    marked = first.locator("mark").all_inner_texts()
    assert marked == [] or {each.lower() for each in marked} == {word.lower()}
    link = first.locator("ul a").first
    anchor = link.get_attribute("href").partition("#")[2]
    link.click()
    page.wait_for_url(f"**#{anchor}")
    assert word.lower() in page.locator(f"[id='{anchor}']").inner_text().lower()
    assert [url for url in asked if not url.startswith((site, "data:"))] == []
    page.close()


def test_a_search_for_what_is_nowhere_says_so(chromium, site):
    page = chromium.new_page()
    page.goto(f"{site}search.html")
    page.keyboard.type("xyzzyq")
    page.wait_for_function("document.querySelector('.search-summary')?.textContent === 'Nothing found'")
    page.close()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pixel_edu.samplers.ddim_sample", "data.html#pixel_edu.samplers.ddim_sample"),
        ("module-pixel_edu.unet", "parts.html#module-pixel_edu.unet"),
    ],
)
def test_a_link_to_the_one_page_that_the_reference_was_leads_on(chromium, site, old, new):
    page = chromium.new_page()
    page.goto(f"{site}book/api.html#{old}")
    page.wait_for_url(f"{site}book/api/{new}")
    assert page.evaluate("document.getElementById(location.hash.slice(1)) !== null")
    page.close()


def test_the_first_tab_stop_skips_to_the_text_and_is_seen(visit):
    with visit("book/setup") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
        page.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")
