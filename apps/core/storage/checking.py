"""The hash of a file on this machine, computed once for a file that has not changed since."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apps.core.storage.names import digest

# A file changed again within the clock's grain would look unchanged, so what is younger is hashed each time.
_YOUNG_NS: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was: another content has another one of these."""

    device: int
    inode: int
    size: int
    changed_ns: int
    path: Path = field(compare=False)


def known_digest(path: Path) -> str:
    """SHA-256 of the file; raises ``FileNotFoundError``. This process reads it again only when it was changed."""
    stat = path.stat()
    if time.time_ns() - stat.st_mtime_ns < _YOUNG_NS:
        return digest(path)
    return _digest_of(_Seen(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, path))


@functools.lru_cache(maxsize=65_536)
def _digest_of(seen: _Seen) -> str:
    return digest(seen.path)
