"""Marks in the forms of others: Canvas, Moodle, Gradescope, nbgrader; deadlines; pages."""

import csv
import html
import json
import re
import time
from datetime import UTC, datetime

import pytest

from pixel_edu.config import UserError
from pixel_edu.grading.marking import Mark
from pixel_edu.grading.results import combined, gradebook, late, pages, similar
from pixel_edu.grading.results.late import Policy
from pixel_edu.grading.results.manual import ByHand
from pixel_edu.grading.results.store import Result
from pixel_edu.grading.results.tables import Form
from tests.grading.classroom import ASSIGNMENT

TIME = "2026-03-02T22:00:00+00:00"


def result(student, points=2, number="", time=TIME, **more):
    marks = [
        Mark("why", None, 5, "by hand", "A person marks this."),
        Mark("double", points, 2, "passed" if points == 2 else "failed", "It is <b>not</b> `so`."),
        Mark("scale", 3, 3, "passed", "Passed."),
        Mark("steps", 0, 3, "not written", "There is no answer yet."),
    ]
    made = Result(f"k{student}", f"{student}.ipynb", student, number, time, marks=marks)
    return Result(**vars(made) | more)


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


ROWS = gradebook.rows([result("ada", 2, "11"), result("bo", 0.5, "12"), result("cy", 1)], {}, Policy())
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Homework 1 (77),A test 90 (78)
    Points Possible,,,,,10,13
