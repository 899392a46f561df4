"""Deadlines: what a late submission loses, as a pure function of times, so that it can be computed afresh."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pixel_edu.config import UserError
from pixel_edu.grading.names import name_key

EXAMPLE = "deadline: 2026-11-20T23:59:00+01:00"


@dataclass(frozen=True)
class Policy:
    """What the YAML file says.

    Attributes:
        deadline: a submission after it is late; None means that none is.
        grace_minutes: minutes after the deadline that do not count.
        percent_per_day: share of the points that is lost for each day begun.
        percent_at_most: the most that is lost.
        days_at_most: a submission that is later gets nothing; None sets no such limit.
        extensions: deadlines of individual students, by `name_key`.
        handed_in: times that replace those of the files of individual students, by `name_key`.
    """

    deadline: datetime | None = None
    grace_minutes: float = 0
    percent_per_day: float = 0
    percent_at_most: float = 100
    days_at_most: float | None = None
    extensions: dict[str, datetime] = field(default_factory=dict)
    handed_in: dict[str, datetime] = field(default_factory=dict)

    def days(self, student: str, time: str) -> int:
        """Days late, counting each day begun; 0 is in time.

        Args:
            student: who handed in.
            time: when, ISO 8601.
        """
        student = name_key(student)
        deadline = self.extensions.get(student, self.deadline)
        if deadline is None:
            return 0
        late = self.handed_in.get(student, datetime.fromisoformat(time)) - deadline
        late -= timedelta(minutes=self.grace_minutes)
        return max(0, math.ceil(late / timedelta(days=1)))

    def penalty(self, points: float, days: int) -> float:
        """Points lost."""
        if self.days_at_most is not None and days > self.days_at_most:
            return points
        return points * min(days * self.percent_per_day, self.percent_at_most, 100) / 100


def read_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        UserError: the file is malformed; the message names the key.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: give the file of deadlines") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: it is not YAML ({' '.join(str(error).split())}): write `{EXAMPLE}`"
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: it has no keys: write `{EXAMPLE}`")
    known = {each.name for each in fields(Policy)}
    for key in content:
        if key not in known:
            raise UserError(f"{path}: unknown key {key!r}: use {', '.join(sorted(known))}")
    values = {key: _value(path, key, value) for key, value in content.items()}
    return Policy(**values)


def _value(path: Path, key: str, value: Any) -> Any:
    if key == "deadline":
        return _time(path, key, value)
    if key in ("extensions", "handed_in"):
        if not isinstance(value, dict):
            raise UserError(f"{path}: {key} must list students and times: write `{key}: {{ada: 2026-11-25}}`")
        return {
            name_key(str(student)): _time(path, f"{key}, {student}", each) for student, each in value.items()
        }
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise UserError(f"{path}: {key} is {value!r}: use a number, 0 or more")
    return value


def _time(path: Path, key: str, value: Any) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise UserError(
            f"{path}: {key} is {value!r}: write a time such as 2026-11-20T23:59:00+01:00"
        ) from None
    if len(str(value)) <= 10:  # a day alone lasts until it ends
        time += timedelta(days=1) - timedelta(seconds=1)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
