"""Answers to the exercises of chapter 1: right ones, and wrong ones with what the check must say."""

import hashlib
import math
import re

import numpy as np

from tests.answers import reports


def mirror(image):
    return image[:, ::-1]


def names_of(images, turn=mirror):
    return [min(image.tobytes(), turn(image).tobytes()) for image in images]


def count_with(turn=mirror, first=None, second=None):
    def answer(images):
        keys, names = {image.tobytes() for image in images}, set(names_of(images, turn))
        return (
            first(images, keys, names) if first else len(keys),
            second(images, keys, names) if second else len(names),
        )

    return answer


def count_by_numpy(images):
    rows = images.reshape(len(images), -1)
    flipped = images[:, :, ::-1].reshape(len(images), -1)
    names = []
    for row, other in zip(rows, flipped, strict=True):
        differ = np.flatnonzero(row != other)
        names.append(other if len(differ) and row[differ[0]] > other[differ[0]] else row)
    return np.int64(len(np.unique(rows, axis=0))), np.int64(len(np.unique(names, axis=0)))


def digest(name):
    return hashlib.sha256(name).digest()


def split_with(
    name=names_of,
    key=digest,
    share=lambda share, n: round(share * n),
    finish=lambda a, b: (a, b),
    unique=True,
):
    def answer(images, wanted):
        names = name(images)
        bases = sorted(set(names), key=key) if unique else list(dict.fromkeys(names))
        held = set(bases[: share(wanted, len(bases))])
        inside = np.array([each in held for each in names])
        return finish(np.flatnonzero(~inside), np.flatnonzero(inside))

    return answer


def split_by_number(images, share):
    """By a number made of a hash, the other end first."""
    names = names_of(images)
    number = {name: int.from_bytes(hashlib.blake2b(name).digest()[:8], "big") for name in names}
    limit = sorted(number.values(), reverse=True)
    chosen = sorted(set(limit), reverse=True)[: round(share * len(number))]
    rows = [number[name] in chosen for name in names]
    return [i for i, r in enumerate(rows) if not r] and (
        np.array([i for i, r in enumerate(rows) if not r], np.int64),
        np.array([i for i, r in enumerate(rows) if r], np.int64),
    )


