"""The icons that the pages show, as one small style sheet, in place of the theme's script of all that there are.

The theme loads a script of 1.5 MB on every page to draw a dozen icons. Here the pages that were written say which icons
they show, the script says how these are drawn, and `icons.css` gets them; the script is not part of the book.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from sphinx.errors import ExtensionError

SHEET = "icons.css"
SCRIPT = "scripts/fontawesome.js"
SETS = {"fa-solid": "fas", "fas": "fas", "fa-regular": "far", "far": "far", "fa-brands": "fab", "fab": "fab"}
"""The classes that say of which set an icon is, and that set's name in the script."""
SIZES = {"fa-lg", "fa-fw", "fa-xs", "fa-sm", "fa-xl", "fa-1x", "fa-2x", "fa-3x"}

TAG = re.compile(r'<script src="[^"]*/fontawesome\.js[^"]*"></script>\s*')
SHOWN = re.compile(r'<(?:i|span) class="([^"]*\bfa-[^"]*)"')
ENTRY = re.compile(
    r'[{,]"?([a-z0-9-]+)"?:\[(\d+),(\d+),\[([^\]]*)\],"[0-9a-f]+",(?:"([^"]+)"|\["[^"]*","([^"]+)"\])\]'
)
SET_ENDS = re.compile(r'\("(fa[brs])",')

ICONS = ":is(.fas, .far, .fab, .fa-solid, .fa-regular, .fa-brands)"
BEGINNING = f"""\
/* Icons: Font Awesome Free 6, https://fontawesome.com, CC BY 4.0. Written by book/_ext/pixel_icons.py. */
{ICONS} {{ font-family: inherit; line-height: 1; }}
{ICONS}::before {{
  content: "";
  display: inline-block;
  width: var(--wide, 1em);
  height: 1em;
  vertical-align: -0.125em;
  background: currentColor;
  -webkit-mask: var(--icon) center / contain no-repeat;
  mask: var(--icon) center / contain no-repeat;
}}
.bd-search .fa-solid.fa-magnifying-glass {{ position: static; color: inherit; }}
.search-button-field > .fa-solid {{ display: inline-block !important; }}
.bd-sidebar-secondary .onthispage::after {{ content: "" !important; }}
.theme-switch-button .fa-lg {{ vertical-align: 0; }}
.bd-header-article .btn > {ICONS}::before {{ width: 1.3rem; height: 1.3rem; }}
@media (forced-colors: active) {{
  {ICONS}::before {{ background: ButtonText; forced-color-adjust: none; }}
}}
"""


class Icon(NamedTuple):
    """An icon: its set, its name, and how it is drawn."""

    set: str
    name: str
    width: int
    height: int
    path: str

    def rule(self) -> str:
        """The line of the style sheet that gives this icon to who shows it."""
        classes = ", ".join(f".{word}" for word, kept in SETS.items() if kept == self.set)
        picture = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}'>"
            f"<path d='{self.path}'/></svg>"
        )
        drawn = quote(picture, safe=" /:='.,-")
        wide = f"{self.width / self.height:.4g}em"
        looks = f'--wide: {wide}; --icon: url("data:image/svg+xml,{drawn}");'
        return f".fa-{self.name}:is({classes})::before {{ {looks} }}\n"


def shown(page: str) -> set[tuple[str, str]]:
    """The icons in a page's HTML, as (set, name)."""
    found = set()
    for classes in SHOWN.findall(page):
        words = classes.split()
        kept = next((SETS[word] for word in words if word in SETS), None)
        names = [word for word in words if word.startswith("fa-") and word not in SETS.keys() | SIZES]
        found |= {(kept, name.removeprefix("fa-")) for name in names if kept}
    return found


def drawings(script: str) -> dict[tuple[str, str], Icon]:
    """How the script draws each icon, by (set, name); other names of an icon count as well."""
    found, began = {}, 0
    for end in SET_ENDS.finditer(script):
        for entry in ENTRY.finditer(script, began, end.start()):
            name, width, height, others, *paths = entry.groups()
            for each in (name, *re.findall(r'"([^"]+)"', others)):
                drawn = Icon(end[1], each, int(width), int(height), paths[0] or paths[1])
                found.setdefault((end[1], each), drawn)
        began = end.end()
    return found


def sheet(wanted: set[tuple[str, str]], script: str) -> str:
    """The style sheet of these icons.

    Raises:
        ExtensionError: the script draws no icon of such a name.
    """
    known = drawings(script)
    if missing := sorted(wanted - known.keys()):
        raise ExtensionError(f"{SCRIPT} draws no {missing}: pages show icons that the theme does not know")
    return BEGINNING + "".join(known[each].rule() for each in sorted(wanted))


def _offer(app, pagename, templatename, context, doctree) -> None:
    context["without_icon_script"] = lambda head: TAG.sub("", head)


def _add_sheet(app) -> None:
    app.add_css_file(SHEET)


def _write_sheet(app, error) -> None:
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = [path for path in out.rglob("*.html") if "_static" not in path.relative_to(out).parts]
    wanted = set().union(*(shown(path.read_text(encoding="utf-8")) for path in pages))
    script = _theme_file(app, SCRIPT)
    (out / "_static" / SHEET).write_text(sheet(wanted, script.read_text(encoding="utf-8")), encoding="utf-8")
    for left in (out / "_static" / SCRIPT).parent.glob("fontawesome.js*"):
        left.unlink()


def _theme_file(app, name: str) -> Path:
    """A file of the theme, or of the theme that it builds on."""
    folders = [Path(folder) / "static" for folder in app.builder.theme.get_theme_dirs()]
    return next(folder / name for folder in folders if (folder / name).exists())


def setup(app):
    app.connect("builder-inited", _add_sheet)
    app.connect("html-page-context", _offer)
    app.connect("build-finished", _write_sheet)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
