"""Tables as spreadsheets save them, in any country; and tables that spreadsheets open as they are meant.

A German spreadsheet separates cells by semicolons and writes 3,5; a Japanese one saves in Shift-JIS; each has its own
line ends. `read` finds out which, `Table.save` writes the same form again, and `write` makes a new table.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pixel_edu.config import UserError
from pixel_edu.files import replacing
from pixel_edu.grading.results.decoding import Decoded, decode

Cell = str | float | None
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a text begins that a spreadsheet might compute, or that `safe` made of one."""
NOT_TEXT = {
    b"PK\x03\x04": "a workbook (.xlsx, .ods or .numbers)",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"%PDF": "a PDF",
}
csv.field_size_limit(2**31 - 1)  # an answer may be longer than the csv module's limit


@dataclass(frozen=True)
class Form:
    """How a table is written down.

    Attributes:
        encoding: as Python calls it.
        marked: whether it begins with a byte order mark, without which Excel takes UTF-8 for something else.
        separator: between cells.
        newline: at the end of a line.
        declared: whether the first line says `sep=;`, which Excel reads and does not show.
        decimal: "." or ",".
        quoted: whether every cell stands in quotation marks.
    """

    encoding: str = "utf-8"
    marked: bool = True
    separator: str = ","
    newline: str = "\n"
    declared: bool = False
    decimal: str = "."
    quoted: bool = False


FOR_PROGRAMS = Form(marked=False)


@dataclass
class Line:
    """A line of a table.

    Attributes:
        cells: as they are written, as many as there are titles.
        line: the line of the file where it begins, from 1.
        row: its number in a spreadsheet, from 1.
    """

    cells: list[str]
    line: int
    row: int


@dataclass
class Table:
    """A table that was read.

    Attributes:
        path: of the file.
        header: the titles as they are written.
        lines: those with anything in them.
        form: how it was written down.
        line: the line of the file where the titles stand.
    """

    path: Path
    header: list[str]
    lines: list[Line] = field(default_factory=list)
    form: Form = field(default_factory=Form)
    line: int = 1

    def column(self, title: str) -> int | None:
        """Where a title stands: exactly so or, if it stands nowhere, in other case and with other spaces."""
        if title in self.header:
            return self.header.index(title)
        keys = [title_key(each) for each in self.header]
        return keys.index(title_key(title)) if title_key(title) in keys else None

    def text(self, line: Line, title: str) -> str:
        """A cell's text as it was before `safe`; "" where the table has no such column."""
        column = self.column(title)
        return "" if column is None else plain(line.cells[column])

    def place(self, line: Line, column: int | None = None) -> str:
        """Where something stands, as the beginning of a sentence."""
        cell = "" if column is None else f" (cell {letters(column)}{line.row})"
        return f"{self.path}, line {line.line}{cell}"

    def save(self, path: Path) -> None:
        """Write the table in its form; in UTF-8 if its encoding lacks a letter."""
        _save(path, [self.header, *(line.cells for line in self.lines)], self.form)


def read(path: Path, titles: Iterable[str] = ()) -> Table:
    """Read a table.

    Args:
        path: a text file with a line of titles at its top.
        titles: what some columns should be called, which helps to find the separator.

    Raises:
        UserError: it is not a table in text form, or not a whole one.
    """
    return parse(path, read_text(path), titles)


