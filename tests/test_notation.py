"""The letters of the book: every letter in a formula is in a table of book/notation.md, and each stands there once."""

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book/notation.md").read_text(encoding="utf-8")
GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi "
    "psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega"
).split()
TABLES = [line.split("|") for line in re.findall(r"^\| .*$", PAGE.replace(r"\mid", ","), re.M)]
"""The rows of the page's tables, as cells; the third holds the letters of a row."""
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+)\$", re.S)
FOLDERS = {"book": "*.md", "chapters": "*.ipynb", "solutions": "*.ipynb"}
PROSE = [path for folder, names in FOLDERS.items() for path in sorted((ROOT / folder).glob(names))]


def formulas(text: str) -> list[str]:
    """What stands between dollar signs, outside code."""
    text = re.sub(r"```(?!\{).*?```|`[^`\n]*`", "", text, flags=re.S)
    return [a or b for a, b in FORMULA.findall(text)]


def letters(formula: str) -> set[str]:
    """The letters of a formula, Greek by name; words, functions and the constants e and pi are not letters."""
    formula = re.sub(r"\\(?:text|operatorname|begin|end|texttt)\*?\{[^}]*\}", " ", formula)
    names = set(re.findall(rf"\\(?:{'|'.join(GREEK)})(?![a-zA-Z])", formula))
    rest = re.sub(r"\\[a-zA-Z]+", " ", formula)
    return names | (set(re.findall(r"[a-zA-Z]", rest)) - {"e"})


def text_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, 4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return text


LISTED = {letter for row in TABLES for formula in formulas(row[3]) for letter in letters(formula)}


@pytest.mark.parametrize("path", PROSE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_letter_of_a_formula_is_on_the_notation_page(path):
    unknown = {
        formula: sorted(letters(formula) - LISTED)
        for formula in formulas(text_of(path))
        if letters(formula) - LISTED
    }
    assert unknown == {}, "list these letters in book/notation.md, or use those that are there"


def test_a_letter_has_one_row():
    symbols = Counter(formula for row in TABLES for formula in formulas(row[3]))
    assert [symbol for symbol, count in symbols.items() if count > 1] == []
    assert len(symbols) > 40


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (r"x_t = \alpha_t\,x_0 + \sigma_t\,\varepsilon", {"x", "t", r"\alpha", r"\sigma", r"\varepsilon"}),
        (r"\mathcal{N}(0, I) \text{ and } e^{2\lambda}", {"N", "I", r"\lambda"}),
        (r"\operatorname{tr}\big(\Sigma_1\big) \cdot \pi", {r"\Sigma"}),
    ],
)
def test_words_and_constants_are_not_letters(formula, said):
    assert letters(formula) == said


def test_a_formula_is_found_outside_code_alone():
    assert formulas("`$HOME` is $x_0$, and\n```sh\necho $a$b\n```\n$$\n\\eta\n$$") == ["x_0", "\n\\eta\n"]
