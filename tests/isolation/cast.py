"""Three tenants made for one run, their people and keys; every text that they fill in is a canary."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connections

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.accounts.services import Authority, invitations
from apps.api_keys import services as api_keys
from apps.api_keys.scopes import SCOPES
from apps.core import request_context
from apps.core.ids import public_id
from apps.core.request_context import Actor, RequestContext
from apps.core.tenancy import TenantKey
from apps.forecasts import services as forecasts
from apps.forecasts.serving.contracts import ForecastQuery
from tenants import provisioning, services
from tenants.context import tenant_scope
from tests import trained
from tests.accounts.browser import Browser
from tests.contracts.urls import PASSWORD
from tests.isolation.canaries import Canaries

COMPANIES: Final = ("acme", "globex", "initech")
# Who is there at first: person -> what in which companies. carol belongs to two.
SEATS: Final[dict[str, dict[str, Role]]] = {
    "alice": {"acme": Role.OWNER},
    "bob": {"acme": Role.ANALYST},
    "carol": {"acme": Role.ADMIN, "globex": Role.DEVELOPER},
    "mallory": {"globex": Role.OWNER},
    "victor": {"globex": Role.VIEWER},
    "ivan": {"initech": Role.OWNER},
    "bill": {"initech": Role.BILLING},
    "olga": {},
}
OPERATOR: Final = "olga"
# Who may be invited elsewhere; the owners stay where they are, or nobody were left to see nothing.
MOVING: Final = ("bob", "carol", "victor", "bill")
_runs = itertools.count(1)


@dataclass(slots=True)
class Company:
    """A tenant of the cast. ``things`` lists, by kind as in the table of addresses, what it has; the newest is last."""

    name: str
    key: TenantKey
    things: dict[str, list[str]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def add(self, kind: str, value: str) -> None:
        """A further thing."""
        kept = self.things.setdefault(kind, [])
        if value not in kept:
            kept.append(value)


@dataclass(slots=True)
class Person:
    """Somebody with a browser."""

    name: str
    user: User
    browser: Browser = field(default_factory=Browser)

    @property
    def realm(self) -> str:
        """What is the person's own."""
        return f"person {self.name}"


class Cast:
    """The companies and people of one run, and what the database says of them at the moment."""

    def __init__(self) -> None:
        self.canaries = Canaries(next(_runs))
        self.companies = {name: self._found(name) for name in COMPANIES}
        self.people = {name: self._person(name, seats) for name, seats in SEATS.items()}
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "UPDATE accounts_user SET is_operator = true WHERE id = %s", [self.people[OPERATOR].user.id]
            )
            cursor.execute(
                "UPDATE tenants_tenantlimits SET running_jobs = 3, datasets = 10000, rows = 1000000000,"
                " forecast_points_per_month = 100000000"
            )
        for company in self.companies.values():
            self._furnish(company)

    def seats(self) -> dict[str, set[str]]:
        """Who belongs where at the moment: person -> names of companies."""
        names = {company.key.id: company.name for company in self.companies.values()}
        found: dict[str, set[str]] = {name: set() for name in self.people}
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT user_id, tenant_id FROM accounts_membership")
            rows = cursor.fetchall()
        by_id = {person.user.id: name for name, person in self.people.items()}
        for user_id, tenant_id in rows:
            if user_id in by_id and tenant_id in names:
                found[by_id[user_id]].add(names[tenant_id])
        return found

    def addresses(self) -> dict[str, tuple[str, str]]:
        """Each company's present slug and state."""
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT id, slug, state FROM tenants_tenant WHERE slug IS NOT NULL")
            rows = {tenant_id: (slug, state) for tenant_id, slug, state in cursor.fetchall()}
        return {company.name: rows[company.key.id] for company in self.companies.values()}

    def _found(self, name: str) -> Company:
        provisioning.refill(size=1)
        with self._as("system", name):
            # Its people see name and address also while they are at another company's.
            shown = (name, f"name of {name}")
            tenant = services.claim(
                name=f"Company {self.canaries.word(*shown)}", slug=self.canaries.word(*shown)
            )
        company = Company(name, tenant.key)
        company.add("slug", str(tenant.slug))
        self.canaries.claim(tenant.key.schema, name)
        self.canaries.claim(str(tenant.key.id), name)
        self.canaries.claim(public_id("ten", tenant.key.id), name)
        return company

    def _person(self, name: str, seats: dict[str, Role]) -> Person:
        # The operator acts on every company, and their logs say who it was.
        realms = (f"person {name}", *(COMPANIES if name == OPERATOR else seats))
        email = f"{name}.{self.canaries.word(*realms)}@{self.canaries.word(*realms)}.example"
        user = User(email=email, name=f"{name.title()} {self.canaries.word(*realms)}")
        user.set_password(PASSWORD)
        user.save()
        self.canaries.claim(str(user.id), *realms)
        for company, role in seats.items():
            seat = Membership.objects.create(tenant_id=self.companies[company].key.id, user=user, role=role)
            self.companies[company].add("member", public_id("mem", seat.id))
            self.canaries.claim(public_id("mem", seat.id), company)
        return Person(name, user)

    def _furnish(self, company: Company) -> None:
        """What a company has from the beginning; more comes through its pages and its API."""
        word = self.canaries.word
        owner = next(
            self.people[name] for name, seats in SEATS.items() if seats.get(company.name) == Role.OWNER
        )
        with self._as("user", company.name, str(owner.user.id), owner.user.email), tenant_scope(company.key):
            series = (word(company.name), word(company.name))
            version = trained.model(word(company.name), trained.named(series))
            answer = forecasts.forecast(
                model=version.model.name,
                query=ForecastQuery(horizon=3, levels=(80,), series=None),
                caller=forecasts.Caller(limit=10_000, user_id=owner.user.id),
            )
            (invitation,) = invitations.invite(
                emails=[f"{word(company.name)}@{word(company.name)}.example"],
                role="viewer",
                message=f"Come in, {word(company.name)}",
                by=Authority(user_id=owner.user.id),
            )
            for _each in range(2):
                key, text = api_keys.create(name=f"Key {word(company.name)}", scopes=SCOPES)
                company.keys.append(text)
                company.add("key", public_id("key", key.id))
                self.canaries.claim(public_id("key", key.id), company.name)
        for kind, value in {
            "dataset": version.model.dataset.slug,
            "model": version.model.name,
            "series": series[0],
            "forecast": answer.public_id,
            "invitation": public_id("inv", invitation.id),
            "key": company.things["key"][0],
        }.items():
            company.add(kind, value)
            self.canaries.claim(value, company.name)

    @contextlib.contextmanager
    def _as(self, kind: Any, company: str, actor_id: str = "", label: str = "system") -> Iterator[None]:
        """As a request would be noted."""
        word = self.canaries.word(company)
        context = RequestContext(f"req-{word}", Actor(kind, actor_id, label), "203.0.113.7", f"Drill {word}")
        with request_context.bind(context):
            yield
