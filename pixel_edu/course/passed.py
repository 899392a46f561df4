"""What has passed, kept in a file of the reader's own."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from pixel_edu.images import replacing

VERSION = 1


def home() -> Path:
    """The file: `progress.json` in the folder that PIXEL_EDU_HOME names, else in `.pixel-edu` at home."""
    return Path(os.environ.get("PIXEL_EDU_HOME") or Path.home() / ".pixel-edu") / "progress.json"


def note(id: str) -> None:
    """Remember that an exercise passed, and when it first did. A disk that cannot be written to is no reason to stop.

    Args:
        id: of the exercise.
    """
    passed = load()
    if id in passed:
        return
    passed[id] = datetime.now(UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError):
        home().parent.mkdir(parents=True, exist_ok=True)
        with replacing(home()) as temporary:
            temporary.write_text(
                json.dumps({"version": VERSION, "passed": passed}, indent=1), encoding="utf-8"
            )


def load() -> dict[str, str]:
    """What passed: ids, and when. A file that cannot be understood is put aside as `progress.json.damaged`."""
    try:
        content = json.loads(home().read_text(encoding="utf-8"))
        passed = content["passed"] if isinstance(content, dict) and "passed" in content else content
        if not all(isinstance(k, str) and isinstance(v, str) for k, v in passed.items()):
            raise ValueError
        return passed
    except OSError:
        return {}
    except (ValueError, AttributeError, TypeError):
        with contextlib.suppress(OSError):
            home().replace(home().with_suffix(".json.damaged"))
        return {}


class Page:
    """The progress page: every chapter's exercises, and which of them passed."""

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
        head = f"{got} of {total} exercises passed; kept in {escape(str(home()))}"
        return f"<table><caption>{head}</caption>{''.join(rows)}</table>"


def progress() -> Page:
    """What you have solved, chapter by chapter; it stays on this machine."""
    from pixel_edu.course.checking import all_exercises

    chapters: dict[str, list[tuple[str, str]]] = {}
    for exercise in all_exercises():
        chapters.setdefault(f"chapter {int(exercise.id[3:5])}", []).append((exercise.id, exercise.signature))
    return Page(chapters, load())
