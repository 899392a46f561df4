"""A training run in a folder: stop it at any moment, even by pulling the plug, and it goes on where it was.

The folder gets `run.safetensors` (to go on), `model.safetensors` (to sample from), `log.csv` and `samples.png`.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import torch

from pixel_edu import checkpoints, data, distillation, files, palette, training
from pixel_edu.checkpoints import MODEL, RUN
from pixel_edu.config import SampleConfig, UserError, class_names, hardware, has_bf16, numbered
from pixel_edu.data import SpriteData
from pixel_edu.distillation import Phase
from pixel_edu.facts import DataFacts
from pixel_edu.generate import generate, specimens
from pixel_edu.images import grid, over, upscale, write_png
from pixel_edu.training import TrainConfig, TrainState, TrainStep, is_main_process

LOG, GRID = "log.csv", "samples.png"
SCALE = 4
"""Pixels of that picture a side of a sprite's pixel."""
HEADINGS = "step,loss,grad_norm,learning_rate,seconds"
LOCK = ".lock"
"""In the folder while it is trained in."""
SCRATCH = "scratch"
"""In the record of a run that began with random weights."""
BYTES, HALF = 4, 2
"""Of a number: in a checkpoint, and in a model."""
CHANGEABLE = (
    "steps",
    "begun",
    "learning_rate",
    "batch_size",
    "precision",
    "mirror",
    "shift",
    "recolor",
    "balance",
)
"""Of a `TrainConfig`: what may be others when a finished run goes on."""
Steps = Iterable[TrainStep]


