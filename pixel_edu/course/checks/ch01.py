"""Checks of chapter 1: what is in a dataset."""

from __future__ import annotations

import math

import numpy as np

from pixel_edu import sprites
from pixel_edu.course.checking import Ask, exercise


def base_names(images: np.ndarray) -> list[bytes]:
    """A key for each picture that its mirror image shares."""
    return [min(image.tobytes(), image[:, ::-1].tobytes()) for image in images]


def crowd(ask: Ask, count: int = 20) -> np.ndarray:
    """Sprites with copies and mirrors, in any order; one is its own mirror."""
    base = sprites.make(count, seed=50 + ask.seed).images
    base[0, :, 8:] = base[0, :, 7::-1]
    some, mirrored = base[ask.rng.integers(0, count, 15)], base[: count // 2, :, ::-1]
    return ask.rng.permutation(np.concatenate([base, some, mirrored]))


@exercise("ex-01-1", "count_sprites(images)", "You know what you have before you train on it.")
def count_sprites(ask: Ask) -> None:
    """Different pictures, and base sprites."""
    images = crowd(ask)
    keys, names = {image.tobytes() for image in images}, set(base_names(images))
    different, bases = len(keys), len(names)
    upside = len({min(image.tobytes(), image[::-1].tobytes()) for image in images})
    turned = len({min(image.tobytes(), image[..., ::-1].tobytes()) for image in images})
    got = ask(images, like=(1, 1))
    ask.same(
        int(got[0]),
        different,
        [
            (len(images), "Your number of pictures is the number of rows: identical rows count once."),
            (
                bases,
                "Your number of pictures is the number of base sprites: a mirrored picture is a different picture.",
            ),
            (
                len(np.unique(images.reshape(-1, 3), axis=0)),
                "Your number of pictures counts distinct pixels: compare whole pictures.",
            ),
        ],
        what="The numbers of pictures",
    )
    ask.same(
        int(got[1]),
        bases,
        [
            (
                different,
                "Your number of base sprites is that of different pictures: a sprite and its mirror image are one.",
            ),
            (
                different // 2,
                "Your number of base sprites is half the number of pictures: not every sprite is there mirrored.",
            ),
            (
                upside,
                "You flip top and bottom: a mirror image swaps left and right, which is the third axis.",
            ),
            (turned, "You swap red and blue: left and right are the third axis, not the last."),
            (2 * bases - different, "Sprites whose mirror image is in the set are missing: they count once."),
            (
                len({image[:, ::-1].tobytes() for image in images} - keys),
                "Only the mirror images are counted.",
            ),
        ],
        what="The numbers of base sprites",
    )


@exercise("ex-01-2", "split(images, share)", "Nothing leaks, and nothing ever will.")
def split(ask: Ask) -> None:
    """Properties of a split that cannot leak."""
    images = crowd(ask, 30)

    def parts(images: np.ndarray, share: float, what: str) -> tuple[np.ndarray, np.ndarray]:
        train, held, *_ = [*ask(images, share, like=list, what=what), None, None]
        ask.that(
            isinstance(train, np.ndarray) and isinstance(held, np.ndarray) and train.ndim == held.ndim == 1,
            f"{ask.name} must return two arrays of row numbers, train and validation.",
        )
        ask.that(
            train.dtype.kind in "iu" and held.dtype.kind in "iu",
            "Row numbers are integers: look at the dtype.",
        )
        both = np.concatenate([train, held])
        ask.that(len(np.intersect1d(train, held)) == 0, "Some rows are in both parts.")
        ask.that(
            len(np.unique(both)) == len(both),
            "Some rows appear twice in a part: keep the copies of a picture, but each row once.",
        )
        ask.that(
            len(both) == len(images),
            f"{len(images) - len(both)} of {len(images)} rows are in neither part: copies belong to one, too.",
        )
        ask.that(
            bool((np.diff(train) > 0).all() and (np.diff(held) > 0).all()),
            "The row numbers are not in ascending order.",
        )
        return train, held

    train, held = parts(images, 0.3, "with a share of 0.3")
    keys, names = [image.tobytes() for image in images], base_names(images)
    bases = len(set(names))
    out = {names[i] for i in held}
    ask.that(
        not {keys[i] for i in train} & {keys[i] for i in held},
        "The split leaks: copies of one picture are in both parts. Split by sprite, not by row.",
    )
    ask.that(
        not {names[i] for i in train} & out,
        "The split leaks in the mirror: a sprite is in one part and its mirror image in the other.",
    )
    ask.that(
        len(out) != bases - round(0.3 * bases),
        "The parts are swapped: `share` says how many of the sprites go to validation.",
    )
    ask.that(
        len(out) == round(0.3 * bases),
        f"With a share of 0.3, {len(out)} of {bases} base sprites are held out; it should be {round(0.3 * bases)}.",
    )
    again = parts(images, 0.3, "a second time")[1]
    ask.that(
        {names[i] for i in again} == out, "The second call holds out other sprites: leave chance out of it."
    )
    order = ask.rng.permutation(len(images))
    other = parts(images[order], 0.3, "for the rows in another order")[1]
    ask.that(
        {names[order[i]] for i in other} == out,
        "With the rows in another order, other sprites are held out: choose by the pixels.",
    )
    more = np.concatenate([images, images[:7], images[:5, :, ::-1]])
    extra = parts(more, 0.3, "with more copies")[1]
    ask.that(
        {base_names(more)[i] for i in extra} == out,
        "With more copies of some rows, other sprites are held out: choose by the pixels, each sprite once.",
    )
    dark = sorted(set(names), key=lambda name: int(np.frombuffer(name, np.uint8).sum()))
    ask.that(
        out not in (set(dark[: len(out)]), set(dark[-len(out) :])),
        "The darkest or the brightest sprites are held out: choose by a hash.",
    )
    ask.that(
        out not in (set(sorted(set(names))[: len(out)]), set(sorted(set(names))[-len(out) :])),
        "The first sprites in the order of their pixels are held out, which are alike at the top: choose by a hash.",
    )


@exercise(
    "ex-01-3", "join(numbers, labels, count)", "Every picture has its own label, and the missing ones say so."
)
def join(ask: Ask) -> None:
    """Counting from 1."""
    count = 30
    numbers = ask.rng.permutation(np.arange(1, count))[:20]
    numbers = np.concatenate([numbers, [count]])
    labels = ask.rng.integers(0, 5, len(numbers))
    right = np.full(count, -1)
    right[numbers - 1] = labels
    late = np.full(count, -1)
    late[numbers[numbers < count]] = labels[numbers < count]
    round_ = np.full(count, -1)
    round_[numbers % count] = labels
    zeros = np.where(right < 0, 0, right)
    ask.same(
        ask(numbers, labels, count, like=right),
        right,
        [
            (late, "Every label is one row late: number 1 is row 0."),
            (
                round_,
                "Every label is one row late, and the last wraps around to the front: number 1 is row 0.",
            ),
            (zeros, "Rows without a label have 0, which is a class: they must have -1."),
            (
                np.concatenate([labels, np.full(count - len(labels), -1)]),
                "The labels are in the order of the table: each belongs in the row that its number says.",
            ),
            (
                np.concatenate([labels[np.argsort(numbers)], np.full(count - len(labels), -1)]),
                "Sorted by number, but the gaps are closed: a row without a label keeps its place.",
            ),
            (np.roll(right, -1), "Every label is one row early: number 1 is row 0."),
            (np.where(right < 0, -1, np.arange(1, count + 1)), "These are the numbers, not the labels."),
        ],
    )
    empty = np.zeros(0, np.int64)
    ask.same(ask(empty, empty, 3, like=right[:3], what="for an empty table"), np.full(3, -1))


@exercise("ex-01-4", "to_model(images)", "From here on, this is called x0.")
def to_model(ask: Ask) -> None:
    """Axes and range."""
    images = sprites.make(4, seed=ask.seed).images.copy()
    images[0, 0, :3] = [[0, 128, 255], [1, 2, 3], [254, 127, 64]]
    first = np.moveaxis(images, 3, 1).astype(np.float32)
    right = first / 127.5 - 1
    ask.same(
        ask(images, like=right),
        right,
        [
            (first / 255, "The numbers run from 0 to 1: they must run from -1 to 1."),
            (first / 127.5, "The numbers run from 0 to 2: subtract 1."),
            (first / 255 - 0.5, "The numbers run from -0.5 to 0.5: they must run from -1 to 1."),
            (first / 128 - 1, "Divided by 128, 255 does not become 1: the middle of 0 .. 255 is 127.5."),
            (first / 127 - 1, "Divided by 127, 255 goes beyond 1: the middle of 0 .. 255 is 127.5."),
            (right.swapaxes(2, 3), "Rows and columns are swapped, too: only the axis of colours moves."),
            (
                images.reshape(4, 3, 16, 16).astype(np.float32) / 127.5 - 1,
                "`reshape` mixes up the pixels: move the axis of colours.",
            ),
            (-right, "White and black are swapped."),
            (first, "The numbers still run from 0 to 255."),
        ],
        tolerance=1e-6,
    )


@exercise("ex-01-5", "enlarge(images, factor)", "Sharp, and not a colour too many.")
def enlarge(ask: Ask) -> None:
    """Every pixel a square."""
    images = sprites.make(3, seed=ask.seed).images
    for factor in (3, 2, 1):
        right = np.kron(images, np.ones((1, factor, factor, 1), np.uint8))
        ask.same(
            ask(images, factor, like=right, what=f"with a factor of {factor}"),
            right,
            [
                (
                    np.tile(images, (1, factor, factor, 1)),
                    "These are whole copies side by side: repeat each pixel, not the picture.",
                ),
                (
                    np.tile(images.repeat(factor, axis=1), (1, 1, factor, 1)),
                    "Only the rows are repeated, and the columns are copied: repeat both.",
                ),
                (
                    np.tile(images.repeat(factor, axis=2), (1, factor, 1, 1)),
                    "Only the columns are repeated, and the rows are copied: repeat both.",
                ),
                (right.swapaxes(1, 2), "Rows and columns are swapped."),
                (
                    _dotted(images, factor),
                    "Each square has one pixel of colour, and the rest is black: repeat the pixel.",
                ),
                (right[:, :, ::-1], "The picture is mirrored."),
            ],
        )


def _dotted(images: np.ndarray, factor: int) -> np.ndarray:
    out = np.zeros((len(images), 16 * factor, 16 * factor, 3), np.uint8)
    out[:, ::factor, ::factor] = images
    return out


@exercise("ex-01-6", "in_order(names)", "Picture and label belong together again.")
def in_order(ask: Ask) -> None:
    """A planted bug: numbers sorted as text."""
    for numbers in (range(23), (7, 100, 20, 3, 1000)):
        right = [f"image_{k}.JPEG" for k in sorted(numbers)]
        names = [right[i] for i in ask.rng.permutation(len(right))]
        got = ask(list(names), like=list, what=f"for {len(names)} names")
        wrong = [
            (sorted(names), "The planted bug is still there: as text, image_10 comes before image_2."),
            (names, "The names are in the order in which they came: sort them by number."),
            (right[::-1], "The largest number is first: begin with the smallest."),
            (
                sorted(names, key=len),
                "Sorted by length only: names of the same length need sorting by their numbers.",
            ),
            (sorted(numbers), "These are the numbers: return the names."),
            (
                sorted(names, key=lambda name: name.split(".")[0][-1]),
                "The names are sorted by their last digit.",
            ),
            (
                [name.split(".")[0] for name in right],
                "The names have lost their file extension: return them as they are.",
            ),
        ]
        for order, message in wrong:
            ask.that(got == right or got != order, message)
        ask.that(
            sorted(map(str, got)) == sorted(right),
            "The list does not hold the same names: each exactly once.",
        )
        at = next((i for i, (g, r) in enumerate(zip(got, right, strict=True)) if g != r), None)
        ask.that(at is None, f"At index {at} is {got[at or 0]}, and it should be {right[at or 0]}.")


@exercise("ex-01-8", "sprites_seen(copies, draws)", "You know what a number of rows is worth.")
def sprites_seen(ask: Ask) -> None:
    """The mean number of different sprites among rows drawn with replacement."""
    for copies, draws in ((ask.rng.integers(1, 9, 12), 15), (np.array([40, 1, 1, 2, 30]), 6)):
        N, K = int(copies.sum()), len(copies)
        share = copies / N
        right = float((1 - (1 - share) ** draws).sum())
        others = np.array([math.comb(N - int(c), draws) / math.comb(N, draws) for c in copies])
        ask.same(
            ask(copies, draws, like=1.0, what=f"for {K} sprites and {draws} rows"),
            right,
            [
                (K - right, "This is how many are missed: return how many are seen."),
                (float(draws), "You count a sprite each time it comes: count it once."),
                (float(K), "This is the number of all base sprites: some of them are not seen."),
                (
                    K * (1 - (1 - 1 / K) ** draws),
                    "You take all base sprites to be as frequent as each other: look at `copies`.",
                ),
                (
                    N * (1 - (1 - 1 / N) ** draws),
                    "This is the number of different rows: rows that show the same sprite count once.",
                ),
                (
                    float((1 - np.exp(-draws * share)).sum()),
                    "This is right in the limit of many rows, and close: the exact power is asked for.",
                ),
                (
                    float((1 - others).sum()),
                    "You draw no row twice: here the same row may come again.",
                ),
                (
                    float((share**draws).sum()),
                    "You raise the chance that a row shows the sprite: all rows show it then. Raise its opposite.",
                ),
                (
                    float((draws * share * (1 - share) ** (draws - 1)).sum()),
                    "This counts sprites that come exactly once: those that come more often are seen, too.",
                ),
            ],
            tolerance=1e-6,
        )
