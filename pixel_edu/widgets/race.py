"""Samplers from the same noise, where the exact end of the path is known."""

from __future__ import annotations

import traitlets

from pixel_edu.config import SampleConfig
from pixel_edu.samplers import SAMPLERS
from pixel_edu.widgets.base import Widget

COUNT, SHOWN, LABEL = 64, 6, 0
RUNNERS = ("ddpm", "ddim", "dpmpp_2m")
"""Each has a trait of its name."""


class SamplerRace(Widget):
    """Three samplers walk through the plane from the same noise: number of calls, which samplers, and seed.

    >>> SamplerRace(num_steps=5)
    Samplers walk from the same noise to data in the plane: choose the number of calls, and who runs.
    """

    module = "race"
    alt = "Samplers walk from the same noise to data in the plane: choose the number of calls, and who runs."

    num_steps = traitlets.Int(10, min=1, max=50).tag(sync=True)
    ddpm = traitlets.Bool(True).tag(sync=True)
    ddim = traitlets.Bool(True).tag(sync=True)
    dpmpp_2m = traitlets.Bool(True).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)

    def walk(self, sampler: str, num_steps: int | None = None):
        """Where a sampler's points are before the first call and after each, (num_steps + 1, 64, 2) float64.

        Args:
            sampler: `ddpm`, `ddim` or `dpmpp_2m`.
            num_steps: the number of calls; default: the widget's.
        """
        import torch

        from pixel_edu.guidance import guided
        from pixel_edu.oracle import as_points
        from pixel_edu.widgets import plane

        model, noise = plane.blobs(), plane.Crowd(self.seed, COUNT)
        predict_eps = guided(model, torch.full((COUNT,), LABEL), 1.0, plane.NOTHING)
        start, how = noise.start(), SampleConfig(sampler, num_steps or self.num_steps)
        walked = SAMPLERS[sampler].steps(predict_eps, model.schedule, start, how, noise)
        return torch.stack([as_points(x) for x in (start, *(step.x for step in walked))])

    def exact(self):
        """The path itself, in as many steps as there are timesteps, (1001, 64, 2) float64."""
        return self.walk("dpmpp_2m", 1000)

    def picture(self) -> str:
        """Six points' paths, and how far from their exact ends each sampler's points end."""
        from pixel_edu import figures
        from pixel_edu.oracle import as_points
        from pixel_edu.widgets import plane

        canvas, ax = figures.axes(height=3.6)
        exact = self.exact()
        ends, far = exact[-1], {}
        ax.plot(*as_points(plane.blobs().centers).T, "+", color="black", markersize=9)
        for name, color, mark in zip(RUNNERS, figures.COLORS, "os^", strict=False):
            title = SAMPLERS[name].title
            if not getattr(self, name):
                continue
            path = self.walk(name)
            far[title] = _said((path[-1] - ends).norm(dim=1).mean())
            faint = 0.4 if name == "ddpm" else 1.0
            ax.plot(path[:, :SHOWN, 0], path[:, :SHOWN, 1], color=color, linewidth=1, alpha=faint)
            label = f"{title}: {far[title]}"
            ax.plot(*path[-1, :SHOWN].T, mark, color=color, markersize=4, label=label)
        ax.plot(*exact[0, :SHOWN].T, ".", color="black", label="noise")
        rings = {"markersize": 9, "markerfacecolor": "none", "linestyle": "none"}
        ax.plot(*ends[:SHOWN].T, "o", color="black", label="exact end", **rings)
        ax.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        distances = ", ".join(f"{title} {value}" for title, value in far.items())
        calls = "one call" if self.num_steps == 1 else f"{self.num_steps} calls"
        said = f" Here {calls}; mean distance from the exact ends: {distances}." if far else ""
        return figures.plot(canvas, self.alt + said).html


def _said(distance) -> str:
    return f"{distance:.2f}" if distance >= 0.01 else "under 0.01"
