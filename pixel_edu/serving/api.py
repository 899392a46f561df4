"""The HTTP API: sprites by POST or GET, one at an address, or a stream of events that shows them emerge from noise.

An error is always JSON with one sentence, `{"error": "..."}`, and a status: 422 what was asked for is wrong, 408 it did
not come whole in time, 413 it is too long, 415 it is compressed, 429 too much is waiting (the header Retry-After says
for how long), 503 the server is shutting down, 504 it took too long.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import numpy as np
import torch
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from pixel_edu import __version__
from pixel_edu.config import CLASSES, PARSER_WORDS
from pixel_edu.denoiser import Denoiser
from pixel_edu.pixelart import cut_out
from pixel_edu.serving import docs, pictures, web
from pixel_edu.serving.metrics import CONTENT_TYPE, Measured, Metrics
from pixel_edu.serving.orders import (
    DrawnSprites,
    DrawOrder,
    Order,
    PreviewEvent,
    Problem,
    QueryOrder,
    SpriteOrder,
    StreamOrder,
)
from pixel_edu.serving.studio import Busy, CannotDraw, Closed, Job, Limits, Preview, Studio, TooLate

T = TypeVar("T")

GONE = 499
"""The status that nginx logs for a client that did not wait; only the metrics see it."""


def create_app(
    denoiser: Denoiser,
    limits: Limits | None = None,
    device: str | torch.device = "cpu",
    origins: Sequence[str] = (),
    prefix: str = "",
) -> FastAPI:
    """The application that serves one model, for uvicorn or FastAPI's TestClient.

    Args:
        denoiser: the model, its network on `device`.
        limits: how much the server accepts; default: `Limits()`.
        device: where the network computes.
        origins: whose pages may ask, such as "http://localhost:3000"; "*" is everybody's. Default: only its own,
            but everybody's for `/sprite.png`.
        prefix: of every address, such as "/sprites", where a proxy serves this; whether it strips the prefix or not.

    Raises:
        UserError: the model's answers are not finite, or an origin or the prefix cannot be one.
    """
    origins, prefix = [web.checked_origin(each) for each in origins], web.checked_prefix(prefix)
    limits = limits or Limits()
    metrics = Metrics()
    studio = Studio(denoiser, limits, device, metrics.observe_call)
    metrics.pending.set_function(lambda: studio.pending)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(studio.close)

    app = FastAPI(
        title="pixel-edu",
        summary=f"Sprites of {denoiser.size}x{denoiser.size} pixels, drawn by a diffusion model.",
        description=(__doc__ or "").partition("\n\n")[2],
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page needs the network
        redoc_url=None,
        redirect_slashes=False,  # its redirects name a host, which behind a proxy is another one
        exception_handlers=HANDLERS,
    )
    app.openapi = _naming(app.openapi, denoiser.classes)
    app.state.studio, app.state.metrics = studio, metrics
    app.add_middleware(web.Bounded, seconds=limits.seconds)
    app.add_middleware(Measured, metrics=metrics)
    if origins:
        app.add_middleware(web.OtherOrigins, origins=origins)
    else:
        app.add_middleware(web.OpenAt, path=f"{prefix}/sprite.png")
    if prefix:
        app.add_middleware(web.Prefixed, prefix=prefix)
    app.include_router(router)
    for route in _routes():
        if "GET" in _methods(route):  # the server sends no body to HEAD
            app.add_api_route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)
    return app


def _naming(document: Callable[[], dict[str, Any]], classes: Sequence[str]) -> Callable[[], dict[str, Any]]:
    """The OpenAPI document with the names of this model's classes in the place of the course's."""

    def named(name: Any) -> dict[str, str]:  # in an example
        return {"class": classes[0]} if isinstance(name, str) and name not in classes else {}

    def told(part: Any) -> Any:
        if isinstance(part, list):
            return list(classes) if part == list(CLASSES) else [told(each) for each in part]
        if isinstance(part, dict):
            return {key: told(each) for key, each in part.items()} | named(part.get("class"))
        return part

    return lambda: told(document())


PROBLEMS = {
    400: "The body cannot be read.",
    408: "The body did not come whole in time.",
    413: "The request is too long.",
    415: "The body is compressed.",
    422: "What was asked for is wrong.",
    429: "Too much is waiting: try again after the seconds in the header Retry-After.",
    500: "A bug in the server.",
    503: "The server is shutting down.",
    504: "It took too long.",
}
PNG = {"image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}}}
EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["preview", "sprites", "problem"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string"},
    },
    "required": ["event", "data"],
}
EVENTS = {"text/event-stream": {"itemSchema": EVENT}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How an operation may fail, for the OpenAPI document."""
    return {status: {"model": Problem, "description": PROBLEMS[status]} for status in statuses}


