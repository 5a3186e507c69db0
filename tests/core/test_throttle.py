"""The brake on tries: exact under concurrency, by Redis' clock, and not lost with Redis."""

from __future__ import annotations

import threading

import pytest
import redis as package

from apps.core import redis, throttle
from apps.core.throttle import Limit


def test_admits_the_count_and_then_says_how_long_to_wait() -> None:
    limit = Limit("test", 5, 50)
    waits = [throttle.hit(limit, "alice") for _ in range(6)]
    assert waits[:5] == [0.0] * 5
    assert 9.0 < waits[5] <= 10.0


def test_says_what_remains_and_when_there_is_more() -> None:
    limit = Limit("take", 3, 60)
    taken = [throttle.take(limit, "alice") for _ in range(4)]
    assert [each.remaining for each in taken] == [2, 1, 0, 0]
    assert [each.wait_seconds > 0 for each in taken] == [False, False, False, True]
    assert [round(each.reset_seconds) for each in taken[:3]] == [20, 40, 60]
    assert taken[3].reset_seconds == taken[3].wait_seconds
    assert 19 < taken[3].wait_seconds <= 20


def test_subjects_and_limits_do_not_touch_each_other() -> None:
    one, other = Limit("one", 1, 60), Limit("other", 1, 60)
    assert throttle.hit(one, "alice", "x") == 0.0
    assert throttle.hit(one, "alicex") == 0.0
    assert throttle.hit(other, "alice", "x") == 0.0
    assert throttle.hit(one, "alice", "x") > 0.0


def test_admits_exactly_the_limit_under_twenty_threads() -> None:
    limit, admitted = Limit("race", 50, 3600), []

    def run() -> None:
        admitted.extend(throttle.hit(limit, "race") == 0.0 for _ in range(10))

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(admitted), sum(admitted)) == (200, 50)


def test_refills_with_time() -> None:
    limit = Limit("refill", 2, 0.2)
    assert [throttle.hit(limit, "a") == 0.0 for _ in range(3)] == [True, True, False]
    threading.Event().wait(0.25)
    assert throttle.hit(limit, "a") == 0.0


def test_what_was_counted_can_be_given_back() -> None:
    limit = Limit("forget", 1, 60)
    throttle.hit(limit, "a")
    throttle.forget(limit, "a")
    assert throttle.hit(limit, "a") == 0.0


def test_leaves_nothing_behind_in_redis_that_does_not_end() -> None:
    throttle.hit(Limit("ttl", 5, 60), "a")
    (key,) = redis.client().keys("*throttle*")
    assert 0 < redis.client().pttl(key) <= 60_000


def test_without_redis_this_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    away = package.Redis(unix_socket_path="/nonexistent/valkey.sock", retry=None)
    limit = Limit("away", 3, 60)
    with monkeypatch.context() as patch:
        patch.setattr(redis, "client", lambda: away)
        patch.setattr(throttle, "_local", throttle.LocalBuckets())
        assert [throttle.hit(limit, "a") == 0.0 for _ in range(4)] == [True, True, True, False]
        throttle.forget(limit, "a")
        assert throttle.hit(limit, "a") > 0.0


def test_the_stand_in_keeps_a_bounded_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_LOCAL_CAP", 10)
    buckets = throttle.LocalBuckets()
    for number in range(100):
        buckets.take(Limit("cap", 1, 0.0), str(number))
    assert len(buckets._full_at) <= 11


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", "unknown"),
        (None, "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_a_visitor_is_an_ipv4_address_or_an_ipv6_network(ip: str | None, network: str) -> None:
    assert throttle.network_of(ip) == network


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 second"), (59, "59 seconds"), (60, "1 minute"), (61, "2 minutes")]
)
def test_waits_are_told_in_words(seconds: float, words: str) -> None:
    assert throttle.in_words(seconds) == words
