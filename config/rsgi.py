"""The web process's entry: reads requests without holding a thread, then runs Django in a bounded pool.

A threaded WSGI server stops when as many slow clients connect as it has threads. Here the event loop reads
each body, with a deadline and a cap; a thread is taken only for a whole request. A large upload is asked about
first: the application sees its head alone, and what it would refuse anyway is refused before the body is read
(`apps.core.admission` is the other side). granian calls `app`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import io
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope  # type: ignore[attr-defined]

from config.rsgi_request import (
    Environ,
    Limits,
    Refused,
    declared_length,
    discard,
    make_environ,
    read_body,
)
from config.rsgi_waiting import Answer, ClientGone, Waiting

log = logging.getLogger(__name__)

WsgiApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,80}")
NO_BODY = {204, 304}
TITLES = {
    400: ("bad_request", "The request cannot be read"),
    408: ("request_timeout", "The body came too slowly"),
    413: ("too_large", "The body is too large"),
    500: ("internal", "Something failed on our side"),
    503: ("overloaded", "Too many requests at this moment"),
    507: ("disk_full", "The server cannot keep the body"),
}
QUESTION = "almanac.admission"  # the declared length (None: unknown) of a body that would come
ADMITTED = "almanac.admitted"  # the body came after the question was answered with 204
LIMIT = "almanac.limit"  # set by the application: at most so many bytes may come
LINGER_BYTES = 4 * 1024 * 1024
LINGER_SECONDS = 1.0


class Entry:
    """An RSGI application around a WSGI application, which is made when the process starts."""

    def __init__(self, load: Callable[[], WsgiApplication], limits: Limits) -> None:
        self._load = load
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="request")
        self._waiting = Waiting()
        self._running = 0
        self._application: WsgiApplication | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Import Django before the first request, and fail early when that fails."""
        self._application = self._load()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let running requests end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        if scope.proto != "http":
            protocol.close(400)  # type: ignore[attr-defined]
            return
        request_id = _request_id(scope)
        try:
            await self._answer(scope, protocol, request_id)
        except Refused as refusal:
            await _refuse(scope, protocol, refusal, request_id)
        except (ClientGone, ProtocolClosed, ProtocolError):
            log.info("client went away: %s %s", scope.method, scope.path)
        except Exception:
            log.exception("the application failed: %s %s", scope.method, scope.path)
            failure = Refused(500, f"It was noted under the request id {request_id}.")
            await _refuse(scope, protocol, failure, request_id)

    async def _answer(self, scope: Scope, protocol: HTTPProtocol, request_id: str) -> None:
        given = {"HTTP_X_REQUEST_ID": request_id}
        declared, cap = declared_length(scope), self._limits.cap(scope.method, scope.path)
        if self._asks_first(scope, declared):
            asked = make_environ(scope, io.BytesIO(), 0, self._limits) | given | {QUESTION: declared}
            answer = await self._in_pool(asked, protocol)
            if answer.status != 204:
                await _send_and_close(scope, protocol, answer)
                return
            given[ADMITTED] = "1"
            cap = min(cap, asked.get(LIMIT, cap))
        body, length = await read_body(protocol, declared, cap, self._limits)
        with contextlib.closing(body):
            environ = make_environ(scope, body, length, self._limits) | given
            answer = await self._in_pool(environ, protocol)
            ask = functools.partial(self._in_pool, protocol=protocol)
            answer = await self._waiting.settle(ask, environ, answer, protocol)
        if not answer.streamed:
            _send(scope, protocol, answer)

    def _asks_first(self, scope: Scope, declared: int | None) -> bool:
        large = declared is None or declared > self._limits.memory_bytes
        return large and self._limits.is_upload(scope.method, scope.path)

    async def _in_pool(self, environ: Environ, protocol: HTTPProtocol) -> Answer:
        if self._running >= self._limits.threads + self._limits.waiting:
            raise Refused(
                503, "Every worker of this server is busy. Try again shortly.", retry_after_seconds=1
            )
        assert self._application is not None, "granian calls __rsgi_init__ first"
        self._running += 1
        loop = asyncio.get_running_loop()
        # An empty context each: what one request leaves in a context variable, the next must not see.
        call = functools.partial(
            contextvars.Context().run, run_wsgi, self._application, environ, protocol, loop
        )
        try:
            return await loop.run_in_executor(self._pool, call)
        finally:
            self._running -= 1


