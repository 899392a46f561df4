"""The book: built without a warning, asking no other origin, telling of what it shows, each fact in one place."""

import html
import importlib
import itertools
import re
import subprocess
import sys
import tomllib
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urljoin, urlsplit

import nbformat
import numpy as np
import pytest
import torch
import yaml
from scipy.stats import spearmanr

from pixel_edu import notebooks, sprites
from pixel_edu.config import UserError, pick_device
from pixel_edu.images import to_tensor
from pixel_edu.making import artwork
from pixel_edu.notebooks import outputs
from pixel_edu.training import TrainConfig, draw_batch

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
NOTEBOOKS = [
    path
    for folder in ("chapters", "exam", "exercises", "solutions")
    for path in (ROOT / folder).glob("*.ipynb")
]
NBVAL = {"nbval-skip", "nbval-raises-exception"}
LOADS = {("link", "href"), ("source", "src"), ("source", "srcset"), ("object", "data")}
IDS = [path.stem for path in CHAPTERS]
CODE = tomllib.loads((ROOT / "chapters/.ruff.toml").read_text(encoding="utf-8"))["line-length"]
"""Columns of code in a notebook."""
FENCED = re.compile(r"^(`{3,})(.*?)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
"""What stands between fences: code in a language, or in braces a directive."""
TYPED = {"bash", "python"}
"""Languages of what a page tells to type."""
TYPED_COLUMNS = int(re.search(r"^COLUMNS = \((\d+)", (ROOT / "book/_ext/pixel_book.py").read_text(), re.M)[1])
"""Columns of it that a page shows at 1280 pixels without scrolling or smaller letters."""
PRINTED = 76
"""Columns of what a chapter prints."""
ITALICS = {
    unicodedata.normalize("NFKC", chr(code)): code
    for code in (0x210E, *range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C))
}
"""The sign that a formula shows for a letter."""
BUDGET = 360_000
"""Bytes of the style sheets and scripts that a page may load, but for the index of the search."""


