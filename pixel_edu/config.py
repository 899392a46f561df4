"""Facts that every module shares, and the one exception that means "you can fix this"."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

IMAGE_SIZE = 16
"""Edge of the course's sprites, in pixels."""
MIN_SIZE, MAX_SIZE, SIZE_STEP = 8, 32, 4
"""Sprites may have any edge from the first to the second that is a multiple of the third."""
MAX_CLASSES = 200
CHANNELS = 3
CLASSES = ("characters", "creatures", "food", "items", "side_view")
"""Class names in label order; label c is `CLASSES[c]`."""


def numbered(count: int) -> tuple[str, ...]:
    """Names for classes whose own are not known.

    >>> numbered(2)
    ('class 0', 'class 1')
    """
    return tuple(f"class {c}" for c in range(count))


def class_names(count: int) -> tuple[str, ...]:
    """The course's names for five classes, else numbers."""
    return CLASSES if count == len(CLASSES) else numbered(count)


NULL_LABEL = len(CLASSES)
"""The label that means "no label"."""
EXERCISE_ID = re.compile(r"ex-(?P<chapter>\d\d)-(?P<number>\d)")
"""The id of an exercise: that of the first of chapter 2 is ex-02-1."""


def exercise_title(id: str) -> str:
    """What readers call an exercise.

    >>> exercise_title("ex-02-1")
    'Exercise 2.1'
    """
    found = EXERCISE_ID.fullmatch(id)
    if not found:
        raise ValueError(f"{id!r} is not the id of an exercise, such as ex-02-1")
    return f"Exercise {int(found['chapter'])}.{found['number']}"


EXTRAS = ("", "serve", "track", "server", "grade", "hub", "lab", "all")
"""Extras of this package, the one to name first; "" are the dependencies that it always has."""
LAB = {"", "serve", "track", "lab"}
"""Those of them that `make lab` installs; `make test` installs all."""
BF16_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}
"""Either lets a CPU multiply in bfloat16. ARM's are not among them: nobody has measured a training step there."""
OTHER_NAMES = {"PIL": "pillow", "psycopg2": "psycopg2-binary", "yaml": "pyyaml", "zmq": "pyzmq"}
"""Packages whose modules have another name."""


@dataclass(frozen=True)
class SampleConfig:
    """How to sample. The defaults are what `pixel-edu sample`, the API, the demo and the widgets draw with.

    Samplers without fresh noise leave more outlines open; with them, guidance at all noise levels gave a larger Fréchet
    distance than in this interval, and it costs a quarter more time (`benchmarks/quality.py`).

    Attributes:
        sampler: a name in `samplers.SAMPLERS`.
        num_steps: model calls, 1 .. T.
        guidance_scale: 1 takes the label as it is, above 1 exaggerates it.
        interval: the range of λ, half the log-SNR, in which guidance is applied; None is everywhere.
        eta: share of the posterior's spread that DDIM draws anew, 0 .. 1; other samplers ignore it.
    """

    sampler: str = "dpmpp_2m_sde"
    num_steps: int = 20
    guidance_scale: float = 3.0
    interval: tuple[float, float] | None = (-1.0, 1.0)
    eta: float = 0.0


PARSER_WORDS = r", unable to (parse string as an? [a-z]+|interpret input)"
"""A pattern: what pydantic adds to its refusals about itself, which command and API do not pass on."""


class UserError(Exception):
    """A mistake that the user can fix. Its message is one sentence: what is wrong, where, what to do."""


def not_installed(error: ImportError) -> str:
    """What to say of a package that is missing, and which extra of this package and which `make` bring it.

    Args:
        error: of the import.

    >>> not_installed(ModuleNotFoundError(name="mlflow.pyfunc"))
    "mlflow is not installed: pip install 'pixel-edu[track]', or make lab in the course's folder"
    >>> not_installed(ModuleNotFoundError(name="torch"))
    "torch is not installed: pip install pixel-edu, or make lab in the course's folder"
    """
    from importlib.metadata import PackageNotFoundError, requires

    module = (error.name or "a package").partition(".")[0]
    names = {module.lower().replace("_", "-"), OTHER_NAMES.get(module)}
    try:
        lines = requires("pixel-edu") or []
    except PackageNotFoundError:
        lines = []
    found = [re.search(r"extra == .(\w+)", line) for line in lines if re.split(r"[^\w-]", line)[0] in names]
    extras = [match[1] if match else "" for match in found] or ["all"]
    extra = next((each for each in EXTRAS if each in extras), "all")
    wanted = f"'pixel-edu[{extra}]'" if extra else "pixel-edu"
    role = "lab" if LAB.intersection(extras) else "test"
    return f"{module} is not installed: pip install {wanted}, or make {role} in the course's folder"


def pick_device(name: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        name: "auto" takes CUDA, else Apple's MPS, else the CPU; anything else is a torch device string.

    Raises:
        UserError: no such device here.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    import torch

    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    here = [kind for kind, available in found.items() if available]
    try:
        device = torch.device(here[0] if name == "auto" else name)
        if name != "auto":
            torch.empty(0, device=device)  # a name may be well formed and its device not there
    except (RuntimeError, AssertionError) as error:
        devices = ", ".join(here)
        raise UserError(f"no device {name!r} on this machine: use auto or one of: {devices}") from error
    return device


def cpu_features() -> frozenset[str]:
    """The instruction sets of this processor, as PyTorch names them; none where it does not tell (before 2.10).

    >>> cpu_features() <= {"no", "such", "names"} or len(cpu_features()) > 5
    True
    """
    import torch

    told = getattr(torch.cpu, "get_capabilities", dict)()
    return frozenset(name for name, here in told.items() if here is True)


def has_bf16(device: str) -> bool:
    """Whether a device has instructions for bfloat16; without them it is slower than float32, not faster.

    Args:
        device: "cuda", "cpu" or another of PyTorch's device types, for which nothing was measured: they say no.
    """
    import torch

    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)  # older ones only imitate it
    return device == "cpu" and not cpu_features().isdisjoint(BF16_INSTRUCTIONS)


def cores() -> int:
    """The number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hardware() -> str:
    """The processor or GPU that this runs on, in words."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{(names or [platform.processor()])[0]}, {cores()} cores"