class TrainingRun:
    """The run in a folder, opened to begin it or to go on with it.

    Args:
        folder: of the run; it is made when there is something to write.
        config: all that decides the run but the data; a run that goes on must have been begun with the same.
        source: where the sprites come from, in words; a run that goes on must have been begun with the same.
        restart: start over, and give up what is in the folder.
        notes: kept in the checkpoints' record, such as the command that was typed.
        start: fine-tune from this model instead of random weights: the name of one that comes with the package, a
            checkpoint, or a run's folder. `training.fine_tuning` makes a config that fits it. A run that goes on
            must have been begun with the same.
        classes: the names of the data's classes, in label order; those that `start` knows keep what it has learned of
            them. If omitted, the course's where they are five, else numbers.

    A finished run goes on when the config asks for more steps; it may then change what is in `CHANGEABLE`. Weights,
    average and the optimiser's memory are kept; the learning rate warms up again and falls to 0 at the new last step.

    Where the config leaves the precision to the device, a run goes on in the one it was begun in; but one begun in bf16
    that is moved to a device without instructions for it goes on in fp32. Its weights are float32 either way.

    Attributes:
        state: the network, its average and the optimiser; `state.step` steps are done.
        record: what the checkpoints say of how they were made.

    Raises:
        CheckpointError: the folder's checkpoint is damaged, or was written with another config; or `start` is not a
            checkpoint.
        UserError: the run was begun with other data or from another start, or config and `start` do not fit.

    >>> import itertools, tempfile
    >>> from pixel_edu import sprites
    >>> config = TrainConfig(training.RECIPES["tiny"].unet, steps=3, batch_size=4)
    >>> drawn = sprites.make(20)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = TrainingRun(folder, config)
    ...     first.train(drawn.images, drawn.labels, "cpu", track=lambda steps: itertools.islice(steps, 2))
    ...     again = TrainingRun(folder, config)  # another day, in another process
    ...     again.state.step, again.train(drawn.images, drawn.labels, "cpu")
    False
    (2, True)
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        config: TrainConfig,
        source: str = "arrays",
        restart: bool = False,
        notes: Mapping[str, str] | None = None,
        start: str | os.PathLike | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        self.folder = Path(folder)
        path = self.folder / RUN
        self._seen = _version(path)
        begun_from = str(start or SCRATCH)
        if path.exists() and not restart:
            self.state, self.record = _reopened(path, config), checkpoints.read_about(path).record
        else:
            self.state, self.record = TrainState(config), {"start": begun_from}
            if start:
                checkpoints.start_from(self.state, start, classes)
        if (before := self.record.get("data", source)) != source:
            raise UserError(
                f"{self.folder} was trained on {before}, not on {source}: use that, or another folder"
            )
        if (before := self.record.get("start", SCRATCH)) != begun_from:
            raise UserError(
                f"{self.folder} was begun from {before}, not from {begun_from}: use that, or another folder"
            )
        self.record |= {"data": source, "hardware": hardware(), **(notes or {})}

    @property
    def finished(self) -> bool:
        """Whether the last step is done and the model written."""
        model = self.folder / MODEL
        done = self.state.step == self.state.config.steps and model.exists()
        return done and checkpoints.read_about(model).step == self.state.step

    def settle_precision(self, device: str = "auto") -> str:
        """Decide the precision where that is left to the device; `train` does so by itself.

        Args:
            device: as `train` takes it.

        Returns:
            What was decided and why, in a line to show; "" where the config had decided, and decided well.
        """
        asked, kind = self.state.config.precision, training.device_type(device)
        self.state.config = training.settled(self.state.config, kind)
        chip = "processor" if kind == "cpu" else "GPU"
        if asked == "auto" and self.state.config.precision == "bf16":
            return f"precision: bf16, for which this {chip} has instructions"
        if asked == "auto":
            return f"precision: fp32, since bf16 is not known to be faster on this {chip}"
        if asked == "bf16" and not has_bf16(kind):
            return f"precision: bf16 as asked; fp32 may be much faster, since this {chip} has no instructions for bf16"
        return ""

    @property
    def continues(self) -> bool:
        """Whether a finished run has just been opened for more steps."""
        return 0 < self.state.step == self.state.config.begun

    def train(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        device: str = "auto",
        sample_every: int = 500,
        save_every: int = 250,
        track: Callable[[Steps], Steps] = iter,
        on_picture: Callable[[np.ndarray, int], None] | None = None,
        compiled: bool = False,
    ) -> bool:
        """Train to the end, or until `track` ends; then all up to the last step is on the disk.

        Started by `accelerate launch`, all processes train, and the main one writes. The folder is locked meanwhile,
        see `locked`.

        Args:
            images: (N, S, S, 3 or 4) uint8, in colours also where the network draws bits.
            labels: (N,) int64 in 0 .. K-1.
            device: "auto" takes what accelerate finds; "cpu" stays on the CPU.
            sample_every: steps between pictures of samples.
            save_every: steps between checkpoints, which is what a crash may cost.
            track: wraps the steps: passes each on, and may print it, show a bar, log it (`tracking.Run.follow`), or
                stop early (`itertools.islice`, `interruptible`).
            on_picture: called with every picture of samples, (H, W, 3) uint8, and its step.
            compiled: compile the network first, see `training.compile_network`.

        Returns:
            Whether the run is finished. If not, the same call on a new `TrainingRun` goes on, to the same weights.

        Raises:
            UserError: labels and config do not fit, PyTorch cannot compile, the loss is no longer a number, the run
                was begun with other sprites, they have too many colours for a network that draws bits, the folder
                cannot be written, its disk has too little room, or another program trains in it or has done so since
                it was opened.
        """
        with locked(self.folder):
            self.check_room()
            if _version(self.folder / RUN) != self._seen:
                raise UserError(f"another program has trained in {self.folder} meanwhile: open the run again")
            if compiled:
                training.compile_network(self.state.network)
            return self._train(images, labels, device, sample_every, save_every, track, on_picture)

    def check_room(self) -> None:
        """See that the disk has room for what the run will write; `train` does so by itself.

        The folder must be there. An older checkpoint is replaced only when the new one is whole, so there are two.

        Raises:
            UserError: there is too little.
        """
        weights = sum(weight.numel() for weight in self.state.network.parameters())
        whole = 4 * BYTES * weights  # the network, its average, and two moments of its gradient
        first = not (self.folder / RUN).exists()
        if is_main_process():
            files.check_room(self.folder, whole + first * whole + HALF * weights, largest=whole)

    def check_data(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        classes: Sequence[str] = (),
        licence: str = "",
        procedural: bool = False,
    ) -> None:
        """Note what the run learns from; `train` does so by itself, without the last three.

        Args:
            images: (N, S, S, 3 or 4) uint8.
            labels: (N,) int64 in 0 .. K-1.
            classes: their names; if omitted, they are not compared.
            licence: of the sprites, as their owner names it; if omitted, as noted before.
            procedural: whether `pixel_edu.sprites` drew them.

        Raises:
            UserError: the run was begun with other sprites; it says what has changed.
        """
        before, count = self.state.data, self.state.config.unet.classes
        classes = classes or (before.classes if before else class_names(count))
        now = DataFacts.of(images, labels, classes, licence, procedural)
        if before:
            if what := _changed(before, now):
                raise UserError(
                    f"{self.folder} was trained on {self.record['data']}, but its {what}: restore the data, "
                    "or choose another folder"
                )
            now = dataclasses.replace(
                now,
                palette=before.palette,
                licence=licence or before.licence,
                procedural=procedural or before.procedural,
            )
        self.state.data = now

    def _train(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        device: str,
        sample_every: int,
        save_every: int,
        track: Callable[[Steps], Steps],
        on_picture: Callable[[np.ndarray, int], None] | None,
    ) -> bool:
        for half_written in self.folder.glob(".*.part"):  # by a run that was killed
            half_written.unlink(missing_ok=True)
        images = self._prepared(images, labels)
        log, clock = Log(self.folder / LOG, self.state.step), self._clock()
        saved = drawn = self.state.step
        steps = track(training.train(images, labels, state=self.state, device=device))
        writes = is_main_process()
        for step in steps:
            if not writes:
                continue
            log.add(step, clock())
            if step.step % save_every == 0:
                saved = self._save(log, clock())
            if step.step % sample_every == 0:
                drawn = self._draw(on_picture)
        if not writes:
            return self.state.step == self.state.config.steps
        if saved < self.state.step:
            self._save(log, clock())
        if drawn < self.state.step:
            self._draw(on_picture)
        if self.state.step == self.state.config.steps:
            checkpoints.save_model(self.folder / MODEL, self.state, record=self.record)
        return self.finished

    def _prepared(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The images as the network draws them, colours or bits; what they are and their palette are noted."""
        self.check_data(images, labels)
        assert self.state.data  # which was noted just now
        bits = self.state.config.unet.image_channels >= palette.BITS
        if bits and len(palette.find_palette(images, palette.MOST + 1)) > palette.MOST:
            most = f"more than {palette.MOST} colours, too many for bits"
            raise UserError(f"{self.record['data']} have {most}: train on colours, without --bits")
        colors = palette.for_bits(palette.covering_palette(images))
        words = tuple(palette.to_words(colors).split())
        self.state.data = dataclasses.replace(self.state.data, palette=words)
        return palette.as_bits(images, colors) if bits else images

    def _clock(self) -> Callable[[], float]:
        """Seconds that the run has taken so far, with those before it was interrupted."""
        began = time.perf_counter() - float(self.record.get("seconds", 0))
        return lambda: time.perf_counter() - began

    def _save(self, log: Log, seconds: float) -> int:
        self.record["seconds"] = f"{seconds:.0f}"
        log.write()
        checkpoints.save_run(self.folder / RUN, self.state, self.record)
        self._seen = _version(self.folder / RUN)
        return self.state.step

    def _draw(self, on_picture: Callable[[np.ndarray, int], None] | None) -> int:
        picture = draw_samples(self.folder / GRID, self.state)
        if on_picture:
            on_picture(picture, self.state.step)
        return self.state.step


