"""Guidance in the plane, where the answer is exact."""

from __future__ import annotations

import traitlets

from pixel_edu.widgets.base import Widget

COUNT, CALLS = 160, 50


class GuidanceField(Widget):
    """Points flow from noise to a class, along arrows that guidance bends: class, scale, moment and seed.

    >>> GuidanceField(label=1, guidance_scale=5.0)
    Points in the plane flow from noise to a class: choose the class, the guidance scale, and the moment.
    """

    module = "field"
    alt = "Points in the plane flow from noise to a class: choose the class, the guidance scale, and the moment."

    label = traitlets.Int(0, min=0, max=2).tag(sync=True)
    guidance_scale = traitlets.Float(3.0, min=0, max=8).tag(sync=True)
    step = traitlets.Int(CALLS, min=0, max=CALLS).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)

    def path(self, guidance_scale: float | None = None) -> list:
        """Where the points are before the first call and after each: 51 tensors (160, 2) float64.

        Args:
            guidance_scale: default: the widget's.
        """
        import torch

        from pixel_edu.guidance import guided
        from pixel_edu.oracle import as_points
        from pixel_edu.samplers import ddim_steps
        from pixel_edu.widgets import plane

        scale = self.guidance_scale if guidance_scale is None else guidance_scale
        model, start = plane.blobs(), plane.Crowd(self.seed, COUNT).start()
        predict_eps = guided(model, torch.full((COUNT,), self.label), scale, plane.NOTHING)
        return [
            as_points(x)
            for x in (start, *(s.x for s in ddim_steps(predict_eps, model.schedule, start, CALLS)))
        ]

    def picture(self) -> str:
        """The points at the chosen moment, and where the same noise leads without guidance."""
        import torch

        from pixel_edu import figures
        from pixel_edu.oracle import as_points
        from pixel_edu.widgets import plane

        canvas, ax = figures.axes(height=3.6)
        model = plane.blobs()
        t = model.schedule.timesteps(CALLS)[self.step]
        signal = model.schedule.levels(torch.tensor([t])).signal.flatten()
        plain, ours = self.path(1.0)[self.step], self.path()[self.step]
        ax.plot(*plain.T, ".", color=figures.COLORS[5], markersize=4, label="w = 1")
        color = figures.COLORS[self.label]
        ax.plot(*ours.T, "D", color=color, markersize=2.5, label=f"w = {self.guidance_scale:g}")
        ax.plot(*(signal * as_points(model.centers)).T, "+", color="black", markersize=9, label="centres")
        ax.set(xlim=(-2.8, 2.8), ylim=(-2.8, 2.8), aspect="equal")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        words = f"{self.alt} Here, class {self.label} after {self.step} of {CALLS} calls, with guidance 1"
        return figures.plot(canvas, f"{words} and, from the same noise, {self.guidance_scale:g}.").html
