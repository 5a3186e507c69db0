"""Rows are fetched from a web address, a bucket and a database, each over its own protocol."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from django.conf import settings as django_settings

from apps.core.egress import AddressRefused, CallFailed
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.datasets import queries, services, sources
from apps.datasets.errors import SourceInvalid
from apps.datasets.models import Source, Upload
from apps.datasets.reading.contracts import ColumnMapping
from apps.datasets.services.sources import secret_of
from apps.jobs.models import Schedule
from tests import object_store
from tests.datasets.csv_files import daily

pytestmark = pytest.mark.usefixtures("in_process")
LIMIT = 1_000_000
MAPPING = ColumnMapping(time="ds", value="y", series=("unique_id",))


class Shop(BaseHTTPRequestHandler):
    """A file behind a token, which changes when the test says so."""

    body: ClassVar[bytes] = b""
    etag: ClassVar[str] = '"1"'

    def do_GET(self) -> None:
        if self.headers.get("authorization") != "Bearer letmein":
            self.send_error(401)
            return
        if self.headers.get("if-none-match") == self.etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", self.etag)
        self.send_header("Content-Disposition", 'attachment; filename="sales.csv"')
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_args: Any) -> None:
        """Nothing on the tests' output."""


@pytest.fixture
def shop(settings: Any) -> Iterator[str]:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    Shop.body, Shop.etag = daily().encode(), '"1"'
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/export"
        httpd.shutdown()
        thread.join()


def make(url: str, **more: Any) -> Source:
    return services.create_source(
        name="Shop", kind="https", config={"url": url}, secret={"bearer": "letmein"}, **more
    )


def test_the_first_fetch_waits_to_be_accepted_and_the_next_ones_add(
    shop: str, in_acme: TenantKey, recording: Any
) -> None:
    source = make(shop)
    first = services.perform_fetch(source_id=source.id, progress=recording)
    upload = Upload.objects.get()
    assert first == {"upload": upload.public_id}
    dataset = services.accept_upload(upload_id=upload.id, name="Sales", mapping=MAPPING)
    source.refresh_from_db()
    assert source.dataset_id == dataset.id
    unchanged = services.perform_fetch(source_id=source.id, progress=recording)
    assert unchanged == {"outcome": "unchanged"}
    Shop.body, Shop.etag = daily(count=22).encode(), '"2"'
    added = services.perform_fetch(source_id=source.id, progress=recording)
    assert (added["version"], added["added"], added["changed"]) == (2, 4, 0)
    source.refresh_from_db()
    assert (source.outcome, source.marker["etag"]) == ("succeeded", '"2"')


def test_a_refused_token_is_noted_and_nothing_is_stored(
    shop: str, in_acme: TenantKey, recording: Any
) -> None:
    source = make(shop)
    services.change_source(source_id=source.id, changes={"secret": {"bearer": "old"}})
    with pytest.raises(CallFailed, match="401"):
        services.perform_fetch(source_id=source.id, progress=recording)
    source.refresh_from_db()
    assert (source.outcome, Upload.objects.count()) == ("failed", 0)
    assert "401" in source.message
    assert "old" not in source.message


def test_a_file_that_cannot_be_read_fails_the_fetch_by_row(
    shop: str, in_acme: TenantKey, recording: Any
) -> None:
    source = make(shop)
    services.perform_fetch(source_id=source.id, progress=recording)
    services.accept_upload(upload_id=Upload.objects.get().id, name="Sales", mapping=MAPPING)
    Shop.body, Shop.etag = b"\x7fELF" + bytes(100), '"3"'
    with pytest.raises(Exception, match="program"):
        services.perform_fetch(source_id=source.id, progress=recording)
    source.refresh_from_db()
    assert source.outcome == "failed"
    assert queries.get_dataset(slug="sales").versions.count() == 1
    assert source.marker["etag"] == '"1"', "the next fetch asks for it again"


def test_secrets_are_sealed_and_a_schedule_follows_its_source(shop: str, in_acme: TenantKey) -> None:
    source = make(shop, cron="0 6 * * *", timezone="Europe/Berlin")
    assert b"letmein" not in bytes(source.secret or b"")
    assert secret_of(source) == {"bearer": "letmein"}
    assert Schedule.objects.get(kind=services.sources.JOB).zone == "Europe/Berlin"
    services.change_source(source_id=source.id, changes={"cron": ""})
    assert not Schedule.objects.filter(kind=services.sources.JOB).exists()
    services.delete_source(source_id=source.id)
    with pytest.raises(NotFound):
        queries.get_source(source_id=source.id)


