"""A whole class: nothing is lost, nothing is done twice, and one bad file stops nobody."""

import contextlib
import json
import os
import random
import re
import signal
import threading
import time
from dataclasses import replace

import pytest

from pixel_edu.grading import assignment, marking
from pixel_edu.grading.batch import Grader, Pool, plan, prove
from pixel_edu.grading.marking import Examiner
from pixel_edu.grading.results import gradebook, manual, tracked
from pixel_edu.grading.results.late import Policy
from pixel_edu.grading.results.store import Result, Store
from pixel_edu.grading.rpc import client
from pixel_edu.grading.sandbox import isolation
from pixel_edu.grading.sandbox.forkserver import ForkServer
from pixel_edu.grading.submissions import Submission, find
from pixel_edu.tracking import connecting
from tests.command import run as command_line
from tests.command import running, start
from tests.grading import classroom
from tests.grading.classroom import ASSIGNMENT, FULL, IDS, job, points, solved
from tests.grading.conftest import LIMITS

pytestmark = pytest.mark.slow


def submissions(count):
    content = json.dumps(solved()).encode()
    return [
        Submission(f"s{i}.ipynb", f"s{i}", "", "2026-01-01T00:00:00+00:00", content) for i in range(count)
    ]


@pytest.fixture(scope="module")
def pool(fork_server, level):
    with Pool(ASSIGNMENT, fork_server, LIMITS, 2) as made:
        yield made


def graded(pool, store, todo, level):
    count = 0
    for result, notebook in pool.grade(todo, level):
        store.save(result, notebook)
        count += 1
    return count


def with_tests(old, new):
    """The assignment with a change in its tests."""
    notebook = classroom.source()
    for each in notebook.cells:
        each.source = each.source.replace(old, new)
    return assignment.from_notebook(notebook, ASSIGNMENT.name)


SLOW = """\
import time
for _ in range(8):
    time.sleep(0.1)
"""


def test_time_that_the_grader_stands_still_is_nobodys(fork_server, level, monkeypatch):
    """As after Ctrl-Z and `fg`, or where a container is paused: in a cell, and in a call by the tests."""
    monkeypatch.setattr(client, "LIMIT", 1)
    monkeypatch.setattr(client, "GRACE", 0.5)
    notebook = solved()
    answer = classroom.find(notebook, "double")
    answer.source = SLOW + answer.source.replace(
        "return 2 * x", "[time.sleep(0.1) for _ in 5 * x]\n    return 2 * x"
    )
    results = []
    with Pool(ASSIGNMENT, fork_server, LIMITS._replace(cell=1.5), 1) as alone:
        grading = threading.Thread(target=lambda: results.extend(alone.grade([job(notebook)], level)))
        grading.start()
        while grading.is_alive():
            kernels = list(isolation.descendants(fork_server.process.pid))
            stopped = [alone.workers[0][1].pid, *kernels]
            signal_all(stopped, signal.SIGSTOP)
            time.sleep(2)
            signal_all(stopped, signal.SIGCONT)
            grading.join(0.5)
    assert points(results[0][0]) == FULL, results[0][0]


def signal_all(processes, which):
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, which)


def test_what_is_graded_is_not_graded_again(pool, level, tmp_path):
    store, class_ = Store(tmp_path), submissions(5)
    assert graded(pool, store, plan(class_, ASSIGNMENT, store), level) == 5
    assert all(points(store.load(each.key)) == FULL for each in class_)
    assert plan(class_, ASSIGNMENT, store) == []
    late = replace(class_[0], source=class_[0].read() + b"\n")
    assert [job.submission for job in plan([late, *class_[1:]], ASSIGNMENT, store)] == [late]


def test_a_changed_test_grades_only_what_it_touches(pool, level, tmp_path):
    store, class_ = Store(tmp_path), submissions(2)
    graded(pool, store, plan(class_, ASSIGNMENT, store), level)
    harder = with_tests("assert economical", "assert False").tasks
    changed = with_tests("2 * right + 1 * economical", "1 * right + 1 * economical")
    todo = plan(class_, changed, store)
    assert {job.ids for job in todo} == {("steps",)}
    assert len(harder) == len(IDS)
    grader = Grader(changed, Examiner(changed), pool.fork_server, level, LIMITS)
    for each in todo:
        store.save(*grader.grade(each))
    results = [store.load(each.key) for each in class_]
    assert [points(each) for each in results] == [FULL | {"steps": 2}] * 2
    assert [(c[1], c[3], c[4], c[5]) for c in gradebook.changes(results)] == [
        ("s0", "steps", "3", "2"),
        ("s1", "steps", "3", "2"),
    ]
    assert plan(class_, changed, store) == []


