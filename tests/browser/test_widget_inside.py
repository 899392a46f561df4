"""The network at work in a browser: play, steps, boxes, noise, and the places that ask; by mouse and by keys."""

import numpy as np
import pytest

from pixel_edu.widgets.inside import NetworkInside
from pixel_edu.widgets.trace import TIMESTEPS, trace
from tests.browser.mounting import mounted, pixels

pytestmark = pytest.mark.browser

LAST = 8
AT = "button.pixel-box[aria-current]"


@pytest.fixture
def page(chromium):
    with mounted(chromium, NetworkInside()) as page:
        yield page


def title(page):
    return page.locator(".pixel-question").inner_text()


def here(page):
    """The label of the box that is lit; exactly one is."""
    (label,) = page.locator(AT).evaluate_all("boxes => boxes.map(box => box.getAttribute('aria-label'))")
    return label


def image(page, name, size=16):
    return np.array(pixels(page, name), np.uint8).reshape(size, size, 4)[..., :3]


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_the_noisy_sprite_goes_in_and_the_guess_comes_out(page):
    assert title(page) == "The noisy sprite"
    np.testing.assert_array_equal(image(page, "the noisy sprite"), trace().noisy[1])
    page.get_by_role("button", name="The answer").click()
    np.testing.assert_array_equal(image(page, "the guess sprite"), trace().guess[1])
    np.testing.assert_array_equal(image(page, "the true sprite"), trace().true[0])


def test_next_and_back_walk_through_all_blocks_and_end_at_the_ends(page):
    seen = [title(page)]
    assert page.get_by_role("button", name="Back").is_disabled()
    for _ in range(LAST):
        press(page, "Next")
        seen.append(title(page))
        assert here(page).startswith(seen[-1])
    assert [word.split(",")[0] for word in seen[1:-1]] == [f"Block {i} of 7" for i in range(1, 8)]
    assert page.get_by_role("button", name="Next").is_disabled()
    press(page, "Back")
    assert title(page) == seen[-2]


@pytest.mark.parametrize(("block", "size"), [(1, 16), (4, 4), (6, 8)])
def test_a_box_shows_the_maps_of_its_block_in_their_colours(page, block, size):
    page.get_by_role("button", name=f"Block {block} of 7").click()
    assert f"{size} × {size}: channels" in page.locator(".pixel-hint").first.inner_text()
    for channel, values in zip(trace().channels[block], trace().maps[block][1], strict=True):
        shown = image(page, f"map of channel {channel}", size).astype(int)
        far = (values.astype(float) - 128) / 127
        ends = np.where(far[..., None] < 0, np.array([0x2B, 0x7F, 0xCE]), np.array([0xD9, 0x59, 0x0B]))
        assert np.abs(shown - (255 + np.abs(far)[..., None] * (ends - 255))).max() <= 1


def test_only_what_the_signal_has_passed_is_filled_and_only_what_leads_here_is_lit(page):
    page.get_by_role("button", name="Block 5 of 7").click()
    empty = page.locator("button.pixel-box canvas").evaluate_all(
        "all => all.map(c => c.getContext('2d').getImageData(0, 0, 1, 1).data[3] === 0)"
    )
    assert empty == [False] * 6 + [True] * 3
    lit = page.locator("line.pixel-lit").evaluate_all("all => all.map(line => line.classList[0]).sort()")
    assert lit == ["pixel-context", "pixel-skip", "pixel-step"]
    page.get_by_role("button", name="Block 2 of 7").click()
    assert page.locator("line.pixel-lit.pixel-skip").count() == 0


def test_play_walks_to_the_answer_pauses_and_begins_again(chromium):
    with mounted(chromium, NetworkInside()) as page:
        page.clock.install()
        press(page, "Play")
        assert title(page).startswith("Block 1")
        page.clock.run_for(2500)
        assert title(page).startswith("Block 3")
        press(page, "Pause")
        page.clock.run_for(5000)
        assert title(page).startswith("Block 3")
        press(page, "Play")
        press(page, "Back")  # takes over
        page.clock.run_for(5000)
        assert title(page).startswith("Block 3")
        press(page, "Play")
        page.clock.run_for(9000)
        assert title(page) == "The answer"
        press(page, "Play")
        assert title(page) == "The noisy sprite"


