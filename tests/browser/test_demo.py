"""The demo, driven in a real browser by somebody who wants a sprite."""

import base64
import io
import os
import signal
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixel_edu import images
from pixel_edu.serving.demo import FIRST_SEED
from tests import command, needs
from tests.browser.contrast import too_faint
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs.package("gradio")]

PATIENCE = 120_000
"""Milliseconds that anything may take; a machine of a continuous integration is slow."""
SHOTS = os.environ.get("PIXEL_EDU_SHOTS")
"""A folder to leave screenshots in, for a person to look at."""
WATCH = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const seen = document.querySelector("#picture img")?.src;
    if (seen && seen !== window.seen.at(-1)) window.seen.push(seen);
  }).observe(document.querySelector("#picture"), {subtree: true, childList: true, attributes: true});
}"""


@pytest.fixture(scope="module")
def elsewhere():
    """A proxy that lets nothing through, and the list of who asked for what."""
    asked = []

    def note():
        while True:
            try:
                connection, _ = door.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(200))

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=note, daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}", asked
        door.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def demo(tmp_path_factory, elsewhere):
    """The address of a running demo of the tiny model, whose temporary files have a folder of their own."""
    folder = tmp_path_factory.mktemp("demo")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), elsewhere[0])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | proxies | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    given = ["demo", "tiny", "--port", port, "--device", "cpu"]
    server, (said, complaints) = command.start(*given, env=environment)
    try:
        opens = f"open http://127.0.0.1:{port} in a browser; Ctrl-C ends it\n"
        wait_until(lambda: (said.exists() and said.read_text() == opens) or not server.is_alive(), str)
        assert said.read_text() == opens, complaints.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(server.pid, signal.SIGINT)
        server.join(120)
    assert (server.exitcode, complaints.read_text()) == (0, "")
    assert elsewhere[1] == []  # the server asked nobody else
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.fixture(scope="module")
def visit(chromium, demo):
    """Opens the demo once its first sprite is there, and gathers what the page asks for and complains about."""

    @contextmanager
    def opened(width=1280, scheme="light", zoom=1.0):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, device_scale_factor=zoom
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.wrong = []
        page.on("console", lambda said: page.wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((demo, "data:", "blob:")) else page.wrong.append(request.url)
            ),
        )
        page.goto(demo)
        finished(page, "characters", FIRST_SEED)
        yield page
        assert page.wrong == []
        context.close()

    return opened


@pytest.fixture(scope="module")
def page(visit):
    """One page for all tests that leave it as it was, but for its gallery."""
    with visit() as page:
        yield page


def finished(page, kind, seed):
    """Wait for a sprite, and give its element."""
    return page.wait_for_selector(f'#picture img[alt="{kind}, seed {seed}"]')


def draw(page, kind="food", seed=7, **more):
    """Order a sprite, wait for it, and give its element."""
    page.get_by_label(kind, exact=True).check()
    page.get_by_label("Seed", exact=True).fill(str(seed))
    for name, value in more.items():
        page.get_by_label(f"number input for {name}").fill(str(value))
    page.evaluate("document.querySelector('#picture img').alt = 'the one before'")
    page.get_by_role("button", name="Draw").click()
    return finished(page, kind, seed)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def seen_colors(element):
    """The colours that the screen shows of an element, but for its outermost pixels."""
    element.scroll_into_view_if_needed()
    x, y, width, height = (element.bounding_box()[name] for name in ("x", "y", "width", "height"))
    inside = {"x": x + 2, "y": y + 2, "width": width - 4, "height": height - 4}
    return colors(pixels(element.owner_frame().page.screenshot(clip=inside)))


def colors(image):
    return {tuple(color) for color in image.reshape(-1, 3).tolist()}


def decoded(source):
    return pixels(base64.b64decode(source.removeprefix("data:image/png;base64,")))


@pytest.fixture(scope="module")
def food(tmp_path_factory):
    """What `pixel-edu sample` draws, (16, 16, 3): food of seed 7."""
    out = tmp_path_factory.mktemp("sample") / "food.png"
    options = ["--class", "food", "--seed", 7, "-n", 1, "--scale", 1, "--checkpoint", "tiny", "--out", out]
    done = command.run("sample", *options, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    return pixels(out.read_bytes())


def test_a_sprite_fades_in_from_noise_and_is_the_one_that_sample_draws(page, food):
    page.evaluate(WATCH)
    drawn = draw(page)
    assert (decoded(drawn.get_attribute("src")) == images.upscale(food, 16)).all()
    seen = [decoded(source)[::16, ::16].astype(int) for source in page.evaluate("window.seen")]
    far = [np.abs(frame - food).mean() for frame in seen]
    assert len(seen) >= 5  # a slow browser may leave some out
    assert far[0] > 40  # noise
    assert far[-1] == 0
    assert 0 < far[len(far) // 2] < far[0] / 2


def test_the_gallery_keeps_what_was_drawn_with_seeds_and_files_to_take_away(page, food):
    draw(page)
    draw(page, "side view", 3)
    shown = [text.split("\n")[:2] for text in page.locator("#gallery figcaption").all_inner_texts()]
    assert shown[:2] == [["side view", "seed 3"], ["food", "seed 7"]]
    assert shown[-1] == ["characters", f"seed {FIRST_SEED}"]  # the one that everybody is greeted with
    for size, scale in ((16, 1), (256, 16)):
        with page.expect_download() as started:
            page.locator("#gallery figure").nth(1).get_by_role("link", name=f"{size} px").click()
        assert started.value.suggested_filename == f"food-7-{size}.png"
        with Image.open(started.value.path()) as picture:
            assert picture.mode == "P"
            assert (np.asarray(picture.convert("RGB")) == images.upscale(food, scale)).all()


def test_the_gallery_holds_no_sprite_twice(page):
    draw(page)
    draw(page, "side view", 3)
    before = page.locator("#gallery figure").count()
    draw(page)
    shown = [text.split("\n")[:2] for text in page.locator("#gallery figcaption").all_inner_texts()]
    assert len(shown) == before
    assert shown[:2] == [["food", "seed 7"], ["side view", "seed 3"]]


def test_a_new_seed_is_noted_and_draws_another_sprite(page):
    before, count = draw(page).get_attribute("src"), page.locator("#gallery figure").count()
    page.get_by_role("button", name="New seed").click()
    page.wait_for_function(f"document.querySelectorAll('#gallery figure').length === {count + 1}")
    seed = page.get_by_label("Seed", exact=True).input_value()
    assert seed != "7"
    assert finished(page, "food", seed).get_attribute("src") != before


def test_every_control_changes_the_sprite(page):
    drawn = [
        draw(page, Guidance=scale, Steps=n).get_attribute("src") for scale, n in ((3, 20), (6, 20), (3, 7))
    ]
    page.get_by_label("DDIM", exact=True).check()
    drawn.append(draw(page).get_attribute("src"))
    assert len(set(drawn)) == 4
    page.get_by_label("SDE-DPM-Solver++", exact=True).check()
    assert draw(page, Steps=20).get_attribute("src") == drawn[0]


@pytest.mark.parametrize(("seed", "says"), [("", "There is no seed"), ("-1", "The seed is -1")])
def test_a_seed_that_is_none_is_one_sentence(page, seed, says):
    page.get_by_label("Seed", exact=True).fill(seed)
    page.get_by_role("button", name="Draw").click()
    toast = page.get_by_test_id("toast-body")
    assert says in toast.inner_text()
    page.get_by_test_id("toast-close").click()
    draw(page)


@pytest.mark.parametrize(("scheme", "zoom"), [("light", 3.0), ("dark", 1.5)])
def test_on_a_phone_it_fits_can_be_read_and_has_hard_pixels(visit, food, scheme, zoom):
    with visit(360, scheme, zoom) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
        assert too_faint(page, "gradio-app :is(h1, p, button, label, span, div, a, figcaption)") == []
        for element in (draw(page), page.query_selector("#gallery img")):
            assert seen_colors(element) == colors(food)  # smoothing would mix them
        for file in [Path(SHOTS) / f"demo-{scheme}.png"] if SHOTS else []:
            page.screenshot(path=file, full_page=True)
