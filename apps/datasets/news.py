"""Who wants to know of new versions. They stand above this app, so they register instead of being imported."""

from __future__ import annotations

from collections.abc import Callable

from apps.datasets.models import DatasetVersion

Listener = Callable[[DatasetVersion], None]
_listeners: list[Listener] = []


def register(listener: Listener) -> None:
    """Have ``listener`` called with each new version, in the transaction that adds it; call it from ``AppConfig.ready``."""
    _listeners.append(listener)


def tell(version: DatasetVersion) -> None:
    """Call all listeners."""
    for listener in _listeners:
        listener(version)