def read_text(path: Path) -> Decoded:
    """The text of a file, whatever its encoding.

    Raises:
        UserError: it cannot be read, or is not a text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: it cannot be read ({error.strerror}): give a text file, such as CSV"
        ) from None
    decoded = decode(data)
    kind = next((kind for beginning, kind in NOT_TEXT.items() if data.startswith(beginning)), "")
    if re.match(r"\s*<(!doctype|html|table|\?xml)", decoded.text, re.IGNORECASE):
        kind = "a web page"
    if kind:
        raise UserError(f"{path}: it is {kind}, not a table in text form: save it as CSV UTF-8 and give that")
    if not decoded.text.strip():
        raise UserError(f"{path}: it is empty: give a text file, such as CSV")
    return decoded


def parse(
    path: Path, decoded: Decoded, titles: Iterable[str] = (), separators: Iterable[str] = ",;\t"
) -> Table:
    """A table from its text.

    Args:
        path: of its file, for messages.
        decoded: its text.
        titles: what some columns should be called, which helps to find the separator.
        separators: those that it may have, the likeliest first.

    Raises:
        UserError: it is not a whole table.
    """
    text, encoding, marked = decoded
    declared = re.match(r'"?sep=(.)"?(\r\n|\r|\n)', text, re.IGNORECASE)
    body = text[declared.end() :] if declared else text
    wanted = {title_key(title) for title in titles}
    separator = declared[1] if declared else max(separators, key=lambda each: _fits(body, each, wanted))
    rows = list(_rows(path, body, separator, 2 if declared else 1))
    if not rows:
        raise UserError(f"{path}: it has nothing but separators: give the table again")
    separator = _opened(rows, separator, wanted)
    newline = re.search(r"\r\n|\r|\n", text)
    form = Form(
        *(encoding, marked, separator, newline[0] if newline else "\n", bool(declared)),
        decimal=_decimal(rows, separator),
        quoted=body.lstrip().startswith('"') and all(f'"{cell}"' in body for cell in rows[0].cells),
    )
    header = [cell.replace("\ufeff", "") for cell in rows[0].cells]
    table = Table(path, header, rows[1:], form, rows[0].line)
    for line in table.lines:
        _make_as_wide(table, line)
    return table


def _fits(text: str, separator: str, wanted: set[str]) -> tuple[int, int]:
    """How much speaks for a separator: the wanted titles that it gives, and how many there are."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    first = next((cells for cells in reader if any(cell.strip() for cell in cells)), [])
    titles = [title_key(cell) for cell in first if cell.strip()]
    return len(wanted & set(titles)), len(titles)


def _rows(path: Path, text: str, separator: str, first: int) -> Iterator[Line]:
    """The lines that are not blank. One may span several of the file's, which the row's number does not count."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    row = 0
    while True:
        line, row = first + reader.line_num, row + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise UserError(
                f"{path}, line {line}: its quotation marks do not pair up: write two for each one inside a cell"
            ) from None
        if any(cell.strip() for cell in cells):
            yield Line(cells, line, row)


def _opened(rows: list[Line], separator: str, wanted: set[str]) -> str:
    """Open lines that stand in one cell each, and return what separates the cells inside.

    So Excel saves a table of commas that it has shown in a single column, since it expects semicolons.
    """
    alone = len(rows[0].cells) == 1
    if alone:
        titles = {sign: _cells(rows[0].cells[0], sign) for sign in ",;\t"}
        fits = [
            sign for sign, cells in titles.items() if len(cells) > 1 and wanted & set(map(title_key, cells))
        ]
        if not fits:
            return separator
        separator, rows[0].cells = fits[0], titles[fits[0]]
    for line in rows[1:]:
        if len(line.cells) == 1 and (alone or '"' in line.cells[0]):
            cells = _cells(line.cells[0], separator)
            line.cells = cells if len(cells) == len(rows[0].cells) else line.cells
    return separator


def _cells(text: str, separator: str) -> list[str]:
    """The cells of one line."""
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])


def _decimal(rows: list[Line], separator: str) -> str:
    """The decimal mark: that of most numbers; without any, a semicolon between cells says that it is a comma."""
    found = [re.fullmatch(r"-?\d+([.,])\d{1,2}", cell.strip()) for line in rows for cell in line.cells]
    commas = sum(1 if match[1] == "," else -1 for match in found if match)
    return "," if commas > 0 or (commas == 0 and separator == ";") else "."


def _make_as_wide(table: Table, line: Line) -> None:
    """Give a line as many cells as there are titles."""
    width, sign = len(table.header), {",": "comma", ";": "semicolon"}.get(table.form.separator, "tab")
    if any(cell.strip() for cell in line.cells[width:]):
        raise UserError(
            f"{table.place(line)}: it has {len(line.cells)} cells, but the first line has {width}: put a cell with a "
            f"{sign} in it between quotation marks"
        )
    line.cells = line.cells[:width] + [""] * (width - len(line.cells))


def write(
    path: Path, header: Iterable[str], lines: Iterable[Iterable[Cell]], form: Form | None = None
) -> None:
    """Write a new table, whole or not at all.

    Args:
        path: of the file.
        header: the titles.
        lines: their cells: numbers, None for an empty one, and text, which no spreadsheet takes for a formula.
        form: how to write it down; one that Excel opens, if omitted.

    Raises:
        UserError: it cannot be written, such as while a spreadsheet has it open.
    """
    form = form or Form()
    _save(path, [[cell_text(cell, form) for cell in line] for line in (header, *lines)], form)


def cell_text(cell: Cell, form: Form) -> str:
    """What stands for a value in a table of some form."""
    return safe(cell) if isinstance(cell, str) else number(cell).replace(".", form.decimal)


def _save(path: Path, rows: list[list[str]], form: Form) -> None:
    special = re.compile(f'["\r\n{re.escape(form.separator)}]')
    lines = [f"sep={form.separator}"] * form.declared
    for row in rows:
        quote = [form.quoted or special.search(cell) or row == [""] for cell in row]
        cells = [
            '"' + cell.replace('"', '""') + '"' if q else cell for cell, q in zip(row, quote, strict=True)
        ]
        lines.append(form.separator.join(cells))
    text = "".join(line + form.newline for line in lines)
    try:
        data = ("\ufeff" * form.marked + text).encode(form.encoding)
    except UnicodeEncodeError:
        data = ("\ufeff" + text).encode("utf-8", errors="backslashreplace")
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise UserError(
            f"{path}: it cannot be written ({error.strerror}): close it in the spreadsheet, or see who may write there"
        ) from None


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula.

    Examples:
        >>> [safe(text) for text in ("=1+1", "ada", "'=1+1")]
        ["'=1+1", 'ada', "''=1+1"]
    """
    return f"'{text}" if FORMULA.match(text) else text


