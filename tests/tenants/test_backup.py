"""One tenant goes back to a backup of its own, and nothing else changes."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from django.test import override_settings

from apps.accounts.models import Membership, User
from apps.api_keys import access
from apps.api_keys import services as api_keys
from apps.audit.models import AuditEvent
from apps.core import redis, storage
from apps.core.ids import new_id
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.datasets import services as datasets
from apps.datasets.models import Upload
from apps.explanations.models import Explanation
from apps.forecasts import services as forecasts
from apps.forecasts.serving.contracts import ForecastQuery
from apps.jobs.models import Job
from apps.registry import mlflow_store
from apps.registry import queries as registry
from apps.registry import services as publishing
from apps.registry.models import Model, ModelVersion
from tenants import provisioning, queries, replay, schemas, services
from tenants.backups import contents, restoring, tables, taking
from tenants.backups.errors import BackupError, Damaged, Refused
from tenants.backups.restoring import Plan
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantState
from tests import factories, trained
from tests.tenants import everything


@pytest.fixture(scope="module")
def mlflow(django_db_setup: None) -> None:
    mlflow_store.upgrade()


@pytest.fixture
def acme(committed: None, mlflow: None) -> TenantKey:
    return with_models("acme")


@pytest.fixture
def globex(committed: None, mlflow: None) -> TenantKey:
    return with_models("globex")


@pytest.fixture(autouse=True)
def clean_folders() -> Iterator[None]:
    yield
    for root in (settings.STORAGE_ROOT, settings.MLFLOW_ARTIFACT_ROOT):
        shutil.rmtree(root, ignore_errors=True)


def with_models(slug: str) -> TenantKey:
    """The tenant with a data set, a waiting upload, a published model and an explanation."""
    key = factories.tenant(slug).key
    with tenant_scope(key):
        publish("sales", trained.result("auto_ets"))
        sha256, path = storage.write_content(key, "uploads", f"ds,y\n2020-01-01,{slug}\n".encode(), ".csv")
        Upload.objects.create(
            filename='a\tb\\n"é.csv', path=path, sha256=sha256, size=9, reading={"a": [None, 1.5]}
        )
        Explanation.objects.create(forecast_id=new_id(), series_id="x\n\\N\t", step=1, job_id=new_id())
    return key


def publish(name: str, made: Any) -> ModelVersion:
    """A version as the worker publishes it, MLflow included."""
    first = trained.model(name, made)
    fields = (
        "algorithm",
        "label",
        "metrics",
        "horizon_max",
        "levels",
        "frequency",
        "series_count",
        "cutoff",
        "seed",
    )
    given: dict[str, Any] = {
        "model_name": name,
        "dataset_id": first.model.dataset_id,
        "dataset_version_id": first.dataset_version_id,
        "job_id": new_id(),
        "bundle": made.bundle,
        "notes": ["fine"],
        "params": {"depth": 3},
        "leaderboard": [{"name": "auto_ets", "mase": 0.5}],
        "code_version": first.code_version,
        **{field: getattr(first, field) for field in fields},
    }
    Model.objects.filter(name=name).update(champion=None)
    first.delete()

    class Lease:
        def hold(self) -> None:
            """Nobody takes it away."""

    lease: Any = Lease()
    return publishing.publish(trained=publishing.Trained(**given), progress=lease)


def back_up(key: TenantKey, folder: Path) -> Path:
    return taking.back_up(tenant_id=key.id, to=folder).path


def restore(key: TenantKey, source: Path, **options: Any) -> Any:
    return restoring.restore(tenant_id=key.id, source=source, agree=lambda _plan: True, **options)


def forecast(key: TenantKey) -> Any:
    with tenant_scope(key):
        version = registry.get_champion(name="sales")
        series = forecasts.predict_again(version, ForecastQuery(series=None, horizon=3, levels=(80,)))
        return [each.rows() for each in series]


def wreck(key: TenantKey) -> None:
    """All that a bad day can do to a tenant's data."""
    with tenant_scope(key), transaction.atomic():
        Model.objects.update(champion=None)
        ModelVersion.objects.all().delete()
        Upload.objects.update(filename="lost.csv")
        trained.dataset("Added later")
    storage.erase(key)


