"""What an evaluation found, for a program to read and for a person to look at."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version

import numpy as np

from pixel_edu import figures
from pixel_edu.config import CLASSES
from pixel_edu.evaluation import MEASURES, NEAR, Measure, Report, Score, Yardstick

SHOWN = 20
"""Sprites in each picture of the report."""


def as_dict(made: Report, floor: Report, settings: Mapping[str, object]) -> dict:
    """For JSON: the settings, and for each measure what model and real sprites got."""
    return {
        "pixel_edu": version("pixel-edu"),
        "settings": dict(settings),
        "measures": {
            measure.key: {
                "name": measure.name,
                "better": measure.better,
                "model": made.scores[measure.key]._asdict(),
                "real": floor.scores[measure.key]._asdict(),
                "as_good_as_real": as_good(measure, made.scores[measure.key], floor.scores[measure.key]),
            }
            for measure in measured(made)
        },
    }


def measured(made: Report) -> list[Measure]:
    """The measures that a report holds, in the order of a table."""
    return [measure for measure in MEASURES if measure.key in made.scores]


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
    floor: Report,
    yardstick: Yardstick,
    settings: Mapping[str, object],
) -> str:
    """One page that needs no other file: the table, and pictures of the best, the worst and the nearest.

    Args:
        images: (N, 16, 16, 3) uint8, what the model drew.
        labels: (N,) the classes that were asked for.
        made: what `evaluation.evaluate` found in them.
        floor: the same for real sprites.
        yardstick: which real sprites.
        settings: how they were drawn.
    """
    order = np.argsort(made.oddness, kind="stable")
    closest = np.argsort(made.nearest.distance, kind="stable")[:SHOWN]
    typical, odd = order[:SHOWN], order[::-1][:SHOWN]
    sides = yardstick.train[made.nearest.index[closest]]
    sides = np.where(made.nearest.mirrored[closest, None, None, None], sides[:, :, ::-1], sides)
    pairs = np.stack([images[closest], sides], axis=1).reshape(-1, *images.shape[1:])
    rows = [np.flatnonzero(labels == c)[:10] for c in np.unique(labels)]
    rows = [row[: min(map(len, rows))] for row in rows]
    names = [
        CLASSES[c].replace("_", " ") if len(rows) == len(CLASSES) else f"class {c}" for c in np.unique(labels)
    ]

    def section(
        title: str, text: str, which: np.ndarray, columns: int = 10, captions: Sequence[str] = ()
    ) -> str:
        picture = figures.sprites(images[which], text, columns, row_captions=captions).html
        return f"<h2>{title}</h2><p>{text}</p>{picture}"

    sections = [
        section("As they came", "The first of each class.", np.concatenate(rows), len(rows[0]), names),
        section("Best", "Nearest, to the classifier, to a real sprite that the model never saw.", typical),
        section("Worst", "Farthest, to the classifier, from every real sprite. Look here first.", odd),
    ]
    text = (
        "In pairs: a drawn sprite, and right of it the nearest training sprite, mirrored where that is nearer. "
        f"Below a distance of {NEAR:.0f} levels a sprite counts as a near copy; these have "
        f"{made.nearest.distance[closest[0]]:.1f} to {made.nearest.distance[closest[-1]]:.1f}."
    )
    sections.append(f"<h2>Nearest training sprites</h2><p>{text}</p>{figures.sprites(pairs, text, 10).html}")
    head = "<tr><th>what<th>model<th>real<th>as good?</tr>"
    lines = "".join(
        "<tr><td>{}<td>{}<br><small>{}</small><td>{}<br><small>{}</small><td>{}</tr>".format(
            escape(m.name),
            *in_words(m, made.scores[m.key]),
            *in_words(m, floor.scores[m.key]),
            "yes" if as_good(m, made.scores[m.key], floor.scores[m.key]) else "no",
        )
        for m in measured(made)
    )
    how = ", ".join(f"{name} {value}" for name, value in settings.items())
    icon = base64.b64encode(figures.png_bytes(images[typical[0]])).decode()
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:image/png;base64,{icon}">'
        f"<style>{_STYLE}</style><main><h1>Evaluation</h1><p>{escape(how)}</p>"
        f"<table>{head}{lines}</table><p>The small numbers are 95 % intervals. Real sprites are held "
        f"out from training, and as many as the model drew.</p>{''.join(sections)}</main></html>\n"
    )


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 1rem }
table { border-collapse: collapse; width: 100%; line-height: 1.3; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #8884 }
td + td { white-space: nowrap }
"""
