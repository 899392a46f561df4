"""Addresses without their passwords: for whatever is printed, logged or kept."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

HIDDEN = "***"
USER = re.compile(
    r"""(?P<scheme>\b[a-zA-Z][\w+.-]*://)
    (?: [^\s/?#]*@
      | [^\s/?#'"@:]*:
        (?! \d+ [/?#] (?:[^\s'"@]*/)? @ | \d+ [^\s'"@]* [?&][\w.-]+= [^\s'"@]* @ )  # a port, then /@ada or ?by=ada@h
        [^\s'"@]*@ (?:[^\s/?#'"]*@)?
    )""",
    re.VERBOSE,
)
"""What stands between `://` and the host; the second form is a password in which /, ? or # are not quoted."""
SECRET = re.compile(
    r"""(?P<key>[?&;](?:[\w-]*(?:token|password|passwd|pwd|secret|api[_-]?key|signature)|sig|key)=)[^\s&;#'"]+""",
    re.IGNORECASE,
)
"""A field of an address's query whose value lets its reader in."""


def hide_passwords(text: str) -> str:
    """A text, such as a command or an error, with `***` for what stands in its addresses to let somebody in.

    >>> hide_passwords("train --mlflow https://ada:geheim@host:5000/a?token=12&page=3")
    'train --mlflow https://***@host:5000/a?token=***&page=3'
    >>> hide_passwords("sqlite:///home/ada@home/mlflow.db, http://host:5000/@ada")
    'sqlite:///home/ada@home/mlflow.db, http://host:5000/@ada'
    """
    return SECRET.sub(rf"\g<key>{HIDDEN}", USER.sub(rf"\g<scheme>{HIDDEN}@", text))


def without_password(uri: str) -> str:
    """An address that can be kept: who connects to it again brings the password.

    A web address loses the user too, since half of the two is refused; MLflow takes both from its environment.

    >>> without_password("https://ada:geheim@host/a"), without_password("postgresql://ada:geheim@host/db")
    ('https://host/a', 'postgresql://ada@host/db')
    """
    place, _, query = _without_user(uri).partition("?")
    kept = "&".join(field for field in query.split("&") if not SECRET.match(f"?{field}"))
    return f"{place}?{kept}" if kept else place


def _without_user(uri: str) -> str:
    found = USER.match(uri)
    if not found:
        return uri
    scheme, rest = found["scheme"], uri[found.end() :]
    user = uri[len(scheme) : found.end() - 1].partition(":")[0]
    return scheme + rest if urlsplit(scheme).scheme.startswith("http") else f"{scheme}{user}@{rest}"
