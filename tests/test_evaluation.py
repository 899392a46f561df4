"""Every measure against a case whose answer is known, and against the damage that it is there to see."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pixel_edu import data, distances, evaluation, report, sprites
from pixel_edu.config import CLASSES, UserError
from pixel_edu.denoiser import Denoiser
from pixel_edu.evaluation import MEASURES, Score
from pixel_edu.schedules import cosine

WHITE, INK, RED = [255, 255, 255], [23, 19, 31], [210, 59, 63]


def draw(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def yardstick():
    return evaluation.procedural_yardstick(300, train=2000, real=600)


@pytest.fixture(scope="module")
def real():
    return sprites.make(300, seed=77)


@pytest.fixture(scope="module")
def found(yardstick, real):
    return evaluation.evaluate(real.images, real.labels, yardstick, resamples=40)


def test_a_bootstrap_interval_has_the_width_of_the_normal_one():
    values = draw().normal(3, 2, 400)
    score = evaluation.bootstrap(values, 2000, draw(1))
    assert score.value == pytest.approx(values.mean())
    assert score.high - score.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_a_bootstrap_interval_holds_the_truth_about_as_often_as_it_says():
    scores = [evaluation.bootstrap(draw(i).random(200) < 0.3, 200, draw(i + 999)) for i in range(200)]
    assert 0.88 < np.mean([score.low <= 0.3 <= score.high for score in scores]) <= 1


def test_the_frechet_distance_of_gaussian_clouds_is_the_closed_form():
    real = draw(0).normal(size=(200_000, 3))
    other = draw(1).normal(size=(200_000, 3)) * (1, 2, 0.5) + (2, 0, 0)
    score = evaluation.frechet_distance(other, real, 5, draw(2))
    assert score.value == pytest.approx(4 + 1 + 0.25, rel=0.02)  # |mean|², and (1 - std)² along each axis
    assert score.low < score.value < score.high


def test_the_kernel_distance_is_nothing_for_the_same_cloud_and_something_for_another():
    a, b = (draw(i).normal(size=(3000, 8)) for i in range(2))
    same = evaluation.kernel_distance(a, b, 200, draw(5))
    assert same.low < 0 < same.high
    moved = evaluation.kernel_distance(a + 0.5, b, 200, draw(5))
    assert moved.low > 50 * abs(same.value)


def test_density_and_coverage_of_points_on_a_line(monkeypatch):
    monkeypatch.setattr(distances, "NEIGHBOURS", 1)
    real = np.array([[0.0], [1], [10], [12]], np.float32)  # balls: -1..1, 0..2, 8..12, 10..14
    inside = distances.inside(np.array([[0.5], [11], [20], [1.5]], np.float32), real)
    assert inside.per_image.tolist() == [2, 2, 0, 1]
    assert inside.reached.tolist() == [True, True, True, True]
    assert distances.inside(np.full((4, 1), 0.5, np.float32), real).reached.tolist() == [1, 1, 0, 0]


def test_the_nearest_sprite_is_that_of_a_plain_search_with_mirrors():
    a, b = sprites.make(40, seed=1).images, sprites.make(2100, seed=2).images
    found = evaluation.nearest_sprites(a, b)
    for i in (0, 7, 39):
        far = [
            np.sqrt(np.square(a[i].astype(float) - side).mean(axis=(1, 2, 3)))
            for side in (b.astype(float), b[:, :, ::-1].astype(float))
        ]
        assert found.distance[i] == pytest.approx(np.min(far), abs=0.02)
        assert far[int(found.mirrored[i])][found.index[i]] == pytest.approx(np.min(far), abs=0.02)


def test_a_mirrored_copy_is_found():
    b = sprites.make(100).images
    found = evaluation.nearest_sprites(b[40:42, :, ::-1], b)
    assert found.index.tolist() == [40, 41]
    assert found.mirrored.all()
    assert found.distance.max() < 0.1


def test_a_pixel_is_flat_if_it_has_a_neighbour_of_its_colour():
    image = np.zeros((1, 3, 3, 3), np.uint8)
    image[0] = np.arange(9).reshape(3, 3, 1) * 20
    image[0, 0, 1] = image[0, 0, 0] + 2
    image[0, 2, 2] = image[0, 1, 2] - 2
    image[0, 2, 0] = image[0, 1, 1]  # only corner to corner
    assert evaluation.flat_pixels(image)[0].tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_the_border_is_the_outermost_ring():
    image = np.full((2, 4, 4, 3), 255, np.uint8)
    image[0, 1:3, 1:3] = 0
    image[1, 0, 0], image[1, 0, 1], image[1, 3, 3] = 0, 253, 252
    assert evaluation.white_border(image).tolist() == [1, pytest.approx(10 / 12)]


def boxed(hole=None, inner=RED):
    """A red box with an ink outline, two pixels from the border."""
    image = np.full((1, 10, 10, 3), 255, np.uint8)
    image[0, 2:8, 2:8] = INK
    image[0, 3:7, 3:7] = inner
    if hole:
        image[0][hole] = WHITE
    return image


def test_an_outline_is_closed_or_it_is_not():
    assert evaluation.outline(boxed()) == 1
    assert evaluation.outline(boxed(inner=WHITE)) == 1  # white inside is not background
    assert evaluation.outline(boxed(hole=(2, 4))) == pytest.approx(19 / 20)  # now the red below touches it
    assert evaluation.outline(boxed(hole=(2, 2))) == 1  # corners touch nothing
    assert evaluation.outline(np.full((1, 5, 5, 3), 255, np.uint8)) == 1
    red = np.full((1, 6, 6, 3), 255, np.uint8)
    red[0, 2:4, 2:4] = RED
    assert evaluation.outline(red) == 0


def test_every_procedural_sprite_is_closed(real):
    assert (evaluation.outline(real.images) == 1).all()


def test_real_sprites_are_as_good_as_real(found, yardstick):
    floor = yardstick.floor.scores
    assert ["two_sample", *found.scores] == [measure.key for measure in MEASURES if not measure.alpha]
    for key, score in found.scores.items():
        assert score.low <= score.value <= score.high, key
        assert score.low <= floor[key].high, key
        assert score.high >= floor[key].low, key
    assert found.scores["closed"] == Score(1, 1, 1)
    assert found.scores["palette_distance"].value < 1e-4


def sprinkled(images):
    """Every third pixel of every third row takes a colour of its own."""
    hurt = images.copy()
    hurt[:, ::3, ::3] = [1, 2, 3]
    return hurt


def patched(images):
    """The middle of each sprite is shifted to colours of the other ramps."""
    hurt, colors = images.copy(), sprites.colors()
    hurt[:, 6:9, 6:9] = colors[draw().integers(5, len(colors), (len(images), 3, 3))]
    return hurt


def halves(images):
    """The left half, and its mirror image."""
    return np.concatenate([images[:, :, :8], images[:, :, 7::-1]], axis=2)


DAMAGE = {
    "label_accuracy": lambda images, labels, train: (images, (labels + 1) % 5),
    "fid": lambda images, labels, train: (images // 2 * 2 // 3 * 2, labels),
    "kid": lambda images, labels, train: (images // 3 * 2, labels),
    "density": lambda images, labels, train: (draw().permuted(images, axis=2), labels),
    "coverage": lambda images, labels, train: (images[labels == 2][[0] * len(images)], labels * 0 + 2),
    "colors": lambda images, labels, train: (images - draw().integers(0, 9, images.shape, np.uint8), labels),
    "palette_distance": lambda images, labels, train: (images // 9 * 8, labels),
    "flat": lambda images, labels, train: (images - draw().integers(0, 9, images.shape, np.uint8), labels),
    "stray": lambda images, labels, train: (sprinkled(images), labels),
    "mirror": lambda images, labels, train: (halves(images), labels),
    "white_border": lambda images, labels, train: (np.minimum(images, 250), labels),
    "background": lambda images, labels, train: (np.minimum(images, 254), labels),
    "closed": lambda images, labels, train: (np.maximum(images, 100), labels),
    "off_ramp": lambda images, labels, train: (patched(images), labels),
    "fronts": lambda images, labels, train: (np.roll(images, 2, axis=2), labels),
    "eyes": lambda images, labels, train: (np.roll(images, 1, axis=2), labels),
    "pairs": lambda images, labels, train: (images[labels == 3][np.arange(len(images)) % 20], labels * 0 + 3),
    "nearest": lambda images, labels, train: (train[: len(images)], labels),
    "near_copies": lambda images, labels, train: (train[: len(images), :, ::-1], labels),
}


def smeared(images):
    """What is transparent in the uppermost rows becomes opaque."""
    filled = images.copy()
    filled[:, :3, :, 3] = 255
    return filled


DAMAGE_OF_ALPHA = {"clear": smeared, "clear_border": lambda images: np.roll(images, 6, axis=1)}


def test_there_is_a_damage_for_every_measure():
    assert ["two_sample", *DAMAGE, *DAMAGE_OF_ALPHA] == [
        measure.key for measure in sorted(MEASURES, key=lambda measure: bool(measure.alpha))
    ]


@pytest.mark.parametrize(
    "measure", [each for each in MEASURES if each.key in DAMAGE], ids=lambda measure: measure.key
)
def test_a_measure_sees_the_damage_that_it_is_for(measure, real, yardstick):
    images, labels = DAMAGE[measure.key](real.images, real.labels, yardstick.train)
    hurt = evaluation.evaluate(images, labels, yardstick, resamples=20).scores[measure.key]
    whole = yardstick.floor.scores[measure.key]
    worse = {
        "higher": hurt.high < whole.low,
        "lower": hurt.low > whole.high,
        "real": hurt.high < whole.low or hurt.low > whole.high,
    }
    assert worse[measure.better], (hurt, whole)


def ghosts(count, seed, size=12, classes=2):
    """White sprites on nothing: discs and crosses of several sizes, with a dark dot, somewhere in the image."""
    source, grid = draw(seed), np.indices((size, size))
    images, labels = np.full((count, size, size, 4), 255, np.uint8), np.arange(count) % classes
    for image, label in zip(images, labels, strict=True):
        middle, reach = source.integers(4, size - 4, 2), source.integers(2, 4)
        y, x = np.abs(grid - middle[:, None, None])
        image[..., 3] = 255 * (x + y <= reach if label == 0 else (np.minimum(x, y) == 0) & (x + y <= reach))
        image[tuple(middle)] = [*source.choice([20, 90, 160], 3), 255]
    return images, labels


@pytest.fixture(scope="module")
def ghostly():
    images, labels = ghosts(600, 0)
    read = data.SpriteData(images, labels, ("discs", "crosses"), "ghosts", "folders")
    return evaluation.folder_yardstick(read, validation=0.3, steps=100)


@pytest.mark.slow
def test_white_sprites_on_nothing_are_measured_with_their_alpha(ghostly):
    assert ghostly.classifier.record["held_out_accuracy"] > 0.95
    found = evaluation.evaluate(*ghosts(100, 7), ghostly, resamples=20)
    assert ["two_sample", *found.scores] == [
        measure.key for measure in MEASURES if measure.alpha is not False and not measure.procedural
    ]
    assert found.scores["label_accuracy"].value > 0.95
    assert found.scores["palette_distance"].value == 0
    assert found.scores["nearest"].value > 0
    page = report.as_html(*ghosts(100, 7), found, ghostly, {})
    assert "transparent pixels" in page
    blank = np.full((100, 12, 12, 4), [255, 255, 255, 0], np.uint8)
    nothing = evaluation.evaluate(blank, found.seen.labels, ghostly, resamples=20).scores
    assert nothing["fid"].low > 5 * found.scores["fid"].high
    assert nothing["clear"].value == 1


@pytest.mark.parametrize("key", DAMAGE_OF_ALPHA)
@pytest.mark.slow
def test_a_measure_of_transparency_sees_the_damage_that_it_is_for(key, ghostly):
    images, labels = ghosts(200, 8)
    hurt = evaluation.evaluate(DAMAGE_OF_ALPHA[key](images), labels, ghostly, resamples=20).scores[key]
    whole = ghostly.floor.scores[key]
    assert hurt.high < whole.low


@pytest.mark.slow
def test_sprites_of_one_class_are_measured_by_what_shows_which_way_up_they_are():
    drawn = sprites.make(250, seed=3)
    read = data.SpriteData(drawn.images, np.zeros(250, np.int64), ("all",), "one", "folders")
    yardstick = evaluation.folder_yardstick(read, validation=0.4, steps=60)
    assert [head.name for head in yardstick.classifier.heads] == ["class", "quarter turns"]
    assert yardstick.classifier.record["held_out_accuracy"] > 0.6
    fresh, zeros = sprites.make(60, seed=9).images, np.zeros(60, np.int64)
    found = evaluation.evaluate(fresh, zeros, yardstick, resamples=20)
    assert "label_accuracy" not in found.scores
    upside_down = evaluation.evaluate(fresh[:, ::-1], zeros, yardstick, resamples=20)
    assert found.scores["fid"].high < upside_down.scores["fid"].low
    assert "The first of each class" in report.as_html(fresh, zeros, found, yardstick, {})


def drawing(**changes):
    known = {"classes": CLASSES, "size": 16, "channels": 3} | changes
    return Denoiser(lambda x, t, c: x, cosine(), "v", len(known["classes"]), **known)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"classes": ("cats",)},
            "the model draws sprites of cats, but a folder holds sprites of characters, ",
        ),
        ({"size": 24}, "the model draws 24x24 pixels, but a folder holds 16x16 pixels: give the data that"),
        (
            {"channels": 4},
            "the model draws sprites with alpha, but a folder holds sprites without alpha: give",
        ),
        ({"channels": 9}, "the model draws sprites with alpha, but"),
    ],
)
def test_a_model_is_compared_with_sprites_of_its_own_kind_only(changes, says):
    evaluation.check_model(drawing(), dataset(5))
    evaluation.check_model(drawing(channels=8))
    with pytest.raises(UserError, match=says):
        evaluation.check_model(drawing(**changes), dataset(5))
    with pytest.raises(UserError, match=r"the procedural set holds .*: give its dataset with --data FOLDER"):
        evaluation.check_model(drawing(**changes))


def test_the_same_seed_gives_the_same_intervals(real, yardstick, found):
    again = evaluation.evaluate(real.images, real.labels, yardstick, resamples=40)
    assert again.scores == found.scores
    assert_allclose(again.oddness, found.oddness)


def test_too_few_images_or_labels_are_refused(real, yardstick):
    with pytest.raises(ValueError, match="9 images and 9 labels"):
        evaluation.evaluate(real.images[:9], real.labels[:9], yardstick)
    with pytest.raises(ValueError, match="300 images and 299 labels"):
        evaluation.evaluate(real.images, real.labels[:-1], yardstick)


def dataset(count, copies=2):
    """Sprites of five classes, each with its mirror and copied."""
    drawn = sprites.make(count, seed=3)
    images = np.concatenate([drawn.images, drawn.images[:, :, ::-1]] * copies)
    labels = np.concatenate([drawn.labels] * 2 * copies)
    return data.SpriteData(images, labels, CLASSES, "a folder", "arrays")


@pytest.fixture(scope="module")
def by_folder():
    return evaluation.folder_yardstick(dataset(700), validation=0.2, steps=100)


def bases(images):
    return set(data.base_ids(images).tolist())


@pytest.mark.slow
def test_the_three_parts_of_a_folder_share_no_sprite_nor_mirror(by_folder):
    read = dataset(700)
    train, real, other = (bases(part) for part in (by_folder.train, by_folder.real, by_folder.other))
    parts = data.split(read.images, read.labels, 0.2)
    assert train == bases(read.images[parts.train])
    assert real | other == bases(read.images[parts.validation])
    assert not train & (real | other)
    assert not real & other
    assert [len(train), len(real), len(other)] == [
        *map(len, (by_folder.train, by_folder.real, by_folder.other))
    ]
    assert abs(len(real) - len(other)) <= 5  # each class is halved
    assert "held out from training" in by_folder.comparison
    assert f"{len(real)} real ones" in by_folder.comparison
    assert f"{len(other)} others" in by_folder.comparison


@pytest.mark.slow
def test_a_model_that_copies_training_sprites_does_not_look_good(by_folder):
    """Compared with the sprites it copies, it would look better than any honest model could."""
    rows = draw().choice(len(by_folder.train), len(by_folder.other), replace=False)
    copies, labels = by_folder.train[rows], by_folder.classifier.look(by_folder.train[rows]).labels
    found = evaluation.evaluate(copies, labels, by_folder, resamples=100)
    made = found.scores
    assert found.oddness.min() > 0.1
    floor = by_folder.floor.scores
    measures = {measure.key: measure for measure in MEASURES}
    for key in ("near_copies", "nearest"):
        assert not report.as_good(measures[key], made[key], floor[key]), key
    assert made["near_copies"].value == 1
    for key in ("fid", "kid"):
        assert made[key].high > floor[key].low, key
    flattered = dataclasses.replace(by_folder, real=by_folder.train)  # what they were once compared with
    assert evaluation.evaluate(copies, labels, flattered, resamples=5).oddness.max() < 0.05


def test_a_folder_that_holds_out_too_few_says_what_is_compared_with_what():
    yardstick = evaluation.folder_yardstick(dataset(300), validation=0.1, steps=20)
    assert yardstick.real is yardstick.train
    assert not bases(yardstick.train) & bases(yardstick.other)
    said = yardstick.comparison
    assert said.startswith("Too few sprites are held out to compare with")
    assert f"the {len(yardstick.train)} training sprites themselves" in said
    assert f"the {len(yardstick.other)} held-out sprites" in said
    made = evaluation.evaluate(yardstick.other, yardstick.other_labels, yardstick, resamples=5)
    assert report.as_dict(made, yardstick, {})["comparison"] == said
    page = report.as_html(yardstick.other, yardstick.other_labels, made, yardstick, {})
    assert f"the {len(yardstick.train)} training sprites themselves" in page
    assert "that the model never saw" not in page


def test_a_folder_that_holds_out_hardly_a_sprite_is_refused():
    with pytest.raises(UserError, match="only 5 base sprites of a folder are held out: use a larger"):
        evaluation.folder_yardstick(dataset(50), validation=0.1)


def test_a_share_that_leaves_hardly_a_sprite_to_learn_from_is_refused():
    with pytest.raises(
        UserError, match="only 5 base sprites of a folder are left to learn from: use a smaller"
    ):
        evaluation.folder_yardstick(dataset(50), validation=0.9)


def test_the_steps_of_a_folders_classifier_can_be_watched():
    seen = []
    yardstick = evaluation.folder_yardstick(
        dataset(120), validation=0.2, steps=7, track=lambda steps: (seen.append(i) or i for i in steps)
    )
    assert seen == list(range(7))
    assert 0 <= yardstick.classifier.record["held_out_accuracy"] <= 1


@pytest.fixture(scope="module")
def half_broken(yardstick, real):
    """What a test finds in sprites of which those of two classes are noisy."""
    drawn = real.images.copy()
    noisy = np.isin(real.labels, (1, 3))
    drawn[noisy] ^= draw().integers(0, 8, drawn[noisy].shape, np.uint8)
    return evaluation.tell_apart(drawn, real.labels, yardstick)


@pytest.mark.slow
def test_noisy_classes_are_told_from_real_and_others_are_not(half_broken):
    assert half_broken.sprites == 300
    assert half_broken.real.accuracy.low < 0.5 < half_broken.real.accuracy.high
    for c, score in half_broken.model.classes.items():
        assert score.value > 0.9 if c in (1, 3) else score.value < 0.75, (c, score)
    assert report.is_told(half_broken)


@pytest.mark.slow
def test_the_report_no_longer_says_as_good_where_the_two_sample_test_says_otherwise(
    found, yardstick, half_broken
):
    said = report.as_dict(found, yardstick, {}, half_broken)
    assert next(iter(said["measures"])) == "two_sample"
    assert said["measures"]["two_sample"]["worse_than_real"]
    rest = [row["worse_than_real"] for key, row in said["measures"].items() if key != "two_sample"]
    assert not any(rest)  # `found` is about real sprites
    assert "the sprites are not as good as real, whatever single rows say" in said["verdict"]
    assert "learned from 150 drawn sprites" in said["verdict"]
    assert list(said["two_sample_by_class"]) == list(CLASSES)
    page = report.as_html(*sprites.make(300, seed=77)[:2], found, yardstick, {}, half_broken)
    assert "not as good as real, whatever single rows say" in page
    assert page.count("<tr><td>") == len(said["measures"]) + len(CLASSES)


@pytest.mark.slow
def test_where_nothing_is_told_the_verdict_is_that_no_difference_was_found(half_broken):
    same = half_broken._replace(model=half_broken.real)
    assert not report.is_told(same)
    assert "it has found no difference" in report.verdict(same)
    one_class = same.real._replace(classes=same.real.classes | {3: Score(0.9, 0.85, 0.95)})
    assert report.is_told(same._replace(model=one_class))


def test_without_the_test_nobody_says_that_the_sprites_are_as_good_as_real(found, yardstick):
    said = report.as_dict(found, yardstick, {})
    assert "Only the two-sample test can say" in said["verdict"]
    assert "two_sample" not in said["measures"]
    assert "two_sample_by_class" not in said


@pytest.mark.slow
def test_how_frequent_a_class_is_does_not_tell_sprites_apart(yardstick, real):
    """A fifth of the heroes, and all the rest: of heroes fewer real ones take part too."""
    kept = np.concatenate([np.flatnonzero(real.labels != 0), np.flatnonzero(real.labels == 0)[:12]])
    told = evaluation.tell_apart(real.images[kept], real.labels[kept], yardstick)
    assert told.sprites == 4 * 60 + 12
    assert not report.is_told(told)


@pytest.mark.slow
def test_too_few_sprites_are_not_told_apart(ghostly):
    assert evaluation.tell_apart(*ghosts(600, 7), ghostly) is None  # 90 real ones are in each half
