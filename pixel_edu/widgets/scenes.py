"""Images and numbers to try a formula on, so that it has something to draw."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

SEED = 0
"""Of the noise."""
NOISE_SHOWN = 3
"""How many standard deviations of noise an image of it shows: its values of -1 and 1 stand for so many."""
LABEL = 2
"""Of the class whose sprites the model draws here: food."""


@dataclass(frozen=True)
class Scenes:
    """Several inputs for a formula, and how its result is shown.

    An image is a mix: the weight of each of `images`, and last that of the noise.

    Attributes:
        images: by name, (16, 16, 3) uint8.
        shows: captions, and the formula's inputs by name: a mix for an image, or a number.
        seen: the weight of the formula's result in the picture, and the mix that is added to it.
    """

    images: dict[str, np.ndarray]
    shows: list[tuple[str, dict[str, list[float] | float]]]
    seen: tuple[float, list[float]]

    def state(self) -> dict[str, Any]:
        """As JSON."""
        codes = [base64.b64encode(image.tobytes()).decode() for image in self.images.values()]
        return {"images": codes, "seed": SEED, "shows": self.shows, "seen": list(self.seen)}


def noising() -> Scenes:
    """A sprite at three timesteps."""
    shows = [
        (f"t = {t}", {"x0": [1, 0], "eps": [0, 1], "level.signal": signal, "level.noise": noise})
        for t, (signal, noise) in _levels(200, 500, 800).items()
    ]
    return Scenes({"x₀": _sprite()}, shows, (1, [0, 0]))


def sinking() -> Scenes:
    """A sprite and the noise in it that get fresh noise, from one level to a noisier one."""
    shows, levels = [], {"clean": (1, 0)} | _levels(300, 500, 700, 900)
    for (s, here), (t, there) in pairwise(levels.items()):
        ends = zip(("here.signal", "here.noise", "there.signal", "there.noise"), here + there, strict=True)
        old = _short(here[1] * NOISE_SHOWN)
        shows.append((f"{s} → {t}", {"x": [here[0], old, 0], "eps": [0, 0, 1]} | dict(ends)))
    return Scenes({"x₀": _sprite(), "noise in x": _noise()}, shows, (1, [0, 0, 0]))


def guiding() -> Scenes:
    """Both answers of the model about a noisy character, seen as the clean image that the guided noise leaves."""
    import torch

    from pixel_edu import load_reference
    from pixel_edu.diffusion import add_noise, clean
    from pixel_edu.images import to_tensor, to_uint8
    from pixel_edu.samplers import SpriteNoise

    model, t = load_reference(), torch.tensor([850, 850])
    level, x0 = model.schedule.levels(t[:1]), _sprite()
    x = add_noise(to_tensor(x0[None]), SpriteNoise([SEED]).start(), level).expand(2, -1, -1, -1)
    eps = model.precise(x, t, torch.tensor([LABEL, model.null_label]))
    cond, uncond = to_uint8(clean(x, eps, level, "eps").x0)
    signal, noise = _short(level.signal), _short(level.noise)
    ratio = _short(signal / noise)
    # an answer is the noise that leaves its guess: (x - signal·guess) / noise
    answers: dict[str, list[float] | float] = {
        "eps_cond": [-ratio, 0, ratio, 1],
        "eps_uncond": [0, -ratio, ratio, 1],
    }
    shows = [(f"w = {w}", answers | {"guidance_scale": w}) for w in (0, 1, 2, 4)]
    images = {"with the label": cond, "without": uncond, "the sprite": x0}
    return Scenes(images, shows, (-_short(noise / signal), [0, 0, 1, _short(noise / signal)]))


def going_on() -> Scenes:
    """Three times two guesses of the model that follow each other."""
    import torch

    from pixel_edu import load_reference
    from pixel_edu.generate import SampleConfig, stream
    from pixel_edu.images import to_uint8

    model, shows = load_reference(), []
    ends = model.schedule.timesteps(8)
    lengths = model.schedule.levels(torch.tensor(ends)).half_log_snr.flatten().diff()
    steps = list(stream(model, [LABEL], [SEED], SampleConfig("ddim", 8, 3.0)))[:4]
    for place, step in enumerate(steps[1:], 1):
        guesses = {
            "x0": [int(i == place) for i in range(5)],
            "last_x0": [int(i == place - 1) for i in range(5)],
        }
        last_h, h = lengths[place - 1 : place + 1]
        shows.append((f"call {step.call}", guesses | {"h": _short(h), "last_h": _short(last_h)}))
    images = {f"call {step.call}": to_uint8(step.x0)[0] for step in steps}
    return Scenes(images, shows, (1, [0] * 5))


SCENES: dict[str, Callable[[], Scenes]] = {
    "ex-02-1": noising,
    "ex-02-7": sinking,
    "ex-06-1": guiding,
    "ex-07-4": going_on,
}
"""By exercise."""


def _sprite() -> np.ndarray:
    from pixel_edu import sprites

    return sprites.make(1).images[0]


def _noise() -> np.ndarray:
    """Other noise than that of the formula, as an image."""
    from pixel_edu.images import to_uint8
    from pixel_edu.samplers import SpriteNoise

    return to_uint8(SpriteNoise([SEED + 1]).start() / NOISE_SHOWN)[0]


def _levels(*timesteps: int) -> dict[Any, tuple[float, float]]:
    """Signal and noise of the cosine schedule, by timestep."""
    import torch

    from pixel_edu.schedules import cosine

    level = cosine().levels(torch.tensor(timesteps))
    pairs = zip(level.signal.flatten(), level.noise.flatten(), strict=True)
    return {t: (_short(s), _short(n)) for t, (s, n) in zip(timesteps, pairs, strict=True)}


def _short(value: Any) -> float:
    return float(f"{float(value):.6g}")