def state_of(key: TenantKey) -> tuple[str, str]:
    tenant = queries.get_tenant(tenant_id=key.id)
    return tenant.state, tenant.suspended_reason


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


KILLED = """
import os, signal, sys, django
django.setup()
from pathlib import Path
from tenants.backups import files, restoring, tables
module, name = {"tables": tables, "restoring": restoring, "files": files}[sys.argv[3]], sys.argv[4]
setattr(module, name, lambda *arguments, **options: os.kill(os.getpid(), signal.SIGKILL))
from tenants import queries
tenant = queries.find_by_slug(slug="acme")
restoring.restore(tenant_id=tenant.id, source=Path(sys.argv[1]), agree=lambda plan: True)
"""


@pytest.mark.stack
@pytest.mark.parametrize(
    "where", ["files.place", "tables._load", "tables._set_sequences", "restoring._record"]
)
def test_kill_9_leaves_the_old_or_the_new_state_and_the_next_run_ends_it(
    acme: TenantKey, tmp_path: Path, where: str
) -> None:
    source, then = back_up(acme, tmp_path), everything.of_schema(acme)
    wreck(acme)
    now = everything.of_schema(acme)
    command = [sys.executable, "-c", KILLED, str(source), "acme", *where.split(".")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    killed = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert everything.of_schema(acme) == (then if where == "restoring._record" else now)
    assert state_of(acme) == (TenantState.SUSPENDED, restoring.REASON)
    restore(acme, source)
    assert everything.of_schema(acme) == then
    assert state_of(acme)[0] == TenantState.ACTIVE


@pytest.mark.parametrize("killed", ["_place_files", "_fill", "_set_sequences", "_restore_mirrors"])
def test_a_failure_anywhere_leaves_the_old_or_the_new_state_and_an_open_tenant(
    acme: TenantKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    source, then = back_up(acme, tmp_path), everything.of_schema(acme)
    wreck(acme)
    now = everything.of_schema(acme)

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("the lights went out")

    with monkeypatch.context() as patch:
        module = restoring if hasattr(restoring, killed) else tables
        patch.setattr(module, killed, fail)
        with pytest.raises(RuntimeError):
            restore(acme, source)
    assert everything.of_schema(acme) == (then if killed == "_restore_mirrors" else now)
    assert state_of(acme)[0] == TenantState.ACTIVE
    restore(acme, source)
    assert everything.of_schema(acme) == then


def test_others_see_the_old_state_until_the_swap_commits(
    acme: TenantKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = back_up(acme, tmp_path)
    wreck(acme)
    seen: list[Any] = []
    original = tables._set_sequences

    def look(*arguments: Any) -> None:
        thread = threading.Thread(target=_count_versions, args=(acme, seen))
        thread.start()
        time.sleep(0.3)  # it waits for the lock, and sees what the commit brings
        seen.append("before the commit")
        original(*arguments)
        threads.append(thread)

    threads: list[threading.Thread] = []
    monkeypatch.setattr(tables, "_set_sequences", look)
    restore(acme, source)
    threads[0].join()
    assert seen[0] == "before the commit"
    assert seen[1] in (1, "gone")


def _count_versions(key: TenantKey, seen: list[Any]) -> None:
    try:
        with tenant_scope(key):
            seen.append(ModelVersion.objects.count())
    except DatabaseError:
        seen.append("gone")  # the very table that it waited for was replaced
    finally:
        connection.close()


def test_tables_that_are_in_use_are_waited_for_only_so_long(
    acme: TenantKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = back_up(acme, tmp_path)
    monkeypatch.setattr(tables, "LOCK_TIMEOUT", "50ms")
    with psycopg.connect(tables.owner_dsn()) as reader:
        reader.execute(f'SELECT count(*) FROM "{acme.schema}".datasets_dataset')
        with pytest.raises(BackupError, match="Somebody holds acme's tables"):
            restore(acme, source)
    assert state_of(acme)[0] == TenantState.ACTIVE
    assert restore(acme, source)


def test_two_restores_of_one_tenant_do_not_meet(
    acme: TenantKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = back_up(acme, tmp_path)
    monkeypatch.setattr(restoring, "ALONE_SECONDS", 0.0)
    with psycopg.connect(tables.owner_dsn()) as other:
        other.execute("SELECT pg_advisory_lock(hashtext(%s))", [f"almanac.restore.{acme.id}"])
        with pytest.raises(Refused, match="Another restore of this tenant is under way"):
            restore(acme, source)


def test_jobs_end_before_the_tables_are_replaced_and_stay_as_they_are(
    acme: TenantKey, tmp_path: Path
) -> None:
    source = back_up(acme, tmp_path)
    with tenant_scope(acme):
        job = Job.objects.create(tenant_id=acme.id, kind="x", queue="default")
    restore(acme, source)
    with tenant_scope(acme):
        assert Job.objects.get(id=job.id).state == "cancelled"


def test_an_older_schema_is_restored_into_a_newer_program(
    acme: TenantKey, tmp_path: Path, newer: None
) -> None:
    source = back_up(acme, tmp_path)  # its schema has not had the newer migration yet
    restore(acme, source)
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'SELECT note, series_id FROM "{acme.schema}".explanations_explanation')
        assert cursor.fetchall() == [("older", "x\n\\N\t")]
    assert queries.get_tenant(tenant_id=acme.id).schema_version == replay.current_version()


@pytest.fixture
def newer(settings: Any, acme: TenantKey) -> Iterator[None]:
    settings.MIGRATION_MODULES = {"explanations": "tests.tenants.newer_migrations"}
    _forget_migrations()
    yield
    settings.MIGRATION_MODULES = {}
    _forget_migrations()
    with connections["owner"].cursor() as cursor, transaction.atomic(using="owner"):
        cursor.execute(f'ALTER TABLE "{acme.schema}".explanations_explanation DROP COLUMN IF EXISTS note')
        cursor.execute(f"DELETE FROM \"{acme.schema}\".django_migrations WHERE name = '0002_note'")
        version = replay.fingerprint(replay.applied(acme.schema))
        cursor.execute("UPDATE tenants_tenant SET schema_version = %s WHERE id = %s", [version, acme.id])


def _forget_migrations() -> None:
    replay.wanted.cache_clear()
    replay.record.cache_clear()


def test_a_backup_of_a_newer_program_is_refused(acme: TenantKey, tmp_path: Path, newer: None) -> None:
    restore(acme, back_up(acme, tmp_path))
    source = taking.back_up(tenant_id=acme.id, to=tmp_path / "newer.zip").path
    with override_settings(MIGRATION_MODULES={}):
        replay.wanted.cache_clear()
        with pytest.raises(
            Refused, match=r"explanations\.0002_note, which this one does not know. Upgrade first"
        ):
            restore(acme, source)


def test_another_tenants_backup_is_refused_unless_the_tenant_is_fresh(
    acme: TenantKey, globex: TenantKey, tmp_path: Path
) -> None:
    source, numbers = back_up(acme, tmp_path), forecast(acme)
    with pytest.raises(Refused, match="--into-fresh"):
        restore(globex, source)
    with pytest.raises(Refused, match="globex has data of its own"):
        restore(globex, source, into_fresh=True)
    provisioning.refill(size=1)
    fresh = services.claim(name="Acme again", slug="acme-again").key
    restore(fresh, source, into_fresh=True)
    assert everything.of_schema(fresh).keys() == everything.of_schema(acme).keys()
    assert forecast(fresh) == numbers == forecast(acme)
    with tenant_scope(fresh):
        version = registry.get_version(version_id=registry.get_champion(name="sales").id)
    assert version.mlflow_name == f"{fresh.schema}.sales"
    schemas.drop(fresh.schema)


def test_every_changed_byte_is_found_or_harmless(acme: TenantKey, tmp_path: Path) -> None:
    source = back_up(acme, tmp_path)
    whole, before = source.read_bytes(), everything.of_schema(acme)
    broken = tmp_path / "broken.zip"
    found = 0
    for position in range(0, len(whole), len(whole) // 60):
        broken.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        with contextlib.suppress(BackupError):
            restoring.restore(tenant_id=acme.id, source=broken, agree=lambda _plan: False)
            continue
        found += 1
    assert found > 50
    assert everything.of_schema(acme) == before


def test_what_is_no_whole_backup_is_one_clear_line(acme: TenantKey, tmp_path: Path) -> None:
    source = back_up(acme, tmp_path)
    whole = source.read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.zip").write_text("not an archive")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a", "b")
    for name, kind, says in (
        ("none.zip", Refused, "There is no file"),
        ("cut.zip", Damaged, "cut short"),
        ("text.zip", Damaged, "no whole archive"),
        ("other.zip", Refused, "no manifest"),
        (".", Refused, "is a folder"),
    ):
        with pytest.raises(kind, match=says):
            restore(acme, tmp_path / name)
    assert state_of(acme)[0] == TenantState.ACTIVE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2, "program": "9.0"}, "has format 2, made by version 9.0; this program reads format 1"),
        ({"kind": "almanac.instance"}, "not a backup of a tenant"),
        ({"tables": [{"name": "x"}]}, "cannot be understood"),
        ({"files": [{"name": "files/../../x", "bytes": 1, "sha256": "0" * 64}]}, "cannot be understood"),
    ],
)
def test_a_foreign_or_newer_manifest_is_refused(
    acme: TenantKey, tmp_path: Path, change: Any, says: str
) -> None:
    source = back_up(acme, tmp_path)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "manifest.json":
                content = json.dumps({**json.loads(content), **change}).encode()
            new.writestr(name, content)
    with pytest.raises(BackupError, match=says):
        restore(acme, changed)


