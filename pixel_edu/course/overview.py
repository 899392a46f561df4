"""The progress table: which exercises have passed, chapter by chapter."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from pixel_edu.course.checking import all_exercises
from pixel_edu.course.passed import dates, progress_file


class ProgressTable:
    """Every chapter's exercises, and which of them passed.

    Args:
        chapters: ids and titles of the exercises, by the chapter's name.
        passed: when an exercise passed, in ISO format, by its id.
    """

    def __init__(self, chapters: Mapping[str, list[tuple[str, str]]], passed: Mapping[str, str]) -> None:
        self.chapters, self.passed = chapters, passed

    def __repr__(self) -> str:
        lines = []
        for chapter, exercises in self.chapters.items():
            done = [id in self.passed for id, _ in exercises]
            marks = "".join("✓" if each else "·" for each in done)
            lines.append(f"{chapter:16} {marks:8} {sum(done)} of {len(done)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = []
        for chapter, exercises in self.chapters.items():
            cells = []
            for id, title in exercises:
                when = self.passed.get(id)
                state = f"passed on {when[:10]}" if when else "not yet"
                look = "background:#2f7d4f;color:#fff" if when else "border:1px solid #8888"
                cells.append(
                    f'<span title="{id}: {escape(title)}, {state}" style="display:inline-block;min-width:2.2em;'
                    f'text-align:center;border-radius:4px;margin:1px;{look}">{id[-1]}{"✓" if when else ""}'
                    f'<span style="position:absolute;clip-path:inset(50%)"> {state}</span></span>'
                )
            done = sum(id in self.passed for id, _ in exercises)
            rows.append(
                f'<tr><th scope="row" style="text-align:left">{escape(chapter)}</th>'
                f'<td style="text-align:left">{"".join(cells)}</td><td>{done} of {len(exercises)}</td></tr>'
            )
        total = sum(map(len, self.chapters.values()))
        got = sum(id in self.passed for each in self.chapters.values() for id, _ in each)
        head = f"{got} of {total} exercises passed; kept in {escape(str(progress_file()))}"
        return f"<table><caption>{head}</caption>{''.join(rows)}</table>"


def progress() -> ProgressTable:
    """Which exercises you have solved, chapter by chapter; the record stays on this machine."""
    chapters: dict[str, list[tuple[str, str]]] = {}
    for exercise in all_exercises():
        chapters.setdefault(f"chapter {int(exercise.id[3:5])}", []).append((exercise.id, exercise.signature))
    return ProgressTable(chapters, dates())
