"""Store today's JavaScript in the chapters that show a widget, without running them.

What a chapter computed stays as it is. Where a widget's traits have changed too, only `make notebooks` will do.
"""

from pathlib import Path

from pixel_edu import notebooks, widgets
from pixel_edu.notebooks import states

CHAPTERS = Path(__file__).parents[1] / "chapters"


def store(path: Path) -> bool:
    """Store it in one chapter; whether that changed anything."""
    notebook = notebooks.read(path)
    models, before = states.stored(notebook), notebooks.text(notebook)
    for view in states.views(notebook):
        state = models[view.model_id].state
        widget = getattr(widgets, state["_anywidget_id"].rpartition(".")[2])
        state.update(_esm=widget._esm, _css=widget._css)
    if changed := notebooks.text(notebook) != before:
        notebooks.write(notebook, path)
    return changed


if __name__ == "__main__":
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        if store(path):
            print(f"{path.name} holds today's widgets")
