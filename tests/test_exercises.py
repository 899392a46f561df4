"""The exercises: their checks say what is wrong, their hand-outs say nothing too much, and all of it is in step."""

import functools
import importlib
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pixel_edu import notebooks
from pixel_edu.course import calling, check, checking, experiments
from pixel_edu.grading.rpc.client import Answer
from pixel_edu.notebooks import handouts
from tests.answers import CHAPTERS
from tests.grading.crossing import across

ROOT = Path(__file__).parents[1]

BANKS = {name[:2]: importlib.import_module(f"tests.answers.ch{name[:2]}") for name in CHAPTERS}
IDS = [id for bank in BANKS.values() for id in bank.RIGHT]
WRONG = [(id, says) for bank in BANKS.values() for id, answers in bank.WRONG.items() for says in answers]


def bank(id):
    return BANKS[id[3:5]]


def source(name):
    return notebooks.read(ROOT / "solutions" / f"{name}.ipynb")


def forms(right, kind):
    """The right answer, but for one thing that no check can use."""

    def answer(*arguments):
        if kind == "loops":
            while True:
                time.sleep(0)
        if kind == "crashes":
            return {}["a key that is not there"]
        if kind == "unwritten":
            raise NotImplementedError("ex-00-0")
        return None

    return answer


SAYS = {
    "loops": "took longer than .* an endless loop",
    "crashes": "stopped with KeyError: 'a key that is not there', in the line `return {}",
    "unwritten": "There is no answer yet",
    "gives nothing": "returned None: is a `return` missing",
}


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("kind", SAYS)
@pytest.mark.slow
def test_what_no_check_can_use_gets_its_own_message(id, kind, monkeypatch):
    if kind == "loops":  # for ever, so however short the limit is, it ends no answer that would have come
        monkeypatch.setattr(checking, "LIMIT", 0.02)
    feedback = check(id, forms(bank(id).RIGHT[id][0], kind))
    assert not feedback
    assert re.search(SAYS[kind], feedback.message), feedback.message


def spoiled(right, kind):
    """A right answer whose result, or whose input, is spoiled in one way; tells in `done` where it was possible."""
    done = []

    def broken(value):
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            value = tuple(value)
        if isinstance(value, list | tuple) and value:
            return type(value)([broken(value[0]), *value[1:]])
        if isinstance(value, dict) and value:
            first = next(iter(value))
            return value | {first: broken(value[first])}
        if not isinstance(value, torch.Tensor | np.ndarray) or value.ndim == 0 or 0 in value.shape:
            return value
        real = "float" in str(value.dtype)
        if kind in ("not a number", "device") and not real:
            return value
        if kind == "device" and not isinstance(value, torch.Tensor):
            return value
        done.append(kind)
        if kind == "shape":
            return value[None]
        if kind == "dtype":
            return value > 0
        if kind == "device":
            return value.to("meta")
        return value * float("nan")

    def answer(*arguments):
        if kind != "input":
            return broken(right(*arguments))
        for given in arguments:
            if isinstance(given, torch.Tensor | np.ndarray) and given.ndim and 0 not in given.shape:
                given[0] = 1 - given[0] if given.dtype != torch.bool else ~given[0]
                done.append(kind)
                break
        return right(*arguments)

    return answer, done


SPOILED = {
    "shape": "returned the shape|another form|have the shape|arrays of row numbers|a list of",
    "dtype": "look at the dtype|integers|floating-point numbers",
    "device": "on the device `meta`",
    "not a number": "not finite numbers|which is not a finite number",
    "input": "changed its input",
}


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("kind", SPOILED)
@pytest.mark.slow
def test_a_result_of_another_form_and_a_changed_input_are_named(id, kind):
    answer, done = spoiled(bank(id).RIGHT[id][0], kind)
    feedback = checking.examine(checking.find(id), calling.caller(answer))
    if done:
        assert not feedback
        assert re.search(SPOILED[kind], feedback.message), feedback.message
    else:  # it takes or gives no such value
        assert feedback


@functools.cache
def feedback_to(id, which, seed):
    """What the check tells an answer, a right one by number or a wrong one by its message: once for the tests below."""
    answers = bank(id).WRONG[id] if isinstance(which, str) else bank(id).RIGHT[id]
    return checking.examine(checking.find(id), calling.caller(answers[which]), seed)


