"""What a page tells those who do not open it, such as search engines and who shows a link to it; and what follows it.

A page's description is the beginning of its text. Its picture is the book's card, `art/card.png`. Addresses in these
tags are whole where the book's own is known (`baseurl` in _config.yml), which most sites that show cards ask for.
"""

from __future__ import annotations

import re
from html import escape
from posixpath import dirname, join, relpath

from docutils import nodes

CARD = "_static/art/card.png"
WIDTH, HEIGHT = 1200, 630
SAID_OF_CARD = (
    "Three rows of sixteen by sixteen pixels: noise clears up, and becomes a wizard, a slime and a sword."
)
LONGEST = 200
"""Characters of a description; search engines show fewer."""
BOOK = "Build a network that paints pixel art out of noise, and understand every line of it: twelve chapters, no GPU."


def description(doctree: nodes.document | None) -> str:
    """The beginning of a page's text: whole sentences, as many as fit, or what fits of a long one."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    texts = (part.astext() for part in paragraphs if isinstance(part.parent, nodes.section))
    return _beginning(next(texts, "") or BOOK)


def _beginning(text: str) -> str:
    text = " ".join(text.split())
    sentences = re.findall(r"\S.*?[.?!](?=\s|$)", text) or [text]
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(f"{kept} {sentence}") > LONGEST:
            break
        kept += f" {sentence}"
    return kept if len(kept) <= LONGEST else kept[:LONGEST].rpartition(" ")[0] + " …"


def tags(title: str, told: str, name: str, base: str) -> str:
    """The tags of the page of a name, such as book/setup.html."""
    card = join(base, CARD) if base else relpath(CARD, dirname(name) or ".")
    facts = {
        "og:type": "website",
        "og:title": title,
        "og:description": told,
        "og:image": card,
        "og:image:width": str(WIDTH),
        "og:image:height": str(HEIGHT),
        "og:image:alt": SAID_OF_CARD,
    } | ({"og:url": join(base, name)} if base else {})
    lines = [f'<meta name="description" content="{escape(told)}" />']
    lines += [f'<meta property="{each}" content="{escape(value)}" />' for each, value in facts.items()]
    return "\n".join([*lines, '<meta name="twitter:card" content="summary_large_image" />', ""])


def _tell(app, pagename, templatename, context, doctree) -> None:
    told = description(doctree if pagename != app.config.root_doc else None)
    title = re.sub("<[^>]*>", "", context.get("title", "")) or app.config.html_title
    name = pagename + app.builder.out_suffix
    context["metatags"] = context.get("metatags", "") + tags(title, told, name, app.config.html_baseurl)


def _lead_on(app, pagename, templatename, context, doctree) -> None:
    """Links to the next page and the previous one: with a chapter's number, and from the first page to chapter 1.

    In the order of the contents the first page is followed by how to install what a reader of pages does not need.
    """
    _, before, after = app.builder.relations.get(pagename, (None, None, None))
    if pagename == app.config.root_doc:
        after = min(name for name in app.env.found_docs if name.startswith("chapters/"))
    for side, name in (("prev", before), ("next", after)):
        if name:
            link = app.builder.get_relative_uri(pagename, name)
            context[side] = {"link": link, "title": escape(numbered_title(app.env, name))}


def numbered_title(env, name: str) -> str:
    """The title of a page, behind its number if it is a chapter."""
    number = env.toc_secnumbers.get(name, {}).get("", ())
    return ". ".join([*map(str, number), env.titles[name].astext()])


def setup(app):
    app.connect("html-page-context", _tell)
    app.connect("html-page-context", _lead_on)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