"Lovelace, Ada",11,u1,al,A,9,
Bo,12,u2,bo2,A,8,EX
Dora,14,u4,dd,A,7,
"""
MOODLE = """\
Kennung,Vollständiger Name,Bewertung,Zuletzt geändert (Bewertung)
Teilnehmer/in11,Ada Lovelace,,-
Teilnehmer/in12,Bo,,-
"""


def test_canvas_gets_its_own_file_back_with_one_column_filled(tmp_path):
    (tmp_path / "in.csv").write_text("\ufeff" + CANVAS, encoding="utf-8")
    filled = gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name)
    lines = table(tmp_path / "out.csv")
    assert lines[0] == table(tmp_path / "in.csv")[0] or lines[0][0] == "Student"
    assert [line[6] for line in lines] == ["A test 90 (78)", "13", "5", "EX", ""]
    assert [line[5] for line in lines] == ["Homework 1 (77)", "10", "9", "8", "7"]
    assert (filled.students, filled.without) == (1, ["cy"])


def test_canvas_without_the_column_says_which_there_are(tmp_path):
    (tmp_path / "in.csv").write_text(CANVAS.replace("A test 90", "Essay"))
    with pytest.raises(UserError, match=r"name it with --column, one of Homework 1 \(77\), Essay \(78\)"):
        gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name)
    gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name, "Essay (78)")
    assert table(tmp_path / "out.csv")[2][6] == "5"
    (tmp_path / "in.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="it is empty"):
        gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name)


@pytest.mark.parametrize("fill", [gradebook.canvas, gradebook.moodle])
def test_a_title_that_stands_twice_is_told_and_not_offered_twice(fill, tmp_path):
    (tmp_path / "in.csv").write_text("Student,ID,Grade,A test (1),A test (1),Grade\nBo,12,,,,\n")
    title = {gradebook.canvas: r"A test \(1\)", gradebook.moodle: "Grade"}[fill]
    with pytest.raises(UserError, match=f"2 columns are called {title}: give each a title of its own"):
        fill(tmp_path / "in.csv", None, ROWS, ASSIGNMENT.name)


def test_moodle_in_any_language(tmp_path):
    (tmp_path / "in.csv").write_text(MOODLE, encoding="utf-8")
    for column in ("", "Bewertung", "bewertung "):
        filled = gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name, column)
        assert [line[2] for line in table(tmp_path / "out.csv")] == ["Bewertung", "5", "3.5"]
        assert filled.without == ["cy"]
    (tmp_path / "in.csv").write_text(MOODLE.replace("Bewertung", "Ocena"), encoding="utf-8")
    with pytest.raises(UserError, match="one of Kennung, Vollständiger Name, Ocena"):
        gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name)


@pytest.mark.parametrize(
    ("most", "over"), [("4.00", ["ada"]), ("4,00", ["ada"]), ("5", []), ("", []), ("-", [])]
)
def test_scores_above_what_a_table_allows_are_told(most, over, tmp_path):
    """ada has 5 points and bo 3.5: Moodle refuses a grade above its maximum, Canvas takes it for a bonus."""
    moodle = (
        f"Identifier;Full name;Grade;Maximum Grade\nParticipant 11;Ada;;{most}\nParticipant 12;Bo;;{most}\n"
    )
    (tmp_path / "in.csv").write_text(moodle, encoding="utf-8")
    filled = gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name)
    assert (filled.students, filled.over) == (2, over)
    points = ("", "", "", "", "", "", most)
    canvas = CANVAS.replace(
        "    Points Possible,,,,,10,13", ",".join(("    Points Possible", *points[1:6], f'"{most}"'))
    )
    (tmp_path / "in.csv").write_text(canvas, encoding="utf-8")
    filled = gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name)
    assert filled.over == over


@pytest.mark.parametrize(
    ("title", "over"),
    [
        *(
            (title, ["ada"])
            for title in ("Maximum grade", "Bestwertung", "Note maximale", "Calificación máxima")
        ),
        *((title, ["ada"]) for title in ("Valutazione massima", "最大評点")),
        *((title, []) for title in ("Group", "Retour", "Zuletzt geändert (Bewertung)", "Semester")),
    ],
)
def test_a_number_behind_moodles_grade_is_a_maximum_only_where_its_title_says_so(title, over, tmp_path):
    text = f"Identifier,Full name,Grade,{title}\nParticipant 11,Ada,,4\nParticipant 12,Bo,,4\n"
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    filled = gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name)
    assert (filled.students, filled.over) == (2, over)


@pytest.mark.parametrize("encoding", ["cp932", "utf-8-sig", "utf-16"])
def test_moodle_in_japan(encoding, tmp_path):
    text = "識別子,氏名,評点,最大評点\r\n参加者 11,山田 太郎,,5\r\n参加者 21,佐藤　花子,,5\r\n"
    (tmp_path / "in.csv").write_bytes(text.encode(encoding))
    rows = gradebook.rows([result("山田 太郎", 0.5, "11"), result("佐藤 花子", 1)], {}, Policy())
    filled = gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name)
    assert (filled.students, filled.without) == (2, [])
    assert (tmp_path / "out.csv").read_bytes().decode(encoding) == text.replace(",,", ",3.5,", 1).replace(
        ",,", ",4,"
    )


def test_canvas_knows_students_by_name_where_it_puts_the_last_name_first(tmp_path):
    (tmp_path / "in.csv").write_text(CANVAS.replace("Bo,12", '"Van Dyk, Bo",12'), encoding="utf-8")
    rows = gradebook.rows([result("Ada Lovelace", 2), result("Van Dyk, Bo", 1)], {}, Policy())
    filled = gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name)
    assert (filled.students, filled.without) == (1, [])  # the other one is excused
    assert table(tmp_path / "out.csv")[2][6] == "5"


@pytest.mark.parametrize("wrap", [str, '"{}"'.format], ids=["only where it has to", "every line"])
def test_a_table_that_excel_showed_in_a_single_column_is_read_as_it_was(wrap, tmp_path):
    """Excel in Germany expects semicolons, so a line of commas is one cell, in quotation marks if it has some."""
    lines = [
        "Identifier,Full name,Grade,Feedback",
        'Participant 11,"Lovelace, Ada",,',
        "Participant 12,Bo,,good",
    ]
    quoted = [line.replace('"', '""') for line in lines]
    made = [f'"{line}"' if '"' in line else wrap(line) for line in quoted]
    (tmp_path / "in.csv").write_bytes("".join(f"{line}\r\n" for line in made).encode("cp1252"))
    filled = gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name)
    assert (filled.students, filled.without) == (2, ["cy"])
    text = (tmp_path / "out.csv").read_bytes().decode("cp1252")
    wanted = ["Identifier,Full name,Grade,Feedback", 'Participant 11,"Lovelace, Ada",5,']
    assert text.split("\r\n") == [*wanted, "Participant 12,Bo,3.5,good", ""]


def test_moodle_knows_students_by_name_where_files_have_no_numbers(tmp_path):
    (tmp_path / "in.csv").write_text(
        "Identifier,Full name,Email address,Status,Grade\nParticipant 5,Bo,b@x,,\nParticipant 6,Ada L,ada@x,,\n"
        "Participant 7,Cy,c@x,,\nParticipant 8,Cy,d@x,,\n"
    )
    rows = gradebook.rows(
        [result("bo", 2), result("Bo", 3), result("ada@x", 1), result("Cy", 2)], {}, Policy()
    )
    filled = gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name)
    assert [line[4] for line in table(tmp_path / "out.csv")[1:]] == ["6", "4", "", ""]
    assert sorted(filled.without) == ["Cy", "bo"]


FORMS = [
    Form("utf-8", True, ",", "\r\n"),
    Form("utf-8", False, ";", "\n", decimal=","),
    Form("cp1252", False, ";", "\r\n", decimal=","),
    Form("utf-16-le", True, "\t", "\r\n", decimal=","),
    Form("utf-8", True, ";", "\r\n", declared=True, decimal=","),
]


def in_form(text, form):
    """A table as a spreadsheet with other settings saves it."""
    text = f"sep={form.separator}\n" * form.declared + text.replace("|", form.separator)
    return ("\ufeff" * form.marked + text.replace("\n", form.newline)).encode(form.encoding)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("fill", [gradebook.canvas, gradebook.moodle])
def test_a_filled_copy_differs_in_one_column_and_in_nothing_else(fill, form, tmp_path):
    canvas = "Student| id|SIS Login ID|Homework 1 (77)|A test 90 (78)\n    Points|||10|13\nJérôme|11|é|HALF|SCORE\n"
    moodle = 'ID|Nom complet| grade |Retour\nParticipant 11|Jérôme|SCORE|\nParticipant 12|Zoë|HALF|"a\nb"\n'
    text = (canvas if fill is gradebook.canvas else moodle).replace("HALF", f"0{form.decimal}5")
    (tmp_path / "in.csv").write_bytes(in_form(text.replace("SCORE", ""), form))
    rows = gradebook.rows([result("Jérôme", 1.5, "11")], {}, Policy())
    filled = fill(tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name)
    assert (filled.students, filled.without) == (1, [])
    assert (tmp_path / "out.csv").read_bytes() == in_form(text.replace("SCORE", f"4{form.decimal}5"), form)


def test_a_worksheet_that_a_spreadsheet_saved_has_blank_lines_and_its_own_decimals(tmp_path):
    blank = ",,,\n\n,,,\n"
    (tmp_path / "in.csv").write_text(blank + MOODLE.replace("Bo,,", 'Bo,"0,50",') + blank, encoding="utf-8")
    gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name, "bewertung ")
    assert [line[2] for line in table(tmp_path / "out.csv")] == ["Bewertung", "5", "3,5"]
    (tmp_path / "in.csv").write_text(MOODLE + "Summe,,1,\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"in.csv, line 4 \(cell A4\): 'Summe' has no participant's number"):
        gradebook.moodle(tmp_path / "in.csv", tmp_path / "out.csv", ROWS, ASSIGNMENT.name, "Bewertung")


def test_a_name_like_a_formula_is_found_in_the_platforms_table(tmp_path):
    rows = gradebook.rows([result("=1+1", 2), result("-5", 2)], {}, Policy())
    text = CANVAS.replace("Bo,12", "'=1+1,9").replace("8,EX", "8,").replace("Dora,14", "-5,8")
    (tmp_path / "in.csv").write_text(text)
    filled = gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name)
    assert (filled.students, filled.without) == (2, [])
    assert [line[0] for line in table(tmp_path / "out.csv")[3:]] == ["'=1+1", "-5"]


def test_gradescope_and_nbgrader(tmp_path):
    gradebook.gradescope(tmp_path, ROWS)
    (path,) = tmp_path.glob("ada-*/results.json")
    content = json.loads(path.read_text())
    assert content["score"] == 5
    assert content["tests"][1] == {
        "name": "double",
        "score": 2,
        "max_score": 2,
        "output": "It is <b>not</b> `so`.",
        "visibility": "visible",
        "status": "passed",
    }
    assert "status" not in content["tests"][0]
    gradebook.nbgrader(tmp_path / "n.csv", ROWS, ASSIGNMENT, Policy())
    lines = table(tmp_path / "n.csv")
    assert lines[0] == list(gradebook.NBGRADER)
    assert lines[1][:4] == ["90_test", "", TIME, "ada"]
    assert lines[2][-4:] == ["3.5", "0", "3.5", "13"]


def test_the_last_file_that_could_be_graded_counts():
    rows = gradebook.rows(
        [
            result("ada", 1, time="2026-03-01T00:00:00+00:00"),
            result("ada", 2, time="2026-03-02T00:00:00+00:00"),
            result("ada", 2, time="2026-03-03T00:00:00+00:00", status="unreadable", marks=[]),
        ],
        {},
        Policy(),
    )
    assert len(rows) == 3
    assert [row.raw for row in gradebook.one_each(rows)] == [5]


def test_two_students_of_one_name_are_two_in_every_table(tmp_path):
    found = [result("Zhang Wei", 2, "111", file="a.ipynb"), result("Zhang Wei", 1, "222", file="b.ipynb")]
    rows = gradebook.rows(found, {}, Policy())
    gradebook.nbgrader(tmp_path / "n.csv", rows, ASSIGNMENT, Policy())
    assert [line[-2] for line in table(tmp_path / "n.csv")[1:]] == ["5", "4"]
    listed = (
        CANVAS.replace("Bo,12", "Zhang Wei,222").replace("8,EX", "8,").replace("Dora,14", "Zhang Wei,111")
    )
    (tmp_path / "in.csv").write_text(listed)
    filled = gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name)
    assert [line[6] for line in table(tmp_path / "out.csv")[3:]] == ["4", "5"]
    assert (filled.students, filled.without) == (2, [])
    (tmp_path / "in.csv").write_text(listed.replace("222", "9"))
    filled = gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name)
    assert [line[6] for line in table(tmp_path / "out.csv")[3:]] == ["", "5"]
    assert (filled.students, filled.without) == (1, ["Zhang Wei"])


def test_a_name_is_the_same_however_its_letters_are_encoded(tmp_path):
    whole, parts = "Jos\u00e9", "Jose\u0301"
    (tmp_path / "late.yaml").write_text(f"deadline: 2026-03-01\nextensions: {{{whole}: 2026-03-09}}", "utf-8")
    rows = gradebook.rows([result(parts, 2)], {}, late.read_policy(tmp_path / "late.yaml"))
    assert [row.days for row in rows] == [0]
    for name in (whole, parts):
        (tmp_path / "in.csv").write_text(CANVAS.replace("Bo,12", f"{name},9").replace("8,EX", "8,"), "utf-8")
        gradebook.canvas(tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name)
        assert table(tmp_path / "out.csv")[3][6] == "5"
    both = gradebook.rows(
        [result(parts, 2), result(whole, 1, time="2026-03-03T00:00:00+00:00")], {}, Policy()
    )
    assert [row.raw for row in gradebook.one_each(both)] == [4]


@pytest.mark.parametrize(
    ("hours", "days"), [(-1, 0), (0, 0), (0.2, 0), (0.3, 1), (24, 1), (24.3, 2), (1000, 42)]
)
def test_days_late_are_days_begun(hours, days):
    deadline = datetime(2026, 3, 2, 22, tzinfo=UTC)
    policy = Policy(deadline, grace_minutes=15)
    time = datetime.fromtimestamp(deadline.timestamp() + 3600 * hours, UTC)
    assert policy.days("ada", time.isoformat()) == days


def test_what_lateness_costs(tmp_path):
    path = tmp_path / "late.yaml"
    path.write_text(
        "deadline: 2026-03-01T22:00:00+00:00\npercent_per_day: 20\npercent_at_most: 50\ndays_at_most: 5\n"
        "extensions: {bo: 2026-03-02T23:59Z}\nhanded_in: {cy: 2026-03-20T00:00:00+00:00}\n"
    )
    rows = gradebook.rows([result("ada"), result("bo"), result("cy")], {}, late.read_policy(path))
    assert [(row.days, row.penalty, row.score) for row in rows] == [(1, 1, 4), (0, 0, 5), (19, 5, 0)]
    assert Policy(percent_per_day=20, percent_at_most=50).penalty(10, 4) == 5


@pytest.fixture
def in_berlin(monkeypatch):
    """A machine in Germany."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its time zone for one process")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def policy_of(tmp_path, text, encoding="utf-8"):
    (tmp_path / "late.yaml").write_bytes(text.encode(encoding))
    return late.read_policy(tmp_path / "late.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "dedline: 2026-03-01",
            "line 1: unknown key 'dedline', perhaps deadline: use deadline, grace_minutes",
        ),
        ("Extensions: {}", "line 1: unknown key 'Extensions', perhaps extensions: use"),
        ("zzz: 3", "line 1: unknown key 'zzz': use deadline"),
        ("local: 3", "line 1: unknown key 'local'"),
        ("deadline: tomorrow", "deadline is 'tomorrow': write a time"),
        (
            "deadline: 20.11.2026 23:59",
            "deadline is '20.11.2026 23:59': write a time such as 2026-11-20T23:59",
        ),
        ("deadline: 2026-13-01", "deadline is '2026-13-01': write a time"),
        ("deadline: 2026-11-20 23:59 CET", "deadline is '2026-11-20 23:59 CET': write a time"),
        ("deadline: 0001-01-01", "deadline is '0001-01-01': write a time"),
        ("deadline: 9999-12-31T24:00", "deadline is '9999-12-31T24:00': write a time"),
        ("percent_per_day: -3", "percent_per_day is '-3': use a number"),
        ("percent_per_day: yes", "percent_per_day is 'yes': use a number"),
        ("grace_minutes: .inf", "grace_minutes is '.inf': use a number"),
        ("days_at_most: [1]", "days_at_most is 'a list': use a number"),
        ("extensions: 3", "extensions must list students and times"),
        ("extensions: [bo]", "extensions must list students and times"),
        ("deadline: 2026-03-01\n\nextensions: {bo: soon}", "line 3: extensions, bo is 'soon'"),
        ("deadline: 2026-03-01\ndeadline: 2026-03-02", "line 2: deadline is already in line 1: delete one"),
        ("extensions:\n  Jos\u00e9: 2026-03-01\n  Jose\u0301: 2026-03-02", "line 3: .* is already in line 2"),
        ("extensions: {[a]: 2026-03-01}", "line 1: a name is missing before the colon"),
        ("[", "it is not YAML"),
        (
            "extensions: {@ada: 2026-03-01}",
            "it is not YAML .* put a name with signs in it in quotation marks",
        ),
        ("", "it has no keys"),
    ],
)
def test_a_bad_file_of_deadlines_says_where(text, says, tmp_path):
    with pytest.raises(UserError, match=f"late.yaml.*{says}"):
        policy_of(tmp_path, text)
    with pytest.raises(UserError, match="No such file"):
        late.read_policy(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "name", ["0123456", "no", "12:30", "1e3", "null", "2026-03-01", "'=1+1'", "0x1F", "1_000", "~"]
)
def test_a_students_name_in_the_deadlines_is_text_whatever_yaml_would_make_of_it(name, tmp_path):
    policy = policy_of(tmp_path, f"deadline: 2026-03-01T22:00Z\nextensions:\n  {name}: 2026-03-04T22:00Z\n")
    assert policy.days(name.strip("'"), TIME) == 0
    assert policy.days("ada", TIME) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_name_in_the_deadlines_is_read_in_any_encoding(encoding, tmp_path):
    policy = policy_of(tmp_path, "deadline: 2026-03-01\r\nextensions: {Jérôme: 2026-03-09}\r\n", encoding)
    assert [policy.days(name, TIME) for name in ("Jérôme", "ada")] == [0, 1]


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-03-01", "2026-03-01T23:59:59+01:00"),
        ("2026-07-01", "2026-07-01T23:59:59+02:00"),
        ("2026-3-1 9:05", "2026-03-01T09:05:00+01:00"),
        ("2026-03-01T24:00", "2026-03-02T00:00:00+01:00"),
        ("2026-07-01T22:00:30", "2026-07-01T22:00:30+02:00"),
        ("2026-03-01T22:00Z", "2026-03-01T22:00:00+00:00"),
        ("2026-03-01 22:00 UTC", "2026-03-01T22:00:00+00:00"),
        ("2026-03-01 22:00:00 -05:00", "2026-03-01T22:00:00-05:00"),
        ("2026-03-01t22:00:00 +9", "2026-03-01T22:00:00+09:00"),
    ],
)
def test_a_time_without_a_zone_is_this_machines_and_it_says_so(text, iso, in_berlin, tmp_path):
    policy = policy_of(tmp_path, f"deadline: {text}")
    assert policy.deadline is not None
    assert policy.deadline.isoformat() == iso
    path = tmp_path / "late.yaml"
    local = [f"{path}, line 1: deadline has no time zone, so it is this machine's: {iso}"]
    assert late.notes(path, policy, []) == (local if "2026-07-01" in text or "+01:00" in iso else [])


