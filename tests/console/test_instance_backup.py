"""The whole instance goes into a folder, and comes out of it on another server."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management import CommandError, call_command

from apps.accounts.models import User
from apps.api_keys import services as api_keys
from apps.console.instance import manifest, moment, pg_tools, restoring, taking
from apps.console.instance.manifest import Problem
from apps.core import redis, storage
from apps.core.tenancy import TenantKey
from apps.datasets.models import DatasetVersion
from apps.forecasts import services as forecasts
from apps.forecasts.serving.contracts import ForecastQuery
from apps.registry import mlflow_store
from apps.registry import queries as registry
from tenants.backups import tables
from tenants.context import tenant_scope
from tests import factories, trained
from tests.console.elsewhere import elsewhere

SECRETS = {"secret_key": "a-secret-key", "api_key_peppers": "1:" + "00" * 32, "demo_password": "word"}
ASK = """
import json, sys, django
django.setup()
from apps.accounts.models import User
from apps.api_keys import access
from apps.api_keys import services as api_keys
from apps.forecasts import services as forecasts
from apps.forecasts.serving.contracts import ForecastQuery
from apps.registry import queries as registry
from tenants import queries
from tenants.context import tenant_scope
principal = access.authenticate(given=sys.argv[1])
user = User.objects.get(email="alice@acme.example")
with tenant_scope(queries.find_by_slug(slug="acme").key):
    version = registry.get_champion(name="sales")
    series = forecasts.predict_again(version, ForecastQuery(series=None, horizon=3, levels=(80,)))