def plain(text: str) -> str:
    """What `safe` was given; text that it did not write stays as it is.

    Examples:
        >>> [plain(text) for text in ("'=1+1", "=1+1", "'s-Hertogenbosch")]
        ['=1+1', '=1+1', "'s-Hertogenbosch"]
    """
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def number(value: float | None) -> str:
    """A number with up to four decimals, as short as possible; "" for None."""
    return "" if value is None else f"{value:.4f}".rstrip("0").rstrip(".")


def readings(text: str, decimal: str = ".") -> list[float]:
    """What a number may mean, the likeliest first; nothing if it is not a number.

    Args:
        text: with either decimal mark, and thousands apart by the other one, a space or an apostrophe.
        decimal: the mark that is expected.

    Examples:
        >>> [readings(text) for text in ("3.5", "3,5", "1.234,5", "1 234", "1,234", "3 of 5")]
        [[3.5], [3.5], [1234.5], [1234.0], [1234.0, 1.234], []]
        >>> readings("1,234", decimal=",")
        [1.234, 1234.0]
    """
    text = unicodedata.normalize("NFKC", text).strip().lstrip("'").replace("\u2212", "-")
    found = []
    for mark in (".", ",") if decimal == "." else (",", "."):
        group = {".": ",", ",": "."}[mark]
        whole = rf"\d+|[1-9]\d{{0,2}}(?:([{group} '’])\d{{3}})(?:\1\d{{3}})*"
        if re.fullmatch(rf"[+-]?(?=\{mark}?\d)(?:{whole})?(?:\{mark}\d*)?(?:[eE][+-]?\d+)?", text):
            found.append(float(re.sub(rf"[{group} '’]", "", text).replace(mark, ".")))
    return list(dict.fromkeys(found))


def title_key(title: str) -> str:
    """What equal titles have in common, in whatever case and with whatever spaces."""
    return " ".join(unicodedata.normalize("NFKC", title).replace("\ufeff", "").casefold().split())


def letters(column: int) -> str:
    """A column's name in a spreadsheet.

    Examples:
        >>> [letters(column) for column in (0, 25, 26, 701, 702)]
        ['A', 'Z', 'AA', 'ZZ', 'AAA']
    """
    name, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
