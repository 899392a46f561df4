"""The model in a page of the built book, served as plain files: no kernel, and no server but that of the files."""

import pytest

from pixel_edu import load_reference, widgets
from pixel_edu.generate import generate
from pixel_edu.palette import as_sprites
from pixel_edu.widgets import assets
from tests.browser.conftest import serving
from tests.browser.moves import MOVES, moves

pytestmark = pytest.mark.browser

PAGE = "book/intro"
LARGE = ("ort.mjs", "ort.wasm.gz", "reference.onnx", "reference.safetensors")
PIXELS = """canvas => {
  const data = canvas.getContext("2d").getImageData(0, 0, 16, 16).data;
  return Array.from({ length: 256 }, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
}"""
COUNT_PAINTS = """window.painted = 0;
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...given) {
  painted += this.canvas.closest(".pixel-widget") !== null;
  return put.apply(this, given);
};"""
"""Counts what a widget paints, and not what the wall of sprites above it does."""
PATIENCE = 60_000


@pytest.fixture
def opened(chromium, site):
    """Opens the page with its widget live, and gathers what it asks for and complains about."""
    contexts = []

    def open_(page_script=None, live=True, name=PAGE, address=site, **options):
        context = chromium.new_context(viewport={"width": 1000, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.asked, page.wrong = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        if page_script:
            page.add_init_script(page_script)
        page.goto(f"{address}{name}.html", wait_until="load")
        place = page.locator(".pixel-widget").first
        place.scroll_into_view_if_needed()
        if live:
            page.wait_for_selector(".pixel-widget[data-live]")
        return page, place

    yield open_
    for context in contexts:
        context.close()


def wait_for_sprites(page, count):
    page.wait_for_function(f"Number(document.querySelector('.pixel-panel').dataset.drawn) >= {count}")


def noise(place, side=0):
    return place.locator("canvas").nth(2 * side).evaluate(PIXELS)


def pixels(place, side=0):
    """What was drawn, or guessed last; beside it on the left is what the call got."""
    return place.locator("canvas").nth(2 * side + 1).evaluate(PIXELS)


def ours(label, seed):
    model = load_reference()
    return as_sprites(generate(model, [label], [seed]), model.palette)[0].reshape(256, 3).tolist()


def test_nothing_large_is_loaded_before_it_is_wanted_and_nothing_from_elsewhere_ever(opened, site):
    page, place = opened()
    assert not [url for url in page.asked if url.endswith(LARGE)]
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 1)
    assert {name for name in LARGE if any(url.endswith(name) for url in page.asked)} == set(LARGE)
    assert [url for url in page.asked if not url.startswith((site, "data:", "blob:"))] == []
    assert page.wrong == []


def test_it_draws_what_python_draws(opened):
    page, place = opened()
    place.get_by_label("class").select_option("food")
    place.get_by_label("seed", exact=True).fill("6")
    place.get_by_label("seed", exact=True).press("Enter")
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 1)
    differ = sum(a != b for a, b in zip(pixels(place), ours(2, 6), strict=True))
    assert differ <= 2  # a pixel may lie between two colours to the last bit
    assert place.locator("canvas").nth(1).get_attribute("aria-label") == "a drawn sprite of the class food"


def test_what_it_will_draw_first_is_there_before_the_network(opened):
    page, place = opened()
    assert pixels(place) == ours(4, 7)
    place.get_by_label("seed", exact=True).fill("8")
    place.get_by_label("seed", exact=True).press("Enter")
    blank = (
        place.locator("canvas")
        .nth(1)
        .evaluate("c => c.getContext('2d').getImageData(0, 0, 16, 16).data.every(value => value === 0)")
    )
    assert blank  # nobody knows yet
    assert not [url for url in page.asked if url.endswith(LARGE)]


def test_one_can_look_back_at_every_call(opened):
    page, place = opened()
    back = place.get_by_label("look back")
    assert back.is_disabled()
    place.get_by_label("steps").first.fill("5")
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 1)
    start = noise(place), pixels(place)
    assert (back.get_attribute("max"), back.input_value()) == ("5", "5")
    assert back.get_attribute("aria-valuetext") == "the end"
    seen = []
    for call in range(5):
        back.fill(str(call))
        assert back.get_attribute("aria-valuetext") == f"call {call + 1}"
        assert f"the guess of call {call + 1} of 5" in place.inner_text()
        seen.append((noise(place), pixels(place)))
    assert len({str(each) for each in seen}) == 5
    assert "t = 999" in (back.fill("0") or place.inner_text())
    back.fill("5")
    assert (noise(place), pixels(place)) == start


