"""Which exercises have passed, kept in a file of the reader's."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from pixel_edu.files import replacing

VERSION = 1


def progress_file() -> Path:
    """`progress.json` in the folder that PIXEL_EDU_HOME names, or else in `.pixel-edu` in the home folder."""
    return Path(os.environ.get("PIXEL_EDU_HOME") or Path.home() / ".pixel-edu") / "progress.json"


def record(id: str) -> None:
    """Record that an exercise passed, and when it first did. A disk that cannot be written to is ignored.

    Args:
        id: of the exercise.
    """
    passed = dates()
    if id in passed:
        return
    passed[id] = datetime.now(UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError), replacing(progress_file()) as temporary:
        temporary.write_text(json.dumps({"version": VERSION, "passed": passed}, indent=1), encoding="utf-8")


def dates() -> dict[str, str]:
    """When each exercise first passed, by its id. An unreadable file is renamed to `progress.json.damaged`."""
    try:
        content = json.loads(progress_file().read_text(encoding="utf-8"))
        passed = content["passed"] if isinstance(content, dict) and "passed" in content else content
        if not all(isinstance(k, str) and isinstance(v, str) for k, v in passed.items()):
            raise ValueError
        return passed
    except OSError:
        return {}
    except (ValueError, AttributeError, TypeError):
        with contextlib.suppress(OSError):
            progress_file().replace(progress_file().with_suffix(".json.damaged"))
        return {}
