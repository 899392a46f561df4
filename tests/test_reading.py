"""A notebook is read whatever an editor made of the file, and whatever it cannot be is said in one sentence."""

import gzip
import json
import tracemalloc
import zipfile

import nbformat
import pytest
from nbformat import v3
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from pixel_edu import notebooks
from pixel_edu.notebooks import reading

FACTS = {"grade": False, "grade_id": "one", "locked": False, "solution": True, "schema_version": 3}
CLEAN = new_notebook(
    cells=[
        new_markdown_cell("# Näme", id="title"),
        new_code_cell("x = 1\ny = 2", id="code", metadata={"nbgrader": FACTS, "tags": ["a"]}),
    ]
)


def raw():
    """The clean notebook in JSON's types."""
    return json.loads(json.dumps(CLEAN))


def parsed(content):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return reading.parse(content)[0]


def told(notebook):
    """What counts of a notebook: types, sources and names of its cells."""
    names = [cell.metadata.get("nbgrader", {}).get("grade_id", "") for cell in notebook.cells]
    return [(cell.cell_type, cell.source, name) for cell, name in zip(notebook.cells, names, strict=True)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"])
def test_any_encoding_is_read(encoding):
    notebook, notes = reading.parse(json.dumps(raw(), ensure_ascii=False).encode(encoding))
    assert told(notebook) == told(CLEAN)
    assert notes == ["read as Windows-1252, since it is not UTF-8"] * (encoding == "cp1252")


def damage(**new):
    """A function that gives every cell some keys, or takes them away where the value is ..."""

    def apply(notebook):
        for cell in notebook["cells"]:
            cell.update(new)
            for key in [key for key, value in new.items() if value is ...]:
                del cell[key]
        return notebook

    return apply


@pytest.mark.parametrize(
    "change",
    [
        lambda nb: {key: nb[key] for key in ("cells", "nbformat")},
        lambda nb: {"cells": nb["cells"]},
        lambda nb: nb | {"metadata": None, "nbformat_minor": "5"},
        lambda nb: nb | {"metadata": {"kernelspec": None, "widgets": 3}},
        lambda nb: nb | {"cells": [*nb["cells"], None, 3, []]},
        damage(id=...),
        damage(id=7),
        damage(id="the same for all"),
        damage(outputs=None, execution_count="3"),
        damage(outputs=[None, 3], attachments=[]),
        lambda nb: (
            nb | {"cells": [c | {"source": c["source"].splitlines(keepends=True)} for c in nb["cells"]]}
        ),
        lambda nb: nb | {"cells": [c | {"source": c["source"].splitlines()} for c in nb["cells"]]},
        lambda nb: nb | {"cells": [c | {"source": c["source"].replace("\n", "\r\n")} for c in nb["cells"]]},
        lambda nb: nb | {"cells": [c | {"source": "\ufeff" + c["source"]} for c in nb["cells"]]},
    ],
)
def test_odd_and_missing_parts_do_not_change_what_is_read(change, tmp_path):
    changed, path = change(raw()), tmp_path / "x.ipynb"
    assert told(parsed(changed)) == told(CLEAN)
    path.write_text(json.dumps(changed))
    nbformat.validate(notebooks.read(path))
    assert told(notebooks.read(path)) == told(CLEAN)


@pytest.mark.parametrize(
    "metadata", [..., None, [], {"nbgrader": None}, {"nbgrader": {"grade_id": 3}}, {"tags": 1}]
)
def test_odd_metadata_of_cells_is_none(metadata):
    cells = damage(metadata=metadata)(raw())["cells"]
    assert [cell.metadata for cell in parsed({"cells": cells, "nbformat": 4}).cells] == [{}, {}]


def test_nbgraders_metadata_are_whole():
    cell = raw()["cells"][1] | {"metadata": {"nbgrader": {"grade_id": "a", "solution": True, "locked": None}}}
    facts = parsed({"cells": [cell], "nbformat": 4}).cells[0].metadata.nbgrader
    assert facts == {"grade_id": "a", "solution": True, "locked": False, "grade": False}


def test_a_source_may_be_missing_and_a_type_unknown():
    cells = [
        {"cell_type": "code"},
        {"source": None},
        {"source": {}},
        {"cell_type": "sql", "source": ["a", 3]},
    ]
    assert told(parsed({"cells": cells})) == [("code", "", "")] * 3 + [("code", "a", "")]


def test_formats_before_4_are_read_with_and_without_a_worksheet():
    old = v3.new_notebook(
        worksheets=[
            v3.new_worksheet(
                cells=[
                    v3.new_heading_cell("Title", level=2),
                    v3.new_text_cell("markdown", "words"),
                    v3.new_code_cell("x = 1", outputs=[v3.new_output("stream", "x")]),
                ]
            )
        ]
    )
    notebook, notes = reading.parse(json.dumps(old).encode())
    assert told(notebook) == [("markdown", "## Title", ""), ("markdown", "words", ""), ("code", "x = 1", "")]
    assert notes == ["upgraded from notebook format 3"]
    assert told(parsed({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []})) == []


def test_a_lone_surrogate_becomes_its_escape():
    for surrogate in ("utf-8", "utf-16"):
        text = json.dumps({"cells": [{"cell_type": "code", "source": "'\udc80'"}]}, ensure_ascii=False)
        assert parsed(text.encode(surrogate, "surrogatepass")).cells[0].source == r"'\udc80'"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b" \n\0", "it is empty"),
        (b"\xff\xfe\0\xd8", "its content is not JSON"),
        (b"[" * 100_000, "its content is not JSON"),
        (
            json.dumps(raw())[:-9].encode(),
            "its content is not JSON, and is cut off in the middle: save the notebook",
        ),
        (
            b'{\n<<<<<<< HEAD\n"cells": [],\n=======\n>>>>>>> ada\n}',
            "merge conflict stand in it: settle the conflict",
        ),
        (b"print(1)\n", "not JSON, but Python or other text: hand in the .ipynb file itself"),
        (b"import torch\n", "not JSON, but Python or other text: hand in the .ipynb file itself"),
        (
            b"#!/usr/bin/env python\n# In[1]:\n",
            "not JSON, but Python or other text: hand in the .ipynb file itself",
        ),
        (b"[]", "has no `nbformat`"),
        (b'{"nbformat": "four", "cells": []}', "has no `nbformat`"),
        (b"{}", "it has no cells"),
        (b'{"cells": {}, "nbformat": 4}', "it has no cells"),
        (b"---\njupyter:\n---\n\n# Noise\n", "not JSON, but Python or other text: hand in the .ipynb file"),
        ("The answer is \u221a\u1fb1, since ...".encode(), "not JSON, but Python or other text: hand in"),
        ("x = 1\n".encode("utf-16"), "not JSON, but Python or other text: hand in the .ipynb file itself"),
        (b"\x80\4\x95\0\0", "not JSON, nor any other text: hand in the .ipynb file itself"),
        (b'{"cells": [] 1}', "damaged at line 1, column 14: save the notebook in its editor and hand it in"),
        (b'{"cells": []}\n# end', "damaged at line 2, column 1: save the notebook in its editor"),
        (b'{"cells": [{"source": "x = ', "cut off in the middle: save the notebook and hand it in again"),
        (b'{"message": "Not Found"}', "it has no cells; hand in the .ipynb file itself"),
        (b"\n<!DOCTYPE html>", "not a notebook but a web page: download the .ipynb file itself"),
        (b"\xef\xbb\xbf<html>Log in", "not a notebook but a web page: download the .ipynb file itself"),
        ("<html>Log in".encode("utf-16"), "not a notebook but a web page: download the .ipynb file itself"),
        (b"PK\3\4...", "not a notebook but a zip archive: unpack it"),
        (gzip.compress(b"{}", mtime=0), "not a notebook but an archive: unpack it"),
        (b"Rar!\x1a\7\1\0", "not a notebook but an archive: unpack it"),
        (b"a.ipynb".ljust(257, b"\0") + b"ustar\x0000", "not a notebook but an archive: unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "not a notebook but an office document: hand in the .ipynb file"),
        (b"{\\rtf1 Hello}", "not a notebook but an office document: hand in the .ipynb file itself"),
        (b"\x89PNG\r\n\x1a\n", "not a notebook but a picture or a film: hand in the .ipynb file itself"),
        (b"\0\0\0\x18ftypheic", "not a notebook but a picture or a film: hand in the .ipynb file itself"),
        (b"https://colab.research.google.com/drive/1\n", "not a notebook but a link: hand in the .ipynb"),
        (b"[InternetShortcut]\nURL=http://x", "not a notebook but a link: hand in the .ipynb file itself"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "git's stand-in for a large file: run `git lfs pull`",
        ),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "not a notebook but what macOS keeps beside a file"),
    ],
)
def test_what_is_not_a_notebook_is_one_sentence(content, says, tmp_path):
    with pytest.raises(reading.Unreadable, match=says) as refused:
        reading.parse(content)
    assert "\n" not in str(refused.value)
    path = tmp_path / "bad.ipynb"
    path.write_bytes(content)
    with pytest.raises(notebooks.NotebookError, match=f"bad.ipynb: .*{says}"):
        notebooks.read(path)


