"""A small WSGI application that lets its clients wait, behind the real entry; granian runs it in the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from config import rsgi_waiting
from config.rsgi import Entry
from config.rsgi_request import Environ, Limits

rsgi_waiting.EVERY_SECONDS = 0.05  # type: ignore[misc]
rsgi_waiting.QUIET_SECONDS = 0.3  # type: ignore[misc]
LIMITS = Limits(threads=1, waiting=8)
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Asked:
    """How often each address was asked, by method and path."""

    times: dict[str, int] = {}


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """One address a way of waiting."""
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    times = Asked.times[f"{method} {path}"] = Asked.times.get(f"{method} {path}", 0) + 1
    headers = [("Content-Type", "application/json")]
    status, body = "200 OK", json.dumps({"times": times, "again": "almanac.again" in environ})
    if path in {"/third", "/v1/jobs/job_1"} and times < 3:
        headers.append(("X-Almanac-Hold", "5"))
    elif path in {"/never", "/v1/jobs/job_never"}:
        headers.append(("X-Almanac-Hold", "0.3"))
    elif path == "/begin":
        status, headers = "202 Accepted", [*headers, ("Location", "/v1/jobs/job_1")]
    elif path == "/begin-long":
        status, headers = "202 Accepted", [*headers, ("Location", "/v1/jobs/job_never")]
    elif path == "/stream":
        last = int(environ.get("HTTP_LAST_EVENT_ID", "0"))
        body = f"id: {last + 1}\n\n" if last < 3 else "end"
        headers = [("Content-Type", "text/event-stream")]
        if last < 3:
            headers.append(("X-Almanac-Follow", str(last + 1)))
    elif path == "/quiet":
        body, headers = "data: same\n\n", [("Content-Type", "text/event-stream"), ("X-Almanac-Follow", "1")]
    elif path == "/asked":
        body = json.dumps(Asked.times)
    start_response(status, headers)
    return [body.encode()]


app = Entry(lambda: application, LIMITS)
