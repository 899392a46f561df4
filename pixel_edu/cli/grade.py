"""pixel-edu grade: mark what a class handed in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pixel_edu.cli.names import registered
from pixel_edu.files import check_writable

if TYPE_CHECKING:
    from rich.console import Console

    from pixel_edu.grading.assignment import Assignment
    from pixel_edu.grading.results.gradebook import Filled
    from pixel_edu.grading.session import Event, GradingOptions, Started, Summary
    from pixel_edu.grading.several import Combined
    from pixel_edu.grading.submissions import Collection

Submissions = Annotated[
    Path | None, typer.Argument(help="Folder of the files handed in, or a zip.", show_default=False)
]
AssignmentName = Annotated[
    str, typer.Option("--assignment", "-a", help="Such as 05_training.", show_default=False)
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for marks, tables and pages.")]
Source = Annotated[
    Path, typer.Option(help="Folder of the solution notebooks with their hidden tests; it can be private.")
]
Jobs = Annotated[
    int | None, typer.Option(min=1, max=256, help="Number of workers.", show_default="one per core")
]
SandboxLevel = Annotated[
    str,
    typer.Option(
        "--sandbox", help="bubblewrap, namespaces, landlock or none; auto takes the strictest here."
    ),
]
Students = Annotated[
    list[str] | None,
    typer.Option(
        "--student", help="Grade this student again, and nobody else; can be repeated.", show_default=False
    ),
]
Exercises = Annotated[
    list[str] | None,
    typer.Option(
        "--exercise",
        help="Mark this exercise again, such as ex-05-2, and no other; can be repeated.",
        show_default=False,
    ),
]
Late = Annotated[Path | None, typer.Option(help="YAML file of deadlines.", show_default=False)]
Canvas = Annotated[
    Path | None,
    typer.Option(help="Gradebook exported from Canvas: fill in a copy of it.", show_default=False),
]
Moodle = Annotated[
    Path | None, typer.Option(help="Grading worksheet from Moodle: fill in a copy of it.", show_default=False)
]
Column = Annotated[
    str, typer.Option(help="Title of the column to fill in that file.", show_default="found by its name")
]
Seed = Annotated[
    int | None,
    typer.Option(help="The seed that pixel-edu exercises build --students had.", show_default=False),
]
CellSeconds = Annotated[float, typer.Option(min=0.1, help="Time limit for one cell, in seconds.")]
NotebookSeconds = Annotated[float, typer.Option(min=1, help="Time limit for a whole submission, in seconds.")]
Memory = Annotated[int, typer.Option(min=64, help="Memory limit for a submission, in MiB.")]
Scheduler = Annotated[
    str,
    typer.Option(
        help="Grade on a dask.distributed cluster: the scheduler's address, such as tls://login1:8786.",
        show_default="this machine",
    ),
]
ShardText = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Grade only the I-th of N parts, and write no tables.",
        show_default="all",
    ),
]
MlflowUri = Annotated[
    str,
    typer.Option(
        "--mlflow",
        help="Log the run to MLflow: a tracking URI, such as sqlite:///grading.db.",
        show_default="no",
    ),
]
Layout = Annotated[
    Literal[registered("grading.platforms", "LAYOUTS")] | None,
    typer.Option(
        help="How files are named; plain takes every name whole.",
        case_sensitive=False,
        show_default="judged from the names",
    ),
]
ListOnly = Annotated[bool, typer.Option("--list", help="Show whose files would be graded, and run nothing.")]
Demo = Annotated[bool, typer.Option("--demo", help="Make up a class of 30 in OUT/submissions, and grade it.")]


def grade(
    submissions: Submissions = None,
    assignment: AssignmentName = "",
    out: Out = Path("results"),
    source: Source = Path("solutions"),
    jobs: Jobs = None,
    sandbox: SandboxLevel = "auto",
    student: Students = None,
    exercise: Exercises = None,
    late: Late = None,
    canvas: Canvas = None,
    moodle: Moodle = None,
    column: Column = "",
    seed: Seed = None,
    cell_seconds: CellSeconds = 30,
    notebook_seconds: NotebookSeconds = 300,
    memory: Memory = 2048,
    scheduler: Scheduler = "",
    shard: ShardText = "1/1",
    mlflow: MlflowUri = "",
    layout: Layout = None,
    list_only: ListOnly = False,
    demo: Demo = False,
) -> None:
    """Mark what a class handed in: sandboxed, with hidden tests, in parallel. Run it again to grade only what is new.

    Exit code 0: every file is graded. 1: some file could not be read or run; its row says why.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # workers are forked, and a fork copies no threads
    from pixel_edu.grading import session

    options = session.GradingOptions(
        *(submissions, assignment, out, source, seed, late),
        session.ResourceLimits(cell_seconds, notebook_seconds, memory),
        session.Selection(tuple(student or ()), tuple(exercise or ()), _parsed(shard)),
        session.Workers(jobs, sandbox, scheduler),
        session.Exports(canvas, moodle, column, mlflow),
        *(demo, layout or ""),
    )
    _list(options) if list_only else _grade(options)


