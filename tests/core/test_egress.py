"""Calls to addresses that customers name reach public hosts only, whatever form an address takes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from apps.core import egress
from apps.core.egress import AddressRefused, CallFailed

HOSTILE = (
    "http://example.com/a.csv",
    "ftp://example.com/a.csv",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "//example.com/a.csv",
    "example.com/a.csv",
    "",
    "https://",
    "https:///a.csv",
    "https://user:secret@example.com/a.csv",
    "https://example.com@127.0.0.1/a.csv",
    "https://example.com:22/",
    "https://example.com:5432/",
    "https://example.com:6379/",
    "https://example.com:0/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.000.000.001/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
)


@pytest.mark.parametrize("url", HOSTILE)
def test_an_address_inside_is_never_called(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: connected.append(args))
    with pytest.raises((AddressRefused, CallFailed)):
        egress.download(url, tmp_path / "out", limit_bytes=1000)
    assert not connected
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_may_be_called(address: str) -> None:
    assert egress.addresses(address, 443)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("93.184.215.14", 443)), (2, 1, 6, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
    with pytest.raises(AddressRefused, match="private"):
        egress.addresses("two-faced.example", 443)


def test_a_name_that_turns_private_after_the_check_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: [(2, 1, 6, "", ("127.0.0.1", 443))])
    egress.check_url("https://rebound.example/a.csv")
    with pytest.raises(AddressRefused):
        egress.download("https://rebound.example/a.csv", tmp_path / "out", limit_bytes=10)


class Answers(BaseHTTPRequestHandler):
    """``/a.csv``, redirects, and what was asked."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("authorization")))
        port = self.server.server_address[1]
        places = {
            "/inside": "http://10.0.0.1/",
            "/file": "file:///etc/passwd",
            "/other": f"http://localhost:{port}/a.csv",
            "/round": "/round",
            "/here": "/a.csv",
        }
        if self.path in places:
            self.send_response(302)
            self.send_header("Location", places[self.path])
            self.end_headers()
            return
        if self.headers.get("if-none-match") == '"one"':
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200 if self.path == "/a.csv" else 404)
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.wfile.write(b"unique_id,ds,y\n" * 100)

    def log_message(self, *_args: Any) -> None:
        """Nothing on the tests' output."""


@pytest.fixture
def server(settings: Any) -> Iterator[str]:
    settings.EGRESS_ALLOW = ["127.0.0.1", "localhost"]
    Answers.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_host_that_the_operator_allows_is_called(server: str, tmp_path: Path) -> None:
    got = egress.download(f"{server}/here", tmp_path / "out", limit_bytes=2000)
    assert (got.size, (tmp_path / "out").stat().st_size, got.headers["etag"]) == (1500, 1500, '"one"')
    again = egress.download(
        f"{server}/a.csv", tmp_path / "again", limit_bytes=2000, headers={"If-None-Match": '"one"'}
    )
    assert again.not_modified


@pytest.mark.parametrize("path", ["/inside", "/file"])
def test_a_redirect_is_checked_like_an_address(server: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(AddressRefused):
        egress.download(server + path, tmp_path / "out", limit_bytes=2000)


def test_a_redirect_to_another_host_takes_no_secret_along(server: str, tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer hidden"}
    egress.download(f"{server}/other", tmp_path / "out", limit_bytes=2000, headers=headers)
    egress.download(f"{server}/here", tmp_path / "out", limit_bytes=2000, headers=headers)
    assert Answers.asked == [
        ("/other", "Bearer hidden"),
        ("/a.csv", None),
        ("/here", "Bearer hidden"),
        ("/a.csv", "Bearer hidden"),
    ]


@pytest.mark.parametrize(
    ("path", "limit", "reason"),
    [("/round", 2000, "redirects more"), ("/none", 2000, "404"), ("/a.csv", 100, "more than 100 bytes")],
)
def test_what_the_other_side_does_wrong_is_said(
    server: str, tmp_path: Path, path: str, limit: int, reason: str
) -> None:
    with pytest.raises(CallFailed, match=reason):
        egress.download(server + path, tmp_path / "out", limit_bytes=limit)
