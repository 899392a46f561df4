"""The model's widget in a blank page, as in a notebook: what it says before it asks the kernel for anything."""

import numpy as np
import pytest
from PIL import Image

from pixel_edu.images import upscale
from pixel_edu.pixelart import cut_out
from pixel_edu.widgets.base import HERE
from pixel_edu.widgets.denoiser import LiveDenoiser
from tests.browser.mounting import mounted

pytestmark = pytest.mark.browser


def test_a_sampler_that_is_written_only_in_python_is_one_sentence_and_another_can_be_chosen(chromium):
    widget = LiveDenoiser()
    traits = widget.settings() | {"other_sampler": "euler"}
    widget.settings = lambda: traits
    with mounted(chromium, widget) as page:
        status = page.locator(".pixel-status")
        assert status.inner_text() == ""  # the second setting is not shown yet
        page.get_by_label("compare two settings").check()
        says = "The sampler “euler” is written only in Python: here, choose SDE-DPM-Solver++, DPM-Solver++, DDIM, DDPM."
        assert status.inner_text() == says
        page.get_by_role("button", name="Draw").click()
        assert status.inner_text() == says
        page.get_by_label("sampler").nth(1).select_option("DDIM")
        assert status.inner_text() == ""


def test_a_sprite_can_be_taken_away_without_its_background(chromium):
    square = """canvas => {
      const context = canvas.getContext("2d");
      for (const [color, place, size] of [["white", 0, 16], ["black", 4, 8], ["white", 6, 2]]) {
        context.fillStyle = color;
        context.fillRect(place, place, size, size);
      }
    }"""
    with mounted(chromium, LiveDenoiser(label=2, seed=7)) as page:
        page.locator("canvas").nth(1).evaluate(square)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save transparent").click()
        assert download.value.suggested_filename == "food-7.png"
        with Image.open(download.value.path()) as picture:
            taken = np.asarray(picture.convert("RGBA"))
    drawn = np.full((1, 16, 16, 3), 255, np.uint8)
    drawn[:, 4:12, 4:12] = 0
    drawn[:, 6:8, 6:8] = 255
    cut = cut_out(drawn)[0]
    assert (taken[..., 3] == upscale(cut, 16)[..., 3]).all()
    solid = taken[..., 3] > 0  # a browser makes transparent pixels black
    assert (taken[solid] == upscale(cut, 16)[solid]).all()


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("", ""),
        ("script-src 'self'", "needs 'wasm-unsafe-eval'"),
        ("script-src 'self' 'wasm-unsafe-eval'", "needs blob:"),
        ("script-src 'self' 'wasm-unsafe-eval' blob:", ""),
    ],
)
def test_what_a_notebooks_policy_forbids_is_said_before_the_kernel_is_asked(chromium, policy, says):
    def answer(route):
        name = route.request.url.rpartition("/")[2]
        kind, body = "text/html", "<!doctype html>"
        if name.endswith(".js"):
            kind, body = "text/javascript", (HERE / "js" / name).read_text(encoding="utf-8")
        route.fulfill(body=body, content_type=kind, headers={"Content-Security-Policy": policy})

    page = chromium.new_page()
    page.route("**/*", answer)
    page.goto("http://notebook.test/")
    found = page.evaluate(
        """async () => {
          const { requireNetwork } = await import("/network.js");
          return requireNetwork(() => { throw new Error("asked"); }).then(() => "", (error) => error.message);
        }"""
    )
    page.close()
    assert found.endswith(says)
    assert bool(found) == bool(says)