def _reopened(path: Path, config: TrainConfig) -> TrainState:
    """A run as it was left; a finished one with the new config, if that asks for more steps."""
    about = checkpoints.read_about(path)
    config = dataclasses.replace(config, begun=about.config.begun)
    kept = {}
    before = about.config.precision  # "auto" was written by an earlier version only
    if "auto" in (before, config.precision):
        kept["precision"] = before
        if before == "fp32":
            config = dataclasses.replace(config, precision="fp32")
    if about.step == about.config.steps < config.steps:
        kept = {name: getattr(about.config, name) for name in CHANGEABLE}
        config = dataclasses.replace(config, begun=about.step)
    state = checkpoints.load_run(path, dataclasses.replace(config, **kept))
    state.config = config
    return state


@contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """Keep a run's folder to oneself while the block runs.

    A folder that is not there is made, and removed at the end if nothing was written to it.

    Of several processes started by `accelerate launch`, the main one does this for all.

    Raises:
        UserError: another program trains in it, or it cannot be written.
    """
    if not is_main_process():
        yield
        return
    with ExitStack() as held:
        try:
            if not Path(folder).exists():
                Path(folder).mkdir(parents=True, exist_ok=True)  # another program may be as quick
                held.callback(_remove_if_empty, Path(folder))
            held.enter_context(files.locked(Path(folder) / LOCK))
        except TimeoutError:
            raise UserError(
                f"another program trains in {folder}: wait until it ends, or choose another folder"
            ) from None
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written ({error.strerror or error}): choose another folder"
            ) from error
        yield


