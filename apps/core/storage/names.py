"""How stored files are named: ``<tenant's schema>/<folder>/<sha256><suffix>``, on every storage."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from apps.core.tenancy import SCHEMA_NAME, TenantKey

CHUNK_BYTES: Final = 1 << 20
INCOMING: Final = "incoming"  # what is not content-addressed yet: scratch here, direct uploads on S3


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in the store: whose it is, its path in the tenant's folder, and when it was written (seconds since the epoch)."""

    schema: str
    path: str
    bytes: int
    modified_at: float


def name_of(schema: str, relative: str) -> str:
    """The name in the store of a path in a tenant's folder; raises ``ValueError`` for one that could leave it.

    Storages normalise names each in its own way, so a name that is not normal is refused here.
    """
    steps = relative.split("/")
    normal = all(step not in ("", ".", "..") for step in steps) and not {"\\", "\0"} & set(relative)
    if not normal or not SCHEMA_NAME.fullmatch(schema):
        raise ValueError(f"path leaves the tenant's folder: {relative!r}")
    return f"{schema}/{relative}"


def tenant_path(key: TenantKey, *parts: str) -> Path:
    """A path below the tenant's own folder on this machine, for scratch; parts that would leave it raise ``ValueError``.

    What is stored may be elsewhere: it is reached by ``local_copy``, ``open_content`` and ``read_content``.
    """
    root = Path(settings.STORAGE_ROOT) / key.schema
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"path leaves the tenant's folder: {parts}")
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
