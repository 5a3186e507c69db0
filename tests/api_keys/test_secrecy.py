"""What a thief finds of keys: in a dump of the database, in the logs, in the mails."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.core import mail
from django.db import connections

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.api_keys import services
from apps.console.instance import pg_tools
from apps.events import courier
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.accounts.browser import Browser
from tests.api_keys.conftest import program

ACME = "http://acme.localhost"
PASSWORD = "correct-horse-battery"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log as a terminal or a file would have it, every line of it."""
    root, written = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(written), root.level
    (ours,) = [
        each for each in root.handlers if isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)
    ]
    handler.setFormatter(ours.formatter)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def alice(committed: None) -> User:
    user = User(email="alice@acme.example")
    user.set_password(PASSWORD)
    user.save()
    Membership.objects.create(tenant_id=factories.tenant("acme").id, user=user, role=Role.OWNER)
    return user


def test_no_key_stands_in_the_database_the_logs_or_the_mails(alice: User, log: io.StringIO) -> None:
    texts = [*_by_the_pages(alice), *_by_the_api()]
    _used_in_every_way(texts)
    with system_scope("courier"):
        assert courier.deliver() >= 1
    places = {
        "the dump": _dump(),
        "the logs": log.getvalue(),
        "the mails": "".join(f"{each.subject}{each.body}{each.alternatives}" for each in mail.outbox),
    }
    assert len(set(texts)) == len(texts) == 7
    for place, content in places.items():
        assert "Canary" in content or place == "the logs", place
        for text in texts:
            secret = text.rpartition("_")[2][:27]
            found = [part for part in (text, secret, secret[:14], secret[14:]) if part in content]
            assert found == [], (place, [content[content.index(part) - 200 :][:300] for part in found])
    assert "v1/key" in places["the logs"]


def _by_the_pages(alice: User) -> list[str]:
    browser = Browser()
    browser.log_in(alice.email, PASSWORD)
    made = [
        browser.submit(
            f"{ACME}/api-keys/create/",
            {"name": f"Canary {mode}", "mode": mode, "access": "standard", "expires": "30"},
        )
        for mode in ("live", "test")
    ]
    listed = browser.visit(f"{ACME}/api-keys/").context["rows"]
    rotated = browser.submit(f"{ACME}/api-keys/{listed[0]['id']}/rotate/", {"overlap": "24"})
    return [each.context["text"] for each in (*made, rotated)]


def _by_the_api() -> list[str]:
    with tenant_scope(factories.tenant("acme").key):
        _, manager = services.create(name="Canary manager", scopes=["keys:manage", "usage:read"])
    client = program(manager)
    wish = {"name": "Canary restricted", "scopes": ["usage:read"]}
    made = client.post("/v1/keys", wish, content_type="application/json").json()
    rotated = client.post(f"/v1/keys/{made['id']}/rotate", {}, content_type="application/json").json()
    leaked = client.post(
        "/v1/keys", {**wish, "name": "Canary leaked"}, content_type="application/json"
    ).json()
    report = {"keys": [leaked["key"]], "source": "here", "url": f"https://paste.example/{leaked['key']}"}
    assert client.post("/v1/leaked-keys", report, content_type="application/json").status_code == 200
    return [manager, made["key"], rotated["key"], leaked["key"]]


def _used_in_every_way(texts: list[str]) -> None:
    """Rightly and wrongly: in the headers, in the address, in a path, in a body, as a name."""
    for text in texts:
        client = program(text)
        body: dict[str, Any] = {"name": text, "scopes": [text], "networks": [text], text: text}
        client.get("/v1/key")
        client.get(f"/v1/key?key={text}")
        client.get(f"/v1/{text}")
        client.get(f"/v1/keys/{text}")
        client.get("/v1/keys", headers={"X-Request-ID": text, "User-Agent": text})
        client.post("/v1/keys", body, content_type="application/json")
        client.post("/v1/keys", {"name": text}, content_type="application/json")
        client.post("/v1/keys", json.dumps(text)[:-1], content_type="application/json")
        client.post(
            "/v1/leaked-keys", {"keys": [text + "x"], "source": text}, content_type="application/json"
        )


def _dump() -> str:
    """The whole database, as a backup would have it."""
    with connections["owner"].cursor() as cursor:
        tool = pg_tools.find("pg_dump", cursor.connection.info.server_version)
    command = [str(tool.path), f"--dbname={os.environ['ALMANAC_OWNER_DSN']}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