SEEDS = [0, pytest.param(1, marks=pytest.mark.slow)]


@pytest.mark.parametrize("seed", [*SEEDS, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
@pytest.mark.parametrize("id", IDS)
def test_right_answers_pass_whatever_the_seed(id, seed):
    assert len(bank(id).RIGHT[id]) >= 2, f"give {id} two right answers, at least, in tests/answers"
    for i in range(len(bank(id).RIGHT[id])):
        feedback = feedback_to(id, i, seed)
        assert feedback, feedback.message


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("id", "says"), WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(id, says, seed):
    feedback = feedback_to(id, says, seed)
    assert not feedback
    assert re.search(says, feedback.message), f"expected {says!r}: {feedback.message}"
    feedback._repr_html_()


@pytest.mark.slow
@pytest.mark.parametrize("id", IDS)
def test_every_answer_gets_the_same_message_in_two_processes(id, tmp_path):
    exercise, known = checking.find(id), bank(id)
    answers = dict(enumerate(known.RIGHT[id])) | known.WRONG[id]
    for which, made in zip(answers, each_across(exercise.name, [*answers.values()], tmp_path), strict=True):
        here = feedback_to(id, which, 0)
        there = checking.examine(exercise, calling.caller(Answer(made, exercise.name)))
        assert (there.passed, there.message) == (here.passed, here.message)


def each_across(name, answers, tmp_path):
    """For each answer a client of a process that has it under this name; a process serves as many as it survives."""
    left = dict(enumerate(answers))

    def choose(i):
        names[name] = answers[i]

    while left:
        names = {"choose": choose}
        with across(names, tmp_path) as made:
            while left and not made.broken:
                made.request("call", "choose", (min(left),))
                del left[min(left)]
                yield made


@pytest.mark.parametrize("id", IDS)
def test_each_exercise_has_five_wrong_answers_with_messages_of_their_own(id):
    said = [feedback_to(id, says, 0).message for says in bank(id).WRONG[id]]
    assert len(said) >= 5, f"give {id} five wrong answers, at least, in tests/answers"
    assert len(set(said)) == len(said), "two wrong answers get the same message"


def test_every_exercise_of_the_notebooks_has_a_check_and_a_bank_and_no_other():
    names = sorted(path.stem for path in (ROOT / "solutions").glob("[0-9][0-9]_*.ipynb"))
    of_notebooks = [each.id for name in names for each in handouts.exercises_of(source(name), name)]
    assert of_notebooks == [each.id for each in checking.all_exercises()] == IDS
    assert all(bank(id).WRONG.keys() == bank(id).RIGHT.keys() for id in IDS)


def test_the_count_of_tested_answers(record_property):
    right = sum(len(answers) for each in BANKS.values() for answers in each.RIGHT.values())
    record_property("answers", f"{right} right and {len(WRONG)} wrong answers to {len(IDS)} exercises")
    assert len(WRONG) >= 5 * len(IDS)


@pytest.mark.parametrize("id", experiments.EXPERIMENTS)
def test_the_sentences_of_a_model_report_hold_both_numbers_and_no_hint_does(id):
    """Numbers in prose come from the experiment."""
    experiment = experiments.EXPERIMENTS[id]
    numbers = [f"{experiments.measured(id, at, 0):.3g}" for at in (experiment.before, experiment.after)]
    (name,) = [name for name in CHAPTERS if name.startswith(id[3:5])]
    (exercise,) = [each for each in handouts.exercises_of(source(name), name) if each.id == id]
    assert all(re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", exercise.sentences) for number in numbers)
    assert not any(number in text for number in numbers for _, text in exercise.hints if "." in number)


def test_a_report_is_told_what_was_measured_and_whether_its_prediction_held():
    for answer, fate in zip(bank("ex-01-7").RIGHT["ex-01-7"][:3], (False, True, False), strict=True):
        said = check("ex-01-7", answer)
        assert said
        assert re.search(r"Measured: [\d.]+, then [\d.]+; your prediction ", said.message)
        assert ("did not hold" in said.message) != fate
