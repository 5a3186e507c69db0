"""Where in a transaction a statement can stand, and how it says in which scope it ran."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection, transaction

from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from tenants.context import tenant_scope

Keys = tuple[TenantKey, TenantKey]
Place = Callable[[Callable[[], Any]], Any]
WHO = "SELECT current_schema(), current_user::text, current_setting('almanac.tenant', true)"


def in_autocommit(run: Callable[[], Any]) -> Any:
    return run()


def first_in_a_transaction(run: Callable[[], Any]) -> Any:
    with transaction.atomic():
        return run()


def second_in_a_transaction(run: Callable[[], Any]) -> Any:
    with transaction.atomic():
        who()
        return run()


def in_a_savepoint(run: Callable[[], Any]) -> Any:
    with transaction.atomic(), transaction.atomic():
        return run()


def after_an_error(run: Callable[[], Any]) -> Any:
    with transaction.atomic():
        with contextlib.suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        return run()


PLACES = [in_autocommit, first_in_a_transaction, second_in_a_transaction, in_a_savepoint, after_an_error]


def who() -> Any:
    """What PostgreSQL says of the scope: schema, role, tenant."""
    with connection.cursor() as cursor:
        cursor.execute(WHO)
        return cursor.fetchone()


def of(key: TenantKey) -> tuple[str, str, str]:
    """What ``who`` answers in the tenant's scope."""
    return key.schema, key.schema, str(key.id)


def make_jobs(key: TenantKey, count: int) -> None:
    """Rows of a shared table that carry the tenant's schema in ``kind``."""
    with tenant_scope(key):
        Job.objects.bulk_create(
            [Job(tenant_id=key.id, kind=f"{key.schema} {number}", queue="default") for number in range(count)]
        )
