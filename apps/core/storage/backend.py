"""Which storage of Django's keeps the tenants' files: ``STORAGES["tenants"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from django.core.files.storage import storages

from apps.core.storage.local import LocalStorage

if TYPE_CHECKING:
    from apps.core.storage.s3 import BucketStorage


def store() -> LocalStorage | BucketStorage:
    """The storage; boto3 is imported only where it is a bucket."""
    return cast("LocalStorage | BucketStorage", storages["tenants"])


def bucket() -> BucketStorage | None:
    """The storage where it is a bucket, None where it is a folder of this machine."""
    found = store()
    return None if isinstance(found, LocalStorage) else found


def open_named(name: str) -> BinaryIO:
    """The content as a stream, a real file where the store is a folder; raises ``FileNotFoundError``."""
    return cast("BinaryIO", store().open(name, "rb").file)
