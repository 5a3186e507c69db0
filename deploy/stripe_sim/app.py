"""The ASGI application: Stripe's API under /v1, the hosted pages, and a health check."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.routing import Route as WebRoute
from starlette.staticfiles import StaticFiles

from . import API_VERSION, pages
from .errors import ApiError, IdempotencyMismatch, InvalidRequest, Unauthenticated
from .ids import new_id
from .params import decode
from .resources import ROUTES
from .routing import Call, Route
from .store import Remembered
from .webhooks import Sender
from .world import World

_IDEMPOTENCY_SECONDS = 86_400
_LARGEST_BODY_BYTES = 1_000_000
_HOSTS = ["127.0.0.1", "localhost", "[::1]", "testserver"]
Endpoint = Callable[[Request], Awaitable[Response]]


def build(world: World, sender: Sender) -> Starlette:
    """The application for one simulated account; `sender` runs while it serves."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sender.start()
        yield
        await run_in_threadpool(sender.stop)
        world.store.close()

    static = StaticFiles(directory=Path(pages.__file__).parent / "static")
    routes: list[BaseRoute] = [
        WebRoute(route.path, _api(world, sender, route), methods=[route.method]) for route in ROUTES
    ]
    routes += pages.routes(world, sender.ring)
    routes += [
        WebRoute("/livez", _alive),
        Mount("/static", static),
        WebRoute("/{path:path}", _unknown, methods=_METHODS),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False)
    return Starlette(routes=routes, lifespan=lifespan, middleware=[hosts])


_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def _api(world: World, sender: Sender, route: Route) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        request_id = new_id("req")
        status, text, replayed = await run_in_threadpool(_answer, world, route, request, body, request_id)
        sender.ring()
        headers = {
            "Request-Id": request_id,
            "Stripe-Version": request.headers.get("stripe-version", API_VERSION),
        }
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(text, status, headers, media_type="application/json")

    return endpoint


def _answer(
    world: World, route: Route, request: Request, body: bytes, request_id: str
) -> tuple[int, str, bool]:
    """Status, JSON text, and whether it is a replay under an Idempotency-Key."""
    try:
        _authenticate(request)
        if len(body) > _LARGEST_BODY_BYTES:
            raise InvalidRequest("The request is too large.")
        key = request.headers.get("idempotency-key") if route.method == "POST" else None
        with world.store.transaction():
            world.request = {"id": request_id, "idempotency_key": key}
            try:
                return _once(world, route, request, body, key)
            finally:
                world.request = {"id": None, "idempotency_key": None}
    except ApiError as problem:
        return problem.status, json.dumps(problem.body()), False


def _once(
    world: World, route: Route, request: Request, body: bytes, key: str | None
) -> tuple[int, str, bool]:
    fingerprint = hashlib.sha256(b"\n".join([request.url.path.encode(), body])).hexdigest()
    earlier = world.store.recall(key) if key else None
    if earlier is not None:
        if earlier.fingerprint != fingerprint:
            raise IdempotencyMismatch(
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request."
            )
        return earlier.status, earlier.body, True
    encoded = body.decode("utf-8", "replace") if route.method == "POST" else request.url.query
    call = Call(
        decode(encoded), {name: str(value) for name, value in request.path_params.items()}, request.url.path
    )
    text = json.dumps(route.answer(world, call))
    if key:
        kept = Remembered(fingerprint, 200, text)
        world.store.remember(key, kept, now=world.now(), life_seconds=_IDEMPOTENCY_SECONDS)
    return 200, text, False


def _authenticate(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Unauthenticated("You did not provide an API key: use 'Authorization: Bearer sk_test_…'.")
    if not key.startswith("sk_test_"):
        raise Unauthenticated("This is Almanac's simulator: it takes keys that begin with sk_test_ only.")


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "ok", "simulator": True, "api_version": API_VERSION})


async def _unknown(request: Request) -> Response:
    message = (
        f"Unrecognized request URL ({request.method}: {request.url.path}), or one that is not simulated."
    )
    return JSONResponse(InvalidRequest(message).body(), 404)