def test_a_backup_replaces_nothing_and_leaves_nothing_half(acme: TenantKey, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    target.write_text("mine")
    with pytest.raises(Refused, match="exists already"):
        back_up(acme, target)
    with pytest.raises(Refused, match="no folder"):
        back_up(acme, tmp_path / "no" / "a.zip")
    target.unlink()
    path = Path(next(path for path in storage.list_files(acme) if path.endswith(".alm")))
    path.write_bytes(b"damaged")
    with pytest.raises(Damaged, match="does not have the hash of its row"):
        back_up(acme, target)
    path.unlink()
    with pytest.raises(Damaged, match="cannot be read: No such file"):
        back_up(acme, target)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(acme: TenantKey, tmp_path: Path) -> None:
    source, before = back_up(acme, tmp_path), everything.of_schema(acme)
    shutil.rmtree(storage.tenant_path(acme))
    with no_room(), pytest.raises(BackupError, match=r"cannot be written: File too large"):
        restore(acme, source)
    assert everything.of_schema(acme) == before
    assert state_of(acme)[0] == TenantState.ACTIVE
    assert [path for path in storage.list_files(acme) if Path(path).is_file()] == []
    restore(acme, source)
    with no_room(), pytest.raises(BackupError, match=r"could not be written to .*: File too large"):
        back_up(acme, tmp_path / "second.zip")
    assert list(tmp_path.iterdir()) == [source]


@contextlib.contextmanager
def no_room() -> Iterator[None]:
    """This process can write no file beyond 500 bytes, as on a disk that fills up."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_restore_that_would_fill_the_disk_is_refused_first(
    acme: TenantKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = back_up(acme, tmp_path)
    storage.erase(acme)
    monkeypatch.setattr(restoring, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(Refused, match="MB free"):
        restore(acme, source)


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
    assert f"{tmp_path / 'a.zip'}: 6 row(s), 3 file(s)" in out.getvalue()
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
