"""Two tenants with a thing of every kind, their people, their keys, and the state of everything that is acme's."""

from __future__ import annotations

import contextlib
import io
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.db import connections, transaction
from django.test import override_settings
from django.utils import timezone

from apps.accounts import queries
from apps.accounts.models import Membership, PasswordReset, User
from apps.accounts.permissions import Role
from apps.accounts.services import Authority, invitations, passwords
from apps.api_keys import services as api_keys
from apps.api_keys import text as key_text
from apps.api_keys.scopes import SCOPES
from apps.audit.models import AuditEvent
from apps.billing import services as billing
from apps.core.ids import new_id, public_id
from apps.core.tenancy import TenantKey
from apps.datasets import queries as data
from apps.datasets import services as datasets
from apps.datasets.models import StoredFile
from apps.datasets.services.exports import Wish
from apps.events.models import Event
from apps.explanations import services as explanations
from apps.forecasts import services as forecasts
from apps.forecasts.serving.contracts import ForecastQuery
from apps.jobs import schedules
from apps.training import services as training
from apps.webhooks import services as webhooks
from tenants.context import tenant_scope
from tenants.models import TenantErasure
from tests import brought, factories, trained
from tests.accounts.browser import BARE, Browser
from tests.contracts.urls import PASSWORD
from tests.stripe_sim.running import API_KEY, SECRET, simulator

SERIES: Final = {"acme": ("north", "south"), "globex": ("upper", "lower")}
# What a call may change of its own caller without being a change: when and where from a key or an account was used.
NOTED: Final = "{last_used_at,last_used_ip,last_seen_at,seen_at,last_login}"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tenants: its things by kind as addresses and bodies name them, and its keys' texts by use."""

    key: TenantKey
    slug: str
    things: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """acme, globex, and the cookies of those who are logged in, by name and host."""

    acme: Side
    globex: Side
    browsers: dict[str, Browser]

    def cookies(self, person: str, host: str) -> dict[str, str]:
        """What the person's browser sends to ``host``."""
        client = self.browsers[person].clients.get(host)
        return {name: morsel.value for name, morsel in client.cookies.items()} if client else {}


@contextlib.contextmanager
def built() -> Iterator[World]:
    """The world, committed, with a Stripe to talk to; everything is emptied at the end."""
    with tempfile.TemporaryDirectory() as folder, simulator(Path(folder, "state.sqlite3")) as sim:
        stripe = {
            "STRIPE_API_KEY": API_KEY,
            "STRIPE_API_BASE": sim.origin,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_SIMULATED": True,
        }
        try:
            with override_settings(**stripe):
                yield _build()
        finally:
            factories.empty_database()
            for connection in connections.all():
                connection.close()


def _build() -> World:
    acme, globex = (Side(factories.tenant(slug).key, slug) for slug in ("acme", "globex"))
    people = {role.value: _person(f"{role}@acme.example", acme.key, role) for role in Role}
    people["mallory"] = _person("mallory@globex.example", globex.key, Role.OWNER)
    operator = _person("operator@almanac.example", None, None)
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET is_operator = true WHERE id = %s", [operator.id])
    browsers = {name: _logged_in(user) for name, user in {**people, "operator": operator}.items()}
    for side, owner in ((acme, people["owner"]), (globex, people["mallory"])):
        _invite(side, owner)
        with tenant_scope(side.key):
            _fill(side, owner)
            _set_up_to_come(side)
            _make_keys(side)
    return World(acme, globex, browsers)


def _person(email: str, tenant: TenantKey | None, role: Role | None) -> User:
    user = User(email=email)
    user.set_password(PASSWORD)
    user.save()
    if tenant is not None and role is not None:
        Membership.objects.create(tenant_id=tenant.id, user=user, role=role)
    return user


def _logged_in(user: User) -> Browser:
    browser = Browser()
    answer = browser.log_in(user.email, PASSWORD)
    assert answer.status_code == 200, browser.trail
    return browser


def _invite(side: Side, owner: User) -> None:
    """People beside the owner: a member, somebody invited, a second log-in, a forgotten password."""
    bob = _person(f"bob@{side.slug}.example", side.key, Role.VIEWER)
    _logged_in(owner)
    with tenant_scope(side.key):
        (invitation,) = invitations.invite(
            emails=[f"invited@{side.slug}.example"], role="viewer", by=Authority(user_id=owner.id)
        )
    passwords.ask_for_reset(email=bob.email)
    reset = PasswordReset.objects.latest("created_at")
    side.things.update(
        member=public_id("mem", Membership.objects.get(user=bob).id),
        invitation=public_id("inv", invitation.id),
        invitation_token=invitations.token_of(invitation_id=invitation.id, number=invitation.number),
        session=public_id("ses", queries.list_log_ins(user_id=owner.id)[0].id),
        reset_token=passwords.reset_token_of(reset_id=reset.id),
    )


