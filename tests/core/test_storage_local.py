"""The store in a folder of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.core import storage
from apps.core.storage import backups, checking, local
from apps.core.tenancy import TenantKey
from config import env

KEY = TenantKey(id=uuid.UUID(int=1), schema="t_aaaaaaaaaaaaaaac")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    storage.erase(KEY)


def test_a_write_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    storage.write_content(KEY, "full", b"first", ".alm")
    source = tmp_path / "source"
    source.write_bytes(b"abc")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local.os, "fsync", full)
    for data in (b"abc", source):
        with pytest.raises(OSError, match="No space"):
            storage.write_content(KEY, "full", data, ".alm")
        assert len(list(storage.tenant_path(KEY, "full").iterdir())) == 1
    assert source.read_bytes() == b"abc", "what was not taken is still there"


def test_file_and_folders_are_on_the_disk_before_the_write_returns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def watch(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    monkeypatch.setattr(local.os, "fsync", watch)
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    for data in (b"abcd", source):
        synced.clear()
        _sha256, path = storage.write_content(
            KEY, f"folder-{len(data if isinstance(data, bytes) else b'')}", data, ".x"
        )
        target = storage.tenant_path(KEY, path)
        assert {str(target.parent), str(target.parent.parent)} <= set(synced)
        assert any(name.startswith(f"{target.parent}/.") or name == str(source) for name in synced)


def test_a_file_on_the_same_disk_is_renamed_and_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source = storage.tenant_path(KEY, "incoming", "x.csv")
    source.parent.mkdir(parents=True)
    source.write_bytes(b"abc")
    inode = source.stat().st_ino
    _sha256, path = storage.write_content(KEY, "uploads", source, ".csv")
    assert storage.tenant_path(KEY, path).stat().st_ino == inode


def test_a_file_with_a_second_name_is_copied_for_it_could_be_changed_under_that(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    os.link(source, tmp_path / "second")
    sha256, path = storage.write_content(KEY, "uploads", source, ".csv")
    (tmp_path / "second").write_bytes(b"changed")
    assert storage.read_content(KEY, path, sha256) == b"abc"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_whom_the_folder_belongs() -> None:
    root = Path(settings.STORAGE_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    before = root.stat()
    os.chown(root, 12345, 12345)
    try:
        _sha256, path = storage.write_content(KEY, "theirs", b"abc", ".alm")
        written = storage.tenant_path(KEY, path)
        assert {each.stat().st_uid for each in (written, written.parent, written.parent.parent)} == {12345}
    finally:
        os.chown(root, before.st_uid, before.st_gid)


@pytest.mark.parametrize(
    "parts",
    [("..", "t_bbbbbbbbbbbbbbbb"), ("/etc/passwd",), ("a/../../b",), ("bundles", "..", "..", "x")],
)
def test_a_path_never_leaves_the_tenants_folder(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="leaves"):
        storage.tenant_path(KEY, *parts)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = storage.tenant_path(KEY, "links")
    folder.mkdir(parents=True)
    (folder / "out").symlink_to(tmp_path)
    (tmp_path / "x").write_text("not theirs")
    with pytest.raises(ValueError, match="leaves"):
        storage.tenant_path(KEY, "links", "out", "x")
    for ask in (storage.open_content, storage.size, storage.exists, storage.delete):
        with pytest.raises(ValueError, match="leaves"):
            ask(KEY, "links/out/x")
    assert list(backups.list_stored(KEY.schema)) == []


def test_a_local_copy_is_the_file_itself_and_is_a_real_file_to_stream() -> None:
    sha256, path = storage.write_content(KEY, "bundles", b"abc", ".alm")
    with storage.local_copy(KEY, path, sha256) as copy:
        assert copy == storage.tenant_path(KEY, path)
    with storage.open_content(KEY, path) as stream:
        assert os.fstat(stream.fileno()).st_ino == copy.stat().st_ino


def test_a_file_is_hashed_once_until_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    sha256, path = storage.write_content(KEY, "bundles", b"good", ".alm")
    where, hashed = storage.tenant_path(KEY, path), []
    digest = storage.digest
    monkeypatch.setattr(checking, "digest", lambda each: hashed.append(each) or digest(each))

    def read() -> int:
        hashed.clear()
        with storage.local_copy(KEY, path, sha256):
            return len(hashed)

    assert [read(), read()] == [1, 1], "one that may still be changing is hashed each time"
    long_ago = time.time() - 60
    os.utime(where, (long_ago, long_ago))
    assert [read(), read(), read()] == [1, 0, 0]
    where.write_bytes(b"evil")
    with pytest.raises(storage.StorageCorrupted):
        read()


def test_no_direct_upload_into_a_folder_of_this_machine() -> None:
    assert storage.presigned_upload(KEY, storage.INCOMING, "a.csv", 100, 60) is None


def test_a_process_whose_store_is_local_never_imports_boto3() -> None:
    code = """
