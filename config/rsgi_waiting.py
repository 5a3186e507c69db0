"""Answers that wait for a better one, and streams that go on: the application is called again and again.

Between two calls neither a thread nor a connection to the database is held. `apps.core.holding` is the other side.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError  # type: ignore[attr-defined]

from config.rsgi_request import HOP_BY_HOP, Environ

Headers = list[tuple[str, str]]

AGAIN: Final = "almanac.again"
HOLD: Final = "x-almanac-hold"
FOLLOW: Final = "x-almanac-follow"
EVERY_SECONDS: Final = 0.5
QUIET_SECONDS: Final = 15.0  # after so long without news a comment shows that the stream is alive
STREAM_SECONDS: Final = 600.0  # then the client asks again, with the id of what it heard last
MOST: Final = 500  # that wait at the same time in this process; who comes then is answered at once
JOBS: Final = "/v1/jobs/"
WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})")


class ClientGone(Exception):
    """Nobody reads the answer any more."""


@dataclass
class Answer:
    """What the WSGI application answered; `body` or `file` holds it unless it was streamed."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    file: str | None = None
    streamed: bool = False

    def start(self, status: str, headers: Headers, _error: Any = None) -> None:
        """WSGI's `start_response`."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower(), value) for name, value in headers if name.lower() not in HOP_BY_HOP]

    def header(self, name: str) -> str | None:
        """The value of a header of ours, by its lower-case name."""
        return next((value for each, value in self.headers if each == name), None)

    def take(self, name: str) -> str | None:
        """As `header`, and the client does not see it."""
        value = self.header(name)
        self.headers = [each for each in self.headers if each[0] != name]
        return value


Ask = Callable[[Environ], Awaitable[Answer]]


class Waiting:
    """What waits in this process."""

    def __init__(self) -> None:
        self._count = 0

    async def settle(self, ask: Ask, environ: Environ, answer: Answer, protocol: HTTPProtocol) -> Answer:
        """The best answer that comes in the time that the client, or the view, gives; streams are sent here."""
        if answer.streamed or self._count >= MOST:
            return _plain(answer)
        with self._counted():
            if answer.header(FOLLOW) is not None and environ["REQUEST_METHOD"] == "GET":
                return await _stream(ask, environ, answer, protocol)
            if answer.header(HOLD) is not None:
                return _plain(await _hold(ask, environ, answer, float(answer.header(HOLD) or 0)))
            if answer.status == 202 and (seconds := _preferred(environ)):
                return _plain(await _hold_job(ask, environ, answer, seconds))
        return _plain(answer)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


def _plain(answer: Answer) -> Answer:
    answer.take(HOLD)
    answer.take(FOLLOW)
    return answer


async def _hold(ask: Ask, environ: Environ, answer: Answer, seconds: float) -> Answer:
    end = time.monotonic() + seconds
    while answer.header(HOLD) is not None and time.monotonic() < end:
        await asyncio.sleep(min(EVERY_SECONDS, max(0.0, end - time.monotonic())))
        answer = await ask(environ | {AGAIN: "1", "wsgi.input": io.BytesIO()})
    return answer


async def _hold_job(ask: Ask, environ: Environ, answer: Answer, seconds: int) -> Answer:
    """RFC 7240: the job that was begun, if it ends in time; else the answer that it was begun."""
    address = answer.header("location") or ""
    if not address.startswith(JOBS):
        return answer
    asked = environ | {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": address,
        "QUERY_STRING": f"wait={min(seconds, 60)}",
        "CONTENT_LENGTH": "0",
        "wsgi.input": io.BytesIO(),
        AGAIN: "1",
    }
    asked.pop("CONTENT_TYPE", None)
    asked.pop("HTTP_IDEMPOTENCY_KEY", None)
    job = await _hold(ask, asked, await ask(asked), min(seconds, 60))
    if job.status != 200 or job.header(HOLD) is not None:
        return answer
    job.headers += [("preference-applied", f"wait={seconds}"), ("content-location", address)]
    return job


def _preferred(environ: Environ) -> int:
    found = WAIT.search(environ.get("HTTP_PREFER", ""))
    return int(found.group(1)) if found else 0


async def _stream(ask: Ask, environ: Environ, answer: Answer, protocol: HTTPProtocol) -> Answer:
    last = answer.take(FOLLOW)
    transport = protocol.response_stream(answer.status, answer.headers)
    gone = asyncio.ensure_future(protocol.client_disconnect())
    said, said_at, began = answer.body, time.monotonic(), time.monotonic()
    try:
        await transport.send_bytes(said)
        while last is not None and time.monotonic() - began < STREAM_SECONDS:
            if (await asyncio.wait({gone}, timeout=EVERY_SECONDS))[0]:
                raise ClientGone
            again = await ask(environ | {AGAIN: "1", "HTTP_LAST_EVENT_ID": last, "wsgi.input": io.BytesIO()})
            if again.status != 200:  # the key was revoked, or the server is about to end
                break
            last = again.take(FOLLOW)
            if again.body != said:
                said, said_at = again.body, time.monotonic()
                await transport.send_bytes(said)
            elif time.monotonic() - said_at > QUIET_SECONDS:
                said_at = time.monotonic()
                await transport.send_bytes(b": nothing new\n\n")
    except (ProtocolClosed, ProtocolError) as error:
        raise ClientGone from error
    finally:
        gone.cancel()
    answer.streamed = True
    return answer
