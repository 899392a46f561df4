"""pixel-edu grade: mark what a class handed in; pixel-edu submit: look before you hand in."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Progress

    from pixel_edu.grading.assignment import Assignment
    from pixel_edu.grading.batch import GradingJob
    from pixel_edu.grading.results.gradebook import Row
    from pixel_edu.grading.results.store import Result, Store
    from pixel_edu.grading.sandbox.restrictions import ResourceLimits


def grade(
    submissions: Annotated[
        Path | None, typer.Argument(help="Folder of what was handed in.", show_default=False)
    ] = None,
    assignment: Annotated[
        str, typer.Option("--assignment", "-a", help="Such as 05_training.", show_default=False)
    ] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for marks, tables and pages.")] = Path(
        "results"
    ),
    source: Annotated[
        Path,
        typer.Option(help="Folder of the solution notebooks with their hidden tests; a private one, say."),
    ] = Path("solutions"),
    jobs: Annotated[
        int | None, typer.Option(min=1, max=256, help="Workers.", show_default="one a core")
    ] = None,
    sandbox: Annotated[
        str, typer.Option(help="auto takes the best that holds; or bubblewrap, namespaces, landlock, none.")
    ] = "auto",
    student: Annotated[
        list[str] | None, typer.Option(help="Grade this student again, and nobody else.", show_default=False)
    ] = None,
    exercise: Annotated[
        list[str] | None,
        typer.Option(help="Mark this exercise again, such as ex-05-2, and no other.", show_default=False),
    ] = None,
    late: Annotated[Path | None, typer.Option(help="YAML file of deadlines.", show_default=False)] = None,
    canvas: Annotated[
        Path | None,
        typer.Option(help="Gradebook exported from Canvas; a filled copy is made.", show_default=False),
    ] = None,
    moodle: Annotated[
        Path | None,
        typer.Option(help="Moodle's grading worksheet; a filled copy is made.", show_default=False),
    ] = None,
    column: Annotated[
        str, typer.Option(help="Title of the column to fill in that file.", show_default="found by its name")
    ] = "",
    seed: Annotated[
        int | None,
        typer.Option(
            help="Who got which variant: the seed of exercises build --students.", show_default=False
        ),
    ] = None,
    cell_seconds: Annotated[float, typer.Option(min=0.1, help="A cell may run as long.")] = 30,
    notebook_seconds: Annotated[
        float, typer.Option(min=1, help="A whole submission may take as long.")
    ] = 300,
    memory: Annotated[int, typer.Option(min=64, help="MiB that a submission may use.")] = 2048,
    scheduler: Annotated[
        str,
        typer.Option(
            help="Grade on a dask.distributed cluster: the scheduler's address, such as tls://login1:8786.",
            show_default="this machine",
        ),
    ] = "",
    shard: Annotated[
        str,
        typer.Option(
            metavar="I/N", help="Grade only the I-th of N parts, and write no tables.", show_default="all"
        ),
    ] = "1/1",
    mlflow: Annotated[
        str,
        typer.Option(
            help="Log the run to MLflow: a tracking URI, such as sqlite:///grading.db.", show_default="no"
        ),
    ] = "",
    demo: Annotated[
        bool, typer.Option("--demo", help="Make up a class of 30 in OUT/submissions, and grade it.")
    ] = False,
) -> None:
    """Mark what a class handed in: in a sandbox, with hidden tests, in parallel; again, and only what is new is done.

    Exit code 0: every file is graded. 1: some file could not be read, or run, and its row says why.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # workers are forked, and threads do not come along
    from pixel_edu.config import UserError
    from pixel_edu.grading import assignment as assignments
    from pixel_edu.grading import batch
    from pixel_edu.grading import submissions as files
    from pixel_edu.grading.results import gradebook
    from pixel_edu.grading.results import late as lateness
    from pixel_edu.grading.results.store import Store
    from pixel_edu.grading.sandbox import isolation
    from pixel_edu.grading.sandbox.restrictions import ResourceLimits

    if demo:
        from pixel_edu.grading import demo as made_up

        assignment = assignment or made_up.ASSIGNMENT
        submissions = submissions or out / "submissions"
        made_up.make(submissions, assignments.from_folder(source, assignment))
        late = late or submissions.parent / "late.yaml"
    if submissions is None or not assignment:
        raise typer.BadParameter(
            "give the folder of what was handed in, and --assignment, such as 05_training"
        )
    if sandbox not in ("auto", *isolation.LEVELS):
        raise typer.BadParameter(f"--sandbox {sandbox}: use auto, {', '.join(isolation.LEVELS)}")
    what = assignments.from_folder(source, assignment, seed)
    found = files.find(submissions)
    _known(student, {each.student for each in found}, "student", "handed in")
    _known(exercise, {task.id for task in what.tasks}, "exercise", f"in {what.name}")
    part = _part(shard)
    policy = lateness.read_policy(late) if late else lateness.Policy()
    if cell_seconds > notebook_seconds:
        raise UserError(
            "--cell-seconds is more than --notebook-seconds: a cell cannot run longer than its notebook"
        )
    limits = ResourceLimits(cell_seconds, notebook_seconds, memory)
    store = Store(out)
    manual = gradebook.read_manual(out / "manual.csv")
    console = _console()
    began = time.monotonic()
    todo = batch.plan(found, what, store, student, exercise, part)
    done = _run(console, what, todo, store, limits, jobs, sandbox, scheduler)
    if part[1] > 1:
        console.print(f"part {shard}: {done} files graded; run this once more without --shard for the tables")
        return
    results = [store.load(each.key) for each in found]
    results = [each for each in results if each]
    waiting = gradebook.write_manual(out / "manual.csv", results)
    rows = gradebook.rows(results, manual or gradebook.read_manual(out / "manual.csv"), policy)
    _write(out, rows, what, policy, results)
    if mlflow:
        from pixel_edu.grading.results import tracked

        tracked.log(mlflow, rows, what, out / "report.html")
    _table(console, rows, what)
    took = f" in {time.monotonic() - began:.0f} s" if done else ""
    console.print(
        f"{done} of {len(found)} files graded now{took}; see {out}/report.html and {out}/grades.csv"
    )
    if waiting:
        console.print(f"{waiting} answers wait for a person: fill in {out}/manual.csv and run this again")
    for template, fill in ((canvas, gradebook.canvas), (moodle, gradebook.moodle)):
        if template:
            copy = out / f"{fill.__name__}.csv"
            filled = fill(template, copy, rows, what, column)
            console.print(f"{copy}: {filled.students} scores filled in")
            if filled.without:
                console.print(f"not in {template}: {', '.join(filled.without)}")
    if any(row.result.status != "graded" for row in rows):
        raise typer.Exit(1)


