"""Whatever lies in a dataset's folder, there is a result or one sentence: folders are made up, and read."""

import io
import os
import re
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixel_edu import data, runs
from pixel_edu.cli import main
from pixel_edu.config import UserError

NOISE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
ODD_NAME = os.fsdecode(b"J\xe9")
"""Not UTF-8, as from an old archive."""


def picture(mode="RGB", size=(16, 16), form="PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(NOISE).convert(mode).resize(size).save(file, form, **options)
    return file.getvalue()


def array(values) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


PICTURES = {
    "colours": picture(),
    "grey": picture("L"),
    "bits": picture("1"),
    "alpha": picture("RGBA", (24, 16)),
    "palette": picture("P", form="GIF"),
    "print": picture("CMYK", form="JPEG"),
    "one": picture(size=(1, 1)),
    "long": picture(size=(300, 1)),
    "animation": picture(form="GIF", save_all=True, append_images=[Image.new("RGB", (16, 16))]),
    "half": picture()[:200],
    "empty": b"",
    "text": "<html>não é uma imagem".encode("latin-1"),
}
ARRAYS = {
    "images": array(np.stack([NOISE] * 4)),
    "labels": array(np.arange(4)),
    "one-hot": array(np.eye(5)[:4]),
    "floats": array(np.full((4, 5), np.nan)),
    "flat": array(np.zeros(4, np.uint8)),
    "none": array(np.zeros((0, 16, 16, 3), np.uint8)),
    "scalar": array(np.float64(1)),
    "words": array(np.array(["food"])),
    "half": array(np.stack([NOISE] * 4))[:900],
    "text": b"Image Index,Image Path,Label\n",
}
TABLES = {
    "good": b"Image Index,Image Path,Label\n" + b"".join(b"%d,x,[1. 0. 0. 0. 0.]\n" % i for i in range(1, 5)),
    "short": b"Image Index,Image Path,Label\n1\n",
    "semicolons": b"Image Index;Image Path;Label\n1;x;[1. 0. 0. 0. 0.]\n",
    "zeros": b"Image Index,Image Path,Label\n1,\0,[1. 0. 0. 0. 0.]\n",
    "utf-16": "Image Index,Image Path,Label\n1,x,[1. 0. 0. 0. 0.]\n".encode("utf-16"),
    "empty": b"",
}
SPECIAL = ["folder", "loop", "nowhere", "pipe"]
CLASSES = ["food", "items", "é", "e\u0301", "a b", "[red]", "__MACOSX", ".git", ODD_NAME]
FILES = [
    "1.png",
    "2.PNG",
    "3.jpeg",
    "4.gif",
    "Thumbs.db",
    ".DS_Store",
    "._1.png",
    "no name",
    f"{ODD_NAME}.png",
]

own = st.tuples(
    st.builds("{}/{}".format, st.sampled_from(CLASSES), st.sampled_from(FILES)),
    st.sampled_from([*PICTURES.items(), *((each, None) for each in SPECIAL)]),
)
loose = st.tuples(
    st.sampled_from(FILES), st.sampled_from([*PICTURES.items(), *((each, None) for each in SPECIAL)])
)
jpegs = st.tuples(
    st.sampled_from([f"images/images/image_{k}.JPEG" for k in ("0", "1", "7", "99999999999999999999")]),
    st.sampled_from(
        [("print", PICTURES["print"]), ("text", PICTURES["text"]), *((each, None) for each in SPECIAL)]
    ),
)
arrays = st.tuples(
    st.sampled_from(["sprites.npy", "sprites_labels.npy", "a/sprites.npy"]),
    st.sampled_from([*ARRAYS.items(), *((each, None) for each in SPECIAL)]),
)
tables = st.tuples(
    st.just("labels.csv"), st.sampled_from([*TABLES.items(), *((each, None) for each in SPECIAL)])
)
folders = st.one_of(
    st.lists(own, max_size=12),
    st.lists(st.one_of(arrays, tables, jpegs), max_size=6),
    st.lists(st.one_of(own, loose, arrays, tables, jpegs), max_size=8),
)


def lay(path: Path, kind: str, content: bytes | None) -> None:
    """Put something at a path, unless something else is there or in the way."""
    if os.path.lexists(path) or any(each.exists() and not each.is_dir() for each in path.parents):
        return
    if os.path.islink(path.parent):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path.name if kind == "loop" else "nowhere")


def typed(*words) -> tuple[str, str]:
    """What a command prints, and what it complains of, where only UTF-8 can be printed."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
    with (
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
        patch("sys.argv", ["pixel-edu", *map(str, words)]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert ended.value.code in (0, 1)
    for stream in streams:
        stream.flush()
    return tuple(stream.buffer.getvalue().decode() for stream in streams)


@settings(max_examples=60, deadline=None)
@given(folders, st.booleans())
def test_a_dataset_of_whatever_files_gives_a_result_or_one_sentence(files, skip_bad):
    folder = Path(tempfile.mkdtemp())
    try:
        for name, (kind, content) in files:
            lay(folder / name, kind, content)
        said, complaint = typed("data", "check", folder, *["--skip-bad"] * skip_bad)
        if complaint:
            assert re.fullmatch(r"error: .+: .+\n", complaint)
            with suppress(UserError):  # the check reads more than a reader does
                data.load(folder, skip_bad)
            return
        assert " rows, " in said
        read = data.load(folder, skip_bad)
        assert len(read.images) == len(read.labels) > 0
        assert set(read.labels.tolist()) <= set(range(len(read.classes)))
        if len(read) == 1:  # nothing can be learned from it
            return
        images, labels = runs.training_part(read, 0.0, len(read.classes))
        assert np.array_equal(images, read.images)
        assert np.array_equal(labels, read.labels)
    finally:
        shutil.rmtree(folder)


def test_a_pipe_among_the_pictures_is_not_waited_for(tmp_path):
    (tmp_path / "food").mkdir()
    os.mkfifo(tmp_path / "food" / "1.png")
    with pytest.raises(data.DataError, match=r"1\.png is not a file: replace it, or take it out"):
        data.load(tmp_path)
