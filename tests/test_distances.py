"""Distances between sets, against sums and searches written out by hand."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from pixel_edu import distances
from pixel_edu.distances import NEIGHBOURS, plus_minus


def draw(seed=0):
    return np.random.default_rng(seed)


@contextmanager
def small_chunks():
    """Within: few rows at a time, so that it shows whether the pieces are put together rightly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "CHUNK", 7)
        yield


def test_the_interval_of_a_distance_is_1_96_spreads_to_both_sides():
    resampled = [1.0, 2.0, 4.0, 9.0]
    score = plus_minus(3.0, resampled)
    half = 1.96 * np.sqrt(np.mean((np.array(resampled) - 4) ** 2))
    assert score == pytest.approx((3.0, 3.0 - half, 3.0 + half))


def test_the_bootstrap_takes_the_means_of_as_many_values_drawn_with_replacement():
    values, again = draw().normal(size=11) ** 2, draw(3)
    means = sorted(values[again.integers(11, size=11)].mean() for _ in range(1000))
    score = distances.bootstrap(values, 1000, draw(3))
    assert score == pytest.approx((values.mean(), np.quantile(means, 0.025), np.quantile(means, 0.975)))


def test_the_frechet_distance_along_a_line_is_that_of_means_and_spreads():
    """In one dimension: (difference of means)² + (difference of standard deviations)², for every resample."""
    features, real, again = draw(0).normal(1, 2, (40, 1)), draw(1).normal(0, 1, (60, 1)), draw(5)

    def distance(rows):
        return (rows.mean() - real.mean()) ** 2 + (rows.std(ddof=1) - real.std(ddof=1)) ** 2

    resampled = [distance(features[again.integers(40, size=40)]) for _ in range(6)]
    expected = plus_minus(distance(features), resampled)
    score = distances.frechet_distance(features.astype(np.float32), real.astype(np.float32), 6, draw(5))
    assert score == pytest.approx(expected, rel=1e-4)


class PassThrough(torch.nn.Module):
    """In place of a network: what torchmetrics gets are the features already."""

    num_features = 6

    def forward(self, features):
        return features


@pytest.mark.parametrize("n", [4, 50])
def test_the_frechet_distance_is_that_of_torchmetrics_also_where_the_covariance_has_no_inverse(n):
    mix = draw(2).normal(size=(6, 6))
    features, real = draw(0).normal(size=(n, 6)) @ mix + 0.5, draw(1).normal(size=(60, 6))
    theirs = FrechetInceptionDistance(PassThrough())
    for rows, is_real in ((real, True), (features, False)):
        theirs.update(torch.from_numpy(rows), real=is_real)
    ours = distances.frechet_distance(features, real, 1, draw())
    assert ours.value == pytest.approx(theirs.compute().item(), rel=1e-4)


def plain_kernel(a, b):
    """The mean of (a·b / F + 1)³ over pairs; of a set with itself, over pairs of two different rows."""
    values = (a @ b.T / a.shape[1] + 1) ** 3
    return values.mean() if a is not b else (values.sum() - np.trace(values)) / (len(a) * (len(a) - 1))


def test_the_kernel_distance_is_the_mean_of_whole_blocks_in_thousandths():
    features, real, again = draw(0).normal(size=(50, 4)), draw(1).normal(size=(30, 4)) + 0.5, draw(5)
    order, values = again.permutation(50), []
    for start in (0, 12, 24, 36):  # four blocks of 12; two rows are left over
        truth, part = real[again.permutation(30)[:12]], features[order][start : start + 12]
        kernels = plain_kernel(truth, truth) + plain_kernel(part, part) - 2 * plain_kernel(truth, part)
        values.append(1000 * kernels)
    score = distances.kernel_distance(features, real, 20, draw(5), blocks=4)
    assert score == pytest.approx(distances.bootstrap(np.array(values), 20, again))


def test_the_nearest_rows_are_those_of_a_plain_search_in_rising_order():
    points, others = (
        draw(0).normal(size=(20, 3)).astype(np.float32),
        draw(1).normal(size=(25, 3)).astype(np.float32),
    )
    far = np.sort(np.linalg.norm(points[:, None] - others[None], axis=2), axis=1)
    with small_chunks():
        found = distances.nearest_rows(points, others, k=4)
    np.testing.assert_allclose(found, far[:, :4], atol=1e-5)


def test_balls_hold_the_k_nearest_of_as_many_real_sprites():
    features, real = (
        draw(0).normal(size=(40, 2)).astype(np.float32),
        draw(1).normal(size=(90, 2)).astype(np.float32),
    )
    kept = real[:40]
    between = np.sort(np.linalg.norm(kept[:, None] - kept[None], axis=2), axis=1)
    radii = between[:, NEIGHBOURS]  # column 0 is the sprite itself
    held = np.linalg.norm(features[:, None] - kept[None], axis=2) < radii
    with small_chunks():
        found = distances.inside(features, real)
    assert found.per_image.tolist() == held.sum(axis=1).tolist()
    assert found.reached.tolist() == held.any(axis=0).tolist()
    assert 0 < held.any(axis=0).mean() < 1


def test_the_nearest_sprite_is_found_in_whichever_chunk_and_on_whichever_side():
    images, others = draw(5).integers(256, size=(20, 4, 4, 3)), draw(6).integers(256, size=(30, 4, 4, 3))
    images, others = images.astype(np.uint8), others.astype(np.uint8)
    images[3], images[4:9] = others[29], others[24:29, :, ::-1]
    with small_chunks():
        found = distances.nearest_sprites(images, others)
    for i, image in enumerate(images):
        sides = others.astype(float), others[:, :, ::-1].astype(float)
        far = [np.sqrt(np.square(image - side).mean(axis=(1, 2, 3))) for side in sides]
        assert found.distance[i] == pytest.approx(np.min(far), abs=0.05)
        assert far[int(found.mirrored[i])][found.index[i]] == pytest.approx(np.min(far), abs=0.05)
    assert found.index[3:9].tolist() == [29, 24, 25, 26, 27, 28]
    assert found.mirrored[3:9].tolist() == [False] + [True] * 5
