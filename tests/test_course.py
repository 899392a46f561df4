"""What notebooks call: check, require, use and progress."""

import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from pixel_edu import course, diffusion, generate, guidance, samplers, schedules
from pixel_edu.checkpoints import load_reference
from pixel_edu.config import UserError
from pixel_edu.course import calling, check, passed, progress, require, use
from pixel_edu.course.values import Wrong, close, formed, named, unchanged
from pixel_edu.schedules import cosine


def right(x0, eps, level):
    return level.signal * x0 + level.noise * eps


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXEL_EDU_HOME", str(tmp_path / "mine"))
    return tmp_path / "mine"


# Feedback


def test_feedback_is_true_where_the_answer_is_right():
    feedback = check("ex-02-1", right)
    assert feedback
    assert "passed" in repr(feedback)
    assert "✓ passed" in feedback._repr_html_()


def test_feedback_shows_yours_the_right_one_and_the_difference():
    html = check("ex-02-1", lambda x0, eps, level: level.signal * x0 + level.noise**2 * eps)._repr_html_()
    assert "✗ not yet" in html
    assert html.count("<img") == 3
    for caption in ("yours", "right", "difference"):
        assert f">{caption}<" in html


def test_what_an_answer_says_cannot_become_part_of_the_page():
    def answer(*_):
        raise ValueError("<script>alert(1)</script>")

    assert "<script" not in check("ex-02-1", answer)._repr_html_()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            lambda x0, eps, level: (level.signal * x0 + level.noise * eps).numpy(),
            "NumPy array .* not a tensor",
        ),
        (lambda x0, eps, level: (level.signal * x0)[:, :1], r"shape \(6, 1, 16, 16\), not \(6, 3, 16, 16\)"),
        (lambda x0, eps, level: (100 * x0).int(), "int32 values, not floating-point numbers"),
        (lambda x0, eps, level: x0.to("meta"), "on the device `meta`, but its inputs are on `cpu`"),
        (lambda x0, eps, level: x0 / 0, "values that are not finite numbers .* division by 0"),
        (lambda x0, eps, level: x0.mul_(level.signal).add_(level.noise * eps), "changed its input `x0`"),
        (lambda x0, eps: x0, r"It is called as `add_noise\(x0, eps, level\)`"),
        (lambda x0, eps, level: None, "returned None"),
        (lambda x0, eps, level: (x0, eps), "a tuple of 2, not a tensor"),
        (lambda x0, eps, level: "x0", "str `x0`, not a tensor"),
        (
            right(torch.ones(1), torch.ones(1), cosine().levels(torch.tensor([3]))),
            "This is not a function but a tensor",
        ),
        (None, "This is not a function but None"),
    ],
)
def test_what_cannot_be_used_is_named(answer, says):
    feedback = check("ex-02-1", answer)
    assert not feedback
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(feedback.message)


def test_an_error_is_told_with_the_line_it_came_from():
    def answer(x0, eps, level):
        weak = level.signal * x0
        return weak + level.nois * eps

    said = check("ex-02-1", answer).message
    assert "AttributeError" in said
    assert "in the line `return weak + level.nois * eps`" in said
    assert "Traceback" not in said


def test_a_number_may_come_in_any_box():
    assert formed(torch.tensor(3.0), 1.0, "it") == 3.0
    assert formed(np.float32(2), 1.0, "it") == 2.0
    with pytest.raises(Wrong, match="not a number"):
        formed([1, 2], 1.0, "it")
    with pytest.raises(Wrong, match="not True or False"):
        formed(1.5, True, "it")


def test_a_set_is_named_without_its_elements_since_each_process_has_its_own_order():
    assert named({"g-1677", "a-8654"}) == "a set of 2"
    assert named(frozenset()) == "a frozenset of 0"


def test_lists_and_dicts_are_compared_part_by_part():
    assert close([1, torch.ones(2)], [1, torch.ones(2)])
    assert not close({"a": 1.0}, {"b": 1.0})
    with pytest.raises(Wrong, match="value 2 of 2, returned the shape"):
        formed([1.0, torch.ones(2)], [1.0, torch.ones(3)], "it")
    with pytest.raises(Wrong, match=r"without 'a' and with 'b': its keys should be \['a'\]"):
        formed({"b": 1}, {"a": 1}, "it")
    assert not unchanged({"a": np.zeros(2)}, {"a": np.ones(2)})


