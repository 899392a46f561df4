import json

import numpy as np
import pytest
from PIL import Image

from pixel_edu import audit, data, sprites


@pytest.fixture(scope="module")
def drawn():
    return sprites.make(500, seed=3)


def report_on(tmp_path, images, labels, **how):
    return audit.check(data.write_kaggle(tmp_path / "set", images, labels, **how))


def names(report, wrong=None):
    return {trap.name for trap in report.traps if wrong is None or trap.wrong == wrong}


def says(report, name):
    return next(trap.says for trap in report.traps if trap.name == name)


def test_the_procedural_set_has_nothing_wrong(tmp_path, drawn):
    report = report_on(tmp_path, drawn.images, drawn.labels)
    assert names(report, wrong=True) == set()
    assert (report.rows, report.base_sprites, report.mirrored_pairs) == (500, 500, 0)
    assert [c.rows for c in report.classes] == [100] * 5
    assert all(3 <= c.colors[0] <= c.colors[1] <= c.colors[2] <= 32 for c in report.classes)


def test_every_trap_of_the_real_set_is_named_on_its_full_size_stand_in(stand_in):
    report = audit.check(stand_in)
    assert names(report, wrong=True) == {
        "repeated-rows",
        "mirrored-rows",
        "twin-base-sprites",
        "unbalanced-classes",
        "soft-class",
        "marked-corner",
        "background-not-white",
    }
    assert names(report, wrong=False) == {
        "few-base-sprites",
        "unnamed-classes",
        "csv-text-labels",
        "csv-counts-from-one",
        "csv-dummy-paths",
        "overflowed-jpegs",
    }
    assert [c.rows for c in report.classes] == [8000, 32400, 6000, 35000, 8000]
    assert [c.colors[1] for c in report.classes] == [21, 152, 5, 9, 23]
    assert "16,399 rows" in says(report, "csv-counts-from-one")
    assert "98." in says(report, "repeated-rows")
    for name in ("soft-class", "marked-corner", "background-not-white"):
        assert "creatures" in says(report, name)


def test_the_traps_of_structure_are_on_the_procedural_set_made_like_kaggle(tmp_path):
    drawn = sprites.make_like_kaggle()
    report = report_on(
        tmp_path, drawn.images, drawn.labels, copies=50, mirrored=True, jpegs=20, overflow=True
    )
    assert report.rows == 89_400
    assert {"repeated-rows", "mirrored-rows", "unbalanced-classes"} <= names(report, wrong=True)
    assert {"few-base-sprites", "csv-counts-from-one", "overflowed-jpegs"} <= names(report, wrong=False)


def test_counts_follow_copies_and_mirrors(tmp_path, drawn):
    report = report_on(tmp_path, drawn.images[:50], drawn.labels[:50], copies=3, mirrored=True)
    symmetric = sum(np.array_equal(image, image[:, ::-1]) for image in drawn.images[:50])
    assert (report.rows, report.base_sprites) == (300, 50)
    assert report.mirrored_pairs == 50 - symmetric
    assert report.distinct == 100 - symmetric


def test_a_few_chance_repeats_are_a_note_and_many_are_wrong(tmp_path, drawn):
    once = np.r_[np.arange(500), 0]
    report = report_on(tmp_path, drawn.images[once], drawn.labels[once])
    assert "repeated-rows" in names(report, wrong=False)
    often = np.r_[np.arange(500), np.arange(50)]
    other = report_on(tmp_path / "other", drawn.images[often], drawn.labels[often])
    assert "repeated-rows" in names(other, wrong=True)


def test_one_sprite_twice_in_a_period_is_found_by_its_rows(tmp_path, drawn):
    rows = np.r_[np.arange(40), 7]
    report = report_on(tmp_path, drawn.images[rows], drawn.labels[rows], copies=4)
    assert "row 7 = 40" in says(report, "twin-base-sprites")


def test_a_sprite_under_two_labels_is_found_though_one_is_mirrored(tmp_path, drawn):
    images = np.concatenate([drawn.images, drawn.images[:1, :, ::-1]])
    report = report_on(tmp_path, images, np.r_[drawn.labels, (drawn.labels[0] + 1) % 5])
    assert "two-labels" in names(report, wrong=True)
    assert says(report, "two-labels").startswith("1 ")


def test_a_class_without_rows_is_named(tmp_path, drawn):
    rows = drawn.labels != 2
    report = report_on(tmp_path, drawn.images[rows], drawn.labels[rows])
    assert "food" in says(report, "empty-class")


def test_a_csv_that_disagrees_with_the_arrays_is_wrong(tmp_path, drawn):
    folder = data.write_kaggle(tmp_path / "set", drawn.images, drawn.labels)
    np.save(folder / "sprites_labels.npy", np.eye(5)[(drawn.labels + 1) % 5])
    assert "500 of another class" in says(audit.check(folder), "csv-disagrees")


