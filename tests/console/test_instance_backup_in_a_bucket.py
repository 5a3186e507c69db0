"""An instance whose files are in a bucket goes into a folder, and comes back into a bucket."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from apps.console.instance import emptying, manifest, stored, taking
from apps.console.instance.manifest import Problem
from apps.core import storage
from apps.core.storage import backups
from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store
from tenants.backups import tables
from tenants.context import tenant_scope
from tests import factories, object_store, trained
from tests.console.elsewhere import elsewhere
from tests.object_store import BUCKET, ObjectStore


@pytest.fixture(scope="module")
def running() -> Iterator[ObjectStore]:
    with object_store.serving() as served:
        yield served


@pytest.fixture
def server(running: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    object_store.use(running, settings, monkeypatch)
    return running


@pytest.fixture
def acme(committed: None, django_db_setup: None, server: ObjectStore) -> Iterator[TenantKey]:
    mlflow_store.upgrade()
    _clear()
    key = factories.tenant("acme").key
    with tenant_scope(key):
        trained.model("sales", trained.result("auto_ets"))
    yield key
    storage.erase(key)
    _clear()


def _clear() -> None:
    """What lies beside the databases, also what tests before left there: it would be counted."""
    for name in ("mlflow", "storage", "cache"):
        shutil.rmtree(Path(django_settings.VAR) / name, ignore_errors=True)


def test_the_backup_holds_the_objects_that_rows_name(acme: TenantKey, tmp_path: Path) -> None:
    named = [each.path for each in backups.list_stored()]
    backups.put(acme.schema, "incoming/half.csv", [b"not yet"])
    taken = taking.back_up(to=tmp_path)
    assert [file.path for file in taken.manifest.below("storage")] == [
        f"storage/{acme.schema}/{path}" for path in named
    ]
    manifest.verify(taken.folder, taken.manifest)
    assert any("3 stored file(s)" in line for line in emptying.what_is_there(tables.owner_dsn()))


def test_a_damaged_or_lost_object_fails_the_backup_and_leaves_nothing(
    acme: TenantKey, tmp_path: Path
) -> None:
    bundle = next(each.path for each in backups.list_stored() if each.path.endswith(".alm"))
    backups.put(acme.schema, bundle, [b"damaged"])
    with pytest.raises(Problem, match=rf"s3://{BUCKET}/.*{bundle} is damaged"):
        taking.back_up(to=tmp_path)
    storage.delete(acme, bundle)
    with pytest.raises(Problem, match="is gone, though a row names it"):
        taking.back_up(to=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_one_line(acme: TenantKey, tmp_path: Path, settings: Any) -> None:
    ours = settings.STORAGES
    options = {**ours["tenants"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:9"}
    settings.STORAGES = {**ours, "tenants": {**ours["tenants"], "OPTIONS": options}}
    with pytest.raises(CommandError, match="storage of files did not do what was asked") as raised:
        call_command("backup", to=tmp_path, stdout=StringIO())
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    settings.STORAGES = ours


def test_objects_come_back_and_those_that_the_backup_lacks_go_only_at_the_end(
    acme: TenantKey, server: ObjectStore, tmp_path: Path
) -> None:
    taken = taking.back_up(to=tmp_path)
    before = server.names()
    content = {name: server.client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in before}
    storage.erase(acme)
    storage.write_content(acme, "uploads", b"made later", ".csv")
    server.client.put_object(Bucket=BUCKET, Key="notes/theirs", Body=b"of others")
    later = server.names()
    stored.put_back(taken.folder, taken.manifest, lambda _line: None)
    assert set(server.names()) == {*before, *later}
    stored.remove_others(taken.manifest)
    assert server.names() == [*before, "notes/theirs"]
    assert content == {
        name: server.client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in before
    }
    server.client.delete_object(Bucket=BUCKET, Key="notes/theirs")


def test_a_file_of_the_backup_that_changes_while_it_is_read_is_not_uploaded(
    acme: TenantKey, server: ObjectStore, tmp_path: Path
) -> None:
    taken = taking.back_up(to=tmp_path)
    storage.erase(acme)
    damaged = taken.manifest.below("storage")[0]
    (taken.folder / damaged.path).write_bytes(b"changed")
    with pytest.raises(Problem, match="changed while it was read"):
        stored.put_back(taken.folder, taken.manifest, lambda _line: None)
    assert server.names() == []


@pytest.mark.stack
def test_an_instance_comes_back_on_another_server_with_its_files_in_the_bucket(
    acme: TenantKey, server: ObjectStore, tmp_path: Path
) -> None:
    taken, names = taking.back_up(to=tmp_path), server.names()
    storage.erase(acme)
    with elsewhere() as there:
        there.environment.update(server.environment())
        restored = there.manage("restore", "--from", str(taken.folder))
        assert restored.returncode == 0, restored.stderr
        assert server.names() == names
        assert not list((there.var / "storage").rglob("*.alm"))
        again = there.manage("restore", "--from", str(taken.folder))
        assert "2 stored file(s)" in again.stderr
