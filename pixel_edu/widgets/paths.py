"""Paths of the oracle, from a start that can be dragged."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import traitlets

from pixel_edu.widgets.base import Widget

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pixel_edu.oracle import Oracle

CALLS = (1, 3, 10, 50)
NOTHING = 3
"""The label that stands for all classes together."""
SPREAD, LABELS = 0.08, (0, 1, 2, 0, 1, 2)
"""Of the ring's blobs."""
FARTHEST, MOST = 2.5, 1600


def line() -> Oracle:
    """The ideal denoiser of the two numbers -1 and 1 under the cosine schedule; they have no classes."""
    import torch

    from pixel_edu.oracle import as_images, finite_set
    from pixel_edu.schedules import cosine

    return finite_set(cosine(), as_images(torch.tensor([[-1.0], [1.0]])), null_label=NOTHING)


@cache
def ring() -> Oracle:
    """That of chapter 3's six blobs in the plane, in three classes.

    >>> len(ring().centers)
    6
    """
    import torch

    from pixel_edu.oracle import as_images, mixture
    from pixel_edu.schedules import cosine

    angles = torch.arange(6) * torch.pi / 3
    centers = torch.stack([angles.cos(), angles.sin()], dim=1)
    return mixture(cosine(), as_images(centers), SPREAD, LABELS, null_label=NOTHING)


DATA: dict[str, Callable[[], Oracle]] = {"line": line, "ring": ring}


class OraclePaths(Widget):
    """A start that is dragged, the whole path from it to the data, and where many random starts end.

    Attributes:
        data: "line" shows x against the timestep, "ring" the plane.
        x, y: where the path starts; on the line, only x counts.
        num_steps: model calls.
        sampler: "ddim", or "ddpm" with noise from the seed.
        label: a class of the ring, or `NOTHING` for all; the line has none.
        crowd: random starts, a multiple of 16.
        seed: of the random starts, and of DDPM's noise.

    >>> OraclePaths(data="ring", x=0.6, y=0.5)
    A start is dragged, and the path that leads from it to the data follows: choose the data, calls and sampler.
    """

    module = "paths"
    alt = (
        "A start is dragged, and the path that leads from it to the data follows: "
        "choose the data, calls and sampler."
    )

    data = traitlets.Enum(tuple(DATA), "line").tag(sync=True)
    x = traitlets.Float(0.3, min=-FARTHEST, max=FARTHEST).tag(sync=True)
    y = traitlets.Float(0.5, min=-FARTHEST, max=FARTHEST).tag(sync=True)
    num_steps = traitlets.Enum(CALLS, CALLS[-1]).tag(sync=True)
    sampler = traitlets.Enum(("ddim", "ddpm"), "ddim").tag(sync=True)
    label = traitlets.Int(NOTHING, min=0, max=NOTHING).tag(sync=True)
    crowd = traitlets.Int(0, min=0, max=MOST).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)

    def path(self, num_steps: int | None = None) -> Tensor:
        """Where the start is before the first call and after each: (num_steps + 1, D) float64, D 1 or 2.

        Args:
            num_steps: default: the widget's.
        """
        import torch

        place = [self.x] if self.data == "line" else [self.x, self.y]
        start = torch.tensor([place], dtype=torch.float64)
        return self._walk(start, self._generator(), num_steps or self.num_steps)[:, 0]

    def many(self) -> Tensor:
        """The same for the random starts: (num_steps + 1, crowd, D) float64."""
        import torch

        generator = self._generator()
        size = 1 if self.data == "line" else 2
        starts = torch.randn(self.crowd, size, generator=generator).double()
        return self._walk(starts, generator, self.num_steps)

    def picture(self) -> str:
        """The path from the start, in one call, in three, in ten and in fifty."""
        from pixel_edu import figures

        model = DATA[self.data]()
        flat = self.data == "line"
        canvas, ax = figures.axes(*(("timestep t", "x") if flat else ()), height=2.8 if flat else 3.4)
        for calls, look in zip(CALLS, ("s:", "^--", "o-.", "-"), strict=True):
            path = self.path(calls)
            along = (model.schedule.timesteps(calls), path[:, 0]) if flat else path.T
            ax.plot(*along, look, markersize=3, label="one call" if calls == 1 else f"{calls} calls")
        if flat:
            ax.invert_xaxis()
        else:
            centers = model.centers[:, :, 0, 0]
            ax.plot(*centers.T, "+", color="black", markersize=9, label="centres")
            ax.set_aspect("equal")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        where = f"{self.x:g}" if flat else f"({self.x:g}, {self.y:g})"
        data = "the two numbers -1 and 1" if flat else "a ring of six blobs"
        words = f"Here, the paths from {where} to {data}, in one call and in 3, 10 and 50 calls"
        return figures.plot(canvas, f"{self.alt} {words}.").html

    def _generator(self) -> Generator:
        import torch

        return torch.Generator().manual_seed(self.seed)

    def _walk(self, starts: Tensor, generator: Generator, num_steps: int) -> Tensor:
        import torch

        from pixel_edu.oracle import as_images, as_points
        from pixel_edu.samplers import ddim_steps, ddpm_steps

        model = DATA[self.data]()
        label = NOTHING if self.data == "line" else self.label
        c = torch.full((len(starts),), label)

        def predict_eps(x: Tensor, t: Tensor) -> Tensor:
            return model(x, t, c)

        def draw_eps(x: Tensor) -> Tensor:
            """As many numbers as the page draws: whole sixteens."""
            drawn = torch.randn(-(-x.numel() // 16) * 16, generator=generator)
            return drawn[: x.numel()].reshape(x.shape).to(x)

        x = as_images(starts)
        steps = (
            ddim_steps(predict_eps, model.schedule, x, num_steps)
            if self.sampler == "ddim"
            else ddpm_steps(predict_eps, model.schedule, x, num_steps, draw_eps)
        )
        return torch.stack([starts, *(as_points(step.x) for step in steps)])
