"""The model's widget in a blank page, as in a notebook: what it says before it asks the kernel for anything."""

import pytest

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
        says = "The sampler “euler” is written only in Python: here, choose DPM-Solver++, DDIM, DDPM."
        assert status.inner_text() == says
        page.get_by_role("button", name="Draw").click()
        assert status.inner_text() == says
        page.get_by_label("sampler").nth(1).select_option("DDIM")
        assert status.inner_text() == ""


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
