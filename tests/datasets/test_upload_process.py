"""Uploads to the program as it runs: granian, our entry, Django and the database."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from apps.api_keys import services as api_keys
from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.datasets.models import Dataset, Upload
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantLimits
from tests import factories
from tests.config.serving import Server, problem, raw, serving, until

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("committed")]
BOUNDARY = "multipart/form-data; boundary=x"
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="sales.csv"\r\n\r\nunique_id,ds,y\n'
ROW = b"a,2024-01-01,1\n"


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("granian") / "log"
    with serving("config.rsgi:app", log, DJANGO_SETTINGS_MODULE="config.settings.test") as started:
        until(lambda: httpx.get(f"http://127.0.0.1:{started.port}/livez").status_code == 200)
        yield started


@pytest.fixture
def tenant(committed: None) -> TenantKey:
    return factories.tenant("acme").key


@pytest.fixture
def key(tenant: TenantKey) -> str:
    with tenant_scope(tenant):
        return api_keys.create(name="test", scopes=["datasets:write"])[1]


def head(key: str, length: int, *more: str) -> bytes:
    lines = ["POST /v1/datasets HTTP/1.1", "Host: localhost", f"Content-Type: {BOUNDARY}"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, f"Content-Length: {length}", *more, "", ""]).encode()


def incoming(tenant: TenantKey) -> list[Path]:
    folder = storage.tenant_path(tenant, "incoming")
    return list(folder.iterdir()) if folder.exists() else []


def spooled(server: Server) -> list[str]:
    return [path for path in server.open_files() if "/spool/" in path]


@pytest.mark.parametrize("more", [[], ["Expect: 100-continue"]], ids=["at once", "when told"])
def test_without_key_or_room_no_byte_is_read(
    server: Server, tenant: TenantKey, key: str, more: list[str]
) -> None:
    answer = raw(server.port, head("", 300_000_000, *more))
    assert (answer[:12], problem(answer)["code"]) == (b"HTTP/1.1 401", "api_key_missing")
    with system_scope("operator"):
        TenantLimits.objects.filter(tenant_id=tenant.id).update(datasets=0)
    try:
        answer = raw(server.port, head(key, 300_000_000, *more))
    finally:
        with system_scope("operator"):
            TenantLimits.objects.filter(tenant_id=tenant.id).update(datasets=10)
    assert (answer[:12], problem(answer)["code"]) == (b"HTTP/1.1 402", "too_many_datasets")
    assert spooled(server) == []


def test_a_client_that_breaks_off_in_the_middle_leaves_no_file_no_row_and_no_thread(
    server: Server, tenant: TenantKey, key: str
) -> None:
    threads = len(list(Path(f"/proc/{server.pid}/task").iterdir()))
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(head(key, 90_000_000) + FORM + ROW * 200_000)
            until(lambda: spooled(server) != [])
        until(lambda: spooled(server) == [])
    assert list(Path(settings.VAR, "spool").iterdir()) == []
    assert incoming(tenant) == []
    with tenant_scope(tenant):
        assert (Upload.objects.count(), Dataset.objects.count()) == (0, 0)
    # The pool and the loop's own executor may have grown by the threads they keep.
    assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) <= threads + 4


def test_an_upload_that_was_admitted_becomes_a_data_set(server: Server, tenant: TenantKey, key: str) -> None:
    rows = b"".join(b"s%d,2024-01-%02d,1.5\n" % (each, day) for each in range(3000) for day in range(1, 31))
    assert len(rows) > 1_500_000
    answer = httpx.post(
        f"http://127.0.0.1:{server.port}/v1/datasets",
        headers={"Authorization": f"Bearer {key}"},
        files={"file": ("sales.csv", b"unique_id,ds,y\n" + rows)},
        timeout=60,
    )
    assert (answer.status_code, answer.json()["version"]["rows"]) == (201, 90_000)
    assert (spooled(server), incoming(tenant)) == ([], [])