def test_large_outputs_and_widget_states_are_passed_over_in_little_memory():
    large = raw()
    picture = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": "A" * (17 << 20) + '\\"]}'},
    }
    large["cells"][1]["outputs"] = [picture, {"data": {"application/json": {"outputs": [{"a": "]"}]}}}]
    large["cells"][1]["source"] += '\nz = {"outputs": [1, "\\\\"]}'
    large["metadata"]["widgets"] = {"state": {str(i): {"a": [[], {}]} for i in range(5_000)}}
    content = json.dumps(large).encode()
    assert len(content) > reading.LEAN
    tracemalloc.start()
    notebook = parsed(content)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert notebook.cells[1].source == large["cells"][1]["source"]
    assert notebook.metadata.widgets == {}
    assert most < 1 << 20


def test_too_much_is_one_sentence(monkeypatch):
    monkeypatch.setattr(reading, "LEAN", 100)
    with pytest.raises(reading.Unreadable, match="0 MiB large without its outputs"):
        parsed(raw())
    monkeypatch.setattr(reading, "LARGEST", 100)
    with pytest.raises(reading.Unreadable, match="0 MiB large, more than 0 MiB: clear the outputs"):
        parsed(raw())


def test_a_file_that_is_not_there_or_no_file_is_one_sentence(tmp_path):
    for path, says in ((tmp_path / "x.ipynb", "no such notebook"), (tmp_path, "Is a directory")):
        with pytest.raises(notebooks.NotebookError, match=says):
            notebooks.read(path)


