"""Real or drawn in a browser: right and wrong answers, by mouse and by keys, and what is told before and after."""

import numpy as np
import pytest

from pixel_edu.distances import Score
from pixel_edu.widgets.pairs import RealOrDrawn, contestants
from tests.browser.mounting import mounted, pixels

pytestmark = pytest.mark.browser

SIDES = ("left", "right")
KEYS = {"left": "ArrowLeft", "right": "ArrowRight"}
JUDGE = Score(0.8, 0.74, 0.86)


@pytest.fixture
def page(chromium):
    with mounted(chromium, RealOrDrawn(judge=JUDGE)) as page:
        yield page


def shown(page):
    """The two sprites, as bytes."""
    images = (np.array(pixels(page, side), np.uint8).reshape(16, 16, 4)[..., :3] for side in SIDES)
    return [image.tobytes() for image in images]


def truth(page):
    """The side of the drawn sprite, found by its pixels; the other one must be real."""
    real, drawn = ({image.tobytes() for image in part.reshape(-1, 16, 16, 3)} for part in contestants())
    left, right = shown(page)
    side = SIDES[right in drawn]
    assert {"left": left, "right": right}[side] in drawn
    assert {"left": right, "right": left}[side] in real
    return side


def other(side):
    return SIDES[side == "left"]


def card(page, side):
    return page.get_by_role("button", name=f"{side} sprite")


def said(page, which=0):
    return page.get_by_role("status").nth(which).inner_text()


def play(page, answers):
    """Answer by mouse, pair after pair, with the side that `answers` makes of the true one."""
    for i, answer in enumerate(answers):
        if i:
            page.get_by_role("button", name="Next pair").click()
        card(page, answer(truth(page))).click()


def right(side):
    return side


def test_right_and_wrong_answers_are_told_and_counted(page):
    play(page, [right])
    side = truth(page)
    assert said(page) == f"Right: the {side} one is drawn. 1 of 1 right."
    page.get_by_role("button", name="Next pair").click()
    assert said(page) == ""
    side = truth(page)
    card(page, other(side)).click()
    assert said(page) == f"Wrong: the {side} one is drawn. 1 of 2 right."
    card(page, side).click(force=True)  # too late
    assert said(page) == f"Wrong: the {side} one is drawn. 1 of 2 right."
    assert "1 of 2 right" in page.locator(".pixel-score").inner_text()


def test_nothing_says_which_one_is_drawn_before_the_answer_and_both_say_it_after(page):
    places = {side: page.locator(".pixel-cards figure").nth(i) for i, side in enumerate(SIDES)}

    def code(side):
        return places[side].evaluate("place => place.outerHTML").replace(side, "")

    for i in range(6):
        assert code("left") == code("right")
        side = truth(page)
        card(page, SIDES[i % 2]).click()
        for place, is_ in ((side, "drawn"), (other(side), "real")):
            assert places[place].locator("figcaption").inner_text() == is_
            assert card(page, place).get_attribute("aria-label") == f"{place} sprite: {is_}"
        page.get_by_role("button", name="Next pair").click()


def test_nothing_can_be_skipped(page):
    before = shown(page)
    assert page.get_by_role("button", name="Next pair").is_disabled()
    page.get_by_role("button", name="Next pair").click(force=True)
    assert shown(page) == before


def test_arrow_keys_and_enter_play_a_whole_game(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "left sprite"
    for i in range(20):
        page.keyboard.press(KEYS[truth(page)])
        assert said(page).endswith(f"{i + 1} of {i + 1} right.")
        if i < 19:
            page.keyboard.press("Enter")  # Next has the focus
            label = page.evaluate("document.activeElement.getAttribute('aria-label')")
            assert label.startswith(f"Pair {i + 2} of 20: ")
            assert label.endswith("Which one did the network draw?")
    assert said(page, 1).startswith("You told 20 of 20 pairs, 100 %")


def test_tab_and_enter_do_too(page):
    play(page, [right])
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    if truth(page) == "right":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert said(page).endswith("2 of 2 right.")


def test_an_arrow_with_another_key_belongs_to_the_browser(page):
    card(page, "left").focus()
    page.keyboard.press("Shift+ArrowRight")
    assert page.get_by_role("button", name="Next pair").is_disabled()


def test_the_end_tells_the_count_its_interval_and_what_the_network_does(page):
    assert said(page, 1) == ""
    play(page, [right] * 13 + [other] * 7)
    assert said(page, 1) == (
        "You told 13 of 20 pairs, 65 %; the 95 % interval is 41 % to 85 %. A coin’s 50 % lies in it: this may be luck. "
        "The network of the two-sample test told 80 % of such pairs (74 % to 86 %), as this notebook computed. "
        "It lies in your interval: 20 pairs cannot say who is better."
    )


def test_without_a_judge_nothing_is_said_of_a_network(chromium):
    with mounted(chromium, RealOrDrawn(pairs=10, seed=4)) as page:
        play(page, [right] * 10)
        assert said(page, 1).endswith("69 % to 100 %. A coin’s 50 % lies below: you can tell them.")


def test_again_begins_at_nothing_with_sprites_that_were_not_seen(chromium):
    with mounted(chromium, RealOrDrawn(pairs=5)) as page:
        games, sides = [], []
        for _ in range(3):
            seen = set()
            for i in range(5):
                seen |= set(shown(page))
                sides.append(truth(page))
                card(page, "left").click()
                if i < 4:
                    page.get_by_role("button", name="Next pair").click()
            games.append(seen)
            page.get_by_role("button", name="Again, with other pairs").click()
            assert said(page, 1) == page.locator(".pixel-score span").nth(1).inner_text() == ""
            assert "Pair 1 of 5" in page.locator(".pixel-score").inner_text()
        assert [len(seen) for seen in games] == [10, 10, 10]
        assert len(set.union(*games)) == 30
        assert set(sides) == set(SIDES)


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_the_two_stand_side_by_side(chromium, width):
    options = {"viewport": {"width": width, "height": 740}, "color_scheme": "dark"}
    with mounted(chromium, RealOrDrawn(judge=JUDGE), **options) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        left, right = (card(page, side).bounding_box() for side in SIDES)
        assert left["y"] == right["y"]
        assert left["x"] + left["width"] < right["x"]
        assert left["width"] == pytest.approx(right["width"], abs=0.5)
        assert left["width"] > 128
        assert abs(left["height"] - left["width"]) < 2
        before = page.locator(".pixel-panel").bounding_box()["height"]
        card(page, "left").click()
        assert page.locator(".pixel-panel").bounding_box()["height"] == before  # nothing jumps