router = APIRouter()


@router.post(
    "/v1/sprites",
    response_model=DrawnSprites,
    responses=problems(*PROBLEMS)
    | {200: {"content": PNG, "description": "A picture, or JSON with each sprite by itself."}},
)
async def draw(order: DrawOrder, request: Request) -> Response:
    """Draw sprites.

    The header Seed holds the first sprite's seed: the same seed and settings draw the same sprite again, whatever else
    the server is doing and however many are asked for.
    """
    return await _drawn(order, request)


def kept_answers(description: str) -> dict[int | str, dict]:
    """What an address of pictures may answer: one that is `description`, that it was kept, or a problem."""
    return problems(422, 429, 500, 503, 504) | {
        200: {"content": PNG, "description": description},
        304: {"description": "You have it already: its tag is in If-None-Match."},
    }


def once(request: Request) -> None:
    """Refuse a query that names a field twice, of which one would be ignored."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if names.count(name) > 1:
            raise CannotDraw(f"{name} is given {names.count(name)} times: give it once")


@router.get(
    "/v1/sprites",
    dependencies=[Depends(once)],
    response_model=DrawnSprites,
    responses=kept_answers("A picture, or JSON with each sprite by itself."),
)
async def show(order: Annotated[QueryOrder, Query()], request: Request) -> Response:
    """Draw sprites for an address, such as the `src` of an `img` element.

    The answer is the one of POST. With a seed it is the same each time: a cache may keep it for a day, and then ask by
    its ETag whether the server's model still draws it, for which nothing is drawn again. Without a seed it is a new one
    each time.
    """
    request.app.state.studio.plan(order)  # what cannot be drawn has no tag
    kept, has_it = _kept(request, order, f"public, max-age={web.DAY}")
    if has_it:
        return Response(status_code=304, headers=kept)
    answer = await _drawn(order, request)
    if answer.status_code == 200:
        answer.headers.update(kept)
    return answer


@router.get(
    "/sprite.png",
    dependencies=[Depends(once)],
    response_class=Response,
    responses=kept_answers("The sprite, as `pixel-edu sample` draws it."),
)
async def sprite(order: Annotated[SpriteOrder, Query()], request: Request) -> Response:
    """Draw one sprite, for a game: the `src` of an `img` element, or a texture of a page of any origin.

    With a seed it is the same each time, and a cache keeps it for a year without asking. Its ETag says which model
    draws it and how, so that what has not changed is not drawn again. Without a seed it is a new one each time.
    """
    studio = request.app.state.studio
    studio.plan(order.alone)  # what cannot be drawn has no tag
    kept, has_it = _kept(request, order, web.FOR_GOOD)
    if has_it:
        return Response(status_code=304, headers=kept)
    drawn = await _unless_gone(request, studio.accept(order.alone).sprites())
    if drawn is None:
        return Response(status_code=GONE)
    request.app.state.metrics.sprites.inc()
    seen = cut_out(drawn) if order.transparent else drawn
    picture = await asyncio.to_thread(pictures.alone, seen[0], order.scale)
    return Response(picture, 200, kept | {"Seed": str(order.seed)}, "image/png")


@router.get(
    "/v1/sprites/stream",
    dependencies=[Depends(once)],
    response_class=Response,
    responses=problems(422, 429, 500, 503)
    | {
        200: {"content": EVENTS, "description": "The events."},
        204: {"description": "This stream has ended: do not connect again."},
    },
)
async def stream(order: Annotated[StreamOrder, Query()], request: Request) -> Response:
    """Draw sprites and show every step on the way, as server-sent events.

    Events `preview` hold the guess for the clean sprites: `{"step", "num_steps", "images"}`. The last event is
    `sprites`, with what POST returns as JSON, or `problem`, with `{"error"}`. Close your EventSource then; if it
    connects again by itself, it gets status 204, at which it stops.
    """
    if "last-event-id" in request.headers:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Seed": str(order.seed)}
    if request.method == "HEAD":
        return Response(headers=headers, media_type=EventSourceResponse.media_type)
    job = request.app.state.studio.accept(order, order.every)
    return EventSourceResponse(_events(job, request.app.state.metrics), headers=headers)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process is alive."""
    return {"status": "alive"}


