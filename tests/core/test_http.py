"""Health, the content security policy, and log lines without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.db import DatabaseError
from django.test import Client
from redis import ConnectionError as RedisAway

from apps.core import redis, views
from config import logs

BARE = {"host": "localhost"}
SECRETS = {
    "key": "alm_live_abcdefgh_0123456789abcdefghijABCDEFGHIJ012345",
    "webhook": "whsec_c2VjcmV0",
    "stripe": "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "url": "postgresql://app:hunter2@db/almanac",
    "url without a user": "redis://:hunter2@cache:6379/0",
    "dsn": "host=db password=hunter2 dbname=almanac",
}
HIDDEN = ("0123456789abcdefghij", "c2VjcmV0", "4eC39HqLyj", "hunter2")


class TestHealth:
    """What a probe is told."""

    def test_alive_asks_nobody(self, django_assert_num_queries: Any, db: None) -> None:
        with django_assert_num_queries(0):
            assert Client(headers=BARE).get("/livez").json() == {"status": "ok"}

    def test_ready_when_database_and_redis_answer(self, db: None) -> None:
        answer = Client(headers=BARE).get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")

    def test_degraded_but_serving_without_redis(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> None:
            raise RedisAway("nobody there")

        monkeypatch.setattr(redis.client(), "ping", away)
        answer = Client(headers=BARE).get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["checks"]["redis"].startswith("unavailable")

    def test_not_ready_without_the_database(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> None:
            raise DatabaseError("password=hunter2")

        with monkeypatch.context() as while_it_is_away:
            while_it_is_away.setattr(views.connection, "cursor", away)
            answer = Client(headers=BARE).get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert "hunter2" not in answer.content.decode()


class TestContentSecurityPolicy:
    """What a page may load."""

    @pytest.mark.parametrize("address", ["/", "/login/", "/signup/", "/nothing-here/", "/livez"])
    def test_stands_on_every_answer_and_allows_nothing_inline(self, db: None, address: str) -> None:
        policy = Client(headers=BARE).get(address)["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'; img-src 'self' data:; object-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "form-action 'self' http://localhost:" in policy

    def test_pages_forbid_frames_and_guessing_of_types(self, db: None) -> None:
        answer = Client(headers=BARE).get("/")
        assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == ("DENY", "nosniff")


@pytest.fixture(params=["json", "console"])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Log lines in one of the two formats, as a process would write them."""
    root = logging.getLogger()
    handlers, level, before = list(root.handlers), root.level, structlog.get_config()
    logs.configure(request.param, "INFO")
    out = io.StringIO()
    our = root.handlers[0]
    assert isinstance(our, logging.StreamHandler)
    our.setStream(out)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


class TestLogs:
    """No line holds a secret."""

    @pytest.mark.parametrize("name", sorted(SECRETS))
    def test_a_secret_in_a_text_is_blanked(self, lines: io.StringIO, name: str) -> None:
        structlog.get_logger("tests.logs").info("connecting", to=f"<{SECRETS[name]}>")
        logging.getLogger("some.library").warning("connecting to %s", SECRETS[name])
        written = lines.getvalue()
        assert written.count("[redacted]") == 2
        assert not [hidden for hidden in HIDDEN if hidden in written]

    @pytest.mark.parametrize(
        "name", ["password", "Authorization", "api_key", "stripe_secret", "owner_dsn", "csrf_token"]
    )
    def test_a_value_whose_name_says_secret_is_blanked(self, lines: io.StringIO, name: str) -> None:
        structlog.get_logger("tests.logs").info("event", **{name: "hunter2", "fencing_token": 7})
        assert "hunter2" not in lines.getvalue()
        assert "7" in lines.getvalue()

    def test_secrets_inside_lists_and_objects_are_blanked(self, lines: io.StringIO) -> None:
        nested = {"headers": {"Authorization": "hunter2"}, "urls": [SECRETS["url"]]}
        structlog.get_logger("tests.logs").info("event", request=nested)
        assert "hunter2" not in lines.getvalue()

    def test_a_secret_in_a_traceback_is_blanked(self, lines: io.StringIO) -> None:
        try:
            raise ValueError(SECRETS["url"])
        except ValueError:
            structlog.get_logger("tests.logs").exception("failed")
            logging.getLogger("some.library").exception("failed")
        assert lines.getvalue().count("ValueError: postgresql://[redacted]@db/almanac") == 2
        assert "hunter2" not in lines.getvalue()

    def test_lines_carry_the_request(self, lines: io.StringIO, db: None) -> None:
        Client(headers={**BARE, "x-request-id": "req-12345678"}).get("/login/?password=hunter2")
        written = lines.getvalue()
        assert "req-12345678" in written
        assert "hunter2" not in written, "addresses are logged without their query"
        if written.startswith("{"):
            line = json.loads(written.splitlines()[-1])
            assert (line["event"], line["method"], line["status"]) == ("request", "GET", 200)
