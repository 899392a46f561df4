"""The API's page at /docs, in a browser: it draws a sprite through the API, and asks nobody else for anything."""

import pytest

from pixel_edu import checkpoints
from pixel_edu.serving.api import create_app
from pixel_edu.serving.server import background

pytestmark = pytest.mark.browser
PATIENCE = 120_000


def test_the_page_draws_a_sprite_and_needs_no_network(chromium):
    with background(create_app(checkpoints.load_reference("tiny"))) as address:
        page = chromium.new_page(viewport={"width": 360, "height": 800})
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        assert page.url == f"{address}/docs"
        assert page.locator("#sprite").is_hidden()  # no picture yet, and no mark of a broken one
        page.select_option("select", "food")
        page.click("button")
        page.wait_for_function("document.getElementById('says').textContent == 'done'", timeout=PATIENCE)
        assert page.evaluate("document.getElementById('sprite').naturalWidth") == 16
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.fill("input", "-1")
        page.eval_on_selector("form", "form => form.noValidate = true")
        page.click("button")
        page.wait_for_function(
            "document.getElementById('says').textContent.startsWith('no answer')", timeout=PATIENCE
        )
        page.close()
    assert wrong == []
    assert all(url.startswith((address, "data:")) for url in asked)
