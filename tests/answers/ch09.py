"""Answers to the exercises of chapter 9: right ones, and wrong ones with what the check must say."""

import numpy as np

from tests.answers import reports


def parts(a, b, bias=False):
    c1, c2 = (np.cov(each, rowvar=False, bias=bias) for each in (a, b))
    off = a.mean(0) - b.mean(0)
    root = np.sqrt(np.linalg.eigvals(c1 @ c2).real.clip(min=0)).sum()
    return off @ off, np.trace(c1) + np.trace(c2), root, c1, c2


def frechet_with(f, bias=False):
    return lambda a, b: f(*parts(a, b, bias))


def frechet_by_symmetric_root(a, b):
    """With the root of C1, by its eigenvectors: another way to the same trace."""
    gap, traces, _, c1, c2 = parts(a, b)
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return gap + traces - 2 * np.sqrt(np.linalg.eigvalsh(root @ c2 @ root).clip(min=0)).sum()


def eig(m):
    return np.sqrt(np.linalg.eigvals(m).real.clip(min=0)).sum()


def flip(images):
    return images[:, :, ::-1]


def nearest_by_loop(images, others):
    distance, index, side = [], [], []
    for image in images:
        tries = []
        for mirrored in (False, True):
            this = image[:, ::-1] if mirrored else image
            for j, other in enumerate(others):
                off = this.astype(float) - other.astype(float)
                tries.append((float(np.sqrt((off**2).mean())), mirrored, j))
        best = min(tries)
        distance.append(best[0])
        index.append(best[2])
        side.append(best[1])
    return np.array(distance), np.array(index), np.array(side)


def nearest_with(mirror=flip, plain=True, number=np.float64, finish=lambda d, i, s: (d, i, s)):
    def table(a, b):
        a, b = (each.reshape(len(each), -1).astype(number) for each in (a, b))
        return np.square(a[:, None] - b[None]).mean(axis=2)

    def answer(images, others):
        first = table(images if plain else flip(images), others)
        second = table(mirror(images), others) if mirror else np.full(first.shape, np.inf)
        side = second.min(1) < first.min(1)
        best = np.where(side[:, None], second, first)
        return finish(np.sqrt(best.min(1)), best.argmin(1), side)

    return answer


def interval_with(quantiles=(0.025, 0.975), replace=True, size=None, means=True, fresh=False, finish=None):
    def answer(values, resamples, seed):
        rng = np.random.default_rng() if fresh else np.random.default_rng(seed)
        n = len(values)
        rounds = [rng.choice(values, size or n, replace=replace) for _ in range(resamples)]
        drawn = np.array([each.mean() for each in rounds]) if means else np.concatenate(rounds)
        return finish(values, drawn) if finish else tuple(np.quantile(drawn, quantiles))

    return answer


def interval_at_once(values, resamples, seed):
    rng = np.random.default_rng(seed)
    means = np.sort(values[rng.integers(len(values), size=(resamples, len(values)))].mean(axis=1))
    return means[int(0.025 * resamples)], means[int(0.975 * resamples)]


def share(f):
    return lambda a, b: f((a < b).mean(), (a == b).mean())


def share_by_loop(a, b):
    return sum(1.0 if x < y else 0.5 if x == y else 0.0 for x, y in zip(a, b, strict=True)) / len(a)


def distances(a, b):
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def coverage_with(
    radius=lambda real, k: np.sort(distances(real, real), 1)[:, k],
    share=lambda inside, k: inside.any(0).mean(),
):
    return lambda features, real, k=5: share(distances(features, real) < radius(real, k), k)


def coverage_by_loop(features, real, k=5):
    hit = 0
    for i, center in enumerate(real):
        others = np.delete(real, i, axis=0)
        radius = sorted(np.sqrt(((others - center) ** 2).sum(1)))[k - 1]
        hit += any(np.sqrt(((f - center) ** 2).sum()) < radius for f in features)
    return hit / len(real)


def around_drawn(features, real, k=5):
    radius = np.sort(distances(features, features), 1)[:, k]
    return (distances(real, features) < radius).any(0).mean()


def best(f):
    return lambda real, drawn, share: float(f(share * real, (1 - share) * drawn))


RIGHT = {
    "ex-09-1": [frechet_with(lambda gap, t, root, *_: gap + t - 2 * root), frechet_by_symmetric_root],
    "ex-09-2": [nearest_by_loop, nearest_with(number=np.float32)],
    "ex-09-3": [interval_with(), interval_at_once],
    "ex-09-4": [share(lambda nearer, equal: nearer + equal / 2), share_by_loop],
    "ex-09-5": [coverage_with(), coverage_by_loop],
    "ex-09-6": [
        lambda d, limit: (d < limit).any(axis=1).mean(),
        lambda d, limit: sum(min(row) < limit for row in d.tolist()) / len(d),
    ],
    "ex-09-7": [
        best(lambda a, b: np.maximum(a, b).sum()),
        best(lambda a, b: 0.5 + np.abs(a - b).sum() / 2),
    ],
}

