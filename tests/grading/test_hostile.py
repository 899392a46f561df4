"""What students hand in, honest or not: the right marks, whatever it does, and nothing left behind."""

import copy
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from pixel_edu.grading.batch import Grader
from pixel_edu.grading.results import gradebook, pages
from pixel_edu.grading.results.late import Policy
from pixel_edu.notebooks.handouts import grade_id
from tests.command import running
from tests.grading.classroom import ASSIGNMENT, FULL, IDS, TOKEN, find, job, points, solved
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

NO_DOUBLE = FULL | {"double": 0}
WRONG = "def double(x):\n    return 3 * x\n"


def handed_in(double="", before="", after="", scratch=()):
    """All answers right, but for what is said here."""
    notebook = solved()
    answer = find(notebook, "double")
    answer.source = f"{before}\n{double or answer.source}\n{after}"
    notebook.cells[2:2] = [new_code_cell(each) for each in scratch]
    return notebook


def changed(change):
    notebook = solved()
    change(notebook)
    return notebook


def move_tests_first(notebook):
    tests = [each for each in notebook.cells if grade_id(each).endswith("-marks")]
    notebook.cells = tests + [each for each in notebook.cells if each not in tests]


def copy_tests(notebook):
    notebook.cells.append(copy.deepcopy(find(notebook, "double-marks")))


def two_answers(notebook):
    first = copy.deepcopy(find(notebook, "double"))
    first.source = WRONG
    notebook.cells.insert(2, first)


def no_tests(notebook):
    notebook.cells = [each for each in notebook.cells if not grade_id(each).endswith("-marks")]
    find(notebook, "double").source = WRONG


def own_tests(notebook):
    find(notebook, "double").source = WRONG
    find(notebook, "double-marks").source = "pass"
    find(notebook, "double-marks").metadata.nbgrader.points = 100


def renamed_tests(notebook):
    find(notebook, "double").source = WRONG
    find(notebook, "double-marks").metadata.nbgrader.grade_id = "scale-marks"


def no_names(notebook):
    for each in notebook.cells:
        each.metadata = nbformat.NotebookNode()
        del each["id"]


def markdown_answer(notebook):
    answer = find(notebook, "double")
    answer.cell_type = "markdown"
    del answer["outputs"], answer["execution_count"]


def split_answer(notebook):
    find(notebook, "double").source = "def double(x):\n    return twice(x)"
    notebook.cells.insert(2, new_code_cell("def twice(x):\n    return x + x"))


def import_in_setup(notebook):
    next(each for each in notebook.cells if each.id == "setup").source += "\nimport math"
    find(notebook, "double").source = "def double(x):\n    return math.log2(4) * x"


def format_3():
    old = nbformat.convert(solved(), 3)
    return json.dumps(old).encode()


def without_marker(notebook):
    notebook.cells = [each for each in notebook.cells if grade_id(each) != "double"]


KERNEL = {"name": "julia-1.9", "display_name": "Julia", "language": "julia"}
KILL_ALL = "import os, signal\nos.kill(-1, signal.SIGKILL)\n"
IMPERSONATE = """\
import glob, socket, threading, time
def impersonate():
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as forged:
                forged.connect(glob.glob("/tmp/pe-*/rpc.sock")[0])
                time.sleep(0.2)
                forged.sendall(b"all is right" * 1000)
        except Exception:
            time.sleep(0.01)
threading.Thread(target=impersonate, daemon=True).start()
"""
SABOTAGE = """\
import os
import pixel_edu.grading.rpc.server
answer = server.Server.answer
server.Server.answer = lambda self, message, arrays: (
    os._exit(1) if message["of"] == "Scale" else answer(self, message, arrays)
)
"""
FORGE = """\
import pixel_edu.grading.rpc.server
def answer(self, message, arrays):
    self.send({"say": "result"}, value=True, changed={})
server.Server.answer = answer
"""
OPEN = """\
import numpy as np
class Equal(np.ndarray):
    __array_priority__ = 99
    def __eq__(self, other): return np.ones(3, bool)
    def __array_function__(self, *a, **k): return True
    def __array_ufunc__(self, *a, **k): return True
def double(x):
    return np.zeros(x.shape).view(Equal)
"""

