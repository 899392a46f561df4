"""Run one submission: papermill executes it in a sandbox, then the tests call its functions there by RPC.

A cell or a call that ends its kernel, or never ends, costs its own exercise. The rest runs again in a new sandbox,
without the cell that ended the first. When sandboxes keep ending, each exercise gets one of its own, with only the
cells that it needs.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import zmq.asyncio
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from pixel_edu.course.calling import TICK, Countdown
from pixel_edu.files import write_all
from pixel_edu.grading import marking, scopes
from pixel_edu.grading.assignment import Task
from pixel_edu.grading.marking import Examiner, Mark
from pixel_edu.grading.merge import Merged
from pixel_edu.grading.rpc.client import Client, KernelLost
from pixel_edu.grading.sandbox import plain
from pixel_edu.grading.sandbox.isolation import Sandbox, SandboxError
from pixel_edu.grading.sandbox.provisioner import ForkManager
from pixel_edu.grading.sandbox.restrictions import ResourceLimits
from pixel_edu.notebooks.magics import defined
from pixel_edu.notebooks.running import without

with without("pyarrow"):  # papermill would load 40 MB of it for Hadoop's files
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine, papermill_engines
    from papermill.iorw import load_notebook_node

PATIENCE = 3
"""After so many sandboxes have ended, every exercise gets one of its own."""
FLOOD = 400
"""A notebook may show this many times as much as one cell; beyond that its kernel is killed."""
MESSAGE = 32 << 20
"""The longest message that is accepted from a kernel, in bytes."""
RETRY = 5
"""Milliseconds until ZeroMQ tries again to connect to a kernel that does not listen yet; its own 100 are most of the
time until a forked kernel answers."""
CONNECTS = 5
"""Seconds within which a kernel that has run all cells must connect for the tests."""
TIME = "the time for the whole notebook was up"

logging.getLogger("papermill").setLevel(logging.CRITICAL)
logging.getLogger("traitlets").setLevel(logging.CRITICAL)


@dataclass
class Watch:
    """What goes on in one sandbox.

    Attributes:
        sandbox: where the notebook runs.
        cell: index of the running cell; -1 before the first.
        left: the time that this cell may still take; None where it may take any.
        shown: bytes of output of this cell.
        total: bytes of output of all cells.
        cut: indices of cells whose output was cut off.
        why: the reason for which the kernel was killed, or "".
        failure: what went wrong through no fault of the student's.
        finished: is set when papermill has finished, successfully or not.
    """

    sandbox: Sandbox
    cell: int = -1
    left: Countdown | None = None
    shown: int = 0
    total: int = 0
    cut: set[int] = field(default_factory=set)
    why: str = ""
    failure: Exception | None = None
    finished: threading.Event = field(default_factory=threading.Event)

    def stop(self, why: str) -> None:
        """End all that runs in the sandbox."""
        self.why = self.why or why
        self.sandbox.kill()


class WatchedClient(PapermillNotebookClient):
    """papermill's own client, which also notes which cell runs, and cuts off its output while it is read."""

    def __init__(self, nb_man: Any, watch: Watch, **options: Any) -> None:
        super().__init__(nb_man, **options)
        self.watch = watch

    def execute_cell(self, cell: NotebookNode, cell_index: int, **options: Any) -> NotebookNode:
        """Execute a cell, and note which."""
        tests, limit = cell.metadata.get("part") == "tests", self.watch.sandbox.limits.cell
        self.watch.left = None if tests else Countdown(limit)
        self.watch.cell, self.watch.shown = cell_index, 0
        return super().execute_cell(cell, cell_index, **options)

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> Any:
        """Take a message, unless the cell has shown enough."""
        if msg["msg_type"] not in ("status", "execute_input"):
            watch, most = self.watch, self.watch.sandbox.limits.output << 10
            size = len(repr(msg["content"]))
            watch.shown, watch.total = watch.shown + size, watch.total + size
            if watch.total > FLOOD * most:
                watch.stop(f"it shows more than {FLOOD * most >> 20} MiB")
            if watch.shown > most and msg["msg_type"] != "error":
                watch.cut.add(cell_index)
                return None
        return super().process_message(msg, cell, cell_index)


