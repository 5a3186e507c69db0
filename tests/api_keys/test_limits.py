"""What binds a single key: its kind, networks, rate, budget, mode and owner."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Membership, User
from apps.accounts.permissions import ROLE_PERMISSIONS, Role
from apps.api_keys import ceilings, errors, queries, services
from apps.api_keys.ceilings import Ceiling
from apps.api_keys.scopes import STANDARD
from apps.core.tenancy import TenantKey
from tenants import services as tenants
from tenants.context import system_scope, tenant_scope
from tests.api_keys.conftest import Made, program

pytestmark = pytest.mark.django_db
MakeKey = Callable[..., Made]
Call = Callable[..., Any]


def of_person(user: User, tenant: TenantKey, role: Role = Role.OWNER) -> Ceiling:
    seat = Membership.objects.get(user=user, tenant_id=tenant.id)
    return ceilings.of_person(ROLE_PERMISSIONS[role], person_id=user.id, membership_id=seat.id)


class TestKinds:
    """Standard and restricted, live and test."""

    def test_without_scopes_a_key_is_standard(self, make_key: MakeKey, acme: TenantKey, call: Call) -> None:
        row, key = make_key(acme, scopes=None)
        assert key.startswith("alm_live_")
        assert (row.restricted, row.scopes) == (False, list(STANDARD))
        assert call(key).json()["kind"] == "standard"

    def test_with_scopes_it_is_restricted(self, make_key: MakeKey, acme: TenantKey, call: Call) -> None:
        row, key = make_key(acme, scopes=["forecasts:run"], mode="test")
        assert key.startswith("alm_rk_test_")
        told = call(key).json()
        assert (told["kind"], told["mode"], told["scopes"]) == ("restricted", "test", ["forecasts:run"])
        assert told["masked"] == row.masked == f"alm_rk_test_{row.public_id}_…{key[-4:]}"

    def test_standard_keys_cannot_touch_people_money_or_keys(self) -> None:
        assert not {"keys:manage", "members:manage", "billing:manage", "audit:read"} & set(STANDARD)


class TestNetworks:
    """``networks``."""

    def test_another_address_is_refused_without_naming_the_networks(
        self, make_key: MakeKey, acme: TenantKey, call: Call
    ) -> None:
        _, key = make_key(acme, networks=["192.0.2.0/24"])
        answer = call(key)
        assert (answer.status_code, answer.json()["code"]) == (403, "network_not_allowed")
        assert "127.0.0.1" in answer.json()["detail"]
        assert "192.0.2" not in answer.content.decode()

    def test_one_of_them_is_let_in(self, make_key: MakeKey, acme: TenantKey, call: Call) -> None:
        _, key = make_key(acme, networks=["192.0.2.0/24", "127.0.0.0/8"])
        assert call(key).json()["networks"] == ["192.0.2.0/24", "127.0.0.0/8"]


class TestRate:
    """``requests_per_minute``."""

    def test_one_call_too_many_is_told_when_to_come_back(
        self, make_key: MakeKey, acme: TenantKey, call: Call
    ) -> None:
        _, key = make_key(acme, requests_per_minute=2)
        first, second, third = (call(key) for _ in range(3))
        assert [each.status_code for each in (first, second, third)] == [200, 200, 429]
        assert [each["RateLimit"][:9] for each in (first, second, third)] == [
            '"key";r=1',
            '"key";r=0',
            '"key";r=0',
        ]
        assert third["RateLimit-Policy"] == first["RateLimit-Policy"] == '"key";q=2;w=60'
        body = third.json()
        assert body["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
        assert (body["code"], body["violated-policies"]) == ("api_key_rate_limited", ["key"])
        assert body["retryable"] is True
        (waits,) = re.findall(r"t=(\d+)", third["RateLimit"])
        assert int(waits) <= int(third["Retry-After"]) <= 30

    def test_a_key_without_a_rate_is_not_counted(
        self, make_key: MakeKey, acme: TenantKey, call: Call
    ) -> None:
        _, key = make_key(acme)
        assert "RateLimit" not in call(key).headers

    def test_a_rotation_does_not_begin_a_new_minute(
        self, make_key: MakeKey, acme: TenantKey, call: Call, alice: User
    ) -> None:
        row, key = make_key(acme, requests_per_minute=1)
        assert call(key).status_code == 200
        with tenant_scope(acme):
            _, new = services.rotate(key_id=row.id, ceiling=of_person(alice, acme))
        assert call(new).status_code == 429


class TestOwners:
    """Personal and the organisation's."""

    @pytest.fixture
    def personal(self, alice: User, acme: TenantKey) -> Made:
        with tenant_scope(acme):
            return services.create(
                name="Mine",
                scopes=["usage:read", "audit:read"],
                personal=True,
                ceiling=of_person(alice, acme),
            )

    def test_a_personal_key_says_whose_it_is(self, personal: Made, call: Call, alice: User) -> None:
        told = call(personal[1]).json()
        assert told["owner"]["type"] == "person"
        assert told["owner"]["id"].startswith("usr_")

    def test_it_may_never_more_than_its_owners_role_at_this_moment(
        self, personal: Made, call: Call, alice: User, acme: TenantKey
    ) -> None:
        assert call(personal[1]).json()["scopes"] == ["audit:read", "usage:read"]
        with tenant_scope(acme):
            Membership.objects.filter(user=alice).update(role=Role.VIEWER)
        assert call(personal[1]).json()["scopes"] == ["usage:read"]
        assert call(personal[1], path="/v1/usage").status_code == 200

    def test_it_ends_with_the_membership_and_does_not_come_back_with_a_new_one(
        self, personal: Made, call: Call, alice: User, acme: TenantKey
    ) -> None:
        row, key = personal
        with tenant_scope(acme):
            Membership.objects.filter(user=alice).delete()
        answer = call(key)
        assert (answer.status_code, answer.json()["code"]) == (401, "api_key_owner_gone")
        Membership.objects.create(tenant_id=acme.id, user=alice, role=Role.OWNER)
        assert call(key).status_code == 401
        with tenant_scope(acme):
            assert queries.get_key(key_id=row.id).state == "owner_gone"
            assert queries.count_valid() == 0

    def test_it_ends_while_the_person_is_blocked(self, personal: Made, call: Call, alice: User) -> None:
        with system_scope("operator"):
            User.objects.filter(id=alice.id).update(is_active=False)
        assert call(personal[1]).json()["code"] == "api_key_owner_gone"

    def test_the_organisations_key_stays(
        self, make_key: MakeKey, acme: TenantKey, call: Call, alice: User
    ) -> None:
        _, key = make_key(acme, ceiling=of_person(alice, acme))
        with tenant_scope(acme):
            Membership.objects.filter(user=alice).delete()
        assert call(key).status_code == 200
        assert call(key).json()["owner"] == {"type": "organisation", "id": None}

    def test_others_may_revoke_it_and_nothing_else(
        self, personal: Made, acme: TenantKey, person: Callable[..., User]
    ) -> None:
        admin = of_person(person("ann@acme.example", acme, Role.ADMIN), acme)
        with tenant_scope(acme):
            with pytest.raises(errors.KeyNotYours):
                services.rotate(key_id=personal[0].id, ceiling=admin)
            with pytest.raises(errors.KeyNotYours):
                services.change(key_id=personal[0].id, ceiling=admin, name="Theirs")
            assert services.revoke(key_id=personal[0].id).state == "revoked"


