"""A grading run in MLflow: how the class did, next to how the models did."""

from __future__ import annotations

import statistics
from pathlib import Path

from pixel_edu.grading.assignment import Assignment
from pixel_edu.grading.results.gradebook import Row, one_each


def log(uri: str, rows: list[Row], assignment: Assignment, report: Path) -> None:
    """Log a run: counts, the median, each exercise's mean share of its points, and the report. Students are
    named only in the report.

    Args:
        uri: of the tracking server or database, such as "sqlite:///grading.db".
        rows: of the gradebook.
        assignment: what for.
        report: see `pages.report`.
    """
    import mlflow

    chosen = one_each(rows)
    scores = [row.score for row in chosen if row.score is not None]
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(f"grading {assignment.name}")
    with mlflow.start_run():
        mlflow.log_params({"assignment": assignment.name, "points": assignment.points, "files": len(rows)})
        mlflow.log_metric("students", len(chosen))
        mlflow.log_metric("not graded", sum(row.result.status != "graded" for row in rows))
        mlflow.log_metric("seconds", sum(row.result.seconds for row in rows))
        if scores:
            mlflow.log_metric("median", statistics.median(scores))
        for task in assignment.tasks:
            points = [
                m.points for row in chosen for m in row.marks if m.id == task.id and m.points is not None
            ]
            if points and task.points:
                mlflow.log_metric(f"share {task.id}", statistics.mean(points) / task.points)
        mlflow.log_artifact(str(report))