@router.get("/readyz", responses=problems(503))
async def readyz(request: Request) -> dict[str, str]:
    """Whether sprites can be ordered: the model answers, and the server is not shutting down."""
    if not request.app.state.studio.ready:
        raise Closed
    return {"status": "ready"}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Counters and times for Prometheus."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)


@router.get("/docs", include_in_schema=False)
async def how_to_ask(request: Request) -> HTMLResponse:
    """All of this for people."""
    return HTMLResponse(docs.page(request.app.openapi(), str(request.base_url).rstrip("/")))


@router.get("/", include_in_schema=False)
async def root(request: Request) -> RedirectResponse:
    """To the documentation."""
    return RedirectResponse(_here(request, "/docs"))


async def nowhere(request: Request, error: Exception) -> Response:
    """An address that is not there; one that has only slashes too many is redirected."""
    path = re.sub("/+", "/", _route_path(request)).rstrip("/")
    if path not in {route.path for route in _routes()}:
        return await explain(request, error)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(_here(request, path) + query)


async def wrong_method(request: Request, error: HTTPException) -> Response:
    """A method that an address does not know: which it knows, or why a page of another origin may not ask."""
    path, origin = _route_path(request), request.headers.get("origin")
    known = {method for route in _routes() if route.path == path for method in _methods(route)}
    allow = ", ".join(sorted(known)) or (error.headers or {})["Allow"]
    says = f"{request.url.path} does not know {request.method}, only {allow}: see {_here(request, '/docs')}"
    if request.method == "OPTIONS" and origin:
        says = web.not_open_to(origin)
    return JSONResponse(Problem(error=says).model_dump(), 405, {"Allow": allow})


def _routes() -> list[APIRoute]:
    return [route for route in router.routes if isinstance(route, APIRoute)]


def _methods(route: APIRoute) -> set[str]:
    methods = set(route.methods or ())
    return methods | {"HEAD"} if "GET" in methods else methods


def _route_path(request: Request) -> str:
    """The path that was asked for, without the prefix that a proxy strips."""
    return request.url.path.removeprefix(request.scope.get("root_path", ""))


def _here(request: Request, path: str) -> str:
    """The address of a path of this application on its server, behind whatever prefix a proxy strips."""
    return request.scope.get("root_path", "") + path


async def explain(request: Request, error: Exception) -> JSONResponse:
    """An error as an answer: a status and one sentence."""
    status, says, headers = reason(request, error)
    return JSONResponse(Problem(error=says).model_dump(), status, headers)


HANDLERS: dict[Any, Any] = {
    **dict.fromkeys(
        (RequestValidationError, HTTPException, CannotDraw, Busy, Closed, TooLate, Exception), explain
    ),
    404: nowhere,
    405: wrong_method,
}
"""How an error becomes an answer, by its class or status."""


def reason(request: Request | None, error: Exception) -> tuple[int, str, dict[str, str] | None]:
    """The status, the sentence and the headers for an error."""
    match error:
        case RequestValidationError():
            manual = _here(request, "/docs") if request else "/docs"
            return 422, sentence(error, manual), None
        case CannotDraw():
            return 422, str(error), None
        case Busy():
            return 429, str(error), {"Retry-After": str(error.seconds)}
        case Closed():
            return 503, "the server is shutting down: ask again in a moment, or ask another one", None
        case TooLate():
            return 504, f"{error}: ask for fewer sprites or steps, or later", None
        case HTTPException():
            return error.status_code, _http(request, error), dict(error.headers or {}) or None
    return 500, "something broke in the server: its log says what", None


