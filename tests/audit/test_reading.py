"""The log as people and programs read it: filters, the page, files, and the API."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from apps.accounts.permissions import Role
from apps.api_keys import services as api_keys
from apps.audit import services
from apps.audit.errors import InvalidFilter
from apps.audit.models import AuditEvent
from apps.core import request_context
from apps.core.request_context import Actor, RequestContext
from apps.core.tenancy import TenantKey
from apps.dashboard import audit_reading
from apps.dashboard.audit_views import readable
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.audit.conftest import seal
from tests.audit.test_audit import ALICE
from tests.dashboard.conftest import ACME, member

__all__ = ["member"]
Member = Callable[[Role], Browser]
FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture
def log(acme: TenantKey, globex: TenantKey) -> TenantKey:
    """Three events of acme's, and one of globex's."""
    bob = RequestContext("req-2", Actor("key", "9", "Till"))
    with request_context.bind(ALICE), tenant_scope(acme):
        services.record(
            action="model.promoted", target_type="model", target_id="sales", changes={"before": 1, "after": 2}
        )
        services.record(
            action="user.logged_in",
            outcome="failure",
            target_id=FORMULA,
            personal={"email": "eve@acme.example"},
        )
    with request_context.bind(bob), tenant_scope(acme):
        services.record(action="dataset.created", target_id="shop", changes={"name": "Shop"})
    with request_context.bind(ALICE), tenant_scope(globex):
        services.record(action="model.promoted", target_id="foreign")
    return acme


@pytest.fixture
def ask(log: TenantKey) -> Callable[..., Any]:
    """GET /v1/audit with a key of acme's that may read it."""
    with tenant_scope(log):
        _key, text = api_keys.create(name="Auditor", scopes=["audit:read"])

    def get(query: str = "", **headers: str) -> Any:
        return Client().get(
            f"/v1/audit{query}", headers={"host": "localhost", "Authorization": f"Bearer {text}", **headers}
        )

    return get


class TestFilter:
    """What an address can ask for."""

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({}, 3),
            ({"search": "ALICE"}, 2),
            ({"search": "%"}, 0),
            ({"action": "model.promoted"}, 1),
            ({"actor_type": "key"}, 1),
            ({"actor": "9"}, 1),
            ({"actor": "alice@acme.example"}, 2),
            ({"target": "sales"}, 1),
            ({"target": "foreign"}, 0),
            ({"request_id": "req-2"}, 1),
            ({"outcome": "failure"}, 1),
            ({"since": "2020-01-01", "until": "2020-12-31"}, 0),
            ({"since": "2020-01-01T00:00:00Z"}, 3),
            ({"search": "alice", "outcome": "success"}, 1),
        ],
    )
    def test_narrows(self, log: TenantKey, query: dict[str, str], found: int) -> None:
        with tenant_scope(log):
            events = audit_reading.queries.list_events(audit_reading.filter_of(query))
            assert events.exclude(action="tenant.created").count() == found

    def test_the_last_day_is_included(self) -> None:
        wanted = audit_reading.filter_of({"until": "2026-03-31"})
        assert wanted.until == datetime(2026, 4, 1, tzinfo=UTC)

    @pytest.mark.parametrize(
        "query",
        [
            {"since": "yesterday"},
            {"until": "9999-12-31"},
            {"since": "2026-02-30"},
            {"outcome": "maybe"},
            {"actor_type": "robot"},
            {"search": "\0"},
            {"search": "\ud800"},
            {"action": "a" * 201},
        ],
    )
    def test_refuses_what_cannot_be_meant(self, query: dict[str, str]) -> None:
        with pytest.raises(InvalidFilter):
            audit_reading.filter_of(query)