WRONG = {
    "ex-09-1": {
        "formula has its square": frechet_with(lambda gap, t, root, *_: gap**0.5 + t - 2 * root),
        "The means are missing": frechet_with(lambda gap, t, root, *_: t - 2 * root),
        "The last term is subtracted once": frechet_with(lambda gap, t, root, *_: gap + t - root),
        "The last term is added": frechet_with(lambda gap, t, root, *_: gap + t + 2 * root),
        "The last term is missing": frechet_with(lambda gap, t, root, *_: gap + t),
        "You take the root of each entry of the product": frechet_with(
            lambda gap, t, root, c1, c2: gap + t - 2 * np.trace(np.sqrt(np.abs(c1 @ c2)))
        ),
        "You multiply the covariances entry by entry": frechet_with(
            lambda gap, t, root, c1, c2: gap + t - 2 * eig(c1 * c2)
        ),
        "You use only the variances": frechet_with(
            lambda gap, t, root, c1, c2: gap + t - 2 * np.sqrt(np.diag(c1) * np.diag(c2)).sum()
        ),
        "divide by n:": frechet_with(lambda gap, t, root, *_: gap + t - 2 * root, bias=True),
        "This is the root of the Fréchet distance": frechet_with(
            lambda gap, t, root, *_: max(gap + t - 2 * root, 0) ** 0.5
        ),
    },
    "ex-09-2": {
        "Mirrored sprites are not found": nearest_with(mirror=None),
        "Only the mirror images are compared": nearest_with(mirror=None, plain=False),
        "You flip top and bottom": nearest_with(mirror=lambda images: images[:, ::-1]),
        "red and blue": nearest_with(mirror=lambda images: images[..., ::-1]),
        "Your differences wrap around": nearest_with(number=np.uint8),
        "Your distance is the mean square": nearest_with(finish=lambda d, i, s: (d**2, i, s)),
        "a sum over the pixels": nearest_with(finish=lambda d, i, s: (d * np.sqrt(768), i, s)),
        "Your distance is for colours from 0 to 1": nearest_with(finish=lambda d, i, s: (d / 255, i, s)),
        "The sides are inverted": nearest_with(finish=lambda d, i, s: (d, i, ~s)),
        "not 3 values": nearest_with(finish=lambda d, i, s: (d, i)),
    },
    "ex-09-3": {
        "The ends are swapped": interval_with((0.975, 0.025)),
        "no width": interval_with(replace=False),
        "does not contain the mean": interval_with((0.7, 0.975)),
        "quantiles of the values themselves": interval_with(means=False),
        "about two standard errors": interval_with((0.16, 0.84)),
        "not 5 % and 95 %": interval_with((0.05, 0.95)),
        "not 0.5 % and 99.5 %": interval_with((0.005, 0.995)),
        "standard errors wide": interval_with(size=20),
        "the second time": interval_with(fresh=True),
        "is symmetric about the mean": interval_with(
            finish=lambda v, m: (v.mean() - 1.96 * m.std(), v.mean() + 1.96 * m.std())
        ),
    },
    "ex-09-4": {
        "You count ties as 0": share(lambda nearer, equal: nearer),
        "You count ties as 1": share(lambda nearer, equal: nearer + equal),
        "what the model did not see": share(lambda nearer, equal: 1 - nearer - equal / 2),
        "further from what the model saw": share(lambda nearer, equal: 1 - nearer - equal),
        "a number of sprites": lambda a, b: share_by_loop(a, b) * len(a),
        "This is a percentage": lambda a, b: share_by_loop(a, b) * 100,
        "You drop ties altogether": share(lambda nearer, equal: nearer / (1 - equal) if equal < 1 else 0.5),
        "compare sprite by sprite": lambda a, b: float(a.mean() < b.mean()),
    },
    "ex-09-5": {
        "too small": coverage_with(lambda real, k: np.sort(distances(real, real), 1)[:, k - 1]),
        "too large": coverage_with(lambda real, k: np.sort(distances(real, real), 1)[:, k + 1]),
        "share of drawn sprites": coverage_with(share=lambda inside, k: inside.any(1).mean()),
        "This is a density": coverage_with(share=lambda inside, k: inside.sum(1).mean() / k),
        "Your balls are centred on drawn sprites": around_drawn,
        "share of all pairs": coverage_with(share=lambda inside, k: inside.mean()),
        "the same radius": coverage_with(lambda real, k: np.sort(distances(real, real), 1)[:, k].mean()),
        "with k = 3|are wrong": lambda features, real, k=5: coverage_by_loop(features, real, 5),
    },
    "ex-09-6": {
        "The planted bug is still there": lambda d, limit: (d.min(axis=0) < limit).mean(),
        "share of all pairs": lambda d, limit: (d < limit).mean(),
        "a number of sprites": lambda d, limit: (d.min(axis=1) < limit).sum(),
        "You count pairs": lambda d, limit: (d < limit).sum() / len(d),
        "size of the training set": lambda d, limit: (d.min(axis=1) < limit).sum() / d.shape[1],
        "not only if all of them are": lambda d, limit: (d.max(axis=1) < limit).mean(),
        "This is the share of sprites that are not copies": lambda d, limit: (d.min(axis=1) >= limit).mean(),
    },
    "ex-09-7": {
        "equally frequent": lambda real, drawn, share: np.maximum(real, drawn).sum() / 2,
        "The weights are swapped": lambda real, drawn, share: np.maximum(
            (1 - share) * real, share * drawn
        ).sum(),
        "how often the best rule is wrong": best(lambda a, b: np.minimum(a, b).sum()),
        "more often the best rule is right than wrong": best(lambda a, b: np.abs(a - b).sum()),
        "it is a half": best(lambda a, b: 0.5 + np.abs(a - b).sum() / 4),
        "in proportion to the probabilities": best(lambda a, b: ((a**2 + b**2) / (a + b)).sum()),
        "Your rule ignores what it sees": lambda real, drawn, share: max(share, 1 - share),
        "add up all kinds": best(lambda a, b: np.maximum(a, b).max()),
    },
}

RIGHT["ex-09-8"], WRONG["ex-09-8"] = reports.answers("ex-09-8")