def _part(shard: str) -> tuple[int, int]:
    """1/3 as numbers."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise typer.BadParameter(f"--shard {shard}: use I/N with I from 1 to N, such as 3/10")
    return int(match[1]), int(match[2])


def _known(wanted: list[str] | None, known: set[str], what: str, where: str) -> None:
    for each in wanted or []:
        if each not in known:
            some = ", ".join(sorted(known)[:8])
            raise typer.BadParameter(
                f"--{what} {each}: there is none of that name {where}; there are {some} ..."
            )


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def _run(
    console: Console,
    what: Assignment,
    todo: list[GradingJob],
    store: Store,
    limits: ResourceLimits,
    jobs: int | None,
    sandbox: str,
    scheduler: str,
) -> int:
    """Grade what has to be; how many that was."""
    if not todo:
        return 0
    with contextlib.ExitStack() as stack:
        if scheduler:
            results = _on_cluster(console, what, todo, limits, sandbox, scheduler)
        else:
            results = _here(console, stack, what, todo, limits, jobs, sandbox)
        bar = stack.enter_context(_bar(console))
        progress = bar.add_task("grading", total=len(todo), who="")
        for result, notebook in results:
            store.save(result, notebook)
            bar.update(progress, advance=1, who=result.student[:24], refresh=True)
    _differences(console, [job for job in todo if job.before], store)
    return len(todo)


def _here(
    console: Console,
    stack: contextlib.ExitStack,
    what: Assignment,
    todo: list[GradingJob],
    limits: ResourceLimits,
    jobs: int | None,
    sandbox: str,
) -> Iterator[tuple[Result, str]]:
    """Results from workers on this machine."""
    from pixel_edu.grading import batch
    from pixel_edu.grading.sandbox.forkserver import ForkServer

    batch.sweep()
    jobs = min(jobs or batch.cores(), len(todo))
    with console.status("getting ready: torch, workers, the sandbox's self-test, the solution's own marks"):
        fork_server = stack.enter_context(contextlib.closing(ForkServer()))
        pool = stack.enter_context(batch.Pool(what, fork_server, limits, jobs))
        level, rejected = batch.ready(what, fork_server, pool, sandbox, limits)
    for why in rejected:
        console.print(f"passed over: {why}", markup=False)
    console.print(f"{what.name}: {len(todo)} files to grade; sandbox: {level}; workers: {jobs}")
    if level == "none":
        console.print("no sandbox: whatever is in these notebooks can read and change your files")
    return pool.grade(todo, level)


def _on_cluster(
    console: Console,
    what: Assignment,
    todo: list[GradingJob],
    limits: ResourceLimits,
    sandbox: str,
    scheduler: str,
) -> Iterator[tuple[Result, str]]:
    """Results from a cluster."""
    from pixel_edu.grading import cluster

    if not cluster.is_local(scheduler):
        console.print(
            f"{scheduler}: the way there is not encrypted: use tls:// where others share the network"
        )
    console.print(f"{what.name}: {len(todo)} files to grade on {scheduler}")
    return cluster.grade(scheduler, todo, what, sandbox, limits)


def _bar(console: Console) -> Progress:
    """A progress bar without a thread of its own: workers are forked while it is there."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    parts = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    who = TextColumn("{task.fields[who]}", markup=False)
    return Progress(*parts, who, console=console, auto_refresh=False, transient=True)


