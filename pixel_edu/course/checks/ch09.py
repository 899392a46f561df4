"""Checks of chapter 9: measuring."""

from __future__ import annotations

import numpy as np

from pixel_edu import sprites
from pixel_edu.course.checking import Ask, exercise


@exercise("ex-09-1", "frechet(features, real)", "The number that everybody quotes, by hand.")
def frechet(ask: Ask) -> None:
    """Means, covariances, and the root of their product."""
    a = ask.rng.standard_normal((60, 5)) @ ask.rng.standard_normal((5, 5)) + 0.7
    b = ask.rng.standard_normal((80, 5)) @ ask.rng.standard_normal((5, 5))
    off = a.mean(0) - b.mean(0)
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(c1 @ c2).real.clip(min=0)).sum()
    traces = np.trace(c1) + np.trace(c2)
    right = float(off @ off + traces - 2 * root)
    b1, b2 = np.cov(a, rowvar=False, bias=True), np.cov(b, rowvar=False, bias=True)
    biased = np.trace(b1) + np.trace(b2) - 2 * np.sqrt(np.linalg.eigvals(b1 @ b2).real.clip(min=0)).sum()
    ask.same(
        ask(a, b, like=1.0),
        right,
        [
            (
                np.sqrt(off @ off) + right - off @ off,
                "The distance of the means is not squared: the formula has its square.",
            ),
            (right - off @ off, "The means are missing: a cloud in another place is another cloud."),
            (right + root, "The last term is subtracted once: subtract it twice."),
            (right + 4 * root, "The last term is added: subtract it."),
            (off @ off + traces, "The last term is missing."),
            (
                off @ off + traces - 2 * np.trace(np.sqrt(np.abs(c1 @ c2))),
                "You take the root of each entry of the product: take the root of the matrix.",
            ),
            (
                off @ off + traces - 2 * np.sqrt(np.linalg.eigvals(c1 * c2).real.clip(min=0)).sum(),
                "You multiply the covariances entry by entry, with `*`: it is a matrix product.",
            ),
            (
                off @ off + traces - 2 * np.sqrt(np.diag(c1) * np.diag(c2)).sum(),
                "You use only the variances: the covariances matter, too.",
            ),
            (off @ off + biased, "Your covariances divide by n: `np.cov` divides by n - 1."),
            (right**0.5, "This is the root of the Fréchet distance: the formula takes no root."),
        ],
        tolerance=1e-6,
    )
    ask.same(
        ask(a, a, like=1.0, what="between a cloud and itself"),
        0.0,
        what="The distances between a cloud and itself",
        tolerance=1e-6,
    )


