"""What has passed, kept in a file of the reader's own."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from pixel_edu.files import replacing

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
