"""What an evaluation found, for a program to read and for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from pixel_edu import figures, templates
from pixel_edu.evaluation import MEASURES, NEAR, Measure, Report, Score, Told, Yardstick
from pixel_edu.images import png_url
from pixel_edu.two_sample import LEAST

SHOWN = 20
"""Sprites in each picture of the report."""
MOST_ROWS = 16
"""Classes that get a row each; of more, one sprite each is shown."""


def as_dict(
    made: Report, yardstick: Yardstick, settings: Mapping[str, object], told: Told | None = None
) -> dict:
    """For JSON: the settings, what is compared with what, and for each measure what model and real sprites got.

    Args:
        made: what `evaluation.evaluate` found in the model's sprites.
        yardstick: the real sprites that they were measured by.
        settings: how they were drawn.
        told: what `evaluation.tell_apart` found, if it was asked.
    """
    by_class = {} if told is None else {"two_sample_by_class": _scores_by_class(told, yardstick)}
    return {
        "pixel_edu": version("pixel-edu"),
        "settings": dict(settings),
        "comparison": yardstick.comparison,
        "verdict": verdict(told),
        "measures": {
            measure.key: {
                "name": measure.name,
                "better": measure.better,
                "model": model._asdict(),
                "real": real._asdict(),
                "worse_than_real": not as_good(measure, model, real),
            }
            for measure, model, real in compared(made, yardstick, told)
        },
        **by_class,
    }


class Compared(NamedTuple):
    """A measure, what the model's sprites got, and what real ones got."""

    measure: Measure
    model: Score
    real: Score


def compared(made: Report, yardstick: Yardstick, told: Told | None = None) -> list[Compared]:
    """All measures that were taken, in the order of a table; see `as_dict`."""
    model, real = dict(made.scores), dict(yardstick.floor.scores)
    if told is not None:
        model[TOLD.key], real[TOLD.key] = told.model.accuracy, told.real.accuracy
    return [Compared(each, model[each.key], real[each.key]) for each in MEASURES if each.key in model]


def compared_by_class(told: Told, yardstick: Yardstick) -> dict[str, Compared]:
    """How often sprites of each class are told from real ones."""
    words = yardstick.classifier.heads[0].words
    return {words[c]: Compared(TOLD, score, told.real.classes[c]) for c, score in told.model.classes.items()}


def _scores_by_class(told: Told, yardstick: Yardstick) -> dict[str, dict]:
    found = compared_by_class(told, yardstick)
    return {name: {"model": row.model._asdict(), "real": row.real._asdict()} for name, row in found.items()}


TOLD = next(measure for measure in MEASURES if measure.key == "two_sample")


def verdict(told: Told | None) -> str:
    """What the two-sample test says of the model's sprites as a whole, which no other measure can."""
    if told is None:
        return (
            "Only the two-sample test can say whether the sprites are as good as real ones. It was not run: it needs "
            f"at least {LEAST} real and {LEAST} drawn sprites of the same classes, and is skipped by --no-two-sample."
        )
    model, real = (" (".join(in_words(TOLD, each.accuracy)) + ")" for each in (told.model, told.real))
    learned = f"A network that learned from {told.sprites - told.sprites // 2:,} drawn sprites and as many real ones"
    if is_told(told):
        return (
            f"{learned} tells others apart in {model} of cases, and real from real in {real}: the sprites are not as "
            "good as real, whatever single rows say."
        )
    return (
        f"{learned} tells others apart in {model} of cases, and real from real in {real}: it has found no difference. "
        "One that learns from more may."
    )


def is_told(told: Told) -> bool:
    """Whether sprites are told from real ones more often than real ones from each other, all or those of a class."""
    pairs = [(told.model.accuracy, told.real.accuracy)]
    pairs += [(score, told.real.classes[c]) for c, score in told.model.classes.items()]
    return not all(as_good(TOLD, model, real) for model, real in pairs)


def as_good(measure: Measure, model: Score, real: Score) -> bool:
    """Whether the model's interval reaches that of real sprites, or lies on the better side of it."""
    not_lower, not_higher = model.high >= real.low, model.low <= real.high
    return {"higher": not_lower, "lower": not_higher, "real": not_lower and not_higher}[measure.better]


