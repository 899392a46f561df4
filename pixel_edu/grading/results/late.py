"""Deadlines: what a late submission loses, as a pure function of times, so that it can be computed afresh."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pixel_edu.config import UserError
from pixel_edu.grading.names import name_key
from pixel_edu.grading.results.decoding import decode
from pixel_edu.grading.results.tables import readings

EXAMPLE = "deadline: 2026-11-20T23:59:00+01:00"
STUDENTS = ("extensions", "handed_in")
KEYS = ("deadline", "grace_minutes", "percent_per_day", "percent_at_most", "days_at_most", *STUDENTS)


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
        local: a sentence for each time without a time zone, which is taken to be this machine's.
    """

    deadline: datetime | None = None
    grace_minutes: float = 0
    percent_per_day: float = 0
    percent_at_most: float = 100
    days_at_most: float | None = None
    extensions: dict[str, datetime] = field(default_factory=dict)
    handed_in: dict[str, datetime] = field(default_factory=dict)
    local: tuple[str, ...] = ()

    def days(self, student: str, time: str, number: str = "") -> int:
        """Days late, counting each day begun; 0 is in time.

        Args:
            student: who handed in.
            time: when, ISO 8601.
            number: the learning platform's number of the student, or "", by which the file may also name them.
        """
        names = [name for name in (number, name_key(student)) if name]
        deadline = next((self.extensions[name] for name in names if name in self.extensions), self.deadline)
        if deadline is None:
            return 0
        corrected = next((self.handed_in[name] for name in names if name in self.handed_in), None)
        late = (corrected or datetime.fromisoformat(time)) - deadline
        late -= timedelta(minutes=self.grace_minutes)
        return max(0, math.ceil(late / timedelta(days=1)))

    def penalty(self, points: float, days: int) -> float:
        """Points lost."""
        if self.days_at_most is not None and days > self.days_at_most:
            return points
        return points * min(days * self.percent_per_day, self.percent_at_most, 100) / 100


def read_policy(path: Path) -> Policy:
    """Read a policy. Keys are text as written, so that a student may be called 0123456 or no.

    Raises:
        UserError: the file is malformed; the message names the line and the key.
    """
    import yaml

    try:
        # Nodes, not values: they know their lines, and a name or time stays the text that it is.
        root = yaml.compose(decode(path.read_bytes()).text, Loader=yaml.BaseLoader)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: give the file of deadlines") from None
    except yaml.YAMLError as error:
        raise UserError(
            f"{path}: it is not YAML ({' '.join(str(error).split())}): write `{EXAMPLE}`, and put a name with "
            "signs in it in quotation marks"
        ) from None
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{path}: it has no keys: write `{EXAMPLE}`")
    reader = _Reader(path)
    values = {key.value: reader.value(key, value) for key, value in reader.pairs(root)}
    return Policy(**values, local=tuple(reader.local))


def notes(path: Path, policy: Policy, known: Iterable[str]) -> list[str]:
    """Sentences on what the file may not mean: times without a time zone, and students who have handed in nothing.

    Args:
        path: of the file of deadlines.
        policy: that it holds.
        known: names and numbers of who handed in.
    """
    more = f" (other times without one: {len(policy.local) - 1})" if len(policy.local) > 1 else ""
    found = [policy.local[0] + more] if policy.local else []
    names = {name_key(each): each for each in known}
    folded = {key.casefold(): name for key, name in names.items()}
    for key in STUDENTS:
        for student in getattr(policy, key):
            if student not in names:
                near = difflib.get_close_matches(student.casefold(), folded, 1)
                perhaps = f": did you mean {folded[near[0]]}?" if near else ""
                found.append(f"{path}: {key} names {student}, who has handed in nothing{perhaps}")
    return found


class _Reader:
    """Makes values of a file's nodes, and notes which times have no time zone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.local: list[str] = []

    def pairs(self, mapping: Any) -> list[tuple[Any, Any]]:
        """The keys and values of a mapping, none of them twice."""
        seen: dict[str, int] = {}
        for key, _ in mapping.value:
            line = key.start_mark.line + 1
            if not isinstance(key.value, str):
                raise UserError(
                    f"{self.path}, line {line}: a name is missing before the colon: write `{EXAMPLE}`"
                )
            if (name := name_key(key.value)) in seen:
                raise UserError(
                    f"{self.path}, line {line}: {key.value} is already in line {seen[name]}: delete one of the two"
                )
            seen[name] = line
        return mapping.value

    def value(self, key: Any, node: Any) -> Any:
        """What a key of the file says."""
        name, place = key.value, f"{self.path}, line {key.start_mark.line + 1}"
        if name not in KEYS:
            near = difflib.get_close_matches(name.casefold(), KEYS, 1)
            perhaps = f", perhaps {near[0]}" if near else ""
            raise UserError(f"{place}: unknown key {name!r}{perhaps}: use {', '.join(KEYS)}")
        if name in STUDENTS:
            return self._times(place, name, node)
        if name == "deadline":
            return self._time(place, name, node)
        text = node.value if isinstance(node.value, str) else "a list"
        numbers = readings(text.removesuffix("%"))
        if not numbers or not 0 <= numbers[0] < math.inf:
            raise UserError(f"{place}: {name} is {text!r}: use a number, 0 or more")
        return numbers[0]

    def _times(self, place: str, name: str, node: Any) -> dict[str, datetime]:
        if node.value in ("", "~", "null"):  # the last student was deleted, the key stayed
            return {}
        if node.id != "mapping":
            raise UserError(
                f"{place}: {name} must list students and times: write `{name}: {{ada: 2026-11-25}}`"
            )
        found = {}
        for student, time in self.pairs(node):
            where = f"{self.path}, line {student.start_mark.line + 1}"
            found[name_key(student.value)] = self._time(where, f"{name}, {student.value}", time)
        return found

    def _time(self, place: str, name: str, node: Any) -> datetime:
        text = node.value if isinstance(node.value, str) else "a list"
        try:
            time = _parsed(text)
            if time.tzinfo:
                return time
            time = time.astimezone()
        except (ValueError, OverflowError):
            raise UserError(
                f"{place}: {name} is {text!r}: write a time such as 2026-11-20T23:59:00+01:00"
            ) from None
        self.local.append(f"{place}: {name} has no time zone, so it is this machine's: {time.isoformat()}")
        return time


def _parsed(text: str) -> datetime:
    """A time of ISO 8601, also with a space before the zone and with single digits, as YAML allows."""
    parts = re.fullmatch(r"(\d{4})-(\d\d?)-(\d\d?)(?:(?:[Tt]|\s+)(\d\d?)(:[\d:.]+)\s*(.*))?", text.strip())
    if not parts:
        raise ValueError(text)
    year, month, day, hour, rest, zone = parts.groups()
    midnight = f"{year}-{month:0>2}-{day:0>2}T00:00:00"
    if hour is None:  # a day alone lasts until it ends
        return datetime.fromisoformat(midnight) + timedelta(days=1) - timedelta(seconds=1)
    if hour == "24":
        return datetime.fromisoformat(midnight[:-8] + f"00{rest}{_zone(zone)}") + timedelta(days=1)
    return datetime.fromisoformat(midnight[:-8] + f"{hour:0>2}{rest}{_zone(zone)}")


def _zone(text: str) -> str:
    return "+00:00" if text.upper() in ("Z", "UTC", "GMT") else re.sub(r"^([+-])(\d)$", r"\g<1>0\2", text)
