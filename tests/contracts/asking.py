"""Calls of the table's lines, and what can be seen of their answers."""

from __future__ import annotations

import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.messages.storage.cookie import CookieStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.test import Client

from apps.core.ids import NAMES, parse_public_id
from tests.contracts.lines import PUBLIC, STRIPE, File, Line, resolve
from tests.contracts.world import Side
from tests.stripe_sim.running import SECRET

HOSTS: Final = {"acme": "acme.localhost", "globex": "globex.localhost", "bare": "localhost"}
# Something of Stripe's that concerns nobody here.
EVENT: Final = {
    "id": "evt_1",
    "object": "event",
    "type": "ping",
    "created": 1,
    "data": {"object": {"id": "x"}},
}
_TOKEN: Final = re.compile(r'(name="csrfmiddlewaretoken" value=|"x-csrftoken": ?)"[^"]+"', re.IGNORECASE)
_REQUEST: Final = re.compile(r"req_[0-9a-f]{32}")
_EACH_TIME: Final = {"X-Request-ID", "Date", "Expires", "Last-Modified"}
_COUNTED: Final = {"RateLimit", "Retry-After"}


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks where with what: ``key`` and ``cookies`` are what the caller has, ``instead`` other ids than the side's."""

    line: Line
    side: Side
    host: str
    method: str = ""
    key: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    extra_query: Mapping[str, str] = field(default_factory=dict)
    check_token: bool = False

    def ask(self) -> Any:
        """The answer; a crash of the program is a 500, not an exception."""
        client = Client(raise_request_exception=False, enforce_csrf_checks=self.check_token)
        for name, value in self.cookies.items():
            client.cookies[name] = value
        method, headers = self.method or self.line.methods[0], {"host": self.host}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        body, content_type = self._body()
        if self.line.needs == STRIPE:
            headers["stripe-signature"] = _signed(body)
        request = getattr(client, method.lower())
        query = {**self._resolved("query", self.line.query), **self.extra_query}
        if method in ("GET", "HEAD"):
            return _whole(request(self.path, query, headers=headers))
        sent = {"content_type": content_type} if content_type else {}
        return _whole(request(self.path, body, query_params=query or None, headers=headers, **sent))

    @property
    def path(self) -> str:
        """With the side's own ids, but for those given instead."""
        return self.line.fill(self._resolved("of", self.line.of))

    def _resolved(self, name: str, held: Any) -> Any:
        return resolve(name, held, self.side.things, self.instead)

    def _body(self) -> tuple[Any, str]:
        if self.line.needs == STRIPE:
            return json.dumps(EVENT), "application/json"
        if self.line.json is not None:
            return json.dumps(self._resolved("json", self.line.json)), "application/json"
        form = self._resolved("form", self.line.form or {})
        files = {name: value for name, value in form.items() if isinstance(value, File)}
        form |= {name: SimpleUploadedFile(file.name, file.text.encode()) for name, file in files.items()}
        if (self.method or self.line.methods[0]) != "POST":
            return "", "application/octet-stream"
        if self.line.is_api and self.line.form is None:
            return "{}", "application/json"
        return form, ""


def _whole(answer: Any) -> Any:
    """The answer with its file read and closed, as a browser would have it."""
    if answer.streaming:
        data = b"".join(answer.streaming_content)
        answer.close()
        answer.streaming_content = [data]
    return answer


def host_of(urlconf: str, slug: str) -> str:
    """A host that serves the URLconf: a tenant's, or the bare one."""
    return HOSTS["bare"] if urlconf == PUBLIC else HOSTS[slug]


def wrong(answer: Any, call: Call) -> list[str]:
    """What no answer may be, whoever asks: a crash, or an error of the API in another form than its own."""
    faults = []
    if answer.status_code >= 500:
        faults.append(f"answers {answer.status_code}: {text_of(answer)[:300]}")
    if call.line.is_api and answer.status_code >= 400:
        if answer["Content-Type"] != "application/problem+json":
            return [*faults, f"is no problem document but {answer['Content-Type']}"]
        body = answer.json()
        if not body.get("code") or body.get("request_id") != answer["X-Request-ID"]:
            faults.append(f"the problem document lacks a code or the request's id: {body}")
        if answer.status_code == 401 and answer.get("WWW-Authenticate") != "Bearer":
            faults.append("a 401 must name the scheme in WWW-Authenticate")
    return faults


def code_of(answer: Any) -> str:
    """The code of a problem document."""
    return str(answer.json().get("code")) if "json" in answer.get("Content-Type", "") else ""


def text_of(answer: Any) -> str:
    """The body, of a stream too."""
    data = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(data.decode(errors="replace"))


def seen(answer: Any, ids: Mapping[str, str]) -> dict[str, Any]:
    """All that a caller sees but what differs with each request; ``ids`` are blanked wherever they stand, as given or
    as the UUID inside."""

    def blank(text: str) -> str:
        for place, value in ids.items():
            text = text.replace(value, f"<{place}>").replace(_inner(value), f"<{place}>")
        return _REQUEST.sub("<request>", _TOKEN.sub("<token>", text))

    headers = {
        name: "" if name in _EACH_TIME else re.sub(r"\d+", "#", value) if name in _COUNTED else blank(value)
        for name, value in answer.headers.items()
    }
    cookies = {
        name: blank(_said(morsel.value)) if name == "messages" else ""
        for name, morsel in answer.cookies.items()
    }
    return {
        "status": answer.status_code,
        "headers": headers,
        "cookies": cookies,
        "body": blank(text_of(answer)),
    }


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What tells two answers apart, or '' where they are alike."""
    for name, value in one.items():
        if value != other[name]:
            there = value if isinstance(value, str) else str(value)
            here = str(other[name])
            at = next((i for i, (a, b) in enumerate(zip(there, here, strict=False)) if a != b), 0)
            return f"{name}: …{there[max(0, at - 40) : at + 80]!r} and …{here[max(0, at - 40) : at + 80]!r}"
    return ""


def _inner(value: str) -> str:
    """The UUID in the text of a public id; other text as it is."""
    prefix, _, _body = value.partition("_")
    return str(parse_public_id(prefix, value)) if prefix in NAMES else value


def _said(cookie: str) -> str:
    return "; ".join(str(message) for message in CookieStorage(HttpRequest())._decode(cookie) or [])


def _signed(payload: str) -> str:
    at = int(time.time())
    return f"t={at},v1={hmac.new(SECRET.encode(), f'{at}.{payload}'.encode(), 'sha256').hexdigest()}"
