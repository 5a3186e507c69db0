"""Where the time of a forecast goes: each step of the request timed by itself, in one thread, without a socket.

A step's figure leaves out the steps inside it, so the figures add up to the whole.
"""

from __future__ import annotations

import functools
import gc
import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

WARM_UP = 30


class Clock:
    """Self time by step, of the wall and of this thread's CPU; a step inside another is taken off the outer one."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.calls: defaultdict[str, int] = defaultdict(int)
        self._open: list[tuple[str, list[float]]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the block as `name`; SQL is counted under the step that sends it."""
        if name == "SQL":
            name = f"SQL of {self._open[-1][0]}" if self._open else name
        inside = [0.0, 0.0]
        self._open.append((name, inside))
        began = now()
        try:
            yield
        finally:
            taken = [end - start for end, start in zip(now(), began, strict=True)]
            self._open.pop()
            self.calls[name] += 1
            for index in (0, 1):
                self.spent[name][index] += taken[index] - inside[index]
                if self._open:
                    self._open[-1][1][index] += taken[index]

    def reset(self) -> None:
        """Forget what was counted."""
        self.spent.clear()
        self.calls.clear()

    def wrap(self, owner: Any, name: str, step: str) -> None:
        """Time every call of `owner.name`."""
        function: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.step(step):
                return function(*args, **kwargs)

        setattr(owner, name, timed)


def measure(request: dict[str, Any], count: int) -> dict[str, Any]:
    """Wall and CPU microseconds of each step of `{"key", "host", "body"}`, means over `count` requests."""
    clock = Clock()
    application = _instrumented(clock)
    ask = functools.partial(_ask, application, request)
    for _ in range(WARM_UP):
        ask()
    gc.collect()
    clock.reset()
    began = now()
    for _ in range(count):
        ask()
    whole = [(end - start) / count * 1e6 for end, start in zip(now(), began, strict=True)]
    steps = {name: [each / count * 1e6 for each in spent] for name, spent in clock.spent.items()}
    steps["Django's handler and WSGI"] = [whole[i] - sum(step[i] for step in steps.values()) for i in (0, 1)]
    return {
        "wall_us": round(whole[0], 1),
        "cpu_us": round(whole[1], 1),
        "sql_statements": sum(n for name, n in clock.calls.items() if name.startswith("SQL")) / count,
        "steps": {
            name: {"wall_us": round(wall, 1), "cpu_us": round(cpu, 1)}
            for name, (wall, cpu) in sorted(steps.items(), key=lambda item: -item[1][1])
        },
    }


def now() -> tuple[float, float]:
    """The wall's clock and this thread's CPU, in seconds."""
    return time.perf_counter(), time.thread_time()


def _instrumented(clock: Clock) -> Callable[..., Any]:
    """Django's WSGI application with the clock around its steps."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.utils.module_loading import import_string

    for path in settings.MIDDLEWARE:
        clock.wrap(import_string(path), "__call__", f"middleware {path.rpartition('.')[2]}")
    for owner, name, step in _places():
        clock.wrap(owner, name, step)
    application: Callable[..., Any] = get_wsgi_application()
    return application


def _places() -> list[tuple[Any, str, str]]:
    from django.urls.resolvers import URLResolver
    from rest_framework.renderers import JSONRenderer
    from rest_framework.views import APIView

    from apps.api_keys import access as keys
    from apps.core.api import StrictJSONParser
    from apps.core.middleware import RequestContextMiddleware
    from apps.forecasts import runtime, services
    from apps.forecasts.api import views
    from apps.forecasts.serving import predictor
    from apps.registry import queries as registry
    from apps.usage import services as usage
    from tenants.postgresql.base import DatabaseWrapper
    from tenants.postgresql.cursors import ScopedCursor

    return [
        (RequestContextMiddleware, "_log", "log line"),
        (URLResolver, "resolve", "URL resolving"),
        (APIView, "dispatch", "DRF"),
        (views.Forecasts, "dispatch", "view"),
        (StrictJSONParser, "parse", "parse JSON"),
        (JSONRenderer, "render", "render JSON"),
        (keys, "authenticate", "key"),
        (views, "parse", "check the request"),
        (registry, "get_champion", "champion"),
        (runtime, "bundle_of", "bundle"),
        (predictor, "predict", "predict"),
        (services, "receipt_of", "receipt"),
        (usage, "charge", "ledger"),
        (services.Answer, "as_json", "answer as plain values"),
        (DatabaseWrapper, "connect", "connection from the pool"),
        (DatabaseWrapper, "close", "connection to the pool"),
        (ScopedCursor, "execute", "SQL"),
    ]


def _ask(application: Callable[..., Any], request: dict[str, Any]) -> None:
    body = json.dumps(request["body"]).encode()
    host, _, port = request["host"].partition(":")
    environ = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/v1/forecasts", "QUERY_STRING": "",
        "SERVER_NAME": host, "SERVER_PORT": port, "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json", "HTTP_HOST": request["host"],
        "HTTP_AUTHORIZATION": f"Bearer {request['key']}", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(), "wsgi.multithread": True,
        "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    statuses: list[str] = []
    response = application(environ, lambda status, _headers: statuses.append(status))
    content = b"".join(response)
    response.close()
    assert statuses == ["200 OK"], content[:500]