def test_an_endless_loop_is_stopped_and_the_kernel_lives():
    started = time.monotonic()
    with pytest.raises(calling.TooSlow), calling.time_limit(0.2):
        while True:
            time.sleep(0.001)
    assert time.monotonic() - started < 3
    with calling.time_limit(5):
        pass
    time.sleep(0.3)  # no late bell


def test_however_short_the_limit_no_interrupt_comes_before_or_after_it():
    threads = threading.active_count()
    for _ in range(200):
        with pytest.raises(calling.TooSlow), calling.time_limit(0):
            while True:
                pass
    assert threading.active_count() == threads
    time.sleep(0.3)  # an alarm that went on would ring here


def test_an_endless_loop_is_stopped_where_interrupts_are_ignored():
    """A shell starts its background jobs so; `interrupt_main` does nothing there."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(calling.TooSlow), calling.time_limit(0.2):
            started = time.monotonic()
            while time.monotonic() < started + 3:
                time.sleep(0.001)
        assert time.monotonic() < started + 2
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


STOPPED = """
import time
from pixel_edu.course.calling import time_limit

with time_limit(1):
    print("begun", flush=True)
    while input() != "end":  # while it stands still, it reads nothing
        pass
    time.sleep(0.3)  # what is left to do; a bell that is too early rings here
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that stops a process")
def test_time_that_the_whole_process_stands_still_does_not_count():
    """As a laptop that is suspended, or Ctrl-Z and `fg`."""
    child = subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin
    assert child.stdout
    with child:
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        child.send_signal(signal.SIGCONT)
        child.stdin.write("end\n")
        child.stdin.flush()
        assert child.stdout.read() == "done\n"
    assert child.returncode == 0


def test_a_countdown_counts_what_was_computed_and_no_pause_longer_than_a_step(monkeypatch):
    wall, computed = [100.0], [7.0]
    monkeypatch.setattr(calling.time, "monotonic", lambda: wall[0])
    monkeypatch.setattr(calling.time, "process_time", lambda: computed[0])
    countdown = calling.Countdown(10, step=1)
    wall[0] += 0.5
    assert countdown.tick() == 9.5
    wall[0] += 3600
    assert countdown.tick() == 8.5
    wall[0], computed[0] = wall[0] + 60, computed[0] + 4
    assert countdown.tick() == 4.5
    assert countdown.left == 4.5


def test_what_computes_without_letting_go_of_python_uses_up_the_limit():
    """Where a clock gets no turn, as in one long call of C, its late slices count as what was computed."""
    started = time.monotonic()
    with pytest.raises(calling.TooSlow), calling.time_limit(0.6):
        while time.monotonic() < started + 5:
            sum(range(5_000_000))
    assert time.monotonic() < started + 3


def test_outside_the_main_thread_there_is_no_limit_but_an_answer():
    said = []
    thread = threading.Thread(target=lambda: said.append(check("ex-02-1", right)))
    thread.start()
    thread.join()
    assert said[0].passed


def test_marks_are_an_error_or_nothing():
    require("ex-02-1", right)
    with pytest.raises(AssertionError, match=r"ex-02-1: .* square root"):
        require("ex-02-1", lambda x0, eps, level: level.signal * x0 + level.noise**2 * eps)

    def unwritten(*_):
        raise NotImplementedError

    with pytest.raises(NotImplementedError, match="There is no answer yet"):
        require("ex-02-1", unwritten)


@pytest.mark.parametrize("id", ["ex-02-9", "ex-77-1", "2.1", "", None, "../../etc"])
def test_an_unknown_exercise_is_named(id):
    with pytest.raises(UserError, match="there is no exercise"):
        check(id, right)


# The reader's code becomes the system