@exercise("ex-09-2", "nearest_sprites(images, others)", "Nothing hides from this, not even mirror images.")
def nearest_sprites(ask: Ask) -> None:
    """Distance, index and side."""
    others = sprites.make(40, seed=10 + ask.seed).images
    images = sprites.make(6, seed=500 + ask.seed).images
    images[0] = others[7][:, ::-1]
    images[1] = others[9]
    spots = images[1].copy()
    spots[3:6, 3:6] = 255 - spots[3:6, 3:6]
    images[2] = spots[:, ::-1]
    images[3] = others[12][::-1]  # found only by turning images upside down
    images[4] = others[15][..., ::-1]

    def table(a: np.ndarray, b: np.ndarray = others) -> np.ndarray:
        rows = [each.reshape(len(each), -1).astype(np.float64) for each in (a, b)]
        return np.square(rows[0][:, None] - rows[1][None]).mean(axis=2)

    def best(plain: np.ndarray, mirrored: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side = np.zeros(len(plain), bool) if mirrored is None else mirrored.min(axis=1) < plain.min(axis=1)
        squares = plain if mirrored is None else np.where(side[:, None], mirrored, plain)
        return np.sqrt(squares.min(axis=1)), squares.argmin(axis=1), side

    def wrapped(a: np.ndarray) -> np.ndarray:
        """As uint8 computes it."""
        off = a.reshape(len(a), 1, -1) - others.reshape(1, len(others), -1)
        return np.square(off).mean(axis=2)

    plain, mirrored = table(images), table(images[:, :, ::-1])
    right = best(plain, mirrored)
    distance, index, side = right
    got = ask(images, others, like=right)
    ask.same(
        tuple(got),
        right,
        [
            (best(plain, None), "Mirrored sprites are not found: compare each image's mirror image, too."),
            (best(mirrored, None), "Only the mirror images are compared: the image itself may be nearer."),
            (
                best(plain, table(images[:, ::-1])),
                "You flip top and bottom: a mirror image swaps left and right, which is the third axis.",
            ),
            (
                best(plain, table(images[..., ::-1])),
                "You swap red and blue: left and right are the third axis, not the last.",
            ),
            (
                best(wrapped(images), wrapped(images[:, :, ::-1])),
                "Your differences wrap around: in uint8, 3 - 5 is 254. Convert to floats first.",
            ),
            (
                (distance**2, index, side),
                "Your distance is the mean square: take its root, in levels of 0 to 255.",
            ),
            (
                (distance * np.sqrt(768), index, side),
                "Your distance is a sum over the pixels: take the mean before the root.",
            ),
            (
                (distance / 255, index, side),
                "Your distance is for colours from 0 to 1: they run from 0 to 255.",
            ),
            ((distance, index, ~side), "The sides are inverted: True where the mirror image is nearer."),
            (
                (np.sqrt(np.maximum(plain.max(1), mirrored.max(1))), index, side),
                "These are the distances to the furthest sprite, not to the nearest.",
            ),
        ],
        tolerance=1e-3,
    )


@exercise(
    "ex-09-3", "interval(values, resamples, seed)", "From now on, every number of yours has an interval."
)
def interval(ask: Ask) -> None:
    """Quantiles of resampled means."""
    values = ask.rng.random(200)
    mean, spread = values.mean(), values.std() / np.sqrt(200)

    def widths(values: np.ndarray, resamples: int = 3000, what: str = "") -> tuple[float, float]:
        low, high = ask(values, resamples, 5 + ask.seed, like=(1.0, 1.0), what=what)
        return float(low), float(high)

    low, high = widths(values)
    ask.that(low <= high + 1e-6, "The ends are swapped: the lower one comes first.")
    ask.that(
        high > low + 1e-6,
        "The interval has no width: draw with replacement, so that some values come twice and some not at all.",
    )
    ask.that(
        low < mean < high,
        f"The interval, {low:.3f} to {high:.3f}, does not contain the mean of the values, {mean:.3f}.",
    )
    wide = (high - low) / spread
    ask.that(
        wide < 20, "These are quantiles of the values themselves: take the quantiles of the resampled means."
    )
    ask.that(
        not 1.7 < wide < 2.4,
        "The interval is about two standard errors wide, which contains two of three means: 95 % takes about four.",
    )
    ask.that(
        not 2.5 < wide < 3.6,
        "The interval is too narrow for 95 %: the quantiles are 2.5 % and 97.5 %, not 5 % and 95 %.",
    )
    ask.that(
        not 4.7 < wide < 5.8,
        "The interval is too wide for 95 %: the quantiles are 2.5 % and 97.5 %, not 0.5 % and 99.5 %.",
    )
    ask.that(3.6 <= wide <= 4.4, f"The interval is {wide:.1f} standard errors wide; it should be about 3.9.")
    again = widths(values, what="a second time")
    ask.that(
        again == (low, high),
        "The same seed gives another interval the second time: make a generator from the seed.",
    )
    skewed = ask.rng.exponential(1.0, 50) ** 2
    low, high = widths(skewed, 3000, "for skewed values")
    ask.that(
        abs((low + high) / 2 - skewed.mean()) > 1e-3 * skewed.std(),
        "The interval is symmetric about the mean even for skewed values: take quantiles.",
    )


@exercise("ex-09-4", "nearer_to_seen(to_seen, to_unseen)", "One half means no memory, and more means some.")
def nearer_to_seen(ask: Ask) -> None:
    """A share, ties counted half."""
    seen, unseen = ask.rng.integers(0, 12, 400) / 2, ask.rng.integers(0, 14, 400) / 2
    nearer, equal = (seen < unseen).mean(), (seen == unseen).mean()
    ask.same(
        ask(seen, unseen, like=1.0),
        float(nearer + equal / 2),
        [
            (nearer, "You count ties as 0: count them as a half."),
            (nearer + equal, "You count ties as 1: count them as a half."),
            (1 - nearer - equal / 2, "This is the share that is nearer to what the model did not see."),
            (
                (seen > unseen).mean(),
                "This is the share that is further from what the model saw, without ties.",
            ),
            (float((nearer + equal / 2) * 400), "This is a number of sprites: return a share."),
            (float((nearer + equal / 2) * 100), "This is a percentage: a share is between 0 and 1."),
            (nearer / (1 - equal), "You drop ties altogether: count them as a half."),
            (
                float(seen.mean() < unseen.mean()),
                "You compare the means of the two: compare sprite by sprite.",
            ),
        ],
        tolerance=1e-6,
    )
    ask.same(
        ask(seen, seen, like=1.0, what="for equal distances"),
        0.5,
        what="For equal distances the shares",
        tolerance=1e-6,
    )


@exercise("ex-09-5", "coverage(features, real, k)", "You see what a model leaves out.")
def coverage(ask: Ask) -> None:
    """Balls around real sprites, and whether a drawn sprite is in them."""
    real, features = ask.rng.standard_normal((150, 3)), ask.rng.standard_normal((60, 3)) * 1.3 + 0.4

    def table(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.linalg.norm(a[:, None] - b[None], axis=2)

    among, own, reach = (
        np.sort(table(real, real), 1),
        np.sort(table(features, features), 1),
        table(features, real),
    )
    for k in (3, 1):
        radius = among[:, k]
        ask.same(
            ask(features, real, k, like=1.0, what=f"with k = {k}"),
            float((reach < radius).any(axis=0).mean()),
            [
                (
                    (reach < among[:, k - 1]).any(axis=0).mean(),
                    "Your balls are too small: each real sprite is its own nearest neighbour, which does not count.",
                ),
                (
                    (reach < among[:, k + 1]).any(axis=0).mean(),
                    "Your balls are too large: the radius is the distance to the k-th nearest other.",
                ),
                (
                    (reach < radius).any(axis=1).mean(),
                    "This is the share of drawn sprites in some ball: return the share of balls with a drawn sprite.",
                ),
                (
                    float((reach < radius).sum(axis=1).mean() / k),
                    "This is a density, a mean number of balls: return the share of balls with a drawn sprite.",
                ),
                (
                    (np.less(reach.T, own[:, k])).any(axis=0).mean(),
                    "Your balls are centred on drawn sprites: centre them on the real ones.",
                ),
                (
                    (reach < radius).mean(),
                    "This is the share of all pairs that are close: one drawn sprite in a ball is enough.",
                ),
                (
                    (reach < radius.mean()).any(axis=0).mean(),
                    "All balls have the same radius: each real sprite has its own.",
                ),
            ],
            what=f"With k = {k} the shares",
            tolerance=1e-6,
        )


@exercise(
    "ex-09-6", "near_copies(distances, limit)", "Copies are seen now, however large the training set is."
)
def near_copies(ask: Ask) -> None:
    """A planted bug: the share of the wrong set."""
    distances = ask.rng.uniform(5, 60, (10, 50))
    distances[0, 3] = distances[1, 3] = distances[4, 20] = distances[4, 21] = distances[4, 22] = 1.0
    for limit in (5.0, 6.0, 0.5):
        close = distances < limit
        right = close.any(axis=1).mean()
        ask.same(
            ask(distances, limit, like=1.0, what=f"with a limit of {limit:g}"),
            float(right),
            [
                (
                    close.any(0).mean(),
                    "The planted bug is still there: this is the share of the training set that was copied.",
                ),
                (
                    close.mean(),
                    "This is the share of all pairs that are close: one close training sprite makes a copy.",
                ),
                (float(close.any(axis=1).sum()), "This is a number of sprites: return a share."),
                (
                    float(close.sum() / 10),
                    "You count pairs: a sprite near two training sprites is still one copy.",
                ),
                (
                    float(close.any(axis=1).sum() / 50),
                    "You divide by the size of the training set: divide by the number of drawn sprites.",
                ),
                (
                    close.all(axis=1).mean(),
                    "A drawn sprite is a copy if any training sprite is close, not only if all of them are.",
                ),
                (1 - right, "This is the share of sprites that are not copies."),
            ],
            what=f"With a limit of {limit:g} the shares",
            tolerance=1e-6,
        )


@exercise("ex-09-7", "best_accuracy(real, drawn, share)", "You know what no network can surpass.")
def best_accuracy(ask: Ask) -> None:
    """The larger of two probabilities, kind by kind."""
    real, drawn = ask.rng.dirichlet(np.ones(7), 2)
    for share in (0.3, 0.5):
        a, b = share * real, (1 - share) * drawn
        right = float(np.maximum(a, b).sum())
        ask.same(
            ask(real, drawn, share, like=1.0, what=f"with a share of {share:g}"),
            right,
            [
                (
                    float(np.maximum(real, drawn).sum() / 2),
                    "You take real and drawn sprites to be equally frequent: weight them by share and 1 - share.",
                ),
                (
                    float(np.maximum((1 - share) * real, share * drawn).sum()),
                    "The weights are swapped: a sprite is real with the probability share.",
                ),
                (1 - right, "This is how often the best rule is wrong: return how often it is right."),
                (
                    float(np.abs(a - b).sum()),
                    "This is how much more often the best rule is right than wrong: it is wrong sometimes, too.",
                ),
                (
                    float(0.5 + np.abs(a - b).sum() / 4),
                    "A quarter goes with the densities themselves: once they are weighted, it is a half.",
                ),
                (
                    float(((a**2 + b**2) / (a + b)).sum()),
                    "Your rule guesses in proportion to the probabilities: always name the likelier.",
                ),
                (
                    max(share, 1 - share),
                    "Your rule ignores what it sees: it may say something else for each kind.",
                ),
                (
                    float(np.maximum(a, b).max()),
                    "This is what one kind adds to the right answers: add up all kinds.",
                ),
            ],
            what=f"With a share of {share:g} the shares of right answers",
            tolerance=1e-6,
        )
