"""A restore that is killed, fails or meets others leaves the old or the new state, and the next one ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection

from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from apps.registry.models import ModelVersion
from tenants.backups import restoring, tables
from tenants.backups.errors import BackupError, Refused
from tenants.context import tenant_scope
from tenants.models import TenantState
from tests.tenants import everything
from tests.tenants.backups.helpers import back_up, restore, state_of, wreck

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
