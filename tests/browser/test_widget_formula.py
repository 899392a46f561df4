"""The exercise cell in a browser: a line is written, judged and drawn, with keys alone."""

import numpy as np
import pytest
import torch

from pixel_edu import guidance, sprites
from pixel_edu.diffusion import add_noise
from pixel_edu.images import to_tensor, to_uint8
from pixel_edu.samplers import SpriteNoise
from pixel_edu.schedules import cosine
from pixel_edu.widgets.formula import STARTS, FormulaCell
from tests.browser.contrast import too_faint
from tests.browser.mounting import mounted, pixels

pytestmark = pytest.mark.browser
RIGHT = "level.signal * x0 + level.noise * eps"
SLIP = "level.signal * x0 + level.noise**2 * eps"


@pytest.fixture
def page(chromium):
    with mounted(chromium, FormulaCell(exercise="ex-02-1")) as page:
        yield page


def drawn(page, name):
    return np.array(pixels(page, name), np.uint8).reshape(16, 16, 4)[..., :3].astype(int)


def said(page):
    return page.get_by_role("status").inner_text()


def test_keys_alone_do_the_exercise(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type(SLIP)
    page.keyboard.press("Enter")
    assert said(page).startswith("✗ not yet. Your x_t has the right mean")
    page.keyboard.press("Control+a")
    page.keyboard.type(RIGHT)
    assert said(page) == ""  # what was said was about another line
    page.keyboard.press("Enter")
    assert said(page).startswith("✓ passed. Your line noises a sprite to any timestep in one jump.")
    for _ in range(6):  # four names, check, start again
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("textarea").input_value() == STARTS["ex-02-1"]
    page.keyboard.press("Enter")  # undo
    assert page.locator("textarea").input_value() == RIGHT


def test_the_pictures_follow_each_letter_and_are_those_of_python(page):
    x0, eps = to_tensor(sprites.make(1).images), SpriteNoise([0]).start()
    for t in (200, 500, 800):
        page.locator("textarea").fill("x0")
        assert np.abs(drawn(page, f"t = {t}") - to_uint8(x0)[0]).max() <= 1
        page.locator("textarea").fill(RIGHT)
        right = to_uint8(add_noise(x0, eps, cosine().levels(torch.tensor([t]))))[0]
        assert np.abs(drawn(page, f"t = {t}") - right).max() <= 1
    assert page.get_by_role("img", name="its numbers -").count() == 3
    page.locator("textarea").fill("x0 / 0")
    assert page.get_by_role("img", name="not finite").count() == 3


def test_guidance_is_drawn_as_the_guess_that_it_leaves(chromium):
    cell = FormulaCell(exercise="ex-06-1", formula="eps_uncond + guidance_scale * (eps_cond - eps_uncond)")
    with mounted(chromium, cell) as page:
        cond, uncond = (torch.tensor(drawn(page, name)[None]).float() for name in ("w = 1", "w = 0"))
        twice = guidance.guide(cond, uncond, 2.0).clamp(0, 255)[0].numpy()
        assert np.abs(drawn(page, "w = 2") - twice).max() <= 1


def test_what_cannot_be_read_is_told_at_once_and_marked(page):
    field = page.locator("textarea")
    field.fill("level.signal * x0 + nois * eps")
    hint = page.locator(f"#{field.get_attribute('aria-describedby')}")
    assert hint.inner_text().startswith("There is no nois: you have x0, eps, level.signal, level.noise")
    assert field.get_attribute("aria-invalid") == "true"
    page.get_by_role("button", name="Check").click()
    assert "There is no nois" in said(page)
    assert page.evaluate("getSelection().toString()") == "nois"
    page.keyboard.type("level.noise")  # over what was marked
    assert field.input_value() == RIGHT
    assert field.get_attribute("aria-invalid") == "false"


def test_a_press_on_a_name_writes_it(page):
    page.locator("textarea").fill("")
    page.get_by_role("button", name="insert level.signal").click()
    page.keyboard.type(" * ")
    page.get_by_role("button", name="insert x0").click()
    assert page.locator("textarea").input_value() == "level.signal * x0"


def test_a_line_is_kept_for_the_next_visit(page):
    page.locator("textarea").fill(SLIP)
    page.reload()
    page.wait_for_selector(".pixel-widget[data-live]")
    assert page.locator("textarea").input_value() == SLIP
    assert said(page) == ""
    page.locator("textarea").fill(RIGHT)
    page.reload()
    page.wait_for_selector(".pixel-widget[data-live]")
    assert said(page) == "✓ passed. You wrote this on an earlier visit."


def test_it_works_where_a_browser_keeps_nothing(chromium):
    with mounted(chromium, FormulaCell()) as page:
        page.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no') } })"
        )
        page.reload()
        page.wait_for_selector(".pixel-widget[data-live]")
        page.locator("textarea").fill(RIGHT)
        page.keyboard.press("Enter")
        assert said(page).startswith("✓ passed")


@pytest.mark.parametrize("exercise", STARTS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read(chromium, exercise, theme):
    with mounted(chromium, FormulaCell(exercise=exercise), viewport={"width": 360, "height": 800}) as page:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.locator("textarea").press("Enter")
        assert said(page).startswith("✗ not yet")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert too_faint(page, ".pixel-panel *") == []