HONEST = {
    "nothing special": solved(),
    "prints in the answer": handed_in("def double(x):\n    print('in', x)\n    return 2 * x"),
    "warns in the answer": handed_in(
        "import sys, warnings\ndef double(x):\n    warnings.warn('careful')\n    print('!', file=sys.stderr)\n"
        "    return 2 * x"
    ),
    "a scratch cell that fails": handed_in(scratch=["1 / 0", "print(undefined)"]),
    "a scratch cell that asks": handed_in(scratch=["name = input('who? ')"]),
    "a cell that exits": handed_in(scratch=["import sys; sys.exit(0)"]),
    "another kernel": changed(lambda n: n.metadata.update(kernelspec=KERNEL)),
    "notebook format 3": format_3(),
    "a byte order mark": b"\xef\xbb\xbf" + nbformat.writes(solved()).encode(),
    "tests before the answers": changed(move_tests_first),
    "tests copied": changed(copy_tests),
    "two answers, the last right": changed(two_answers),
    "all names of cells lost": changed(no_names),
    "an answer turned into Markdown": changed(markdown_answer),
    "an answer in two cells": changed(split_answer),
    "an import in the first cell": changed(import_in_setup),
    "long outputs": handed_in(scratch=["print('x' * 3_000_000)"]),
    "a list for an array": handed_in("def double(x):\n    return [float(2 * each) for each in x]"),
    "a float32 result": handed_in("def double(x):\n    return (2 * x).astype('float32')"),
    "shell and magics": handed_in(scratch=["%timeit -n1 -r1 1", "!true", "%matplotlib inline"]),
    "a plot": handed_in(scratch=["import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"]),
    "a trailing loop in a scratch cell": handed_in(scratch=["while True: pass"]),
    "a cell that is refused its memory": handed_in(
        scratch=["hog = [bytearray(1 << 26) for _ in range(1000)]"]
    ),
    "a huge file": handed_in(scratch=["with open('big', 'wb') as f:\n    f.write(bytes(200 << 20))"]),
    "a folder full of files": handed_in(
        scratch=["for i in range(50):\n    with open(str(i), 'wb') as f:\n        f.write(bytes(2 << 20))"]
    ),
    "threads and subprocesses": handed_in(
        before="import subprocess, threading\nsubprocess.run(['true']); threading.Thread(target=print).start()"
    ),
}
"""Full marks are due."""