def _given(submissions: Path | None) -> Path:
    """The folder of the files handed in, which must have been named."""
    if submissions is None:
        raise typer.BadParameter(
            "what was handed in is missing: give its folder, as in pixel-edu grade submissions -a 05_training"
        )
    return submissions


def _list(options: GradingOptions) -> None:
    """Whose files would be graded, a file a line."""
    from rich.console import Console

    from pixel_edu.grading.assignment import from_folder, notebooks_of
    from pixel_edu.grading.submissions import collect

    folder, names = _given(options.submissions), [options.assignment]
    if options.assignment:
        names = notebooks_of(options.source, options.assignment)
    for name in names:  # a wrong name shows now
        assignment = from_folder(options.source, name, options.seed) if name else None
        if len(names) > 1:
            Console(highlight=False).print(f"{name}:", markup=False)
        _show(collect(folder, assignment, options.layout), assignment, options)


def _show(collection: Collection, assignment: Assignment | None, options: GradingOptions) -> None:
    """What was collected for one notebook."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    found, layouts, passed_over = collection
    table = Table(box=None, pad_edge=False)
    for name in ("student", "number", "handed in (UTC)", "known from", "file", "problem or note"):
        table.add_column(name, overflow="fold")
    for each in found:
        time, said = (
            each.time[:16].replace("T", " "),
            "; ".join(filter(None, [each.fault(assignment), *each.notes])),
        )
        cells = (each.student, each.number, time, each.time_from, each.file, said)
        table.add_row(*map(escape, cells))
    console = Console(highlight=False)
    console.print(table)
    forms = ", ".join(f"{count} {form}" for form, count in layouts.most_common())
    judged = "" if options.layout else " (judged from the whole folder; --layout NAME settles it)"
    console.print(f"{len(found)} student{'s' * (len(found) != 1)}; names: {forms}{judged}")
    if collection.came_at_once:
        console.print(
            "all files came within minutes: their times may be those of the download; see handed_in in late.yaml"
        )
    for name in passed_over:
        console.print(f"passed over: {name}", markup=False)


def _parsed(shard: str) -> tuple[int, int]:
    """1/3 as numbers."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise typer.BadParameter(f"--shard {shard}: use I/N with I from 1 to N, such as 3/10")
    return int(match[1]), int(match[2])


def _grade(options: GradingOptions) -> None:
    """Grade, and say how it went."""
    from rich.console import Console

    from pixel_edu.config import UserError
    from pixel_edu.grading import session, several

    if not options.demo:
        _given(options.submissions)
    check_writable(options.out, folder=True)
    console = Console(highlight=False, soft_wrap=True)
    try:
        parts = several.options_of(options)
        if parts:
            done = several.grade(options, parts, lambda each: _one(console, each))
            summaries = list(done.parts.values())
            _say_together(console, options, done)
        else:
            summaries = [_one(console, options)]
    except session.OptionError as error:
        raise typer.BadParameter(f"--{error}") from None
    for summary in summaries:
        if summary.untracked:
            raise UserError(f"{summary.untracked}; the tables are written")
    if not all(summary.complete for summary in summaries):
        raise typer.Exit(1)


def _one(console: Console, options: GradingOptions) -> Summary:
    """Grade a notebook, with a progress bar, and say how it went."""
    from pixel_edu.grading import session

    with _Progress(console) as progress:
        summary = session.grade(options, track=progress)
    _say_changes(console, summary)
    if options.selection.shard[1] > 1:
        part = "/".join(map(str, options.selection.shard))
        console.print(
            f"part {part}: {summary.graded} files graded; run this once more without --shard for the tables"
        )
        return summary
    _table(console, summary)
    _say_where(console, summary, options.out)
    return summary


