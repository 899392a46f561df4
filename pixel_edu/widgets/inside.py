"""The network at work: what its blocks make of a sprite, and where the places at the bottom look."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from pixel_edu.widgets.base import Widget
from pixel_edu.widgets.trace import LABELS, TIMESTEPS, blocks, trace

if TYPE_CHECKING:
    from pixel_edu.diagram import Stage


def words(stage: Stage, before: Stage | None, goes_in: int, colors: int) -> str:
    """What a block does, in a few sentences.

    Args:
        stage: the block.
        before: the one before it; None: it is the first.
        goes_in: how many channels it gets.
        colors: of the image.
    """
    found = []
    if before is None:
        found.append(f"A convolution before it made {goes_in} channels of {colors}.")
    elif before.size != stage.size:
        way = "shrank" if stage.size < before.size else "grew"
        found.append(f"{before.size} × {before.size} places {way} to {stage.size} × {stage.size}.")
    if stage.side == "up":
        found.append(f"The skip arrives: {goes_in - stage.channels} + {stage.channels} channels go in.")
    elif goes_in != stage.channels:
        found.append(f"{goes_in} channels become {stage.channels}.")
    if stage.attends:
        found.append("Each place looks at all others, and at the label.")
    if stage.side == "down":
        found.append("A copy goes across, along the dashed arrow.")
    return " ".join(found)


class NetworkInside(Widget):
    """The U of `reference`, lit block by block: the maps that each makes of a sprite, and where the bottom looks.

    Attributes:
        sprite: which of two sprites, a character or food.
        level: which of three noise levels, the least noisy first.
        step: how far the signal has come: 0 is the noisy sprite, then the blocks, and last the answer.
        place: at the bottom, which of the sixteen asks.
        plan: where blocks and lines stand, and what is said of them: `plan`.
        pictures: `Trace.noisy`, `guess` and `true`, in base64.
        maps: those of all stops, sprite and timestep after sprite and timestep, in base64.
        looks: `Trace.looks`, in base64.

    >>> NetworkInside(sprite=1, level=2)
    A noisy sprite runs through the network: press Play, see what each block makes of it, and where the bottom looks.
    """

    module = "inside"
    alt = (
        "A noisy sprite runs through the network: "
        "press Play, see what each block makes of it, and where the bottom looks."
    )

    sprite = traitlets.Int(0, min=0, max=len(LABELS) - 1).tag(sync=True)
    level = traitlets.Int(1, min=0, max=len(TIMESTEPS) - 1).tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    place = traitlets.Int(5, min=0, max=15).tag(sync=True)
    plan = traitlets.Dict().tag(sync=True)
    pictures = traitlets.Unicode().tag(sync=True)
    maps = traitlets.Unicode().tag(sync=True)
    looks = traitlets.Unicode().tag(sync=True)

    @traitlets.default("plan")
    def _plan(self) -> dict[str, Any]:
        return plan()

    @traitlets.default("pictures")
    def _pictures(self) -> str:
        found = trace()
        return _packed(found.noisy, found.guess, found.true)

    @traitlets.default("maps")
    def _maps(self) -> str:
        scenes = range(len(LABELS) * len(TIMESTEPS))
        return _packed(*(each[scene] for scene in scenes for each in trace().maps))

    @traitlets.default("looks")
    def _looks(self) -> str:
        return _packed(trace().looks)

    @traitlets.validate("step")
    def _no_further_than_the_answer(self, proposal: dict) -> int:
        last = len(self.plan["stops"]) - 1
        if proposal["value"] > last:
            raise traitlets.TraitError(f"step is {proposal['value']}, but the answer is step {last}")
        return proposal["value"]

    def picture(self) -> str:
        """At the three noise levels: the noisy sprite, one map of each block, and the guess."""
        from pixel_edu import figures

        found, rows = trace(), []
        for scene in range(self.sprite * len(TIMESTEPS), (self.sprite + 1) * len(TIMESTEPS)):
            shown = [_colored(each[scene, 0]) for each in found.maps[1:-1]]
            rows += [found.noisy[scene], *shown, found.guess[scene]]
        names = ["noisy", *map(str, range(1, len(found.maps) - 1)), "guess"]
        told = f"{self.alt} Here, for three timesteps, the noisy sprite, one map of each block, and the clean guess."
        levels = [f"t = {t}" for t in TIMESTEPS]
        return figures.sprites(np.stack(rows), told, len(names), 3, names, levels).html


def plan() -> dict[str, Any]:
    """What a page needs in order to draw the U and to tell of it, as JSON."""
    from pixel_edu.diagram import HEIGHT, WIDTH, layout
    from pixel_edu.figures import COLORS

    here = layout(blocks())
    raised = here.steps[0].start[1] + HEIGHT / 2  # as boxes, the two ends stand where their arrows meet them
    noisy, answer = ((x, raised) for x, _ in (here.noisy, here.answer))
    lines = {"step": here.steps, "skip": here.skips, "context": here.contexts}
    found = zip(_stops(), trace().channels, [noisy, *here.blocks, answer], strict=True)
    return {
        "stops": [stop | {"channels": kept, "place": list(place)} for stop, kept, place in found],
        "lines": [
            [kind, *line.start, *line.end, line.into + 1] for kind, each in lines.items() for line in each
        ],
        "context": list(here.context),
        "corners": [list(ends) for ends in here.corners],
        "box": [WIDTH, HEIGHT],
        "labels": list(LABELS),
        "timesteps": list(TIMESTEPS),
        "heads": trace().looks.shape[1],
        "colors": list(COLORS[:2]),
    }


def _stops() -> list[dict[str, Any]]:
    """The image, the blocks and the answer: what each is called, its channels and size, and what it does."""
    from pixel_edu import load_reference

    model, befores = load_reference(), [None, *blocks()]
    stops = []
    for number, (stage, before) in enumerate(zip(blocks(), befores, strict=False), 1):
        way = "at the bottom" if stage.side == "bottom" else stage.side
        goes_in = model.network.get_submodule(stage.name).conv1.in_channels
        title = f"Block {number} of {len(blocks())}, {way}"
        said = words(stage, before, goes_in, model.channels)
        stops.append(_stop(title, stage.channels, stage.size, said, stage.attends))
    answer = (
        f"The answer, {model.prediction}, has as many numbers as the image; "
        "from both follows the guess, a clean sprite."
    )
    ends = [("The noisy sprite", "Its three colours go in."), ("The answer", answer)]
    first, last = (_stop(title, model.channels, model.size, said, False) for title, said in ends)
    return [first, *stops, last]


def _stop(title: str, count: int, size: int, said: str, attends: bool) -> dict[str, Any]:
    return {"title": title, "of": count, "size": size, "words": said, "attends": attends}


def _colored(values: np.ndarray) -> np.ndarray:
    """A map as `inside.js` paints it, blue below 0 and vermilion above, enlarged to the size of a sprite: uint8."""
    from pixel_edu.config import IMAGE_SIZE
    from pixel_edu.figures import COLORS

    far = (values.astype(float) - 128)[..., None] / 127
    blue, vermilion = (np.array([*bytes.fromhex(color[1:])]) for color in COLORS[:2])
    shade = 255 + np.where(far < 0, blue - 255, vermilion - 255) * np.abs(far)
    factor = IMAGE_SIZE // len(values)
    return shade.round().astype(np.uint8).repeat(factor, axis=0).repeat(factor, axis=1)


def _packed(*parts: np.ndarray) -> str:
    return base64.b64encode(b"".join(part.tobytes() for part in parts)).decode()
