"""What is handed in by mistake in the place of a notebook, told from its content, and what to do about it."""

from __future__ import annotations

import json
import re

ITSELF = "hand in the .ipynb file itself"
HEAD = 4096
"""So many bytes tell what a file is."""
KNOWN = {
    rb"PK\x03\x04.*?(?:\[Content_Types\]\.xml|mimetypeapplication/vnd)": f"an office document: {ITSELF}",
    rb"\xd0\xcf\x11\xe0|\{\\rtf": f"an office document: {ITSELF}",
    rb"PK\x03\x04|PK\x05\x06": "a zip archive: unpack it",
    rb"\x1f\x8b|BZh\d|7z\xbc\xaf|Rar!|\xfd7zXZ|\x28\xb5\x2f\xfd": "an archive: unpack it",
    rb".{257}ustar": "an archive: unpack it",
    rb"%PDF": f"a PDF: {ITSELF}",
    rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF|BM.{4}\x00{4}|<svg|.{4}ftyp": f"a picture or a film: {ITSELF}",
    rb"\[InternetShortcut\]|bplist00|https?://\S*\s*\Z|\{\s*\"(?:url|doc_id)\"": f"a link: {ITSELF}",
    rb"<": "a web page: download the .ipynb file itself",
    rb"version https://git-lfs": "git's stand-in for a large file: run `git lfs pull`, then take the file again",
    rb"\x00\x05\x16\x07": f"what macOS keeps beside a file: {ITSELF}, whose name begins without `._`",
}
"""How files begin that are handed in by mistake; what they are, and what to do."""
BEGINNINGS = [(re.compile(pattern, re.DOTALL), what) for pattern, what in KNOWN.items()]


def known(content: bytes) -> str:
    """What a file is that begins as no notebook does, and what to do about it, or "".

    >>> known(b"%PDF-1.7")
    'a PDF: hand in the .ipynb file itself'
    """
    raw = content[:HEAD]
    heads = raw, _text(raw).lstrip().encode("utf-8", "surrogatepass")
    return next((what for pattern, what in BEGINNINGS if any(map(pattern.match, heads))), "")


def advice(content: bytes, error: Exception, whole: bool = True) -> str:
    """The end of a sentence on a file that is not JSON: what is wrong with it, where, and what to do.

    Args:
        content: of the file.
        error: what reading it raised; a JSONDecodeError says where.
        whole: the content is the whole file, so places in it are places in the file.
    """
    if re.search(rb"^<{7} ", content, re.MULTILINE) and re.search(rb"^>{7} ", content, re.MULTILINE):
        return ", since git's marks of a merge conflict stand in it: settle the conflict first"
    text = _text(content[:HEAD]).lstrip()
    if text.startswith("{"):
        where = ""
        if isinstance(error, json.JSONDecodeError):
            if error.msg.startswith("Unterminated") or not error.doc[error.pos :].strip(" \t\r\n\0"):
                return ", and is cut off in the middle: save the notebook and hand it in again"
            where = f" at line {error.lineno}, column {error.colno}" * whole
        return f", and is damaged{where}: save the notebook in its editor and hand it in again"
    if re.search(r"[^\t\n\f\r -~\u0080-\uffff\U00010000-\U0010ffff]", text):
        return f", nor any other text: {ITSELF}"
    return f", but Python or other text: {ITSELF}"


def _text(content: bytes) -> str:
    """The text in the beginning of a file, as far as it is text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "ignore")
    return content.decode("utf-8-sig", "replace")
