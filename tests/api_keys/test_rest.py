"""``/v1/keys``: made, listed, changed, rotated and revoked by keys that may; nobody hands on more than they have."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.api_keys.models import ApiKey
from apps.api_keys.scopes import STANDARD
from apps.audit.models import AuditEvent
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from tenants.context import tenant_scope
from tests.api_keys.conftest import Made, emitted, program

pytestmark = pytest.mark.django_db
MakeKey = Callable[..., Made]


@pytest.fixture
def manager(make_key: MakeKey, acme: TenantKey) -> Client:
    """A program of acme's whose key may manage keys, and everything that a standard one may."""
    return program(make_key(acme, name="Manager", scopes=["keys:manage", *STANDARD])[1])


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(path, body, content_type="application/json")


def make(client: Client, **body: Any) -> Any:
    return send(client, "post", "/v1/keys", {"name": "Shop", **body})


def rotate(client: Client, key_id: str, **body: Any) -> Any:
    return send(client, "post", f"/v1/keys/{key_id}/rotate", body)


class TestMaking:
    """``POST /v1/keys``."""

    def test_shows_the_text_once(self, manager: Client) -> None:
        answer = make(manager)
        body = answer.json()
        assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
        assert answer["Location"] == f"/v1/keys/{body['id']}"
        assert program(body["key"]).get("/v1/key").json()["name"] == "Shop"
        assert (body["kind"], body["mode"], set(body["scopes"])) == ("standard", "live", set(STANDARD))
        again = manager.get(answer["Location"])
        assert body["key"] not in again.content.decode()
        assert "key" not in again.json()

    def test_lasts_a_year_unless_told(self, manager: Client) -> None:
        ends = parse_datetime(make(manager).json()["expires_at"])
        assert ends is not None
        assert abs(ends - timezone.now() - timedelta(days=365)) < timedelta(minutes=1)
        assert make(manager, expires_at=None).json()["expires_at"] is None

    def test_takes_all_settings(self, manager: Client) -> None:
        wishes = {
            "mode": "test",
            "scopes": ["usage:read", "forecasts:run"],
            "networks": ["127.0.0.1", "2001:db8::/32"],
            "requests_per_minute": 60,
            "points_per_month": 5000,
            "expires_at": "2099-01-01T00:00:00Z",
        }
        body = make(manager, **wishes).json()
        assert body["key"].startswith("alm_rk_test_")
        assert {name: body[name] for name in wishes} == {
            **wishes,
            "scopes": ["forecasts:run", "usage:read"],
            "networks": ["127.0.0.1/32", "2001:db8::/32"],
        }
        told = program(body["key"]).get("/v1/key").json()
        same = set(body) - {"key", "last_used_at", "last_used_ip"}
        assert {name: told[name] for name in same} == {name: body[name] for name in same}
        assert told["tenant"]["slug"] == "acme"

    @pytest.mark.parametrize(
        ("body", "status", "pointer"),
        [
            ({"name": ""}, 400, "/name"),
            ({"name": "x" * 81}, 422, "/name"),
            ({"scopes": []}, 422, "/scopes"),
            ({"scopes": ["everything"]}, 422, "/scopes"),
            ({"scopes": "usage:read"}, 400, "/scopes"),
            ({"mode": "dry"}, 400, "/mode"),
            ({"networks": ["10.0.0.0/8", "nowhere"]}, 422, "/networks/1"),
            ({"requests_per_minute": 0}, 400, "/requests_per_minute"),
            ({"points_per_month": -1}, 400, "/points_per_month"),
            ({"expires_at": "2001-01-01T00:00:00Z"}, 422, "/expires_at"),
            ({"expires_at": "soon"}, 400, "/expires_at"),
            ({"colour": "red"}, 400, "/colour"),
        ],
    )
    def test_points_at_what_is_wrong(
        self, manager: Client, acme: TenantKey, body: dict[str, Any], status: int, pointer: str
    ) -> None:
        answer = make(manager, **body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
        with tenant_scope(acme):
            assert ApiKey.objects.count() == 1

    @pytest.mark.parametrize("body", [[], "x", 1, None])
    def test_takes_only_an_object(self, manager: Client, body: Any) -> None:
        assert send(manager, "post", "/v1/keys", body).status_code == 400

    def test_needs_the_scope(self, make_key: MakeKey, acme: TenantKey) -> None:
        answer = make(program(make_key(acme, scopes=None)[1]))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


class TestCeilings:
    """A key can only hand on what it has itself."""

    @pytest.mark.parametrize(
        ("own", "asked", "pointer"),
        [
            ({"scopes": ["keys:manage", "usage:read"]}, {}, "/scopes"),
            ({"scopes": ["keys:manage"]}, {"scopes": ["audit:read"]}, "/scopes"),
            ({"mode": "test"}, {"mode": "live"}, "/mode"),
            ({"networks": ["127.0.0.0/8"]}, {}, "/networks"),
            ({"networks": ["127.0.0.0/8"]}, {"networks": ["0.0.0.0/0"]}, "/networks"),
            ({"requests_per_minute": 100}, {}, "/requests_per_minute"),
            ({"points_per_month": 100}, {"points_per_month": 101}, "/points_per_month"),
            (
                {"expires_at": timezone.now() + timedelta(days=2)},
                {"expires_at": "2099-01-01T00:00:00Z"},
                "/expires_at",
            ),
        ],
    )
    def test_more_is_refused(
        self, make_key: MakeKey, acme: TenantKey, own: dict[str, Any], asked: dict[str, Any], pointer: str
    ) -> None:
        _, key = make_key(acme, **{"scopes": ["keys:manage", *STANDARD], **own})
        answer = make(program(key), **asked)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, pointer)

    def test_as_much_is_given(self, make_key: MakeKey, acme: TenantKey) -> None:
        own = {"networks": ["127.0.0.0/8"], "requests_per_minute": 100, "points_per_month": 100}
        _, key = make_key(acme, scopes=["keys:manage", "usage:read"], mode="test", **own)
        asked = {**own, "networks": ["127.0.0.0/9"], "scopes": ["usage:read"], "mode": "test"}
        assert make(program(key), **asked).status_code == 201

    def test_a_key_does_not_outlive_its_maker_by_default(self, make_key: MakeKey, acme: TenantKey) -> None:
        ends = timezone.now() + timedelta(days=2)
        _, key = make_key(acme, scopes=["keys:manage", *STANDARD], expires_at=ends)
        assert parse_datetime(make(program(key)).json()["expires_at"]) == ends

    def test_a_stronger_key_cannot_be_rotated_into_ones_own_hands(
        self, manager: Client, make_key: MakeKey, acme: TenantKey
    ) -> None:
        row, _ = make_key(acme, scopes=["audit:read"])
        answer = rotate(manager, public_id("key", row.id))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_not_yours")
        row.refresh_from_db()
        assert row.replaced_by is None

    def test_a_key_cannot_free_itself(self, make_key: MakeKey, acme: TenantKey) -> None:
        row, key = make_key(
            acme, scopes=["keys:manage"], networks=["127.0.0.1"], requests_per_minute=9, points_per_month=9
        )
        path = f"/v1/keys/{public_id('key', row.id)}"
        for change in ({"networks": []}, {"requests_per_minute": None}, {"points_per_month": 10}):
            assert send(program(key), "patch", path, change).status_code == 403
        assert send(program(key), "patch", path, {"name": "Free"}).status_code == 200


