"""Read what editors write: any encoding, any notebook format, odd or missing metadata, outputs of any size."""

from __future__ import annotations

import json
import re
from typing import Any

import nbformat
from nbformat import NotebookNode

from pixel_edu.config import UserError
from pixel_edu.notebooks import mistaken

LARGEST = 256 << 20
"""The largest file that is read, in bytes."""
LEAN = 16 << 20
"""The most that may remain of it without outputs, in bytes; each takes some 20 bytes of memory while it is parsed."""
TOKEN = re.compile(
    rb'"(?:outputs"\s*+:\s*+\[|(?:widgets|attachments)"\s*+:\s*+\{)'  # what is dropped
    rb'|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]',
    re.DOTALL,
)
KINDS = {"code", "markdown", "raw"}


class Unreadable(UserError):
    """A file that is not a notebook; the message says why, without the file's name."""


def parse(content: bytes, outputs: bool = False) -> tuple[NotebookNode, list[str]]:
    """The notebook in a file, in today's format, and what had to be done for that.

    Every cell has a known type, metadata that are dictionaries, and a source with `\\n` at its lines' ends. A cell has
    an id only where the file gives one. Lone surrogates are written as their escapes.

    Args:
        content: the file's bytes, in any encoding of JSON, or in Windows's where it is not UTF-8.
        outputs: keep them, and the state of widgets; those of formats older than 4 are dropped all the same.

    Raises:
        Unreadable: it is not a notebook.
    """
    if len(content) > LARGEST:
        raise Unreadable(
            f"it is {len(content) >> 20} MiB large, more than {LARGEST >> 20} MiB: clear the outputs"
        )
    if not content.strip(b" \t\r\n\0"):
        raise Unreadable("it is empty")
    if what := mistaken.known(content):
        raise Unreadable(f"it is not a notebook but {what}")
    raw, notes = _json(content, outputs)
    if not isinstance(raw, dict) or not isinstance(raw.get("nbformat", 4), int | float):
        raise Unreadable(f"it is not a notebook: it has no `nbformat`; {mistaken.ITSELF}")
    worksheets = [each.get("cells") for each in _dicts(raw.get("worksheets"))]
    cells = raw["cells"] if "cells" in raw else [cell for each in worksheets for cell in _dicts(each)]
    if not isinstance(cells, list) or not ("cells" in raw or "worksheets" in raw):
        raise Unreadable(f"it is not a notebook: it has no cells; {mistaken.ITSELF}")
    old = raw.get("nbformat", 4) < 4
    if old:
        notes.append(f"upgraded from notebook format {raw['nbformat']}")
    metadata = _dict(raw.get("metadata"))
    if not isinstance(metadata.get("kernelspec", {}), dict):
        del metadata["kernelspec"]
    cells = [_cell(cell, outputs and not old) for cell in _dicts(cells)]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    return NotebookNode(nbformat.from_dict(notebook)), notes


def _json(content: bytes, outputs: bool) -> tuple[Any, list[str]]:
    """What stands in a file, and notes."""
    notes, whole = [], True
    try:
        encoding = json.detect_encoding(content)
        if encoding not in ("utf-8", "utf-8-sig"):
            content = content.decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass")
        if len(content) > LEAN and not outputs:
            content, whole = _without_outputs(content), False
            if len(content) > LEAN:
                raise Unreadable(
                    f"it is {len(content) >> 20} MiB large without its outputs, more than {LEAN >> 20} MiB: take out "
                    "what is not text"
                )
        try:
            text = content.decode("utf-8-sig", "surrogatepass")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
            notes.append("read as Windows-1252, since it is not UTF-8")
        return json.loads(text), notes
    except (UnicodeError, ValueError, RecursionError) as error:
        what = mistaken.advice(content, error, whole)
        raise Unreadable(f"it is not a notebook: its content is not JSON{what}") from None


def _without_outputs(content: bytes) -> bytes:
    """JSON with nothing in its lists of outputs, states of widgets and attachments, found without parsing them."""
    kept, begin, depth = [], 0, 0
    for token in TOKEN.finditer(content):
        last = content[token.end() - 1]
        if depth:
            depth += (last in b"[{") - (last in b"]}")
            if not depth:
                begin = token.end() - 1
        elif last in b"[{" and token.end() - token.start() > 1:
            kept.append(content[begin : token.end()])
            depth = 1
    return b"".join(kept) + (b"" if depth else content[begin:])


def _cell(raw: dict, outputs: bool) -> dict:
    """A cell as format 4.5 has it, but with an id only if it has one."""
    kind, source = raw.get("cell_type"), _source(raw.get("source", raw.get("input")))
    if kind not in KINDS:
        kind = "markdown" if kind in ("heading", "html") or raw.get("language") == "markdown" else "code"
    if raw.get("cell_type") == "heading":
        source = f"{'#' * next((n for n in range(1, 7) if n == raw.get('level')), 1)} {source}"
    cell = {"cell_type": kind, "metadata": _cell_metadata(raw.get("metadata")), "source": source}
    if isinstance(raw.get("id"), str):
        cell["id"] = raw["id"]
    if kind == "code":
        count = raw.get("execution_count")
        cell["execution_count"] = count if outputs and isinstance(count, int) else None
        cell["outputs"] = list(_dicts(raw.get("outputs"))) if outputs else []
    elif outputs and isinstance(raw.get("attachments"), dict):
        cell["attachments"] = raw["attachments"]
    return cell


def _cell_metadata(raw: Any) -> dict:
    """A cell's metadata, in which nbgrader's are whole and tags are a list, or there are none."""
    metadata = _dict(raw)
    if not isinstance(metadata.get("tags", []), list):
        del metadata["tags"]
    facts = metadata.pop("nbgrader", None)
    if isinstance(facts, dict) and isinstance(facts.get("grade_id"), str) and facts["grade_id"]:
        absent = {
            key: False for key in ("grade", "solution", "locked") if not isinstance(facts.get(key), bool)
        }
        metadata["nbgrader"] = facts | absent
    return metadata


def _source(raw: Any) -> str:
    """A source, which may be stored in one piece, as lines, or as lines without their ends."""
    if isinstance(raw, list):
        lines = [each for each in raw if isinstance(each, str)]
        ends = any(each.endswith(("\n", "\r")) for each in lines[:-1])
        raw = ("" if ends else "\n").join(lines)
    text = raw if isinstance(raw, str) else ""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "backslashreplace").decode()


def _dict(value: Any) -> dict:
    return dict(value) if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
