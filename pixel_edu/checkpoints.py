"""Checkpoints: safetensors files with the configuration inside, written whole or not at all.

There are two kinds. A run's checkpoint holds all that training needs to go on: network, average, and optimiser. A
model's holds the averaged network alone, at half precision. `load_model` reads both. The folder of a run stands for
the model in it, or for the run where no model is written yet.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import torch
from safetensors.torch import save
from torch import Tensor

from pixel_edu import finetuning
from pixel_edu.config import UserError, class_names
from pixel_edu.denoiser import Denoiser
from pixel_edu.facts import CHANNELS_OF, DataFacts
from pixel_edu.files import remedy, replacing
from pixel_edu.guidance import Model
from pixel_edu.palette import BITS
from pixel_edu.training import TrainConfig, TrainState
from pixel_edu.unet import ContextUNet, UNetConfig

SHIPPED = Path(__file__).parent / "weights"
RUN, MODEL = "run.safetensors", "model.safetensors"
"""What a run's folder calls its two checkpoints."""
KEY = "pixel_edu"
VERSION = 2
"""Of the header; the first had no number, and kept what it knew of the data in its notes."""
MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW remembers of each weight."""


class CheckpointError(UserError):
    """A checkpoint that cannot be read or written, or that does not fit."""


class About(NamedTuple):
    """A checkpoint's own record.

    Attributes:
        config: of the run that made it.
        step: the training step it was taken after.
        record: notes of how it was made, such as the command, hardware and minutes.
        data: what it learned from.
    """

    config: TrainConfig
    step: int
    record: dict[str, str]
    data: DataFacts

    def denoiser(self, network: Model) -> Denoiser:
        """A network with such weights, ready to sample from."""
        return self.config.denoiser(network, self.data)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes in label order; numbers where they are not known."""
        return self.data.classes

    def dumps(self) -> str:
        """As JSON."""
        parts = {"config": dataclasses.asdict(self.config), "data": dataclasses.asdict(self.data)}
        return json.dumps({"version": VERSION, **self._asdict(), **parts})

    @classmethod
    def loads(cls, text: str, path: str | os.PathLike = "the checkpoint") -> About:
        """Undo `dumps`; headers of earlier versions are read too.

        Args:
            text: the header.
            path: where it stands, for the error.

        Raises:
            CheckpointError: a later version of this package wrote it.
            ValueError, KeyError, TypeError, AttributeError: the text is something else.
        """
        values = json.loads(text)
        version = values.get("version", 1)
        if version > VERSION:
            raise CheckpointError(
                f"{path} was written by a later version of this package (its header is of version {version}, and this "
                f"one reads up to {VERSION}): update pixel-edu"
            )
        config = values["config"]
        unet: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in config.pop("unet").items()
        }
        config["betas"] = tuple(config["betas"])
        config, record = TrainConfig(UNetConfig(**unet), **config), values["record"]
        if version == 1:
            return cls(config, values["step"], record, DataFacts.of_record(record, config.unet.classes))
        return cls(config, values["step"], record, DataFacts.read(values["data"]))


def save_run(path: str | os.PathLike, state: TrainState, record: dict[str, str] | None = None) -> None:
    """Write a run's checkpoint, with notes; an older one at this path is replaced at the last moment.

    Raises:
        CheckpointError: it cannot be written; an older one is then unchanged.
    """
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in state.ema.network.state_dict().items()}
    for name, weight in state.network.named_parameters():
        for moment in MOMENTS:
            if weight in state.optimizer.state:
                tensors[f"{moment}.{name}"] = state.optimizer.state[weight][moment]
    _write(path, tensors, _about(state, record))


def save_model(
    path: str | os.PathLike,
    state: TrainState,
    dtype: torch.dtype = torch.float16,
    record: dict[str, str] | None = None,
) -> None:
    """Write the averaged network alone, with notes on how it was made.

    Raises:
        CheckpointError: it cannot be written; an older one is then unchanged.
    """
    network = state.ema.network.state_dict()
    tensors = {
        f"ema.{name}": value.to(dtype) if value.is_floating_point() else value
        for name, value in network.items()
    }
    _write(path, tensors, _about(state, record))


def load_run(path: str | os.PathLike, config: TrainConfig | None = None) -> TrainState:
    """Read a run's checkpoint, to go on exactly where it was written.

    Args:
        path: what `save_run` wrote, or the folder of a run.
        config: that the run must have; None accepts any.

    Raises:
        CheckpointError: the file is not a run's checkpoint, is damaged, or is of another run.
    """
    path = Path(path) / RUN if Path(path).is_dir() else path
    about, tensors = read_about(path), _read(path)
    if config is not None and config != about.config:
        raise CheckpointError(
            f"{path} is of another run ({_differences(about.config, config)}): use its settings or another folder"
        )
    if not any(name.startswith("network.") for name in tensors):
        raise CheckpointError(
            f"{path} holds a model for sampling, not a run to go on with: use a run's checkpoint"
        )
    state = TrainState(about.config, data=about.data)
    _fill(state.network, _under(tensors, "network"), path)
    _fill(state.ema.network, _under(tensors, "ema"), path)
    memory = {moment: _under(tensors, moment) for moment in MOMENTS}
    for name, weight in state.network.named_parameters():
        if about.step:
            try:
                moments = {moment: memory[moment][name].reshape(weight.shape) for moment in MOMENTS}
            except (KeyError, RuntimeError) as error:
                raise _damaged(path) from error
            # What AdamW would hold had it taken these steps. Its own load_state_dict goes by the order of weights;
            # names still fit when a module is moved.
            state.optimizer.state[weight] = {"step": torch.tensor(float(about.step)), **moments}
    state.step = about.step
    return state


