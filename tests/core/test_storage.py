"""What every store of tenants' files promises: the folder of this machine, and a bucket on a real server of S3's protocol."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.http import FileResponse

from apps.core import storage
from apps.core.ids import new_id
from apps.core.storage import backups
from apps.core.storage.backend import bucket, store
from apps.core.tenancy import TenantKey
from tests import object_store
from tests.object_store import ObjectStore

KEY = TenantKey(id=uuid.UUID(int=1), schema="t_aaaaaaaaaaaaaaaa")
OTHER = TenantKey(id=uuid.UUID(int=2), schema="t_aaaaaaaaaaaaaaab")
NONE = hashlib.sha256(b"none").hexdigest()


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store.serving() as served:
        yield served


@pytest.fixture(params=["folder", "bucket"], autouse=True)
def kind(
    request: pytest.FixtureRequest, server: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Each test runs on both, and leaves nothing."""
    if request.param == "bucket":
        object_store.use(server, settings, monkeypatch)
    else:
        shutil.rmtree(settings.STORAGE_ROOT, ignore_errors=True)  # what other tests have left
    assert (bucket() is not None) == (request.param == "bucket")
    yield request.param
    for key in (KEY, OTHER):
        storage.erase(key)
        assert storage.list_files(key) == []
    assert server.names() == server.unfinished() == []


def put(relative: str, data: bytes, key: TenantKey = KEY) -> None:
    """Change what is stored behind the program's back."""
    store().save(f"{key.schema}/{relative}", ContentFile(data))


def a_file(folder: Path, data: bytes) -> Path:
    path = folder / str(new_id())
    path.write_bytes(data)
    return path


def test_content_is_kept_under_its_hash_once() -> None:
    sha256, path = storage.write_content(KEY, "bundles", b"abc", ".alm")
    assert sha256 == hashlib.sha256(b"abc").hexdigest()
    assert path == f"bundles/{sha256}.alm"
    (before,) = backups.list_stored(KEY.schema)
    time.sleep(1.01)  # a bucket dates to the second
    assert storage.write_content(KEY, "bundles", b"abc", ".alm") == (sha256, path)
    assert list(backups.list_stored(KEY.schema)) == [before]
    assert (before.path, before.bytes) == (path, 3)
    assert storage.read_content(KEY, path, sha256) == b"abc"


@pytest.mark.parametrize("length", [0, 1, (20 << 20) + 7])
def test_a_file_is_moved_in_and_comes_back_the_same(tmp_path: Path, length: int) -> None:
    data = os.urandom(length)
    for _ in range(2):
        source = a_file(tmp_path, data)
        sha256, path = storage.write_content(KEY, "datasets", source, ".parquet")
        assert not source.exists()
    assert storage.read_content(KEY, path, sha256) == data
    with storage.local_copy(KEY, path, sha256) as copy:
        assert copy.read_bytes() == data
        assert copy.suffix == ".parquet"
    with storage.open_content(KEY, path) as stream:
        assert stream.read(10) + stream.read() == data
    assert storage.size(KEY, path) == length


def test_a_download_is_answered_with_the_whole_content() -> None:
    data = os.urandom(3 << 20)
    _sha256, path = storage.write_content(KEY, "uploads", data, ".csv")
    with storage.open_content(KEY, path) as stream:
        response = FileResponse(stream, as_attachment=True, filename="a.csv")
        assert b"".join(response.streaming_content) == data


def test_a_linked_file_is_copied_and_not_moved(tmp_path: Path) -> None:
    real = a_file(tmp_path, b"mine")
    link = tmp_path / "link"
    link.symlink_to(real)
    sha256, path = storage.write_content(KEY, "datasets", link, ".parquet")
    assert storage.read_content(KEY, path, sha256) == b"mine"
    assert real.read_bytes() == b"mine"
    assert not link.is_symlink()


def test_what_is_deleted_is_gone_and_deleting_it_again_is_fine() -> None:
    sha256, path = storage.write_content(KEY, "uploads", b"abc", ".csv")
    assert storage.exists(KEY, path)
    with storage.local_copy(KEY, path, sha256):
        """Now this machine may have a copy."""
    for _ in range(2):
        storage.delete(KEY, path)
    assert not storage.exists(KEY, path)
    assert not [name for name in storage.list_files(KEY) if name.endswith(".csv")]
    for ask in (storage.size, storage.open_content):
        with pytest.raises(FileNotFoundError):
            ask(KEY, path)


