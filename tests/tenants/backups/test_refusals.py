"""What is damaged, foreign, newer or too big is refused in one line, and nothing is changed."""

from __future__ import annotations

import contextlib
import itertools
import json
import resource
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.registry import queries as registry
from tenants import provisioning, replay, schemas, services
from tenants.backups import archive, restoring, taking
from tenants.backups.errors import BackupError, Damaged, Refused
from tenants.context import tenant_scope
from tenants.models import TenantState
from tests.tenants import everything
from tests.tenants.backups.helpers import back_up, forecast, restore, state_of


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


def test_every_changed_byte_of_the_table_of_contents_is_found_or_harmless(
    acme: TenantKey, tmp_path: Path
) -> None:
    whole, broken = back_up(acme, tmp_path).read_bytes(), tmp_path / "broken.zip"
    harmless = 0
    for position, flipped in itertools.product(range(len(whole) - 1500, len(whole)), (0x55, 0xFF)):
        broken.write_bytes(whole[:position] + bytes([whole[position] ^ flipped]) + whole[position + 1 :])
        with contextlib.suppress(BackupError), archive.reading(broken) as reader:
            reader.verify()
            harmless += 1
    assert harmless < 1500, "most of it matters"


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
