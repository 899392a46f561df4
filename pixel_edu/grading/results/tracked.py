"""A grading run in MLflow: how the class did, next to how the models did."""

from __future__ import annotations

import statistics
from pathlib import Path

from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.results.gradebook import Row, one_each
from pixel_edu.tracking import connecting


def log(uri: str, rows: list[Row], assignment: Assignment, report: Path) -> None:
    """Log a run: counts, the median, each exercise's mean share of its points, and the report. Students are
    named only in the report.

    Args:
        uri: of the tracking server or database, such as "sqlite:///grading.db".
        rows: of the gradebook.
        assignment: what for.
        report: see `pages.report`.

    Raises:
        TrackingError: MLflow does not answer, or refuses it.
    """
    client = connecting.connect(uri)
    group = connecting.experiment(client, f"grading {assignment.name}")
    facts = {"assignment": assignment.name, "points": assignment.points, "files": len(rows)}
    with connecting.asking(client):
        run = client.create_run(group).info.run_id
        for name, value in facts.items():
            client.log_param(run, name, value)
        for name, value in _numbers(rows, assignment).items():
            client.log_metric(run, name, value)
        client.log_artifact(run, str(report))
        client.set_terminated(run)


def _numbers(rows: list[Row], assignment: Assignment) -> dict[str, float]:
    """What is logged of a class."""
    chosen = one_each(rows)
    found = {
        "students": len(chosen),
        "not graded": sum(row.result.status != "graded" for row in rows),
        "seconds": sum(row.result.seconds for row in rows),
    }
    if scores := [row.score for row in chosen if row.score is not None]:
        found["median"] = statistics.median(scores)
    for task in assignment.tasks:
        points = [m.points for row in chosen for m in row.marks if m.id == task.id and m.points is not None]
        if points and task.points:
            found[f"share {task.id}"] = statistics.mean(points) / task.points
    return found
