"""Migrations of many tenants: found by one query, each whole or not at all, resumed, and stopped when too many fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections, migrations, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext

from tenants import checks, migrating, replay
from tenants.models import Tenant
from tests.tenants.conftest import owner

LAST = "0002_versions_of_parts"
Spare = Callable[[str], Tenant]


class AddColumn(migrations.Migration):
    """What a later release might bring."""

    dependencies = [("datasets", LAST)]
    operations = [migrations.AddField("dataset", "colour", models.CharField(max_length=9, db_default="red"))]


def _paint(apps: Any, editor: Any) -> None:
    apps.get_model("datasets", "Dataset").objects.using(editor.connection.alias).update(colour="blue")


class FillColumn(migrations.Migration):
    """A migration that is no text, as it runs Python."""

    dependencies = [("datasets", "0003_colour")]
    operations = [migrations.RunPython(_paint)]


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """``release(AddColumn)``: the program brings migrations more; tenants and program are put back afterwards."""
    brought: list[Any] = []
    names = {AddColumn: "0003_colour", FillColumn: "0004_fill"}

    def load(self: MigrationLoader) -> None:
        MigrationLoader.load_disk_original(self)  # type: ignore[attr-defined]
        for migration in brought:
            self.disk_migrations["datasets", names[migration]] = migration(names[migration], "datasets")

    monkeypatch.setattr(MigrationLoader, "load_disk_original", MigrationLoader.load_disk, raising=False)
    monkeypatch.setattr(MigrationLoader, "load_disk", load)

    def bring(*classes: Any) -> None:
        brought.extend(classes)
        forget()

    yield bring
    brought.clear()
    forget()
    _put_back()


def forget() -> None:
    replay.wanted.cache_clear()
    replay.record.cache_clear()


def _put_back() -> None:
    for schema, tenant_id in owner("SELECT schema_name, id FROM tenants_tenant"):
        owner(f'ALTER TABLE "{schema}".datasets_dataset DROP COLUMN IF EXISTS colour')
        owner(f"DELETE FROM \"{schema}\".django_migrations WHERE app = 'datasets' AND name > '{LAST}'")
        owner(
            "UPDATE tenants_tenant SET schema_version = %s WHERE id = %s", replay.current_version(), tenant_id
        )


def has_colour(tenant: Tenant) -> bool:
    found = owner(
        "SELECT 1 FROM information_schema.columns WHERE table_schema = %s AND column_name = 'colour'",
        tenant.schema_name,
    )
    return bool(found)


def lock(tenant: Tenant, held: threading.Event, end: threading.Event) -> threading.Thread:
    """Somebody reads the tenant's table in a long transaction."""

    def read() -> None:
        try:
            with transaction.atomic(using="owner"):
                owner(f'SELECT 1 FROM "{tenant.schema_name}".datasets_dataset')
                held.set()
                end.wait(60)
        finally:
            connections["owner"].close()

    thread = threading.Thread(target=read)
    thread.start()
    assert held.wait(10)
    return thread


def test_when_nothing_is_to_be_done_one_query_says_so(spare: Spare) -> None:
    spare("initech")
    with CaptureQueriesContext(connections["owner"]) as seen:
        outcome = migrating.migrate_tenants()
    assert (outcome.behind, outcome.migrated, outcome.failures) == (0, 0, [])
    assert len([query for query in seen if "tenants_tenant" in query["sql"]]) == 1
    assert len([query for query in seen if "SET search_path" not in query["sql"]]) == 1


def test_a_column_reaches_every_schema_that_lacks_it_as_the_executor_would_add_it(
    spare: Spare, release: Callable[..., None]
) -> None:
    tenant = spare("initech")
    release(AddColumn)
    seen: list[tuple[int, int]] = []
    outcome = migrating.migrate_tenants(report=lambda now: seen.append((now.migrated, now.behind)))
    assert outcome.migrated == outcome.behind >= 3
    assert seen[-1] == (outcome.behind, outcome.behind)
    assert has_colour(tenant)
    tenant.refresh_from_db(using="owner")
    assert tenant.schema_version == replay.current_version()
    assert checks.find_faults() == []
    assert migrating.find_behind() == []


