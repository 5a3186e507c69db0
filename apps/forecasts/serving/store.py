"""A bounded store of loaded bundles: immutable, shared by all threads, the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from apps.engine.serving import LoadedBundle
from apps.forecasts.serving.contracts import BundleRef

Loader = Callable[[BundleRef], LoadedBundle]


@dataclass
class _Entry:
    bundle: LoadedBundle
    size: int


class BundleStore:
    """Keeps at most ``capacity_bytes`` of bundles (their files' sizes), and at least the newest one.

    Two threads that miss the same bundle load it once. A bundle is loaded before an older one is dropped; a thread
    that still holds a dropped one goes on with it, as bundles are immutable.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, ref: BundleRef, load: Loader) -> LoadedBundle:
        """The bundle of ``ref``, loaded by ``load`` (which checks the hash) unless it is here."""
        if (found := self._find(ref.sha256)) is not None:
            return found
        with self._lock:
            loading = self._loading.setdefault(ref.sha256, threading.Lock())
        with loading:
            if (found := self._find(ref.sha256)) is not None:
                return found
            try:
                loaded = load(ref)
                self._keep(ref, loaded)
            finally:
                with self._lock:
                    self._loading.pop(ref.sha256, None)
        return loaded

    def _find(self, sha256: str) -> LoadedBundle | None:
        with self._lock:
            entry = self._entries.get(sha256)
            if entry is None:
                return None
            self._entries.move_to_end(sha256)
            return entry.bundle

    def _keep(self, ref: BundleRef, loaded: LoadedBundle) -> None:
        with self._lock:
            self._entries[ref.sha256] = _Entry(loaded, ref.size)
            while (
                len(self._entries) > 1
                and sum(entry.size for entry in self._entries.values()) > self.capacity_bytes
            ):
                self._entries.popitem(last=False)