def test_a_changed_check_changes_the_digest_of_its_exercise_alone(monkeypatch):
    from pixel_edu.course import checking
    from pixel_edu.course.checks import ch05

    keys = [assignment.Task("t", "t", 1, f'require("ex-05-{n}", f)', range(0)) for n in (1, 2, 7)]
    before = [task.tests_key for task in keys]
    monkeypatch.setattr(ch05.random_timesteps, "__code__", ch05.random_timesteps.__code__)
    sources = assignment.inspect.getsource
    monkeypatch.setattr(
        assignment.inspect,
        "getsource",
        lambda thing: sources(thing) + "#" * (thing is checking.find("ex-05-7").run),
    )
    after = [assignment.Task("t", "t", 1, task.tests, range(0)).tests_key for task in keys]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False]


def test_one_student_or_one_exercise_again(pool, level, tmp_path):
    store, class_ = Store(tmp_path), submissions(3)
    graded(pool, store, plan(class_, ASSIGNMENT, store), level)
    assert [job.submission.student for job in plan(class_, ASSIGNMENT, store, students=["s1"])] == ["s1"]
    only = plan(class_, ASSIGNMENT, store, exercises=["scale"])
    assert [job.ids for job in only] == [("scale",)] * 3
    (both,) = plan(class_, ASSIGNMENT, store, ["s2"], ["steps"])
    graded(pool, store, [both], level)
    assert points(store.load(class_[2].key)) == FULL


def test_a_worker_that_dies_costs_nobody_a_mark(pool, level, tmp_path):
    store, class_ = Store(tmp_path), submissions(6)
    count = 0
    for result, notebook in pool.grade(plan(class_, ASSIGNMENT, store), level):
        store.save(result, notebook)
        count += 1
        if count == 2:
            pool.workers[0][1].kill()
    assert count == 6
    assert all(points(store.load(each.key)) == FULL for each in class_)


def test_what_kills_its_worker_twice_is_an_error_and_no_zero(pool, level, monkeypatch):
    todo = plan(submissions(2), ASSIGNMENT, EMPTY)
    for _, process in pool.workers:
        process.kill()
        process.join()
    monkeypatch.setattr(pool, "_work", lambda *_: os._exit(1))
    pool.workers = [pool._worker() for _ in pool.workers]
    results = [result for result, _ in pool.grade(todo, level)]
    assert [(result.status, result.points) for result in results] == [("grader error", None)] * 2
    monkeypatch.undo()
    pool.workers = [pool._worker() for _ in pool.workers]


class _Empty:
    def load(self, key):
        return None


EMPTY = _Empty()


def test_without_a_fork_a_kernel_starts_from_nothing(fork_server, level):
    broken = ForkServer(connection=fork_server.clone())
    broken.socket.shutdown(2)
    result, _ = Grader(ASSIGNMENT, Examiner(ASSIGNMENT), broken, level, LIMITS).grade(job(solved()))
    assert points(result) == FULL
    assert result.notes == ["its kernel could not be forked, and was started from scratch"]
    broken.close()


