"""What all widgets have in common: their code and files, a picture, and a description."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import anywidget

from pixel_edu.widgets import assets
from pixel_edu.widgets.bundle import bundle

HERE = Path(__file__).parent
BY_MODULE: dict[str, type[Widget]] = {}
"""The widgets by the names of their modules."""
STYLE = (HERE / "widgets.css").read_text(encoding="utf-8")


class Widget(anywidget.AnyWidget):
    """A widget: files for the front end, a picture, and a description.

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
        if "module" in vars(cls):  # else it is the class that anywidget makes for every instance
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
        return (data or {}) | {"text/plain": self.alt, "text/html": self.picture()}, metadata
