"""Migrations of many schemas: one query finds those behind, each is brought up to date in a transaction of its own.

May be killed at any moment and run again, or in two places at once: a schema's version changes with its tables.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from django.db import OperationalError, connections, transaction
from psycopg.errors import LockNotAvailable

from tenants import replay
from tenants.models import Tenant, TenantState
from tenants.replay import OWNER, Applied, Script

WITH_SCHEMA: Final = (
    TenantState.READY,
    TenantState.ACTIVE,
    TenantState.SUSPENDED,
    TenantState.DELETING,  # in its grace it may come back
)
LOCK_TIMEOUT: Final = "2s"  # who waits for a table's lock holds up all who come after
LOCK_TRIES: Final = 4
SCHEMAS_A_CONNECTION: Final = 100  # a backend keeps catalogue entries of every schema it has touched
BUDGET_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Failure:
    """A tenant that could not be migrated, and PostgreSQL's reason. Its schema is as it was."""

    tenant: Tenant
    reason: str

    def __str__(self) -> str:
        return f"{self.tenant} ({self.tenant.schema_name}): {self.reason}"


@dataclass(slots=True)
class Outcome:
    """What a run did: of ``behind`` tenants, ``migrated`` ones are now up to date."""

    behind: int = 0
    migrated: int = 0
    failures: list[Failure] = field(default_factory=list)
    stopped: bool = False  # the error budget was used up, so the rest was not tried
    ahead: list[Tenant] = field(default_factory=list)  # had migrations that this program does not know


Progress = Callable[[Outcome], None]


def find_behind() -> list[Tenant]:
    """Tenants whose schema is not at the program's version, by one query."""
    return list(
        Tenant.objects.using(OWNER)
        .filter(state__in=WITH_SCHEMA, erasure_started_at=None)
        .exclude(schema_version=replay.current_version())
        .order_by("created_at")
    )


def migrate_tenants(
    *, jobs: int = 2, max_failures: int | None = None, report: Progress = lambda _outcome: None
) -> Outcome:
    """Bring all schemas that are behind up to date, ``jobs`` at a time; stops at ``max_failures`` failed ones.

    The default is 1 % of those behind, at least one. ``report`` is called after each tenant, by one thread at a time.
    """
    behind = find_behind()
    outcome = Outcome(behind=len(behind))
    run = _Run(outcome, max_failures or max(1, int(len(behind) * BUDGET_SHARE)), report)
    for had, tenants in _by_version(behind).items():
        if replay.plan_after(had):
            run.do(tenants, had, jobs)
        elif replay.fingerprint(had) == replay.current_version():
            outcome.migrated += len(tenants)  # only their noted version was out of date
        else:
            outcome.ahead += tenants
    return outcome


def _by_version(behind: Iterable[Tenant]) -> dict[Applied, list[Tenant]]:
    """Tenants by the migrations they have had: one of each noted version is asked for them all."""
    known: dict[str, Applied] = {}
    groups: dict[Applied, list[Tenant]] = defaultdict(list)
    for tenant in behind:
        had = known.get(tenant.schema_version)
        if had is None:
            had = replay.applied(tenant.schema_name)
            if tenant.schema_version != replay.fingerprint(had):
                _note_version(tenant, replay.fingerprint(had))
            known[tenant.schema_version] = had
        groups[had].append(tenant)
    return groups


def _note_version(tenant: Tenant, version: str) -> None:
    Tenant.objects.using(OWNER).filter(id=tenant.id).update(schema_version=version)
    tenant.schema_version = version


class _Run:
    """Threads that take tenants from one queue, each with a connection of its own."""

    def __init__(self, outcome: Outcome, max_failures: int, report: Progress) -> None:
        self._outcome, self._max_failures, self._report = outcome, max_failures, report
        self._lock = threading.Lock()

    def do(self, tenants: list[Tenant], had: Applied, jobs: int) -> None:
        """Migrate ``tenants``, which have all had the same migrations. An interruption ends after those under way."""
        queue, script = deque(tenants), replay.record(had)
        threads = [threading.Thread(target=self._work, args=(queue, script)) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            queue.clear()
            for thread in threads:
                thread.join()
            raise

    def _work(self, queue: deque[Tenant], script: Script | None) -> None:
        done = 0
        try:
            while not self._outcome.stopped and (tenant := _next(queue)) is not None:
                self._note(tenant, _attempt(tenant, script))
                done += 1
                if done % SCHEMAS_A_CONNECTION == 0:
                    connections[OWNER].close()
        finally:
            connections.close_all()  # this thread's

    def _note(self, tenant: Tenant, reason: str | None) -> None:
        with self._lock:
            if reason is None:
                self._outcome.migrated += 1
            else:
                self._outcome.failures.append(Failure(tenant, reason))
                self._outcome.stopped = len(self._outcome.failures) >= self._max_failures
            self._report(self._outcome)


def _next(queue: deque[Tenant]) -> Tenant | None:
    try:
        return queue.popleft()
    except IndexError:
        return None


def _attempt(tenant: Tenant, script: Script | None) -> str | None:
    """Migrate one tenant; None, or why it could not be done. A table that is locked is tried again, a bit later."""
    for number in range(1, LOCK_TRIES + 1):
        try:
            if script is None:
                _migrate_by_executor(tenant)
            else:
                _migrate_by_replay(tenant, script)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable) or number == LOCK_TRIES:
                return _line(error)
            time.sleep(0.5 * number)
        except Exception as error:  # noqa: BLE001 - whatever a migration raises is that tenant's failure, and told
            return _line(error)
        else:
            return None
    raise AssertionError("the last try returns")


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]


def _migrate_by_replay(tenant: Tenant, script: Script) -> None:
    with transaction.atomic(using=OWNER):
        _wait_briefly("LOCAL")
        mine = Tenant.objects.using(OWNER).filter(
            id=tenant.id, schema_version=script.before, erasure_started_at=None
        )
        if mine.update(
            schema_version=script.after
        ):  # else another process was quicker, or it is being erased
            replay.send(script, tenant.schema_name)


def _migrate_by_executor(tenant: Tenant) -> None:
    """For migrations that are no text: in one transaction, unless one of them refuses that."""
    atomic = all(migration.atomic for migration in replay.plan_after(replay.applied(tenant.schema_name)))
    with transaction.atomic(using=OWNER) if atomic else contextlib.nullcontext():
        _wait_briefly("LOCAL" if atomic else "SESSION")
        if atomic:
            Tenant.objects.using(OWNER).select_for_update().get(id=tenant.id)
        with replay.standing_in(tenant.schema_name):
            replay.run_executor()
        _note_version(tenant, replay.fingerprint(replay.applied(tenant.schema_name)))


def _wait_briefly(extent: str) -> None:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(f"SET {extent} lock_timeout = '{LOCK_TIMEOUT}'")
