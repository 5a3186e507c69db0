"""People are told of keys that end soon: 30, 7 and 1 days before, once each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.api_keys import expiry, services
from apps.api_keys.models import ApiKey
from apps.api_keys.tasks import tell_expiring
from apps.core.tenancy import TenantKey
from config.beat import app as beat
from tenants import services as tenants
from tenants.context import system_scope, tenant_scope
from tests.api_keys.conftest import Made, emitted

pytestmark = pytest.mark.django_db
MakeKey = Callable[..., Made]


def aged(
    tenant: TenantKey, *, left: timedelta, life: timedelta = timedelta(days=365), **fields: Any
) -> ApiKey:
    """A key that was made a while ago and has so much life left."""
    with tenant_scope(tenant):
        row, _ = services.create(name="Till")
        ends = timezone.now() + left
        return ApiKey.objects.create(
            tenant_id=tenant.id,
            public_id=f"{ApiKey.objects.count():08d}",
            pepper=row.pepper,
            digest=row.digest,
            last4=row.last4,
            name="Till",
            scopes=row.scopes,
            created_at=ends - life,
            expires_at=ends,
            **fields,
        )


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (timedelta(days=31), None),
        (timedelta(days=30), 30),
        (timedelta(days=8), 30),
        (timedelta(days=7), 7),
        (timedelta(days=1, minutes=1), 7),
        (timedelta(days=1), 1),
        (timedelta(minutes=1), 1),
        (timedelta(0), None),
    ],
)
def test_the_notice_that_is_due(left: timedelta, days: int | None) -> None:
    now = timezone.now()
    key = ApiKey(created_at=now - timedelta(days=300), expires_at=now + left)
    assert expiry.due_notice(key, now) == days


def test_a_key_that_was_made_for_a_week_is_not_told_of_at_once() -> None:
    now = timezone.now()
    key = ApiKey(created_at=now, expires_at=now + timedelta(days=7))
    assert expiry.due_notice(key, now) is None
    assert expiry.due_notice(key, now + timedelta(days=6)) == 1


def test_each_notice_is_given_once_to_the_owners(acme: TenantKey, alice: User) -> None:
    aged(acme, left=timedelta(days=29))
    assert (tell_expiring(), tell_expiring()) == (1, 0)
    (told,) = emitted("api_key.expiring")
    assert (told["to"], told["days"], told["name"]) == ([alice.email], 30, "Till")


def test_a_missed_notice_is_not_sent_late_beside_a_later_one(acme: TenantKey, alice: User) -> None:
    key = aged(acme, left=timedelta(hours=20))
    assert tell_expiring() == 1
    assert [told["days"] for told in emitted("api_key.expiring")] == [1]
    with tenant_scope(acme):
        assert not services.note_expiry(key_id=key.id, days=7, to=[])


def test_all_three_come_in_turn(acme: TenantKey, monkeypatch: pytest.MonkeyPatch) -> None:
    key = aged(acme, left=timedelta(days=40))
    assert key.expires_at is not None
    for days in (35, 30, 20, 7, 3, 1, 0.5):
        moment: datetime = key.expires_at - timedelta(days=days)
        monkeypatch.setattr(timezone, "now", lambda moment=moment: moment)
        tell_expiring()
        tell_expiring()
    assert [told["days"] for told in emitted("api_key.expiring")] == [30, 7, 1]


@pytest.mark.parametrize("ended", ["revoked", "rotated", "suspended"])
def test_nobody_is_told_of_a_key_that_is_not_used_any_more(acme: TenantKey, ended: str) -> None:
    now = timezone.now()
    fields = {
        "revoked": {"revoked_at": now},
        "rotated": {"rotated_at": now, "rotating_until": now + timedelta(days=1)},
        "suspended": {},
    }
    aged(acme, left=timedelta(days=3), **fields[ended])
    if ended == "suspended":
        with system_scope("operator"):
            tenants.suspend(tenant_id=acme.id, reason="x")
    assert tell_expiring() == 0


def test_the_clock_asks_for_it_every_hour() -> None:
    entry = beat.conf.beat_schedule["api_keys.tell_expiring"]
    assert (entry["task"], entry["schedule"]) == (tell_expiring.name, 3600.0)


def test_the_mail_says_when_and_what_to_do(acme: TenantKey, alice: User) -> None:
    from apps.events.mail import compose, find_letter
    from apps.events.models import Event

    key = aged(acme, left=timedelta(hours=20))
    tell_expiring()
    letter = find_letter(type="api_key.expiring")
    assert letter is not None
    with system_scope("courier"):
        (event,) = Event.objects.filter(type="api_key.expiring")
    (mail,) = compose(event, letter)
    assert mail.subject == f"The API key “Till” ends on {key.expires_at:%-d %B %Y}"
    assert "within a day" in mail.body
    assert "rotate it" in mail.body