def run_wsgi(
    application: WsgiApplication, environ: Environ, protocol: HTTPProtocol, loop: asyncio.AbstractEventLoop
) -> Answer:
    """Call the application in a thread of the pool; its iterable is closed whatever happens."""
    answer = Answer()
    result = application(environ, answer.start)
    try:
        if path := _file_path(result, answer):
            answer.file = path
        elif isinstance(result, list | tuple) or getattr(result, "streaming", True) is False:
            answer.body = b"".join(result)
        else:
            _stream(result, answer, environ["REQUEST_METHOD"], protocol, loop)
    finally:
        if close := getattr(result, "close", None):
            close()
    return answer


def _file_path(result: Any, answer: Answer) -> str | None:
    """The file behind a Django FileResponse: granian sends it itself, at the client's pace."""
    file = getattr(result, "file_to_stream", None)
    if not isinstance(file, io.BufferedReader) or answer.status != 200 or file.tell() != 0:
        return None
    name = file.name
    return os.path.abspath(name) if isinstance(name, str) and os.path.isfile(name) else None


def _stream(
    chunks: Iterable[bytes],
    answer: Answer,
    method: str,
    protocol: HTTPProtocol,
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Send chunks as they come. granian queues those not read yet: large data wants a FileResponse."""
    transport = None
    for chunk in chunks:
        if method == "HEAD" or answer.status in NO_BODY:
            return
        if transport is None:
            transport = protocol.response_stream(answer.status, answer.headers)
            answer.streamed = True
        if chunk:
            try:
                asyncio.run_coroutine_threadsafe(_send_chunk(transport, chunk), loop).result()
            except (ProtocolClosed, ProtocolError) as error:
                raise ClientGone from error


async def _send_chunk(transport: Any, chunk: bytes) -> None:
    await transport.send_bytes(chunk)


def _send(scope: Scope, protocol: HTTPProtocol, answer: Answer) -> None:
    if scope.method == "HEAD" or answer.status in NO_BODY:
        protocol.response_empty(answer.status, answer.headers)
    elif answer.file:
        protocol.response_file(answer.status, answer.headers, answer.file)
    else:
        protocol.response_bytes(answer.status, answer.headers, answer.body)


async def _send_and_close(scope: Scope, protocol: HTTPProtocol, answer: Answer) -> None:
    """What the application said instead of taking the body."""
    answer.headers.append(("connection", "close"))
    if not answer.streamed:
        _send(scope, protocol, answer)
    await _linger(scope, protocol)


async def _refuse(scope: Scope, protocol: HTTPProtocol, refusal: Refused, request_id: str) -> None:
    _send_problem(scope, protocol, refusal, request_id)
    if refusal.status != 408:  # who is that slow has nothing on its way
        await _linger(scope, protocol)


async def _linger(scope: Scope, protocol: HTTPProtocol) -> None:
    """A client that waits for our "continue" sends nothing that could be in the way."""
    if scope.headers.get("expect") is None:
        await discard(protocol, LINGER_BYTES, LINGER_SECONDS)


def _request_id(scope: Scope) -> str:
    given = scope.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"


def _send_problem(scope: Scope, protocol: HTTPProtocol, refusal: Refused, request_id: str) -> None:
    """RFC 9457, like the application. The connection ends: the rest of the body may still be coming."""
    code, title = TITLES[refusal.status]
    problem = {
        "type": f"/docs/problems#{code}",
        "title": title,
        "status": refusal.status,
        "detail": refusal.detail,
        "instance": scope.path,
        "code": code,
        "request_id": request_id,
        "retryable": refusal.status in {408, 503},
    }
    headers = [
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
        ("connection", "close"),
        ("x-request-id", request_id),
    ]
    if refusal.retry_after_seconds is not None:
        headers.append(("retry-after", str(refusal.retry_after_seconds)))
    with contextlib.suppress(ProtocolClosed, ProtocolError):
        protocol.response_bytes(refusal.status, headers, json.dumps(problem).encode())


def _load_django() -> WsgiApplication:
    from config.wsgi import application

    return application


app = Entry(_load_django, Limits.from_environment())
