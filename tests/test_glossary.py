"""The glossary: each term once, in alphabetical order, in a sentence, and used in the chapter or page that it names."""

import re
import unicodedata
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book/glossary.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^(\S.*)\n    (.+) \[(Chapter \d+|One call)\]\((\S+\.(?:ipynb|md))\)\.$", PAGE, re.M)


def prose(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, 4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def used(term: str, text: str) -> bool:
    """Whether a text has a term as words of their own, in one or several, with a space or a dash between."""
    words = re.sub(r"\\[ -]|[ -]", "[- \n]+", re.escape(term))
    return re.search(rf"(?<!\w){words}(?!\w)|(?<!\w){words}s(?!\w)", text, re.I) is not None


@pytest.mark.parametrize(("term", "title", "link"), [(term, title, link) for term, _, title, link in TERMS])
def test_a_term_is_used_in_the_chapter_that_it_names(term, title, link):
    path = (ROOT / "book" / link).resolve()
    assert path.stem == "one_call" if title == "One call" else int(path.stem[:2]) == int(title.split()[1])
    assert used(term, prose(path))


def test_every_entry_is_read_and_each_term_stands_once_in_the_order_of_the_alphabet():
    (entries,) = re.findall(r"```\{glossary\}\n(.*?)\n```", PAGE, re.S)
    terms = [term for term, *_ in TERMS]
    assert len(terms) == len(entries.split("\n\n")) > 40
    keys = [unicodedata.normalize("NFKD", term).encode("ascii", "ignore").lower() for term in terms]
    assert keys == sorted(set(keys))


def test_a_definition_is_one_sentence():
    assert [says for _, says, *_ in TERMS if not re.fullmatch(r"[A-Z][^.!?]+\.", says)] == []


def test_the_contents_lead_to_the_glossary_and_every_chapter_is_in_it():
    assert "- file: book/glossary\n" in (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert {title for *_, title, _ in TERMS} == {*(f"Chapter {n}" for n in range(1, 13)), "One call"}


@pytest.mark.parametrize(("text", "found"), [("Near copies", False), ("near-copies of a near\ncopy", True)])
def test_a_term_is_found_across_lines_and_as_words_of_its_own(text, found):
    assert used("near copy", text) is found
    assert not used("SNR", "an SNRx")
