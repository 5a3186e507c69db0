"""How often something may be tried: one atomic call to Redis, by Redis' own clock.

The method is the generic cell rate algorithm: the stored number is the moment at which the whole allowance
will be free again. When Redis is away, a bucket inside this process stands in, so that guessing passwords
never becomes free.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from dataclasses import dataclass
from typing import Final, cast

import redis as redis_package

from apps.core import redis
from apps.core.cache import cache_key

_GCRA: Final = """
local now = redis.call('TIME')
local t = now[1] + now[2] / 1000000
local period, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), t) + period / limit
local wait = full_at - period - t
if wait > 0.000001 then return {tostring(wait), tostring(period)} end
redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - t) * 1000))
return {'0', tostring(full_at - t)}
"""
_LOCAL_CAP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` at once, and that many again over ``period_seconds``."""

    name: str
    count: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """What came of one try: ``wait_seconds`` is 0 where it was allowed.

    ``remaining`` more are possible at once, and in ``reset_seconds`` there is more than that: the next one where none
    remains and this one was refused, else the whole allowance.
    """

    limit: Limit
    wait_seconds: float
    remaining: int
    reset_seconds: float


class LocalBuckets:
    """The stand-in while Redis is away: the same algorithm in this process, for a bounded number of keys."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}

    def take(self, limit: Limit, key: str) -> tuple[float, float]:
        """Seconds to wait, and seconds until the whole allowance is free."""
        now = time.monotonic()
        with self._lock:
            if len(self._full_at) >= _LOCAL_CAP:
                self._full_at = {name: moment for name, moment in self._full_at.items() if moment > now}
            full_at = max(self._full_at.get(key, 0.0), now) + limit.period_seconds / limit.count
            wait = full_at - limit.period_seconds - now
            if wait > 1e-6:
                return wait, limit.period_seconds
            self._full_at[key] = full_at
            return 0.0, full_at - now


_local = LocalBuckets()


def hit(limit: Limit, *subject: str) -> float:
    """Count one try of ``subject``. Returns 0.0 if it is allowed, else the seconds to wait (the try is not
    counted)."""
    return _take(limit, subject)[0]


def take(limit: Limit, *subject: str) -> Allowance:
    """As ``hit``, with what remains of the allowance."""
    wait, busy = _take(limit, subject)
    spare = (limit.period_seconds - busy) * limit.count / limit.period_seconds
    remaining = 0 if wait > 0 else max(0, int(spare + 1e-6))
    return Allowance(limit, wait, remaining, wait if wait > 0 else busy)


def _take(limit: Limit, subject: tuple[str, ...]) -> tuple[float, float]:
    key = _key(limit, subject)
    try:
        reply = redis.client().eval(_GCRA, 1, key, str(limit.period_seconds), str(limit.count))
        wait, busy = cast("list[str]", reply)
        return float(wait), float(busy)
    except redis_package.RedisError:
        return _local.take(limit, key)


def forget(limit: Limit, *subject: str) -> None:
    """Give ``subject`` its whole allowance back, as after the right password. Without Redis nothing is given
    back."""
    try:
        redis.client().delete(_key(limit, subject))
    except redis_package.RedisError:
        return


def network_of(ip: str | None) -> str:
    """What counts as one visitor: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def in_words(seconds: float) -> str:
    """``in_words(90)`` -> ``2 minutes``: rounded up, for people."""
    whole = max(1, int(-(-seconds // 1)))
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    minutes = -(-whole // 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _key(limit: Limit, subject: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join(subject).encode()).hexdigest()
    return cache_key(None, "throttle", limit.name, digest)
