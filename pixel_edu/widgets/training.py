"""A training to watch: a small network learns six blobs in the page."""

from __future__ import annotations

import traitlets

from pixel_edu.widgets.base import Widget

RATES = (0.0002, 0.02, 2.5)
"""Too small, good, and too large."""


class TrainingInPage(Widget):
    """A network of 5,250 weights learns chapter 3's six blobs, and draws points while it learns.

    Nothing is loaded and nothing is stored: the page draws the weights from the seed, and trains them.

    Attributes:
        learning_rate: one of `RATES`.
        seed: of the weights, the starting points, and the batches.
        average: draw with the average of the weights, or with the weights of the last step.

    >>> TrainingInPage(average=False)
    A small network learns six blobs in the plane while you watch: choose the learning rate, and press Start.
    """

    module = "training"
    alt = "A small network learns six blobs in the plane while you watch: choose the learning rate, and press Start."

    learning_rate = traitlets.Enum(RATES, RATES[1]).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    average = traitlets.Bool(True).tag(sync=True)

    def picture(self) -> str:
        """A stored run with the good learning rate: what it drew at four steps, and its loss."""
        from pixel_edu import figures
        from pixel_edu.oracle import as_points
        from pixel_edu.widgets import learner

        run, blobs = learner.stored(), learner.ring()
        figures.style()
        canvas = figures.Canvas(figsize=(4.6, 3.4), layout="constrained")
        panels = canvas.subplot_mosaic(
            "0123;LLLL", height_ratios=[1, 1.4]
        )  # four steps, and below them the loss
        for (step, cloud), ax in zip(run.clouds.items(), panels.values(), strict=False):
            ax.plot(*as_points(blobs.centers).T, "+", color="black", markersize=5)
            for label, mark in enumerate("os^"):
                points = cloud[label :: learner.NOTHING]
                ax.plot(*points.T, mark, color=figures.COLORS[label], markersize=1.8)
            ax.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xticks=[], yticks=[], title=f"step {step:,}")
        steps = range(learner.MEAN, learner.STOPS[-1] + 1, learner.MEAN)
        ax = panels["L"]
        ax.plot(steps, run.losses, label=f"loss, mean of {learner.MEAN} steps")
        ax.axhline(run.least, linestyle=":", color="black", label="the least possible")
        ax.set(ylim=(0, 0.8), xlabel="training step")
        ax.legend()
        told = ", ".join(f"{learner.arrived(x):.0%} after {step:,} steps" for step, x in run.clouds.items())
        words = f"{self.alt} Here a finished run, and the share of points near a blob of their class: {told}."
        return figures.plot(
            canvas, f"{words} The loss falls from {run.missed[0]:.2f}; {run.least:.2f} is the least."
        ).html
