"""Bind the book for e-readers: `epub.py _build/html OUT.epub` makes one EPUB 3 of the pages that `make html` built.

With --toc, the contents are those of another file than _toc.yml. The same pages of the same commit give the same bytes.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tomllib
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import NamedTuple

import yaml
from PIL import Image
from xhtml import NotXhtml, Page

from pixel_edu.files import replacing

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "book" / "_static"
ART, FONT = STATIC / "art", STATIC / "vendor" / "stix" / "book-math.woff2"
FONT_RIGHTS = (
    "The formulas are set in STIX Two Math, under the SIL Open Font License 1.1, which lies beside it."
)
TYPES = {
    ".xhtml": "application/xhtml+xml",
    ".css": "text/css",
    ".png": "image/png",
    ".jpeg": "image/jpeg",
    ".woff2": "font/woff2",
    ".txt": "text/plain",
}
COVER = "images/cover.png"
SAID_OF_COVER = "Pixel art diffusion, and under the title 24 sprites of sixteen by sixteen pixels."
CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""
ACCESSIBILITY = {
    "accessMode": ("textual", "visual"),
    "accessModeSufficient": ("textual,visual", "textual"),
    "accessibilityFeature": (
        "alternativeText",
        "MathML",
        "readingOrder",
        "structuralNavigation",
        "tableOfContents",
    ),
    "accessibilityHazard": ("none",),
    "accessibilitySummary": ("Every picture has a description, and every formula is MathML.",),
}


class Entry(NamedTuple):
    """A line of the contents: a part's caption or the name of a page, and what stands under it."""

    caption: str | None
    page: str | None
    below: "list[Entry]"


def contents(toc: dict) -> list[Entry]:
    """The contents of _toc.yml, the first page first."""

    def pages(listed: list[dict]) -> list[Entry]:
        return [Entry(None, each["file"], pages(each.get("sections", []))) for each in listed]

    parts = [Entry(part["caption"], None, pages(part["chapters"])) for part in toc["parts"]]
    return [Entry(None, toc["root"], []), *parts]


def in_order(entries: list[Entry]) -> Iterator[str]:
    """The names of the pages, as they are read."""
    for entry in entries:
        if entry.page:
            yield entry.page
        yield from in_order(entry.below)


def document(title: str, body: str, up: str = "") -> str:
    """A whole XHTML file; `up` leads from its folder to that of the style sheet."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">
<head><title>{escape(title)}</title><link rel="stylesheet" type="text/css" href="{up}epub.css"/></head>
{body}
</html>
"""


def navigation(entries: list[Entry], titles: dict[str, str]) -> str:
    """The body of the contents."""

    def listed(entries: list[Entry]) -> str:
        lines = []
        for caption, page, below in entries:
            text = (
                f'<a href="{page}.xhtml">{escape(titles[page])}</a>'
                if page
                else f"<span>{escape(caption)}</span>"
            )
            lines.append(f"<li>{text}{listed(below) if below else ''}</li>")
        return "<ol>\n" + "\n".join(lines) + "\n</ol>"

    return f'<body><nav epub:type="toc" id="toc" role="doc-toc"><h1>Contents</h1>\n{listed(entries)}\n</nav></body>'