class Page(HTMLParser):
    """What a page loads, links to, names and shows."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.loads, self.links, self.names = path, [], [], set()
        self.silent, self.headings, self.tags = [], [], {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.names |= {a["id"]} if a.get("id") else set()
        if "src" in a:
            self.loads.append(a["src"])
        self.loads += [a[key] for key in ("href", "srcset", "data") if (tag, key) in LOADS and key in a]
        self.loads += re.findall(r"url\(['\"]?([^)'\"]+)", a.get("style") or "")
        if tag == "a" and "href" in a:
            self.links.append(a["href"])
        if (tag == "img" and not (a.get("alt") or "").strip()) or (
            a.get("role") == "img" and not (a.get("aria-label") or "").strip()
        ):
            self.silent.append(self.get_starttag_text()[:200])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "meta":
            self.tags[a.get("name") or a.get("property")] = a.get("content")


@pytest.fixture(scope="session")
def pages(book):
    """Every page that a reader can come to."""
    return [Page(path) for path in sorted(book.rglob("*.html")) if "_static" not in path.parts]


def test_the_book_builds_without_a_warning(book):
    log = (book.parent / "build.log").read_text()
    assert "WARNING" not in log
    assert "ERROR" not in log


def test_every_page_of_the_contents_is_built(book):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [toc["root"]] + [page["file"] for part in toc["parts"] for page in part["chapters"]]
    assert [name for name in files if not (book / f"{name}.html").exists()] == []


def test_the_first_page_lists_every_chapter_in_order():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    listed = re.findall(r"\]\(\.\./(chapters/\w+)\.ipynb\)\.\*\*", (ROOT / "book/intro.md").read_text())
    assert listed == [name for name in files if name.startswith("chapters/")]


def test_no_page_names_a_resource_of_another_origin(pages):
    foreign = {(page.path.name, url) for page in pages for url in page.loads if urlsplit(url).netloc}
    assert foreign == set()


def test_no_stylesheet_names_a_resource_of_another_origin(book):
    for sheet in book.rglob("*.css"):
        urls = re.findall(r"(?:url\(|@import\s+)['\"]?([^)'\"\s;]+)", sheet.read_text(encoding="utf-8"))
        assert [url for url in urls if urlsplit(url).netloc] == [], sheet


def test_every_picture_says_what_it_shows(pages):
    assert [(page.path.name, tag) for page in pages for tag in page.silent] == []


def test_headings_step_down_one_level_at_a_time(pages):
    for page in pages:
        if page.headings:
            steps = [b - a for a, b in zip(page.headings, page.headings[1:], strict=False)]
            assert page.headings[0] == 1, page.path
            assert max(steps, default=0) <= 1, page.path


def test_every_link_inside_the_book_leads_somewhere(pages):
    by_path = {page.path: page for page in pages}
    broken = []
    for page in pages:
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            known = by_path.get(target)
            if not target.exists() or (
                known and parts.fragment and unquote(parts.fragment) not in known.names
            ):
                broken.append((page.path.name, link))
    assert broken == []


def test_every_page_has_a_link_that_skips_to_its_text(pages):
    real = [page for page in pages if page.headings]
    assert [page.path.name for page in real if "#main-content" not in page.links] == []


def test_every_page_tells_those_who_share_it_what_it_is(pages, book):
    from PIL import Image

    for page in pages:
        if not page.headings:
            continue
        for tag in ("description", "og:title", "og:description", "og:image:alt"):
            assert page.tags[tag], (page.path, tag)
        assert 40 <= len(page.tags["description"]) <= 202, page.path
        card = urljoin(page.path.as_uri(), page.tags["og:image"]).removeprefix("file://")
        with Image.open(unquote(card)) as picture:
            stated = tuple(int(page.tags[f"og:image:{side}"]) for side in ("width", "height"))
            assert picture.size == stated == (1200, 630)
    told = {page.path.stem: page.tags["description"] for page in pages if page.path.parent.name == "chapters"}
    assert len(set(told.values())) == len(CHAPTERS)
    assert told["02_noise"].startswith("A diffusion model learns to draw by undoing damage.")


def test_chapters_have_their_numbers_wherever_a_link_leads_to_one(book):
    html = (book / "chapters/02_noise.html").read_text(encoding="utf-8")
    words = re.sub("<[^>]*>", "", html)
    for chapter in ("1. Pixels: a dataset", "2. Noise: destroying", "3. Oracle: reversing"):
        assert chapter in words
    following = re.findall('class="prev-next-title">([^<]*)<', html)
    assert [title.partition(":")[0] for title in following] == ["1. Pixels", "3. Oracle"]


def test_questions_to_answer_first_have_a_look_of_their_own(book):
    for path in CHAPTERS:
        asked = sum(cell.source.count("> **Predict.**") for cell in notebooks.read(path).cells)
        page = (book / f"chapters/{path.stem}.html").read_text(encoding="utf-8")
        assert page.count('class="predict"') == asked > 0, path.stem


@pytest.mark.parametrize("path", sorted(NOTEBOOKS), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_line_of_code_is_wider_than_a_page(path):
    wide = []
    for cell in notebooks.read(path).cells:
        blocks = (
            FENCED.findall(cell.source) if cell.cell_type == "markdown" else [("", "python", cell.source)]
        )
        code = [text for _, language, text in blocks if not language.startswith("{")]
        wide += [(cell.id, line) for line in "\n".join(code).splitlines() if len(line) > CODE]
    assert wide == []


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.md")), ids=lambda path: path.stem)
def test_no_command_is_wider_than_a_page(path):
    typed = [
        text for _, language, text in FENCED.findall(path.read_text(encoding="utf-8")) if language in TYPED
    ]
    assert [line for line in "\n".join(typed).splitlines() if len(line) > TYPED_COLUMNS] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_printed_line_is_wider_than_a_page(path):
    wide = []
    for cell in notebooks.read(path).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            shown = "" if {"text/html", "text/markdown"} & set(data) else data.get("text/plain", "")
            text = output.text if output.output_type == "stream" else shown
            wide += [(cell.id, line) for line in text.splitlines() if len(line) > PRINTED]
    assert wide == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_figures_are_numbered_and_a_caption_says_what_each_shows(book, path):
    cells = notebooks.read(path).cells
    captions = [cell.metadata["caption"] for cell in cells if "caption" in cell.metadata]
    page = (book / f"chapters/{path.stem}.html").read_text(encoding="utf-8")
    told = re.findall(
        r'<p class="caption" id="figure-([0-9-]+)"><strong>Figure ([0-9.]+)\.</strong> (.*?)</p>', page
    )
    assert len(told) == len(captions) == len(set(captions)) >= 4
    for count, ((anchor, number, words), caption) in enumerate(zip(told, captions, strict=True), 1):
        assert number == f"{int(path.stem[:2])}.{count}" == anchor.replace("-", ".")
        assert re.sub("<[^>]*>", "", words).startswith(caption[:20])
        assert caption.endswith(".")
        assert len(caption) <= 140


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_exercises_are_called_by_chapter_and_number(book, path):
    for page in (f"chapters/{path.stem}.html", f"book/solutions/{path.stem}.html"):
        html = (book / page).read_text(encoding="utf-8")
        titles = re.findall(
            r'<p class="admonition-title">(?:Solution to<a[^>]*> )?Exercise ([0-9.]+): ', html
        )
        assert titles == [f"{int(path.stem[:2])}.{n}" for n in range(1, len(titles) + 1)]
        assert (
            len(titles)
            == html.count('class="exercise admonition"') + html.count('class="solution admonition"')
            > 3
        )


def test_every_module_of_the_reference_has_its_place_on_one_page_and_the_index_leads_there(book):
    index = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    modules = re.findall(r"^\.\. automodule:: (\S+)$", index, re.M)
    html = (book / "book/api.html").read_text(encoding="utf-8")
    for page in (book / "book" / "api").glob("*.html"):
        here = re.findall(r'id="module-([\w.]+)"', page.read_text(encoding="utf-8"))
        links = re.findall(rf'href="api/{page.name}#module-([\w.]+)"', html)
        assert here == links != []
        modules = [module for module in modules if module not in here]
    assert modules == []


def test_each_card_says_what_its_chapter_says(book):
    html = (book / "book/intro.html").read_text(encoding="utf-8")
    times = re.findall(r'<p class="facts"><span>([^<]*)</span>', html)
    told = [notebooks.read(path).cells for path in CHAPTERS]
    assert len(times) == len(CHAPTERS)
    for time, cells in zip(times, told, strict=True):
        assert any(f"**Time**: {time}" in cell.source for cell in cells)
    live = ['class="pixel-widget"' in (book / f"chapters/{name}.html").read_text() for name in IDS]
    cards = re.findall(r'<p class="facts">.*?</p>', html)
    assert ["computes in the page" in card for card in cards] == live


def test_the_first_page_leads_to_chapter_1(book):
    html = (book / "book/intro.html").read_text(encoding="utf-8")
    (link,) = re.findall(r'class="right-next"\s+href="([^"]*)"', html)
    assert link == "../chapters/01_pixels.html"


def test_every_icon_of_a_page_is_in_the_one_small_sheet_of_icons(book):
    pages = [path for path in book.rglob("*.html") if "_static" not in path.relative_to(book).parts]
    classes = {each for path in pages for each in re.findall(r'class="([^"]*\bfa-[^"]*)"', path.read_text())}
    names = {
        word for each in classes for word in each.split() if re.match("fa-(?!solid|brands|regular|lg)", word)
    }
    sheet = (book / "_static/icons.css").read_text(encoding="utf-8")
    assert {"fa-bars", "fa-sun", "fa-download", "fa-magnifying-glass"} <= names
    assert [name for name in names if f".{name}:is(" not in sheet] == []
    assert len(sheet) < 20_000
    assert list(book.rglob("fontawesome.js")) == []


def test_formulas_are_mathml_and_no_page_loads_a_script_for_them(pages):
    formulas = 0
    for page in pages:
        text = page.path.read_text(encoding="utf-8")
        assert not [each for each in page.loads if "mathjax" in each.lower()], page.path
        assert "window.MathJax" not in text, page.path
        places = re.findall(r'<(span|div)[^>]* class="math [^>]*>(.*?)</\1>', text, re.DOTALL)
        assert all("<math display=" in made and "\\" not in made for _, made in places), page.path
        formulas += len(places)
    assert formulas > 500


def test_what_belongs_together_stays_in_one_line(book):
    oracle, one_call = (
        (book / f"{name}.html").read_text(encoding="utf-8")
        for name in ("chapters/03_oracle", "book/one_call")
    )
    article = re.search(r'<article class="bd-article">(.*)</article>', oracle, re.DOTALL)[1]
    prose = re.sub(r"<(pre|code|svg|script|details)\b.*?</\1>", "", article, flags=re.DOTALL)
    assert re.findall(r"\d %", re.sub("<[^>]+>", "", prose)) == []
    assert len(re.findall(r"\d\N{NO-BREAK SPACE}%", prose)) > 5
    assert '<span class="pre option">--steps</span>' in one_call


def test_the_font_of_formulas_has_every_sign_of_every_formula(pages):
    ttlib = pytest.importorskip("fontTools.ttLib", reason="fontTools is not installed")
    pytest.importorskip("brotli", reason="brotli, which a woff2 is read with, is not installed")
    known = ttlib.TTFont(ROOT / "book/_static/vendor/stix/book-math.woff2").getBestCmap()
    for page in pages:
        for formula in re.findall(r"<math.*?</math>", page.path.read_text(encoding="utf-8"), re.DOTALL):
            signs = html.unescape(re.sub("<[^>]+>", "", formula))
            assert [each for each in signs if ord(each) not in known] == [], (page.path, formula)
            for letter in re.findall("<mi>([a-zA-Zα-ω])</mi>", formula):  # set in italics
                assert ITALICS[letter] in known, (page.path, letter)


def test_what_pages_load_before_their_text_is_seen_stays_within_its_bytes(pages):
    for page in pages:
        local = {
            urlsplit(each).path for each in page.loads if each.partition("?")[0].endswith((".css", ".js"))
        }
        loads = {path: (page.path.parent / path).stat().st_size for path in local}
        loads.pop("searchindex.js", None)  # grows with the book's text, and only the search page loads it
        assert sum(loads.values()) <= BUDGET, (page.path, loads)


SHEET = """\
/*! Somebody's licence */ .a .b, .a #c:not(.z) { color: red } .b { color: blue } :is(.b) > p { margin: 0 }
@media print { .a { top: 0 } .b { top: 1px } } @media screen { .b { top: 0 } } @font-face { font-family: x } /* gone */
"""
KEPT = """\
/*! Somebody's licence */.a #c:not(.z){ color: red }:is(.b) > p{ margin: 0 }@media print {.a{ top: 0 }}\
@font-face { font-family: x }"""


def test_rules_stay_whose_classes_and_ids_some_page_or_script_names(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    sheets = importlib.import_module("pixel_sheets")
    page = '<p class="a x" id="c">.b</p><script>document.body.className = "shown" + later</script>'
    assert sheets.names(page) >= {"a", "x", "c", "shown"}
    assert "b" not in sheets.names(page)
    assert sheets.reduced(SHEET, sheets.names(page)) == KEPT
    assert ".b{ color: blue }" in sheets.reduced(SHEET, {"a", "b", "c"})


def test_the_address_of_the_repository_stands_in_one_file(book):
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    found = subprocess.run(
        [
            "git",
            "grep",
            "-lF",
            address.split("//")[1],
            "--",
            ".",
            ":!exercises",
        ],  # those are made by a program
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if found.returncode > 1:
        pytest.skip("not a git checkout, so which files are tracked is not known")
    assert found.stdout.split() == ["pyproject.toml"]
    assert f'href="{address}"' in (book / "book" / "intro.html").read_text()


def test_pictures_and_counted_numbers_are_what_the_program_makes():
    assert artwork.stale(ROOT / "book") == []


@pytest.mark.slow
def test_a_changed_picture_is_noticed_and_drawn_again(tmp_path):
    artwork.draw_all(tmp_path)
    (tmp_path / "_static/art/logo.png").write_bytes((tmp_path / "_static/art/favicon.png").read_bytes())
    (tmp_path / "generated/procedural_set.md").write_text("4,001")
    expected = ["_static/art/logo.png", "generated/procedural_set.md"]
    assert artwork.stale(tmp_path) == expected
    assert artwork.draw_all(tmp_path) == expected
    assert artwork.stale(tmp_path) == []


def test_vendored_files_are_listed_with_version_and_licence():
    vendor = ROOT / "book/_static/vendor"
    listed = re.findall(
        r"^\| `(\w+)/` \| \S+ \| [\d.]+ \| [^|]*`(\S+)`", (vendor / "README.md").read_text(), re.M
    )
    assert [name for name, _ in listed] == sorted(path.name for path in vendor.iterdir() if path.is_dir())
    assert all((vendor / licence).exists() for _, licence in listed)


def test_every_citation_is_in_the_bibliography():
    keys = re.findall(r"^@\w+\{(\w+),", (ROOT / "book/references.bib").read_text(), re.M)
    assert [key for key, count in Counter(keys).items() if count > 1] == []
    text = "\n".join(path.read_text() for path in [*CHAPTERS, *(ROOT / "book").glob("*.md")])
    cited = {key for group in re.findall(r"\{cite\w*(?::\w+)?\}`([^`]+)`", text) for key in group.split(",")}
    assert cited <= set(keys)


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_a_chapter_is_stored_normalised(path):
    stored = path.read_text(encoding="utf-8")
    assert notebooks.text(notebooks.normalise(notebooks.read(path))) == stored


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_a_chapter_has_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_tags_for_nbval_are_lower_case_and_known(path):
    tags = [tag for cell in nbformat.read(path, 4).cells for tag in cell.metadata.get("tags", [])]
    assert [tag for tag in tags if tag.lower().startswith("nbval") and tag not in NBVAL] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_a_claim_is_hidden_says_nothing_and_can_fail(path):
    for cell in nbformat.read(path, 4).cells:
        if "claim" in cell.metadata.get("tags", []):
            assert "remove-cell" in cell.metadata.tags, cell.id
            assert "assert " in cell.source, cell.id
            assert cell.outputs == [], cell.id


COMPARES = re.compile(
    r"\b(more|less|fewer|better|worse|longer|shorter|higher|lower|further|nearer|closer|larger|smaller|most|least|best"
    r"|worst|twice|half|faster|slower|sooner|later|rises|falls|drops|grows|shrinks)\b|\d ?%|\b\d+ (?:of|times)\b",
    re.IGNORECASE,
)
"""What a sentence says that compares, or that tells how many."""
NOTHING_MEASURED = {
    ("01_pixels", "What this course builds"): "it says what the chapters are about",
    ("02_noise", "Invent it first"): "it names a usage of the field",
    ("02_noise", "Small images need another schedule"): "an average of 16 is arithmetic; the rest is argued",
    ("05_training", "The loop"): "it tells what the code does",
    ("05_training", "The reference"): "it says what the plot shows",
    ("06_guidance", "Two answers"): "to extrapolate is to go further",
    ("11_serving", "What comes in"): "NaN is neither smaller nor larger than anything",
}
"""Sections whose sentences say nothing that a run could change, and why."""


def sections(path):
    """The sections of a chapter that teach: their titles, and the kinds and texts of what stands in them."""
    found = []
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "markdown":
            before, *begun = re.split(r"^## ", cell.source, flags=re.MULTILINE)
            if found:
                found[-1][1].append(("text", before))
            found += [(part.partition("\n")[0], [("text", part.partition("\n")[2])]) for part in begun]
        elif found:
            claim = "claim" in cell.metadata.get("tags", [])
            found[-1][1].append(("claim" if claim else "output" if cell.outputs else "code", cell.source))
    frame = ("Overview", "Summary", "Check yourself", "Exercises", "Sources")
    return [(title, parts) for title, parts in found if title not in frame]


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_where_a_text_compares_what_was_printed_a_claim_asserts_it(path):
    without = []
    taught = sections(path)
    for (title, parts), (_, later) in zip(taught, [*taught[1:], ("", [])], strict=True):
        kinds = [kind for kind, _ in parts]
        below = parts[kinds.index("output") :] if "output" in kinds else []
        texts = [re.sub(r"^>.*$", "", text, flags=re.MULTILINE) for kind, text in below if kind == "text"]
        # The claim of a section's last text comes after the cell that also begins the next section.
        if any(map(COMPARES.search, texts)) and "claim" not in [*kinds, *(kind for kind, _ in later[1:2])]:
            without.append(title)
    assert without == [title for name, title in NOTHING_MEASURED if name == path.stem]


def test_chapter_3_says_of_copying_what_was_measured():
    table = (ROOT / "book/measured/memorisation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \|.*\| (\d+)\.\d% \([^)]*\) \|$", table, re.M)
    nearer = {(sprites, steps): share for sprites, steps, share in rows}
    text = " ".join(
        cell.source for cell in nbformat.read(CHAPTERS[2], 4).cells if cell.cell_type == "markdown"
    )
    told = r"after 1,000 steps (\d+) % of .*; after 8,000 steps, .*, it is (\d+) %.* 8,000 steps leave it at (\d+) %"
    measured = nearer["894", "1,000"], nearer["894", "8,000"], nearer["20,000", "8,000"]
    assert re.search(told, text, re.S).groups() == measured


def test_chapter_4_says_of_the_transformer_what_was_measured():
    table = (ROOT / "book/measured/transformer.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "| " in line]
    unet, *both = rows[2:]
    text = "\n".join(
        cell.source for cell in nbformat.read(CHAPTERS[3], 4).cells if cell.cell_type == "markdown"
    )
    told = (
        r"As many steps: .* lower loss in (\d of \d) pairs, by (\S+) on .* takes (\S+) times .*\. As many seconds: "
        r".* lower loss in (\d of \d) pairs, and its loss is higher by (\S+)\. .* both intervals just reach 0"
    )
    steps_pairs, steps, ratio, seconds_pairs, seconds = re.search(told, text).groups()
    assert [steps_pairs, seconds_pairs] == [row[7] for row in both]
    more = [tuple(map(float, re.findall(r"[-+]\d\.\d+", row[6]))) for row in both]
    assert [-float(steps), float(seconds)] == [mean for mean, _, _ in more]
    assert all(low < 0 < high for _, low, high in more)
    assert ratio == f"{float(both[0][4]) / float(unet[4]):.1f}"


def test_chapter_5_says_of_the_choices_what_was_measured():
    table = (ROOT / "book/measured/ablations.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "| " in line]
    changed = {
        row[1]: [float(each) for each in re.findall(r"[-+]\d+\.\d+", row[3])] for row in rows if "(" in row[3]
    }
    worse = {name for name, (_, low, _) in changed.items() if low > 0}
    assert worse == {"ε", "w = 3 at all noise levels"}
    assert all(low < 0 < high for name, (_, low, high) in changed.items() if name not in worse)
    text = "\n".join(
        cell.source for cell in nbformat.read(CHAPTERS[4], 4).cells if cell.cell_type == "markdown"
    )
    told = (
        r"Two changes of (\d+) .*varepsilon\$ raises the distance by (\S+): .* right in (\S+ %) of "
        r".* all noise levels raises it by (\S+)\."
    )
    (eps,) = [row for row in rows if row[1] == "ε"]
    costs = [f"{changed[name][0]:g}" for name in ("ε", "w = 3 at all noise levels")]
    assert re.search(told, text).groups() == (str(len(changed)), costs[0], eps[4], costs[1])


def test_chapter_5_shows_the_four_draws_that_draw_batch_makes():
    text = "\n".join(
        cell.source for cell in nbformat.read(CHAPTERS[4], 4).cells if cell.cell_type == "markdown"
    )
    (code,) = re.findall(r"```python\n(rows = .*?)```", text, re.S)
    drawn, config = sprites.make(50), TrainConfig(batch_size=8, p_uncond=0.1, seed=3)
    schedule = config.make_schedule()
    seed = np.random.SeedSequence([config.seed, 7]).generate_state(1)[0]
    names = {
        "torch": torch,
        "to_tensor": to_tensor,
        "images": drawn.images,
        "labels": drawn.labels,
        "generator": torch.Generator().manual_seed(int(seed)),
        "B": config.batch_size,
        "K": config.unet.classes,
        "T": len(schedule),
    }
    exec(code, names)
    batch = draw_batch(drawn.images, drawn.labels, schedule, config, step=7)
    for name, value in batch._asdict().items():
        assert torch.equal(names[name], value), name


def test_chapter_8_says_of_palettes_what_was_measured():
    table = (ROOT / "book/measured/palettes.md").read_text(encoding="utf-8")
    rows = {
        row[1].strip(" *"): row for row in (line.split("|") for line in table.splitlines()) if len(row) > 7
    }
    snapped, projected = rows["snapped**, the default"], rows["projected at λ above 2, then snapped"]
    text = CHAPTERS[7].read_text(encoding="utf-8")
    assert f"It costs {snapped[-2].strip()} milliseconds a sprite" in text

    def interval(row, column):
        return tuple(map(float, re.search(r"<small>([\d.]+)–([\d.]+)", row[column]).groups()))

    (low, high), (other_low, other_high) = interval(snapped, 5), interval(projected, 5)
    assert low < other_high, "projecting before closes no more outlines"
    assert other_low < high
    first = rows["projected at λ above 0, then snapped"]
    for row in (first, projected):
        assert 0.5 < float(row[2].split("<")[0]) - float(snapped[2].split("<")[0]) < 2.5, "one or two more"
        assert interval(row, 2)[0] > interval(snapped, 2)[1]
    early, late = (rows[f"projected at λ above {limit}"] for limit in (0, 2))
    assert all(interval(row, 5)[1] > interval(rows["nearest colour"], 5)[0] for row in (early, late)), (
        "none is lost"
    )
    closed = [round(float(row[5].split(" %")[0])) for row in (early, late, rows["nearest colour"])]
    told = "from λ above 0, {} % are closed, from λ above 2, {} %, and with `nearest`, {} %"
    assert told.format(*closed) in text
    lower = rows["snapped, tolerance 0.06"]
    for column, differs in (
        (2, True),
        (5, False),
        (6, True),
        (7, False),
        (8, False),
    ):  # colours, fronts; the others
        (low, high), (other_low, other_high) = interval(snapped, column), interval(lower, column)
        assert (high < other_low or other_high < low) is differs
    assert interval(snapped, 6)[1] < interval(lower, 6)[0], "more symmetric with the default"


def test_chapter_9_says_of_copying_what_was_measured():
    table = (ROOT / "book/measured/memorisation.md").read_text(encoding="utf-8")
    row = r"^\| (\d[^|]*) \| ([\d,]+) \|.*\| ([\d.]+)% \((\d+)% to (\d+)%\) \|$"
    nearer = {(who, steps): tuple(map(float, found)) for who, steps, *found in re.findall(row, table, re.M)}
    rising = [nearer["894", steps] for steps in ("1,000", "2,000", "4,000", "8,000")]
    assert rising[0][1] > 50, "it leans after a thousand steps"
    assert rising == sorted(rising)
    _, low, high = rising[-1]
    assert low < nearer["894, weight decay 0.1", "8,000"][0] < high, (
        "stronger weight decay makes no visible difference"
    )
    assert nearer["894, each in nine places", "8,000"][2] < low, "moving every sprite helps"
    assert nearer["20,000", "8,000"][1] < 50 < nearer["20,000", "8,000"][2]
    assert nearer["338", "8,000"][1] > high, "real sprites are the hardest case"
    seen = dict(re.findall(r"^\| ([\d,]+) \| 8,000 \| ([\d,]+) \|", table, re.M))
    text = " ".join(CHAPTERS[8].read_text(encoding="utf-8").split())
    assert f"each seen {seen['20,000']} times and not {seen['894']}" in text
    nine = re.search(r"^\| 894, each in nine places .*% to .*?\| ([\d.]+) \|", table, re.M)[1]
    unseen = re.search(r"^\| procedural sprites that no model saw .*?% to .*?\| ([\d.]+) \|", table, re.M)[1]
    assert float(nine) > float(unseen)
    assert f"{nine} levels against {unseen}" in text


def test_chapter_9_says_of_blind_sheets_what_was_measured():
    text = (ROOT / "book/measured/blind_sheets.md").read_text(encoding="utf-8").replace("\u2212", "-")
    drawn, real = map(int, re.search(r"seen in (\d+)% of the drawn and (\d+)% of the real", text).groups())
    assert 48 <= drawn <= 52, "half of the drawn ones"
    assert 11 <= real <= 14, "one of eight"
    classes, single = text.split("And sprite by sprite")
    rows = re.findall(r"^\| ([^|*]+?) \|.*\| ([-+][\d.]+) \|$", classes, re.M)
    agrees = {name: float(value) for name, value in rows}
    assert max(agrees, key=agrees.__getitem__) == "mirror difference"
    faults = [
        int(each) for each in re.findall(r"(\d+)%", re.search(r"\*\*drawn, a fault seen.*", classes)[0])
    ]
    orders = [spearmanr(faults, order).statistic for order in itertools.permutations(range(5))]
    by_chance = np.mean([value > agrees["mirror difference"] - 0.01 for value in orders])
    assert 0.08 < by_chance < 0.12, "one case of ten"
    both = {
        name: (float(first), float(second))
        for name, first, second in re.findall(
            r"^\| ([^|]+?) \| ([-+][\d.]+) \| ([-+][\d.]+) \|", single, re.M
        )
    }
    assert len(both) == 5
    best = [max(both, key=lambda name: both[name][column]) for column in (0, 1)]
    assert best == ["off their part's ramp"] * 2
    assert both[best[0]][1] < 0.2, "hardly among the drawn ones"
    assert max(max(values) for values in both.values()) < 0.6


def test_the_guide_says_of_a_start_from_reference_what_was_measured():
    table = (ROOT / "book/measured/small_sets.md").read_text(encoding="utf-8")
    rows = {}
    for row in re.findall(r"^\| \d+ \| from .*$", table, re.M):
        sprites, start, minutes, *cells = re.findall(r"(?<=\| )(?:from )?`?([\w.]+)", row)
        rows[int(sprites), start, round(float(minutes))] = list(map(float, cells))
    right, share, distance, copies = range(4)
    for sprites in (338, 80):
        known, new = (rows[sprites, start, 1] for start in ("reference", "scratch"))
        assert known[distance] < new[distance] - 0.5
        assert known[share] > new[share] + 2
        for minutes in (1, 4):
            assert rows[sprites, "scratch", minutes][right] > rows[sprites, "reference", minutes][right] - 1
    assert rows[338, "reference", 4][distance] < rows[338, "scratch", 4][distance]
    assert (
        abs(rows[80, "reference", 4][distance] - rows[80, "scratch", 4][distance]) < 1
    )  # of two runs, 1.2 apart
    for start in ("reference", "scratch"):
        assert rows[80, start, 1][copies] < 6 < 45 < rows[80, start, 4][copies] < 62


def test_the_guide_says_of_more_steps_and_of_changed_settings_what_was_measured():
    table = (ROOT / "book/measured/small_sets_20.md").read_text(encoding="utf-8")
    rows = {}
    for count, name, *cells in re.findall(r"^\| (\d+) \| ([^|]+) \|" + 5 * r" ([^|]*) \|" + "$", table, re.M):
        numbers = [[float(value) for value in re.findall(r"[\d.]+", cell)] for cell in cells[1:]]
        rows[int(count), name] = dict(zip(("right", "share", "distance", "copies"), numbers, strict=True))
    known, new = (rows[338, f"from {start}"] for start in ("`reference`", "scratch"))
    for measure in ("right", "distance"):  # mean, lowest, highest
        assert known[measure][1] <= new[measure][2] + 0.05
        assert new[measure][1] <= known[measure][2] + 0.05
    assert known["copies"][2] < 1 < 30 < new["copies"][1] < new["copies"][2] < 33
    known, new = (rows[80, f"from {start}"] for start in ("`reference`", "scratch"))
    assert abs(known["right"][0] - new["right"][0]) < 0.5
    assert new["distance"][2] < known["distance"][1]
    assert 77 < new["copies"][1] < new["copies"][2] < 83
    held_out = {338: 81.3, 80: 80.5}
    for count, share in held_out.items():
        assert f"| {count} | held out | | | {share} % |" in table
        assert abs(rows[count, "from `reference`"]["share"][0] / share - 1) < 0.1
        assert rows[count, "from `reference`"]["right"][0] >= 95
    recipe, changed = (
        rows[80, "the recipe"],
        {name: rows[80, name] for _, name in rows if "scratch" not in name},
    )
    assert changed["never mirrored"]["copies"][0] > recipe["copies"][2] + 20
    assert changed["classes as often as they are"]["right"][0] < recipe["right"][1] - 2
    assert changed["a fifth in other hues"]["copies"][0] < recipe["copies"][1] / 2
    assert changed["a fifth in other hues"]["distance"][0] < recipe["distance"][2] + 0.5
    assert changed["shifted by a pixel at most"]["distance"][0] > 3 * recipe["distance"][2]
    assert changed["shifted by a pixel at most"]["right"][0] < recipe["right"][1] - 10


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_below_every_output_stands_how_exact_it_is(path, book):
    page = (book / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8")
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.get("outputs")]
    declared = [outputs.declared(cell) for cell in cells]
    assert re.findall(r'<p class="exactness">(\w+)</p>', page) == declared
    (legend,) = re.findall(r'<p class="exactness-legend">(.+?)</p>', page)
    assert set(re.findall(r"<em>(\w+)</em>", legend)) == set(declared)


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_what_a_cell_prints_on_one_line_may_be_wrapped_and_a_table_may_not(path, book):
    page = (book / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8")
    printed = [
        output.text.strip()
        for cell in nbformat.read(path, 4).cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    ]
    shown = re.findall(r'<div class="output stream([\w -]*)"', page)
    assert ["one-line" in classes.split() for classes in shown] == ["\n" not in text for text in printed]


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_a_chapter_begins_and_ends_as_all_do(path):
    cells = nbformat.read(path, 4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert len(re.findall(r"^# ", text, re.M)) == 1
    assert headings[0] == "Overview"
    wanted = ["Summary", "Exercises", "Sources"]
    assert [name for name in headings if name in wanted] == wanted
    assert headings[-1] == "Sources"
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert "import" in code[0].source
    assert code[1].metadata.tags == ["parameters"]
    assert "profile" in code[1].source


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_cells_are_short(path):
    lines = [len(c.source.splitlines()) for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    assert median(lines) <= 8
    assert max(lines) <= 25


def test_the_messages_that_setup_explains_are_those_that_appear(tmp_path):
    told = re.findall(r"^`(.+)`$", (ROOT / "book/setup.md").read_text(), re.M)
    chapters = str(CHAPTERS[0].relative_to(ROOT).parent)

    def say(*words, where=ROOT):
        command = [
            sys.executable,
            "-c",
            "import sys; from pixel_edu.cli import main; sys.argv[0] = 'pixel-edu'; main()",
            "course",
            "notebooks",
            *words,
        ]
        return subprocess.run(command, cwd=where, capture_output=True, text=True).stderr.strip()

    assert say("pizza", "--folder", chapters) in told
    assert say(where=tmp_path) in told
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        with pytest.raises(UserError) as absent:
            pick_device("cuda")
        assert str(absent.value) in told
    with pytest.raises(notebooks.NotebookError) as unknown:
        notebooks.run(CHAPTERS[0], {"steps": 1})
    assert str(unknown.value).removeprefix(f"{ROOT}/") in told


@pytest.mark.parametrize("path", CHAPTERS, ids=IDS)
def test_a_quiz_has_one_right_choice_a_question_and_a_word_on_every_other(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    quiz = re.search(r"^## Check yourself\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    questions = re.split(r"^\*\*\d+\. ", quiz, flags=re.M)[1:]
    assert len(questions) >= 3
    for question in questions:
        choices = re.findall(
            r'<details class="choice"><summary[^>]*>(.+?)</summary>\n\n(.+?)\n\n</details>', question, re.S
        )
        assert len(choices) >= 3
        assert sum(told.startswith("Right.") or told.startswith("Right, ") for _, told in choices) == 1
        assert sum(told.startswith("Not quite. ") for _, told in choices) == len(choices) - 1
        assert len({chosen for chosen, _ in choices}) == len(choices)
        assert all(len(told.split()) >= 6 for _, told in choices)
        (right,) = (told for _, told in choices if told.startswith("Right"))
        assert any(f'"{title}"' in right for title, _ in sections(path)), right  # where one can look it up
