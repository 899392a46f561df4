"""Tables as spreadsheets save them in the US, Germany, France and Japan: read whole, or one sentence says where."""

import csv
import io

import pytest

from pixel_edu.config import UserError
from pixel_edu.grading.marking import Mark
from pixel_edu.grading.results import decoding, gradebook, manual, tables
from pixel_edu.grading.results.late import Policy
from pixel_edu.grading.results.store import Result
from pixel_edu.grading.results.tables import Form

TIME = "2026-03-02T22:00:00+00:00"
NAMES = ["Jérôme Lefèvre", "Groß, Änne", 'Bob "Bobby" O’Neil', "=1+1", "'=1+1", "+49", "-5", "@cmd", "a;b\tc"]
SPREADSHEETS = {
    "Excel, US": Form("cp1252", False, ",", "\r\n"),
    "Excel, CSV UTF-8": Form("utf-8", True, ",", "\r\n"),
    "Excel, Germany and France": Form("cp1252", False, ";", "\r\n", decimal=","),
    "Excel, Germany, CSV UTF-8": Form("utf-8", True, ";", "\r\n", decimal=","),
    "Excel, Unicode text": Form("utf-16-le", True, "\t", "\r\n", decimal=","),
    "Excel, older Mac": Form("mac_roman", False, ";", "\r", decimal=","),
    "UTF-16, other way round": Form("utf-16-be", True, ",", "\n"),
    "LibreOffice": Form("utf-8", False, ",", "\n", decimal=","),
    "LibreOffice, all in quotation marks": Form("utf-8", False, ";", "\n", quoted=True),
    "with sep=": Form("utf-8", False, ";", "\r\n", declared=True, decimal=","),
}


def saved(path, rows, form):
    """Write rows as a spreadsheet with such settings does, by the csv module."""
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if form.quoted else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=form.separator, lineterminator="\0", quoting=quoting).writerows(rows)
    lines = f"sep={form.separator}\0" * form.declared + text.getvalue()
    path.write_bytes(("\ufeff" * form.marked + lines.replace("\0", form.newline)).encode(form.encoding))


def by_hand(name, points=None):
    marks = [Mark("why", points, 5, "by hand", "A person marks this.")]
    return Result(
        f"k{name}", f"{name}.ipynb", name, "", TIME, marks=marks, answers={"why": f"={name}\nbecause"}
    )


