"""A tenant whose files are in a bucket is backed up and restored like any other."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core import storage
from apps.core.storage import backups as stored
from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store
from apps.registry import queries as registry
from tenants.backups import restoring
from tenants.backups.errors import BackupError, Damaged
from tenants.context import tenant_scope
from tenants.models import TenantState
from tests import object_store, trained
from tests.object_store import BUCKET, PREFIX, ObjectStore
from tests.tenants import everything
from tests.tenants.backups.helpers import back_up, forecast, restore, state_of, with_models, wreck


@pytest.fixture(scope="module")
def running() -> Iterator[ObjectStore]:
    with object_store.serving() as served:
        yield served


@pytest.fixture
def server(running: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    object_store.use(running, settings, monkeypatch)
    return running


@pytest.fixture
def acme(committed: None, mlflow: None, server: ObjectStore) -> Iterator[TenantKey]:
    key = with_models("acme")
    yield key
    storage.erase(key)


@pytest.fixture
def globex(committed: None, mlflow: None, server: ObjectStore) -> Iterator[TenantKey]:
    key = with_models("globex")
    yield key
    storage.erase(key)


def paths(key: TenantKey) -> list[str]:
    return [each.path for each in stored.list_stored(key.schema)]


def test_models_are_published_and_forecast_from_the_bucket(acme: TenantKey, server: ObjectStore) -> None:
    with tenant_scope(acme):
        version = registry.get_version(version_id=registry.get_champion(name="sales").id)
    assert f"{PREFIX}/{acme.schema}/{version.bundle_path}" in server.names()
    assert len(forecast(acme)[0]) == 3
    run = mlflow_store._client().get_run(version.mlflow_run_id)
    logged = (
        Path(run.info.artifact_uri.removeprefix("file://"))
        / "model"
        / "bundle"
        / Path(version.bundle_path).name
    )
    assert storage.digest(logged) == version.bundle_sha256


def test_a_tenant_goes_back_to_its_backup_and_nobody_else_is_touched(
    acme: TenantKey, globex: TenantKey, server: ObjectStore, tmp_path: Path
) -> None:
    before, numbers, files = everything.of_schema(acme), forecast(acme), paths(acme)
    theirs = paths(globex)
    source = back_up(acme, tmp_path)
    with zipfile.ZipFile(source) as archive:
        assert {f"files/{path}" for path in files} <= set(archive.namelist())
    wreck(acme)
    assert all(path not in files for path in paths(acme))
    restore(acme, source)
    assert (everything.of_schema(acme), forecast(acme), paths(acme)) == (before, numbers, files)
    assert paths(globex) == theirs


def test_files_made_after_the_backup_are_removed_and_lost_and_damaged_ones_come_back(
    acme: TenantKey, tmp_path: Path
) -> None:
    source, before = back_up(acme, tmp_path), paths(acme)
    sizes = {path: storage.size(acme, path) for path in before}
    storage.delete(acme, before[0])
    stored.put(acme.schema, before[1], [b"x" * sizes[before[1]]])
    with tenant_scope(acme):
        trained.dataset("Later", trained.monthly_csv(30))
    time.sleep(1.1)  # objects are dated to the second
    plans: list[Any] = []
    done = restoring.restore(tenant_id=acme.id, source=source, agree=lambda plan: plans.append(plan) is None)
    assert done is not None
    assert (len(plans[0].files), done.removed_files) == (2, 1)
    assert paths(acme) == before
    for path in before:
        assert storage.read_content(acme, path, Path(path).stem)


def test_a_file_written_while_the_tenant_is_closed_is_not_taken_for_an_old_one(
    acme: TenantKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = back_up(acme, tmp_path)
    ending = restoring._end_work

    def late(key: TenantKey, report: Any) -> None:
        ending(key, report)
        storage.write_content(key, "uploads", b"a request that had begun", ".csv")

    monkeypatch.setattr(restoring, "_end_work", late)
    assert restore(acme, source).removed_files == 0


def test_a_damaged_or_lost_object_fails_the_backup_and_leaves_nothing(
    acme: TenantKey, tmp_path: Path
) -> None:
    bundle = next(path for path in paths(acme) if path.endswith(".alm"))
    stored.put(acme.schema, bundle, [b"damaged"])
    with pytest.raises(Damaged, match="does not have the hash of its row"):
        back_up(acme, tmp_path)
    storage.delete(acme, bundle)
    with pytest.raises(Damaged, match="cannot be read: No such file"):
        back_up(acme, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_one_line_and_changes_nothing(
    acme: TenantKey, tmp_path: Path, settings: Any
) -> None:
    source, before = back_up(acme, tmp_path), everything.of_schema(acme)
    options = {**settings.STORAGES["tenants"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:9"}
    ours = settings.STORAGES
    settings.STORAGES = {**ours, "tenants": {**ours["tenants"], "OPTIONS": options}}
    with pytest.raises(BackupError, match="EndpointConnectionError"):
        restore(acme, source)
    with pytest.raises(BackupError, match="EndpointConnectionError"):
        back_up(acme, tmp_path / "second.zip")
    settings.STORAGES = ours
    assert everything.of_schema(acme) == before
    assert state_of(acme)[0] == TenantState.ACTIVE
    assert list(tmp_path.iterdir()) == [source]


def test_an_archive_that_is_damaged_on_the_way_writes_no_object(
    acme: TenantKey, server: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = back_up(acme, tmp_path)
    storage.erase(acme)

    def damaged(_self: Any, part: Any) -> Iterator[bytes]:
        yield b"x"
        raise Damaged(f"{part.name} is not what was written")

    with monkeypatch.context() as patch:
        patch.setattr(restoring.Reader, "verify", lambda *_: None)
        patch.setattr(restoring.Reader, "chunks", damaged)
        with pytest.raises(Damaged):
            restore(acme, source)
    assert [name for name in server.names(BUCKET) if acme.schema in name] == []
    restore(acme, source)
