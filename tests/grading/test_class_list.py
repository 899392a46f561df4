"""Class lists as people have them: a name per line, or what a spreadsheet or a learning platform saved."""

import json
import unicodedata

import pytest
from typer.testing import CliRunner

from pixel_edu.cli import exercises
from pixel_edu.config import UserError
from pixel_edu.grading import class_list, variants
from tests.grading.test_tables import SPREADSHEETS, saved
from tests.grading.test_variants import source

CLASS = ["Jérôme Lefèvre", "Groß, Änne", "O’Neil", "'s Hertogenbosch", "=1+1", "0123456"]


@pytest.mark.parametrize("form", SPREADSHEETS.values(), ids=SPREADSHEETS)
@pytest.mark.parametrize(
    "lay_out",
    [
        lambda names: [[name] for name in names],
        lambda names: [["Name"], *([name] for name in names)],
        lambda names: [["Nr", " STUDENT ", ""], *([str(i), name, ""] for i, name in enumerate(names))],
        lambda names: [*([name, "", ""] for name in names), ["", "", ""], []],
    ],
    ids=["one per line", "titled", "a table", "empty columns and lines"],
)
def test_a_class_is_the_same_whatever_saved_it(lay_out, form, tmp_path):
    saved(tmp_path / "class.csv", lay_out(CLASS), form)
    assert class_list.read(tmp_path / "class.csv") == CLASS


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ada\n\n bo \n", ["ada", "bo"]),
        ("Lovelace, Ada\nKing, Martin, Jr.\n", ["Lovelace, Ada", "King, Martin, Jr."]),
        ('"Lovelace, Ada"\nBo\n', ["Lovelace, Ada", "Bo"]),
        ('"Lovelace,Ada"\nBo\n', ["Lovelace,Ada", "Bo"]),
        ('name,email\n"Lovelace, Ada",a@b.org\n', ["Lovelace, Ada"]),
        ("ada\nstudent\n", ["ada", "student"]),
        ("Jose\u0301\n", ["José"]),
        ("'=1+1\n", ["=1+1"]),
        ("Zhang\u00a0Wei\n", ["Zhang Wei"]),
        ('Bob "Bobby" Smith\n', ['Bob "Bobby" Smith']),
        ("# class of 2026\n\n- ada\n- bo\n", ["ada", "bo"]),
        ("1. ada\n2. bo\n10) cy\n", ["ada", "bo", "cy"]),
        ("- ada\nbo\n", ["- ada", "bo"]),
        ("Student,ID,Section\n    Points Possible,,\nada,1,A\n", ["ada"]),
    ],
)
def test_names_come_as_they_are_written(text, names, tmp_path):
    (tmp_path / "class.txt").write_text(text, encoding="utf-8")
    assert class_list.read(tmp_path / "class.txt") == names


@pytest.mark.parametrize("name", ["山田 太郎", "張", "さとう"])
def test_a_class_in_japan(name, tmp_path):
    (tmp_path / "class.txt").write_bytes(f"番号,氏名\r\n1,{name}\r\n".encode("cp932"))
    assert class_list.read(tmp_path / "class.txt") == [name]


@pytest.mark.parametrize("form", SPREADSHEETS.values(), ids=SPREADSHEETS)
@pytest.mark.parametrize(
    ("titles", "order"),
    [
        (["Vorname", "Nachname", "E-Mail"], (0, 1)),
        (["Nom", "Prénom", "Adresse de courriel"], (1, 0)),  # `Nom` alone is the whole name elsewhere
        (["ID", "SURNAME", "First name"], (2, 1)),
    ],
)
def test_a_name_in_two_columns_is_one_name(titles, order, form, tmp_path):
    people = [("Jérôme", "Lefèvre"), ("Zoé", "Lefèvre"), ("Änne", "Groß")]
    rows = [["x"] * len(titles) for _ in people]
    for row, parts in zip(rows, people, strict=True):
        for place, part in zip(order, parts, strict=True):
            row[place] = part
    saved(tmp_path / "class.csv", [titles, *rows], form)
    assert class_list.read(tmp_path / "class.csv") == ["Jérôme Lefèvre", "Zoé Lefèvre", "Änne Groß"]


@pytest.mark.parametrize("encoding", ["cp932", "utf-8-sig", "utf-16"])
def test_in_japan_the_family_name_comes_first(encoding, tmp_path):
    (tmp_path / "class.txt").write_bytes("学籍番号\t名\t姓\r\n1\t太郎\t山田\r\n".encode(encoding))
    assert class_list.read(tmp_path / "class.txt") == ["山田 太郎"]


def test_a_title_of_the_whole_list_may_stand_above_those_of_its_columns(tmp_path):
    text = "Kursliste 2026;;\r\n;;\r\nGruppe;Name;\r\nA;Jörg Müller;\r\n"
    (tmp_path / "class.csv").write_bytes(text.encode("cp1252"))
    assert class_list.read(tmp_path / "class.csv") == ["Jörg Müller"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ada\n../x\n", "line 2: '../x' cannot be the name of a folder: use no / and no dot"),
        ("a\\b\n", "line 1: .* cannot be the name of a folder"),
        ("ä" * 200, "line 1: .* cannot be the name of a folder: .* at most 255 bytes"),
        ("ada\nbo\n\nAda\n", "line 4: Ada is already in line 1: give each student a name of their own"),
        ("ada;1\nbo;2\n", "it has 2 columns, and it is unclear which has the names: call one of them name"),
        ("name;student\nbo;2\n", "it has 2 columns"),
        ("ada\nbo,b@x.org\n", "line 2: it has 2 cells, but the first line has 1"),
        ("name\n\n", "it names no student: write one per line"),
        (" \n", "it is empty"),
        (",,,\n", "it has nothing but separators"),
        ("PK\x03\x04", "it is a workbook"),
    ],
)
def test_a_list_that_cannot_be_used_says_where(text, says, tmp_path):
    (tmp_path / "class.txt").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"class.txt.*{says}"):
        class_list.read(tmp_path / "class.txt")
    with pytest.raises(
        UserError, match=r"none.txt: there is no such file: give a file with one student per line"
    ):
        class_list.read(tmp_path / "none.txt")


def test_a_variant_is_the_same_however_a_name_is_encoded():
    for name in ("Jos\u00e9", "Ze\u0301", "Zo\u00eb", "\u00c9lo\u00efse"):
        whole, parts = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
        assert variants.of_student(source(), whole, 7) == variants.of_student(source(), f" {parts} ", 7)


def test_each_student_of_a_list_that_excel_saved_gets_a_folder(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "90_test.ipynb").write_text(json.dumps(source()))
    saved(
        tmp_path / "class.csv", [["Nr", "Name"], *enumerate(CLASS)], SPREADSHEETS["Excel, Germany and France"]
    )
    places = {"--source": "source", "--out": "out", "--students": "class.csv"}
    options = [word for option, name in places.items() for word in (option, str(tmp_path / name))]
    done = CliRunner().invoke(exercises.app, ["build", *options])
    assert done.exit_code == 0, done.output
    assert {path.parent.name for path in tmp_path.glob("out/*/90_test.ipynb")} == set(CLASS)