def test_who_wants_less_motion_sees_the_end_at_once(chromium):
    with mounted(chromium, NetworkInside(), reduced_motion="reduce") as page:
        press(page, "Play")
        assert title(page) == "The answer"
        press(page, "Play")
        assert title(page) == "The noisy sprite"


def test_noise_and_sprite_change_what_goes_in_and_what_is_said_of_it(page):
    page.get_by_label("noise").fill("2")
    page.get_by_role("combobox", name="sprite").select_option("food")
    np.testing.assert_array_equal(image(page, "the noisy sprite"), trace().noisy[5])
    assert page.locator("span.pixel-context").inner_text() == f"context: t = {TIMESTEPS[2]}, food"
    assert page.get_by_label("noise").get_attribute("aria-valuetext") == f"t = {TIMESTEPS[2]}"


def told(page, head):
    return page.locator(f'canvas[aria-label^="head {head},"]').get_attribute("aria-label")


def test_a_place_asks_and_each_head_says_where_it_looks(page):
    for place in (5, 14):
        page.get_by_role("radio").nth(place).click()
        for head, shares in enumerate(trace().looks[1, :, place], 1):
            rows = [" ".join(map(str, shares[4 * row : 4 * row + 4])) for row in range(4)]
            rest = ", ".join(f"row {i + 1}: {row}" for i, row in enumerate(rows))
            assert told(page, head) == f"head {head}, in percent, {rest}; the label: {shares[16]}"
            most = int(shares[:16].argmax())
            bright = image(page, f"head {head},")[4 * (most // 4) :, 4 * (most % 4) :][:4, :4]
            noisy = trace().noisy[1][4 * (most // 4) :, 4 * (most % 4) :][:4, :4]
            np.testing.assert_array_equal(bright, noisy)


def test_arrow_keys_move_the_place_that_asks_and_stop_at_the_edge(page):
    page.get_by_role("radio", name="row 2, column 2").focus()
    places = []
    for key in (
        "ArrowRight",
        "ArrowDown",
        "ArrowRight",
        "ArrowRight",
        "ArrowLeft",
        "ArrowUp",
        "ArrowUp",
        "ArrowUp",
    ):
        page.keyboard.press(key)
        places.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert places[:4] == ["row 2, column 3", "row 3, column 3", "row 3, column 4", "row 3, column 4"]
    assert places[-1] == "row 1, column 3"
    assert page.locator('[role=radio][aria-checked="true"]').get_attribute("aria-label") == places[-1]
    assert page.locator('[role=radio][tabindex="0"]').count() == 1


def test_the_keyboard_alone_reaches_and_lights_a_block(page):
    page.get_by_role("button", name="Next").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert title(page) == "Block 2 of 7, down"
    assert here(page).startswith("Block 2 of 7, down: 64 × 8 × 8")


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_it_fits_its_boxes_hold_their_words_and_nothing_jumps(chromium, width):
    options = {"viewport": {"width": width, "height": 740}, "color_scheme": "dark"}
    with mounted(chromium, NetworkInside(), **options) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        heights = set()
        for step in range(LAST + 1):
            page.locator("button.pixel-box").nth(step).click()
            heights.add(page.locator(".pixel-panel").bounding_box()["height"])
        assert len(heights) == 1
        over = page.locator("button.pixel-box").evaluate_all(
            "all => all.filter(b => b.scrollHeight > b.clientHeight || b.scrollWidth > b.clientWidth).length"
        )
        assert over == 0
        place = page.get_by_role("radio").first.bounding_box()
        assert min(place["width"], place["height"]) >= (24 if width >= 360 else 20)