def test_students_of_the_deadlines_who_handed_in_nothing_are_named(tmp_path):
    text = "deadline: 2026-03-01\nextensions: {hugo: 2026-03-02, 4711: 2026-03-09, Ada: 2026-03-02}\n"
    policy = policy_of(tmp_path, text + "handed_in: {x: 2026-03-01}")
    says = [
        note.partition(": ")[2]
        for note in late.notes(tmp_path / "late.yaml", policy, ["Hugo", "4711", "Ada"])
    ]
    assert says[1:] == [
        "extensions names hugo, who has handed in nothing: did you mean Hugo?",
        "handed_in names x, who has handed in nothing",
    ]
    assert says[0].endswith("(other times without one: 4)")
    assert [policy.days("Zhang Wei", TIME, number) for number in ("4711", "4712")] == [0, 1]


def test_a_key_whose_last_student_was_deleted_may_stay(tmp_path):
    assert policy_of(tmp_path, "deadline: 2026-03-01T00:00Z\nextensions:\n").extensions == {}
    assert policy_of(tmp_path, "percent_per_day: 12,5 %\ngrace_minutes: 15").percent_per_day == 12.5


def test_no_table_starts_a_formula(tmp_path):
    rows = gradebook.rows([result("=cmd|x"), result("+1"), result("@a")], {}, Policy())
    gradebook.grades(tmp_path / "g.csv", rows, ASSIGNMENT)
    assert not [word for line in table(tmp_path / "g.csv") for word in line if word[:1] in "=+@" and word]


