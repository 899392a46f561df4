"""Training and validation parts that share no sprite, not even mirrored."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from pixel_edu.data.core import DataError
from pixel_edu.images import mirror_keys

CHUNK = 4096
"""Rows hashed at a time, so that a memory-mapped file stays on disk."""


class Split(NamedTuple):
    """Row numbers of the two parts, each (M,) int64 in ascending order."""

    train: np.ndarray
    validation: np.ndarray


def split(images: np.ndarray, labels: np.ndarray, validation: float = 0.1) -> Split:
    """Divide rows so that no validation image is in training, not even mirrored.

    In each class the base sprites are ordered by the hash of their pixels, and the first are held out.
    So the split is the same on every machine and for every order of the rows, however often rows are copied.
    JPEG noise turns a sprite and its mirror image into two sprites: split the arrays, not the JPEGs.

    Args:
        images: (N, 16, 16, 3) uint8.
        labels: (N,) integers.
        validation: share of each class's base sprites to hold out, 0 to 1, rounded to whole sprites.

    Raises:
        DataError: the share is out of range, or there is not one label for each image.

    >>> images = np.arange(10, dtype=np.uint8).repeat(768).reshape(10, 16, 16, 3)
    >>> parts = split(images, np.zeros(10, int), validation=0.2)
    >>> len(parts.train), len(parts.validation)
    (8, 2)
    """
    labels = np.asarray(labels)
    if not 0 <= validation <= 1:
        raise DataError(f"the validation share is {validation}: choose one from 0 to 1")
    if len(images) != len(labels):
        raise DataError(f"there are {len(images)} images and {len(labels)} labels: pass one for each")
    bases, group = np.unique(base_ids(images), return_inverse=True)  # in the order of their hashes
    base_label = np.full(len(bases), np.iinfo(np.int64).max)
    np.minimum.at(base_label, group, labels)  # a sprite with two labels counts for the lower one
    held_out = np.zeros(len(bases), bool)
    for c in np.unique(labels):
        members = np.flatnonzero(base_label == c)
        held_out[members[: round(len(members) * validation)]] = True
    return Split(np.flatnonzero(~held_out[group]), np.flatnonzero(held_out[group]))


def base_ids(images: np.ndarray) -> np.ndarray:
    """A number for each image, equal for its copies and its mirror image: (N, 16, 16, 3) uint8 to (N,) uint64.

    It is a hash: two different sprites among 89,400 share one with probability 2e-10.
    """
    digests = []
    for start in range(0, len(images), CHUNK):
        keys = mirror_keys(images[start : start + CHUNK])
        digests += [blake2b(key.tobytes(), digest_size=8).digest() for key in keys]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)  # big-endian: one order on every machine