def test_overflowed_jpegs_are_wrong_where_they_are_all_there_is(tmp_path, drawn):
    folder = data.write_kaggle(tmp_path / "set", drawn.images, drawn.labels, jpegs=500, overflow=True)
    assert "overflowed-jpegs" in names(audit.check(folder), wrong=False)
    (folder / "sprites.npy").unlink()
    assert {"overflowed-jpegs", "jpeg-noise"} <= names(audit.check(folder), wrong=True)


def test_plain_jpegs_are_not_taken_for_overflowed_ones(tmp_path, drawn):
    report = report_on(tmp_path, drawn.images, drawn.labels, jpegs=20)
    assert "overflowed-jpegs" not in names(report)


def test_a_figure_that_reaches_the_corner_is_not_a_mark(tmp_path, drawn):
    images = drawn.images.copy()
    images[:, -1, -1] = 0
    assert "marked-corner" in names(report_on(tmp_path, images, drawn.labels))
    images[:, -1, -2] = 150
    assert "marked-corner" not in names(report_on(tmp_path / "other", images, drawn.labels))


def test_own_pictures_have_no_csv_and_no_unnamed_classes(tmp_path, drawn):
    for i in np.argsort(drawn.labels, kind="stable")[::25]:  # four of each class
        label = drawn.labels[i]
        (tmp_path / f"kind {label}").mkdir(exist_ok=True)
        Image.fromarray(drawn.images[i]).save(tmp_path / f"kind {label}" / f"{i}.png")
    assert names(audit.check(tmp_path)) == {"few-base-sprites"}


def test_each_trap_says_what_to_do_and_the_report_goes_into_json(tmp_path, drawn):
    report = report_on(tmp_path, drawn.images[:50], drawn.labels[:50], copies=3, mirrored=True)
    assert len(report.traps) >= 5
    stored = json.loads(json.dumps(report.as_dict()))
    assert stored["base_sprites"] == report.base_sprites
    assert all(trap["fix"] == audit.FIX[trap["name"]] for trap in stored["traps"])


# ---------------------------------------------------------------- one's own sprites


def cut(images, alpha=255):
    """The pictures without their white backgrounds."""
    opacity = np.where((images == 255).all(axis=-1), 0, alpha).astype(np.uint8)
    return np.concatenate([images, opacity[..., None]], axis=-1)


def test_transparency_is_counted_and_nothing_is_wrong_with_it(tmp_path, drawn):
    report = report_on(tmp_path, cut(drawn.images), drawn.labels)
    assert (report.size, report.transparent, report.base_sprites) == (16, 500, 500)
    assert names(report, wrong=True) == set()
    assert not names(report) & {"some-transparent", "half-transparent"}


def test_opaque_sprites_among_transparent_ones_are_wrong_where_their_background_is_flat(tmp_path, drawn):
    images = cut(drawn.images)
    images[:100, ..., 3] = 255
    report = report_on(tmp_path, images, drawn.labels)
    assert "some-transparent" in names(report, wrong=True)
    assert says(report, "some-transparent").startswith("100 of 500 base sprites have no transparent pixels")


def test_tiles_that_fill_their_square_among_transparent_sprites_are_only_noted(tmp_path, drawn):
    images = cut(drawn.images)
    images[:100] = np.random.default_rng(0).integers(0, 255, (100, 16, 16, 4), np.uint8)
    images[:100, ..., 3] = 255
    assert "some-transparent" in names(report_on(tmp_path, images, drawn.labels), wrong=False)


def test_half_transparent_pixels_are_noted(tmp_path, drawn):
    images = cut(drawn.images)
    images[:7] = cut(drawn.images[:7], alpha=128)
    assert says(report_on(tmp_path, images, drawn.labels), "half-transparent").startswith("7 of 500")


def test_a_sprite_of_300_colours_is_noted_and_said_what_to_do(tmp_path, drawn):
    rng = np.random.default_rng(0)
    for i in range(5):
        (tmp_path / "gems").mkdir(exist_ok=True)
        image = np.zeros((24, 24, 3), np.uint8)
        if i == 0:
            image.reshape(-1, 3)[:299] = np.arange(1, 300)[:, None] // [1, 2, 3]
        image[0, 0] = rng.integers(200, 256, 3)
        Image.fromarray(image).save(tmp_path / "gems" / f"{i}.png")
    report = audit.check(tmp_path)
    assert says(report, "many-colours").startswith(
        "1 of 5 base sprites have more than 64 colours, up to 300: they"
    )
    assert "indexed palette" in next(trap.fix for trap in report.traps if trap.name == "many-colours")
    assert names(report, wrong=True) == set()


def test_only_numbers_of_the_courses_classes_are_said_to_be_its_names(tmp_path, drawn):
    folder = data.write_kaggle(tmp_path / "set", drawn.images[:4], np.array([0, 1, 0, 1]), classes=("a", "b"))
    report = audit.check(folder)
    assert [c.name for c in report.classes] == ["a", "b"]
    assert "unnamed-classes" not in names(report)


def test_one_sprite_is_said_to_be_one(tmp_path):
    (tmp_path / "gems").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "gems" / "1.png")
    assert says(audit.check(tmp_path), "few-base-sprites").startswith("only 1 base sprite is behind 1 row: ")