def _fill(side: Side, owner: User) -> None:
    names = SERIES[side.slug]
    version = trained.model(f"{side.slug}-sales", trained.named(names))
    run = training.start(dataset_slug=version.model.dataset.slug, horizon=3, model_name=f"{side.slug}-sales")
    answer = forecasts.forecast(
        model=version.model.name,
        query=ForecastQuery(horizon=3, levels=(80,), series=None),
        caller=forecasts.Caller(limit=10_000, user_id=owner.id),
    )
    explanation = explanations.request(forecast_id=answer.id, series_id=names[0], step=1)
    upload = datasets.receive_upload(
        filename=f"{side.slug}.csv", stream=io.BytesIO(trained.monthly_csv(24, names).encode())
    )
    source = datasets.create_source(
        name=f"{side.slug} shop", kind="https", config={"url": f"https://{side.slug}.example/sales.csv"}
    )
    current = data.get_current_version(dataset=version.model.dataset)
    exported = datasets.export(version=current, wish=Wish("csv"))
    assert isinstance(exported, StoredFile)
    key, text = api_keys.create(name=f"{side.slug} spare", scopes=["usage:read"])
    checkout = billing.start_checkout(
        plan="team",
        email=owner.email,
        success_url=f"{BARE}/done/?id={{CHECKOUT_SESSION_ID}}",
        cancel_url=BARE,
    )
    hosted = brought.model(f"{side.slug}-shop")
    side.keys["spare"] = text
    side.things.update(
        slug=side.slug,
        dataset=version.model.dataset.slug,
        model=version.model.name,
        series=names[0],
        hosted=hosted.model.name,
        run=run.public_id,
        job=public_id("job", run.job_id),
        forecast=answer.public_id,
        explanation=explanation.public_id,
        upload=upload.public_id,
        source=source.public_id,
        file=exported.public_id,
        key=public_id("key", key.id),
        checkout=checkout.rpartition("/")[2],
        tenant_row=str(side.key.id),
        job_row=str(run.job_id),
        forecast_row=str(answer.id),
        key_row=str(key.id),
        user_row=str(owner.id),
        audit_row=str(AuditEvent.objects.latest("occurred_at").id),
        membership_row=str(Membership.objects.get(user=owner).id),
        event_row=str(Event.objects.using("owner").latest("occurred_at").id),
        erasure_row=str(_erase_somebody().id),
    )


def _set_up_to_come(side: Side) -> None:
    """What tells of things, and what does them again."""
    webhook, _secret = webhooks.create(
        url=f"https://93.184.216.34/{side.slug}", description=f"{side.slug} shop"
    )
    delivery = webhooks.send_test(endpoint_id=webhook.id)
    with transaction.atomic():
        schedule = schedules.set_schedule(
            kind="tests.nothing", key="1", payload={}, cron="0 6 * * 1", zone="UTC", name=f"{side.slug} again"
        )
    side.things.update(schedule=schedule.public_id, webhook=webhook.public_id, delivery=delivery.public_id)


def _erase_somebody() -> TenantErasure:
    """The certificate of a tenant that was there before; only the owner writes it."""
    now = timezone.now()
    return TenantErasure.objects.using("owner").create(
        tenant_id=new_id(), slug="initech", schema_name="t_initech", requested_at=now, started_at=now
    )


def _make_keys(side: Side) -> None:
    """One key that may do all, one without each scope, and those that no longer open anything."""
    side.keys["all"] = api_keys.create(name=f"{side.slug} all", scopes=SCOPES)[1]
    for scope in SCOPES:
        side.keys[f"without {scope}"] = api_keys.create(name="Less", scopes=SCOPES.keys() - {scope})[1]
    ended, side.keys["expired"] = api_keys.create(name="Expired", scopes=SCOPES)
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE api_keys_apikey SET expires_at = now() - interval '1 second' WHERE id = %s", [ended.id]
        )
    revoked, side.keys["revoked"] = api_keys.create(name="Revoked", scopes=SCOPES)
    api_keys.revoke(key_id=revoked.id)
    side.keys["unknown"] = key_text.generate().whole
    side.keys["malformed"] = side.keys["all"][:-1] + ("0" if side.keys["all"][-1] != "0" else "1")


def absent(value: str) -> str:
    """Something of the same form and length as ``value`` that nobody has."""
    head, _, body = value.rpartition("_")
    if head and len(body) == 26:
        return public_id(head, new_id())
    if len(value) == 36 and value.count("-") == 4:
        return str(uuid.uuid4())
    return "".join(chr((ord(letter) - 97 + 7) % 26 + 97) if letter.islower() else letter for letter in value)


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """What is done inside is taken back, as around a test case's method."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined] # lets the scope change inside
    with block:
        yield
        transaction.set_rollback(True)


def state_of(key: TenantKey) -> dict[str, tuple[int, Any]]:
    """Each table's rows of the tenant, counted and hashed, as the database's owner sees them."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name, bool_or(column_name = 'tenant_id') FROM information_schema.columns"
            " WHERE table_schema IN ('public', %s) GROUP BY 1, 2 ORDER BY 1, 2",
            [key.schema],
        )
        parts = [
            f"SELECT '{table}', count(*), sum(hashtextextended((to_jsonb(t) - '{NOTED}'::text[])::text, 0))"
            f' FROM "{schema}"."{table}" t WHERE {where}'
            for schema, table, has_tenant in cursor.fetchall()
            if (where := _mine(schema, table, has_tenant=has_tenant))
        ]
        cursor.execute(" UNION ALL ".join(parts), {"tenant": key.id})
        return {table: (count, digest) for table, count, digest in cursor.fetchall()}


def _mine(schema: str, table: str, *, has_tenant: bool) -> str:
    """The condition for the tenant's rows of a table; '' for tables that hold nothing of tenants."""
    if schema != "public":
        return "true"
    if has_tenant:
        return "tenant_id = %(tenant)s"
    return {
        "tenants_tenant": "id = %(tenant)s",
        "accounts_user": "id IN (SELECT user_id FROM accounts_membership WHERE tenant_id = %(tenant)s)",
    }.get(table, "")
