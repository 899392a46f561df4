"""Words that were replaced do not come back in what the package, the book and the exercises say."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
INSTEAD = {
    r"\b[Mm]end(s|ed|ing)?\b": "fix, correct or restore",
    r"\b[Ll]eft out\b": "default, omitted or skipped",
    r"\b([Gg]ive|gives|gave|giving) (it |them )?back\b": "return",
    r"(?<![Tt]here )\b(is|are) no (?!longer\b|more\b|such\b)[a-z]": "is not a",
    r"(?<![Tt]here )\bis none\b": "is not one",
    r"\b[Zz]ygotes?\b": "fork server",
}
"""Patterns, and what to write in their place."""
QUOTED = ("grading/results/store.py", "templates")
"""What reads words of earlier versions, and what has a syntax of its own."""
FILES = [
    path
    for path in sorted((ROOT / "pixel_edu").rglob("*"))
    if path.suffix in (".py", ".js") and "vendor" not in path.parts
    if not any(str(path.relative_to(ROOT / "pixel_edu")).startswith(name) for name in QUOTED)
]


def returned(text: str) -> list[str]:
    """The replaced words in a text, with what to write."""
    flat = re.sub(r"[ \n]+(?:# |// |\* )?", " ", text)
    return [
        f"{flat[max(0, found.start() - 30) : found.end() + 20]!r}: write {words}"
        for pattern, words in INSTEAD.items()
        for found in re.finditer(pattern, flat)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "pixel_edu")))
def test_replaced_words_stay_away(path):
    assert returned(path.read_text(encoding="utf-8")) == []


PROSE = [
    path
    for folder, pattern in (
        ("chapters", "*.ipynb"),
        ("solutions", "*.ipynb"),
        ("book", "*.md"),
        (".", "*.md"),
    )
    for path in sorted((ROOT / folder).glob(pattern))
]


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_replaced_words_stay_away_from_pages(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, 4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert returned(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mend the test.", "fix"),
        ("batch_size: left\n    out, as many as fit", "default"),
        ("# a function that gives\n# back", "return"),
        ("x is no number", "is not a"),
        ("there is no class, and None is None, and it is no longer so", ""),
    ],
)
def test_a_replaced_word_is_found_across_lines_and_its_like_is_not(text, said):
    found = returned(text)
    assert len(found) == bool(said)
    assert all(said in each for each in found)