def test_a_damaged_file_is_refused_by_every_way_of_reading() -> None:
    sha256, path = storage.write_content(KEY, "bundles", b"good", ".alm")
    put(path, b"evil")
    with pytest.raises(storage.StorageCorrupted, match=path):
        storage.read_content(KEY, path, sha256)
    with pytest.raises(storage.StorageCorrupted, match=path), storage.local_copy(KEY, path, sha256):
        pytest.fail("the block must not begin")


def test_a_damaged_file_of_another_length_is_mended_by_writing_its_content_again() -> None:
    sha256, path = storage.write_content(KEY, "bundles", b"good", ".alm")
    put(path, b"cut")
    assert storage.write_content(KEY, "bundles", b"good", ".alm") == (sha256, path)
    assert storage.read_content(KEY, path, sha256) == b"good"


def test_a_missing_file_is_damage_that_the_operator_is_told_of() -> None:
    with pytest.raises(storage.StorageCorrupted, match=r"bundles/none\.alm"):
        storage.read_content(KEY, "bundles/none.alm", NONE)
    with (
        pytest.raises(storage.StorageCorrupted, match=r"none\.alm"),
        storage.local_copy(KEY, "bundles/none.alm", NONE),
    ):
        pytest.fail("the block must not begin")


def test_an_error_of_whoever_uses_a_copy_is_his_own() -> None:
    sha256, path = storage.write_content(KEY, "bundles", b"good", ".alm")
    with pytest.raises(FileNotFoundError, match="mine"), storage.local_copy(KEY, path, sha256):
        raise FileNotFoundError("mine")


ASKS: list[Callable[[str], Any]] = [
    lambda path: storage.read_content(KEY, path, NONE),
    lambda path: storage.local_copy(KEY, path, NONE).__enter__(),
    lambda path: storage.open_content(KEY, path),
    lambda path: storage.exists(KEY, path),
    lambda path: storage.size(KEY, path),
    lambda path: storage.delete(KEY, path),
    lambda path: storage.write_content(KEY, path, b"x", ""),
    lambda path: storage.adopt_incoming(KEY, f"incoming/{path}", "uploads", ".csv"),
    lambda path: backups.put(KEY.schema, path, [b"x"]),
    lambda path: backups.open_stored(KEY.schema, path),
    lambda path: backups.remove(KEY.schema, path),
]


@pytest.mark.parametrize(
    "path",
    [f"../{OTHER.schema}/x", "/etc/passwd", "a/../../b", "a/..", "a\\..\\..\\b", "a//b", "./a", "a\0b"],
)
def test_a_path_that_could_leave_the_tenants_folder_is_refused(path: str) -> None:
    storage.write_content(OTHER, "uploads", b"theirs", ".csv")
    for ask in ASKS:
        with pytest.raises(ValueError, match="leaves"):
            ask(path)
    assert len(list(backups.list_stored())) == 1


@pytest.mark.parametrize("schema", ["", "..", "public", "t_", "t_aaaaaaaaaaaaaaaa/..", "t_AAAAAAAAAAAAAAAA"])
def test_what_is_no_tenants_schema_has_no_files(schema: str) -> None:
    with pytest.raises(ValueError, match="leaves"):
        backups.open_stored(schema, "a")


def test_what_is_no_hash_names_no_copy() -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        storage.local_copy(KEY, "bundles/x.alm", "../../x").__enter__()


def test_erasing_leaves_nothing_of_the_tenant_and_everything_of_the_others() -> None:
    sha256, path = storage.write_content(KEY, "bundles", b"mine", ".alm")
    theirs = storage.write_content(OTHER, "bundles", b"mine", ".alm")
    scratch = storage.tenant_path(KEY, "incoming", "half.csv")
    scratch.parent.mkdir(parents=True, exist_ok=True)
    scratch.write_text("half")
    with storage.local_copy(KEY, path, sha256), storage.local_copy(OTHER, theirs[1], theirs[0]):
        before = storage.list_files(OTHER)
    for _ in range(2):
        storage.erase(KEY)
        assert storage.list_files(KEY) == []
    assert storage.list_files(OTHER) == before
    with storage.local_copy(OTHER, theirs[1], theirs[0]) as copy:
        assert copy.read_bytes() == b"mine"


def test_every_file_is_listed_with_whose_it_is() -> None:
    paths = {
        key: storage.write_content(key, "uploads", key.schema.encode(), ".csv")[1] for key in (KEY, OTHER)
    }
    found = list(backups.list_stored())
    assert [(each.schema, each.path, each.bytes) for each in found] == [
        (key.schema, paths[key], 18) for key in (KEY, OTHER)
    ]
    assert all(abs(each.modified_at - time.time()) < 60 for each in found)
    assert abs(backups.now() - time.time()) < 60
    assert backups.describe(KEY.schema, paths[KEY]).endswith(f"{KEY.schema}/{paths[KEY]}")


