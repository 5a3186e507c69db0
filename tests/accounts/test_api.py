"""``/v1/members`` and ``/v1/invitations``: what a page can do, a key can, but for owners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Invitation, Membership, User
from apps.accounts.permissions import Role
from apps.accounts.services import Authority, invitations
from apps.api_keys import services as api_keys
from apps.audit.models import AuditEvent
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from tenants.context import tenant_scope

pytestmark = pytest.mark.django_db
NEW = {"email": "New@Example.com", "role": "analyst"}


@pytest.fixture
def api(alice: User, acme: TenantKey) -> Client:
    """Calls with a key of acme that may manage members."""
    return _client(acme, "members:read", "members:manage")


def _client(key: TenantKey, *scopes: str) -> Client:
    with tenant_scope(key):
        text = api_keys.create(name="Test", scopes=list(scopes))[1]
    return Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})


def _id(user: User) -> str:
    return public_id("mem", Membership.objects.get(user=user).id)


def _patch(api: Client, path: str, body: dict[str, Any]) -> Any:
    return api.patch(path, body, content_type="application/json")


def _post(api: Client, path: str, body: dict[str, Any] | None = None) -> Any:
    return api.post(path, body or {}, content_type="application/json")


class TestMembers:
    """Listed, changed, removed."""

    def test_are_listed_newest_first_in_pages(
        self, api: Client, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        for name in ("bob", "carol"):
            person(f"{name}@acme.example", acme, Role.VIEWER, name=name.title())
        first = api.get("/v1/members?limit=2").json()
        assert [(row["email"], row["name"]) for row in first["data"]] == [
            ("carol@acme.example", "Carol"),
            ("bob@acme.example", "Bob"),
        ]
        rest = api.get(f"/v1/members?cursor={first['pagination']['next_cursor']}").json()
        assert [(row["email"], row["role"], row["last_seen_at"]) for row in rest["data"]] == [
            (alice.email, "owner", None)
        ]
        assert rest["pagination"] == {"next_cursor": None, "has_more": False}

    def test_get_another_role(self, api: Client, person: Callable[..., User], acme: TenantKey) -> None:
        bob = person("bob@acme.example", acme, Role.VIEWER)
        answer = _patch(api, f"/v1/members/{_id(bob)}", {"role": "developer"})
        assert (answer.status_code, answer.json()["role"]) == (200, "developer")
        with tenant_scope(acme):
            assert AuditEvent.objects.get(action="member.role_changed").actor_type == "key"

    def test_are_removed(self, api: Client, person: Callable[..., User], acme: TenantKey) -> None:
        bob = person("bob@acme.example", acme, Role.ADMIN)
        path = f"/v1/members/{_id(bob)}"
        assert (api.delete(path).status_code, api.delete(path).status_code) == (204, 404)
        assert not Membership.objects.filter(user=bob).exists()

    def test_a_key_neither_makes_nor_unmakes_an_owner(
        self, api: Client, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        bob = person("bob@acme.example", acme, Role.OWNER)
        carol = person("carol@acme.example", acme, Role.ADMIN)
        answers = [
            _patch(api, f"/v1/members/{_id(carol)}", {"role": "owner"}),
            _patch(api, f"/v1/members/{_id(bob)}", {"role": "admin"}),
            api.delete(f"/v1/members/{_id(bob)}"),
            _post(api, "/v1/invitations", {**NEW, "role": "owner"}),
        ]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
            (403, "role_not_yours")
        }
        assert Membership.objects.get(user=bob).role == "owner"

    @pytest.mark.parametrize(
        ("body", "status", "code"), [({"role": "root"}, 422, "role_unknown"), ({}, 400, "invalid")]
    )
    def test_a_body_that_cannot_be_meant_is_a_problem(
        self, api: Client, alice: User, body: dict[str, Any], status: int, code: str
    ) -> None:
        answer = _patch(api, f"/v1/members/{_id(alice)}", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer["Content-Type"] == "application/problem+json"


class TestInvitations:
    """Made, listed, sent again, revoked."""

    def test_is_made_with_a_link_that_is_given_once(self, api: Client, acme: TenantKey) -> None:
        answer = _post(api, "/v1/invitations", {**NEW, "expires_in_days": 3, "message": "Hello"})
        body = answer.json()
        assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
        assert (body["email"], body["role"], body["status"]) == ("new@example.com", "analyst", "pending")
        assert invitations.open_offer(token=body["url"].rstrip("/").rpartition("/")[2]).tenant.id == acme.id
        again = api.get(answer["Location"]).json()
        assert again == {name: value for name, value in body.items() if name != "url"}
        assert api.get("/v1/invitations").json()["data"] == [again]

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"email": "nobody"}, 422, "invitees_refused"),
            ({"email": "alice@acme.example"}, 409, "already_member"),
            ({"role": "root"}, 422, "role_unknown"),
            ({"expires_in_days": 31}, 422, "invitation_days_out_of_range"),
            ({"expires_in_days": "soon"}, 400, "invalid"),
            ({"message": "x" * 501}, 422, "invitation_message_too_long"),
        ],
    )
    def test_what_cannot_be_is_a_problem(
        self, api: Client, change: dict[str, Any], status: int, code: str
    ) -> None:
        answer = _post(api, "/v1/invitations", {**NEW, **change})
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_twice_is_a_conflict(self, api: Client) -> None:
        answers = [_post(api, "/v1/invitations", NEW) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 409]

    def test_is_sent_again_with_another_link_and_revoked(self, api: Client) -> None:
        first = _post(api, "/v1/invitations", NEW).json()
        path = f"/v1/invitations/{first['id']}"
        again = _post(api, f"{path}/resend")
        assert (again.status_code, again.json()["url"] == first["url"]) == (200, False)
        assert [api.delete(path).status_code for _ in range(2)] == [204, 409]
        assert api.get(path).json()["status"] == "revoked"

    def test_an_owners_invitation_is_not_a_keys_to_touch(
        self, api: Client, alice: User, acme: TenantKey
    ) -> None:
        with tenant_scope(acme):
            (row,) = invitations.invite(
                emails=["heir@acme.example"], role="owner", by=Authority(user_id=alice.id)
            )
        path = f"/v1/invitations/{public_id('inv', row.id)}"
        assert [_post(api, f"{path}/resend").status_code, api.delete(path).status_code] == [403, 403]


def test_reading_needs_one_scope_and_changing_another(alice: User, acme: TenantKey) -> None:
    reading, managing = _client(acme, "members:read"), _client(acme, "members:manage")
    assert [each.get("/v1/members").status_code for each in (reading, managing)] == [200, 403]
    assert [_post(each, "/v1/invitations", NEW).status_code for each in (reading, managing)] == [403, 201]


def test_anothers_are_as_if_they_were_not(
    api: Client, alice: User, mallory: User, acme: TenantKey, globex: TenantKey
) -> None:
    foreign = _client(globex, "members:read", "members:manage")
    invited = _post(api, "/v1/invitations", NEW).json()["id"]
    assert foreign.get(f"/v1/members/{_id(alice)}").status_code == 404
    assert foreign.delete(f"/v1/invitations/{invited}").status_code == 404
    assert [row["email"] for row in foreign.get("/v1/members").json()["data"]] == [mallory.email]
    assert foreign.get("/v1/invitations").json()["data"] == []
    with tenant_scope(acme):
        assert Invitation.objects.get().state == "pending"