def test_a_students_page_says_what_they_got_and_escapes_all(tmp_path):
    row = gradebook.rows(
        [result("ada <x>", 0)], {("ada <x>.ipynb", "double"): ByHand(comment="see <me>")}, Policy()
    )
    assert pages.feedback(tmp_path, row, ASSIGNMENT) == 1
    (page,) = tmp_path.glob("ada-x-*.html")
    text = page.read_text()
    assert "It is &lt;b&gt;not&lt;/b&gt; <code>so</code>." in text
    assert "see &lt;me&gt;" in text
    assert "ada &lt;x&gt;" in text
    assert "default-src 'none'" in text


def test_a_page_for_what_could_not_be_graded(tmp_path):
    rows = gradebook.rows(
        [
            result("ada", status="unreadable", reason="it is empty", marks=[]),
            result("bo", status="grader error", reason="OSError: secret path", marks=[]),
        ],
        {},
        Policy(),
    )
    pages.feedback(tmp_path, rows, ASSIGNMENT)
    assert "it is empty" in next(tmp_path.glob("ada*")).read_text()
    text = next(tmp_path.glob("bo*")).read_text()
    assert "This is not a mark" in text
    assert "secret path" not in text


def test_the_report_groups_mistakes_whatever_their_numbers(tmp_path):
    results = [result("ada"), result("bo"), result("cy", 2)]
    results[0].marks[1] = Mark("double", 0, 2, "failed", "wrong at [1, 2], 3.5 instead of 4")
    results[1].marks[1] = Mark("double", 0, 2, "failed", "hidden", remark="wrong at [7], -1e-5 instead of 2")
    pages.report(tmp_path / "r.html", gradebook.rows(results, {}, Policy()), ASSIGNMENT)
    text = (tmp_path / "r.html").read_text()
    assert "<td class=n>2</td><td class=n>double</td><td>wrong at [1, 2], 3.5 instead of 4</td>" in text