def distil(
    folder: str | os.PathLike,
    teacher: str | os.PathLike,
    images: np.ndarray,
    labels: np.ndarray,
    phases: Sequence[Phase] = distillation.PHASES,
    seed: int = 0,
    source: str = "arrays",
    notes: Mapping[str, str] | None = None,
    device: str = "cpu",
    track: Callable[[Phase, Steps], Steps] = lambda phase, steps: steps,
) -> bool:
    """Distil a model in a folder: each phase leaves its student there, and is not done again.

    The last one's student is also `model.safetensors`, to sample from.

    Args:
        folder: it is made; locked meanwhile, see `locked`.
        teacher: the name of a model that comes with the package, a checkpoint, or a run's folder.
        images: (N, S, S, C) uint8, what the teacher learned from.
        labels: (N,) int64.
        phases: in this order.
        seed: of every batch.
        source: where the sprites come from, in words.
        notes: kept in the checkpoints' record, such as the command that was typed.
        device: where to compute.
        track: wraps the steps of a phase: passes each on, and may show a bar or stop early.

    Returns:
        Whether all phases are done. If not, the same call goes on with the phase that was interrupted.

    Raises:
        CheckpointError: the teacher, or what a phase left, cannot be read or written.
        UserError: the folder was begun with another teacher, another program works in it, or images do not fit.
    """
    folder, path = Path(folder), checkpoints.find(str(teacher))
    about = checkpoints.read_about(path)
    if about.config.calls:
        raise UserError(f"{teacher} is distilled already: start from the model that was its teacher")
    if about.config.unet.image_channels >= palette.BITS:
        raise UserError(f"{teacher} draws bits, which have no half-way: distil a model that draws colours")
    record = {"teacher": str(teacher), "data": source, "hardware": hardware(), **(notes or {})}
    steps, before = 0, 0.0
    first = model = checkpoints.load_model(path, device)
    how: SampleConfig | None = SampleConfig()
    with locked(folder):
        for phase in phases:
            done = folder / f"{phase.name}.safetensors"
            if not done.exists():
                config = distillation.config_of(phase, about.config, seed)
                student = distillation.begin(model, config, str(device))
                student.data = about.data
                training.check(images, labels, config)
                began = time.perf_counter()
                for _ in track(phase, distillation.taught(phase, first, model, student, images, labels, how)):
                    pass
                if student.step < phase.steps:
                    return False
                seconds = before + time.perf_counter() - began
                record |= {"seconds": f"{seconds:.0f}", "steps": str(steps + phase.steps)}
                checkpoints.save_model(done, student, torch.float32, record)
                if phase == phases[-1]:
                    checkpoints.save_model(folder / MODEL, student, record=record)
            last = checkpoints.read_about(done).record
            for key in ("teacher", "data"):
                if last[key] != record[key]:
                    raise UserError(
                        f"{folder} was begun with {last[key]}, not with {record[key]}: use another folder"
                    )
            steps, before = int(last["steps"]), float(last["seconds"])
            model, how = checkpoints.load_model(done, device), None
    return True


def _changed(before: DataFacts, now: DataFacts) -> str | None:
    """What is another in a dataset, in words; what was not noted before is not compared."""
    if before.classes not in (now.classes, numbered(len(now.classes))):
        return f"classes were {', '.join(before.classes)} and are now {', '.join(now.classes)}"
    if before.fingerprint in ("", now.fingerprint):
        return None
    for what, old, new in (
        ("sizes", before.size, now.size),
        ("channels", before.channels, now.channels),
        ("sprites", _in_words(before.counts), _in_words(now.counts)),
    ):
        if old != new:
            return f"{what} were {old} and are now {new}"
    return "pictures are others, or in another order"


def _in_words(counts: Sequence[int]) -> str:
    return f"{sum(counts)} ({', '.join(map(str, counts))} a class)"


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def folder_source(folder: str | os.PathLike, validation: float) -> str:
    """How a run's record names a dataset's folder."""
    return f"{folder}, {validation:.0%} held out"


