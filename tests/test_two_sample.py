"""The two-sample test in worlds where the best possible accuracy is known."""

import math

import numpy as np
import pytest
import torch

from pixel_edu import two_sample
from pixel_edu.two_sample import Discriminator, fit, looks_drawn, with_relations


def chance(seed):
    return np.random.default_rng(seed)


def plain(n, mean, seed, size=4):
    """Sprites of one grey each, whose levels have a normal distribution with a spread of 30."""
    levels = chance(seed).normal(mean, 30, n).clip(0, 255).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (n, size, size, 3)).copy()


def noise(n, seed, size=8, channels=3):
    return chance(seed).integers(0, 256, (n, size, size, channels), np.uint8)


def symmetric(n, seed, size=8):
    half = noise(n, seed, size)[:, :, : size // 2]
    return np.concatenate([half, half[:, :, ::-1]], axis=2)


def told(drawn, real, steps=60, labels=None, **options):
    labels = np.zeros(len(drawn), np.int64) if labels is None else labels
    return two_sample.two_sample(drawn, labels, real, labels, steps, **options)


def test_where_two_normal_distributions_overlap_it_is_as_good_as_bayes_and_no_better():
    found = told(plain(1000, 140, 0), plain(1000, 110, 1), steps=50).accuracy
    best = (
        1 + math.erf(15 / 30 / math.sqrt(2))
    ) / 2  # the threshold lies half way: Φ(half the distance / spread)
    assert best == pytest.approx(0.6915, abs=1e-4)
    assert found.value == pytest.approx(best, abs=0.05)  # held out are 1,000, whose spread is 0.015
    assert found.low < best < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(best * (1 - best) / 1000), rel=0.3)


@pytest.mark.slow
def test_where_there_is_no_difference_it_guesses_though_it_knows_what_it_learned_by_heart():
    drawn, real = noise(200, 0), noise(200, 1)
    *_, fitted = fit(drawn[:100], real[:100], 100)
    assert looks_drawn(fitted.discriminator, drawn[:100]).mean() > 0.9
    assert looks_drawn(fitted.discriminator, real[:100]).mean() < 0.1
    found = told(drawn, real).accuracy
    assert found.low < 0.5 < found.high
    assert len(told(drawn, real, steps=2).right) == 200


def test_a_symmetry_that_no_pixel_shows_is_seen():
    """Each half by itself is noise of the same kind in both."""
    assert told(noise(400, 0), symmetric(400, 1), steps=80).accuracy.value > 0.95


def test_each_class_is_judged_by_itself():
    labels = np.arange(800) % 2 + 3
    drawn, real = plain(800, 60, 0), plain(800, 60, 1)
    drawn[labels == 4] = plain(400, 220, 2)
    found = told(drawn, real, labels=labels)
    assert list(found.classes) == [3, 4]
    assert found.classes[4].value > 0.97
    assert found.classes[3].value == pytest.approx(0.5, abs=0.12)
    assert found.accuracy.value == pytest.approx(np.mean([s.value for s in found.classes.values()]), abs=0.02)


def test_in_pairs_of_a_class_it_is_as_good_as_bayes_there():
    """Of two normal levels the larger is the drawn one with probability Φ(their distance / (√2 · spread))."""
    labels = np.repeat([0, 7], [1200, 400])
    drawn, real = plain(1600, 140, 0), plain(1600, 110, 1)
    drawn[labels == 7], real[labels == 7] = plain(400, 60, 2), plain(400, 30, 3)
    found = told(drawn, real, steps=80, labels=labels)
    best = (1 + math.erf(30 / 30 / 2)) / 2
    assert best == pytest.approx(0.760, abs=1e-3)
    assert found.pairs.low - 0.02 < best < found.pairs.high + 0.02
    assert found.pairs.high - found.pairs.low == pytest.approx(
        2 * 1.96 * math.sqrt(0.76 * 0.24 / 800), rel=0.3
    )
    assert found.pairs.value > found.accuracy.value  # the class does not say it, and two can be compared


def test_equal_sprites_are_told_half_of_the_time():
    same = np.full((100, 8, 8, 3), 9, np.uint8)
    assert told(same, same, steps=2).pairs == (0.5, 0.5, 0.5)


def test_sprites_of_other_classes_are_refused():
    with pytest.raises(ValueError, match="the same classes"):
        two_sample.two_sample(noise(100, 0), np.zeros(100), noise(100, 1), np.ones(100), 1)


def test_the_same_seed_gives_the_same_answer_whatever_else_draws_chance():
    drawn, real = plain(100, 140, 0), plain(100, 110, 1)
    first = told(drawn, real, steps=20, seed=4)
    torch.rand(3)
    state = torch.get_rng_state()
    again = told(drawn, real, steps=20, seed=4)
    assert (first.right == again.right).all()
    assert first.accuracy == again.accuracy
    assert torch.equal(torch.get_rng_state(), state)  # and leaves chance to others as it was
    other = told(drawn, real, steps=20, seed=5)
    assert (first.right != other.right).any()


def test_sprites_of_any_size_with_alpha_can_be_told():
    drawn, real = noise(100, 0, size=11, channels=4), noise(100, 1, size=11, channels=4)
    real[..., 3] = 255 * (real[..., 3] > 127)
    drawn[..., 3] = 255
    assert told(drawn, real, steps=30).accuracy.value > 0.9


def test_what_a_pixel_has_to_do_with_others_is_told_in_channels_of_its_own():
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0] = torch.tensor([[1, 0, 1], [1, 0.5, 0], [0.5, 0.75, 0.125]])
    image, mirror, own, right, below, right_below, left_below = with_relations(x)[0]
    assert torch.equal(image, x[0, 0])
    assert mirror[1].tolist() == [1, 0, -1]
    assert own.tolist() == [[1, 1, 1], [0, 1, 0], [0, 1, 0]]
    assert right.tolist() == [
        [0, 0, 1],
        [0, 0, 0],
        [0, 0, 0],
    ]  # the right neighbour of the last column is the first
    assert below[0].tolist() == [1, 0, 0]
    assert right_below[0].tolist() == [0, 1, 1]
    assert left_below.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_each_step_of_the_training_can_be_watched():
    seen = []
    told(noise(100, 0), noise(100, 1), steps=7, track=lambda steps: (seen.append(i) or i for i in steps))
    assert seen == list(range(7))


def test_an_odd_number_of_sprites_is_halved_for_both_alike():
    assert told(noise(101, 0), noise(101, 1), steps=1).right.shape == (100,)


@pytest.mark.parametrize(("drawn", "real"), [(99, 99), (120, 119)])
def test_too_few_sprites_or_not_as_many_are_refused(drawn, real):
    with pytest.raises(
        ValueError, match=rf"there are {drawn} drawn and {real} real sprites, .* at least 100"
    ):
        told(noise(drawn, 0), noise(real, 1))


def test_the_discriminator_answers_with_one_number_a_sprite():
    assert Discriminator(4, 13, width=4)(torch.zeros(2, 4, 13, 13)).shape == (2,)
