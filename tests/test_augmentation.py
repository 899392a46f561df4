"""Augmentation: what may change in a sprite, and what must not."""

import dataclasses

import numpy as np
import pytest
import torch

from pixel_edu import sprites
from pixel_edu.augmentation import balanced_rows, mirrored, recolored, shifted
from pixel_edu.training import RECIPES, draw_batch

DRAWN = sprites.make(60).images
WAYS = {
    "mirror": mirrored,
    "shift": lambda images, generator: shifted(images, 2, generator),
    "recolor": lambda images, generator: recolored(images, 0.5, generator),
}


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def hues(images):
    """Each pixel's colour, whatever its channels are called."""
    return np.sort(images[..., :3], axis=-1)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_same_seed_shows_the_same_sprites_and_another_seed_others(way):
    again, other = way(DRAWN, chance(0)), way(DRAWN, chance(1))
    assert np.array_equal(way(DRAWN, chance(0)), again)
    assert not np.array_equal(again, other)
    assert not np.array_equal(again, DRAWN)
    assert again.dtype == np.uint8
    assert again.shape == DRAWN.shape


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_batch_is_not_changed_in_place(way):
    before = DRAWN.copy()
    way(DRAWN, chance())
    assert np.array_equal(DRAWN, before)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("edge", [8, 24])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_any_size_comes_back_with_all_its_pixels(way, edge, channels):
    noise = np.random.default_rng(0).integers(256, size=(20, edge, edge, channels), dtype=np.uint8)
    noise[:, :2] = noise[:, -2:] = noise[:, :, :2] = noise[:, :, -2:] = 255
    shown = way(noise, chance())
    assert shown.shape == noise.shape
    for before, after in zip(noise, shown, strict=True):
        assert np.array_equal(np.sort(hues(before), axis=None), np.sort(hues(after), axis=None))


def test_a_mirrored_sprite_is_the_sprite_or_its_mirror_image():
    same = (mirrored(DRAWN, chance()) == DRAWN).all(axis=(1, 2, 3))
    turned = (mirrored(DRAWN, chance()) == DRAWN[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | turned).all()
    assert 15 < turned.sum() < 45


def test_a_shifted_sprite_is_whole_wherever_it_is():
    wide = np.pad(DRAWN, ((0, 0), (3, 3), (3, 3), (0, 0)), constant_values=255)
    shown = shifted(wide, 2, chance())
    moves = set()
    for before, after in zip(wide, shown, strict=True):
        found = [
            (y, x)
            for y in range(-2, 3)
            for x in range(-2, 3)
            if np.array_equal(np.roll(before, (y, x), axis=(0, 1)), after)
        ]
        assert found
        moves |= set(found)
    assert {y for y, _ in moves} == {x for _, x in moves} == set(range(-2, 3))


def test_a_sprite_that_fills_the_picture_stays_where_it_is():
    full = np.random.default_rng(0).integers(256, size=(5, 16, 16, 3), dtype=np.uint8)
    assert np.array_equal(shifted(full, 8, chance()), full)
    empty = np.full((5, 16, 16, 3), 255, np.uint8)
    assert np.array_equal(shifted(empty, 8, chance()), empty)


def test_recolouring_keeps_greys_and_alpha_and_the_number_of_colours():
    shown = recolored(DRAWN, 1.0, chance())
    grey = (DRAWN[..., :1] == DRAWN).all(axis=-1)
    assert np.array_equal(shown[grey], DRAWN[grey])
    assert np.array_equal(hues(shown), hues(DRAWN))
    alpha = np.concatenate([DRAWN, DRAWN[..., :1]], axis=-1)
    assert np.array_equal(recolored(alpha, 1.0, chance())[..., 3], alpha[..., 3])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_recoloured_sprites_is_as_asked(share):
    red = np.zeros((4000, 1, 1, 3), np.uint8)
    red[..., :] = (3, 2, 1)
    changed = (recolored(red, share, chance()) != red).any(axis=(1, 2, 3)).mean()
    assert changed == pytest.approx(share, abs=0.03)


def test_balanced_rows_are_as_many_of_each_class_and_each_sprite_of_a_class_comes():
    labels = np.array([4] * 2 + [0] * 90 + [2] * 8)[np.random.default_rng(0).permutation(100)]
    rows = balanced_rows(labels, 6000, chance())
    counts = np.bincount(labels[rows], minlength=5)
    assert counts[[1, 3]].tolist() == [0, 0]
    assert counts[[0, 2, 4]] == pytest.approx([2000] * 3, rel=0.1)
    assert set(rows) == set(range(100))


def test_without_augmentation_a_batch_is_what_it_always_was():
    config = dataclasses.replace(RECIPES["tiny"], batch_size=8)
    labels = np.arange(60) % 5
    plain = draw_batch(DRAWN, labels, config.make_schedule(), config, 3)
    seed = int(np.random.SeedSequence([0, 3]).generate_state(1)[0])
    rows = torch.randint(60, (8,), generator=chance(seed)).numpy()
    assert torch.equal(plain.x0, torch.from_numpy(DRAWN[rows]).permute(0, 3, 1, 2) / 127.5 - 1)


@pytest.mark.parametrize("asked", [{"mirror": True}, {"shift": 2}, {"recolor": 0.5}, {"balance": True}])
def test_a_step_of_an_augmented_run_is_the_same_whenever_it_is_drawn(asked):
    config = dataclasses.replace(RECIPES["tiny"], batch_size=8, **asked)
    labels = np.minimum(np.arange(60) // 10, 4)
    schedule = config.make_schedule()
    first, again, plain = (
        draw_batch(DRAWN, labels, schedule, each, 7)
        for each in (config, config, dataclasses.replace(RECIPES["tiny"], batch_size=8))
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.x0, plain.x0)