def by_row(images, share):
    order = np.argsort([digest(bytes([i % 256, i // 256])) for i in range(len(images))])
    k = round(share * len(images))
    return np.sort(order[k:]), np.sort(order[:k])


def by_chance(images, share):
    names = names_of(images)
    bases = sorted(set(names))
    held = {bases[i] for i in np.random.default_rng().permutation(len(bases))[: round(share * len(bases))]}
    inside = np.array([name in held for name in names])
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def by_number_of_copies(images, share):
    names = names_of(images)
    bases = sorted(set(names), key=lambda name: (names.count(name), digest(name)))
    held = set(bases[: round(share * len(bases))])
    inside = np.array([name in held for name in names])
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def brightness(name):
    return int(np.frombuffer(name, np.uint8).sum())


def join_by_dict(numbers, labels, count):
    table = dict(zip(numbers.tolist(), labels.tolist(), strict=True))
    return np.array([table.get(row + 1, -1) for row in range(count)])


def join(numbers, labels, count, empty=-1, shift=1):
    found = np.full(count, empty)
    found[(numbers - shift) % count] = labels
    return found


def late(numbers, labels, count):
    found = np.full(count + 1, -1)
    found[numbers] = labels
    return found[:count]


def number(name):
    return int(re.search(r"\d+", name)[0])


def tidy(f):
    return lambda images: f(np.moveaxis(images, 3, 1).astype(np.float32)).astype(np.float32)


def spread_out(images, factor):
    large = np.zeros((len(images), 16 * factor, 16 * factor, 3), np.uint8)
    large[:, ::factor, ::factor] = images
    return large


def enlarge_by_loop(images, factor):
    large = spread_out(images, factor)
    for i in range(16 * factor):
        for j in range(16 * factor):
            large[:, i, j] = images[:, i // factor, j // factor]
    return large


RIGHT = {
    "ex-01-1": [count_with(), count_by_numpy],
    "ex-01-2": [split_with(), split_by_number],
    "ex-01-3": [join, join_by_dict],
    "ex-01-4": [
        tidy(lambda x: x / 127.5 - 1),
        lambda images: ((images.transpose(0, 3, 1, 2) / 255.0 - 0.5) * 2).astype(np.float32),
    ],
    "ex-01-5": [
        enlarge_by_loop,
        lambda images, k: images[:, np.arange(16 * k) // k][:, :, np.arange(16 * k) // k],
    ],
    "ex-01-6": [
        lambda names: sorted(names, key=number),
        lambda names: [f"image_{k}.JPEG" for k in sorted(map(number, names))],
    ],
}

WRONG = {
    "ex-01-1": {
        "is the number of rows": count_with(first=lambda images, keys, names: len(images)),
        "is the number of base sprites: a mirrored": count_with(first=lambda images, keys, names: len(names)),
        "Your number of pictures counts distinct pixels": count_with(
            first=lambda images, keys, names: len(np.unique(images.reshape(-1, 3), axis=0))
        ),
        "a sprite and its mirror image are one": count_with(second=lambda images, keys, names: len(keys)),
        "half the number of pictures": count_with(second=lambda images, keys, names: len(keys) // 2),
        "not 2 values": lambda images: len(set(names_of(images))),
        "are wrong": count_with(second=lambda images, keys, names: len(names) + 3),
        "Sprites whose mirror image is in the set are missing": count_with(
            second=lambda images, keys, names: 2 * len(names) - len(keys)
        ),
    },
    "ex-01-2": {
        "copies of one picture": by_row,
        "leaks in the mirror": split_with(lambda images: [image.tobytes() for image in images]),
        "The parts are swapped": split_with(finish=lambda a, b: (b, a)),
        "should be": split_with(share=lambda share, n: round(share * n) + 1),
        "leave chance out": by_chance,
        "in another order": split_with(unique=False),
        "With more copies": by_number_of_copies,
        "darkest or the brightest": split_with(key=brightness),
        "order of their pixels": split_with(key=lambda name: name),
        "in neither part": split_with(finish=lambda a, b: (a[1:], b)),
        "in both parts": split_with(finish=lambda a, b: (np.union1d(a, b), b)),
        "two arrays of row numbers": split_with(finish=lambda a, b: (a.tolist(), b.tolist())),
        "The row numbers are not in ascending order": split_with(finish=lambda a, b: (a[::-1], b)),
    },
    "ex-01-3": {
        "one row late: number": late,
        "the last wraps around to the front": lambda n, labels, count: join(n, labels, count, shift=0),
        "which is a class": lambda n, labels, count: join(n, labels, count, empty=0),
        "in the order of the table": lambda n, labels, count: np.concatenate(
            [labels, np.full(count - len(n), -1)]
        ),
        "the gaps are closed": lambda n, labels, count: np.concatenate(
            [labels[np.argsort(n)], np.full(count - len(n), -1)]
        ),
        "one row early": lambda n, labels, count: join(n, labels, count, shift=2),
        "not the labels": lambda n, labels, count: join(n, n, count),
        "stopped with IndexError": lambda n, labels, count: (
            lambda found: (found.__setitem__(n, labels), found)[1]
        )(np.full(count, -1)),
    },
    "ex-01-4": {
        "from 0 to 1": tidy(lambda x: x / 255),
        "from 0 to 2": tidy(lambda x: x / 127.5),
        "from -0.5": tidy(lambda x: x / 255 - 0.5),
        "Divided by 128": tidy(lambda x: x / 128 - 1),
        "Divided by 127": tidy(lambda x: x / 127 - 1),
        "Rows and columns": tidy(lambda x: (x / 127.5 - 1).swapaxes(2, 3)),
        "`reshape` mixes up the pixels": lambda images: (
            images.reshape(-1, 3, 16, 16).astype(np.float32) / 127.5 - 1
        ),
        "White and black": tidy(lambda x: 1 - x / 127.5),
        "returned the shape": lambda images: images.astype(np.float32) / 127.5 - 1,
    },
    "ex-01-5": {
        "whole copies side by side": lambda images, k: np.tile(images, (1, k, k, 1)),
        "Only the rows are repeated": lambda images, k: np.tile(images.repeat(k, 1), (1, 1, k, 1)),
        "Only the columns are repeated": lambda images, k: np.tile(images.repeat(k, 2), (1, k, 1, 1)),
        "Rows and columns": lambda images, k: enlarge_by_loop(images, k).swapaxes(1, 2),
        "the rest is black": spread_out,
        "mirrored": lambda images, k: enlarge_by_loop(images, k)[:, :, ::-1],
        "integers from 0 to 255": lambda images, k: enlarge_by_loop(images, k).astype(int),
        "returned the shape": lambda images, k: images.repeat(k, 1),
    },
    "ex-01-6": {
        "The planted bug is still there": sorted,
        "The names are in the order in which they came": lambda names: names,
        "largest number is first": lambda names: sorted(names, key=number, reverse=True),
        "Sorted by length only": lambda names: sorted(names, key=len),
        "These are the numbers": lambda names: sorted(map(number, names)),
        "last digit": lambda names: sorted(names, key=lambda name: name.split(".")[0][-1]),
        "The names have lost their file extension": lambda names: [
            name.split(".")[0] for name in sorted(names, key=number)
        ],
        "At index 0 is": lambda names: sorted(names, key=number)[1:] + sorted(names, key=number)[:1],
        "the same names": lambda names: sorted(names, key=number)[:10],
    },
}

RIGHT["ex-01-7"], WRONG["ex-01-7"] = reports.answers("ex-01-7")


def seen_with(each):
    """The sum over base sprites of what `each` says of their shares of the rows."""
    return lambda copies, draws: float(each(copies / copies.sum(), draws).sum())


def seen_by_loop(copies, draws):
    rows, seen = int(sum(copies)), 0.0
    for each in copies.tolist():
        missed = 1.0
        for _ in range(draws):
            missed *= (rows - each) / rows
        seen += 1 - missed
    return seen


def no_row_twice(copies, draws):
    rows = int(copies.sum())
    return float(sum(1 - math.comb(rows - int(c), draws) / math.comb(rows, draws) for c in copies))


RIGHT["ex-01-8"] = [
    seen_with(lambda p, n: 1 - (1 - p) ** n),
    seen_by_loop,
    lambda copies, draws: len(copies) - np.exp(draws * np.log1p(-copies / copies.sum())).sum(),
]
WRONG["ex-01-8"] = {
    "how many are missed": seen_with(lambda p, n: (1 - p) ** n),
    "each time it comes": seen_with(lambda p, n: n * p),
    "number of all base sprites": lambda copies, draws: len(copies),
    "as frequent as each other": lambda copies, draws: len(copies) * (1 - (1 - 1 / len(copies)) ** draws),
    "number of different rows": lambda copies, draws: copies.sum() * (1 - (1 - 1 / copies.sum()) ** draws),
    "in the limit of many rows": seen_with(lambda p, n: 1 - np.exp(-n * p)),
    "You draw no row twice": no_row_twice,
    "Raise its opposite": seen_with(lambda p, n: p**n),
    "exactly once": seen_with(lambda p, n: n * p * (1 - p) ** (n - 1)),
    "instead of": seen_with(lambda p, n: 1 - (1 - p) ** (n - 1)),
}
