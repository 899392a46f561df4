import numpy as np
import pytest

from pixel_edu import palette
from pixel_edu.config import CLASSES
from pixel_edu.facts import CHANNELS_OF, DataFacts, fingerprint, licence_in


def test_facts_are_counted_from_the_sprites():
    images, labels = np.zeros((3, 8, 8, 4), np.uint8), np.array([0, 2, 2])
    facts = DataFacts.of(images, labels, ["a", "b", "c"], "CC0")
    assert facts == DataFacts(("a", "b", "c"), 8, 4, None, (1, 0, 2), "CC0", fingerprint(images, labels))
    assert DataFacts.of(images, labels).classes == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(("drawn", "pictures"), [(3, 3), (4, 4), (palette.BITS, 3), (palette.BITS + 1, 4)])
def test_pictures_of_bits_have_the_channels_that_the_bits_are_read_as(drawn, pictures):
    assert CHANNELS_OF[drawn] == pictures
    images = np.zeros((1, 8, 8, drawn), np.uint8)
    assert DataFacts.of(images, np.zeros(1, int)).channels == pictures
    assert palette.as_sprites(images, np.zeros((2, 3), np.uint8)).shape[-1] == pictures


def test_the_fingerprint_changes_with_pictures_labels_and_their_order():
    images, labels = np.arange(192, dtype=np.uint8).reshape(4, 4, 4, 3), np.array([0, 1, 1, 1])
    others = [
        (images[::-1], labels),
        (images, labels[::-1]),
        (255 - images, labels),
        (images[:3], labels[:3]),
    ]
    found = {fingerprint(*pair) for pair in [(images, labels), *others]}
    assert len(found) == 5
    assert fingerprint(images.copy(), labels.copy()) in found


@pytest.mark.parametrize(
    ("source", "noted", "names", "procedural"),
    [
        ("20,000 procedural sprites, seed 0", "", CLASSES, True),
        ("sprites/procedural sprites, 10% held out", "", tuple(f"class {c}" for c in range(5)), False),
        ("mine, 10% held out", "a, b, c, d, e", ("a", "b", "c", "d", "e"), False),
        ("mine, 10% held out", '["a, b", "c", "d", "e", "f"]', ("a, b", "c", "d", "e", "f"), False),
        ("mine, 10% held out", "[x, b, c, d, e", ("[x", "b", "c", "d", "e"), False),
        ("mine, 10% held out", "a, b", tuple(f"class {c}" for c in range(5)), False),
    ],
)
def test_notes_of_the_first_version_are_read(source, noted, names, procedural):
    record = {"data": source, "classes": noted, "sprites": "6 (1, 1, 1, 1, 2 a class)", "digest": "ab"}
    facts = DataFacts.of_record(record | {"palette": "ffffff 17131f"}, 5)
    assert (facts.classes, facts.procedural) == (names, procedural)
    assert (facts.counts, facts.fingerprint, facts.licence) == ((1, 1, 1, 1, 2), "ab", "")
    assert facts.colors.tolist() == [[255, 255, 255], [0x17, 0x13, 0x1F]]


def test_entries_that_this_version_does_not_know_are_passed_over():
    assert DataFacts.read({"classes": ["a"], "size": 8, "artist": "nobody"}) == DataFacts(("a",), 8)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("LICENSE", "CC0 1.0 Universal\n\nAll of it.\n", "CC0 1.0 Universal"),
        ("licence.md", "\n# MIT License\n", "MIT License"),
        ("License.TXT", "\ufeffCC-BY 4.0, by Zoë\r\n", "CC-BY 4.0, by Zoë"),
        ("LICENSE", "\n \n", ""),
        ("LICENSE", "x" * 500, "x" * 200),
        ("my license.txt", "not one that we look for", ""),
    ],
)
def test_the_licence_is_the_first_line_of_its_file(name, text, found, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert licence_in(tmp_path) == found


def test_a_class_called_licence_is_not_a_licence(tmp_path):
    (tmp_path / "license").mkdir()
    assert licence_in(tmp_path) == ""