def training_part(sprites: SpriteData, validation: float, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The images (N, S, S, 3 or 4) uint8 and labels (N,) int64 of a dataset that a run learns from.

    Args:
        sprites: all of it.
        validation: share of its base sprites to hold out.
        classes: that the network knows.

    Raises:
        UserError: the dataset has another number of classes, one sprite, or a class of which all sprites are held out.
    """
    if len(sprites) == 1:
        raise UserError(
            f"{sprites.source} has one sprite, which a model could only repeat: add others like it"
        )
    if len(sprites.classes) != classes:
        found = f"{sprites.source} has {len(sprites.classes)} classes, and the network {classes}"
        raise UserError(f"{found}: use another dataset")
    part, *_ = data.split(sprites.images, sprites.labels, validation)
    labels = sprites.labels[part]
    if lost := np.setdiff1d(sprites.labels, labels).tolist():
        names = ", ".join(sprites.classes[c] for c in lost)
        raise UserError(
            f"{sprites.source} has so few sprites of {names} that {validation:.0%} held out leaves none to learn from: "
            "hold out a smaller share (--validation), or add sprites"
        )
    return sprites.images[part], labels


class UntilAsked:
    """Passes steps on until a signal asks the program to stop.

    Attributes:
        signal: what asked: `signal.SIGINT` (Ctrl-C) or `signal.SIGTERM` (a scheduler, or kill); None so far.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self, steps: Steps) -> Iterator[TrainStep]:
        """The steps up to the one that is running when the signal comes."""
        for step in steps:
            yield step
            if self.signal:
                return

    def note(self, number: int, frame: object) -> None:
        """Handle a signal: the first one is remembered, the second ends the program at once."""
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal:
            raise SystemExit(128 + number)
        self.signal = signal.Signals(number)


@contextmanager
def interruptible() -> Iterator[UntilAsked]:
    """Inside, Ctrl-C or SIGTERM ends the steps after the one that is running; a second one raises at once.

    It yields a value for `track`: `with interruptible() as track: run.train(images, labels, track=track)`.
    """
    until_asked = UntilAsked()
    before = {each: signal.signal(each, until_asked.note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield until_asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def draw_samples(path: Path, state: TrainState) -> np.ndarray:
    """Write a picture of sprites by the averaged network, always from the same noise, as `generate.specimens` has them.

    Colours are shown as they come; only bits are read.

    Returns:
        The picture, (H, W, 3) uint8.
    """
    device = next(state.ema.network.parameters()).device
    denoiser = state.denoiser()
    labels, columns = specimens(denoiser.null_label)
    made = generate(denoiser, labels, range(len(labels)), device=device)
    picture = upscale(grid(over(palette.in_colors(made, denoiser.palette, "off")), columns), SCALE)
    with files.writing(path):
        write_png(path, picture)
    return picture


def first_of_each_class(picture: np.ndarray, size: int) -> np.ndarray:
    """The leftmost sprite of each row of such a picture, (K, S, S, 3) uint8.

    Args:
        picture: as `draw_samples` returns it, (H, W, 3) uint8.
        size: S, pixels of a sprite's side.
    """
    small = picture[::SCALE, ::SCALE]
    return np.stack([small[top : top + size, :size] for top in range(0, len(small), size + 1)])


def _version(path: Path) -> tuple[int, int] | None:
    """What differs between two versions of a file; None where there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_ino


class Log:
    """A table of all steps; rows after a run's checkpoint are forgotten when it goes on from there."""

    def __init__(self, path: Path, step: int) -> None:
        self.path, self.rows = path, [HEADINGS]
        if step and path.exists():
            rows = path.read_text(encoding="utf-8").splitlines()[1:]
            self.rows += [row for row in rows if row.count(",") == 4 and int(row.split(",")[0]) <= step]

    def add(self, step: TrainStep, seconds: float) -> None:
        """Remember a step, and the seconds that the run has taken so far."""
        self.rows.append(
            f"{step.step},{step.loss!r},{step.grad_norm:.4f},{step.learning_rate:.3e},{seconds:.1f}"
        )

    def write(self) -> None:
        """Write the table, whole or not at all.

        Raises:
            UserError: it cannot be written.
        """
        with files.writing(self.path), files.replacing(self.path) as temporary:
            temporary.write_text("\n".join(self.rows) + "\n", encoding="utf-8", newline="\n")