def sentence(error: RequestValidationError, manual: str = "/docs") -> str:
    """The first thing that is wrong with a request, in words.

    >>> wrong = {"type": "less_than_equal", "loc": ("body", "n"), "msg": "Input should be less than 65", "input": 99}
    >>> sentence(RequestValidationError([wrong]))
    'n is 99: input should be less than 65'
    """
    first = error.errors()[0]
    says, field = re.sub(PARSER_WORDS, "", first["msg"]), ".".join(str(part) for part in first["loc"][1:])
    if first["type"] == "json_invalid":
        fault = f"{first['ctx']['error']}, at character {first['loc'][-1]}"
        return f'the body is not JSON: {fault}; an order looks like {{"class": "food"}}'
    if first["type"] == "value_error":
        return says.removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"{field!r} is not a field of an order: see {manual}"
    if not field:
        return 'the body must be a JSON object, such as {"class": "food"}'
    given = repr(first["input"])
    return f"{field} is {given if len(given) <= 40 else given[:40] + '...'}: {says[0].lower()}{says[1:]}"


def _http(request: Request | None, error: HTTPException) -> str:
    if request is None:
        return error.detail
    path, manual = request.url.path, f"see {_here(request, '/docs')}"
    says = {
        400: "the body is not UTF-8 text: send JSON",
        404: f"there is nothing at {path}: {manual}",
        413: f"the body is longer than {web.LONGEST_BODY} bytes: no order needs that",
    }
    return says.get(error.status_code, error.detail)


def _kept(request: Request, order: QueryOrder | SpriteOrder, how: str) -> tuple[dict[str, str], bool]:
    """The headers by which caches keep the answer to an order, and whether the client has it already."""
    if not order.lasting:
        return {"Cache-Control": "no-store"}, False
    tag = web.tag_of(request.app.state.studio.fingerprint, order.model_dump_json(exclude={"v"}))
    asked = ", ".join(request.headers.getlist("if-none-match"))
    return {"Cache-Control": how, "ETag": tag}, web.has_it(asked, tag)


async def _drawn(order: QueryOrder, request: Request) -> Response:
    """What was ordered, in its form; status `GONE` if the client does not wait for it."""
    job = request.app.state.studio.accept(order)
    sprites = await _unless_gone(request, job.sprites())
    if sprites is None:
        return Response(status_code=GONE)
    request.app.state.metrics.sprites.inc(order.n)
    try:
        return await asyncio.to_thread(_in_its_form, order, job.classes, sprites)
    except ValueError as error:
        raise CannotDraw(str(error)) from error


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of the work; None if the client goes away: then the work is cancelled, to make room for others.

    Raises:
        HTTPException: the client sends a body that GET does not need, and it is too long or does not end.
    """
    tasks = working, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else gone.result()
    finally:
        working.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _in_its_form(order: QueryOrder, classes: list[str], sprites: np.ndarray) -> Response:
    seed = {"Seed": str(order.seed)}
    sprites = cut_out(sprites) if order.transparent else sprites
    if order.format == "json":
        return JSONResponse(_one_by_one(order, classes, sprites).model_dump(), headers=seed)
    indexed = order.format == "indexed"
    picture = pictures.indexed_sheet(sprites) if indexed else pictures.sheet(sprites, order.scale)
    named = re.sub(r"[^\w-]+", "_", order.class_ or "sprites", flags=re.ASCII)  # a header holds no more
    name = f'inline; filename="{named}-{order.seed}.png"'
    return Response(picture, 200, {"Content-Disposition": name} | seed, "image/png")


def _one_by_one(order: Order, classes: list[str], sprites: np.ndarray) -> DrawnSprites:
    return DrawnSprites(sprites=pictures.each(sprites, classes, order.seeds))


async def _events(job: Job, metrics: Metrics) -> AsyncIterator[bytes]:
    order = job.order
    try:
        async for news in job:
            if isinstance(news, Preview):
                shown = await asyncio.to_thread(pictures.data_addresses, news.images)
                yield _event(
                    "preview", PreviewEvent(step=news.step, num_steps=job.config.num_steps, images=shown)
                )
            else:
                metrics.sprites.inc(order.n)
                yield _event("sprites", await asyncio.to_thread(_one_by_one, order, job.classes, news))
    except Exception as error:
        status, says, _ = reason(None, error)
        yield _event("problem", Problem(error=says))
        if status == 500:
            raise


def _event(kind: str, data: BaseModel) -> bytes:
    """With an id, which a browser that connects again sends back: see `stream`."""
    return format_sse_event(event=kind, data_str=data.model_dump_json(), id=kind)