class TestReading:
    """``GET /v1/keys``."""

    def test_is_paged_newest_first_and_shows_no_secret(
        self, manager: Client, make_key: MakeKey, acme: TenantKey, globex: TenantKey
    ) -> None:
        made = [make_key(acme, name=str(number)) for number in range(3)]
        make_key(globex, name="Foreign")
        first = manager.get("/v1/keys?limit=2")
        names = [key["name"] for key in first.json()["data"]]
        rest = manager.get(f"/v1/keys?cursor={first.json()['pagination']['next_cursor']}")
        names += [key["name"] for key in rest.json()["data"]]
        assert names == ["2", "1", "0", "Manager"]
        both = first.content.decode() + rest.content.decode()
        assert not any(text.rpartition("_")[2] in both or row.digest in both for row, text in made)

    def test_is_narrowed_by_state_and_search(
        self, manager: Client, make_key: MakeKey, acme: TenantKey
    ) -> None:
        row, _ = make_key(acme, name="Till")
        manager.delete(f"/v1/keys/{public_id('key', row.id)}")
        assert [key["name"] for key in manager.get("/v1/keys?state=active").json()["data"]] == ["Manager"]
        assert [key["name"] for key in manager.get("/v1/keys?state=ended").json()["data"]] == ["Till"]
        assert [key["name"] for key in manager.get("/v1/keys?search=anag").json()["data"]] == ["Manager"]
        found = manager.get(f"/v1/keys?search={row.public_id}").json()["data"]
        assert [key["id"] for key in found] == [public_id("key", row.id)]

    def test_another_tenants_key_is_answered_like_none(
        self, manager: Client, make_key: MakeKey, globex: TenantKey
    ) -> None:
        row, _ = make_key(globex)
        for method, end, body in (
            ("get", "", None),
            ("patch", "", {"name": "Mine"}),
            ("delete", "", None),
            ("post", "/rotate", {}),
        ):
            told = []
            for key_id in (public_id("key", row.id), public_id("key", uuid.uuid4())):
                answer = send(manager, method, f"/v1/keys/{key_id}{end}", body)
                problem = {name: value for name, value in answer.json().items() if name != "request_id"}
                told.append((answer.status_code, str(problem).replace(key_id, "ID")))
            assert told[0] == told[1]
            assert told[0][0] == 404
        row.refresh_from_db()
        assert (row.name, row.revoked_at, row.replaced_by) == ("Test", None, None)