def test_outputs_are_kept_where_they_are_asked_for(tmp_path):
    notebook = raw()
    output = {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]}
    notebook["cells"][1] |= {"outputs": [output], "execution_count": 3}
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-16")
    assert notebooks.read(path).cells[1].outputs[0].text == "a\nb"
    assert notebooks.read(path, outputs=False).cells[1].outputs == []


@pytest.mark.parametrize(
    "members", [{"[Content_Types].xml": "", "word/document.xml": ""}, {"mimetype": "application/vnd.oasis.x"}]
)
def test_an_office_document_is_not_to_be_unpacked(members, tmp_path):
    with zipfile.ZipFile(tmp_path / "hw.docx", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    says = r"not a notebook but an office document: hand in the \.ipynb file itself"
    with pytest.raises(reading.Unreadable, match=says):
        reading.parse((tmp_path / "hw.docx").read_bytes())


def test_a_place_in_a_file_is_told_only_where_its_outputs_were_not_left_out(monkeypatch):
    damaged = b'{"outputs": ["a",\n"b"],\n"cells": [] 1}'
    with pytest.raises(reading.Unreadable, match="damaged at line 3, column 13"):
        reading.parse(damaged)
    monkeypatch.setattr(reading, "LEAN", len(damaged) - 1)
    with pytest.raises(reading.Unreadable, match="damaged: save"):
        reading.parse(damaged)
