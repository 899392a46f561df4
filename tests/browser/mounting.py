"""One widget in a blank page: no book, no kernel, no server."""

import json
from contextlib import contextmanager
from html import escape

from pixel_edu.widgets import assets
from pixel_edu.widgets.base import HERE, STYLE

ADDRESS = "http://widget.test/"
HTML = """<!doctype html><html lang="en"{root}><meta charset="utf-8"><title>a widget</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="widgets.css">
<style>[data-theme=dark] {{
  background: #14181e;
  --pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af; --pst-color-border: #48566b;
  --pst-color-primary: #c9a2ef; --pst-color-background: #14181e;
}}</style>
<div class="pixel-widget" data-widget="{module}" data-state="{state}">{picture}</div>
<script type="module" src="host.js"></script></html>"""


@contextmanager
def mounted(chromium, widget, networks=False, **options):
    """A page that shows a live widget. No error may be said on its console.

    Args:
        chromium: the browser.
        widget: an instance.
        networks: whether the page has the files that a network needs, as the book's pages have.
        options: of the browser's context.
    """
    html = HTML.format(
        root=' data-content_root="./"' * networks,
        module=widget.module,
        state=escape(json.dumps(widget.settings())),
        picture=widget.picture(),
    )
    files = {
        "": ("text/html", html),
        "host.js": ("text/javascript", (HERE / "js" / "host.js").read_text(encoding="utf-8")),
        f"{widget.module}.js": ("text/javascript", widget._esm),
        "widgets.css": ("text/css", STYLE),
        "favicon.ico": ("image/x-icon", ""),
    }

    if networks:
        for name, path in assets.PATHS.items():
            kind = "text/javascript" if path.suffix == ".mjs" else "application/octet-stream"
            files[f"_static/widgets/{name}"] = (kind, path.read_bytes())

    def answer(route):
        kind, body = files[route.request.url.removeprefix(ADDRESS)]
        text = "; charset=utf-8" * isinstance(body, str)
        route.fulfill(content_type=kind + text, body=body)

    context = chromium.new_context(**options)
    said = []
    try:
        context.route("**/*", answer)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(ADDRESS)
        page.wait_for_selector(".pixel-widget[data-live]")
        yield page
        assert not said, said
    finally:
        context.close()


def pixels(page, name):
    """The bytes of the canvas whose label begins with a name."""
    found = page.locator(f'canvas[aria-label^="{name}"]')
    return found.evaluate("c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")


def seen(page):
    """What the page's one canvas shows, after two frames: an image as an address."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator("canvas").evaluate("c => c.toDataURL()")