rows = [each.rows() for each in series]
print(json.dumps({"rows": rows, "logged_in": user.check_password("correct-horse"), "key": principal is not None}))
"""


@pytest.fixture(scope="module")
def mlflow(django_db_setup: None) -> None:
    mlflow_store.upgrade()


@pytest.fixture
def acme(committed: None, mlflow: None) -> Iterator[TenantKey]:
    """acme with a model, alice, and what lies around the databases."""
    for name in ("mlflow", "storage"):  # what tests before left there would be counted
        shutil.rmtree(Path(settings.VAR) / name, ignore_errors=True)
    key = factories.tenant("acme").key
    with tenant_scope(key):
        trained.model("sales", trained.result("auto_ets"))
    password = make_password("correct-horse", hasher="argon2")
    User.objects.using("owner").create(email="alice@acme.example", password=password)
    var = Path(settings.VAR)
    _write(var / "secrets", SECRETS)
    _write(
        var / "valkey" / "appendonlydir",
        {"appendonly.aof.manifest": "file a", "appendonly.aof.1.incr.aof": "*1"},
    )
    _write(var / "mlflow" / key.schema / "run", {"leaderboard.json": "{}"})
    (var / "stripe").mkdir(exist_ok=True)
    with closing(sqlite3.connect(var / "stripe" / "account.sqlite3")) as account, account:
        account.execute("CREATE TABLE customers (id TEXT)")
    yield key
    for name in ("secrets", "valkey", "mlflow", "stripe", "storage"):
        shutil.rmtree(var / name, ignore_errors=True)


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def rows_of(key: TenantKey) -> Any:
    with tenant_scope(key):
        version = registry.get_champion(name="sales")
        series = forecasts.predict_again(version, ForecastQuery(series=None, horizon=3, levels=(80,)))
        return json.loads(json.dumps([each.rows() for each in series]))


@pytest.mark.stack
def test_an_instance_comes_back_on_another_server_and_answers_as_before(
    acme: TenantKey, tmp_path: Path
) -> None:
    with tenant_scope(acme):
        _key, text = api_keys.create(name="Test", scopes=["forecasts:run"])
    taken = taking.back_up(to=tmp_path)
    with elsewhere() as there:
        restored = there.manage("restore", "--from", str(taken.folder))
        assert restored.returncode == 0, restored.stderr
        assert "restored the instance of" in restored.stdout
        checked = there.manage("tenants", "check")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        asked = there.run("-c", ASK, text)
        assert asked.returncode == 0, asked.stderr
        assert json.loads(asked.stdout) == {"rows": rows_of(acme), "logged_in": True, "key": True}
        assert (there.var / "mlflow" / acme.schema / "run" / "leaderboard.json").read_text() == "{}"

        again = there.manage("restore", "--from", str(taken.folder))
        assert again.returncode == 1
        assert "This instance has data: 1 person(s), 2 tenant(s), 3 stored file(s)" in again.stderr
        assert "Traceback" not in again.stderr
        forced = there.manage("restore", "--from", str(taken.folder), "--force", "--yes")
        assert forced.returncode == 0, forced.stderr
        assert there.manage("tenants", "check").returncode == 0


@pytest.mark.stack
def test_what_does_not_fit_is_refused_before_anything_is_changed(acme: TenantKey, tmp_path: Path) -> None:
    taken = taking.back_up(to=tmp_path)
    with elsewhere("almanac_other") as there:
        refused = there.manage("restore", "--from", str(taken.folder))
        assert refused.returncode == 1
        assert f"The backup is of the database {settings.DATABASE}, this is almanac_other" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
        with psycopg.connect(there.owner) as connection:
            assert connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone() == (0,)


def test_a_backup_holds_everything_that_rows_name_and_is_private(acme: TenantKey, tmp_path: Path) -> None:
    (storage.tenant_path(acme) / "incoming").mkdir(exist_ok=True)
    (storage.tenant_path(acme) / "incoming" / "half.csv").write_text("not yet")
    folder = taking.back_up(to=tmp_path).folder
    made = manifest.read(folder)
    names = {file.path for file in made.files}
    with tenant_scope(acme):
        part = DatasetVersion.objects.get().parts.get().file.path
    assert f"storage/{acme.schema}/{part}" in names
    assert not any("incoming" in name for name in names)
    assert {f"secrets/{name}" for name in SECRETS} <= names
    assert {
        "valkey/appendonlydir/appendonly.aof.manifest",
        "stripe/account.sqlite3",
        "database/toc.dat",
    } <= names
    assert names == {str(path.relative_to(folder)) for path in manifest.list_files(folder)} - {
        manifest.NAME,
        manifest.SEAL,
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (folder / "secrets").iterdir())
    assert (folder / "secrets" / "secret_key").read_text().strip() == settings.SECRET_KEY
    assert (made.counts["tenants"], made.counts["users"]) == (2, 1)
    manifest.verify(folder, made)


def test_secrets_are_left_out_when_asked_and_that_is_said(acme: TenantKey, tmp_path: Path) -> None:
    out, err = StringIO(), StringIO()
    call_command("backup", to=tmp_path, without_secrets=True, stdout=out, stderr=err)
    folder = next(tmp_path.iterdir())
    assert not (folder / "secrets").exists()
    assert "without the peppers no API key works after a restore" in err.getvalue()
    assert "It is not encrypted" in out.getvalue()
    everything = b"".join(path.read_bytes() for path in manifest.list_files(folder))
    assert settings.SECRET_KEY.encode() not in everything


def test_other_secrets_than_those_of_the_backup_are_told(
    acme: TenantKey, tmp_path: Path, settings: Any
) -> None:
    made = taking.back_up(to=tmp_path).manifest
    assert restoring._warnings(made) == []
    settings.API_KEY_PEPPERS = {1: b"\x01" * 32}
    assert restoring._warnings(made) == [
        "The secret api_key_peppers is not that of the backup: no API key of the backup works."
    ]


SPOILT: list[tuple[Callable[[Path], Any], str]] = [
    (lambda folder: (folder / "manifest.json").unlink(), "There is no backup in"),
    (lambda folder: _flip(folder / "manifest.json"), "manifest.json is damaged"),
    (lambda folder: _flip(folder / "database" / "toc.dat"), "toc.dat is damaged"),
    (
        lambda folder: (folder / "secrets" / "secret_key").unlink(),
        "secret_key cannot be read: No such file",
    ),
    (
        lambda folder: _cut(next((folder / "storage").rglob("*.alm"))),
        "is damaged: it is not what was written",
    ),
    (lambda folder: _change(folder, format=2), "has format 2, made by version"),
    (lambda folder: _change(folder, kind="almanac.tenant"), "is not a backup of an instance"),
    (lambda folder: _change(folder, migrations=["jobs.9999_later"]), "newer program .*jobs.9999_later"),
    (lambda folder: _change(folder, server_version=990000), "comes from PostgreSQL 99"),
    (
        lambda folder: _change(folder, files=[{"path": "../x", "bytes": 1, "sha256": "0"}]),
        "outside of the backup",
    ),
]


def test_a_spoilt_or_foreign_backup_is_one_line_and_changes_nothing(acme: TenantKey, tmp_path: Path) -> None:
    whole = taking.back_up(to=tmp_path).folder
    before = rows_of(acme)
    for number, (spoil, says) in enumerate(SPOILT):
        folder = Path(shutil.copytree(whole, tmp_path / str(number)))
        spoil(folder)
        with pytest.raises(CommandError, match=says) as raised:
            call_command("restore", source=folder, force=True, yes=True, stdout=StringIO())
        assert "\n" not in str(raised.value)
    assert rows_of(acme) == before


def _flip(path: Path) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _change(folder: Path, **fields: Any) -> None:
    import hashlib

    text = json.dumps({**json.loads((folder / manifest.NAME).read_text()), **fields})
    (folder / manifest.NAME).write_text(text)
    (folder / manifest.SEAL).write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  {manifest.NAME}\n")


def test_an_instance_with_data_is_not_replaced_unasked(acme: TenantKey, tmp_path: Path) -> None:
    folder = taking.back_up(to=tmp_path).folder
    with pytest.raises(CommandError, match=r"has data: 1 person\(s\), 2 tenant\(s\), .* say --force"):
        call_command("restore", source=folder, stdout=StringIO())
    with pytest.raises(CommandError, match="not on a terminal: say --yes"):
        call_command("restore", source=folder, force=True, stdout=StringIO())
    with pytest.raises(CommandError, match=r"holds 1 backup\(s\); name one of them"):
        call_command("restore", source=tmp_path, stdout=StringIO())


def test_a_damaged_or_lost_file_fails_the_backup_and_leaves_nothing(acme: TenantKey, tmp_path: Path) -> None:
    path = next(storage.tenant_path(acme).rglob("*.alm"))
    path.write_bytes(b"damaged")
    with pytest.raises(Problem, match="does not have the hash of its row"):
        taking.back_up(to=tmp_path)
    path.unlink()
    with pytest.raises(Problem, match="is gone, though a row names it"):
        taking.back_up(to=tmp_path)
    with pytest.raises(Problem, match="There is no folder"):
        taking.back_up(to=tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(
    acme: TenantKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(Problem, match="MB free"):
        taking.back_up(to=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_database_and_the_files_are_of_one_moment(acme: TenantKey) -> None:
    with moment.hold() as now:
        with tenant_scope(acme):
            trained.dataset("Later", trained.monthly_csv(40))
        named = [each.path for each in moment.references(now) if each.schema == acme.schema]
        with tables.snapshot(acme.schema) as today:
            later = today.files([*tables_of_files()])
    assert len(later) == len(named) + 1


def tables_of_files() -> Any:
    from tenants.backups import contents

    return contents.list_files()


def test_a_tool_that_is_too_old_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.3 (Debian)'\n")
    old.chmod(0o755)
    monkeypatch.setattr(pg_tools, "_candidates", lambda _name: iter([old]))
    with pytest.raises(
        Problem, match=r"The server is PostgreSQL 18 and needs a pg_dump .* the newest here is 15"
    ):
        pg_tools.find("pg_dump", 180001)
    assert pg_tools.find("pg_dump", 150009).major == 15
    monkeypatch.setattr(pg_tools, "_candidates", lambda _name: iter([tmp_path / "absent"]))
    with pytest.raises(Problem, match="none is here"):
        pg_tools.find("pg_dump", 150009)


def test_the_tools_of_the_embedded_server_are_found_and_passwords_are_not_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert pg_tools.find("pg_restore", 180000).major == 18
    spy = tmp_path / "pg_dump"
    spy.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\necho $PGPASSWORD > {tmp_path}/password\n')
    spy.chmod(0o755)
    dsn = "dbname=x user=y password='hun ter2' host=/z"
    pg_tools.dump(
        pg_tools.Tool(spy, 18), dsn, tmp_path / "d", jobs=1, snapshot="a-b", report=lambda _line: None
    )
    assert "hun" not in (tmp_path / "said").read_text()
    assert (tmp_path / "password").read_text() == "hun ter2\n"


def test_too_few_locks_are_explained(tmp_path: Path) -> None:
    tool = tmp_path / "pg_dump"
    tool.write_text(
        "#!/bin/sh\necho 'pg_dump: error: query failed: ERROR:  out of shared memory' >&2\n"
        "echo 'HINT:  You might need to increase \"max_locks_per_transaction\".' >&2\nexit 1\n"
    )
    tool.chmod(0o755)
    with pytest.raises(Problem, match=r"out of shared memory\. Raise max_locks_per_transaction"):
        pg_tools.dump(
            pg_tools.Tool(tool, 18), "dbname=x", tmp_path, jobs=1, snapshot=None, report=lambda _line: None
        )


def test_the_append_only_file_is_not_rewritten_while_it_is_copied(committed: None) -> None:
    from apps.console.instance import append_only

    def percentage() -> Any:
        return redis.client().config_get("auto-aof-rewrite-percentage")["auto-aof-rewrite-percentage"]

    before = percentage()
    with append_only.held_still(settings.REDIS_URL):
        assert percentage() == "0"
    assert percentage() == before != "0"
    with append_only.held_still("unix:///nowhere/valkey.sock"):
        """A server that is down writes nothing."""
