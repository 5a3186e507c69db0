"""The chains' heads, signed, outside the database: who can alter the whole database still cannot alter these.

One JSON line an anchor, in a file a month: ``number`` without gaps, ``previous`` (SHA-256 of the line before, over the
files), ``time``, ``heads`` (chain to number and hash, of the chains that went on), ``key`` (the beginning of the public
key's SHA-256) and an Ed25519 ``signature`` of all that as canonical JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.utils import timezone

from apps.audit import anchor_files
from apps.audit.chain import canonical
from apps.audit.sealing import Head, list_all_heads

BEFORE_ALL: Final = "0" * 64


class NoSigningKey(RuntimeError):
    """ALMANAC_AUDIT_SIGNING_KEY is not set, and an anchor without a signature would prove nothing."""


class AnchorDamaged(RuntimeError):
    """The last anchor cannot be read, so none can follow it; the message says where it stands."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One line as read."""

    number: int
    time: datetime
    heads: dict[uuid.UUID, Head]
    previous: str


# What this process has anchored, by folder: its first anchor states all heads, later ones those that went on.
_told: dict[Path, dict[uuid.UUID, Head]] = {}


def write(folder: Path | None = None) -> int:
    """Append an anchor of the heads that went on, in the scope of the role ``sealer``; returns its number.

    Raises ``NoSigningKey``, and ``AnchorDamaged`` where the last one cannot be read.
    """
    folder = folder or settings.ANCHOR_DIR
    key = _private_key()
    with anchor_files.only_one_writer(folder):
        heads = list_all_heads()
        told = _told.get(folder, {})
        news = {chain: head for chain, head in heads.items() if told.get(chain) != head}
        number, previous = _last(folder)
        value = _value(number + 1, previous, news, key)
        name = f"anchors-{value['time'][:7]}.ndjson"
        anchor_files.append_line(folder / name, canonical(value))
        _told[folder] = heads
    return number + 1


def read(folder: Path, public_key: bytes) -> Iterator[Anchor | str]:
    """Every anchor, oldest first; a text says what is wrong with one, or with what lies between two."""
    verifier = Ed25519PublicKey.from_public_bytes(public_key)
    number, previous = 0, BEFORE_ALL
    for place, line in anchor_files.list_lines(folder):
        found = _parsed(line)
        if found is None:
            yield f"{place} is not an anchor"
            number, previous = number + 1, _digest(line)
            continue
        anchor, value = found
        if not _is_signed(value, verifier):
            yield f"{place}: the signature of anchor {anchor.number} is wrong"
        if (anchor.number, anchor.previous) != (number + 1, previous):
            yield f"{place}: anchor {anchor.number} does not follow the one before it, {number}"
        number, previous = anchor.number, _digest(line)
        yield anchor


def public_key() -> bytes:
    """The public half of our own key, 32 bytes; raises ``NoSigningKey``."""
    return _private_key().public_key().public_bytes_raw()


def _private_key() -> Ed25519PrivateKey:
    if not settings.AUDIT_SIGNING_KEY:
        raise NoSigningKey("set ALMANAC_AUDIT_SIGNING_KEY: see docs/configuration.md")
    return Ed25519PrivateKey.from_private_bytes(settings.AUDIT_SIGNING_KEY)


def _value(
    number: int, previous: str, heads: dict[uuid.UUID, Head], key: Ed25519PrivateKey
) -> dict[str, Any]:
    value: dict[str, Any] = {
        "heads": {str(chain): [at, digest.hex()] for chain, (at, digest) in heads.items()},
        "key": hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16],
        "number": number,
        "previous": previous,
        "time": timezone.now().isoformat(timespec="microseconds"),
    }
    return {**value, "signature": base64.b64encode(key.sign(canonical(value))).decode()}


def _last(folder: Path) -> tuple[int, str]:
    last = anchor_files.find_last_line(folder)
    if last is None:
        return 0, BEFORE_ALL
    name, line = last
    found = _parsed(line)
    if found is None:
        raise AnchorDamaged(f"the last line of {folder / name} is not an anchor: bring it back from a backup")
    return found[0].number, _digest(line)


def _parsed(line: bytes) -> tuple[Anchor, dict[str, Any]] | None:
    try:
        value = json.loads(line)
        heads = {
            uuid.UUID(chain): (int(at), bytes.fromhex(digest))
            for chain, (at, digest) in value["heads"].items()
        }
        time = datetime.fromisoformat(value["time"])
        return Anchor(int(value["number"]), time, heads, str(value["previous"])), value
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _is_signed(value: dict[str, Any], verifier: Ed25519PublicKey) -> bool:
    claims = {name: part for name, part in value.items() if name != "signature"}
    try:
        verifier.verify(base64.b64decode(str(value.get("signature"))), canonical(claims))
    except (InvalidSignature, ValueError):
        return False
    return True


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
