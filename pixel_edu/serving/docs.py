"""The page at /docs: how to ask, written from the OpenAPI document, and one sprite to try. It needs no network."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import quote

from pixel_edu import templates


class Operation(NamedTuple):
    """What the page says of one request."""

    method: str
    path: str
    description: str
    fields: dict[str, dict[str, Any]]
    examples: list[str]


def page(document: dict[str, Any], address: str) -> str:
    """The page for an OpenAPI document.

    Args:
        document: the API's.
        address: of the server, such as "http://localhost:8000".
    """
    order = document["components"]["schemas"]["DrawOrder"]
    (names,) = (each["enum"] for each in order["properties"]["class"]["anyOf"] if "enum" in each)
    return templates.render(
        "api.html.j2",
        title=document["info"]["title"],
        summary=document["info"]["summary"],
        classes=names,
        operations=[
            _operation(
                method.upper(), path, operation, order, address, "food" if "food" in names else names[0]
            )
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ],
        errors=document["info"]["description"],
        allowed=allowed,
    )


def _operation(
    method: str, path: str, operation: dict[str, Any], order: dict[str, Any], address: str, name: str
) -> Operation:
    examples, fields = [], {each["name"]: each["schema"] for each in operation.get("parameters", ())}
    if "requestBody" in operation:
        fields = order["properties"]
        examples = [_curl(address + path, each) for each in order["examples"]]
    elif "every" in fields:
        examples = [f"curl -N '{address}{path}?class={quote(name)}&seed=7&every=5'"]
    elif fields:
        more = "&transparent=true&scale=8" if path.endswith(".png") else ""
        examples = [f'<img src="{address}{path}?class={quote(name)}&seed=7{more}">']
    return Operation(method, path, operation["description"], fields, examples)


def _curl(url: str, body: dict[str, Any]) -> str:
    kind = "json" if body.get("format") == "json" else "png"
    return f"curl {url} --json '{json.dumps(body)}' -o sprites.{kind}"


def allowed(field: dict[str, Any]) -> str:
    """The values that a field may have, and the one it has if omitted."""
    kind = next((each for each in field.get("anyOf", ()) if each.get("type") != "null"), field)
    if "enum" in kind:
        values = ", ".join(kind["enum"])
    elif "minimum" in kind:
        values = f"{kind['minimum']:.0f} to {kind['maximum']:.0f}"
    else:
        values = {"boolean": "true, false", "string": "any text"}[kind["type"]]
    default = field.get("default")
    told = json.dumps(default) if isinstance(default, bool) else default
    return values + (f"; default: {told}" if told not in (None, "") else "")
