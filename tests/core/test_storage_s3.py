"""The store in a bucket: what only it has, and this machine's copies of what it keeps."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from django.conf import settings as django_settings

from apps.core import storage
from apps.core.storage import backups, cache, s3
from apps.core.storage.backend import bucket
from apps.core.tenancy import TenantKey
from tests import object_store
from tests.object_store import BUCKET, PREFIX, ObjectStore

KEY = TenantKey(id=uuid.UUID(int=1), schema="t_aaaaaaaaaaaaaaad")
OTHER = TenantKey(id=uuid.UUID(int=2), schema="t_aaaaaaaaaaaaaaae")


@pytest.fixture(scope="module")
def running() -> Iterator[ObjectStore]:
    with object_store.serving() as served:
        yield served


@pytest.fixture(autouse=True)
def server(
    running: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[ObjectStore]:
    settings.FILE_CACHE = tmp_path / "cache"
    object_store.use(running, settings, monkeypatch)
    ours = settings.STORAGES
    yield running
    if settings.STORAGES is not ours:
        settings.STORAGES = ours
    for key in (KEY, OTHER):
        storage.erase(key)


def the_bucket() -> Any:
    found = bucket()
    assert found is not None
    return found


def copies() -> list[Path]:
    return [path for path in Path(django_settings.FILE_CACHE).rglob("*") if path.is_file()]


def stored(*contents: bytes, key: TenantKey = KEY) -> list[tuple[str, str]]:
    return [storage.write_content(key, "datasets", content, ".parquet") for content in contents]


def use(sha256: str, path: str, key: TenantKey = KEY) -> bytes:
    with storage.local_copy(key, path, sha256) as copy:
        return copy.read_bytes()


class TestDirectUpload:
    """A form that lets its holder write one object."""

    def post(self, form: dict[str, Any], content: bytes) -> httpx.Response:
        return httpx.post(form["url"], data=form["fields"], files={"file": ("x", content)})

    def test_a_form_that_is_posted_over_http_brings_a_file_that_is_adopted(self, server: ObjectStore) -> None:
        form = storage.presigned_upload(KEY, storage.INCOMING, "Sales 2024.csv.gz", 1000, 60)
        assert form is not None
        assert form["path"].startswith("incoming/")
        assert form["path"].endswith(".csv.gz")
        assert self.post(form, b"ds,y\n1,2\n").status_code == 204
        assert server.names() == [f"{PREFIX}/{KEY.schema}/{form['path']}"]
        sha256, path = storage.adopt_incoming(KEY, form["path"], "uploads", ".csv.gz")
        assert server.names() == [f"{PREFIX}/{KEY.schema}/{path}"]
        assert use(sha256, path) == b"ds,y\n1,2\n"

    def test_the_form_signs_its_one_name_the_largest_size_and_the_time(self) -> None:
        """moto takes whatever is posted, so what a server of Amazon's checks is read from the signed policy."""
        form = storage.presigned_upload(KEY, storage.INCOMING, "a.csv", 1000, 60)
        assert form is not None
        policy = json.loads(base64.b64decode(form["fields"]["policy"]))
        assert ["content-length-range", 1, 1000] in policy["conditions"]
        assert {"key": f"{PREFIX}/{KEY.schema}/{form['path']}"} in policy["conditions"]
        assert {"bucket": BUCKET} in policy["conditions"]
        left = time.mktime(time.strptime(policy["expiration"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(
            time.gmtime()
        )
        assert 50 < left <= 60
        assert "secret" not in json.dumps(form)

    @pytest.mark.parametrize(
        "filename", ["a", "../../x.csv/..", "a.csv\r\nX: y", "x." + "y" * 300, "a.cs v", ".env"]
    )
    def test_nothing_of_a_strange_file_name_gets_into_the_objects(self, filename: str) -> None:
        form = storage.presigned_upload(KEY, storage.INCOMING, filename, 1000, 60)
        assert form is not None
        assert len(form["path"].removeprefix("incoming/")) in (36, 40)
        assert set(form["path"]) <= set("incoming/abcdefv-.0123456789")

    @pytest.mark.parametrize(
        "folder", ["datasets", "incomings", "", "incoming/..", f"../{OTHER.schema}/incoming"]
    )
    def test_no_form_for_another_folder(self, folder: str) -> None:
        with pytest.raises(ValueError, match=r"incoming|leaves"):
            storage.presigned_upload(KEY, folder, "a.csv", 1000, 60)

    def test_what_is_uploaded_again_while_it_is_adopted_never_gets_the_others_hash(
        self, server: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        form = storage.presigned_upload(KEY, storage.INCOMING, "a.csv", 1000, 60)
        assert form is not None
        self.post(form, b"good")
        hashing = s3.BucketStorage.hash

        def replaced(self_: Any, name: str) -> Any:
            found = hashing(self_, name)
            self.post(form, b"evil")
            return found

        monkeypatch.setattr(s3.BucketStorage, "hash", replaced)
        with pytest.raises(storage.StorageUnavailable, match=r"412|PreconditionFailed"):
            storage.adopt_incoming(KEY, form["path"], "uploads", ".csv")
        assert server.names() == [f"{PREFIX}/{KEY.schema}/{form['path']}"]

    def test_a_large_upload_is_copied_in_parts_that_are_still_the_hashed_ones(self) -> None:
        content = os.urandom(20 << 20)
        backups.put(KEY.schema, "incoming/a.bin", [content])
        sha256, path = storage.adopt_incoming(KEY, "incoming/a.bin", "uploads", ".bin")
        assert sha256 == hashlib.sha256(content).hexdigest()
        assert storage.read_content(KEY, path, sha256) == content


class TestErasing:
    """Nothing of a tenant is left in the bucket."""

    def test_an_upload_that_never_ended_is_listed_and_ended(self, server: ObjectStore) -> None:
        for key in (KEY, OTHER):
            server.client.create_multipart_upload(Bucket=BUCKET, Key=f"{PREFIX}/{key.schema}/datasets/x")
        assert storage.list_files(KEY) == [f"s3://{BUCKET}/{PREFIX}/{KEY.schema}/datasets/x (unfinished)"]
        storage.erase(KEY)
        assert storage.list_files(KEY) == []
        assert server.unfinished() == [f"{PREFIX}/{OTHER.schema}/datasets/x"]

    def test_earlier_versions_go_too_where_the_bucket_keeps_them(self, server: ObjectStore) -> None:
        server.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        ((_sha256, path),) = stored(b"one")
        backups.put(KEY.schema, path, [b"two"])
        storage.delete(KEY, path)
        assert len(storage.list_files(KEY)) == 3, "two versions and the mark that they are deleted"
        storage.erase(KEY)
        assert storage.list_files(KEY) == []
        server.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})

    def test_a_server_that_knows_no_versions_is_asked_for_its_objects(self, server: ObjectStore) -> None:
        stored(b"one", b"two")

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "List")

        for question in ("ListObjectVersions", "ListMultipartUploads"):
            the_bucket().client.meta.events.register(f"before-call.s3.{question}", refuse)
        assert len(storage.list_files(KEY)) == 2
        storage.erase(KEY)
        assert server.names() == []

    def test_more_objects_than_one_request_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3, "_BATCH", 3)
        stored(*(bytes([number]) for number in range(8)))
        storage.erase(KEY)
        assert storage.list_files(KEY) == []

    def test_an_object_that_the_server_keeps_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stored(b"one")
        kept = {"Errors": [{"Key": "x", "Code": "AccessDenied"}]}
        with monkeypatch.context() as patch:
            patch.setattr(the_bucket().client, "delete_objects", lambda **_: kept)
            with pytest.raises(storage.StorageUnavailable, match="AccessDenied"):
                storage.erase(KEY)

    def test_what_others_keep_in_the_bucket_is_not_ours(self, server: ObjectStore) -> None:
        foreign = [f"{PREFIX}/t_notes/x", "t_aaaaaaaaaaaaaaad/x", f"{PREFIX}/{KEY.schema}b/x", f"{PREFIX}/x"]
        for name in foreign:
            server.client.put_object(Bucket=BUCKET, Key=name, Body=b"theirs")
        stored(b"one")
        assert [each.schema for each in backups.list_stored()] == [KEY.schema]
        storage.erase(KEY)
        assert sorted(server.names()) == sorted(foreign)
        for name in foreign:
            server.client.delete_object(Bucket=BUCKET, Key=name)


