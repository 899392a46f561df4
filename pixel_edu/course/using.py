"""Put a reader's functions in the place of the package's own.

A function may be known under its name in many modules (`from pixel_edu.guidance import guide`), so it is replaced in
each of them, and every replacement is noted in order to be undone.
"""

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
    "dpmpp_2m_sde_sample": "samplers",
    "projected": "palette",
    "to_bits": "palette",
    "from_bits": "palette",
    "nearest_sprites": "distances",
}
"""What can be replaced, and the module of the package that it lives in."""

_parts: dict[str, Any] = {}
"""The reader's, by the name of the package's own."""
_swapped: list[tuple[Any, str, Any, Any]] = []
"""What was changed, in order: a module, a name in it, what was there before, and what is there now."""


def use(**parts: Any) -> str:
    """Let the package work with your functions; `use()` without arguments restores its own.

    A replacement stays in place until the next one of that name, or until `use()`.

    Args:
        parts: your functions, by the names of the package's own, such as `use(ddim_sample=my_ddim_sample)`.

    Returns:
        A sentence that says which parts are yours.

    Raises:
        UserError: a name that cannot be replaced, or something that cannot be called.

    >>> use(guide=lambda eps_cond, eps_uncond, guidance_scale: eps_cond)
    'Yours now: guide. use() restores the package's own.'
    >>> use()
    'All parts are the package's own.'
    """
    for name, part in parts.items():
        if name not in PARTS:
            raise UserError(f"there is no part {name!r} to replace: use one of {', '.join(PARTS)}")
        if not callable(part):
            raise UserError(
                f"{name} is {part!r}, which cannot be called: pass the function itself, without parentheses"
            )
    _restore()
    if parts:
        _parts.update(parts)
        _replace()
        return Sentence(f"Yours now: {', '.join(_parts)}. use() restores the package's own.")
    _parts.clear()
    return Sentence("All parts are the package's own.")


class Sentence(str):
    """Text that a notebook shows in plain quotes, also where an apostrophe would make `str` choose others."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{self}'"


@contextlib.contextmanager
def originals() -> Iterator[None]:
    """Work with the package's own parts inside a `with` block, such as during a check."""
    _restore()
    try:
        yield
    finally:
        _replace()


def _replace() -> None:
    """Put the reader's parts wherever a module of the package refers to the package's own."""
    for name, part in _parts.items():
        home = importlib.import_module(f"pixel_edu.{PARTS[name]}")
        own = getattr(home, name)
        _put(own, _with_names(part, own, home))
        if name.endswith("_sample"):  # `generate` calls the streaming form
            _put(getattr(home, name.replace("_sample", "_steps")), _stream(part, home))


def _with_names(part: Callable, own: Callable, home: Any) -> Callable:
    """The part, made to return a NamedTuple where the package's own returns one: readers may return a plain tuple."""
    # the annotation is text (`from __future__ import annotations`), so its class is looked up in the part's module
    named = getattr(home, str(getattr(own, "__annotations__", {}).get("return")), None)
    if named is None or not hasattr(named, "_fields"):
        return part
    return functools.wraps(part)(lambda *given, **options: named(*part(*given, **options)))


def _put(old: Any, new: Any) -> None:
    """Rebind every name of the package's modules that refers to one object, and note what was rebound."""
    # compared by identity: `from ... import guide as own_guide` is found too, and an unrelated `guide` is left alone;
    # lists, because importing a module inside the loop would change what is iterated over
    for module in [m for name, m in list(sys.modules.items()) if name.partition(".")[0] == "pixel_edu" and m]:
        for key, value in list(vars(module).items()):
            if value is old:
                setattr(module, key, new)
                _swapped.append((module, key, old, new))


def _restore() -> None:
    """Undo all replacements, the last one first; a name that somebody rebound since is left as it is."""
    for module, key, old, new in reversed(_swapped):
        if getattr(module, key) is new:
            setattr(module, key, old)
    _swapped.clear()


def _stream(sample: Callable, home: Any) -> Callable:
    """The streaming form of a reader's sampler: it runs to its end, and its calls of the model give away the steps.

    A `ddim_sample` without eta, as chapter 3 asks for, will do while eta is 0.
    """
    # what it takes beyond predict_eps, schedule, x and num_steps
    takes = len(inspect.signature(sample).parameters) - 4

    def steps(predict_eps, schedule, x, num_steps=20, *more):
        if takes < 1 and more and isinstance(more[0], float) and more[0]:
            raise UserError(
                f"eta is {more[0]}, but your {sample.__name__} takes no eta: use 0, or add the argument"
            )
        calls = []

        def asked(x, t):
            eps = predict_eps(x, t)
            calls.append((int(t[0]), x, home.clean(x, eps, schedule.levels(t), "eps").x0))
            return eps

        # the x of each call is where the step before it ended; the last step ended at what the sampler returns
        end = sample(asked, schedule, x, num_steps, *more[: max(takes, 0)])
        reached = [(t, x) for t, x, _ in calls[1:]] + [(-1, end)]
        for call, ((t, x), (_, _, x0)) in enumerate(zip(reached, calls, strict=True), 1):
            yield home.Step(call, t, x, x0)

    return steps
