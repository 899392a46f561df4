"""Made-up classes, saved by every spreadsheet that can encode their names: nobody's mark depends on that.

PIXEL_EDU_CLASSES=2000 pytest tests/grading/test_tables_at_random.py  tries as many classes.
"""

import csv
import os
import random

import pytest

from pixel_edu.grading import class_list
from pixel_edu.grading.marking import Mark
from pixel_edu.grading.results import gradebook, manual, tables
from pixel_edu.grading.results.late import Policy
from pixel_edu.grading.results.store import Result
from pixel_edu.grading.results.tables import Form
from tests.grading.classroom import ASSIGNMENT
from tests.grading.test_tables import SPREADSHEETS, TIME, saved

CLASSES = range(int(os.environ.get("PIXEL_EDU_CLASSES", "40")))
FIRST = {
    "ascii": ["Ada", "Bo", "Jean-Luc", "0123456", "no", "12:30"],
    "latin": [
        "José",
        "Jérôme",
        "Zoë",
        "Änne",
        "François",
        "Élodie",
        "Günter",
        "Íñigo",
        "Noël",
        "Søren",
        "ÉRIC",
    ],
    "japanese": ["太郎", "花子", "さくら", "偉", "健一", "ﾀﾛｳ", "ユキ"],
}
LAST = {
    "ascii": [
        "Smith",
        "O'Neil",
        "de la Cruz",
        'van "Bob" Dyk',
        "King, Jr.",
        "Lee; Kim",
        "a\tb",
        "=1+1",
        "x'",
        "-",
    ],
    "latin": [
        "Müller",
        "Groß",
        "Lefèvre",
        "O’Brien",
        "Peña",
        "Ångström",
        "Straße",
        "d’Été",
        "Böll, Dr.",
        "“Ed” Åse",
    ],
    "japanese": ["山田", "張", "佐藤", "髙橋", "鈴木", "渡邊", "やまだ"],
}
MARKS = ["", "'", "''", "=", "+", "-", "@", "＝"]
JAPAN = Form("cp932", False, ",", "\r\n")
COMMENTS = [
    "",
    "très bien",
    'say "why"',
    "first;\nsecond,\tthird",
    "-1 for style",
    "=SUM(A1:A9)",
    "3,5 of 5",
    "良い",
]


def names(draw):
    """A class of one to eight students, no two of one name."""
    scripts = draw.choice(
        [["ascii"], ["ascii", "latin"], ["latin"], ["ascii", "japanese"], ["japanese"], list(FIRST)]
    )
    found = {}
    for _ in range(draw.randint(1, 8)):
        script = draw.choice(scripts)
        name = f"{draw.choice(FIRST[script])} {draw.choice(LAST[script])}"
        if draw.random() < 0.3:
            name = draw.choice(MARKS) + name
        found.setdefault(name.casefold(), name)
    return list(found.values())


def forms(rows):
    """The spreadsheets that can save these rows."""
    text = "".join(cell for row in rows for cell in row)
    for form in [*SPREADSHEETS.values(), JAPAN]:
        try:
            text.encode(form.encoding)
        except UnicodeEncodeError:
            continue
        yield form


def untidy(rows, draw):
    """The same table with blank lines, empty columns at its end, and its titles in another case."""
    more = draw.randint(0, 3)
    made = [[*row, *[""] * more] for row in rows]
    made[0] = [draw.choice([str, str.upper, "  {} ".format])(cell) for cell in made[0]]
    for _ in range(draw.randint(0, 3)):
        made.insert(draw.randint(1, len(made)), draw.choice([[], [""] * len(made[0])]))
    return made


