"""Read labels.csv as it is published: indices from 1, dummy paths, labels as text."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from pixel_edu.config import CLASSES
from pixel_edu.data.core import DataError

COLUMNS = INDEX, PATH, LABEL = "Image Index", "Image Path", "Label"


def read_table(path: Path, classes: int = len(CLASSES)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read labels.csv, whose labels are one-hot rows of so many classes.

    Returns:
        `Image Index` (N,) int64 as written, 1-based; class numbers (N,) int64; `Image Path` (N,) strings.

    Raises:
        DataError: it is not a table, a column is missing, or an index or label is invalid; the message names the line.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _read(csv.DictReader(file), path, classes)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table ({error}): save it as UTF-8 text") from None


def _read(rows: csv.DictReader, path: Path, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise DataError(f"{path} lacks the column {missing[0]!r}: it needs {', '.join(COLUMNS)}")
    labels: dict[int, int] = {}
    paths: list[str] = []
    known: dict[str, int] = {}  # parsed once each: the published file has five texts in 89,400 rows
    for row in rows:
        where, text = f"{path} line {rows.line_num}", row[LABEL] or ""
        index = _integer(row[INDEX] or "", where)
        if index in labels:
            raise DataError(f"{where}: the {INDEX} {index} appears twice: keep one row for each image")
        if text not in known:
            known[text] = parse_label(text, where, classes)
        labels[index] = known[text]
        paths.append(row[PATH] or "")
    if not labels:
        raise DataError(f"{path} has no rows: download it again")
    return np.array(list(labels), np.int64), np.array(list(labels.values()), np.int64), np.array(paths)


def parse_label(text: str, where: str = "label", classes: int = len(CLASSES)) -> int:
    """The class of a one-hot label written as text.

    >>> parse_label("[0. 0. 0. 0. 1.]")
    4
    """
    words = text.strip().removeprefix("[").removesuffix("]").replace(",", " ").split()
    numbers = [float(word) for word in words if re.fullmatch(r"[01](\.0*)?", word)]
    if len(numbers) != len(words) or len(numbers) != classes or sum(numbers) != 1:
        raise DataError(f"{where}: the label {text[:40]!r} is not one-hot: write it as in [1. 0. 0. 0. 0.]")
    return numbers.index(1)


def _integer(text: str, where: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text.strip()):
        raise DataError(f"{where}: the {INDEX} {text[:40]!r} is not an integer: number the images from 1")
    return int(text)
