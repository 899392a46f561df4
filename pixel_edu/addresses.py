"""Addresses without their passwords: for whatever is printed, logged or kept."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

HIDDEN = "***"
USER = re.compile(
    r"""(?P<scheme>\b[a-zA-Z][\w+.-]*://)
    (?: [^\s/?#:\[]*:
        (?! \d+ [/?#] (?:[^\s@]*/)? @ | \d+ [^\s@]* [?&][\w.-]+= [^\s@]* @ )  # a port, then /@ada or ?by=ada@h
        (?! \d+ (?:[/?#][^\s@'"]*)? ['"][\s,;:)\]}] )                         # a port, and the address ends
        [^\s@]*@ (?:[^\s/?#]*@)?
      | [^\s/?#:\[]*:
        (?! \s | \d+ (?: [/?#\s'",;:.)\]}] | $ ) )                            # no password, or a port
        (?: [^\s@] | [^\S\n\r](?!\S*://) )*@ (?:[^\s/?#]*@)?
      | [^\s/?#]*@
    )""",
    re.VERBOSE,
)
"""What stands between `://` and the host: a password in which /, ? or # are not quoted, one with spaces, any other."""
SECRET = re.compile(
    r"""(?P<key>[?&;](?:[\w-]*(?:token|password|passwd|pwd|secret|api[_-]?key|signature)|sig|key)=)
    (?:[^\s&;#'"]|[;'"](?=\w))+""",
    re.IGNORECASE | re.VERBOSE,
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


def hide_password(uri: str) -> str:
    """The same for a text that is one address and nothing else, or a word of a command: its spaces belong to it.

    >>> hide_password("http://ada:12 34@host"), hide_password("-n 3")
    ('http://***@host', '-n 3')
    """
    quoted = re.sub(r"\s", "%20", uri) if "://" in uri else uri
    hidden = hide_passwords(quoted)
    return uri if hidden == quoted else hidden


def without_password(uri: str) -> str:
    """An address that can be kept: who connects to it again brings the password.

    A web address loses the user too, since half of the two is refused; MLflow takes both from its environment.

    >>> without_password("https://ada:geheim@host/a"), without_password("postgresql://ada:geheim@host/db")
    ('https://host/a', 'postgresql://ada@host/db')
    """
    place, _, query = _without_user(uri).partition("?")
    kept = "&".join(field for field in query.split("&") if not SECRET.match(f"?{field.partition('=')[0]}=x"))
    return f"{place}?{kept}" if kept else place


def _without_user(uri: str) -> str:
    before, at, after = uri.rpartition("@")
    quoted = re.sub(r"\s", "%20", before) + at + after
    found = USER.match(quoted)
    if not found:
        return uri
    scheme, rest = found["scheme"], quoted[found.end() :]
    user = quoted[len(scheme) : found.end() - 1].partition(":")[0]
    return scheme + rest if urlsplit(scheme).scheme.startswith("http") else f"{scheme}{user}@{rest}"
