"""What the web expects of any server: limits on a request's body, pages of other origins, and answers worth keeping."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixel_edu.config import UserError
from pixel_edu.serving.orders import Problem

LONGEST_BODY = 16_384
"""In bytes; a request with every field set has about two hundred."""
DAY = 86_400
"""Seconds that a cache may keep an answer without asking again. Not longer: the server may get another model."""
FOR_GOOD = "public, max-age=31536000, immutable"
"""For a year, in words that a browser takes as "do not ask again" (RFC 8246)."""
JSON = (b"content-type", b"application/json")
PORTS = {"http": 80, "https": 443}
"""Browsers do not write these in an origin."""
ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#@\s]+")


class Bounded:
    """An application that reads no body that is too long, too slow or compressed, and reads the rest as JSON.

    That a body is JSON need not be said in its Content-Type: `curl -d` calls it a form, and `fetch` plain text.

    Args:
        app: the application.
        seconds: from the head of a request to the end of its body, at most.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless the body cannot be read; an error is raised where the application begins to read."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        packing = Headers(scope=scope).get("content-encoding", "identity")
        until = asyncio.get_running_loop().time() + self.seconds
        length, complete = 0, False

        async def bounded() -> Message:
            nonlocal length, complete
            if packing != "identity":
                raise HTTPException(415, f"the body is compressed with {packing}: send it as it is")
            try:
                async with asyncio.timeout_at(None if complete else until):
                    message = await receive()
            except TimeoutError:
                late = f"the body did not come whole within {self.seconds:g} s: send it again"
                raise HTTPException(408, late, {"Connection": "close"}) from None
            complete = not message.get("more_body", False)
            length += len(message.get("body", b""))
            if length > LONGEST_BODY:
                raise HTTPException(413)
            return message

        if scope["method"] == "POST":
            scope["headers"] = [each for each in scope["headers"] if each[0] != JSON[0]] + [JSON]
        await self.app(scope, bounded, send)


class Prefixed:
    """An application all of whose addresses begin with a prefix, for a proxy that strips it or leaves it.

    Args:
        app: the application.
        prefix: from `checked_prefix`.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] == "http":
            path = scope["path"] if scope["path"] != self.prefix else "/"
            scope["path"] = path if path.startswith(f"{self.prefix}/") else self.prefix + path
            scope["root_path"] = self.prefix
        await self.app(scope, receive, send)


class OtherOrigins(CORSMiddleware):
    """An application that pages of other origins may ask, and whose refusals are JSON like every error here.

    Args:
        app: the application.
        origins: see `checked_origin`.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("*",),
            expose_headers=("Seed", "Retry-After", "ETag", "Content-Disposition"),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """What a browser is told that asks whether a page may ask."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        origin, method = request_headers["origin"], request_headers["access-control-request-method"]
        says = (
            f"use GET, HEAD or POST, not {method}" if self.is_allowed_origin(origin) else not_open_to(origin)
        )
        return JSONResponse(Problem(error=says).model_dump(), answer.status_code)


class OpenAt:
    """An application of which pages of every origin may ask one path, and read the answer.

    Args:
        app: the application.
        path: with its prefix.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.app, self.path, self.open = app, path, OtherOrigins(app, ["*"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        app = self.open if scope.get("path") == self.path else self.app
        await app(scope, receive, send)


def not_open_to(origin: str) -> str:
    """What a page is told that may not ask."""
    return f"pages of {origin} may not ask: start the server with --cors {origin}"


def checked_origin(origin: str) -> str:
    """An origin as browsers write it, or "*" for every page.

    Raises:
        UserError: no page can have this origin.

    >>> checked_origin("http://localhost:3000")
    'http://localhost:3000'
    """
    if not ORIGIN.fullmatch(origin.lower()):
        raise UserError(
            f"{origin!r} is not an origin: write it as http://localhost:3000 with nothing behind, or *"
        )
    scheme, _, host = origin.lower().partition("://")
    return origin.lower().removesuffix(f":{PORTS[scheme]}") if host and scheme in PORTS else origin.lower()


def checked_prefix(path: str) -> str:
    """The prefix of a proxy, without a slash at its end; "" for none.

    Raises:
        UserError: it is not the beginning of a path.

    >>> checked_prefix("/sprites/")
    '/sprites'
    """
    prefix = path.rstrip("/")
    if not re.fullmatch(r"(/[\w.~-]+)*", prefix, re.ASCII):
        raise UserError(f"{path!r} is not the beginning of a path: write one such as /sprites")
    return prefix


def tag_of(*decides: str) -> str:
    """The strong tag of an answer that is not drawn yet, by all that decides about its bytes."""
    return f'"{hashlib.sha256(repr(decides).encode()).hexdigest()[:32]}"'


def has_it(if_none_match: str, tag: str) -> bool:
    """Whether a client already has the answer with this tag, by its header If-None-Match.

    >>> has_it('"a", W/"b"', '"b"'), has_it("*", '"b"'), has_it("", '"b"')
    (True, True, False)
    """
    tags = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return bool(tag) and (tag in tags or "*" in tags)