class TestFailures:
    """A server that is away or refuses is told as such, without its address."""

    @pytest.mark.parametrize("call", ["read", "write", "copy", "list", "delete", "exists", "form"])
    def test_a_server_that_is_away(self, settings: Any, call: str) -> None:
        ((sha256, path),) = stored(b"one")
        away = {**settings.STORAGES["tenants"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:9"}
        settings.STORAGES = {
            **settings.STORAGES,
            "tenants": {**settings.STORAGES["tenants"], "OPTIONS": away},
        }
        the_bucket().client.meta.config.retries["total_max_attempts"] = 1
        calls = {
            "read": lambda: storage.read_content(KEY, path, sha256),
            "write": lambda: storage.write_content(KEY, "datasets", b"two", ".parquet"),
            "copy": lambda: use(sha256, path),
            "list": lambda: storage.list_files(KEY),
            "delete": lambda: storage.delete(KEY, path),
            "exists": lambda: storage.exists(KEY, path),
        }
        if call == "form":  # is made without asking the server
            assert storage.presigned_upload(KEY, storage.INCOMING, "a.csv", 10, 60)
            return
        with pytest.raises(storage.StorageUnavailable, match="EndpointConnectionError") as raised:
            calls[call]()
        assert raised.value.retryable
        assert "127.0.0.1" not in str(raised.value)
        assert copies() == []

    def test_a_bucket_that_is_not_there_is_no_missing_file(self, settings: Any) -> None:
        other = {**settings.STORAGES["tenants"]["OPTIONS"], "bucket_name": "not-there"}
        settings.STORAGES = {
            **settings.STORAGES,
            "tenants": {**settings.STORAGES["tenants"], "OPTIONS": other},
        }
        for ask in (lambda: stored(b"one"), lambda: storage.read_content(KEY, "a/b", "0" * 64)):
            with pytest.raises(storage.StorageUnavailable, match="NoSuchBucket"):
                ask()

    def test_a_connection_that_breaks_while_a_file_is_streamed_is_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ((_sha256, path),) = stored(os.urandom(3 << 20))
        with storage.open_content(KEY, path) as stream:
            stream.read(10)

            def broken(*_: int) -> bytes:
                raise ReadTimeoutError(endpoint_url="http://secret.example")

            monkeypatch.setattr(stream.raw._body, "read", broken)  # type: ignore[attr-defined]
            for read in (lambda: stream.read(2 << 20), stream.read):
                with pytest.raises(storage.StorageUnavailable, match="ReadTimeoutError"):
                    read()

    def test_objects_are_only_opened_to_be_read(self) -> None:
        with pytest.raises(ValueError, match="opened to be read"):
            the_bucket().open(f"{KEY.schema}/a", "wb")


class TestOneClient:
    """A client costs memory and a third of a second."""

    def test_all_threads_share_it(self) -> None:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(the_bucket().client)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(each is found[0] for each in found)
        assert found[0] is the_bucket().client

    def test_a_forked_child_makes_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = the_bucket().client
        monkeypatch.setattr(s3.os, "getpid", lambda: -1)
        assert the_bucket().client is not before


class TestCopies:
    """The cache of this machine."""

    def test_a_copy_is_fetched_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ((sha256, path),) = stored(b"one")
        assert use(sha256, path) == b"one"
        monkeypatch.setattr(s3.BucketStorage, "fetch", lambda *_: pytest.fail("it is here"))
        monkeypatch.setattr(s3.BucketStorage, "size", lambda *_: pytest.fail("it is here"))
        assert use(sha256, path) == b"one"

    def test_a_file_that_is_moved_into_the_store_is_a_copy_already(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"abc")
        sha256, path = storage.write_content(KEY, "datasets", source, ".parquet")
        monkeypatch.setattr(s3.BucketStorage, "fetch", lambda *_: pytest.fail("it is here"))
        assert use(sha256, path) == b"abc"

    def test_two_tenants_with_the_same_content_have_a_copy_each(self) -> None:
        for key in (KEY, OTHER):
            ((sha256, path),) = stored(b"same", key=key)
            use(sha256, path, key)
        assert {copy.parent.name for copy in copies()} == {KEY.schema, OTHER.schema}
        storage.erase(KEY)
        assert {copy.parent.name for copy in copies()} == {OTHER.schema}

    def test_a_damaged_copy_is_fetched_again(self) -> None:
        ((sha256, path),) = stored(b"good")
        use(sha256, path)
        copies()[0].write_bytes(b"evil")
        assert use(sha256, path) == b"good"

    def test_a_damaged_object_leaves_no_copy(self) -> None:
        ((sha256, path),) = stored(b"good")
        backups.put(KEY.schema, path, [b"evil"])
        with pytest.raises(storage.StorageCorrupted, match=path):
            use(sha256, path)
        assert copies() == []

    def test_the_least_recently_used_go_when_there_is_no_more_room(self, settings: Any) -> None:
        settings.FILE_CACHE_BYTES = 250
        first, second, third, fourth = stored(*(bytes([number]) * 100 for number in range(4)))
        for each in (first, second, first, third):
            use(*each)
        assert {copy.stem for copy in copies()} == {first[0], third[0]}
        use(*fourth)
        assert {copy.stem for copy in copies()} == {third[0], fourth[0]}

    def test_a_copy_in_use_stays_whatever_the_others_need(self, settings: Any) -> None:
        settings.FILE_CACHE_BYTES = 150
        first, second, third = stored(*(bytes([number]) * 100 for number in range(3)))
        with storage.local_copy(KEY, first[1], first[0]) as held:
            use(*second)
            use(*third)
            assert held.read_bytes() == b"\0" * 100
        assert {copy.stem for copy in copies()} == {first[0], third[0]}

    def test_a_file_larger_than_the_cache_is_there_while_it_is_used(self, settings: Any) -> None:
        settings.FILE_CACHE_BYTES = 10
        ((sha256, path),) = stored(b"x" * 100)
        assert use(sha256, path) == b"x" * 100
        assert copies() == []

    def test_what_was_not_used_for_a_week_goes_though_there_is_room(self) -> None:
        first, second = stored(b"one", b"two")
        use(*first)
        long_ago = time.time() - cache.UNUSED_SECONDS - 60
        os.utime(copies()[0], (long_ago, long_ago))
        use(*second)
        assert [copy.stem for copy in copies()] == [second[0]]

    def test_what_a_killed_process_was_fetching_is_swept_and_what_is_being_fetched_is_not(self) -> None:
        (wanted,) = stored(b"one")
        folder = cache.folder(KEY)
        folder.mkdir(parents=True)
        (folder / ".dead").write_bytes(b"half")
        with (folder / ".alive").open("wb") as alive:
            fcntl.flock(alive, fcntl.LOCK_SH)
            use(*wanted)
            assert {copy.name for copy in copies()} == {".alive", f"{wanted[0]}.parquet"}

    def test_a_download_that_breaks_leaves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ((sha256, path),) = stored(b"one")

        def full(_self: Any, _name: str, out: Any) -> None:
            out.write(b"o")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(s3.BucketStorage, "fetch", full)
        with pytest.raises(OSError, match="No space"):
            use(sha256, path)
        assert copies() == []

    def test_a_copy_that_goes_between_finding_and_locking_it_is_fetched_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ((sha256, path),) = stored(b"one")
        use(sha256, path)
        lock, gone = fcntl.flock, []

        def slow(descriptor: int, how: int) -> None:
            if not gone:
                gone.append(copies()[0].unlink())
            lock(descriptor, how)

        monkeypatch.setattr(cache.fcntl, "flock", slow)
        assert use(sha256, path) == b"one"

    def test_who_makes_room_never_takes_the_next_copy_for_the_one_that_it_found(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between its opening and its lock, the copy goes and another process, which is using it, brings it again."""
        ((sha256, path),) = stored(b"one")
        use(sha256, path)
        lock = fcntl.flock

        with contextlib.ExitStack() as stack:

            def slow(descriptor: int, how: int) -> None:
                if how & fcntl.LOCK_EX:
                    monkeypatch.undo()
                    copies()[0].unlink()
                    stack.enter_context(storage.local_copy(KEY, path, sha256))
                lock(descriptor, how)

            settings.FILE_CACHE_BYTES = 0
            monkeypatch.setattr(cache.fcntl, "flock", slow)
            cache.make_room()
            assert [copy.stem for copy in copies()] == [sha256]

    def test_a_locked_file_is_given_back_when_the_block_ends(self) -> None:
        ((sha256, path),) = stored(b"one")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            use(sha256, path)
            with contextlib.suppress(RuntimeError), storage.local_copy(KEY, path, sha256):
                raise RuntimeError
        cache.make_room(django_settings.FILE_CACHE_BYTES)
        assert copies() == []
        assert len(os.listdir("/proc/self/fd")) <= before + 2  # both ends of a kept-alive connection

    def test_several_processes_share_a_cache_that_is_too_small_for_them(
        self, settings: Any, tmp_path: Path
    ) -> None:
        wanted = stored(*(bytes([number]) * 1000 for number in range(6)))
        code = """
import json, random, sys, uuid, django
django.setup()
from django.conf import settings
from pathlib import Path
from apps.core import storage
from apps.core.tenancy import TenantKey
settings.FILE_CACHE, settings.FILE_CACHE_BYTES = Path(sys.argv[1]), 2500
key = TenantKey(id=uuid.UUID(int=1), schema=sys.argv[2])
wanted = json.loads(sys.argv[3])
for turn in range(150):
    number = random.randrange(len(wanted))
    with storage.local_copy(key, wanted[number][1], wanted[number][0]) as copy:
        assert copy.read_bytes() == bytes([number]) * 1000
"""
        command = [sys.executable, "-c", code, str(settings.FILE_CACHE), KEY.schema, json.dumps(wanted)]
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
        working = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(3)]
        told = [process.communicate(timeout=120)[1].decode() for process in working]
        assert [process.returncode for process in working] == [0, 0, 0], told
        settings.FILE_CACHE_BYTES = 2500
        cache.make_room()
        assert sum(copy.stat().st_size for copy in copies()) <= 2500