def _differences(console: Console, jobs: list[GradingJob], store: Store) -> None:
    """Say what regrading changed."""
    from pixel_edu.grading.results.gradebook import number

    lines = []
    for job in jobs:
        before = {mark.id: mark.points for mark in job.before.marks}
        now = store.load(job.submission.key)
        for mark in now.marks if now else []:
            if mark.id in before and before[mark.id] != mark.points:
                change = f"{number(before[mark.id]) or '?'} -> {number(mark.points) or '?'}"
                lines.append(f"  {now.student}, {mark.id}: {change} of {number(mark.most)}")
    if jobs:
        console.print(f"graded again: {len(jobs)}; marks that changed: {len(lines)}")
        for line in lines:
            console.print(line, markup=False)


def _write(out: Path, rows: list[Row], what: Assignment, policy: object, results: list) -> None:
    from pixel_edu.grading.results import gradebook, pages

    gradebook.grades(out / "grades.csv", rows, what)
    gradebook.nbgrader(out / "nbgrader.csv", rows, what, policy)
    gradebook.gradescope(out / "gradescope", rows)
    pages.feedback(out / "feedback", rows, what)
    pages.report(out / "report.html", rows, what)
    changes = gradebook.changes(results)
    if changes:
        header = ("time", "student", "file", "exercise", "before", "after")
        gradebook.write_csv(out / "changes.csv", header, changes)


def _table(console: Console, rows: list[Row], what: Assignment) -> None:
    """The class, an exercise a line; and the files that need a look."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name, justify in (("exercise", "left"), ("", "left"), ("mean", "right"), ("right", "right")):
        table.add_column(name, justify=justify)
    table.add_column("wrong", justify="right")
    table.add_column("not written", justify="right")
    for task in what.tasks:
        marks = [mark for row in rows for mark in row.marks if mark.id == task.id and mark.points is not None]
        right = sum(mark.points == mark.most for mark in marks)
        blank = sum(mark.status == "not written" for mark in marks)
        mean = f"{sum(mark.points for mark in marks) / len(marks):.2f} of {task.points:g}" if marks else "-"
        table.add_row(
            task.id, escape(task.title), mean, str(right), str(len(marks) - right - blank), str(blank)
        )
    console.print(table)
    for row in rows:
        if row.result.status != "graded":
            console.print(f"{row.result.file}: {row.result.status}: {row.result.reason}", markup=False)