class TestPage:
    """What people see."""

    def test_shows_who_what_from_where_and_the_number(self, member: Member, log: TenantKey) -> None:
        page = member(Role.OWNER).visit(f"{ACME}/audit/?search=alice").content.decode()
        for text in (
            "alice@acme.example",
            "model.promoted",
            "sales",
            "127.0.0.9",
            "req-12345678",
            "Not sealed yet",
        ):
            assert text in page, text
        assert "eve@acme.example" in page
        assert "foreign" not in page
        assert seal() >= 3
        assert (
            "Not sealed yet" not in member(Role.ADMIN).visit(f"{ACME}/audit/?search=alice").content.decode()
        )

    def test_tells_of_a_filter_that_cannot_be_meant_and_keeps_what_was_typed(
        self, member: Member, log: TenantKey
    ) -> None:
        page = member(Role.OWNER).visit(f"{ACME}/audit/?since=yesterday&search=alice").content.decode()
        assert "must be a date" in page
        assert 'value="alice"' in page

    def test_a_file_holds_what_the_filter_shows_and_taking_it_is_noted(
        self, member: Member, log: TenantKey
    ) -> None:
        answer = member(Role.OWNER).visit(f"{ACME}/audit/export/?format=csv&search=alice")
        rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
        assert [row["action"] for row in rows] == ["user.logged_in", "model.promoted"]
        assert rows[0]["target_id"] == f"'{FORMULA}"
        assert json.loads(rows[1]["changes"]) == {"before": 1, "after": 2}
        assert answer["Content-Disposition"].startswith('attachment; filename="audit-20')
        with tenant_scope(log):
            event = AuditEvent.objects.select_related("personal").get(action="audit.exported")
        assert (event.changes, event.about_people["details"]) == ({"format": "csv"}, {"search": "alice"})

    def test_a_file_of_many_pieces_is_whole(
        self, member: Member, log: TenantKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit_reading, "BATCH", 2)
        answer = member(Role.OWNER).visit(f"{ACME}/audit/export/?format=ndjson")
        lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
        assert len({line["id"] for line in lines}) == len(lines) > 4
        assert lines == sorted(lines, key=lambda line: line["id"], reverse=True)

    @pytest.mark.parametrize("query", ["format=exe", "since=x"])
    def test_a_file_that_cannot_be_meant_is_refused(
        self, member: Member, acme: TenantKey, query: str
    ) -> None:
        assert member(Role.OWNER).visit(f"{ACME}/audit/export/?{query}").status_code == 400

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST, Role.DEVELOPER, Role.BILLING])
    def test_is_closed_to_those_who_may_not_read_it(
        self, member: Member, acme: TenantKey, role: Role
    ) -> None:
        browser = member(role)
        for path in ("", "export/"):
            assert browser.visit(f"{ACME}/audit/{path}").status_code == 403

    @pytest.mark.parametrize(
        ("changes", "rows"),
        [
            ({"before": {"a": 1, "b": 2}, "after": {"a": 1, "b": 3}}, [("b", "2", "3")]),
            ({"before": None, "after": {"plan": "team"}}, [("value", "–", "plan: team")]),
            (
                {"before": 1, "after": True, "why_so": ["x", None]},
                [("value", "1", "yes"), ("why so", "", "x, –")],
            ),
            ({}, []),
            ([1], [("value", "", "1")]),
        ],
    )
    def test_changes_are_told_in_words(self, changes: Any, rows: list[tuple[str, str, str]]) -> None:
        assert [(row["name"], row["before"], row["after"]) for row in readable(changes)] == rows


class TestApi:
    """``GET /v1/audit``."""

    def test_pages_through_all_newest_first(self, ask: Callable[..., Any]) -> None:
        first = ask("?limit=2").json()
        assert [row["action"] for row in first["data"]] == ["api_key.created", "dataset.created"]
        assert first["pagination"]["has_more"] is True
        rest = ask(f"?limit=50&cursor={first['pagination']['next_cursor']}").json()["data"]
        assert [row["action"] for row in rest][:2] == ["user.logged_in", "model.promoted"]
        assert rest[1]["actor"] == {"type": "user", "id": "7", "label": "alice@acme.example"}
        assert rest[1]["id"].startswith("evt_")

    @pytest.mark.parametrize("accept", ["application/x-ndjson", "text/csv"])
    def test_gives_files_by_accept(self, ask: Callable[..., Any], accept: str) -> None:
        answer = ask("?action=model.promoted", Accept=accept)
        assert answer["Content-Type"].startswith(accept)
        assert b"".join(answer.streaming_content).count(b"model.promoted") == 1

    @pytest.mark.parametrize(
        ("query", "code"), [("?outcome=maybe", "invalid_filter"), ("?limit=0", "invalid_page")]
    )
    @pytest.mark.parametrize("accept", ["application/json", "text/csv"])
    def test_refuses_what_cannot_be_meant(
        self, ask: Callable[..., Any], query: str, code: str, accept: str
    ) -> None:
        answer = ask(query, Accept=accept)
        if accept == "text/csv" and code == "invalid_page":
            assert answer.status_code == 200  # a file has no pages
            return
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer["Content-Type"] == "application/problem+json"

    def test_needs_its_scope(self, acme: TenantKey) -> None:
        with tenant_scope(acme):
            _key, text = api_keys.create(name="Other", scopes=["usage:read"])
        answer = Client().get("/v1/audit", headers={"host": "localhost", "Authorization": f"Bearer {text}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
