"""What people read: a page for each student, and a report on the class.

Everything that a student wrote or made is escaped, and the pages forbid scripts and requests of any kind.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path

from pixel_edu.files import replacing
from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.marking import BY_HAND, FAILED, NOT_RUN, PART, PASSED, UNWRITTEN, Mark
from pixel_edu.grading.results import similar
from pixel_edu.grading.results.gradebook import Row, number, one_each, slug
from pixel_edu.grading.results.store import ERROR, UNREADABLE

SIGNS = {PASSED: "✓", PART: "◐", FAILED: "✗", UNWRITTEN: "–", NOT_RUN: "?", BY_HAND: "✎"}
NUMBERS = re.compile(r"\[[^\]]*\]|-?\b\d+(\.\d+)?(e-?\d+)?\b")
"""What differs between two students with one mistake."""
STYLE = """
:root{color-scheme:light dark;--good:#2f7d4f;--bad:#b3541e;--dim:#6b6b6b;--line:#8884;--back:#fff;--text:#1d1d1f}
@media(prefers-color-scheme:dark){:root{--good:#6cc492;--bad:#e59a68;--dim:#a0a0a0;--back:#16181d;--text:#e8e8ea}}
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:1.2rem}
body{background:var(--back);color:var(--text)}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
.sum{font-size:2.2rem;font-weight:650}.dim{color:var(--dim)}
.bar{height:.55rem;border-radius:.3rem;background:var(--line);overflow:hidden;display:flex}
.bar i{background:var(--good);display:block}.bar b{background:var(--bad);display:block}
article{border-left:4px solid var(--line);padding:.2rem .9rem;margin:.8rem 0}
.passed{border-color:var(--good)}.failed,.part{border-color:var(--bad)}
article h3{margin:0;font-size:1rem;display:flex;gap:.6rem}
article h3 span:last-child{margin-left:auto;white-space:nowrap}
article p{margin:.2rem 0}code{font-size:.92em}img,svg{max-width:100%;height:auto;border-radius:4px}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}
"""


def feedback(folder: Path, rows: list[Row], assignment: Assignment) -> int:
    """Write a page for each file handed in, and say how many."""
    folder.mkdir(parents=True, exist_ok=True)
    titles = {task.id: task.title for task in assignment.tasks}
    for row in rows:
        _write(
            folder / f"{slug(row.result.student)}-{row.result.key[:6]}.html",
            _student(row, assignment, titles),
        )
    return len(rows)


def _student(row: Row, assignment: Assignment, titles: dict[str, str]) -> str:
    result = row.result
    parts = [
        f"<h1>{escape(assignment.name)}</h1><p class=dim>{escape(result.student)} · {escape(result.file)}</p>"
    ]
    if row.score is None:
        why = {
            UNREADABLE: f"This file could not be graded: {result.reason}.",
            ERROR: "Something went wrong on our side. This is no mark: your instructor knows of it.",
        }.get(result.status, "Nothing is marked yet.")
        return _page(f"{assignment.name}: {result.student}", parts[0] + f"<p>{escape(why)}</p>")
    width = 100 * row.score / assignment.points if assignment.points else 0
    parts.append(
        f"<p class=sum>{number(row.score)} <span class=dim>of {number(assignment.points)}</span></p>"
        f'<div class=bar><i style="width:{width:.0f}%"></i></div>'
    )
    if row.days:
        days = f"{row.days} day{'s' * (row.days > 1)}"
        parts.append(f"<p>{days} late: {number(row.penalty)} of {number(row.raw)} points are lost.</p>")
    parts += [_mark(mark, titles[mark.id], row.comments.get(mark.id, "")) for mark in row.marks]
    if result.notes:
        notes = "".join(f"<li>{_words(note)}</li>" for note in result.notes)
        parts.append(f"<h2>What was done to the notebook</h2><ul>{notes}</ul>")
    return _page(f"{assignment.name}: {result.student}", "".join(parts))


def _mark(mark: Mark, title: str, comment: str) -> str:
    points = "not marked yet" if mark.points is None else f"{number(mark.points)} of {number(mark.most)}"
    more = f"<p>{_words(comment)}</p>" if comment else ""
    unsafe = "<p class=dim>These tests ran in the answer's own process.</p>" if mark.unsafe else ""
    return (
        f'<article class="{escape(mark.status)}"><h3><span>{SIGNS[mark.status]}</span>'
        f"<span>{escape(mark.id)} · {escape(title)}</span><span>{points}</span></h3>"
        f"<p>{_words(mark.message)}</p>{more}{unsafe}{mark.picture}</article>"
    )


def report(path: Path, rows: list[Row], assignment: Assignment) -> None:
    """Write the report on the class."""
    chosen = list(one_each(rows).values())
    scores = [row.score for row in chosen if row.score is not None]
    parts = [f"<h1>{escape(assignment.name)}</h1><p class=dim>{len(rows)} files, {len(chosen)} students</p>"]
    if scores:
        parts.append(
            f"<p class=sum>{number(round(statistics.median(scores), 2))} "
            f"<span class=dim>of {number(assignment.points)} points in the middle</span></p>"
        )
        parts.append(_histogram(scores, assignment))
    parts.append(_exercises(chosen, assignment))
    parts.append(_mistakes(chosen))
    parts.append(_attention(rows))
    stubs = {cell.metadata.nbgrader.grade_id: cell.source for cell in _stubs(assignment)}
    parts.append(_pairs(similar.pairs([row.result for row in chosen], stubs)))
    seconds = [row.result.seconds for row in rows]
    levels = sorted({row.result.level for row in rows} - {""})
    if seconds:
        parts.append(
            f"<h2>Time</h2><p>{statistics.median(seconds):.2f} s a file in the middle, {max(seconds):.1f} s the "
            f"longest, {sum(seconds):.0f} s in all. Sandbox: {escape(', '.join(levels))}.</p>"
        )
    _write(path, _page(f"{assignment.name}: the class", "".join(parts)))


def _stubs(assignment: Assignment) -> Iterable:
    cells = assignment.hand_out.cells
    return (cell for cell in cells if cell.metadata.get("nbgrader", {}).get("solution"))


def _histogram(scores: list[float], assignment: Assignment) -> str:
    """How many got how much, in ten steps."""
    most = assignment.points or 1
    counts = Counter(min(int(10 * max(score, 0) / most), 9) for score in scores)
    top, bars = max(counts.values()), []
    for i in range(10):
        height = 80 * counts[i] / top
        label = f'<text x="{i * 40 + 18}" y="{92 - height}" text-anchor="middle">{counts[i] or ""}</text>'
        bars.append(f'<rect x="{i * 40}" y="{96 - height}" width="36" height="{height}" rx="3"/>{label}')
    words = ", ".join(f"{counts[i]} from {10 * i} to {10 * i + 10} percent" for i in range(10) if counts[i])
    return (
        f'<svg role=img viewBox="0 0 400 118" style="fill:var(--good);font-size:10px" '
        f'aria-label="Students by their share of the points: {words}.">{"".join(bars)}'
        '<text x="0" y="112">0 %</text><text x="396" y="112" text-anchor="end">100 %</text></svg>'
    )


def _exercises(rows: list[Row], assignment: Assignment) -> str:
    lines = []
    for task in assignment.tasks:
        marks = [mark for row in rows for mark in row.marks if mark.id == task.id and mark.points is not None]
        counts = Counter(mark.status for mark in marks)
        mean = number(round(statistics.mean(mark.points for mark in marks), 2)) if marks else ""
        full = 100 * sum(mark.points == mark.most for mark in marks) / len(marks) if marks else 0
        tried = 100 * counts[UNWRITTEN] / len(marks) if marks else 0
        lines.append(
            f"<tr><td>{escape(task.id)}<br><span class=dim>{escape(task.title)}</span></td>"
            f"<td class=n>{mean} of {number(task.points)}</td><td style='width:35%'>"
            f"<div class=bar title='{full:.0f} % full marks'><i style='width:{full:.0f}%'></i>"
            f"<b style='width:{max(100 - full - tried, 0) if marks else 0:.0f}%'></b></div></td>"
            f"<td class=n>{sum(mark.points == mark.most for mark in marks)}</td>"
            f"<td class=n>{len(marks) - sum(mark.points == mark.most for mark in marks) - counts[UNWRITTEN]}</td>"
            f"<td class=n>{counts[UNWRITTEN]}</td></tr>"
        )
    head = (
        "<tr><th>exercise<th class=n>mean<th><th class=n>right<th class=n>wrong<th class=n>not written</tr>"
    )
    return f"<h2>Exercises</h2><div class=wide><table>{head}{''.join(lines)}</table></div>"


def _mistakes(rows: list[Row], most: int = 12) -> str:
    said = [mark for row in rows for mark in row.marks if mark.status in (FAILED, PART)]
    alike: dict[tuple[str, str], list[str]] = {}
    for mark in said:
        message = mark.remark or mark.message
        alike.setdefault((mark.id, NUMBERS.sub("", message)), []).append(message)
    if not alike:
        return ""
    lines = "".join(
        f"<tr><td class=n>{len(messages)}</td><td class=n>{escape(id)}</td><td>{_words(messages[0])}</td></tr>"
        for (id, _), messages in sorted(alike.items(), key=lambda each: -len(each[1]))[:most]
    )
    return f"<h2>Most common mistakes</h2><div class=wide><table>{lines}</table></div>"


def _attention(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        result = row.result
        said = [result.reason] if result.reason else []
        said += [f"{mark.id}: tests ran in the answer's own process" for mark in row.marks if mark.unsafe]
        said += result.accidents
        if said:
            lines.append(
                f"<tr><td>{escape(result.student)}<br><span class=dim>{escape(result.file)}</span></td>"
                f"<td>{escape(result.status)}</td><td>{_words('; '.join(said))}</td></tr>"
            )
    if not lines:
        return ""
    return f"<h2>To look at</h2><div class=wide><table>{''.join(lines)}</table></div>"


def _pairs(pairs: list[similar.Pair], most: int = 20) -> str:
    if not pairs:
        return ""
    lines = "".join(
        f"<tr><td>{escape(pair.first)}</td><td>{escape(pair.second)}</td><td class=n>{100 * pair.share:.0f} %</td>"
        f"<td class=n>{pair.runs}</td></tr>"
        for pair in pairs[:most]
    )
    return (
        "<h2>Nearly the same</h2><p>These share much that hardly anybody else wrote. There can be good reasons: look "
        "at both before you think of bad ones.</p><div class=wide><table><tr><th><th><th class=n>shared"
        f"<th class=n>runs of {similar.RUN} words</tr>{lines}</table></div>"
    )


def _words(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _page(title: str, body: str) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=Content-Security-Policy content="{policy}">'
        f'<meta name=viewport content="width=device-width"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<body><main>{body}</main></body></html>\n"
    )


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