def test_a_readers_part_works_inside_the_package():
    asked = []

    def mine(eps_cond, eps_uncond, guidance_scale):
        asked.append(float(guidance_scale))
        return eps_uncond + guidance_scale * (eps_cond - eps_uncond)

    own = guidance.guide
    try:
        assert "Yours now: guide" in use(guide=mine)
        model = guidance.guided(lambda x, t, c: x * c.reshape(-1, 1, 1, 1), torch.tensor([1]), 3.0)
        model(torch.ones(1, 3, 2, 2), torch.tensor([5]))
        assert asked == [3.0]
    finally:
        use()
    assert guidance.guide is own


def test_a_readers_sampler_draws_the_package_s_sprites():
    seen = []

    def mine(predict_eps, schedule, x, num_steps=50):
        seen.append(num_steps)
        return samplers.ddpm_sample(predict_eps, schedule, x, num_steps, torch.zeros_like)

    model = load_reference("tiny")
    config = generate.SampleConfig("ddim", 3)
    own = generate.generate(model, [0, 1], [0, 1], config)
    try:
        use(ddim_sample=mine)
        drawn = generate.generate(model, [0, 1], [0, 1], config)
    finally:
        use()
    assert seen == [3]
    assert drawn.shape == own.shape
    assert not np.array_equal(drawn, own)
    assert np.array_equal(generate.generate(model, [0, 1], [0, 1], config), own)


def test_a_sampler_without_eta_is_told_so_where_eta_is_wanted():
    try:
        use(ddim_sample=lambda predict_eps, schedule, x, num_steps: x)
        with pytest.raises(UserError, match="takes no eta: use 0"):
            generate.generate(load_reference("tiny"), [0], [0], generate.SampleConfig("ddim", 3, eta=0.5))
    finally:
        use()


def test_checks_are_made_with_the_package_s_own_parts():
    try:
        use(add_noise=lambda x0, eps, level: x0)
        assert check("ex-02-1", right)
        assert diffusion.add_noise(torch.ones(1), torch.zeros(1), None) == 1  # still the reader's
    finally:
        use()


def test_only_parts_can_be_replaced_and_only_by_functions():
    with pytest.raises(UserError, match="there is no part 'unet' to replace: use one of add_noise"):
        use(unet=right)
    with pytest.raises(UserError, match="pass the function itself, without parentheses"):
        use(guide=3)


def test_every_part_that_can_be_replaced_is_there():
    from importlib import import_module

    from pixel_edu.course.using import PARTS

    assert all(callable(getattr(import_module(f"pixel_edu.{home}"), name)) for name, home in PARTS.items())
    assert schedules.cosine is cosine


# Progress


def test_progress_is_noted_once_and_shown(home):
    assert "0 of" in repr(progress())
    check("ex-02-1", right)
    first = passed.dates()
    check("ex-02-1", right)
    assert passed.dates() == first
    assert list(first) == ["ex-02-1"]
    assert "✓" in repr(progress())
    html = progress()._repr_html_()
    assert "1 of" in html
    assert "ex-02-1" in html
    check("ex-02-2", right)
    assert list(passed.dates()) == ["ex-02-1"]


@pytest.mark.parametrize(
    "damage", ["", "{", "[1, 2]", '{"version": 1, "passed": {"ex-02-1": 3}}', "\x00\x01"]
)
def test_a_damaged_file_is_put_aside(home, damage):
    home.mkdir()
    (home / "progress.json").write_text(damage)
    assert passed.dates() == {}
    assert (home / "progress.json.damaged").read_text() == damage
    check("ex-02-1", right)
    assert list(passed.dates()) == ["ex-02-1"]


def test_files_of_other_versions_are_read(home):
    home.mkdir()
    (home / "progress.json").write_text(json.dumps({"ex-02-1": "2025-01-01T00:00:00+00:00"}))
    assert list(passed.dates()) == ["ex-02-1"]
    (home / "progress.json").write_text(json.dumps({"version": 9, "passed": {"ex-99-9": "2031-01-01"}}))
    assert list(passed.dates()) == ["ex-99-9"]
    progress()._repr_html_()


def test_where_nothing_can_be_written_checks_work_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PIXEL_EDU_HOME", str(tmp_path / "file" / "below"))
    assert check("ex-02-1", right)
    assert passed.dates() == {}


def test_the_course_has_the_address_of_its_repository():
    assert course.repository().startswith("https://")
    with pytest.raises(AttributeError):
        _ = course.nothing