class SandboxEngine(NBClientEngine):
    """papermill's engine, with the client above."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> NotebookNode:
        """Execute a notebook; see papermill."""
        options.pop("log_output", None)
        return WatchedClient(nb_man, kernel_name=kernel_name, **options).execute()


papermill_engines.register("pixel-edu", SandboxEngine)


@dataclass
class SubmissionOutcome:
    """What came of running a submission.

    Attributes:
        marks: one for each exercise that was asked for.
        notebook: what was executed, with outputs.
        notes: a sentence for each repair and each accident.
        sandboxes: how many it took.
    """

    marks: list[Mark]
    notebook: NotebookNode
    notes: list[str]
    sandboxes: int


class SubmissionRun:
    """One submission on its way through its sandboxes.

    Args:
        merged: what to run.
        tests: to mark it with.
        fork_server: makes kernels.
        level: of the sandbox.
        limits: for all of it.
    """

    def __init__(
        self, merged: Merged, tests: Examiner, fork_server: plain.Server, level: str, limits: ResourceLimits
    ) -> None:
        self.cells, self.notes = merged.notebook.cells, list(merged.notes)
        self.metadata, self.executed = merged.notebook.metadata, merged.notebook
        self.places, self.files, self.ran = merged.places, merged.files, 0
        self.tests, self.fork_server, self.level, self.limits = tests, fork_server, level, limits
        self.left = Countdown(limits.notebook)
        self.skipped: dict[int, str] = {}
        self.suspects: set[str] = set()
        self.marks: dict[str, Mark] = {}
        self.sandboxes = 0

    def outcome(self, tasks: list[Task]) -> SubmissionOutcome:
        """Execute it and mark some exercises.

        Raises:
            SandboxError: no kernel can be started, through no fault of the student's.
        """
        todo = [task for task in tasks if not task.by_hand]
        groups: dict[int, list[Task]] = {}
        for task in todo:
            groups.setdefault(self._end(task), []).append(task)
        for tries, (end, group) in enumerate(groups.items(), PATIENCE):
            while self._open(group) and self.sandboxes < tries and not self._late():
                self._attempt(range(end), self._open(group))
        for task in todo:
            if task.id not in self.marks and not self._late():
                self._attempt(self._needed(task), [task], alone=True)
        for task in tasks:
            if task.id not in self.marks:
                self.marks[task.id] = self._not_run(task)
        return SubmissionOutcome(
            [self.marks[task.id] for task in tasks], self.executed, self.notes, self.sandboxes
        )

    def execute(self) -> None:
        """Execute all cells in one sandbox, and mark nothing."""
        self._attempt(range(len(self.cells)), [])

    def _open(self, tasks: list[Task]) -> list[Task]:
        """Exercises without a mark that have not been put off until they run alone."""
        off = self.suspects | {self.cells[i].metadata.part for i in self.skipped}
        return [
            task for task in tasks if task.id not in self.marks and off.isdisjoint((task.id, task.answer))
        ]

    def _end(self, task: Task) -> int:
        """How many cells run before the tests: all, unless one further down gives what they read another value."""
        place = self.places.get(task.id, len(self.cells))
        above = [cell.source for cell in self.cells[:place]]
        names = set(scopes.unknown(task.tests))
        while (
            more := {
                name for source in above if scopes.bound(source) & names for name in scopes.looked_up(source)
            }
            - names
        ):
            names |= more
        changed = (_changes(cell) for cell in self.cells[place:])
        return len(self.cells) if all(map(names.isdisjoint, changed)) else place

    def _late(self) -> bool:
        return self.left.left <= 0

    def _needed(self, task: Task) -> list[int]:
        """Indices of the given cells, the task's own, and those that define a name which its tests or these read."""
        reads = [_reads(cell.source) for cell in self.cells]
        makes = [set(defined(cell.source)) for cell in self.cells]
        own = {i for i, cell in enumerate(self.cells) if cell.metadata.part in (task.id, task.answer)}
        needed = own | {i for i, cell in enumerate(self.cells) if cell.metadata.part == "given"}
        names = _reads(task.tests).union(*(reads[i] for i in own))
        while more := {i for i in range(len(self.cells)) if i not in needed and makes[i] & names}:
            needed |= more
            names |= set().union(*(reads[i] for i in more))
        return sorted(i for i in needed - (self.skipped.keys() - own) if i < self._end(task))

    def _attempt(self, numbers: Iterable[int], tasks: list[Task], alone: bool = False) -> None:
        """Run some cells and mark some exercises in one sandbox, until it ends."""
        # The cell that runs when a kernel dies need not be what killed it: a timer or a thread of another cell may be.
        # So it is only skipped in what follows, and costs a mark when it fails alone, with just the cells it needs.
        self.sandboxes += 1
        numbers = [i for i in numbers if alone or i not in self.skipped]
        with Sandbox(self.level, self.limits) as sandbox:
            write_all(sandbox.beside, self.files)
            watch = Watch(sandbox)
            reached = self._in_sandbox(watch, numbers, tasks, alone)
        if watch.failure:
            raise watch.failure
        if reached or watch.why == TIME:
            return
        why = watch.why or "it ended the whole notebook"
        if alone:
            message = f"Its cell was stopped: {why}."
            self.marks[tasks[0].id] = Mark(tasks[0].id, 0, tasks[0].points, marking.FAILED, message)
        elif 0 <= watch.cell < len(numbers):
            last = numbers[watch.cell]
            self.skipped[last] = why
            self.notes.append(f"{self._name(last)} {marking.SKIPPED}{why}")

    def _in_sandbox(self, watch: Watch, numbers: list[int], tasks: list[Task], alone: bool) -> bool:
        """Run the cells, then the tests; whether the tests were reached."""
        listening, address = _listen(watch.sandbox)
        serve = f"from pixel_edu.grading.rpc.server import serve\nserve({address!r})"
        cells = [*(self.cells[i] for i in numbers), new_code_cell(serve, metadata={"part": "tests"})]
        notebook = load_notebook_node(
            NotebookNode(nbformat=4, nbformat_minor=5, metadata=self.metadata, cells=cells)
        )
        threads = [
            threading.Thread(target=self._papermill, args=(notebook, watch)),
            threading.Thread(target=self._guard, args=(watch,)),
        ]
        with listening:
            for thread in threads:
                thread.start()
            try:
                client = _accept(listening, watch, len(numbers))
                if client:
                    with contextlib.closing(client):
                        self._mark(tasks, client, watch, alone)
                    watch.finished.wait(2)
            finally:
                watch.sandbox.kill()
                for thread in threads:
                    thread.join()
        for i in watch.cut:
            notebook.cells[i].outputs.append(new_output("stream", text="... the rest was cut off ...\n"))
        if len(numbers) >= self.ran - len(
            self.skipped
        ):  # the most that was run so far, then what was not reached
            below = range(max(numbers, default=-1) + 1, len(self.cells))
            rest = [self.cells[i] for i in below if i not in self.skipped]
            notebook.cells = [*notebook.cells[:-1], *rest]
            self.executed, self.ran = notebook, len(numbers)
        return client is not None

    def _mark(self, tasks: list[Task], client: Client, watch: Watch, alone: bool) -> None:
        for task in tasks:
            try:
                mark = self.tests.mark(task, client)
            except KernelLost:
                return
            if client.broken and watch.why == TIME:
                return
            if client.broken and not alone and not client.slow:
                self.suspects.add(task.id)
                return
            if client.broken and watch.why:
                mark.message = f"It was stopped: {watch.why}."
            self.marks[task.id] = mark
            if client.broken:
                self.notes.append(f"{task.id} {marking.ENDED}{watch.why or client.broken}")
                return

    def _papermill(self, notebook: NotebookNode, watch: Watch) -> None:
        """Execute the notebook, in a thread of its own."""
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.MAXMSGSIZE, MESSAGE)
        context.setsockopt(zmq.RECONNECT_IVL, RETRY)
        manager = ForkManager(self.fork_server, watch.sandbox, context=context)
        try:
            papermill_engines.execute_notebook_with_engine(
                "pixel-edu",
                notebook,
                kernel_name="python3",
                output_path=None,
                progress_bar=False,
                autosave_cell_every=0,
                km=manager,
                watch=watch,
                allow_errors=True,
                raise_on_iopub_timeout=False,
                startup_timeout=60,
            )
        except DeadKernelError:
            pass
        except Exception as error:
            if watch.cell < 0 and not watch.why:
                watch.failure = SandboxError(f"no kernel could be started: {type(error).__name__}: {error}")
        finally:
            watch.finished.set()
            _end_loop(ensure_event_loop())
            manager.forget()

    def _guard(self, watch: Watch) -> None:
        """Enforce the limits of the sandbox as a whole, in a thread of its own."""
        while not watch.finished.wait(TICK):
            self.left.tick()
            if watch.left and watch.left.tick() <= 0:
                watch.stop(f"it did not end within {self.limits.cell:g} s")
            if why := watch.sandbox.too_much():
                watch.stop(f"it used {why}")
            if self._late():
                watch.stop(TIME)

    def _name(self, number: int) -> str:
        cell = self.cells[number]
        first = cell.source.strip().partition("\n")[0][:60]
        return (
            f"the cell of {cell.metadata.part}"
            if cell.metadata.part not in ("own", "given")
            else f"`{first}`"
        )

    def _not_run(self, task: Task) -> Mark:
        if task.by_hand:
            message, status = "A person marks this.", marking.BY_HAND
        else:
            message, status = f"It was not run: {TIME}.", marking.NOT_RUN
        return Mark(task.id, None, task.points, status, message)


