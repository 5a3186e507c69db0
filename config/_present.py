"""Which parts are there (while the parts are being put together)."""

from __future__ import annotations

from importlib.util import find_spec


def present(dotted: str) -> bool:
    try:
        return find_spec(dotted) is not None
    except ModuleNotFoundError:
        return False
