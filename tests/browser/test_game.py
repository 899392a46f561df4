"""The example game in a browser: its heroes come from a server, or from the network in the page."""

import importlib.util
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pixel_edu.checkpoints import load_reference
from pixel_edu.generate import generate
from pixel_edu.palette import as_sprites
from pixel_edu.pixelart import cut_out
from pixel_edu.serving.api import create_app
from pixel_edu.serving.server import background
from tests.browser.conftest import serving

pytestmark = pytest.mark.browser

BOOK = Path(__file__).parents[2] / "book"
SEED = 7
PIXELS = """([x, y]) => {
  const data = document.getElementById("game").getContext("2d").getImageData(16 * x, 16 * y, 16, 16).data;
  return [...data];
}"""

COOKED = """performance.getEntriesByType("resource").filter(each => each.name.includes("class=food")).length >= 3"""

PRESS = "keys => { for (const key of keys) dispatchEvent(new KeyboardEvent('keydown', { key })) }"
STAND_IN = """export const drawSprite = async () =>
  Object.assign(document.createElement("canvas"), { width: 16, height: 16 });"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a folder with the game and the files that the book puts beside it."""
    folder = tmp_path_factory.mktemp("site")
    spec = importlib.util.spec_from_file_location("pixel_widgets", BOOK / "_ext" / "pixel_widgets.py")
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    extension._copy_files(SimpleNamespace(outdir=folder, builder=SimpleNamespace(format="html")), None)
    (folder / "_static" / "game.html").write_bytes((BOOK / "_static" / "game.html").read_bytes())
    with serving(folder) as address:
        yield address


@pytest.fixture
def game(chromium, site):
    """Opens the game, and gathers what it asks for and complains about."""
    contexts = []

    def opened(query="", network=None, **options):
        contexts.append(chromium.new_context(**options))
        if network:
            contexts[-1].route(
                "**/drawing.js", lambda route: route.fulfill(content_type="text/javascript", body=network)
            )
        page = contexts[-1].new_page()
        page.asked, page.wrong = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.goto(f"{site}_static/game.html?seed={SEED}{query}")
        page.wait_for_function("document.getElementById('says').textContent.startsWith('The hero is hungry')")
        return page

    yield opened
    for context in contexts:
        context.close()


def hero_of(name):
    """(16, 16, 4) uint8: what `pixel-edu sample --transparent` draws."""
    model = load_reference(name)
    return cut_out(as_sprites(generate(model, ["characters"], [SEED]), model.palette))[0]


def at(page, x, y):
    return np.array(page.evaluate(PIXELS, [x, y]), np.uint8).reshape(16, 16, 4)


def is_there(page, hero, x, y):
    """Whether the hero stands on a tile, and grass is seen around."""
    seen, solid = at(page, x, y), hero[..., 3] == 255
    grass = seen[~solid].astype(int)
    return (seen[solid] == hero[solid]).all(axis=-1).mean() > 0.98 and (grass[:, 1] > grass[:, 0]).all()


@pytest.fixture(scope="module")
def server():
    with background(create_app(load_reference("tiny"))) as address:
        yield address


def test_heroes_come_from_a_server_and_walk_on_grass_by_keys_and_taps(game, server, site):
    page, hero = game(f"&server={server}", viewport={"width": 360, "height": 640}), hero_of("tiny")
    assert f"Drawn by {server}." in page.inner_text("#says")
    assert is_there(page, hero, 4, 4)
    page.keyboard.press("ArrowRight")
    assert is_there(page, hero, 5, 4)
    assert not is_there(page, hero, 4, 4)
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    assert is_there(page, hero, 5, 0)
    box = page.locator("#game").bounding_box()
    page.mouse.click(box["x"] + 2, box["y"] + 10)
    assert is_there(page, hero, 4, 0)
    page.wait_for_function(COOKED)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.wrong == []
    assert not [url for url in page.asked if "widgets/" in url]


def test_food_is_eaten_and_more_is_cooked(game, server):
    page = game(f"&server={server}")
    page.wait_for_function(COOKED)
    corner = ["ArrowLeft"] * 9 + ["ArrowUp"] * 9
    row = ["ArrowRight"] * 9 + ["ArrowLeft"] * 9 + ["ArrowDown"]
    page.evaluate(PRESS, corner + row * 8)  # every tile
    assert " eaten. Drawn by " in page.inner_text("#says")
    assert int(page.inner_text("#says").partition(" ")[0]) >= 3
    assert page.wrong == []


def test_without_a_server_the_page_draws_them_itself(game, site):
    page = game()
    assert is_there(page, hero_of("reference"), 4, 4)
    assert "Drawn by this page." in page.inner_text("#says")
    assert [url for url in page.asked if not url.startswith((site, "data:", "blob:"))] == []
    assert page.wrong == []


def test_a_server_that_is_away_is_not_waited_for(game, site):
    page = game("&server=http://127.0.0.1:9", network=STAND_IN)
    assert "Drawn by this page." in page.inner_text("#says")
    assert sum("127.0.0.1:9/" in url for url in page.asked) == 1


def test_the_game_can_be_read_by_a_game_of_another_origin(server):
    import urllib.request

    request = urllib.request.Request(
        f"{server}/sprite.png?class=food&seed=1", headers={"Origin": "http://a.test"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert Image.open(io.BytesIO(answer.read())).size == (16, 16)
