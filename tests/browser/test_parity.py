"""The widgets' own modules in Chromium, beside Python."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from pixel_edu import load_reference
from pixel_edu.generate import stream
from pixel_edu.widgets import assets
from tests.widgets.test_parity import RUNS

pytestmark = pytest.mark.browser


def test_a_browser_computes_the_same_numbers(chromium):
    """The modules themselves, in Chromium: a whole guided run of 20 calls."""
    labels, seeds, config = RUNS[0]
    files = {f"js/{path.name}": path for path in (assets.HERE / "js").glob("*.js")} | assets.PATHS
    kinds = {".js": "text/javascript", ".mjs": "text/javascript"}

    def answer(route):
        path = files.get(route.request.url.removeprefix("http://parity.test/"))
        if path:
            route.fulfill(
                body=path.read_bytes(), content_type=kinds.get(path.suffix, "application/octet-stream")
            )
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page = chromium.new_page()
    page.set_default_timeout(120_000)
    page.route("**/*", answer)
    page.goto("http://parity.test/")
    asked = {"labels": labels, "seeds": seeds, "settings": dataclasses.asdict(config)}
    drawn = page.evaluate(
        """async ({ labels, seeds, settings }) => {
          const { loadDenoiser } = await import("/js/network.js"), { stream } = await import("/js/sampling.js");
          const asset = async (name) => new Uint8Array(await (await fetch(`/${name}`)).arrayBuffer());
          const denoiser = await loadDenoiser(asset);
          let last;
          for await (last of stream(denoiser, labels, seeds, settings));
          return Array.from(last.x);
        }""",
        asked,
    )
    page.close()
    *_, last = stream(load_reference(), labels, seeds, config)
    assert_close(torch.tensor(drawn).reshape(last.x.shape), last.x, rtol=0, atol=1e-4)
