"""Put a reader's functions in the place of the package's own."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pixel_edu.config import UserError

PARTS = {
    "add_noise": "diffusion",
    "clean": "diffusion",
    "target": "diffusion",
    "loss": "diffusion",
    "min_snr_weight": "diffusion",
    "random_timesteps": "diffusion",
    "hide_labels": "diffusion",
    "time_waves": "unet",
    "Block": "unet",
    "LabelAttention": "unet",
    "ema_update": "ema",
    "guide": "guidance",
    "guided": "guidance",
    "ddpm_sample": "samplers",
    "ddim_sample": "samplers",
    "dpmpp_2m_sample": "samplers",
    "projected": "palette",
    "to_bits": "palette",
    "from_bits": "palette",
    "nearest_sprites": "distances",
}
"""What can be replaced, and the module it lives in."""

_mine: dict[str, Any] = {}
_swapped: list[tuple[Any, str, Any, Any]] = []
"""What was changed: a module, a name in it, what was there, and what is there now."""


def use(**parts: Any) -> str:
    """Let the package work with your functions; `use()` alone gives it back its own.

    A name keeps its replacement until it is replaced again, or until `use()`.

    Args:
        parts: by the name of the package's own, such as `use(ddim_sample=my_ddim_sample)`.

    Returns:
        A sentence that says which parts are yours now.

    Raises:
        UserError: a name that cannot be replaced, or something that cannot be called.

    >>> use(guide=lambda eps_cond, eps_uncond, guidance_scale: eps_cond)
    'Yours now: guide. use() puts the package's own back.'
    >>> use()
    'All parts are the package's own.'
    """
    for name, part in parts.items():
        if name not in PARTS:
            raise UserError(f"no part is called {name!r}: use one of {', '.join(PARTS)}")
        if not callable(part):
            raise UserError(
                f"{name} is {part!r}, which cannot be called: give your function, without brackets"
            )
    _restore()
    if parts:
        _mine.update(parts)
        _replace()
        return Told(f"Yours now: {', '.join(_mine)}. use() puts the package's own back.")
    _mine.clear()
    return Told("All parts are the package's own.")


class Told(str):
    """A sentence; a notebook shows it as one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{self}'"


@contextlib.contextmanager
def originals() -> Iterator[None]:
    """The package's own parts, for the time of a check."""
    _restore()
    try:
        yield
    finally:
        _replace()


def _replace() -> None:
    """Put the reader's parts wherever a module of the package knows the package's own."""
    for name, part in _mine.items():
        home = importlib.import_module(f"pixel_edu.{PARTS[name]}")
        own = getattr(home, name)
        _put(own, _with_names(part, own, home))
        if name.endswith("_sample"):  # `generate` uses the streaming form
            _put(getattr(home, name.replace("_sample", "_steps")), _stream(part, home))


def _with_names(part: Callable, own: Callable, home: Any) -> Callable:
    """A part that gives a plain tuple where the package's own gives one with names."""
    named = getattr(home, str(getattr(own, "__annotations__", {}).get("return")), None)
    if not hasattr(named, "_fields"):
        return part
    return functools.wraps(part)(lambda *given, **options: named(*part(*given, **options)))


def _put(old: Any, new: Any) -> None:
    for module in [m for name, m in list(sys.modules.items()) if name.partition(".")[0] == "pixel_edu" and m]:
        for key, value in list(vars(module).items()):
            if value is old:
                setattr(module, key, new)
                _swapped.append((module, key, old, new))


def _restore() -> None:
    for module, key, old, new in reversed(_swapped):
        if getattr(module, key) is new:
            setattr(module, key, old)
    _swapped.clear()


def _stream(sample: Callable, home: Any) -> Callable:
    """The streaming form of a reader's sampler: it runs to its end, and its calls of the model tell the steps.

    A `ddim_sample` without eta, as chapter 3 asks for, is as good while eta is 0.
    """
    takes = len(inspect.signature(sample).parameters) - 4

    def steps(predict_eps, schedule, x, num_steps=20, *more):
        if takes < 1 and more and isinstance(more[0], float) and more[0]:
            raise UserError(
                f"eta is {more[0]}, and your {sample.__name__} knows none: use 0, or write it with eta"
            )
        calls = []

        def asked(x, t):
            eps = predict_eps(x, t)
            calls.append((int(t[0]), x, home.clean(x, eps, schedule.levels(t), "eps").x0))
            return eps

        end = sample(asked, schedule, x, num_steps, *more[: max(takes, 0)])
        reached = [(t, x) for t, x, _ in calls[1:]] + [(-1, end)]
        for call, ((t, x), (_, _, x0)) in enumerate(zip(reached, calls, strict=True), 1):
            yield home.Step(call, t, x, x0)

    return steps
