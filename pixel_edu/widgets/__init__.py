"""Widgets whose logic is JavaScript, so that they are alive wherever a chapter is read: in JupyterLab with a kernel,
and on the book's pages with nothing but the page.

Each has a picture of itself for readers without JavaScript, and says in words what it shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from pixel_edu.config import CLASSES
from pixel_edu.widgets import assets
from pixel_edu.widgets.bundle import bundle

HERE = Path(__file__).parent
BY_MODULE: dict[str, type[Widget]] = {}
"""The widgets by the names of their modules."""
STYLE = (HERE / "widgets.css").read_text(encoding="utf-8")


class Widget(anywidget.AnyWidget):
    """What all have in common: files for the front end, a picture, and words.

    Attributes:
        module: the name of its module in `js/`.
        alt: what it shows, in a sentence.
    """

    module: ClassVar[str] = ""
    alt: ClassVar[str] = ""
    _css = STYLE

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._answer)

    def __init_subclass__(cls, **options: Any) -> None:
        if "module" in vars(cls):  # anywidget makes a class of its own for every instance
            cls._esm = bundle(HERE / "js" / f"{cls.module}.js")
            BY_MODULE[cls.module] = cls
        super().__init_subclass__(**options)

    def picture(self) -> str:
        """A `<figure>` for readers without JavaScript."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The traits that the widget's own code reads and writes, by name."""
        return {name: getattr(self, name) for name in self.traits_of_its_own()}

    @classmethod
    def traits_of_its_own(cls) -> list[str]:
        """Their names."""
        names = set(cls.class_trait_names(sync=True)) - set(Widget.class_trait_names())
        return sorted(name for name in names if not name.startswith("_"))

    def _answer(self, _: Widget, said: dict, __: list) -> None:
        """Send the piece of a file that the front end asks for."""
        name, offset = said["name"], said["offset"]
        whole = assets.read(name)
        piece = whole[offset : offset + said["length"]]
        self.send({"name": name, "offset": offset, "size": len(whole)}, buffers=[piece])

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict] | None:
        found = super()._repr_mimebundle_(**options)
        data, metadata = found if isinstance(found, tuple) else (found, {})
        return data | {"text/plain": self.alt, "text/html": self.picture()}, metadata


class Denoiser(Widget):
    """The reference draws: class, seed and settings, and two settings side by side from the same noise.

    >>> Denoiser(label=2, seed=7)
    The model draws a sprite: choose its class, a seed, and how it samples.
    """

    module = "denoiser"
    alt = "The model draws a sprite: choose its class, a seed, and how it samples."

    label = traitlets.Int(0, min=0, max=len(CLASSES) - 1).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    sampler = traitlets.Enum(("dpmpp_2m", "ddim", "ddpm"), "dpmpp_2m").tag(sync=True)
    num_steps = traitlets.Int(20, min=1, max=100).tag(sync=True)
    guidance_scale = traitlets.Float(3.0).tag(sync=True)
    snap = traitlets.Bool(True).tag(sync=True)
    compare = traitlets.Bool(False).tag(sync=True)
    other_sampler = traitlets.Enum(("dpmpp_2m", "ddim", "ddpm"), "ddim").tag(sync=True)
    other_num_steps = traitlets.Int(20, min=1, max=100).tag(sync=True)
    other_guidance_scale = traitlets.Float(3.0).tag(sync=True)

    def picture(self) -> str:
        """The sprite that it draws at first, beside its noise."""
        import numpy as np

        from pixel_edu import figures, load_reference
        from pixel_edu.generate import DEFAULT, SampleConfig, stream
        from pixel_edu.images import to_uint8
        from pixel_edu.palette import as_sprites

        model = load_reference()
        config = SampleConfig(self.sampler, self.num_steps, self.guidance_scale, DEFAULT.interval)
        moments = [to_uint8(step.x) for step in stream(model, [self.label], [self.seed], config)]
        shown = [moments[len(moments) * part // 4] for part in range(4)]
        last = as_sprites(moments[-1], model.palette) if self.snap else moments[-1]
        words = f"{self.alt} Here, five moments of one."
        return figures.sprites(np.concatenate([*shown, last]), words, columns=5, scale=6).html


def page_files() -> dict[str, str]:
    """What a page without a kernel needs beside the assets: the host, the style, and every widget's module, by name."""
    files = {"host.js": (HERE / "js" / "host.js").read_text(encoding="utf-8"), "widgets.css": STYLE}
    return files | {f"{name}.js": widget._esm for name, widget in BY_MODULE.items()}
