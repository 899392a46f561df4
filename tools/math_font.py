"""Make the font of the book's formulas: the letters and signs that they use, out of STIX Two Math.

npm pack @fontsource/stix-two-math && tar xzf fontsource-stix-two-math-*.tgz
python tools/math_font.py package/files/stix-two-math-latin-400-normal.woff2

Letters of all alphabets that formulas use are kept, whether or not a formula has them today; other signs are those of
the built pages in _build/html. A test says when a formula has a sign that the font lacks.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ROOT = Path(__file__).parents[1]
FONT = ROOT / "book/_static/vendor/stix/book-math.woff2"
LETTERS = [
    range(0x20, 0x7F),  # Latin, digits, brackets
    range(0x391, 0x3CA),  # Greek
    range(0x1D434, 0x1D468),  # Latin and Greek as a formula sets a single letter, in italics
    range(0x1D6E2, 0x1D71C),
    range(0x1D49C, 0x1D4D0),  # script
    map(ord, "ℎ′√‖⏞⏟˜ˆ¯"),
]


def signs(pages: Path) -> set[str]:
    """The signs of all formulas of the built pages."""
    texts = (path.read_text(encoding="utf-8") for path in pages.rglob("*.html"))
    formulas = (each for text in texts for each in re.findall(r"<math.*?</math>", text, re.DOTALL))
    return set(html.unescape("".join(re.sub("<[^>]+>", "", each) for each in formulas)))


def narrow_roots(font: TTFont) -> None:
    """Make the taller forms of the root as wide as the lowest: Chromium leaves room for the widest beside each root."""
    variants = font["MATH"].table.MathVariants
    root = font.getBestCmap()[ord("√")]
    forms = variants.VertGlyphConstruction[variants.VertGlyphCoverage.glyphs.index(root)]
    taller = {each.VariantGlyph for each in forms.MathGlyphVariantRecord} - {root}
    taller |= {each.glyph for each in forms.GlyphAssembly.PartRecords}
    width = font["hmtx"][root][0]
    for name in taller:
        glyph, (before, bearing) = font["glyf"][name], font["hmtx"][name]
        glyph.coordinates.scale((width / before, 1))
        glyph.coordinates.toInt()
        glyph.recalcBounds(font["glyf"])
        font["hmtx"][name] = width, round(bearing * width / before)


def main(source: str) -> None:
    """Write the font."""
    wanted = {ord(each) for each in signs(ROOT / "_build/html")}.union(*LETTERS)
    options = subset.Options(layout_features=["*"], hinting=False, flavor="woff2")
    font = subset.load_font(source, options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=wanted)
    chosen.subset(font)
    narrow_roots(font)
    FONT.parent.mkdir(exist_ok=True)
    subset.save_font(font, FONT, options)
    print(f"{FONT.relative_to(ROOT)}: {len(font.getBestCmap())} signs, {FONT.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
