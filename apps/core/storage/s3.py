"""The store in a bucket of S3 or of a server that speaks its protocol. Only this module imports boto3, and only where it is used."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, Final

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage

from apps.core.storage.errors import StorageUnavailable
from apps.core.storage.names import CHUNK_BYTES, Stored
from apps.core.tenancy import SCHEMA_NAME

_MISSING: Final = {"404", "NoSuchKey", "NotFound", "NoSuchUpload"}
_UNKNOWN: Final = {"NotImplemented", "501", "MethodNotAllowed", "405"}
_BATCH: Final = 1000  # the most that one request deletes


class BucketStorage(S3Storage):  # type: ignore[misc]
    """django-storages', with one client a process, errors of our own, and what Django's storages cannot: see the methods.

    A missing object raises ``FileNotFoundError``, anything else that goes wrong ``StorageUnavailable``.
    """

    client_config: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        retries = {"mode": "standard", "max_attempts": 4}
        patience = Config(connect_timeout=5, read_timeout=60, retries=retries, max_pool_connections=32)
        self.client_config = self.client_config.merge(patience)
        self.transfer_config = TransferConfig(max_concurrency=4, max_io_queue=16)
        self.transfer_config.max_in_memory_upload_chunks = 4  # of 8 MB each; boto3 has no other way to say it
        self._lock = threading.Lock()
        self._shared: tuple[int, Any] | None = None

    @property
    def connection(self) -> Any:
        """One for all threads, as each costs some 20 MB and its client may be shared; a forked child makes its own."""
        with self._lock:
            if self._shared is None or self._shared[0] != os.getpid():
                self._connections.connection = None
                self._shared = (os.getpid(), S3Storage.connection.fget(self))
            return self._shared[1]

    @property
    def bucket(self) -> Any:
        """Made anew from the process's own connection."""
        return self.connection.Bucket(self.bucket_name)

    @property
    def client(self) -> Any:
        """boto3's client."""
        return self.connection.meta.client

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""
        with _told(name):
            return bool(super().exists(name))

    def size(self, name: str) -> int:
        """Its length in bytes."""
        with _told(name):
            found = self.client.head_object(Bucket=self.bucket_name, Key=self._key(name))
            return int(found["ContentLength"])

    def delete(self, name: str) -> None:
        """Delete the object; one that is not there is fine."""
        with contextlib.suppress(FileNotFoundError), _told(name):
            super().delete(name)

    def fetch(self, name: str, out: BinaryIO) -> None:
        """Download into a file of this machine, in parts that are tried again when a connection breaks."""
        with _told(name):
            self.client.download_fileobj(self.bucket_name, self._key(name), out, Config=self.transfer_config)

    def hash(self, name: str) -> tuple[str, str]:
        """SHA-256 of the object, and the ETag of just that content."""
        with _told(name):
            answer = self.client.get_object(Bucket=self.bucket_name, Key=self._key(name))
            with io.BufferedReader(_Body(answer["Body"], name), CHUNK_BYTES) as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest(), str(answer["ETag"])

    def copy(self, name: str, target: str, *, tag: str) -> None:
        """Copy inside the bucket what still has that ``tag``."""
        source = {"Bucket": self.bucket_name, "Key": self._key(name)}
        with _told(name):
            self.client.copy(
                source,
                self.bucket_name,
                self._key(target),
                ExtraArgs={"CopySourceIfMatch": tag},
                Config=self.transfer_config,
            )

    def presigned_post(self, name: str, *, max_bytes: int, expires_seconds: int) -> dict[str, Any]:
        """``url`` and ``fields`` of a form with which whoever has them may upload this one object."""
        with _told(name):
            made: dict[str, Any] = self.client.generate_presigned_post(
                self.bucket_name,
                self._key(name),
                Conditions=[["content-length-range", 1, max_bytes]],
                ExpiresIn=expires_seconds,
            )
        return made

    def list_below(self, schema: str | None) -> Iterator[Stored]:
        """The objects of one tenant, or of all tenants, in order."""
        prefix = self._key(f"{schema or 't_'}")
        pages = self.client.get_paginator("list_objects_v2")
        with _told(prefix):
            for page in pages.paginate(Bucket=self.bucket_name, Prefix=f"{prefix}/" if schema else prefix):
                for entry in page.get("Contents", ()):
                    whose, _, path = self._name(entry["Key"]).partition("/")
                    if path and SCHEMA_NAME.fullmatch(whose):
                        yield Stored(whose, path, entry["Size"], entry["LastModified"].timestamp())

    def list_everything(self, schema: str) -> list[str]:
        """Every object of the tenant with its earlier versions, and the uploads that never ended."""
        with _told(schema):
            kept = [self._address(each["Key"]) for each in self._versions(schema)]
            unfinished = [self._address(each["Key"]) for each in self._unfinished(schema)]
        return [*kept, *(f"{address} (unfinished)" for address in unfinished)]

    def erase_below(self, schema: str) -> None:
        """Delete all of that: in a bucket that keeps versions, every one of them."""
        with _told(schema):
            for each in self._unfinished(schema):
                with contextlib.suppress(FileNotFoundError), _told(each["Key"]):
                    self.client.abort_multipart_upload(
                        Bucket=self.bucket_name, Key=each["Key"], UploadId=each["UploadId"]
                    )
            found = self._versions(schema)
            for start in range(0, len(found), _BATCH):
                self._delete(found[start : start + _BATCH])

    def now(self) -> float:
        """The time by the clock that dates the objects, in whole seconds since the epoch, as they are dated."""
        with _told(self.bucket_name):
            answer = self.client.head_bucket(Bucket=self.bucket_name)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return parsedate_to_datetime(headers["date"]).timestamp()

    def describe(self, name: str) -> str:
        """Where an object is, for the operator."""
        return self._address(self._key(name))

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """A stream: django-storages would bring all of it here before the first byte is read."""
        if mode != "rb":
            raise ValueError(f"objects are opened to be read, not {mode!r}")
        with _told(name):
            body = self.client.get_object(Bucket=self.bucket_name, Key=self._key(name))["Body"]
        return File(io.BufferedReader(_Body(body, name), CHUNK_BYTES), name)

    def _save(self, name: str, content: File[Any]) -> str:
        with _told(name):
            if not hasattr(content, "temporary_file_path"):
                return str(super()._save(name, content))
            # By its path, boto3 reads a file in slices; otherwise it holds many parts of 8 MB in memory.
            self.client.upload_file(
                str(content.temporary_file_path()),
                self.bucket_name,
                self._key(name),
                ExtraArgs=self._get_write_parameters(name, content),
                Config=self.transfer_config,
            )
        return name

    def _key(self, name: str) -> str:
        return str(self._normalize_name(name))

    def _name(self, key: str) -> str:
        return key.removeprefix(self._key("")) if self.location else key

    def _address(self, key: str) -> str:
        return f"s3://{self.bucket_name}/{key}"

    def _versions(self, schema: str) -> list[dict[str, str]]:
        """What ``delete_objects`` wants of each object and each of its earlier versions."""
        try:
            return list(
                self._listed("list_object_versions", ("Versions", "DeleteMarkers"), schema, "VersionId")
            )
        except ClientError as error:
            if not _code(error) & _UNKNOWN:  # servers without versions may not know the question
                raise
        return list(self._listed("list_objects_v2", ("Contents",), schema))

    def _unfinished(self, schema: str) -> list[dict[str, str]]:
        try:
            return list(self._listed("list_multipart_uploads", ("Uploads",), schema, "UploadId"))
        except ClientError as error:
            if not _code(error) & _UNKNOWN:
                raise
        return []

    def _listed(
        self, question: str, parts: tuple[str, ...], schema: str, *also: str
    ) -> Iterator[dict[str, str]]:
        pages = self.client.get_paginator(question)
        for page in pages.paginate(Bucket=self.bucket_name, Prefix=f"{self._key(schema)}/"):
            for entry in (entry for part in parts for entry in page.get(part, ())):
                yield {name: entry[name] for name in ("Key", *also)}

    def _delete(self, batch: list[dict[str, str]]) -> None:
        done = self.client.delete_objects(Bucket=self.bucket_name, Delete={"Objects": batch, "Quiet": True})
        for failed in done.get("Errors", ()):
            raise StorageUnavailable(reason=f"deleting an object: {failed.get('Code')}")


class _Body(io.RawIOBase):
    """The body of an answer as a stream of Python's, with our errors."""

    def __init__(self, body: Any, name: str) -> None:
        self._body, self._of = body, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _told(self._of):
            data: bytes = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        with _told(self._of):
            return bytes(self._body.read())

    def close(self) -> None:
        self._body.close()
        super().close()


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """boto3's errors as ours. Their texts name the bucket and the server, so only their kind is told."""
    try:
        yield
    except ClientError as error:
        if _code(error) & _MISSING:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from error
        raise StorageUnavailable(reason=str(error.response.get("Error", {}).get("Code"))) from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageUnavailable(reason=type(error).__name__) from error


def _code(error: ClientError) -> set[str]:
    return {str(error.response.get("Error", {}).get("Code"))}