class TestChanging:
    """``PATCH`` and ``DELETE``."""

    def test_changes_what_is_named_and_writes_before_and_after(
        self, manager: Client, acme: TenantKey
    ) -> None:
        made = make(manager, requests_per_minute=5).json()
        changes = {"name": "Till", "networks": ["127.0.0.1"], "requests_per_minute": None}
        answer = send(manager, "patch", f"/v1/keys/{made['id']}", changes)
        assert answer.status_code == 200
        assert (answer.json()["name"], answer.json()["requests_per_minute"]) == ("Till", None)
        with tenant_scope(acme):
            (event,) = AuditEvent.objects.filter(action="api_key.changed")
        assert event.changes["before"] == {"name": "Shop", "networks": [], "requests_per_minute": 5}
        assert event.changes["after"]["networks"] == ["127.0.0.1/32"]
        assert event.actor_type == "key"
        told = program(made["key"]).get("/v1/key").json()
        assert (told["name"], told["networks"]) == ("Till", ["127.0.0.1/32"])

    def test_the_same_again_writes_nothing(self, manager: Client, acme: TenantKey) -> None:
        made = make(manager).json()
        assert send(manager, "patch", f"/v1/keys/{made['id']}", {"name": "Shop"}).status_code == 200
        with tenant_scope(acme):
            assert not AuditEvent.objects.filter(action="api_key.changed").exists()

    def test_scopes_and_end_cannot_be_changed(self, manager: Client) -> None:
        path = f"/v1/keys/{make(manager).json()['id']}"
        for change in ({"scopes": ["usage:read"]}, {"expires_at": None}, {"mode": "test"}):
            assert send(manager, "patch", path, change).status_code == 400

    def test_deleting_revokes_at_once_and_twice_changes_nothing(self, manager: Client) -> None:
        made = make(manager).json()
        first = manager.delete(f"/v1/keys/{made['id']}")
        assert (first.status_code, first.json()["state"]) == (200, "revoked")
        assert program(made["key"]).get("/v1/key").json()["code"] == "api_key_revoked"
        assert manager.delete(f"/v1/keys/{made['id']}").json() == first.json()
        refused = send(manager, "patch", f"/v1/keys/{made['id']}", {"name": "x"})
        assert (refused.status_code, refused.json()["code"]) == (409, "api_key_ended")


