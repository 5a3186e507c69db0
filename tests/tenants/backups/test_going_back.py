"""One tenant goes back to a backup of its own, and nothing else changes."""

from __future__ import annotations

import time
import uuid
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections

from apps.accounts.models import Membership, User
from apps.api_keys import access
from apps.api_keys import services as api_keys
from apps.audit.models import AuditEvent
from apps.core import redis, storage
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.datasets import services as datasets
from apps.datasets.models import Upload
from apps.registry import mlflow_store
from apps.registry import queries as registry
from tenants import queries, replay, services
from tenants.backups import contents, restoring, tables, taking
from tenants.backups.restoring import Plan
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantState
from tests import trained
from tests.tenants import everything
from tests.tenants.backups.helpers import back_up, forecast, publish, restore, state_of, wreck


def test_a_tenant_goes_back_to_its_backup_and_forecasts_the_same_numbers(
    acme: TenantKey, tmp_path: Path
) -> None:
    before, numbers = everything.of_schema(acme), forecast(acme)
    source = back_up(acme, tmp_path)
    wreck(acme)
    assert everything.of_schema(acme) != before
    done = restore(acme, source)
    assert (everything.of_schema(acme), forecast(acme)) == (before, numbers)
    assert state_of(acme) == (TenantState.ACTIVE, "")
    assert done.seconds < 60
    with system_scope(SystemRole.OPERATOR):
        actions = AuditEvent.objects.filter(tenant_id=acme.id, action__contains="tenant.").order_by(
            "occurred_at"
        )
        assert [event.action for event in actions if event.action != "tenant.created"] == [
            "tenant.backed_up",
            "tenant.suspended",
            "tenant.restored",
            "tenant.reactivated",
        ]


def test_everything_of_all_others_is_byte_identical_before_and_after(
    acme: TenantKey, globex: TenantKey, tmp_path: Path
) -> None:
    source = back_up(acme, tmp_path)
    redis.client().set(f"almanac:{globex.schema}:x", "1")
    redis.client().set(f"almanac:{acme.schema}:x", "1")
    wreck(acme)
    before = everything.of_others(acme)
    assert len([name for name in before if globex.schema in name]) > 8
    assert any(name.startswith("mlflow runs") for name in before)
    restore(acme, source)
    assert everything.of_others(acme) == before


def test_a_revoked_key_and_a_removed_member_do_not_return(acme: TenantKey, tmp_path: Path) -> None:
    bob = User.objects.using("owner").create(email="bob@acme.example")
    seat = Membership.objects.using("owner").create(tenant_id=acme.id, user=bob, role="viewer")
    with tenant_scope(acme):
        key, text = api_keys.create(name="Leaked", scopes=["forecasts:run"])
    source = back_up(acme, tmp_path)
    with tenant_scope(acme):
        api_keys.revoke(key_id=key.id)
    seat.delete()
    restore(acme, source)
    assert not Membership.objects.using("owner").filter(tenant_id=acme.id, user=bob).exists()
    with pytest.raises(Exception, match="revoked"):
        access.authenticate(given=text)
    with zipfile.ZipFile(source) as zipped:
        content = b"".join(zipped.read(name) for name in zipped.namelist())
    assert text.encode() not in content
    assert b"bob@acme.example" not in content


def test_mlflow_gets_back_what_is_gone_and_loses_what_nobody_knows(acme: TenantKey, tmp_path: Path) -> None:
    client = mlflow_store._client()
    source = back_up(acme, tmp_path)
    with tenant_scope(acme):
        version = registry.get_champion(name="sales")
        version = registry.get_version(version_id=version.id)
        publish("later", trained.naive())
    run = client.get_run(version.mlflow_run_id)
    client.delete_registered_model(version.mlflow_name)
    client.delete_run(version.mlflow_run_id)
    restore(acme, source)
    with tenant_scope(acme):
        again = registry.get_version(version_id=version.id)
    made = client.get_run(again.mlflow_run_id)
    assert (made.data.params, made.data.metrics) == (run.data.params, run.data.metrics)
    assert made.info.run_id != run.info.run_id
    champion = client.get_model_version_by_alias(again.mlflow_name, "champion")
    assert (champion.run_id, champion.tags["sha256"]) == (again.mlflow_run_id, again.bundle_sha256)
    assert [m.name for m in client.search_registered_models(f"name LIKE '{acme.schema}.%'")] == [
        again.mlflow_name
    ]
    everything_twice = restore(acme, source)
    with tenant_scope(acme):
        assert registry.get_version(version_id=version.id).mlflow_run_id == again.mlflow_run_id
    assert everything_twice.removed_files == 0