def _listen(sandbox: Sandbox) -> tuple[socket.socket, str | tuple[str, int]]:
    """A socket for the tests, and its address: in the sandbox's folder, or on Windows a port of this machine."""
    if not hasattr(socket, "AF_UNIX"):
        listening = socket.create_server(("127.0.0.1", 0))
        return listening, listening.getsockname()
    listening, path = socket.socket(socket.AF_UNIX), str(sandbox.folder / "rpc.sock")
    listening.bind(path)
    listening.listen(1)
    return listening, path


def _accept(listening: socket.socket, watch: Watch, last: int) -> Client | None:
    """The client, once the kernel has reached the tests, which come after the last cell; None if it never does."""
    listening.settimeout(0.02)
    countdown = None
    while True:
        try:
            return Client(listening.accept()[0])
        except TimeoutError:
            if watch.cell == last:
                countdown = countdown or Countdown(CONNECTS)
            if watch.finished.is_set() or (countdown and countdown.tick() <= 0):
                watch.why = watch.why or "its kernel stopped responding" * bool(countdown)
                return None


def _end_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close this thread's loop; whatever still waits for the kernel that has ended is cancelled first."""
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
    loop.close()


def _changes(cell: NotebookNode) -> set[str]:
    """The names that a cell gives a value. A student's own function counts as a second try at the answer."""
    names = scopes.bound(cell.source)
    return names - scopes.defined(cell.source) if cell.metadata.part == "own" else names


def _reads(source: str) -> set[str]:
    try:
        return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
