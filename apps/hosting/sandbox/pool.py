"""The hosts of this process: one for each tenant that asks, a bounded number, each for one request at a time.

A host that nobody asked for ten minutes is ended; one that crashed is started again after a pause that grows.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from apps.hosting.sandbox.host import Host, HostEnded, HostTooSlow

MOST_HOSTS: Final = 8
IDLE_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 15.0
MOST_WAITING: Final = 8
WAIT_SECONDS: Final = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


class Busy(Exception):
    """No host is free in time; ``whole_seconds`` is when to try again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.whole_seconds = max(1, math.ceil(seconds))


@dataclass
class Place:
    """What is known of one tenant's host."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    host: Host | None = None
    users: int = 0  # those who wait for their turn, and the one whose it is
    failures: int = 0
    not_before: float = 0.0
    used_at: float = field(default_factory=time.monotonic)


class Pool:
    """Hosts by tenant, the one used last at the end."""

    def __init__(self, most: int = MOST_HOSTS, idle_seconds: float = IDLE_SECONDS) -> None:
        self._most, self._idle_seconds = most, idle_seconds
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._lock = threading.Lock()
        self._looking = False

    def ask(self, tenant: str, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer of the tenant's host; raises ``Busy``, ``Fault``, ``HostTooSlow`` and ``HostEnded``."""
        with self._turn(tenant) as place:
            left = place.not_before - time.monotonic()
            if left > 0:
                raise Busy(left)
            try:
                answer = self._host(place).ask(request, seconds)
            except (HostEnded, HostTooSlow):
                self._failed(place)
                raise
            place.failures = 0
            return answer

    def pids(self) -> dict[str, int]:
        """The process of each tenant that has one."""
        with self._lock:
            return {tenant: place.host.pid for tenant, place in self._places.items() if place.host}

    def end_idle(self, now: float) -> None:
        """End the hosts that nobody used for long."""
        with self._lock:
            old = [
                tenant
                for tenant, place in self._places.items()
                if place.users == 0 and place.used_at + self._idle_seconds <= now
            ]
            gone = [self._places.pop(tenant) for tenant in old]
        _end(gone)

    def end_all(self) -> None:
        """End those that are not in use."""
        self.end_idle(float("inf"))

    @contextlib.contextmanager
    def _turn(self, tenant: str) -> Iterator[Place]:
        """The tenant's place, to this thread alone."""
        place = self._enter(tenant)
        try:
            if not place.turn.acquire(timeout=WAIT_SECONDS):
                raise Busy(1.0)
            try:
                yield place
            finally:
                place.turn.release()
        finally:
            with self._lock:
                place.users -= 1
                place.used_at = time.monotonic()

    def _enter(self, tenant: str) -> Place:
        with self._lock:
            place = self._places.get(tenant)
            gone = [] if place else self._make_room()
            place = place or self._places.setdefault(tenant, Place())
            if place.users > MOST_WAITING:
                raise Busy(1.0)
            place.users += 1
            self._places.move_to_end(tenant)
            self._look_after()
        _end(gone)
        return place

    def _make_room(self) -> list[Place]:
        """Take out the place that was not used for longest; raises ``Busy`` where all are in use."""
        if len(self._places) < self._most:
            return []
        for tenant, place in self._places.items():
            if place.users == 0:
                return [self._places.pop(tenant)]
        raise Busy(1.0)

    def _host(self, place: Place) -> Host:
        if place.host is None or not place.host.is_alive:
            if place.host is not None:
                place.host.end()
            place.host = None
            place.host = Host()
        return place.host

    def _failed(self, place: Place) -> None:
        if place.host is not None:
            place.host.end()
        place.host = None
        place.failures += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (place.failures - 1))
        place.not_before = time.monotonic() + pause

    def _look_after(self) -> None:
        if not self._looking:
            self._looking = True
            threading.Thread(target=self._watch, name="model-hosts-idle", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.end_idle(time.monotonic())


def _end(places: list[Place]) -> None:
    for place in places:
        if place.host is not None:
            place.host.end()


hosts: Final = Pool()