def test_the_report_leads_to_each_students_page_and_says_what_is_not_right(tmp_path):
    results = [
        result("ada <x>", 0),
        result("bo", 2),
        result("cy", status="unreadable", reason="it is empty", marks=[]),
    ]
    results[1].marks[1] = Mark("double", 0, 2, "not written", "There is no answer yet.")
    rows = gradebook.rows(results, {}, Policy())
    pages.feedback(tmp_path / "feedback", rows, ASSIGNMENT)
    pages.report(tmp_path / "report.html", rows, ASSIGNMENT)
    text = (tmp_path / "report.html").read_text()
    lines = re.findall(
        r'<a href="(feedback/.*?)">(.*?)</a></td>\s*<td class=n[^>]*>(.*?)</td>\s*<td>(.*?)</td>', text
    )
    assert [(name, points, re.sub("<[^>]*>", "", said)) for _, name, points, said in lines] == [
        ("ada &lt;x&gt;", "3", "double; not written: steps"),
        ("bo", "3", "not written: double, steps"),
        ("cy", "unreadable", ""),
    ]
    assert all((tmp_path / html.unescape(place)).is_file() for place, *_ in lines)


def test_the_report_says_which_exercise_a_person_has_still_to_mark(tmp_path):
    pages.report(tmp_path / "r.html", [], ASSIGNMENT)
    text = (tmp_path / "r.html").read_text()
    rows = re.findall(r"<span class=id>(.*?)</span>.*?(to mark by hand|nothing to mark)", text, re.S)
    assert dict(rows) == {
        task.id: "to mark by hand" if task.by_hand else "nothing to mark" for task in ASSIGNMENT.tasks
    }
    assert len(set(dict(rows).values())) == 2


