"""Secrets of customers at rest: each under a key of its own, which is wrapped by the installation's key.

A sealed value opens only for the tenant and the purpose that it was sealed for. Form: one byte of format, four of the
wrapping key's version, then nonce and wrapped key, then nonce and ciphertext; AES-256-GCM both times.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from apps.core.errors import AppError, Kind
from apps.core.tenancy import TenantKey

FORMAT: Final = b"\x01"
_VERSION, _NONCE, _WRAPPED = 4, 12, 48  # a key of 32 bytes and a tag of 16


class CannotOpen(AppError):
    """A sealed value that this installation, tenant or purpose cannot open."""

    kind = Kind.INTERNAL
    code = "secret_not_opened"
    title = "A stored secret cannot be opened"
    template = (
        "A stored secret cannot be opened. Enter it again; the operator must check ALMANAC_SECRETS_KEYS."
    )


def seal(plain: bytes, *, tenant: TenantKey, purpose: str) -> bytes:
    """``plain``, sealed under the newest key."""
    version = max(settings.SECRETS_KEYS)
    key, said = AESGCM.generate_key(256), _said(tenant, purpose)
    nonce = os.urandom(_NONCE)
    return _wrap(version, key, said) + nonce + AESGCM(key).encrypt(nonce, plain, said)


def open_sealed(sealed: bytes, *, tenant: TenantKey, purpose: str) -> bytes:
    """What ``seal`` was given; raises ``CannotOpen``."""
    said = _said(tenant, purpose)
    key, rest = _unwrap(sealed, said)
    try:
        return AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], said)
    except (InvalidTag, ValueError):
        raise CannotOpen from None


def rewrap(sealed: bytes, *, tenant: TenantKey, purpose: str) -> bytes:
    """The same value with its key wrapped under the newest key; so older ones can be taken away."""
    said = _said(tenant, purpose)
    key, rest = _unwrap(sealed, said)
    return _wrap(max(settings.SECRETS_KEYS), key, said) + rest


def _wrap(version: int, key: bytes, said: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    wrapped = AESGCM(settings.SECRETS_KEYS[version]).encrypt(nonce, key, said)
    return FORMAT + version.to_bytes(_VERSION, "big") + nonce + wrapped


def _unwrap(sealed: bytes, said: bytes) -> tuple[bytes, bytes]:
    """The value's own key, and what follows it."""
    start = len(FORMAT) + _VERSION
    version = int.from_bytes(sealed[len(FORMAT) : start], "big")
    nonce, wrapped = sealed[start : start + _NONCE], sealed[start + _NONCE : start + _NONCE + _WRAPPED]
    wrapping = settings.SECRETS_KEYS.get(version)
    if not sealed.startswith(FORMAT) or wrapping is None:
        raise CannotOpen
    try:
        return AESGCM(wrapping).decrypt(nonce, wrapped, said), sealed[start + _NONCE + _WRAPPED :]
    except (InvalidTag, ValueError):
        raise CannotOpen from None


def _said(tenant: TenantKey, purpose: str) -> bytes:
    return f"{tenant.schema}/{purpose}".encode()
