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


def _scale(font: TTFont, name: str, width: float, height: float = 1.0, down: int = 0) -> None:
    """Scale a sign from the origin, its advance with it, and lower it."""
    glyph, (advance, bearing) = font["glyf"][name], font["hmtx"][name]
    glyph.coordinates.scale((width, height))
    glyph.coordinates.translate((0, -down))
    glyph.coordinates.toInt()
    glyph.recalcBounds(font["glyf"])
    font["hmtx"][name] = round(advance * width), round(bearing * width)


def narrow_forms(font: TTFont, signs: str, more: int, most: int | None = None) -> None:
    """Make the taller forms of signs hardly wider than the lowest: Chromium leaves room for the widest beside each.

    Args:
        font: to change.
        signs: such as brackets.
        more: units by which a taller form may be wider.
        most: units of height; higher forms, and those put together from parts, go.
    """
    variants, known = font["MATH"].table.MathVariants, font.getBestCmap()
    forms = dict(zip(variants.VertGlyphCoverage.glyphs, variants.VertGlyphConstruction, strict=True))
    for name in (known[ord(sign)] for sign in signs):
        form, widest = forms[name], font["hmtx"][name][0] + more
        if most:
            form.MathGlyphVariantRecord = [
                v for v in form.MathGlyphVariantRecord if v.AdvanceMeasurement < most
            ]
            form.VariantCount, form.GlyphAssembly = len(form.MathGlyphVariantRecord), None
        taller = {each.VariantGlyph for each in form.MathGlyphVariantRecord} - {name}
        taller |= {each.glyph for each in form.GlyphAssembly.PartRecords} if form.GlyphAssembly else set()
        for each in taller:
            if (before := font["hmtx"][each][0]) > widest:
                _scale(font, each, widest / before)


def set_as_tex(font: TTFont) -> None:
    """Set indices of single letters on one line, and let a prime, a bar and thin lines be seen on a screen."""
    known, constants = font.getBestCmap(), font["MATH"].table.MathConstants
    _scale(font, known[ord("′")], 1.35, 1.35, down=560)  # a superscript as it is, it would be raised twice
    _scale(font, known[ord("¯")], 1.5)
    constants.SubscriptBaselineDropMin.Value = -30
    constants.SuperscriptBaselineDropMax.Value = 400
    for line in ("RadicalRuleThickness", "FractionRuleThickness", "OverbarRuleThickness"):
        getattr(constants, line).Value = 54  # one pixel at the size of text


def main(source: str) -> None:
    """Write the font."""
    wanted = {ord(each) for each in signs(ROOT / "_build/html")}.union(*LETTERS)
    options = subset.Options(layout_features=["*"], hinting=False, flavor="woff2")
    font = subset.load_font(source, options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=wanted)
    chosen.subset(font)
    narrow_forms(font, "√", 0)
    narrow_forms(font, "()[]{}", 40, most=2400)
    set_as_tex(font)
    FONT.parent.mkdir(exist_ok=True)
    subset.save_font(font, FONT, options)
    print(f"{FONT.relative_to(ROOT)}: {len(font.getBestCmap())} signs, {FONT.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
