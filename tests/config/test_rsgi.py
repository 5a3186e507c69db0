"""The entry, as a client sees it, in a real granian process."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from config.rsgi_request import Limits
from tests.config import tiny_wsgi
from tests.config.serving import problem, raw, serving


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    log = tmp_path_factory.mktemp("granian") / "log"
    with serving("tests.config.tiny_wsgi:app", log) as server:
        yield server.port


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as opened:
        yield opened


def test_the_environ_is_what_wsgi_demands(client: httpx.Client) -> None:
    headers = [
        ("Host", "acme.localhost:8000"),
        ("X-A", "1"),
        ("X-A", "2"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
    ]
    answer = client.post("/caf%C3%A9/x%20y?q=%20z&r=1", headers=headers, content=b"hello")
    environ = answer.json()["environ"]
    assert environ["PATH_INFO"] == "/café/x y".encode().decode("latin-1")
    assert environ["QUERY_STRING"] == "q=%20z&r=1"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("acme.localhost", "8000")
    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")
    assert (environ["REQUEST_METHOD"], environ["CONTENT_LENGTH"]) == ("POST", "5")
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert environ["HTTP_X_REQUEST_ID"].startswith("req_")


def test_headers_that_only_a_proxy_may_send_are_dropped(client: httpx.Client) -> None:
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6", "X_Forwarded_Proto": "https"}
    environ = client.get("/", headers=forged).json()["environ"]
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert not [name for name in environ if "FORWARDED" in name]


def test_repeated_cookies_reach_the_client_and_hop_by_hop_headers_do_not(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert "connection" not in answer.headers


def test_a_chunked_body_arrives_whole(client: httpx.Client) -> None:
    answer = client.post("/", content=(b"x" * 1000 for _ in range(30))).json()
    assert answer["length"] == 30_000
    assert answer["environ"]["CONTENT_LENGTH"] == "30000"


def test_an_upload_may_be_larger_than_other_bodies_and_arrives_whole(client: httpx.Client) -> None:
    answer = client.post("/upload", content=b"y" * 2_500_000).json()
    assert answer["length"] == 2_500_000
    assert answer["kind"] == "SpooledTemporaryFile"


def test_a_body_over_the_cap_is_refused_before_it_is_sent(port: int) -> None:
    answer = raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert problem(answer)["code"] == "too_large"
    assert "100,000 bytes" in problem(answer)["detail"]


def test_a_chunked_body_over_the_cap_is_refused(port: int) -> None:
    piece = b"4e20\r\n" + b"z" * 20_000 + b"\r\n"
    answer = raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + piece * 6)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_client_that_falls_silent_gets_408(port: int) -> None:
    began = time.monotonic()
    answer = raw(
        port, b"POST / HTTP/1.1\r\nHost: x\r\nX-Request-ID: my-request-1\r\nContent-Length: 10\r\n\r\nab"
    )
    assert answer.startswith(b"HTTP/1.1 408")
    assert problem(answer)["request_id"] == "my-request-1"
    assert time.monotonic() - began < 1.2


def test_a_client_that_drips_gets_408_though_it_is_never_silent(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        began = time.monotonic()
        connection.setblocking(False)
        answer = b""
        while not answer and time.monotonic() - began < 4:
            connection.send(b"a")
            time.sleep(0.2)
            try:
                answer = connection.recv(4096)
            except BlockingIOError:
                continue
    assert answer.startswith(b"HTTP/1.1 408")
    assert 1.0 < time.monotonic() - began < 2.5


def test_head_sends_the_length_but_no_body(client: httpx.Client) -> None:
    answer = client.head("/")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 100
    assert answer.content == b""


def test_204_has_no_body(client: httpx.Client) -> None:
    assert client.get("/nothing").status_code == 204


def test_a_stream_arrives_piece_by_piece_and_is_closed(client: httpx.Client) -> None:
    before = int(client.get("/closed").text)
    began = time.monotonic()
    with client.stream("GET", "/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "0"
        first_after = time.monotonic() - began
        assert list(lines)[-1] == "19"
    assert first_after < 0.5 < time.monotonic() - began
    assert int(client.get("/closed").text) == before + 1


def test_a_stream_that_nobody_reads_is_ended_and_closed(client: httpx.Client, port: int) -> None:
    before = int(client.get("/closed").text)
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(10)
    end = time.monotonic() + 5
    while int(client.get("/closed").text) == before and time.monotonic() < end:
        time.sleep(0.05)
    assert int(client.get("/closed").text) == before + 1


def test_a_file_is_sent_by_the_server_itself(client: httpx.Client) -> None:
    assert client.get("/file").content == Path(tiny_wsgi.__file__).read_bytes()


def test_a_failing_application_answers_a_problem_without_its_message(port: int) -> None:
    answer = raw(port, b"GET /fail HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500")
    assert problem(answer)["code"] == "internal"
    assert b"on purpose" not in answer


def test_more_requests_than_may_wait_get_503_and_when_to_come_back(client: httpx.Client) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.get("/sleep"), range(12)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [503] * 8
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.json()["code"] for answer in refused} == {"overloaded"}


def test_eighty_slow_clients_do_not_hold_up_the_others(client: httpx.Client, port: int) -> None:
    slow = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(80)]
    try:
        for connection in slow:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na")
        began = time.monotonic()
        assert [client.get("/").status_code for _ in range(50)] == [200] * 50
        assert time.monotonic() - began < 0.6, "the slow ones were still being waited for"
    finally:
        for connection in slow:
            connection.close()


def test_the_environment_changes_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_WEB_THREADS", "3")
    monkeypatch.setenv("ALMANAC_MAX_UPLOAD_BYTES", "1000")
    monkeypatch.setenv("ALMANAC_TRUST_PROXY", "1")
    limits = Limits.from_environment()
    assert (limits.threads, limits.trust_proxy) == (3, True)
    assert limits.cap("POST", "/datasets/new/") == 1000 + 1024 * 1024
    assert limits.cap("POST", "/v1/forecasts") == 10 * 1024 * 1024


def test_a_limit_that_is_not_a_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_WEB_THREADS", "many")
    with pytest.raises(ValueError, match="ALMANAC_WEB_THREADS must be a whole number"):
        Limits.from_environment()