@pytest.mark.parametrize(
    ("kind", "config", "where"),
    [
        ("ftp", {}, "/kind"),
        ("https", {}, "/config/url"),
        ("https", {"url": "https://10.0.0.1:22/"}, "/config/url"),
        ("https", {"url": "http://example.com/"}, "/config/url"),
        ("https", {"url": "https://example.com/", "password": "open"}, "/config/password"),
        ("s3", {"bucket": "b", "key": "k", "endpoint_url": "http://169.254.169.254"}, "/config/endpoint_url"),
        ("postgres", {"host": "h", "dbname": "d", "user": "u", "query": "DELETE FROM a"}, "/config/query"),
        (
            "postgres",
            {"host": "h", "dbname": "d", "user": "u", "query": "SELECT 1", "port": "x"},
            "/config/port",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_by_field(
    in_acme: TenantKey, kind: str, config: dict[str, str], where: str
) -> None:
    with pytest.raises(SourceInvalid) as refused:
        services.create_source(name="Odd", kind=kind, config=config)
    assert [each.pointer for each in refused.value.errors] == [where]
    assert not Source.objects.exists()


def test_the_newest_object_of_a_prefix_is_fetched(settings: Any, tmp_path: Path) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    s3 = sources.get("s3")
    with object_store.serving() as store:
        for name in ("day/1.csv", "day/2.csv", "else/3.csv"):
            store.client.put_object(Bucket=object_store.BUCKET, Key=name, Body=name.encode())
        config = s3.check_config(
            {
                "bucket": object_store.BUCKET,
                "key": "day/",
                "endpoint_url": store.url,
                "region": "eu-central-1",
            }
        )
        secret = {"access_key_id": "testing", "secret_access_key": "testing"}
        got = s3.fetch(config, secret, tmp_path / "one", limit_bytes=LIMIT, marker={})
        assert got is not None
        assert (got.filename, got.path.read_bytes()) == ("2.csv", b"day/2.csv")
        assert s3.fetch(config, secret, tmp_path / "two", limit_bytes=LIMIT, marker=got.marker) is None
        with pytest.raises(CallFailed, match="more than 3 bytes"):
            s3.fetch(config, secret, tmp_path / "three", limit_bytes=3, marker={})
        with pytest.raises(CallFailed, match="nothing begins with"):
            s3.fetch({**config, "key": "none/"}, secret, tmp_path / "four", limit_bytes=LIMIT, marker={})


def test_a_bucket_inside_is_not_asked(tmp_path: Path) -> None:
    config = {"bucket": "b", "key": "k", "endpoint_url": "https://127.0.0.1/"}
    with pytest.raises(AddressRefused):
        sources.get("s3").fetch(config, {}, tmp_path / "out", limit_bytes=LIMIT, marker={})


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a PostgreSQL source whose host leads to the tests' own server."""
    request.getfixturevalue("db")
    owner = django_settings.DATABASES["default"]
    postgres = sources.get("postgres")
    dsn = {
        "host": owner["HOST"],
        "port": str(owner["PORT"] or 5432),
        "dbname": owner["NAME"],
        "user": owner["USER"],
        "password": owner["PASSWORD"],
    }
    # The tests' server listens on a socket in a folder, which no customer can name as a host.
    monkeypatch.setattr(postgres, "_dsn", lambda *_args: psycopg.conninfo.make_conninfo("", **dsn))
    monkeypatch.setattr("apps.core.egress.addresses", lambda *_args: ["127.0.0.1"])
    return {"host": "books.example", "dbname": "books", "user": "reader"}


def test_a_query_becomes_a_table(books: dict[str, str], tmp_path: Path) -> None:
    postgres = sources.get("postgres")
    query = """SELECT 'a' AS unique_id, day AS ds, 1.5 AS y
        FROM generate_series(DATE '2024-01-01', DATE '2024-01-03', '1 day') AS day WHERE day > {since};"""
    config = postgres.check_config({**books, "query": query})
    got = postgres.fetch(config, {}, tmp_path / "out", limit_bytes=LIMIT, marker={})
    assert got is not None
    lines = got.path.read_text().splitlines()
    assert (lines[0], len(lines), got.filename) == ("unique_id,ds,y", 4, "books.csv")
    assert postgres.fetch(config, {}, tmp_path / "again", limit_bytes=LIMIT, marker=got.marker) is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT lo_create(0)", "read-only"),
        ("SELECT 1) TO STDOUT; SELECT (2", "syntax"),
        ("SELECT 1 -- comment", None),
        ("SELECT nothing FROM nowhere", "nowhere"),
        ("SELECT repeat('x', 2000000)", "more than"),
    ],
)
def test_a_query_can_only_read(books: dict[str, str], tmp_path: Path, query: str, words: str | None) -> None:
    postgres = sources.get("postgres")
    config = postgres.check_config({**books, "query": query})
    if words is None:
        assert postgres.fetch(config, {}, tmp_path / "out", limit_bytes=LIMIT, marker={})
        return
    with pytest.raises(CallFailed, match=words):
        postgres.fetch(config, {}, tmp_path / "out", limit_bytes=LIMIT, marker={})