def cover() -> bytes:
    """The book's card, upright: its title, and the sprites of the first page below, as PNG."""
    card, wall = Image.open(ART / "card.png").convert("RGB"), Image.open(ART / "wall.png").convert("RGBA")
    picture = Image.new("RGB", (1200, 1600), card.getpixel((0, 0)))
    title = card.crop((42, 48, 684, 240))
    title = title.resize((title.width * 3 // 2, title.height * 3 // 2), Image.Resampling.NEAREST)
    picture.paste(title, ((1200 - title.width) // 2, 160))
    for number in range(24):
        x, y = number % 12 * 17, number // 12 * 17
        sprite = wall.crop((x, y, x + 16, y + 16)).resize((144, 144), Image.Resampling.NEAREST)
        picture.paste(sprite, (118 + number % 4 * 273, 540 + number // 4 * 168), sprite)
    file = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def changed() -> str:
    """When the book was last changed: SOURCE_DATE_EPOCH, else the last commit, else the first day of ZIP's calendar."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if not seconds:
        command = ["git", "log", "-1", "--format=%ct"]
        with contextlib.suppress(OSError):  # no git
            seconds = subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout.strip()
    return f"{datetime.fromtimestamp(int(seconds or 315532800), UTC):%Y-%m-%dT%H:%M:%SZ}"


def package(files: dict[str, bytes], pages: dict[str, Page]) -> str:
    """The book's facts, all its files, and the order in which they are read."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address, ids, items = project["urls"]["Repository"], {}, []
    properties = {"nav.xhtml": "nav", COVER: "cover-image"} | {
        f"{n}.xhtml": p.properties for n, p in pages.items()
    }
    for number, name in enumerate(files):
        ids[name] = f"f{number}"
        told = f' properties="{properties[name]}"' if properties.get(name) else ""
        items.append(f'<item id="f{number}" href="{name}" media-type="{TYPES[Path(name).suffix]}"{told}/>')
    read = ["cover.xhtml", "nav.xhtml", *(f"{name}.xhtml" for name in pages)]
    spine = [f'<itemref idref="{ids[name]}"/>' for name in read]
    access = [
        f'<meta property="schema:{k}">{v}</meta>' for k, values in ACCESSIBILITY.items() for v in values
    ]
    return "\n".join([
        '<?xml version="1.0" encoding="utf-8"?>',
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">',
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">',
        f'<dc:identifier id="id">urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, address)}</dc:identifier>',
        f"<dc:title>{escape(config['title'])}</dc:title>",
        f"<dc:creator>{escape(config['author'])}</dc:creator>",
        "<dc:language>en</dc:language>",
        f"<dc:description>{escape(project['description'])}</dc:description>",
        f"<dc:source>{escape(address)}</dc:source>",
        f"<dc:rights>{project['license']} licence, {config['copyright']}, {escape(config['author'])}. "
        f"{FONT_RIGHTS}</dc:rights>",
        f'<meta property="dcterms:modified">{changed()}</meta>',
        *access,
        f'<meta name="cover" content="{ids[COVER]}"/>',
        "</metadata>",
        "<manifest>", *items, "</manifest>",
        "<spine>", *spine, "</spine>",
        "</package>",
        "",
    ])  # fmt: skip


def bind(built: Path, toc: dict) -> bytes:
    """The e-book of the built pages that are in the contents; raises NotXhtml for a page that cannot be in one."""
    entries = contents(toc)
    names = list(in_order(entries))
    pages = {name: Page(built, name, set(names)) for name in names}
    titles = {name: page.title for name, page in pages.items()}
    shown = f'<body class="cover"><img src="{COVER}" alt="{SAID_OF_COVER}"/></body>'
    texts = {
        "cover.xhtml": document("Cover", shown),
        "nav.xhtml": document("Contents", navigation(entries, titles)),
        "epub.css": Path(__file__).with_suffix(".css").read_text(encoding="utf-8"),
        **{
            f"{n}.xhtml": document(page.title, str(page.body), "../" * n.count("/"))
            for n, page in pages.items()
        },
    }
    files = {name: text.encode() for name, text in texts.items()}
    licence = FONT.with_name("LICENSE").read_bytes()
    files |= {COVER: cover(), f"fonts/{FONT.name}": FONT.read_bytes(), "fonts/licence.txt": licence}
    files |= {name: data for page in pages.values() for name, data in sorted(page.images.items())}
    files = {
        f"book/{name}": data
        for name, data in {"package.opf": package(files, pages).encode(), **files}.items()
    }
    return zipped({"META-INF/container.xml": CONTAINER.encode(), **files})


def zipped(files: dict[str, bytes]) -> bytes:
    """An EPUB's container: its type comes first, as it is; nothing in it depends on when and where it was made."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in {"mimetype": b"application/epub+zip", **files}.items():
            entry = zipfile.ZipInfo(name)  # of 1980
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return made.getvalue()


def main() -> None:
    """Bind, or exit with one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("built", type=Path, help="the folder of the built book, such as _build/html")
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument(
        "--toc", type=Path, default=ROOT / "_toc.yml", help="the contents (default: _toc.yml)"
    )
    options = parser.parse_args()
    toc = yaml.safe_load(options.toc.read_text(encoding="utf-8"))
    try:
        made = bind(options.built, toc)
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename} is not there: run make html")
    except NotXhtml as error:
        sys.exit(f"error: {error}")
    with replacing(options.out) as temporary:
        temporary.write_bytes(made)
    print(f"{options.out}: {len(made) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
