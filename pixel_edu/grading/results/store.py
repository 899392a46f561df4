"""Results on disk: one file for each submission, whole or not at all.

RESULTS/marks/KEY.json       what a submission got; KEY digests whose it is and what stands in it
RESULTS/executed/KEY.ipynb   what was run, with its outputs
RESULTS/manual.csv           marks and comments by hand; no program writes over them
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pixel_edu.files import replacing
from pixel_edu.grading.marking import BY_HAND, ENDED, SKIPPED, Mark
from pixel_edu.grading.names import escaped

VERSION = 2
MARKER = ".pixel-edu-results"
"""The file by which a folder of results is known, so that it is not taken for a student's."""
RENAMED = {"rung": "level", "rooms": "sandboxes"}
"""Fields of version 1, and what they are called now."""
GRADED, PARTLY, UNREADABLE, ERROR = "graded", "partly", "unreadable", "grader error"


@dataclass
class Result:
    """What a submission got.

    Attributes:
        key: of the submission.
        file: its path below the folder of submissions.
        student: who handed it in.
        number: the learning platform's number of the student, or "".
        time: when it was handed in, ISO 8601 in UTC.
        status: "graded", "partly", "unreadable" or "grader error".
        reason: why it is not "graded", or "".
        marks: one for each exercise.
        notes: a sentence for each repair and each accident.
        level: of the sandbox.
        seconds: wall-clock time.
        sandboxes: how many it took.
        run_key: a digest of what the answers ran in.
        answers: the source of each answer.
        history: marks before the last regrading, oldest first: {"at": time, "points": {id: points}}.
    """

    key: str
    file: str
    student: str
    number: str
    time: str
    status: str = GRADED
    reason: str = ""
    marks: list[Mark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    level: str = ""
    seconds: float = 0
    sandboxes: int = 0
    run_key: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)

    @property
    def points(self) -> float | None:
        """The sum of what is known; None where nothing is: unreadable, or the grader's own error."""
        known = [mark.points for mark in self.marks if mark.points is not None]
        return sum(known) if known and self.status in (GRADED, PARTLY) else None

    @property
    def accidents(self) -> list[str]:
        """Notes on cells and answers that ended their kernel or took too long."""
        said = (SKIPPED, ENDED, "was left out: ")  # the last is what version 1 said for the first
        return [note for note in self.notes if any(each in note for each in said)]

    @property
    def waits(self) -> bool:
        """Whether a person still has to mark something."""
        return any(mark.status == BY_HAND and mark.points is None for mark in self.marks)


class Store:
    """A folder of results.

    Args:
        folder: is created if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for each in ("marks", "executed"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        (folder / MARKER).touch()

    def load(self, key: str) -> Result | None:
        """A submission's result; None if there is none, or a damaged one."""
        try:
            content = json.loads((self.folder / "marks" / f"{key}.json").read_text(encoding="utf-8"))
            return result(content) if content["version"] in (1, VERSION) else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def save(self, result: Result, notebook: str = "") -> None:
        """Keep a result, and what was executed: the result last, so that it is there only when all is."""
        if notebook:
            with replacing(self.folder / "executed" / f"{result.key}.ipynb") as temporary:
                temporary.write_text(escaped(notebook), encoding="utf-8")
        with replacing(self.folder / "marks" / f"{result.key}.json") as temporary:
            temporary.write_text(
                escaped(json.dumps({"version": VERSION} | asdict(result), indent=1, ensure_ascii=False)),
                encoding="utf-8",
            )


def result(content: dict[str, Any]) -> Result:
    """A result from its JSON, that of version 1 included, which had other names for some fields."""
    content = {RENAMED.get(key, key): value for key, value in content.items() if key != "version"}
    fields: dict[str, Any] = content | {"marks": [_mark(mark) for mark in content["marks"]]}
    return Result(**fields)


def _mark(content: dict[str, Any]) -> Mark:
    if "apart" in content:
        content["unsafe"] = not content.pop("apart")
    return Mark(**content)