def in_words(measure: Measure, score: Score) -> tuple[str, str]:
    """A value and its interval, such as "98.2 %" and "97.1–99.0"."""
    if measure.unit == "%":
        value, low, high = (f"{100 * part:.1f}".replace("100.0", "100") for part in score)
        return f"{value} %", f"{low}–{high}"
    digits = max(0, 2 - int(np.floor(np.log10(abs(score.value)))) if score.value else 0)
    return f"{score.value:,.{digits}f}", f"{score.low:,.{digits}f}–{score.high:,.{digits}f}"


def as_html(
    images: np.ndarray,
    labels: np.ndarray,
    made: Report,
    yardstick: Yardstick,
    settings: Mapping[str, object],
    told: Told | None = None,
) -> str:
    """One page that needs no other file: the table, and pictures of the best, the worst and the nearest.

    Args:
        images: (N, S, S, C) uint8, what the model drew.
        labels: (N,) the classes that were asked for.
        made: what `evaluation.evaluate` found in them.
        yardstick: the real sprites that they were measured by.
        settings: how they were drawn.
        told: what `evaluation.tell_apart` found, if it was asked.
    """
    icon = figures.png_bytes(images[np.argmin(made.oddness)])
    return templates.render(
        "evaluation.html.j2",
        icon=png_url(icon),
        how=", ".join(f"{name} {value}" for name, value in settings.items()),
        verdict=verdict(told),
        rows=[_row(row.measure.name, row) for row in compared(made, yardstick, told)],
        classes=[_row(name, row) for name, row in compared_by_class(told, yardstick).items()] if told else [],
        comparison=yardstick.comparison,
        sections=[*_examples(images, labels, made, yardstick), _nearest(images, made, yardstick)],
    )


class MeasureRow(NamedTuple):
    """A line of the page's table: values with their intervals, in words."""

    name: str
    model: tuple[str, str]
    real: tuple[str, str]
    worse: bool


def _row(name: str, row: Compared) -> MeasureRow:
    return MeasureRow(
        name, in_words(row.measure, row.model), in_words(row.measure, row.real), not as_good(*row)
    )


class Section(NamedTuple):
    """A picture of the page, with what there is to see."""

    title: str
    text: str
    picture: Markup


def _section(
    title: str, text: str, images: np.ndarray, columns: int = 10, captions: Sequence[str] = ()
) -> Section:
    return Section(title, text, Markup(figures.sprites(images, text, columns, row_captions=captions).html))


def _examples(
    images: np.ndarray, labels: np.ndarray, made: Report, yardstick: Yardstick
) -> Iterator[Section]:
    """Some of each class, the most typical and the oddest."""
    classes, words = np.unique(labels), yardstick.classifier.heads[0].words
    each = 10 if len(classes) <= MOST_ROWS else 1
    rows = [np.flatnonzero(labels == c)[:each] for c in classes]
    rows = [row[: min(map(len, rows))] for row in rows]
    names = [words[c].replace("_", " ") for c in classes] if each > 1 else []
    first, columns = images[np.concatenate(rows)], len(rows[0]) if names else SHOWN
    yield _section("As they came", "The first of each class.", first, columns, names)
    order = np.argsort(made.oddness, kind="stable")
    best, worst = images[order[:SHOWN]], images[order[::-1][:SHOWN]]
    whose = "training sprite" if yardstick.real is yardstick.train else "real sprite that the model never saw"
    text = f"Nearest, to the classifier, to a {whose}."
    yield _section("Best", text, best)
    text = f"Farthest, to the classifier, from every {whose}. Look here first."
    yield _section("Worst", text, worst)


def _nearest(images: np.ndarray, made: Report, yardstick: Yardstick) -> Section:
    """The sprites that are closest to a training sprite, with it."""
    closest = np.argsort(made.nearest.distance, kind="stable")[:SHOWN]
    known = yardstick.train[made.nearest.index[closest]]
    mirrored = made.nearest.mirrored[closest, None, None, None]
    pairs = np.stack([images[closest], np.where(mirrored, known[:, :, ::-1], known)], axis=1)
    low, high = made.nearest.distance[closest[[0, -1]]]
    text = (
        "In pairs: a drawn sprite, and right of it the nearest training sprite, mirrored where that is nearer. "
        f"Below a distance of {NEAR:.0f} levels a sprite counts as a near copy; these have {low:.1f} to {high:.1f}."
    )
    return _section("Nearest training sprites", text, pairs.reshape(-1, *images.shape[1:]))
