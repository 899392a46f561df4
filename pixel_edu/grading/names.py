"""Names of students and files: equal ones are equal, and all of them can be shown."""

from __future__ import annotations

import re
import unicodedata

STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that override the direction of writing."""


def name_key(name: str) -> str:
    """What equal names have in common, however their letters are put together.

    Args:
        name: of a student, as a folder, a table or a learning platform writes it.

    Returns:
        The name in Unicode's composed form (NFC), without space around it and with one space between words.

    Examples:
        >>> name_key("Jose\\u0301  Gil ") == name_key("Jos\\u00e9 Gil")
        True
    """
    return " ".join(unicodedata.normalize("NFC", name).split())


def legible(name: str) -> str:
    """A file's name that can be printed and encoded, whatever bytes it is made of.

    Bytes that are not UTF-8 are read as cp1252, which older Windows systems write. Characters that steer a terminal or
    turn the direction of what follows become their escapes.

    Args:
        name: as Python reads it from a folder; bytes that are not UTF-8 stand in it as surrogates.

    Examples:
        >>> legible("J\\udce9.ipynb")
        'Jé.ipynb'
        >>> print(legible("a\\nb"))
        a\\nb
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        name = name.encode(errors="surrogateescape").decode("cp1252", errors="replace")
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), name)


def escaped(json: str) -> str:
    """JSON text with its lone surrogates, which UTF-8 cannot encode, written as escapes.

    Examples:
        >>> import json as module
        >>> module.loads(escaped('["a\\udc80"]')) == ["a" + chr(92) + "udc80"]
        True
    """
    return re.sub("[\ud800-\udfff]", lambda lone: rf"\\u{ord(lone[0]):04x}", json)
