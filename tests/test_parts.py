"""What the program knows of a sprite's parts, against sprites that it drew itself."""

import numpy as np
import pytest

from pixel_edu import parts, sprites
from pixel_edu.classifier import load_classifier
from pixel_edu.config import CLASSES
from pixel_edu.sprites.palette import RAMPS

SEEDS = np.arange(400)
LABELS = range(len(CLASSES))


def colors_of(images):
    """Positions in `sprites.colors()`, of images that hold no other colours."""
    return (images[..., None, :] == sprites.colors()).all(axis=-1).argmax(axis=-1)


@pytest.mark.parametrize("label", LABELS)
def test_every_part_of_every_sprite_is_of_the_ramp_that_it_was_drawn_with(label):
    words = sprites.factors(label, SEEDS)
    maps, ramps = sprites.part_maps(label, words), colors_of(sprites.draw(label, SEEDS)) // 5
    for kind in sprites.KINDS[label]:
        rows = words["kind"] == kind.name
        assert rows.any()
        assert set(np.unique(ramps[rows][maps[rows] == 0])) == {list(RAMPS).index("ink")}
        for part, role in enumerate(kind.ramps, start=1):
            wanted = np.array([list(RAMPS).index(name) for name in words[f"{role} ramp"][rows]])
            inside = maps[rows] == part
            assert (ramps[rows] == wanted[:, None, None])[inside].all()


def test_a_part_map_needs_neither_all_factors_nor_known_words():
    whole = sprites.part_maps(
        2, {"kind": np.array(["apple", "apple", "hero"]), "body": np.array(["", "?", ""])}
    )
    assert (whole[0] == whole[1]).all()
    assert whole[0].any()
    assert not whole[2].any()  # no food


@pytest.mark.parametrize("label", LABELS)
def test_what_the_classifier_sees_is_near_enough_to_find_the_parts(label):
    eye = load_classifier()
    images = sprites.draw(label, SEEDS)
    seen = eye.look(images)
    words = parts.seen_factors(seen, eye.heads)
    assert np.mean(words["kind"] == sprites.factors(label, SEEDS)["kind"]) > 0.98
    maps = parts.seen_parts(seen, eye.heads)
    assert np.mean(maps == sprites.part_maps(label, sprites.factors(label, SEEDS))) > 0.95
    assert parts.off_ramp(colors_of(images), maps).mean() < 0.06


def test_pixels_off_the_ramp_are_counted_part_by_part():
    maps = np.zeros((3, 16, 16), np.int64)
    maps[:, 0, :4], maps[:, 1, :6] = 1, 2
    colors = np.full((3, 16, 16), 7)
    colors[0, 1, :6] = [10, 11, 12, 13, 14, 15]  # five of ramp 2, one of ramp 3; part 1 is all of ramp 1
    colors[1, 0, :4] = [5, 9, 10, 14]  # two of ramp 1, two of ramp 2
    maps[2] = 0
    assert parts.off_ramp(colors, maps).tolist() == [0.1, 0.2, 0]


def test_two_eyes_are_alike_or_they_are_not():
    faces = np.full((4, 16, 16), 7)
    faces[:3, 6, [5, 10]] = 0
    faces[1, 6, 10] = 7  # one eye
    faces[2, 7, 4] = 0  # three
    faces[:, 14, 3] = 0  # ink elsewhere is not an eye
    assert parts.equal_eyes(faces).tolist() == [True, False, False, False]


def test_nearly_all_heroes_have_two_eyes_alike_until_they_are_moved():
    fronts = colors_of(sprites.draw(0, SEEDS))
    assert parts.equal_eyes(fronts).mean() > 0.9
    assert parts.equal_eyes(np.roll(fronts, 1, axis=2)).mean() < 0.1