def load_model(path: str | os.PathLike, device: str | torch.device = "cpu") -> Denoiser:
    """Read the averaged network of either kind of checkpoint, ready to sample from.

    Raises:
        CheckpointError: the file is not a checkpoint, or is damaged.
    """
    path = _file(path)
    about = read_about(path)
    network = ContextUNet(about.config.unet).eval().requires_grad_(False)
    _fill(network, _under(_read(path), "ema"), path)
    return about.denoiser(network.to(device))


def start_from(state: TrainState, start: str | os.PathLike, classes: Sequence[str] = ()) -> None:
    """Give a new run the weights of a trained network instead of random ones; see `finetuning.fitted`.

    Args:
        state: of the new run; its network and its average are filled.
        start: the name of a model that comes with this package, a checkpoint, or a run's folder; the average in it.
        classes: the names of the new run's classes, in label order; if omitted, the course's where they are five, else
            numbers.

    Raises:
        CheckpointError: there is no such checkpoint, or its network cannot be that of the new run.
    """
    path, unet = find(str(start)), state.config.unet
    about = read_about(path)
    if about.config.calls:
        raise CheckpointError(
            f"a run cannot start from {start}, which was distilled and only draws: start "
            "from the model that was its teacher"
        )
    if max(about.config.unet.image_channels, unet.image_channels) >= BITS:
        raise CheckpointError(
            f"a run cannot start from {start} with bits, which mean other colours in every dataset: "
            "start from a model that draws colours, such as reference, and without --bits"
        )
    if other := _differences(_like(about.config, state.config), state.config):
        raise CheckpointError(
            f"a run cannot start from {start} with other settings ({other}): use those it has"
        )
    weights = finetuning.fitted(
        _under(_read(path), "ema"),
        about.classes,
        classes or class_names(unet.classes),
        unet.image_channels * unet.fold**2,
    )
    _fill(state.network, weights, path)
    _fill(state.ema.network, weights, path)


def _like(trained: TrainConfig, new: TrainConfig) -> TrainConfig:
    """The config of a new run, with all that it must take over from a trained network."""
    unet = dataclasses.replace(trained.unet, classes=new.unet.classes, image_channels=new.unet.image_channels)
    return dataclasses.replace(new, unet=unet, schedule=trained.schedule, prediction=trained.prediction)


def load_reference(name: str = "reference", device: str | torch.device = "cpu") -> Denoiser:
    """A model that comes with this package, trained on the procedural sprites; no network is needed.

    Args:
        name: "reference"; "tiny", coarse but quick to train; or "small" and "bits", the pair of chapter 8.
        device: where to compute.

    >>> denoiser = load_reference("tiny")
    >>> denoiser(torch.randn(1, 3, 16, 16), torch.tensor([500]), torch.tensor([2])).shape
    torch.Size([1, 3, 16, 16])
    """
    return load_model(find(name), device)


def find(name: str) -> Path:
    """The file of a model that comes with this package, by its name, or of the run in a folder; else the path itself.

    Raises:
        CheckpointError: no model of this name comes with the package, or the folder holds none.
    """
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}
    if name in shipped:
        return shipped[name]
    if not Path(name).suffix and "/" not in name and not Path(name).exists():
        raise CheckpointError(
            f"no model {name!r} comes with this package: use {', '.join(shipped)}, or a path"
        )
    return _file(name)


def read_about(path: str | os.PathLike) -> About:
    """A checkpoint's record, without reading its tensors.

    Raises:
        CheckpointError: the file is not a checkpoint.
    """
    path = _file(path)
    try:
        with safetensors.safe_open(path, "pt") as file:
            return About.loads((file.metadata() or {})[KEY], path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is not there: check the path, or train with pixel-edu train") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}): check the path") from error
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is not a checkpoint of this package: give a file that pixel-edu train wrote"
        ) from error


def _about(state: TrainState, record: dict[str, str] | None) -> About:
    """What to write of a run: what it has seen of its data, and the palette that the notes say."""
    unet, record = state.config.unet, record or {}
    data = state.data or DataFacts(class_names(unet.classes), channels=CHANNELS_OF[unet.image_channels])
    palette = data.palette or DataFacts.of_record(record, unet.classes).palette
    data = dataclasses.replace(data, palette=palette)
    return About(state.config, state.step, record, data)


def _file(path: str | os.PathLike) -> Path:
    """The path itself, or the checkpoint in a run's folder: the model before the run."""
    path = Path(path)
    if not path.is_dir():
        return path
    for name in (MODEL, RUN):
        if (path / name).exists():
            return path / name
    raise CheckpointError(f"{path} holds no model: give a run's folder, or a file that pixel-edu train wrote")


def _write(path: str | os.PathLike, tensors: dict[str, Tensor], about: About) -> None:
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(save(ready, {KEY: about.dumps()}))
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the old one's name
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror}): {remedy(path, error)}; an older one is untouched"
        ) from error


def _read(path: str | os.PathLike) -> dict[str, Tensor]:
    with safetensors.safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is not a dict


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")
    }


def _fill(network: torch.nn.Module, tensors: dict[str, Tensor], path: str | os.PathLike) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise _damaged(path) from error


def _damaged(path: str | os.PathLike) -> CheckpointError:
    return CheckpointError(
        f"{path} holds weights of another shape than its configuration says: take another copy of it"
    )


def _differences(there: TrainConfig, wanted: TrainConfig) -> str:
    def flat(config: TrainConfig) -> dict:
        values = dataclasses.asdict(config)
        return values.pop("unet") | values

    old, new = flat(there), flat(wanted)
    return ", ".join(f"{name} is {old[name]}, not {new[name]}" for name in old if old[name] != new[name])