@pytest.mark.filterwarnings("ignore")
def test_a_grading_run_in_mlflow(grader, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    rows = gradebook.rows([grader.grade(job(solved()))[0]], {}, Policy())
    (tmp_path / "report.html").write_text("r")
    uri = f"sqlite:///{tmp_path}/m.db"
    tracked.log(uri, rows, ASSIGNMENT, tmp_path / "report.html")
    client = connecting.connect(uri)
    (run,) = client.search_runs([connecting.experiment(client, "grading 90_test")])
    assert (run.data.metrics["median"], run.data.metrics["share double"]) == (8, 1)
    assert run.data.params["files"] == "1"
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["report.html"]
    assert run.info.status == "FINISHED"


def test_an_error_of_the_grader_is_no_zero_and_is_tried_again(grader, tmp_path, monkeypatch):
    store, class_ = Store(tmp_path), submissions(1)
    (first,) = plan(class_, ASSIGNMENT, store)
    monkeypatch.setattr(ForkServer, "start", lambda *_: 1 / 0)
    store.save(*grader.grade(first))
    result = store.load(class_[0].key)
    assert (result.status, result.points) == ("grader error", None)
    monkeypatch.undo()
    (again,) = plan(class_, ASSIGNMENT, store)
    store.save(*grader.grade(again))
    assert points(store.load(class_[0].key)) == FULL


def test_an_error_while_grading_again_leaves_the_marks_as_they_were(grader, tmp_path, monkeypatch):
    store, class_ = Store(tmp_path), submissions(1)
    store.save(*grader.grade(plan(class_, ASSIGNMENT, store)[0]))
    monkeypatch.setattr(ForkServer, "start", lambda *_: 1 / 0)
    (again,) = plan(class_, ASSIGNMENT, store, students=["s0"])
    store.save(*grader.grade(again))
    result = store.load(class_[0].key)
    assert (result.status, points(result)) == ("graded", FULL)
    assert "grading it again failed, so its marks are unchanged" in result.reason


def test_a_result_of_an_older_version_is_read(tmp_path):
    store = Store(tmp_path)
    mark = {"id": "a", "points": 1, "most": 2, "status": "part", "message": "", "apart": False}
    content = {
        "version": 1,
        "key": "k",
        "file": "f",
        "student": "s",
        "number": "",
        "time": "",
        "marks": [mark],
    }
    (tmp_path / "marks" / "k.json").write_text(json.dumps(content | {"rung": "landlock", "rooms": 3}))
    old = store.load("k")
    assert (old.level, old.sandboxes, old.marks[0].unsafe) == ("landlock", 3, True)


def test_a_damaged_result_is_graded_again(pool, level, tmp_path):
    store, class_ = Store(tmp_path), submissions(1)
    graded(pool, store, plan(class_, ASSIGNMENT, store), level)
    path = tmp_path / "marks" / f"{class_[0].key}.json"
    path.write_text(path.read_text()[:100])
    assert len(plan(class_, ASSIGNMENT, store)) == 1


def test_the_instructors_own_solution_must_pass(grader):
    prove(grader)
    wrong = with_tests("[0, 2, 4]", "[0, 2, 5]")
    with pytest.raises(assignment.ExerciseError, match="double: its own solution gets 0 of 2 points"):
        prove(Grader(wrong, Examiner(wrong), grader.fork_server, grader.level, LIMITS))


def test_points_that_a_test_may_not_give_are_the_graders_error(grader):
    wrong = with_tests("2 * right + 1 * economical", "400 * right")
    result, _ = Grader(wrong, Examiner(wrong), grader.fork_server, grader.level, LIMITS).grade(job(solved()))
    assert result.status == "grader error"
    assert "its tests give 400" in result.reason


@pytest.mark.parametrize("tag", sorted(assignment.UNSAFE))
def test_tests_in_the_answers_process_are_marked_as_unsafe(grader, tag):
    notebook = classroom.source()
    classroom.find(notebook, "double-marks").metadata.tags = [tag]
    unsafe = assignment.from_notebook(notebook, "90_test")
    own = Grader(unsafe, Examiner(unsafe), grader.fork_server, grader.level, LIMITS)
    result, _ = own.grade(job(solved()))
    assert {mark.id: mark.unsafe for mark in result.marks}["double"] is True
    assert points(result) == FULL
    wrong = solved()
    classroom.find(wrong, "double").source = "def double(x):\n    return x"
    assert points(own.grade(job(wrong))[0])["double"] == 0


def test_a_file_that_cannot_be_read_gets_a_row_with_the_reason(grader):
    pipe = Submission("p.ipynb", "p", "", "2026-01-01T00:00:00+00:00", b"", "it is not a file but a pipe")
    result, executed = grader.grade(replace(job(solved()), submission=pipe))
    assert (result.status, result.reason, executed) == ("unreadable", "it is not a file but a pipe", "")


def test_part_of_the_points_for_part_of_the_work(grader):
    notebook = solved()
    classroom.find(
        notebook, "steps"
    ).source = "def steps(model, x, count):\n    for _ in range(count):\n        model(x)\n    return x"
    result, _ = grader.grade(job(notebook))
    mark = next(mark for mark in result.marks if mark.id == "steps")
    assert (mark.points, mark.status, mark.message) == (1, marking.PART, "1 of 3 points.")


def test_marks_by_hand_are_asked_for_once_and_kept(grader, tmp_path):
    result, _ = grader.grade(job(solved()))
    path = tmp_path / "manual.csv"
    assert manual.write(path, [result]) == 1
    text = path.read_text()
    assert "Why?" in text
    path.write_text(text.replace(",5,,,", ",5,4,-1 for style,"))
    assert manual.write(path, [result]) == 0
    (row,) = gradebook.rows([result], manual.read(path), Policy())
    assert (row.raw, row.comments) == (12, {"why": "-1 for style"})
    path.write_text(path.read_text().replace(",5,4,", ",5,6,"))
    with pytest.raises(
        manual.UserError, match=r"line 2 \(cell E2\): '6' is not a mark: write a number from 0 to 5"
    ):
        manual.read(path)


KILLS = int(os.environ.get("PIXEL_EDU_KILLS", "5"))
"""How often the grader is killed: each time costs it a start, so `make test` does it less often than can be asked."""


def test_killed_again_and_again_it_loses_nothing_and_does_nothing_twice(level, tmp_path):
    """kill -9 of the whole command at random moments; then the same command finishes."""
    handed_in, out = tmp_path / "in", tmp_path / "out"
    handed_in.mkdir()
    for each in submissions(3 * KILLS):
        (handed_in / each.file).write_bytes(each.read())
    source = tmp_path / "source"
    source.mkdir()
    (source / "90_test.ipynb").write_text(json.dumps(classroom.source()))
    command = ["grade", handed_in, "-a", "90_test", "--source", source, "--out", out]
    draw, seen = random.Random(0), {}
    for _ in range(KILLS):
        run, _ = start(*command)
        before = len(seen)
        deadline = time.monotonic() + 60
        while len(seen) < before + 1 and run.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
            for path in (out / "marks").glob("*.json"):
                seen.setdefault(path.name, path.stat().st_mtime_ns)
        time.sleep(draw.uniform(0, 0.6))
        run.kill()  # -9
        run.join()
        for path in (out / "marks").glob("*.json"):
            json.loads(path.read_text())
            assert seen.setdefault(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    done = command_line(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    marks = {path.name: path.stat().st_mtime_ns for path in (out / "marks").glob("*.json")}
    assert len(marks) == 3 * KILLS
    assert all(marks[name] == when for name, when in seen.items())
    lines = (out / "grades.csv").read_text().splitlines()
    assert len(lines) == 3 * KILLS + 1
    assert all(",graded," in line for line in lines[1:])
    time.sleep(1)
    left = [line for line in running() if re.search("grading.sandbox.forkserver|bwrap", line)]
    assert not [line for line in left if str(tmp_path) in line]


def test_files_as_learning_platforms_name_them(tmp_path):
    for name in (
        "ada.ipynb",
        "bo/90_test/90_test.ipynb",
        "bo/.ipynb_checkpoints/90_test-checkpoint.ipynb",
        "lovelaceada_LATE_12345_678_90_test-1.ipynb",
        "Clara Schumann_42_assignsubmission_file_/90_test.ipynb",
        "dora/readme.txt",
        "__MACOSX/ada.ipynb",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (tmp_path / "emil").mkdir()
    found = [(each.student, each.number, each.file) for each in find(tmp_path)]
    assert found == [
        ("Clara Schumann", "42", "Clara Schumann_42_assignsubmission_file_/90_test.ipynb"),
        ("ada", "", "ada.ipynb"),
        ("bo", "", "bo/90_test/90_test.ipynb"),
        ("dora", "", "dora/readme.txt"),
        ("emil", "", "emil"),
        ("lovelaceada", "12345", "lovelaceada_LATE_12345_678_90_test-1.ipynb"),
    ]


def test_a_result_is_written_whole(tmp_path):
    store = Store(tmp_path)
    store.save(Result("k", "f", "s", "", ""), "{}")
    assert sorted(path.name for path in tmp_path.glob("*/*") if path.is_file()) == ["k.ipynb", "k.json"]
    with contextlib.suppress(TypeError):
        store.save(Result("k", "f", "s", "", "", answers={"a": object()}))
    assert store.load("k").student == "s"
