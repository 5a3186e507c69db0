"""A real server of S3's protocol on this machine, for the tests of the store in a bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from config import env

BUCKET, PREFIX = "almanac-tests", "here/storage"


@dataclass(frozen=True)
class ObjectStore:
    """The server's address, and a client of the test's own, which does not go through the program."""

    url: str
    client: Any

    def names(self, bucket: str = BUCKET) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def unfinished(self) -> list[str]:
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())]

    def environment(self) -> dict[str, str]:
        """For processes that are to use it."""
        return {
            "ALMANAC_STORAGE_URL": f"s3://{BUCKET}/{PREFIX}?endpoint_url={self.url}&region=eu-central-1",
            "ALMANAC_S3_ACCESS_KEY_ID": "testing",
            "ALMANAC_S3_SECRET_ACCESS_KEY": "testing",
        }


@contextlib.contextmanager
def serving() -> Iterator[ObjectStore]:
    """The server for as long as the block lasts, with one empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    try:
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield ObjectStore(url, client)
    finally:
        client.close()
        httpx.post(f"{url}/moto-api/reset").raise_for_status()  # what it keeps is the process's
        server.stop()
        if server._server is not None:
            server._server.server_close()


def use(store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test ends, the program keeps tenants' files there."""
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    tenants = env.storage("ALMANAC_STORAGE_URL", settings.STORAGE_ROOT)
    settings.STORAGES = {**settings.STORAGES, "tenants": tenants}