def test_all_classes_come_out_of_the_same_noise(opened):
    page, place = opened()
    place.get_by_label("class").select_option("all five")
    place.get_by_label("seed", exact=True).fill("6")
    place.get_by_label("seed", exact=True).press("Enter")
    place.get_by_label("steps").first.fill("20")
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 1)
    drawn = place.locator("canvas").nth(1)
    assert drawn.evaluate("c => [c.width, c.height]") == [84, 16]
    sprites = drawn.evaluate(
        """c => [0, 1, 2, 3, 4].map(i => {
          const data = c.getContext("2d").getImageData(17 * i, 0, 16, 16).data;
          return Array.from({ length: 256 }, (_, j) => [...data.slice(4 * j, 4 * j + 3)]);
        })"""
    )
    for label, sprite in enumerate(sprites):
        assert sum(a != b for a, b in zip(sprite, ours(label, 6), strict=True)) <= 2, label


def test_a_control_that_is_moved_changes_the_sprite(opened):
    page, place = opened()
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 1)
    before = pixels(place)
    place.get_by_label("guidance").first.fill("8")
    wait_for_sprites(page, 2)
    guided = pixels(place)
    assert guided != before
    place.get_by_label("steps").first.fill("2")
    wait_for_sprites(page, 3)
    assert pixels(place) != guided
    place.get_by_label("sampler").first.select_option("DDPM")
    wait_for_sprites(page, 4)
    place.get_by_role("button", name="another seed").click()
    wait_for_sprites(page, 5)


def test_two_settings_are_compared_on_the_same_noise(opened):
    page, place = opened()
    place.get_by_label("compare two settings").check()
    assert noise(place, 0) == noise(place, 1)
    place.get_by_label("guidance").nth(1).fill("0")
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 2)
    assert pixels(place, 0) != pixels(place, 1)


