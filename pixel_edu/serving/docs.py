"""The page at /docs: how to ask, written from the OpenAPI document, and one sprite to try. It needs no network."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 46rem; margin: 1rem auto; padding: 0 1rem }}
code, pre {{ font: .9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere }}
pre {{ overflow-x: auto; padding: .5rem; border: 1px solid #8886; border-radius: 4px }}
dt {{ border-top: 1px solid #8884; padding-top: .3rem }}
dd {{ margin: 0 0 .3rem 1rem }}
select, input, button {{ font: inherit; max-width: 9rem }}
#sprite {{ width: 128px; height: 128px; image-rendering: pixelated; border: 1px solid #8886; display: block }}
#sprite:not([src]) {{ visibility: hidden }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
<form id="try">
<label>class <select name="class">{classes}</select></label>
<label>seed <input name="seed" type="number" min="0" value="7"></label>
<button>Draw</button> <span id="says" role="status"></span>
</form>
<p><img id="sprite" alt="The sprite that you ask for"></p>
{operations}
<h2>Errors</h2>
{errors}
<p><a href="openapi.json">openapi.json</a> says all of this to programs.</p>
<script>
const form = document.getElementById("try"), sprite = document.getElementById("sprite");
const says = document.getElementById("says");
let source;
form.onsubmit = (event) => {{
  event.preventDefault();
  source?.close();
  source = new EventSource("v1/sprites/stream?" + new URLSearchParams(new FormData(form)));
  const on = (name, show) => source.addEventListener(name, (event) => show(JSON.parse(event.data)));
  on("preview", (it) => {{ sprite.src = it.images[0]; says.textContent = `step ${{it.step}} of ${{it.num_steps}}`; }});
  on("sprites", (it) => {{ sprite.src = it.sprites[0].png; says.textContent = "done"; source.close(); }});
  on("problem", (it) => {{ says.textContent = it.error; source.close(); }});
  source.onerror = () => {{ says.textContent = "no answer: is the server busy, or gone?"; source.close(); }};
}};
</script>
</html>
"""
OPERATION = """<h2><code>{method} {path}</code></h2>
{description}
{fields}
{examples}
"""


def page(document: dict[str, Any], address: str) -> str:
    """The page for an OpenAPI document.

    Args:
        document: the API's.
        address: of the server, such as "http://localhost:8000".
    """
    order = document["components"]["schemas"]["DrawOrder"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    (names,) = (each["enum"] for each in order["properties"]["class"]["anyOf"] if "enum" in each)
    return PAGE.format(
        title=escape(document["info"]["title"]),
        summary=escape(document["info"]["summary"]),
        classes="".join(f"<option>{name}</option>" for name in names),
        operations="".join(_operation(*each, order, address) for each in operations),
        errors=_prose(document["info"]["description"]),
    )


def _operation(method: str, path: str, operation: dict[str, Any], order: dict[str, Any], address: str) -> str:
    examples, fields = [], {each["name"]: each["schema"] for each in operation.get("parameters", ())}
    if "requestBody" in operation:
        fields = order["properties"]
        examples = [_curl(address + path, each) for each in order["examples"]]
    elif fields:
        examples = [f"curl -N '{address}{path}?class=food&seed=7&every=5'"]
    return OPERATION.format(
        method=method,
        path=path,
        description=_prose(operation["description"]),
        fields=_list(fields) if fields else "",
        examples="<pre>" + escape("\n".join(examples)) + "</pre>" if examples else "",
    )


def _curl(url: str, body: dict[str, Any]) -> str:
    kind = "json" if body.get("format") == "json" else "png"
    return f"curl {url} --json '{json.dumps(body)}' -o sprites.{kind}"


def _list(fields: dict[str, dict[str, Any]]) -> str:
    items = (
        f"<dt><code>{name}</code> {escape(_allowed(field))}<dd>{escape(field['description'])}"
        for name, field in fields.items()
    )
    return f"<dl>{''.join(items)}</dl>"


def _allowed(field: dict[str, Any]) -> str:
    kind = next((each for each in field.get("anyOf", ()) if each.get("type") != "null"), field)
    values = ", ".join(kind["enum"]) if "enum" in kind else f"{kind['minimum']:.0f} to {kind['maximum']:.0f}"
    return values + (f"; left out: {field['default']}" if field.get("default") is not None else "")


def _prose(text: str) -> str:
    marked = re.sub("`(.*?)`", r"<code>\1</code>", escape(text.strip(), quote=False))
    return "".join(f"<p>{part}</p>" for part in marked.split("\n\n"))