import json, sys, uuid, django
django.setup()
from apps.core import storage
from apps.core.tenancy import TenantKey
key = TenantKey(id=uuid.UUID(int=1), schema=sys.argv[1])
sha256, path = storage.write_content(key, "bundles", b"abc", ".alm")
with storage.local_copy(key, path, sha256): storage.read_content(key, path, sha256)
storage.presigned_upload(key, "incoming", "a.csv", 1, 1), storage.list_files(key), storage.erase(key)
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, KEY.schema],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stdout))
    assert "apps.core.storage.local" in modules
    assert not {"boto3", "botocore", "s3transfer", "storages", "apps.core.storage.s3"} & modules


class TestAddress:
    """``ALMANAC_STORAGE_URL``, as it is read when a process starts."""

    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        for name in ("ALMANAC_S3_ACCESS_KEY_ID", "ALMANAC_S3_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name, raising=False)

        def read(value: str) -> Any:
            monkeypatch.setenv("ALMANAC_STORAGE_URL", value)
            return env.storage("ALMANAC_STORAGE_URL", Path("/files"))["OPTIONS"]

        return read

    def test_without_one_the_files_are_in_the_folder(self, read: Any) -> None:
        assert read("") == {"location": Path("/files")}

    def test_bucket_prefix_server_and_region_are_taken(self, read: Any) -> None:
        found = read("s3://my-bucket/a/b%20c/?endpoint_url=https%3A%2F%2Fminio.example.com&region=eu-north-1")
        assert found["bucket_name"] == "my-bucket"
        assert found["location"] == "a/b c"
        assert found["endpoint_url"] == "https://minio.example.com"
        assert found["region_name"] == "eu-north-1"
        assert found["addressing_style"] == "path"
        assert found["default_acl"] is None

    def test_amazons_own_needs_the_buckets_name_alone(self, read: Any) -> None:
        found = read("s3://my-bucket")
        assert (found["location"], found["endpoint_url"], found["addressing_style"]) == ("", None, "auto")
        assert "access_key" not in found

    def test_keys_of_ours_are_used_and_a_session_of_others_is_not(
        self, read: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALMANAC_S3_ACCESS_KEY_ID", "id")
        with pytest.raises(ImproperlyConfigured, match="Set both"):
            read("s3://my-bucket")
        monkeypatch.setenv("ALMANAC_S3_SECRET_ACCESS_KEY", "secret")
        found = read("s3://my-bucket")
        assert [found[name] for name in ("access_key", "secret_key", "security_token")] == [
            "id",
            "secret",
            None,
        ]

    @pytest.mark.parametrize(
        ("value", "says"),
        [
            ("/srv/files", "must begin with s3://bucket"),
            ("https://my-bucket.s3.amazonaws.com", "must begin with s3://bucket"),
            ("s3://", "is no bucket's name"),
            ("s3://My_Bucket", "'My_Bucket' is no bucket's name"),
            ("s3://id:secret@my-bucket", "keys do not belong into it"),
            ("s3://my-bucket/a/../b", "is no prefix"),
            ("s3://my-bucket/a//b", "is no prefix"),
            (
                "s3://my-bucket?endpoint=https://x",
                "unknown option .*'endpoint'.*known are endpoint_url, region",
            ),
            ("s3://my-bucket?endpoint_url=minio:9000", "endpoint_url must be an address"),
            ("s3://my-bucket?endpoint_url=", "endpoint_url must be an address"),
            ("s3://my-bucket?addressing_style=dns", "auto, path or virtual"),
        ],
    )
    def test_one_that_cannot_be_meant_stops_the_process(self, read: Any, value: str, says: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"^ALMANAC_STORAGE_URL: .*{says}") as raised:
            read(value)
        assert "secret@" not in str(raised.value)