def _say_together(console: Console, options: GradingOptions, done: Combined) -> None:
    """Say where the table of several notebooks is."""
    if options.selection.shard[1] == 1:
        console.print(
            f"{options.assignment}: {len(done.rows)} students, {len(done.parts)} notebooks, {done.points:g} points; "
            f"see {options.out}/grades.csv"
        )
        _say_filled(console, done.filled)


class _Progress:
    """What a session reports, on a terminal: a status line, then a bar.

    The bar has no thread of its own, since workers are forked while it is shown.
    """

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        parts = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        who = TextColumn("{task.fields[who]}", markup=False)
        self.console = console
        self.status = console.status(
            "getting ready: workers, the sandbox's self-test, the solution's own marks"
        )
        self.bar = Progress(*parts, who, console=console, auto_refresh=False, transient=True)

    def __call__(self, event: Event) -> None:
        """Show what happened."""
        from pixel_edu.grading import session

        match event:
            case session.Preparing(name, files, scheduler, exposed):
                self._prepare(name, files, scheduler, exposed)
            case session.Started():
                self._start(event)
            case session.Graded(result):
                self.bar.update(self.task, advance=1, who=result.student[:24], refresh=True)

    def _prepare(self, name: str, files: int, scheduler: str, exposed: bool) -> None:
        self.task = self.bar.add_task("grading", total=files, who="")
        if not scheduler:
            self.status.start()
            return
        if exposed:
            self.console.print(
                f"{scheduler}: this connection is not encrypted: use tls:// on a shared network"
            )
        self.console.print(f"{name}: {files} files to grade on {scheduler}")
        self.bar.start()

    def _start(self, event: Started) -> None:
        self.status.stop()
        for why in event.rejected:
            self.console.print(f"passed over: {why}", markup=False)
        self.console.print(
            f"{event.assignment}: {event.files} files to grade; sandbox: {event.level}; workers: {event.workers}"
        )
        if event.level == "none":
            self.console.print("no sandbox: the code in these notebooks can read and change your files")
        self.bar.start()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.status.stop()
        if self.bar.live.is_started:
            self.bar.stop()


def _say_changes(console: Console, summary: Summary) -> None:
    """Say what grading again changed."""
    from pixel_edu.grading.results.gradebook import number

    if summary.regraded:
        console.print(f"graded again: {summary.regraded}; marks that changed: {len(summary.changes)}")
    for change in summary.changes:
        points = f"{number(change.before) or '?'} -> {number(change.after) or '?'} of {number(change.most)}"
        console.print(f"  {change.student}, {change.exercise}: {points}", markup=False)


def _table(console: Console, summary: Summary) -> None:
    """The class, an exercise a line; and the files that need a look."""
    from rich.markup import escape
    from rich.table import Table

    from pixel_edu.grading.results.gradebook import tally

    table = Table(box=None, pad_edge=False)
    for name in ("exercise", ""):
        table.add_column(name)
    for name in ("mean", "right", "wrong", "not written"):
        table.add_column(name, justify="right")
    for task in summary.assignment.tasks:
        found = tally(summary.rows, task)
        mean = "-" if found.mean is None else f"{found.mean:.2f} of {task.points:g}"
        counts = (found.right, found.wrong, found.blank)
        table.add_row(task.id, escape(task.title), mean, *map(str, counts))
    console.print(table)
    for row in summary.rows:
        if row.result.status != "graded":
            console.print(f"{row.result.file}: {row.result.status}: {row.result.reason}", markup=False)


def _say_where(console: Console, summary: Summary, out: Path) -> None:
    """Say how much was graded, and where the results are."""
    took = f" in {summary.seconds:.0f} s" if summary.graded else ""
    console.print(
        f"{summary.graded} of {summary.files} files graded now{took}; see {out}/report.html and {out}/grades.csv"
    )
    if summary.by_hand:
        console.print(
            f"{summary.by_hand} answers must be marked by hand: fill in {out}/manual.csv and run this again"
        )
    for note in summary.notes:
        console.print(note, markup=False)
    _say_filled(console, summary.filled)


def _say_filled(console: Console, tables: dict[Path, Filled]) -> None:
    """Say how many scores were filled in, and who is not in the table."""
    for template, filled in tables.items():
        console.print(f"{filled.path}: {filled.students} scores filled in")
        if filled.without:
            console.print(f"not in {template}: {', '.join(filled.without)}")
        if filled.over:
            console.print(
                f"more points than {template} allows: {', '.join(filled.over)}; raise its maximum first"
            )