class TestTheTenantsState:
    """A good key of a tenant whose doors are closed."""

    def test_about_to_be_deleted_it_is_told_the_day(
        self, make_key: MakeKey, acme: TenantKey, call: Call
    ) -> None:
        _, key = make_key(acme)
        day = timezone.now() + timedelta(days=30)
        with system_scope("operator"):
            tenants.request_deletion(tenant_id=acme.id, reason="test", grace_days=30)
        answer = call(key)
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_deleting")
        assert f"{day:%Y-%m-%d}" in answer.json()["detail"]
        with system_scope("operator"):
            tenants.cancel_deletion(tenant_id=acme.id)
        assert call(key).status_code == 200

    def test_on_another_tenants_host_nothing_is_told_of_it(
        self, make_key: MakeKey, acme: TenantKey, globex: TenantKey, call: Call
    ) -> None:
        row, key = make_key(acme, networks=["192.0.2.1"])
        assert call(key, host="globex.localhost").status_code == 404
        with tenant_scope(acme):
            services.revoke(key_id=row.id)
        assert call(key, host="globex.localhost").status_code == 404
        assert call(key, host="acme.localhost").status_code == 401


def test_every_answer_to_a_test_key_says_so(make_key: MakeKey, acme: TenantKey) -> None:
    client = program(make_key(acme, mode="test", scopes=["usage:read"])[1])
    for path, status in (("/v1/usage", 200), ("/v1/models", 403)):
        answer = client.get(path)
        assert (answer.status_code, answer["X-Almanac-Mode"]) == (status, "test")
    assert "X-Almanac-Mode" not in program(make_key(acme)[1]).get("/v1/usage").headers


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"points_per_month": 10**15 + 1}, "points_per_month"),
        ({"networks": ["x"]}, "networks"),
        ({"name": "alm_live_abcdefgh_secret"}, "name"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_at_its_field(
    acme: TenantKey, wishes: dict[str, Any], field: str
) -> None:
    with tenant_scope(acme), pytest.raises(errors.KeyNotMade) as caught:
        services.create(**{"name": "Shop", **wishes})
    assert caught.value.field == field


def test_two_who_make_the_last_key_hold_one_another_up(make_key: MakeKey, acme: TenantKey) -> None:
    with CaptureQueriesContext(connection) as statements:
        make_key(acme)
    locked = [i for i, each in enumerate(statements) if "pg_advisory_xact_lock" in each["sql"]]
    counted = [i for i, each in enumerate(statements) if "COUNT(" in each["sql"]]
    assert locked
    assert counted
    assert locked[0] < counted[0]
