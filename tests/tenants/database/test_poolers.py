"""Eight threads of two tenants over two connections: on no way to the database does one ever see the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from apps.core.ids import new_id
from apps.core.tenancy import TenantKey
from apps.datasets.models import Dataset
from apps.jobs.models import Job
from tenants.context import tenant_scope

THREADS = 8
QUERIES = 300
ROWS = 12


class Worker:
    """One thread's queries for one tenant, and what it saw that was not that tenant's."""

    def __init__(self, key: TenantKey, number: int) -> None:
        self.key = key
        self.number = number
        self.wrong: list[Any] = []
        self.asked = 0
        self.errors: list[Exception] = []

    def run(self) -> None:
        kinds = [
            self.read,
            self.write,
            self.roll_back,
            self.iterate,
            self.iterate_inside,
            self.copy,
            self.many,
        ]
        try:
            for turn in range(QUERIES):
                with tenant_scope(self.key):
                    kinds[turn % len(kinds)]()
        except Exception as error:  # noqa: BLE001 - the test's own thread shows it
            self.errors.append(error)
        finally:
            connection.close()

    def see(self, *names: str) -> None:
        self.asked += 1
        self.wrong += [name for name in names if not name.startswith(self.key.schema)]

    def see_all(self, names: list[str]) -> None:
        self.see(*names)
        if len(names) != ROWS:
            self.wrong.append(len(names))

    def read(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_schema(), current_user::text, current_setting('almanac.tenant')")
            schema, user, tenant = cursor.fetchone()
        self.see(schema, user)
        if tenant != str(self.key.id):
            self.wrong.append(tenant)
        self.see_all(list(Dataset.objects.values_list("description", flat=True)))

    def write(self) -> None:
        with transaction.atomic():
            self.see_all([row.description for row in Dataset.objects.select_for_update().order_by("id")])
            Job.objects.filter(kind=f"{self.key.schema} count").update(percent=F("percent") + 1)

    def roll_back(self) -> None:
        with transaction.atomic():
            try:
                with transaction.atomic():
                    Job.objects.update(percent=F("percent") + 1000)
                    raise ZeroDivisionError
            except ZeroDivisionError:
                self.see(Job.objects.get().kind)

    def iterate(self) -> None:
        self.see_all([row.description for row in Dataset.objects.iterator(chunk_size=5)])

    def iterate_inside(self) -> None:
        with transaction.atomic():
            rows = Dataset.objects.order_by("name").iterator(chunk_size=5)
            self.see(next(rows).description, Job.objects.get().kind)

    def copy(self) -> None:
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY (SELECT description FROM datasets_dataset) TO STDOUT") as copy,
        ):
            self.see_all(b"".join(bytes(chunk) for chunk in copy).decode().splitlines())

    def many(self) -> None:
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE jobs_job SET stage = current_user WHERE percent >= %s", [(0,), (1,)])
            cursor.execute("SELECT kind, stage FROM jobs_job")
            self.see(*cursor.fetchone())


def prepare(key: TenantKey) -> None:
    with tenant_scope(key):
        Job.objects.create(tenant_id=key.id, kind=f"{key.schema} count", queue="default")
        Dataset.objects.bulk_create(
            Dataset(
                name=str(new_id()), slug=str(new_id()), description=f"{key.schema} {number}", origin="upload"
            )
            for number in range(ROWS)
        )


def test_eight_threads_of_two_tenants_never_see_the_other(
    route: str, keys: tuple[TenantKey, TenantKey]
) -> None:
    for key in keys:
        prepare(key)
    workers = [Worker(keys[number % 2], number) for number in range(THREADS)]
    run_all([worker.run for worker in workers])
    assert [worker.errors for worker in workers if worker.errors] == []
    assert [seen for worker in workers for seen in worker.wrong] == []
    assert sum(worker.asked for worker in workers) >= THREADS * QUERIES
    for key in keys:
        with tenant_scope(key):
            job = Job.objects.get()
            written = len([turn for turn in range(QUERIES) if turn % 7 == 1]) * THREADS / 2
            assert (job.percent, job.stage) == (written, key.schema), "no write is lost, none is doubled"


def run_all(work: list[Callable[[], None]]) -> None:
    started = [threading.Thread(target=each) for each in work]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(120)
        assert not thread.is_alive()


def test_prepared_statements_stay_off(route: str, keys: tuple[TenantKey, TenantKey]) -> None:
    """One that a connection kept would name another tenant's tables, or nothing behind a pooler."""
    with tenant_scope(keys[0]):
        for _ in range(20):
            Dataset.objects.filter(name="x").exists()
    assert connection.connection.prepare_threshold is None
    with connection.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,)