def test_files_made_after_the_backup_are_removed_and_lost_ones_come_back(
    acme: TenantKey, tmp_path: Path
) -> None:
    source = back_up(acme, tmp_path)
    before = [path for path in storage.list_files(acme) if Path(path).is_file()]
    Path(before[0]).unlink()
    Path(before[1]).write_bytes(b"damaged")
    with tenant_scope(acme):
        trained.dataset("Later", trained.monthly_csv(30))
    time.sleep(0.01)
    plans: list[Plan] = []
    done = restoring.restore(tenant_id=acme.id, source=source, agree=lambda plan: plans.append(plan) is None)
    assert done is not None
    assert (len(plans[0].files), done.removed_files) == (2, 1)
    assert [path for path in storage.list_files(acme) if Path(path).is_file()] == before
    assert all(Path(path).name.startswith(storage.digest(Path(path))) for path in before)


def test_whoever_says_no_changes_nothing(acme: TenantKey, tmp_path: Path) -> None:
    source = back_up(acme, tmp_path)
    wreck(acme)
    before = everything.of_schema(acme)
    lines: list[str] = []
    refuse: Callable[[Plan], bool] = lambda plan: bool(lines.extend(plan.lines()))  # noqa: E731
    assert restoring.restore(tenant_id=acme.id, source=source, agree=refuse) is None
    assert everything.of_schema(acme) == before
    assert state_of(acme) == (TenantState.ACTIVE, "")
    assert "  registry_modelversion: 0 row(s) become 1" in lines


def test_a_suspended_tenant_stays_suspended_for_its_own_reason(acme: TenantKey, tmp_path: Path) -> None:
    source = back_up(acme, tmp_path)
    with system_scope(SystemRole.OPERATOR):
        services.suspend(tenant_id=acme.id, reason="did not pay")
    restore(acme, source)
    assert state_of(acme) == (TenantState.SUSPENDED, "did not pay")


def test_a_restore_that_was_killed_is_finished_by_the_next_one(
    acme: TenantKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, before = back_up(acme, tmp_path), everything.of_schema(acme)
    wreck(acme)
    with system_scope(SystemRole.OPERATOR):  # what a killed run leaves: the tenant closed, some files there
        services.suspend(tenant_id=acme.id, reason=restoring.REASON)
    restore(acme, source)
    assert everything.of_schema(acme) == before
    assert state_of(acme) == (TenantState.ACTIVE, "")


def test_an_older_schema_is_restored_into_a_newer_program(
    acme: TenantKey, tmp_path: Path, newer: None
) -> None:
    source = back_up(acme, tmp_path)  # its schema has not had the newer migration yet
    restore(acme, source)
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'SELECT note, series_id FROM "{acme.schema}".explanations_explanation')
        assert cursor.fetchall() == [("older", "x\n\\N\t")]
    assert queries.get_tenant(tenant_id=acme.id).schema_version == replay.current_version()


def test_an_archive_is_private_and_has_no_absolute_paths(acme: TenantKey, tmp_path: Path) -> None:
    source = back_up(acme, tmp_path)
    assert source.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(source) as zipped:
        assert all(not name.startswith("/") and ".." not in name for name in zipped.namelist())
        assert "tables/django_migrations.copy" not in zipped.namelist()


def test_uploads_are_not_discarded_while_a_backup_runs(acme: TenantKey) -> None:
    with tenant_scope(acme):
        Upload.objects.update(created_at="2020-01-01T00:00Z")
        with tables.snapshot(acme.schema):
            assert datasets.discard_stale_uploads() == 0
        assert datasets.discard_stale_uploads() == 1


def test_every_path_column_of_a_tenant_table_is_backed_up() -> None:
    found = {
        (model._meta.db_table, field.name)
        for model in apps.get_models()
        if apps.get_app_config(model._meta.app_label).name in settings.TENANT_APPS
        for field in model._meta.fields
        if field.name.endswith("path")
    }
    assert found == {(each.table, each.path) for each in contents.list_files()}


def test_there_is_no_backup_of_a_tenant_that_is_not_there(committed: None, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="There is no tenant"):
        taking.back_up(tenant_id=uuid.uuid4(), to=tmp_path)


def test_the_command_tells_what_it_does_and_asks_before_it_replaces(acme: TenantKey, tmp_path: Path) -> None:
    out = StringIO()
    call_command("tenants", "backup", "acme", f"--to={tmp_path / 'a.zip'}", stdout=out)
    assert f"{tmp_path / 'a.zip'}: 8 row(s), 3 file(s)" in out.getvalue()
    wreck(acme)
    for words, says in (
        (("acme",), "not on a terminal: say --yes"),
        (("initech",), "there is no tenant 'initech'"),
    ):
        with pytest.raises(CommandError, match=says):
            call_command("tenants", "restore", *words, f"--from={tmp_path / 'a.zip'}", stdout=StringIO())
    with pytest.raises(CommandError, match="There is no file"):
        call_command("tenants", "restore", "acme", f"--from={tmp_path / 'b.zip'}", stdout=StringIO())
    call_command("tenants", "restore", "acme", f"--from={tmp_path / 'a.zip'}", "--yes", stdout=out)
    assert "registry_modelversion: 0 row(s) become 1" in out.getvalue()
    assert "acme is back at" in out.getvalue()
