"""What keys.py does inside the application, with the environment of the web process of a running stack.

python keys_inside.py check KEY CALLS ROUNDS     CPU of calls with and without the check
python keys_inside.py make TENANT                a key for a while
python keys_inside.py revoke TENANT ID           revoke it; when that was committed
python keys_inside.py until-refused KEY          call without a pause until the key is refused; when that was
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import django

django.setup()

from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from apps.api_keys import access, freshness, services  # noqa: E402
from apps.api_keys.middleware import ApiKeyMiddleware  # noqa: E402
from apps.core import request_context  # noqa: E402
from apps.core.ids import parse_public_id, public_id  # noqa: E402
from apps.core.request_context import RequestContext  # noqa: E402
from tenants import queries  # noqa: E402
from tenants.context import tenant_scope  # noqa: E402

Ask = Callable[[], object]
WARM_UP = 300


def view(_request: HttpRequest) -> HttpResponse:
    """What stands behind the check."""
    return HttpResponse("ok")


def request_with(key: str) -> HttpRequest:
    request = RequestFactory().get("/v1/key", headers={"authorization": f"Bearer {key}"})
    request.tenant = None  # type: ignore[attr-defined] # the bare host, as the host middleware finds it
    return request


def check(key: str, calls: int, rounds: int) -> dict[str, Any]:
    """Microseconds of CPU a call: through the middleware with the key warm, past it in the same scope, and through
    it with nothing remembered."""
    middleware, request = ApiKeyMiddleware(view), request_with(key)
    ways = {
        "checked": lambda: middleware(request),
        "unchecked": unchecked(middleware, key, request),
        "looked_up": forgetting(lambda: middleware(request)),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    with request_context.bind(RequestContext(request_id="req_benchmark", ip="127.0.0.1")):
        wait_until_warm(ways["checked"])
        for _ in range(rounds):
            for name, ask in ways.items():
                wait_until_warm(ways["checked"])
                spent[name].append(cpu_us(ask, calls if name != "looked_up" else calls // 20))
        sql = {name: statements(ask) for name, ask in ways.items()}
    rows = {
        name: {"cpu_us": round(statistics.median(each), 2), "sql": sql[name]} for name, each in spent.items()
    }
    return {**rows, "check_ms": round((rows["checked"]["cpu_us"] - rows["unchecked"]["cpu_us"]) / 1000, 5)}


def unchecked(middleware: ApiKeyMiddleware, key: str, request: HttpRequest) -> Ask:
    """The view in the key's scope, with nothing asked about the key."""
    principal = access.authenticate(given=key)
    return lambda: middleware._as_principal(request, principal)


def forgetting(ask: Ask) -> Ask:
    """``ask`` in a process that remembers no key."""

    def run() -> None:
        freshness.memory.forget()
        ask()

    return run


def wait_until_warm(ask: Ask) -> None:
    end = time.monotonic() + 10
    while freshness.memory.state.fresh_until <= time.monotonic() and time.monotonic() < end:
        ask()
        time.sleep(0.01)
    for _ in range(WARM_UP):
        ask()


def cpu_us(ask: Ask, calls: int) -> float:
    gc.collect()
    began = time.thread_time()
    for _ in range(calls):
        ask()
    return (time.thread_time() - began) / calls * 1e6


def statements(ask: Ask) -> float:
    """SQL statements a call, over a hundred."""
    ask()
    with CaptureQueriesContext(connection) as seen:
        for _ in range(100):
            ask()
    return len(seen) / 100


def until_refused(key: str) -> float:
    """The moment of the first refusal; says "warm" once calls need no statement."""
    middleware, told, end = ApiKeyMiddleware(view), False, time.monotonic() + 30
    connection.force_debug_cursor = True
    with request_context.bind(RequestContext(request_id="req_benchmark", ip="127.0.0.1")):
        while time.monotonic() < end:
            connection.queries_log.clear()
            if middleware(request_with(key)).status_code != 200:
                return time.time()
            if not told and not connection.queries_log:
                told = True
                print("warm", flush=True)
            time.sleep(0.002)
    raise SystemExit("the key was never refused")


def main(words: list[str]) -> None:
    if words[0] == "check":
        print(json.dumps(check(words[1], int(words[2]), int(words[3]))))
    elif words[0] == "until-refused":
        print(until_refused(words[1]))
    else:
        tenant = queries.find_by_slug(slug=words[1])
        assert tenant is not None
        with tenant_scope(tenant.key):
            if words[0] == "make":
                row, text = services.create(name="Benchmark", scopes=["usage:read"])
                print(json.dumps({"id": public_id("key", row.id), "key": text}))
            else:
                services.revoke(key_id=parse_public_id("key", words[2]))
                print(json.dumps({"at": time.time()}))


if __name__ == "__main__":
    main(sys.argv[1:])
