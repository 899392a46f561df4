"""Questions that wait for a guess, in a page of the built book."""

import pytest

from tests.browser.test_pages import PAGES

pytestmark = pytest.mark.browser

PAGE = "chapters/01_pixels"
HIDDEN = "document.querySelectorAll('.answer[hidden]').length"
SEEN = "place => place.checkVisibility({ contentVisibilityAuto: true })"


@pytest.fixture
def opened(chromium, site):
    """Opens a chapter in a browser that has seen none of it."""
    contexts = []

    def open_(fragment="", name=PAGE, **options):
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 800}, **options))
        page = contexts[-1].new_page()
        page.goto(f"{site}{name}.html{fragment}", wait_until="load")
        return page

    yield open_
    for context in contexts:
        context.close()


def inside(page, number):
    """What answers a question: its first cell or paragraph."""
    return page.locator(f"#answer-{number} > *").first


def test_the_keyboard_alone_guesses_and_goes_on_in_the_answer(opened):
    page = opened()
    asked = page.locator(".predict").count()
    assert page.evaluate(HIDDEN) == asked > 1
    assert not inside(page, 1).evaluate(SEEN)
    page.locator(".predict input").first.focus()
    page.keyboard.type("heroes on top")
    page.keyboard.press("Enter")
    assert inside(page, 1).evaluate(SEEN)
    assert page.evaluate("document.activeElement.id") == "answer-1"
    assert page.locator("#answer-1").get_attribute("aria-label") == (
        "The answer. Your guess was: heroes on top"
    )
    assert "Your guess: heroes on top" in page.locator(".predict").first.inner_text()
    assert page.evaluate(HIDDEN) == asked - 1


def test_nothing_is_shown_for_an_empty_guess_but_on_request(opened):
    page = opened()
    question = page.locator(".predict").first
    question.get_by_role("button", name="Compare").click()
    assert not inside(page, 1).evaluate(SEEN)
    question.get_by_role("button", name="Show without a guess").click()
    assert inside(page, 1).evaluate(SEEN)
    assert "Your guess" not in question.inner_text()


def test_a_list_in_the_question_is_a_choice(opened):
    page = opened()
    question = page.locator(".predict", has_text="validation pictures")
    assert question.get_by_role("listitem").count() == 0
    question.get_by_label("A tenth of them").check()
    question.get_by_role("button", name="Compare").click()
    assert "Your guess: A tenth of them" in question.inner_text()
    assert question.get_by_role("listitem").count() == 4


def test_a_guess_is_there_when_the_reader_comes_back(opened):
    page = opened()
    page.locator(".predict input").first.fill("<b>no idea</b>")
    page.locator(".predict").first.get_by_role("button", name="Compare").click()
    page.reload()
    assert "Your guess: <b>no idea</b>" in page.locator(".predict").first.inner_text()
    assert inside(page, 1).evaluate(SEEN)
    assert not inside(page, 2).evaluate(SEEN)


def test_who_wants_no_questions_is_asked_none_in_any_chapter(opened, site):
    page = opened()
    page.get_by_role("button", name="Show all answers, always").click()
    assert page.evaluate(HIDDEN) == 0
    page.goto(f"{site}chapters/02_noise.html")
    assert page.evaluate(HIDDEN) == page.locator(".predict form").count() == 0
    page.get_by_role("button", name="Wait for my guesses").click()
    page.wait_for_function(f"{HIDDEN} > 1")


def test_without_javascript_and_on_paper_all_can_be_seen(opened):
    page = opened(java_script_enabled=False)
    assert page.locator(".answer").count() == page.locator(".predict").count() > 1
    assert page.locator(".answer[hidden], .predict form").count() == 0
    page = opened()
    page.emulate_media(media="print")
    assert all(place.evaluate(SEEN) for place in page.locator(".answer > :last-child").all())
    assert page.locator(".predict form").first.is_hidden()


def test_a_link_into_an_answer_opens_it(opened):
    page = opened()
    page.evaluate("document.querySelector('#answer-3 > *').id = 'there'; location.hash = '#there'")
    page.wait_for_function("!document.querySelector('#answer-3').hidden")
    assert page.evaluate(HIDDEN) == page.locator(".predict").count() - 1


def test_a_widget_to_try_stays_while_its_question_waits(opened):
    page = opened(name="chapters/02_noise")
    assert page.locator(".answer[hidden] .pixel-widget").count() == 0
    assert page.locator(".pixel-widget").first.evaluate(SEEN)


def test_every_question_of_every_chapter_waits_but_for_those_that_a_widget_answers(opened, site):
    page = opened()
    for name in (name for name in PAGES if name.startswith("chapters/")):
        page.goto(f"{site}{name}.html")
        answered = page.locator(".predict + .cell:last-child .pixel-widget").count()
        waiting = page.locator(".predict").count() - answered
        assert page.evaluate(HIDDEN) == page.locator(".predict form").count() == waiting, name
