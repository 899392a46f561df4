"""Each measure of `evaluate` by hand, on few sprites and with a classifier that is a formula."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from pixel_edu import distances, evaluation, images, palette, parts, pixelart, sprites
from pixel_edu.classifier import Head, Seen
from pixel_edu.evaluation import Yardstick

HEADS = (
    Head("class", ("a", "b")),
    Head("kind", ("hero", "bat")),
    Head("hero.hat", ("none", "cap", "helm")),
    Head("hero.arm", ("left", "right")),
    Head("hero.leg", ("long", "short", "wide", "no")),
    Head("hero.hat ramp", ("red", "blue")),  # a colour, not a part
    Head("bat.wing", ("wide", "thin")),
    Head("bat.ear", ("long", "short", "none")),
)


def look(pictures):
    """Features: mean and spread of each channel; answers: whatever the pixels of the first rows add up to."""
    flat = pictures.reshape(len(pictures), -1, 3) / 255
    features = np.concatenate([flat.mean(axis=1), flat.std(axis=1)], axis=1).astype(np.float32)
    sums = np.stack([pictures[:, 3 + i].sum(axis=(1, 2)) for i in range(len(HEADS))], axis=1).astype(np.int64)
    answers = sums // 7 % [len(head.words) for head in HEADS]
    return Seen(features, answers, tuple(head.name for head in HEADS))


JUDGE = SimpleNamespace(heads=HEADS, look=look)


def few(n, seed):
    return sprites.make(n, seed=seed).images


def make_yardstick():
    other = sprites.make(40, seed=3)
    return Yardstick(
        few(50, 1), few(60, 2), other.images, other.labels % 2, JUDGE, sprites.colors(), procedural=True
    )


def make_drawn(yardstick):
    """Sprites with something for every measure to see: copies, near copies, noise, holes."""
    drawn = few(30, 9)
    drawn[0], drawn[1] = yardstick.train[7], yardstick.train[8, :, ::-1]
    drawn[2] = np.clip(yardstick.train[9].astype(int) - 9, 0, 255)  # 9 levels off: a near copy, and not white
    drawn[3] = np.clip(yardstick.train[10].astype(int) - 15, 0, 255)  # 15 off: none
    drawn[4:9] ^= np.random.default_rng(0).integers(0, 8, drawn[4:9].shape, np.uint8)
    drawn[9:12, 5:8] = 255
    return drawn, np.arange(30) % 3 // 2


def test_every_measure_is_the_mean_that_it_is_said_to_be():
    yardstick = make_yardstick()
    drawn, labels = make_drawn(yardstick)
    scores = {
        key: score.value for key, score in evaluation.evaluate(drawn, labels, yardstick, 20).scores.items()
    }
    seen, real = look(drawn), look(yardstick.real).features
    balls = distances.inside(seen.features, real)
    near = distances.nearest_sprites(drawn, yardstick.train).distance
    assert scores["label_accuracy"] == np.mean(seen.answers[:, 0] == labels) != 0.5
    assert scores["density"] == pytest.approx(balls.per_image.mean() / 5)
    assert scores["coverage"] == balls.reached.mean() != np.mean(balls.per_image > 0)
    assert scores["colors"] == images.count_colors(drawn).mean()
    assert scores["palette_distance"] == pytest.approx(palette.distances(drawn, yardstick.palette).mean())
    assert scores["flat"] == pytest.approx(pixelart.flat_pixels(drawn).mean())
    assert scores["white_border"] == pytest.approx(pixelart.white_border(drawn).mean())
    assert 0 < scores["background"] == pixelart.exact_background(drawn).mean() < 1
    assert scores["stray"] == pytest.approx(pixelart.stray_pixels(drawn).mean())
    mirrored = pixelart.mirror_difference(drawn)
    assert scores["mirror"] == pytest.approx(mirrored.mean())
    assert scores["fronts"] == pytest.approx(mirrored[labels == 0].mean()) != scores["mirror"]
    colors = palette.nearest(drawn, sprites.colors())[0]
    assert scores["off_ramp"] == pytest.approx(parts.off_ramp(colors, parts.seen_parts(seen, HEADS)).mean())
    assert scores["eyes"] == parts.equal_eyes(colors)[labels == 0].mean()
    assert 0 < scores["closed"] == np.mean(pixelart.outline(drawn) == 1) < pixelart.outline(drawn).mean()
    assert scores["nearest"] == pytest.approx(near.mean())
    assert scores["near_copies"] * 30 == np.sum(near < 12) > np.sum(near < 6)
    assert near[2] == pytest.approx(9, abs=0.5)


def test_the_distances_are_between_what_is_seen_in_the_images_and_in_the_real_sprites():
    yardstick = make_yardstick()
    drawn, labels = make_drawn(yardstick)
    found = evaluation.evaluate(drawn, labels, yardstick, 20, seed=5)
    seen, real, draw = look(drawn).features, look(yardstick.real).features, np.random.default_rng(5)
    distances.bootstrap(np.zeros(30), 20, draw)  # the chance that the label accuracy uses up
    assert found.scores["fid"] == distances.frechet_distance(seen, real, 20, draw)
    assert found.scores["kid"] == distances.kernel_distance(seen, real, 20, draw)
    far = np.linalg.norm(seen[:, None] - real[None], axis=2)
    np.testing.assert_allclose(found.oddness, far.min(axis=1), atol=1e-3)
    expected = distances.nearest_sprites(drawn, yardstick.train)
    assert found.nearest.index.tolist() == expected.index.tolist()
    assert found.nearest.index[:3].tolist() == [7, 8, 9]


def test_the_floor_is_what_the_other_sprites_get():
    yardstick = make_yardstick()
    expected = evaluation.evaluate(yardstick.other, yardstick.other_labels, yardstick)
    assert yardstick.floor.scores == expected.scores
    np.testing.assert_array_equal(yardstick.real_features, look(yardstick.real).features)


def test_pairs_are_counted_one_by_one_of_parts_of_one_kind_without_colours():
    seen, draw = look(few(25, 4)), np.random.default_rng(3)
    possible, columns = 0, {}
    for place, kind in enumerate(HEADS[1].words):
        parts = [i for i, h in enumerate(HEADS) if h.name.startswith(f"{kind}.") and "ramp" not in h.name]
        for i, j in combinations(parts, 2):
            possible += len(HEADS[i].words) * len(HEADS[j].words)
            columns[i, j] = place

    def share(rows):
        answers = seen.answers[rows]
        found = {(i, j, a[i], a[j]) for (i, j), place in columns.items() for a in answers if a[1] == place}
        return len(found) / possible

    expected = distances.plus_minus(
        share(slice(None)), [share(draw.integers(25, size=25)) for _ in range(15)]
    )
    found = evaluation.pairs_seen(seen, JUDGE, 15, np.random.default_rng(3))
    assert found == pytest.approx(expected)
    assert possible == 6 + 12 + 8 + 6
    assert 0.1 < found.value < 0.9


def test_the_three_sets_of_the_procedural_yardstick_share_no_seed():
    yardstick = evaluation.procedural_yardstick(n=20, train=20, real=20)
    sets = [yardstick.train, yardstick.real, yardstick.other]
    assert [len(part) for part in sets] == [20] * 3
    for one, two in combinations(sets, 2):
        assert not np.array_equal(one, two)
    expected = sprites.make(20)
    np.testing.assert_array_equal(yardstick.train, expected.images)  # as `pixel-edu train` draws them
    assert yardstick.classifier.look(yardstick.other).labels.tolist() == yardstick.other_labels.tolist()
