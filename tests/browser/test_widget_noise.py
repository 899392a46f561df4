"""The noise explorer in a browser: what moves when a control moves."""

import numpy as np
import pytest
import torch

from pixel_edu import schedules, sprites
from pixel_edu.diffusion import add_noise
from pixel_edu.images import to_tensor, to_uint8
from pixel_edu.widgets.noise import NoiseExplorer
from tests.browser.mounting import mounted, pixels

pytestmark = pytest.mark.browser


def mixed(page):
    return np.array(pixels(page, "xₜ"), np.uint8).reshape(16, 16, 4)[..., :3]


def expected(sprite=0, schedule="linear", t=150, seed=0):
    x0 = to_tensor(sprites.draw(sprite // 2, np.array([sprite % 2])))
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    return to_uint8(add_noise(x0, eps, getattr(schedules, schedule)().levels(torch.tensor([t]))))[0]


def agree(shown, ours):
    return np.abs(shown.astype(int) - ours).max() <= 1  # a number may lie between two bytes


@pytest.fixture
def page(chromium):
    with mounted(chromium, NoiseExplorer()) as page:
        yield page


def test_it_shows_what_python_computes_and_every_control_changes_it(page):
    assert agree(mixed(page), expected())
    page.get_by_role("combobox", name="sprite", exact=True).select_option(index=5)
    assert agree(mixed(page), expected(sprite=5))
    page.get_by_role("combobox", name="schedule", exact=True).select_option("cosine")
    assert agree(mixed(page), expected(sprite=5, schedule="cosine"))
    page.get_by_label("seed", exact=True).fill("7")
    page.keyboard.press("Tab")
    assert agree(mixed(page), expected(sprite=5, schedule="cosine", seed=7))
    page.get_by_role("slider", name="timestep").fill("600")
    assert agree(mixed(page), expected(sprite=5, schedule="cosine", t=600, seed=7))
    assert not agree(mixed(page), expected())


def test_keys_alone_move_the_timestep_and_words_follow(page):
    curves = pixels(page, "λ")
    page.keyboard.press("Tab")
    for _ in range(4):  # schedule, seed, another, timestep
        page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert agree(mixed(page), expected(t=999))
    assert (
        "t = 999: signal 0.006, noise 1.00, ᾱ = 0.00004, λ = −5.06"
        in page.locator(".pixel-status").inner_text()
    )
    page.keyboard.press("ArrowLeft")
    assert "t = 998" in page.locator(".pixel-status").inner_text()
    assert page.get_by_role("img", name="linear is at −5.05 at t = 998").count() == 1
    assert pixels(page, "λ") != curves


def test_a_press_on_a_plot_picks_the_timestep(page):
    plot = page.locator("canvas.pixel-curves").first
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] - 6, "y": 60})
    assert page.get_by_role("slider", name="timestep").input_value() == "999"


def test_plots_are_drawn_again_in_the_dark(page):
    before = pixels(page, "ᾱ")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert pixels(page, "ᾱ") != before


@pytest.mark.parametrize("density", [1, 3])
def test_it_fits_a_phone_and_plots_have_a_dot_for_each_dot_of_the_screen(chromium, density):
    viewport = {"width": 360, "height": 740}
    with mounted(chromium, NoiseExplorer(), viewport=viewport, device_scale_factor=density) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        wide = page.locator("canvas.pixel-curves").first.evaluate("c => [c.width, c.clientWidth]")
        assert wide[0] == density * wide[1]


def test_a_schedule_that_is_written_only_in_python_is_one_sentence_and_another_can_be_chosen(chromium):
    widget = NoiseExplorer()
    traits = widget.settings() | {"schedule": "warped"}
    widget.settings = lambda: traits
    with mounted(chromium, widget) as page:
        says = "The schedule “warped” is written only in Python: here, choose linear, cosine, sigmoid."
        assert page.locator(".pixel-status").inner_text() == says
        assert page.locator("canvas").first.is_hidden()
        page.get_by_role("combobox", name="schedule", exact=True).select_option("cosine")
        assert agree(mixed(page), expected(schedule="cosine"))
        assert page.locator("canvas.pixel-curves").first.is_visible()