COSTS = {
    "a syntax error": handed_in("def double(x) return 2 * x"),
    "its own tests": changed(own_tests),
    "no tests": changed(no_tests),
    "tests under another name": changed(renamed_tests),
    "no cell for it": changed(without_marker),
    "only the visible test": handed_in("def double(x):\n    return np.array([0, 2, 4.0])"),
    "numpy that agrees to all": handed_in(WRONG, "np.allclose = lambda *a, **k: True\nnp.testing = None"),
    "a result that equals all": handed_in(OPEN),
    "forged answers": handed_in(
        "import numpy as np\nclass Yes(float):\n    def __eq__(self, o): return True\ndef double(x):\n    return Yes(7)"
    ),
    "nothing is an error": handed_in(
        WRONG, "import builtins\nbuiltins.AssertionError = type('Fine', (Exception,), {})"
    ),
    "os._exit in its cell": handed_in(after="import os; os._exit(0)"),
    "os._exit in the answer": handed_in("def double(x):\n    import os\n    os._exit(0)"),
    "exit in the answer": handed_in("def double(x):\n    raise SystemExit(0)"),
    "kills itself": handed_in(after="import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
    "stops itself": handed_in(after="import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"),
    "closes all files": handed_in(after="import os; os.closerange(0, 4096)"),
    "a cell without end": handed_in(after="while True:\n    pass"),
    "a cell that cannot be interrupted": handed_in(
        after="while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    "an answer without end": handed_in("def double(x):\n    while True:\n        pass"),
    "an answer that cannot be interrupted": handed_in(
        "def double(x):\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass"
    ),
    "recursion without end": handed_in("def double(x):\n    return double(x)"),
    "a crash in C": handed_in("def double(x):\n    import ctypes\n    ctypes.string_at(0)"),
    "memory of many processes": handed_in(
        after="import os, time\nfor _ in range(6):\n    if not os.fork():\n        hog = b'x' * (300 << 20)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)"
    ),
    "memory in the answer": handed_in("def double(x):\n    return [bytearray(1 << 26) for _ in range(1000)]"),
    "a fork bomb": handed_in(after="import os\nwhile True:\n    os.fork()"),
    "output without end": handed_in(after="while True:\n    print('y' * 10000, flush=True)"),
    "a huge result": handed_in("def double(x):\n    return np.zeros(100_000_000)"),
    "a deep result": handed_in(
        "def double(x):\n    deep = []\n    for _ in range(100_000):\n        deep = [deep]\n    return deep"
    ),
    "a result that contains itself": handed_in("def double(x):\n    x = []\n    x.append(x)\n    return x"),
    "not a number": handed_in("def double(x):\n    return x * float('nan')"),
    "a result of no form": handed_in("def double(x):\n    return lambda: 2 * x"),
    "a script in its error": handed_in("def double(x):\n    raise ValueError('<script>alert(1)</script>')"),
    "a huge error": handed_in("def double(x):\n    raise ValueError('e' * 10_000_000)"),
    "files everywhere": handed_in(
        WRONG,
        after="import pathlib\nfor each in ('/usr/x', '/etc/x', '/x'):\n    pathlib.Path(each).write_text('x')",
    ),
}
"""One exercise is lost, the others keep full marks."""

INNOCENT_LATER = {
    "kills everything from a shell": handed_in(after="!kill -9 -1"),
    "kills everything": handed_in(after=KILL_ALL),
    "a time bomb": handed_in(after="import os, threading; threading.Timer(0.05, os._exit, [1]).start()"),
    "an end when another is called": handed_in(after=SABOTAGE),
    "a hook before every cell": handed_in(
        after="import os\nget_ipython().events.register('pre_run_cell', lambda *a: os._exit(1))"
    ),
    "cells that no longer run": handed_in(after="get_ipython().run_cell = lambda *a, **k: None"),
    "the sandbox's folder removed": handed_in(
        after="import glob, os\nfor each in glob.glob('/tmp/pe-*/rpc.sock'):\n    os.remove(each)"
    ),
}
"""The culprit shows late: the others keep their marks, its own may be lost."""

OWN_DOING = {
    "somebody else on the connection": handed_in(after=IMPERSONATE),
    "a forged reply": handed_in(WRONG, after=FORGE),
    "no builtins": handed_in(WRONG, after="import builtins\nbuiltins.len = None\nbuiltins.isinstance = None"),
    "no numpy": handed_in(
        WRONG, after="import numpy, sys\nnumpy.asarray = numpy.ndarray = None\nsys.modules['torch'] = None"
    ),
}
"""Whatever that breaks is its own: it gets a row and marks, and never more than it is worth."""


@pytest.mark.parametrize("what", HONEST)
def test_honest_work_gets_full_marks(what, grader):
    result, _ = grader.grade(job(HONEST[what]))
    assert (result.status, points(result)) == ("graded", FULL), (result.reason, result.marks, result.notes)


@pytest.mark.parametrize("what", COSTS)
def test_an_exercise_costs_itself_and_no_other(what, grader):
    result, _ = grader.grade(job(COSTS[what]))
    assert (result.status, points(result)) == ("graded", NO_DOUBLE), (
        result.reason,
        result.marks,
        result.notes,
    )


@pytest.mark.parametrize("what", INNOCENT_LATER)
def test_what_shows_late_costs_no_innocent_exercise(what, grader):
    result, _ = grader.grade(job(INNOCENT_LATER[what]))
    assert result.status == "graded", result.reason
    assert points(result) | {"double": None} == FULL | {"double": None}, (result.marks, result.notes)


@pytest.mark.parametrize("what", OWN_DOING)
def test_what_breaks_its_own_kernel_gets_a_row(what, grader):
    result, _ = grader.grade(job(OWN_DOING[what]))
    assert result.status in ("graded", "partly"), result.reason
    assert {mark.id for mark in result.marks} == set(IDS)
    assert all(mark.points is None or mark.points <= FULL[mark.id] for mark in result.marks)
    if "on the connection" not in what:
        assert points(result)["double"] == 0, result.marks


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"\x89PNG\r\n\x1a\n",
    "half a notebook": nbformat.writes(solved()).encode()[:500],
    "JSON of another kind": b'{"cells": 3}',
    "cells of no form": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]}',
    "JSON without end": b"[" * 100_000,
    "a list": b"[]",
    "no cells": nbformat.writes(nbformat.v4.new_notebook()).encode(),
    "another assignment": nbformat.writes(
        nbformat.v4.new_notebook(
            cells=[new_code_cell("x = 1", metadata={"nbgrader": {"grade_id": "other", "solution": True}})]
        )
    ).encode(),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_says_why_and_is_no_zero(what, grader):
    result, _ = grader.grade(job(UNREADABLE[what]))
    assert (result.status, result.points) == ("unreadable", None)
    assert result.reason
    assert "Traceback" not in result.reason