class TestRotating:
    """``POST …/rotate``."""

    def test_both_texts_work_and_the_old_one_says_until_when(self, manager: Client) -> None:
        old = make(manager, networks=["127.0.0.1"], points_per_month=7, scopes=["usage:read"]).json()
        answer = rotate(manager, old["id"])
        new = answer.json()
        assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
        assert new["replaces"]["id"] == old["id"]
        settings = ("name", "mode", "kind", "scopes", "networks", "requests_per_minute", "points_per_month")
        assert {name: new[name] for name in settings} == {name: old[name] for name in settings}
        assert new["key"] != old["key"]
        fresh, ending = program(new["key"]).get("/v1/key"), program(old["key"]).get("/v1/key")
        assert (fresh.status_code, ending.status_code) == (200, 200)
        assert "Deprecation" not in fresh.headers
        assert ending["Deprecation"].startswith("@")
        assert ending["Sunset"].endswith("GMT")
        assert (ending.json()["state"], ending.json()["replaced_by"]) == ("rotating", new["id"])
        until = parse_datetime(new["replaces"]["rotating_until"])
        assert until is not None
        assert abs(until - timezone.now() - timedelta(hours=24)) < timedelta(minutes=1)

    def test_without_an_overlap_the_old_text_stops_at_once(self, manager: Client) -> None:
        old = make(manager).json()
        assert rotate(manager, old["id"], overlap_seconds=0).status_code == 201
        refused = program(old["key"]).get("/v1/key")
        assert (refused.status_code, refused.json()["code"]) == (401, "api_key_rotated")
        assert manager.get(f"/v1/keys/{old['id']}").json()["state"] == "rotated"

    @pytest.mark.parametrize(("seconds", "status"), [(-1, 400), (7 * 86_400, 201), (7 * 86_400 + 1, 422)])
    def test_the_overlap_is_seven_days_at_most(self, manager: Client, seconds: int, status: int) -> None:
        assert rotate(manager, make(manager).json()["id"], overlap_seconds=seconds).status_code == status

    def test_what_was_replaced_or_revoked_cannot_be_rotated_again(self, manager: Client) -> None:
        old = make(manager).json()
        new = rotate(manager, old["id"]).json()
        assert rotate(manager, old["id"]).json()["code"] == "api_key_ended"
        assert rotate(manager, new["id"]).status_code == 201
        manager.delete(f"/v1/keys/{old['id']}")
        assert rotate(manager, old["id"]).status_code == 409
        assert program(old["key"]).get("/v1/key").json()["code"] == "api_key_revoked"

    def test_the_new_key_lives_as_long_as_the_old_one_was_made_to(
        self, manager: Client, acme: TenantKey
    ) -> None:
        made = make(manager).json()
        with tenant_scope(acme):
            old = ApiKey.objects.get(name=made["name"])
            old.id, old.public_id = uuid.uuid4(), "Elderly0"
            old.created_at -= timedelta(days=300)
            old.expires_at -= timedelta(days=300)
            old.save(force_insert=True)
        ends = parse_datetime(rotate(manager, public_id("key", old.id)).json()["expires_at"])
        assert ends is not None
        assert abs(ends - timezone.now() - timedelta(days=365)) < timedelta(minutes=1)

    def test_a_key_can_rotate_itself_but_lives_no_longer(self, make_key: MakeKey, acme: TenantKey) -> None:
        ends = timezone.now() + timedelta(days=9)
        row, key = make_key(acme, scopes=["keys:manage"], expires_at=ends)
        new = rotate(program(key), public_id("key", row.id)).json()
        assert parse_datetime(new["expires_at"]) == ends
        assert program(new["key"]).get("/v1/keys").status_code == 200

    def test_is_written_into_the_audit_log_and_told(self, manager: Client, acme: TenantKey) -> None:
        old = make(manager).json()
        new = rotate(manager, old["id"]).json()
        with tenant_scope(acme):
            (event,) = AuditEvent.objects.filter(action="api_key.rotated")
        assert (event.target_id, event.changes["replaced_by"]) == (old["id"], new["id"])
        (told,) = emitted("api_key.rotated")
        assert told["key_id"] == old["id"]
        assert old["key"] not in str(told) + str(event.changes)