def test_a_sprite_can_be_taken_away_as_a_file(opened):
    page, place = opened()
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 1)
    with page.expect_download() as download:
        place.get_by_role("button", name="Save as PNG").click()
    from PIL import Image

    with Image.open(download.value.path()) as picture:
        assert picture.size == (256, 256)
        small = picture.convert("RGB").resize((16, 16), Image.Resampling.NEAREST)
    assert [list(small.getpixel((i % 16, i // 16))) for i in range(256)] == pixels(place)


def test_the_keyboard_alone_is_enough(opened):
    page, place = opened()
    place.get_by_label("class").focus()
    page.keyboard.press("i")  # items
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Draw":
            break
    page.keyboard.press("Enter")
    wait_for_sprites(page, 1)
    assert "items" in place.locator("canvas").nth(1).get_attribute("aria-label")
    assert "Drawn: items" in place.get_by_role("status").inner_text()


def test_who_wants_less_motion_sees_the_end_at_once(opened):
    counts = {}
    for motion in ("reduce", "no-preference"):
        page, place = opened(COUNT_PAINTS, reduced_motion=motion)
        page.evaluate("painted = 0")
        place.get_by_role("button", name="Draw").click()
        wait_for_sprites(page, 1)
        counts[motion] = page.evaluate("painted")
    assert counts == {"reduce": 2, "no-preference": 2 * 21}  # what a call gets, and its guess


def test_without_javascript_there_is_a_picture_and_a_reason(opened):
    _, place = opened(live=False, java_script_enabled=False)
    assert place.locator("img").first.is_visible()
    assert "with JavaScript it can be tried out" in place.inner_text()


LACKS = {
    "delete window.WebAssembly": "this browser has no WebAssembly, or it is switched off.",
    "WebAssembly.validate = () => false": "this browser's WebAssembly has no vectors (SIMD): use a browser of 2023",
    "delete window.DecompressionStream": "this browser cannot unpack files (it has no DecompressionStream): use one",
}


@pytest.mark.parametrize("lack", LACKS)
def test_what_a_browser_lacks_is_told_before_anything_large_is_loaded(opened, lack):
    page, place = opened(lack, live=False)
    page.wait_for_selector(".pixel-widget [role=status]")
    assert place.locator("img").first.is_visible()
    assert f"This stays a picture: {LACKS[lack]}" in place.inner_text()
    assert not [url for url in page.asked if url.endswith(LARGE)]


POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'"


def test_a_policy_that_forbids_webassembly_is_told_before_anything_large_is_loaded(opened, book):
    with serving(book, lambda path: {"Content-Security-Policy": POLICY}) as address:
        page, place = opened(live=False, address=address)
        page.wait_for_selector(".pixel-widget [role=status]")
        says = "the page's Content-Security-Policy forbids it: its script-src needs 'wasm-unsafe-eval'."
        assert f"This stays a picture: {says}" in place.inner_text()
        assert not [url for url in page.asked if url.endswith(LARGE)]


def served_oddly(path):
    """A policy without blob:, and a server that says how files are packed, so that the browser unpacks them."""
    policy = {"Content-Security-Policy": f"{POLICY} 'wasm-unsafe-eval'"}
    return policy | ({"Content-Encoding": "gzip"} if path.endswith(".gz") else {})


def a_script_is_text(path):
    """A server that does not know what a file that ends with .mjs is."""
    return {"Content-type": "text/plain"} if path.endswith(".mjs") else {}


@pytest.mark.parametrize("headers", [served_oddly, a_script_is_text])
def test_it_draws_what_python_draws_however_its_files_are_served(opened, book, headers):
    with serving(book, headers) as address:
        page, place = opened(address=address)
        place.get_by_label("class").select_option("food")
        place.get_by_label("seed", exact=True).fill("6")
        place.get_by_role("button", name="Draw").click()
        page.wait_for_selector(".pixel-panel[data-drawn]")
        differ = sum(a != b for a, b in zip(pixels(place), ours(2, 6), strict=True))
    assert differ <= 2


@pytest.mark.parametrize("name", ["ort.wasm.gz", "reference.safetensors"])
@pytest.mark.parametrize("sent", ["pointer", "half"])
def test_a_large_file_that_is_not_there_whole_is_one_sentence(opened, name, sent):
    page, place = opened()
    whole = assets.read(name)
    body = {"pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "half": whole[:-9]}[
        sent
    ]
    page.route(f"**/{name}", lambda route: route.fulfill(body=body))
    place.get_by_role("button", name="Draw").click()
    says = f"{name} is damaged, or a pointer of Git LFS in its place: put the file itself on the server."
    place.get_by_text(says).wait_for()
    page.unroute(f"**/{name}")
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 1)


def test_a_page_that_was_opened_as_a_file_says_why_it_stays_a_picture(opened, book):
    page, place = opened(live=False, address=f"{book.as_uri()}/")
    page.wait_for_selector(".pixel-widget [role=status]")
    assert place.locator("img").first.is_visible()
    assert "a browser runs it only on a page that comes from a server" in place.inner_text()
    assert place.inner_text().count("This stays a picture") == 1


def test_without_a_connection_it_says_so_and_tries_again_when_asked(opened):
    page, place = opened()
    page.context.set_offline(True)
    place.get_by_role("button", name="Draw").click()
    page.wait_for_function(
        "document.querySelector('.pixel-panel [role=status]').textContent.includes('connection')"
    )
    page.context.set_offline(False)
    place.get_by_role("button", name="Draw").click()
    wait_for_sprites(page, 1)


PLACES = {
    "chapters/01_pixels": ("PixelInspector",),
    "chapters/02_noise": ("NoiseExplorer", "FormulaCell"),
    "chapters/03_oracle": ("OraclePaths",),
    "chapters/04_unet": ("NetworkInside",),
    "chapters/05_training": ("TrainingInPage",),
    "chapters/06_guidance": ("GuidanceField",),
    "chapters/07_ddim": ("SamplerRace",),
    "chapters/08_palette": ("SpriteLab",),
    "chapters/09_evaluation": ("RealOrDrawn",),
    "book/one_call": ("InstantDraw",),
}


@pytest.mark.parametrize(
    ("name", "widget"), [(name, each) for name, found in PLACES.items() for each in found]
)
def test_a_widget_of_a_chapter_is_alive_in_the_book(opened, site, name, widget):
    page, _ = opened(name=name)
    module = getattr(widgets, widget).module
    place = page.locator(f'.pixel-widget[data-widget="{module}"]').first
    place.scroll_into_view_if_needed()
    page.wait_for_selector(f'.pixel-widget[data-widget="{module}"][data-live]')
    assert moves(page, place, widget)
    assert [url for url in page.asked if not url.startswith((site, "data:", "blob:"))] == []
    assert page.wrong == []


def test_every_widget_stands_somewhere_in_the_book():
    assert {each for found in PLACES.values() for each in found} == set(MOVES)
