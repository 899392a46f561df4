"""The e-book: whole and well-formed, asking nothing of the network, in the order of the contents, always the same."""

import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from posixpath import dirname, normpath
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TOOL = ROOT / "tools" / "epub.py"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
X, OPF, MATH = (
    "{http://www.w3.org/1999/xhtml}",
    "{http://www.idpf.org/2007/opf}",
    "{http://www.w3.org/1998/Math/MathML}",
)
SVG, DC = "{http://www.w3.org/2000/svg}", "{http://purl.org/dc/elements/1.1/}"
HREF = "{http://www.w3.org/1999/xlink}href"
BLOCKS = {
    X + tag
    for tag in ("p", "div", "ul", "ol", "dl", "pre", "table", "figure", "details", "blockquote", "section")
}


def bound(book, out, *options, env=None):
    """The tool's answer about the built book."""
    command = [sys.executable, "-S", TOOL, book, out, *options]
    return subprocess.run(command, env=env, cwd=out.parent, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def made(book, only, tmp_path_factory) -> bytes:
    """The e-book, bound with the packages of `make book` alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    out = tmp_path_factory.mktemp("epub") / "book.epub"
    done = bound(book, out, env=only(project["optional-dependencies"]["book"]))
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


@pytest.fixture(scope="session")
def files(made) -> dict[str, bytes]:
    """What is in it, by name."""
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def package(files) -> ElementTree.Element:
    """The book's facts, as XML."""
    return ElementTree.fromstring(files["book/package.opf"])


@pytest.fixture(scope="session")
def pages(files) -> dict[str, ElementTree.Element]:
    """Every page, as XML: parsing fails where one is not well-formed."""
    return {name: ElementTree.fromstring(data) for name, data in files.items() if name.endswith(".xhtml")}


@pytest.fixture
def xhtml(monkeypatch):
    """The module that rewrites pages."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    import xhtml

    return xhtml


def names_in_order() -> list[str]:
    """The names of _toc.yml, as they are read."""

    def below(listed):
        return [name for each in listed for name in (each["file"], *below(each.get("sections", [])))]

    return [TOC["root"], *(name for part in TOC["parts"] for name in below(part["chapters"]))]


def prose(element):
    """The texts of an element, but for code and signatures."""
    if element.tag in (X + "pre", X + "code") or element.get("class") == "sig":
        return
    yield element.text or ""
    for each in element:
        yield from prose(each)
        yield each.tail or ""


def test_its_type_comes_first_and_is_not_compressed(made):
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type, first.extra) == ("mimetype", zipfile.ZIP_STORED, b"")
        assert archive.read("mimetype") == b"application/epub+zip"
        assert all(each.compress_type for each in archive.infolist()[1:])


def test_the_container_leads_to_the_package(files):
    container = ElementTree.fromstring(files["META-INF/container.xml"])
    (root,) = container.iter("{urn:oasis:names:tc:opendocument:xmlns:container}rootfile")
    assert root.get("full-path") == "book/package.opf"


def test_the_manifest_lists_every_file_and_nothing_else(files, package):
    listed = [f"book/{item.get('href')}" for item in package.iter(OPF + "item")]
    there = set(files) - {"mimetype", "META-INF/container.xml", "book/package.opf"}
    assert len(listed) == len(set(listed))
    assert set(listed) == there


def test_the_manifest_says_which_pages_have_formulas_and_drawings(package, pages):
    told = {
        f"book/{item.get('href')}": (item.get("properties") or "").split()
        for item in package.iter(OPF + "item")
    }
    for name, page in pages.items():
        has = {"mathml": MATH + "math", "svg": SVG + "svg"}
        assert set(told[name]) - {"nav"} == {
            kind for kind, tag in has.items() if next(page.iter(tag), None) is not None
        }
    assert [name for name, kinds in told.items() if "nav" in kinds] == ["book/nav.xhtml"]
    assert [name for name, kinds in told.items() if "cover-image" in kinds] == ["book/images/cover.png"]


def test_pages_are_read_in_the_order_of_the_contents(package, pages):
    names = {item.get("id"): item.get("href") for item in package.iter(OPF + "item")}
    read = [names[item.get("idref")] for item in package.iter(OPF + "itemref")]
    pages_in_order = [f"{name}.xhtml" for name in names_in_order()]
    assert read == ["cover.xhtml", "nav.xhtml", *pages_in_order]
    assert [link.get("href") for link in pages["book/nav.xhtml"].iter(X + "a")] == pages_in_order
    captions = [each.text for each in pages["book/nav.xhtml"].iter(X + "span")]
    assert captions == [part["caption"] for part in TOC["parts"]]


def test_the_contents_call_a_page_by_its_heading(pages):
    for link in pages["book/nav.xhtml"].iter(X + "a"):
        page = pages[f"book/{link.get('href')}"]
        assert " ".join("".join(next(page.iter(X + "h1")).itertext()).split()) == link.text
        assert next(page.iter(X + "title")).text == link.text


def test_it_says_what_it_is(package):
    def told(name):
        return [each.text for each in package.iter(DC + name)]

    assert told("title") == [CONFIG["title"]]
    assert told("creator") == [CONFIG["author"]]
    assert told("language") == ["en"]
    assert "MIT" in told("rights")[0]
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", told("identifier")[0])
    facts = {each.get("property"): each.text for each in package.iter(OPF + "meta") if each.get("property")}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", facts["dcterms:modified"])
    assert "schema:accessMode" in facts


def test_ids_are_unique_and_every_link_inside_leads_to_one(pages):
    ids = {name: [each.get("id") for each in page.iter() if each.get("id")] for name, page in pages.items()}
    assert [name for name, found in ids.items() if len(found) != len(set(found))] == []
    broken, inside = [], 0
    for name, page in pages.items():
        for link in page.iter(X + "a"):
            parts = urlsplit(link.get("href"))
            if parts.scheme:
                continue
            inside += 1
            there = normpath(f"{dirname(name)}/{unquote(parts.path)}") if parts.path else name
            if there not in pages or (parts.fragment and unquote(parts.fragment) not in ids[there]):
                broken.append((name, link.get("href")))
    assert broken == []
    assert inside > 1000


def test_every_picture_is_there_and_says_what_it_shows(pages, files):
    used = set()
    for name, page in pages.items():
        for image in page.iter(X + "img"):
            assert image.get("alt", "").strip(), name
            used.add(normpath(f"{dirname(name)}/{image.get('src')}"))
        for drawing in page.iter(SVG + "svg"):
            assert drawing.get("role") != "img" or drawing.get("aria-label", "").strip(), name
    assert used == {name for name in files if name.startswith("book/images/")}


def test_drawings_use_only_what_they_define(pages):
    for page in pages.values():
        for drawing in page.iter(SVG + "svg"):
            ids = {each.get("id") for each in drawing.iter()}
            asked = [each.get(HREF)[1:] for each in drawing.iter(SVG + "use")]
            asked += re.findall(r"url\(#([^)]+)\)", ElementTree.tostring(drawing, "unicode"))
            assert set(asked) <= ids


def test_epubcheck_finds_nothing_wrong(made, tmp_path):
    checker = shutil.which("epubcheck")
    if checker is None or shutil.which("java") is None:
        pytest.skip("EPUBCheck and Java are not installed here")
    (tmp_path / "book.epub").write_bytes(made)
    # Debian's is a JAR that the kernel starts by binfmt_misc, which a container may lack.
    command = ["java", "-jar", Path(checker).resolve()] if zipfile.is_zipfile(checker) else [checker]
    done = subprocess.run(
        [*command, "--failonwarnings", tmp_path / "book.epub"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]


def test_formulas_hold_to_mathml_3(pages):
    """What EPUBCheck finds, where it is missing: attributes that browsers take and MathML 3 does not allow."""
    elements = [each for page in pages.values() for each in page.iter() if each.tag.startswith(MATH)]
    assert not [each for each in elements if each.get("scriptlevel") and each.tag != MATH + "mstyle"]
    assert not [
        each
        for each in elements
        if {"lspace", "rspace"} & set(each.attrib) and each.tag in (MATH + "mi", MATH + "mn")
    ]


def test_it_runs_nothing_and_asks_nothing_of_the_network(pages, files):
    for name, page in pages.items():
        for each in page.iter():
            assert each.tag not in {X + tag for tag in ("script", "button", "iframe", "form", "noscript")}, (
                name
            )
            assert not [key for key in each.attrib if key.startswith("on")], name
            loads = [each.get(key) for key in ("src", "srcset", "data", HREF) if each.get(key)]
            loads += [each.get("href")] if each.tag != X + "a" and each.get("href") else []
            loads += re.findall(r"url\(['\"]?([^)'\"]+)", each.get("style") or "")
            assert [url for url in loads if urlsplit(url).scheme or urlsplit(url).netloc] == [], name
    style = files["book/epub.css"].decode()
    assert re.findall(r"url\(\"(.*?)\"\)", style) == ["fonts/book-math.woff2"]
    assert style.count("url(") == 1
    assert "@import" not in style


def test_it_brings_the_font_of_the_formulas(files):
    font = (ROOT / "book" / "_static" / "vendor" / "stix" / "book-math.woff2").read_bytes()
    assert files["book/fonts/book-math.woff2"] == font
    assert b"SIL OPEN FONT LICENSE Version 1.1" in files["book/fonts/licence.txt"]
    assert re.search(r"^math \{\s*font-family: \"book math\"", files["book/epub.css"].decode(), re.M)


def test_every_formula_is_mathml_and_no_tex_is_left(pages, book):
    formulas = 0
    for name in names_in_order():
        page, html = pages[f"book/{name}.xhtml"], (book / f"{name}.html").read_text(encoding="utf-8")
        inline = [each for each in page.iter(MATH + "math") if each.get("display") == "inline"]
        own = [each for each in page.iter(X + "div") if each.get("class") == "math"]
        assert len(inline) == html.count('<math display="inline">'), name
        assert len(own) == html.count('<div class="math'), name
        assert all(each.find(MATH + "math") is not None for each in own), name
        formulas += len(inline) + len(own)
        text = "".join(prose(page))
        assert re.findall(r"\\[a-zA-Z(\[]\S*|\$[^\s$][^$\n]*\$", text) == [], name
    assert formulas > 500


def test_paragraphs_hold_no_blocks(pages):
    wrong = [
        (name, below.tag, "".join(each.itertext())[:60])
        for name, page in pages.items()
        for each in page.iter(X + "p")
        for below in each.iter()
        if below is not each and below.tag in BLOCKS
    ]
    assert wrong == []


def test_hints_are_open_and_answers_are_shown(pages, book):
    for name in names_in_order():
        page = pages[f"book/{name}.xhtml"]
        html = (book / f"{name}.html").read_text(encoding="utf-8")
        hints = [each for each in page.iter(X + "details") if "hint" in each.get("class", "").split()]
        assert len(hints) == html.count("sd-dropdown"), name
        assert all(each.get("open") for each in hints), name
        folded = {id(below) for each in page.iter(X + "details") for below in each.iter()}
        answers = [each for each in page.iter(X + "div") if "answer" in each.get("class", "").split()]
        assert len(answers) == html.count('class="answer'), name
        assert not folded & set(map(id, answers)), name


def test_a_widget_keeps_its_picture_and_says_where_it_computes(pages, book, xhtml):
    widgets = 0
    for name in names_in_order():
        html = (book / f"{name}.html").read_text(encoding="utf-8")
        kinds = re.findall(r'data-widget="(\w+)"', html)
        notes = [
            "".join(each.itertext())
            for each in pages[f"book/{name}.xhtml"].iter(X + "p")
            if each.get("class") == "live"
        ]
        assert notes.count(xhtml.FORMULA) == kinds.count("formula"), name
        assert notes.count(xhtml.PICTURE) == len(kinds) - kinds.count("formula"), name
        assert "write it here" not in "".join(prose(pages[f"book/{name}.xhtml"])), name
        widgets += len(kinds)
    assert widgets > 5


def test_the_style_sheet_knows_every_class_and_no_other(pages, files):
    used = {kind for page in pages.values() for each in page.iter() for kind in each.get("class", "").split()}
    known = set(
        re.findall(
            r"\.([a-z][\w-]*)", re.sub(r"/\*.*?\*/|\{.*?\}", "", files["book/epub.css"].decode(), flags=re.S)
        )
    )
    assert used == known


def test_two_books_of_the_same_pages_are_the_same_to_the_byte(made, book, tmp_path):
    out = tmp_path / "again.epub"
    done = bound(
        book,
        out,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
    )
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == made


# The rewriting of a page, and what goes wrong


def small(xhtml, tmp_path, body, names=("book/one",)):
    """A page that has only this body."""
    (tmp_path / "book").mkdir(exist_ok=True)
    text = f'<html><article class="bd-article"><h1>One</h1>{body}</article></html>'
    (tmp_path / "book" / "one.html").write_text(text, encoding="utf-8")
    return xhtml.Page(tmp_path, "book/one", set(names))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("<p>open", "book/one.html: <p> is not closed"),
        ("<p><b>open</p>", "<b> is closed by </p>"),
    ],
)
def test_a_page_that_cannot_be_rewritten_is_named(xhtml, tmp_path, body, says):
    with pytest.raises(xhtml.NotXhtml, match=re.escape(says)):
        small(xhtml, tmp_path, body)


def test_links_lead_to_pages_of_the_book_and_otherwise_are_text(xhtml, tmp_path):
    links = '<p><a href="two.html#x">in</a> <a href="three.html">out</a> <a href="https://example.org/">web</a></p>'
    page = small(xhtml, tmp_path, links, ("book/one", "book/two"))
    assert [each.attributes["href"] for each in page.body.find("a")] == [
        "two.xhtml#x",
        "https://example.org/",
    ]
    assert "out" in page.body.text


def test_the_parts_of_a_wide_formula_are_set_smaller(xhtml, tmp_path):
    wide = f"<math><mi>a</mi></math><math><mrow>{'<mo>+</mo><mi>b</mi>' * 40}</mrow></math>"
    page = small(xhtml, tmp_path, f'<div class="math">{wide}</div>')
    formulas = list(page.body.find("math"))
    assert len(formulas) == 2
    assert {each.attributes["class"] for each in formulas} == {"wider"}


def test_a_book_that_is_not_built_is_one_sentence(tmp_path):
    done = bound(tmp_path, tmp_path / "x.epub", env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*intro\.html is not there: run make html\n", done.stderr)
    assert not (tmp_path / "x.epub").exists()
