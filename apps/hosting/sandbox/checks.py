"""A file is tried in a child of its own before anything is registered, so a bad one disturbs no model that answers."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Final

from apps.hosting.sandbox.faults import Fault
from apps.hosting.sandbox.host import Host, HostEnded, HostTooSlow
from apps.hosting.sandbox.pool import Busy

AT_ONCE: Final = 2
MOST_TOLD: Final = 300  # members of a list or an object
WAIT_SECONDS: Final = 20.0
INSPECT_SECONDS: Final = 15.0
TRIAL_SECONDS: Final = 5.0
TRIAL_ROWS: Final = 2  # a model that takes one row alone, or mixes rows up in its shape, shows itself
_slots: Final = threading.BoundedSemaphore(AT_ONCE)


def check(path: Path, sha256: str, signature: dict[str, Any]) -> dict[str, Any]:
    """The report on the file at ``path``: what it holds, and how it answered the example. Raises ``Fault`` and ``Busy``."""
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise Busy(5.0)
    try:
        return _try(path, sha256, signature)
    finally:
        _slots.release()


def _try(path: Path, sha256: str, signature: dict[str, Any]) -> dict[str, Any]:
    request = {"path": str(path), "sha256": sha256, "signature": signature}
    host = Host()
    try:
        report = _ask(host, {**request, "op": "inspect"}, INSPECT_SECONDS, "reading the file")
        began = time.monotonic()
        row = signature.get("example") or [0.0] * len(signature["features"])
        tried = _ask(
            host,
            {**request, "op": "predict", "rows": [row] * TRIAL_ROWS},
            TRIAL_SECONDS,
            "the trial on the example",
        )
        seconds = round(time.monotonic() - began, 3)
        return {
            **plain(report),
            "trial": {"instance": row, "answer": tried["predictions"][0], "seconds": seconds},
        }
    finally:
        host.end()


def plain(value: Any) -> Any:
    """What the child says about a stranger's file, cut to what a row can keep and a page can show."""
    if isinstance(value, dict):
        return {plain(str(name)): plain(each) for name, each in list(value.items())[:MOST_TOLD]}
    if isinstance(value, list):
        return [plain(each) for each in value[:MOST_TOLD]]
    if isinstance(value, str):
        return "".join(each if each.isprintable() else "?" for each in value[:120])
    return value


def _ask(host: Host, request: dict[str, Any], seconds: float, what: str) -> dict[str, Any]:
    try:
        return host.ask(request, seconds)
    except HostTooSlow as error:
        raise Fault(
            "too_slow", f"{what.capitalize()} took longer than {seconds:.0f} s and was ended."
        ) from error
    except HostEnded as error:
        raise Fault(
            "crashed",
            f"{what.capitalize()} ended the process that it ran in ({error.how}): the file is damaged or needs more than 1 GB.",
        ) from error
