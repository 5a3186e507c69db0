"""How much a compressed file may become: what every reader of such files asks before and while it unpacks."""

from __future__ import annotations

from apps.datasets.reading.contracts import Unreadable, refuse

# Files that are small when unpacked are never refused for being compressed well.
ALWAYS_ALLOWED = 64 << 20
MAX_RATIO = 100
MAX_UNPACKED = 4 << 30
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


def allowed_bytes(packed: int, *, ratio: int = MAX_RATIO) -> int:
    """How many bytes a file of ``packed`` bytes may unpack to."""
    return min(MAX_UNPACKED, max(ALWAYS_ALLOWED, packed * ratio))


def bomb(what: str, packed: int, allowed: int) -> Unreadable:
    """The refusal of a file that would unpack to more than is allowed."""
    return refuse(
        "bomb",
        f"{what}: {spoken_bytes(packed)} would unpack to more than {spoken_bytes(allowed)}.",
        "Upload the data without compression, or split it by series or by time.",
    )


def spoken_bytes(count: int) -> str:
    """A number of bytes as people say it."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:,.0f} {unit}"
    return f"{count} bytes"