def test_a_backups_file_is_written_piece_by_piece_or_not_at_all() -> None:
    pieces = [os.urandom(3 << 20) for _ in range(6)]
    backups.put(KEY.schema, "uploads/a.csv", iter(pieces))
    with backups.open_stored(KEY.schema, "uploads/a.csv") as stream:
        assert stream.read() == b"".join(pieces)

    def damaged() -> Iterator[bytes]:
        yield from pieces
        raise OSError(5, "the archive is damaged")

    with pytest.raises(OSError, match="archive is damaged"):
        backups.put(KEY.schema, "uploads/b.csv", damaged())
    assert [each.path for each in backups.list_stored(KEY.schema)] == ["uploads/a.csv"]
    backups.put(KEY.schema, "uploads/a.csv", [b"instead"])
    assert storage.size(KEY, "uploads/a.csv") == 7


def test_an_upload_is_adopted_under_its_hash() -> None:
    put("incoming/one.csv", b"a,b\n1,2\n")
    path = storage.adopt_incoming(KEY, "incoming/one.csv", "uploads", ".csv")
    assert path == (hashlib.sha256(b"a,b\n1,2\n").hexdigest(), f"uploads/{path[0]}.csv")
    assert storage.read_content(KEY, path[1], path[0]) == b"a,b\n1,2\n"
    assert [each.path for each in backups.list_stored(KEY.schema)] == [path[1]]
    with pytest.raises(FileNotFoundError):
        storage.adopt_incoming(KEY, "incoming/one.csv", "uploads", ".csv")


def test_only_what_came_in_from_outside_is_adopted() -> None:
    _sha256, path = storage.write_content(KEY, "datasets", b"kept", ".parquet")
    with pytest.raises(ValueError, match="below incoming"):
        storage.adopt_incoming(KEY, path, "uploads", ".csv")
    assert storage.exists(KEY, path)


def test_an_upload_that_nobody_adopts_is_discarded_in_time() -> None:
    put("incoming/one.csv", b"a")
    _sha256, kept = storage.write_content(KEY, "uploads", b"b", ".csv")
    assert storage.discard_incoming(KEY, older_than_seconds=3600) == 0
    assert storage.discard_incoming(KEY, older_than_seconds=-3600) == 1
    assert [each.path for each in backups.list_stored(KEY.schema)] == [kept]


KILLED = """
import os, signal, sys, time, uuid, django
django.setup()
from pathlib import Path
from apps.core import storage
from apps.core.storage import local
from apps.core.storage.backend import bucket
from apps.core.tenancy import TenantKey

def stop(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

if bucket() is None:
    local.os.fsync = stop
else:
    parts = []
    def count(params, **options):
        parts.append(params)
        if len(parts) > 1:
            stop()
    bucket().client.meta.events.register("before-call.s3.UploadPart", count)
key = TenantKey(id=uuid.UUID(int=1), schema=sys.argv[1])
storage.write_content(key, "datasets", Path(sys.argv[2]), ".parquet")
"""


def test_kill_9_in_the_middle_of_writing_leaves_no_file_of_that_name(
    kind: str, server: ObjectStore, tmp_path: Path
) -> None:
    data = os.urandom(40 << 20)
    source = a_file(tmp_path, data)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    command = [sys.executable, "-c", KILLED, KEY.schema, str(source)]
    killed = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert list(backups.list_stored(KEY.schema)) == []
    assert len(server.unfinished()) == (1 if kind == "bucket" else 0)
    assert storage.list_files(KEY) != [], "what is left is listed, so an erasure cannot overlook it"
    sha256, path = storage.write_content(KEY, "datasets", source, ".parquet")
    assert storage.read_content(KEY, path, sha256) == data


def test_the_folder_of_this_machine_keeps_what_it_needs_of_it_private(kind: str) -> None:
    sha256, path = storage.write_content(KEY, "bundles", b"abc", ".alm")
    with storage.local_copy(KEY, path, sha256) as copy:
        inside = copy.is_relative_to(django_settings.FILE_CACHE)
        assert inside == (kind == "bucket")
        if inside:
            assert copy.parent.stat().st_mode & 0o777 == 0o700
            assert copy.stat().st_mode & 0o777 == 0o600


@pytest.fixture(autouse=True)
def no_copies() -> Iterator[None]:
    yield
    shutil.rmtree(django_settings.FILE_CACHE, ignore_errors=True)