def test_the_program_works_with_schemas_on_both_sides_of_a_migration(
    spare: Spare, release: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.datasets import queries as datasets
    from tenants.context import tenant_scope

    old, new = spare("initech"), spare("hooli")
    release(AddColumn)
    monkeypatch.setattr(migrating, "find_behind", lambda: [new])
    assert migrating.migrate_tenants().migrated == 1
    assert (has_colour(old), has_colour(new)) == (False, True)
    for tenant in (old, new):
        with tenant_scope(tenant.key):
            assert list(datasets.list_datasets()) == []


def test_a_killed_run_is_taken_up_where_it_ended(
    spare: Spare, release: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    spare("initech")
    release(AddColumn)
    send = replay.send

    def die(script: replay.Script, schema: str) -> None:
        send(script, schema)
        raise KeyboardInterrupt  # after the tables were changed, before the transaction's end

    behind = migrating.find_behind()
    script = replay.record(replay.applied(behind[0].schema_name))
    assert script is not None
    monkeypatch.setattr(replay, "send", die)
    with pytest.raises(KeyboardInterrupt):
        migrating._migrate_by_replay(behind[0], script)
    monkeypatch.setattr(replay, "send", send)
    assert not has_colour(behind[0])
    assert len(migrating.find_behind()) == len(behind)
    assert migrating.migrate_tenants().migrated == len(behind)


def test_a_table_that_is_locked_is_waited_for_briefly_and_tried_again(
    spare: Spare, release: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = spare("initech")
    release(AddColumn)
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "100ms")
    held, end = threading.Event(), threading.Event()
    thread = lock(tenant, held, end)
    timer = threading.Timer(0.5, end.set)
    timer.start()
    outcome = migrating.migrate_tenants()
    thread.join()
    assert outcome.failures == []
    assert has_colour(tenant)


def test_a_tenant_that_stays_locked_fails_alone_and_is_named(
    spare: Spare, release: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = spare("initech")
    release(AddColumn)
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(migrating, "LOCK_TRIES", 2)
    held, end = threading.Event(), threading.Event()
    thread = lock(tenant, held, end)
    try:
        outcome = migrating.migrate_tenants(max_failures=5)
    finally:
        end.set()
        thread.join()
    assert [failure.tenant.id for failure in outcome.failures] == [tenant.id]
    assert "lock timeout" in str(outcome.failures[0])
    assert str(outcome.failures[0]).startswith(f"initech ({tenant.schema_name}): ")
    assert outcome.migrated == outcome.behind - 1
    assert not has_colour(tenant)
    assert migrating.migrate_tenants().migrated == 1


def test_the_run_stops_at_the_error_budget(spare: Spare, release: Callable[..., None]) -> None:
    spare("initech")
    release(AddColumn)
    schemas = [tenant.schema_name for tenant in migrating.find_behind()]
    for schema in schemas:
        owner(f'ALTER TABLE "{schema}".datasets_dataset ADD COLUMN colour text')
    outcome = migrating.migrate_tenants(jobs=1)
    assert outcome.stopped
    assert len(outcome.failures) == 1
    assert "already exists" in outcome.failures[0].reason
    assert outcome.migrated == 0


def test_what_is_no_text_is_done_by_the_executor(spare: Spare, release: Callable[..., None]) -> None:
    tenant = spare("initech")
    release(AddColumn, FillColumn)
    assert replay.record(replay.applied(tenant.schema_name)) is None
    outcome = migrating.migrate_tenants()
    assert outcome.failures == []
    assert has_colour(tenant)
    assert migrating.find_behind() == []


def test_two_runs_at_once_do_each_tenant_once(spare: Spare, release: Callable[..., None]) -> None:
    spare("initech")
    release(AddColumn)
    outcomes: list[migrating.Outcome] = []

    def run() -> None:
        try:
            outcomes.append(migrating.migrate_tenants())
        finally:
            connections["owner"].close()

    replay.record(replay.applied(migrating.find_behind()[0].schema_name))
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.failures for outcome in outcomes] == [[], [], []]
    assert checks.find_faults() == []


def test_a_tenant_without_a_noted_version_is_looked_at_itself(spare: Spare) -> None:
    tenant = spare("initech")
    owner("UPDATE tenants_tenant SET schema_version = '' WHERE id = %s", tenant.id)
    assert migrating.migrate_tenants().migrated == 1
    tenant.refresh_from_db(using="owner")
    assert tenant.schema_version == replay.current_version()


def test_a_tenant_of_a_newer_program_is_left_alone(spare: Spare) -> None:
    tenant = spare("initech")
    owner(
        f"INSERT INTO \"{tenant.schema_name}\".django_migrations (app, name, applied) VALUES ('datasets', '0099_later', now())"
    )
    later = replay.fingerprint({*replay.wanted(), ("datasets", "0099_later")})
    owner("UPDATE tenants_tenant SET schema_version = %s WHERE id = %s", later, tenant.id)
    outcome = migrating.migrate_tenants()
    assert [ahead.id for ahead in outcome.ahead] == [tenant.id]
    assert (outcome.migrated, outcome.failures) == (0, [])


def test_who_may_come_back_is_migrated_and_who_is_being_erased_is_not(spare: Spare) -> None:
    kept, going = spare("initech"), spare("hooli")
    for tenant in (kept, going):
        owner("UPDATE tenants_tenant SET schema_version = '', state = 'deleting' WHERE id = %s", tenant.id)
    owner("UPDATE tenants_tenant SET erasure_started_at = now() WHERE id = %s", going.id)
    assert [tenant.id for tenant in migrating.find_behind()] == [kept.id]