def shown(path):
    """A table of ours as a spreadsheet shows it."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


@pytest.mark.parametrize("seed", CLASSES)
def test_marks_by_hand_do_not_depend_on_the_spreadsheet(seed, tmp_path):
    draw, path = random.Random(seed), tmp_path / "manual.csv"
    class_ = [
        Result(
            f"k{i}", f"{name}.ipynb", name, "", TIME,
            marks=[Mark(id, None, most, "by hand", "") for id, most in (("why", 5), ("how", 2.5))],
            answers={"why": draw.choice(COMMENTS), "how": draw.choice(COMMENTS)},
        )
        for i, name in enumerate(names(draw))
    ]  # fmt: skip
    manual.write(path, class_)
    header, *lines = shown(path)
    given = {}
    for line in lines:
        points = draw.choice([None, 0, 0.5, 1.25, 2, 2.5])
        comment = draw.choice(COMMENTS)
        given[tables.plain(line[0]), line[2]] = points, comment
        line[5] = comment
        line[4] = "" if points is None else f"{points:g}"
    order = draw.sample(range(len(header)), len(header))
    draw.shuffle(lines)
    rows = [[row[i] for i in order] for row in (header, *lines)]
    for form in forms(rows):
        local = [
            [
                cell.replace(".", form.decimal) if header[i] in ("most", "points") else cell
                for i, cell in zip(order, row, strict=True)
            ]
            for row in rows
        ]
        saved(path, untidy(local, draw), form)
        found = manual.read(path)
        assert {key: (mark.points, mark.comment) for key, mark in found.items()} == given, form
        scores = {row.result.student: row.score for row in gradebook.rows(class_, found, Policy())}
        for result in class_:
            known = [
                given[result.file, id][0] for id in ("why", "how") if given[result.file, id][0] is not None
            ]
            assert scores[result.student] == (sum(known) if known else None), form
        assert manual.notes(path, found, class_) == []
        before = path.read_bytes()
        manual.write(path, class_)
        assert path.read_bytes() == before


@pytest.mark.parametrize("seed", CLASSES)
def test_a_platforms_table_gets_the_same_scores_in_every_form(seed, tmp_path):
    draw = random.Random(seed)
    class_ = names(draw)
    points = {name: draw.choice([0, 1.5, 2.25, 10, None]) for name in class_}
    results = [
        Result(
            f"k{i}",
            f"{name}.ipynb",
            name,
            str(100 + i),
            TIME,
            marks=[Mark("x", points[name], 10, "passed", "")],
        )
        for i, name in enumerate(class_)
    ]
    rows = gradebook.rows(results, {}, Policy())
    canvas = [["Student", "ID", "Section", "A test (9)"], ["    Points Possible", "", "", "10"]]
    canvas += [[tables.safe(name), str(100 + i), "A", "7.5"] for i, name in enumerate(class_)]
    moodle = [["ID", "Nom", "Grade", "Maximum"]]
    moodle += [[f"Participant {100 + i}", tables.safe(name), "7.5", "10.00"] for i, name in enumerate(class_)]
    for fill, content, column in ((gradebook.canvas, canvas, 3), (gradebook.moodle, moodle, 2)):
        for form in forms(content):
            there = [
                [cell.replace(".", form.decimal) if cell[:1].isdigit() else cell for cell in row]
                for row in content
            ]
            saved(tmp_path / "in.csv", there, form)
            filled = fill(
                tmp_path / "in.csv", tmp_path / "out.csv", rows, ASSIGNMENT.name, content[0][column]
            )
            wanted = [list(row) for row in there]
            for row, name in zip(wanted[-len(class_) :], class_, strict=True):
                if points[name] is not None:
                    row[column] = f"{points[name]:g}".replace(".", form.decimal)
            saved(tmp_path / "wanted.csv", wanted, form)
            assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "wanted.csv").read_bytes(), form
            assert (filled.students, filled.without) == (
                sum(each is not None for each in points.values()),
                [],
            )


@pytest.mark.parametrize("seed", CLASSES)
def test_a_class_list_names_the_same_students_in_every_form(seed, tmp_path):
    draw = random.Random(seed)
    class_ = [" ".join(name.split()) for name in names(draw)]
    titles = draw.choice([None, ["name"], ["Nr", "Student"], ["E-mail", "氏名", "Nr"]])
    place = next(
        (i for i, title in enumerate(titles or [""]) if tables.title_key(title) in class_list.HEADINGS), 0
    )
    rows = [titles] if titles else [[tables.safe(class_[0])]]
    for i, name in enumerate(class_[0 if titles else 1 :]):
        row = [str(i)] * len(rows[0])
        row[place] = tables.safe(name)
        rows.append(row)
    for form in forms(rows):
        saved(tmp_path / "class.csv", untidy(rows, draw) if titles else rows, form)
        assert class_list.read(tmp_path / "class.csv") == class_, form