def test_near_copies_are_named_and_common_answers_are_not():
    common = (
        "def double(x):\n    total = x + x\n    first, second = total.min(), total.max()\n"
        "    return total if first <= second else None\n"
    )
    odd = "first, second = x[::2], x[1::2]\nfor wobble in (first, second):\n    wobble *= 3; wobble -= wobble / 3\n"
    class_ = [result(f"s{i}", answers={"double": common}) for i in range(12)]
    class_ += [result("t1", answers={"double": odd}), result("t2", answers={"double": "\n\n" + odd})]
    (pair,) = similar.pairs(class_, {})
    assert (pair.first, pair.second, pair.share) == ("t1", "t2", 1)
    assert similar.pairs(class_, {"double": odd}) == []


def test_several_notebooks_are_a_row_for_each_student_with_the_sum_and_each(tmp_path):
    one = [result("ada", 2, "11"), result("bo", 1, "12", time="2026-03-03T22:00:00+00:00")]
    two = [
        result("ada", 0, "11"),
        result("bo", number="12", marks=[], status="unreadable", reason="it is empty"),
    ]
    two.append(result("cy", 1))
    policy = Policy(datetime(2026, 3, 3, tzinfo=UTC), percent_per_day=10)
    parts = {"problem1": gradebook.rows(one, {}, policy), "problem2": gradebook.rows(two, {}, policy)}
    ada, bo, cy = combined.rows(parts)
    assert (ada.score, ada.result.status, ada.result.reason) == (8, "graded", "")
    assert [mark.id for mark in ada.marks][:2] == ["problem1/why", "problem1/double"]
    assert (bo.raw, bo.penalty, bo.score, bo.days, bo.result.status) == (4, 0.4, 3.6, 1, "partly")
    assert bo.result.reason == "problem2: unreadable: it is empty"
    assert (cy.score, cy.result.reason) == (4, "problem1: nothing was handed in")
    combined.grades(tmp_path / "grades.csv", parts, 26)
    assert table(tmp_path / "grades.csv") == [
        [*"student number status reason problem1 problem2".split(), *combined.END],
        ["ada", "11", "graded", "", "5", "3", "8", "0", "0", "8", "26"],
        ["bo", "12", "partly", "problem2: unreadable: it is empty", "3.6", "", "4", "1", "0.4", "3.6", "26"],
        ["cy", "", "partly", "problem1: nothing was handed in", "", "4", "4", "0", "0", "4", "26"],
    ]
