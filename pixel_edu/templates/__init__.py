"""Pages as Jinja2 templates. Whatever is put into one is escaped, except what is `Markup` already."""

from __future__ import annotations

import functools
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def render(name: str, **values: Any) -> str:
    """A page.

    Args:
        name: of the template, such as "evaluation.html.j2".
        values: what it shows; one that it reads and that is missing is an error.
    """
    return _environment().get_template(name).render(values)


def code(text: str) -> Markup:
    """Text with what stands between backticks as code; the template filter `code`.

    >>> code("`a < b` is <not> code")
    Markup('<code>a &lt; b</code> is &lt;not&gt; code')
    """
    escaped = str(escape(text))  # re.sub would escape the parts of a Markup once more
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped))


def paragraphs(text: str) -> Markup:
    """Paragraphs, which empty lines part, with their code; the template filter `paragraphs`."""
    return Markup("").join(Markup("<p>{}</p>").format(code(part)) for part in text.strip().split("\n\n"))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pixel_edu"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": code, "paragraphs": paragraphs}
    return environment
