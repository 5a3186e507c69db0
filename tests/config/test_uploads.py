"""Large bodies at the entry, in a real granian process: asked about first, whole or not at all."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.config.serving import Server, problem, raw, rest, serving, told, until

HEAD = b"POST /upload%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"
LARGE = b"Content-Length: 2500000"
CHUNKED = b"Transfer-Encoding: chunked"


def head(length: bytes = LARGE, query: bytes = b"") -> bytes:
    return HEAD % (query, length)


def chunk(size: int) -> bytes:
    return b"%x\r\n" % size + b"z" * size + b"\r\n"


def send_what_goes(connection: socket.socket, size: int) -> int:
    sent = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while sent < size:
            sent += connection.send(b"z" * 65536)
    return sent


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def server(spool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("granian") / "log"
    with serving("tests.config.tiny_wsgi:app", log, TINY_SPOOL=str(spool)) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as opened:
        yield opened


@pytest.fixture(autouse=True)
def nothing_stays(server: Server, spool: Path) -> Iterator[None]:
    """After each of these tests the server holds no file of a body, with a name or without."""
    yield
    until(lambda: not [path for path in server.open_files() if path.startswith(str(spool))], 5)
    assert list(spool.iterdir()) == []


def asked(client: httpx.Client) -> list[int | None]:
    lengths: list[int | None] = client.get("/asked").json()
    return lengths


def test_what_the_application_would_refuse_is_refused_before_a_byte_of_it_is_sent(server: Server) -> None:
    answer = raw(server.port, head(b"Content-Length: 300000000\r\nExpect: 100-continue", b"?full"))
    assert answer.startswith(b"HTTP/1.1 402")
    assert b"connection: close" in answer
    assert answer.endswith(b"no room")


def test_a_client_that_sends_on_regardless_still_gets_to_read_the_refusal(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(head(b"Content-Length: 300000000", b"?full"))
        assert send_what_goes(connection, 300_000_000) < 30_000_000
        assert rest(connection).endswith(b"no room")


def test_a_small_body_that_is_refused_is_taken_from_the_wire_so_that_nothing_is_reset(
    client: httpx.Client,
) -> None:
    answer = client.post("/upload?full", content=b"z" * 2_000_000)
    assert (answer.status_code, answer.text) == (402, "no room")


def test_who_expects_to_be_told_to_go_on_is_told_so_when_there_is_room(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(head(LARGE + b"\r\nExpect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(b"z" * 2_500_000)
        assert told(connection, b'"length": 2500000')


def test_only_large_uploads_are_asked_about(client: httpx.Client) -> None:
    before = len(asked(client))
    client.post("/upload", content=b"z" * 50_000)
    client.post("/elsewhere", content=b"z" * 90_000)
    client.request("GET", "/upload", content=b"z" * 90_000)
    assert asked(client)[before:] == []
    client.post("/upload", content=b"z" * 50_001)
    client.post("/upload", content=(b"z" for _ in range(3)))
    assert asked(client)[before:] == [50_001, None]


def test_the_question_and_its_answer_cannot_be_forged_by_headers(client: httpx.Client) -> None:
    forged = {"almanac.admission": "5", "almanac.admitted": "1", "almanac.limit": "5"}
    environ = client.post("/upload", content=b"hello", headers=forged).json()["environ"]
    assert not [name for name in environ if name.startswith("almanac.")]
    environ = client.post("/upload", content=b"z" * 60_000).json()["environ"]
    assert environ["almanac.admitted"] == "1"


def test_the_application_may_take_less_than_the_server_would(server: Server) -> None:
    answer = raw(server.port, head(CHUNKED, b"?small") + chunk(60_001))
    assert answer.startswith(b"HTTP/1.1 413")
    assert "60,000 bytes" in problem(answer)["detail"]


def test_an_upload_without_a_length_arrives_whole(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(head(CHUNKED) + chunk(400_000) * 3 + b"0\r\n\r\n")
        assert told(connection, b'"length": 1200000')


@pytest.mark.parametrize(
    "sent",
    [
        head() + b"z" * 700_000,
        head(CHUNKED) + chunk(700_000),
        head(CHUNKED) + chunk(700_000) + b"ffff\r\nzzz",
        head(b"Content-Length: 400") + b"z" * 3,
    ],
    ids=["with a length", "between chunks", "within a chunk", "small"],
)
def test_a_body_that_breaks_off_is_never_taken_for_a_whole_one(server: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert "broke off after" in problem(answer)["detail"]


def test_a_trailer_cannot_be_told_from_a_break_and_so_is_refused(server: Server) -> None:
    answer = raw(server.port, head(CHUNKED) + chunk(60_000) + b"0\r\nX-Sum: 1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


def test_chunks_that_are_none_are_refused(server: Server) -> None:
    answer = raw(server.port, head(CHUNKED) + chunk(60_000) + b"no chunk\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


def test_a_client_that_vanishes_in_the_middle_leaves_nothing_behind(server: Server, spool: Path) -> None:
    for beginning in (head(), head(CHUNKED)):
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(beginning + (chunk(600_000) if CHUNKED in beginning else b"z" * 600_000))
            until(lambda: any(path.startswith(str(spool)) for path in server.open_files()), 5)
        until(lambda: not any(path.startswith(str(spool)) for path in server.open_files()), 5)


def test_what_follows_a_body_that_was_longer_than_it_said_is_not_part_of_it(
    client: httpx.Client, server: Server
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(head(b"Content-Length: 60000") + b"z" * 60_500)
        assert told(connection, b'"length": 60000')
    assert client.get("/").status_code == 200


def test_a_disk_that_is_full_is_said_so_and_nothing_is_kept(tmp_path: Path, client: httpx.Client) -> None:
    with serving("tests.config.tiny_wsgi:app", tmp_path / "log", TINY_SPOOL="/dev/full/none") as started:
        answer = httpx.post(f"http://127.0.0.1:{started.port}/upload", content=b"z" * 2_000_000)
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
