"""Answers that wait and streams that go on, in a real granian process with one thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.config.serving import serving, until


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    log = tmp_path_factory.mktemp("granian") / "log"
    with (
        serving("tests.config.waiting_wsgi:app", log) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as opened,
    ):
        yield opened


def test_an_answer_that_may_become_better_is_asked_for_again_until_it_is(client: httpx.Client) -> None:
    answer = client.get("/third")
    assert answer.json() == {"times": 3, "again": True}
    assert "x-almanac-hold" not in answer.headers


def test_the_time_to_wait_ends_with_the_answer_of_then(client: httpx.Client) -> None:
    began = time.monotonic()
    answer = client.get("/never")
    assert 0.25 < time.monotonic() - began < 5
    assert answer.json()["times"] > 2
    assert "x-almanac-hold" not in answer.headers


def test_who_waits_holds_no_thread(client: httpx.Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(client.get, "/never") for _ in range(20)]
        assert client.get("/asked").status_code == 200, "the only thread is free"
        assert all(each.result().status_code == 200 for each in waiting)


@pytest.mark.parametrize("prefer", ["wait=5", "respond-async, wait=5", "respond-async; wait=5"])
def test_prefer_wait_gives_the_job_that_was_begun_once_it_has_ended(
    client: httpx.Client, prefer: str
) -> None:
    answer = client.post("/begin", json={"a": 1}, headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["times"]) == (200, 3)
    assert answer.headers["preference-applied"] == "wait=5"
    assert answer.headers["content-location"] == "/v1/jobs/job_1"
    assert client.get("/asked").json()["POST /begin"] == 1


def test_a_job_that_takes_longer_than_preferred_is_answered_as_begun(client: httpx.Client) -> None:
    answer = client.post("/begin-long", headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.headers["location"]) == (202, "/v1/jobs/job_never")


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0", "wait=soon", "handling=strict"])
def test_without_a_time_to_wait_the_answer_comes_at_once(client: httpx.Client, prefer: str) -> None:
    assert client.post("/begin", headers={"Prefer": prefer}).status_code == 202


def test_a_stream_goes_on_after_what_was_sent_until_it_ends(client: httpx.Client) -> None:
    with client.stream("GET", "/stream", headers={"Last-Event-ID": "1"}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert "x-almanac-follow" not in answer.headers
        assert answer.read().decode() == "id: 2\n\nid: 3\n\nend"


def test_a_quiet_stream_shows_that_it_is_alive_and_ends_with_its_client(client: httpx.Client) -> None:
    with client.stream("GET", "/quiet") as answer:
        pieces = answer.iter_text()
        assert next(pieces) == "data: same\n\n"
        assert next(pieces) == ": nothing new\n\n"

    def asked() -> int:
        return int(client.get("/asked").json()["GET /quiet"])

    def still() -> bool:
        before = asked()
        time.sleep(0.3)
        return asked() == before

    until(still, 5)


def test_no_header_of_a_client_makes_a_call_look_repeated(client: httpx.Client) -> None:
    assert client.get("/plain", headers={"almanac.again": "1"}).json()["again"] is False