@pytest.mark.parametrize("form", SPREADSHEETS.values(), ids=SPREADSHEETS)
def test_a_table_is_the_same_whatever_saved_it(form, tmp_path):
    rows = [["Name", " POINTS ", ""], *([name, f"3{form.decimal}5", ""] for name in NAMES)]
    saved(tmp_path / "t.csv", rows, form)
    table = tables.read(tmp_path / "t.csv")
    assert table.form == form
    assert [line.cells[0] for line in table.lines] == NAMES
    assert {tuple(tables.readings(table.text(line, "points"))) for line in table.lines} == {(3.5,)}
    table.save(tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()


@pytest.mark.parametrize("form", SPREADSHEETS.values(), ids=SPREADSHEETS)
def test_marks_by_hand_survive_every_spreadsheet(form, tmp_path):
    path, class_ = tmp_path / "manual.csv", [by_hand(name) for name in NAMES]
    assert manual.write(path, class_) == len(NAMES)
    table = tables.read(path)
    for line in table.lines:
        line.cells[4:6] = f"3{form.decimal}5", "très bien"
    blank = [[""] * 7, []]
    saved(path, [table.header, *blank, *(line.cells for line in table.lines), *blank], form)
    before = path.read_bytes()
    rows = gradebook.rows(class_, manual.read(path), Policy())
    assert [(row.result.student, row.score) for row in rows] == [(name, 3.5) for name in sorted(NAMES)]
    assert {row.comments["why"] for row in rows} == {"très bien"}
    assert manual.notes(path, manual.read(path), class_) == []
    assert manual.write(path, class_) == 0
    assert path.read_bytes() == before
    assert manual.write(path, [*class_, by_hand("Zoë")]) == 1
    assert tables.read(path).form == form


def test_a_spreadsheet_in_japan(tmp_path):
    path, class_ = tmp_path / "manual.csv", [by_hand("張 偉"), by_hand("髙橋"), by_hand("さとう")]
    manual.write(path, class_)
    table = tables.read(path)
    for line in table.lines:
        line.cells[4] = "３．５"
    saved(path, [table.header, *(line.cells for line in table.lines)], Form("cp932", False, ",", "\r\n"))
    rows = gradebook.rows(class_, manual.read(path), Policy())
    assert [row.score for row in rows] == [3.5] * 3
    manual.write(path, [*class_, by_hand("Zoë")])  # a letter that Shift-JIS does not have
    assert {file for file, _ in manual.read(path)} == {
        "張 偉.ipynb",
        "髙橋.ipynb",
        "さとう.ipynb",
        "Zoë.ipynb",
    }


def test_what_a_person_added_stays(tmp_path):
    path = tmp_path / "manual.csv"
    manual.write(path, [by_hand("ada")])
    table = tables.read(path)
    table.header.append("marked by")
    table.lines[0].cells[4:] = ["4", "good", "because", "Eva"]
    table.save(path)
    manual.write(path, [by_hand("ada"), by_hand("bo")])
    lines = tables.read(path).lines
    assert [line.cells[-1] for line in lines] == ["Eva", ""]
    assert manual.read(path)["ada.ipynb", "why"].points == 4


@pytest.mark.parametrize(
    "answer", ["a\rb", "a\r\nb", 'say "x"', "x" * 200_000, "\ud800 alone", "nul \0 byte", " "]
)
def test_an_answer_of_any_kind_is_one_line_of_the_table(answer, tmp_path):
    path, result = tmp_path / "manual.csv", by_hand("ada")
    result.answers["why"] = answer
    assert manual.write(path, [result]) == 1
    assert manual.read(path)["ada.ipynb", "why"].points is None
    assert len(tables.read(path).lines) == 1
    assert manual.write(path, [result]) == 1


TITLES = "file,student,exercise,most,points,comment,answer"


@pytest.mark.parametrize(
    ("text", "points"),
    [
        (f"{TITLES}\na,a,x,5,3.5,,", 3.5),
        (f'{TITLES}\na,a,x,5,"3,5",,', 3.5),
        (f'{TITLES}\na,a,x,5,"1,234",,', 1.234),
        (f'{TITLES}\na,a,x,"2,000","1,234",,', 1234),
        (f"{TITLES}\na,a,x,2 000,1\u202f234.5,,", 1234.5),
        (f"{TITLES.replace(',', ';')}\na;a;x;5,0;1,5;;", 1.5),
        (f"{TITLES}\na,a,x,4,50%,,", 2),
        (f'{TITLES}\na,a,x,4,"12,5 %",,', 0.5),
        (f"{TITLES}\na,a,x,4,,,", None),
        ("EXERCISE,File, Points,most\nx,a,3,5", 3),
        (f"\ufeff\ufeff{TITLES}\na,a,x,5,3,,", 3),
        (f"{TITLES}\na,a,x,5,3,,\na,a,x,5,,,", 3),
        (f"{TITLES}\na,a,x,5,3,,\na,a,x,5,3,,", 3),
        (f"{TITLES},,\na,a,x,5,3,,,,\n,,,,17,,,,", 3),
    ],
)
def test_a_mark_is_read_as_it_was_meant(text, points, tmp_path):
    (tmp_path / "manual.csv").write_text(text, encoding="utf-8")
    assert {key: mark.points for key, mark in manual.read(tmp_path / "manual.csv").items()} == {
        ("a", "x"): points
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{TITLES}\n\na,a,x,5,6,,", r"line 3 \(cell E3\): '6' is not a mark: write a number from 0 to 5"),
        (
            f'{TITLES}\na,a,x,5,3,"two\nlines",\nb,b,x,5,03. Mai,,',
            r"line 4 \(cell E3\): '03. Mai' is not a mark",
        ),
        (f"sep=;\n{TITLES.replace(',', ';')}\na;a;x;5;six;;", r"line 3 \(cell E2\): 'six' is not a mark"),
        (f"{TITLES}\na,a,x,5,-1,,", r"'-1' is not a mark"),
        (f"{TITLES}\na,a,x,5,nan,,", r"'nan' is not a mark"),
        (f"{TITLES}\na,a,x,5,E5,,", r"'E5' is not a mark"),
        (f"{TITLES}\na,a,x,5,200%,,", r"'200%' is not a mark"),
        (f"{TITLES}\na,a,x,?,3,,", r"line 2 \(cell D2\): '\?' is not a number: write the most points again"),
        (
            f"{TITLES}\na,a,x,5,3,5,good,because",
            r"line 2: it has 8 cells, but the first line has 7.*a comma in it",
        ),
        (f'{TITLES}\na,a,x,5,3,,"open\nb,b,x,5,3,,', "line 2: its quotation marks do not pair up"),
        (
            f"{TITLES}\na,a,x,5,3,,\na,a,x,5,4,,",
            "line 3: a has another mark for x in line 2: delete one of the two",
        ),
        (
            "a,a,x,5,3,,\nb,b,x,5,3,,",
            "its first line lacks the titles file, exercise, most, points: make it file,",
        ),
        (" \n", "it is empty"),
        (
            "PK\x03\x04...",
            r"it is a workbook \(.xlsx, .ods or .numbers\), not a table in text form: save it as CSV",
        ),
        ("<html><table>", "it is a web page, not a table in text form: save it as CSV UTF-8"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_line_and_cell(text, says, tmp_path):
    (tmp_path / "manual.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"manual.csv.*{says}"):
        manual.read(tmp_path / "manual.csv")


def test_a_mark_that_no_answer_waits_for_is_named(tmp_path):
    path = tmp_path / "manual.csv"
    path.write_text(f"{TITLES}\nada.ipynb,a,why,5,3,,\n??.ipynb,?,why,5,4,,\nada.ipynb,a,2. Jan,5,,,")
    (note,) = manual.notes(path, manual.read(path), [by_hand("ada")])
    assert note.startswith(
        f"{path}, line 3: these 4 points do not count, since no answer to 'why' in '??.ipynb'"
    )
    path.write_text(TITLES + "".join(f"\n{i}.ipynb,a,why,5,3,," for i in range(9)))
    assert manual.notes(path, manual.read(path), [])[-1] == "... and 4 more such lines"


def test_a_workbook_beside_the_table_is_not_read_and_that_is_said(tmp_path):
    path = tmp_path / "manual.csv"
    path.touch()  # empty: nothing is lost by a new one
    assert manual.write(path, [by_hand("ada")]) == 1
    (tmp_path / "manual.xlsx").touch()
    assert manual.notes(path, manual.read(path), [by_hand("ada")]) == [
        f"{tmp_path}/manual.xlsx: it is not read: save it as manual.csv, in the form CSV UTF-8"
    ]


def test_a_table_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"t.csv: it cannot be written \(Not a directory\): close it in the"):
        tables.write(tmp_path / "file" / "t.csv", ["a"], [])


def test_new_tables_open_in_a_spreadsheet_and_compute_nothing(tmp_path):
    tables.write(tmp_path / "t.csv", ["name", "points"], [["Zoë", 2.5], ["=1+1", None], ["-5", -5]])
    data = (tmp_path / "t.csv").read_bytes()
    assert data == "\ufeffname,points\nZoë,2.5\n'=1+1,\n'-5,-5\n".encode()
    tables.write(tmp_path / "t.csv", ["Zoë"], [["張"]], Form("cp1252", False))
    assert (tmp_path / "t.csv").read_bytes() == "\ufeffZoë\n張\n".encode()


@pytest.mark.parametrize(
    "text", ["", "ada", "=1", "'=1", "''=1", "'s-Hertogenbosch", "＝1", "\n=1", "-", "'", "''"]
)
def test_a_text_is_the_same_after_it_was_made_safe(text):
    assert tables.plain(tables.safe(text)) == text
    assert tables.safe(text)[:1] not in tuple("=+-@＝\n")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        *(
            ("cp1252", text)
            for text in ["José", "Jérôme", "ÉRIC DÜRR", "François", "Straße", "à", "Ça va – l’été…"]
        ),
        *(
            ("cp1252", text)
            for text in ["Šimon Žižek", "Cœur", "«Zoé» 5 €", "Peña Íñigo", "Bjørn Åse", "“ok”"]
        ),
        *(
            ("cp932", text)
            for text in ["山田太郎", "張", "佐藤さん", "ﾔﾏﾀﾞ", "髙橋 﨑", "xの値が違う。forループ", "渡邊"]
        ),
        *(("mac_roman", text) for text in ["José", "Müller", "Jürgen Groß", "Peña", "l’été à Genève"]),
    ],
)
def test_one_name_is_enough_to_tell_the_encoding(encoding, text):
    assert decoding.decode(text.encode(encoding)).text == text
