"""The state of widgets that a notebook stores, so that they can be shown without a kernel.

ipywidgets names its models by chance. Here they get the same names on every run, in the order in which the notebook
shows them, and models that nothing shows are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
REFERENCE = re.compile(r"IPY_MODEL_([\w-]+)")


def views(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """What cells show of widgets, in their order; each names its model in `model_id`."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if VIEW in output.get("data", {}):
                yield output.data[VIEW]


def stored(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The models in a notebook's metadata, by their names."""
    return notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})


def rename(notebook: NotebookNode) -> None:
    """Give the models names that are the same on every run, in place; without any, the metadata say nothing of them."""
    models, names = stored(notebook), {}

    def reach(old: str) -> None:
        if old in models and old not in names:
            names[old] = f"model-{len(names) + 1}"
            for other in sorted(_references(models[old].state)):
                reach(other)

    for view in views(notebook):
        reach(view.model_id)
        view.model_id = names.get(view.model_id, view.model_id)
    if not names:
        notebook.metadata.pop("widgets", None)
        return
    kept = {new: models[old] for old, new in names.items()}
    for model in kept.values():
        for key, value in model.state.items():
            if isinstance(value, str) and (found := REFERENCE.fullmatch(value)):
                model.state[key] = f"IPY_MODEL_{names[found[1]]}"
    notebook.metadata["widgets"][STATE]["state"] = kept


def _references(state: NotebookNode) -> set[str]:
    found = (REFERENCE.fullmatch(value) for value in state.values() if isinstance(value, str))
    return {match[1] for match in found if match}
