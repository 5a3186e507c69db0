"""What this process remembers of keys that it has checked, and the thread that proves the memory true.

A remembered key counts only while the database was asked less than 0.9 s ago whether anything changed that a check
depends on (``AccessVersion``). So a revocation takes effect within a second in every process, without a statement in
a request's way; where the database cannot be asked, nothing remembered counts and each call looks its key up.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from django.db import connection

from apps.api_keys import last_used, queries
from apps.api_keys.principal import Principal

log = structlog.get_logger(__name__)
CAPACITY: Final = 10_000
FRESH_SECONDS: Final = 0.9
POLL_SECONDS: Final = 0.25
IDLE_SECONDS: Final = 5.0


@dataclass(slots=True)
class Entry:
    """A key whose text was found right: whom it stands for, when it ends by itself (Unix time), and when its use
    was last noted (on the monotonic clock)."""

    principal: Principal
    ends_at: float
    noted_at: float


class State(NamedTuple):
    """One moment's knowledge; replaced as a whole, so that a reader never mixes two."""

    version: int | None
    entries: OrderedDict[bytes, Entry]
    fresh_until: float


class Memory:
    """Keys by the SHA-256 of their text, least recently used ones forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = State(None, OrderedDict(), 0.0)

    @property
    def state(self) -> State:
        """What is known now; taken before a look-up, it is where the look-up's outcome belongs."""
        return self._state

    def find(self, digest: bytes) -> Entry | None:
        """The entry of a key, if there is one that is proved to be true."""
        state = self._state
        if time.monotonic() >= state.fresh_until:
            return None
        with self._lock:
            entry = state.entries.get(digest)
            if entry is not None:
                state.entries.move_to_end(digest)
        return entry

    def keep(self, state: State, digest: bytes, entry: Entry) -> None:
        """Remember the outcome of a look-up that began after ``state`` was taken.

        If something changed meanwhile, ``state`` is not the present one any more, and the entry goes with it.
        """
        with self._lock:
            state.entries[digest] = entry
            if len(state.entries) > CAPACITY:
                state.entries.popitem(last=False)

    def renew(self, version: int, began: float) -> None:
        """The database was asked at ``began`` and gave ``version``: if that is new, all is forgotten."""
        with self._lock:
            before = self._state
            entries = before.entries if before.version == version else OrderedDict()
            self._state = State(version, entries, began + FRESH_SECONDS)

    def forget(self) -> None:
        """Forget all, as after a change that this very process has made."""
        with self._lock:
            self._state = self._state._replace(entries=OrderedDict())


class Watcher:
    """A thread that asks for the version while keys are being checked, and writes down when they were used.

    It ends when no key was checked for some seconds, and is started again by the next check.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wanted_at = 0.0
        self._well = True

    def want(self) -> None:
        """Note that keys are being checked; costs nothing while the thread runs."""
        self._wanted_at = time.monotonic()
        if self._thread is None:
            self._start()

    def end(self) -> None:
        """Return once the thread has written what was noted and let go of its connection."""
        thread = self._thread
        if thread is not None:
            self._wanted_at = time.monotonic() - IDLE_SECONDS
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="key-watcher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._is_done():
            began = time.monotonic()
            self._ask(began)
            time.sleep(max(0.0, POLL_SECONDS - (time.monotonic() - began)))
        self._ask(time.monotonic())
        connection.close()

    def _is_done(self) -> bool:
        with self._lock:
            if time.monotonic() - self._wanted_at < IDLE_SECONDS:
                return False
            self._thread = None
            return True

    def _ask(self, began: float) -> None:
        try:
            self._memory.renew(queries.get_version(), began)
            last_used.write()
            if connection.settings_dict["OPTIONS"].get("pool"):
                connection.close()  # back to the pool; a connection of one's own is kept for the next time
        except Exception as error:  # noqa: BLE001 - whatever it is: requests look keys up meanwhile
            connection.close()
            self._tell(error)
            return
        self._well = True

    def _tell(self, error: Exception) -> None:
        """Once for each time that the database goes away."""
        if self._well:
            log.warning("key_watcher_cannot_ask", error=str(error))
        self._well = False


memory = Memory()
watcher = Watcher(memory)


def _begin_anew() -> None:
    """A fork has the parent's memory, and locks that nobody will give back, but not its thread."""
    global memory, watcher  # noqa: PLW0603
    memory = Memory()
    watcher = Watcher(memory)


os.register_at_fork(after_in_child=_begin_anew)