CURIOUS = """\
import gc, os, pathlib, sys
found, has = [], lambda text: "-".join(["stands", "in", "hidden"]) in text
for each in gc.get_objects():
    try:
        found += [str(each)] if isinstance(each, (str, dict, list)) and has(str(each)[:10000]) else []
    except Exception: pass
for root in ("/tmp", "/home", "/root", os.path.dirname(sys.argv[0]) or "."):
    for folder, _, files in os.walk(root):
        for file in files[:200]:
            try: found += [file] if has(pathlib.Path(folder, file).read_text()[:100000]) else []
            except Exception: pass
print("found", found, dict(os.environ))
import socket
for address in (("127.0.0.1", 22), ("192.0.2.1", 80)):
    try: socket.create_connection(address, 0.2); print("connected")
    except OSError as error: print(error)
import subprocess
subprocess.Popen(["sleep", "7654.25"], start_new_session=True)
import pixel_edu.course.checks as checks
print("checks", os.listdir(checks.__path__[0]))
"""


def test_nothing_hidden_is_found_and_nothing_is_left_behind(grader):
    limits = grader.limits._replace(cell=PATIENCE, notebook=PATIENCE)
    patient = Grader(ASSIGNMENT, grader.tests, grader.fork_server, grader.level, limits)
    result, executed = patient.grade(job(handed_in(scratch=[CURIOUS])))
    assert points(result) == FULL, result.notes
    said = "".join(
        out.get("text", "") + out.get("evalue", "")
        for each in nbformat.reads(executed, 4).cells
        if each.cell_type == "code"
        for out in each.outputs
    )
    assert "found []" in said
    assert "connected" not in said
    assert grader.level != "bubblewrap" or "checks []" in said
    assert TOKEN not in executed
    assert not [line for line in running() if "sleep 7654.25" in line]


def test_a_student_reads_no_hidden_test_and_no_script_runs(grader, tmp_path):
    results = [
        grader.grade(job(COSTS["only the visible test"], "ada"))[0],
        grader.grade(job(COSTS["a script in its error"], "<script>alert(2)</script>", "=1+1.ipynb"))[0],
    ]
    assert TOKEN in results[0].marks[IDS.index("double")].remark  # for the instructor
    rows = gradebook.rows(results, {}, Policy())
    pages.feedback(tmp_path, rows, ASSIGNMENT)
    for page in tmp_path.glob("*.html"):
        text = page.read_text()
        assert TOKEN not in text
        assert "<script" not in text
    gradebook.grades(tmp_path / "grades.csv", rows, ASSIGNMENT)
    assert "\n=1" not in (tmp_path / "grades.csv").read_text().replace(",", "\n")


def test_the_message_says_what_the_student_can_do(grader):
    said = {
        what: grader.grade(job(COSTS[what]))[0].marks[IDS.index("double")].message
        for what in (
            "an answer without end",
            "os._exit in the answer",
            "no cell for it",
            "only the visible test",
        )
    }
    assert "endless loop" in said["an answer without end"]
    assert "ended the whole notebook" in said["os._exit in the answer"]
    assert "no `double` in your notebook" in said["no cell for it"]
    assert "not with other values" in said["only the visible test"]


def test_long_output_is_cut_while_it_is_read(grader):
    _, executed = grader.grade(job(HONEST["long outputs"]))
    assert "the rest was cut off" in executed
    assert len(executed) < 200_000
