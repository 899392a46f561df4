"""Text from bytes whose encoding nobody wrote down: UTF-8 and UTF-16, and what spreadsheets save in older ones.

A class list has a few hundred bytes, and often one name with an accent. Guessers that count letters need more. What a
wrong encoding makes of a name shows at once, though: capitals and signs inside a word (`JosÈ`, `MŸller`), Chinese
characters between Latin letters (`Fran輟is`). So each encoding is tried, and the one with the least of that is taken.
"""

from __future__ import annotations

import codecs
import unicodedata
from typing import NamedTuple

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""What a file begins with, and the encoding that it says."""
OLDER = {"cp1252": 0.0, "cp932": 0.0, "mac_roman": 0.3}
"""Encodings without Unicode, the likeliest first, with the doubt that each starts with."""
USUAL = set("àáâãäåæçèéêëìíîïñòóôõöøùúûüßœ")
"""Letters of western Europe, but for those that hardly a name there has."""


class Decoded(NamedTuple):
    """Text, and how it was encoded.

    Attributes:
        text: without a byte order mark.
        encoding: as Python calls it.
        marked: whether it began with a byte order mark.
    """

    text: str
    encoding: str
    marked: bool


def decode(data: bytes) -> Decoded:
    """Read bytes as text.

    Args:
        data: in UTF-8, in UTF-16, or in the Windows encodings of western Europe (cp1252) or Japan (cp932), or in that
            of older Macs.

    Examples:
        >>> [decode("José".encode(name)).encoding for name in ("utf-8", "cp1252", "mac_roman")]
        ['utf-8', 'cp1252', 'mac_roman']
        >>> decode("山田".encode("cp932")).text
        '山田'
    """
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return Decoded(data[len(mark) :].decode(encoding, errors="replace"), encoding, True)
    if b"\0" in data[:200]:  # ASCII characters in UTF-16 have a zero byte each
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
        return Decoded(data.decode(encoding, errors="replace"), encoding, False)
    try:
        return Decoded(data.decode("utf-8"), "utf-8", False)
    except UnicodeDecodeError:
        pass
    tried = {}
    for encoding in OLDER:
        try:
            tried[encoding] = data.decode(encoding)
        except UnicodeDecodeError:
            continue
    best = min(tried, key=lambda encoding: OLDER[encoding] + doubt(tried[encoding]))
    return Decoded(tried[best], best, False)


def doubt(text: str) -> float:
    """How much of a text looks wrongly decoded: 0 to 1 for each character that is not ASCII.

    Examples:
        >>> doubt("Jérôme") < doubt("JÈrÙme")
        True
    """
    padded = f" {text}  "
    return sum(_doubt(*padded[i - 1 : i + 3]) for i in range(1, len(padded) - 2) if not padded[i].isascii())


def _doubt(before: str, char: str, after: str, next_after: str) -> float:
    """How odd a character is between its neighbours."""
    category = unicodedata.category(char)
    if "\uff61" <= char <= "\uff9f":  # half-width katakana come together
        return 0.0 if "\uff61" <= before <= "\uff9f" or "\uff61" <= after <= "\uff9f" else 1.0
    if "\u2e7f" < char < "\ufb00" or char >= "\uff00":  # Chinese and Japanese
        latin = any(each.isascii() and each.isalpha() for each in (before, after))
        return 0.4 * _is_rare(char) + 0.6 * (latin and char.isalpha())
    if category in ("Ll", "Lu"):
        return _doubt_of_letter(before, char, after, next_after)
    if category in ("Pi", "Ps") or char in "„‚¿¡":  # opens
        return 0.0 if after.isalnum() and not before.isalnum() else 1.0
    if category in ("Pf", "Pe"):  # closes, or stands for an apostrophe
        return 0.0 if before.isalnum() and (char == "’" or not after.isalnum()) else 0.6
    if char in "\xa0\u202f":
        return 0.1
    if char in "–—…":
        return 0.6 if after.isalpha() and (before.isalpha() or char == "…") else 0.1
    return 0.3 if char in "€£§°²³½¼×±" and not (before.isalpha() or after.isalpha()) else 1.0


def _is_rare(char: str) -> bool:
    """Whether a character is outside the first level of the Japanese standard (JIS X 0208)."""
    return char.encode("cp932", errors="replace") >= b"\x98\x9f"


def _doubt_of_letter(before: str, char: str, after: str, next_after: str) -> float:
    """How odd a Latin letter is: capitals begin a word, or stand among capitals."""
    if char > "\u017f":
        return 1.0
    rare = 0.0 if char.lower() in USUAL else 0.15
    if char.isupper():
        among_capitals = not before.islower() and not after.islower()
        ends_before_a_word = before.isupper() and after.isupper() and next_after.islower()
        fits = among_capitals and not ends_before_a_word if before.isalpha() else True
        return rare if fits else 1.0
    return rare + 0.25 * (not before.isalpha() and after.isalpha())
